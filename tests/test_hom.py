"""Spaces of equivariant maps against characters, orbit counts, Clebsch-Gordan and dense null spaces."""

import itertools
import warnings
from math import comb

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from isotropy import groups as G
from isotropy.errors import IsotropyError, IsotropyWarning
from isotropy.hom import cache, hom

EPS = np.finfo(np.float64).eps
EQUIVARIANT = 1e-12
"""The bar on a unit basis map's defect, for generators of norm up to about ten: 5000 eps."""


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", "off")


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsotropyWarning)
        return hom(*args, cache=False, **kwargs)


def defect(space):
    """The largest entry of W_g B - B V_g and of B B^H - 1, over the basis, all generators and all components."""
    basis = space.dense()
    flat = basis.reshape(len(basis), basis[0].size if len(basis) else 1)
    worst = np.abs(flat @ flat.conj().T - np.eye(len(basis))).max(initial=0)
    pairs = zip(
        [*space.source.generators(), *space.source.components()],
        [*space.target.generators(), *space.target.components()],
        strict=True,
    )
    return max([worst, *(np.abs(w @ basis - basis @ v).max(initial=0) for v, w in pairs)])


# --- invariants of T(p, q) against integrals of characters -----------------------------------------------------------


def torus(rank, degree):
    """All angles of an equidistant grid that integrates trigonometric polynomials up to this degree exactly."""
    points = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    return np.stack(np.meshgrid(*[points] * rank), axis=-1).reshape(-1, rank)


def unitary_average(n, p, q, special):
    """Weyl's integration formula: the mean of tr^p conj(tr)^q over U(n) or SU(n)."""
    angles = torus(n, n * (p + q) + 2 * n * n)
    if special:
        angles = np.concatenate([angles[:, :-1], -angles[:, :-1].sum(axis=1, keepdims=True)], axis=1)
    z = np.exp(1j * angles)
    weight = np.prod([np.abs(z[:, a] - z[:, b]) ** 2 for a, b in itertools.combinations(range(n), 2)], axis=0)
    trace = z.sum(axis=1)
    return (weight * trace**p * trace.conj() ** q).mean() / weight.mean()


def spin_average(character, degree):
    """The mean over SU(2) of a class function of the half angle."""
    angle = torus(1, degree)[:, 0]
    weight = 2 * np.sin(angle) ** 2
    return (weight * character(angle)).mean()


def lorentz_average(p, q):
    """The complexified Lorentz group is that of two spins, its vector (1/2, 1/2), which is its own dual."""
    a, b = torus(2, 2 * (p + q) + 8).T
    trace = 4 * np.cos(a) * np.cos(b)
    return (4 * np.sin(a) ** 2 * np.sin(b) ** 2 * trace ** (p + q)).mean()


def finite_average(group, p, q):
    elements = group.elements()
    traces = np.trace(elements, axis1=1, axis2=2)
    return np.mean(traces**p * np.trace(np.linalg.inv(elements), axis1=1, axis2=2) ** q)


def so3(n):
    return spin_average(lambda t: (1 + 2 * np.cos(2 * t)) ** n, 4 * n + 8)


