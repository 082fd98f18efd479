"""Data beyond polynomials: which class is taken, what it knows of its error, models of one's own, and flat inputs."""

from __future__ import annotations

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.geometry import network
from isotropy.geometry.regression import Regression, larger_polynomials, radial_spaces
from isotropy.geometry.restricted import Hull, Restricted
from isotropy.numerics.decide import CONSISTENT

EPS = np.finfo(np.float64).eps
GL2 = iso.Action(groups.GL(2))
NOISE = 0.0005
GENERAL = ("polynomials", "radial")


def bump(x):
    """Symmetric under rotation, and no polynomial."""
    return jnp.exp(-2 * (x[0] ** 2 + x[1] ** 2))


def pairs(count: int, noise: float, seed: int, *, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(count, 2))
    Y = np.exp(-2 * (X**2).sum(axis=1)) * (1 + tilt * X[:, 0])
    return X, Y + noise * rng.normal(size=count)


@pytest.fixture(scope="module")
def bumps() -> iso.Data:
    return iso.Data(*pairs(400, NOISE, 0), classes=GENERAL)


def test_radial_functions_are_tried_where_polynomials_leave_more_than_noise(bumps: iso.Data) -> None:
    assert [tried.name for tried in bumps.tried] == ["polynomials", "radial functions"]
    assert not bumps.tried[0].explained
    assert bumps.explained
    assert bumps.relative_error < bumps.tried[0].relative_error / 2
    assert "radial functions of x, y" in bumps.describe()
    assert bumps.noise[0] == pytest.approx(NOISE, rel=5 / np.sqrt(2 * 400) + 0.2)


def test_polynomials_are_kept_where_they_explain_the_data() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    data = iso.Data(X, (X**2).sum(axis=1) + 0.1 * rng.normal(size=200))
    assert [tried.name for tried in data.tried] == ["polynomials"]


def test_a_rotation_is_certified_from_radial_functions(bumps: iso.Data) -> None:
    found = iso.discover(bumps, GL2)
    assert found.name == "so(2)"
    assert found.decision.verdict in ("certain", "supported")
    assert found.bounds is not None
    truth = np.array([0.0, -1.0, 1.0, 0.0]) / np.sqrt(2)
    cosine = abs(found.coefficients[0] @ truth) / np.linalg.norm(found.coefficients[0])
    assert np.arccos(min(cosine, 1.0)) <= 2 * found.bounds[0]


@pytest.mark.parametrize("tilt", [0.3, 1.0])
def test_a_broken_bump_is_not_claimed(tilt: float) -> None:
    found = iso.discover(iso.Data(*pairs(400, NOISE, 1, tilt=tilt), classes=GENERAL), GL2)
    assert found.dimension == 0 or found.decision.verdict == "cannot tell"


def test_the_class_is_asked_for() -> None:
    X, Y = pairs(300, NOISE, 0)
    poor = iso.Data(X, Y, classes=["polynomials"])
    assert not poor.explained
    assert iso.discover(poor, GL2).decision.verdict == "cannot tell"


def test_left_out_errors_of_many_features_are_those_of_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    """QR and singular values give one fit, and the jackknife without refitting is the one with."""
    rng = np.random.default_rng(0)
    X, space = rng.normal(size=(80, 2)), iso.spaces.Polynomials(2, degree=3)
    Y = (X**3).sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(80, 1))
    slow = Regression.of(space, X, Y)
    monkeypatch.setattr("isotropy.geometry.regression.DENSE", 5)
    quick = Regression.of(space, X, Y)
    assert quick.ridge == 0.0
    exact = [np.linalg.lstsq(space.values(np.delete(X, k, 0)), np.delete(Y, k, 0))[0] for k in (0, 7)]
    for k, coefficients in zip((0, 7), exact, strict=True):
        assert quick.left_out[k] == pytest.approx(Y[k] - space.values(X[k : k + 1])[0] @ coefficients, rel=1e6 * EPS)
    blocks = np.array_split(np.arange(80), 10)
    again = np.linalg.lstsq(space.values(np.delete(X, blocks[3], 0)), np.delete(Y, blocks[3], 0))[0]
    expected = quick.coefficients + 3 * (again - quick.coefficients)
    assert np.abs(quick.refits[3].coefficients - expected).max() <= 1e6 * EPS
    assert np.abs(slow.coefficients - quick.coefficients).max() <= 5 * np.abs(quick.coefficients - expected).max()
    larger = larger_polynomials(X, Y, Hull(np.eye(2), np.zeros(2)), variables=None)
    assert larger is not None
    assert larger.space.dimension == 21


