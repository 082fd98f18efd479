"""What survives noise: planted, broken and absent symmetries against least squares and an oracle told the subgroup.

Polynomials of degree 4 in 3 variables, symmetric about a random axis through a random centre, 80 samples with 5% noise,
candidates SE(3). The oracle knows the axis and the centre exactly and fits the nine coefficients left; the second one
is told only that a rotation survives and fits the axis too. It is a fair match: all fit the same data in one space.
"""

from __future__ import annotations

import numpy as np
from harness import Figure, run

from isotropy import Action, groups
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.surviving import Question
from isotropy.promote import promote
from isotropy.promote.problem import build

SPACE = Polynomials(3, degree=4)
NOISE = 0.05


def data(seed: int, broken: float, n: int = 80, tests: int = 2000) -> tuple[np.ndarray, ...]:
    """Points and noisy values, test points and values, and the true generator (linear, offset)."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    centre = rng.uniform(-0.5, 0.5, size=3)
    X = rng.uniform(-1, 1, size=(n + tests, 3))
    along = (X - centre) @ axis
    square = ((X - centre) ** 2).sum(axis=1) - along**2
    y = sum(rng.normal() * along**b * square**a for a in range(3) for b in range(5 - 2 * a) if a + b)
    if np.isinf(broken):
        y = SPACE.values(X) @ rng.normal(size=SPACE.dimension)
    elif broken:
        other = SPACE.values(X) @ rng.normal(size=SPACE.dimension)
        y = y / y.std() + broken * (other - other.mean()) / other.std()
    y = (y - y[n:].mean()) / y[n:].std()
    turn = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return X[:n], y[:n] + NOISE * rng.normal(size=n), X[n:], y[n:], turn, -turn @ centre


def trial(seed: int, broken: float) -> dict[str, float]:
    """Whether one rotation was kept, and the root mean square errors on clean test values."""
    X, y, Xt, yt, linear, offset = data(seed, broken)
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
    image = np.einsum("kqf,q->kf", problem.dense, direction)
    kernel = np.linalg.svd(image)[2][-9:].T
    told = kernel @ np.linalg.lstsq(design @ kernel, y[:, None], rcond=None)[0]
    scale, seen, _ = problem.sight
    operator = np.einsum("kqf,sq->ksf", problem.dense / scale[:, None], seen)
    start = seen @ (direction * scale)
    _, found = Question(design, y[:, None], operator).ask((start / np.linalg.norm(start))[:, None], 0.0)
    return {
        "dimension": fit.symmetries.dimension,
        "named": fit.symmetries.name == "so(2)",
        "error": float(np.sqrt(np.mean((fit.predict(Xt) - yt) ** 2))),
        "free": error(free),
        "exact oracle": error(told),
        "oracle": error(free if found is None else found.coefficients),
    }


def measure(quick: bool) -> list[Figure]:
    """Rates over seeds; the controls are always run."""
    seeds = 5 if quick else 30
    planted = [trial(seed, 0.0) for seed in range(seeds)]
    broken = [trial(seed, 0.1) for seed in range(seeds)]
    absent = [trial(seed, np.inf) for seed in range(seeds)]

    def ratio(rows: list[dict[str, float]], other: str) -> float:
        return float(np.median([row["error"] / row[other] for row in rows]))

    return [
        Figure(f"planted, share not named so(2), {seeds} seeds", 1 - np.mean([r["named"] for r in planted]), 0.03),
        Figure("planted: test error over that of the oracle told the subgroup", ratio(planted, "oracle"), 1.1),
        Figure("planted: test error over that of the oracle told axis and centre", ratio(planted, "exact oracle")),
        Figure("planted: test error over least squares'", ratio(planted, "free"), 0.5),
        Figure("10% broken: share not refused", np.mean([r["dimension"] > 0 for r in broken]), 0.15),
        Figure("no symmetry: share in which something is kept", np.mean([r["dimension"] > 0 for r in absent]), 0.0),
        Figure("no symmetry: test error over least squares'", ratio(absent, "free"), 1.1),
    ]  # fmt: skip


if __name__ == "__main__":
    run(measure)
