"""Products of Legendre polynomials, orthonormal on the cube [-1, 1]^m, and affine fields acting on them sparsely."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np
import scipy.sparse
from jaxtyping import Float


class ProductLegendre:
    """The polynomials of degree at most d in m variables, orthonormal under the uniform probability on the cube.

    Features are ordered by degree and then lexicographically, as monomials are. Orthonormal features make the
    L2 inner product of sections the plain one of coefficients, and keep what is solved with them well conditioned.
    """

    def __init__(self, variables: int, degree: int) -> None:
        self.variables, self.degree = variables, degree
        rows = []
        for total in range(degree + 1):
            for letters in combinations_with_replacement(range(variables), total):
                row = [0] * variables
                for i in letters:
                    row[i] += 1
                rows.append(tuple(row))
        self.exponents = np.array(rows, dtype=np.int64).reshape(len(rows), variables)
        self.dimension = len(rows)
        self._index = {row: position for position, row in enumerate(rows)}
        self._terms: dict[tuple[int, int | None], scipy.sparse.coo_array] = {}

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        """The features at points of the cube."""
        points = np.asarray(points, dtype=float)
        single = np.empty((self.degree + 1, *points.shape))
        single[0] = 1.0
        if self.degree:
            single[1] = points
        for n in range(1, self.degree):
            single[n + 1] = ((2 * n + 1) * points * single[n] - n * single[n - 1]) / (n + 1)
        single *= np.sqrt(2.0 * np.arange(self.degree + 1) + 1.0)[:, None, None]
        result = np.ones((len(points), self.dimension))
        for i in range(self.variables):
            power = self.exponents[:, i]
            used = np.flatnonzero(power)
            result[:, used] *= single[power[used], :, i].T
        return result

    def derivative(self, i: int) -> scipy.sparse.csr_array:
        """The matrix (f, f) that takes coefficients to those of the derivative along coordinate i."""
        rows, columns, entries = [], [], []
        for position, n in enumerate(self.exponents[:, i]):
            lowered = self.exponents[position].copy()
            for k in range(int(n) - 1, -1, -2):
                lowered[i] = k
                rows.append(self._index[tuple(lowered.tolist())])
                columns.append(position)
                entries.append(np.sqrt((2.0 * n + 1.0) * (2.0 * k + 1.0)))
        return scipy.sparse.csr_array((entries, (rows, columns)), shape=(self.dimension,) * 2)

    def multiplication(self, i: int) -> scipy.sparse.csr_array:
        """The matrix (f, f) of the product with coordinate i, for polynomials of degree at most d - 1."""
        rows, columns, entries = [], [], []
        for position in np.flatnonzero(self.exponents.sum(axis=1) < self.degree):
            moved = self.exponents[position].copy()
            n = int(moved[i])
            for k in (n + 1, n - 1):
                if k >= 0:
                    moved[i] = k
                    top = max(n, k)
                    rows.append(self._index[tuple(moved.tolist())])
                    columns.append(int(position))
                    entries.append(top / np.sqrt(4.0 * top * top - 1.0))
        return scipy.sparse.csr_array((entries, (rows, columns)), shape=(self.dimension,) * 2)

    @cached_property
    def _derivatives(self) -> list[scipy.sparse.csr_array]:
        return [self.derivative(i) for i in range(self.variables)]

    @cached_property
    def _multiplications(self) -> list[scipy.sparse.csr_array]:
        return [self.multiplication(i) for i in range(self.variables)]

    def _term(self, i: int, j: int | None) -> scipy.sparse.coo_array:
        """The derivative along coordinate i, times coordinate j where that is not None."""
        if (i, j) not in self._terms:
            whole = self._derivatives[i] if j is None else self._multiplications[j] @ self._derivatives[i]
            self._terms[i, j] = scipy.sparse.coo_array(whole)
        return self._terms[i, j]

    def field(
        self, linear: Float[np.ndarray, "m m"], offset: Float[np.ndarray, " m"] | None = None
    ) -> scipy.sparse.csr_array:
        """The matrix (f, f) that takes coefficients of F to those of DF(x) (linear x + offset)."""
        weighted = [(linear[i, j], self._term(int(i), int(j))) for i, j in zip(*np.nonzero(linear), strict=True)]
        if offset is not None:
            weighted += [(offset[i], self._term(int(i), None)) for i in np.flatnonzero(offset)]
        if not weighted:
            return scipy.sparse.csr_array((self.dimension,) * 2)
        entries = np.concatenate([weight * term.data for weight, term in weighted])
        where = tuple(np.concatenate([term.coords[k] for _, term in weighted]) for k in range(2))
        result = scipy.sparse.csr_array((entries, where), shape=(self.dimension,) * 2)
        # Terms that cancel exactly leave rounding behind, which would only cost time.
        result.data[np.abs(result.data) <= 8 * np.finfo(float).eps * np.abs(result.data).max(initial=0.0)] = 0.0
        result.eliminate_zeros()
        return result
