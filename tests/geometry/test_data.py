"""Pairs as a section: the fit, its error, how far it moves, and whether it leaves noise alone."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict

import isotropy as iso
from isotropy.errors import IsotropyError
from isotropy.geometry.grammar import parse

EPS = np.finfo(np.float64).eps


def pairs(count: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 2))
    truth = np.stack([X[:, 0] ** 2 - X[:, 1], X[:, 0] * X[:, 1]], axis=1)
    return X, truth + noise * rng.normal(size=truth.shape)


@pytest.mark.parametrize("seed", [0, 1])
def test_clean_data_are_fitted_to_rounding_and_the_degree_is_found(seed: int) -> None:
    X, Y = pairs(80, 0.0, seed)
    data = iso.Data(X, Y)
    assert data.space.dimension == 6
    assert data.relative_error <= EPS * 80 * 6
    assert data.explained


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_left_out_error_agrees_with_refitting_without_each_row(seed: int) -> None:
    X, Y = pairs(40, 0.3, seed)
    space = iso.spaces.Polynomials(2, degree=2)
    data = iso.Data(X, Y, space=space)
    predicted = cross_val_predict(LinearRegression(fit_intercept=False), space.values(X), Y, cv=LeaveOneOut())
    plain = np.sqrt(((Y - predicted) ** 2).mean() / ((Y - Y.mean(axis=0)) ** 2).mean())
    # Without a penalty it would be this; the penalty is chosen to make it smaller.
    assert plain * 0.9 <= data.relative_error <= plain * (1 + EPS * 1e4)


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
def test_noise_is_measured(noise: float) -> None:
    X, Y = pairs(400, noise, 0)
    data = iso.Data(X, Y)
    # The standard deviation of an estimated standard deviation is 1/sqrt(2 n) of it: five of these.
    assert data.noise == pytest.approx([noise, noise], rel=5 / np.sqrt(800))
    assert data.explained


def test_refits_move_as_far_as_the_fit_is_wrong() -> None:
    """The jackknife's standard error against the spread of fits to fresh data, over 60 repetitions."""
    space = iso.spaces.Polynomials(2, degree=2)
    fits, moved = [], []
    for seed in range(60):
        data = iso.Data(*pairs(100, 0.2, seed), space=space)
        fits.append(data.coefficients)
        moved.append(np.mean([(refit.coefficients - data.coefficients) ** 2 for refit in data.refits], axis=0))
    actual, stated = np.std(fits, axis=0), np.sqrt(np.mean(moved, axis=0))
    assert np.all(stated >= 0.6 * actual)
    assert np.all(stated <= 1.8 * actual)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_too_small_a_space_is_noticed(noise: float) -> None:
    X, Y = pairs(300, noise, 0)
    poor = iso.Data(X, Y, space=iso.spaces.Polynomials(2, degree=1))
    assert not poor.explained
    assert "too small" in poor.describe()


def test_false_alarms_are_rare() -> None:
    """Pure noise about a right model is called structured in about one case of a hundred."""
    alarms = sum(not iso.Data(*pairs(100, 0.3, seed), space=iso.spaces.Polynomials(2, degree=2)).explained
                 for seed in range(60))  # fmt: skip
    assert alarms <= 4


@pytest.mark.parametrize("units", [1e-8, 1e8])
def test_units_do_not_matter(units: float) -> None:
    X, Y = pairs(100, 0.1, 0)
    space = iso.spaces.Polynomials(2, degree=3)
    plain, scaled = iso.Data(X, Y, space=space), iso.Data(X * units, Y / units, space=space)
    assert np.abs(scaled.values * units - plain.values).max() <= EPS * 1e6 * np.abs(plain.values).max()
    assert scaled.relative_error == pytest.approx(plain.relative_error, rel=EPS * 1e6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_section_is_a_jax_function_in_the_precision_of_its_input(dtype: type) -> None:
    X, Y = pairs(60, 0.0, 0)
    data = iso.Data(X, Y)
    with jax.enable_x64(dtype == np.float64):
        point = jax.numpy.asarray(X[0], dtype=dtype)
        value, slope = data.section(point), jax.jacfwd(data.section)(point)
    assert value.dtype == dtype
    error = float(np.finfo(dtype).eps) * 100 * np.abs(Y).max()
    assert np.abs(np.asarray(value) - Y[0]).max() <= error
    x, y = X[0]
    assert np.abs(np.asarray(slope) - [[2 * x, -1], [y, x]]).max() <= 10 * error


def test_one_output_may_be_a_plain_list() -> None:
    X, Y = pairs(60, 0.0, 0)
    assert iso.Data(X, Y[:, 0].tolist()).section(X[0]).shape == (1,)


def test_more_features_than_pairs_do_not_fool_it() -> None:
    X, Y = pairs(12, 0.5, 0)
    data = iso.Data(X, Y, space=iso.spaces.Polynomials(2, degree=5))
    assert np.isfinite(data.relative_error)
    assert data.relative_error > 0.1


def test_constant_outputs_and_repeated_inputs() -> None:
    X, _ = pairs(40, 0.0, 0)
    assert iso.Data(X, np.full((40, 1), 3.0)).relative_error <= EPS * 100
    assert iso.Data(X, np.zeros((40, 1))).relative_error == 0
    twice = iso.Data(np.concatenate([X, X]), np.concatenate([X[:, :1], X[:, :1] + 0.1]))
    assert twice.noise[0] == pytest.approx(0.05, rel=0.2)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: iso.Data(np.ones((5, 2)), np.ones(4)), "as many rows. Got 5 and 4"),
    (lambda: iso.Data(np.ones(5), np.ones(5)), "`X` must have 2 axes"),
    (lambda: iso.Data(np.ones((2, 2)), np.ones(2)), "at least 3 pairs"),
    (lambda: iso.Data(np.full((5, 2), np.nan), np.ones(5)), "`X` has 10 value"),
    (lambda: iso.Data(np.ones((5, 2)), np.ones(5), space="polynomials(2)"), "`space` must be a space"),
    (lambda: iso.Data(np.ones((5, 2)), np.ones(5), space=iso.spaces.Polynomials(3, degree=1)), "`X` has 2 columns"),
    (
        lambda: iso.Data(-np.arange(1, 11.0).reshape(5, 2), np.ones(5), space=parse("log(x)", ["x", "y"])),
        "not finite at row 0",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_met_with_one_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(IsotropyError, match=message):
        call()
