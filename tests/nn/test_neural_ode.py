"""Neural ODEs: solutions turned by the group are solutions; a linear field is the oracle."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sla

import isotropy as iso
from isotropy import groups

V = groups.O(3).vector
TIMES = jnp.linspace(0.0, 1.0, 4)
TOLERANCE = 1e-5  # of a step; a hundred of them bound the error over one unit of time


@pytest.fixture(scope="module")
def model():
    return iso.nn.NeuralODE(2 * V, key=jax.random.key(0), width=8, depth=1, tolerance=TOLERANCE)


@pytest.fixture(scope="module")
def free():
    return iso.nn.NeuralODE(2 * V, key=jax.random.key(0), width=8, depth=1, equivariant=False, tolerance=TOLERANCE)


# `filter_jit` compiles once for all models of one shape: a solver run step by step costs ten times its compilation.
solve = eqx.filter_jit(lambda model, start: model(start, TIMES))


def moved(model, seed):
    """The solution from a turned state, and the turned solution."""
    turn = sla.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn = jnp.asarray(sla.block_diag(turn, turn), jnp.float32)
    start = jax.random.normal(jax.random.key(seed), (6,))
    return solve(model, turn @ start), solve(model, start) @ turn.T


@pytest.mark.parametrize("seed", [0, 1])
def test_turned_solutions_are_solutions(model, seed):
    first, second = moved(model, seed)
    np.testing.assert_allclose(first, second, rtol=100 * TOLERANCE, atol=100 * TOLERANCE)


def test_a_plain_field_is_not_equivariant_and_its_penalty_says_so(model, free):
    first, second = moved(free, 0)
    assert float(jnp.abs(first - second).max()) > 1e3 * TOLERANCE
    penalty = iso.Penalty(free.action, iso.Samples.normal(8, 6, seed=0, dtype=np.float32))
    assert float(penalty(model.field)) < 1e-3 * float(penalty(free.field))


def test_a_field_broken_by_a_thousandth_is_seen(model):
    penalty = iso.Penalty(model.action, iso.Samples.normal(8, 6, seed=0, dtype=np.float32))
    broken = lambda z: model.field(z) + 1e-3 * jnp.array([1.0, 0, 0, 0, 0, 0])  # noqa: E731
    assert float(penalty(broken)) > 10 * float(penalty(model.field))


def test_a_linear_field_agrees_with_the_matrix_exponential():
    matrix = np.random.default_rng(0).normal(size=(6, 6)) / 3
    model = iso.nn.NeuralODE(2 * V, field=lambda z: jnp.asarray(matrix, z.dtype) @ z, tolerance=TOLERANCE)
    start = np.random.default_rng(1).normal(size=6)
    expected = np.stack([sla.expm(matrix * t) @ start for t in np.asarray(TIMES)])
    np.testing.assert_allclose(solve(model, jnp.asarray(start)), expected, atol=100 * TOLERANCE, rtol=100 * TOLERANCE)


def test_it_trains_by_gradients(free):
    loss = lambda m: jnp.mean(m(jnp.ones(6), TIMES) ** 2)  # noqa: E731
    slopes = jax.tree.leaves(eqx.filter_jit(eqx.filter_grad(loss))(free))
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert any(np.abs(slope).max() > 0 for slope in slopes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: iso.nn.NeuralODE(groups.O(3), key=jax.random.key(0)), "representation"),
        (lambda m: iso.nn.NeuralODE(V), "key"),
        (lambda m: iso.nn.NeuralODE(V, key=jax.random.key(0), tolerance=2.0), "tolerance"),
        (lambda m: m(jnp.ones(5), TIMES), "shape"),
        (lambda m: m(jnp.ones(6), jnp.ones(1)), "increasing times"),
        (lambda m: iso.nn.NeuralODE(V, key=jax.random.key(0), width=2), "width"),
    ],
)
def test_bad_input_is_refused(model, make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make(model)
