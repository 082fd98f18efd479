"""Equations fitted to noisy motions: known fields and maps, their stated error, symmetries, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.dynamics.rates import How, fit
from isotropy.dynamics.trajectories import Record
from isotropy.errors import IsotropyError
from isotropy.geometry.grammar import parse

TIMES = np.linspace(0, 12, 120)
FIELD = np.array([[0, 0], [-0.1, -1], [1, -0.1]])
LINEAR = iso.spaces.Polynomials(2, degree=1)
GL = iso.Action.vector_field(groups.GL(2))


def spirals(noise: float, seed: int, count: int = 10, times: np.ndarray = TIMES) -> Record:
    """z' = -.1 z turned: its symmetries are rotation and scaling."""
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, count, 1))
    states = np.stack([x * np.cos(times) + v * np.sin(times), v * np.cos(times) - x * np.sin(times)], axis=2)
    flat = (states * np.exp(-0.1 * times)[:, None]).reshape(-1, 2)
    seen = flat + noise * flat.std(axis=0) * rng.normal(size=flat.shape)
    return Record(np.tile(times, count), seen, np.repeat(np.arange(count), len(times)))


def step_map() -> np.ndarray:
    step = TIMES[1] - TIMES[0]
    turn = np.array([[np.cos(step), -np.sin(step)], [np.sin(step), np.cos(step)]])
    return np.concatenate([np.zeros((1, 2)), np.exp(-0.1 * step) * turn])


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("how", ["weak", "derivative", "map"])
def test_the_equation_and_its_error(how: How, noise: float) -> None:
    found = fit(spirals(noise, 0), iso.spaces.Polynomials(2, degree=2), how=how)
    true = np.concatenate([step_map() if how == "map" else FIELD, np.zeros((3, 2))])
    stated = np.sqrt(np.diag(found.covariance).reshape(true.shape) + (found.moved**2).mean(axis=0))
    # Five standard errors for twelve coefficients; without noise, the error of interpolation.
    assert (np.abs(found.coefficients - true) <= (5 * stated if noise else 1e-4)).all()
    assert found.objection == ""


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("how", ["weak", "derivative", "map"])
def test_its_symmetries(how: How, noise: float) -> None:
    V = groups.GL(2).vector
    found = iso.discover(
        fit(spirals(noise, 1), iso.spaces.Polynomials(2, degree=2), how=how),
        iso.Action(V, V) if how == "map" else GL,
    )
    assert (found.dimension, found.decision.verdict) == (2, "supported")
    assert found.bounds is not None
    assert found.bounds.max() <= 0.05


def test_the_weak_form_bears_five_percent_of_noise() -> None:
    found = iso.discover(fit(spirals(0.05, 2), iso.spaces.Polynomials(2, degree=2), how="weak"), GL)
    assert (found.dimension, found.decision.verdict) == (2, "supported")


def test_a_space_too_small_claims_nothing() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, size=(10, 1)) * 3
    states = np.stack([x * np.exp(-TIMES), x / np.sqrt(1 + x**2 * TIMES)], axis=2)  # x' = -x, y' = -y^3 / 2
    record = Record(np.tile(TIMES, 10), states.reshape(-1, 2), np.repeat(np.arange(10), len(TIMES)))
    small = fit(record, iso.spaces.Polynomials(2, degree=1), how="weak")
    assert "larger `space`" in small.objection
    assert iso.discover(small, GL).decision.verdict == "cannot tell"
    assert fit(record, parse("x + y + y^3", ["x", "y"]), how="weak").objection == ""


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_field_that_is_not_round_is_not_claimed_to_be(noise: float) -> None:
    """A near miss: the two axes fade at rates that differ, so that rotation is lost."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 10, 1))
    states = np.stack([x * np.exp(-0.1 * TIMES), y * np.exp(-0.15 * TIMES)], axis=2).reshape(-1, 2)
    states = states + noise * states.std(axis=0) * rng.normal(size=states.shape)
    record = Record(np.tile(TIMES, 10), states, np.repeat(np.arange(10), len(TIMES)))
    found = iso.discover(fit(record, iso.spaces.Polynomials(2, degree=1), how="weak"), GL)
    assert found.decision.verdict == "cannot tell" or "x ∂y − y ∂x" not in found.generator_text


def test_one_motion_and_uneven_steps_will_do() -> None:
    rng = np.random.default_rng(0)
    t = (np.arange(300) + rng.uniform(0, 0.5, size=300)) / 15
    states = np.stack([np.cos(t), -np.sin(t)], axis=1) * np.exp(-0.1 * t)[:, None]
    motion = iso.Trajectories(t, states)
    found = motion.fit(iso.spaces.Polynomials(2, degree=1))
    assert np.abs(found.coefficients - FIELD).max() <= 1e-3
    assert len(found.moved) >= 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: fit(r, iso.spaces.Polynomials(3, degree=1), how="weak"), "of the 2 coordinates"),
        (lambda r: fit(r, "polynomials(2)", how="weak"), "`space` must be"),
        (lambda r: fit(r, iso.spaces.Polynomials(2, degree=1), how="strong"), "`how` must be"),
        (lambda r: fit(r, parse("x + log(x)", ["x", "y"]), how="weak"), r"log\(x\)"),
        (lambda r: fit(r, parse("x + 2*x^0 + (x + x^3)/(1 + x^2)", ["x", "y"]), how="weak"), "equal on all the data"),
        (lambda r: fit(Record(r.times**2, r.states, r.index), LINEAR, how="map"), "equal steps"),
        (lambda r: fit(Record(r.times, 0 * r.states, r.index), LINEAR, how="weak"), "vanish"),
        (lambda r: fit(Record(r.times[:5], r.states[:5], r.index[:5]), LINEAR, how="map"), "12 samples"),
        (lambda r: iso.discover(fit(r, LINEAR, how="map"), GL, iso.Samples(r.states)), "own"),
    ],
)  # fmt: skip
def test_bad_input(call, message: str) -> None:
    with pytest.raises(IsotropyError, match=message):
        call(spirals(0.0, 0, count=3))


def test_velocities_given_leave_nothing_to_fit() -> None:
    motions = iso.Trajectories.from_field(lambda z: -z, np.random.default_rng(0).normal(size=(20, 2)))
    with pytest.raises(IsotropyError, match="as they were measured"):
        motions.fit(iso.spaces.Polynomials(2, degree=1))
