"""Discovery from pairs: the fit's own error decides what may be claimed."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups, spaces

PLANETS = Path(__file__).parent.parent / "examples" / "planets" / "planets.csv"
R = "sqrt(x**2+y**2+z**2)"


def pairs(count, noise, seed):
    """A vector that turns with its argument, with measurement error."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 3))
    Y = X * (1 + np.sum(X**2, axis=1, keepdims=True))
    return X, Y + noise * Y.std() * rng.normal(size=Y.shape)


@pytest.mark.parametrize("seed", range(4))
def test_affine_generators_from_clean_pairs_close_to_rounding(seed):
    """Balancing must not blow the rounding in the empty row of an affine matrix up to the square root of itself."""
    X = np.random.default_rng(seed).normal(size=(80, 3))
    found = iso.discover(iso.Data(X, X[:, 0] ** 2 + X[:, 1] ** 2 + 3 * X[:, 2]), iso.Action(groups.Aff(3)))
    assert found.name == "se(2)"
    assert found.closure <= 12 * found.noise


@pytest.mark.parametrize("noise", [1e-3, 1e-1])
@pytest.mark.parametrize("seed", range(3))
def test_what_the_noise_makes_of_an_algebra_is_not_named(noise, seed):
    """A fit with a little curvature along z has so(3) or sl(2,R), closed to rounding; the truth has se(2)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 3))
    data = iso.Data(X, X[:, 0] ** 2 + X[:, 1] ** 2 + 3 * X[:, 2] + noise * rng.normal(size=200))
    found = iso.discover(data, iso.Action(groups.Aff(3)))
    assert found.dimension == 3
    assert found.name == "se(2)" if noise == 1e-3 else "so(3)" not in found.name and "sl(2" not in found.name


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize("seed", range(2))
def test_rotations_from_noisy_pairs(noise, seed):
    data = iso.Data(*pairs(400, noise, seed), space=spaces.Polynomials(3, degree=3))
    found = iso.discover(data, iso.Action.independent(groups.GL(3), groups.GL(3)))
    assert (found.dimension, found.name) == (3, "so(3)")
    assert found.decision.verdict in ("certain", "supported")
    truth = iso.discover(
        lambda x: x * (1 + x @ x),
        iso.Action.independent(groups.GL(3), groups.GL(3)),
        iso.Samples.normal(100, 3, seed=0),
    )
    frames = [np.linalg.qr(answer.coefficients.T)[0] for answer in (found, truth)]
    angle = np.arccos(np.clip(np.linalg.svd(frames[0].T @ frames[1], compute_uv=False).min(), 0, 1))
    assert angle <= max(3 * found.noise, 1e-6)
    assert found.noise <= noise + 1e-9


@pytest.mark.parametrize("seed", range(2))
def test_a_broken_symmetry_is_not_claimed(seed):
    X, Y = pairs(400, 1e-3, seed)
    Y = Y + 0.05 * Y.std() * X[:, :1] ** 2
    found = iso.discover(
        iso.Data(X, Y, space=spaces.Polynomials(3, degree=3)), iso.Action.independent(groups.GL(3), groups.GL(3))
    )
    assert found.dimension < 3 or found.decision.verdict == "cannot tell"


def test_a_space_too_small_makes_no_claim():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    Y = np.sin(3 * X[:, 0]) + X[:, 1]
    found = iso.discover(iso.Data(X, Y, space=spaces.Polynomials(2, degree=1)), iso.Action(groups.Aff(2)))
    assert found.decision.verdict == "cannot tell"
    assert "larger `space`" in found.decision.reason


def test_too_much_noise_makes_no_claim():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    found = iso.discover(
        iso.Data(X, rng.normal(size=(40, 3)), space=spaces.Polynomials(3, degree=2)),
        iso.Action.independent(groups.GL(3), groups.GL(3)),
    )
    assert found.decision.verdict == "cannot tell"
    assert found.dimension == 18
    assert found.name == "18-dimensional, too noisy to name"
    assert str(found).startswith(found.name)


@pytest.fixture(scope="module")
def inner():
    with PLANETS.open() as file:
        rows = [row for row in csv.DictReader(line for line in file if not line.startswith("#"))]
    near = [row for row in rows if row["body"] in ("mercury", "venus", "earth", "mars")]
    read = lambda names: np.array([[float(row[name]) for name in names] for row in near])  # noqa: E731
    return read(("x", "y", "z")), read(("ax", "ay", "az"))


@pytest.fixture(scope="module")
def thinned(inner):
    return inner[0][::5], inner[1][::5]


def test_polynomials_cannot_tell_keplers_law(thinned):
    """No polynomial of the position is an inverse square, and the answer says so."""
    found = iso.discover(iso.Data(*thinned), iso.Action.independent(groups.GL(3), groups.GL(3)))
    assert found.decision.verdict == "cannot tell"
    assert found.scaling_power is None


def test_samples_come_with_the_data():
    data = iso.Data(*pairs(50, 0.0, 0))
    with pytest.raises(iso.IsotropyError, match="brings its own samples"):
        iso.discover(data, iso.Action(groups.GL(3)), iso.Samples(data.X))


def test_a_crowded_space_answers_all_the_same(thinned):
    """So many like terms that the operator is hardly known: no name, no exception."""
    text = f"polynomials(1)*(1/{R}^2 + 1/{R}^2.5 + 1/{R}^3.5 + 1/{R}^4)"
    data = iso.Data(*thinned, space=spaces.parse(text, ("x", "y", "z")))
    found = iso.discover(data, iso.Action.independent(groups.GL(3), groups.GL(3)))
    assert found.decision.verdict == "cannot tell"
    assert found.name == "unnamed"
    assert str(found)


def test_a_bound_that_says_nothing_is_not_said():
    """Forty values that are mostly noise: bounds are infinite, and neither words nor digits pretend otherwise."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 2))
    Y = (X**2).sum(axis=1) + rng.normal(size=40)
    found = iso.discover(iso.Data(X, Y, space=iso.spaces.Polynomials(2, degree=3)), iso.Action(groups.GL(2)))
    assert found.decision.verdict == "cannot tell"
    assert np.isinf(found.bounds).all()
    assert not any("bound" in remark or "inf" in remark for remark in found.remarks)
    texts = found.generator_text
    assert texts
    assert all(any(name in text for name in "xy") for text in texts)
    assert not any(re.search(r"\.\d{3}", text) for text in texts)
