"""The part of a group on which Schur's lemma can be used: what is closed under conjugate transposition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..groups import Group
from ..groups.representation import Leaf
from ..numerics.decide import numerical_floor
from ..numerics.nullspace import null_space


@dataclass(frozen=True)
class Reductive:
    """Combinations of the generators that close under conjugate transposition, and what is left over.

    ``combinations`` (r, q) span g and its adjoints' intersection, ``star`` (r, r) has u_i^H = sum_j star[i, j] u_j;
    ``rest`` (q - r, q) completes them to a basis; ``unitary`` and ``other`` number the components.
    """

    combinations: np.ndarray
    star: np.ndarray
    rest: np.ndarray
    unitary: tuple[int, ...]
    other: tuple[int, ...]

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left over: every representation made from the defining one is completely reducible."""
        return not len(self.rest) and not self.other


@lru_cache(maxsize=64)
def reductive_part(group: Group) -> Reductive:
    """The largest subalgebra of the group's that contains its elements' adjoints, and its unitary components."""
    q, size = group.dimension, group.matrices.shape[1]
    unitary = tuple(
        k
        for k, g in enumerate(group.components)
        if np.abs(g.conj().T @ g - np.eye(size)).max() <= numerical_floor(np.float64, 10 * size, 1.0)
    )
    other = tuple(k for k in range(len(group.components)) if k not in unitary)
    if not q:
        return Reductive(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)), unitary, other)
    rows = _real_rows(group.matrices)
    adjoint = _real_rows(np.conj(np.swapaxes(group.matrices, 1, 2)))
    star = np.linalg.lstsq(rows.T, adjoint.T, rcond=None)[0].T
    scale = float(np.abs(rows).max())
    if np.abs(star @ rows - adjoint).max() <= numerical_floor(np.float64, 10 * q * size, scale):
        return Reductive(np.eye(q), star, np.zeros((0, q)), unitary, other)
    # Pairs (c, c') with c . e = c' . e^H: the first half spans the intersection of g with its adjoints.
    pairs, _ = null_space([np.concatenate([rows, -adjoint]).T], 2 * q, scale=scale)
    _left, values, basis = np.linalg.svd(pairs[:, :q])
    r = int((values > 0.1).sum()) if len(pairs) else 0  # c and c' have equal norms up to the basis' condition
    # What rounding leaves of a zero coefficient would make a generator out of nothing where the others act trivially.
    basis = np.where(np.abs(basis) <= numerical_floor(np.float64, 10 * q, 1.0), 0.0, basis)
    chosen, rest = basis[:r], basis[r:]
    star = np.linalg.lstsq((chosen @ rows).T, (chosen @ adjoint).T, rcond=None)[0].T if r else np.zeros((0, 0))
    return Reductive(chosen, star, rest, unitary, other)


def nothing(group: Group) -> Reductive:
    """The part that leaves every generator and component over: for a null space from scratch."""
    q, p = group.dimension, len(group.components)
    return Reductive(np.zeros((0, q)), np.zeros((0, 0)), np.eye(q), (), tuple(range(p)))


def _real_rows(matrices: np.ndarray) -> np.ndarray:
    flat = matrices.reshape(len(matrices), -1)
    return np.concatenate([np.real(flat), np.imag(flat)], axis=1)


def respects_adjoints(leaf: Leaf, part: Reductive) -> bool:
    """Whether a representation takes adjoints to adjoints, so that it is completely reducible in its own basis.

    Sums, products, powers, duals and conjugates inherit it, so that it is asked of leaves only.
    """
    chosen = np.tensordot(part.combinations, leaf.generators(), 1)
    size = leaf.dimension
    scale = float(np.abs(chosen).max(initial=0))
    floor = numerical_floor(np.float64, 10 * (len(chosen) + 1) * size, scale)
    if np.abs(chosen.conj().transpose(0, 2, 1) - np.tensordot(part.star, chosen, 1)).max(initial=0) > floor:
        return False
    if np.abs(part.combinations @ leaf.offsets()).max(initial=0) > floor:
        return False
    elements = leaf.components()[list(part.unitary)]
    defect = np.abs(elements.conj().transpose(0, 2, 1) @ elements - np.eye(size)).max(initial=0)
    return bool(defect <= numerical_floor(np.float64, 10 * size, 1.0)) and not (
        leaf.component_offsets()[list(part.unitary)].any()
    )
