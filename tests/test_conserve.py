"""Conservation laws: known answers, near misses, what data can and cannot show, and one sentence for bad input."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

import isotropy as iso
from isotropy.dynamics.conserve import TOLERANCE
from isotropy.errors import IsotropyError
from isotropy.geometry.grammar import parse
from isotropy.results.laws import Laws

EPS = np.finfo(np.float64).eps
Field = Callable[[np.ndarray], np.ndarray]

INERTIA = np.array([1.0, 2.0, 3.0])


def kepler(z: np.ndarray) -> np.ndarray:
    half = len(z) // 2
    x, v = z[:half], z[half:]
    return np.concatenate([v, -x / np.linalg.norm(x) ** 3])


def lotka_volterra(z: np.ndarray) -> np.ndarray:
    x, y = z
    return np.array([x * (1 - y), 1.5 * y * (x - 1)])


def rigid_body(z: np.ndarray) -> np.ndarray:
    return np.cross(z, z / INERTIA)


def toda(z: np.ndarray) -> np.ndarray:
    q, p = z[:3], z[3:]
    springs = np.exp(q - np.roll(q, -1))
    return np.concatenate([p, np.roll(springs, 1) - springs])


def henon_heiles(z: np.ndarray) -> np.ndarray:
    x, y, p, q = z
    return np.array([p, q, -x - 2 * x * y, -y - x**2 + y**2])


def oscillator(z: np.ndarray, damping: float = 0.0) -> np.ndarray:
    return np.array([z[1], -z[0] - damping * z[1]])


@dataclass(frozen=True)
class Case:
    """A vector field, the space its laws are sought in, how many there are, and the laws from the literature."""

    name: str
    field: Field
    variables: str
    space: str
    dimension: int
    independent: int
    laws: tuple[str, ...]
    positive: bool = False


CASES = [
    Case(
        "Kepler in the plane", kepler, "x,y,u,v", "polynomials(2) + 1/sqrt(x^2+y^2)", 2, 2,
        ("x*v - y*u", "u^2 + v^2 - 2/sqrt(x^2+y^2)"),
    ),
    # In the plane the Laplace–Runge–Lenz vector adds one independent law: its length is fixed by the other two.
    Case(
        "Kepler with the Laplace–Runge–Lenz vector", kepler, "x,y,u,v",
        "polynomials(3) + polynomials(1)/sqrt(x^2+y^2)", 4, 3,
        ("x*v - y*u", "u^2 + v^2 - 2/sqrt(x^2+y^2)", "x*v^2 - y*u*v - x/sqrt(x^2+y^2)",
         "y*u^2 - x*u*v - y/sqrt(x^2+y^2)"),
    ),
    Case(
        "Lotka–Volterra", lotka_volterra, "x,y", "polynomials(2) + log(x) + log(y)", 1, 1,
        ("3*x - 3*log(x) + 2*y - 2*log(y)",), positive=True,
    ),
    Case("rigid body", rigid_body, "x,y,z", "polynomials(2)", 2, 2, ("x^2+y^2+z^2", "x^2 + y^2/2 + z^2/3")),
    # Squares and the product of the two quadratic laws are laws too, but not new ones.
    Case("rigid body, quartics", rigid_body, "x,y,z", "polynomials(4)", 5, 2, ("(x^2+y^2+z^2)^2",)),
    # Flaschka 1974: momentum, energy and the cubic law of three particles on a ring; then P^2, P^3 and P times energy.
    Case(
        "Toda chain", toda, "a,b,c,p,q,r", "polynomials(3) + polynomials(1)*(exp(a-b) + exp(b-c) + exp(c-a))", 6, 3,
        ("p+q+r", "p^2+q^2+r^2 + 2*exp(a-b) + 2*exp(b-c) + 2*exp(c-a)",
         "p*q*r - p*exp(b-c) - q*exp(c-a) - r*exp(a-b)"),
    ),
    Case(
        "Hénon–Heiles", henon_heiles, "x,y,p,q", "polynomials(4)", 1, 1,
        ("p^2 + q^2 + x^2 + y^2 + 2*x^2*y - 2*y^3/3",),
    ),
    Case("damped oscillator", lambda z: oscillator(z, 0.1), "x,v", "polynomials(4)", 0, 0, ()),
    # Two of three: what is typical of the space is then seen on the one function that drifts.
    Case("rigid body, squares alone", rigid_body, "x,y,z", "x^2 + y^2 + z^2", 2, 2, ("x^2+y^2+z^2",)),
]  # fmt: skip


def scattered(case: Case, count: int, seed: int) -> iso.Trajectories:
    points = np.random.default_rng(seed).normal(size=(count, len(case.variables.split(","))))
    return iso.Trajectories.from_field(case.field, np.exp(points) if case.positive else points)


def find(case: Case, seed: int = 0) -> Laws:
    space = parse(case.space, case.variables.split(","))
    return iso.conserve(scattered(case, 4 * space.dimension, seed), space)


def integrated(field: Field, starts: np.ndarray, *, end: float, count: int) -> dict[str, np.ndarray]:
    times = np.linspace(0, end, count)
    states = [
        solve_ivp(lambda _, z: field(z), (0, end), s, t_eval=times, rtol=1e-11, atol=1e-11, method="DOP853").y.T
        for s in starts
    ]
    return {
        "t": np.tile(times, len(starts)),
        "Z": np.concatenate(states),
        "id": np.repeat(np.arange(len(starts)), count),
    }


def orbits(count: int, seed: int) -> np.ndarray:
    """Starts of bound Kepler orbits in space, of moderate eccentricity."""
    rng = np.random.default_rng(seed)
    x, side = rng.normal(size=(count, 3)), rng.normal(size=(count, 3))
    x *= rng.uniform(0.8, 1.5, size=(count, 1)) / np.linalg.norm(x, axis=1, keepdims=True)
    v = np.cross(x, side)
    speed = rng.uniform(0.8, 1.1, size=(count, 1)) / np.sqrt(np.linalg.norm(x, axis=1, keepdims=True))
    return np.concatenate([x, speed * v / np.linalg.norm(v, axis=1, keepdims=True)], axis=1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_known_numbers_of_laws(case: Case, seed: int) -> None:
    found = find(case, seed)
    assert (found.dimension, len(found.independent)) == (case.dimension, case.independent)
    assert found.decision.verdict == ("certain" if case.dimension else "none")


@pytest.mark.parametrize("case", [c for c in CASES if c.laws], ids=lambda case: case.name)
def test_the_laws_of_the_literature_lie_in_the_span(case: Case) -> None:
    found = find(case)
    fresh = scattered(case, 50, seed=9).states
    span = np.column_stack([np.ones(50), found.values(fresh)])
    for law in case.laws:
        (value,) = parse(f"({law})", case.variables.split(",")).values(fresh).T
        residual = value - span @ np.linalg.lstsq(span, value, rcond=None)[0]
        rounding = EPS * found.space.dimension * np.linalg.cond(span) * len(found.spectrum)
        assert np.linalg.norm(residual) <= rounding * np.linalg.norm(span) * np.linalg.norm(found.coefficients)


@pytest.mark.parametrize("case", [c for c in CASES if c.laws], ids=lambda case: case.name)
def test_sympy_agrees_that_they_are_conserved(case: Case) -> None:
    """An independent oracle: symbolic derivatives of the printed laws along the field, at points not seen before."""
    found = find(case)
    symbols = [sympy.Symbol(name) for name in found.space.variables]
    fresh = scattered(case, 20, seed=5)
    for law in found.to_sympy():
        gradient = sympy.lambdify(symbols, [sympy.diff(law, s) for s in symbols])
        terms = np.array([gradient(*z) for z in fresh.states]) * fresh.velocities
        assert np.abs(terms.sum(axis=1)).max() <= EPS * found.space.dimension**2 * np.abs(terms).max()


def test_what_is_printed_is_what_is_written_in_books() -> None:
    found = find(CASES[0])
    assert found.text == ("x*v − y*u", "u^2 + v^2 − 2/sqrt(x^2 + y^2)")
    assert str(found).startswith("2 independent conservation laws among 16 functions (verdict: certain")


def test_dependent_laws_come_with_their_formula() -> None:
    found = find(next(case for case in CASES if case.name == "rigid body, quartics"))
    quadratic = found.values(np.random.default_rng(3).normal(size=(40, 3)))
    assert sorted(found.independent) == [0, 1]
    for law, parents, formula in found.dependent:
        assert set(parents) <= {0, 1}
        readable = re.sub(r"(\d) I", r"\1*I", formula.replace("−", "-").replace("^", "**"))
        value = sympy.lambdify(sympy.symbols("I1 I2"), sympy.sympify(readable))(*quadratic[:, :2].T)
        scale = np.abs(quadratic).max()
        assert np.abs(value - quadratic[:, law]).max() <= EPS * found.space.dimension**2 * scale


@pytest.mark.parametrize("damping", [1e-3, 10 * TOLERANCE])
def test_a_law_broken_by_a_thousandth_is_refused(damping: float) -> None:
    space = iso.spaces.Polynomials(2, degree=2)
    points = np.random.default_rng(0).normal(size=(60, 2))
    found = iso.conserve(iso.Trajectories.from_field(lambda z: oscillator(z, damping), points), space)
    assert (found.dimension, found.decision.verdict) == (0, "none")
    allowed = iso.conserve(
        iso.Trajectories.from_field(lambda z: oscillator(z, damping), points), space, tolerance=10 * damping
    )
    assert (allowed.dimension, allowed.decision.verdict) == (1, "supported")


@pytest.mark.parametrize("case", [c for c in CASES if c.laws], ids=lambda case: case.name)
def test_a_push_of_a_thousandth_breaks_every_law(case: Case) -> None:
    """At each point the velocity is off by 1e-3 of itself, away from the origin, and no law survives that."""

    def pushed(z: np.ndarray) -> np.ndarray:
        velocity = case.field(z)
        return velocity + 1e-3 * np.linalg.norm(velocity) * z / np.linalg.norm(z)

    broken = Case(case.name, pushed, case.variables, case.space, 0, 0, (), case.positive)
    assert find(broken).dimension == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_positions_and_velocities_alone_show_angular_momentum(seed: int) -> None:
    """Rates of change are estimated here; energy needs 1/r and is not in the space."""
    motions = iso.Trajectories(**integrated(kepler, orbits(8, seed), end=10.0, count=200))
    found = iso.conserve(motions, parse("polynomials(2)", ["x", "y", "z", "vx", "vy", "vz"]))
    assert found.text == ("x*vy − y*vx", "x*vz − z*vx", "y*vz − z*vy")
    assert found.decision.verdict == "supported"
    assert found.decision.noise > 0


def test_noise_widens_what_cannot_be_told_but_invents_nothing() -> None:
    whole = integrated(kepler, orbits(6, 0), end=10.0, count=150)
    counts = []
    for noise in (1e-5, 1e-2):
        rng = np.random.default_rng(2)
        states = whole["Z"] + noise * whole["Z"].std(axis=0) * rng.normal(size=whole["Z"].shape)
        found = iso.conserve(iso.Trajectories(whole["t"], states, id=whole["id"]), iso.spaces.Polynomials(6, degree=2))
        assert found.decision.verdict in ("certain", "supported")
        counts.append(found.dimension)
        values = found.values(whole["Z"]).reshape(6, 150, -1)
        assert (values.std(axis=1).mean(axis=0) <= 0.05 * values.std(axis=(0, 1))).all()
    assert counts[0] == 3 >= counts[1] >= 1


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
def test_a_damped_motion_keeps_nothing_at_any_noise(noise: float) -> None:
    starts = np.random.default_rng(1).normal(size=(5, 2))
    whole = integrated(lambda z: oscillator(z, 0.1), starts, end=15.0, count=150)
    states = whole["Z"] + noise * np.random.default_rng(0).normal(size=whole["Z"].shape)
    found = iso.conserve(iso.Trajectories(whole["t"], states, id=whole["id"]), iso.spaces.Polynomials(2, degree=3))
    assert found.dimension == 0


@pytest.mark.parametrize("units", [1e-6, 1.0, 1e6])
def test_units_of_length_and_time_change_nothing_but_the_coefficients(units: float) -> None:
    points = np.random.default_rng(0).normal(size=(60, 4)) * units
    rates = np.array([kepler(z / units) for z in points]) * 1e5
    found = iso.conserve(
        iso.Trajectories(np.zeros(60), points, id=np.arange(60), velocities=rates),
        parse("polynomials(2) + 1/sqrt(x^2+y^2)", ["x", "y", "u", "v"]),
    )
    assert (found.dimension, found.decision.verdict) == (2, "certain")
    assert found.text[0] == "x*v − y*u"


def test_slow_motions_count_as_much_as_fast_ones() -> None:
    """The clock of each motion is its own: speeding one up a thousandfold changes no ratio."""
    points = np.random.default_rng(0).normal(size=(60, 2))
    rates = np.array([oscillator(z, 0.1) for z in points])
    faster = rates * np.where(np.arange(60) % 2, 1e3, 1.0)[:, None]
    spectra = [
        iso.conserve(
            iso.Trajectories(np.zeros(60), points, id=np.arange(60), velocities=v), iso.spaces.Polynomials(2, degree=3)
        ).spectrum
        for v in (rates, faster)
    ]
    assert np.abs(spectra[0] - spectra[1]).max() <= EPS * 60 * np.linalg.norm(spectra[0])


def test_constants_and_constraints_are_set_apart() -> None:
    """A pendulum in Cartesian coordinates: its length and what follows from it do not vary, and are no laws."""

    def pendulum(z: np.ndarray) -> np.ndarray:
        x, y, u, v = z
        tension = u**2 + v**2 - y
        return np.array([u, v, -x * tension, -y * tension - 1])

    angles, rates = np.random.default_rng(0).uniform(-1, 1, size=(2, 40))
    points = np.stack([np.sin(angles), -np.cos(angles), rates * np.cos(angles), rates * np.sin(angles)], axis=1)
    motions = iso.Trajectories.from_field(pendulum, points)
    found = iso.conserve(motions, parse("polynomials(2)", ["x", "y", "u", "v"]))
    assert set(found.constant_text) == {"x^2 + y^2", "x*u + y*v"}
    assert found.dimension == 1
    energy = (points[:, 2:] ** 2).sum(axis=1) / 2 + points[:, 1]
    assert abs(np.corrcoef(energy, found.values(points)[:, 0])[0, 1]) >= 1 - EPS * 1e3


def test_one_chaotic_motion_shows_its_energy_and_says_that_it_is_one() -> None:
    whole = integrated(henon_heiles, np.array([[0.1, 0.2, 0.3, 0.1]]), end=60.0, count=1500)
    found = iso.conserve(iso.Trajectories(whole["t"], whole["Z"]), parse("polynomials(3)", ["x", "y", "p", "q"]))
    assert found.text == ("x^2 + y^2 + p^2 + q^2 + 2 x^2*y − 2/3 y^3",)
    assert "one trajectory alone" in found.remarks[0]


def test_one_periodic_motion_shows_nothing() -> None:
    """On a single ellipse many functions are constant, and no law can be told from them."""
    whole = integrated(kepler, orbits(1, 0), end=10.0, count=300)
    found = iso.conserve(iso.Trajectories(whole["t"], whole["Z"]), iso.spaces.Polynomials(6, degree=2))
    assert found.dimension == 0
    assert len(found.constant) > 1
    assert "pass several" in found.remarks[0]


def test_few_motions_say_how_many_laws_they_can_show() -> None:
    whole = integrated(kepler, orbits(3, 0), end=10.0, count=300)
    found = iso.conserve(iso.Trajectories(**whole), iso.spaces.Polynomials(6, degree=2))
    assert any("3 trajectories" in remark for remark in found.remarks)


def test_batches_change_nothing() -> None:
    case = CASES[0]
    space = parse(case.space, case.variables.split(","))
    whole, parts = (iso.conserve(scattered(case, 80, 0), space, batch_size=size) for size in (None, 7))
    assert np.abs(whole.spectrum - parts.spectrum).max() <= EPS * 80 * whole.spectrum.max()


def test_laws_are_functions_of_a_point_for_numpy_and_jax() -> None:
    found = find(CASES[0])
    points = scattered(CASES[0], 5, seed=3).states
    with jax.enable_x64(True):
        traced = np.asarray(jax.jit(jax.vmap(found))(points))
    assert np.abs(traced - found.values(points)).max() <= EPS * found.space.dimension * np.abs(traced).max()


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("index", [0, 4, 7])
def test_saved_and_loaded_laws_are_the_same(tmp_path, ending: str, index: int) -> None:
    found = find(CASES[index])
    again = Laws.load(found.save(tmp_path / f"laws.{ending}"))
    assert str(again) == str(found)
    assert again.space == found.space
    for name in ("coefficients", "uncertainty", "drift", "span", "spectrum", "constant"):
        assert np.array_equal(getattr(again, name), getattr(found, name)), name


BAD = [
    (lambda t, s: iso.conserve(t.states, s), "wrap the arrays"),
    (lambda t, s: iso.conserve(t, "polynomials(2)"), "`space` must be a space"),
    (lambda t, s: iso.conserve(t, iso.spaces.Polynomials(3, degree=1)), "states have 2 coordinates"),
    (
        lambda t, s: iso.conserve(t, iso.spaces.Polynomials(2, degree=7)),
        r"30 sample\(s\) cannot show which of 36",
    ),
    (lambda t, s: iso.conserve(t, s, tolerance=-1), "`tolerance` must be"),
    (lambda t, s: iso.conserve(t, s, tolerance=True), "`tolerance` must be"),
    (lambda t, s: iso.conserve(t, s, batch_size=0), "`batch_size` must be"),
    (
        lambda t, s: iso.conserve(t, parse("log(x)", ["x", "v"])),
        r"'log\(x\)' or its derivative is not finite",
    ),
    (lambda t, s: iso.conserve(iso.Trajectories.from_field(lambda z: 0 * z, t.states), s), "Nothing moves"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_met_with_one_sentence(call: Callable, message: str) -> None:
    motions = iso.Trajectories.from_field(oscillator, np.random.default_rng(0).normal(size=(30, 2)))
    with pytest.raises(IsotropyError, match=message):
        call(motions, iso.spaces.Polynomials(2, degree=2))


def test_a_figure_has_one_panel_for_each_law() -> None:
    times = np.linspace(0, 6, 200)
    states = np.concatenate([[[r * np.cos(t), -r * np.sin(t)] for t in times] for r in (1.0, 2.0, 3.0)])
    motions = iso.Trajectories(np.tile(times, 3), states, id=np.repeat([0, 1, 2], 200))
    laws = iso.conserve(motions, iso.spaces.Polynomials(2, degree=2))
    assert laws.dimension == 1
    assert len(laws.plot(motions).axes) == 1
