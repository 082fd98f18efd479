"""Singular values and null vectors of a tall operator, dense or streamed over batches of rows.

Rows arrive in blocks and are folded into one triangular factor (tall-skinny QR), so memory is that of one block
and one square of the number of columns. A Gram matrix would square the condition number and hide every singular
value below 1e-8 of the largest; the triangular factor does not.

Source: J. Demmel, L. Grigori, M. Hoemmen, J. Langou, *Communication-optimal parallel and sequential QR and LU
factorizations*, SIAM J. Sci. Comput. 34 (2012).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg as sla
from jaxtyping import Float

from ..errors import IsotropyError
from .decide import numerical_floor


@dataclass(frozen=True)
class Spectrum:
    """Singular values (descending, one per column) and the right singular vectors, as rows in the same order.

    An operator with fewer rows than columns has its missing singular values filled in as zeros: they are null
    directions of the rows that were seen.
    """

    values: Float[np.ndarray, " q"]
    vectors: Float[np.ndarray, "q q"]
    rows: int

    def null_vectors(self, nullity: int) -> Float[np.ndarray, "d q"]:
        """The ``nullity`` right singular vectors with the smallest singular values, as orthonormal rows."""
        return self.vectors[len(self.values) - nullity :]


@dataclass
class TriangularFactor:
    """The R of a QR factorisation of all rows added so far: ``R^T R`` equals the Gram matrix, never formed.

    >>> import numpy as np
    >>> rows = np.arange(12.0).reshape(6, 2)
    >>> factor = TriangularFactor(2)
    >>> for block in (rows[:4], rows[4:]):
    ...     factor.add(block)
    >>> bool(np.allclose(factor.matrix.T @ factor.matrix, rows.T @ rows))
    True
    """

    columns: int
    rows: int = 0
    matrix: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.matrix = np.zeros((0, self.columns))

    def add(self, block: Float[np.ndarray, "b q"]) -> None:
        """Fold in a block of rows. Cost: ``2 b q^2`` operations, memory of the block."""
        block = np.asarray(block, dtype=np.float64)
        if block.ndim != 2 or block.shape[1] != self.columns:
            raise IsotropyError(f"`block` must have shape (rows, {self.columns}). Got {block.shape}.")
        self.rows += len(block)
        stacked = np.concatenate([self.matrix, block])
        if self.columns == 0 or len(stacked) <= self.columns:
            self.matrix = stacked
            return
        self.matrix = _triangle(stacked)

    def spectrum(self, *, scale: Float[np.ndarray, " q"] | None = None) -> Spectrum:
        """Spectrum of the rows added so far, each column first multiplied by ``scale``."""
        matrix = self.matrix if scale is None else self.matrix * scale
        return dense(matrix, rows=self.rows)


def dense(matrix: Float[np.ndarray, "p q"], *, rows: int | None = None) -> Spectrum:
    """Spectrum of a matrix held in memory, by a full singular value decomposition of its triangular factor."""
    matrix = np.asarray(matrix, dtype=np.float64)
    columns = matrix.shape[1]
    rows = len(matrix) if rows is None else rows
    if columns == 0 or len(matrix) == 0:
        return Spectrum(np.zeros(columns), np.eye(columns), rows)
    if len(matrix) > 2 * columns:
        matrix = _triangle(matrix)
    _, values, vectors = np.linalg.svd(matrix, full_matrices=True)
    return Spectrum(np.concatenate([values, np.zeros(columns - len(values))]), vectors, rows)


def unit_directions(
    terms: Float[np.ndarray, "rows q"], dtype: Any
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, "s q"], Float[np.ndarray, "u q"]]:
    """Scales of the columns, directions of unit size in all of them, and directions that no row sees.

    Sizes are told from zero in the precision ``dtype`` of what was measured.
    """
    size = np.linalg.norm(terms, axis=0)
    units = 1 / np.where(size > 0, size, 1.0)
    spectrum = dense(terms * units)
    floor = numerical_floor(dtype, terms.shape[1], spectrum.values.max(initial=0.0))
    kept = int((spectrum.values > floor).sum())
    seen = spectrum.vectors[:kept] / spectrum.values[:kept, None]
    return units, seen * units, spectrum.vectors[kept:] * units


def streamed(blocks: Iterable[Float[np.ndarray, "b q"]], columns: int) -> Spectrum:
    """Spectrum of rows that arrive in blocks; memory does not grow with their number."""
    factor = TriangularFactor(columns)
    for block in blocks:
        factor.add(block)
    return factor.spectrum()


def _triangle(rows: np.ndarray) -> np.ndarray:
    """The square R of a tall matrix."""
    return np.asarray(sla.qr(rows, mode="r", check_finite=False)[0])[: rows.shape[1]]
