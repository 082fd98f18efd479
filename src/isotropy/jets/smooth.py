"""Fields on grids as sums of few smooth functions: Fourier modes along periodic axes, polynomials along the others.

The functions of an axis are orthonormal on its grid, so their coefficients are projections, noise spreads evenly over
them, and derivatives are exact derivatives of the fit. How many are kept along each axis is chosen by generalised
cross-validation (Golub, Heath and Wahba, Technometrics 21, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre

STABLE = 3.0
"""Polynomials of degree above this times the root of the number of grid points swing between them."""

TIE = 1.02
"""The fewest functions whose score is within this factor of the best are taken."""


@dataclass(frozen=True)
class Axis:
    """One axis of a grid; where fields are periodic along it the grid stops one step short of the period."""

    grid: Float[np.ndarray, " n"]
    periodic: bool

    @cached_property
    def _raw(self) -> tuple[np.ndarray, np.ndarray]:
        """Functions of the axis orthonormal on the grid, as columns, and the triangle that made them so."""
        return np.linalg.qr(self._plain(0))

    @property
    def functions(self) -> Float[np.ndarray, "n k"]:
        """Orthonormal functions, smooth ones first."""
        return self._raw[0]

    def derivative(self, order: int) -> Float[np.ndarray, "n k"]:
        """Their derivatives at the grid points."""
        if order == 0:
            return self.functions
        return np.linalg.solve(self._raw[1].T, self._plain(order).T).T

    @property
    def cuts(self) -> np.ndarray:
        """How many of them may be kept: cosine and sine of one frequency go together."""
        return np.arange(1, self.functions.shape[1] + 1, 2 if self.periodic else 1)

    def tests(self, count: int, edge: int) -> Float[np.ndarray, "n k"]:
        """Test functions: the first modes, or polynomials times a bump that ends ``edge`` points from the ends."""
        if self.periodic:
            return self.functions[:, :count]
        inner = slice(edge, len(self.grid) - edge)
        inside = self.grid[inner] - self.grid[inner][0]
        inside = 2 * inside / inside[-1] - 1
        result = np.zeros((len(self.grid), count))
        result[inner] = legendre.legvander(inside, count - 1) * (1 - inside[:, None] ** 2) ** 2
        return result

    def _plain(self, order: int) -> np.ndarray:
        n = len(self.grid)
        if self.periodic:
            step = self.grid[1] - self.grid[0]
            angle = (self.grid - self.grid[0]) / (n * step) * 2 * np.pi
            columns = [np.full(n, 1.0 if order == 0 else 0.0)]
            for k in range(1, (n - 1) // 2 + 1):
                # Each derivative turns the phase by a quarter.
                size, phase = (2 * np.pi * k / (n * step)) ** order, order * np.pi / 2
                columns += [size * np.cos(k * angle + phase), size * np.sin(k * angle + phase)]
            return np.stack(columns, axis=1)
        degree = min(n - 1, int(STABLE * np.sqrt(n)))
        half = (self.grid[-1] - self.grid[0]) / 2
        inside = (self.grid - self.grid[0]) / half - 1
        coefficients = legendre.legder(np.eye(degree + 1), order) if order <= degree else np.zeros((1, degree + 1))
        return legendre.legval(inside, coefficients).T / half**order


@dataclass(frozen=True)
class Fit:
    """A field (r, *grid) of r runs as a sum of products of the first ``cuts`` functions of each axis.

    ``coefficients`` has shape (r, *cuts); ``noise`` is the standard deviation of what is left of the values.
    """

    axes: tuple[Axis, ...]
    cuts: tuple[int, ...]
    coefficients: np.ndarray
    noise: float

    @classmethod
    def of(cls, axes: Sequence[Axis], values: np.ndarray) -> Fit:
        """Choose the cuts and fit ``values`` (r, *grid). Costs one product with the functions of each axis."""
        coefficients = along_axes(values, [axis.functions.T for axis in axes])
        left = values - along_axes(coefficients, [axis.functions for axis in axes])
        energy, rest = np.sum(coefficients**2, axis=0), float(np.sum(left**2))
        size = values.size
        rounding = size * (np.finfo(np.float64).eps * float(np.abs(values).max(initial=0.0))) ** 2
        outside = _outside(energy)
        options = []
        for cuts in product(*(axis.cuts for axis in axes)):
            count = len(values) * int(np.prod(cuts))
            if 2 * count <= size or cuts == tuple(axis.cuts[-1] for axis in axes):
                residual = outside[tuple(k - 1 for k in cuts)] + rest + rounding
                options.append((residual / max(size - count, 1) ** 2, count, cuts, residual))
        best = min(option[0] for option in options)
        _, count, cuts, residual = min((o for o in options if o[0] <= TIE * best), key=lambda o: o[1])
        kept = coefficients[(slice(None), *(slice(k) for k in cuts))]
        return cls(tuple(axes), tuple(map(int, cuts)), kept, float(np.sqrt(residual / max(size - count, 1))))

    def derivative(self, index: Sequence[int]) -> np.ndarray:
        """A partial derivative of the fit on the grid, (r, *grid)."""
        tables = [axis.derivative(k)[:, :cut] for axis, k, cut in zip(self.axes, index, self.cuts, strict=True)]
        return along_axes(self.coefficients, tables)

    def redrawn(self, rng: np.random.Generator) -> Fit:
        """The fit of the same field with other noise of the same size."""
        noise = self.noise * rng.standard_normal(self.coefficients.shape)
        return Fit(self.axes, self.cuts, self.coefficients + noise, self.noise)


def along_axes(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply every axis but the first by its matrix."""
    for place, matrix in enumerate(matrices, start=1):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, place)), 0, place)
    return values


def _outside(energy: np.ndarray) -> np.ndarray:
    """The sum of entries outside the block that ends at each place, by sums alone, so that nothing cancels."""
    total = np.zeros_like(energy)
    for axis in range(energy.ndim):
        part = np.flip(np.cumsum(np.flip(energy, axis), axis), axis)
        beyond = np.zeros_like(part)
        target, source = [slice(None)] * energy.ndim, [slice(None)] * energy.ndim
        target[axis], source[axis] = slice(None, -1), slice(1, None)
        beyond[tuple(target)] = part[tuple(source)]
        for other in range(axis):
            beyond = np.cumsum(beyond, other)
        for other in range(axis + 1, energy.ndim):
            beyond = np.broadcast_to(beyond.sum(axis=other, keepdims=True), beyond.shape)
        total = total + beyond
    return total
