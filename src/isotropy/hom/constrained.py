"""The maps that remain when generators outside the reductive part are imposed: a null space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from ..errors import IsotropyError
from ..numerics.decide import CLEAR, numerical_floor
from ..numerics.nullspace import matrix_free_null_space, null_space
from .reductive import Reductive
from .side import Side
from .space import HomSpace

BASE_LIMIT = 2**25
"""Entries of the dense basis in which constraints are solved; larger problems go matrix-free."""

COLUMNS_LIMIT = 500
"""Unknowns up to which constraints are solved by a dense factorisation, whose cost is their cube."""

ENTRIES_LIMIT = 2**14
"""Entries of one map beyond which the matrix-free method would take minutes."""


def constrained(free: HomSpace, part: Reductive, *, seed: int) -> HomSpace:
    """The maps of ``free``, all those that the reductive part allows, that the rest of the group allows as well.

    Dense while the basis of ``free`` has few entries, by conjugate gradients on all constraints beyond that.
    """
    sides = Side(free.source, free.affine), Side(free.target, free.affine and free.target.has_points)
    right, left = (side.operators() for side in sides)
    rows, columns = sides[1].size, sides[0].size
    scale = max((float(abs(m).max()) for m in (*left, *right)), default=1.0) or 1.0
    if free.dimension <= COLUMNS_LIMIT and free.dimension * rows * columns <= BASE_LIMIT:
        base = free.homogeneous()
        mix, _ = null_space(_rows(base, left, right, part, sides), free.dimension, scale=scale)
        basis = np.tensordot(mix, base, 1)
    elif rows * columns > ENTRIES_LIMIT:
        raise IsotropyError(
            f"`{free.source}` -> `{free.target}` is too large for a group that is not completely reducible: {rows} x "
            f"{columns} entries. Ask for the maps between single summands; those between copies are their multiples."
        )
    else:
        basis = _matrix_free(left, right, sides, free.dtype, seed)
        mix = np.stack([free.coordinates(b) for b in basis]) if len(basis) else np.zeros((0, free.dimension))
    particular = None
    if sides[1].affine:
        mix, basis, particular = _split_weights(mix, basis)
    maps = basis if particular is None else np.concatenate([basis, particular[None]])
    defects = [np.linalg.norm(_defect(maps, w, v), axis=(1, 2)) for w, v in zip(left, right, strict=True)]
    residual = max((float(d.max(initial=0)) for d in defects), default=0.0)
    floor = numerical_floor(np.float64, 10 * max(rows, columns), scale)
    if residual > CLEAR * floor * max(1.0, float(np.abs(maps).max(initial=0))):
        raise IsotropyError(
            f"The maps found for `{free.source}` -> `{free.target}` miss equivariance by {residual:.1e}: "
            f"pass generators in full float64 precision."
        )
    kept = None if particular is None else particular[: free.target.dimension]
    return replace(free, irreducibles=(), residual=residual, floor=floor, mix=mix, particular=kept)


def _rows(
    base: np.ndarray, left: list[sp.csr_array], right: list[sp.csr_array], part: Reductive, sides: tuple[Side, Side]
) -> Iterator[np.ndarray]:
    if sides[1].affine:  # a map of points keeps the constant coordinate: its last row is (0, ..., 0, weight)
        yield base[:, -1, :-1].T
    q = sides[0].rep.group.dimension
    for row in part.rest:
        yield _defect(base, _combine(left[:q], row), _combine(right[:q], row)).reshape(len(base), -1).T
    for k in part.other:
        yield _defect(base, left[q + k], right[q + k]).reshape(len(base), -1).T


def _combine(matrices: list[sp.csr_array], row: np.ndarray) -> sp.csr_array:
    return sp.csr_array(sum((c * m for c, m in zip(row, matrices, strict=True) if c), 0 * matrices[0]))


def _defect(maps: np.ndarray, w: sp.csr_array, v: sp.csr_array) -> np.ndarray:
    """``w B - B v`` for a stack of maps (r, rows, columns)."""
    count, rows, columns = maps.shape
    after = (w @ np.moveaxis(maps, 1, 0).reshape(rows, -1)).reshape(rows, count, columns)
    before = (v.T @ maps.reshape(-1, columns).T).T.reshape(maps.shape)
    return np.moveaxis(after, 0, 1) - before


def _matrix_free(
    left: list[sp.csr_array], right: list[sp.csr_array], sides: tuple[Side, Side], dtype: type, seed: int
) -> np.ndarray:
    rows, columns = sides[1].size, sides[0].size

    def normal(flat: np.ndarray) -> np.ndarray:
        maps = flat.T.reshape(-1, rows, columns)
        total = np.zeros_like(maps)
        for w, v in zip(left, right, strict=True):
            total += _defect(_defect(maps, w, v), w.conj().T.tocsr(), v.conj().T.tocsr())
        if sides[1].affine:
            total[:, -1, :-1] += maps[:, -1, :-1]
        return total.reshape(len(maps), -1).T

    found = matrix_free_null_space(normal, rows * columns, dtype=dtype, seed=seed)
    return found.T.reshape(-1, rows, columns)


def _split_weights(mix: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Directions, on which the constant coordinate is dropped, and the shortest map that keeps it."""
    weights = basis[:, -1, -1]
    if np.linalg.norm(weights) <= np.sqrt(np.finfo(np.float64).eps):  # weights of an orthonormal basis: 0 or of order 1
        return mix[:0], basis[:0], None
    particular = np.tensordot(weights.conj() / np.linalg.norm(weights) ** 2, basis, 1)
    turn = np.linalg.svd(weights[None])[2][1:].conj()
    return turn @ mix, np.tensordot(turn, basis, 1), particular
