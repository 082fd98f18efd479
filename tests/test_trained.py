"""Trained networks on their own data: what they keep and break, what nobody taught them, how they are called."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

import isotropy as iso
from isotropy import groups
from isotropy.numerics.decide import within
from isotropy.numerics.sampled import Sampled

GL3 = iso.Action(groups.GL(3))
STEPS = 1500


def train(X, Y, *, seed=0):
    """A small network fitted by Adam."""
    net = eqx.nn.MLP(X.shape[1], Y.shape[1], 24, 2, activation=jax.nn.softplus, key=jax.random.key(seed))
    rule = optax.adam(optax.cosine_decay_schedule(5e-3, STEPS))
    inputs, outputs = jnp.asarray(X, jnp.float32), jnp.asarray(Y, jnp.float32)
    weights, rest = eqx.partition(net, eqx.is_array)

    @jax.jit
    def fit(weights):
        def loss(w):
            return jnp.mean((jax.vmap(eqx.combine(w, rest))(inputs) - outputs) ** 2)

        def step(carry, _):
            w, state = carry
            updates, state = rule.update(jax.grad(loss)(w), state)
            return (eqx.apply_updates(w, updates), state), None

        return jax.lax.scan(step, (weights, rule.init(weights)), None, length=STEPS)[0][0]

    return eqx.combine(fit(weights), rest)


def bowl(X, *, tilt=0.0):
    """Symmetric about the z axis but for ``tilt``."""
    return (X[:, 0] ** 2 + (1 + tilt) * X[:, 1] ** 2 + 2 * X[:, 2])[:, None]


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).uniform(-1, 1, size=(600, 3))


@pytest.fixture(scope="module")
def net(inputs):
    return train(inputs, bowl(inputs))


@pytest.fixture(scope="module")
def sphere(inputs):
    return inputs / np.linalg.norm(inputs, axis=1, keepdims=True)


def true_defect(model, X, generator):
    """|DF Ax| over the size of the motion, from the network's own derivatives: the oracle."""
    slopes = np.asarray(jax.vmap(jax.jacrev(model))(jnp.asarray(X)))
    moved = np.einsum("pni,ij,pj->pn", slopes, generator, X)
    motion = np.einsum("ij,pj->pi", generator, X) / np.sqrt((X**2).mean(axis=0))
    terms = np.einsum("pni,qij,pj->pnq", slopes, np.eye(9).reshape(9, 3, 3), X)
    return np.linalg.norm(moved) / np.sqrt((terms**2).mean(axis=2).sum()) / np.sqrt((motion**2).sum() / len(X))


def test_a_network_keeps_what_it_learned_to_within_a_bound(net, inputs):
    found = iso.discover(iso.Trained(net, inputs), GL3, tolerance=0.1)
    assert (found.name, found.dimension, found.decision.verdict) == ("so(2)", 1, "supported")
    assert 0 < found.defects[0] <= found.bounds[0] <= 0.1
    assert found.defects[0] == pytest.approx(true_defect(net, inputs, found.generators[0]), rel=0.2)
    turn = np.zeros((3, 3))
    turn[0, 1], turn[1, 0] = -1, 1
    cosine = np.sum(turn * found.generators[0]) / np.linalg.norm(turn) / np.linalg.norm(found.generators[0])
    assert abs(cosine) >= np.cos(np.radians(5))
    assert "fill a region of R^3" in str(found)


def test_a_near_miss_of_the_truth_is_refused(inputs):
    """A half more along y: among rotations nothing is claimed at a tolerance below what that breaks."""
    broken = iso.Trained(train(inputs, bowl(inputs, tilt=0.5)), inputs)
    found = iso.discover(broken, iso.Action(groups.SO(3)), tolerance=0.05)
    assert (found.dimension, found.decision.verdict) == (0, "none")


def test_without_a_tolerance_a_network_has_no_symmetry(net, inputs):
    """`Samples` ask the exact question, and a trained network keeps nothing exactly."""
    assert iso.discover(net, GL3, iso.Samples(inputs)).decision.verdict == "certain"
    assert iso.discover(net, GL3, iso.Samples(inputs)).dimension == 0
    assert iso.discover(iso.Trained(net, inputs), GL3, tolerance=1e-4).dimension == 0


