"""What does the Moon keep? Nineteen years of it, and what the Sun breaks.

Reads moon.csv (make_moon.py says where it comes from) and prints four answers, two of them negative; the tutorial
`docs/tutorials/moon.md` tells the story. Run it: `python examples/moon/moon.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import isotropy as iso
from isotropy import groups, table
from isotropy.geometry.grammar import parse
from isotropy.results.laws import Laws

HERE = Path(__file__).parent
STATE = ("x", "y", "z", "vx", "vy", "vz")
R = "sqrt(x^2 + y^2 + z^2)"
PULL = f"x/{R}^3 + y/{R}^3 + z/{R}^3"


def read(every: int = 1) -> dict[str, np.ndarray]:
    """Times, and the Moon's and the Sun's vectors about the Earth, in units of 384,400 km and days."""
    rows = table.read(HERE / "moon.csv")
    kinds = {"position": "xyz", "velocity": ("vx", "vy", "vz"), "acceleration": ("ax", "ay", "az")}
    kinds |= {"sun": ("sx", "sy", "sz"), "sun's velocity": ("svx", "svy", "svz")}
    found = {kind: rows.numbers(tuple(names), kind)[::every] for kind, names in kinds.items()}
    return {"t": np.asarray(rows.columns["t"], dtype=float)[::every], **found}


def laws(moon: dict[str, np.ndarray]) -> Laws:
    """Functions of the Moon's state that it keeps: energy and angular momentum, if the Earth were alone."""
    states = np.hstack([moon["position"], moon["velocity"]])
    rates = np.hstack([moon["velocity"], moon["acceleration"]])
    return iso.conserve(iso.Trajectories(moon["t"], states, velocities=rates), parse(f"polynomials(2) + 1/{R}", STATE))


def towards_the_sun(moon: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Positions and accelerations on axes to the Sun, along its path and up; and its mean squared angular speed."""
    sun, momentum = moon["sun"], np.cross(moon["sun"], moon["sun's velocity"])
    first = sun / np.linalg.norm(sun, axis=1, keepdims=True)
    third = momentum / np.linalg.norm(momentum, axis=1, keepdims=True)
    axes = np.stack([first, np.cross(third, first), third], axis=1)
    speed = np.linalg.norm(momentum, axis=1) / (sun**2).sum(axis=1)
    turned = [np.einsum("pij,pj->pi", axes, moon[kind]) for kind in ("position", "acceleration")]
    return turned[0], turned[1], float((speed**2).mean())


def tide(moon: dict[str, np.ndarray]) -> tuple[iso.Data, float]:
    """What is left of the pull when the Earth's is taken off, in units of the Sun's angular speed; and the Earth's."""
    position, acceleration, unit = towards_the_sun(moon)
    fit = iso.Data(position, acceleration, space=parse(f"x + y + z + {PULL}", STATE[:3]))
    earth = -float(fit.coefficients[-3:].diagonal().mean())
    left = acceleration + earth * position / np.linalg.norm(position, axis=1, keepdims=True) ** 3
    return iso.Data(position, left / unit, space=parse("x + y + z", STATE[:3])), earth


def main(every: int = 1) -> None:
    """Print the four answers, from every row or from every so many."""
    moon = read(every)
    rotations = iso.Action(groups.SO(3).vector, groups.SO(3).vector)
    print("What does it keep?", laws(moon), sep="\n")
    alone = iso.Data(moon["position"], moon["acceleration"], space=parse(PULL, STATE[:3]))
    print("\nIs the pull that of the Earth alone?", iso.discover(alone, rotations), sep="\n")
    data, earth = tide(moon)
    print(f"\nThe Earth's and the Moon's pull: {earth:.6f}. What is left, on axes to the Sun:")
    print(np.round(data.coefficients.T, 4))
    print("\nWhich rotation is left?", iso.discover(data, rotations), sep="\n")


if __name__ == "__main__":
    main()
