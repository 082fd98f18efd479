"""Pairs of fields: the symmetries of what made them, from operators fitted to two halves."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, nn

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "fields"))
import equations

BOX = 2 * np.pi
GRID = fields.Periodic((16, 16), lengths=BOX)
LINE = fields.Periodic(16, lengths=BOX)
MOTIONS = [fields.translation(0, dimension=2), fields.translation(1, dimension=2), fields.amplitude(dimension=2)]
ACTION = fields.FieldAction(GRID, MOTIONS, increment=True)
BLUR = partial(equations.heat, step=0.2, lengths=BOX)
SINE = np.sin(GRID.points[:, 0]).reshape(GRID.shape)


class Small(eqx.Module):
    """A Fourier multiplier, a source that depends on x, and one that does not: enough here, and quick to compile."""

    multiplier: jax.Array
    source: jax.Array

    def __init__(self, key):
        self.multiplier = 1 + 0.1 * jax.random.normal(key, (16, 9))
        self.source = jnp.zeros(3)

    def __call__(self, u):
        v = jnp.fft.irfft2(jnp.fft.rfft2(u[..., 0]) * self.multiplier, s=(16, 16))[..., None]
        a, b, c = self.source.astype(u.dtype)
        return v.astype(u.dtype) + (a + b * jnp.asarray(SINE, u.dtype)[..., None]) * u + c


def waves(count, seed, shape=(16, 16)):
    """Smooth random fields of size one that are alike everywhere on the torus."""
    rng = np.random.default_rng(seed)
    k = sum(np.meshgrid(*[np.fft.fftfreq(n, 1 / n) ** 2 for n in shape], indexing="ij"))
    axes = tuple(range(1, len(shape) + 1))
    u = np.real(np.fft.ifftn(np.fft.fftn(rng.normal(size=(count, *shape)), axes=axes) * np.exp(-0.2 * k), axes=axes))
    return (u / u.std()).astype(np.float32)


def wind(u):
    """A source that depends on x breaks one translation, and one that is there without u the change of amplitude."""
    return BLUR(u) + (0.3 * SINE * u).astype(u.dtype) + 0.1


def test_pairs_of_heat_show_its_symmetries():
    u = waves(64, 0)
    fit = nn.fit_operator(u, np.asarray(jax.vmap(BLUR)(u)), GRID, model=Small, steps=1500, rate=0.03)
    found = iso.discover(fit, ACTION)
    assert fit.relative_error < 0.01
    assert (found.name, found.dimension, found.decision.verdict) == ("R^3", 3, "supported")
    assert "fits to independent pairs" in str(found)


def test_pairs_of_a_source_that_depends_on_x_keep_one_translation():
    u = waves(64, 0)
    fit = nn.fit_operator(u, np.asarray(jax.vmap(wind)(u)), GRID, model=Small, steps=1500, rate=0.03)
    mirrors = [(np.diag([-1.0, 1.0]), np.eye(1)), (np.diag([1.0, -1.0]), np.eye(1))]
    found = iso.discover(fit, ACTION, components=mirrors)
    assert (found.dimension, found.generator_text) == (1, ("∂y",))
    assert found.decision.verdict == "supported"
    assert found.components[0].kept is False
    assert found.components[1].kept is not False


@pytest.mark.slow
def test_the_default_operator_finds_the_same_in_two_dimensions():
    """Nothing is told of the form of the equations; here u^2 breaks the change of amplitude."""
    mirrors = [(np.diag([-1.0, 1.0]), np.eye(1)), (np.diag([1.0, -1.0]), np.eye(1))]
    u = waves(128, 0)
    fit = {
        name: nn.fit_operator(u, np.asarray(jax.vmap(make)(u)), GRID, steps=600, batch_size=16)
        for name, make in {"heat": BLUR, "wind": lambda u: wind(u) - 0.1 + 0.1 * u**2}.items()
    }
    heat = iso.discover(fit["heat"], ACTION)
    assert (heat.name, heat.dimension, heat.decision.verdict) == ("R^3", 3, "supported")
    assert fit["heat"].relative_error < 0.01
    found = iso.discover(fit["wind"], ACTION, components=mirrors)
    assert (found.dimension, found.generator_text, found.decision.verdict) == (1, ("∂y",), "supported")
    assert found.components[0].kept is False
    assert found.components[1].kept is not False


def test_burgers_shows_its_boost_in_pairs():
    u = waves(256, 1, (16,))
    # Boosts are learnt where the flow comes with many mean velocities.
    u = u + np.random.default_rng(2).normal(scale=0.5, size=(256, 1)).astype(np.float32)
    v = np.asarray(jax.vmap(partial(equations.burgers, step=0.1, viscosity=0.3, lengths=BOX, count=10))(u))
    candidates = [fields.translation(0, dimension=1), fields.galilean_boost(0, 0, step=0.1, dimension=1)]
    candidates += [fields.amplitude(dimension=1)]
    fit = nn.fit_operator(u, v, LINE, steps=1500, batch_size=16)
    found = iso.discover(fit, fields.FieldAction(LINE, candidates, increment=True))
    assert (found.dimension, set(found.generator_text)) == (2, {"∂x", "∂u"})


def test_a_poor_fit_claims_nothing():
    u = waves(32, 0)
    v = np.asarray(jax.vmap(BLUR)(u)) + 0.3 * np.random.default_rng(1).normal(size=u.shape).astype(np.float32)
    fit = nn.fit_operator(u, v, GRID, model=Small, steps=200, rate=0.03)
    found = iso.discover(fit, ACTION)
    assert found.decision.verdict == "cannot tell" or found.dimension == 0
    assert fit.relative_error > 0.05
    assert nn.fit_operator(u, v, GRID, model=Small, steps=200, rate=0.03, noise=0.3).relative_error < fit.relative_error


class Pointwise(eqx.Module):
    """Something of one's own, on any grid, for two channels in and one out."""

    weight: jax.Array

    def __init__(self, key):
        self.weight = 0.1 * jax.random.normal(key, (2, 1))

    def __call__(self, u):
        return u @ self.weight.astype(u.dtype)


