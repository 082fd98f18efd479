"""Laws of noisy motions: known answers at several noises, near misses, positions alone, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import isotropy as iso
from isotropy.dynamics.integrated import TOLERANCE, integrated
from isotropy.dynamics.trajectories import Record
from isotropy.errors import IsotropyError
from isotropy.geometry.grammar import parse
from isotropy.results.laws import Laws

INERTIA = np.array([1.0, 2.0, 3.0])
TIMES = np.linspace(0, 12, 120)


def rotating(count: int, seed: int, damping: float = 0.0, times: np.ndarray = TIMES) -> np.ndarray:
    """Exact states (count, p, 2) of an oscillator; its radius is the one law, and fades with ``damping``."""
    x, v = np.random.default_rng(seed).normal(size=(2, count, 1))
    states = np.stack([x * np.cos(times) + v * np.sin(times), v * np.cos(times) - x * np.sin(times)], axis=2)
    return states * np.exp(-damping * times)[:, None]


def tumbling(count: int, seed: int) -> np.ndarray:
    starts = np.random.default_rng(seed).normal(size=(count, 3))

    def flat(_: float, z: np.ndarray) -> np.ndarray:
        z = z.reshape(-1, 3)
        return np.cross(z, z / INERTIA).ravel()

    options = {"t_eval": TIMES, "rtol": 1e-9, "atol": 1e-9}
    return solve_ivp(flat, (0, 12), starts.ravel(), **options).y.reshape(count, 3, -1).transpose(0, 2, 1)


def record(states: np.ndarray, noise: float, seed: int, times: np.ndarray = TIMES) -> Record:
    """Measured with ``noise`` as a share of the spread of each coordinate."""
    flat = states.reshape(-1, states.shape[2])
    seen = flat + noise * flat.std(axis=0) * np.random.default_rng(seed).normal(size=flat.shape)
    return Record(np.tile(times, len(states)), seen, np.repeat(np.arange(len(states)), len(times)))


def laws(seen: Record, degree: int = 2, tolerance: float = TOLERANCE) -> Laws:
    space = iso.spaces.Polynomials(seen.states.shape[1] * (1 + seen.positions), degree=degree)
    return integrated(seen, space, tolerance=tolerance, level=0.05)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("noise", "verdict"), [(0.0, "certain"), (0.001, "certain"), (0.01, "certain"), (0.05, "")])
def test_euler_s_two_laws(noise: float, verdict: str, seed: int) -> None:
    exact = tumbling(15, seed)
    found = laws(record(exact, noise, seed + 10))
    assert found.dimension == len(found.independent) == 2
    assert found.decision.verdict == (verdict or "supported")
    values = found.values(exact.reshape(-1, 3)).reshape(15, len(TIMES), 2)
    true = np.sqrt(values.var(axis=1).mean(axis=0) / values.var(axis=(0, 1)))
    assert (true <= found.bounds).all() or noise == 0.0
    assert found.bounds.max() <= max(noise, 1e-6)
    # The span is that of the literature.
    oracle = exact.reshape(-1, 3) ** 2 @ np.array([[1, 1], [1, 1 / 2], [1, 1 / 3]])
    ours, theirs = (np.linalg.qr(v - v.mean(axis=0))[0] for v in (values.reshape(-1, 2), oracle))
    assert np.linalg.norm(ours - theirs @ (theirs.T @ ours), 2) <= max(2 * noise, 1e-8)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01, 0.05])
def test_a_damped_motion_keeps_nothing(noise: float) -> None:
    found = laws(record(rotating(15, 0, damping=0.05), noise, 1), degree=3)
    assert (found.dimension, found.decision.verdict) == (0, "none")


@pytest.mark.parametrize(("damping", "verdict"), [(0.0, "supported"), (0.0027, "cannot tell"), (0.02, "none")])
def test_verdicts_as_damping_grows(damping: float, verdict: str) -> None:
    found = laws(record(rotating(12, 3, damping=damping), 0.02, 4), tolerance=0.02)
    assert found.decision.verdict == verdict
    assert found.dimension == (verdict == "supported")


def test_a_law_broken_by_a_thousandth_is_refused() -> None:
    """With clean states and a tolerance to match."""
    exact = rotating(15, 0, damping=1e-3)
    assert laws(record(exact, 0.0, 0), tolerance=1e-3).decision.verdict == "none"
    assert laws(record(rotating(15, 0), 0.0, 0), tolerance=1e-3).decision.verdict == "certain"


def test_positions_alone_show_the_energy() -> None:
    seen = record(rotating(15, 0), 0.01, 1)
    found = laws(Record(seen.times, seen.states[:, :1], seen.index, positions=True))
    assert found.dimension == 1
    assert found.decision.verdict == "supported"
    x, v = np.random.default_rng(0).normal(size=(2, 50))
    assert abs(np.corrcoef(found.values(np.stack([x, v], axis=1))[:, 0], x**2 + v**2)[0, 1]) >= 1 - 1e-3


def test_positions_of_a_damped_motion_show_nothing() -> None:
    seen = record(rotating(15, 0, damping=0.05), 0.01, 1)
    assert laws(Record(seen.times, seen.states[:, :1], seen.index, positions=True)).dimension == 0


def test_the_front_door_chooses_by_the_noise() -> None:
    exact = rotating(5, 0, times=TIMES[:60])
    answers = []
    for noise in (0.0, 0.02):
        seen = record(exact, noise, 1, times=TIMES[:60])
        motions = iso.Trajectories(seen.times, seen.states, id=seen.index)
        answers.append(iso.conserve(motions, iso.spaces.Polynomials(2, degree=2)))
        assert motions.noisy == (noise > 0)
    assert answers[0].bounds is None
    assert answers[0].settings == {"tolerance": 1e-4}
    assert answers[1].settings == {"tolerance": TOLERANCE, "level": 0.05}
    assert "at most" in str(answers[1])
    positions = iso.Trajectories.from_positions(seen.times, seen.states[:, :1], id=seen.index)
    assert positions.noisy
    assert positions.dimension == 2


def test_saved_bounds_are_read_back(tmp_path) -> None:
    found = laws(record(rotating(8, 0), 0.01, 1))
    again = type(found).load(found.save(tmp_path / "laws.json"))
    assert str(again) == str(found)
    assert np.array_equal(again.bounds, found.bounds)


def test_uneven_steps_gaps_and_lengths() -> None:
    rng = np.random.default_rng(2)
    parts = []
    for motion, length in enumerate(rng.integers(40, 120, size=12)):
        t = np.sort(rng.uniform(0, 12, size=length))
        if motion % 3 == 0:
            t[length // 2 :] += 50.0
        states = rotating(12, 0, times=t)[motion]
        parts.append((t, states + 0.01 * rng.normal(size=states.shape), np.full(length, motion)))
    found = laws(Record(*(np.concatenate(part) for part in zip(*parts, strict=True))))
    assert found.dimension == 1
    assert found.decision.verdict in ("certain", "supported")


def test_too_few_samples_a_turn_are_no_ground_for_a_claim() -> None:
    times = np.arange(60) * 2.5  # two and a half samples a turn: neighbours look like noise
    found = laws(record(rotating(15, 0, times=times), 0.01, 1, times=times))
    assert found.dimension == 0
    assert found.decision.verdict in ("cannot tell", "none")


def test_states_that_never_change_conserve_nothing_worth_saying() -> None:
    still = np.broadcast_to(np.random.default_rng(0).normal(size=(6, 1, 2)), (6, len(TIMES), 2))
    found = laws(record(still, 0.0, 0))
    assert (found.dimension, found.decision.verdict) == (0, "cannot tell")
    assert "hardly drifts" in found.decision.reason


def test_two_motions_are_too_few() -> None:
    with pytest.raises(IsotropyError, match="pass at least 3"):
        laws(record(rotating(2, 0), 0.01, 1))


def test_one_sample_each_is_too_few() -> None:
    with pytest.raises(IsotropyError, match="12 samples without a gap"):
        laws(record(rotating(20, 0, times=TIMES[:1]), 0.01, 1, times=TIMES[:1]))


def test_a_function_that_is_not_finite_is_named() -> None:
    space = parse("x^2 + log(x)", ["x", "v"])
    seen = record(rotating(5, 0), 0.01, 1)
    with pytest.raises(IsotropyError, match=r"log\(x\)"):
        integrated(seen, space, tolerance=0.05, level=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "weak"}, "`how` must be"),
        ({"level": 0.5}, "`level` must be"),
        ({"level": True}, "`level` must be"),
        ({"how": "integrated"}, "leave `velocities` out"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    motions = iso.Trajectories.from_field(
        lambda z: np.array([z[1], -z[0]]), np.random.default_rng(0).normal(size=(30, 2))
    )
    with pytest.raises(IsotropyError, match=message):
        iso.conserve(motions, iso.spaces.Polynomials(2, degree=2), **options)
