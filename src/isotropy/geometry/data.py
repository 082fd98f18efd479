"""Pairs (x, y) as a section: y = F(x) + noise with F from a finite-dimensional space, fitted by least squares."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import KDTree

from .. import validate
from ..errors import IsotropyError, IsotropyWarning
from .polynomial import Polynomials
from .sample import Samples
from .space import Space

DEGREES = (1, 2, 3, 4, 5)
"""Degrees of the polynomials among which cross-validation chooses when no space is given."""

LARGEST_SHARE = 0.5
"""A polynomial space is tried only if it has at most this many features per sample."""

TIE = 1.05
"""A lower degree is taken where its error is within this factor of the best."""

BLOCKS = 10
"""Stretches of the data left out in turn to see how far the fit moves."""

MISFIT = 1e-3
"""Relative error below which what is left of the outputs may have any shape: it counts as noise."""

RARE = 0.01
"""Residuals of neighbours that agree better than this share of shuffles show that the space is too small."""

SHUFFLES = 300


class Fitted(eqx.Module):
    """The function x -> coefficients^T features(x), traceable by JAX and evaluated in the precision of x."""

    space: Space = eqx.field(static=True)
    coefficients: Float[np.ndarray, "f n"]

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        features = self.space(x)
        return features @ jnp.asarray(self.coefficients, dtype=features.dtype)


class Data:
    """Pairs of inputs ``X`` (p, m) and outputs ``Y`` (p, n) with the function fitted to them.

    F is sought in the span of ``space`` for each output, by default polynomials of the degree from 1 to 5 that
    predicts left-out samples best, in coordinates named ``variables``. The fit is by singular values with a ridge
    penalty that leave-one-out cross-validation chooses (zero for clean data), on features scaled to unit size. ``Y``
    may have shape (p,).

    ``section`` is the fitted function, ``samples`` the inputs, ``relative_error`` the leave-one-out error as a share
    of the spread of the outputs, ``noise`` (n,) the standard deviation of what is left. ``refits`` are the fits with
    a tenth of the rows left out in turn (a delete-a-block jackknife), moved away from ``section`` by sqrt(9): their
    root mean square distance from it is the standard error of the fit, for rows in any order. ``explained`` says that
    what is left looks like noise, or is under a thousandth of the outputs.

    Source: G. C. McDonald, *Ridge regression*, WIREs Comp. Stat. 1 (2009), and H. R. Künsch, *The jackknife and the
    bootstrap for general stationary observations*, Ann. Statist. 17 (1989).

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> data = Data(X, X[:, :1] ** 2 + X[:, 1:] ** 2)
    >>> data.space, data.explained
    (Polynomials(dimension 6 on R^2: 1, x, y, x^2, x*y, y^2), True)
    """

    def __init__(
        self, X: Any, Y: Any, *, space: Space | None = None, variables: Sequence[str] | None = None, seed: int = 0
    ) -> None:
        self.X = validate.array(X, "X", ndim=2).astype(np.float64)
        outputs = validate.array(Y, "Y", ndim=(1, 2)).astype(np.float64)
        self.Y = outputs[:, None] if outputs.ndim == 1 else outputs
        if len(self.X) != len(self.Y):
            raise IsotropyError(f"`X` and `Y` must have as many rows. Got {len(self.X)} and {len(self.Y)}.")
        if len(self.X) < 3:
            raise IsotropyError(f"A fit needs at least 3 pairs. Got {len(self.X)}.")
        if space is not None and not isinstance(space, Space):
            raise IsotropyError(
                f"`space` must be a space of functions. Got {type(space).__name__}: see isotropy.spaces."
            )
        if space is not None and space.input_dimension != self.X.shape[1]:
            raise IsotropyError(
                f"`space` has functions of {space.input_dimension} variables ({', '.join(space.variables)}), but `X` "
                f"has {self.X.shape[1]} columns."
            )
        self.seed = seed
        self.space, fit = (
            _choose(self.X, self.Y, variables) if space is None else (space, _fit(_features(space, self.X), self.Y))
        )
        self.coefficients, self.ridge = fit.coefficients, fit.ridge
        freedom = max(len(self.X) - fit.effective, 1.0)
        self.residuals = self.Y - self.values
        self.noise = np.sqrt((self.residuals**2).sum(axis=0) / freedom)
        spread = np.sqrt(((self.Y - self.Y.mean(axis=0)) ** 2).mean())
        if spread <= np.finfo(np.float64).eps * len(self.Y) * np.abs(self.Y).max():
            spread = np.sqrt((self.Y**2).mean()) or 1.0
        self.relative_error = float(fit.left_out / spread)
        self.section: Callable[[Array], Array] = Fitted(self.space, self.coefficients)
        with warnings.catch_warnings():
            # Repeated inputs with different outputs are what measures noise: no reason to warn here.
            warnings.simplefilter("ignore", IsotropyWarning)
            self.samples = Samples(self.X)

    @property
    def values(self) -> Float[np.ndarray, "p n"]:
        """The fitted outputs at the samples."""
        return self.space.values(self.X) @ self.coefficients

    @cached_property
    def refits(self) -> tuple[Fitted, ...]:
        """The fits of the jackknife; their root mean square distance from ``section`` is its standard error."""
        features = _features(self.space, self.X)
        blocks = np.array_split(np.arange(len(self.X)), min(BLOCKS, len(self.X)))
        stretch = np.sqrt(len(blocks) - 1)
        answer = []
        for block in blocks:
            kept = np.delete(np.arange(len(self.X)), block)
            again = _solve(features[kept], self.Y[kept], self.ridge)
            answer.append(Fitted(self.space, self.coefficients + stretch * (again - self.coefficients)))
        return tuple(answer)

    @cached_property
    def explained(self) -> bool:
        """Whether the fit leaves noise alone: too small a space would look more symmetric than the truth."""
        return self.relative_error <= MISFIT or not self.structured

    @cached_property
    def structured(self) -> bool:
        """Whether residuals of nearest neighbours agree better than shuffled ones do (a test of lack of fit)."""
        spread = self.X.std(axis=0)
        points = self.X[:, spread > 0] / spread[spread > 0]
        if points.shape[1] == 0:
            return False
        near = np.asarray(KDTree(points).query(points, k=2)[1])[:, 1]
        scaled = self.residuals / np.where(self.noise > 0, self.noise, 1.0)
        rng = np.random.default_rng(self.seed)
        seen = ((scaled - scaled[near]) ** 2).sum()
        smaller = 0
        for _ in range(SHUFFLES):
            shuffled = rng.permutation(scaled)
            smaller += ((shuffled - shuffled[near]) ** 2).sum() <= seen
        return (smaller + 1) / (SHUFFLES + 1) <= RARE

    def describe(self) -> str:
        """The fit in words."""
        kind = f"{self.space.dimension} functions of {', '.join(self.space.variables)}"
        if isinstance(self.space, Polynomials):
            kind = f"polynomials of degree {self.space.degree} in {', '.join(self.space.variables)}"
        ending = "" if self.explained else ", and the rest is not noise: the space is too small"
        return f"{len(self.X)} pairs, {kind}, relative error {self.relative_error:.1e}{ending}"

    def __repr__(self) -> str:
        return f"Data({self.describe()})"


@dataclass(frozen=True)
class _Fit:
    coefficients: Float[np.ndarray, "f n"]
    ridge: float
    left_out: float
    effective: float


def _choose(X: np.ndarray, Y: np.ndarray, variables: Sequence[str] | None) -> tuple[Space, _Fit]:
    """The polynomial space with the least leave-one-out error, the lowest degree among near ties."""
    tried: list[tuple[Space, _Fit]] = []
    for degree in DEGREES:
        space = Polynomials(X.shape[1], degree=degree, variables=variables)
        if tried and space.dimension > LARGEST_SHARE * len(X):
            break
        tried.append((space, _fit(_features(space, X), Y)))
    rounding = float(np.finfo(np.float64).eps) * len(X) * float(np.abs(Y).max(initial=0.0))
    least = min(fit.left_out for _, fit in tried)
    return next(pair for pair in tried if pair[1].left_out <= TIE * least + rounding)


def _features(space: Space, X: np.ndarray) -> np.ndarray:
    features = space.values(X)
    bad = np.argwhere(~np.isfinite(features))
    if len(bad):
        row, feature = (int(k) for k in bad[0])
        raise IsotropyError(
            f"The function {space.names[feature]!r} is not finite at row {row} of `X`: leave it out of `space`, or the "
            f"row out of the data."
        )
    return features


def _fit(features: np.ndarray, Y: np.ndarray) -> _Fit:
    """Ridge regression on scaled columns, the penalty chosen by leave-one-out cross-validation in closed form."""
    scale, (u, s, vt) = _decompose(features)
    projected = u.T @ Y
    best: _Fit | None = None
    for ridge in [0.0, *(10.0**k for k in range(-24, 1, 2))]:
        shrink = s**2 / (s**2 + ridge)
        leverage = np.minimum((u**2) @ shrink, 1 - np.finfo(np.float64).eps)
        residual = (Y - u @ (shrink[:, None] * projected)) / (1 - leverage)[:, None]
        left_out = float(np.sqrt((residual**2).mean()))
        if best is None or left_out < best.left_out:
            coefficients = vt.T @ ((shrink / s)[:, None] * projected) / scale[:, None]
            best = _Fit(coefficients, ridge, left_out, float(shrink.sum()))
    assert best is not None
    return best


def _solve(features: np.ndarray, Y: np.ndarray, ridge: float) -> np.ndarray:
    scale, (u, s, vt) = _decompose(features)
    return vt.T @ ((s / (s**2 + ridge))[:, None] * (u.T @ Y)) / scale[:, None]


def _decompose(features: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Column scales and the SVD of the scaled features, divided by its largest value and cut at rounding."""
    scale = np.sqrt((features**2).sum(axis=0))
    scale[scale == 0] = 1.0
    u, s, vt = np.linalg.svd(features / scale, full_matrices=False)
    kept = s > np.finfo(np.float64).eps * max(features.shape) * s[0]
    top = s[0] if s[0] > 0 else 1.0
    return scale * top, (u[:, kept], s[kept] / top, vt[kept])
