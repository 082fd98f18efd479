"""The distribution of squared Gaussian lengths, and their maximum over an ellipsoid, against exact laws and trials."""

import numpy as np
import pytest
from scipy import stats

from isotropy.numerics.quadratic_form import cumulative, longest

EPS = np.finfo(np.float64).eps
CHANCES = np.array([0.01, 0.05, 0.2, 0.5, 0.8, 0.99])

SADDLE = 0.15
"""Relative error of the saddlepoint formula in the lower tail of a single weight, its worst case; a few percent for
several."""


@pytest.mark.parametrize("count", [1, 2, 5, 20])
@pytest.mark.parametrize("shift", [0.0, 0.5, 4.0, 50.0])
def test_equal_weights_are_chi_squared(count, shift):
    exact = stats.ncx2(count, shift) if shift else stats.chi2(count)
    shifts = np.zeros(count)
    shifts[0] = shift
    got = cumulative(3.0 * exact.ppf(CHANCES), np.full(count, 3.0), 3.0 * shifts)
    assert np.abs(got / CHANCES - 1).max() <= (SADDLE if count == 1 else SADDLE / 3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dof", [np.inf, 40.0])
def test_any_weights_against_simulation(seed, dof):
    rng = np.random.default_rng(seed)
    weights, centre = rng.exponential(size=6) ** 2, rng.normal(size=6)
    spread = 0.0 if np.isinf(dof) else weights.sum()
    draws = ((centre + np.sqrt(weights) * rng.normal(size=(100_000, 6))) ** 2).sum(axis=1)
    if spread:
        draws -= spread * (rng.chisquare(dof, size=len(draws)) / dof - 1)
    got = cumulative(np.quantile(draws, CHANCES), weights, centre**2, spread=spread, dof=dof)
    sampling = 4 * np.sqrt(CHANCES * (1 - CHANCES) / len(draws)) / CHANCES
    assert (np.abs(got / CHANCES - 1) <= sampling + SADDLE).all()


def test_the_distribution_grows_from_nothing_to_one():
    limits = np.linspace(-1.0, 200.0, 2000)
    got = cumulative(limits, np.array([2.0, 1.0, 0.1]), np.array([0.0, 3.0, 0.0]))
    assert (np.diff(got) >= -np.sqrt(EPS)).all()
    assert got[0] == 0.0
    assert got[-1] == pytest.approx(1.0)


def test_without_noise_the_distribution_is_a_step():
    assert list(cumulative(np.array([0.9, 1.1]), np.zeros(2), np.array([0.5, 0.5]))) == [0.0, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_the_longest_vector_over_an_ellipsoid(seed):
    rng = np.random.default_rng(seed)
    centre, matrix, radius = rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 2)), rng.uniform(0.1, 3, size=3)
    angles = np.linspace(0, 2 * np.pi, 20_001)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    brute = np.linalg.norm(centre[:, :, None] + radius[:, None, None] * (matrix @ circle), axis=1).max(axis=1)
    got = longest(centre, matrix, radius)
    assert (got >= brute * (1 - 64 * EPS)).all()
    assert got == pytest.approx(brute, rel=angles[1] ** 2)


def test_the_longest_vector_where_the_centre_has_no_part_along_the_longest_axis():
    """The hard case of trust regions: |(0, c) + (2 u, v)| over the disk."""
    got = longest(np.array([0.0, 0.3]), np.diag([2.0, 1.0]), 1.0)
    v = 0.3 / 3
    assert got == pytest.approx(np.sqrt(4 * (1 - v**2) + (0.3 + v) ** 2))
    assert longest(np.array([3.0, 4.0]), np.eye(2), 0.0) == pytest.approx(5.0)
