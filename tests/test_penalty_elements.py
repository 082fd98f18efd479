"""The penalty on single group elements: finite groups alone, and which elements a model keeps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.penalty import Penalty

EPS32 = float(np.finfo(np.float32).eps)
MIRROR = groups.Group((), components=[np.diag([1.0, -1.0])], name="mirror")
FINITE = {"D(4)": groups.D(4), "a mirror": MIRROR, "C(3)": groups.C(3)}
CLOUD = iso.Samples.uniform(32, 2, seed=0, dtype=np.float32)


def finite(group, discrete=1.0):
    return Penalty(iso.Action(group), CLOUD, discrete=discrete)


def invariant(group):
    """The mean of a function without symmetry over the group's elements: keeps every one of them."""
    elements = jnp.asarray(group.elements(), jnp.float32)
    return lambda x: jnp.mean(jax.vmap(uneven)(elements @ x))


def uneven(x):
    return jnp.sin(2 * x[0] + 0.3) + x[0] * x[1] ** 2 + 0.5 * x[1]


@pytest.mark.parametrize("name", FINITE)
def test_a_finite_group_alone_is_zero_where_it_is_kept(name):
    """Every form is zero for the invariant mean and as large as the shifts, made by hand, for a near miss."""
    group = FINITE[name]
    penalty, kept = finite(group), invariant(group)
    near = lambda x: kept(x) + 1e-3 * uneven(x)  # noqa: E731
    shifts = []
    for matrix in group.components:
        moved = np.asarray(CLOUD.points @ matrix.T, dtype=np.float32)
        shifts.append(np.asarray(jax.vmap(uneven)(moved)) - np.asarray(jax.vmap(uneven)(CLOUD.points)))
    expected = 1e-3 * np.sqrt(np.mean(np.square(shifts), axis=1)).sum()
    for model, value in ((kept, 0.0), (near, expected)):

        @jax.jit
        def forms(f=model):
            state = penalty.init(f)
            forms = penalty(f), penalty.update(f, state)[0], penalty.probe(f, state, jax.random.PRNGKey(0))[0]
            return jnp.stack(forms), state, penalty.closest(f, state, 0)[0], penalty.spectrum(f)

        found, state, closest, (values, directions) = forms()
        # Values of f are of order one and each is a sum of as many terms as there are elements.
        rounding = 10 * len(group.elements()) * len(group.components) * EPS32
        assert np.abs(np.asarray(found) - value).max() <= rounding
        assert value == 0 or value > 10 * rounding
        assert float(closest) == 0
        assert state.gram.shape == directions.shape == (0, 0)
        assert values.shape == (0,)
        assert float(penalty.along(model, jnp.zeros((0, 0)))) == 0


@pytest.mark.parametrize("kept", [True, False])
def test_its_gradient_is_finite(kept):
    """At a kept group too, where the norm has a corner."""
    penalty = finite(groups.D(4))
    model = invariant(groups.D(4)) if kept else uneven

    @jax.jit
    def slopes(a):
        scaled = lambda a: lambda x: a * model(x)  # noqa: E731
        state = penalty.init(scaled(a))
        exact, variational = (
            jax.grad(lambda a, form=form: form(scaled(a)))(a)
            for form in (penalty, lambda f: penalty.update(f, state)[0])
        )
        return jnp.stack([exact, variational])

    found = slopes(jnp.asarray(1.0))
    assert bool(jnp.isfinite(found).all())
    assert bool((found > 0.1).all()) or kept


