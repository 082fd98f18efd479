"""Symmetries of ODEs: with a dilation of time, single elements that reverse it, and from motions.

The law is that a symmetry takes solutions to solutions; the oracle is an ODE solver that knows no Lie derivative.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sla
import sympy
from scipy.integrate import solve_ivp

import isotropy as iso
from isotropy import groups

SPACE = ("x", "y", "z", "vx", "vy", "vz")
REVERSE = np.diag([1.0, -1, -1])  # (x, v, t) -> (x, -v, -t)
RTOL = 1e-10  # of the ODE solver that is the oracle


def kepler(z, power=3.0):
    return jnp.concatenate([z[3:], -z[:3] / jnp.sqrt(z[:3] @ z[:3]) ** power])


def damped(z):
    return jnp.array([-0.1 * z[0] - z[1], z[0] - 0.1 * z[1]])


def growth(z):
    return jnp.array([-0.3 * z[0] + 0.1 * z[1] ** 2, z[1]])


def pendulum(z):
    return jnp.array([z[1], -jnp.sin(z[0])])


def of(size):
    return iso.Action.vector_field(groups.GL(size), time=True)


def some(count, dimension):
    return iso.Samples.normal(count, dimension, seed=0)


def solve(field, start, times):
    answer = solve_ivp(lambda _, z: np.asarray(field(z)), (0, times[-1]), start, t_eval=times, rtol=RTOL, atol=RTOL)
    return answer.y.T


@pytest.fixture(scope="module")
def of_kepler():
    action = iso.Action.vector_field(groups.GL(6), time=True).named(SPACE)
    return iso.discover(kepler, action, iso.Samples.normal(100, 6, seed=0))


def test_kepler_has_rotations_and_one_scaling_of_space_and_time(of_kepler):
    assert of_kepler.algebra.name == "so(3)+R"
    assert of_kepler.decision.verdict == "certain"
    assert of_kepler.generator_text[0] == "2 x ∂x + 2 y ∂y + 2 z ∂z − vx ∂vx − vy ∂vy − vz ∂vz + 3 t ∂t"
    assert of_kepler.generators.shape == (4, 7, 7)
    assert of_kepler.to_sympy()[0][sympy.Symbol("t")] == 3 * sympy.Symbol("t")


@pytest.mark.parametrize("seed", [0])
def test_what_is_found_takes_orbits_to_orbits(of_kepler, seed):
    rng = np.random.default_rng(seed)
    start = rng.normal(size=6) * [1, 1, 1, 0.5, 0.5, 0.5] + [2.0, 0, 0, 0, 0, 0]
    element = sla.expm(np.tensordot(0.2 * rng.normal(size=4), of_kepler.generators, 1))
    move, speed = element[:6, :6], element[6, 6]
    times = np.linspace(0, 1, 5)
    moved = solve(kepler, move @ start, speed * times)
    # errors of the solver grow along an orbit: a thousand times its tolerance is ample over one unit of time
    np.testing.assert_allclose(moved, solve(kepler, start, times) @ move.T, rtol=1e3 * RTOL, atol=1e3 * RTOL)


@pytest.mark.slow
def test_kepler_without_time_has_rotations_alone():
    found = iso.discover(kepler, iso.Action.vector_field(groups.GL(6)), iso.Samples.normal(100, 6, seed=0))
    assert found.algebra.name == "so(3)"


def test_a_scaling_broken_by_a_thousandth_is_refused():
    def broken(z):
        return kepler(z) + 1e-3 * jnp.concatenate([jnp.zeros(3), kepler(z, 4.0)[3:]])

    action = iso.Action.vector_field(groups.GL(6), time=True)
    found = iso.discover(broken, action, iso.Samples.normal(100, 6, seed=0))
    assert found.algebra.name == "so(3)"
    assert found.decision.verdict == "certain"


@pytest.mark.parametrize(
    ("field", "candidates", "texts"),
    [
        (damped, groups.GL(2), ("x ∂x + y ∂y", "x ∂y − y ∂x")),
        (growth, groups.Aff(2), ("2 x ∂x + y ∂y",)),
        (lambda x: -(x**3), groups.Aff(1), ("x ∂x − 2 t ∂t",)),
        (lambda x: jnp.ones(1), groups.Aff(1), ("x ∂x + t ∂t", "∂x")),
    ],
)
def test_small_systems(field, candidates, texts):
    action = iso.Action.vector_field(candidates, time=True)
    found = iso.discover(field, action, iso.Samples.normal(50, action.base_dimension, seed=0))
    assert set(found.generator_text) == set(texts)


@pytest.mark.parametrize("seed", [0, 2])
def test_linear_systems_commute_with_their_symmetries(seed):
    """The oracle: [X, A] = -b A is a linear equation for (X, b), solved as a matrix."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(3, 3))
    if seed == 2:
        a = np.triu(a, 1)  # nilpotent, so that time can be rescaled
    rows = np.concatenate([np.kron(a, np.eye(3)) - np.kron(np.eye(3), a.T), a.reshape(9, 1)], axis=1)
    expected = sla.null_space(rows).shape[1]
    action = iso.Action.vector_field(groups.GL(3), time=True)
    found = iso.discover(lambda x: jnp.asarray(a) @ x, action, iso.Samples.normal(50, 3, seed=seed))
    assert found.dimension == expected


