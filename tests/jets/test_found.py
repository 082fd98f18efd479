"""Point symmetries from solutions on grids: known equations, noise, near misses, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import isotropy as iso
from isotropy.jets import FieldData
from isotropy.jets.smooth import Axis, Fit

T, X = np.linspace(0.1, 1.1, 50), np.linspace(0, 2 * np.pi, 32, endpoint=False)
K = np.arange(1, 5)
GRID = {"t": T, "x": X}
PLANE = {"independent": "t, x", "dependent": "u"}


def waves(seed, *, runs=3, third=0.0, order=0):
    """Solutions of u_t = u_xx + third u_xxx (runs, t, x), or a derivative of them along x."""
    rng = np.random.default_rng(seed)
    size, phase = rng.normal(size=(runs, len(K))) * np.exp(-0.2 * K), rng.uniform(0, 2 * np.pi, (runs, len(K)))
    angle = K[:, None, None] * X - third * (K**3)[:, None, None] * T[:, None] + order * np.pi / 2
    turning = np.cos(angle + phase[:, :, None, None]) * (K**order)[:, None, None]
    return np.einsum("rk,kt,rktx->rtx", size, np.exp(-np.outer(K**2, T)), turning)


def burgers(seed):
    """u_t + u u_x = u_xx by the Cole-Hopf map."""
    waving, slope = waves(seed), waves(seed, order=1)
    return -2 * slope / (4 + waving)


def sine(found, expected):
    first, second = (np.linalg.qr(np.asarray(rows, dtype=float).T)[0] for rows in (found, expected))
    return np.linalg.norm(second - first @ (first.T @ second), 2)


@pytest.fixture(scope="module")
def true_heat():
    return iso.symmetries_of(lambda j: j.u_t - j.u_xx, **PLANE)


def test_heat_without_noise(true_heat):
    found = iso.symmetries_of(FieldData(GRID, 0.3 + waves(0), periodic="x"))
    assert found.equation == "u_t = u_xx"
    assert (found.dimension, found.superposition, found.decision.verdict) == (8, 3, "supported")
    assert found.name == true_heat.name
    assert sine(found.coefficients, true_heat.coefficients) <= found.noise <= 1e-6
    assert found.unseen.dimension == 0


def test_burgers_without_noise():
    found = iso.symmetries_of(FieldData(GRID, {"u": burgers(0)}, periodic=["x"]))
    assert found.equation == "u_t = u_xx − u*u_x"
    assert (found.dimension, found.name, found.decision.verdict) == (5, "saff(2)", "supported")


@pytest.mark.parametrize("seed", [0, 1])
def test_heat_with_a_hundredth_of_noise(seed, true_heat):
    u = 0.3 + waves(seed)
    u = u + 0.01 * u.std() * np.random.default_rng(seed).standard_normal(u.shape)
    found = iso.symmetries_of(FieldData(GRID, u, periodic="x"))
    assert (found.dimension, found.name, found.decision.verdict) == (8, true_heat.name, "supported")
    # The answer knows how far off it is.
    assert sine(found.coefficients, true_heat.coefficients) <= 5 * found.noise <= 0.1


def test_a_term_of_a_thousandth_is_found_and_loses_what_it_breaks():
    """The boost goes; the scaling stays in another form, since u_t = u_xx + e u_xxx is Airy's equation in disguise."""
    u = 0.3 + waves(0, third=1e-3)
    found = iso.symmetries_of(FieldData(GRID, u, periodic="x"), order=3)
    expected = iso.symmetries_of(lambda j: j.u_t - j.u_xx - 1e-3 * j.u_xxx, **PLANE)
    assert (found.dimension, found.decision.verdict) == (expected.dimension, "supported") == (7, "supported")
    assert sine(found.coefficients, expected.coefficients) <= 5 * found.noise


