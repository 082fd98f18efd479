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


# --- powers, irreducibles, regular representations, restriction, products, text ---------------------------------------

NAMED = [
    (G.SO(2), ("irrep(1)", "irrep(3)")),
    (G.SO(3), ("irrep(1)", "irrep(2)", "irrep(5)", "V.sym(3)", "V.alt(2)", "(V + S).sym(2)")),
    (G.O(3), ("1o", "2e", "3e", "0o", "V.alt(3)")),
    (G.SU(2), ("irrep(1/2)", "irrep(3/2)", "V.conj", "V.real", "(V@V.dual).real", "V.sym(3)")),
    (G.SO(1, 3), ("irrep(1/2,1/2)", "irrep(1,0)", "irrep(1,1)", "irrep(3/2,1/2)", "V.sym(2)", "V.alt(3)")),
    (G.SO(1, 3).identity_component, ("irrep(1/2,0)", "irrep(0,1/2)", "irrep(1,1/2)")),
    (G.SO(3) * G.S(3), ("V[0]@V[1]", "irrep(2)[0] + V[1]", "V")),
    (G.U(2) * G.SE(2), ("V[0]", "V[0]@V[1]", "P[1]")),
]
MORE = [(group, text) for group, texts in NAMED for text in texts]
more = pytest.mark.parametrize(("group", "text"), MORE, ids=[f"{g}-{t}".replace(" ", "") for g, t in MORE])


@more
def test_every_construction_keeps_brackets_and_components(group, text):
    rep = group.parse(text)
    R, q = rep.generators(), group.dimension
    brackets = np.einsum("iab,jbc->ijac", R, R) - np.einsum("jab,ibc->ijac", R, R)
    expected = np.tensordot(group.algebra.structure_constants, R, 1)
    scale = max(1.0, np.abs(R).max()) ** 2
    assert np.abs(brackets - expected).max() <= 100 * EPS * scale * rep.dimension
    flat = group.matrices.reshape(q, -1)
    for g, image in zip(group.components, rep.components(), strict=True):
        moved = (g @ group.matrices @ np.linalg.inv(g)).reshape(q, -1)
        adjoint = np.linalg.lstsq(flat.T, moved.T, rcond=None)[0].real
        left = image @ R @ np.linalg.inv(image)
        assert np.abs(left - np.tensordot(adjoint.T, R, 1)).max() <= 1e3 * EPS * scale * rep.dimension


@more
def test_text_parses_back(group, text):
    rep = group.parse(text)
    assert str(rep) == text
    assert group.parse(str(2 * rep + group.scalar)) == 2 * rep + group.scalar


@more
def test_elements_act_as_exponentials_of_the_algebra(group, text):
    """rep(exp xi) from the element's own matrix against the exponential of rep(xi)."""
    rep = group.parse(text)
    xi = np.random.default_rng(4).standard_normal(group.dimension) / 3
    expected = scipy.linalg.expm(np.tensordot(xi, rep.generators(), 1))
    found = rep.element(scipy.linalg.expm(np.tensordot(xi, group.matrices, 1)))
    assert np.abs(found - expected).max() <= 1e5 * EPS * np.abs(expected).max() * rep.dimension


def character(rep, angle):
    """Trace of the rotation of the (0, 1)-plane by an angle."""
    return np.trace(scipy.linalg.expm(angle * rep.generators()[0]))


@pytest.mark.parametrize("l", range(5))
def test_characters_of_so3(l):
    for angle in (0.3, 1.7):
        expected = np.sin((2 * l + 1) * angle / 2) / np.sin(angle / 2)
        assert abs(character(G.SO(3).irrep(l), angle) - expected) <= 1e3 * EPS * (2 * l + 1)


