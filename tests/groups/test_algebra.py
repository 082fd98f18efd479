"""Laws of Lie algebras, over the groups of the catalogue."""

import json

import numpy as np
import pytest

from isotropy import groups
from isotropy.errors import IsotropyError
from isotropy.groups.algebra import LieAlgebra, bracket

EPS = float(np.finfo(np.float64).eps)

CATALOGUE = [
    groups.SO(2),
    groups.SO(4),
    groups.SO(1, 3),
    groups.SO(5),
    groups.SE(2),
    groups.SE(3),
    groups.T(3),
    groups.GL(3),
    groups.SL(3),
    groups.Aff(3),
    groups.Sp(4),
    groups.U(2),
    groups.SU(3),
    groups.Poincare(),
    groups.Galilei(3),
    groups.Heisenberg(2),
    groups.Similarity(3),
    groups.Scaling(2),
    groups.Trivial(3),
]

# dimensions of: centre, derived algebra, radical, nilradical, Levi factor
STRUCTURE = [
    (groups.SO(2), 1, 0, 1, 1, 0),
    (groups.SO(4), 0, 6, 0, 0, 6),
    (groups.SE(2), 0, 2, 3, 2, 0),
    (groups.SE(3), 0, 6, 3, 3, 3),
    (groups.T(3), 3, 0, 3, 3, 0),
    (groups.GL(3), 1, 8, 1, 1, 8),
    (groups.Aff(3), 0, 11, 4, 3, 8),
    (groups.U(2), 1, 3, 1, 1, 3),
    (groups.Poincare(), 0, 10, 4, 4, 6),
    (groups.Galilei(3), 0, 9, 7, 7, 3),
    (groups.Heisenberg(2), 1, 1, 5, 5, 0),
    (groups.Similarity(3), 0, 6, 4, 3, 3),
    (groups.Trivial(3), 0, 0, 0, 0, 0),
]


def general_position(algebra, seed, noise=0.0):
    """The same algebra in a random basis, from matrices."""
    random = np.random.default_rng(seed)
    q = algebra.dimension
    matrices = np.tensordot(random.standard_normal((q, q)), algebra.matrices, axes=(1, 0))
    return LieAlgebra(matrices + noise * random.standard_normal(matrices.shape), noise=noise)


def tolerance(algebra):
    """Rounding in sums of q products of structure constants."""
    c = algebra.structure_constants
    return EPS * max(algebra.dimension, 1) ** 2 * max(1.0, float(np.abs(c).max(initial=0.0))) ** 2


@pytest.mark.parametrize("group", CATALOGUE, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_jacobi_identity_and_antisymmetry(group, seed):
    algebra = group.algebra
    c = algebra.structure_constants
    np.testing.assert_array_equal(c, -c.transpose(1, 0, 2))
    x, y, z = np.random.default_rng(seed).standard_normal((3, algebra.dimension))
    size = np.linalg.norm(x) * np.linalg.norm(y) * np.linalg.norm(z)
    cyclic = [algebra.bracket(a, algebra.bracket(b, c_)) for a, b, c_ in ((x, y, z), (y, z, x), (z, x, y))]
    assert np.linalg.norm(sum(cyclic)) <= tolerance(algebra) * size


@pytest.mark.parametrize("group", CATALOGUE, ids=str)
def test_structure_constants_are_those_of_the_matrix_bracket(group):
    algebra = group.algebra
    e, c = algebra.matrices, algebra.structure_constants
    for i in range(algebra.dimension):
        for j in range(algebra.dimension):
            expected = e[i] @ e[j] - e[j] @ e[i]  # C3
            assert np.abs(bracket(e[i], e[j]) - expected).max() == 0
            assert np.linalg.norm(np.tensordot(c[i, j], e, axes=(0, 0)) - expected) <= tolerance(algebra)


def test_fields_bracket_to_minus_the_matrix_bracket():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 3))
    x = np.array([1.0, 2.0, 3.0])
    # [X, Y] = DY X - DX Y for X = a x, Y = b x (convention C3)
    np.testing.assert_allclose(b @ (a @ x) - a @ (b @ x), -bracket(a, b) @ x, atol=EPS * 100)


