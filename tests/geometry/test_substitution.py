"""Polynomials under affine maps, against evaluation at the moved points."""

from __future__ import annotations

import numpy as np
import pytest

from isotropy import spaces
from isotropy.geometry.domain import typical_box
from isotropy.geometry.substitution import multinomials, pullback_matrix

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("minimum", [0, 2])
@pytest.mark.parametrize("moved", [False, True])
def test_pullback_is_evaluation_at_the_moved_point(minimum, moved):
    rng = np.random.default_rng(0)
    space = spaces.Polynomials(3, degree=4, minimum_degree=minimum)
    whole = spaces.Polynomials(3, degree=4)
    linear, offset = rng.standard_normal((3, 3)), rng.standard_normal(3) * moved
    points = rng.standard_normal((20, 3))
    expected = space.values(points @ linear.T + offset)
    found = whole.values(points) @ pullback_matrix(space, linear, offset).toarray().T
    np.testing.assert_allclose(found, expected, atol=1e4 * EPS * np.abs(expected).max())


def test_rotations_are_orthogonal_on_weighted_monomials():
    space = spaces.Polynomials(2, degree=6, homogeneous=True)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    inside = spaces.Polynomials(2, degree=6).index(space.exponents)
    weight = np.sqrt(multinomials(space))
    matrix = weight[:, None] * pullback_matrix(space, turn).toarray()[:, inside] / weight
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(7), atol=1e3 * EPS)


def test_boxes_hold_what_varies():
    low, high = typical_box(spaces.Fourier(2, degree=1, periods=[1.0, 4.0]) + spaces.RBF([[3.0, 0.0]], width=0.5))
    np.testing.assert_array_equal(low, [-0.5, -2.0])
    np.testing.assert_array_equal(high, [4.0, 2.0])
    low, high = typical_box(spaces.Fourier(1, degree=1) * spaces.Features(["exp(x)"], input_dimension=1))
    np.testing.assert_allclose([low[0], high[0]], [-np.pi, np.pi])
