"""Readable numbers: small fractions where they fit, noise is respected."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from isotropy.errors import IsotropyError
from isotropy.numerics.readable import format_combination, format_number, snap, sympy_number


@pytest.mark.parametrize("denominator", range(1, 33))
def test_small_fractions_are_recognised(denominator):
    exact = [Fraction(k, denominator) for k in range(-40, 41)]
    assert snap([float(value) for value in exact]) == exact


@pytest.mark.parametrize("noise", [1e-12, 1e-8, 1e-5, 1e-3])
def test_random_numbers_are_rarely_called_fractions(noise):
    values = np.random.default_rng(0).uniform(0.1, 10, 2000)
    called = sum(isinstance(value, Fraction) for value in snap(values, noise))
    # At most 64 denominators, each no more likely than twice the chance allowed; the largest dominate.
    assert called / len(values) <= 64 * 2 * 1e-3


def test_the_rounding_is_that_of_the_precision_given():
    assert snap(np.array([0.1, 1.0], np.float32)) == [Fraction(1, 10), 1]
    assert snap(np.array([np.float32(0.1), 1.0])) == [float(np.float32(0.1)), 1]


def test_noise_decides():
    assert snap([0.333333]) == [0.333333]
    assert snap([0.333333], 1e-6) == [Fraction(1, 3)]
    assert snap([1e-7, 1.0], 1e-6) == [0, 1]
    assert snap([1e-7, 1.0]) != [0, 1]
    assert snap([0.0, 0.0]) == [0, 0]
    # A near miss of 1/3, refused because it is off by more than the noise.
    assert isinstance(snap([1 / 3 + 1e-3], 1e-4)[0], float)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (-2.0, "−2"), (0.75, "3/4"), (-1 / 3, "−1/3"), (np.pi, "3.14159"), (1.23e-8, "1.23e-08")],
)
def test_numbers_are_written_shortly(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("coefficients", "names", "text"),
    [
        ([1, -1], ["x ∂y", "y ∂x"], "x ∂y − y ∂x"),
        ([-1, 0.5], ["a", "b"], "−a + 1/2 b"),
        ([0, 0], ["a", "b"], "0"),
        ([-2, 1], ["1", "x"], "−2 + x"),
        ([3, -1], ["1/r", "x + y"], "3/r − (x + y)"),
        ([0.5, 1], ["1/r", "x/r"], "1/2 (1/r) + x/r"),
        ([2, 1], ["exp(x + y)", "b"], "2 exp(x + y) + b"),
        ([np.pi, 1e-30], ["a", "b"], "3.14159 a"),
    ],
)
def test_combinations_read_as_written_by_hand(coefficients, names, text):
    assert format_combination(coefficients, names) == text


def test_a_name_for_each_coefficient():
    with pytest.raises(IsotropyError, match="2 coefficients for 1"):
        format_combination([1.0, 2.0], ["x"])


def test_sympy_numbers_are_exact():
    assert sympy_number(Fraction(2, 6)) == sympy.Rational(1, 3)
    assert float(sympy_number(0.1)) == 0.1
