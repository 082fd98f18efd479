"""The variety of polynomials that nearly vanish on points: feet of points on it, and its normals there.

A polynomial p of size |p| and slope |grad p| on the points is, to first order, at the distance |p| / |grad p| from
them; the ratio is made small by a generalised problem in singular values, so that exact data give exact zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..numerics import pencil
from ..numerics.spectrum import TriangularFactor
from .polynomial import Polynomials

STEPS = 5
"""Gauss-Newton steps to the nearest point of a variety; the convergence is fast from nearby."""

REACH = 0.5
"""The longest step, as a share of the cloud's size: far from the variety its polynomials say nothing of distance."""


@dataclass(frozen=True)
class Frame:
    """Centre and size of a cloud: polynomials are well conditioned in ``(x - centre) / size``."""

    centre: Float[np.ndarray, " m"]
    size: float

    @classmethod
    def of(cls, points: Float[np.ndarray, "p m"]) -> Frame:
        centre = points.mean(axis=0)
        return cls(centre, float(np.sqrt(np.mean(np.sum((points - centre) ** 2, axis=1)))))

    def inside(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p m"]:
        return (points - self.centre) / self.size


@dataclass(frozen=True)
class Surface:
    """Where points come to lie on an estimated set: their ``feet`` (p, m) and orthonormal ``normals`` (p, c, m)."""

    feet: Float[np.ndarray, "p m"]
    normals: Float[np.ndarray, "p c m"]

    @property
    def projectors(self) -> Float[np.ndarray, "p m m"]:
        """The projections on the normal spaces."""
        return np.einsum("pci,pcj->pij", self.normals, self.normals)


class Blocks:
    """Triangular factors of the values and the slopes of all polynomials of one degree, for each block of points."""

    def __init__(
        self, points: Float[np.ndarray, "p m"], blocks: Sequence[np.ndarray], degree: int, frame: Frame
    ) -> None:
        m = points.shape[1]
        self.space = Polynomials(m, degree=degree)
        self.frame, self.counts = frame, [len(block) for block in blocks]
        self.derivatives = [self.space.derivative_matrix(i) for i in range(m)]
        self.values: list[np.ndarray] = []
        self.slopes: list[np.ndarray] = []
        for block in blocks:
            features = self.space.values(frame.inside(points[block]))
            value, slope = TriangularFactor(self.space.dimension), TriangularFactor(self.space.dimension)
            value.add(features)
            for derivative in self.derivatives:
                slope.add((derivative @ features.T).T)
            self.values.append(value.matrix)
            self.slopes.append(slope.matrix)

    def variety(self, coefficients: Float[np.ndarray, "k f"]) -> Variety:
        """The common zeros of the polynomials with these coefficients."""
        slopes = np.stack([(derivative.T @ coefficients.T).T for derivative in self.derivatives])
        return Variety(self.space, self.frame, coefficients, slopes)

    def solve(self, kept: Sequence[int]) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "r f"]]:
        """Ratios of value to slope, ascending, and their polynomials, from the blocks in ``kept``."""
        values = pencil.triangular(np.concatenate([self.values[k] for k in kept]))
        slopes = pencil.triangular(np.concatenate([self.slopes[k] for k in kept]))
        # The constant has no slope: the best one is taken off every other column, which is what leaving out the first
        # row and column of the triangular factor does.
        answer = pencil.solve(values[1:, 1:], slopes[:, 1:], rows=sum(self.counts[k] for k in kept))
        constants = -answer.vectors @ values[0, 1:] / values[0, 0]
        return answer.ratios, np.concatenate([constants[:, None], answer.vectors], axis=1)


@dataclass(frozen=True)
class Variety:
    """The common zeros of the polynomials with ``coefficients`` (k, f) on ``space`` in the coordinates of ``frame``.

    ``slopes`` (m, k, f) holds the coefficients of their derivatives along each coordinate.
    """

    space: Polynomials
    frame: Frame
    coefficients: Float[np.ndarray, "k f"]
    slopes: Float[np.ndarray, "m k f"]

    def surface(self, points: Float[np.ndarray, "p m"], codimension: int) -> Surface:
        """The feet of ``points``, and the ``codimension`` directions in which the polynomials change most there.

        Each step goes to the nearest point of the linearised variety. Costs O(p f m k) a step.
        """
        inside = self.frame.inside(points)
        feet = inside
        for _ in range(STEPS):
            values, slopes = self._values(feet)
            normals, squares = _leading(slopes, codimension)
            along = np.einsum("pci,pi->pc", normals, np.einsum("pki,pk->pi", slopes, values))
            along = np.divide(along, squares, out=np.zeros_like(along), where=squares > 0)
            step = along + np.einsum("pci,pi->pc", normals, inside - feet)
            length = np.linalg.norm(step, axis=1, keepdims=True)
            step = step * np.minimum(1.0, REACH / np.maximum(length, REACH))
            feet = inside - np.einsum("pci,pc->pi", normals, step)
        normals, _ = _leading(self._values(feet)[1], codimension)
        return Surface(feet * self.frame.size + self.frame.centre, normals)

    def _values(self, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features = self.space.values(inside)
        return features @ self.coefficients.T, np.stack([features @ part.T for part in self.slopes], axis=2)


def _leading(slopes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` leading right singular vectors of each (k, m) block, and the squares of their values."""
    # Normal and tangent directions differ by far more than the square root of rounding, so a Gram matrix will do.
    squares, vectors = np.linalg.eigh(np.matmul(slopes.transpose(0, 2, 1), slopes))
    squares = np.where(squares > np.finfo(np.float64).eps * slopes.shape[2] * squares[:, -1:], squares, 0.0)
    return vectors[:, :, ::-1][:, :, :count].transpose(0, 2, 1), squares[:, ::-1][:, :count]