def test_a_dictionary_without_the_term_makes_no_claim():
    """A model too small is more symmetric than the truth: eight would be claimed, and seven are right."""
    found = iso.symmetries_of(FieldData(GRID, 0.3 + waves(0, third=1e-3), periodic="x"), order=2)
    assert found.decision.verdict == "cannot tell"
    assert "unexplained" in found.decision.reason


@pytest.mark.parametrize("noise", [0, 0.01])
@pytest.mark.parametrize("shape", ["decaying", "travelling"])
def test_one_wave_is_too_little(shape, noise):
    """u = exp(-t) sin x solves u_t = u_xx and u_t = -u, and sin(x - t) every equation that waves of length one do."""
    u = np.exp(-T)[:, None] * np.sin(X) if shape == "decaying" else np.sin(X - T[:, None])
    u = u + noise * np.random.default_rng(0).standard_normal(u.shape)
    assert iso.symmetries_of(FieldData(GRID, u, periodic="x"), degree=1).decision.verdict == "cannot tell"


def test_a_field_that_is_a_polynomial_hides_candidates():
    """On u = x^2 + 2 t the field (u - x^2 - 2 t) ∂u vanishes: nothing can be said of it."""
    x = np.linspace(-1, 1, 20)
    u = x**2 + 2 * T[:, None]
    fields = iso.VectorFields(iso.spaces.parse("1 + t + u + x^2", ["t", "x", "u"]))
    terms = iso.spaces.parse("u_xx", ["u_xx"])
    found = iso.symmetries_of(FieldData({"t": T, "x": x}, u), terms=terms, candidates=fields)
    assert found.unseen.dimension == 3
    assert any("u ∂u" in text for text in found.unseen.text)


def test_an_ordinary_equation_from_runs():
    """y'' + y = 0 from six swings, each over a different stretch of the phase."""
    x = np.linspace(0, 3, 60)
    y = np.array([a * np.sin(x + p) for a, p in ((1, 0), (0.5, 1), (2, 2), (1.5, 3), (0.7, 4), (1.2, 5))])
    found = iso.symmetries_of(FieldData({"x": x}, {"y": y}), leading="y_xx", degree=1)
    assert found.equation == "y_xx = −y"
    assert found.generator_text == ("∂x", "y ∂y")


def test_a_system_of_two_fields():
    """u_t = v_x, v_t = u_x: what is true of waves that run left and right."""
    rng = np.random.default_rng(0)
    size, phase = rng.normal(size=(2, 3, 4)) * np.exp(-0.3 * K), rng.uniform(0, 2 * np.pi, (2, 3, 4))

    def running(which, sign):
        angle = K[:, None, None] * (X + sign * T[:, None]) + phase[which][:, :, None, None]
        return np.einsum("rk,rktx->rtx", size[which], np.cos(angle))

    left, right = running(0, 1), running(1, -1)
    data = FieldData(GRID, {"u": left + right, "v": left - right}, periodic="x")
    found = iso.symmetries_of(data, order=1, degree=1)
    assert found.equation == "u_t = v_x; v_t = u_x"
    expected = iso.symmetries_of(lambda j: [j.u_t - j.v_x, j.v_t - j.u_x], independent="t,x", dependent="u,v", degree=1)
    assert found.dimension == expected.dimension
    assert sine(found.coefficients, expected.coefficients) <= 5 * found.noise


@pytest.mark.parametrize("periodic", [False, True])
def test_derivatives_of_a_fit(periodic):
    """Against the derivatives of a wave that is known, along an axis of each kind."""
    grid = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    fit = Fit.of([Axis(grid, periodic)], np.sin(grid + 0.3)[None])
    # Each derivative multiplies rounding by the degree squared (some 300), in sums of 40 terms.
    inner = slice(4, -4)
    for order, size in ((1, 1e4), (2, 3e6)):
        expected = np.sin(grid + 0.3 + order * np.pi / 2)
        found = fit.derivative((order,))[0]
        assert np.abs(found - expected)[inner].max() <= size * np.finfo(float).eps


