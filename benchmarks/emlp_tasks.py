"""EMLP's three synthetic tasks: this package, an unconstrained MLP, and EMLP's published errors beside them.

Tasks and protocol of M. Finzi, M. Welling, A. G. Wilson, *A Practical Method for Constructing Equivariant Multilayer
Perceptrons for Arbitrary Matrix Groups*, ICML 2021 (their `emlp/datasets.py`): 5000 test points, batches of 500. EMLP's
errors are the authors' own, test_MSE of each of their three trials in github.com/mfinzi/equivariant-MLP,
experiments/notebooks/synthetic_results_all.csv, commit f4fea4d: hidden width 384, three layers, 1000 steps up to 300
samples and 1800 above, 1000 further points to choose when to stop. Ours is `iso.nn.Equivariant` with the same options
for every task and size, 5000 steps, and no validation points; the unconstrained MLP is theirs (width 384, three layers)
in their number of steps. Parameters of EMLP are the dimensions of its linear layers' equivariant maps, without biases
and bilinear weights: a lower bound.

    python benchmarks/emlp_tasks.py [--tasks o5,inertia,lorentz] [--sizes 100,300,1000] [--seeds 0,1,2]
                                    [--models isotropy,mlp]

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
from isotropy.hom import hom

RESULTS = Path(__file__).parent / "results" / "emlp_tasks.json"
TEST, BATCH = 5000, 500
RATE = {"isotropy": 1e-2, "mlp": 3e-3}

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
    """How to sample points and values, the representations of both, and whether the mean value is invariant."""

    sample: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    input: Any
    output: Any
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
        "o5": Task(o5, 2 * a.vector, a.scalar, True),
        "inertia": Task(inertia, 5 * b.scalar + 5 * b.vector, b.vector @ b.vector, False),
        "lorentz": Task(lorentz, 4 * c.vector, c.scalar, True),
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
        return iso.nn.Equivariant(task.input, task.output, width=64, depth=2, terms=16, key=key)
    return eqx.nn.MLP(task.input.dimension, task.output.dimension, 384, 3, jax.nn.silu, key=key)


def train(model: Any, x: np.ndarray, y: np.ndarray, *, steps: int, rate: float, seed: int) -> tuple[Any, float]:
    """Adam with a cosine schedule; the seconds exclude compiling the first chunk of steps."""
    chunk = min(100, steps)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adam(optax.warmup_cosine_decay_schedule(0.0, rate, steps // 20, steps)),
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


def evaluate(name: str, model: str, n: int, seed: int) -> tuple[dict[str, Any], float]:
    """One run: train on n samples, test on `TEST` others; and the seconds that it trained."""
    task = tasks()[name]
    rng = np.random.default_rng([seed, n])
    x, y = task.sample(rng, n)
    xt, yt = task.sample(rng, TEST)
    scale = scales(x, task.input)
    mean, spread = (y.mean(), y.std()) if task.centred else (0.0, np.sqrt((y**2).mean()))
    steps = 5000 if model == "isotropy" else 1000 if n <= 300 else 1800
    net = network(model, task, seed)
    net, seconds = train(net, x / scale, (y - mean) / spread, steps=steps, rate=RATE[model], seed=seed)
    predicted = eqx.filter_jit(eqx.filter_vmap(net))(jnp.asarray(xt / scale, jnp.float32))
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
    """Medians over seeds, ours beside the published ones, and the parameters of both."""
    counts = {name: emlp_parameters(task) for name, task in tasks().items()}
    lines = [
        f"{'task':8} {'samples':>7} {'seeds':>5} {'isotropy':>9} {'EMLP':>9} {'ratio':>6} {'MLP':>9} {'their MLP':>9} "
        f"{'parameters':>10} {'EMLP at least':>13}"
    ]
    for name, n in sorted({(r["task"], r["samples"]) for r in rows}):
        here = [r for r in rows if (r["task"], r["samples"]) == (name, n)]
        ours = [r["mse"] for r in here if r["model"] == "isotropy"]
        plain = [r["mse"] for r in here if r["model"] == "mlp"]
        theirs = {m: float(np.median(PUBLISHED[m][name][n])) for m in PUBLISHED}
        middle, other = (float(np.median(v)) if v else float("nan") for v in (ours, plain))
        size = max((r["parameters"] for r in here if r["model"] == "isotropy"), default=0)
        lines.append(
            f"{name:8} {n:7d} {len(ours):5d} {middle:9.3g} {theirs['EMLP']:9.3g} {middle / theirs['EMLP']:6.2f} "
            f"{other:9.3g} {theirs['their MLP']:9.3g} {size:10d} {counts[name]:13d}"
        )
    return "\n".join(lines)


def emlp_parameters(task: Task, width: int = 384) -> int:
    """Dimension of the equivariant maps in EMLP's four linear layers, without biases and bilinear weights."""
    group, d, left, counts = task.input.group, task.input.group.vector.dimension, width, np.zeros(8, int)
    while left > 0:  # EMLP's rule: equal shares for the ranks that fit, then again for what is left
        top = max(r for r in range(8) if (r + 1) * d**r <= left)
        counts[: top + 1] += d ** (top - np.arange(top + 1))
        left -= (top + 1) * d**top
    hidden = int(counts[0]) * group.scalar
    for rank in np.flatnonzero(counts[1:]) + 1:
        hidden = hidden + int(counts[rank]) * group.vector ** int(rank)
    gated = hidden + int(counts[1:].sum()) * group.scalar
    layers = (task.input, gated), (hidden, gated), (hidden, gated), (hidden, task.output)
    return sum(hom(a, b).dimension for a, b in layers)


if __name__ == "__main__":
    main()