INVARIANTS = [
    (G.SO(2), 6, lambda p, q: comb(p + q, (p + q) // 2) if (p + q) % 2 == 0 else 0),
    (G.SO(3), 5, lambda p, q: so3(p + q)),
    (G.O(3), 5, lambda p, q: so3(p + q) if (p + q) % 2 == 0 else 0),
    (G.SU(2), 6, lambda p, q: unitary_average(2, p, q, True)),
    (G.SU(3), 5, lambda p, q: unitary_average(3, p, q, True)),
    (G.SL(3), 5, lambda p, q: unitary_average(3, p, q, True)),  # Weyl's unitary trick
    (G.GL(2), 6, lambda p, q: unitary_average(2, p, q, False)),
    (G.D(4), 6, lambda p, q: finite_average(G.D(4), p, q)),
    (G.S(4), 4, lambda p, q: finite_average(G.S(4), p, q)),
    (G.Z(4), 4, lambda p, q: finite_average(G.Z(4), p, q)),
    (G.SO(1, 3).identity_component, 4, lambda p, q: lorentz_average(p, q)),
    (G.Cube(), 3, lambda p, q: finite_average(G.Cube(), p, q)),
]


@pytest.mark.parametrize(
    ("group", "order", "average"), INVARIANTS, ids=lambda x: str(x) if isinstance(x, G.Group) else ""
)
def test_invariants_of_every_tensor_type(group, order, average):
    for p, q in ((p, n - p) for n in range(1, order + 1) for p in range(n + 1)):
        expected = average(p, q)
        assert abs(expected - round(np.real(expected))) < 1e-9, "the oracle must be whole"
        space = quiet(group.scalar, group.vector**p @ group.vector.dual**q)
        assert space.dimension == round(np.real(expected)), (p, q)
        assert defect(space) <= EQUIVARIANT


# --- permutation groups: maps are counted by orbits -------------------------------------------------------------------


def orbits(permutations, order):
    """Orbits of tuples of points under permutations, as connected components of a graph."""
    n = permutations.shape[1]
    tuples = np.arange(n**order)
    digits = np.stack(np.unravel_index(tuples, (n,) * order))
    graph = sum(
        sp.coo_array((np.ones(n**order), (tuples, np.ravel_multi_index(tuple(p[digits]), (n,) * order))))
        for p in permutations
    )
    return sp.csgraph.connected_components(graph, directed=False)[0]


def rubik():
    """The 48 stickers of Rubik's cube, moved by quarter turns of its six faces."""
    axes = [np.array(a) for k in range(3) for a in (np.eye(3, dtype=int)[k], -np.eye(3, dtype=int)[k])]
    places = [p for p in itertools.product((-1, 0, 1), repeat=3) if np.abs(p).sum() > 1]
    stickers = [(p, tuple(n)) for p in places for n in axes if np.dot(p, n) == 1]
    number = {sticker: k for k, sticker in enumerate(stickers)}
    turns = np.zeros((6, 48, 48))
    for k, axis in enumerate(axes):
        cross = np.cross(np.eye(3, dtype=int), axis)
        turn = np.eye(3, dtype=int) + cross + cross @ cross
        for (p, n), j in number.items():
            i = number[tuple(turn @ p), tuple(turn @ n)] if np.dot(p, axis) == 1 else j
            turns[k, i, j] = 1
    return G.Group((), components=turns, name="Rubik")


@pytest.mark.parametrize(
    ("group", "a", "b"),
    [(G.S(8), 2, 2), (G.S(5), 3, 2), (G.Z(6), 2, 1), (G.Z(64), 1, 1), (G.Cube(), 2, 1), (rubik(), 1, 1)],
    ids=str,
)
def test_maps_between_permutation_representations_are_counted_by_orbits(group, a, b):
    space = quiet(group.vector**a, group.vector**b)
    assert space.dimension == orbits(group.components.argmax(axis=1), a + b)
    assert defect(space) <= EQUIVARIANT


@pytest.mark.slow
@pytest.mark.parametrize(("group", "a", "b"), [(G.S(8), 3, 3), (G.Z(512), 1, 1), (rubik(), 2, 1)], ids=str)
def test_large_permutation_representations(group, a, b):
    space = quiet(group.vector**a, group.vector**b)
    assert space.dimension == orbits(group.components.argmax(axis=1), a + b)
    assert space.residual <= 10 * space.floor


# --- tensor maps of classical groups ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "source", "target", "expected"),
    [
        (G.SO(3), "V**3", "V**3", so3(6)),
        (G.SO(3), "V**4", "V**3", so3(7)),
        (G.O(1, 3), "V**3", "V**3", 15),  # pairings of six indices; reflections forbid the epsilon
        (G.SO(1, 3), "V**3", "V**3", lorentz_average(3, 3)),
        (G.SO(5), "V**3", "V**3", 15),  # pairings of six indices; the epsilon needs five
        (G.SU(3), "V**2@V.dual", "V**2@V.dual", unitary_average(3, 3, 3, True)),
        (G.Sp(8), "V**2", "V**2", 3),  # pairings of four indices
    ],
    ids=str,
)
def test_tensor_maps(group, source, target, expected):
    space = quiet(group.parse(source), group.parse(target))
    assert space.dimension == round(np.real(expected))
    assert defect(space) <= EQUIVARIANT


def test_tensors_of_order_six_stay_factored():
    V = G.SO(3).vector
    space = quiet(V**6, V**6)
    assert space.dimension == round(so3(12))
    with pytest.raises(IsotropyError, match="GiB"):
        space.dense()
    rng = np.random.default_rng(0)
    c, x = rng.standard_normal(space.dimension), rng.standard_normal(729)
    size = np.linalg.norm(c) * np.linalg.norm(x)
    for v in (V**6).sparse_generators():
        assert np.linalg.norm(v @ space.apply(c, x) - space.apply(c, v @ x)) <= EQUIVARIANT * 10 * size


def test_a_thousand_channels_cost_what_one_costs():
    V, S = G.SO(3).vector, G.SO(3).scalar
    rep = 271 * S + 68 * V + 22 * V**2 + 7 * V**3 + 2 * V**4
    copies = {0: 271 + 22 + 7 + 2 * 3, 1: 68 + 22 + 7 * 3 + 2 * 6, 2: 22 + 7 * 2 + 2 * 6, 3: 7 + 2 * 3, 4: 2}
    space = quiet(rep, rep)
    assert rep.dimension == 1024
    assert space.dimension == sum(k * k for k in copies.values())
    rng = np.random.default_rng(1)
    c, x = rng.standard_normal(space.dimension), rng.standard_normal((2, 1024))
    for g in rep.sparse_generators():
        moved, size = space.apply(c, (g @ x.T).T), np.linalg.norm(c) * np.linalg.norm(x)
        assert np.linalg.norm((g @ space.apply(c, x).T).T - moved) <= EQUIVARIANT * size


# --- Clebsch-Gordan ---------------------------------------------------------------------------------------------------


def in_product(a, b, c):
    """Whether spin c is in the product of spins a and b."""
    return abs(a - b) <= c <= a + b and (a + b + c) % 1 == 0


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement(range(4), 2)))
def test_clebsch_gordan_of_so3(a, b):
    group = G.SO(3)
    for c in range(6):
        assert quiet(group.irrep(a) @ group.irrep(b), group.irrep(c)).dimension == in_product(a, b, c)


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement([0, 0.5, 1, 1.5], 2)))
def test_clebsch_gordan_of_su2(a, b):
    group = G.SU(2)
    for c in (0, 0.5, 1, 1.5, 2, 3):
        space = quiet(group.irrep(a) @ group.irrep(b), group.irrep(c))
        assert space.dimension == in_product(a, b, c)
        assert defect(space) <= EQUIVARIANT


