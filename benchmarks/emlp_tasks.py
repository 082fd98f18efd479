"""EMLP's three synthetic tasks: this package's MLP, an unconstrained MLP, and EMLP's published errors beside them.

Tasks and protocol of M. Finzi, M. Welling, A. G. Wilson, *A Practical Method for Constructing Equivariant Multilayer
Perceptrons for Arbitrary Matrix Groups*, ICML 2021 (their `emlp/datasets.py`): 5000 test points, batches of 500. EMLP's
errors are the authors' own, test_MSE of each of their three trials in
github.com/mfinzi/equivariant-MLP, experiments/notebooks/synthetic_results_all.csv, commit f4fea4d; hidden width 384,
three layers, 1000 steps up to 300 samples and 1800 above, the parameters with the best error on 1000 validation points.
Ours are the parameters after the last step; no validation set is used.

    python benchmarks/emlp_tasks.py [--tasks o5,inertia,lorentz] [--sizes 100,300,1000] [--seeds 0,1,2] [--models isotropy,mlp]

Each run is added to benchmarks/results/emlp_tasks.json as it ends; runs that are there are not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import isotropy as iso
from isotropy import groups

RESULTS = Path(__file__).parent / "results" / "emlp_tasks.json"
TEST, BATCH, RATE = 5000, 500, 3e-3

PUBLISHED = {
    "EMLP": {
        "o5": {100: (0.03957, 0.03965, 0.04321), 300: (0.03434, 0.03756, 0.03135), 1000: (0.02266, 0.01633, 0.01205),
               10000: (0.00868, 0.00567, 0.02450)},
        "inertia": {100: (1.2705, 1.0599, 1.9873), 300: (0.3301, 0.3477, 0.2327), 1000: (0.07476, 0.16415, 0.16923),
                    10000: (0.01963, 0.01785, 0.01651)},
        "lorentz": {100: (0.006734, 0.007507, 0.012394), 300: (0.001989, 0.002144, 0.001715),
                    1000: (0.0002947, 0.0003039, 0.0003907), 10000: (0.0002977, 0.0002300, 0.0002654)},
    },
    "their MLP": {
        "o5": {100: (2.671, 2.911, 2.910), 300: (0.2340, 0.2760, 0.2346), 1000: (0.08813, 0.08539, 0.09420),
               10000: (0.05465, 0.06511, 0.06502)},
        "inertia": {100: (7.827, 7.985, 7.913), 300: (4.871, 5.130, 4.806), 1000: (3.237, 3.238, 3.232),
                    10000: (0.1557, 0.1588, 0.1467)},
        "lorentz": {100: (0.7309, 0.7340, 0.7340), 300: (0.6848, 0.7038, 0.7037), 1000: (0.3842, 0.3856, 0.3221),
                    10000: (0.01751, 0.01662, 0.01580)},
    },
}  # fmt: skip
"""Test MSE of the three published trials for each number of training samples; groups O(5), O(3) and O(1,3)."""


class Task(NamedTuple):
    """Points, values, the representations of both, the scale of each input coordinate, whether the mean is invariant."""

    sample: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    input: Any
    output: Any
    width: int
    centred: bool


def o5(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """sin |a| - |b|^3 / 2 + a.b / (|a| |b|) for normal a, b of R^5."""
    x = rng.standard_normal((n, 10))
    a, b = x[:, :5], x[:, 5:]
    r, s = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    return x, (np.sin(r) - s**3 / 2 + (a * b).sum(axis=1) / (r * s))[:, None]


def inertia(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The moment of inertia of five points of positive mass."""
    x = rng.standard_normal((n, 20))
    x[:, :5] = np.log1p(np.exp(x[:, :5]))
    r = x[:, 5:].reshape(n, 5, 3)
    tensor = (r**2).sum(axis=2)[..., None, None] * np.eye(3) - r[..., None] * r[..., None, :]
    return x, np.einsum("nk,nkij->nij", x[:, :5], tensor).reshape(n, 9)


