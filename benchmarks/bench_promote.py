"""Recovery by the nuclear norm: this solver against cvxpy + SCS as Otto et al. (JMLR 26(248), 2025) set it.

For each size both find, by bisection in this process, the smallest number of samples from which one random polynomial
of projections comes back to 5e-3 (equality constraints, candidates SE(m), the norm of values at random points), as for
the published figure. It is a fair match: both solve the same problems, they in monomials as published. Compilation
is left out of their time, our set-up is not out of ours. SCS is capped at 2500 iterations as theirs was, and has the
tolerance at which the published numbers of iterations come back: 1e-7 (cvxpy's own, 1e-5, takes two thirds of them).
Ours stops at a certified relative gap of 1e-10 and does not know the truth; it takes about a second, so its time is
the median of `REPEATS` searches, theirs that of one. The error is what the objective is off the minimum by or the
constraints are missed by, relative, whichever is more. Run it with `OMP_NUM_THREADS=1`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import cvxpy as cp
import numpy as np
from harness import Figure, run

from isotropy import groups
from isotropy.geometry.orthonormal import OrthonormalPolynomials
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.convex import Family
from isotropy.numerics.interpolation import Interpolation
from isotropy.numerics.matrix_map import MatrixMap
from isotropy.numerics.prox import nuclear_norm

SIZES = ((10, 2, 2, 1 / 30), (15, 2, 2, 1 / 150), (8, 3, 2, 1 / 150))
"""Inputs m, degree d, features r, and the goal for the ratio of CPU times."""

TOLERANCE = 1e-7
"""Of SCS. On the authors' first three instances of m=5, d=2, r=2 it takes 16,750 iterations; they published 16,675.
1e-5 takes 11,700, 1e-6 15,375 and 1e-8 17,450."""

REPEATS = 5
"""Searches of ours; the first of a size warms caches up."""

ACCURACY = 5e-3
"""The published criterion: the largest error of a coefficient over the largest coefficient."""


class Instance:
    """One recovery problem: in monomials and their values at random points, as published, and in our basis."""

    def __init__(self, m: int, d: int, r: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        projection = np.linalg.qr(rng.normal(size=(m, r)))[0]
        inner, self.space = Polynomials(r, degree=d), Polynomials(m, degree=d)
        weights = rng.uniform(size=inner.dimension)
        self.basis = OrthonormalPolynomials(self.space, -np.ones(m), np.ones(m))
        X = rng.uniform(-1, 1, size=(2 * self.space.dimension, m))
        y = inner.values(X @ projection) @ weights
        self.X, self.y = X[: self.space.dimension], y[: self.space.dimension]
        self.truth = self.basis.to_space @ np.linalg.lstsq(self.basis.values(X), y, rcond=None)[0]
        # The norm is that of the values at f + 1 random points; the candidates are orthonormal as matrices.
        self.points = rng.uniform(-1, 1, size=(self.space.dimension + 1, m))
        point = groups.SE(m).point
        sizes = np.maximum(np.linalg.norm(point.generators(), axis=(1, 2)), 1.0)[:, None]
        self.matrices, self.offsets = point.generators() / sizes[:, None], point.offsets() / sizes

    def error(self, coefficients: np.ndarray) -> float:
        """The largest error of a coefficient, relative."""
        return float(np.abs(coefficients - self.truth).max() / np.abs(self.truth).max())

    def missed(self, coefficients: np.ndarray, n: int) -> float:
        """What the first n constraints are missed by, relative."""
        return float(np.abs(self.space.values(self.X[:n]) @ coefficients - self.y[:n]).max() / np.abs(self.y[:n]).max())


def bisect(largest: int, recovers: Callable[[int], bool]) -> int:
    """The smallest n up to ``largest`` that recovers, if all above it do."""
    low, high = 0, largest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if recovers(middle) else (middle, high)
    return high


def ours(case: Instance) -> tuple[int, float, dict[int, tuple[float, float]], MatrixMap]:
    """Samples needed, CPU seconds, (value, error) at each n that was tried, and the operator."""
    start = time.process_time()
    basis = case.basis
    factor = np.asarray(np.linalg.qr(basis.values(case.points), mode="r"))
    fields = [basis.field(a, b) for a, b in zip(case.matrices, case.offsets, strict=True)]
    operator = MatrixMap.sparse(fields, factor=factor)
    gram, family = operator.gram(), Interpolation(basis.values(case.X), case.y, smallest=1)
    tried = {}

    def recovers(n: int) -> bool:
        answer = Family(family.first(n), operator, gram=gram).solve(1.0, tolerance=1e-10)
        coefficients = basis.to_space @ answer.coefficients[:, 0]
        tried[n] = (answer.value, max(answer.relative_gap, case.missed(coefficients, n)))
        return case.error(coefficients) < ACCURACY

    needed = bisect(len(case.y), recovers)
    return needed, time.process_time() - start, tried, operator


def theirs(
    case: Instance, operator: MatrixMap, minima: dict[int, tuple[float, float]]
) -> tuple[int, float, list[float]]:
    """Samples needed by cvxpy and SCS, CPU seconds without compilation, and its errors where ours knows the minimum."""
    f, q, k = case.space.dimension, len(case.matrices), len(case.points)
    fields = np.einsum("qij,pj->pqi", case.matrices, case.points) + case.offsets
    rows = np.einsum("pfi,pqi->qpf", case.space.gradients(case.points), fields).reshape(q * k, f)
    values = case.space.values(case.X)
    spent, errors = 0.0, []

    def recovers(n: int) -> bool:
        nonlocal spent
        w = cp.Variable(f)
        matrix = cp.reshape(rows @ w, (k, q), order="F")
        problem = cp.Problem(cp.Minimize(cp.normNuc(matrix)), [values[:n] @ w == case.y[:n]])
        problem.get_problem_data(cp.SCS)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the cap is reached by design
            problem.solve(solver=cp.SCS, max_iters=2500, eps=TOLERANCE)
        spent += time.process_time() - start
        found = np.asarray(w.value)
        if n in minima:
            value = nuclear_norm(operator(np.linalg.solve(case.basis.to_space, found)[:, None]))
            errors.append(max(abs(value / minima[n][0] - 1), case.missed(found, n)))
        return case.error(found) < ACCURACY

    return bisect(len(case.y), recovers), spent, errors


def measure(quick: bool) -> list[Figure]:
    """CPU time and error over cvxpy's, at every size or the first alone."""
    figures = []
    for m, d, r, goal in SIZES[:1] if quick else SIZES:
        case = Instance(m, d, r, 0)
        searches = [ours(case) for _ in range(REPEATS)]
        needed, _, tried, operator = searches[0]
        mine = float(np.median([seconds for _, seconds, _, _ in searches]))
        other_needed, other, errors = theirs(case, operator, tried)
        error = float(np.median([e for _, e in tried.values()]))
        name = f"m={m} d={d}, {len(case.truth)} coefficients, {operator.columns} candidates"
        figures += [
            Figure(f"{name}: CPU over cvxpy + SCS", mine / other, goal),
            Figure(f"{name}: error over cvxpy + SCS, medians", error / float(np.median(errors)), 0.01),
            Figure(f"{name}: error", error),
            Figure(f"{name}: error of cvxpy + SCS", float(np.median(errors))),
            Figure(f"{name}: samples needed", needed),
            Figure(f"{name}: samples needed by cvxpy + SCS", other_needed),
        ]
        for figure in figures[-6:]:
            print(figure, flush=True)
    return figures


if __name__ == "__main__":
    run(measure)