@pytest.mark.parametrize("twice", range(5))
def test_characters_of_su2(twice):
    """exp of the third generator turns by twice the angle about z."""
    generator = G.SU(2).irrep(f"{twice}/2").generators()[2]
    expected = sum(np.exp(1j * m * 0.7) for m in range(-twice, twice + 1, 2))
    assert abs(np.trace(scipy.linalg.expm(0.7 * generator)) - expected) <= 1e3 * EPS * (twice + 1)


def test_first_irreducibles_are_the_vectors():
    assert np.abs(G.SO(3).irrep(1).generators() - G.SO(3).matrices).max() <= 4 * EPS
    assert np.abs(G.O(3).irrep(1, -1).components() - G.O(3).components).max() == 0
    assert np.abs(G.SU(2).irrep(0.5).generators() - G.SU(2).matrices).max() <= 4 * EPS
    assert G.SO(3).irrep(0) == G.SO(3).scalar


def test_parity_is_the_sign_of_minus_one():
    minus = -np.eye(3)
    for l, parity in itertools.product(range(4), (1, -1)):
        image = G.O(3).irrep(l, parity).element(minus)
        assert np.abs(image - parity * np.eye(2 * l + 1)).max() <= 1e4 * EPS


def test_powers_are_the_symmetrised_tensors():
    """The projection on symmetric tensors commutes with the group; its range carries the power."""
    rng = np.random.default_rng(5)
    g = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    g *= np.sign(np.linalg.det(g))
    V = G.SO(3).vector
    for power, trace in (
        (V.sym(2), (np.trace(g) ** 2 + np.trace(g @ g)) / 2),
        (V.alt(2), (np.trace(g) ** 2 - np.trace(g @ g)) / 2),
    ):
        assert abs(np.trace(power.element(g)) - trace) <= 1e4 * EPS
        image = power.element(g)
        assert np.abs(image @ image.T - np.eye(len(image))).max() <= 1e4 * EPS
    assert abs(V.alt(3).element(g)[0, 0] - 1) <= 1e4 * EPS
    assert V.sym(1) == V


@pytest.mark.parametrize("group", [G.D(4), G.S(3), G.Cube(), G.C(5), G.Trivial(2)], ids=str)
def test_the_regular_representation_permutes_freely(group):
    rep = group.regular
    assert rep.dimension == len(group.elements())
    for image, g in zip(rep.components(), group.components, strict=True):
        assert np.array_equal(image.sum(axis=0), np.ones(rep.dimension))
        assert np.trace(image) == (rep.dimension if np.allclose(g, np.eye(len(g))) else 0)


def test_restriction_agrees_with_the_elements():
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    roll = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    octahedral = G.Group((), components=[turn, roll], name="O")
    rep = (G.SO(3).irrep(2) + G.SO(3).vector ** 2).restrict(octahedral)
    assert rep.group == octahedral
    a, b = rep.components()
    assert np.abs(np.linalg.matrix_power(a, 4) - np.eye(14)).max() <= 1e4 * EPS
    assert np.abs(np.linalg.matrix_power(a @ b, 3) - np.eye(14)).max() <= 1e4 * EPS
    axis = G.Group(G.SO(3).matrices[:1], name="about z")
    assert np.array_equal((G.SO(3).vector ** 2).restrict(axis).generators()[0], (G.SO(3).vector ** 2).generators()[0])
    assert G.SE(2).point.restrict(G.T(2)) == G.T(2).point


def test_half_turns_have_no_unique_logarithm_and_still_act():
    image = G.SO(3).irrep(2).element(np.diag([-1.0, -1.0, 1.0]))
    assert np.abs(image @ image - np.eye(5)).max() <= 1e4 * EPS
    assert abs(np.trace(image) - 1) <= 1e4 * EPS


