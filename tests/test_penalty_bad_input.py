"""What `Penalty` refuses: one message each, which says what to do."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, groups
from isotropy.geometry.polynomial import Polynomials
from isotropy.penalty import Penalty

CLOUD = iso.Samples.normal(16, 3, seed=0, dtype=np.float32)
FLAT = iso.Samples.normal(16, 2, seed=0, dtype=np.float32)
SO3 = iso.Action(groups.SO(3))
V = groups.SO(3).vector
STILL = iso.Samples(np.zeros((1, 3)))
GRID = fields.Periodic((8, 8))


def height(x):
    return x[2]


def refused(words, function, *arguments, **options):
    with pytest.raises(iso.IsotropyError, match=re.escape(words)) as caught:
        function(*arguments, **options)
    return str(caught.value)


# Candidates that see nothing.

MIRROR = np.diag([1.0, -1.0, 1.0])
AROUND = np.array([[0.0, -1, 0, 2], [1, 0, 0, -1], [0, 0, 0, 0], [0, 0, 0, 0]])
UPRIGHT = groups.Group([[[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]], name="turns about z")
AWAY = groups.Group([AROUND], affine=True, name="turns about (1, 2)")


@pytest.mark.parametrize(
    ("action", "samples", "discrete"),
    [
        (iso.Action(groups.SO(3).scalar, groups.SO(3).scalar), iso.Samples.normal(9, 1, seed=0), 0.0),
        (SO3, STILL, 0.0),
        (SO3, iso.Samples(np.eye(3) * [0, 0, 1], [1.0, 1.0, 0.0]), 0.0),
        (iso.Action(groups.O(3)), STILL, 1.0),
        (iso.Action(groups.Group((), components=[MIRROR])), iso.Samples(CLOUD.points * [1, 0, 1]), 1.0),
        (iso.Action(AWAY), iso.Samples(np.array([[1.1, 2.2, z] for z in (0.0, 1.0)]) / [1.1, 1.1, 1]), 0.0),
        (iso.Action.flow(lambda x: x * (1 - x), 3), STILL, 0.0),
    ],
    ids=["trivial", "origin", "no weight elsewhere", "elements too", "mirror plane", "rounded axis", "flow"],
)
@pytest.mark.filterwarnings("ignore::isotropy.errors.IsotropyWarning")
def test_candidates_that_see_nothing_are_refused(action, samples, discrete):
    text = refused("leave every sample and every value there as they are", Penalty, action, samples, discrete=discrete)
    assert "use samples that they move" in text
    assert ("further elements" in text) == bool(discrete)


@pytest.mark.parametrize(
    ("action", "samples", "discrete"),
    [
        (iso.Action(V, V), STILL, 0.0),
        (iso.Action.vector_field(groups.SO(3)), STILL, 0.0),
        (iso.Action(groups.SE(3)), STILL, 0.0),
        (iso.Action(AWAY), iso.Samples(np.array([[1.001, 2.0, 0.0]])), 0.0),
        (iso.Action(groups.Group((), components=[MIRROR])), iso.Samples(CLOUD.points * [1, 1e-3, 1]), 1.0),
        (iso.Action(UPRIGHT), iso.Samples(np.linspace(0, 1, 200)[:, None] ** [[900, 0, 1]] * [1, 0, 1]), 0.0),
        (iso.Action(groups.O(3).scalar, groups.O(3).irrep(0, -1)), iso.Samples.normal(9, 1, seed=0), 1.0),
    ],
    ids=["values", "vector field", "translations", "near the axis", "near the plane", "seen late", "sign"],
)
@pytest.mark.filterwarnings("ignore::isotropy.errors.IsotropyWarning")
def test_candidates_that_see_something_are_not(action, samples, discrete):
    assert Penalty(action, samples, discrete=discrete).dimension == action.dimension


def test_one_layer_that_sees_is_enough():
    assert Penalty([SO3, SO3], [STILL, CLOUD]).dimension == 3
    refused("leave every sample", Penalty, [SO3, SO3], [STILL, STILL])


def test_points_alone_have_no_values_to_break():
    refused("moves no values, so no model breaks it", Penalty, iso.Action.points(groups.SO(3)), CLOUD)


# Layers of several groups.


def test_layers_have_one_group():
    T3 = iso.Action(groups.T(3))
    text = refused("all layers must be moved by one group", Penalty, [SO3, T3], [CLOUD, CLOUD])
    assert "SO(3)" in text
    assert "T(3)" in text
    refused("one group. Got [3, 1] generators", Penalty, [SO3, iso.Action(groups.SO(2))], [CLOUD, FLAT])
    # The same algebra in another order is another correspondence of its generators.
    turned = iso.Action(groups.Group(groups.SO(3).matrices[[1, 0, 2]]))
    refused("whose generators have other brackets", Penalty, [SO3, turned], [CLOUD, CLOUD])
    longer = iso.Action(groups.Group(1.001 * groups.SO(3).matrices))
    refused("whose generators have other brackets", Penalty, [SO3, longer], [CLOUD, CLOUD])


def test_representations_of_one_group_are_layers_of_it():
    """Also where the matrices differ: SO(3) beside the same algebra in other coordinates."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    other = groups.Group(basis @ groups.SO(3).matrices @ basis.T)
    wide = iso.Samples.normal(16, 6, seed=0)
    for action, samples in ((iso.Action(2 * V, V), wide), (iso.Action(other), CLOUD)):
        assert Penalty([SO3, action], [CLOUD, samples]).dimension == 3
    assert Penalty([SO3, iso.Action(groups.O(3))], [CLOUD, CLOUD]).dimension == 3
    fielded = fields.FieldAction(GRID, groups.SO(2))
    assert Penalty([fielded, iso.Action(groups.SO(2))], [np.ones((2, 8, 8)), FLAT]).dimension == 1
    # Without an algebra there is nothing to compare.
    q = iso.Action.vector_field(iso.VectorFields(Polynomials(2, degree=0)))
    assert (
        Penalty([q, iso.Action(groups.SO(2) * groups.SO(2))], [FLAT, iso.Samples.normal(9, 4, seed=0)]).dimension == 2
    )