def test_what_is_exact_is_certain_and_one_part_in_a_thousand_is_seen(inputs):
    def broken(size):
        return iso.discover(iso.Trained(lambda x: (x @ x + size * x[0])[None], inputs), rotations, tolerance=1e-4)

    rotations = iso.Action(groups.SO(3))
    exact, near = broken(0.0), broken(1e-3)
    assert (exact.name, exact.decision.verdict) == ("so(3)", "certain")
    assert (near.name, near.dimension) == ("so(2)", 1)
    assert near.decision.verdict == "certain"


def test_what_takes_the_data_elsewhere_is_not_judged(sphere):
    """On a sphere only rotations keep to the data: of three, the network keeps the one about z."""
    trained = iso.Trained(train(sphere, np.exp(sphere[:, 2:])), sphere)
    found = iso.discover(trained, GL3, tolerance=0.1)
    assert trained.support.dimension == 2
    assert (found.name, found.dimension, found.leaving.dimension) == ("so(2)", 1, 6)
    assert "leaves the data: 6 direction(s), not judged" in str(found)
    # Scalings would leave a function of the direction alone: the network was never asked, so neither kept nor broken.
    scaling = np.eye(3).ravel()
    inside = found.leaving.coefficients
    assert np.linalg.norm(scaling - np.linalg.pinv(inside) @ inside @ scaling) <= 0.2 * np.linalg.norm(scaling)
    with pytest.raises(iso.IsotropyError, match="takes the data elsewhere"):
        iso.discover(trained, iso.Action(groups.Scaling(3)))


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_what_leaves_is_saved(sphere, tmp_path, suffix):
    found = iso.discover(iso.Trained(lambda x: x[2:] ** 2, sphere), GL3, tolerance=0.1)
    again = iso.Discovery.load(found.save(tmp_path / f"found{suffix}"))
    assert str(again) == str(found)


def test_data_in_a_plane_cannot_tell_what_is_beside_it(inputs):
    flat = inputs * [1.0, 1.0, 0.0]
    found = iso.discover(iso.Trained(lambda x: jnp.sum(x[:2] ** 2)[None] + x[2:], flat), GL3)
    # The slope along z does not count, since no example has one.
    assert (found.dimension, found.name) == (1, "so(2)")
    assert found.unseen.dimension == 3
    assert found.leaving.dimension == 2


def test_inputs_may_be_a_tree(inputs):
    tree = {"place": inputs[:, :2], "depth": inputs[:, 2]}
    model = lambda t: {"height": t["place"] @ t["place"] + t["depth"], "rest": t["depth"][None]}  # noqa: E731
    trained = iso.Trained(model, tree, variables=("depth", "x", "y"))
    action = iso.Action.independent(groups.GL(3), groups.GL(2))
    found = iso.discover(trained, action, tolerance=1e-6)
    assert found.variables[:3] == ("depth", "x", "y")
    assert any(text in ("x ∂y − y ∂x", "y ∂x − x ∂y") for text in found.generator_text)
    pair = iso.Trained(lambda pair: pair[0] @ pair[1], (inputs[:, :2], inputs[:, :2]))
    V, S = groups.SO(2).vector, groups.SO(2).scalar
    assert iso.discover(pair, iso.Action(2 * V, S)).name == "so(2)"


class Normed(eqx.Module):
    """A model with a state, as batch normalisation has."""

    linear: eqx.nn.Linear
    norm: eqx.nn.BatchNorm

    def __init__(self, key):
        self.linear = eqx.nn.Linear(2, 4, key=key)
        self.norm = eqx.nn.BatchNorm(4, axis_name="batch", mode="batch")

    def __call__(self, x, state):
        y, state = self.norm(self.linear(x), state)
        return jnp.sum(y**2)[None], state


