"""What survives noise: planted, broken and absent symmetries against least squares and an oracle told the subgroup.

Polynomials of degree 4 in 3 variables, symmetric about a random axis through a random centre, a few samples with noise,
candidates SE(3). The oracle is told that one rotation survives and fits its axis and centre; the exact one knows these
too and fits the nine coefficients left. It is a fair match: all fit the same data in one space. "broken" adds a
general polynomial of a tenth of the size, "absent" is nothing else. Trials are kept in ``results/survive.json``, and a
run adds what is missing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from harness import Figure

from isotropy import Action, groups
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.surviving import Question
from isotropy.promote import promote
from isotropy.promote.problem import build

RESULTS = Path(__file__).parent / "results" / "survive.json"
FIGURE = Path(__file__).parents[1] / "docs" / "survive.svg"
SPACE = Polynomials(3, degree=4)
KINDS = {"planted": 0.0, "broken": 0.1, "absent": np.inf}
"""The size of what breaks the symmetry, as a part of the function's."""

COLUMNS: tuple[str, ...] = ("dimension", "named", "degrees", "error", "free", "oracle", "exact")
SAVE_EVERY = 30.0

Cell = tuple[str, int, float]
"""A kind, a number of samples, and the noise as a part of the values' standard deviation."""

SEEDS: dict[Cell, int] = {
    **{(kind, 80, 0.05): 100 for kind in KINDS},
    **{("planted", n, 0.05): 100 for n in (60, 100)},
    **{("broken", n, 0.05): 100 for n in (60, 100)},
    **{(kind, n, noise): 20 for n in (60, 80, 100) for noise in (0.02, 0.1) for kind in ("planted", "broken")},
    **{("absent", n, 0.05): 30 for n in (60, 100)},
}
"""How many trials each cell has, the goals' own first."""


def data(seed: int, broken: float, n: int, noise: float, tests: int = 2000) -> tuple[np.ndarray, ...]:
    """Points and noisy values, test points and values, and the true generator (linear, offset)."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    centre = rng.uniform(-0.5, 0.5, size=3)
    X = rng.uniform(-1, 1, size=(n + tests, 3))
    along = (X - centre) @ axis
    square = ((X - centre) ** 2).sum(axis=1) - along**2
    terms = [rng.normal() * along**b * square**a for a in range(3) for b in range(5 - 2 * a) if a + b]
    y = np.sum(terms, axis=0)
    if np.isinf(broken):
        y = SPACE.values(X) @ rng.normal(size=SPACE.dimension)
    elif broken:
        other = SPACE.values(X) @ rng.normal(size=SPACE.dimension)
        y = y / y.std() + broken * (other - other.mean()) / other.std()
    y = (y - y[n:].mean()) / y[n:].std()
    turn = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return X[:n], y[:n] + noise * rng.normal(size=n), X[n:], y[n:], turn, -turn @ centre


def trial(kind: str, n: int, noise: float, seed: int) -> list[float | None]:
    """What was kept, how far it is from the truth, and root mean square errors on clean test values: `COLUMNS`."""
    X, y, Xt, yt, linear, offset = data(seed, KINDS[kind], n, noise)
    action = Action(groups.SE(3))
    fit = promote(SPACE, action, X, y)
    problem = build(SPACE, action, X, 1, None)
    design, test = problem.design(X), problem.design(Xt)

    def error(w: np.ndarray) -> float:
        return float(np.sqrt(np.mean((test @ w - yt[:, None]) ** 2)))

    free = np.linalg.lstsq(design, y[:, None], rcond=None)[0]
    point = groups.SE(3).point
    table = np.concatenate([point.generators().reshape(6, -1), point.offsets()], axis=1)
    direction = np.linalg.lstsq(table.T, np.concatenate([linear.ravel(), offset]), rcond=None)[0]
    direction /= np.linalg.norm(direction)
    told = exact = free
    if kind == "planted":
        kernel = np.linalg.svd(np.einsum("kqf,q->kf", problem.dense, direction))[2][-9:].T
        exact = kernel @ np.linalg.lstsq(design @ kernel, y[:, None], rcond=None)[0]
        scale, seen, _ = problem.sight
        operator = np.einsum("kqf,sq->ksf", problem.dense / scale[:, None], seen)
        start = seen @ (direction * scale)
        _, found = Question(design, y[:, None], operator).ask((start / np.linalg.norm(start))[:, None], 0.0)
        told = free if found is None else found.coefficients
    kept = fit.symmetries
    degrees = np.nan
    if kept.dimension == 1:
        row = kept.coefficients[0] / np.linalg.norm(kept.coefficients[0])
        degrees = float(np.degrees(np.arccos(min(abs(row @ direction), 1.0))))
    missed = float(np.sqrt(np.mean((fit.predict(Xt) - yt) ** 2)))
    named = kept.name == "so(2)" and kept.decision.verdict == "supported"
    row = [kept.dimension, int(named), degrees, missed, error(free), error(told), error(exact)]
    return [None if np.isnan(x) else float(f"{x:.6g}") for x in row]


def key(cell: Cell) -> str:
    return " | ".join(str(part) for part in cell)


def load() -> dict[str, dict[str, list[float | None]]]:
    """The trials that were run so far, by cell and seed."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["cells"] if RESULTS.exists() else {}


