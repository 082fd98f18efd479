"""The name of an algebra depends on the algebra alone: not on the basis, and not on noise of 1e-9."""

import itertools

import numpy as np
import pytest
from scipy.linalg import null_space

from isotropy import groups
from isotropy.errors import IsotropyError
from isotropy.groups.algebra import LieAlgebra
from isotropy.groups.identify import identify

NOISE = 1e-9


def unit(n, i, j):
    matrix = np.zeros((n, n))
    matrix[i, j] = 1.0
    return matrix


def of(group):
    return group.algebra.matrices


def direct_sum(*algebras):
    """Block-diagonal matrices."""
    size, blocks, start = sum(a.shape[1] for a in algebras), [], 0
    for a in algebras:
        wide = np.zeros((len(a), size, size), dtype=a.dtype)
        wide[:, start : start + a.shape[1], start : start + a.shape[1]] = a
        blocks.append(wide)
        start += a.shape[1]
    return np.concatenate(blocks)


def complexified(a):
    """The complex span, as a real algebra."""
    return np.concatenate([a + 0j, 1j * a])


def homogeneous(linear):
    """A linear algebra with all translations."""
    n = linear.shape[1]
    return np.concatenate([np.pad(linear, ((0, 0), (0, 1), (0, 1))), np.stack([unit(n + 1, i, n) for i in range(n)])])


def solving(n, *conditions):
    """All complex n x n matrices on which real-linear maps vanish."""
    basis = np.stack([z * unit(n, i, j) for i in range(n) for j in range(n) for z in (1, 1j)])
    images = np.stack([np.concatenate([np.asarray(f(b)).ravel() for f in conditions]) for b in basis])
    return np.tensordot(null_space(np.concatenate([images.real, images.imag], axis=1).T).T, basis, axes=(1, 0))


def area(m):
    return np.block([[np.zeros((m, m)), np.eye(m)], [-np.eye(m), np.zeros((m, m))]])


def su(p, q):
    metric = np.diag([-1.0] * p + [1.0] * q)
    return solving(p + q, lambda x: x.conj().T @ metric + metric @ x, np.trace)


def compact_sp(p, q):
    metric, form = np.diag(([-1.0] * p + [1.0] * q) * 2), area(p + q)
    return solving(2 * (p + q), lambda x: x.T @ form + form @ x, lambda x: x.conj().T @ metric + metric @ x)


def su_star(m):
    return solving(2 * m, lambda x: x @ area(m) - area(m) @ x.conj(), lambda x: np.trace(x).real)


def so_star(m):
    return solving(2 * m, lambda x: x.T + x, lambda x: x.conj().T @ area(m) + area(m) @ x)


def g2(sign):
    """The stabiliser in gl(7) of a generic three-form, compact or split."""
    form = np.zeros((7, 7, 7))
    lines = [(0, 1, 2, 1), (0, 3, 4, sign), (0, 5, 6, sign), (1, 3, 5, sign), (1, 4, 6, -sign), (2, 3, 6, -sign)]
    for *line, value in [*lines, (2, 4, 5, -sign)]:
        for order in itertools.permutations(range(3)):
            form[tuple(line[k] for k in order)] = value * round(np.linalg.det(np.eye(3)[list(order)]))

    def moved(x):
        return np.einsum("ai,ajk->ijk", x, form) + np.einsum("aj,iak->ijk", x, form) + np.einsum("ak,ija->ijk", x, form)

    return solving(7, moved, lambda x: x.imag).real


def sl2(d):
    """sl(2,R) on R^d, irreducibly."""
    raising, lowering = np.diag(np.arange(1.0, d), 1), np.diag(np.arange(d - 1.0, 0, -1), -1)
    return np.stack([raising @ lowering - lowering @ raising, raising, lowering])


def so3_on_traceless():
    """so(3) on the five-dimensional symmetric traceless matrices."""
    basis = [np.diag([1.0, -1.0, 0.0]) / 2**0.5, np.diag([1.0, 1.0, -2.0]) / 6**0.5]
    basis += [(unit(3, i, j) + unit(3, j, i)) / 2**0.5 for i, j in ((0, 1), (0, 2), (1, 2))]
    return np.stack([[[np.trace(a @ (x @ b - b @ x)) for b in basis] for a in basis] for x in of(groups.SO(3))])