def lorentz(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix element of electron-muon scattering in the form that EMLP's authors use."""
    x = rng.standard_normal((n, 16)) / 4
    eta = np.diag([1.0, -1.0, -1.0, -1.0])
    p, q, k, m = x.reshape(n, 4, 4).transpose(1, 0, 2)
    dot = lambda a, b: ((a @ eta) * b).sum(axis=1)  # noqa: E731
    electron = p[:, :, None] * k[:, None, :] - (dot(p, k) - dot(p, p))[:, None, None] * eta
    muon = (q @ eta)[:, :, None] * (m @ eta)[:, None, :] - (dot(q, m) - dot(q, q))[:, None, None] * eta
    return x, 4 * (electron * muon).sum(axis=(1, 2))[:, None]


def tasks() -> dict[str, Task]:
    """The three tasks; groups as in the paper."""
    a, b, c = groups.O(5), groups.O(3), groups.O(1, 3)
    return {
        "o5": Task(o5, 2 * a.vector, a.scalar, 64, True),
        "inertia": Task(inertia, 5 * b.scalar + 5 * b.vector, b.vector @ b.vector, 96, False),
        "lorentz": Task(lorentz, 4 * c.vector, c.scalar, 64, True),
    }


def scales(x: np.ndarray, rep: Any) -> np.ndarray:
    """One factor for each summand of the input, so that dividing by it commutes with the group."""
    result = np.ones(x.shape[1])
    for block, start in rep.blocks():
        here = slice(start, start + block.dimension)
        result[here] = np.sqrt((x[:, here] ** 2).mean())
    return result


def network(model: str, task: Task, seed: int) -> Any:
    """The network and its options, the same for every number of samples."""
    key = jax.random.key(seed)
    if model == "isotropy":
        return iso.nn.MLP(task.input, task.output, width=task.width, depth=2, key=key)
    return eqx.nn.MLP(task.input.dimension, task.output.dimension, 384, 3, jax.nn.silu, key=key)


def train(model: Any, x: np.ndarray, y: np.ndarray, steps: int, seed: int) -> tuple[Any, float]:
    """Adam with a cosine schedule; the seconds exclude compiling the first chunk of steps."""
    chunk = min(100, steps)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adam(optax.warmup_cosine_decay_schedule(0.0, RATE, steps // 20, steps)),
    )
    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    state = optimiser.init(arrays)
    rng = np.random.default_rng(seed)
    size = min(BATCH, len(x))
    per_epoch = len(x) // size
    epochs = [
        rng.permutation(len(x))[: per_epoch * size].reshape(per_epoch, size) for _ in range(-(-steps // per_epoch))
    ]
    order = jnp.asarray(np.concatenate(epochs)[:steps])
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def loss(arrays: Any, rows: Any) -> Any:
        net = eqx.combine(arrays, static)
        return jnp.mean((jax.vmap(net)(x[rows]) - y[rows]) ** 2)

    @eqx.filter_jit
    def run(arrays: Any, state: Any, rows: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            arrays, state = carry
            value, slope = jax.value_and_grad(loss)(arrays, batch)
            change, state = optimiser.update(slope, state, arrays)
            return (eqx.apply_updates(arrays, change), state), value

        return jax.lax.scan(step, (arrays, state), rows)

    jax.block_until_ready(run(arrays, state, order[:chunk]))
    start = time.perf_counter()
    for k in range(0, steps, chunk):
        (arrays, state), value = run(arrays, state, order[k : k + chunk])
    jax.block_until_ready(value)
    return eqx.combine(arrays, static), time.perf_counter() - start


def evaluate(name: str, model: str, n: int, seed: int) -> dict[str, Any]:
    """One run: train on n samples, test on `TEST` others."""
    task = tasks()[name]
    rng = np.random.default_rng([seed, n])
    x, y = task.sample(rng, n)
    xt, yt = task.sample(rng, TEST)
    scale = scales(x, task.input)
    mean, spread = (y.mean(), y.std()) if task.centred else (0.0, np.sqrt((y**2).mean()))
    steps = 1000 if n <= 300 else 1800
    net, seconds = train(network(model, task, seed), x / scale, (y - mean) / spread, steps, seed)
    predicted = np.concatenate([jax.vmap(net)(jnp.asarray(part, jnp.float32)) for part in np.split(xt / scale, 10)])
    error = float(((predicted * spread + mean - yt) ** 2).mean())
    count = sum(w.size for w in jax.tree.leaves(eqx.filter(net, eqx.is_inexact_array)))
    return {"task": name, "model": model, "samples": n, "seed": seed, "mse": error, "steps": steps, "parameters": count,
            "variance": float(yt.var())}, seconds  # fmt: skip


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="o5,inertia,lorentz")
    parser.add_argument("--sizes", default="100,300,1000")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--models", default="isotropy,mlp")
    given = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    done = {(r["task"], r["model"], r["samples"], r["seed"]) for r in rows}
    for n in map(int, given.sizes.split(",")):
        for seed in map(int, given.seeds.split(",")):
            for name in given.tasks.split(","):
                for model in given.models.split(","):
                    if (name, model, n, seed) not in done:
                        row, seconds = evaluate(name, model, n, seed)
                        rows.append(row)
                        RESULTS.parent.mkdir(exist_ok=True)
                        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
                        print(f"{name} {model} n={n} seed={seed}: MSE {row['mse']:.3g} ({seconds:.0f} s)", flush=True)
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Medians over seeds, ours beside the published ones."""
    lines = [f"{'task':8} {'samples':>7} {'isotropy':>10} {'EMLP':>10} {'ratio':>7} {'MLP':>10} {'their MLP':>10}"]
    for name, n in sorted({(r["task"], r["samples"]) for r in rows}):
        ours = {
            m: [r["mse"] for r in rows if (r["task"], r["samples"], r["model"]) == (name, n, m)]
            for m in ("isotropy", "mlp")
        }
        middle = {m: float(np.median(v)) if v else float("nan") for m, v in ours.items()}
        theirs = {m: float(np.median(PUBLISHED[m][name][n])) for m in PUBLISHED}
        lines.append(
            f"{name:8} {n:7d} {middle['isotropy']:10.3g} {theirs['EMLP']:10.3g} {middle['isotropy'] / theirs['EMLP']:7.3f} "
            f"{middle['mlp']:10.3g} {theirs['their MLP']:10.3g}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