def test_radial_spaces_grow_and_are_well_posed() -> None:
    X = np.random.default_rng(0).uniform(-1, 1, size=(200, 3)) * [1.0, 1e3, 1e-3]
    spaces = list(radial_spaces(X, Hull(np.eye(3), np.zeros(3))))
    assert [space.dimension for space in spaces] == [16, 32, 64]
    for space in spaces:
        assert np.linalg.cond(space.values(X)) < 1 / np.sqrt(EPS)


def test_networks_are_fitted_to_halves_that_share_nothing() -> None:
    halves = network.half_samples(11, 4, seed=0)
    assert len(halves) == 8
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert len(first) == len(second) == 5
        assert not set(first) & set(second)


def linear_fits(X: np.ndarray, Y: np.ndarray):
    slope = np.linalg.lstsq(X, Y)[0][:, 0]
    return lambda x: x @ jnp.asarray(slope, x.dtype)


def test_a_learner_of_ones_own_is_refitted_on_halves() -> None:
    """Half samples of a linear fit move by its standard error, which is known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    Y = X @ [1.0, -2.0] + 0.1 * rng.normal(size=200)
    data = iso.Data(X, Y, model=SimpleNamespace(fit=linear_fits))
    assert data.space is None
    assert data.explained
    assert data.noise[0] == pytest.approx(0.1, rel=0.2)
    expected = 0.1 * np.sqrt(2 / 200)
    assert 0.4 * expected <= data.fit.moved <= 2.5 * expected
    found = iso.discover(data, GL2, tolerance=0.1)
    assert (found.dimension, found.decision.verdict) == (2, "supported")
    assert found.bounds is None


def test_what_no_refit_can_follow_is_no_standard_error() -> None:
    """Refits to halves hardly differ, whether they miss noise or a short wave. Only noise may be taken for that."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 2))
    Y = X @ [1.0, -2.0]
    model = SimpleNamespace(fit=linear_fits)
    noisy = iso.Data(X, Y + 0.03 * rng.normal(size=400), model=model)
    assert not noisy.structured
    assert noisy.reach == CONSISTENT
    missed = 0.04 * np.sin(12 * X[:, 0]) * np.cos(11 * X[:, 1])
    rough = iso.Data(X, Y + missed, model=model)
    assert rough.structured
    assert rough.reach > 10
    X_Y = rng.normal(size=(400, 2)), rng.normal(size=400)
    given = iso.Data(*X_Y, model=[lambda x: x[0], lambda x: x[1]])
    assert given.reach == CONSISTENT


def test_a_symmetry_is_not_claimed_where_networks_miss_what_breaks_it() -> None:
    """Networks are round, and alike; the data are not: a wave of less than a hundredth breaks rotation by 7%."""
    X = np.random.default_rng(1).uniform(-1, 1, size=(500, 2))
    round_ones = np.exp(-(X**2).sum(axis=1))
    wave = np.sin(12 * X[:, 0]) * np.cos(11 * X[:, 1])
    verdicts = []
    for amount in (0.0, 0.006):
        data = iso.Data(X, round_ones + amount * wave, classes=("networks",))
        assert data.reach > CONSISTENT
        verdicts.append(iso.discover(data, GL2).decision.verdict)
    assert verdicts == ["supported", "cannot tell"]


def test_one_function_is_judged_by_its_residuals() -> None:
    X, Y = pairs(400, NOISE, 0)
    right = iso.Data(X, Y, model=bump)
    assert right.explained
    found = iso.discover(right, GL2)
    assert (found.name, found.decision.verdict) == ("so(2)", "supported")
    wrong = iso.Data(X, Y, model=lambda x: bump(x) * (1 + 0.2 * x[0]))
    assert not wrong.explained
    assert iso.discover(wrong, GL2).dimension == 0 or iso.discover(wrong, GL2).decision.verdict == "cannot tell"
    smooth = iso.Data(X, Y, model=lambda x: bump(x) * 0.0)
    assert not smooth.explained


