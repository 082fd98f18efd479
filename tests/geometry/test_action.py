"""How candidates act: every row of the table of sections, naming, and clear refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import groups, spaces

EPS = np.finfo(np.float64).eps
QUADRATIC = iso.VectorFields(spaces.Polynomials(3, degree=2))


def lie(action, model, x):
    from isotropy.lie import derivative_at

    with jax.enable_x64(True):
        return np.asarray(derivative_at(model, action, "forward", jnp.asarray(x))).T


def fields_and_derivatives(motion, x):
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        return np.asarray(motion(x)), np.asarray(jax.jacfwd(motion)(x))


@pytest.mark.parametrize("motion", [QUADRATIC, groups.Aff(3)], ids=["quadratic fields", "Aff(3)"])
@pytest.mark.parametrize("seed", range(2))
class TestTensorFormulas:
    """The textbook formulas of each kind of section, written with indices."""

    def prepare(self, motion, seed):
        x = np.random.default_rng(seed).normal(size=3)
        action = iso.Action.vector_field(motion)
        return x, *fields_and_derivatives(action.motion, x)

    def test_vector_fields_bracket(self, motion, seed):
        x, fields, derivative = self.prepare(motion, seed)
        section = lambda y: jnp.sin(jnp.arange(1.0, 4) * y[::-1])  # noqa: E731
        with jax.enable_x64(True):
            value, slope = np.asarray(section(jnp.asarray(x))), np.asarray(jax.jacfwd(section)(jnp.asarray(x)))
        want = np.einsum("ij,qj->qi", slope, fields) - np.einsum("qij,j->qi", derivative, value)
        assert np.allclose(lie(iso.Action.vector_field(motion), section, x), want, atol=1e3 * EPS)

    def test_covectors_of_a_gradient_commute_with_d(self, motion, seed):
        """L_X df = d(X f)."""
        x, *_ = self.prepare(motion, seed)
        function = lambda y: jnp.sin(y[0] * y[1]) + y[2] ** 3  # noqa: E731
        action = iso.Action.covector(motion)
        got = lie(action, jax.grad(function), x)
        with jax.enable_x64(True):
            along = lambda y: jax.jacfwd(function)(y) @ action.motion(y).T  # noqa: E731
            want = np.asarray(jax.jacfwd(along)(jnp.asarray(x)))
        assert np.allclose(got, want, atol=1e3 * EPS)

    def test_metric(self, motion, seed):
        x, fields, derivative = self.prepare(motion, seed)
        metric = lambda y: jnp.outer(y, y) + jnp.eye(3) * jnp.exp(y[0])  # noqa: E731
        with jax.enable_x64(True):
            g, dg = np.asarray(metric(jnp.asarray(x))), np.asarray(jax.jacfwd(metric)(jnp.asarray(x)))
        want = (
            np.einsum("ijk,qk->qij", dg, fields)
            + np.einsum("qki,kj->qij", derivative, g)
            + np.einsum("qkj,ik->qij", derivative, g)
        )
        got = lie(iso.Action.tensor(motion, lower=2), metric, x).reshape(want.shape)
        assert np.allclose(got, want, atol=1e3 * EPS * np.abs(want).max())

    def test_density_is_the_divergence_of_rho_x(self, motion, seed):
        x, *_ = self.prepare(motion, seed)
        density = lambda y: jnp.exp(-y @ y)  # noqa: E731
        action = iso.Action.density(motion)
        with jax.enable_x64(True):
            flux = jax.jacfwd(lambda y: density(y) * action.motion(y))(jnp.asarray(x))
            want = np.asarray(jnp.trace(flux, axis1=1, axis2=2))
        assert np.allclose(lie(action, density, x)[:, 0], want, atol=1e3 * EPS)

    def test_volume_form_agrees_with_density(self, motion, seed):
        """An antisymmetric tensor of full rank is a density."""
        x, *_ = self.prepare(motion, seed)
        levi_civita = np.zeros((3, 3, 3))
        for even in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            levi_civita[even], levi_civita[even[::-1]] = 1, -1
        density = lambda y: jnp.exp(-y @ y)  # noqa: E731
        volume = lie(iso.Action.tensor(motion, lower=3), lambda y: density(y) * jnp.asarray(levi_civita), x)
        want = lie(iso.Action.density(motion), density, x)
        assert np.allclose(volume.reshape(-1, 3, 3, 3)[:, 0, 1, 2], want[:, 0], atol=1e3 * EPS)


def test_factor_adds_candidates_that_move_no_point():
    space = spaces.Polynomials(3, degree=1)
    action = iso.Action.tensor(QUADRATIC, lower=2, factor=space)
    assert action.dimension == QUADRATIC.dimension + 4
    x = jnp.arange(3.0)
    assert not np.asarray(action.base(x))[-4:].any()
    value = jnp.eye(3)
    want = np.multiply.outer(np.asarray(space(x)), np.eye(3))
    assert np.allclose(np.asarray(action.fibre(x, value))[-4:], want)


@pytest.mark.parametrize("upper", [0, 1, 2])
@pytest.mark.parametrize("lower", [0, 1])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_finite_elements_of_tensors_integrate_the_generators(upper, lower, weight):
    """The push-forward by exp(tA) has A(x) as its derivative: the two halves of a tensor action agree."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2, 2))
    action = iso.Action.tensor(groups.Group([matrix]), upper=upper, lower=lower, weight=weight)
    value = rng.normal(size=action.fibre_shape)
    import scipy.linalg as sla

    step = 1e-4
    with jax.enable_x64(True):
        move = lambda t: np.asarray(  # noqa: E731
            action.value_motion.transformation(sla.expm(t * matrix), np.zeros(2))(jnp.asarray(value))
        )
        want = (move(step) - move(-step)) / (2 * step)
        got = np.asarray(action.fibre(jnp.zeros(2), jnp.asarray(value)))[0]
    assert np.abs(got - want).max() <= 100 * step**2 * max(np.abs(got).max(), 1)