@pytest.mark.parametrize("connected", [True, False])
def test_clebsch_gordan_of_the_lorentz_group(connected):
    group = G.SO(1, 3).identity_component if connected else G.SO(1, 3)
    labels = [(0, 0), (0.5, 0.5), (1, 0), (0, 1)] + ([(0.5, 0), (0, 0.5)] if connected else [])
    for (a, b), (c, d), (e, f) in itertools.product(labels, labels[1:4], [*labels, (1, 1)]):
        space = quiet(group.irrep(a, b) @ group.irrep(c, d), group.irrep(e, f))
        assert space.dimension == (in_product(a, c, e) and in_product(b, d, f)), ((a, b), (c, d), (e, f))


def test_parity_of_o3():
    group = G.O(3)
    assert quiet(group.parse("1o@1o"), group.parse("1e")).dimension == 1
    assert quiet(group.parse("1o@1o"), group.parse("1o")).dimension == 0
    assert quiet(group.parse("8x0e+4x1o"), group.parse("2x0e+3x1o+0o")).dimension == 8 * 2 + 4 * 3


# --- against a dense null space ---------------------------------------------------------------------------------------


def oracle(source, target):
    """All maps by a dense singular value decomposition of the constraints, as columns."""
    d, e = source.dimension, target.dimension
    pairs = zip([*source.generators(), *source.components()], [*target.generators(), *target.components()], strict=True)
    rows = [np.kron(w, np.eye(d)) - np.kron(np.eye(e), v.T) for v, w in pairs]
    rows = np.concatenate([np.zeros((1, d * e)), *rows])
    return scipy.linalg.null_space(np.linalg.qr(rows, mode="r"), rcond=1e-10)


def same_span(space, columns):
    flat = space.dense().reshape(space.dimension, int(np.prod(space.shape)))
    return np.abs(flat.T @ flat.conj() - columns @ columns.conj().T).max(initial=0)