def test_several_functions_are_judged_by_their_differences() -> None:
    X, Y = pairs(100, 0.0, 0)
    data = iso.Data(X, Y, model=[bump, lambda x: bump(x) * (1 + 1e-3 * x[0]), lambda x: bump(x) * (1 - 1e-3 * x[0])])
    assert data.describe().startswith("100 pairs, the mean of 3 fits")
    assert iso.discover(data, GL2).name == "so(2)"


def flat(count: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A map of a plane in R^4 to itself that rotations commute with, and errors all around."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 2))
    w = z * (1 + 0.3 * (z**2).sum(axis=1, keepdims=True))
    frame = np.linalg.qr(np.arange(8.0).reshape(4, 2) % 5 + np.eye(4, 2))[0]
    X, Y = z @ frame.T, w @ frame.T
    return X + noise * rng.normal(size=X.shape), Y + noise * rng.normal(size=Y.shape)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_what_leaves_the_flat_set_of_the_inputs_is_unseen(noise: float) -> None:
    X, Y = flat(300, noise, 0)
    data = iso.Data(X, Y, input_noise=noise, classes=["polynomials"])
    assert data.hull.frame.shape == (4, 2)
    V = groups.GL(4).vector
    found = iso.discover(data, iso.Action(V, V), tolerance=0.2)
    # Of 16, the maps of the plane into itself are 4; 8 more vanish on it and 4 leave it.
    assert found.unseen.dimension == 12
    assert len(found.spectrum) == 4
    assert found.dimension == 1
    assert noise == 0 or found.decision.verdict != "certain"
    plane = data.hull.frame.T @ found.generators[0] @ data.hull.frame
    turn = np.array([[0, -1], [1, 0]]) * (plane[1, 0] - plane[0, 1]) / 2
    assert np.linalg.norm(plane - turn) <= max(10 * noise, 1e-6) * np.linalg.norm(plane)


def test_a_constant_column_is_not_moved() -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)), np.ones((100, 1))], axis=1)
    found = iso.discover(iso.Data(X, (X[:, :2] ** 2).sum(axis=1)), iso.Action(groups.GL(3)))
    # Velocities along the constant are unseen (3); shifts by it and gl(2) are seen, and rotation is kept.
    assert found.unseen.dimension == 3
    assert found.dimension == 1


def test_a_restricted_space_is_saved_and_derives() -> None:
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 2)))[0]
    space = Restricted(iso.spaces.Polynomials(2, degree=2), frame=frame, centre=[1.0, 0.0, 0.0])
    assert iso.spaces.Space.from_dict(space.to_dict()) == space
    x, across = np.array([[0.3, 0.2, 0.5]]), np.cross(frame[:, 0], frame[:, 1])
    assert np.abs(space.gradients(x)[0] @ across).max() <= 100 * EPS
    text = space.to_sympy(np.eye(6)[3])
    value = float(text.subs({"x": 0.3, "y": 0.2, "z": 0.5}))
    assert value == pytest.approx(space.values(x)[0, 3], rel=1e4 * EPS)


BAD = [
    ({"model": 3.0}, "`model` must be a function"),
    ({"model": SimpleNamespace(fit=lambda X, Y: 3)}, "must return a function of one point"),
    ({"model": bump, "space": iso.spaces.Polynomials(2, degree=1)}, "both say what to fit"),
    ({"model": lambda x: float(x[0])}, "could not be evaluated by JAX"),
    ({"model": lambda x: x}, "returns 2 numbers at a point"),
    ({"model": lambda x: jnp.log(x[0])}, "NaN or infinity"),
    ({"classes": "polynomials"}, "`classes` must be a list"),
    ({"classes": ["trees"]}, "`classes` must be a list"),
    ({"input_noise": [0.1, 0.1, 0.1]}, "`input_noise` must be one number"),
    ({"input_noise": -1.0}, "`input_noise` must be one number"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_met_with_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(iso.IsotropyError, match=message):
        iso.Data(*pairs(40, 0.0, 0), **options)
