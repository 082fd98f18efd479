"""Bases of equivariant linear maps: `isotropy.hom` against EMLP 1.0.3, CPU time over CPU time, in one run.

The same representations on both sides, each side warm (one small space first) and then from scratch: ours in float64
with the check of every generator, EMLP as `equivariant_basis()` gives it. EMLP wants a Python of its own:

    python3.11 -m venv emlp-env && emlp-env/bin/pip install emlp six 'jax<=0.9.2'
    python benchmarks/hom_vs_emlp.py --emlp-python emlp-env/bin/python

Each row of EMLP's is a process with a limit of CPU seconds and of memory. Rows that it does not finish have no ratio.
Goals, on the rows where it takes more than five seconds: at least 100 times less on each, 1000 times in the geometric
mean.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from isotropy import groups
from isotropy.errors import IsotropyWarning
from isotropy.hom import hom

Terms = tuple[tuple[int, int, int], ...]
"""A representation as (copies, p, q) for copies of T(p, q)."""

SLOW = 5.0
"""CPU seconds of EMLP's beyond which a row counts for the goals."""

PEER = """
import json, resource, sys, time
group, source, target, limit, memory = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
from emlp.groups import *
from emlp.reps import T
def rep(terms):
    total = None
    for copies, p, q in terms:
        total = copies * T(p, q) if total is None else total + copies * T(p, q)
    return total
(T(1) >> T(1))(SO(2)).equivariant_basis()
G = eval(group)
start = time.process_time()
basis = (rep(source)(G) >> rep(target)(G)).equivariant_basis()
print(json.dumps([time.process_time() - start, int(basis.shape[1])]))
"""


@dataclass(frozen=True)
class Row:
    """One space: its group for either side, source and target."""

    name: str
    ours: Callable[[], groups.Group]
    theirs: str
    source: Terms
    target: Terms


@dataclass(frozen=True)
class Outcome:
    """What came out: ``times_less`` is EMLP's CPU time over ours, None where EMLP did not finish."""

    name: str
    dimension: int
    emlp: str
    emlp_is_slow: bool
    times_less: float | None
    residual: float


