"""Lie point symmetries of equations given as functions of the jet: known algebras, near misses, bad input."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy.results.point_symmetries import PointSymmetries

PLANE = {"independent": "t, x", "dependent": "u"}
LINE = {"independent": "x", "dependent": "y"}


def burgers(j):
    return j.u_t + j.u * j.u_x - j.u_xx


def schroedinger(j):
    """i psi_t + psi_xx + |psi|^2 psi = 0 with psi = u + i v."""
    size = j.u**2 + j.v**2
    return [j.u_t + j.v_xx + size * j.v, -j.v_t + j.u_xx + size * j.u]


def angle(found, expected):
    """The sine of the largest principal angle between two spans of rows."""
    first, second = (np.linalg.qr(np.asarray(rows, dtype=float).T)[0] for rows in (found, expected))
    return np.linalg.norm(second - first @ (first.T @ second), 2)


def field(space, **components):
    """A row of coefficients from terms such as ``x={"t*x": 4}``: the coefficient of ``t*x`` along x."""
    table = np.zeros((len(space.variables), space.dimension))
    for name, terms in components.items():
        for term, value in terms.items():
            table[space.variables.index(name), space.names.index(term)] = value
    return table.ravel()


def test_heat_tells_superposition_apart():
    found = iso.symmetries_of(lambda j: j.u_t - j.u_xx, **PLANE, degree=3)
    assert (found.dimension, found.superposition, found.decision.verdict) == (10, 4, "certain")
    assert found.name == "schrodinger(1)"
    assert found.truncated
    assert "2 t ∂x − x*u ∂u" in found.generator_text[:6]
    # Olver, example 2.41; the last four are the heat polynomials.
    space = iso.spaces.Polynomials(3, degree=3, variables="t,x,u")
    expected = [
        field(space, t={"1": 1}),
        field(space, x={"1": 1}),
        field(space, u={"u": 1}),
        field(space, t={"t": 2}, x={"x": 1}),
        field(space, x={"t": 2}, u={"x*u": -1}),
        field(space, t={"t^2": 4}, x={"t*x": 4}, u={"t*u": -2, "x^2*u": -1}),
        field(space, u={"1": 1}),
        field(space, u={"x": 1}),
        field(space, u={"x^2": 1, "t": 2}),
        field(space, u={"x^3": 1, "t*x": 6}),
    ]
    eps = np.finfo(float).eps * found.candidates**2
    assert angle(found.coefficients[:6], expected[:6]) <= eps
    assert angle(found.coefficients[6:], expected[6:]) <= eps


@pytest.mark.parametrize(
    ("equation", "variables", "degree", "dimension", "superposition", "name"),
    [
        (lambda j: j.y_xx, LINE, 2, 8, 2, "sl(3,R)"),
        (burgers, PLANE, 2, 5, 0, "saff(2)"),
        (lambda j: j.u_t + j.u * j.u_x + j.u_xxx, PLANE, 1, 4, 0, "heisenberg(1)⋊R(3:−2)"),
        (lambda j: j.u_tt - j.u_xx, PLANE, 2, 12, 5, "so(2,2)+R"),
        (
            schroedinger,
            {"independent": "t,x", "dependent": "u,v"},
            2,
            5,
            0,
            "bargmann(1)⋊R(1:−2)",
        ),
        (lambda j: j.y_xxx + j.y * j.y_xx / 2, LINE, 2, 2, 0, "aff(1)"),
    ],
    ids=["straight lines", "burgers", "kdv", "wave", "schroedinger", "blasius"],
)
def test_the_table(equation, variables, degree, dimension, superposition, name):
    found = iso.symmetries_of(equation, **variables, degree=degree)
    assert isinstance(found, PointSymmetries)
    assert (found.dimension, found.superposition, found.name) == (dimension, superposition, name)
    assert found.decision.verdict == "certain"


@pytest.mark.parametrize(
    ("equation", "variables", "dimension", "name"),
    [
        # Ermakov's equation, the Harry Dym equation, the Hamilton-Jacobi equation of free motion (conformal group of
        # a space of dimension 2 + 1), Liouville's equation (two copies of the fields on the line).
        (lambda j: j.y_xx - j.y**-3, LINE, 3, "sl(2,R)"),
        (lambda j: j.u_t - j.u**3 * j.u_xxx, PLANE, 5, "sl(2,R)+aff(1)"),
        (lambda j: j.u_t - j.u_x**2, PLANE, 10, "sp(4,R)"),
        (lambda j: j.u_tx - jnp.exp(j.u), PLANE, 6, "so(2,2)"),
    ],
    ids=["ermakov", "harry dym", "hamilton-jacobi", "liouville"],
)
def test_other_known_algebras(equation, variables, dimension, name):
    found = iso.symmetries_of(equation, **variables, degree=2)
    assert (found.dimension, found.name, found.decision.verdict) == (dimension, name, "certain")


def test_the_oscillator_among_trigonometric_fields():
    """Every linear equation of second order has eight (Lie); for y'' + y = 0 they need sines."""
    waves = iso.spaces.Fourier(2, frequencies=(2, 0), variables="x,y")
    powers = iso.spaces.parse("1 + y + y^2", ["x", "y"])
    found = iso.symmetries_of(lambda j: j.y_xx + j.y, **LINE, candidates=iso.VectorFields(waves * powers))
    assert (found.dimension, found.name, found.superposition) == (8, "sl(3,R)", 2)


def test_variable_coefficients():
    """Heat in the plane without angles: the Galilean boosts are gone, the projective map stays (Bluman and Cole)."""
    found = iso.symmetries_of(lambda j: j.u_t - j.u_xx - j.u_x / j.x, **PLANE, degree=3)
    assert (found.dimension, found.superposition, found.name) == (6, 2, "gl(2,R)")
    assert "4 t^2 ∂t + 4 t*x ∂x − 4 t*u ∂u − x^2*u ∂u" in found.generator_text


def test_a_truncated_span_is_named_after_its_largest_closed_part():
    """f(t) ∂t − f'(t) ∂u with f of degree three: t^2 and t^3 bracket to t^4, but 1, t and t^2 close."""
    found = iso.symmetries_of(lambda j: j.u_tx - jnp.exp(j.u), **PLANE, degree=3)
    assert (found.dimension, found.truncated, found.name) == (8, True, "so(2,2)")