def store(record: dict[str, dict[str, list[float | None]]]) -> None:
    """Write everything, one line a cell."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows)}" for name, rows in record.items())
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(f'{{"columns": {json.dumps(COLUMNS)}, "cells": {{\n{lines}\n}}}}\n', encoding="utf-8")


def grow(record: dict, seeds: dict[Cell, int], *, keep: bool) -> None:
    """Add the trials that are missing."""
    saved = time.monotonic()
    for cell, count in seeds.items():
        rows = record.setdefault(key(cell), {})
        for seed in range(count):
            if str(seed) not in rows:
                rows[str(seed)] = trial(*cell, seed)
            if keep and time.monotonic() - saved > SAVE_EVERY:
                store(record)
                saved = time.monotonic()
        print(f"{key(cell)}: {len(rows)} trials", flush=True)
    if keep:
        store(record)


class Rows:
    """The trials of one cell as columns."""

    def __init__(self, record: dict, cell: Cell) -> None:
        table = list(record.get(key(cell), {}).values())
        self.count = len(table)
        self.columns = dict(zip(COLUMNS, np.array(table, dtype=float).reshape(-1, len(COLUMNS)).T, strict=True))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def kept(self) -> float:
        """The share of trials in which something is kept."""
        return float((self["dimension"] > 0).mean())

    def ratio(self, other: str) -> float:
        """The test error over that of another fit: the median over trials."""
        return float(np.median(self["error"] / self[other]))


def figures(record: dict, cells: Iterable[Cell]) -> list[Figure]:
    """The rates and ratios of each cell; goals hold at 5% noise, for refusals at 80 samples."""
    result = []
    for cell in cells:
        kind, n, noise = cell
        rows, goals = Rows(record, cell), noise == 0.05
        head = f"{kind}, {n} samples, noise {noise}, {rows.count} trials"
        if not rows.count:
            continue
        if kind == "planted":
            result += [
                Figure(f"{head}: share not named so(2)", float((rows["named"] == 0).mean()), 0.03 if goals else None),
                Figure(f"{head}: degrees from the true generator, median", float(np.nanmedian(rows["degrees"]))),
                Figure(f"{head}: test error over that of the oracle told the subgroup", rows.ratio("oracle"),
                       1.1 if goals else None),
                Figure(f"{head}: test error over that of the oracle told axis and centre", rows.ratio("exact")),
                Figure(f"{head}: test error over least squares'", rows.ratio("free"), 0.5 if goals else None),
            ]  # fmt: skip
        elif kind == "broken":
            result.append(Figure(f"{head}: share not refused", rows.kept, 0.15 if goals and n == 80 else None))
        else:
            result.append(Figure(f"{head}: share in which something is kept", rows.kept, 0.0))
            result.append(Figure(f"{head}: test error over least squares'", rows.ratio("free"), 1.1))
    return result


def plot(record: dict) -> None:
    """Names, refusals and test errors over the number of samples, a line for each noise."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "isotropy"
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    samples = sorted({n for _, n, _ in SEEDS})
    for noise, mark in zip(sorted({noise for *_, noise in SEEDS}), "osv", strict=True):
        planted = [Rows(record, ("planted", n, noise)) for n in samples]
        broken = [Rows(record, ("broken", n, noise)) for n in samples]
        label = f"{100 * noise:g}% noise, {min(rows.count for rows in planted)} trials"
        style = {"marker": mark, "label": label}
        axes[0].plot(samples, [100 * rows["named"].mean() for rows in planted], **style)
        axes[1].plot(samples, [100 * (1 - rows.kept) for rows in broken], **style)
        axes[2].plot(samples, [rows.ratio("free") for rows in planted], **style)
    axes[0].set(title="one rotation in SE(3) planted", ylabel="named so(2), %", ylim=(0, 103))
    axes[1].set(title="the same, broken by 10%", ylabel="refused, %", ylim=(0, 103))
    axes[2].set(title="one rotation planted", ylabel="test error over least squares'", ylim=(0, 1))
    for panel in axes:
        panel.set_xlabel("samples (35 coefficients)")
        panel.set_xticks(samples)
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    """Read the options, run what is missing, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five trials at 80 samples, kept nowhere")
    parser.add_argument("--fresh", action="store_true", help="forget what was run before")
    parser.add_argument("--plot", action="store_true", help="draw the figure from what is there, and stop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    record = {} if options.quick or options.fresh else load()
    if options.plot:
        plot(record)
        return
    seeds = dict.fromkeys([(kind, 80, 0.05) for kind in KINDS], 5) if options.quick else SEEDS
    grow(record, seeds, keep=not options.quick)
    answer = figures(record, seeds)
    for figure in answer:
        print(figure)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        table = {"benchmark": "bench_survive", "quick": options.quick, "figures": [asdict(f) for f in answer]}
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
