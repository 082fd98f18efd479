"""How often does each rule invent a symmetry, and how often does it find those that are there?

Planted polynomial vector fields of the plane (`calibration_fields`): 0, 1, 2 or 4 symmetries, a nearest miss of 0, .5,
1, 3 or 10 times the tolerance, four noises, three sample sizes; every rule sees the same trials. A trial is *false* if
some generator in the span returned has a defect above the tolerance, and *found* if it is not and every planted
symmetry is claimed. Misses just above the tolerance are extra settings, reported apart.

Results are kept in benchmarks/results/calibration.json and added to: a run does what is missing for ``--trials`` and
writes as it goes. ``--docs`` writes the table and the figure of docs/verdicts.md from the file.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from itertools import product
from pathlib import Path

import calibration_rules as rules
import numpy as np
from calibration_fields import Planted, planted
from calibration_rules import LEVEL, TOLERANCE
from calibration_table import GOALS, Setting, Table, key, markdown, picture
from harness import Figure

from isotropy.numerics.fits import Fits

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "calibration.json"
PAGE = HERE.parent / "docs" / "verdicts.md"
PICTURE = HERE.parent / "docs" / "calibration.svg"
START, END = "<!-- calibration: written by `make bench-calibration` -->", "<!-- end of calibration -->"

GENERATORS, NOISES, COUNTS = (0, 1, 2, 4), (0.01, 0.03, 0.1, 0.3), (100, 300, 1000)
MISSES, JUST_ABOVE = (0, 0.5, 1, 3, 10), (1.1, 1.5)
BATCH = 60
"""Trials that share one random design."""

SAVE_EVERY = 20
"""Seconds of processor time between two writings of the results."""

BATCHES_OF_LOSERS = 1
"""Batches of each setting on which rules that were tried and dropped are run as well."""

SETTINGS: list[Setting] = list(product(GENERATORS, MISSES, NOISES, COUNTS))
NEAR: list[Setting] = [
    (g, miss, noise, n)
    for g, miss in product(GENERATORS, JUST_ABOVE)
    for noise, n in ((0.03, 100), (0.03, 300), (0.1, 300), (0.1, 1000))
]

RULES = {
    "threshold": rules.threshold,
    "eigengap": rules.eigengap,
    "rank test": rules.rank_test,
    "Weyl": rules.weyl,
    "simultaneous": rules.simultaneous,
    "certify: certain": rules.proved,
    "certify": rules.ours,
}


def judge(case: Planted, generators: int, claims: tuple[np.ndarray, np.ndarray]) -> list[int]:
    """How many trials are false, and in how many everything planted was found and nothing invented."""
    count, frames = claims
    exact = case.tensor @ case.field
    false = np.zeros(len(count), dtype=bool)
    for d in np.unique(count[count > 0]):
        chosen = count == d
        false[chosen] = np.linalg.norm(exact @ frames[chosen][:, :, :d], ord=2, axis=(1, 2)) > TOLERANCE * (1 + 1e-9)
    return [int(false.sum()), int(((count >= generators) & ~false).sum())]


def trial(setting: Setting, batch: int) -> dict[str, list[int]]:
    """One batch of trials: for each rule [trials, false, found]."""
    generators, miss, noise, count = setting
    case = planted(generators, miss, TOLERANCE)
    seed = [(SETTINGS + NEAR).index(setting), batch]
    parameters, root, variances, dof = case.fits(noise=noise, count=count, trials=BATCH, seed=seed)
    fits = Fits.of(case.tensor, parameters, root, variances, dof)
    claims = {name: rule(fits) for name, rule in RULES.items()}
    if batch < BATCHES_OF_LOSERS:
        frames = fits.propose()
        claims["no correction"] = rules.uncorrected(fits, frames), frames
        claims["split in two"] = rules.split(fits, parameters, seed=batch)
        claims["refit"] = rules.refit(fits)
    return {rule: [BATCH, *judge(case, generators, claim)] for rule, claim in claims.items()}


def load() -> dict[str, dict]:
    """What has been run so far."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["settings"] if RESULTS.exists() else {}


def store(record: dict[str, dict]) -> None:
    """Write everything, one setting a line."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(record.items()))
    head = json.dumps({"level": LEVEL, "tolerance": TOLERANCE, "batch": BATCH, "columns": ["trials", "false", "found"]})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(f'{head[:-1]}, "settings": {{\n{lines}\n}}}}\n', encoding="utf-8")


def grow(
    record: dict[str, dict], settings: list[Setting], trials: int, *, budget: float = np.inf, keep: bool = True
) -> dict[str, dict]:
    """Add batches, all settings in turn, until each has ``trials`` or ``budget`` seconds of CPU time are spent."""
    start = saved = time.process_time()
    for batch in range(-(-trials // BATCH)):
        for setting in settings:
            entry = record.setdefault(key(setting), {"batches": 0, "rules": {}})
            if entry["batches"] != batch or time.process_time() - start > budget:
                continue
            for rule, counts in trial(setting, batch).items():
                entry["rules"][rule] = [a + b for a, b in zip(entry["rules"].get(rule, [0, 0, 0]), counts, strict=True)]
            entry["batches"] += 1
            now = time.process_time()
            if keep and now - saved > SAVE_EVERY:
                store(record)
                saved = now
    if keep:
        store(record)
    return record


def measure(record: dict[str, dict], settings: list[Setting]) -> list[Figure]:
    """The figures that have a goal."""
    table = Table(record, settings)
    found = table.detection("certify")
    figures = [
        Figure("settings whose false finds are above the level (certify)", len(table.above("certify")), at_most=0),
        Figure(
            "detection of the simultaneous bound against certify's", table.detection("simultaneous") / found, 1 / 1.4
        ),
    ]
    for noise, count, goal in GOALS:
        missed = 1 - table.detection("certify", noise=noise, count=count)
        figures.append(Figure(f"share not found at noise {noise}, n = {count}", missed, at_most=1 - goal))
    return figures


def main() -> None:
    """Read the options, run what is missing, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="trials of each setting, in steps of 60")
    parser.add_argument("--budget", type=float, default=np.inf, help="stop after so much processor time")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--docs", action="store_true", help="write the table and the figure of the documentation")
    parser.add_argument("--quick", action="store_true", help="a few settings, kept nowhere")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    if options.quick:
        settings = [s for s in SETTINGS if s[1] in (0, 3) and (s[2], s[3]) in ((0.01, 100), (0.03, 300), (0.1, 1000))]
        record = grow({}, settings, BATCH, keep=False)
    else:
        settings = SETTINGS
        record = grow({} if options.fresh else load(), SETTINGS + NEAR, options.trials, budget=options.budget)
        print(markdown(record, SETTINGS, NEAR))
    figures = measure(record, settings)
    for figure in figures:
        print(figure)
    if options.docs:
        picture(record, SETTINGS, PICTURE)
        before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
        _, end, after = rest.partition(END)
        PAGE.write_text(f"{before}{start}\n{markdown(record, SETTINGS, NEAR)}\n{end}{after}", encoding="utf-8")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        answer = {"benchmark": "bench_calibration", "quick": options.quick, "figures": [asdict(f) for f in figures]}
        options.json.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
