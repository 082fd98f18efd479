"""Features of noisy states are right on average."""

from __future__ import annotations

import numpy as np
import pytest

import isotropy as iso
from isotropy.geometry import unbiased
from isotropy.geometry.grammar import parse

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
def test_the_average_over_noise_is_the_true_value(degree: int) -> None:
    """The oracle is quadrature: Gauss–Hermite nodes integrate polynomials against a normal density exactly."""
    space = iso.spaces.Polynomials(2, degree=degree)
    root = np.array([[0.4, 0.0], [0.3, 0.2]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(degree + 1)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    measure = np.outer(weights, weights).ravel() / weights.sum() ** 2
    point = np.array([0.7, -1.2])
    mean = measure @ unbiased.values(space, point + grid @ root.T, root)
    exact = space.values(point[None])[0]
    assert np.abs(mean - exact).max() <= EPS * len(grid) * np.abs(unbiased.values(space, grid, root)).max()


def test_without_noise_nothing_is_corrected() -> None:
    space = parse("polynomials(2) + 1/sqrt(x^2 + y^2)", ["x", "y"])
    points = np.random.default_rng(0).normal(size=(5, 2))
    assert np.array_equal(unbiased.values(space, points, np.zeros((2, 2))), space.values(points))


def test_each_point_may_have_its_own_noise() -> None:
    space = iso.spaces.Polynomials(1, degree=2)
    points, roots = np.array([[1.0], [2.0]]), np.array([[[0.5]], [[2.0]]])
    assert np.allclose(unbiased.values(space, points, roots)[:, 2], [1 - 0.25, 4 - 4.0], rtol=8 * EPS)