CROSS = np.zeros((3, 3, 3))
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    CROSS[_i, _j, _k], CROSS[_j, _i, _k] = 1.0, -1.0


def so3_and_vectors(vectors, scalars, *extra):
    """Structure constants of so(3), vectors 3.., scalars after them, and extra brackets (i, j, k, value)."""
    q = 3 + 3 * vectors + scalars
    c = np.zeros((q, q, q))
    c[:3, :3, :3] = CROSS
    for v in range(vectors):
        own = slice(3 + 3 * v, 6 + 3 * v)
        c[:3, own, own] = CROSS
        c[own, :3, own] = -CROSS.transpose(1, 0, 2)
    for i, j, k, value in extra:
        c[i, j, k] += value
        c[j, i, k] -= value
    return c


BOOSTS_MOVE = [(9, 3 + i, 6 + i, -1.0) for i in range(3)]  # [H, K] = -P
BOOSTS_TWIST = [(3, 4, 8, 1.0), (4, 5, 6, 1.0), (5, 3, 7, 1.0)]  # [K, K] = P

NAMED = [
    # semisimple and reductive
    ("so(3)", lambda: of(groups.SO(3))),
    ("so(3)", lambda: of(groups.SU(2))),
    ("sl(2,R)", lambda: of(groups.SL(2))),
    ("sl(2,R)", lambda: of(groups.SO(1, 2))),
    ("sl(2,R)", lambda: su(1, 1)),
    ("so(4)", lambda: of(groups.SO(4))),
    ("so(1,3)", lambda: of(groups.SO(1, 3))),
    ("so(1,3)", lambda: complexified(of(groups.SL(2)))),
    ("so(2,2)", lambda: of(groups.SO(2, 2))),
    ("so(2,2)", lambda: direct_sum(of(groups.SL(2)), of(groups.Sp(2)))),
    ("so(3)+sl(2,R)", lambda: so_star(2)),
    ("so(5)", lambda: of(groups.SO(5))),
    ("so(1,4)", lambda: compact_sp(1, 1)),
    ("sp(4,R)", lambda: of(groups.SO(2, 3))),
    ("sp(4,R)", lambda: of(groups.Sp(4))),
    ("so(6)", lambda: of(groups.SU(4))),
    ("so(1,5)", lambda: su_star(2)),
    ("so(2,4)", lambda: of(groups.SO(2, 4))),
    ("so(2,4)", lambda: su(2, 2)),
    ("sl(4,R)", lambda: of(groups.SO(3, 3))),
    ("su(1,3)", lambda: so_star(3)),
    ("so(7)", lambda: of(groups.SO(7))),
    ("so(3,4)", lambda: of(groups.SO(3, 4))),
    ("sp(6,R)", lambda: of(groups.Sp(6))),
    ("sp(3)", lambda: compact_sp(0, 3)),
    ("sp(1,2)", lambda: compact_sp(1, 2)),
    ("so(2,6)", lambda: so_star(4)),
    ("so(9)", lambda: of(groups.SO(9))),
    ("sp(8,R)", lambda: of(groups.Sp(8))),
    ("sl(3,R)", lambda: of(groups.SL(3))),
    ("sl(6,R)", lambda: of(groups.SL(6))),
    ("su(3)", lambda: of(groups.SU(3))),
    ("su(1,2)", lambda: su(1, 2)),
    ("su(2,3)", lambda: su(2, 3)),
    ("su*(6)", lambda: su_star(3)),
    ("sl(3,C)", lambda: complexified(of(groups.SL(3)))),
    ("sp(4,C)", lambda: complexified(of(groups.SO(5)))),
    ("so(7,C)", lambda: complexified(of(groups.SO(7)))),
    ("sp(6,C)", lambda: complexified(of(groups.Sp(6)))),
    ("g2", lambda: g2(1)),
    ("g2(split)", lambda: g2(-1)),
    ("so(3)+R", lambda: of(groups.U(2))),
    ("so(3)+R", lambda: direct_sum(of(groups.SO(3)), of(groups.T(1)))),
    ("u(3)", lambda: of(groups.U(3))),
    ("gl(2,R)", lambda: of(groups.GL(2))),
    ("gl(4,R)", lambda: of(groups.GL(4))),
    ("gl(2,C)", lambda: complexified(of(groups.GL(2)))),
    ("so(4)+R", lambda: direct_sum(of(groups.SO(4)), of(groups.Scaling(2)))),
    ("so(3)+so(3)+so(3)", lambda: direct_sum(*[of(groups.SO(3))] * 3)),
    ("sl(3,R)+sl(3,R)+R^2", lambda: direct_sum(of(groups.GL(3)), of(groups.GL(3)))),
    ("R^5", lambda: of(groups.T(5))),
    # dimension two and three
    ("aff(1)", lambda: of(groups.Aff(1))),
    ("aff(1)+R", lambda: homogeneous(np.diag([1.0, 0.0])[None])),
    ("heisenberg(1)", lambda: of(groups.Galilei(1))),
    ("se(2)", lambda: of(groups.SE(2))),
    ("iso(1,1)", lambda: homogeneous(np.diag([1.0, -1.0])[None])),
    ("Bianchi IV", lambda: homogeneous(np.array([[[1.0, 1.0], [0.0, 1.0]]]))),
    ("Bianchi V", lambda: homogeneous(np.eye(2)[None])),
    ("Bianchi VI_h, h=-9", lambda: homogeneous(np.diag([2.0, 1.0])[None])),
    ("Bianchi VII_h, h=1/4", lambda: homogeneous(np.array([[[0.5, -1.0], [1.0, 0.5]]]))),
    # semidirect sums
    ("se(3)", lambda: of(groups.SE(3))),
    ("se(4)", lambda: of(groups.SE(4))),
    ("se(8)", lambda: of(groups.SE(8))),
    ("poincare(1,3)", lambda: of(groups.Poincare())),
    ("iso(1,2)", lambda: homogeneous(sl2(3))),
    ("iso(2,2)", lambda: of(groups.Poincare(2, 2))),
    ("sim(2)", lambda: of(groups.Similarity(2))),
    ("sim(2)", lambda: complexified(of(groups.Aff(1)))),
    ("sim(3)", lambda: of(groups.Similarity(3))),
    ("sim(1,3)", lambda: homogeneous(np.concatenate([of(groups.SO(1, 3)), np.eye(4)[None]]))),
    ("aff(2)", lambda: of(groups.Aff(2))),
    ("aff(4)", lambda: of(groups.Aff(4))),
    ("saff(2)", lambda: homogeneous(of(groups.SL(2)))),
    ("saff(3)", lambda: homogeneous(of(groups.SL(3)))),
    ("isp(4,R)", lambda: homogeneous(of(groups.Sp(4)))),
    ("heisenberg(3)", lambda: of(groups.Heisenberg(3))),
    ("galilei(3)", lambda: of(groups.Galilei(3))),
    ("galilei(3)", lambda: so3_and_vectors(2, 1, *BOOSTS_MOVE)),
    ("galilei(4)", lambda: of(groups.Galilei(4))),
    ("bargmann(3)", lambda: so3_and_vectors(2, 2, *BOOSTS_MOVE, *[(3 + i, 6 + i, 10, 1.0) for i in range(3)])),
    ("carroll(3)", lambda: so3_and_vectors(2, 1, *[(3 + i, 6 + i, 9, 1.0) for i in range(3)])),
    (
        "schrodinger(1)",
        lambda: np.concatenate(
            [np.pad(of(groups.SL(2)), ((0, 0), (1, 1), (1, 1))), homogeneous_heisenberg()],
        ),
    ),
    # direct sums of all kinds
    ("so(3)+R^3", lambda: direct_sum(of(groups.SO(3)), of(groups.T(3)))),
    ("so(3)+se(2)", lambda: direct_sum(of(groups.SE(2)), of(groups.SO(3)))),
    ("se(3)+R", lambda: direct_sum(of(groups.SE(3)), of(groups.T(1)))),
    ("aff(1)+aff(1)", lambda: homogeneous(np.stack([unit(2, 0, 0), unit(2, 1, 1)]))),
    ("heisenberg(2)+R^2", lambda: direct_sum(of(groups.Heisenberg(2)), of(groups.T(2)))),
    ("aff(2)+heisenberg(2)", lambda: direct_sum(of(groups.Heisenberg(2)), of(groups.Aff(2)))),
    ("poincare(1,3)+su(3)", lambda: direct_sum(of(groups.Poincare()) + 0j, of(groups.SU(3)))),
]