@pytest.mark.parametrize(
    ("equation", "broken", "variables", "lost"),
    [
        # dispersion fixes a length: the scaling goes, and the projective map with it
        (burgers, lambda j: burgers(j) + 1e-3 * j.u_xxx, PLANE, 2),
        # friction picks a rest frame and a time, forcing in x a place
        (burgers, lambda j: burgers(j) + 1e-3 * j.u, PLANE, 3),
        (
            lambda j: j.u_t + j.u * j.u_x + j.u_xxx,
            lambda j: j.u_t + j.u * j.u_x + j.u_xxx + 1e-3 * j.u_xx,
            PLANE,
            1,
        ),
        (lambda j: j.y_xx, lambda j: j.y_xx - 1e-3 * j.y**3, LINE, 6),
        (lambda j: j.y_xxx + j.y * j.y_xx / 2, lambda j: j.y_xxx + j.y * j.y_xx / 2 + 1e-3 * j.y_x, LINE, 1),
    ],
    ids=["dispersion", "friction", "viscosity", "spring", "drag"],
)
def test_a_term_of_a_thousandth_loses_what_it_breaks(equation, broken, variables, lost):
    whole = iso.symmetries_of(equation, **variables)
    part = iso.symmetries_of(broken, **variables)
    assert part.dimension == whole.dimension - lost
    assert part.decision.verdict == "certain"
    inside = part.coefficients / np.linalg.norm(part.coefficients, axis=1, keepdims=True)
    frame = np.linalg.qr(whole.coefficients.T)[0]
    assert np.linalg.norm(inside - inside @ frame @ frame.T) <= np.finfo(float).eps * whole.candidates**2


def test_the_way_an_equation_is_written_does_not_matter():
    first = iso.symmetries_of(burgers, **PLANE)
    second = iso.symmetries_of(lambda j: jnp.exp(j.u) * jnp.sinh(3 * burgers(j)), **PLANE, seed=1)
    assert angle(first.coefficients, second.coefficients) <= np.finfo(float).eps * first.candidates**2