def test_a_model_of_ones_own_on_any_grid():
    box = fields.Box((9, 9))
    rng = np.random.default_rng(0)
    u = np.stack([np.cos(2 * box.points @ rng.normal(size=(2, 2)) + rng.normal(size=2)) for _ in range(24)])
    u = u.reshape(24, 9, 9, 2)
    fit = nn.fit_operator(u, u @ [[1.0], [2.0]], box, model=Pointwise, rate=0.03)
    assert fit.relative_error < 1e-2
    action = iso.Action(iso.groups.T(2).point, 2 * iso.groups.T(2).scalar)
    found = iso.discover(fit, fields.FieldAction(box, action, after=iso.Action(iso.groups.T(2))))
    assert (found.dimension, found.decision.verdict) == (2, "supported")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"U": np.ones((20, 8, 8))}, "shape"),
        ({"V": waves(19, 1)}, "pairs of fields"),
        ({"U": waves(8, 0), "V": waves(8, 1)}, "too few"),
        ({"U": np.full((20, 16, 16), np.nan)}, "NaN"),
        ({"V": waves(20, 0)}, "equal to their inputs"),
        ({"steps": 0}, "steps"),
        ({"rate": float("nan")}, "rate"),
        ({"noise": -1.0}, "noise"),
        ({"grid": fields.Box((16, 16))}, "no operator by default"),
    ],
)
def test_bad_input_gets_one_clear_error(change, message):
    given = {"U": waves(20, 0), "V": waves(20, 1), "grid": GRID, **change}
    with pytest.raises(iso.IsotropyError, match=message):
        nn.fit_operator(**given)


def test_fits_of_ones_own_are_checked():
    one = lambda u: u  # noqa: E731
    with pytest.raises(iso.IsotropyError, match="two or more"):
        fields.FittedOperator([one], waves(4, 0), relative_error=0.1)
    with pytest.raises(iso.IsotropyError, match="at least 0"):
        fields.FittedOperator([one, one], waves(4, 0), relative_error=-1.0)
