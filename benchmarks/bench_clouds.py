"""Symmetries of point clouds with no group given: angles to the truth, beside a method that is told the group.

Orbits of SO(3) in R^5 (1000 points) and R^8 = R^3 + R^5 (2000 points), on the unit sphere, with normal noise in each
coordinate; five seeds, the median of the largest principal angle in degrees. The bars are those of LieDetect (H. Ennes,
R. Tinarrage, arXiv 2309.03086), which knows that the group is SO(3). Where another number of generators than three is
proposed the angle counts as 90 degrees. It is measured again with the group given. A wrong answer is another number of
generators without the verdict `cannot tell`.

Beside it, on the same points in the same run, is a short version of LieDetect of our own (`liedetect_style.py`), told
the group and the dimension of its orbits. It runs with 20 and 50 neighbours, on points made orthonormal and not, and
for each seed the best of the four by the *truth* is counted, which no user could choose. The ratio of processor times
is that of our answer without the group to the mean of its four.

Each case is added to benchmarks/results/cloud_cases.json as it ends; what is there is not run again, so delete the
file to measure everything anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cloud_sets import angle, matrices, orbit, potato, sphere, torus
from harness import Figure, run
from liedetect_style import liedetect

import isotropy as iso
from isotropy import groups

RESULTS = Path(__file__).parent / "results" / "cloud_cases.json"
BARS = {5: {0.0: 1.8, 0.03: 3.9, 0.1: 7.6}, 8: {0.0: 1.8, 0.03: 4.1, 0.1: 10.2}}
SIZES = {5: 1000, 8: 2000}
SEEDS = 5
OTHERS: dict[str, Callable[[float], tuple[np.ndarray, np.ndarray]]] = {
    "T^1 in R^4, weights 1 and 2": lambda noise: torus([1, 2], 400, noise, 0),
    "T^1 in R^4, weights 2 and 3": lambda noise: torus([2, 3], 600, noise, 0),
    "T^2 in R^6": lambda noise: torus([[1, 0, 1], [0, 1, 1]], 800, noise, 0),
    "Clifford torus": lambda noise: torus([[1, 0], [0, 1]], 400, noise, 0),
    "sphere in R^3": lambda noise: sphere(3, 300, noise, 0),
    "sphere in R^5": lambda noise: sphere(5, 500, noise, 0),
    "SO(3) as matrices": lambda noise: matrices(800, noise, 0),
    "no symmetry": lambda noise: potato(800, noise, 0),
}


def look(points: np.ndarray, known: np.ndarray, *, route: Any = None, group: Any = None) -> dict[str, Any]:
    """What is answered: angles in degrees without and with the group (90 for another dimension), and the verdict."""
    action = iso.Action.points(groups.GL(points.shape[1]))
    start = time.process_time()
    try:
        cloud = iso.Cloud(points, route=route)
        found = iso.discover(cloud, action)
    except iso.IsotropyError:
        return {"degrees": 90.0, "told": 90.0, "dimension": None, "verdict": "cannot tell", "wrong": False}
    spent = time.process_time() - start
    same, unsure = found.dimension == len(known), found.decision.verdict == "cannot tell"
    plain = (angle(found.generators, known) if len(known) else 0.0) if same else 90.0
    record = {"degrees": plain, "dimension": found.dimension, "name": found.name, "verdict": found.decision.verdict}
    record |= {"set": cloud.dimension, "wrong": not (same or unsure)}
    if group is not None:
        try:
            record["told"] = angle(iso.discover(cloud, action, group=group).representation.matrices, known)
        except iso.IsotropyError:
            record["told"] = 90.0
        angles, start = [], time.process_time()
        for neighbours, orthonormal in product((20, 50), (True, False)):
            angles.append(angle(liedetect(points, neighbours=neighbours, orthonormal=orthonormal), known))
        record |= {"theirs": min(angles), "time over theirs": spent / ((time.process_time() - start) / len(angles))}
    return record


class Cases:
    """What has been run, by name, in a file that is added to (or in memory, for a short run)."""

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self.known = json.loads(RESULTS.read_text(encoding="utf-8")) if kept and RESULTS.exists() else {}

    def __call__(self, name: str, make: Callable[[], tuple[np.ndarray, np.ndarray]], **options: Any) -> dict[str, Any]:
        """The record of one case, run if it is not there."""
        if name not in self.known:
            self.known[name] = look(*make(), **options)
            print(f"{name}: {self.known[name]}", flush=True)
            if self.kept:
                lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in self.known.items())
                RESULTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        return self.known[name]


def orbits(cases: Cases, m: int, noise: float, seeds: range) -> list[Figure]:
    """The figures of one row of the table of orbits."""
    name = f"SO(3) in R^{m}, noise {noise:g}"
    told = {"group": groups.SO(3)}
    looks = [cases(f"{name}, seed {s}", lambda s=s: orbit(m, SIZES[m], noise, s), **told) for s in seeds]
    column = {key: np.array([one[key] for one in looks], dtype=float) for key in ("degrees", "told", "theirs", "wrong")}
    times = [one["time over theirs"] for one in looks if "time over theirs" in one]
    return [
        Figure(f"{name}: degrees", float(np.median(column["degrees"])), BARS[m][noise]),
        Figure(f"{name}: degrees, worst seed", float(column["degrees"].max())),
        Figure(f"{name}: degrees, the group given", float(np.median(column["told"])), BARS[m][noise]),
        Figure(f"{name}: degrees, LieDetect style, told the group", float(np.median(column["theirs"]))),
        Figure(f"{name}: our processor time over that of LieDetect style", float(np.median(times))),
        Figure(f"{name}: seeds with another number of generators", float((column["degrees"] == 90).sum())),
        Figure(f"{name}: share of wrong answers", float(column["wrong"].mean()), 0.0),
        Figure(f"{name}: seeds with `cannot tell`", float(sum(one["verdict"] == "cannot tell" for one in looks))),
    ]


def measure(quick: bool) -> list[Figure]:
    """Every set, noise and seed."""
    cases, seeds = Cases(kept=not quick), range(1 if quick else SEEDS)
    figures = []
    for m in (5,) if quick else (5, 8):
        for noise in BARS[m]:
            figures += orbits(cases, m, noise, seeds)
    for route in () if quick else ("polynomials", "neighbourhoods"):
        name = f"SO(3) in R^5, noise 0.03, {route} alone"
        looks = [cases(f"{name}, seed {s}", lambda s=s: orbit(5, SIZES[5], 0.03, s), route=route) for s in seeds]
        figures.append(Figure(f"{name}: degrees", float(np.median([one["degrees"] for one in looks]))))
    for (name, make), noise in product(OTHERS.items(), (0.0, 0.02)):
        one = cases(f"{name}, noise {noise:g}", lambda make=make, noise=noise: make(noise))
        figures.append(Figure(f"{name}, noise {noise:g}: degrees", one["degrees"], 1e-6 if noise == 0 else 3.0))
        figures.append(Figure(f"{name}, noise {noise:g}: wrong answers", float(one["wrong"]), 0.0))
    return figures


if __name__ == "__main__":
    run(measure)