def test_lifting_to_a_product():
    group = G.SO(3) * G.S(4)
    V, P = group.lift(G.SO(3).vector), group.lift(G.S(4).vector)
    assert str(V @ V @ P) == "V[0]@V[0]@V[1]"
    assert np.array_equal(V.generators(), G.SO(3).matrices)
    assert not P.generators().any()
    assert np.array_equal(P.components(), G.S(4).components)
    assert np.array_equal(V.components(), np.stack([np.eye(3)] * 2))
    assert group.lift(G.SO(3).scalar) == group.scalar
    twice = G.SO(3) * G.SO(3)
    assert np.array_equal(twice.lift(G.SO(3).vector, factor=1).generators()[3:], G.SO(3).matrices)
    assert (G.SE(2) * G.S(3)).lift(G.SE(2).point).offsets().shape == (3, 2)


def test_own_matrices_are_checked():
    group = G.O(3)
    rep = group.irrep(2, "e")
    mine = group.representation(rep.generators(), components=rep.components(), name="Q")
    assert str(mine) == "Q"
    assert np.array_equal(mine.generators(), rep.generators())
    spread = rep.generators().copy()
    spread[0, 0, 0] += 1e-3
    with pytest.raises(IsotropyError, match="bracket"):
        group.representation(spread, components=rep.components())
    with pytest.raises(IsotropyError, match="carries the generators elsewhere"):
        group.representation(rep.generators(), components=np.diag([1.0, 1, 1, 1, -1])[None])


def test_e3nn_strings():
    rep = G.O(3).parse("8x0e+4x1o")
    assert rep.dimension == 8 + 12
    assert rep == 8 * G.O(3).irrep(0, "e") + 4 * G.O(3).irrep(1, "o")
    assert G.SO(3).parse("2x0+3x1").dimension == 11


UNREADABLE = [
    "", "V+", "V++V", "Q", "V**", "V**100", "9**V", "irrep(2", "irrep()", "irrep(1/2)", "__import__('os')", "V.foo",
    "V.sym", "V.sym(0)", "V.alt(4)", "V[0]", "(" * 60 + "V", "99999999999*V", "0*V", "1/2*V", "V V", "V@", "2",
    "1x9999", "V**30", "1x9999999999999999999999999", "5x1o", "é", "V;S", "+V", "V" * 20000,
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda t: t[:12])
def test_unreadable_text_is_refused_in_one_sentence(text):
    with pytest.raises(IsotropyError) as caught:
        G.SO(3).parse(text)
    assert "\n" not in str(caught.value)


LATE = [
    (lambda: G.SO(3).irrep(0.5), "SU\\(2\\)"),
    (lambda: G.SO(3).irrep(-1), "not negative"),
    (lambda: G.SO(3).irrep("x"), "number"),
    (lambda: G.SO(3).irrep(1, 2), "1 label"),
    (lambda: G.O(3).irrep(1, 2), "parity"),
    (lambda: G.SO(4).irrep(1), "known for"),
    (lambda: G.SO(1, 3).irrep(0.5, 0), "double cover"),
    (lambda: G.SO(2).regular, "not finite"),
    (lambda: G.Group((), components=[[[1.0, 1.0], [0.0, 1.0]]]).elements(), "infinitely many"),
    (lambda: (G.SO(3) * G.SO(3)).lift(G.SO(3).vector), "factor="),
    (lambda: (G.SO(3) * G.S(3)).lift(G.SO(2).vector), "no such factor"),
    (lambda: G.SO(3).vector.restrict(G.SO(2)), "its size"),
    (lambda: G.SO(3).vector.restrict(G.GL(3)), "outside the algebra"),
    (lambda: G.SO(3).vector.restrict(G.O(3)), "no element"),
    (lambda: G.SO(3).representation(G.SO(3).matrices[:2]), "one square matrix"),
    (lambda: G.SO(3).vector.alt(4), "at most 3"),
    (lambda: G.SE(2).point.sym(2), "symmetric power"),
    (lambda: G.SO(3).parse(3), "text"),
]


@pytest.mark.parametrize(("build", "word"), LATE)
def test_more_bad_input_is_one_sentence(build, word):
    with pytest.raises(IsotropyError, match=word) as caught:
        build()
    assert "\n" not in str(caught.value)