def homogeneous_heisenberg():
    """Heisenberg matrices that sl(2,R) in the middle block normalises."""
    return np.stack([unit(4, 0, 1) - unit(4, 2, 3), unit(4, 0, 2) + unit(4, 1, 3), unit(4, 0, 3)])


# algebras without a name, each next to one that has it
DESCRIBED = [
    ("so(3) on two vectors", lambda: so3_and_vectors(2, 0)),
    ("so(3) on two vectors, [K, K] = P", lambda: so3_and_vectors(2, 0, *BOOSTS_TWIST)),
    ("galilei(3) with [K, K] = P as well", lambda: so3_and_vectors(2, 1, *BOOSTS_MOVE, *BOOSTS_TWIST)),
    (
        "Newton-Hooke: galilei(3) with [H, P] = K",
        lambda: so3_and_vectors(2, 1, *BOOSTS_MOVE, *[(9, 6 + i, 3 + i, 1.0) for i in range(3)]),
    ),
    ("so(3) on R^5", lambda: homogeneous(so3_on_traceless())),
    ("sl(2,R) on R^4", lambda: homogeneous(sl2(4))),
    ("u(2) on C^2", lambda: homogeneous(groups.U(2).vector.real().generators())),
    ("dilation with weights 1, 1, 2", lambda: homogeneous(np.diag([1.0, 1.0, 2.0])[None])),
    ("upper unitriangular of size 4", lambda: np.stack([unit(4, i, j) for i in range(4) for j in range(i + 1, 4)])),
    ("galilei(2)", lambda: of(groups.Galilei(2))),
]


