"""Write planets.csv: nine bodies about the Sun, from the Chebyshev series of JPL's ephemeris DE421.

Needs the packages ``de421`` and ``jplephem`` (``pip install 'isotropy[planets]'``), which ship the series themselves:
nothing is downloaded. Velocities and accelerations are the first and second derivatives of the same polynomials, so
no difference quotient enters. Run ``python make_planets.py`` beside the file to be written.
"""

from __future__ import annotations

import csv
import warnings
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

INNER = {"mercury": "mercury", "venus": "venus", "earth": "earthmoon", "mars": "mars"}
OUTER = {name: name for name in ("jupiter", "saturn", "uranus", "neptune", "pluto")}
"""Name in the table: name of the series. ``earth`` is the barycentre of Earth and Moon, which moves as one planet."""


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


def rows(ephemeris: Ephemeris, bodies: dict[str, str], dates: np.ndarray):
    """One row per body and date: days from J2000, name, then x, v and a about the Sun in au and days."""
    sun = barycentric(ephemeris, "sun", dates)
    for body, series in bodies.items():
        planet = barycentric(ephemeris, series, dates)
        state = np.hstack([(p - s) / ephemeris.AU for p, s in zip(planet, sun, strict=True)])
        for date, values in zip(dates, state, strict=True):
            yield [f"{date - J2000:g}", body, *(f"{value:.12g}" for value in values)]


def main() -> None:
    """Inner planets every second day for 1600 days; outer ones every 60 days for 24,000, a quarter of Pluto's year."""
    ephemeris = Ephemeris(de421)
    path = Path(__file__).with_name("planets.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["t", "body", "x", "y", "z", "vx", "vy", "vz", "ax", "ay", "az"])
        table.writerows(rows(ephemeris, INNER, J2000 + 2.0 * np.arange(800)))
        table.writerows(rows(ephemeris, OUTER, J2000 - 12000 + 60.0 * np.arange(400)))
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
