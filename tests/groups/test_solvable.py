"""Names of nilpotent algebras with a dilation, from their brackets, in any basis."""

from __future__ import annotations

import numpy as np
import pytest

from isotropy import LieAlgebra


def heisenberg_with(matrix):
    """[x, y] = z and a line d with [d, .] the given matrix on x, y, and its trace on z; basis x, y, z, d."""
    c = np.zeros((4, 4, 4))
    c[0, 1, 2] = 1
    c[3, :2, :2] = np.asarray(matrix).T
    c[3, 2, 2] = np.trace(matrix)
    return c - c.transpose(1, 0, 2)


def bargmann_with(boost, energy):
    """[H, b] = P, [P, b] = M and a line d with weights on b and H; basis b, H, P, M, d."""
    c = np.zeros((5, 5, 5))
    c[1, 0, 2] = c[2, 0, 3] = 1
    for k, weight in enumerate((boost, energy, boost + energy, 2 * boost + energy)):
        c[4, k, k] = weight
    return c - c.transpose(1, 0, 2)


def turned(c, seed):
    change = np.random.default_rng(seed).standard_normal(c.shape[:2])
    return np.einsum("ai,bj,ijk,kl->abl", change, change, c, np.linalg.inv(change))


@pytest.mark.parametrize(
    ("constants", "name", "alias"),
    [
        (heisenberg_with([[3, 0], [0, -2]]), "heisenberg(1)⋊R(3:−2)", "A4,9^b, b=-2/3"),
        (heisenberg_with([[0.5, 2], [0, 1]]), "heisenberg(1)⋊R(2:1)", "A4,9^b, b=1/2"),
        (heisenberg_with([[0, 1], [1, 0]]), "heisenberg(1)⋊R(1:−1)", "A4,8"),
        (bargmann_with(1, -2), "bargmann(1)⋊R(1:−2)", "A5,30^h, h=-1"),
        (bargmann_with(2, 6), "bargmann(1)⋊R(1:3)", "A5,30^h, h=4"),
    ],
)
def test_named_by_their_weights(constants, name, alias):
    """In random bases, some of them far from orthogonal, where adjoint matrices are far from normal."""
    for seed in range(12):
        algebra = LieAlgebra.from_structure_constants(turned(constants, seed))
        assert (algebra.name, algebra.aliases) == (name, (alias,)), seed


@pytest.mark.parametrize(
    "constants",
    [
        heisenberg_with([[0, -1], [1, 0]]),
        heisenberg_with([[1, 1], [0, 1]]),
        heisenberg_with([[1, 0], [0, np.sqrt(2)]]),
        heisenberg_with([[3, 0], [0, -2.003]]),
        bargmann_with(1, 1),
        bargmann_with(1, -2.003),
    ],
    ids=["a rotation", "a Jordan block", "irrational", "near", "equal weights", "near, bargmann"],
)
def test_others_are_described(constants):
    algebra = LieAlgebra.from_structure_constants(turned(constants, 0))
    assert algebra.name.startswith(f"{algebra.dimension}-dimensional, solvable")