MIXED = G.SO(3) * G.S(5)
OWN = G.Group(np.diag([1.0, -1.0, 0.0])[None], components=[np.eye(3)[[1, 0, 2]]])
SKEW = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [0.5, 0.0, 1.0]])
CASES = [
    (G.SO(2), "V@V", "V + S"),
    (G.SO(2), "irrep(1) + irrep(2)", "irrep(1)@irrep(1)"),
    (G.SO(3), "2*S + V + V@V", "V + V@V"),
    (G.SU(2), "V.real + S", "2*V.real"),
    (G.SU(2), "(V@V).real", "V.real@V.real"),
    (G.SU(3), "V@V", "V.dual + V"),
    (G.U(2), "V@V.dual", "V@V.conj"),
    (G.SO(1, 3), "irrep(1,0).real", "V.alt(2)"),
    (G.Sp(4), "V.sym(2)", "V@V"),
    (G.GL(2), "V@V.dual", "V.dual@V + S"),
    (G.Cube(), "R", "V + S"),
    (G.D(3), "R", "R"),
    (G.C(5), "V@V", "2*V + S"),
    (G.Trivial(2), "V", "2*V"),
    (MIXED, "V[0]@V[1]", "V[0]@V[1] + V[1]"),
    (MIXED, "V[0]@V[0]@V[1]", "V[0]@V[1]"),
    (OWN, "V@V", "V + S"),
    (G.Heisenberg(1), "V@V", "V@V"),
    (G.Heisenberg(2), "V", "V.dual"),
    (G.T(2), "V + S", "2*V"),
    (G.Galilei(1), "V@V", "V@V"),
    (G.Galilei(3), "V.sym(2)", "V@V.dual"),
    (G.Scaling(2), "V@V.dual", "S + V"),
    (G.Aff(2), "V@V.dual", "V.dual@V"),
    (G.Group(SKEW @ G.SO(3).matrices @ np.linalg.inv(SKEW)), "V@V", "V@V"),
    (G.Group(np.diag([1.0, 1e-8])[None]), "V@V", "V"),
    (G.Group((), components=SKEW @ G.S(3).components @ np.linalg.inv(SKEW)), "V@V", "V + S"),
    (G.Group((), components=[[[1.0, 1.0], [0.0, 1.0]]]), "V@V", "V@V"),
    (G.Group(G.SO(2).matrices, components=[[[2.0, 0.0], [0.0, 2.0]]]), "V@V.dual", "S + V"),
]
named = pytest.mark.parametrize(
    ("group", "source", "target"), CASES, ids=[f"{c[0]}-{c[1]}-{c[2]}".replace(" ", "") for c in CASES]
)


@named
@pytest.mark.parametrize("method", ["auto", "nullspace"])
def test_the_same_space_as_a_dense_null_space(group, source, target, method):
    V, W = group.parse(source), group.parse(target)
    space = quiet(V, W, method=method)
    columns = oracle(V, W)
    assert space.dimension == columns.shape[1]
    assert same_span(space, columns) <= 1e6 * EPS
    assert defect(space) <= EQUIVARIANT


@named
def test_apply_matrix_and_project_agree(group, source, target):
    space = quiet(group.parse(source), group.parse(target))
    rng = np.random.default_rng(0)
    c, x = rng.standard_normal(space.dimension), rng.standard_normal((3, space.source.dimension))
    matrix = space.matrix(c)
    floor = 1e3 * EPS * (1 + np.abs(c).max(initial=0)) * space.source.dimension
    assert np.abs(matrix - np.tensordot(c, space.dense(), 1)).max() <= floor
    assert np.abs(space.apply(c, x) - x @ matrix.T).max() <= floor * np.abs(x).max()
    assert np.abs(space.project(matrix) - c).max(initial=0) <= floor


def test_matrix_free_and_dense_constraints_agree(monkeypatch):
    constrained = __import__("isotropy.hom.constrained", fromlist=["COLUMNS_LIMIT"])
    for group, text in ((G.Heisenberg(1), "V**3"), (G.Galilei(1), "V@V"), (G.SE(2), "2*P")):
        V = group.parse(text)
        dense = quiet(V, V)
        monkeypatch.setattr(constrained, "COLUMNS_LIMIT", 0)
        free = quiet(V, V)
        monkeypatch.undo()
        monkeypatch.setenv("ISOTROPY_CACHE", "off")
        assert dense.dimension == free.dimension
        a, b = (s.dense().reshape(s.dimension, -1) for s in (dense, free))
        assert np.abs(a.T @ a - b.T @ b).max() <= 1e6 * EPS


