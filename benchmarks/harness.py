"""What every benchmark shares: time one thing against another in one run, print ratios, write JSON.

A benchmark is a script ``bench_*.py`` with a function ``measure(quick)`` that returns figures, and ``run(measure)`` at
its end. It takes ``--quick`` (small sizes, to see that it runs) and ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("isotropy", "jax", "numpy", "scipy")


@dataclass(frozen=True)
class Figure:
    """One number without a unit of time, what it means, and the value it should stay under, where there is one."""

    name: str
    value: float
    at_most: float | None = None

    def __str__(self) -> str:
        goal = "" if self.at_most is None else f"   (at most {self.at_most:g}: {'met' if self.met else 'NOT met'})"
        return f"{self.value:10.3g}  {self.name}{goal}"

    @property
    def met(self) -> bool:
        """Whether the goal is reached; true where there is none."""
        return self.at_most is None or self.value <= self.at_most


def ratio(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """How many times longer ``ours`` takes than ``theirs``: the median over runs in turn, after one of each.

    Taking turns lets both share whatever else the machine is doing. With ``clock=time.process_time`` CPU times are
    compared, which others on the machine disturb less.
    """
    ours(), theirs()
    return statistics.median(_seconds(ours, clock) / _seconds(theirs, clock) for _ in range(repeats))


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def run(measure: Callable[[bool], Sequence[Figure]]) -> None:
    """Read the options, measure, print, write."""
    script = Path(sys.argv[0])
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    figures = list(measure(options.quick))
    for figure in figures:
        print(figure)
    if options.json is not None:
        record = {
            "benchmark": script.stem,
            "quick": options.quick,
            "figures": [asdict(figure) for figure in figures],
            "versions": {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()},
            "processor": {"machine": platform.machine(), "cores": os.cpu_count()},
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