def test_noise_is_measured():
    u = waves(0)
    noisy = u + 0.01 * u.std() * np.random.default_rng(0).standard_normal(u.shape)
    data = FieldData(GRID, noisy, periodic="x")
    # The estimate of a standard deviation from n values has a relative error of 1 / sqrt(2 n).
    assert abs(data.noise / 0.01 * u.std() / noisy.std() - 1) <= 5 / np.sqrt(2 * u.size) + 0.02


@pytest.mark.parametrize(
    ("grid", "fields", "periodic", "words"),
    [
        ({"t": T, "x": X}, np.ones((50, 32)), "x", "is constant"),
        ({"t": T, "x": X}, np.ones((50, 31)), "x", "shape of the grid"),
        ({"t": T, "x": X}, np.full((50, 32), np.nan), "x", "NaN or infinite"),
        ({"t": T, "x": X}, np.ones(50), "x", "must have 2 or 3 axes"),
        ({"t": T, "x": X}, waves(0), "y", "must name axes"),
        ({"t": T, "x": X**2}, waves(0), "x", "equal steps"),
        ({"t": T[::-1], "x": X}, waves(0), "x", "must increase"),
        ({"t": np.repeat(T[:25], 2), "x": X}, waves(0), "x", "must increase"),
        ({"t": T[:5], "x": X}, waves(0)[:, :5], "x", "has 5 points"),
        ({"t": T, "x": X}, {"u": waves(0), "v": waves(0, runs=2)}, "x", "as many runs"),
        ({"t": T, "x": X}, {"t": waves(0)}, "x", "different variables"),
        ([T, X], waves(0), "x", "`grid` maps"),
        ({}, waves(0), "x", "`grid` maps"),
    ],
)
def test_bad_fields(grid, fields, periodic, words):
    with pytest.raises(iso.IsotropyError, match=words):
        FieldData(grid, fields, periodic=periodic)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"independent": "t,x"}, "brings its own variables"),
        ({"samples": iso.Samples.normal(9, 3, seed=0)}, "brings its own variables"),
        ({"leading": "u_y"}, "no coordinate 'u_y'"),
        ({"leading": "t"}, "must name one derivative"),
        ({"leading": "u_t,u_x"}, "must name one derivative"),
        ({"leading": "u_ttt"}, "derivative of order 3"),
        ({"terms": "u_xx"}, "space of functions of jet coordinates"),
        ({"terms": iso.spaces.parse("u_t", ["u_t"])}, "leading derivative"),
        ({"terms": iso.spaces.parse("w", ["w"])}, "no coordinate 'w'"),
        ({"terms": iso.spaces.Polynomials(3, degree=12, variables="u,u_x,u_xx")}, "fewer terms"),
        ({"order": 0}, "from 1 to 8"),
        ({"count": 3}, "take more points"),
    ],
)
def test_bad_questions(changes, words):
    data = FieldData(GRID, waves(0), periodic="x")
    with pytest.raises(iso.IsotropyError, match=words):
        iso.symmetries_of(data, **changes)


def test_a_field_at_rest_has_no_leading_derivative():
    data = FieldData(GRID, np.broadcast_to(np.sin(X), (50, 32)), periodic="x")
    with pytest.raises(iso.IsotropyError, match="leading derivative vanishes"):
        iso.symmetries_of(data)


def test_grids_without_equal_steps_are_fitted_by_polynomials():
    t = 0.1 + T**1.5
    decay = np.exp(-np.outer(K**2, t))
    rng = np.random.default_rng(0)
    size, phase = rng.normal(size=(2, 4)), rng.uniform(0, 2 * np.pi, (2, 4))
    u = np.einsum("rk,kt,rkx->rtx", size, decay, np.cos(K[:, None] * X + phase[:, :, None]))
    found = iso.symmetries_of(FieldData({"t": t, "x": X}, u, periodic="x"), degree=1)
    assert found.equation == "u_t = u_xx"
