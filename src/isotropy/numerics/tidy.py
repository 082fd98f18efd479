"""Sparse bases made readable: blocks that share no coordinate, each in its sparsest basis."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .exact import Sparse, blocks, same_span
from .sparse import sparse_basis

LARGEST = (16, 400)
"""Vectors and coordinates of a block that is still searched for its sparsest basis: the search is cubic in both."""


def basis(rows: Sparse, noise: float) -> Sparse:
    """The same span in a sparse readable basis, block by block where a block is small enough to search."""
    parts = []
    for r, c, block in blocks(rows):
        small = len(r) <= LARGEST[0] and len(c) <= LARGEST[1]
        parts.append((r, c, sparse_basis(block, noise=noise) if small else block))
    return _stacked(parts, rows.shape)


def integer_basis(rows: Sparse) -> Sparse:
    """As `basis`, for integers: a block is exchanged only where the other basis is sparser and provably spans it."""
    parts = []
    for r, c, block in blocks(rows):
        if 1 < len(r) <= LARGEST[0] and len(c) <= LARGEST[1]:
            other = np.round(sparse_basis(block))
            sparser = np.count_nonzero(other) < np.count_nonzero(block)
            if sparser and same_span(sp.csr_array(block), sp.csr_array(other)):
                block = other
        parts.append((r, c, block))
    return _stacked(parts, rows.shape)


def _stacked(parts: list[tuple[Any, Any, np.ndarray]], shape: tuple[int, int]) -> Sparse:
    """Blocks put back in place, rows sorted by their first entries."""
    if not parts:
        return sp.csr_array(shape)
    entries = [sp.coo_array(block) for _, _, block in parts]
    row = np.concatenate([r[e.coords[0]] for (r, _, _), e in zip(parts, entries, strict=True)])
    column = np.concatenate([c[e.coords[1]] for (_, c, _), e in zip(parts, entries, strict=True)])
    values = np.concatenate([e.data for e in entries])
    first = np.full(shape[0], shape[1])
    np.minimum.at(first, row, column)
    order = np.argsort(first, kind="stable")
    result = sp.csr_array(sp.coo_array((values, (row, column)), shape=shape))
    return sp.csr_array(result[order])