def test_states_dropout_and_keys(inputs):
    X, action = inputs[:100, :2], iso.Action(groups.GL(2))
    model, state = eqx.nn.make_with_state(Normed)(jax.random.key(0))
    _, state = jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
        jnp.asarray(X, jnp.float32), state
    )
    found = iso.discover(iso.Trained(model, X, state=state), action)
    assert found.decision.verdict in ("none", "cannot tell", "supported")
    with pytest.raises(iso.IsotropyError, match="carries a state"):
        iso.Trained(model, X)
    dropping = eqx.nn.Sequential([eqx.nn.Lambda(lambda x: x @ x[:, None]), eqx.nn.Dropout(0.5)])
    assert iso.discover(iso.Trained(dropping, X), action).name == "so(2)"

    def random(x, key):
        return jnp.sum(x**2)[None] + 0 * jax.random.normal(key, (1,))

    assert iso.discover(iso.Trained(random, X, key=jax.random.key(0)), action).name == "so(2)"
    with pytest.raises(iso.IsotropyError, match="needs a `key`"):
        iso.Trained(random, X)
    with pytest.raises(iso.IsotropyError, match="takes no `key`"):
        iso.Trained(lambda x: x, X, key=jax.random.key(0))

    def flagged(x, inference=False):
        return jnp.where(inference, jnp.sum(x**2), x[0])[None]

    assert iso.discover(iso.Trained(flagged, X), action).name == "so(2)"


@pytest.mark.parametrize(
    ("model", "examples", "message"),
    [
        (3, np.zeros((5, 2)), "must be a function"),
        (lambda x: x, {}, "holds no arrays"),
        (lambda x: x, np.arange(10).reshape(5, 2), "real numbers"),
        (lambda x: x, (np.zeros((5, 2)), np.zeros((4, 2))), r"5 in inputs\[0\], 4 in inputs\[1\]"),
        (lambda x: x, np.full((5, 2), np.nan), "NaN"),
        (lambda x: x, np.float64(1.0), "first axis"),
        (lambda x: x["a"], np.zeros((5, 2)), "wrap it in a function"),
        (lambda x: x, np.ones((5, 2)), None),
    ],
)
def test_bad_models_and_inputs(model, examples, message):
    if message is None:
        with pytest.warns(iso.IsotropyWarning, match="different"):
            iso.Trained(model, examples)
        return
    with pytest.raises(iso.IsotropyError, match=message):
        iso.Trained(model, examples)


def test_questions_that_do_not_fit(inputs):
    trained = iso.Trained(lambda x: x @ x, inputs)
    with pytest.raises(iso.IsotropyError, match="3 inputs"):
        iso.discover(trained, iso.Action(groups.GL(2)))
    with pytest.raises(iso.IsotropyError, match="its own samples"):
        iso.discover(trained, GL3, iso.Samples(inputs))
    with pytest.raises(iso.IsotropyError, match="too few to choose"):
        iso.discover(iso.Trained(lambda x: x @ x, inputs[:20]), GL3)
    with pytest.raises(iso.IsotropyError, match="does not depend on its inputs"):
        iso.discover(iso.Trained(lambda x: 0 * x[:1] + 1, inputs), GL3)
    with pytest.raises(iso.IsotropyError, match="name 3 coordinates"):
        iso.Trained(lambda x: x, inputs, variables=("x", "y"))


def test_bounds_over_a_sample_hold_at_their_level():
    """Rows whose mean squares are known: the span chosen by one half is bounded by the other."""
    level, missed, over, seeds = 0.1, 0, 0, 200
    sizes = np.array([0.05, 0.1, 0.1, 1.0])
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(60, 2, 4)) * sizes / np.sqrt(2)
        sampled = Sampled.of(rows, level=level, seed=seed)
        truth = np.linalg.norm(sampled.frame[:2] * sizes, ord=2)
        missed += truth > sampled.upper[1]
        over += sampled.smallest > sizes.min()
    assert max(missed, over) <= stats.binom.ppf(0.999, seeds, level)


def test_the_decision_over_a_sample():
    values, upper = np.array([1.0, 0.04, 0.01]), np.array([0.02, 0.06, 1.1])
    few = within(values, floor=1e-9, upper=upper, smallest=0.005, tolerance=0.05)
    assert (few.nullity, few.verdict) == (1, "supported")
    none = within(values, floor=1e-9, upper=upper, smallest=0.005, tolerance=0.001)
    assert (none.nullity, none.verdict) == (0, "none")
    open_ = within(values, floor=1e-9, upper=upper, smallest=0.005, tolerance=0.01)
    assert (open_.nullity, open_.verdict) == (0, "cannot tell")
    exact = within(np.zeros(2), floor=1e-9, upper=np.zeros(2), smallest=0.0, tolerance=0.01)
    assert (exact.nullity, exact.verdict) == (2, "certain")
