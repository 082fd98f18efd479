"""The calibration in words and pictures: false finds against the level, and what is found, for each rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from calibration_rules import LEVEL
from scipy import stats

Setting = tuple[int, float, float, int]

GOALS = ((0.01, 100, 0.8), (0.03, 300, 0.5), (0.1, 1000, 0.4))
"""Noise, pairs, and the share of trials in which everything should be found."""

SIGNIFICANCE = 0.01
"""Chance that the whole table calls a rule invalid that holds its level in every setting exactly."""

COLOURS = {"certify": "#3949ab", "certify: certain": "#00897b", "simultaneous": "#ef6c00"}


def key(setting: Setting) -> str:
    """A name for a setting."""
    return "{} generators, miss {}, noise {}, n {}".format(*setting)


@dataclass(frozen=True)
class Table:
    """Counts of trials, false finds and full finds, of each rule in each setting."""

    record: dict[str, dict]
    settings: list[Setting]

    def counts(self, rule: str) -> np.ndarray:
        """Trials, false and found (s, 3) of one rule in the settings that were run."""
        every = [self.record.get(key(s), {}).get("rules", {}).get(rule, [0, 0, 0]) for s in self.settings]
        return np.array(every)

    def worst(self, rule: str) -> float:
        """The largest share of false finds in any setting."""
        trials, false, _ = self.counts(rule).T
        return float((false / np.maximum(trials, 1)).max())

    def above(self, rule: str) -> list[Setting]:
        """Settings whose false finds exceed the level by a one-sided binomial test."""
        trials, false, _ = self.counts(rule).T
        chance = stats.binom.sf(false - 1, trials, LEVEL)
        return [s for s, p in zip(self.settings, chance, strict=True) if p < SIGNIFICANCE / len(self.settings)]

    def detection(self, rule: str, *, noise: float | None = None, count: int | None = None) -> float:
        """The mean share of full finds over settings with something to find."""
        chosen = [s[0] > 0 and noise in (None, s[2]) and count in (None, s[3]) for s in self.settings]
        trials, _, found = self.counts(rule)[chosen].T
        run = trials > 0
        return float((found[run] / trials[run]).mean()) if run.any() else float("nan")


def markdown(record: dict[str, dict], settings: list[Setting], near: list[Setting]) -> str:
    """A table with one row a rule, and a line about the misses just above the tolerance."""
    table, close = Table(record, settings), Table(record, near)
    heads = [f"noise {noise:g}, n = {count}" for noise, count, _ in GOALS]
    lines = [
        f"| rule | trials a setting | worst share of false finds | settings above {LEVEL:g} | found | "
        + " | ".join(f"found at {head}" for head in heads)
        + " |",
        "| --- |" + " ---: |" * (4 + len(heads)),
    ]
    for rule in next(iter(record.values()))["rules"]:
        trials = table.counts(rule)[:, 0]
        span = f"{trials.min()}" if trials.min() == trials.max() else f"{trials.min()}–{trials.max()}"
        cells = [table.detection(rule, noise=noise, count=count) for noise, count, _ in GOALS]
        shown = " | ".join(f"{cell:.2f}" for cell in cells)
        name = f"**{rule}**" if rule == "certify" else rule
        worst, above = table.worst(rule), len(table.above(rule))
        lines.append(f"| {name} | {span} | {worst:.3f} | {above} | {table.detection(rule):.3f} | {shown} |")
    ratio = table.detection("certify") / table.detection("simultaneous")
    lines += [
        "",
        f"{len(settings)} settings. `certify` finds {ratio:.2f} times as often as the simultaneous bound. With the "
        f"nearest miss only 1.1 or 1.5 times the tolerance ({len(near)} further settings) its worst share of false "
        f"finds is {close.worst('certify'):.3f}, and {len(close.above('certify'))} of them are above the level.",
    ]
    return "\n".join(lines)


def picture(record: dict[str, dict], settings: list[Setting], path: Path) -> None:
    """False finds of every setting against the level, and finds against noise for each sample size."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    table = Table(record, settings)
    rules = list(next(iter(record.values()))["rules"])
    with pyplot.rc_context({"svg.hashsalt": "isotropy", "font.size": 9}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), width_ratios=(1.2, 1))
        rng = np.random.default_rng(0)
        for row, rule in enumerate(rules):
            trials, false, _ = table.counts(rule).T
            height = row + rng.uniform(-0.25, 0.25, size=len(trials))
            left.plot(
                false / np.maximum(trials, 1), height, ".", ms=3, color=COLOURS.get(rule, "#757575"), rasterized=True
            )
        left.axvline(LEVEL, color="k", lw=0.8, ls="--")
        left.set(
            yticks=range(len(rules)),
            yticklabels=rules,
            xlabel="share of false finds, one dot a setting",
            xlim=(-0.02, 1.02),
        )
        left.invert_yaxis()
        noises = sorted({s[2] for s in settings})
        for count, style in zip(sorted({s[3] for s in settings}), (":", "--", "-"), strict=True):
            for rule in ("certify", "simultaneous"):
                shares = [table.detection(rule, noise=noise, count=count) for noise in noises]
                right.plot(noises, shares, style, marker=".", color=COLOURS[rule], label=f"{rule}, n = {count}")
        right.set(xscale="log", xlabel="noise", ylabel="share of trials with everything found", ylim=(-0.02, 1.02))
        right.set_xticks(noises, [f"{noise:g}" for noise in noises])
        right.minorticks_off()
        right.legend(frameon=False, fontsize=7)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
