"""Laws of representations: brackets, homomorphism, sums, products, duals; and what must be refused."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from isotropy import groups
from isotropy.errors import IsotropyError

EPS = np.finfo(np.float64).eps
G = groups
GROUPS = [G.SO(3), G.O(1, 3), G.SE(2), G.SU(2), G.Sp(4), G.GL(2), G.S(4), G.Heisenberg(1), G.SO(2) * G.Z(3)]
SHAPES = {
    "V": lambda V, S: V,
    "2*S + V + V@V": lambda V, S: 2 * S + V + V @ V,
    "V**3": lambda V, S: V**3,
    "V.dual@(V + S)": lambda V, S: V.dual @ (V + S),
    "(V + V.dual)**2": lambda V, S: (V + V.dual) ** 2,
}
cases = pytest.mark.parametrize(
    ("group", "shape"), list(itertools.product(GROUPS, SHAPES)), ids=lambda x: str(x).replace(" ", "")
)


@cases
def test_generators_keep_the_brackets(group, shape):
    rep = SHAPES[shape](group.vector, group.scalar)
    R = rep.generators()
    assert R.shape == (group.dimension, rep.dimension, rep.dimension)
    brackets = np.einsum("iab,jbc->ijac", R, R) - np.einsum("jab,ibc->ijac", R, R)
    expected = np.einsum("ijk,kab->ijab", group.algebra.structure_constants, R)
    assert np.abs(brackets - expected).max(initial=0) <= 100 * EPS * rep.dimension


@cases
def test_components_act_on_generators_as_on_the_algebra(group, shape):
    """R(g) R(xi) R(g)^-1 = R(g xi g^-1), with the right side found from the defining matrices."""
    rep = SHAPES[shape](group.vector, group.scalar)
    R, q = rep.generators(), group.dimension
    for g, Rg in zip(group.components, rep.components(), strict=True):
        if not q:
            continue
        moved = (g @ group.matrices @ np.linalg.inv(g)).reshape(q, -1)
        adjoint = np.linalg.lstsq(group.matrices.reshape(q, -1).T, moved.T, rcond=None)[0]
        left = Rg @ R @ np.linalg.inv(Rg)
        assert np.abs(left - np.einsum("ki,kab->iab", adjoint, R)).max() <= 1e3 * EPS * rep.dimension


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_exponentials_agree_with_what_the_constructions_mean_for_group_elements(group):
    """The independent oracle: Kronecker products, block diagonals and inverse transposes of exp(xi) itself."""
    if not group.dimension:
        elements = group.components
        pairs = list(zip(group.vector.components(), range(len(elements)), strict=True))
        image = {k: (group.vector.dual @ group.vector + group.vector).components()[k] for _, k in pairs}
    else:
        rng = np.random.default_rng(1)
        xi = rng.standard_normal(group.dimension) / 2
        rep = group.vector.dual @ group.vector + group.vector
        pairs = [(scipy.linalg.expm(np.tensordot(xi, group.vector.generators(), 1)), 0)]
        image = {0: scipy.linalg.expm(np.tensordot(xi, rep.generators(), 1))}
    for g, k in pairs:
        expected = scipy.linalg.block_diag(np.kron(np.linalg.inv(g).T, g), g)
        scale = np.linalg.norm(g) * np.linalg.norm(np.linalg.inv(g))
        assert np.abs(image[k] - expected).max() <= 1e3 * EPS * scale * len(expected)


def test_points_move_as_homogeneous_coordinates_do():
    group = G.E(2)
    rep = 2 * group.point + group.vector
    x = np.random.default_rng(2).standard_normal(6)
    for k, xi in enumerate(group.matrices):
        expected = np.concatenate([(xi @ [*x[:2], 1])[:2], (xi @ [*x[2:4], 1])[:2], (xi @ [*x[4:], 0])[:2]])
        assert np.array_equal(rep.generators()[k] @ x + rep.offsets()[k], expected)
    assert rep.component_offsets().shape == (1, 6)
    assert rep.has_points
    assert not group.vector.has_points
    assert not group.vector.offsets().any()


def test_real_form_of_a_complex_representation():
    rep = G.SU(3).vector
    z = np.random.default_rng(3).standard_normal((2, 3)) @ [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    for a, r in zip(rep.generators(), rep.real().generators(), strict=True):
        w = a @ (z[0] + 1j * z[1])
        assert np.allclose(r @ z.ravel(), np.concatenate([w.real, w.imag]), atol=10 * EPS)
    assert not rep.real().is_complex
    assert rep.is_complex
    assert G.SO(3).vector.real() == G.SO(3).vector


def test_printing():
    V, S, P = G.SE(3).vector, G.SE(3).scalar, G.SE(3).point
    assert str(2 * S + V + V @ V) == "2*S + V + V@V"
    assert str(V + V + P) == "2*V + P"
    assert str(V**3 @ V.dual) == "V**3@V.dual"
    assert str((V + S) @ V) == "(V + S)@V"
    assert str(3 * (V + S)) == "3*V + 3*S" or str(3 * (V + S)) == "3*(V + S)"
    assert str((2 * S + V).dual) == "2*S + V.dual"


def test_algebra_of_representations():
    V, S = G.SO(3).vector, G.SO(3).scalar
    assert V @ V @ V == V**3
    assert V**0 == S
    assert V @ S == V
    assert V.dual.dual == V
    assert (V + V) == 2 * V
    assert V + S != S + V
    assert hash(G.SO(3).vector @ V) == hash(V**2)
    assert G.O(3).vector != V
    assert (2 * (V + S)).dimension == 8
    assert [start for _, start in (2 * (V + S)).blocks()] == [0, 3, 4, 7]


def test_tensor_powers_are_sparse():
    rep = G.SO(3).vector ** 6
    stored = sum(m.nnz for m in rep.sparse_generators())
    assert rep.dimension == 729
    assert stored <= 3 * 729 * 12  # two entries per row and factor, against 3 * 729^2 dense


BAD = [
    (lambda: G.SO(3).vector + G.O(3).vector, "lift"),
    (lambda: G.SO(3).vector @ G.SO(2).vector, "lift"),
    (lambda: G.SE(3).point @ G.SE(3).vector, "tensor product"),
    (lambda: G.SE(3).point ** 2, "tensor product"),
    (lambda: (G.SE(3).point + G.SE(3).vector).dual, "dual"),
    (lambda: 2.5 * G.SO(3).vector, "whole number"),
    (lambda: 0 * G.SO(3).vector, "at least 1"),
    (lambda: G.SO(3).vector ** -1, "at least 0"),
]


@pytest.mark.parametrize(("build", "word"), BAD)
def test_bad_input_is_one_sentence(build, word):
    with pytest.raises(IsotropyError, match=word) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_what_is_not_a_representation_cannot_be_added():
    with pytest.raises(TypeError):
        G.SO(3).vector + 3