def algebra_of(values, noise=0.0):
    """From matrices, or from structure constants where the array is antisymmetric."""
    if values.shape[0] == values.shape[1] and np.array_equal(values, -values.transpose(1, 0, 2)):
        return LieAlgebra.from_structure_constants(values, noise=noise)
    return LieAlgebra(values, noise=noise)


def in_general_position(algebra, seed):
    """The algebra in a random basis with noise of standard error NOISE in each entry."""
    random = np.random.default_rng(seed)
    change = random.standard_normal((algebra.dimension, algebra.dimension))
    if algebra.matrices is not None:
        matrices = np.tensordot(change, algebra.matrices, axes=(1, 0))
        error = random.standard_normal(matrices.shape)
        if np.iscomplexobj(matrices):
            error = (error + 1j * random.standard_normal(matrices.shape)) / np.sqrt(2)
        yield LieAlgebra(matrices + NOISE * error, noise=NOISE)
    c = np.einsum(
        "ai,bj,ijk,kc->abc", change, change, algebra.structure_constants, np.linalg.inv(change), optimize=True
    )
    error = random.standard_normal(c.shape)
    yield LieAlgebra.from_structure_constants(c + NOISE * (error - error.transpose(1, 0, 2)) / np.sqrt(2), noise=NOISE)


@pytest.mark.parametrize(("name", "make"), NAMED, ids=[f"{name}-{k}" for k, (name, _) in enumerate(NAMED)])
def test_name_depends_on_the_algebra_alone(name, make):
    algebra = algebra_of(make())
    assert algebra.name == name
    for seed in range(2):
        for other in in_general_position(algebra, seed):
            assert other.name == name
            assert other.aliases == algebra.aliases


@pytest.mark.parametrize(("case", "make"), DESCRIBED, ids=[case for case, _ in DESCRIBED])
def test_near_misses_are_described_and_not_named(case, make):
    algebra = algebra_of(make())
    assert algebra.name == algebra.description
    assert algebra.name.startswith(f"{algebra.dimension}-dimensional, ")
    for other in in_general_position(algebra, 3):
        assert other.name == algebra.name


