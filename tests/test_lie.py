"""The operator L(xi, F): its conventions C1 to C4, its modes, batches and precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sla

import isotropy as iso
from isotropy import groups, spaces
from isotropy.lie import LieDerivative, components_of_space, derivative_at, of_space

EPS = np.finfo(np.float64).eps
V3 = groups.SO(3).vector


def smooth(m, n, seed):
    """A map R^m -> R^n that no candidate leaves alone."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(6, m)), rng.normal(size=(n, 6))
    return lambda x: jnp.asarray(second, x.dtype) @ jnp.sin(jnp.asarray(first, x.dtype) @ x)


def pulled_back(action, matrices, offsets, fibre, model, x, t, k):
    """K_{exp(t xi_k)} F at x (convention C1), by matrix exponentials alone."""
    m = matrices.shape[-1]
    whole = np.zeros((m + 1, m + 1))
    whole[:m, :m], whole[:m, m] = matrices[k], offsets[k]
    flow = sla.expm(t * whole)
    moved = flow[:m, :m] @ x + flow[:m, m]
    return sla.expm(-t * fibre[k]) @ np.asarray(model(jnp.asarray(moved)))


CASES = {
    "SO(3): V -> V": (V3, V3),
    "SE(2): point -> vector": (groups.SE(2).point, groups.SE(2).vector),
    "SO(3): V+S -> V@V": (V3 + groups.SO(3).scalar, V3 @ V3),
    "GL(2): V -> dual": (groups.GL(2).vector, groups.GL(2).vector.dual),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_c1_lie_derivative_is_the_derivative_of_the_pullback(name, seed):
    domain, codomain = CASES[name]
    action = iso.Action(domain, codomain)
    x = np.random.default_rng(seed).normal(size=action.base_dimension)
    with jax.enable_x64(True):
        model = smooth(action.base_dimension, action.fibre_dimension, seed)
        got = np.asarray(derivative_at(model, action, "forward", jnp.asarray(x)))
        step = 1e-4
        for k in range(action.dimension):
            sides = [
                pulled_back(action, domain.generators(), domain.offsets(), codomain.generators(), model, x, t, k)
                for t in (step, -step)
            ]
            want = (sides[0] - sides[1]) / (2 * step)
            scale = max(np.abs(got).max(), 1)
            assert np.abs(got[:, k] - want).max() <= 100 * step**2 * scale


@pytest.mark.parametrize("seed", range(2))
def test_c2_bilinear(seed):
    action = iso.Action(V3, V3)
    rng = np.random.default_rng(seed)
    x, a, b = rng.normal(size=3), *rng.normal(size=2)
    f, g = smooth(3, 3, seed), smooth(3, 3, seed + 10)
    with jax.enable_x64(True):
        x = jnp.asarray(x)
        left = derivative_at(lambda y: a * f(y) + b * g(y), action, "forward", x)
        right = a * derivative_at(f, action, "forward", x) + b * derivative_at(g, action, "forward", x)
    assert np.abs(left - right).max() <= 100 * EPS * np.abs(right).max()


@pytest.mark.parametrize("seed", range(2))
def test_c3_the_operator_turns_brackets_round(seed):
    """L_[a,b] = -[L_a, L_b], on polynomial sections where L acts as matrices."""
    space = spaces.Polynomials(3, degree=2)
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 3))

    def act(matrix):
        action = iso.Action.tensor(groups.Group([matrix]), upper=1)
        samples = iso.Samples.normal(60, 3, seed=seed)
        rows = of_space(action, space, samples)[:, :, 0].reshape(180, -1)
        values = np.einsum("pf,no->pnfo", space.values(samples.points), np.eye(3)).reshape(180, -1)
        return np.linalg.lstsq(values, rows, rcond=None)[0]

    want = -(act(a) @ act(b) - act(b) @ act(a))
    got = act(a @ b - b @ a)
    assert np.abs(got - want).max() <= 1e4 * EPS * np.abs(want).max()


@pytest.mark.parametrize("name", CASES)
def test_modes_agree(name):
    action = iso.Action(*CASES[name])
    model = smooth(action.base_dimension, action.fibre_dimension, 3)
    samples = iso.Samples.normal(20, action.base_dimension, seed=0)
    rows = [
        np.concatenate(list(LieDerivative.of(model, action, samples, mode=mode).blocks()))
        for mode in ("forward", "reverse", "generators")
    ]
    for other in rows[1:]:
        assert np.abs(other - rows[0]).max() <= 100 * EPS * np.abs(rows[0]).max()