@pytest.mark.slow
def test_fields_of_degree_two_report_truncation_and_the_field_itself():
    space = iso.spaces.Polynomials(2, degree=2)
    action = iso.Action.vector_field(iso.VectorFields(space), time=True)
    found = iso.discover(growth, action, iso.Samples.normal(50, 2, seed=0))
    assert found.dimension == 2
    assert found.algebra.name == "R^2"
    own = np.zeros((2, 6))
    own[0, [1, 5]], own[1, 2] = (-0.3, 0.1), 1.0
    table = found.generators.reshape(2, -1)
    miss = own.ravel() - np.linalg.lstsq(table.T, own.ravel(), rcond=None)[0] @ table
    assert np.abs(miss).max() < 1e3 * np.finfo(float).eps
    free = iso.discover(lambda x: jnp.array([1.0, 0.0]), action, iso.Samples.normal(50, 2, seed=0))
    assert free.truncated


def test_reversals_of_time_are_searched_for():
    action = iso.Action.vector_field(groups.GL(2), time=True).named(("x", "v"))
    samples = iso.Samples.normal(50, 2, seed=0)
    found = iso.discover(pendulum, action, samples, components="signed permutations")
    assert [element.text for element in found.components if element.kept] == [
        "(x, v, t) → (−x, −v, t)",
        "(x, v, t) → (x, −v, −t)",
    ]
    rubbed = lambda z: pendulum(z) - 1e-3 * jnp.array([0, 1]) * z  # noqa: E731
    assert not iso.discover(rubbed, action, samples, components=[REVERSE]).components[0].kept


def test_time_is_named_apart_from_a_coordinate_called_t():
    action = iso.Action.vector_field(groups.Aff(3), time=True).named(("t", "x", "v"))
    found = iso.discover(lambda s: jnp.array([1.0, s[2], 0.0]), action, iso.Samples.normal(50, 3, seed=0))
    assert "∂v + t ∂x" in found.generator_text  # Galilei's boosts
    assert "t ∂t − v ∂v + time ∂time" in found.generator_text


@pytest.mark.slow
def test_a_learned_model_is_looked_at_like_any_other():
    model = eqx.nn.MLP(2, 2, 8, 1, key=jax.random.key(0))
    turn = jnp.array([[0.0, -1.0], [1.0, 0.0]])
    symmetric = lambda x: x * model.layers[0].bias[0] * (x @ x) + turn @ x  # noqa: E731
    action = iso.Action.vector_field(groups.GL(2), time=True)
    samples = iso.Samples.normal(100, 2, seed=0)
    assert iso.discover(symmetric, action, samples).generator_text == ("x ∂y − y ∂x",)
    assert iso.discover(model, action, samples).dimension == 0


@pytest.fixture(scope="module")
def motions():
    """Six motions of different lengths at uneven times, one of them with a gap."""
    rng = np.random.default_rng(0)
    parts = []
    for label, count in enumerate([60, 80, 120, 40, 77, 90]):
        times = np.sort(rng.uniform(0, 8, count))
        if label == 2:
            times = times[(times < 3) | (times > 4)]
        parts.append((times, solve(damped, rng.normal(size=2), times), np.full(len(times), label)))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def test_symmetries_of_motions(motions):
    t, z, label = motions
    found = iso.discover(iso.Trajectories(t, z, id=label).data(), iso.Action.vector_field(groups.GL(2), time=True))
    assert found.algebra.name == "R^2"
    assert found.dimension == 2


@pytest.mark.slow
def test_noisy_motions_are_not_called_certain(motions):
    t, z, label = motions
    noisy = z + 0.01 * np.random.default_rng(1).normal(size=z.shape)
    found = iso.discover(iso.Trajectories(t, noisy, id=label).data(), iso.Action.vector_field(groups.GL(2), time=True))
    assert found.decision.verdict in ("supported", "cannot tell")


def test_an_invariant_form_and_a_conserved_function_are_kept_by_the_flow():
    spring = lambda z: jnp.array([z[1], -z[0]])  # noqa: E731
    assert iso.enforce(iso.Action.flow(spring, 2), iso.spaces.Polynomials(2, degree=4)).dimension == 3
    assert iso.enforce(iso.Action.flow(spring, 2, lower=2), iso.spaces.Polynomials(2, degree=0)).dimension == 2
    with pytest.warns(iso.IsotropyWarning, match="no section"):
        assert iso.enforce(iso.Action.flow(damped, 2, lower=2), iso.spaces.Polynomials(2, degree=0)).dimension == 0
    assert iso.enforce(iso.Action.flow(spring, 2, weight=1.0), iso.spaces.Polynomials(2, degree=0)).dimension == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: iso.discover(kepler, of(3), some(9, 6)), "R\\^6"),
        (lambda: iso.discover(damped, of(3), some(99, 3)), "shape"),
        (lambda: iso.discover(lambda x: x * jnp.nan, of(2), some(99, 2)), "NaN"),
        (lambda: iso.Action.vector_field("so(3)", time=True), "group"),
        (lambda: iso.Action.vector_field(groups.GL(2)).element(np.eye(2), time=-1.0), "does not move time"),
        (lambda: iso.discover(lambda z: z @ z, iso.Action(groups.GL(2)), some(9, 2), components=[REVERSE]), "shape"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make()
