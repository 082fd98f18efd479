"""Polynomials in a basis orthonormal on a box, with affine fields acting on it by sparse matrices."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse
from jaxtyping import Float
from numpy.polynomial import Legendre, Polynomial

from ..errors import IsotropyError
from ..numerics.legendre import ProductLegendre
from .polynomial import Polynomials


class OrthonormalPolynomials:
    """The functions of a space of polynomials, in products of Legendre polynomials orthonormal on a box.

    The inner product is the mean over the box between ``low`` and ``high`` (m numbers each). The space must hold
    all polynomials up to its degree, so that affine fields stay inside it.
    """

    def __init__(self, space: Polynomials, low: Float[np.ndarray, " m"], high: Float[np.ndarray, " m"]) -> None:
        if space.minimum_degree:
            raise IsotropyError(
                f"an orthonormal basis needs every degree from 0 up. Got a space from degree {space.minimum_degree}."
            )
        self.space = space
        self.centre = 0.5 * (np.asarray(low, dtype=float) + np.asarray(high, dtype=float))
        self.half = 0.5 * (np.asarray(high, dtype=float) - np.asarray(low, dtype=float))
        # A coordinate that does not vary has no box: any width gives the same functions on the data.
        self.half = np.where(self.half > 0, self.half, np.maximum(np.abs(self.centre), 1.0))
        self.basis = ProductLegendre(space.input_dimension, space.degree)

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        """The orthonormal features at points."""
        return self.basis.values((np.asarray(points, dtype=float) - self.centre) / self.half)

    def field(self, linear: Float[np.ndarray, "m m"], offset: Float[np.ndarray, " m"]) -> scipy.sparse.csr_array:
        """The matrix (f, f) from coefficients of F to those of DF(x) (linear x + offset)."""
        inner = linear * self.half[None, :] / self.half[:, None]
        return self.basis.field(inner, (linear @ self.centre + offset) / self.half)

    @cached_property
    def to_space(self) -> Float[np.ndarray, "f f"]:
        """The matrix from coefficients in this basis to coefficients of the space's own monomials; exact."""
        m, degree = self.space.input_dimension, self.space.degree
        single = [
            [
                np.sqrt(2 * n + 1) * Legendre.basis(n).convert(kind=Polynomial)(
                    Polynomial([-self.centre[i] / self.half[i], 1 / self.half[i]])
                ).coef
                for n in range(degree + 1)
            ]
            for i in range(m)
        ]  # fmt: skip
        rows, columns, entries = [], [], []
        for position, exponents in enumerate(self.basis.exponents):
            powers, values = np.zeros((1, m), dtype=np.int64), np.ones(1)
            for i in np.flatnonzero(exponents):
                factor = single[i][exponents[i]]
                step = np.zeros((len(factor), m), dtype=np.int64)
                step[:, i] = np.arange(len(factor))
                powers = (powers[:, None] + step).reshape(-1, m)
                values = np.multiply.outer(values, factor).ravel()
            rows.append(self.space.index(powers))
            columns.append(np.full(len(powers), position))
            entries.append(values)
        triplets = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
        return scipy.sparse.csr_array(triplets, shape=(self.space.dimension,) * 2).toarray()
