"""Two sparse fits inside a symmetric subspace: sequential thresholds, and relaxed regularised regression."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float
from pysindy.utils import get_prox
from sklearn.exceptions import ConvergenceWarning

from ..errors import IsotropyError, IsotropyWarning
from ..geometry.action import Action
from ..geometry.sample import Samples
from .optimise import How, SymmetricOptimizer


class SymmetricSTLSQ(SymmetricOptimizer):
    """Sequentially thresholded least squares among the models that a group leaves unchanged.

    ``action`` says how the group moves states and equations: `iso.Action.vector_field(G)` for x' = f(x),
    `iso.Action(V, V)` for maps x -> f(x), `iso.Action(V + S, V)` with a control that stays, `iso.Action(V, W)` for
    fields u: V -> W in a `ps.PDELibrary`. ``library`` is the feature library of the model; left out, it is the
    polynomials of the degree that fits. Without an action there is no constraint, and the fit is plain STLSQ.

    Thresholds act on the elements of a sparse readable basis of the symmetric models, each element counting as the
    largest coefficient that it contributes, so that what is left is symmetric too; ``threshold``, ``alpha`` (ridge, on
    the coefficients themselves), ``max_iter``, ``normalize_columns`` and ``unbias`` otherwise mean what they mean in
    `pysindy.STLSQ`.

    With ``how="promote"`` the group is only a candidate: the largest subgroup is kept that the data do not refuse at
    ``level``, proposed by a nuclear norm (`isotropy.promote`) and tested. ``how="auto"`` tests without the nuclear
    norm: cheaper, and as good where the noise is small. Where what is kept are directions estimated from the data, no
    term stands alone and no threshold is applied. Evidence is counted in blocks of consecutive rows, so keep the
    rows of a trajectory together. ``samples`` are states at which terms other than monomials are looked at.

    After `fit`, ``coef_`` (n, F) is symmetric to rounding, and ``symmetries_`` says what was imposed or kept.

    >>> import pysindy as ps
    >>> from isotropy import groups
    >>> x = np.random.default_rng(0).standard_normal((50, 2))
    >>> v = x @ np.array([[-0.1, 1.0], [-1.0, -0.1]])
    >>> model = ps.SINDy(optimizer=SymmetricSTLSQ(Action.vector_field(groups.SO(2)), threshold=0.05))
    >>> model.fit(x, t=1.0, x_dot=v, feature_names=["x", "y"]).print()
    (x)' = -0.100 x + -1.000 y
    (y)' = 1.000 x + -0.100 y
    """

    def __init__(
        self,
        action: Action | None = None,
        library: Any = None,
        threshold: float = 0.1,
        alpha: float = 0.05,
        max_iter: int = 20,
        *,
        how: How = "enforce",
        normalize_columns: bool = False,
        unbias: bool = True,
        samples: Samples | None = None,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(action, library, max_iter, how, normalize_columns, unbias, samples, level, seed)
        self.threshold = threshold
        self.alpha = alpha

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._not_negative("threshold", "alpha")

    def _select(
        self, design: np.ndarray, response: np.ndarray, rows: np.ndarray, sizes: np.ndarray, scale: np.ndarray
    ) -> Float[np.ndarray, " d"]:
        ridge = np.sqrt(self.alpha) * (rows * scale).T
        kept = np.ones(len(rows), dtype=bool)
        threshold = self.threshold if self._readable else 0.0
        weights = _ridge(design, response, ridge, kept)
        for _ in range(self.max_iter):
            self.n_iter_ += 1
            self.history_.append(weights)
            large = kept & (np.abs(weights) * sizes >= threshold)
            if not large.any():
                warnings.warn(
                    f"every element of the basis is below the threshold {self.threshold:g}: the model is zero.",
                    IsotropyWarning,
                    stacklevel=5,
                )
                return np.zeros(len(rows))
            settled = bool((large == kept).all())
            kept = large
            if settled:
                break
            weights = _ridge(design, response, ridge, kept)
        else:
            warnings.warn(
                f"thresholds did not settle in {self.max_iter} rounds: raise `max_iter`.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return _ridge(design, response, ridge[:0], kept) if self.unbias else weights


class PromotedSINDy(SymmetricSTLSQ):
    """`SymmetricSTLSQ` for candidates of which the data choose the largest subgroup: ``how`` is "promote"."""

    def __init__(
        self,
        action: Action | None = None,
        library: Any = None,
        threshold: float = 0.1,
        alpha: float = 0.05,
        max_iter: int = 20,
        *,
        how: How = "promote",
        normalize_columns: bool = False,
        unbias: bool = True,
        samples: Samples | None = None,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(
            action,
            library,
            threshold,
            alpha,
            max_iter,
            how=how,
            normalize_columns=normalize_columns,
            unbias=unbias,
            samples=samples,
            level=level,
            seed=seed,
        )


class SymmetricSR3(SymmetricOptimizer):
    """Sparse relaxed regularised regression among the models that a group leaves unchanged.

    As `pysindy.SR3` it minimises ``1/2 |y - X w|^2 + lam R(u) + |w - u|^2 / (2 nu)``, here over weights of a sparse
    readable basis of the symmetric models, each scaled to the largest coefficient that it contributes. ``coef_`` is the
    sparse u, ``coef_full_`` the other one: both are symmetric, where constraints on w alone would leave u without
    them. ``regularizer`` is "l0", "l1" or "l2"; ``action``, ``library``, ``how`` and the rest are as in
    `SymmetricSTLSQ`.
    """

    def __init__(
        self,
        action: Action | None = None,
        library: Any = None,
        reg_weight_lam: float = 0.005,
        regularizer: Literal["l0", "l1", "l2"] = "l0",
        relax_coeff_nu: float = 1.0,
        tol: float = 1e-5,
        max_iter: int = 30,
        *,
        how: How = "enforce",
        normalize_columns: bool = False,
        unbias: bool = False,
        samples: Samples | None = None,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(action, library, max_iter, how, normalize_columns, unbias, samples, level, seed)
        self.reg_weight_lam = reg_weight_lam
        self.regularizer = regularizer
        self.relax_coeff_nu = relax_coeff_nu
        self.tol = tol

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._not_negative("reg_weight_lam", "tol")
        if self.regularizer not in ("l0", "l1", "l2"):
            raise IsotropyError(
                f"The 'regularizer' parameter of SymmetricSR3 must be 'l0', 'l1' or 'l2'. Got {self.regularizer!r}."
            )
        if not self.relax_coeff_nu > 0:
            raise IsotropyError(
                f"The 'relax_coeff_nu' parameter of SymmetricSR3 must be positive. Got {self.relax_coeff_nu!r}."
            )

    def _select(
        self, design: np.ndarray, response: np.ndarray, rows: np.ndarray, sizes: np.ndarray, scale: np.ndarray
    ) -> Float[np.ndarray, " d"]:
        count = len(rows)
        relaxed = np.eye(count) / np.sqrt(self.relax_coeff_nu)
        frame, triangle = np.linalg.qr(np.concatenate([design / sizes, relaxed]))
        fixed = frame[: len(response)].T @ response
        drawn = frame[len(response) :].T / np.sqrt(self.relax_coeff_nu)
        prox = get_prox(self.regularizer)
        strength = self.reg_weight_lam * self.relax_coeff_nu if self._readable else 0.0
        sparse = np.linalg.lstsq(design / sizes, response, rcond=None)[0]
        for _ in range(self.max_iter):
            self.n_iter_ += 1
            full = scipy.linalg.solve_triangular(triangle, fixed + drawn @ sparse)
            previous, sparse = sparse, prox(full[:, None], strength)[:, 0]
            self.history_.append(sparse / sizes)
            if np.linalg.norm(sparse - previous) / self.relax_coeff_nu < self.tol:
                break
        else:
            warnings.warn(
                f"SymmetricSR3 did not converge in {self.max_iter} steps: raise `max_iter` or `tol`.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if self.unbias:
            return _ridge(design, response, np.zeros((0, count)), sparse != 0)
        return sparse / sizes


def _ridge(design: np.ndarray, response: np.ndarray, penalty: np.ndarray, kept: np.ndarray) -> Float[np.ndarray, " d"]:
    """Weights that minimise ``|response - design w|^2 + |penalty w|^2``, zero outside ``kept``."""
    weights = np.zeros(len(kept))
    rows = np.concatenate([design[:, kept], penalty[:, kept]])
    weights[kept] = np.linalg.lstsq(rows, np.concatenate([response, np.zeros(len(penalty))]), rcond=None)[0]
    return weights
