"""A scikit-learn regressor in the symmetric subspace of a space of functions, or near one."""

from __future__ import annotations

import inspect
import numbers
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.linear_model import lars_path_gram
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from . import groups
from .enforce import enforce
from .errors import IsotropyError
from .geometry.action import Action
from .geometry.polynomial import Polynomials
from .geometry.space import Space
from .numerics.decide import Decision
from .numerics.path import deal
from .numerics.ridge import Coordinates, ridge
from .promote import promote
from .promote.verb import LEVEL
from .results.basis import Basis

DEGREE = 2
"""Degree of the polynomials where no space is given."""

PENALTY = ("alpha", "sparse")
"""Parameters of the ridge fit, which promotion does not make."""

PROMOTION = ("strength", "level", "noise", "sparsity", "folds")
"""Parameters of promotion and of the comparison, which enforcement does not make."""

CHOICES = ("enforce", "promote", "none")
"""What ``how="auto"`` chooses from, the most symmetric first."""


class SymmetricRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear regression on functions that a group leaves unchanged (``how="enforce"``), or may (``how="promote"``).

    ``how="auto"`` compares no constraint, promotion and enforcement by cross-validation (`chosen_`).

    ``space`` holds the functions of each output, by default polynomials of degree 2 in the features seen; ``action``
    says how the group moves inputs and outputs. Under "enforce" the fit is a combination of the basis that
    `isotropy.enforce` finds, and no action means no constraint; under "promote" it is that of `isotropy.promote`, by
    default with the rotations SO(n) of all n inputs as candidates. Under "auto" all three are fitted with each of
    ``folds`` parts of the data left out in turn (dealt by ``seed``). The most symmetric one whose squared error there
    is within one standard error, over the parts, of the least is fitted to all data. It costs ``folds`` times the three
    fits. Equal inputs are left out together. One feature has no rotations, and nothing is promoted then unless
    ``action`` is given.

    An enforced fit is ridge regression: the penalty is the sum of squares of all coefficients on the functions of
    ``space``, scaled to unit mean square over the samples, so it does not depend on the basis; constants go free.
    ``alpha`` is its strength; generalised cross-validation chooses it unless given. ``sparse=True`` keeps the elements
    of the basis on the lasso's path that have the smallest Bayesian information criterion, and fits these.
    ``sample_weight`` counts repetitions, in the tests of `promote` too.

    A promoted fit is that of `promote` with the same ``strength``, ``level``, ``noise`` and ``sparsity``, and as many
    ``folds`` as there are different inputs if these are fewer. Labels, other losses, weights of discrete candidates
    and the bootstrap are `promote`'s own. Under "auto" every parameter has its use; under "enforce" those of promotion
    have none, nor those of the ridge under "promote", and `fit` refuses them there unless they are at their defaults.

    Attributes
    ----------
    chosen_ : str
        Which of "none", "promote" and "enforce" was used.
    space_ : Space
        The functions of each output.
    coefficients_ : (f, n)
        The fit on the functions of ``space_``, one column for each output.
    coef_ : (d,)
        The weights of the functions in ``basis_``; ``coefficients_``, row by row, where "promote" was chosen.
    basis_ : Basis
        The functions that are combined: the symmetric ones, or all (not where "promote" was chosen).
    alpha_ : float
        The strength of the ridge penalty (not where "promote" was chosen).
    symmetries_ : Discovery
        What survived (only where "promote" was chosen).
    fit_ : Fit
        The whole answer of `promote` (only where "promote" was chosen).
    held_out_ : dict
        The mean squared error of each choice on data left out (only under ``how="auto"``).

    >>> from isotropy import groups
    >>> X = np.random.default_rng(0).standard_normal((30, 3))
    >>> model = SymmetricRegressor(Polynomials(3, degree=4), Action(groups.SO(3))).fit(X, (X**2).sum(axis=1) ** 2)
    >>> len(model.coef_), model.describe()
    (3, ('x^4 + 2 x^2*y^2 + 2 x^2*z^2 + y^4 + 2 y^2*z^2 + z^4',))
    """

    def __init__(
        self,
        space: Space | None = None,
        action: Action | None = None,
        how: Literal["enforce", "promote", "auto"] = "enforce",
        *,
        alpha: float | None = None,
        sparse: bool = False,
        strength: float | None = None,
        level: float = LEVEL,
        noise: float | None = None,
        sparsity: float = 0.0,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.action = action
        self.how = how
        self.alpha = alpha
        self.sparse = sparse
        self.strength = strength
        self.level = level
        self.noise = noise
        self.sparsity = sparsity
        self.folds = folds
        self.seed = seed

    n_features_in_: int

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SymmetricRegressor:
        """Fit to inputs (p, m) and outputs (p,) or (p, n).

        Raises `IsotropyError` where the space or the action is about another number of inputs or outputs, for
        parameters out of their range, and for those that do nothing under this ``how``.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        weights = np.ones(len(X))
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._single = y.ndim == 1
        targets = y.reshape(len(X), -1)
        self.space_ = self._space()
        self._enforced: Basis | None = None
        self._check(targets)
        if self.how != "enforce":
            # A row that counts nought times is no row, for the folds too.
            X, targets, weights = X[weights > 0], targets[weights > 0], weights[weights > 0]
        action = self.action
        if self.how != "enforce" and action is None and X.shape[1] > 1:
            rotations = groups.SO(X.shape[1])
            action = Action(rotations, targets.shape[1] * rotations.scalar)
        self.chosen_ = self.how if action is not None else "none"
        if self.chosen_ == "auto":
            assert action is not None
            self.chosen_ = self._compare(X, targets, weights, action)
        return self._fit(X, targets, weights, action if self.chosen_ != "none" else None)

    def _fit(
        self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray, action: Action | None
    ) -> SymmetricRegressor:
        """Fit as ``chosen_`` says."""
        if self.chosen_ == "promote":
            assert action is not None
            self.fit_ = promote(
                self.space_,
                action,
                X,
                targets,
                weights=weights,
                strength=self.strength,
                level=self.level,
                noise=self.noise,
                sparsity=self.sparsity,
                folds=self._folds(X, 2 if self.strength is None else 1),
                seed=self.seed,
            )
            self.symmetries_ = self.fit_.symmetries
            self.coefficients_ = np.asarray(self.fit_.coefficients).reshape(self.space_.dimension, -1)
            self.coef_ = self.coefficients_.ravel()
            return self
        self.basis_ = self._basis(action, targets.shape[1])
        if action is None:
            self._fit_freely(X, targets, weights)
        else:
            self._fit_symmetric(X, targets, weights)
        self.coefficients_ = self.basis_.section(self.coef_)
        return self

    def _folds(self, X: np.ndarray, least: int) -> int:
        """How many folds there can be: equal inputs, which may be one sample of weight k, stay together."""
        different = len(np.unique(X, axis=0))
        if different < least:
            raise IsotropyError(
                f"how={self.how!r} compares on data left out, and X has {different} sample{'s' * (different > 1)} that "
                f"differ{'s' * (different == 1)}, of the {least} it needs: use more, or how='enforce'."
            )
        return int(min(self.folds, different))

    def _compare(self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray, action: Action) -> str:
        """The most symmetric choice that is not worse on data left out than the best by more than the folds differ."""
        # Promotion leaves data out once more.
        folds = self._folds(X, 2 if self.strength is not None else 3)
        dealt = deal(X, folds, seed=self.seed)
        # A finite group has no generators to promote.
        choices = [name for name in CHOICES if name != "promote" or action.dimension]
        errors: dict[str, list[float]] = {name: [] for name in choices}
        for fold in range(folds):
            kept, left = dealt != fold, dealt == fold
            for name in choices:
                trial = type(self)(**self.get_params(deep=False))
                trial.n_features_in_, trial.space_, trial.chosen_ = self.n_features_in_, self.space_, name
                if name == "enforce":  # the same in every fold
                    self._enforced = self._enforced or self._basis(action, targets.shape[1])
                trial._enforced = self._enforced
                used = None if name == "none" else action
                trial._fit(X[kept], targets[kept], weights[kept], used)
                miss = self.space_.values(X[left]) @ trial.coefficients_ - targets[left]
                errors[name].append(float(np.average((miss**2).mean(axis=1), weights=weights[left])))
        self.held_out_ = {name: float(np.mean(parts)) for name, parts in errors.items()}
        best = errors[min(choices, key=lambda name: self.held_out_[name])]
        for name in choices:
            excess = np.subtract(errors[name], best)
            if excess.mean() <= excess.std(ddof=1) / np.sqrt(folds):
                return name
        return choices[-1]

    def predict(self, X: Any) -> Float[np.ndarray, "p ..."]:
        """The fitted outputs at inputs (p, m), of the shape of the outputs fitted to."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        values = self.space_.values(X) @ self.coefficients_
        return values[:, 0] if self._single else values

    def describe(self) -> tuple[str, ...]:
        """The fitted function, one line for each output."""
        check_is_fitted(self)
        scale = float(np.abs(self.coefficients_).max(initial=0.0))
        noise = float(np.sqrt(np.finfo(np.float64).eps)) * scale
        return tuple(self.space_.describe(column, noise=noise or None) for column in self.coefficients_.T)

    def _space(self) -> Space:
        if self.space is not None and not isinstance(self.space, Space):
            raise IsotropyError(
                f"The 'space' parameter of SymmetricRegressor must be a space of functions such as "
                f"`iso.spaces.Polynomials(3, degree=2)`, or None. Got {type(self.space).__name__}."
            )
        m = self.n_features_in_
        if self.space is None:
            return Polynomials(m, degree=DEGREE, variables=getattr(self, "feature_names_in_", None))
        if self.space.input_dimension != m:
            raise IsotropyError(
                f"X has {m} features, but the functions of `space` are of {self.space.input_dimension}: "
                f"give both the same number."
            )
        return self.space

    def _check(self, targets: np.ndarray) -> None:
        if self.how not in ("enforce", "promote", "auto"):
            raise IsotropyError(
                f"The 'how' parameter of SymmetricRegressor must be 'enforce', 'promote' or 'auto'. "
                f"Got {self.how!r} instead."
            )
        self._check_numbers()
        idle = [name for name in {"enforce": PROMOTION, "promote": PENALTY}.get(self.how, ()) if not self._plain(name)]
        if idle:
            other = "promote" if self.how == "enforce" else "enforce"
            raise IsotropyError(
                f"{', '.join(f'`{name}`' for name in idle)} {'do' if len(idle) > 1 else 'does'} nothing under "
                f"how={self.how!r}: leave {'them' if len(idle) > 1 else 'it'} out, or use how={other!r} or how='auto'."
            )
        if self.action is None:
            return
        if not isinstance(self.action, Action):
            raise IsotropyError(
                f"The 'action' parameter of SymmetricRegressor must be an `iso.Action`, or None. "
                f"Got {type(self.action).__name__}."
            )
        for got, want, name in (
            (self.n_features_in_, self.action.base_dimension, "X has {} features, but `action` moves {} inputs"),
            (targets.shape[1], self.action.fibre_dimension, "y has {} columns, but `action` moves {} outputs"),
        ):
            if got != want:
                raise IsotropyError(f"{name.format(got, want)}: give both the same number.")

    def _check_numbers(self) -> None:
        """Refuse numbers out of their range, whether or not this ``how`` has a use for them."""
        for name, wanted, right in (
            ("alpha", "a number >= 0, or None", self.alpha is None or _number(self.alpha) >= 0),
            ("strength", "a number >= 0, or None", self.strength is None or _number(self.strength) >= 0),
            ("noise", "a number > 0, or None", self.noise is None or _number(self.noise) > 0),
            ("sparsity", "a number >= 0", _number(self.sparsity) >= 0),
            ("level", "a number between 0 and 1", 0 < _number(self.level) < 1),
            ("folds", "an integer >= 2", isinstance(self.folds, numbers.Integral) and self.folds >= 2),
        ):
            if not right:
                got = getattr(self, name)
                raise IsotropyError(
                    f"The '{name}' parameter of SymmetricRegressor must be {wanted}. Got {got!r} instead."
                )

    def _plain(self, name: str) -> bool:
        """Whether a parameter is at its default."""
        return getattr(self, name) == inspect.signature(SymmetricRegressor).parameters[name].default

    def _basis(self, action: Action | None, outputs: int) -> Basis:
        if action is not None:
            return self._enforced or enforce(action, self.space_, seed=self.seed)
        size = self.space_.dimension * outputs
        return Basis(
            space=self.space_,
            fibre_shape=(outputs,),
            matrix=sp.csr_array(sp.eye_array(size)),
            decision=Decision(size, float("inf"), 0.0, 0.0, "certain", "there is no constraint"),
            exact=True,
            defects=np.zeros(size),
            action="no group",
            outputs=tuple(f"u{k}" for k in range(outputs)),
        )

    def _fit_freely(self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Every output on its own: one design serves them all."""
        root = np.sqrt(weights)[:, None]
        features = self.space_.values(X)
        table = self._solve(root * features, root * targets, self._sizes(features, weights), weights, outputs=1)
        self.coef_ = table.ravel()

    def _fit_symmetric(self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """All outputs together, since the elements of the basis have values in all of them."""
        d, n = self.basis_.dimension, targets.shape[1]
        root = np.sqrt(weights)[:, None, None]
        design = root * self.basis_.values(X).reshape(len(X), d, n).transpose(0, 2, 1)
        sizes = np.repeat(self._sizes(self.space_.values(X), weights), n)
        metric = self.basis_.matrix.toarray() * sizes
        rows = (root[:, :, 0] * targets).reshape(-1, 1)
        self.coef_ = self._solve(design.reshape(len(rows), d), rows, metric, weights, outputs=n)[:, 0]

    def _sizes(self, features: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, " f"]:
        """The root mean square of each function over the samples; zero for the constant, which goes free."""
        sizes = np.sqrt(weights @ features**2 / max(float(weights.sum()), np.finfo(np.float64).tiny))
        sizes[[k for k, factors in enumerate(self.space_.factors) if not factors]] = 0.0
        return sizes

    def _solve(
        self, design: np.ndarray, rows: np.ndarray, metric: np.ndarray, weights: np.ndarray, *, outputs: int
    ) -> Float[np.ndarray, "d c"]:
        count = float(weights.sum()) * outputs
        result = np.zeros((design.shape[1], rows.shape[1]))
        if not self.sparse:
            fitted = ridge(design, rows, Coordinates.of(metric), strength=self.alpha, count=count)
            self.alpha_ = fitted.strength
            return fitted.weights
        for column in range(rows.shape[1]):
            kept = _support(design, rows[:, column], metric, count)
            part = ridge(
                design[:, kept],
                rows[:, [column]],
                Coordinates.of(metric[kept]),
                strength=self.alpha,
                count=count,
            )
            self.alpha_ = part.strength
            result[kept, column] = part.weights[:, 0]
        return result


def _number(value: Any) -> float:
    """A finite real number as a float, and NaN, which no range holds, for anything else."""
    right = isinstance(value, numbers.Real) and not isinstance(value, bool) and np.isfinite(float(value))
    return float(value) if right else float("nan")


def _support(design: np.ndarray, row: np.ndarray, metric: np.ndarray, count: float) -> np.ndarray:
    """The free elements, and the support on the lasso's path whose least squares fit has the smallest BIC."""
    free = metric == 0 if metric.ndim == 1 else np.linalg.norm(metric, axis=1) == 0
    frame = np.linalg.qr(design[:, free])[0]
    inner = design[:, ~free] - frame @ (frame.T @ design[:, ~free])
    size = np.linalg.norm(inner, axis=0)
    inner = inner / np.where(size > 0, size, 1.0)
    rest = row - frame @ (frame.T @ row)
    _, _, path = lars_path_gram(inner.T @ rest, inner.T @ inner, n_samples=len(design), method="lasso")
    # Below this a residual is rounding, and its logarithm says nothing.
    smallest = (float(np.finfo(np.float64).eps) * len(design) * float(np.linalg.norm(row))) ** 2
    best, kept = np.inf, np.zeros(inner.shape[1], dtype=bool)
    for support in np.unique(path.T != 0, axis=0):
        taken = int(support.sum() + free.sum())
        if taken >= min(count, len(design)):
            continue
        fitted = inner[:, support] @ np.linalg.lstsq(inner[:, support], rest, rcond=None)[0]
        error = max(float(((rest - fitted) ** 2).sum()), smallest)
        score = count * np.log(error / count) + np.log(count) * taken if error > 0 else -np.inf
        if score < best or (score == best and support.sum() < kept.sum()):
            best, kept = score, support
    result = free.copy()
    result[np.flatnonzero(~free)[kept]] = True
    return result
