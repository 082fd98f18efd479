"""What do the planets keep? The laws of Kepler and Newton, found in JPL's ephemeris, on one page.

Reads planets.csv (make_planets.py says where it comes from), asks four questions, prints each answer with the shell
command that asks the same, and writes the page ``out/planets.html``. ``make demo`` runs this.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import isotropy as iso
from isotropy import table
from isotropy.candidates import action
from isotropy.geometry.grammar import parse
from isotropy.report import page

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "out" / "planets.html"

STATE = ("x", "y", "z", "vx", "vy", "vz")
RATES = ("vx", "vy", "vz", "ax", "ay", "az")
INNER = ("mercury", "venus", "earth", "mars")
OUTER = ("jupiter", "saturn", "uranus", "neptune", "pluto")
R = "sqrt(x^2 + y^2 + z^2)"

ENERGY = f"polynomials(2) + 1/{R}"
"""Quadratic functions of position and velocity, and 1/r: room for angular momentum and energy."""

PERIHELION = " + ".join(
    [f"{x}*(vx^2 + vy^2 + vz^2)" for x in "xyz"]
    + [f"v{x}*(x*vx + y*vy + z*vz)" for x in "xyz"]
    + [f"{x}/{R}" for x in "xyz"]
)
"""Vectors made of position and velocity, x v², v (x·v) and x/r: room for the Laplace-Runge-Lenz vector."""

FORCES = " + ".join(f"{x}/{R}^{k}" for x in "xyz" for k in (2, 3, 4))
"""Forces along the radius that fall off like 1/r, 1/r^2 and 1/r^3: the exponent is for the data to say."""

FRAME = (
    "Why: these positions are measured from the Sun, and the Sun itself moves, pulled mostly by Jupiter. The mass of "
    "each planet adds to the Sun's in its own law, and the planets pull one another. What two bodies would keep, these "
    "nine keep only roughly: the drift is of the size of the great planets' masses, up to a thousandth of the Sun's. "
    "What is kept exactly belongs to the whole system: its energy and angular momentum about the barycentre, with all "
    "masses."
)
"""Why nine bodies in heliocentric coordinates do not keep what two bodies keep."""


def laws(bodies: Sequence[str], space: str, question: str, *notes: str, tolerance: float = 1e-4) -> page.Part:
    """Ask for the conservation laws of some planets."""
    rows = table.read(HERE / "planets.csv").where("body=" + ",".join(bodies))
    motions = iso.Trajectories(
        rows.columns["t"], rows.numbers(STATE, "state"), id=rows.labels("body"), velocities=rows.numbers(RATES, "rates")
    )
    found = iso.conserve(motions, parse(space, STATE), tolerance=tolerance)
    command = ["isotropy", "conserve", "planets.csv", "--time", "t", "--state", ",".join(STATE), "--by", "body"]
    command += ["--velocities", ",".join(RATES), "--where", "body=" + ",".join(bodies), "--space", space]
    command += ["--tolerance", f"{tolerance:g}"] if tolerance != 1e-4 else []
    facts = {"file": "planets.csv", "bodies": ", ".join(bodies), "rows": str(len(rows)), "units": "au, days"}
    return tell(
        page.Part(question, found, motions, STATE, facts, {"space": space, "command": shlex.join(command)}, notes)
    )


def symmetries(bodies: Sequence[str], space: str, candidates: str, question: str, *notes: str) -> page.Part:
    """Ask for the symmetries of the acceleration as a function of the position."""
    rows = table.read(HERE / "planets.csv").where("body=" + ",".join(bodies))
    inputs, outputs = STATE[:3], RATES[3:]
    X, Y = rows.numbers(inputs, "inputs"), rows.numbers(outputs, "outputs")
    found = iso.discover(iso.Data(X, Y, space=parse(space, inputs)), action(candidates, inputs, outputs))
    command = ["isotropy", "discover", "planets.csv", "--inputs", ",".join(inputs), "--outputs", ",".join(outputs)]
    command += ["--where", "body=" + ",".join(bodies), "--candidates", candidates, "--space", space]
    facts = {"file": "planets.csv", "bodies": ", ".join(bodies), "rows": str(len(rows)), "units": "au, days"}
    settings = {"candidates": candidates, "space": space, "command": shlex.join(command)}
    return tell(page.Part(question, found, X, inputs, facts, settings, notes))


def tell(part: page.Part) -> page.Part:
    """Print a question, the command that asks it, and the answer."""
    print(f"\n{part.question}\n$ {part.settings['command']}\n{part.answer}")
    return part


def main() -> None:
    """Ask the questions and write the page."""
    parts = [
        laws(
            INNER,
            ENERGY,
            "What do Mercury, Venus, Earth and Mars each keep?",
            "Nobody told the library about energy or angular momentum: it was given positions, velocities and "
            "accelerations, and 29 functions to look among.",
        ),
        laws(
            INNER,
            PERIHELION,
            "Does an orbit keep its direction?",
            "In a pure 1/r² force the ellipse does not turn, and the Laplace–Runge–Lenz vector, which points to the "
            "perihelion, is kept. The other planets turn it a little, so a drift of a hundredth is allowed here.",
            tolerance=1e-2,
        ),
        symmetries(
            INNER,
            FORCES,
            "gl(3)+gl(3)",
            "What leaves the Sun's pull unchanged?",
            "Positions and accelerations may each be moved by any matrix. If x → s x goes with a → s^p a, "
            "then periods go as s^((1−p)/2): Kepler's third law is the exponent 3/2.",
        ),
        laws(
            INNER + OUTER,
            ENERGY,
            "And all nine bodies together, seen from the Sun?",
            FRAME,
        ),
    ]
    lead = [
        "Four questions to the positions of nine bodies from the ephemeris DE421 of the Jet Propulsion Laboratory "
        "(every fourth or eighth day for the inner planets, every sixtieth for the outer ones). Each answer stands "
        "with its verdict and the evidence for it, the one that fails among them."
    ]
    written = page.write(PAGE, "What do the planets keep?", parts, lead=lead)
    print(f"\nThe page with figures: {written}")


if __name__ == "__main__":
    main()
