"""Enforce: dimensions against Molien's series, spans against finite group elements, honesty about what is not there."""

from __future__ import annotations

import itertools
import sys
import warnings

import jax
import numpy as np
import pytest
import scipy.linalg as sla

from isotropy import Action, IsotropyError, IsotropyWarning, Samples, VectorFields, enforce, groups, spaces
from isotropy.groups import Group

EPS = np.finfo(np.float64).eps


# --- The Molien and Molien–Weyl series: dim of the invariants of degree d is the mean of h_d(eigenvalues of g).


def power_sums(eigenvalues: np.ndarray, degree: int) -> np.ndarray:
    """Coefficients of 1/det(1 - t g) up to t^degree, for each g: shape (degree + 1, count)."""
    series = np.zeros((degree + 1, len(eigenvalues)), dtype=complex)
    series[0] = 1
    for column in eigenvalues.T:
        for d in range(1, degree + 1):
            series[d] += column * series[d - 1]
    return series


def elements(components: np.ndarray) -> np.ndarray:
    """All elements of the finite group that these matrices generate."""
    found = [np.eye(components.shape[1])]
    for g in found:
        for c in components:
            new = c @ g
            if not any(np.abs(new - old).max() < 0.01 for old in found):
                found.append(new)
    return np.array(found)


def molien(group: Group, degree: int) -> list[int]:
    eigenvalues = np.array([np.linalg.eigvals(g) for g in elements(group.components)])
    return rounded(power_sums(eigenvalues, degree).mean(axis=1))


def rounded(series: np.ndarray) -> list[int]:
    whole = np.round(series.real)
    # Averages of at most a few thousand terms of modest size.
    np.testing.assert_allclose(series, whole, atol=1e6 * EPS)
    return whole.astype(int).tolist()


def torus(rank: int, order: int = 32) -> np.ndarray:
    """Angles on a grid that integrates trigonometric polynomials of degree below ``order`` exactly."""
    axis = 2 * np.pi * np.arange(order) / order
    return np.array(list(itertools.product(axis, repeat=rank)))


def weyl(weights: list[tuple], roots: list[tuple], degree: int, outputs: list[tuple] = ((),)) -> list[int]:
    """Molien–Weyl: invariants in Sym^d(V) tensor W, by Weyl's integration formula over the maximal torus.

    ``weights`` are those of V, ``roots`` of the group, ``outputs`` the weights of W (self-dual).
    """
    rank = len(weights[0])
    angles = torus(rank)
    density = np.prod([1 - np.exp(1j * angles @ np.array(root)) for root in roots], axis=0) if roots else 1.0
    total = np.ones(len(angles)) * density
    character = sum(np.exp(1j * angles @ np.array(w or (0,) * rank)) for w in outputs)
    series = power_sums(np.exp(1j * angles @ np.array(weights).T), degree)
    return rounded((series * character * total).mean(axis=1) / total.mean())


def signs(*base: tuple) -> list[tuple]:
    """Each tuple with all signs of its entries that are not zero."""
    return [
        tuple(s * b for s, b in zip(sign, entry, strict=True))
        for entry in base
        for sign in itertools.product((1, -1), repeat=len(entry))
        if all(s == 1 for s, b in zip(sign, entry, strict=True) if b == 0)
    ]


SO3 = {"weights": [(0,), (1,), (-1,)], "roots": [(1,), (-1,)]}
SO4 = {"weights": signs((1, 0), (0, 1)), "roots": signs((1, 1))}
SO5 = {"weights": [(0, 0), *signs((1, 0), (0, 1))], "roots": signs((1, 1), (1, 0), (0, 1))}
SP4 = {"weights": signs((1, 0), (0, 1)), "roots": signs((1, 1), (2, 0), (0, 2))}
SU2 = {"weights": [(1,), (-1,)], "roots": [(2,), (-2,)]}
U2 = {"weights": signs((1, 0), (0, 1)), "roots": [(1, -1), (-1, 1)]}
SU3_VECTOR = [(1, 0), (0, 1), (-1, -1)]
SU3 = {
    "weights": SU3_VECTOR + [(-a, -b) for a, b in SU3_VECTOR],
    "roots": [(a - c, b - d) for (a, b), (c, d) in itertools.permutations(SU3_VECTOR, 2)],
}
HYPEROCTAHEDRAL = Group((), components=[np.roll(np.eye(3), 1, 0), np.eye(3)[[1, 0, 2]], np.diag([-1.0, 1, 1])])