@pytest.mark.parametrize("group", [g for g in CATALOGUE if g.dimension], ids=str)
def test_coordinates_invert_element(group):
    algebra = general_position(group.algebra, 0)
    weights = np.random.default_rng(1).standard_normal(algebra.dimension)
    matrix = algebra.element(weights)
    condition = np.linalg.cond(algebra.matrices.reshape(algebra.dimension, -1))
    np.testing.assert_allclose(algebra.coordinates(matrix), weights, atol=EPS * 100 * condition)


def test_matrix_outside_the_span_is_refused():
    algebra = groups.SO(3).algebra
    inside = algebra.matrices[0]
    with pytest.raises(IsotropyError, match="outside it"):
        algebra.coordinates(inside + 1e-3 * np.eye(3))
    with pytest.raises(IsotropyError, match="outside it"):
        algebra.coordinates(1j * inside)
    np.testing.assert_allclose(algebra.coordinates(inside + 0j), [1, 0, 0], atol=EPS * 10)
    with pytest.raises(IsotropyError, match="structure constants"):
        LieAlgebra.from_structure_constants(algebra.structure_constants).coordinates(inside)


@pytest.mark.parametrize(("group", "centre", "derived", "radical", "nilradical", "levi"), STRUCTURE, ids=str)
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_structure_from_any_basis(group, centre, derived, radical, nilradical, levi, noise):
    algebra = general_position(group.algebra, 5, noise)
    derived_algebra = algebra.derived_series[1] if len(algebra.derived_series) > 1 else algebra.derived_series[0]
    assert algebra.centre.dimension == centre
    assert derived_algebra.dimension == derived
    assert algebra.radical.dimension == radical
    assert algebra.nilradical.dimension == nilradical
    assert algebra.levi.dimension == levi
    assert algebra.is_abelian == (centre == algebra.dimension)
    assert algebra.is_solvable == (radical == algebra.dimension)
    assert algebra.is_nilpotent == (nilradical == algebra.dimension)
    assert algebra.is_semisimple == (radical == 0 and algebra.dimension > 0)


@pytest.mark.parametrize("group", [g for g in CATALOGUE if g.dimension], ids=str)
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_radical_is_a_solvable_ideal_and_levi_a_semisimple_complement(group, noise):
    algebra = general_position(group.algebra, 2, noise)
    radical, levi = algebra.radical, algebra.levi
    assert radical.is_solvable
    assert levi.is_semisimple or levi.dimension == 0
    assert levi.closure.closed
    assert radical.closure.closed
    together = np.concatenate([radical.embedding, levi.embedding])
    assert np.linalg.matrix_rank(together) == algebra.dimension
    for ideal in (radical, algebra.nilradical, algebra.centre, *algebra.derived_series, *algebra.ideals):
        assert_ideal(algebra, ideal)


def assert_ideal(algebra, ideal):
    """[g, ideal] has no part outside the ideal, to within the errors of both."""
    products = np.einsum("ai,jik->ajk", ideal.embedding, algebra.structure_constants).reshape(-1, algebra.dimension)
    rows = ideal.embedding
    scale = max(1.0, np.abs(algebra.structure_constants).max()) * np.abs(rows).max(initial=1.0) * algebra.dimension**2
    condition = np.linalg.cond(algebra.matrices.reshape(algebra.dimension, -1))
    outside = products - products @ np.linalg.pinv(rows) @ rows if len(rows) else products
    floor = max(EPS * algebra.dimension, algebra.noise * algebra.size) * condition**2
    assert np.abs(outside).max(initial=0.0) <= floor * scale


