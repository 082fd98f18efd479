"""Least squares in a space of functions, and the choice of the space by cross-validation in closed form.

Sources: G. C. McDonald, *Ridge regression*, WIREs Comp. Stat. 1 (2009), and H. R. Künsch, *The jackknife and the
bootstrap for general stationary observations*, Ann. Statist. 17 (1989).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Array, Float

from ..errors import IsotropyError
from .polynomial import Polynomials
from .rbf import RBF
from .restricted import Hull, Restricted
from .space import Space

DEGREES = (1, 2, 3, 4, 5)
"""Degrees of the polynomials among which cross-validation chooses when no space is given."""

HIGHEST = 8
"""The degree up to which it goes on where the last one tried is clearly the best."""

CENTRES = (16, 32, 64, 128, 256)
"""Numbers of radial functions among which it chooses. The one after the best is taken: see `radial`."""

SPACINGS = 3.0
"""Width of radial functions in spacings of their centres: narrower ones leave gaps, wider ones are nearly alike."""

LARGEST_SHARE = 0.5
"""A space is tried only if it has at most this many features per sample."""

TIE = 1.05
"""A smaller space is taken where its error is within this factor of the best."""

BLOCKS = 10
"""Stretches of the data left out in turn to see how far the fit moves."""

RELAXED = 1e-2
"""Part of the penalty that is kept to see what the penalty does: one step of those that are tried."""

DENSE = 1500
"""Features up to which singular values are taken and a ridge penalty is tried; more are fitted by QR without one."""

SPARSE, PLENTY = 200, 8
"""So are more than the first of these where each has as many samples as the second: a penalty gains nothing there."""


UPRIGHT = 1e-3
"""How far from orthonormal the columns may be after one pass of two, which leaves rounding alone after the second."""

Factors = tuple[np.ndarray, np.ndarray, np.ndarray]


class Fitted(eqx.Module):
    """The function x -> coefficients^T features(x), traceable by JAX and evaluated in the precision of x."""

    space: Space = eqx.field(static=True)
    coefficients: Float[np.ndarray, "f n"]

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        features = self.space(x)
        return features @ jnp.asarray(self.coefficients, dtype=features.dtype)


@dataclass(frozen=True)
class Regression:
    """A fit in ``space`` and its error.

    ``left_out`` (p, n) are the errors at each sample of a fit without it, ``effective`` the number of parameters that
    the ridge penalty leaves.
    """

    space: Space
    coefficients: Float[np.ndarray, "f n"]
    ridge: float
    left_out: Float[np.ndarray, "p n"]
    effective: float
    X: Float[np.ndarray, "p m"] = field(repr=False)
    Y: Float[np.ndarray, "p n"] = field(repr=False)

    @classmethod
    def of(cls, space: Space, X: Float[np.ndarray, "p m"], Y: Float[np.ndarray, "p n"]) -> Regression:
        """Least squares on columns of unit size, with the ridge penalty that predicts left-out samples best.

        Raises `IsotropyError` for a feature that is not finite at a sample.
        """
        features = _features(space, X)
        factors = _factor(features)
        fit = _by_svd(features, Y) if factors is None else _by_qr(factors, features, Y)
        return cls(space, *fit, X, Y)

    @property
    def error(self) -> float:
        """The root mean square error at left-out samples."""
        return float(np.sqrt((self.left_out**2).mean()))

    @property
    def section(self) -> Fitted:
        """The fitted function."""
        return Fitted(self.space, self.coefficients)

    @property
    def residuals(self) -> Float[np.ndarray, "p n"]:
        """What is left of the outputs."""
        return self.Y - self.space.values(self.X) @ self.coefficients

    @cached_property
    def refits(self) -> tuple[Fitted, ...]:
        """The delete-a-block jackknife: the root mean square distance of these from ``section`` is its standard error.

        Of a smooth space, whose fit the ridge penalty makes smoother than the truth by an amount that no refit shows,
        the fit with a hundredth of the penalty is one more.
        """
        features = _features(self.space, self.X)
        blocks = np.array_split(np.arange(len(self.X)), min(BLOCKS, len(self.X)))
        stretch = np.sqrt(len(blocks) - 1)
        moved = [stretch * (again - self.coefficients) for again in self._without(features, blocks)]
        if self.ridge and not isinstance(self.space, Polynomials):
            looser = _solve(features, self.Y, RELAXED * self.ridge) - self.coefficients
            moved = [np.sqrt((len(moved) + 1) / len(moved)) * change for change in moved]
            moved.append(np.sqrt(len(moved) + 1) * looser)
        return tuple(Fitted(self.space, self.coefficients + change) for change in moved)

    def _without(self, features: np.ndarray, blocks: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Coefficients fitted without each block."""
        factors = _factor(features)
        if factors is None:
            for block in blocks:
                kept = np.delete(np.arange(len(self.X)), block)
                yield _solve(features[kept], self.Y[kept], self.ridge)
            return
        scale, frame, triangle = factors
        residuals = self.Y - features @ self.coefficients
        for block in blocks:
            part = frame[block]
            inner = np.eye(len(block)) - part @ part.T
            solved: Any = sla.lstsq(inner, residuals[block], lapack_driver="gelsy")
            change = part.T @ solved[0]
            yield self.coefficients - sla.solve_triangular(triangle, change) / scale[:, None]


