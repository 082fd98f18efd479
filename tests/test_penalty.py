"""The penalty for training loops: its values, its gradients, and the agreement of its forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import isotropy as iso
from isotropy import groups, lie
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.convex import minimise
from isotropy.numerics.losses import LeastSquares
from isotropy.numerics.matrix_map import MatrixMap
from isotropy.numerics.nuclear import nuclear_norm
from isotropy.penalty import Penalty

EPS32 = float(np.finfo(np.float32).eps)


class Network(eqx.Module):
    """One hidden layer: enough of a network for every law here, and quick to compile."""

    inner: jax.Array
    outer: jax.Array

    def __call__(self, x):
        return self.outer @ jnp.tanh(self.inner @ x)


def network(seed, outputs=()):
    keys = jax.random.split(jax.random.PRNGKey(seed))
    return Network(jax.random.normal(keys[0], (8, 3)), jax.random.normal(keys[1], (*outputs, 8)))


def compiled(function, *arguments, **options):
    return eqx.filter_jit(function)(*arguments, **options)


def batched(function, values):
    return jax.jit(jax.vmap(function))(values)


def penalty_on(n=48, group=None, seed=0):
    return Penalty(iso.Action(group or groups.SE(3)), iso.Samples.uniform(n, 3, seed=seed, dtype=np.float32))


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_nuclear_norm_of_the_lie_derivative(seed):
    """Against rows made by hand: gradients times fields, in float64."""
    penalty, model = penalty_on(), network(seed)
    points = penalty.parts[0].inputs
    gradients = np.asarray(batched(jax.grad(model), jnp.asarray(points)), dtype=float)
    fields = iso.Action(groups.SE(3)).fields(points)
    rows = np.einsum("pi,pqi->pq", gradients, fields) / np.sqrt(len(points))
    expected = np.linalg.svd(rows, compute_uv=False).sum()
    assert abs(float(compiled(penalty, model)) - expected) <= 100 * EPS32 * expected


def test_symmetric_models_cost_nothing_and_near_misses_do():
    penalty = penalty_on(group=groups.SO(3))
    round_one = lambda x: jnp.sum(x**2)  # noqa: E731
    near = lambda x: jnp.sum(x**2) + 1e-3 * x[0]  # noqa: E731
    assert float(compiled(lambda: penalty(round_one))) <= 100 * EPS32
    assert float(compiled(lambda: penalty(near))) > 100 * float(compiled(lambda: penalty(round_one))) + 1e-5


@pytest.mark.parametrize("kind", ["generic", "coinciding", "vanishing", "zero"])
def test_the_gradient_is_right_and_finite(kind):
    """U V^T where all values differ from zero; the subgradient of least norm elsewhere."""
    rng = np.random.default_rng(0)
    left, right = np.linalg.qr(rng.normal(size=(7, 4)))[0], np.linalg.qr(rng.normal(size=(4, 4)))[0]
    values = {"generic": [4.0, 3, 2, 1], "coinciding": [2.0, 2, 1, 1], "vanishing": [2.0, 2, 0, 0], "zero": [0.0] * 4}
    spread = np.array(values[kind])
    with jax.enable_x64(True):
        matrix = jnp.asarray(left @ np.diag(spread) @ right)
        found = np.asarray(jax.jit(jax.grad(nuclear_norm))(matrix))
        expected = left @ np.diag((spread > 0).astype(float)) @ right
        assert np.abs(found - expected).max() <= 1e3 * np.finfo(float).eps
        # Along any line the slope matches a difference, where the norm is differentiable.
        if spread.min() > 0:
            step = rng.normal(size=(7, 4))
            width = 1e-5
            slope = (nuclear_norm(matrix + width * step) - nuclear_norm(matrix - width * step)) / (2 * width)
            assert abs(float(slope) - np.sum(found * step)) <= 1e-7


def test_it_works_inside_jit_grad_and_vmap():
    penalty = penalty_on(16)
    models = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(network(seed) for seed in range(3)))
    values = compiled(eqx.filter_vmap(penalty), models)
    assert values.shape == (3,)
    assert values.dtype == jnp.float32
    gradients = eqx.filter_jit(eqx.filter_grad(lambda m: jnp.sum(eqx.filter_vmap(penalty)(m))))(models)
    leaves = jax.tree.leaves(eqx.filter(gradients, eqx.is_array))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
    assert any(bool((leaf != 0).any()) for leaf in leaves)


def test_the_variational_form_at_rest_is_the_exact_one():
    penalty, model = penalty_on(48), network(1)
    state = compiled(penalty.init, model)
    exact, slope = compiled(eqx.filter_value_and_grad(penalty), model)
    form = eqx.filter_value_and_grad(lambda m: penalty.update(m, state, floor=1e-6), has_aux=True)
    (value, _), found = compiled(form, model)
    # `init` saw the same 48 points, so the average is already the truth.
    assert abs(float(value) - float(exact)) <= 1e-3 * float(exact)
    flat = lambda tree: jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])  # noqa: E731
    assert float(jnp.linalg.norm(flat(found) - flat(slope))) <= 1e-2 * float(jnp.linalg.norm(flat(slope)))


def test_minibatches_are_unbiased_and_their_own_norm_is_not():
    penalty, model = penalty_on(64), network(2)
    points = jnp.asarray(penalty.parts[0].inputs)
    exact = float(compiled(penalty, model))
    state = compiled(penalty.init, model)
    batches = points.reshape(16, 4, 3)
    variational = float(jnp.mean(batched(lambda b: penalty.update(model, state, b, decay=1.0)[0], batches)))
    naive = float(jnp.mean(batched(lambda b: penalty(model, b), batches)))
    assert abs(variational - exact) <= 0.02 * exact
    assert naive < 0.95 * exact


def test_the_probe_s_mean_is_the_variational_value():
    penalty, model = penalty_on(64), network(3)
    state = compiled(penalty.init, model)
    keys = jax.random.split(jax.random.PRNGKey(0), 4000)
    values = batched(lambda key: penalty.probe(model, state, key)[0], keys)
    expected = float(compiled(penalty.update, model, state, decay=1.0)[0])
    error = float(values.std()) / np.sqrt(len(keys))
    assert abs(float(values.mean()) - expected) <= 5 * error


def test_the_probe_renews_its_state():
    penalty, model = penalty_on(64), network(4)
    state = compiled(penalty.init, network(5))
    start = state.gram
    step = eqx.filter_jit(lambda s, key: penalty.probe(model, s, key, every=2)[1])
    state = step(state, jax.random.PRNGKey(0))
    assert bool((state.gram == start).all())
    state = step(state, jax.random.PRNGKey(1))
    assert not bool((state.gram == start).all())


def test_directions_alone():
    penalty, model = penalty_on(64), network(6)
    values, directions = compiled(penalty.spectrum, model)
    assert abs(float(compiled(penalty.along, model, directions)) - 0.5 * float(jnp.sum(values**2))) <= 1e-4 * float(
        values[0] ** 2
    )
    last = float(compiled(penalty.along, model, directions[-1:]))
    assert abs(last - 0.5 * float(values[-1] ** 2)) <= 1e-4 * float(values[0] ** 2)


def test_vector_outputs_and_their_fibre():
    vector = groups.SO(3).vector
    penalty = Penalty(iso.Action(vector, vector), iso.Samples.normal(32, 3, seed=0, dtype=np.float32))
    assert float(penalty(lambda x: x * jnp.sum(x**2))) <= 1e-4
    assert float(penalty(lambda x: x + jnp.array([0.1, 0.0, 0.0]))) > 1e-2
    model = network(7, outputs=(3,))
    state = compiled(penalty.init, model)
    directions = compiled(penalty.spectrum, model)[1]
    rows = compiled(penalty.operator, model)
    assert abs(float(compiled(penalty.along, model, directions)) - 0.5 * float(jnp.sum(rows**2))) <= 1e-4 * float(
        jnp.sum(rows**2)
    )
    assert bool(jnp.isfinite(compiled(penalty.probe, model, state, jax.random.PRNGKey(0))[0]))


def test_layers_share_one_subgroup():
    """Each layer keeps another axis: alone neither costs much, stacked no axis is left."""
    vector = groups.SO(3).vector
    action, samples = iso.Action(vector, vector), iso.Samples.normal(64, 3, seed=0, dtype=np.float32)
    about = lambda axis: lambda x: jnp.cross(jnp.asarray(axis), x)  # noqa: E731
    z, y = about([0.0, 0.0, 1.0]), about([0.0, 1.0, 0.0])
    pair = Penalty([action, action], [samples, samples])
    together = compiled(lambda: pair.spectrum([z, z])[0])
    apart = compiled(lambda: pair.spectrum([z, y])[0])
    assert float(together[-1]) <= 1e-4 * float(together[0])
    assert float(apart[-1]) > 0.1 * float(apart[0])
    state = compiled(lambda: pair.init([z, y]))
    assert bool(jnp.isfinite(compiled(lambda: pair.update([z, y], state)[0])))
    assert bool(jnp.isfinite(compiled(lambda: pair.probe([z, y], state, jax.random.PRNGKey(0))[0])))


def test_discrete_candidates():
    action = iso.Action(groups.O(2))
    samples = iso.Samples.normal(32, 2, seed=0, dtype=np.float32)
    penalty, alone = Penalty(action, samples, discrete=2.0), Penalty(action, samples)
    mirror = action.components[0].matrix
    for model in (lambda x: x[0], lambda x: x[1]):
        points = samples.points
        shift = np.asarray([model(mirror @ x) - model(x) for x in points.astype(float)])
        expected = 2.0 * np.sqrt(np.mean(shift**2))
        assert abs(float(compiled(lambda f=model: penalty(f) - alone(f))) - expected) <= 100 * EPS32 * max(
            expected, 1.0
        )

        def extra(f=model):
            with_it = penalty.update(f, penalty.init(f), decay=1.0)[0]
            return with_it - alone.update(f, alone.init(f), decay=1.0)[0]

        assert abs(float(compiled(extra)) - expected) <= 100 * EPS32 * max(expected, 1.0)
    gradient = compiled(jax.grad(lambda a: penalty(lambda x: a * jnp.sum(x**2))), 1.0)
    assert bool(jnp.isfinite(gradient))


@pytest.mark.parametrize("form", ["exact", "minibatch", "probe"])
def test_training_reaches_the_convex_optimum(form):
    """A model linear in its parameters, so that the convex solver is an oracle for what gradient descent finds."""
    rng = np.random.default_rng(0)
    space, action, weight = Polynomials(2, degree=2), iso.Action(groups.SE(2)), 0.05
    samples = iso.Samples.uniform(64, 2, seed=1, dtype=np.float32)
    X = rng.uniform(-1, 1, size=(40, 2))
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.3 * X[:, 0] + 0.2 * rng.normal(size=40)
    rows = lie.of_space(action, space, iso.Samples(samples.points.astype(float)))[:, 0, :, :, 0] / 8.0
    oracle = minimise(LeastSquares(space.values(X), y), MatrixMap.dense(rows), strength=weight)
    penalty = Penalty(action, samples)
    design, targets = jnp.asarray(space.values(X), jnp.float32), jnp.asarray(y, jnp.float32)
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-2, 1500))

    def model(w):
        return lambda x: space(x) @ w

    def step(carry, key):
        w, state, moments = carry
        points = jax.random.choice(key, jnp.asarray(samples.points), (8,))

        def loss(w):
            if form == "exact":
                value, following = penalty(model(w)), state
            elif form == "minibatch":
                value, following = penalty.update(model(w), state, points)
            else:
                value, following = penalty.probe(model(w), state, key, points)
            return jnp.mean((design @ w - targets) ** 2) / 2 + weight * value, following

        (_, state), slope = jax.value_and_grad(loss, has_aux=True)(w)
        updates, moments = optimiser.update(slope, moments)
        return (w + updates, state, moments), None

    @jax.jit
    def run(w):
        start = (w, penalty.init(model(w)), optimiser.init(w))
        (w, _, _), _ = jax.lax.scan(step, start, jax.random.split(jax.random.PRNGKey(0), 1500))
        return w, jnp.mean((design @ w - targets) ** 2) / 2 + weight * penalty(model(w))

    w, value = run(jnp.full(space.dimension, 0.1, jnp.float32))
    # Full batches get there to float32 and the last learning rate; minibatches to the noise of their gradients.
    assert oracle.value - 1e-5 <= float(value) <= oracle.value * (1.001 if form == "exact" else 1.02)
    assert np.abs(np.asarray(w) - oracle.coefficients[:, 0]).max() <= (0.01 if form == "exact" else 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((iso.Action(groups.SO(3)), iso.Samples.normal(9, 2, seed=0)), "points of R\\^2"),
        (([iso.Action(groups.SO(3))], []), "one set of samples for each"),
        ((iso.Action(groups.SO(3)), np.zeros((5, 3))), "one set of samples|`Action` and `Samples`"),
    ],
)
def test_bad_input_is_told_what_to_do(arguments, message):
    with pytest.raises(iso.IsotropyError, match=message):
        Penalty(*arguments)


def test_discrete_needs_components():
    with pytest.raises(iso.IsotropyError, match="connected"):
        Penalty(iso.Action(groups.SO(3)), iso.Samples.normal(9, 3, seed=0), discrete=1.0)
    with pytest.raises(iso.IsotropyError, match="finite number"):
        Penalty(iso.Action(groups.O(3)), iso.Samples.normal(9, 3, seed=0), discrete=-1.0)
    with pytest.raises(iso.IsotropyError, match="must have shape"):
        penalty_on()(network(0), jnp.zeros((4, 2)))
