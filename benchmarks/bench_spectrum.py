"""Streamed against dense: the same singular values from batches of rows, in memory that does not grow with the rows.

The rows are random with column scales from 1 to 1e-6, as in a rank decision. Dense is one SVD of all rows by NumPy.
Memory is the peak of the process while it streams ten times the rows, as a share of 1 GiB.
"""

from __future__ import annotations

import resource
import sys

import numpy as np
from harness import Figure, ratio, run

from isotropy.numerics.spectrum import TriangularFactor

COLUMNS = 200
BATCH = 20_000
GIBIBYTE = 2.0**30


def batches(rows: int):
    """The rows in batches, the same in every pass."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(1, 1e-6, COLUMNS)
    for start in range(0, rows, BATCH):
        yield rng.normal(size=(min(BATCH, rows - start), COLUMNS)) * scales


def streamed(rows: int) -> np.ndarray:
    """Singular values by folding each batch into a triangular factor."""
    factor = TriangularFactor(COLUMNS)
    for batch in batches(rows):
        factor.add(batch)
    return factor.spectrum().values


def dense(rows: int) -> np.ndarray:
    """Singular values of all rows at once."""
    return np.linalg.svd(np.concatenate(list(batches(rows))), compute_uv=False)


def peak() -> float:
    """The peak memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def measure(quick: bool) -> list[Figure]:
    """Memory first, before the dense peer raises the peak."""
    small, large = (10**5, 10**6) if quick else (10**6, 10**7)
    streamed(small)
    before = peak()
    streamed(large)
    after = peak()
    compared = 10**5
    ours, theirs = np.sort(streamed(compared)), np.sort(dense(compared))
    return [
        Figure(f"peak memory of {large:.0e} rows x {COLUMNS}, as a share of 1 GiB", after / GIBIBYTE, 1.0),
        Figure("the same memory against a tenth of the rows", after / before, 1.1),
        Figure(
            "largest difference to dense, relative to the largest value",
            np.abs(ours - theirs).max() / theirs[-1],
            1e-12,
        ),
        Figure("time of streamed against dense", ratio(lambda: streamed(compared), lambda: dense(compared))),
    ]


if __name__ == "__main__":
    run(measure)
