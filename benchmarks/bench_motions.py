"""Conservation laws of noisy motions: what is found, how well, and how often a law is invented.

First, known systems at noise of 0, .1, 1 and 5% of the spread of each coordinate, over several seeds: the laws claimed,
their largest angle to the true ones, the bounds, the verdict. Then near misses: motions that lose energy so slowly that
the best function drifts by 0 to 3 times the tolerance. A trial is *false* if some function in the span claimed has a
true drift, on the noise-free motions, above the tolerance.

Results are kept in benchmarks/results/motions.json and added to; ``--fresh`` forgets them.
"""

from __future__ import annotations

import argparse
import json
import warnings
from itertools import product
from pathlib import Path

import motions
import numpy as np
from scipy import stats

import isotropy as iso
from isotropy.dynamics import halves
from isotropy.dynamics.integrated import TOLERANCE, integrated
from isotropy.dynamics.trajectories import Record
from isotropy.geometry.grammar import parse
from isotropy.numerics.constancy import constancy

RESULTS = Path(__file__).parent / "results" / "motions.json"
NOISES, SEEDS, COUNT, SAMPLES = (0.0, 0.001, 0.01, 0.05), range(5), 20, 200
LEVEL = 0.05
MAKERS = {"oscillator": (motions.fading_oscillator, 2), "rigid body": (motions.fading_body, 3)}
NEAR = [
    *product(["oscillator"], (0.0, 0.5, 1.001, 1.5, 2.0, 3.0), (0.01, 0.05, 0.1), (10, 20)),
    *product(["rigid body"], (0.0, 1.001, 1.5), (0.01, 0.05), (20,)),
]


def find(case: motions.Case, noise: float, seed: int, positions: bool) -> dict:
    """One known system: what is claimed about it."""
    rng = np.random.default_rng(seed)
    t, exact = case.motions(COUNT, SAMPLES, rng)
    m = exact.shape[2]
    flat = exact.reshape(-1, m)
    seen = flat + noise * flat.std(axis=0) * rng.normal(size=flat.shape)
    measured = seen[:, : m // 2] if positions else seen
    data = Record(np.tile(t, COUNT), measured, np.repeat(np.arange(COUNT), SAMPLES), positions=positions)
    laws = integrated(data, case.functions, tolerance=TOLERANCE, level=LEVEL)
    values = laws.values(flat)
    record = {"claimed": laws.dimension, "verdict": laws.decision.verdict}
    record["bound"] = float(max(laws.bounds if laws.bounds is not None else [], default=0.0))
    if laws.dimension:
        record["true drift"] = motions.worst(values.reshape(COUNT, SAMPLES, -1), np.eye(laws.dimension))
    if laws.dimension and case.laws:
        true = np.column_stack([parse(f"({law})", case.variables).values(flat) for law in case.laws])
        ours, theirs = (np.linalg.qr(part - part.mean(axis=0))[0] for part in (values, true))
        outside = np.linalg.norm(ours - theirs @ (theirs.T @ ours), ord=2)
        record["angle"] = float(np.degrees(np.arcsin(min(outside, 1.0))))
    return record


def trial(setting: tuple, number: int) -> tuple[int, int]:
    """Whether something was invented, and how much was claimed, in one trial of a near miss."""
    name, size, noise, count = setting
    make, m = MAKERS[name]
    space = iso.spaces.Polynomials(m, degree=2)
    rng = np.random.default_rng([NEAR.index(setting), number])
    t = np.linspace(0, 12, 100)
    exact = motions.miss(make, rng.normal(size=(count, m)), t, space, size * TOLERANCE)
    flat = exact.reshape(-1, m)
    seen = flat + noise * flat.std(axis=0) * rng.normal(size=flat.shape)
    record = Record(np.tile(t, count), seen, np.repeat(np.arange(count), len(t)))
    groups = halves.groups(halves.halves(record, halves.noise(record)), space, positions=False)
    found = constancy(groups, tolerance=TOLERANCE, level=LEVEL, largest=count - 1)
    if not found.dimension:
        return 0, 0
    values = space.values(flat).reshape(count, len(t), -1)
    return int(motions.worst(values, found.vectors[: found.dimension]) > TOLERANCE), found.dimension


def store(record: dict) -> None:
    """Write everything, one line a setting."""
    parts = [
        f"{json.dumps(part)}: {{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}"
        for part, rows in record.items()
    ]
    RESULTS.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def main() -> None:
    """Run what is missing, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="trials of each near miss")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--quick", action="store_true", help="one seed and few trials, kept nowhere")
    parser.add_argument("--json", type=Path, help="accepted for the sake of run.py")
    options = parser.parse_args()
    keep = not options.quick
    record: dict = {"found": {}, "near": {}}
    if keep and RESULTS.exists() and not options.fresh:
        record = json.loads(RESULTS.read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    trials = 5 if options.quick else options.trials
    for case, positions in product(motions.CASES, (False, True)):
        if positions and case.name == "rigid body":
            continue
        for noise, seed in product(NOISES, [0] if options.quick else SEEDS):
            key = f"{case.name}{', positions' * positions} | {noise} | {seed}"
            if key not in record["found"]:
                record["found"][key] = find(case, noise, seed, positions)
                print(key, record["found"][key], flush=True)
        if keep:
            store(record)
    for setting in NEAR:
        key = " | ".join(str(part) for part in setting)
        done = record["near"].get(key, [0, 0, 0])
        for number in range(done[0], trials):
            false, claimed = trial(setting, number)
            done = [done[0] + 1, done[1] + false, done[2] + claimed]
        record["near"][key] = done
        chance = float(stats.binomtest(done[1], max(done[0], 1), LEVEL, alternative="greater").pvalue)
        print(f"{key}: {done[1]} false of {done[0]} (p = {chance:.3f}), {done[2]} claims", flush=True)
        if keep:
            store(record)


if __name__ == "__main__":
    main()
