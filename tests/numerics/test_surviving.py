"""The question put to data: what weights and repetitions are counted as."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from isotropy.numerics.surviving import Question, spare

EPS = np.finfo(np.float64).eps


def table(seed: int, n: int = 30, f: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((n, f))
    return design, design @ rng.standard_normal((f, 2)) + rng.standard_normal((n, 2)), rng.standard_normal((4, 3, f))


@pytest.mark.parametrize("seed", range(3))
def test_a_weight_of_k_is_k_rows(seed):
    design, targets, operator = table(seed)
    counts = np.random.default_rng(seed).integers(0, 4, len(design))
    ours = Question(design, targets, operator, weights=counts.astype(float))
    theirs = Question(np.repeat(design, counts, axis=0), np.repeat(targets, counts, axis=0), operator)
    assert ours.degrees == theirs.degrees == 2 * (counts.sum() - 5)
    assert ours.variance == pytest.approx(theirs.variance)
    inside = np.eye(5)[:, :3]
    assert ours.compare(inside, 0)[0].p_value == pytest.approx(theirs.compare(inside, 0)[0].p_value)


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_mean_one_are_weighted_least_squares(seed):
    """Against the F test of rows scaled by the roots, whose degrees of freedom are those of the rows."""
    design, targets, operator = table(seed)
    weights = np.random.default_rng(seed).uniform(0.1, 3.0, len(design))
    weights /= weights.mean()
    trial, _ = Question(design, targets, operator, weights=weights).compare(np.eye(5)[:, :3], 0)
    root = np.sqrt(weights)[:, None]

    def residual(columns: np.ndarray) -> float:
        return float(np.linalg.lstsq(root * columns, root * targets, rcond=None)[1].sum())

    free, inside = residual(design), residual(design[:, :3])
    degrees = 2 * (len(design) - 5)
    statistic = (inside - free) / 4 / (free / degrees)
    assert trial.p_value == pytest.approx(float(scipy.stats.f.sf(statistic, 4, degrees)))


def test_weights_of_mean_one_keep_the_level_where_noise_is_uneven():
    """Weights as inverse variances: the chance to refuse what is true, over 400 draws, is the level to 4 sigma."""
    rng = np.random.default_rng(0)
    design, _, operator = table(0)
    size = rng.uniform(0.2, 3.0, len(design))
    weights = 1 / size**2
    weights /= weights.mean()
    inside = np.eye(5)[:, :3]
    refused = 0
    for _ in range(400):
        targets = design[:, :1] + size[:, None] * rng.standard_normal((len(design), 1))
        refused += Question(design, targets, operator, weights=weights).compare(inside, 0)[0].p_value < 0.1
    assert abs(refused / 400 - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400)


def test_repetitions_of_rows_that_all_are_met_say_nothing_of_the_noise():
    design, targets, _ = table(0, n=5)
    assert spare(design, targets, None) == 0
    assert spare(design, targets, np.full(5, 4.0)) == 0
    assert spare(np.repeat(design, 4, axis=0), np.repeat(targets, 4, axis=0), None) == 0
    # Measured again, the same points do tell.
    again = targets + np.random.default_rng(1).standard_normal(targets.shape)
    assert spare(np.concatenate([design, design]), np.concatenate([targets, again]), None) == 10
    # The sum of weights may miss a whole number by rounding.
    assert spare(design, targets, np.full(5, 0.1) * 10 + EPS) == 0
