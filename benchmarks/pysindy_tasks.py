"""Two tasks of symmetry-informed discovery, and redundant constraints, through PySINDy, against its own optimisers.

Growth: x' = -.3 x + .1 y^2, y' = y under the field (2x, y); starts uniform in [.2, 1]^2, 100 trajectories of 1000 steps
of .002, every 10th kept, 5% multiplicative noise. Damped oscillator: x' = -.1 x - y, y' = x - .1 y under rotations;
starts at a radius of .5 to 2, 50 trajectories of 10,000 steps of .002, every 100th kept, 20% noise. One
Gaussian process smooths all trajectories of a coordinate. 50 seeds choose half of them; both methods see the same data
and have the same threshold. The time of a fit is CPU time of ``optimizer.fit`` on the same arrays, in turn. Redundant
constraints: all rows of so(3) on polynomials of degree 5, as they come, for PySINDy's ConstrainedSR3.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import pysindy as ps
from smoothing import hyperparameters, smoothed

from isotropy import Action, groups
from isotropy.pysindy import SymmetricSR3, SymmetricSTLSQ, constraints

RESULTS = Path(__file__).parent / "results" / "pysindy_tasks.json"
SEEDS = 50


def growth(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.uniform(0.2, 1, (2, 100, 1))
    t = 0.002 * np.arange(0, 1000, 10)
    right = y * np.exp(t)
    left = x * np.exp(-0.3 * t) + 0.1 * y**2 * (np.exp(2 * t) - np.exp(-0.3 * t)) / 2.3
    states = np.stack([left, right], axis=-1)
    return t, states * (1 + 0.05 * rng.standard_normal(states.shape))


def oscillator(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    start = rng.uniform(0.5, 2, (50, 1)) * np.exp(1j * rng.uniform(0, 2 * np.pi, (50, 1)))
    t = 0.002 * np.arange(0, 10_000, 100)
    z = start * np.exp((-0.1 + 1j) * t)
    states = np.stack([z.real, z.imag], axis=-1)
    return t, states * (1 + 0.2 * rng.standard_normal(states.shape))


#        terms: 1, x, y, x^2, x y, y^2
TASKS = {
    "growth": (growth, groups.Group([np.diag([2.0, 1.0])]), [[0, -0.3, 0, 0, 0, 0.1], [0, 0, 1, 0, 0, 0]], (0.05, 0.1)),
    "oscillator": (oscillator, groups.SO(2), [[0, -0.1, -1, 0, 0, 0], [0, 1, -0.1, 0, 0, 0]], (0.05, 0.1)),
}


def task(name: str, threshold: float) -> dict[str, float]:
    make, group, exact, _ = TASKS[name]
    t, states = make(np.random.default_rng(0))
    x, v = np.empty_like(states), np.empty_like(states)
    for j in range(2):
        columns = states[:, :, j].T
        centre = columns.mean()
        smooth, slope = smoothed(t, columns - centre, hyperparameters(t, columns - centre))
        x[:, :, j], v[:, :, j] = (smooth + centre).T, slope.T
    truth, action = np.array(exact, dtype=float), Action.vector_field(group)
    squares: dict[str, list[float]] = {"ours": [], "stlsq": []}
    support: dict[str, list[bool]] = {"ours": [], "stlsq": []}
    ratios = []
    for seed in range(SEEDS):
        half = np.random.default_rng(seed).permutation(len(x))[: len(x) // 2]
        theta = np.concatenate([np.asarray(ps.PolynomialLibrary(degree=2).fit_transform(x[k])) for k in half])
        took = {}
        for key in ("ours", "stlsq"):
            optimizer = SymmetricSTLSQ(action, threshold=threshold) if key == "ours" else ps.STLSQ(threshold=threshold)
            model = ps.SINDy(optimizer=optimizer).fit(list(x[half]), t=t, x_dot=list(v[half]))
            found = np.asarray(model.coefficients())
            support[key].append(bool(((found != 0) == (truth != 0)).all()))
            squares[key].append(float(((found - truth) ** 2).mean()))
            start = time.process_time()
            optimizer.fit(theta, np.concatenate(list(v[half])))
            took[key] = time.process_time() - start
        ratios.append(took["ours"] / took["stlsq"])
    error = {key: float(np.sqrt(np.mean(value))) for key, value in squares.items()}
    return {
        "support": float(np.mean(support["ours"])),
        "support STLSQ": float(np.mean(support["stlsq"])),
        "error": error["ours"],
        "error STLSQ": error["stlsq"],
        "error ratio": error["ours"] / error["stlsq"],
        "time ratio": statistics.median(ratios),
    }


def redundant() -> dict[str, float]:
    """Violations relative to the coefficients, against orthonormal constraints."""
    action, library = Action.vector_field(groups.SO(3)), ps.PolynomialLibrary(degree=5)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 3))
    v = -0.1 * x * (x**2).sum(axis=1, keepdims=True) + 0.01 * rng.standard_normal(x.shape)
    theta = np.asarray(library.fit_transform(x))
    start = time.process_time()
    ours = SymmetricSTLSQ(action, library, 0.05).fit(theta, v)
    took = time.process_time() - start
    lhs = constraints(action, library)
    relaxed = SymmetricSR3(action, library, 0.001).fit(theta, v)

    def violation(coefficients: np.ndarray) -> float:
        size = np.linalg.norm(coefficients)
        return float(np.linalg.norm(lhs @ coefficients.ravel()) / size) if np.isfinite(size) and size else float("nan")

    options = {"equality_constraints": True, "reg_weight_lam": 1e-6, "max_iter": 50}
    rows = np.concatenate([lhs, lhs[:40] + lhs[40:80]])
    theirs = {}
    for name, matrix in (("full rank", lhs), ("redundant", rows)):
        optimizer = ps.ConstrainedSR3(constraint_lhs=matrix, constraint_rhs=np.zeros(len(matrix)), **options)
        try:
            optimizer.fit(theta, v)
            theirs[f"largest coefficient ConstrainedSR3, {name}"] = float(np.abs(optimizer.coef_full_).max())
            theirs[f"violation ConstrainedSR3, {name}"] = violation(optimizer.coef_full_)
        except (ValueError, np.linalg.LinAlgError) as reason:
            theirs[f"ConstrainedSR3, {name}, refused: {reason}"] = 1.0
    return {
        "violation STLSQ": violation(ours.coef_),
        "violation SR3": violation(relaxed.coef_),
        "under a second of CPU, constraints included": float(took < 1),
        **theirs,
    }


def main() -> None:
    warnings.simplefilter("ignore")
    results = {f"{name}, threshold {h:g}": task(name, h) for name in TASKS for h in TASKS[name][3]}
    results["SO(3), degree 5, redundant constraints"] = redundant()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
