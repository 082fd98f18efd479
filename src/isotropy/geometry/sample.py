"""Sample points and their weights: where a section is looked at, and the measure that they stand for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError, IsotropyWarning

LARGEST_GRID = 10_000_000
"""A tensor grid with more points than this is a mistake in the order or the dimension."""


class Samples:
    """Points of R^m with weights that sum to one: the discrete measure of convention C5.

    ``points`` has shape (p, m) and keeps float32 if it comes in float32; everything later is computed in this
    precision. ``weights`` are relative, must not be negative, and are equal unless given. Repeated points are
    allowed. More than half of them being repeats draws an `IsotropyWarning`, since they carry no new information.

    >>> Samples.normal(200, 3, seed=0)
    Samples(200 points in R^3, float64)
    """

    def __init__(self, points: Float[np.ndarray, "p m"], weights: Float[np.ndarray, " p"] | None = None) -> None:
        points = np.array(validate.array(points, "points", ndim=2))
        p = len(points)
        if weights is None:
            measure = np.full(p, 1.0 / p)
        else:
            measure = validate.array(weights, "weights", shape=(p,)).astype(np.float64)
            if measure.min() < 0:
                k = int(measure.argmin())
                raise IsotropyError(
                    f"`weights` must not be negative. Got {measure[k]:g} at index {k}: "
                    f"drop the point or give it weight 0."
                )
            if measure.max() == 0:
                raise IsotropyError("`weights` are all zero: give at least one point a positive weight.")
            # Dividing by the largest first keeps the sum of huge weights finite.
            measure = measure / measure.max()
            measure = measure / measure.sum()
        different = _count_different(points)
        if 2 * different < p:
            warnings.warn(
                f"Only {different} of the {p} sample points are different: repeats carry no new information, "
                f"so pass more points, or drop the repeats.",
                IsotropyWarning,
                stacklevel=2,
            )
        points.flags.writeable = measure.flags.writeable = False
        self._points, self._weights = points, measure

    @property
    def points(self) -> Float[np.ndarray, "p m"]:
        """The points, one a row; read-only."""
        return self._points

    @property
    def weights(self) -> Float[np.ndarray, " p"]:
        """The weight of each point, summing to one; read-only."""
        return self._weights

    @property
    def dimension(self) -> int:
        """The number m of coordinates."""
        return self._points.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64: the precision in which rows are computed on these samples."""
        return self._points.dtype

    def __len__(self) -> int:
        return len(self._points)

    def __repr__(self) -> str:
        return f"Samples({len(self)} points in R^{self.dimension}, {self.dtype})"

    @classmethod
    def normal(cls, n: int, m: int, *, seed: int, scale: Any = 1.0, dtype: Any = np.float64) -> Samples:
        """n points of R^m from the normal distribution of mean 0 and standard deviation ``scale``.

        ``scale`` is one number or one for each coordinate.
        """
        n, m = _count(n, "n"), _count(m, "m")
        return cls((_generator(seed).standard_normal((n, m)) * _spread(scale, m)).astype(_precision(dtype)))

    @classmethod
    def uniform(
        cls, n: int, m: int, *, seed: int, low: Any = -1.0, high: Any = 1.0, dtype: Any = np.float64
    ) -> Samples:
        """n points of R^m uniform in the box between ``low`` and ``high``, each one number or one per coordinate."""
        n, m = _count(n, "n"), _count(m, "m")
        low, high = _box(low, high, m)
        return cls(_generator(seed).uniform(low, high, (n, m)).astype(_precision(dtype)))

    @classmethod
    def quadrature(
        cls, m: int, order: int, *, low: Any = -1.0, high: Any = 1.0, rule: str = "legendre", dtype: Any = np.float64
    ) -> Samples:
        """The tensor grid of Gauss's rule with ``order`` nodes in each of m coordinates.

        Weighted sums are then exact means of polynomials of degree below 2 * order in each coordinate: over the
        box between ``low`` and ``high`` for the rule "legendre", and over the standard normal distribution for
        "hermite", which ignores the box. The grid has order^m points.
        """
        m, order = _count(m, "m"), _count(order, "order")
        if order**m > LARGEST_GRID:
            raise IsotropyError(
                f"A grid of order {order} in {m} coordinates has {order**m} points, more than {LARGEST_GRID}: "
                f"lower the order, or draw points with `Samples.uniform`."
            )
        if rule == "legendre":
            nodes, weights = np.polynomial.legendre.leggauss(order)
            low, high = _box(low, high, m)
            axes = [low[k] + (nodes + 1) / 2 * (high[k] - low[k]) for k in range(m)]
        elif rule == "hermite":
            nodes, weights = np.polynomial.hermite_e.hermegauss(order)
            axes = [nodes] * m
        else:
            raise IsotropyError(
                f"The 'rule' parameter of Samples.quadrature must be legendre or hermite. Got {rule!r}."
            )
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, m)
        product = np.ones(1)
        for _ in range(m):
            product = np.multiply.outer(product, weights).ravel()
        return cls(points.astype(_precision(dtype)), product)


def _count_different(points: np.ndarray) -> int:
    """The number of different rows, or a lower bound of at least half of them."""
    # Sorting one column is far cheaper than sorting rows, and for most data settles the question.
    for column in points.T:
        different = len(np.unique(column))
        if 2 * different >= len(points):
            return different
    return len(np.unique(points, axis=0))


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise IsotropyError(f"`{name}` must be a positive integer. Got {value!r}.")
    return int(value)


def _generator(seed: Any) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise IsotropyError(f"`seed` must be an integer >= 0. Got {seed!r}.")
    return np.random.default_rng(int(seed))


def _precision(dtype: Any) -> np.dtype:
    result = np.dtype(dtype)
    if result not in (np.float32, np.float64):
        raise IsotropyError(f"`dtype` must be float32 or float64. Got {result}.")
    return result


def _per_coordinate(value: Any, name: str, m: int) -> np.ndarray:
    value = validate.array(value, name, ndim=(0, 1)).astype(np.float64)
    if value.ndim == 1 and len(value) != m:
        raise IsotropyError(f"`{name}` must be one number or {m}, one for each coordinate. Got {len(value)}.")
    return np.broadcast_to(value, (m,))


def _spread(scale: Any, m: int) -> np.ndarray:
    result = _per_coordinate(scale, "scale", m)
    if result.min() <= 0:
        raise IsotropyError(f"`scale` must be positive. Got {result.min():g}.")
    return result


def _box(low: Any, high: Any, m: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = _per_coordinate(low, "low", m), _per_coordinate(high, "high", m)
    if (low >= high).any():
        k = int((low >= high).argmax())
        raise IsotropyError(f"`low` must be below `high`. Got {low[k]:g} and {high[k]:g} in coordinate {k}.")
    return low, high