def polynomials(
    X: Float[np.ndarray, "p m"],
    Y: Float[np.ndarray, "p n"],
    hull: Hull,
    *,
    variables: Sequence[str] | None,
    most: int = DENSE,
) -> Regression:
    """The polynomials of least left-out error, the lowest degree among near ties, with at most ``most`` features."""
    tried: list[Regression] = []
    for degree in range(DEGREES[0], HIGHEST + 1):
        improving = len(tried) > 1 and TIE * tried[-1].error < min(fit.error for fit in tried[:-1])
        space = hull.polynomials(degree, variables)
        if tried and (space.dimension > min(LARGEST_SHARE * len(X), most) or (degree > DEGREES[-1] and not improving)):
            break
        tried.append(Regression.of(space, X, Y))
    rounding = float(np.finfo(np.float64).eps) * len(X) * float(np.abs(Y).max(initial=0.0))
    least = min(fit.error for fit in tried)
    return next(fit for fit in tried if fit.error <= TIE * least + rounding)


def larger_polynomials(
    X: Float[np.ndarray, "p m"], Y: Float[np.ndarray, "p n"], hull: Hull, *, variables: Sequence[str] | None
) -> Regression | None:
    """The largest polynomial space that `polynomials` leaves out for its cost, or None."""
    for degree in DEGREES[::-1]:
        space = hull.polynomials(degree, variables)
        if DENSE < space.dimension <= LARGEST_SHARE * len(X):
            return Regression.of(space, X, Y)
    return None


def radial_spaces(
    X: Float[np.ndarray, "p m"], hull: Hull, *, variables: Sequence[str] | None = None
) -> Iterator[Space]:
    """Gaussians about samples that lie far apart, in numbers that double, each as wide as its set is sparse."""
    points = np.unique(hull.inner(X), axis=0)
    spread = points.std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    scaled = points / unit
    chosen = [int(np.argmin(((scaled - scaled.mean(axis=0)) ** 2).sum(axis=1)))]
    away = np.full(len(points), np.inf)
    for count in CENTRES:
        if count > min(LARGEST_SHARE * len(X), len(points)):
            return
        while len(chosen) <= count:
            away = np.minimum(away, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
            chosen.append(int(np.argmax(away)))
        width = SPACINGS * float(np.sqrt(away.max())) or SPACINGS
        inner = RBF(scaled[chosen[:count]], width=width)
        yield Restricted(inner, frame=hull.frame / unit, centre=hull.centre, variables=variables)


def radial(
    X: Float[np.ndarray, "p m"],
    Y: Float[np.ndarray, "p n"],
    hull: Hull,
    *,
    variables: Sequence[str] | None,
    beat: float = np.inf,
) -> Regression | None:
    """A fit by twice as many radial functions as predict best; None for too few samples.

    The best predictor balances what it misses against its noise. A claim needs what it misses to be the smaller part,
    so that the errors that are known are all that matter. Larger numbers are not tried where the error, falling on as
    it last did, would not reach ``beat``.
    """
    tried: list[Regression] = []
    for space in radial_spaces(X, hull, variables=variables):
        tried.append(Regression.of(space, X, Y))
        left = len(CENTRES) - len(tried)
        if len(tried) > 2 and tried[-1].error * (tried[-1].error / tried[-2].error) ** left > beat:
            break
    return tried[undersmoothed([fit.error for fit in tried])] if tried else None


def undersmoothed(errors: Sequence[float]) -> int:
    """The place after the first error within `TIE` of the least, or the last."""
    first = next(k for k, error in enumerate(errors) if error <= TIE * min(errors))
    return min(first + 1, len(errors) - 1)


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


def _by_svd(features: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """Coefficients, the penalty chosen by leave-one-out cross-validation, its errors, and effective parameters."""
    scale, (u, s, vt) = _decompose(features)
    projected = u.T @ Y
    best: tuple[np.ndarray, float, np.ndarray, float] | None = None
    least = np.inf
    squares = u**2
    for ridge in [0.0, *(10.0**k for k in range(-24, 1, 2))]:
        shrink = s**2 / (s**2 + ridge)
        leverage = np.minimum(squares @ shrink, 1 - np.finfo(np.float64).eps)
        left_out = (Y - u @ (shrink[:, None] * projected)) / (1 - leverage)[:, None]
        error = float((left_out**2).mean())
        if best is None or error < least:
            coefficients = vt.T @ ((shrink / s)[:, None] * projected) / scale[:, None]
            best, least = (coefficients, ridge, left_out, float(shrink.sum())), error
    assert best is not None
    return best


def _by_qr(factors: Factors, features: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, float]:
    """The same without a penalty, for many features of full rank: a fraction of the cost."""
    scale, frame, triangle = factors
    along = frame.T @ Y
    leverage = np.minimum((frame**2).sum(axis=1), 1 - np.finfo(np.float64).eps)
    left_out = (Y - frame @ along) / (1 - leverage)[:, None]
    return sla.solve_triangular(triangle, along) / scale[:, None], 0.0, left_out, float(features.shape[1])


def _factor(features: np.ndarray) -> Factors | None:
    """Column scales, an orthonormal frame (p, f) of the scaled features, and their triangular factor.

    None where singular values serve better: for few features or few samples, and for features that depend on each
    other. By Cholesky factors of Gram matrices, twice: Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya, *Roundoff
    error analysis of the CholeskyQR2 algorithm*, ETNA 44 (2015).
    """
    p, f = features.shape
    if p <= f or f <= SPARSE or (f <= DENSE and p < PLENTY * f):
        return None
    scale = np.sqrt((features**2).sum(axis=0))
    scale[scale == 0] = 1.0
    frame, triangle = features / scale, np.eye(f)
    for _ in range(2):
        gram = frame.T @ frame
        try:
            factor = np.linalg.cholesky(gram).T
        except np.linalg.LinAlgError:
            return None
        frame = sla.solve_triangular(factor, frame.T, trans=1, overwrite_b=True).T
        triangle = factor @ triangle
    # The second pass makes up for the rounding of the first as long as that left little.
    return (scale, frame, triangle) if np.abs(gram - np.eye(f)).max() <= UPRIGHT else None


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