def test_description_says_what_is_known():
    weights = LieAlgebra(homogeneous(np.diag([1.0, 1.0, 2.0])[None]))
    assert weights.name == "4-dimensional, solvable, derived dimension 3"


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("so(1,3)", "sl(2,C)"),
        ("so(4)", "so(3)+so(3)"),
        ("so(2,4)", "su(2,2)"),
        ("sp(4,R)", "so(2,3)"),
        ("sl(4,R)", "so(3,3)"),
        ("so(3)+R", "u(2)"),
        ("gl(2,C)", "so(1,3)+R^2"),
        ("poincare(1,3)", "iso(1,3)"),
        ("se(2)", "Bianchi VII_0"),
        ("heisenberg(1)", "Bianchi II"),
    ],
)
def test_isomorphic_names_are_aliases(name, alias):
    make = next(make for other, make in NAMED if other == name)
    assert alias in algebra_of(make()).aliases


ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("so(2)", ROTATION),
        ("so(2)", np.kron(np.diag([2.0, 3.0]), ROTATION)),
        ("so(2)", np.pad(ROTATION, (0, 1)) + 5 * unit(3, 0, 2)),  # about another point
        ("R", np.kron(np.diag([1.0, np.sqrt(2.0)]), ROTATION)),  # winds around a torus
        ("R", ROTATION + 0.1 * np.eye(2)),  # a spiral
        ("R", np.pad(ROTATION, (0, 2)) + unit(4, 2, 3)),  # a screw
        ("scaling", np.eye(3)),
        ("scaling", np.diag([1.0, 1.0, -2.0, -2.0])),
        ("scaling", np.diag([1.0, 2.0, 0.0]) + 3 * unit(3, 0, 2)),
        ("boost", np.array([[0.0, 1.0], [1.0, 0.0]])),
        ("boost", np.diag([1.0, -1.0, 0.0])),
        ("translation", 4 * unit(3, 0, 2)),
        ("R", unit(3, 0, 1)),
        ("R", np.eye(2) + unit(2, 0, 1)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_line_is_named_after_what_it_does(name, matrix, seed):
    random = np.random.default_rng(seed)
    assert LieAlgebra(random.uniform(1, 9) * matrix[None]).name == name
    if name != "translation":  # which means the last coordinate to be the homogeneous one
        change = random.standard_normal(matrix.shape)
        assert LieAlgebra((change @ matrix @ np.linalg.inv(change))[None]).name == name
    noisy = matrix + NOISE * random.standard_normal(matrix.shape)
    assert LieAlgebra(noisy[None], noise=NOISE).name == name


def test_dimension_zero_and_lines_without_matrices():
    assert LieAlgebra(np.zeros((0, 3, 3))).name == "trivial"
    assert identify(np.zeros((0, 0, 0))).name == "trivial"
    assert identify(np.zeros((1, 1, 1))).name == "R"
    assert identify(np.zeros((1, 1, 1)), matrices=ROTATION[None]).name == "so(2)"


def test_noise_hides_small_brackets_and_only_those():
    small = np.zeros((3, 3, 3))
    small[0, 1, 2], small[1, 0, 2] = 1e-8, -1e-8
    assert identify(small, noise=1e-6).name == "R^3"
    assert identify(small).name == "heisenberg(1)"


def test_too_much_noise_is_said():
    algebra = groups.SE(3).algebra
    assert LieAlgebra(algebra.matrices, noise=1e-2).name == "6-dimensional, too noisy to name"
    assert LieAlgebra(algebra.matrices, noise=1e-5).name == "se(3)"


@pytest.mark.parametrize("broken", [1e-3, -1e-3])
def test_a_contraction_stopped_short_is_not_the_contraction(broken):
    # [P, P] = broken * J deforms se(2) into so(3) or sl(2,R)
    c = np.zeros((3, 3, 3))
    for i, j, k, value in ((0, 1, 2, 1.0), (2, 0, 1, 1.0), (1, 2, 0, broken)):
        c[i, j, k], c[j, i, k] = value, -value
    assert identify(c).name == ("so(3)" if broken > 0 else "sl(2,R)")


def test_wrong_structure_constants_are_refused():
    with pytest.raises(IsotropyError, match="antisymmetric"):
        identify(np.ones((2, 2, 2)))
    c = so3_and_vectors(1, 0)
    c[3, 4, 0], c[4, 3, 0] = 1.0, -1.0  # without the other two brackets of the same kind
    with pytest.raises(IsotropyError, match="Jacobi"):
        identify(c)
    with pytest.raises(IsotropyError, match="NaN"):
        identify(np.full((2, 2, 2), np.nan))
    with pytest.raises(IsotropyError, match="shape"):
        identify(np.zeros((2, 2, 3)))
