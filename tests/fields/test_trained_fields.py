"""Trained operators between fields: judged where they were trained, and along motions that keep to that."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, groups
from isotropy.fields.typical import LEAST, MOST, Typical

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "fields"))
import equations

BOX = 2 * np.pi
GRID = fields.Periodic((16, 16), lengths=BOX)
ACTION = fields.FieldAction(GRID, groups.SE(2), coarse="exact")
BLUR = partial(equations.heat, step=0.2, lengths=BOX)


def waves(count, seed, *, decay=0.3):
    """Random fields that are alike everywhere on the torus."""
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(16, 1 / 16)
    size = np.exp(-decay * (k[:, None] ** 2 + k**2)) * (np.hypot(k[:, None], k) <= 4)
    return np.real(np.fft.ifft2(np.fft.fft2(rng.normal(size=(count, 16, 16))) * size))


def bumps(count, seed, *, width=0.5, spread=0.5):
    """Fields that vanish at the edge, alike from every side."""
    return np.stack(
        [
            equations.bumps(GRID.points, GRID.shape, seed=1000 * seed + k, width=width, spread=spread, number=3)
            for k in range(count)
        ]
    )


def test_fields_of_the_same_kind_look_alike_and_others_do_not():
    shares = []
    for seed in range(20):
        known = Typical.of(GRID, waves(40, seed))
        shares.append(known.like(waves(30, seed + 100)).mean())
        assert known.like(bumps(30, seed)).mean() < MOST
        assert known.like(4 * waves(30, seed + 100)).mean() < MOST
        assert known.like(waves(30, seed + 100, decay=0.1)).mean() < MOST
    assert min(shares) > MOST
    assert np.mean(shares) > 0.85


def test_each_channel_must_look_right():
    pair = np.stack([waves(40, 0), 1e-3 * waves(40, 1)], axis=-1)
    other = np.stack([waves(20, 2), 1e-3 * bumps(20, 3)], axis=-1)
    assert Typical.of(GRID, pair).like(other).mean() < MOST


def test_a_turn_of_fields_on_a_torus_is_not_judged():
    found = iso.discover(iso.Trained(BLUR, waves(40, 0)), ACTION)
    assert (found.name, found.dimension, found.decision.verdict) == ("R^2", 2, "certain")
    assert found.leaving.text == ("x ∂y − y ∂x",)
    assert "leaves the data" in str(found)


def test_a_turn_of_compact_fields_is_judged():
    found = iso.discover(iso.Trained(BLUR, bumps(60, 0)), ACTION)
    assert (found.name, found.dimension, found.decision.verdict) == ("se(2)", 3, "supported")
    assert found.leaving.dimension == 0
    assert found.bounds.max() < 0.05
    wind = lambda u: BLUR(u) + 0.2 * u * jnp.sin(GRID.points[:, 0]).reshape(GRID.shape)  # noqa: E731
    broken = iso.discover(iso.Trained(wind, bumps(60, 0)), ACTION)
    assert (broken.dimension, broken.generator_text) == (1, ("∂y",))


def test_asked_about_fields_of_another_kind_it_cannot_tell():
    trained = iso.Trained(BLUR, waves(40, 0))
    found = iso.discover(trained, ACTION, bumps(20, 0), components=[np.diag([-1.0, 1.0])])
    assert found.decision.verdict == "cannot tell"
    assert "20 of the 20 fields asked about" in found.decision.reason
    assert found.components[0].kept is None
    alike = iso.discover(trained, ACTION, waves(20, 5), components=[np.diag([-1.0, 1.0])])
    assert (alike.dimension, alike.decision.verdict) == (2, "certain")
    assert alike.components[0].kept


def test_a_fit_that_breaks_nothing_much_is_within_the_tolerance():
    ripple = jnp.asarray(1e-3 * np.cos(GRID.points[:, 0]).reshape(GRID.shape))
    found = iso.discover(iso.Trained(lambda u: BLUR(u) + ripple * u, waves(60, 0)), ACTION)
    assert (found.dimension, found.decision.verdict) == (2, "supported")
    strict = iso.discover(iso.Trained(lambda u: BLUR(u) + ripple * u, waves(60, 0)), ACTION, tolerance=1e-4)
    assert strict.dimension == 1


def test_a_motion_of_what_never_moved_is_not_judged():
    """A second channel that is always zero says nothing of other values of it."""
    pair = np.stack([waves(40, 0), np.zeros((40, 16, 16))], axis=-1)
    candidates = [fields.translation(0, dimension=2, channels=2), fields.shift(1, dimension=2, channels=2)]
    found = iso.discover(iso.Trained(lambda u: u**3, pair), fields.FieldAction(GRID, candidates, coarse="exact"))
    assert (found.dimension, found.leaving.text) == (1, ("∂v",))


@pytest.mark.parametrize(
    ("model", "inputs", "asked", "message"),
    [
        (BLUR, waves(LEAST - 1, 0), None, "too few"),
        (BLUR, waves(40, 0), waves(4, 0)[:, :8], "shape"),
        (lambda u: u[:3, :5], waves(40, 0), None, "no field"),
        (lambda pair: pair["u"], {"u": waves(40, 0), "v": waves(40, 1)}, None, "one array"),
        (BLUR, waves(40, 0).reshape(40, -1), None, "could not be called|shape"),
    ],
)
def test_bad_input_gets_one_clear_error(model, inputs, asked, message):
    with pytest.raises(iso.IsotropyError, match=message):
        iso.discover(iso.Trained(model, inputs), ACTION, asked)


def test_candidates_that_all_leave_the_fields_are_refused():
    turn = fields.FieldAction(GRID, groups.SO(2), coarse="exact")
    with pytest.raises(iso.IsotropyError, match="takes the data elsewhere"):
        iso.discover(iso.Trained(BLUR, waves(40, 0)), turn)
