"""The data cases: what is found, under which name and verdict, and how far from the truth.

O(5)-invariant regression and Lorentz-invariant scattering (EMLP's tasks) with candidates gl(5) on two vectors and gl(4)
on four; the map of two bodies with candidates gl(8), without noise and with 5% of each coordinate. Nothing is told but
the size of the errors. Angles of two bodies are those of the part that the data can see.

    python benchmarks/data_cases.py [--only o5-10000,bodies-0.05] [--seeds 0,1,2]

Each run is added to benchmarks/results/data_cases.json as it ends; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from bench_data import TURN, angle, inside, two_bodies
from emlp_tasks import lorentz, o5

import isotropy as iso
from isotropy import groups

RESULTS = Path(__file__).parent / "results" / "data_cases.json"
CASES = ("o5-10000", "o5-1000", "bodies-0", "bodies-0.05", "lorentz-1000", "lorentz-10000")


def case(name: str, seed: int) -> dict[str, Any]:
    """One run."""
    kind, size = name.split("-")
    if kind == "bodies":
        X, Y, errors = two_bodies(2000, float(size), seed)
        V = groups.GL(8).vector
        data, action = iso.Data(X, Y, input_noise=errors), iso.Action(V, V)
        truth = inside(np.kron(np.eye(4), TURN))[None]
    else:
        sample, group, copies = (o5, groups.GL(5), 2) if kind == "o5" else (lorentz, groups.GL(4), 4)
        data = iso.Data(*sample(np.random.default_rng(seed), int(size)))
        action = iso.Action(copies * group.vector)
        truth = np.asarray((groups.SO(5) if kind == "o5" else groups.SO(1, 3)).algebra.matrices)
    found = iso.discover(data, action)
    generators = found.generators
    if kind == "bodies":
        generators = np.array([inside(generator) for generator in generators])
    return {
        "case": name,
        "seed": seed,
        "class": data.kind,
        "relative_error": data.relative_error,
        "name": found.name,
        "dimension": found.dimension,
        "verdict": found.decision.verdict,
        "unseen": found.unseen.dimension,
        "angle": angle(generators, truth) if found.dimension == len(truth) else None,
    }


def main() -> None:
    """Run what is missing and print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--seeds", default="0")
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    for seed in map(int, options.seeds.split(",")):
        for name in options.only.split(","):
            if not any((row["case"], row["seed"]) == (name, seed) for row in rows):
                rows.append(case(name, seed))
                RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
