"""Run every benchmark, each in a process of its own, one after the other, and write out/bench/*.json.

``python benchmarks/run.py [--quick] [NAME …]`` runs those whose names contain one of the given words, or all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE.parent / "out" / "bench"


def main() -> int:
    """Run them; the exit status counts those that failed to run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that they run")
    parser.add_argument("names", nargs="*", metavar="NAME", help="words that names must contain")
    options = parser.parse_args()
    failed = 0
    for script in sorted(HERE.glob("bench_*.py")):
        if options.names and not any(name in script.stem for name in options.names):
            continue
        print(f"\n{script.stem}", flush=True)
        command = [sys.executable, str(script), "--json", str(RESULTS / f"{script.stem}.json")]
        failed += subprocess.run(command + ["--quick"] * options.quick, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