def test_names_of_several_letters_and_derivatives_in_any_order():
    found = iso.symmetries_of(
        lambda j: j["h_x2_time"] - j.h_x1 * 0 - j.h_time_x2 + j.h_time - j.h_x1x1 - j.h_x2_x2,
        independent=["time", "x1", "x2"],
        dependent="h",
        degree=1,
    )
    # ∂time, ∂x1, ∂x2, scaling, rotation, h ∂h and the solutions 1, x1, x2
    assert (found.dimension, found.superposition) == (9, 3)


def test_additions_are_no_superposition_where_the_equation_is_not_linear():
    found = iso.symmetries_of(lambda j: j.u_t - j.u_x**2 - j.u_xx, **PLANE, degree=1)
    assert found.superposition == 1
    assert found.remarks[0].startswith("additions")


def test_the_answer_survives_a_file(tmp_path):
    found = iso.symmetries_of(lambda j: j.y_xx, **LINE)
    again = PointSymmetries.load(found.save(tmp_path / "lines.json"))
    assert str(again) == str(found)
    assert again.superposition == 2


@pytest.mark.parametrize(
    ("equation", "changes", "words"),
    [
        (lambda j: j.u_y - j.u_xx, {}, "no coordinate 'u_y'"),
        (lambda j: j.v_t - j.u_xx, {}, "no coordinate 'v_t'"),
        (lambda j: j.u_, {}, "no coordinate 'u_'"),
        (lambda j: j.u_t - j.u_xx, {"order": 1}, "`u_xx` is a derivative of order 2"),
        (lambda j: j.u_t - j.u_xx, {"order": 0}, "from 1 to 8"),
        (lambda j: j.u_t - j.u_t, {}, "says nothing"),
        (lambda j: j.u_t * 0 + 1, {}, "says nothing"),
        (lambda j: (j.u_t - j.u_xx) ** 2, {}, "is squared"),
        (lambda j: [j.u_t - j.u_xx, 2 * j.u_t - 2 * j.u_xx], {}, "depend on one another"),
        (lambda j: j.u_x**2 + 1, {}, "no real solutions"),
        (lambda j: j.u_t * jnp.nan, {}, "NaN or infinite at every jet"),
        (lambda j: j.u**2 - 1, {}, "holds no derivative"),
        (lambda j: float(j.u_t), {}, "JAX can differentiate"),
        (lambda j: "u_t", {}, "JAX can differentiate"),
        ("u_t - u_xx", {}, "must be a function of the jet"),
        (burgers, {"dependent": "x"}, "different variables"),
        (burgers, {"independent": ""}, "letters and digits"),
        (burgers, {"independent": "t,t"}, "letters and digits"),
        (burgers, {"independent": "t,x_1"}, "letters and digits"),
        (burgers, {"count": 5}, "take more points"),
        (burgers, {"count": 0}, "2 or more"),
        (burgers, {"degree": -1}, "integer >= 0"),
        (burgers, {"candidates": iso.Action(iso.groups.SO(3))}, "must be `iso.VectorFields"),
        (burgers, {"candidates": iso.VectorFields(iso.spaces.Polynomials(3, degree=1))}, "in this order"),
        (
            burgers,
            {"degree": 1, "candidates": iso.VectorFields(iso.spaces.Polynomials(3, degree=1, variables="t,x,u"))},
            "give one of them",
        ),
        (burgers, {"samples": iso.Samples.normal(9, 2, seed=0)}, r"points \(t, x, u\)"),
    ],
)
def test_bad_input_has_one_clear_sentence(equation, changes, words):
    with pytest.raises(iso.IsotropyError, match=words):
        iso.symmetries_of(equation, **(PLANE | changes))


def test_samples_say_where_the_equation_lives():
    """sqrt(x) has no value at half of the normal points; with samples at x > 0 all are used."""
    points = np.random.default_rng(0).uniform(1, 2, (80, 2))
    found = iso.symmetries_of(lambda j: j.y_x - jnp.sqrt(j.x - 1) * 0 - j.y / j.x, **LINE, samples=iso.Samples(points))
    assert found.decision.verdict == "certain"
    with pytest.raises(iso.IsotropyError, match="NaN or infinite"):
        iso.symmetries_of(lambda j: j.y_x - jnp.sqrt(-1 - j.x**2), **LINE)
