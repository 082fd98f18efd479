"""Smallest ratios |A c| / |B c| of two operators on the same columns, by QR and SVD of their triangular factors.

This is the generalised singular value problem of the pair (A, B). Forming A^T A and B^T B would square both
condition numbers and hide every ratio below 1e-8; nothing here does.

Source: G. H. Golub, C. F. Van Loan, *Matrix Computations*, 4th ed., §6.1.6 and §8.7.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla
from jaxtyping import Float

from ..errors import IsotropyError


@dataclass(frozen=True)
class Pencil:
    """The stationary ratios of |A c| / |B c|, ascending, and the vectors that attain them.

    ``vectors`` has one row per ratio, scaled so that ``|B c| = 1``; the rows are orthogonal in both ``A^T A`` and
    ``B^T B``. ``null`` spans the vectors with ``B c = 0`` to rounding, for which there is no ratio. ``condition`` is
    the largest over the smallest singular value of what was kept of B, its columns first scaled to length one:
    ratios are accurate to about ``eps * condition`` times the largest.
    """

    ratios: Float[np.ndarray, " r"]
    vectors: Float[np.ndarray, "r f"]
    null: Float[np.ndarray, "n f"]
    condition: float

    def floor(self, size: int) -> float:
        """What rounding leaves of a ratio that is zero: ``eps * size * condition`` times the largest ratio."""
        largest = float(self.ratios.max(initial=0.0))
        return float(np.finfo(np.float64).eps) * max(size, 1) * self.condition * largest


def solve(
    numerator: Float[np.ndarray, "a f"],
    denominator: Float[np.ndarray, "b f"],
    *,
    rows: int | None = None,
    scale: Float[np.ndarray, " f"] | None = None,
    cut: float = 0.0,
) -> Pencil:
    """Minimise ``|numerator c| / |denominator c|``; both may be triangular factors of taller matrices.

    ``rows`` is the number of rows behind ``denominator``: with ``f`` columns, singular values of the denominator
    below ``eps * max(rows, f)`` of the largest count as zero. ``scale`` is the size of the terms of which each column
    of the denominator was made, where they may have cancelled (a mean taken off): it sets what rounding is. ``cut``
    is a larger relative size below which they count as zero, where the entries are known to no better than that.

    >>> import numpy as np
    >>> pencil = solve(np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 0.0]))
    >>> print(pencil.ratios, pencil.null)
    [0.5 1. ] [[0. 0. 1.]]
    """
    numerator = np.atleast_2d(np.asarray(numerator, dtype=np.float64))
    denominator = np.atleast_2d(np.asarray(denominator, dtype=np.float64))
    columns = denominator.shape[1]
    if numerator.shape[1] != columns:
        raise IsotropyError(
            f"`numerator` and `denominator` must have as many columns. Got {numerator.shape[1]} and {columns}."
        )
    rows = max(len(denominator) if rows is None else rows, columns, 1)
    tolerance = float(np.finfo(np.float64).eps) * rows
    lengths = np.linalg.norm(denominator, axis=0)
    lengths[lengths <= tolerance * (lengths if scale is None else scale)] = 0.0
    live = np.flatnonzero(lengths)
    dead = np.eye(columns)[lengths == 0]
    if len(live) == 0:
        return Pencil(np.zeros(0), np.zeros((0, columns)), dead, 1.0)
    scaled = triangular(denominator[:, live] / lengths[live])
    _, values, right = np.linalg.svd(scaled, full_matrices=True)
    values = np.concatenate([values, np.zeros(len(live) - len(values))])
    # Columns that lost digits when their mean was taken off make the whole of B uncertain by that much.
    blur = 1.0 if scale is None else float(np.max(scale[live] / lengths[live], initial=1.0))
    kept = values > max(tolerance * max(values[0], blur), cut * values[0])
    whiten = right[kept].T / values[kept]
    _, ratios, combinations = np.linalg.svd(triangular(numerator[:, live] / lengths[live] @ whiten), full_matrices=True)
    ratios = np.concatenate([ratios, np.zeros(int(kept.sum()) - len(ratios))])
    vectors = np.zeros((len(ratios), columns))
    vectors[:, live] = (whiten @ combinations[::-1].T).T / lengths[live]
    null = np.zeros((int((~kept).sum()), columns))
    null[:, live] = right[~kept] / lengths[live]
    condition = float(values[0] / values[kept][-1]) if kept.any() else 1.0
    return Pencil(ratios[::-1], vectors, np.concatenate([dead, null]), condition)


def triangular(matrix: Float[np.ndarray, "p f"]) -> Float[np.ndarray, "r f"]:
    """The R of a QR factorisation where the matrix is tall, otherwise the matrix itself."""
    if len(matrix) <= matrix.shape[1]:
        return matrix
    return np.asarray(sla.qr(matrix, mode="r", check_finite=False)[0])[: matrix.shape[1]]
