"""Certificates on planted fields: the chance to invent stays below the level, and what is there is found."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import isotropy as iso
from isotropy.numerics.certify import certain, certify, directions, lower_bound, simultaneous, supported, upper_bounds
from isotropy.numerics.fits import Fits

EPS = np.finfo(np.float64).eps
LEVEL = TOLERANCE = 0.05
TRIALS = 240

BISECTED = 2.0**-20
"""Relative error of bounds found by bisection: HALVINGS of a bracket some thousand times as wide as the answer."""

spec = importlib.util.spec_from_file_location(
    "calibration_fields", Path(__file__).parents[2] / "benchmarks" / "calibration_fields.py"
)
fields = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = fields
spec.loader.exec_module(fields)

HARD = [
    # generators, miss over tolerance, noise, pairs: where the most false finds were seen
    (0, 1.1, 0.1, 300),
    (0, 3, 0.3, 300),
    (1, 1.1, 0.03, 100),
    (1, 3, 0.1, 300),
    (2, 1.1, 0.1, 1000),
    (4, 1.1, 0.1, 1000),
]


def trials(generators, miss, noise, count, *, seed=0, number=TRIALS):
    case = fields.planted(generators, miss, TOLERANCE)
    parameters, root, variances, dof = case.fits(noise=noise, count=count, trials=number, seed=[seed, generators])
    return case, Fits.of(case.tensor, parameters, root, variances, dof)


def one(case_seed, generators, miss, noise, count, **options):
    case = fields.planted(generators, miss, TOLERANCE)
    parameters, root, variances, dof = case.fits(noise=noise, count=count, trials=1, seed=[case_seed])
    options = {"tolerance": TOLERANCE, "level": LEVEL} | options
    return certify(case.tensor, parameters[0], root @ root.T, variances[0], dof, **options)


def worst(case, spans):
    """The largest true defect in each span."""
    return np.linalg.norm((case.tensor @ case.field) @ spans, ord=2, axis=(1, 2))


def false_finds(case, frames, count):
    return sum(bool(worst(case, frames[i : i + 1, :, :d])[0] > TOLERANCE) for i, d in enumerate(count) if d)


@pytest.mark.parametrize("setting", HARD, ids=str)
def test_inventions_stay_below_the_level(setting):
    case, fits = trials(*setting)
    frames = fits.propose()
    count = supported(fits, frames, tolerance=TOLERANCE, level=LEVEL)
    allowed = stats.binom.ppf(1 - 0.01 / len(HARD), TRIALS, LEVEL)
    assert false_finds(case, frames, count) <= allowed
    assert false_finds(case, frames, certain(fits, frames, tolerance=TOLERANCE, level=LEVEL)) <= allowed


def test_the_same_trials_without_care_are_invented():
    """The control: a rule that believes the singular values fails where the certificate holds."""
    case, fits = trials(1, 1.1, 0.03, 100)
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(fits.gram), 0)) / fits.sizes[:, None]
    frames = np.linalg.eigh(fits.gram)[1]
    false = false_finds(case, frames, (values <= TOLERANCE).sum(axis=1))
    assert false > stats.binom.ppf(1 - 1e-6, TRIALS, LEVEL)


@pytest.mark.parametrize(("noise", "count", "goal"), [(0.01, 100, 0.8), (0.03, 300, 0.5)])
def test_what_is_there_is_found_more_often_than_by_the_simultaneous_bound(noise, count, goal):
    found, rivals = [], []
    for generators in (1, 2, 4):
        _, fits = trials(generators, 10, noise, count, number=80)
        frames = fits.propose()
        found.append((supported(fits, frames, tolerance=TOLERANCE, level=LEVEL) >= generators).mean())
        rivals.append((certain(fits, frames, tolerance=TOLERANCE, level=LEVEL) >= generators).mean())
    assert np.mean(found) >= goal
    assert np.mean(found) >= 1.4 * np.mean(rivals)


def test_upper_bounds_cover_the_defect_of_what_was_chosen():
    case, fits = trials(1, 3, 0.1, 300)
    frames = fits.propose()
    bounds = upper_bounds(fits, directions(fits, frames[:, :, :1]), frames[:, :, 1:], level=LEVEL)[:, 0]
    missed = (worst(case, frames[:, :, :1]) > bounds).sum()
    assert missed <= stats.binom.ppf(0.999, TRIALS, LEVEL)
    proved = simultaneous(fits, frames[:, :, :2], level=LEVEL)
    assert (worst(case, frames[:, :, :2]) > proved).sum() <= stats.binom.ppf(0.999, TRIALS, LEVEL)
    assert np.median(proved) > np.median(bounds)


@pytest.mark.parametrize("count", [0, 1])
def test_lower_bounds_stay_below_the_truth(count):
    case, fits = trials(1, 10, 0.03, 300)
    bounds = lower_bound(fits, fits.propose(), count, level=LEVEL)
    truth = fields.defects(case.tensor, case.field)[count]
    assert (bounds > truth).sum() <= stats.binom.ppf(0.999, TRIALS, LEVEL)
    assert count == 0 or np.median(bounds) > truth / 4


@pytest.mark.parametrize("seed", range(2))
def test_coordinates_do_not_decide(seed):
    """Other bases of generators and of functions, with their Gram matrices, give the same answer."""
    rng = np.random.default_rng(seed)
    case = fields.planted(1, 10, TOLERANCE)
    parameters, root, variances, dof = case.fits(noise=0.03, count=300, trials=1, seed=[seed])
    rotation = np.linalg.qr(rng.normal(size=(len(case.tensor),) * 2))[0]
    left, right = (rng.normal(size=(k, k)) + 3 * np.eye(k) for k in case.tensor.shape[1:])
    back = np.linalg.inv(right)
    plain = certify(case.tensor, parameters[0], root @ root.T, variances[0], dof, tolerance=TOLERANCE)
    turned = certify(
        np.einsum("jk,kpq,pr,qs->jrs", rotation, case.tensor, left, back),
        right @ parameters[0],
        right @ root @ root.T @ right.T,
        variances[0],
        dof,
        generator_norm=left.T @ left,
        function_norm=back.T @ back,
        tolerance=TOLERANCE,
    )
    assert (plain.dimension, plain.verdict) == (turned.dimension, turned.verdict) == (1, "supported")
    condition = np.linalg.cond(left) * np.linalg.cond(right) ** 2
    scale = EPS * case.tensor.size * condition / variances[0]
    assert plain.upper_bounds == pytest.approx(turned.upper_bounds, rel=max(scale, BISECTED))
    spans = [plain.span, turned.span @ left.T]
    assert abs(abs((spans[0] @ spans[1].T).item()) - 1) <= max(scale, BISECTED)


def test_a_clear_symmetry_is_certain_and_its_bound_is_small():
    answer = one(0, 1, 10, 0.001, 300)
    assert (answer.dimension, answer.verdict, answer.verdicts) == (1, "certain", ("certain",))
    rotation = np.array([0, -1, 0, 0, 0, 1]) / np.sqrt(2)  # -y ∂x + x ∂y, where each component has 1, y, x
    assert abs(answer.span[0] @ rotation) == pytest.approx(1, abs=TOLERANCE**2)
    assert answer.upper_bounds[0] < TOLERANCE / 10
    assert answer.bound(answer.span) == pytest.approx(answer.upper_bounds, rel=1e-3)
    assert answer.lower_bound > TOLERANCE


def test_no_symmetry_is_an_answer():
    answer = one(0, 0, 0, 0.03, 300)
    assert (answer.dimension, answer.verdict) == (0, "none")
    assert answer.lower_bound > TOLERANCE
    assert answer.span.shape == (0, 6)


def test_a_near_miss_is_not_claimed():
    """A hundredth above the tolerance, with hardly any noise; a hundredth below it is claimed."""
    answer = one(0, 1, 1.01, 1e-4, 1000)
    assert answer.dimension == 1
    assert one(0, 1, 0.99, 1e-4, 1000).dimension == 2


@pytest.mark.parametrize(("noise", "words"), [(0.1, "times as many samples"), (100.0, "lost in the noise")])
def test_cannot_tell_says_what_would_help(noise, words):
    answer = one(1, 1, 0, noise, 100)
    assert (answer.dimension, answer.verdict) == (0, "cannot tell")
    assert words in answer.reason


def test_more_noise_never_proves_more():
    counts = [
        certain(fits, fits.propose(), tolerance=TOLERANCE, level=LEVEL).mean()
        for fits in (trials(1, 10, noise, 300, number=60)[1] for noise in (0.001, 0.01, 0.1))
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 1
    assert counts[-1] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"beta": [1.0]}, "`beta` must have shape"),
        ({"beta": [1.0, np.nan]}, "NaN"),
        ({"covariance": -np.eye(2)}, "negative eigenvalues"),
        ({"covariance": np.zeros((2, 2))}, "`covariance` is zero"),
        ({"variance": -1.0}, "`variance` must not be negative"),
        ({"dof": 0}, "take more data"),
        ({"generator_norm": np.zeros((2, 2))}, "`generator_norm` must be positive definite"),
        ({"function_norm": np.diag([1.0, 0.0])}, "`function_norm` must be positive definite"),
        ({"tolerance": 0.0}, "`tolerance` must be above 0"),
        ({"level": 0.5}, "`level` must be above 0 and below 0.2"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change, words):
    good = {
        "operator": np.ones((1, 2, 2)),
        "beta": [1.0, 0.5],
        "covariance": np.eye(2),
        "variance": 1e-4,
        "dof": 100,
        "tolerance": 0.05,
    }
    with pytest.raises(iso.IsotropyError, match=words):
        certify(**(good | change))
