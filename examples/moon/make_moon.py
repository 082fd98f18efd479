"""Write moon.csv: the Moon about the Earth and the Sun's place, from the Chebyshev series of JPL's ephemeris DE421.

Needs the packages ``de421`` and ``jplephem`` (``pip install 'isotropy[planets]'``), which ship the series themselves:
nothing is downloaded. Velocities and accelerations are derivatives of the same polynomials. Run it in place.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import de421
import numpy as np
from numpy.polynomial import chebyshev

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # jplephem marks its reader of packaged series as deprecated
    from jplephem.ephem import Ephemeris

J2000 = 2451545.0
FIRST, STEP, COUNT = 0.0, 8.7, 800
"""Days from J2000: 19 years, with a step that shares no period with the month or the year."""

MOON_UNIT = 384_400.0
"""Kilometres: about the Moon's mean distance, so that numbers are of size one."""


def series(ephemeris: Ephemeris, name: str, dates: np.ndarray) -> list[np.ndarray]:
    """Position, velocity and acceleration of one series of the ephemeris, in km and days."""
    pieces = ephemeris.load(name)
    days = (ephemeris.jomega - ephemeris.jalpha) / len(pieces)
    piece, offset = np.divmod(dates - ephemeris.jalpha, days)
    answer = []
    for order in range(3):
        coefficients = chebyshev.chebder(pieces[piece.astype(int)], order, axis=2)
        polynomials = chebyshev.chebvander(2 * offset / days - 1, coefficients.shape[2] - 1)
        answer.append((2 / days) ** order * np.einsum("pc,pic->pi", polynomials, coefficients))
    return answer


def main() -> None:
    """Rows of the Moon's geocentric position, velocity and acceleration, and the Sun's position and velocity."""
    ephemeris = Ephemeris(de421)
    days = FIRST + STEP * np.arange(COUNT)
    moon = [part / MOON_UNIT for part in series(ephemeris, "moon", J2000 + days)]
    sun, pair = (series(ephemeris, name, J2000 + days) for name in ("sun", "earthmoon"))
    share = 1 / (1 + ephemeris.EMRAT)  # of the way from the Earth to the Moon lies the barycentre of the two
    earth = [p / MOON_UNIT - share * m for p, m in zip(pair, moon, strict=True)]
    seen = [s / MOON_UNIT - e for s, e in zip(sun[:2], earth, strict=False)]
    path = Path(__file__).with_name("moon.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["t", "x", "y", "z", "vx", "vy", "vz", "ax", "ay", "az", "sx", "sy", "sz", "svx", "svy", "svz"])
        for day, values in zip(days, np.hstack([*moon, *seen]), strict=True):
            table.writerow([f"{day:.10g}", *(f"{value:.12g}" for value in values)])


if __name__ == "__main__":
    main()