def test_ideals_add_up_and_commute():
    product = np.zeros((9, 8, 8))
    product[:3, :3, :3] = groups.SO(3).algebra.matrices
    product[3:, 3:7, 3:7] = groups.SE(3).algebra.matrices
    algebra = general_position(LieAlgebra(product), 7)
    ideals = algebra.ideals
    assert [ideal.name for ideal in ideals] == ["se(3)", "so(3)"]
    a, b = (ideal.embedding for ideal in ideals)
    cross = np.einsum("ai,bj,ijk->abk", a, b, algebra.structure_constants)
    assert np.abs(cross).max() <= EPS * 1e6 * np.abs(algebra.structure_constants).max() * np.abs(a).max()


@pytest.mark.parametrize("group", CATALOGUE, ids=str)
def test_killing_form_is_the_trace_form_of_the_adjoint_representation(group):
    algebra = group.algebra
    ads = algebra.structure_constants.transpose(0, 2, 1)
    expected = np.array([[np.trace(a @ b) for b in ads] for a in ads]).reshape(algebra.dimension, algebra.dimension)
    np.testing.assert_allclose(algebra.killing_form, expected, atol=10 * tolerance(algebra))


def test_lower_central_series_of_heisenberg_and_of_rigid_motions():
    assert [g.dimension for g in groups.Heisenberg(2).algebra.lower_central_series] == [5, 1, 0]
    assert [g.dimension for g in groups.SE(2).algebra.lower_central_series] == [3, 2]
    assert [g.dimension for g in groups.SE(2).algebra.derived_series] == [3, 2, 0]


def test_subalgebra():
    algebra = groups.SE(3).algebra
    turns = algebra.subalgebra(np.eye(6)[:3], labels=["a", "b", "c"])
    assert (turns.name, turns.labels) == ("so(3)", ("a", "b", "c"))
    np.testing.assert_allclose(turns.matrices, algebra.matrices[:3])
    np.testing.assert_allclose(turns.embedding, np.eye(6)[:3])
    with pytest.raises(IsotropyError, match="rows 0 and 1"):
        algebra.subalgebra(np.eye(6)[:2])
    with pytest.raises(IsotropyError, match="independent rows"):
        algebra.subalgebra(np.ones((2, 6)))
    assert algebra.subalgebra(np.zeros((0, 6))).name == "trivial"


# closure


def test_span_that_is_not_closed_names_the_worst_pair():
    j = groups.SO(4).algebra.matrices[:2]  # turns of the planes (0, 1) and (0, 2)
    extra = np.diag([0.0, 0.0, 0.0, 1.0])
    with pytest.raises(IsotropyError, match=r"\[x, y\] \(the pair 0, 2\)"):
        LieAlgebra(np.stack([j[0], extra, j[1]]), labels=["x", "z", "y"])
    unchecked = LieAlgebra(np.stack([j[0], extra, j[1]]), check=False)
    assert not unchecked.closure.closed
    assert unchecked.closure.worst_pair == (0, 2)
    # |[j_0, j_1]| = sqrt 2, over |j_0| |j_1| = 2
    assert unchecked.closure.residual == pytest.approx(1 / np.sqrt(2), rel=EPS * 100)
    assert unchecked.name == "not closed"
    assert "no algebra" in str(unchecked)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_closure_broken_by_one_part_in_a_thousand_is_refused(seed):
    matrices = np.array(groups.SO(4).algebra.matrices)
    broken = matrices + 1e-3 * np.random.default_rng(seed).standard_normal(matrices.shape)
    with pytest.raises(IsotropyError, match="relative size"):
        LieAlgebra(broken)
    assert LieAlgebra(broken, noise=1e-3).closure.closed


