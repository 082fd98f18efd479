"""Write planets.csv: nine bodies about the Sun, from the Chebyshev series of JPL's ephemeris DE421.

Needs the packages ``de421`` and ``jplephem`` (``pip install 'isotropy[planets]'``), which ship the series themselves:
nothing is downloaded. Velocities and accelerations are the first and second derivatives of the same polynomials, so
no difference quotient enters. Run ``python make_planets.py`` beside the file to be written.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import de421
import numpy as np
from numpy.polynomial import chebyshev

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # jplephem marks its reader of packaged series as deprecated; DE421 comes no other way
    from jplephem.ephem import Ephemeris

J2000 = 2451545.0
"""1 January 2000, 12h TDB, as a Julian date: day 0 of the table."""

SERIES = {"earth": "earthmoon"}
"""Names of series that differ from those in the table: ``earth`` is the barycentre of Earth and Moon."""

DATES = {
    "mercury": (0, 4, 1600),
    **dict.fromkeys(("venus", "earth", "mars"), (0, 8, 800)),
    **dict.fromkeys(("jupiter", "saturn", "uranus", "neptune", "pluto"), (-9000, 60, 300)),
}
"""First day from J2000, step in days, number of rows: at least 20 rows in each planet's year."""


def barycentric(ephemeris: Ephemeris, name: str, dates: np.ndarray) -> list[np.ndarray]:
    """Position, velocity and acceleration of one body about the solar system's barycentre, in km and days."""
    series = ephemeris.load(name)
    days = (ephemeris.jomega - ephemeris.jalpha) / len(series)
    piece, offset = np.divmod(dates - ephemeris.jalpha, days)
    u = 2 * offset / days - 1
    answer = []
    for order in range(3):
        coefficients = chebyshev.chebder(series[piece.astype(int)], order, axis=2)
        polynomials = chebyshev.chebvander(u, coefficients.shape[2] - 1)
        answer.append((2 / days) ** order * np.einsum("pc,pic->pi", polynomials, coefficients))
    return answer


def rows(ephemeris: Ephemeris, body: str, days: np.ndarray) -> Iterator[list[str]]:
    """One row per day: days from J2000, name, then x, v and a about the Sun in au and days."""
    sun = barycentric(ephemeris, "sun", J2000 + days)
    planet = barycentric(ephemeris, SERIES.get(body, body), J2000 + days)
    state = np.hstack([(p - s) / ephemeris.AU for p, s in zip(planet, sun, strict=True)])
    for day, values in zip(days, state, strict=True):
        yield [f"{day:g}", body, *(f"{value:.12g}" for value in values)]


def main() -> None:
    """Inner planets for 6400 days from J2000; outer ones for 18,000 around it, a fifth of Pluto's year."""
    ephemeris = Ephemeris(de421)
    path = Path(__file__).with_name("planets.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["t", "body", "x", "y", "z", "vx", "vy", "vz", "ax", "ay", "az"])
        for body, (first, step, count) in DATES.items():
            table.writerows(rows(ephemeris, body, first + step * np.arange(float(count))))
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
