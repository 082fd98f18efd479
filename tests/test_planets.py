"""What the real planets show: the bars of the demo, on the committed table (JPL DE421)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.geometry.grammar import parse

TABLE = Path(__file__).parent / ".." / "examples" / "planets" / "planets.csv"
INNER = ("mercury", "venus", "earth", "mars")
OUTER = ("jupiter", "saturn", "uranus", "neptune", "pluto")

GM_SUN = 0.01720209895**2
"""au^3/day^2: the square of Gauss's constant, which defined the astronomical unit of this ephemeris."""

STATE = ("x", "y", "z", "vx", "vy", "vz")
RADIUS = "sqrt(x^2 + y^2 + z^2)"
QUADRATIC = f"polynomials(2) + 1/{RADIUS}"
ECCENTRICITY = " + ".join(
    [f"{q}*(vx^2 + vy^2 + vz^2)" for q in "xyz"]
    + [f"v{q}*(x*vx + y*vy + z*vz)" for q in "xyz"]
    + [f"{q}/{RADIUS}" for q in "xyz"]
)
FORCES = f"polynomials(1)*(1/{RADIUS}^2 + 1/{RADIUS}^3 + 1/{RADIUS}^4)"


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def columns(table: list[dict[str, str]], bodies: tuple[str, ...], *names: str) -> np.ndarray:
    return np.array([[float(row[name]) for name in names] for row in table if row["body"] in bodies])


def motions(table: list[dict[str, str]], bodies: tuple[str, ...], *, given: bool = True) -> iso.Trajectories:
    return iso.Trajectories(
        columns(table, bodies, "t")[:, 0],
        columns(table, bodies, *STATE),
        id=[row["body"] for row in table if row["body"] in bodies],
        velocities=columns(table, bodies, "vx", "vy", "vz", "ax", "ay", "az") if given else None,
    )


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """Degrees between two spans of functions, each given by its values at the samples (columns): the largest principal
    angle in the L2 inner product of the samples (convention C5)."""
    a, b = np.linalg.qr(first)[0], np.linalg.qr(second)[0]
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(a - b @ (b.T @ a), 2)))))


def energy_and_momentum(states: np.ndarray) -> np.ndarray:
    x, v = states[:, :3], states[:, 3:]
    return np.column_stack([np.cross(x, v), (v**2).sum(axis=1) / 2 - GM_SUN / np.linalg.norm(x, axis=1)])


def laplace_runge_lenz(states: np.ndarray) -> np.ndarray:
    x, v = states[:, :3], states[:, 3:]
    return np.cross(v, np.cross(x, v)) - GM_SUN * x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_table_is_small_and_whole(table: list[dict[str, str]]) -> None:
    assert TABLE.stat().st_size <= 1e6
    assert {row["body"] for row in table} == {*INNER, *OUTER}
    # Mercury's motion obeys Newton to the size of what the other planets do to it.
    x, a = columns(table, INNER, "x", "y", "z"), columns(table, INNER, "ax", "ay", "az")
    newton = -GM_SUN * x / np.linalg.norm(x, axis=1, keepdims=True) ** 3
    assert np.linalg.norm(a - newton) <= 1e-5 * np.linalg.norm(a)


@pytest.mark.parametrize("given", [True, False], ids=["velocities given", "velocities estimated"])
def test_inner_planets_keep_energy_and_angular_momentum(table: list[dict[str, str]], given: bool) -> None:
    data = motions(table, INNER, given=given)
    found = iso.conserve(data, parse(QUADRATIC, STATE))
    assert (found.dimension, len(found.independent), found.decision.verdict) == (4, 4, "supported")
    values = found.space.values(data.states)
    truth = energy_and_momentum(data.states)
    assert angle(truth, values @ found.span.T) <= 0.06
    assert angle(truth, values @ found.coefficients.T) <= 0.06
    assert found.text[:3] == ("x*vy − y*vx", "x*vz − z*vx", "y*vz − z*vy")
    # Four orbits differ in three independent ways at most, and the answer says so.
    assert "4 trajectories show at most 3" in found.remarks[0]


def test_the_sun_is_weighed_in_passing(table: list[dict[str, str]]) -> None:
    found = iso.conserve(motions(table, INNER), parse(QUADRATIC, STATE))
    energy = dict(zip(found.space.names, found.coefficients[3], strict=True))
    weighed = -energy["1/sqrt(x^2 + y^2 + z^2)"] / energy["vx^2"] / 2
    assert weighed == pytest.approx(GM_SUN, rel=1e-5)


def test_inner_planets_keep_the_laplace_runge_lenz_vector(table: list[dict[str, str]]) -> None:
    """Perihelia do move, by about a thousandth of the vector's spread per orbit: the caller has to allow for it."""
    data = motions(table, INNER)
    space = parse(ECCENTRICITY, STATE)
    found = iso.conserve(data, space, tolerance=1e-2)
    assert (found.dimension, found.decision.verdict) == (3, "supported")
    assert angle(laplace_runge_lenz(data.states), space.values(data.states) @ found.coefficients.T) <= 0.02
    assert iso.conserve(data, space).dimension < 3


def test_nine_bodies_about_the_sun_do_not_keep_the_two_body_laws(table: list[dict[str, str]]) -> None:
    """Jupiter and Saturn pull on one another and on the Sun, from which positions are counted."""
    for bodies in (INNER + OUTER, OUTER):
        assert iso.conserve(motions(table, bodies), parse(QUADRATIC, STATE)).decision.verdict != "supported"


def test_keplers_third_law_from_positions_and_accelerations(table: list[dict[str, str]]) -> None:
    X, A = columns(table, INNER, "x", "y", "z"), columns(table, INNER, "ax", "ay", "az")
    data = iso.Data(X, A, space=parse(FORCES, ("x", "y", "z")))
    assert data.relative_error <= 1e-5
    found = iso.discover(data, iso.Action.independent(groups.GL(3), groups.GL(3)))
    assert found.dimension == 4
    target = np.concatenate([np.eye(3).ravel(), np.zeros(9)])
    power = -np.concatenate([np.zeros(9), np.eye(3).ravel()])
    solution = np.linalg.lstsq(np.column_stack([found.coefficients.T, power]), target, rcond=None)[0]
    assert (1 - solution[-1]) / 2 == pytest.approx(1.5, abs=0.002)
