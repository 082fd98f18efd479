"""The double spring pendulum of `examples/paper`: its mechanics, its networks, and the short run."""

import json
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

PAPER = Path(__file__).parents[1] / "examples" / "paper"


@pytest.fixture(scope="module", autouse=True)
def path():
    sys.path.insert(0, str(PAPER))
    yield
    sys.path.remove(str(PAPER))


def states(count=20, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [[0, 0, -1.5] + 0.2 * rng.normal(size=(count, 3)), [0, 0, -3] + 0.2 * rng.normal(size=(count, 3)),
         0.4 * rng.normal(size=(count, 6))], axis=1)  # fmt: skip


def test_the_velocity_is_hamilton_s():
    """Against differences of the energy: an error of third order in the step of 1e-4, and rounding over the step."""
    import pendulum_data as sp

    z, step = states(), 1e-4
    slope = np.stack([(sp.energy(z + step * e) - sp.energy(z - step * e)) / (2 * step) for e in np.eye(12)], axis=1)
    expected = np.concatenate([slope[:, 6:], -slope[:, :6]], axis=1)
    assert np.abs(sp.velocity(z) - expected).max() <= 10 * (step**2 + np.finfo(float).eps / step)


def test_motion_keeps_the_energy_and_turns_about_the_vertical_and_no_other_axis():
    import pendulum_data as sp

    z = states()
    end = z
    for _ in range(100):
        end = sp.runge_kutta(sp.velocity, end, 0.01)
    # A method of fourth order: 100 steps of .01 make an error of about 100 * .01^5.
    assert np.abs(sp.energy(end) - sp.energy(z)).max() <= 1e-7
    quarter = lambda a: np.kron(np.eye(4), np.cross(np.eye(3), np.eye(3)[a]) + np.outer(np.eye(3)[a], np.eye(3)[a]))  # noqa: E731
    off = [np.abs(sp.velocity(z @ m.T) - sp.velocity(z) @ m.T).max() for m in (quarter(2), quarter(0))]
    assert off[0] <= 100 * np.finfo(float).eps
    assert off[1] > 0.5


def test_chunks_are_pieces_of_trajectories():
    import pendulum_data as sp

    data = sp.chunks(count=6, seed=3)
    assert data.shape == (6, 5, 12)
    z = data[:, 0]
    for _ in range(sp.FINE):
        z = sp.runge_kutta(sp.velocity, z, sp.STEP / sp.FINE)
    assert np.abs(z - data[:, 1]).max() <= 1e4 * np.finfo(float).eps
    parts = sp.split(data, seed=1)
    assert sorted(np.concatenate(parts)[:, 0, 0]) == sorted(data[:, 0, 0])


def test_a_gate_is_the_polynomial_that_its_coefficients_say():
    import pendulum_models as models

    from isotropy import spaces

    layer = models.polynomial(jax.random.key(0)).layers[0]
    x = jax.random.normal(jax.random.key(1), (12,))
    gates = jax.nn.sigmoid(layer.gate @ spaces.Polynomials(12, degree=2)(x))
    blocks = jnp.einsum("bfo,f->bo", layer.affine.reshape(3, 13, 12), spaces.Polynomials(12, degree=1)(x))
    expected = (gates[:, None] * blocks).ravel()
    assert float(jnp.abs(layer(x) - expected).max()) <= 100 * np.finfo(np.float32).eps * float(jnp.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp SO(2) enforced", "poly SO(2) enforced"])
def test_enforced_networks_turn_with_the_state(name):
    import pendulum_models as models

    net = models.models()[name].make(jax.random.key(0))
    c, s = np.cos(0.7), np.sin(0.7)
    turn = jnp.asarray(np.kron(np.eye(4), [[c, -s, 0], [s, c, 0], [0, 0, 1]]), jnp.float32)
    x = jax.random.normal(jax.random.key(1), (12,))
    size = float(jnp.abs(net(x)).max())
    assert float(jnp.abs(net(turn @ x) - turn @ net(x)).max()) <= 1e3 * np.finfo(np.float32).eps * size
    tilt = jnp.asarray(np.kron(np.eye(4), [[1, 0, 0], [0, c, -s], [0, s, c]]), jnp.float32)
    assert float(jnp.abs(net(tilt @ x) - tilt @ net(x)).max()) > 1e-3 * size


@pytest.mark.slow
def test_the_penalty_on_all_pieces_sees_what_a_layer_breaks_behind_a_gate_that_is_shut():
    import pendulum_models as models

    penalty = models.layered(models.turning())
    kept = models.assembled(models.models()["poly SO(2) enforced"].make(jax.random.key(0)))
    free = models.polynomial(jax.random.key(0))
    size = float(penalty(models.pieces(free)))
    assert float(penalty(models.pieces(kept))) <= 1e3 * np.finfo(np.float32).eps * size
    # The gate of the free network's first layer, shut: its layer is zero, and the penalty no less.
    shut = eqx.tree_at(lambda net: net.layers[0].gate, free, free.layers[0].gate.at[:, 0].add(-200.0))
    assert float(jnp.abs(shut.layers[0](jnp.ones(12))).max()) <= np.finfo(np.float32).tiny
    assert float(penalty(models.pieces(shut))) >= (1 - 1e-4) * size


def test_penalty_points_lie_near_states_of_the_data_and_in_the_boxes_of_later_layers():
    import pendulum_models as models

    from isotropy import groups

    states = jnp.asarray(np.random.default_rng(0).normal(size=(7, 12)) + 5, jnp.float32)
    near, heights, inner, _, _ = models.points(models.layered(groups.SO(3)), states, 300, jax.random.key(0))
    assert [len(near), len(heights), len(inner)] == [300, 300, 300]
    nearest = jnp.linalg.norm(near[:, None] - states[None], axis=2).min(axis=1) / np.sqrt(12)
    assert 0.8 * models.NEAR < float(nearest.mean()) < 1.1 * models.NEAR
    assert float(jnp.abs(inner).max()) <= models.REACH


@pytest.mark.slow
def test_the_short_run(tmp_path, monkeypatch):
    """Every network learns what it is shown, results are added, nothing is run twice, the figure is drawn.

    Five trajectories say little about others: there the error of one of the networks rises.
    """
    import pendulum

    results, figure = tmp_path / "pendulum.json", tmp_path / "pendulum.svg"
    monkeypatch.setattr(sys, "argv", ["pendulum.py", "--results", str(results), "--figure", str(figure)])
    pendulum.main()
    rows = json.loads(results.read_text())
    assert len(rows) == 8
    for row in rows:
        assert row["steps"] == 200
        assert len(row["test"]) == 3
        curves = np.array(row["validation"])
        assert np.isfinite(curves).all()
        assert (np.array(row["train"]) < curves[:, 0]).all()
    assert figure.read_text().startswith("<?xml")
    pendulum.main()
    assert json.loads(results.read_text()) == rows