def by_degree(action: Action, degree: int) -> list[int]:
    """Dimension of the symmetric sections of each degree."""
    m = action.base_dimension
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsotropyWarning)
        found = [enforce(action, spaces.Polynomials(m, degree=d, homogeneous=True)) for d in range(degree + 1)]
    assert all(basis.decision.verdict == "certain" for basis in found)
    return [basis.dimension for basis in found]


@pytest.mark.parametrize(
    ("group", "degree"),
    [
        (groups.S(3), 8),
        (groups.S(4), 7),
        (groups.Z(5), 5),
        (groups.C(5), 10),
        (groups.D(4), 10),
        (groups.D(5), 10),
        (groups.D(6), 9),
        (groups.Cube(), 4),
        (HYPEROCTAHEDRAL, 8),
        (Group((), components=[[[0.6, -0.8], [0.8, 0.6]], [[1, 0], [0, -1]]], name="infinite order"), 4),
    ],
    ids=str,
)
def test_invariants_of_finite_groups_follow_molien(group, degree):
    # The turn with cosine 3/5 has infinite order: its powers are dense in SO(2), so Molien is that of O(2).
    dense = group.name == "infinite order"
    expected = [1 - d % 2 for d in range(degree + 1)] if dense else molien(group, degree)
    assert by_degree(Action(group), degree) == expected


@pytest.mark.parametrize(
    ("group", "copies", "theory", "degree"),
    [
        (groups.SO(2), 2, {"weights": [(1,), (-1,)], "roots": []}, 6),
        (groups.SO(3), 1, SO3, 6),
        (groups.SO(3), 2, SO3, 6),
        (groups.SO(3), 3, SO3, 5),
        (groups.SO(4), 2, SO4, 5),
        (groups.SO(5), 2, SO5, 4),
        (groups.SU(2), 1, SU2, 4),
        (groups.U(2), 1, U2, 6),
        (groups.SU(3), 1, SU3, 4),
        (groups.Sp(4), 2, SP4, 6),
    ],
    ids=str,
)
def test_invariants_of_compact_groups_follow_molien_weyl(group, copies, theory, degree):
    # Weyl's unitary trick: Sp(4) has the invariants of its compact form.
    representation = copies * group.vector if copies > 1 else group.vector
    complex_halves = 2 if group.name == "SU(2)" else 1
    weights = theory["weights"] * copies * complex_halves
    assert by_degree(Action(representation), degree) == weyl(weights, theory["roots"], degree)


@pytest.mark.parametrize(("group", "theory"), [(groups.SO(3), SO3), (groups.SO(4), SO4), (groups.SO(5), SO5)], ids=str)
@pytest.mark.parametrize("copies", [1, 2])
def test_equivariants_follow_molien_weyl(group, theory, copies):
    action = Action(copies * group.vector, group.vector)
    expected = weyl(theory["weights"] * copies, theory["roots"], 4, outputs=theory["weights"])
    assert by_degree(action, 4) == expected


def test_a_reflection_takes_the_odd_invariants():
    V = groups.O(3).vector
    turned = weyl(SO3["weights"] * 3, SO3["roots"], 5)
    # O(3) is SO(3) and the point reflection, which changes the sign of odd degrees.
    assert by_degree(Action(3 * V), 5) == [0 if d % 2 else count for d, count in enumerate(turned)]


@pytest.mark.slow
def test_degree_six_in_nine_variables_with_values():
    V = groups.SO(3).vector
    expected = weyl(SO3["weights"] * 3, SO3["roots"], 6, outputs=SO3["weights"])
    basis = enforce(Action(3 * V, V), spaces.Polynomials(9, degree=6))
    assert basis.exact
    assert basis.dimension == sum(expected)


# --- Affine and semidirect groups against finite group elements, by a dense decomposition.


