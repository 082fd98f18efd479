"""Samples: a weighted measure, its precision, its rules, and what it refuses."""

import itertools
import warnings

import numpy as np
import pytest

from isotropy.errors import IsotropyError, IsotropyWarning
from isotropy.geometry.sample import Samples

EPS = np.finfo(np.float64).eps


def test_weights_are_a_probability():
    samples = Samples(np.eye(3), weights=[1, 2, 5])
    np.testing.assert_allclose(samples.weights, [0.125, 0.25, 0.625], rtol=4 * EPS)
    assert len(samples) == samples.dimension == 3
    assert np.isclose(Samples(np.eye(3), weights=[1e308, 1e308, 0]).weights[0], 0.5, rtol=4 * EPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    assert Samples(np.eye(4, dtype=dtype)).points.dtype == dtype
    assert Samples.normal(5, 2, seed=0, dtype=dtype).dtype == dtype
    assert Samples.uniform(5, 2, seed=0, dtype=dtype).dtype == dtype
    assert Samples.quadrature(2, 3, dtype=dtype).dtype == dtype


def test_integers_become_float64():
    assert Samples([[1, 2], [3, 4]]).dtype == np.float64


@pytest.mark.parametrize("make", [Samples.normal, Samples.uniform])
def test_a_seed_fixes_the_points(make):
    assert np.array_equal(make(20, 3, seed=5).points, make(20, 3, seed=5).points)
    assert not np.array_equal(make(20, 3, seed=5).points, make(20, 3, seed=6).points)


def test_samples_do_not_change():
    points = np.eye(3)
    samples = Samples(points)
    points[0, 0] = 7
    assert samples.points[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        samples.points[0, 0] = 7


def test_uniform_fills_its_box_and_normal_has_its_scale():
    n = 4000
    box = Samples.uniform(n, 2, seed=0, low=[0, -3], high=[1, 5]).points
    assert (box >= [0, -3]).all()
    assert (box <= [1, 5]).all()
    scale = np.array([0.5, 20.0])
    spread = Samples.normal(n, 2, seed=0, scale=scale).points.std(axis=0)
    # The standard deviation of n normal draws varies by scale / sqrt(2 n); five of these are allowed.
    assert (np.abs(spread - scale) < 5 * scale / np.sqrt(2 * n)).all()


@pytest.mark.parametrize("order", [1, 2, 5])
def test_gauss_legendre_is_exact_on_the_box(order):
    low, high = np.array([-1.0, 0.5]), np.array([2.0, 1.5])
    samples = Samples.quadrature(2, order, low=low, high=high)
    for a, b in itertools.product(range(2 * order), repeat=2):
        mean = samples.weights @ (samples.points[:, 0] ** a * samples.points[:, 1] ** b)
        powers = np.array([a, b]) + 1
        exact = np.prod((high**powers - low**powers) / (powers * (high - low)))
        assert abs(mean - exact) <= 64 * order * EPS * 2.0**a * 1.5**b
    a = 2 * order
    exact = (high[0] ** (a + 1) - low[0] ** (a + 1)) / ((a + 1) * 3)
    assert abs(samples.weights @ samples.points[:, 0] ** a - exact) > 1e-3 * exact


def test_gauss_hermite_has_the_moments_of_the_normal():
    samples = Samples.quadrature(1, 6, rule="hermite")
    for power, moment in ((0, 1), (1, 0), (2, 1), (4, 3), (6, 15), (8, 105), (10, 945)):
        assert abs(samples.weights @ samples.points[:, 0] ** power - moment) <= 64 * EPS * max(moment, 1)


def test_repeats_are_allowed_and_reported():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Samples([[0.0, 1], [0, 1], [2, 3], [4, 5]])
    with pytest.warns(IsotropyWarning, match="Only 1 of the 4"):
        Samples(np.ones((4, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Samples([[1.0, np.nan]]), "NaN"),
        (lambda: Samples([1.0, 2.0]), "2 axes"),
        (lambda: Samples(np.zeros((0, 3))), "empty"),
        (lambda: Samples([["a", "b"]]), "numbers"),
        (lambda: Samples([[1 + 2j]]), "real"),
        (lambda: Samples(np.eye(2), weights=[1, -1]), "negative"),
        (lambda: Samples(np.eye(2), weights=[0, 0]), "all zero"),
        (lambda: Samples(np.eye(2), weights=[1, 2, 3]), "shape"),
        (lambda: Samples(np.eye(2), weights=[1, np.inf]), "infinite"),
        (lambda: Samples.normal(0, 3, seed=0), "positive integer"),
        (lambda: Samples.normal(3, 2.5, seed=0), "positive integer"),
        (lambda: Samples.normal(3, 2, seed=None), "seed"),
        (lambda: Samples.normal(3, 2, seed=0, scale=-1), "scale"),
        (lambda: Samples.normal(3, 2, seed=0, scale=[1, 2, 3]), "one for each coordinate"),
        (lambda: Samples.normal(3, 2, seed=0, dtype=int), "float32 or float64"),
        (lambda: Samples.uniform(3, 2, seed=0, low=1, high=0), "below"),
        (lambda: Samples.quadrature(20, 20), "points"),
        (lambda: Samples.quadrature(2, 2, rule="simpson"), "legendre or hermite"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, message):
    with pytest.raises(IsotropyError, match=message):
        make()
