"""The common null space of several sparse operators in floating point, one operator after the other.

Each operator is restricted to the orthonormal basis that the ones before left, and falls apart into blocks that share
no entry, so that dense decompositions stay small. The basis stays orthonormal, hence nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from .decide import Decision, decide, numerical_floor
from .exact import Sparse, blocks


def null_space(constraints: Sequence[Sparse], columns: int) -> tuple[Sparse, Decision]:
    """Orthonormal sparse rows (d, columns) that every constraint takes to zero, and the decision on their number.

    The decision is that of the least certain step. Scale the unknowns so that the operators are well-conditioned
    before the call.
    """
    basis: Sparse = sp.csr_array(sp.eye_array(columns))
    answer = Decision(columns, float("inf"), 0.0, 0.0, "certain", "there is no constraint")
    for constraint in constraints:
        basis, decision = _restricted(sp.csr_array(constraint), basis)
        answer = min((answer, decision), key=_certainty)
    return sp.csr_array(basis.T), _with_nullity(answer, basis.shape[1])


def _certainty(decision: Decision) -> tuple[int, float]:
    return ("cannot tell", "supported", "certain").index(decision.verdict), decision.gap


def _with_nullity(decision: Decision, nullity: int) -> Decision:
    return Decision(nullity, decision.gap, decision.floor, decision.noise, decision.verdict, decision.reason)


def _restricted(constraint: Sparse, basis: Sparse) -> tuple[Sparse, Decision]:
    """The part of the columns of ``basis`` that ``constraint`` takes to zero."""
    image = sp.csr_array(constraint @ basis)
    terms = float((abs(constraint) @ abs(basis)).max()) if basis.nnz and constraint.nnz else 0.0
    longest = int(np.diff(constraint.indptr).max(initial=1))
    # What rounding leaves of an exact zero must not join blocks.
    image.data[np.abs(image.data) <= numerical_floor(np.float64, longest, terms)] = 0.0
    image.eliminate_zeros()
    free = np.ones(basis.shape[1], dtype=bool)
    found, values, widest = [], [], 1
    for rows, columns, dense in blocks(image):
        free[columns] = False
        widest = max(widest, len(rows), len(columns))
        _, sizes, vectors = np.linalg.svd(dense, full_matrices=True)
        sizes = np.concatenate([sizes, np.zeros(len(columns) - len(sizes))])
        found.append((columns, sizes, vectors))
        values.append(sizes)
    kept = np.flatnonzero(free)
    everything = np.sort(np.concatenate([*values, np.zeros(len(kept))]))[::-1]
    decision = decide(everything, floor=numerical_floor(np.float64, longest + widest, terms * np.sqrt(widest)))
    level = everything[-decision.nullity] if decision.nullity else -1.0
    parts = [(columns, vectors[sizes <= level]) for columns, sizes, vectors in found]
    row = np.concatenate([kept, *(np.tile(columns, len(vectors)) for columns, vectors in parts)])
    counts = np.cumsum([len(kept), *(len(vectors) for _, vectors in parts)])
    slots = [s + np.repeat(np.arange(len(v)), len(c)) for s, (c, v) in zip(counts[:-1], parts, strict=True)]
    column = np.concatenate([np.arange(len(kept)), *slots])
    entries = np.concatenate([np.ones(len(kept)), *(vectors.ravel() for _, vectors in parts)])
    kernel = sp.csr_array(sp.coo_array((entries, (row, column)), shape=(basis.shape[1], int(counts[-1]))))
    return sp.csr_array(basis @ kernel), decision
