"""What is constant in each of several groups: known answers, noise of any size, and a near miss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isotropy.numerics.constancy import Groups, constancy

EPS = np.finfo(np.float64).eps


def products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left, right = left - left.mean(axis=1, keepdims=True), right - right.mean(axis=1, keepdims=True)
    product = np.einsum("npf,npg->nfg", left, right) / left.shape[1]
    return (product + np.swapaxes(product, 1, 2)) / 2


def groups(exact: np.ndarray, noise: float, seed: int) -> Groups:
    """Two estimates of series (groups, times, f), each with independent errors."""
    rng = np.random.default_rng(seed)
    first, second = (exact + noise * rng.normal(size=exact.shape) for _ in range(2))
    middle = (first + second) / 2
    return Groups(
        within=products(first, second),
        noise=products(first - second, first - second) / 4,
        plain=products(middle, middle),
        unresolved=np.zeros((len(exact), exact.shape[2], exact.shape[2])),
        first=first.mean(axis=1),
        second=second.mean(axis=1),
        freedom=float(exact.shape[0] * exact.shape[1]),
    )


def series(drift: float, seed: int, count: int = 20) -> np.ndarray:
    """Three series, of which the sum of the first two varies by ``drift`` of its spread in each group."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(count, 1))
    level = (level - level.mean()) / level.std() * np.sqrt(1 - drift**2)
    ramp = np.linspace(-1, 1, 50)
    ramp = ramp / ramp.std() * drift
    wave, other = rng.normal(size=(2, count, 50))
    return np.stack([level + ramp + wave, -wave, other], axis=2)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
def test_the_constant_combination_is_found(noise: float) -> None:
    found = constancy(groups(series(0.0, 0), noise, 1), tolerance=0.1, level=0.05)
    assert found.dimension == 1
    vector = found.vectors[0] / np.linalg.norm(found.vectors[0])
    assert np.linalg.norm(vector - np.sign(vector[0]) * np.array([1, 1, 0]) / np.sqrt(2)) <= max(noise, 1e-6)
    assert found.bound <= max(0.5 * noise, 1e-6)
    assert found.certain == (noise <= 0.01)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_drifts_twice_the_tolerance_is_refuted(noise: float) -> None:
    found = constancy(groups(series(0.2, 0), noise, 1), tolerance=0.1, level=0.05)
    assert found.dimension == 0
    assert found.lower_bound > 0.1


def test_just_above_the_tolerance_is_seldom_claimed() -> None:
    """A near miss, 1% above: the share of claims stays at the level, up to three standard errors of the count."""
    trials, level = 200, 0.05
    claims = sum(
        constancy(groups(series(0.101, k), 0.1, 1000 + k), tolerance=0.1, level=level).dimension for k in range(trials)
    )
    assert claims <= trials * level + 3 * np.sqrt(trials * level * (1 - level))


def test_units_of_the_series_change_nothing() -> None:
    whole = groups(series(0.0, 3), 0.05, 1)
    scale = np.diag([1e-3, 1.0, 1e4])
    one, other = (constancy(part, tolerance=0.1, level=0.05) for part in (whole, whole.moved(scale)))
    assert one.dimension == other.dimension
    assert abs(one.bound - other.bound) <= np.sqrt(EPS) * one.bound


def test_noise_of_any_size_and_dependence_within_a_group_is_met() -> None:
    """Groups differ in their noise by a hundred; bounds hold all the same."""
    exact = series(0.0, 5)
    quiet, loud = groups(exact, 0.003, 1), groups(exact, 0.3, 2)
    mixed = Groups(
        *(
            np.where(np.arange(20).reshape(-1, *[1] * (getattr(quiet, name).ndim - 1)) % 5 == 0, *pair)
            for name in ("within", "noise", "plain", "unresolved", "first", "second")
            for pair in [(getattr(loud, name), getattr(quiet, name))]
        ),
        quiet.freedom,
    )
    found = constancy(mixed, tolerance=0.2, level=0.05)
    assert found.bound > constancy(quiet, tolerance=0.2, level=0.05).bound


def test_what_is_lost_in_noise_is_not_judged() -> None:
    exact = series(0.0, 0)
    exact = np.concatenate([exact, 1e-3 * exact[:, :, :1] ** 2], axis=2)
    found = constancy(groups(exact, 0.05, 1), tolerance=0.2, level=0.05)
    assert found.lost == 1
    assert len(found.drifts) == 3


def test_series_that_never_vary_leave_nothing_to_judge() -> None:
    found = constancy(groups(np.ones((5, 20, 2)), 0.0, 0), tolerance=0.1, level=0.05)
    assert (found.dimension, len(found.drifts), found.certain) == (0, 0, False)


def test_fast_changes_are_reported() -> None:
    whole = groups(series(0.0, 0), 0.01, 1)
    fast = replace(whole, unresolved=np.broadcast_to(np.eye(3), (20, 3, 3)))
    assert constancy(fast, tolerance=0.1, level=0.05).unresolved > 0.1
