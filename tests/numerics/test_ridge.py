"""Ridge in a metric: against the normal equations, and generalised cross-validation against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from isotropy.numerics.ridge import Coordinates, ridge

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("strength", [1e-3, 10.0])
@pytest.mark.parametrize("rank", [3, 5])
def test_against_the_normal_equations(strength, rank):
    rng = np.random.default_rng(0)
    design, targets = rng.standard_normal((20, 5)), rng.standard_normal((20, 2))
    root = np.concatenate([rng.standard_normal((rank, 6)), np.zeros((5 - rank, 6))])
    found = ridge(design, targets, Coordinates.of(root), strength=strength)
    expected = np.linalg.solve(design.T @ design + strength * root @ root.T, design.T @ targets)
    np.testing.assert_allclose(found.weights, expected, rtol=1e5 * EPS, atol=1e5 * EPS)


def test_the_strength_minimises_generalised_cross_validation():
    rng = np.random.default_rng(0)
    design = rng.standard_normal((40, 20))
    targets = design[:, :1] + rng.standard_normal((40, 1))
    plain = Coordinates.of(np.eye(20))

    def score(strength: float) -> float:
        hat = design @ np.linalg.solve(design.T @ design + strength * np.eye(20), design.T)
        return float(((targets - hat @ targets) ** 2).sum() / (40 - np.trace(hat)) ** 2)

    chosen = ridge(design, targets, plain).strength
    assert all(score(chosen) <= score(chosen * factor) * (1 + np.sqrt(EPS)) for factor in (0.3, 0.9, 1.1, 3.0))


def test_clean_data_are_interpolated():
    rng = np.random.default_rng(0)
    design, truth = rng.standard_normal((30, 6)), rng.standard_normal((6, 1))
    found = ridge(design, design @ truth, Coordinates.of(np.eye(6)))
    np.testing.assert_allclose(found.weights, truth, atol=1e4 * EPS)


def test_more_free_weights_than_samples():
    found = ridge(np.ones((1, 3)), np.ones((1, 1)), Coordinates.of(np.eye(3)))
    assert np.isfinite(found.weights).all()
