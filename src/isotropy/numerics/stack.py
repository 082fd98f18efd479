"""Several square matrices of one size, held by their nonzero entries together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class Stack:
    """``count`` matrices of shape (size, size): ``values[e]`` stands in matrix ``which[e]`` at (row[e], column[e]).

    Entries at one place add up. Operations that treat all matrices alike cost one pass over the entries, where a list
    of sparse matrices would cost one call for each.

    >>> Stack.from_matrices([np.eye(2), np.ones((2, 2))]).combine(np.array([[1.0, -1.0]])).dense().tolist()
    [[[0.0, -1.0], [-1.0, 0.0]]]
    """

    count: int
    size: int
    which: np.ndarray
    row: np.ndarray
    column: np.ndarray
    values: np.ndarray

    @classmethod
    def from_matrices(cls, matrices: Sequence[Any] | np.ndarray, *, size: int | None = None) -> Stack:
        """From dense or sparse matrices; ``size`` is needed where there are none."""
        if isinstance(matrices, np.ndarray):
            which, row, column = np.nonzero(matrices)
            return cls(len(matrices), matrices.shape[1], which, row, column, matrices[which, row, column])
        parts = [sp.coo_array(m) for m in matrices]
        if not parts:
            none = np.zeros(0, dtype=np.intp)
            return cls(0, int(size or 0), none, none, none, np.zeros(0))
        return cls(
            len(parts),
            int(np.shape(matrices[0])[0]),
            np.repeat(np.arange(len(parts)), [m.nnz for m in parts]),
            np.concatenate([m.coords[0] for m in parts]).astype(np.intp),
            np.concatenate([m.coords[1] for m in parts]).astype(np.intp),
            np.concatenate([m.data for m in parts]),
        )

    @property
    def is_complex(self) -> bool:
        """Whether the entries are complex."""
        return np.iscomplexobj(self.values)

    @cached_property
    def tall(self) -> sp.csr_array:
        """The matrices on top of one another, (count * size, size)."""
        rows = self.which * self.size + self.row
        return sp.csr_array((self.values, (rows, self.column)), shape=(self.count * self.size, self.size))

    @cached_property
    def _pattern(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places, inverse = np.unique(self.row * self.size + self.column, return_inverse=True)
        pointers = np.searchsorted(places, np.arange(self.size + 1) * self.size)
        return pointers, places % self.size, inverse

    def weighted(self, weights: np.ndarray) -> sp.csr_array:
        """The sum of the matrices times ``weights`` (count,)."""
        pointers, columns, inverse = self._pattern
        entries = self.values * weights[self.which]
        data = np.bincount(inverse, np.real(entries), len(columns))
        if np.iscomplexobj(entries):
            data = data + 1j * np.bincount(inverse, np.imag(entries), len(columns))
        return sp.csr_array((data, columns, pointers), shape=(self.size, self.size))

    def combine(self, coefficients: np.ndarray) -> Stack:
        """The linear combinations given by the rows of ``coefficients`` (k, count)."""
        rows, entries = np.nonzero(coefficients[:, self.which]) if len(self.which) else (np.zeros(0, int),) * 2
        values = coefficients[rows, self.which[entries]] * self.values[entries]
        return Stack(len(coefficients), self.size, rows, self.row[entries], self.column[entries], values)

    def below(self, other: Stack) -> Stack:
        """These matrices followed by those of another stack of the same size."""
        pairs = ((self.row, other.row), (self.column, other.column), (self.values, other.values))
        which = np.concatenate([self.which, other.which + self.count])
        return Stack(self.count + other.count, self.size, which, *map(np.concatenate, pairs))

    def placed(self, size: int, shifts: np.ndarray, *, stride: int = 1) -> Stack:
        """Copies inside larger matrices: entry (i, j) goes to (stride i + s, stride j + s) for every shift s."""
        row, column = ((stride * x[:, None] + shifts).ravel() for x in (self.row, self.column))
        return Stack(
            self.count, size, np.repeat(self.which, len(shifts)), row, column, np.repeat(self.values, len(shifts))
        )

    def plus(self, other: Stack) -> Stack:
        """The sums, matrix by matrix."""
        pairs = zip(self._arrays(), other._arrays(), strict=True)
        return Stack(self.count, self.size, *(np.concatenate(pair) for pair in pairs))

    def transposed(self, factor: float = 1.0) -> Stack:
        """The transposes times a factor."""
        return Stack(self.count, self.size, self.which, self.column, self.row, factor * self.values)

    def conj(self) -> Stack:
        """The complex conjugates."""
        return Stack(self.count, self.size, self.which, self.row, self.column, self.values.conj())

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.which, self.row, self.column, self.values

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Every matrix times x (size, c): an array (count, size, c)."""
        return (self.tall @ x).reshape(self.count, self.size, -1)

    def matrices(self) -> tuple[sp.csr_array, ...]:
        """The matrices one by one."""
        return tuple(self.tall[k * self.size : (k + 1) * self.size] for k in range(self.count))

    def dense(self) -> np.ndarray:
        """The matrices as an array (count, size, size)."""
        return self.tall.toarray().reshape(self.count, self.size, self.size)
