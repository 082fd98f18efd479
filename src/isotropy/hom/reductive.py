"""The part of a group on which Schur's lemma can be used: what is closed under conjugate transposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..groups import Group, Representation
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
    chosen, rest = basis[:r], basis[r:]
    star = np.linalg.lstsq((chosen @ rows).T, (chosen @ adjoint).T, rcond=None)[0].T if r else np.zeros((0, 0))
    return Reductive(chosen, star, rest, unitary, other)


def _real_rows(matrices: np.ndarray) -> np.ndarray:
    flat = matrices.reshape(len(matrices), -1)
    return np.concatenate([flat.real, flat.imag], axis=1)


def respects_adjoints(rep: Representation, part: Reductive) -> bool:
    """Whether the representation takes adjoints to adjoints, so that it is completely reducible in its own basis.

    True for everything made from the defining matrices; to be checked for a user's own matrices.
    """
    stack = rep.sparse_generators()
    chosen = [sum((c * m for c, m in zip(row, stack, strict=True) if c), 0 * stack[0]) for row in part.combinations]
    scale = max((abs(m).max() for m in chosen), default=0.0) or 1.0
    floor = numerical_floor(np.float64, 10 * max(len(chosen), 1) * rep.dimension, scale)
    for i, u in enumerate(chosen):
        image = sum((s * v for s, v in zip(part.star[i], chosen, strict=True) if s), 0 * u)
        if abs(u.conj().T - image).max() > floor:
            return False
    for k in part.unitary:
        g = rep.sparse_components()[k]
        if abs(g.conj().T @ g - np.eye(rep.dimension)).max() > numerical_floor(np.float64, 10 * rep.dimension, 1.0):
            return False
    return not np.abs(part.combinations @ rep.offsets()).max(initial=0) > floor if len(chosen) else True
