"""Where a field lives: points with weights, and the derivatives of values on them.

A field is an array of shape ``(*grid.shape, n)``, or ``grid.shape`` where it has one channel. Derivatives are traced by
JAX and taken in the precision of the field; tables are float64 on the host.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import KDTree

from ..errors import IsotropyError, IsotropyWarning

JUMP = 4.0
"""A step across the edge this many times the largest step inside is no period."""

INSIDE = 0.75
"""Share of a periodic box, in each direction, that counts as away from its edge."""

MOST_AXES = 3

ON_GRID = 1e-4
"""Share of the spacing within which a moved point counts as a point of the grid, in float32 too."""


class Grid(ABC):
    """Points (N, d) of R^d in an array of shape ``shape``, with quadrature ``weights`` (N,) that sum to the volume."""

    shape: tuple[int, ...]
    points: Float[np.ndarray, "N d"]
    weights: Float[np.ndarray, " N"]

    @property
    def dimension(self) -> int:
        """The number d of coordinates."""
        return self.points.shape[1]

    @property
    def rough_points(self) -> Float[np.ndarray, "N d"]:
        """The points as a rougher scheme sees them; what changes tells of motions that the domain does not allow."""
        return self.points

    @abstractmethod
    def gradient(self, u: Float[Array, "*shape n"], *, rough: bool = False) -> Float[Array, "*shape n d"]:
        """The derivatives of a field along every coordinate.

        ``rough`` takes a coarser scheme: the difference of the two is an estimate of the error of either.
        """

    @abstractmethod
    def interpolate(self, u: Float[np.ndarray, "*shape n"], where: Float[np.ndarray, "k d"]) -> np.ndarray:
        """Values (k, n) of a field between the points, in float64 on the host."""

    def places(self, where: Float[np.ndarray, "N d"]) -> np.ndarray:
        """Which point of the grid each of ``where`` is, (N,). Raises `IsotropyError` for points that are none of it."""
        distance, place = KDTree(self._wrapped(self.points)).query(self._wrapped(where))
        spacing = (self.weights.sum() / len(self.points)) ** (1 / self.dimension)
        if distance.max() > ON_GRID * spacing:
            raise IsotropyError(
                f"this motion takes points of {self} to places between them: only elements that keep the grid, such as "
                f"quarter turns and reflections of a square, can be used here."
            )
        return np.asarray(place)

    def _wrapped(self, points: np.ndarray) -> np.ndarray:
        """Coordinates that are equal where the points are the same one."""
        return points

    def coarser(self) -> Grid:
        """The same domain with half as many points along every axis. Raises `IsotropyError` where there is none."""
        raise IsotropyError(f"{self} has no coarser version of itself: compare with a grid of your own.")

    def restrict(self, u: Float[np.ndarray, "*shape n"]) -> np.ndarray:
        """A field on this grid as one on `coarser`."""
        raise IsotropyError(f"{self} has no coarser version of itself: compare with a grid of your own.")

    def channels(self, u: Any, name: str = "u") -> Float[Array, "*shape n"]:
        """``u`` with its axis of channels, one where it has none. Raises `IsotropyError` for another shape."""
        shape = np.shape(u)
        if shape == self.shape:
            return u[..., None]
        if shape[:-1] == self.shape:
            return u
        raise IsotropyError(
            f"`{name}` has shape {shape}, but {self} carries fields of shape {self.shape} or {(*self.shape, 'n')}: "
            f"put the axes of the grid first and the channels last."
        )

    def check(self, u: np.ndarray, name: str) -> None:  # noqa: B027
        """Warn where a field cannot be what the grid takes it for; most grids take anything."""


def _sizes(shape: Any, least: int) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in np.atleast_1d(shape))
    if not 1 <= len(sizes) <= MOST_AXES or min(sizes) < least:
        raise IsotropyError(f"`shape` needs one to {MOST_AXES} axes of at least {least} points. Got {shape}.")
    return sizes


def _each(value: Any, count: int, name: str) -> np.ndarray:
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))
    if not np.isfinite(values).all():
        raise IsotropyError(f"`{name}` must be finite. Got {value}.")
    return values


def _mesh(axes: Sequence[np.ndarray]) -> Float[np.ndarray, "N d"]:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


class Periodic(Grid):
    """A periodic box in one to three dimensions, with spectral derivatives.

    ``lengths`` are its periods and ``centre`` its middle, which is a point of the grid where the number of points is
    even: a quarter turn about it takes points to points. The highest frequency of an even axis has no sign and is left
    out of derivatives.

    >>> Periodic((32, 32), lengths=2 * np.pi)
    Periodic(32 x 32 points, periods 6.28319 x 6.28319)
    """

    def __init__(self, shape: Any, *, lengths: Any = 1.0, centre: Any = 0.0) -> None:
        self.shape = _sizes(shape, 4)
        d = len(self.shape)
        self.lengths, self.centre = _each(lengths, d, "lengths"), _each(centre, d, "centre")
        if self.lengths.min() <= 0:
            raise IsotropyError(f"`lengths` must be positive. Got {lengths}.")
        self.axes = [
            c + length * (np.arange(n) - n // 2) / n
            for n, length, c in zip(self.shape, self.lengths, self.centre, strict=True)
        ]
        self.points = _mesh(self.axes)
        self.weights = np.full(len(self.points), np.prod(self.lengths) / len(self.points))

    @property
    def rough_points(self) -> Float[np.ndarray, "N d"]:
        """Coordinates that are true inside and return smoothly to the centre at the edge, which makes them periodic.

        Translations do not notice. Rotations and scalings do where a field is not zero near the edge: they are no
        motions of a torus.
        """
        away = (self.points - self.centre) / (self.lengths / 2)
        edge = np.clip((1 - np.abs(away)) / (1 - INSIDE), 0.0, 1.0)
        return self.centre + away * (self.lengths / 2) * edge**3 * (10 - 15 * edge + 6 * edge**2)

    def _wrapped(self, points: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * (points - self.centre) / self.lengths
        radius = self.lengths / (2 * np.pi)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    def frequencies(self, axis: int) -> Float[np.ndarray, " k"]:
        """Angular frequencies of a real transform along one axis."""
        n = self.shape[axis]
        return 2 * np.pi * np.fft.rfftfreq(n, self.lengths[axis] / n)

    def gradient(self, u: Float[Array, "*shape n"], *, rough: bool = False) -> Float[Array, "*shape n d"]:
        """Spectral derivatives; ``rough`` leaves out the upper third of the frequencies, as dealiasing does."""
        parts = []
        for axis, n in enumerate(self.shape):
            k = self.frequencies(axis)
            kept = np.arange(len(k)) <= (n / 3 if rough else (n - 1) // 2)
            factor = np.expand_dims(np.where(kept, 1j * k, 0), tuple(range(1, u.ndim - axis)))
            spectrum = jnp.fft.rfft(u, axis=axis)
            parts.append(jnp.fft.irfft(spectrum * jnp.asarray(factor, spectrum.dtype), n=n, axis=axis))
        return jnp.stack(parts, axis=-1)

    def interpolate(self, u: Float[np.ndarray, "*shape n"], where: Float[np.ndarray, "k d"]) -> np.ndarray:
        """The trigonometric interpolant; exact for fields without the highest frequency. Costs O(k N) a channel."""
        values = np.asarray(u, dtype=np.float64)
        # One axis after the other: a point's own row of the first, then its value along the others.
        result = np.einsum("kn,n...->k...", self._rows(0, where), values)
        for axis in range(1, self.dimension):
            result = np.einsum("kn,kn...->k...", self._rows(axis, where), result)
        return result

    def _rows(self, axis: int, where: np.ndarray) -> np.ndarray:
        """Weights (k, n) of the points along one axis: the periodic sinc."""
        n = self.shape[axis]
        angle = 2 * np.pi * (where[:, axis, None] - self.axes[axis]) / self.lengths[axis]
        k = np.arange(1, (n - 1) // 2 + 1)
        rows = 1 + 2 * np.cos(angle[..., None] * k).sum(axis=-1)
        if n % 2 == 0:
            rows = rows + np.cos(angle * n / 2)
        return rows / n

    def coarser(self) -> Periodic:
        """Half as many points along every axis. Raises `IsotropyError` for odd or short axes."""
        if any(n % 2 or n < 8 for n in self.shape):
            raise IsotropyError(f"{self} cannot be halved: take even numbers of at least 8 points.")
        return Periodic(tuple(n // 2 for n in self.shape), lengths=self.lengths, centre=self.centre)

    def restrict(self, u: Float[np.ndarray, "*shape n"]) -> np.ndarray:
        """The lower half of the frequencies, at every second point."""
        values = np.asarray(u)
        for axis, n in enumerate(self.shape):
            spectrum = np.fft.rfft(values, axis=axis)
            kept = np.arange(spectrum.shape[axis]) < n // 4
            mask = np.expand_dims(kept, tuple(range(1, values.ndim - axis)))
            values = np.fft.irfft(spectrum * mask, n=n, axis=axis)
        start = tuple(slice((n // 2 - n // 4 * 2) % 2, None, 2) for n in self.shape)
        return values[start].astype(np.asarray(u).dtype)

    def check(self, u: np.ndarray, name: str) -> None:
        """Warn of a field whose ends do not meet, with the size of the jump."""
        for axis in range(self.dimension):
            along = np.moveaxis(np.asarray(u), axis, 0)
            inside = np.abs(np.diff(along, axis=0)).max()
            jump = np.abs(along[0] - along[-1]).max()
            if jump > JUMP * inside:
                warnings.warn(
                    f"`{name}` jumps by {jump:.2g} from one end of axis {axis} to the other, where steps inside are at "
                    f"most {inside:.2g}: it is not periodic, so take `fields.Box`, or a window that vanishes there.",
                    IsotropyWarning,
                    stacklevel=3,
                )

    def __repr__(self) -> str:
        sizes, periods = (" x ".join(f"{v:g}" for v in row) for row in (self.shape, self.lengths))
        return f"Periodic({sizes} points, periods {periods})"


class Box(Grid):
    """A bounded box with its edges, and finite differences of a stated even ``order``.

    ``bounds`` is one pair (low, high), or one for each axis. Weights are the trapezium rule's.

    >>> Box((65, 33), bounds=[(0, 1), (-1, 1)], order=6)
    Box(65 x 33 points, order 6)
    """

    def __init__(self, shape: Any, *, bounds: Any = (0.0, 1.0), order: int = 4) -> None:
        if order < 4 or order % 2:
            raise IsotropyError(f"`order` must be an even number from 4. Got {order}.")
        self.order = order
        self.shape = _sizes(shape, order + 3)
        d = len(self.shape)
        self.bounds = np.broadcast_to(np.asarray(bounds, dtype=np.float64), (d, 2))
        if not (self.bounds[:, 0] < self.bounds[:, 1]).all():
            raise IsotropyError(f"`bounds` are pairs (low, high). Got {bounds}.")
        self.axes = [np.linspace(low, high, n) for (low, high), n in zip(self.bounds, self.shape, strict=True)]
        self.points = _mesh(self.axes)
        ends = [np.where((np.arange(n) == 0) | (np.arange(n) == n - 1), 0.5, 1.0) for n in self.shape]
        step = [axis[1] - axis[0] for axis in self.axes]
        self.weights = np.prod(_mesh(ends), axis=1) * np.prod(step)
        self._fine = [differences(axis, order) for axis in self.axes]
        self._rough = [differences(axis, order - 2) for axis in self.axes]

    def gradient(self, u: Float[Array, "*shape n"], *, rough: bool = False) -> Float[Array, "*shape n d"]:
        """Finite differences, one-sided at the edges; ``rough`` is two orders lower."""
        parts = []
        for axis, matrix in enumerate(self._rough if rough else self._fine):
            along = jnp.tensordot(jnp.asarray(matrix, u.dtype), jnp.moveaxis(u, axis, 0), 1)
            parts.append(jnp.moveaxis(along, 0, axis))
        return jnp.stack(parts, axis=-1)

    def interpolate(self, u: Float[np.ndarray, "*shape n"], where: Float[np.ndarray, "k d"]) -> np.ndarray:
        """Quintic splines, or cubic ones on short axes; zero outside the box."""
        method = "quintic" if min(self.shape) > 5 else "cubic"
        spline = RegularGridInterpolator(
            self.axes, np.asarray(u, dtype=np.float64), method=method, bounds_error=False, fill_value=0.0
        )
        return spline(where)

    def coarser(self) -> Box:
        """Every second point. Raises `IsotropyError` for an even number of points."""
        if any(n % 2 == 0 for n in self.shape):
            raise IsotropyError(f"{self} cannot be halved: take odd numbers of points, which keep both edges.")
        return Box(tuple(n // 2 + 1 for n in self.shape), bounds=self.bounds, order=self.order)

    def restrict(self, u: Float[np.ndarray, "*shape n"]) -> np.ndarray:
        """Every second point."""
        return np.asarray(u)[tuple(slice(None, None, 2) for _ in self.shape)]

    def __repr__(self) -> str:
        return f"Box({' x '.join(str(n) for n in self.shape)} points, order {self.order})"


def differences(axis: Float[np.ndarray, " n"], order: int) -> Float[np.ndarray, "n n"]:
    """The matrix of first derivatives on evenly spaced points, exact for polynomials of degree ``order``.

    Stencils of ``order + 1`` points are centred where they can be. Solved from their moments in units of the spacing.
    """
    n, width = len(axis), order + 1
    matrix = np.zeros((n, n))
    for row in range(n):
        start = min(max(row - order // 2, 0), n - width)
        offsets = np.arange(start, start + width) - row
        moments = np.vander(offsets.astype(np.float64), width, increasing=True).T
        matrix[row, start : start + width] = np.linalg.solve(moments, np.eye(width)[1])
    return matrix / (axis[1] - axis[0])