@pytest.mark.parametrize("make", [lambda: groups.SO(12), lambda: groups.SE(11), lambda: groups.GL(9)])
def test_many_sparse_matrices_are_bracketed_as_the_few_are(make, monkeypatch):
    sparse = make().algebra.structure_constants
    monkeypatch.setattr("isotropy.groups.frame.MANY", 10**9)
    dense = make().algebra.structure_constants
    np.testing.assert_allclose(sparse, dense, atol=100 * EPS * np.abs(dense).max())


def test_a_large_sparse_span_that_is_not_closed_names_the_worst_pair():
    matrices = np.array(groups.SO(13).algebra.matrices)  # 78 of them, of which the turn of (0, 1) is left out
    with pytest.raises(IsotropyError, match=r"the pair 0, 11\) with a part outside the span of relative size 7.07e-01"):
        LieAlgebra(matrices[1:])
    matrices[1, 2, 0] += 1e-3
    with pytest.raises(IsotropyError, match="relative size"):
        LieAlgebra(matrices)


def test_rotations_of_many_axes_are_made_in_little_memory():
    assert LieAlgebra(groups.SO(40).algebra.matrices).dimension == 780  # dense brackets would take 8 GB


def test_single_precision_is_held_to_its_own_rounding():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    rotated = np.stack([turn @ a @ turn.T for a in groups.SO(4).algebra.matrices]).astype(np.float32)
    assert LieAlgebra(rotated).name == "so(4)"


# input


def test_wrong_matrices_are_refused():
    turn = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    with pytest.raises(IsotropyError, match="NaN"):
        LieAlgebra(turn * np.nan)
    with pytest.raises(IsotropyError, match="square"):
        LieAlgebra(np.ones((1, 2, 3)))
    with pytest.raises(IsotropyError, match="axes"):
        LieAlgebra(turn[0])
    with pytest.raises(IsotropyError, match=r"independent.*0, 1"):
        LieAlgebra(np.concatenate([turn, 2 * turn, np.eye(2)[None]]))
    with pytest.raises(IsotropyError, match="independent"):
        LieAlgebra(np.random.default_rng(0).standard_normal((5, 2, 2)))
    with pytest.raises(IsotropyError, match="independent"):
        LieAlgebra(np.zeros((1, 2, 2)))
    with pytest.raises(IsotropyError, match="noise"):
        LieAlgebra(turn, noise=-1.0)
    with pytest.raises(IsotropyError, match="labels"):
        LieAlgebra(turn, labels=["a", "b"])


def test_complex_matrices_span_over_the_reals():
    e = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    assert LieAlgebra(np.concatenate([e + 0j, 1j * e])).name == "R^2"
    with pytest.raises(IsotropyError, match="independent"):
        LieAlgebra(np.concatenate([e + 0j, 2 * e + 0j]))


def test_units_do_not_decide():
    matrices = np.array(groups.SE(3).algebra.matrices)
    units = np.array([1e-6, 1.0, 1e6, 1e3, 1e-3, 1.0])[:, None, None]
    assert LieAlgebra(units * matrices).name == "se(3)"


def test_values_are_immutable():
    algebra = groups.SO(3).algebra
    for array in (algebra.matrices, algebra.structure_constants, algebra.killing_form):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


@pytest.mark.parametrize("group", CATALOGUE, ids=str)
def test_json_round_trip(group):
    algebra = group.algebra
    abstract = LieAlgebra.from_structure_constants(algebra.structure_constants)
    for original in (algebra, abstract):
        copy = LieAlgebra.from_dict(json.loads(json.dumps(original.to_dict())))
        assert (copy.name, copy.labels, copy.noise) == (original.name, original.labels, original.noise)
        np.testing.assert_allclose(copy.structure_constants, original.structure_constants, atol=tolerance(algebra))
        assert (copy.matrices is None) == (original.matrices is None)


def test_words():
    assert str(groups.SE(3).algebra).startswith("se(3): 6-dimensional, Levi factor so(3), radical of dimension 3")
    assert "matrices of size 4" in repr(groups.SE(3).algebra)
    assert len(groups.SE(3).algebra) == 6