@pytest.mark.parametrize("form", ["update", "probe"])
def test_training_with_a_finite_group(form):
    """An odd term that nothing else asks for is taken away; the even one that the data ask for stays."""
    penalty, adam = finite(MIRROR), optax.adam(optax.cosine_decay_schedule(3e-2, 300))
    model = lambda w: lambda x: w[0] * x[1] + w[1] * x[1] ** 2  # noqa: E731

    def step(carry, key):
        w, state, moments = carry
        points = jax.random.choice(key, jnp.asarray(CLOUD.points), (8,))

        def loss(w):
            made = model(w)
            value, following = (
                penalty.update(made, state, points) if form == "update" else penalty.probe(made, state, key, points)
            )
            return (w[1] - 1.0) ** 2 + 0.1 * value, following

        (_, state), slope = jax.value_and_grad(loss, has_aux=True)(w)
        change, moments = adam.update(slope, moments)
        return (optax.apply_updates(w, change), state, moments), None

    @jax.jit
    def run(w):
        start = (w, penalty.init(model(w)), adam.init(w))
        return jax.lax.scan(step, start, jax.random.split(jax.random.PRNGKey(0), 300))[0][0]

    odd, even = run(jnp.asarray([0.5, 0.5]))
    assert abs(float(odd)) <= 0.02
    assert abs(float(even) - 1) <= 0.02


def test_values_move_with_a_finite_group():
    v = groups.D(4).vector
    penalty = Penalty(iso.Action(v, v), CLOUD, discrete=1.0)
    assert float(penalty(lambda x: x * (x @ x))) <= 100 * EPS32
    assert float(penalty(lambda x: jnp.stack([x[0], jnp.zeros(())]))) > 0.1


def test_layers_of_a_finite_group():
    v = groups.D(4).vector
    pair = Penalty([iso.Action(v, v), iso.Action(v)], [CLOUD, CLOUD], discrete=1.0)
    layers = [lambda x: 2 * x, lambda x: x @ x]
    assert float(pair(layers)) <= 100 * EPS32
    assert float(pair([layers[0], uneven])) > 0.1


def test_shifts_say_which_elements_are_kept():
    """Two mirrors of the plane: the first is kept, the second is not, and a near miss is seen."""
    group = groups.Group((), components=[np.diag([1.0, -1.0]), np.diag([-1.0, 1.0])], name="two mirrors")
    penalty = finite(group, discrete=2.0)
    model = lambda x: x[0] + x[1] ** 2  # noqa: E731
    shifts = np.asarray(penalty.shifts(model))
    expected = 2 * np.sqrt(np.mean(CLOUD.points[:, 0] ** 2))
    assert shifts[0] <= 10 * EPS32
    assert abs(shifts[1] - expected) <= 100 * EPS32
    assert float(penalty(model)) == pytest.approx(2 * shifts.sum(), rel=10 * EPS32)
    near = penalty.shifts(lambda x: model(x) + 1e-3 * x[1])
    assert float(near[0]) == pytest.approx(2e-3 * np.sqrt(np.mean(CLOUD.points[:, 1] ** 2)), rel=1e-3)
    few = penalty.shifts(model, CLOUD.points[:4])
    assert float(few[1]) == pytest.approx(2 * np.sqrt(np.mean(CLOUD.points[:4, 0] ** 2)), rel=1e-5)
    slope = eqx.filter_jit(jax.grad(lambda a: jnp.sum(penalty.shifts(lambda x: a * x[1] ** 2) ** 2)))(1.0)
    assert float(slope) == 0


def test_shifts_need_no_weight():
    penalty = Penalty(iso.Action(groups.O(2)), CLOUD)
    assert float(penalty.shifts(lambda x: x @ x)[0]) <= 10 * EPS32
    with pytest.raises(iso.IsotropyError, match="`shifts` needs further components, but the action's group is conn"):
        Penalty(iso.Action(groups.SO(2)), CLOUD).shifts(uneven)


def test_both_stages_with_elements():
    """What the pages say: `closest` for the generators, and the squares of `shifts` for the elements kept."""
    penalty = Penalty(iso.Action(groups.O(2)), CLOUD, discrete=1.0)
    tilted = lambda x: x[0] * x[1]  # noqa: E731
    state = penalty.init(tilted)
    value, following = penalty.closest(tilted, state, 0)
    assert float(value) == 0
    assert bool((following.shifts == state.shifts).all())
    assert float(jnp.sum(penalty.shifts(tilted) ** 2)) > 0.1