# --- points -----------------------------------------------------------------------------------------------------------


def affine_oracle(source, target):
    """Dimension of the equivariant maps x -> M x + b, None if there are none, by dense linear algebra."""
    d, e = source.dimension, target.dimension
    rows, right = [], []
    stack = [(a, b, 0.0) for a, b in zip(source.generators(), source.offsets(), strict=True)]
    stack += [(a, b, 1.0) for a, b in zip(source.components(), source.component_offsets(), strict=True)]
    after = [*zip(target.generators(), target.offsets(), strict=True)]
    after += [*zip(target.components(), target.component_offsets(), strict=True)]
    for (v, s, corner), (w, t) in zip(stack, after, strict=True):
        # W(M x + b) + t = M(V x + s) + corner b for every x, in the unknowns (M row by row, b)
        linear = np.kron(w, np.eye(d)) - np.kron(np.eye(e), v.T)
        rows.append(np.hstack([linear, np.zeros((e * d, e))]))
        right.append(np.zeros(e * d))
        rows.append(np.hstack([np.kron(np.eye(e), -s[None]), w - corner * np.eye(e)]))
        right.append(-t)
    matrix, vector = np.concatenate(rows), np.concatenate(right)
    best = np.linalg.lstsq(matrix, vector, rcond=1e-10)[0]
    if np.abs(matrix @ best - vector).max() > 1e-9:
        return None
    return matrix.shape[1] - np.linalg.matrix_rank(matrix, tol=1e-9)


@pytest.mark.parametrize(
    "group",
    [G.SE(2), G.SE(3), G.E(2), G.Galilei(1), G.Galilei(3), G.Poincare(), G.T(2), G.Aff(2), G.Similarity(2)],
    ids=str,
)
@pytest.mark.parametrize(
    ("source", "target"),
    [("P", "P"), ("2*P", "P"), ("2*P + V", "P + V"), ("3*P", "V + S"), ("P", "V"), ("V", "P"), ("S", "P")],
)
def test_maps_of_points(group, source, target):
    V, W = group.parse(source), group.parse(target)
    space = quiet(V, W)
    expected = affine_oracle(V, W)
    if expected is None:
        assert space.particular is None
        assert space.dimension == 0
        return
    assert space.dimension == expected
    rng = np.random.default_rng(0)
    c, x = rng.standard_normal(space.dimension), rng.standard_normal(V.dimension)
    y = space.apply(c, x)
    scale = 1 + np.abs(x).max() + np.abs(c).max(initial=0)
    for v, s, w, t in zip(V.generators(), V.offsets(), W.generators(), W.offsets(), strict=True):
        velocity = space.apply(c, x + v @ x + s) - y
        assert np.abs(velocity - (w @ y + t)).max() <= 1e4 * EPS * scale
    for v, s, w, t in zip(V.components(), V.component_offsets(), W.components(), W.component_offsets(), strict=True):
        assert np.abs(space.apply(c, v @ x + s) - (w @ y + t)).max() <= 1e4 * EPS * scale
    assert np.abs(space.apply(c, x) - space.matrix(c) @ np.append(x, 1)).max() <= 1e3 * EPS * scale


def test_two_points_have_their_weighted_means():
    P = G.SE(3).point
    space = quiet(2 * P, P)
    assert space.dimension == 1
    blocks = space.matrix([0.3]).reshape(3, 7)
    first, second = blocks[:, :3], blocks[:, 3:6]
    assert np.allclose(first + second, np.eye(3), atol=100 * EPS)
    assert np.allclose(first, first[0, 0] * np.eye(3), atol=100 * EPS)


def test_translations_that_act_trivially_cost_nothing():
    group = G.SE(3)
    assert quiet(64 * group.vector + 64 * group.scalar, 64 * group.vector).dimension == 64 * 64


# --- what is said, kept and refused -----------------------------------------------------------------------------------


def test_irreducibles_are_reported():
    group = G.SO(3)
    space = quiet(group.vector @ group.vector, group.vector + group.scalar)
    assert [(i.dimension, i.kind, i.source, i.target) for i in space.irreducibles] == [
        (1, "real", 1, 1), (3, "real", 1, 1), (5, "real", 1, 0),
    ]  # fmt: skip
    assert "2 equivariant maps V@V -> V + S of SO(3)" in str(space)


