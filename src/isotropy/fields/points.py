"""Scattered points as a grid: derivatives from polynomials fitted to each point's neighbours."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from .. import validate
from ..errors import IsotropyError
from .grid import Grid

OVERSAMPLING = 2
"""Neighbours for each coefficient of a local polynomial."""


class PointSet(Grid):
    """Points (N, d) of any arrangement, with ``weights`` (N,), equal unless given.

    Derivatives are those of polynomials of ``degree`` fitted by least squares to the nearest points, the nearer the
    more they weigh. ``shape`` is (N,).

    >>> import numpy as np
    >>> PointSet(np.random.default_rng(0).uniform(size=(100, 2)))
    PointSet(100 points of R^2, local degree 2)
    """

    def __init__(self, points: Any, *, weights: Any = None, degree: int = 2) -> None:
        self.points = np.array(validate.array(points, "points", ndim=2), dtype=np.float64)
        count, d = self.points.shape
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 2:
            raise IsotropyError(f"`degree` must be an integer from 2. Got {degree!r}.")
        needed = OVERSAMPLING * math.comb(d + degree, d)
        if count < needed:
            raise IsotropyError(
                f"polynomials of degree {degree} in {d} coordinates need {needed} points. Got {count}: take a lower "
                f"`degree`, or more points."
            )
        if len(np.unique(self.points, axis=0)) < count:
            raise IsotropyError("`points` holds a point twice, where a field would have two values: drop the repeats.")
        self.shape: tuple[int, ...] = (count,)
        self.degree = degree
        self.weights = (
            np.full(count, 1.0 / count) if weights is None else validate.array(weights, "weights", shape=(count,))
        )
        self._nearest = np.asarray(KDTree(self.points).query(self.points, needed)[1])
        self._fine = self._tables(degree)
        self._rough = self._tables(degree - 1)

    def _tables(self, degree: int) -> Float[np.ndarray, "N k d"]:
        """The derivative at each point as weights of its neighbours' values."""
        offsets = self.points[self._nearest] - self.points[:, None]
        reach = np.linalg.norm(offsets, axis=2).max(axis=1)
        scaled = offsets / reach[:, None, None]
        powers = [p for p in itertools.product(range(degree + 1), repeat=self.dimension) if sum(p) <= degree]
        monomials = np.stack([np.prod(scaled ** np.array(p), axis=2) for p in powers], axis=2)
        near = np.exp(-np.sum(scaled**2, axis=2))[:, :, None]
        inverse = np.linalg.pinv(monomials * near)
        linear = [powers.index(tuple(int(i == j) for i in range(self.dimension))) for j in range(self.dimension)]
        return np.swapaxes(inverse[:, linear] * np.swapaxes(near, 1, 2), 1, 2) / reach[:, None, None]

    def gradient(self, u: Float[Array, "N n"], *, rough: bool = False) -> Float[Array, "N n d"]:
        """The local polynomials' derivatives; ``rough`` takes polynomials of one degree less."""
        table = self._rough if rough else self._fine
        return jnp.einsum("pkd,pkn->pnd", jnp.asarray(table, u.dtype), jnp.take(u, self._nearest, axis=0))

    def interpolate(self, u: Float[np.ndarray, "N n"], where: Float[np.ndarray, "k d"]) -> np.ndarray:
        """Polyharmonic splines of the nearest points."""
        spline = RBFInterpolator(self.points, np.asarray(u, dtype=np.float64), neighbors=self._nearest.shape[1])
        return spline(where)

    def __repr__(self) -> str:
        return f"PointSet({self.shape[0]} points of R^{self.dimension}, local degree {self.degree})"
