"""PySINDy optimisers whose models a group leaves unchanged, or as much of it as the data allow."""

from __future__ import annotations

import warnings
from math import comb
from typing import Any, Literal

import numpy as np
import pysindy
from jaxtyping import Float
from pysindy.optimizers.base import BaseOptimizer
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from ..errors import IsotropyError, IsotropyWarning
from ..geometry.action import Action
from ..geometry.sample import Samples
from ..numerics.decide import Decision, numerical_floor
from ..numerics.sparse import sparse_basis
from ..results.discovery import Discovery
from .library import LibrarySpace, as_time_goes, is_integrated
from .moments import BLOCKS, Moments
from .subspace import resolve, symmetric_subspace
from .surviving import keep, sight, whole

How = Literal["enforce", "promote", "auto"]

CHECKED = 16
"""Rows of the terms that are compared with the library's."""

LARGEST_DEGREE = 12
"""Degree up to which polynomials are tried where no library is given."""


class SymmetricOptimizer(BaseOptimizer):
    """What the symmetric optimisers share: terms and targets in, symmetric coefficients out.

    A subclass gives ``_select``, which chooses elements of a basis of the symmetric models and their weights.
    """

    # What PySINDy's wrappers ask of an optimizer.
    initial_guess = None
    copy_X = True
    positive = False

    coef_: Any  # PySINDy's annotation asks for a dtype that no array has
    intercept_: Any
    action: Action | None
    library: Any
    samples: Samples | None
    how: How
    level: float
    seed: int
    normalize_columns: bool
    max_iter: int
    n_features_in_: int

    def __init__(
        self,
        action: Action | None,
        library: Any,
        max_iter: int,
        how: How,
        normalize_columns: bool,
        unbias: bool,
        samples: Samples | None,
        level: float,
        seed: int,
    ) -> None:
        self.action = action
        self.library = library
        self.max_iter = max_iter
        self.how = how
        self.normalize_columns = normalize_columns
        self.unbias = unbias
        self.samples = samples
        self.level = level
        self.seed = seed

    def fit(self, x_: Any, y: Any, sample_weight: Any = None, **reduce_kws: Any) -> SymmetricOptimizer:
        """Fit coefficients to terms (p, F) and derivatives (p, n); `pysindy.SINDy.fit` calls it.

        Rows without a derivative (NaN) are left out, as PySINDy does. Raises `IsotropyError` where the terms are not
        those of ``library``, and for a symmetry under which no model of it is left but zero.
        """
        if reduce_kws:
            raise IsotropyError(f"{type(self).__name__}.fit takes no {', '.join(reduce_kws)}: leave it out.")
        self._check_parameters()
        theta, targets, weights, self._single = self._data(x_, y, sample_weight)
        moments = Moments.of(weights * theta, weights * targets, blocks=self._blocks)
        rows = self._basis(theta, moments)
        scale = np.linalg.norm(theta, axis=0) if self.normalize_columns else np.ones(theta.shape[1])
        # A term that is zero on all data has no size of its own.
        scale = np.where(scale > 0, scale, 1.0)
        self.history_: list[np.ndarray] = []
        self.n_iter_ = 0
        self._warn_of_gaps(moments, rows)
        coefficients = self._reduce(moments, rows, scale)
        self.coef_ = coefficients.reshape(targets.shape[1], theta.shape[1]) + 0.0
        self.intercept_ = 0.0
        self.ind_ = self.coef_ != 0
        return self

    def predict(self, X: Any) -> Float[np.ndarray, "p ..."]:
        """The right-hand sides at rows of terms, one column for each equation."""
        check_is_fitted(self)
        X = validate_data(self, _plain(X), dtype=np.float64, reset=False, ensure_all_finite="allow-nan")
        values = X @ self.coef_.T
        return values[:, 0] if self._single else values

    def _select(
        self, design: np.ndarray, response: np.ndarray, rows: np.ndarray, sizes: np.ndarray, scale: np.ndarray
    ) -> Float[np.ndarray, " d"]:
        raise NotImplementedError

    def set_params(self, **parameters: Any) -> SymmetricOptimizer:
        """As scikit-learn's, which PySINDy's own returns nothing from."""
        BaseEstimator.set_params(self, **parameters)
        return self

    @property
    def iters(self) -> int:
        """PySINDy's name of ``n_iter_``, the number of rounds of the last fit."""
        return getattr(self, "n_iter_", 0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        return tags

    def _check_parameters(self) -> None:
        name = type(self).__name__
        if self.how not in ("enforce", "promote", "auto"):
            raise IsotropyError(
                f"The 'how' parameter of {name} must be 'enforce', 'promote' or 'auto'. Got {self.how!r} instead."
            )
        if not 0 < self.level < 1:
            raise IsotropyError(f"The 'level' parameter of {name} must lie between 0 and 1. Got {self.level!r}.")
        if not self.max_iter >= 1:
            raise IsotropyError(f"The 'max_iter' parameter of {name} must be at least 1. Got {self.max_iter!r}.")

    def _not_negative(self, *parameters: str) -> None:
        for parameter in parameters:
            value = getattr(self, parameter)
            if not value >= 0:
                raise IsotropyError(
                    f"The '{parameter}' parameter of {type(self).__name__} must not be negative. Got {value!r}."
                )

    def _data(self, x_: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """Terms, targets, the roots of the weights as a column, and whether the targets came as one row of numbers."""
        if y is None:
            raise IsotropyError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: pass derivatives."
            )
        theta = np.asarray(validate_data(self, _plain(x_), dtype=np.float64, ensure_all_finite="allow-nan"))
        # scikit-learn documents more types for these two options than its annotations say.
        options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
        targets = np.asarray(check_array(_plain(y), ensure_2d=False, **options))
        check_consistent_length(theta, targets)
        single = targets.ndim == 1
        targets = targets.reshape(len(theta), -1)
        unknown = np.isnan(theta).any(axis=1)
        usable = np.asarray(~unknown & ~np.isnan(targets).any(axis=1))
        if not usable.any():
            raise IsotropyError("every row of the terms or of the derivatives holds NaN: there is nothing to fit.")
        if unknown.any():
            warnings.warn(
                f"{int(unknown.sum())} of {len(theta)} rows of terms hold NaN and are left out.",
                IsotropyWarning,
                stacklevel=4,
            )
        weights = np.ones(len(theta)) if sample_weight is None else _check_sample_weight(sample_weight, theta)
        if (weights < 0).any():
            raise IsotropyError("`sample_weight` must not be negative.")
        order, self._blocks = np.arange(len(theta)), BLOCKS
        if is_integrated(self.library):
            order, self._blocks = as_time_goes(self.library, len(theta))
        kept = order[usable[order]]
        return theta[kept], targets[kept], np.sqrt(weights[kept])[:, None], single

    def _basis(self, theta: np.ndarray, moments: Moments) -> Float[np.ndarray, "d k"]:
        n, f = moments.targets.shape[1], theta.shape[1]
        self._readable = True
        if self.action is None:
            if self.how != "enforce":
                warnings.warn(
                    f"how={self.how!r} without an `action` has no candidates: the fit is not constrained.",
                    IsotropyWarning,
                    stacklevel=4,
                )
            self.symmetries_: Discovery | None = None
            return np.eye(n * f)
        if not isinstance(self.action, Action):
            raise IsotropyError(
                f"`action` says how a group acts, for example `iso.Action.vector_field(groups.SO(3))`. "
                f"Got {type(self.action).__name__}."
            )
        library = polynomials_of(self.action, theta) if self.library is None else self.library
        space, action = resolve(self.action, library, n)
        self._check_terms(space, theta, integrated=is_integrated(library))
        if self.how == "enforce":
            found = symmetric_subspace(action, space, samples=self.samples)
            reason = "imposed, and not asked of the data"
            self.symmetries_ = whole(action, Decision(action.dimension, float("inf"), 0.0, 0.0, "certain", reason))
            return found.rows
        readable = space.coordinates is not None and not is_integrated(library)
        states = theta[:, space.coordinates] if readable else None
        points = sight(space, states, self.samples, self.seed)
        symmetric = self._symmetric_or_none(action, space)
        kept = keep(
            action, space, moments, points, symmetric, nuclear=self.how == "promote", level=self.level
        )  # fmt: skip
        self.symmetries_ = kept.symmetries
        if kept.rows is None:
            return np.eye(n * f)
        self._readable = kept.readable
        rows = kept.rows if kept.rows is symmetric else sparse_basis(kept.rows)
        return rows / np.abs(rows).max(axis=1, keepdims=True)

    def _symmetric_or_none(self, action: Action, space: LibrarySpace) -> np.ndarray | None:
        try:
            return symmetric_subspace(action, space, samples=self.samples).rows
        except IsotropyError:
            return None  # that no model has all the candidates is no error where the data choose

    def _check_terms(self, space: LibrarySpace, theta: np.ndarray, *, integrated: bool) -> None:
        f = theta.shape[1]
        if space.dimension != f:
            raise IsotropyError(
                f"the model has {f} terms, but `library` has {space.dimension}: pass the library of the model. "
                f"(Ensembles that drop terms break a symmetry: use `bagging=True` alone.)"
            )
        if integrated or space.coordinates is None:
            return
        rows = theta[np.unique(np.linspace(0, len(theta) - 1, CHECKED).astype(int))]
        expected = space.values(rows[:, space.coordinates])
        size = np.abs(expected) + np.abs(rows)
        # Terms of a partial differential equation are products of the same numbers in another order.
        wrong = (np.abs(expected - rows) > numerical_floor(np.float64, 64, 1.0) * size).any(axis=0)
        if wrong.any():
            first = int(wrong.argmax())
            raise IsotropyError(
                f"term {first} of the model is not `{space.names[first]}`, as `library` has it: pass the library of "
                f"the model, with its terms in the same order."
            )

    def _warn_of_gaps(self, moments: Moments, rows: np.ndarray) -> None:
        design = moments.design(rows)
        size = np.linalg.norm(design, axis=0)
        values = np.linalg.svd(design / np.where(size > 0, size, 1.0), compute_uv=False)
        floor = numerical_floor(np.float64, len(moments.terms) + len(size), float(values.max(initial=0.0)))
        rank = int((values > floor).sum())
        if rank < len(rows):
            warnings.warn(
                f"the data tell {rank} of {len(rows)} free coefficients apart (constant states, too few samples, or "
                f"terms that depend on one another): the fit of least size among the best is taken.",
                IsotropyWarning,
                stacklevel=4,
            )

    def _reduce(self, moments: Moments, rows: np.ndarray, scale: np.ndarray) -> Float[np.ndarray, " k"]:
        """Equations that no element of the basis ties together are fitted one after the other."""
        n, f = moments.targets.shape[1], moments.terms.shape[1]
        tables = rows.reshape(len(rows), n, f)
        touched = np.abs(tables).max(axis=2) > 0
        result = np.zeros(rows.shape[1])
        for equations in _tied(touched):
            own = touched[:, equations].any(axis=1)
            part = tables[own][:, equations]
            sizes = np.abs(part * scale).max(axis=(1, 2))
            design = np.einsum("rf,dnf->nrd", moments.features, part).reshape(-1, len(part))
            response = moments.products[:, equations].T.ravel()
            flat = part.reshape(len(part), -1)
            weights = self._select(design, response, flat, sizes, np.tile(scale, len(equations)))
            result.reshape(n, f)[equations] = (weights @ flat).reshape(len(equations), f)
        return result


def _tied(touched: np.ndarray) -> list[np.ndarray]:
    """Groups of equations that share an element."""
    n = touched.shape[1]
    together = np.eye(n, dtype=bool) | ((touched.T.astype(int) @ touched.astype(int)) > 0)
    for _ in range(n):
        together = (together.astype(int) @ together.astype(int)) > 0
    return [np.flatnonzero(row) for row in np.unique(together, axis=0)]


def _plain(value: Any) -> Any:
    """PySINDy's arrays with named axes as plain ones."""
    return np.asarray(value) if isinstance(value, np.ndarray) else value


def polynomials_of(action: Action, theta: np.ndarray) -> Any:
    """The polynomial library, with or without a constant, that makes terms like these, for a model that names none."""
    for degree in range(1, LARGEST_DEGREE + 1):
        for bias in (True, False):
            count = comb(action.base_dimension + degree, degree) - (not bias)
            if count == theta.shape[1]:
                return pysindy.PolynomialLibrary(degree=degree, include_bias=bias)
    raise IsotropyError(
        f"{theta.shape[1]} terms are not all polynomials of {action.base_dimension} variables up to some degree: pass "
        f"the feature library of the model as `library`."
    )