@pytest.mark.parametrize(
    ("source", "target", "group", "word"),
    [
        ("V", "S", G.SO(3), "no common irreducible"),
        ("P", "V", G.SE(2), "rest of it none"),
        ("V", "P", G.SE(2), "origin"),
    ],
)
def test_a_space_of_dimension_zero_is_loud(source, target, group, word):
    with pytest.warns(IsotropyWarning, match=word):
        space = hom(group.parse(source), group.parse(target), cache=False)
    assert space.dimension == 0
    assert word in str(space)
    assert space.dense().shape[0] == 0
    assert not space.apply([], np.ones(space.source.dimension)).any()


def test_a_symmetry_broken_by_a_thousandth_is_refused():
    """diag(1, -1) keeps xy; diag(1, -1.001) keeps no quadratic."""
    exact, broken = (G.Group(np.diag([1.0, -1.0 - e])[None]) for e in (0.0, 1e-3))
    assert quiet(exact.vector**2, exact.scalar).dimension == 2
    assert quiet(broken.vector**2, broken.scalar).dimension == 0


def test_the_space_does_not_depend_on_the_seed():
    V = G.SO(3).vector
    first, second = (quiet(V @ V, V @ V, seed=seed).dense().reshape(3, -1) for seed in (0, 1))
    assert np.abs(first.T @ first - second.T @ second).max() <= 1e4 * EPS


def test_memory_keeps_what_was_found():
    V = G.SO(3).vector
    assert hom(V**2, V) is hom(V**2, V)
    assert hom(V**2, V, cache=False) is not hom(V**2, V)


@pytest.mark.parametrize(
    ("group", "source", "target"),
    [(G.SU(2), "V.real", "V.real + S"), (G.SE(2), "2*P", "P"), (G.SU(3), "V@V", "V.dual")],
    ids=str,
)
def test_disk_gives_back_the_same_space(group, source, target, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path))
    V, W = group.parse(source), group.parse(target)
    space, key = quiet(V, W), (V.key, W.key, "auto", 0)
    assert cache.load(V, W, key) is None
    cache.store(space, key)
    again = cache.load(V, W, key)
    assert np.array_equal(space.dense(), again.dense())
    assert str(space) == str(again)
    c = np.ones(space.dimension)
    assert np.array_equal(space.matrix(c), again.matrix(c))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.warns(IsotropyWarning, match="damaged"):
        assert cache.load(V, W, key) is None


def test_the_cache_is_used_by_content_and_can_be_off(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path / "made" / "here"))
    monkeypatch.setattr(cache, "WORTH_KEEPING", 0.0)
    V = G.SO(3).vector
    hom(V**2 + V, V, seed=77)
    assert len(list((tmp_path / "made" / "here").iterdir())) == 1
    assert cache.load(V**2 + V, V, ((V**2 + V).key, V.key, "auto", 77)).dimension == 2
    monkeypatch.setenv("ISOTROPY_CACHE", "off")
    assert cache.folder() is None
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("ISOTROPY_CACHE", str(blocked / "below"))
    with pytest.warns(IsotropyWarning, match="could not be written"):
        hom(V**2 + V, V, seed=78)


BAD = [
    (lambda: hom(G.SO(3).vector, G.O(3).vector), "lift"),
    (lambda: hom(G.SO(3).vector, 3), "must be a representation"),
    (lambda: hom(G.SO(3).vector, G.SO(3).vector, method="svd"), "must be one of"),
    (lambda: hom(G.SE(2).point, G.SE(2).point, method="schur"), "conjugate transposition"),
    (lambda: hom(60 * G.Heisenberg(1).vector, 60 * G.Heisenberg(1).vector), "single summands"),
    (lambda: quiet(G.SO(3).vector, G.SO(3).vector).apply([1.0, 2.0], np.ones(3)), "shape"),
    (lambda: quiet(G.SO(3).vector, G.SO(3).vector).apply([1.0], np.ones(4)), "last axis"),
    (lambda: quiet(G.SO(3).vector, G.SO(3).vector).apply([np.nan], np.ones(3)), "NaN"),
    (lambda: quiet(G.SO(3).vector, G.SO(3).vector).project(np.ones((2, 3))), "shape"),
]


@pytest.mark.parametrize(("build", "word"), BAD)
def test_bad_input_is_one_sentence(build, word):
    with pytest.raises(IsotropyError, match=word) as caught:
        build()
    assert "\n" not in str(caught.value)
