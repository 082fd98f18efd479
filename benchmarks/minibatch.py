"""Penalty points in minibatches against all of them: the same subgroup, test error and spectrum?

The axis task with the nuclear norm alone. The data batches are the same 64 in every run, so that only the penalty
differs: exact on all 512 points in each step, or the variational form on 4, 16 or 64 fresh ones. The norm of a
minibatch of 16 itself, which is biased, and the probe on 64 are beside them.

    python benchmarks/minibatch.py [--seeds 0,1,2]

Rows are added to benchmarks/results/minibatch.json as they end.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from axis_task import judge, pick, train

RESULTS = Path(__file__).parent / "results" / "minibatch.json"
STEPS, WEIGHT = 3000, 0.02
FORMS = {
    "all points": ("exact", 4),
    "4 points": ("update", 4),
    "16 points": ("update", 16),
    "64 points": ("update", 64),
    "norm of 16 points": ("own", 16),
    "probe on 64 points": ("probe", 64),
}


def main() -> None:
    """Run what is missing, then print each form beside the full batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name, (form, points) in FORMS.items():
        missing = [seed for seed in seeds if not any((r["form"], r["seed"]) == (name, seed) for r in found)]
        if not missing:
            continue
        arrays, sets = train(missing, steps=STEPS, points=points, form=form, weight=WEIGHT, held=0)
        for i, seed in enumerate(missing):
            outcome = judge(pick(arrays, i), sets[i])
            row = {"form": name, "seed": seed, "test": outcome["test"], "degrees": outcome["angle"]}
            row |= {"values": outcome["values"].tolist(), "direction": outcome["direction"].tolist()}
            found.append(row)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name in FORMS:
        print(name, *(f"{value:.3f}" for value in compared(found, name)))


def compared(rows: list[dict], name: str) -> tuple[float, float, float]:
    """Test error and smallest over largest value beside the full batch's (geometric means); degrees apart at worst."""
    full = {row["seed"]: row for row in rows if row["form"] == "all points"}
    pairs = [(row, full[row["seed"]]) for row in rows if row["form"] == name and row["seed"] in full]
    test = np.exp(np.mean([np.log(a["test"] / b["test"]) for a, b in pairs]))
    least = np.exp(np.mean([np.log(a["values"][-1] / b["values"][-1]) for a, b in pairs]))
    furthest = min(abs(np.dot(a["direction"], b["direction"])) for a, b in pairs)
    return float(test), float(least), float(np.degrees(np.arccos(min(1.0, furthest))))


if __name__ == "__main__":
    main()
