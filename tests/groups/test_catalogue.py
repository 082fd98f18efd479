"""The catalogue against what defines each group: the forms it keeps, its dimension, its components."""

import numpy as np
import pytest
import scipy.linalg

from isotropy import groups
from isotropy.errors import IsotropyError

EPS = np.finfo(np.float64).eps

CATALOGUE = [
    groups.SO(2), groups.SO(3), groups.SO(5), groups.O(3), groups.SO(1, 3), groups.SO(2, 2), groups.O(1, 3),
    groups.SE(2), groups.SE(3), groups.E(3), groups.T(2), groups.GL(2), groups.GL(3), groups.SL(3), groups.Aff(2),
    groups.Aff(3), groups.Sp(2), groups.Sp(6), groups.U(2), groups.SU(2), groups.SU(3), groups.Lorentz(),
    groups.Poincare(), groups.Galilei(1), groups.Galilei(3), groups.Heisenberg(1), groups.Heisenberg(3),
    groups.Scaling(3), groups.Similarity(2), groups.S(1), groups.S(2), groups.S(5), groups.Z(1), groups.Z(6),
    groups.C(5), groups.D(4), groups.D(3), groups.Cube(), groups.Trivial(3), groups.SO(3) * groups.S(4),
    groups.SE(2) * groups.SU(2) * groups.Z(3),
]  # fmt: skip

DIMENSIONS = {
    "SO(5)": 10, "O(3)": 3, "SO(1,3)": 6, "SO(2,2)": 6, "SE(3)": 6, "E(3)": 6, "T(2)": 2, "GL(3)": 9, "SL(3)": 8,
    "Aff(3)": 12, "Sp(2)": 3, "Sp(6)": 21, "U(2)": 4, "SU(3)": 8, "Poincare(1,3)": 10, "Galilei(3)": 10,
    "Heisenberg(3)": 7, "Scaling(3)": 1, "Similarity(2)": 4, "S(5)": 0, "SO(3) x S(4)": 3, "SE(2) x SU(2) x Z(3)": 6,
}  # fmt: skip

named = pytest.mark.parametrize("group", CATALOGUE, ids=str)


def test_names_and_dimensions():
    found = {group.name: group.dimension for group in CATALOGUE}
    assert {name: found[name] for name in DIMENSIONS} == DIMENSIONS


@named
def test_structure_constants_hold_for_the_matrices(group):
    e = group.algebra.matrices
    brackets = np.einsum("iab,jbc->ijac", e, e) - np.einsum("jab,ibc->ijac", e, e)
    expected = np.einsum("ijk,kab->ijab", group.algebra.structure_constants, e)
    assert np.abs(brackets - expected).max(initial=0) <= 100 * EPS * max(group.dimension, 1)


@named
def test_components_normalise_the_algebra_and_are_not_in_the_connected_part_for_nothing(group):
    n = group.matrices.shape[1]
    span = group.matrices.reshape(group.dimension, n * n).T
    for g in group.components:
        moved = (g @ group.matrices @ np.linalg.inv(g)).reshape(group.dimension, n * n).T
        if group.dimension:
            assert np.linalg.matrix_rank(np.hstack([span, moved])) == group.dimension


FORMS = [
    *((groups.O(n), np.eye(n), False) for n in (1, 2, 4)),
    *((groups.O(p, q), np.diag([-1.0] * p + [1.0] * q), False) for p, q in ((1, 1), (1, 3), (2, 3))),
    *((groups.Sp(2 * m), np.kron([[0, 1], [-1, 0]], np.eye(m)), False) for m in (1, 2, 3)),
    *((groups.SU(n), np.eye(n), True) for n in (2, 3)),
    (groups.U(3), np.eye(3), True),
]


@pytest.mark.parametrize(
    ("group", "form", "hermitian"), FORMS, ids=lambda x: str(x) if isinstance(x, groups.Group) else ""
)
def test_the_form_that_defines_the_group_is_kept_and_nothing_else(group, form, hermitian):
    def adjoint(m):
        return m.conj().T if hermitian else m.T

    for xi in group.matrices:
        assert np.array_equal(adjoint(xi) @ form + form @ xi, np.zeros_like(xi))
    for g in group.components:
        assert np.array_equal(adjoint(g) @ form @ g, form)
    # Independent oracle for the dimension: the null space of xi -> xi^* B + B xi over all matrices.
    n = len(form)
    units = np.eye(n * n).reshape(-1, n, n)
    units = np.concatenate([units, 1j * units]) if hermitian else units
    rows = np.stack([(adjoint(e) @ form + form @ e).ravel() for e in units])
    rows = np.hstack([rows.real, rows.imag])
    traceless = 1 if group.name.startswith("SU") else 0
    assert len(units) - np.linalg.matrix_rank(rows) - traceless == group.dimension