@pytest.mark.parametrize(("first", "second", "counts"), [("SO", "O", "[0, 1]"), ("O", "SO", "[1, 0]")])
def test_layers_have_the_same_elements(first, second, counts):
    actions = [iso.Action(getattr(groups, name)(3)) for name in (first, second)]
    text = refused(
        "`discrete` needs the same further components in all layers", Penalty, actions, [CLOUD] * 2, discrete=1
    )
    assert counts in text
    plain = Penalty(actions, [CLOUD] * 2)
    refused("`shifts` needs the same further components", plain.shifts, [height, height])


# Numbers.


@pytest.fixture(scope="module")
def turning():
    penalty = Penalty(SO3, CLOUD)
    return penalty, penalty.init(height)


@pytest.mark.parametrize("count", [-1, 4, 1.0, True, "two", None, np.array([1]), jnp.asarray(4), jnp.asarray(1.5)])
def test_counts_are_whole_numbers_of_directions(turning, count):
    penalty, state = turning
    refused("The 'count' parameter must be an integer from 0 to 3", penalty.closest, height, state, count)


@pytest.mark.parametrize("count", [0, 3, np.int64(2), jnp.asarray(1)])
def test_good_counts_pass(turning, count):
    penalty, state = turning
    assert np.isfinite(penalty.closest(height, state, count)[0])


def test_traced_counts_are_taken_as_they_come(turning):
    penalty, state = turning
    values = jax.jit(jax.vmap(lambda c: penalty.closest(height, state, c)[0]))(jnp.asarray([3, 7]))
    assert float(values[0]) == float(values[1])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("floor", bad, "a finite number > 0") for bad in (0.0, -1e-4, np.nan, np.inf, "small")]
    + [("decay", bad, "a number from 0 to 1") for bad in (-0.1, 1.01, np.nan, None)],
)
def test_averages_have_sensible_numbers(turning, name, value, words):
    penalty, state = turning
    words = f"The '{name}' parameter must be {words}. Got {value!r} instead."
    for form in (penalty.update, lambda *a, **o: penalty.closest(*a, 1, **o)):
        refused(words, form, height, state, **{name: value})
    refused(words, penalty.probe, height, state, jax.random.PRNGKey(0), **{name: value})
    if name == "floor":
        refused(words, penalty.init, height, floor=value)


@pytest.mark.parametrize("every", [0, -3, 2.0, True])
def test_the_probe_is_renewed_in_whole_steps(turning, every):
    penalty, state = turning
    refused("The 'every' parameter must be an integer >= 1", penalty.probe, height, state, None, every=every)


def test_traced_numbers_pass(turning):
    penalty, state = turning
    value = jax.jit(lambda d, f: penalty.update(height, state, decay=d, floor=f)[0])(0.5, 1e-3)
    assert float(value) == pytest.approx(float(penalty.update(height, state, decay=0.5, floor=1e-3)[0]), rel=1e-5)


# Arrays and models.


