"""The schedule in two stages on the axis task: test error against no penalty, the axis found, and undoing it.

For .3 of the steps the nuclear norm proposes; then a strong penalty on the s directions that are closest to being kept.
To choose s, networks for s = 0 (no penalty), 1 and 2 learn each half of the 200 noisy values in half of the steps, and
are tried on the other. For s = 1 the one that is tried is *enforced*: it sees the height along the axis found on its
half and the distance from it. (A strong penalty lowers the error where there is no symmetry too: it smooths.) The
smallest s is taken whose error there exceeds the least by at most a standard error of their difference: a symmetry must
pay. s = 2 stands for comparison only where the two directions close under the bracket in both halves. Then all 200
values are learnt with that s, and for s = 1 enforced as well. In the broken case no rotation is a symmetry and s must
come out 0.

    python benchmarks/two_stage.py [--cases kept,broken] [--seeds 0,...,9]

Each seed's row is added to benchmarks/results/two_stage.json when its group of five seeds ends.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from axis_task import VALUES, judge, pick, train, unclosed

RESULTS = Path(__file__).parent / "results" / "two_stage.json"
STEPS, POINTS, WEIGHT, STRONG, PROPOSE = 8000, 64, 0.02, 10.0, 0.3
HELD, COUNTS = 100, (1, 2)
AXIS = "axis, degrees"
CLOSED = 0.2
"""How far a bracket may be off the span of two directions: nothing keeps two and not their bracket."""


def excesses(errors: list[np.ndarray]) -> list[float]:
    """By how many standard errors of the difference each mean of squared errors exceeds the least."""
    best = min(errors, key=lambda squares: squares.mean())
    result = []
    for squares in errors:
        difference = squares - best
        spread = difference.std(ddof=1) / np.sqrt(len(difference))
        result.append(float(difference.mean() / spread) if spread > 0 else 0.0)
    return result


def rows(case: str, seeds: list[int]) -> list[dict[str, Any]]:
    """What came of each seed."""
    common = {"points": POINTS, "broken": case == "broken"}
    stages = {"weight": WEIGHT, "strong": STRONG, "propose": PROPOSE}
    halves, opened = [], np.zeros(len(seeds))
    for first in (False, True):
        half = {"steps": STEPS // 2, "held": HELD, "first": first, **common}
        plain, sets = train(seeds, **half)
        tried, _ = train(seeds, counts=COUNTS, **stages, **half)
        rivals = [[judge(pick(tried, i, k), sets[i]) for k in range(2)] for i in range(len(seeds))]
        opened = np.maximum(opened, [unclosed(two["pair"]) for _, two in rivals])
        bound, invariant = train(seeds, directions=[soft["direction"] for soft, _ in rivals], **half)
        halves.append(
            [
                [
                    one["held"]
                    for one in (judge(pick(plain, i), sets[i]), judge(pick(bound, i), invariant[i]), two, soft)
                ]
                for i, (soft, two) in enumerate(rivals)
            ]
        )
    held = [[np.concatenate(pair) for pair in zip(*both, strict=True)] for both in zip(*halves, strict=True)]
    plain, sets = train(seeds, steps=STEPS, **common)
    promoted, _ = train(seeds, steps=STEPS, **stages, **common)
    kept = [judge(pick(promoted, i), sets[i]) for i in range(len(seeds))]
    enforced, reduced = train(seeds, steps=STEPS, directions=[one["direction"] for one in kept], **common)
    result = []
    for i, seed in enumerate(seeds):
        *rivals, soft = held[i]
        excess = excesses(rivals if opened[i] <= CLOSED else rivals[:2])
        s = min(count for count, size in enumerate(excess) if size <= 1.0)
        without, one = judge(pick(plain, i), sets[i])["test"], kept[i]
        last = float(np.sqrt(np.mean((np.asarray(VALUES(pick(enforced, i), reduced[i].test_x)) - sets[i].test_y) ** 2)))
        turning = lambda d: d[:3] / np.linalg.norm(d[:3])  # noqa: E731
        axis = abs(turning(one["direction"]) @ turning(sets[i].kept))
        result.append(
            {
                "case": case,
                "seed": seed,
                "kept": s,
                "held out": [float(np.mean(squares)) for squares in rivals],
                "held out, not enforced": float(np.mean(soft)),
                "bracket of two, off their span": float(opened[i]),
                "excess in standard errors": excess,
                "no penalty": without,
                "two stages": one["test"],
                "enforced": last,
                AXIS: float(np.degrees(np.arccos(min(1.0, axis)))),
                "generator, degrees": one["angle"],
                "smallest over largest": float(one["values"][-1]),
                "next over largest": float(one["values"][-2]),
            }
        )
    return result


def main() -> None:
    """Run what is missing, five seeds at a time, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="kept,broken")
    parser.add_argument("--seeds", default="0,1,2,3,4,5,6,7,8,9")
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for case in given.cases.split(","):
        wanted = [int(seed) for seed in given.seeds.split(",")]
        missing = [seed for seed in wanted if not any((r["case"], r["seed"]) == (case, seed) for r in found)]
        for start in range(0, len(missing), 5):
            found += rows(case, missing[start : start + 5])
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        here = [row for row in found if row["case"] == case]
        mean = lambda key, here=here: np.mean([row[key] for row in here])  # noqa: E731
        print(
            f"{case}: s = {[row['kept'] for row in here]}, axis off by {[round(row[AXIS], 1) for row in here]} degrees"
        )
        print("   ", ", ".join(f"{key} {mean(key):.3f}" for key in ("no penalty", "two stages", "enforced")))


if __name__ == "__main__":
    main()