def test_special_groups_have_no_trace_and_their_components_determinant_one():
    for group in (groups.SL(3), groups.SU(3), groups.SO(1, 3), groups.SO(4)):
        assert np.abs(np.trace(group.matrices, axis1=1, axis2=2)).max() == 0
        assert all(np.isclose(np.linalg.det(g), 1, atol=10 * EPS) for g in group.components)


def test_the_standard_rotation_turns_x_towards_y():
    turn = scipy.linalg.expm(0.1 * groups.SO(2).matrices[0])
    assert np.allclose(turn @ [1, 0], [np.cos(0.1), np.sin(0.1)], atol=4 * EPS)


def closure(components):
    """Every product of the given matrices, by brute force."""
    found = [np.eye(len(components[0]))]
    for g in found:
        for c in components:
            if not any(np.allclose(c @ g, h) for h in found):
                found.append(c @ g)
    return found


@pytest.mark.parametrize(
    ("group", "order"),
    [(groups.S(4), 24), (groups.S(2), 2), (groups.Z(6), 6), (groups.C(5), 5), (groups.D(4), 8), (groups.D(3), 6),
     (groups.Cube(), 24)],
    ids=str,
)  # fmt: skip
def test_order_of_the_finite_groups(group, order):
    assert len(closure(group.components)) == order


def test_cube_keeps_opposite_faces_opposite():
    for g in closure(groups.Cube().components):
        face = g.argmax(axis=0)
        assert all(face[i] ^ 1 == face[i ^ 1] for i in range(6))


def test_galilei_moves_a_point_at_rest_along_the_boost():
    group = groups.Galilei(2)
    boost = group.matrices[1]
    assert np.array_equal(boost @ [2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 0.0])


def test_identity_component_drops_components_and_says_so():
    connected = groups.O(1, 3).identity_component
    assert connected.name == "O(1,3)^+"
    assert len(connected.components) == 0
    assert connected == groups.SO(1, 3).identity_component
    assert groups.SO(3).identity_component is groups.SO(3).identity_component or len(groups.SO(3).components) == 0


def test_equality_is_by_content():
    assert groups.SO(3) == groups.Group(groups.SO(3).matrices, name="mine")
    assert groups.SO(3) != groups.O(3)
    assert hash(groups.Lorentz()) == hash(groups.SO(1, 3))
    assert groups.SO(2) * groups.Z(3) != groups.Z(3) * groups.SO(2)


def test_own_group_in_a_general_basis():
    rng = np.random.default_rng(0)
    change, mix = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    moved = change @ groups.SO(3).matrices @ np.linalg.inv(change)
    group = groups.Group(np.einsum("ij,jab->iab", mix, moved))
    assert group.dimension == 3
    assert str(group) == "Group(3 generators, on R^3)"


BAD = [
    (lambda: groups.SO(2.5), "whole number"),
    (lambda: groups.SO(0), "at least 1"),
    (lambda: groups.SO(True), "at least 1"),
    (lambda: groups.Sp(3), "even"),
    (lambda: groups.SO(1, -3), "at least 1"),
    (lambda: groups.Group([]), "Trivial"),
    (lambda: groups.Group([[1.0, 2.0]]), "axes"),
    (lambda: groups.Group([[[0.0, np.nan], [0.0, 0.0]]]), "NaN"),
    (lambda: groups.Group([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]), "square"),
    (lambda: groups.Group("so3"), "array of numbers"),
    (lambda: groups.Group(np.stack([np.eye(3, k=1), np.eye(3, k=-1)])), "closed"),
    (lambda: groups.Group(groups.SO(2).matrices, components=[np.diag([1.0, 0.0])]), "not invertible"),
    (lambda: groups.Group(groups.SO(2).matrices, components=[np.diag([1.0, 2.0])]), "onto itself"),
    (lambda: groups.Group(groups.SO(2).matrices, components=[np.diag([1.0, 1.001])]), "onto itself"),
    (lambda: groups.Group(groups.SO(2).matrices, components=[np.eye(3)]), "same size"),
    (lambda: groups.Group(groups.SO(2).matrices, affine=True), "last row"),
]


@pytest.mark.parametrize(("build", "word"), BAD)
def test_bad_input_is_one_sentence(build, word):
    with pytest.raises(IsotropyError, match=word) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_a_generator_perturbed_by_a_thousandth_does_not_close():
    matrices = groups.SO(3).matrices.copy()
    matrices[0, 0, 0] += 1e-3
    with pytest.raises(IsotropyError, match="closed"):
        groups.Group(matrices)
