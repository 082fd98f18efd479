"""Certificates of discoveries from data: bounds that hold, claims within tolerance and level, and their limits."""

import equinox as eqx
import numpy as np
import pytest
from scipy import stats

import isotropy as iso
from isotropy import groups, spaces
from isotropy.certified import DEPENDENT, _compressed, certificate
from isotropy.normalised import Normalised

GL2 = iso.Action(groups.GL(2))
CUBICS = spaces.Polynomials(2, degree=3)
SEEDS = 60
DRIFT = 1.1
"""Sizes are taken from the fit and not from the truth: at the noises below they differ by less than a tenth."""


class Bowl(eqx.Module):
    """A paraboloid that a rotation leaves alone, but for a cubic ``tilt``."""

    tilt: float

    def __call__(self, x):
        return x[0] ** 2 + x[1] ** 2 + self.tilt * x[0] ** 3


def pairs(count, noise, seed, *, tilt=0.0):
    """Noisy values of the bowl."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 2))
    return X, Bowl(tilt)(X.T) + noise * rng.normal(size=count)


def fit(count, noise, seed, **options):
    return iso.Data(*pairs(count, noise, seed, **options), space=CUBICS)


def held(data, action=GL2, *, tolerance=0.05, level=0.05):
    view = Normalised.of(data.section, action, data.samples)
    moved = float(np.mean([np.sum(change**2) for _, change in view.refits(data.refits)]))
    scales = {"seen": view.seen, "row_scale": view.row_scale, "moved": moved}
    return certificate(data, action, **scales, tolerance=tolerance, level=level)


def truth(tilt, data):
    """The smallest defect of the exact function, from its own derivatives."""
    return Normalised.of(Bowl(tilt), GL2, data.samples).spectra()[0].values[-1]


def test_bounds_hold_at_their_level():
    missed, bounds = 0, []
    for seed in range(SEEDS):
        data = fit(100, 0.1, seed, tilt=0.02)
        bound = held(data, tolerance=0.5).upper_bounds[0]
        missed += truth(0.02, data) > DRIFT * bound
        bounds.append(bound)
    assert missed <= stats.binom.ppf(0.999, SEEDS, 0.05)
    assert np.median(bounds) < 5 * truth(0.02, fit(100, 0.1, 0, tilt=0.02)) + 0.1


def test_a_defect_above_the_tolerance_is_claimed_no_more_often_than_the_level():
    claimed = 0
    for seed in range(SEEDS):
        data = fit(100, 0.3, seed, tilt=0.1)
        claimed += held(data, tolerance=truth(0.1, data) / DRIFT).dimension > 0
    assert claimed <= stats.binom.ppf(0.999, SEEDS, 0.05)
    assert all(held(fit(100, 0.3, seed), tolerance=0.2).dimension == 1 for seed in range(5))


def test_tolerance_and_level_are_the_callers():
    data = fit(100, 0.02, 0)
    loose, strict = (iso.discover(data, GL2, tolerance=t) for t in (0.05, 0.0005))
    assert (loose.name, loose.decision.verdict) == ("so(2)", "certain")
    assert strict.decision.verdict == "cannot tell"
    careful = iso.discover(data, GL2, level=0.001)
    assert careful.bounds[0] > loose.bounds[0] > loose.defects[0]
    assert "confidence of 95%" in str(loose)


def test_a_small_defect_that_is_not_zero_is_no_symmetry():
    """Tilted by a hundredth, with little noise: below the tolerance and clearly broken."""
    assert held(fit(300, 1e-4, 0, tilt=0.01)).dimension == 1
    found = iso.discover(fit(300, 1e-4, 0, tilt=0.01), GL2)
    assert (found.dimension, found.decision.verdict) == (0, "none")
    assert "differ from zero" in found.decision.reason
    assert iso.discover(fit(300, 1e-4, 0), GL2).name == "so(2)"


@pytest.mark.parametrize("scale", [(1e3, 1.0), (1.0, 1e-4)])
def test_units_do_not_decide(scale):
    X, Y = pairs(100, 0.1, 0)
    plain, other = (iso.Data(X * a, Y * b, space=CUBICS) for a, b in ((1.0, 1.0), scale))
    assert held(other).upper_bounds == pytest.approx(held(plain).upper_bounds, rel=1e-3)


def test_a_constant_changes_no_bound():
    X, Y = pairs(100, 0.1, 0)
    plain, raised = (held(iso.Data(X, Y + shift, space=CUBICS)) for shift in (0.0, 100.0))
    assert raised.upper_bounds == pytest.approx(plain.upper_bounds, rel=DRIFT - 1)


def test_dependent_rows_are_noticed():
    """Rows in order around the origin, errors that last: the fit knows less than its residuals say."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    X = X[np.argsort(np.arctan2(*X.T))]
    error = 1e-3 * rng.normal(size=20).repeat(20)
    lasting, fresh = (held(iso.Data(X, (X**2).sum(axis=1) + e, space=CUBICS)) for e in (error, rng.permutation(error)))
    assert lasting.fits.variances[0] > DEPENDENT > fresh.fits.variances[0]
    assert (lasting.verdict, fresh.verdict) == ("supported", "certain")


@pytest.mark.parametrize("sketch", [8, 16, 64])
def test_rows_are_compressed_to_their_gram_matrix(monkeypatch, sketch):
    """Thirty rows of rank five among twenty columns, by sketches too small, large enough, and not needed."""
    monkeypatch.setattr("isotropy.certified.SKETCH", sketch)
    rng = np.random.default_rng(sketch)
    rows = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 20))
    few = _compressed(lambda: iter(np.array_split(rows, 4)), 20)
    assert few.shape == (5, 20)
    size = np.linalg.norm(rows) ** 2
    assert np.abs(few.T @ few - rows.T @ rows).max() <= 100 * rows.size * np.finfo(np.float64).eps * size


def test_outputs_on_a_line_are_worth_one():
    """The second output repeats the first, errors and all: brackets grow by the root of two, their errors with them."""
    X, Y = pairs(200, 0.05, 0)
    once, twice = (iso.Data(X, np.outer(Y, np.ones(n)), space=CUBICS) for n in (1, 2))
    S = groups.GL(2).scalar
    bounds = [held(data, iso.Action(groups.GL(2).vector, k * S)).upper_bounds for k, data in ((1, once), (2, twice))]
    assert bounds[1] == pytest.approx(np.sqrt(2) * bounds[0], rel=1e-6)


@pytest.mark.parametrize(
    ("space", "action"),
    [
        (spaces.parse("polynomials(2) + (x + y)**2", ("x", "y")), GL2),
        (CUBICS, iso.Action(groups.SE(2), groups.SE(2).point)),
    ],
    ids=["features that depend on each other", "outputs that translations move"],
)
def test_where_there_is_no_certificate_the_directions_are_judged(space, action):
    X, Y = pairs(200, 0.01, 0)
    outputs = np.stack([Y, Y], axis=1) if action.fibre_dimension == 2 else Y
    data = iso.Data(X, outputs, space=space)
    assert held(data, action) is None
    assert iso.discover(data, action).bounds is None


def test_bounds_are_kept(tmp_path):
    found = iso.discover(fit(100, 0.1, 0), GL2)
    again = iso.Discovery.load(found.save(tmp_path / "found.json"))
    assert again.bounds == pytest.approx(found.bounds)