@pytest.mark.parametrize("form", ["value", "update", "probe", "along"])
def test_no_points_are_refused(turning, form):
    penalty, state = turning
    none = np.zeros((0, 3))
    calls = {
        "value": lambda: penalty(height, none),
        "update": lambda: penalty.update(height, state, none),
        "probe": lambda: penalty.probe(height, state, jax.random.PRNGKey(0), none),
        "along": lambda: penalty.along(height, np.eye(3), none),
    }
    refused("`points` is empty (shape (0, 3)): pass at least one point", calls[form])


def test_whole_numbers_are_points_too(turning):
    penalty, _ = turning
    whole = np.array([[1, 0, 2], [0, -1, 1]])
    assert float(penalty(height, whole)) == float(penalty(height, whole.astype(np.float32)))
    assert float(penalty.along(height, np.eye(3, dtype=int))) == float(penalty.along(height, np.eye(3)))
    refused("`points` must be real", penalty, height, whole * 1j)
    refused("`points` must be an array of numbers. Got list", penalty, height, [[1.0, 2.0, 3.0], [1.0]])
    refused("`points` must have shape (b, 3). Got (3,)", penalty, height, whole[0])


@pytest.mark.parametrize(
    ("action", "model", "words"),
    [
        (
            SO3,
            lambda x: x,
            "`model` returns shape (3,) at one point, but Action(V -> S of SO(3)) acts on values of sha",
        ),
        (iso.Action(V, V), height, "`model` returns shape () at one point"),
        (iso.Action.tensor(groups.SO(3), upper=2), lambda x: jnp.ones(9), "acts on values of shape (3, 3)"),
        (SO3, lambda x: jnp.argmax(x), "must return real floating-point numbers. Got int32"),
        (SO3, lambda x: (x[0],), "must return one array of floating-point numbers. Got tuple"),
        (SO3, lambda x: jnp.ones((4, 5)) @ x, "`model` could not be evaluated by JAX at one point of shape (3,)"),
        (SO3, lambda x: float(x[0]), "`model` could not be evaluated by JAX at one point of shape (3,)"),
        (SO3, 3.0, "`model` must be a function of one point of shape (3,). Got float."),
        (SO3, [height], "Got list: for layers give `Penalty` as many actions and samples"),
    ],
    ids=["vector", "scalar", "flattened", "whole", "tuple", "wrong inputs", "untraceable", "number", "list"],
)
def test_models_that_do_not_fit_are_refused(action, model, words):
    penalty = Penalty(action, CLOUD)
    refused(words, penalty, model)
    refused(words, jax.jit(lambda: penalty.init(model)))
    refused(words, penalty.along, model, np.eye(3))


def test_elements_watch_the_model_too():
    penalty = Penalty(iso.Action(groups.D(4)), FLAT, discrete=1.0)
    refused("`model` returns shape (2,) at one point", penalty, lambda x: x)


def test_operators_that_do_not_fit_are_refused():
    u = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    penalty = Penalty(fields.FieldAction(GRID, groups.T(2)), u)
    refused("`model` returns shape (4, 4) for one field", penalty, lambda v: v[::2, ::2])
    refused("acts on fields of shape (8, 8, 1)", penalty, lambda v: jnp.stack([v, v], axis=-1))
    refused("`model` must be a function of one field of shape (8, 8). Got ndarray", penalty, u)
    assert np.isfinite(penalty(lambda v: v[..., None] ** 2, np.round(4 * u).astype(int)))


@pytest.mark.parametrize(
    ("directions", "words"),
    [
        (
            np.ones(3),
            "`directions` must have shape (s, 3), one combination of the generators a row. Got (3,): pass `dir",
        ),
        (np.ones((2, 4)), "Got (2, 4)."),
        (1.0, "Got ()."),
        ("first", "`directions` must be an array of numbers. Got str"),
    ],
)
def test_directions_are_combinations_of_generators(turning, directions, words):
    refused(words, turning[0].along, height, directions)


def test_layers_are_sequences():
    pair = Penalty([SO3, iso.Action(V, V)], [CLOUD, CLOUD])
    layers = [height, lambda x: x]
    text = refused("`model` must be a sequence of 2 functions of one point", pair, height)
    assert "Got function: pass a list" in text
    refused("`model` must have 2 layers", pair, layers[:1])
    refused("`model[1]` returns shape () at one point", pair, [height, height])
    refused("`points` must have 2 layers", pair, layers, [CLOUD.points])
    refused("`points` must be a sequence of 2 arrays", pair, layers, 1.0)
    refused("one set of samples for each action. Got 2 action(s) and Samples", Penalty, [SO3, SO3], CLOUD)
    assert np.isfinite(pair(layers, jnp.stack([CLOUD.points] * 2)))