def uniform(channels: int, size: int) -> Terms:
    """About equally many channels of each tensor rank that fits, the rest scalars."""
    top = max(k for k in range(12) if (k + 1) * size**k <= channels)
    terms = [(channels // (top + 1) // size**k, k, 0) for k in range(1, top + 1)]
    rest = channels - sum(copies * size**k for copies, k, _ in terms)
    return ((rest, 0, 0), *terms)


def rubik() -> groups.Group:
    """The 48 stickers of Rubik's cube, moved by quarter turns of its six faces."""
    axes = [sign * np.eye(3, dtype=int)[k] for k in range(3) for sign in (1, -1)]
    places = [p for p in itertools.product((-1, 0, 1), repeat=3) if np.abs(p).sum() > 1]
    stickers = [(p, tuple(n.tolist())) for p in places for n in axes if np.dot(p, n) == 1]
    number = {sticker: k for k, sticker in enumerate(stickers)}
    turns = np.zeros((6, 48, 48))
    for k, axis in enumerate(axes):
        cross = np.cross(np.eye(3, dtype=int), axis)
        turn = np.eye(3, dtype=int) + cross + cross @ cross
        for (p, n), j in number.items():
            moved = tuple((turn @ p).tolist()), tuple((turn @ n).tolist())
            turns[k, number[moved] if np.dot(p, axis) == 1 else j, j] = 1
    return groups.Group((), components=turns, name="Rubik")


def power(p: int, q: int = 0) -> Terms:
    """T(p, q) once."""
    return ((1, p, q),)


ROWS = (
    Row("SO(3) T3 -> T3", lambda: groups.SO(3), "SO(3)", power(3), power(3)),
    Row("SO(3) T4 -> T3", lambda: groups.SO(3), "SO(3)", power(4), power(3)),
    Row("O(1,3) T3 -> T3", lambda: groups.O(1, 3), "O13()", power(3), power(3)),
    Row("O(1,3) 384 channels", lambda: groups.O(1, 3), "O13()", uniform(384, 4), uniform(384, 4)),
    Row("SO(5) T3 -> T3", lambda: groups.SO(5), "SO(5)", power(3), power(3)),
    Row("SU(3) T(2,1) -> T(2,1)", lambda: groups.SU(3), "SU(3)", power(2, 1), power(2, 1)),
    Row("Sp(8) T2 -> T2", lambda: groups.Sp(8), "Sp(4)", power(2), power(2)),
    Row("S(8) T2 -> T2", lambda: groups.S(8), "S(8)", power(2), power(2)),
    Row("S(8) T3 -> T3", lambda: groups.S(8), "S(8)", power(3), power(3)),
    Row("Z(512) V -> V", lambda: groups.Z(512), "Z(512)", power(1), power(1)),
    Row("Rubik T2 -> V", rubik, "RubiksCube()", power(2), power(1)),
    Row("SO(3) T6 -> T6", lambda: groups.SO(3), "SO(3)", power(6), power(6)),
    Row("SO(3) 1024 channels", lambda: groups.SO(3), "SO(3)", uniform(1024, 3), uniform(1024, 3)),
)


def representation(group: groups.Group, terms: Terms) -> groups.Representation:
    """The sum of tensor types."""
    V = group.vector
    reps = [copies * (V**p @ V.dual**q) if copies > 1 else V**p @ V.dual**q for copies, p, q in terms]
    total = reps[0]
    for rep in reps[1:]:
        total = total + rep
    return total


def ours(row: Row) -> tuple[float, int, float]:
    """CPU seconds, dimension and largest defect; the group is made before, its representations are timed."""
    group = row.ours()
    start = time.process_time()
    space = hom(representation(group, row.source), representation(group, row.target), cache=False)
    return time.process_time() - start, space.dimension, space.residual


def theirs(row: Row, python: str, limit: int, memory: int) -> tuple[float, int] | str:
    """CPU seconds and dimension, or what stopped it."""
    argument = json.dumps([row.theirs, row.source, row.target, limit, memory])
    # EMLP's progress bars fail on today's tqdm (they are handed a float32); without them it runs as it did.
    silent = os.environ | {"TQDM_DISABLE": "1"}
    done = subprocess.run([python, "-c", PEER, argument], capture_output=True, text=True, check=False, env=silent)
    if done.returncode == 0:
        seconds, dimension = json.loads(done.stdout.splitlines()[-1])
        return seconds, dimension
    if done.returncode < 0:
        return "stopped at the limit"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return f"failed: {lines[-1].strip()[:120]}" if lines else "failed"


def measure(row: Row, python: str, limit: int, memory: int, repeats: int) -> Outcome:
    """Both sides of one row, one after the other."""
    runs = [ours(row) for _ in range(repeats)]
    seconds, dimension, residual = statistics.median(r[0] for r in runs), runs[0][1], max(r[2] for r in runs)
    peer = theirs(row, python, limit, memory)
    if isinstance(peer, str):
        return Outcome(row.name, dimension, peer, True, None, residual)
    agrees = "same dimension" if peer[1] == dimension else f"dimension {peer[1]}"
    return Outcome(row.name, dimension, agrees, peer[0] > SLOW, peer[0] / seconds, residual)


def record(outcomes: list[Outcome], python: str) -> dict[str, object]:
    """What the JSON file holds."""
    least, mean = summary(outcomes)
    query = [python, "-c", "import importlib.metadata as m; print(m.version('emlp'), m.version('jax'))"]
    peer = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
    return {
        "benchmark": "hom_vs_emlp",
        "meaning": "times_less: EMLP's CPU time over ours, verification included; null where EMLP did not finish",
        "least_where_slow": least,
        "geometric_mean_where_slow": mean,
        "goals": {"least_where_slow": 100, "geometric_mean_where_slow": 1000},
        "rows": [asdict(outcome) for outcome in outcomes],
        "versions": {name: metadata.version(name) for name in ("isotropy", "numpy", "scipy")}
        | {"emlp": peer[0], "emlp's jax": peer[1], "python": platform.python_version()},
    }


def summary(outcomes: list[Outcome]) -> tuple[float | None, float | None]:
    """The smallest ratio and the geometric mean where EMLP is slow; None where no such row has finished."""
    counted = [o.times_less for o in outcomes if o.emlp_is_slow and o.times_less is not None]
    return (min(counted), math.exp(statistics.fmean(map(math.log, counted)))) if counted else (None, None)


def main() -> int:
    """Measure, print, write after every row; with ``--only`` the other rows of the file are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emlp-python", required=True, help="a Python in which emlp is installed")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for each row of EMLP's")
    parser.add_argument("--memory", type=int, default=8, help="GiB for each row of EMLP's")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="measure the rows whose name contains this, keep the others")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "hom_vs_emlp.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore", IsotropyWarning)
    hom(groups.SO(2).vector, groups.SO(2).vector, cache=False)
    found: dict[str, Outcome] = {}
    if options.only and options.json.exists():
        rows = json.loads(options.json.read_text(encoding="utf-8"))["rows"]
        found = {row["name"]: Outcome(**row) for row in rows}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for row in ROWS:
        if options.only not in row.name:
            continue
        outcome = measure(row, options.emlp_python, options.limit, options.memory * 2**30, options.repeats)
        found[row.name] = outcome
        times = "        -" if outcome.times_less is None else f"{outcome.times_less:8.0f}x"
        print(f"{times} less  {outcome.name:24} dimension {outcome.dimension:6}   EMLP: {outcome.emlp}", flush=True)
        ordered = [found[r.name] for r in ROWS if r.name in found]
        text = json.dumps(record(ordered, options.emlp_python), indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    least, mean = summary(list(found.values()))
    if least is not None:
        print(f"where EMLP takes over {SLOW:g} s: at least {least:.0f}x less, {mean:.0f}x in the geometric mean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