def element(matrices: np.ndarray, offsets: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """exp of one algebra element as a homogeneous matrix."""
    size = matrices.shape[1]
    generator = np.zeros((size + 1, size + 1))
    generator[:size, :size] = np.tensordot(coordinates, matrices, 1)
    generator[:size, size] = coordinates @ offsets
    return sla.expm(generator)


def monomials(space: spaces.Polynomials, points: np.ndarray) -> np.ndarray:
    return np.prod(points[:, None, :] ** space.exponents[None], axis=2)


def invariants_by_elements(domain, codomain, space: spaces.Polynomials, *, count: int = 12, seed: int = 0) -> int:
    """Dimension of {F : Theta_g^-1 F(g x) = F(x)} for random g and x, by singular values of the dense matrix."""
    rng = np.random.default_rng(seed)
    n, rows = codomain.dimension, []
    maps = []
    for _ in range(count):
        c = 0.5 * rng.standard_normal(domain.group.dimension)
        g = element(domain.generators(), domain.offsets(), c)
        maps.append((g[:-1, :-1], g[:-1, -1], sla.expm(np.tensordot(c, codomain.generators(), 1))))
    maps += list(zip(domain.components(), domain.component_offsets(), codomain.components(), strict=True))
    for linear, offset, value in maps:
        x = rng.uniform(-1, 1, (space.dimension, domain.dimension))
        moved = np.einsum("pf,no->pnfo", monomials(space, x @ linear.T + offset), np.linalg.inv(value))
        rows.append((moved - np.einsum("pf,no->pnfo", monomials(space, x), np.eye(n))).reshape(-1, space.dimension * n))
    matrix = np.concatenate(rows)
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values < np.sqrt(EPS) * values[0]).sum())


SE2, SE3, GALILEI, POINCARE = groups.SE(2), groups.SE(3), groups.Galilei(2), groups.Poincare(1, 2)


@pytest.mark.parametrize(
    ("domain", "codomain", "degree"),
    [
        (2 * SE2.point, SE2.scalar, 4),
        (3 * SE2.point, SE2.scalar, 2),
        (2 * SE2.point + SE2.vector, SE2.vector, 2),
        (2 * SE3.point, SE3.scalar, 2),
        (2 * SE3.point + SE3.vector, SE3.vector, 1),
        (2 * GALILEI.point, GALILEI.scalar, 3),
        (2 * POINCARE.point, POINCARE.scalar, 3),
        (2 * POINCARE.point, POINCARE.vector, 2),
        (2 * groups.Heisenberg(1).vector, groups.Heisenberg(1).vector, 2),
        (groups.Similarity(2).point + groups.Similarity(2).vector, groups.Similarity(2).vector, 2),
    ],
    ids=lambda value: f"{value} of {value.group}" if hasattr(value, "group") else str(value),
)
@pytest.mark.filterwarnings("ignore::isotropy.IsotropyWarning")
def test_affine_groups_against_finite_elements(domain, codomain, degree):
    space = spaces.Polynomials(domain.dimension, degree=degree)
    basis = enforce(Action(domain, codomain), space)
    assert basis.exact
    assert basis.dimension == invariants_by_elements(domain, codomain, space)


def test_functions_of_two_events_are_functions_of_the_interval():
    basis = enforce(Action(2 * groups.Poincare().point), spaces.Polynomials(8, degree=4))
    assert basis.dimension == 3  # 1, s, s^2
    rng = np.random.default_rng(0)
    points = rng.standard_normal((20, 8))
    interval = (points[:, :4] - points[:, 4:]) ** 2 @ np.array([-1, 1, 1, 1])
    powers = np.stack([interval**k for k in range(3)], axis=1)
    values = basis.values(points)[:, :, 0]
    fitted = powers @ np.linalg.lstsq(powers, values, rcond=None)[0]
    np.testing.assert_allclose(values, fitted, atol=1e4 * EPS * np.abs(values).max())


def test_product_of_a_rotation_and_a_permutation_group():
    rotations, exchanges = groups.SO(3), groups.S(3)
    G = Group(
        [np.kron(np.eye(3), turn) for turn in rotations.matrices],
        components=[np.kron(swap, np.eye(3)) for swap in exchanges.components],
    )
    found = enforce(Action(G), spaces.Polynomials(9, degree=2, homogeneous=True))
    # Symmetric functions of the inner products of three vectors: sum |x_i|^2 and sum x_i . x_j.
    assert found.dimension == 2


