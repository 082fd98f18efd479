"""Weighted spectra: a frame, that of the plain operator where noise is alike everywhere, and nearer the truth else."""

import numpy as np
import pytest

from isotropy.numerics.fits import Fits
from isotropy.numerics.weighted import weighted

EPS = np.finfo(np.float64).eps
CANDIDATES, BRACKETS, PARAMETERS = 4, 12, 6


def problem(seed, spread, *, noise):
    """A random operator whose first candidate keeps one function, and a fit of this whose axes err by ``spread``."""
    rng = np.random.default_rng(seed)
    operator = rng.normal(size=(BRACKETS, CANDIDATES, PARAMETERS))
    truth = rng.normal(size=PARAMETERS)
    operator[:, 0] -= np.outer(operator[:, 0] @ truth, truth) / (truth @ truth)
    root = noise * np.diag(spread)
    seen = truth + root @ rng.normal(size=PARAMETERS)
    return Fits.of(operator, seen[None], root, np.ones(1), 100.0)


def angle(row):
    """That of a direction to the first candidate."""
    return float(np.arccos(min(1.0, abs(row[0]))))


@pytest.mark.parametrize("count", [1, 2, CANDIDATES - 1])
@pytest.mark.parametrize("seed", range(3))
def test_vectors_are_orthonormal_and_values_descend(seed, count):
    spectrum = weighted(problem(seed, np.geomspace(1, 30, PARAMETERS), noise=0.01), count)
    assert np.abs(spectrum.vectors @ spectrum.vectors.T - np.eye(CANDIDATES)).max() <= 10 * CANDIDATES * EPS
    assert (np.diff(spectrum.values) <= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_without_error_the_null_direction_is_exact(seed):
    assert abs(weighted(problem(seed, np.ones(PARAMETERS), noise=1e-12), 1).null_vectors(1)[0, 0]) >= 1 - 1e-9


def test_where_axes_err_unalike_weights_bring_the_direction_nearer():
    """Axes err by up to thirty times the least: the median angle of forty draws falls to about a sixth."""
    plain, better = [], []
    for seed in range(40):
        fits = problem(seed, np.geomspace(1, 30, PARAMETERS), noise=0.003)
        plain.append(angle(fits.propose()[0][:, 0]))
        better.append(angle(weighted(fits, 1).null_vectors(1)[0]))
    assert np.median(better) <= 0.5 * np.median(plain)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_size_of_the_errors_does_not_decide(scale):
    """Weights are relative: the same draw with a larger stated variance has the same directions."""
    fits = problem(0, np.geomspace(1, 30, PARAMETERS), noise=0.003)
    other = Fits(
        fits.operator, fits.noise * scale, fits.root * scale, fits.images, fits.sizes, fits.variances / scale**2, 100.0
    )
    rows = [weighted(each, 1).null_vectors(1)[0] for each in (fits, other)]
    assert abs(rows[0] @ rows[1]) >= 1 - 1e3 * CANDIDATES * BRACKETS * EPS