@pytest.mark.parametrize(
    "action",
    [
        iso.Action.vector_field(groups.Aff(2)),
        iso.Action.vector_field(groups.GL(3), time=True),
        iso.Action.tensor(groups.GL(2), upper=1, lower=2, weight=0.5),
        iso.Action.tensor(groups.SL(2), upper=2),
        iso.Action.tensor(groups.GL(2), weight=1.0),
    ],
    ids=str,
)
def test_matrices_of_tensors_are_the_products_with_every_unit_tensor(action):
    n, x = action.fibre_dimension, np.random.default_rng(0).normal(size=action.base_dimension)
    with jax.enable_x64(True):
        units = jnp.eye(n).reshape(n, *action.fibre_shape)
        want = np.stack([np.asarray(action.fibre(jnp.asarray(x), unit)).reshape(-1, n) for unit in units], axis=-1)
    assert np.abs(action.fibre_matrices(x[None])[0] - want).max() <= 4 * EPS * np.abs(want).max()


def test_independent_moves_inputs_and_outputs_apart():
    action = iso.Action.independent(groups.GL(2), groups.SE(3))
    assert (action.dimension, action.base_dimension, action.fibre_dimension) == (10, 2, 3)
    x, u = jnp.ones(2), jnp.ones(3)
    base, fibre = np.asarray(action.base(x)), np.asarray(action.fibre(x, u))
    assert base[:4].any()
    assert not base[4:].any()
    assert fibre[4:].any()
    assert not fibre[:4].any()
    assert action.algebra.dimension == 10


def test_components_are_pairs_of_maps():
    group = groups.O(3)
    action = iso.Action(group.vector, group.vector @ group.vector)
    g = group.vector.components()[0]
    x = np.arange(3.0)
    (component,) = action.components
    assert np.allclose(component.theta(jnp.asarray(x)), g @ x)
    moved = np.kron(g, g) @ np.arange(9.0)
    assert np.allclose(component.untheta(jnp.asarray(moved)), np.arange(9.0), atol=1e-5)


def test_words():
    action = iso.Action(groups.SO(2), None)
    assert action.describe(np.array([1.0])) == "x ∂y − y ∂x"
    assert np.array_equal(action.upright(np.array([-1.0])), [1.0])
    named = action.named(("east", "north"))
    assert "∂east" in named.describe(np.array([1.0]))
    both = iso.Action(groups.SO(2).vector, groups.SO(2).vector)
    assert "∂u" in both.describe(np.array([1.0]))


def test_one_action_reads_the_same_through_fields_and_base():
    action = iso.Action.vector_field(QUADRATIC)
    points = np.random.default_rng(0).normal(size=(4, 3))
    with jax.enable_x64(True):
        want = np.stack([np.asarray(action.base(jnp.asarray(p))) for p in points])
    assert np.allclose(action.fields(points), want, atol=10 * EPS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: iso.Action("SO(3)"), "takes a group or a representation"),
        (lambda: iso.Action(groups.SO(3), groups.SO(3)), "use `Action.independent"),
        (lambda: iso.Action(groups.SO(3).vector, groups.SO(2).vector), "must be of one group"),
        (lambda: iso.Action.vector_field(3), "candidates must be a group"),
        (lambda: iso.Action.tensor(groups.GL(2), lower=-1), "cannot be negative"),
        (
            lambda: iso.Action.tensor(groups.GL(2), lower=2, factor=spaces.Polynomials(3, degree=1)),
            "give both the same number",
        ),
        (lambda: iso.VectorFields(groups.GL(2)), "takes a space of functions"),
        (lambda: iso.Action(groups.SO(3)).named(("x", "y")), "moves 3 inputs"),
    ],
)
def test_mistakes_get_one_sentence(make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make()


def test_positions_are_no_linear_output():
    group = groups.SE(2)
    action = iso.Action(group.point, group.point)
    with pytest.raises(iso.IsotropyError, match="use `vector` for the outputs"):
        action.fibre_matrices(np.zeros((1, 2)))