# --- Every element is symmetric under finite group elements; two routes agree; a broken symmetry is refused.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group", [groups.SO(3), groups.SE(3), groups.SO(1, 2), groups.D(5), groups.SU(2)], ids=str)
def test_every_element_is_equivariant_under_finite_elements(group, seed):
    point, vector = (2 * group.point).real(), group.vector.real()
    basis = enforce(Action(point, vector), spaces.Polynomials(point.dimension, degree=3))
    assert basis.dimension > 0
    rng = np.random.default_rng(seed)
    maps = [
        (point.components()[k], np.zeros(point.dimension), vector.components()[k]) for k in range(len(group.components))
    ]
    if group.dimension:
        c = 0.5 * rng.standard_normal(group.dimension)
        g = element(point.generators(), point.offsets(), c)
        maps.append((g[:-1, :-1], g[:-1, -1], sla.expm(np.tensordot(c, vector.generators(), 1))))
    x = rng.uniform(-1, 1, (10, point.dimension))
    for linear, offset, value in maps:
        moved = basis.values(x @ linear.T + offset)
        turned = basis.values(x) @ value.T
        size = np.abs(basis.coefficients).sum(axis=1).max()
        np.testing.assert_allclose(moved, turned, atol=1e3 * EPS * size * max(1, np.abs(linear).max()) ** 3)


def same_span(first: np.ndarray, second: np.ndarray, tolerance: float) -> None:
    a, b = (np.linalg.qr(m.reshape(len(m), -1).T)[0] for m in (first, second))
    assert a.shape == b.shape
    assert np.linalg.norm(a - b @ (b.T @ a), 2) <= tolerance


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "action",
    [
        Action(groups.SO(3).vector, groups.SO(3).vector),
        Action(2 * groups.SE(2).point, groups.SE(2).vector),
        Action(groups.D(5).vector, groups.D(5).vector),
        Action.vector_field(groups.SO(1, 1)),
        Action.tensor(groups.SO(2), lower=2),
        Action(groups.SL(2).vector + groups.SL(2).vector),
    ],
    ids=str,
)
def test_samples_and_integers_agree(action, seed):
    space = spaces.Polynomials(action.base_dimension, degree=3)
    solved = enforce(action, space)
    m = action.base_dimension
    sampled = enforce(action, space, samples=Samples.normal(2 * space.dimension, m, seed=seed))
    assert sampled.decision.verdict == "certain"
    same_span(solved.coefficients, sampled.coefficients, 1e6 * EPS)


@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_a_nearly_symmetric_function_is_refused(size):
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    spiral = Group([turn + size * np.eye(2)], name="spiral")
    for space in (spaces.Polynomials(2, degree=4), spaces.Polynomials(2, degree=2) + spaces.Fourier(2, degree=1)):
        basis = enforce(Action(spiral), space)
        assert basis.dimension == 1  # constants alone: x^2 + y^2 grows along the spiral
        assert basis.decision.verdict in ("certain", "supported")


# --- General spaces.


def test_radial_functions_among_features():
    space = spaces.Polynomials(2, degree=2) + spaces.Features(
        ["1/sqrt(x^2 + y^2)", "exp(-x^2 - y^2)", "sin(x)"], input_dimension=2
    )
    basis = enforce(Action(groups.SO(2)), space)
    assert set(basis.text) == {"1", "x^2 + y^2", "1/sqrt(x^2 + y^2)", "exp(-x^2 - y^2)"}
    assert basis.decision.verdict == "certain"


def test_fourier_modes_under_rotations_translations_and_the_square():
    space = spaces.Fourier(2, degree=2)
    for group, count in ((groups.SO(2), 1), (groups.T(2), 1), (groups.D(4), 4), (groups.Trivial(2), 13)):
        assert enforce(Action(group), space).dimension == count