@pytest.mark.parametrize("batch", [1, 3, 7, 20, 100])
def test_batches_change_nothing(batch):
    action = iso.Action(V3, V3)
    samples = iso.Samples.normal(20, 3, seed=0)
    model = smooth(3, 3, 0)
    want = np.concatenate(list(LieDerivative.of(model, action, samples).blocks()))
    got = np.concatenate(list(LieDerivative.of(model, action, samples, batch_size=batch).blocks()))
    assert got.shape == (60, 3)
    assert np.abs(got - want).max() <= 10 * EPS * np.abs(want).max()


def test_rows_follow_the_samples_precision_and_x64_stays_off():
    action = iso.Action(V3)
    seen = []

    def model(x):
        seen.append(x.dtype)
        return x @ x

    for dtype in (np.float32, np.float64):
        operator = LieDerivative.of(model, action, iso.Samples.normal(5, 3, seed=0, dtype=dtype))
        list(operator.blocks())
        assert operator.dtype == dtype
        assert seen[-1] == dtype
    assert not jax.config.jax_enable_x64


def test_mode_is_chosen_by_cost():
    wide = LieDerivative.of(lambda x: x[0], iso.Action(groups.GL(10)), iso.Samples.normal(5, 10, seed=0))
    assert wide.mode == "reverse"
    few = LieDerivative.of(
        smooth(10, 10, 0), iso.Action.vector_field(groups.Scaling(10)), iso.Samples.normal(5, 10, seed=0)
    )
    assert few.mode == "generators"
    square = LieDerivative.of(smooth(3, 3, 0), iso.Action.vector_field(groups.GL(3)), iso.Samples.normal(5, 3, seed=0))
    assert square.mode == "forward"


@pytest.mark.parametrize("seed", range(2))
def test_a_space_of_sections_gives_the_same_rows(seed):
    action = iso.Action.tensor(groups.Aff(2), upper=1, lower=1)
    space = spaces.Polynomials(2, degree=3)
    samples = iso.Samples.normal(15, 2, seed=seed)
    weights = np.random.default_rng(seed).normal(size=(space.dimension, 4))
    got = np.einsum("pnqfo,fo->pnq", of_space(action, space, samples), weights)

    def section(x):
        return (space(x) @ jnp.asarray(weights, x.dtype)).reshape(2, 2)

    operator = LieDerivative.of(section, action, samples)
    want = np.concatenate(list(operator.blocks())).reshape(15, 4, -1) * np.sqrt(15)
    assert np.abs(got - want).max() <= 1e3 * EPS * np.abs(want).max()


def test_components_of_a_space_are_pullbacks_minus_one():
    group = groups.O(2)
    action = iso.Action(group.vector, group.vector)
    space = spaces.Polynomials(2, degree=2)
    samples = iso.Samples.normal(9, 2, seed=0)
    rows = components_of_space(action, space, samples)
    reflection = group.vector.components()[0]
    weights = np.random.default_rng(1).normal(size=(space.dimension, 2))
    value = space.values(samples.points) @ weights
    moved = space.values(samples.points @ reflection.T) @ weights
    want = moved @ np.linalg.inv(reflection).T - value
    got = np.einsum("pnfo,fo->pn", rows[:, :, 0], weights)
    assert np.abs(got - want).max() <= 100 * EPS * np.abs(want).max()


def nan_at_origin(x):
    return jnp.sqrt(x @ x)


def test_nan_names_the_sample():
    points = np.random.default_rng(0).normal(size=(50, 3))
    points[17] = 0
    operator = LieDerivative.of(nan_at_origin, iso.Action(V3), iso.Samples(points), batch_size=8)
    with pytest.raises(iso.IsotropyError, match="at sample 17"):
        list(operator.blocks())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3.0, "must be a function of one point"),
        (lambda x: np.sin(np.asarray(x)), "could not be evaluated by JAX"),
        (lambda x: x[:2], r"returns shape \(2,\)"),
        (lambda x: (x, x), "must return one array"),
        (lambda x: jnp.argmax(x), "real floating-point"),
        (lambda x: jnp.ones(7) @ x, "could not be evaluated by JAX"),
        (lambda x: x.no_such_thing, "could not be evaluated by JAX"),
    ],
)
def test_unusable_models_get_one_sentence(model, message):
    with pytest.raises(iso.IsotropyError, match=message):
        LieDerivative.of(model, iso.Action(V3), iso.Samples.normal(5, 3, seed=0))


def test_samples_of_another_dimension():
    with pytest.raises(iso.IsotropyError, match=r"points of R\^4, but .* acts on R\^3"):
        LieDerivative.of(lambda x: x @ x, iso.Action(V3), iso.Samples.normal(5, 4, seed=0))


def test_spaces_of_another_dimension():
    with pytest.raises(iso.IsotropyError, match="must share one base"):
        of_space(iso.Action(V3), spaces.Polynomials(2, degree=1), iso.Samples.normal(5, 3, seed=0))
