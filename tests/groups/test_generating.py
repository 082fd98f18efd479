"""Few elements that generate an algebra: closed under brackets they give all of it, and no basis needs more than q."""

from __future__ import annotations

import numpy as np
import pytest

from isotropy import LieAlgebra, groups
from isotropy.groups.generating import generating_subset


def closure_dimension(matrices: np.ndarray) -> int:
    """Dimension of the algebra that matrices generate, by brackets of matrices until the rank stops growing."""
    span = [m for m in matrices]
    while True:
        brackets = [a @ b - b @ a for a in span for b in span]
        flat = np.array([m.ravel() for m in span + brackets])
        _, sizes, vectors = np.linalg.svd(flat, full_matrices=False)
        rank = int((sizes > 1e-9 * sizes[0]).sum())
        if rank == len(span):
            return rank
        span = [v.reshape(matrices.shape[1:]) for v in vectors[:rank]]


@pytest.mark.parametrize(
    ("group", "most"),
    [
        (groups.SO(3), 2),
        (groups.SO(5), 4),
        (groups.SE(3), 3),
        (groups.SL(3), 6),
        (groups.GL(2), 3),
        (groups.T(3), 3),
        (groups.Heisenberg(2), 4),
        (groups.Galilei(2), 3),
        (groups.Poincare(), 4),
    ],
    ids=str,
)
def test_the_subset_generates_everything(group, most):
    chosen = generating_subset(group.algebra)
    assert len(chosen) <= most
    assert closure_dimension(group.algebra.matrices[chosen]) == group.dimension


def test_an_abelian_algebra_keeps_all():
    assert generating_subset(LieAlgebra([np.diag([1.0, 0]), np.diag([0, 1.0])])) == [0, 1]


@pytest.mark.parametrize("group", [groups.SO(6), groups.SE(4), groups.Poincare(), groups.Heisenberg(1)], ids=str)
def test_positions_say_what_the_table_of_brackets_says(group):
    """Where brackets are multiples of basis elements, against the same algebra without its matrices."""
    bare = LieAlgebra.from_structure_constants(group.algebra.structure_constants)
    assert generating_subset(group.algebra) == generating_subset(bare)


def test_rotations_in_many_dimensions_need_one_less_than_there_are():
    """435 rotations, of which the 29 of one axis with each other one generate all."""
    assert generating_subset(groups.SO(30).algebra) == list(range(29))
