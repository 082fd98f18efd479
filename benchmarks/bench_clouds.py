"""Symmetries of point clouds with no group given: angles to the truth, against published figures of a method told it.

Orbits of SO(3) in R^5 (1000 points) and R^8 = R^3 + R^5 (2000 points), on the unit sphere, with normal noise in each
coordinate; five seeds, the median of the largest principal angle in degrees. The bars are those of LieDetect (H. Ennes,
R. Tinarrage, arXiv 2309.03086), which knows that the group is SO(3). Where another number of generators than three is
proposed the angle counts as 90 degrees. It is measured again with the group given. A wrong answer is another number of
generators without the verdict `cannot tell`.
"""

from __future__ import annotations

import numpy as np
from cloud_sets import angle, matrices, orbit, potato, sphere, torus
from harness import Figure, run

import isotropy as iso
from isotropy import groups

BARS = {5: {0.0: 1.8, 0.03: 3.9, 0.1: 7.6}, 8: {0.0: 1.8, 0.03: 4.1, 0.1: 10.2}}
SIZES = {5: 1000, 8: 2000}


def look(points, known, *, route=None, group=None):
    """Angles in degrees without and with the group (90 for another dimension), and whether the answer is wrong."""
    action = iso.Action.points(groups.GL(points.shape[1]))
    try:
        cloud = iso.Cloud(points, route=route)
    except iso.IsotropyError:
        return 90.0, 90.0, False
    found = iso.discover(cloud, action)
    wrong = found.dimension != len(known) and found.decision.verdict != "cannot tell"
    plain = told = 90.0
    if found.dimension == len(known):
        plain = angle(found.generators, known) if len(known) else 0.0
    if group is not None:
        try:
            told = angle(iso.discover(cloud, action, group=group).representation.matrices, known)
        except iso.IsotropyError:
            told = 90.0
    return plain, told, wrong


def orbits(m, noise, seeds):
    """The figures of one row of the table of orbits."""
    looks = []
    for seed in seeds:
        looks.append(look(*orbit(m, SIZES[m], noise, seed), group=groups.SO(3)))
        print(f"R^{m}, noise {noise:g}, seed {seed}: {looks[-1]}", flush=True)
    plain, told, wrong = (np.array(column, dtype=float) for column in zip(*looks, strict=True))
    name = f"SO(3) in R^{m}, noise {noise:g}"
    return [
        Figure(f"{name}: degrees", float(np.median(plain)), BARS[m][noise]),
        Figure(f"{name}: degrees, worst seed", float(plain.max())),
        Figure(f"{name}: degrees, the group given", float(np.median(told)), BARS[m][noise]),
        Figure(f"{name}: seeds with another number of generators", float((plain == 90).sum())),
        Figure(f"{name}: share of wrong answers", float(wrong.mean()), 0.0),
    ]


def measure(quick: bool) -> list[Figure]:
    """Every set, noise and seed."""
    figures = []
    seeds = range(1 if quick else 5)
    for m in (5,) if quick else (5, 8):
        for noise in BARS[m]:
            figures += orbits(m, noise, seeds)
    for route in () if quick else ("polynomials", "neighbourhoods"):
        looks = [look(*orbit(5, SIZES[5], 0.03, seed), route=route) for seed in seeds]
        name = f"SO(3) in R^5, noise 0.03, {route} alone: degrees"
        figures.append(Figure(name, float(np.median([plain for plain, _, _ in looks]))))
    others = {
        "T^1 in R^4, weights 1 and 2": lambda noise: torus([1, 2], 400, noise, 0),
        "T^1 in R^4, weights 2 and 3": lambda noise: torus([2, 3], 600, noise, 0),
        "T^2 in R^6": lambda noise: torus([[1, 0, 1], [0, 1, 1]], 800, noise, 0),
        "Clifford torus": lambda noise: torus([[1, 0], [0, 1]], 400, noise, 0),
        "sphere in R^3": lambda noise: sphere(3, 300, noise, 0),
        "sphere in R^5": lambda noise: sphere(5, 500, noise, 0),
        "SO(3) as matrices": lambda noise: matrices(800, noise, 0),
        "no symmetry": lambda noise: potato(800, noise, 0),
    }
    for name, make in others.items():
        for noise in (0.0, 0.02):
            plain, _, wrong = look(*make(noise))
            figures.append(Figure(f"{name}, noise {noise:g}: degrees", plain, 1e-6 if noise == 0 else 3.0))
            figures.append(Figure(f"{name}, noise {noise:g}: wrong answers", float(wrong), 0.0))
    return figures


if __name__ == "__main__":
    run(measure)
