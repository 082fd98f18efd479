"""Polynomials in m variables: monomials, their derivatives, and linear fields acting on them, all exact."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Float, Int

from .. import validate
from ..errors import IsotropyError
from .space import Factors, Space

if TYPE_CHECKING:
    import sympy

LARGEST_DIMENSION = 1_000_000
"""Above this many features the index tables alone would fill the memory of a laptop."""


class Polynomials(Space):
    """The polynomials in m variables, of a degree between ``minimum_degree`` and ``degree``.

    The features are the monomials, by degree and then in lexicographic order: 1, x, y, x^2, x*y, y^2.
    ``homogeneous=True`` keeps the highest degree alone. There are C(m + degree, m) monomials in all.

    >>> Polynomials(3, degree=2, homogeneous=True).names
    ('x^2', 'x*y', 'x*z', 'y^2', 'y*z', 'z^2')
    """

    kind = "polynomials"

    def __init__(
        self,
        input_dimension: int,
        *,
        degree: int,
        homogeneous: bool = False,
        variables: Sequence[str] | None = None,
        minimum_degree: int = 0,
    ) -> None:
        super().__init__(input_dimension, variables=variables)
        for name, value in (("degree", degree), ("minimum_degree", minimum_degree)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise IsotropyError(f"The '{name}' parameter of Polynomials must be an integer >= 0. Got {value!r}.")
        self._degree = int(degree)
        self._minimum_degree = self._degree if homogeneous else int(minimum_degree)
        if self._minimum_degree > self._degree:
            raise IsotropyError(f"`minimum_degree` {minimum_degree} is above `degree` {degree}: lower it.")
        m = self.input_dimension
        self._dimension = comb(m + self._degree, m) - comb(m + self._minimum_degree - 1, m)
        if self._dimension > LARGEST_DIMENSION:
            raise IsotropyError(
                f"Polynomials of degree {degree} in {m} variables have {self._dimension} monomials, more than "
                f"{LARGEST_DIMENSION}: lower the degree or use fewer variables."
            )

    @property
    def degree(self) -> int:
        """The highest degree."""
        return self._degree

    @property
    def minimum_degree(self) -> int:
        """The lowest degree."""
        return self._minimum_degree

    @property
    def dimension(self) -> int:
        return self._dimension

    @cached_property
    def exponents(self) -> Int[np.ndarray, "f m"]:
        """The exponent of each variable in each monomial."""
        m = self.input_dimension
        result = np.zeros((self._dimension, m), dtype=np.int64)
        start = 0
        for degree in range(self._minimum_degree, self._degree + 1):
            count = comb(m + degree - 1, degree)
            if degree:
                letters = np.array(list(combinations_with_replacement(range(m), degree)), dtype=np.int64)
                np.add.at(result, (start + np.arange(count)[:, None], letters), 1)
            start += count
        result.flags.writeable = False
        return result

    def index(self, exponents: Int[np.ndarray, "*batch m"]) -> Int[np.ndarray, "*batch"]:
        """The position of each monomial in the basis, or -1 where it is not in the space.

        It counts the monomials of the same degree that come before, a sum of binomial coefficients, so that
        no table of the monomials is searched.
        """
        exponents = np.asarray(exponents, dtype=np.int64)
        m = self.input_dimension
        degree = exponents.sum(axis=-1)
        inside = (exponents >= 0).all(axis=-1) & (degree >= self._minimum_degree) & (degree <= self._degree)
        clipped = np.where(inside[..., None], exponents, 0)
        counts = np.array([[comb(k - 1 + v, v) if k else 0 for k in range(self._degree + 1)] for v in range(m)])
        # Before x^a come the monomials that agree with it up to some variable i and have a larger power of it.
        remaining = clipped[..., ::-1].cumsum(axis=-1)[..., ::-1]
        rank = np.zeros(degree.shape, dtype=np.int64)
        for i in range(m - 1):
            rank += counts[m - 1 - i][remaining[..., i + 1]]
        lower = np.array([comb(m + k - 1, m) for k in range(self._degree + 1)]) - comb(m + self._minimum_degree - 1, m)
        return np.where(inside, lower[np.where(inside, degree, 0)] + rank, -1)

    @cached_property
    def factors(self) -> tuple[Factors, ...]:
        order = sorted(range(self.input_dimension), key=self.variables.__getitem__)
        return tuple(
            tuple((self.variables[i], int(row[i])) for i in order if row[i]) for row in self.exponents.tolist()
        )

    @cached_property
    def _steps(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each degree from 1 on: which monomial one degree lower, times which variable, gives each monomial."""
        m, steps = self.input_dimension, []
        for degree in range(1, self._degree + 1):
            current = Polynomials(m, degree=degree, homogeneous=True).exponents
            variable = (current > 0).argmax(axis=1)
            parent = current.copy()
            parent[np.arange(len(current)), variable] -= 1
            place = Polynomials(m, degree=degree - 1, homogeneous=True).index(parent)
            # JAX without x64 has no 64-bit indices.
            steps.append((place.astype(np.int32), variable.astype(np.int32)))
        return steps

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)
        levels = [jnp.ones(1, x.dtype)]
        for parent, variable in self._steps:
            levels.append(levels[-1][parent] * x[variable])
        return jnp.concatenate(levels[self._minimum_degree :])

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        points = self._points(points)
        level = np.ones((len(points), 1))
        levels = [level]
        for parent, variable in self._steps:
            level = level[:, parent] * points[:, variable]
            levels.append(level)
        return np.concatenate(levels[self._minimum_degree :], axis=1)

    def gradients(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f m"]:
        points = self._points(points)
        lower = Polynomials(self.input_dimension, degree=self._degree)
        values = lower.values(points)
        result = np.empty((len(points), self._dimension, self.input_dimension))
        for i in range(self.input_dimension):
            power = self.exponents[:, i]
            reduced = self.exponents.copy()
            reduced[:, i] = np.maximum(power - 1, 0)
            result[:, :, i] = power * values[:, lower.index(reduced)]
        return result

    def derivative_matrix(self, i: int) -> scipy.sparse.csr_array:
        """The matrix D (f, f) of the derivative along coordinate i: the features satisfy d_i phi = D phi.

        A function ``c . phi`` has the derivative ``(D^T c) . phi``. It is exact. Raises `IsotropyError` where
        the derivative leaves the space, which it does unless ``minimum_degree`` is 0.
        """
        direction = np.zeros(self.input_dimension)
        direction[i] = 1.0
        return self.lie_matrix(np.zeros((self.input_dimension, self.input_dimension)), direction)

    def lie_matrix(
        self, linear: Float[np.ndarray, "m m"], offset: Float[np.ndarray, " m"] | None = None
    ) -> scipy.sparse.csr_array:
        """The matrix L (f, f) of the field X(x) = linear x + offset: the features satisfy D phi(x) X(x) = L phi(x).

        A function ``c . phi`` has the derivative ``(L^T c) . phi`` along X. The cost is one entry for every
        monomial and every non-zero entry of the field. Raises `IsotropyError` where the field leaves the space,
        as a translation does when ``minimum_degree`` is above 0.
        """
        m = self.input_dimension
        linear = validate.array(linear, "linear", shape=(m, m)).astype(np.float64)
        offset = np.zeros(m) if offset is None else validate.array(offset, "offset", shape=(m,)).astype(np.float64)
        rows, columns, entries = [], [], []
        for i in range(m):
            has = np.flatnonzero(self.exponents[:, i])
            power = self.exponents[has, i]
            reduced = self.exponents[has].copy()
            reduced[:, i] -= 1
            targets = [(reduced, offset[i])] if offset[i] else []
            for j in np.flatnonzero(linear[i]):
                raised = reduced.copy()
                raised[:, j] += 1
                targets.append((raised, linear[i, j]))
            for exponents, coefficient in targets:
                rows.append(has)
                columns.append(self.index(exponents))
                entries.append(coefficient * power)
        if not rows:
            return scipy.sparse.csr_array((self._dimension, self._dimension))
        column = np.concatenate(columns)
        if (column < 0).any():
            raise IsotropyError(
                f"The field leaves this space: it lowers the degree below {self._minimum_degree}. "
                f"Use `minimum_degree=0`, or a field without translations."
            )
        triplets = (np.concatenate(entries), (np.concatenate(rows), column))
        result = scipy.sparse.csr_array(triplets, shape=(self._dimension, self._dimension))
        result.eliminate_zeros()
        return result

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        import sympy

        return [sympy.Mul(*(s**k for s, k in zip(symbols, row, strict=True) if k)) for row in self.exponents.tolist()]

    def _times(self, other: Space) -> Space | None:
        if not isinstance(other, Polynomials):
            return None
        return Polynomials(
            self.input_dimension,
            degree=self._degree + other._degree,
            minimum_degree=self._minimum_degree + other._minimum_degree,
            variables=self.variables,
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Polynomials):
            return (self.variables, self._degree, self._minimum_degree) == (
                other.variables,
                other._degree,
                other._minimum_degree,
            )
        return super().__eq__(other)

    __hash__ = Space.__hash__

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "input_dimension": self.input_dimension,
            "degree": self._degree,
            "minimum_degree": self._minimum_degree,
            "variables": list(self.variables),
        }
