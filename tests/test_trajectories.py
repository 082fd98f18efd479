"""Motions as data: order, labels, estimated velocities with their errors, and one sentence for bad input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import isotropy as iso
from isotropy.dynamics.velocity import SHORTEST
from isotropy.errors import IsotropyError, IsotropyWarning

EPS = np.finfo(np.float64).eps


def circle(t: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(t), -np.sin(t)], axis=1)


def rates(t: np.ndarray) -> np.ndarray:
    return np.stack([-np.sin(t), -np.cos(t)], axis=1)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_may_come_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.tile(np.linspace(0, 6, 40), 2)
    labels = np.repeat(["moon", "sun"], 40)
    Z = circle(t) * np.where(labels == "sun", 2.0, 1.0)[:, None]
    shuffle = np.concatenate([[0], 1 + rng.permutation(79)])
    straight, mixed = iso.Trajectories(t, Z, id=labels), iso.Trajectories(t[shuffle], Z[shuffle], id=labels[shuffle])
    assert straight.labels == mixed.labels == ("moon", "sun")
    for name in ("times", "states", "velocities", "index"):
        assert np.array_equal(getattr(straight, name), getattr(mixed, name)), name


def test_given_velocities_are_kept_with_their_rows() -> None:
    t = np.array([3.0, 1.0, 2.0])
    motion = iso.Trajectories(t, circle(t), velocities=rates(t))
    assert np.array_equal(motion.velocities, rates(motion.times))
    assert not motion.velocity_errors.any()


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize(("count", "noise"), [(60, 0.0), (300, 0.0), (60, 1e-4), (300, 1e-4), (150, 1e-2)])
def test_estimated_velocities_know_their_error(count: int, noise: float, irregular: bool) -> None:
    """The stated error is neither far below the true one nor, where noise rules, far above it."""
    rng = np.random.default_rng(0)
    step = 12 / count
    t = np.linspace(0, 12, count) + (rng.uniform(-0.3, 0.3, count) * step if irregular else 0)
    motion = iso.Trajectories(t, circle(t) + noise * rng.normal(size=(count, 2)))
    true = rms(motion.velocities - rates(motion.times))
    stated = rms(motion.velocity_errors)
    assert true <= 3 * stated
    if noise:
        assert stated <= 5 * true
    else:
        assert stated <= step**5


@pytest.mark.parametrize("noise", [1e-3, 1e-2])
def test_noise_calls_for_smoothing(noise: float) -> None:
    t = np.linspace(0, 12, 300)
    Z = circle(t) + noise * np.random.default_rng(0).normal(size=(300, 2))
    motion = iso.Trajectories(t, Z)
    assert "smoothing" in motion.source
    central = np.gradient(Z, t, axis=0)
    inside = np.isin(t, motion.times)
    assert rms(motion.velocities - rates(motion.times)) <= rms(central[inside] - rates(t[inside])) / 2


def test_no_spline_is_drawn_over_a_gap() -> None:
    t = np.concatenate([np.linspace(0, 3, 60), np.linspace(40, 43, 60)])
    motion = iso.Trajectories(t, circle(t))
    assert rms(motion.velocities - rates(motion.times)) <= (3 / 60) ** 5
    assert motion.count == 1


def test_stretches_too_short_to_differentiate_are_left_out_with_a_warning() -> None:
    t = np.concatenate([np.linspace(0, 3, 60), [100.0, 100.05, 100.1]])
    with pytest.warns(IsotropyWarning, match="3 samples stand in stretches too short"):
        motion = iso.Trajectories(t, circle(t))
    assert motion.times.max() <= 3


def test_motions_of_different_lengths_and_clocks() -> None:
    t = np.concatenate([np.linspace(0, 3, 30), np.linspace(5, 9, 90)])
    motion = iso.Trajectories(t, circle(t), id=np.repeat([7, 3], [30, 90]))
    assert motion.labels == (7, 3)
    # Both go round at the same speed, so a unit of time is the same for both; its size is the spread of the states.
    clocks = motion.clocks()
    assert len(np.unique(clocks)) == 2
    assert clocks.max() <= 1.5 * clocks.min()


def test_symmetries_of_motions_of_different_lengths_with_a_gap() -> None:
    """The same answer as from one motion that is whole: rotations, and the scaling that every linear field has."""
    t = np.linspace(0, 6, 60)
    parted = np.concatenate([t[:20], t, np.where(t > 3, t + 40, t)])
    Z = np.concatenate([circle(t[:20]), 2 * circle(t), 3 * circle(t)])
    found = iso.discover(iso.Trajectories(parted, Z, id=np.repeat([0, 1, 2], [20, 60, 60])).data(), LINEAR)
    assert found.generator_text == ("x ∂x + y ∂y", "x ∂y − y ∂x")


def test_a_body_that_stands_still_has_no_clock_and_does_no_harm() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2))
    points[0] = 0.0
    motion = iso.Trajectories.from_field(lambda z: np.array([z[1], -z[0]]), points)
    assert np.isinf(motion.clocks()[0])
    assert iso.conserve(motion, iso.spaces.Polynomials(2, degree=2)).text == ("x^2 + y^2",)


def test_a_coordinate_that_never_changes_is_no_law() -> None:
    t = np.linspace(0, 12, 200)
    Z = np.column_stack([*circle(t).T, np.full(200, 3.0)])
    Z = np.concatenate([Z, Z * [2, 2, 1], Z * [3, 3, 1]])
    found = iso.conserve(
        iso.Trajectories(np.tile(t, 3), Z, id=np.repeat([0, 1, 2], 200)), iso.spaces.Polynomials(3, degree=2)
    )
    assert found.dimension == 1
    assert "z" in found.constant_text


def test_arrays_are_read_only() -> None:
    motion = iso.Trajectories(np.arange(20.0), circle(np.arange(20.0)))
    with pytest.raises(ValueError, match="read-only"):
        motion.states[0, 0] = 1.0


T = np.linspace(0, 6, 40)
Z = circle(T)
LINEAR, QUADRATIC = iso.Action.vector_field(iso.groups.GL(2)), iso.spaces.Polynomials(2, degree=2)
HOLE = np.where(np.arange(40)[:, None] == 5, np.nan, Z)
BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: iso.Trajectories(T, Z[:-1]), r"`t` must have shape \(39\)"),
    (lambda: iso.Trajectories(T, Z[:, 0]), "`Z` must have 2 axes"),
    (lambda: iso.Trajectories(T, HOLE), "`Z` has 2 value"),
    (lambda: iso.Trajectories(np.where(T[3] == T, np.inf, T), Z), "`t` has 1 value"),
    (lambda: iso.Trajectories(T, Z.astype(complex)), "must be real"),
    (lambda: iso.Trajectories(T, Z, id=["a"] * 39), "one label for each of the 40 rows"),
    (lambda: iso.Trajectories(T, Z, id=[None] + ["a"] * 39), "no label in row 0"),
    (lambda: iso.Trajectories(T, Z, id=[np.nan] + [1.0] * 39), "no label in row 0"),
    (lambda: iso.Trajectories(T, Z, velocities=Z[:, :1]), "`velocities` must have shape"),
    (lambda: iso.Trajectories(np.zeros(40), Z), r"`t` repeats 39 time\(s\), the first 0"),
    (lambda: iso.Trajectories(np.tile(T[:20], 2), Z), "tell several motions apart with `id=`"),
    (lambda: iso.Trajectories(T[:5], Z[:5]), f"at least {SHORTEST} samples without a gap. The longest stretch has 5"),
    (lambda: iso.Trajectories(T, Z, id=np.arange(40)), "The longest stretch"),
    (lambda: iso.Trajectories([], np.zeros((0, 2))), "`Z` is empty"),
    (lambda: iso.Trajectories(T[:1], Z[:1]), "The longest stretch has 1"),
    (lambda: iso.conserve(iso.Trajectories(T[:1], Z[:1], velocities=Z[:1]), QUADRATIC), r"1 sample\(s\) cannot show"),
    (lambda: iso.discover(iso.Trajectories(T[:1], Z[:1], velocities=Z[:1]).data(), LINEAR), "at least 3 pairs. Got 1"),
    (lambda: iso.discover(iso.Trajectories(T, 0 * Z + 2).data(), LINEAR), "all 36 rows of `X` are equal"),
    (lambda: iso.conserve(iso.Trajectories(T, 0 * Z + 2, velocities=0 * Z), QUADRATIC), "Nothing moves"),
    (lambda: iso.Trajectories.from_field(lambda z: z[0], Z), r"velocity of shape \(2,\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_met_with_one_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(IsotropyError, match=message):
        call()