def test_radial_basis_functions_on_an_orbit():
    turns = [[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(6) / 6]
    space = spaces.RBF([[0.0, 0.0], *turns], width=0.8)
    # Two orbits of centres under the hexagon: the middle and the ring.
    assert enforce(Action(groups.D(6)), space).dimension == 2


@pytest.mark.filterwarnings("ignore:cannot tell which:isotropy.IsotropyWarning")
@pytest.mark.parametrize("width", [0.5, 2.0, 4.0])
def test_a_crowded_space_invents_nothing(width):
    """Wide radial functions are nearly dependent: what rounding leaves of them must not pass for a symmetry."""
    centres = np.random.default_rng(0).standard_normal((60, 2))
    basis = enforce(Action(groups.SO(2)), spaces.RBF(centres, width=width) + spaces.Polynomials(2, degree=2))
    assert basis.decision.verdict != "certain" or width == 0.5
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.random.default_rng(1).uniform(-2, 2, (200, 2))
    before, after = basis.values(points)[:, :, 0], basis.values(points @ turn.T)[:, :, 0]
    assert basis.dimension >= 2
    # A space that depends on itself to within half of the digits keeps the other half, times its size.
    defects = np.linalg.norm(after - before, axis=0) / np.linalg.norm(before, axis=0)
    assert defects.max() <= 60 * np.sqrt(EPS) * 10


def test_killing_fields_from_a_space_of_fields():
    # A metric that every field x ∂x, y ∂y, … of degree one leaves unchanged does not exist.
    candidates = VectorFields(spaces.Polynomials(2, degree=1))
    with pytest.warns(IsotropyWarning, match="no section"):
        basis = enforce(Action.tensor(candidates, lower=2), spaces.Polynomials(2, degree=2))
    assert basis.dimension == 0
    assert "no section is symmetric" in str(basis)


def test_invariant_metrics_of_the_plane():
    basis = enforce(Action.tensor(groups.E(2), lower=2), spaces.Polynomials(2, degree=3))
    assert basis.dimension == 1
    np.testing.assert_array_equal(basis(np.array([0.3, 0.7]))[0], np.eye(2))


def test_densities():
    # rho = x^2 + y^2 is a density of weight w under dilations for 2 + 2 w = 0.
    action = Action.density(groups.Scaling(2), weight=-1.0)
    assert enforce(action, spaces.Polynomials(2, degree=4)).dimension == 3


# --- What the answer says.


def test_one_point_and_many_agree_and_trace():
    V = groups.SO(3).vector
    basis = enforce(Action(V, V), spaces.Polynomials(3, degree=3))
    points = np.random.default_rng(0).standard_normal((5, 3))
    with jax.enable_x64(True):
        one = jax.jit(jax.vmap(basis))(points)
    assert one.shape == (5, 2, 3)
    np.testing.assert_allclose(one, basis.values(points), rtol=100 * EPS, atol=100 * EPS)
    expected = np.stack([points, (points**2).sum(axis=1, keepdims=True) * points], axis=1)
    np.testing.assert_allclose(basis.values(points), expected, rtol=100 * EPS, atol=100 * EPS)


def test_too_few_samples_are_doubled_until_fresh_ones_agree(monkeypatch):
    module = sys.modules["isotropy.enforce"]
    draw, counts = module._draw, []

    def meagre(action, space, count, *, seed):
        # The first draw sees two points, on which four functions are dependent.
        counts.append(count)
        drawn = draw(action, space, count, seed=seed)
        return Samples(drawn.points[:2]) if len(counts) == 1 else drawn

    monkeypatch.setattr(module, "_draw", meagre)
    space = spaces.Features(["x^2 + y^2", "exp(-x^2 - y^2)", "x*exp(-x^2)"], input_dimension=2)
    basis = enforce(Action(groups.T(2)), space + spaces.Polynomials(2, degree=0))
    assert counts == [24, 24, 48, 48]
    assert basis.text == ("1",)


def test_samples_that_do_not_settle_the_rank_are_told():
    # Translations leave constants; eight samples of eight functions are interpolated, and half of them say nothing.
    space = spaces.Fourier(1, degree=4)
    with pytest.warns(IsotropyWarning, match="half of the samples allow more"):
        basis = enforce(Action(groups.T(1)), space, samples=Samples.uniform(9, 1, seed=0))
    assert basis.decision.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: enforce(Action(groups.SO(3)), spaces.Polynomials(2, degree=2)), "moves points of R"),
        (lambda: enforce(groups.SO(3), spaces.Polynomials(3, degree=2)), "`action` says how"),
        (lambda: enforce(Action(groups.SO(3)), spaces.Polynomials(3, degree=2), seed=-1), "`seed` must be"),
        (lambda: enforce(Action(groups.SO(3)), 3), "`space` is a space of functions"),
        (
            lambda: enforce(Action(2 * groups.SE(2).point, groups.SE(2).point), spaces.Polynomials(4, degree=1)),
            "the values of .* are positions",
        ),
        (lambda: Group([[[0.0, 1], [0, 0]], [[0, 0], [1.0, 0]]]), "close"),
        (lambda: spaces.Features([], input_dimension=2), "empty"),
        (
            lambda: enforce(
                Action(groups.SO(3)), spaces.Polynomials(3, degree=2), samples=Samples.normal(3, 3, seed=0)
            ),
            "3 samples cannot tell",
        ),
        (
            lambda: enforce(Action(groups.SO(2)), spaces.Features(["sqrt(x - 5)"], input_dimension=2)),
            "not finite at most points",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(IsotropyError, match=message):
        call()
