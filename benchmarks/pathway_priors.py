"""Robustness to a wrong group: the penalty on a residual pathway against Residual Pathway Priors, on the inertia task.

Both learn F = E + R, an SO(3)-equivariant network plus a free one, in one loop from the same start. Residual Pathway
Priors (M. Finzi, G. Benton, A. G. Wilson, NeurIPS 2021) charge R for the size of its weights; re-implemented here with
the pathways added at the output instead of in each layer. Ours charges the nuclear norm ||L[R]||_* = ||L[F]||_*, so R
may keep a subgroup, and the spectrum says which; in two stages the norm only proposes, for .3 of the steps, and then a
strong penalty insists on the s directions that R is closest to keeping, s = 0, 1 or 3. The task is EMLP's moment of
inertia I of five masses, and the broken variant of the same authors (their `ModifiedInertia`), I + .3 (I z) z^T, which
turns about z alone leave unchanged.

Either method has a grid of strengths; held-out points choose. The networks without R and without E are beside them.

    python benchmarks/pathway_priors.py [--samples 1000] [--seeds 0,1,2,3,4]

Results go to benchmarks/results/pathway_priors.json, as each method ends; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from emlp_tasks import inertia, scales

import isotropy as iso
from isotropy import groups

RESULTS = Path(__file__).parent / "results" / "pathway_priors.json"
STEPS, BATCH, POINTS, TEST, RATE = 1000, 64, 16, 2000, 3e-3
PROPOSE, STRONG = 0.01, 3.0
HELD = 0.2
"""The part of the samples that chooses the strength and trains nothing."""

GRID = {
    "residual pathway prior": (1e-4, 1e-3, 1e-2),
    "penalty": (3e-3, 1e-2, 3e-2),
    "two stages": (0, 1, 3),
    "equivariant": (0.0,),
    "free": (0.0,),
}

G = groups.SO(3)
INPUT, OUTPUT = 5 * G.scalar + 5 * G.vector, G.vector @ G.vector
PENALTY = iso.Penalty(iso.Action(INPUT, OUTPUT), iso.Samples.normal(256, 20, seed=5, dtype=np.float32))


def sample(task: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and values of the task, or of its broken variant."""
    x, y = inertia(rng, n)
    if task == "broken":
        tensor = y.reshape(n, 3, 3)
        tensor = tensor + 0.3 * tensor[:, :, 2:] * np.array([0.0, 0.0, 1.0])
        y = tensor.reshape(n, 9)
    return x, y


class Pathways(eqx.Module):
    """x -> E(x) + R(x); either may be left out."""

    equivariant: Any
    free: Any

    def __call__(self, x: jax.Array) -> jax.Array:
        return sum(part(x) for part in (self.equivariant, self.free) if part is not None)


def network(method: str, key: jax.Array) -> Pathways:
    """Both pathways, or the one that the method has."""
    one, two = jax.random.split(key)
    equivariant = iso.nn.Equivariant(INPUT, OUTPUT, width=32, depth=2, terms=8, key=one)
    free = eqx.nn.MLP(20, 9, 64, 2, jax.nn.silu, key=two)
    return Pathways(None if method == "free" else equivariant, None if method == "equivariant" else free)


def train(method: str, x: np.ndarray, y: np.ndarray, seeds: list[int]) -> Any:
    """Networks with axes (seed, strength): Adam with a cosine schedule. ``x`` (seeds, n, 20)."""
    nets = [eqx.partition(network(method, jax.random.key(seed)), eqx.is_inexact_array) for seed in seeds]
    static, start = nets[0][1], jax.tree.map(lambda *leaves: jnp.stack(leaves), *(net for net, _ in nets))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(RATE, STEPS)))

    def one(arrays: Any, strength: Any, key: Any, x: Any, y: Any) -> Any:
        def loss(arrays: Any, state: Any, key: Any, k: Any) -> Any:
            rows = jax.random.randint(key, (BATCH,), 0, len(x))
            net = eqx.combine(arrays, static)
            fit = jnp.mean((jax.vmap(net)(x[rows]) - y[rows]) ** 2)
            if method == "residual pathway prior":
                squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(arrays.free))
                return fit + strength * squares / 2, state
            if method == "penalty":
                norm, state = PENALTY.update(net.free, state, x[rows[:POINTS]])
                return fit + strength * norm, state
            if method == "two stages":
                norm, _ = PENALTY.update(net.free, state, x[rows[:POINTS]])
                closest, following = PENALTY.closest(net.free, state, strength, x[rows[:POINTS]])
                stage = jnp.where(k < 0.3 * STEPS, PROPOSE * norm, STRONG * closest)
                return fit + stage, following
            return fit, state

        state = PENALTY.init(eqx.combine(arrays, static).free) if method in ("penalty", "two stages") else ()

        def step(carry: Any, k: Any) -> Any:
            arrays, state, moments = carry
            slope, state = jax.grad(loss, has_aux=True)(arrays, state, jax.random.fold_in(key, k), k)
            change, moments = optimiser.update(slope, moments)
            return (optax.apply_updates(arrays, change), state, moments), None

        return jax.lax.scan(step, (arrays, state, optimiser.init(arrays)), jnp.arange(STEPS))[0][0]

    over_strengths = jax.vmap(one, in_axes=(None, 0, None, None, None))
    keys = jnp.stack([jax.random.PRNGKey(seed) for seed in seeds])
    run = jax.jit(jax.vmap(over_strengths, in_axes=(0, None, 0, 0, 0)))
    arrays = run(start, jnp.asarray(GRID[method]), keys, jnp.asarray(x), jnp.asarray(y))
    return lambda i, k: eqx.combine(jax.tree.map(lambda leaf: leaf[i, k], arrays), static)


def main() -> None:
    """Run what is missing, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--tasks", default="inertia,broken")
    parser.add_argument("--methods", default=",".join(GRID))
    given = parser.parse_args()
    seeds, n = [int(seed) for seed in given.seeds.split(",")], given.samples
    kept = round((1 - HELD) * n)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for task in given.tasks.split(","):
        sets = {}
        for seed in seeds:
            rng = np.random.default_rng([seed, n])
            (x, y), (xt, yt) = sample(task, rng, n), sample(task, rng, TEST)
            scale, size = scales(x, INPUT), np.sqrt((y**2).mean())
            sets[seed] = [np.asarray(part, np.float32) for part in (x / scale, y / size, xt / scale, yt / size)]
        for method in given.methods.split(","):
            done = {r["seed"] for r in rows if (r["task"], r["method"], r["samples"]) == (task, method, n)}
            missing = [seed for seed in seeds if seed not in done]
            if not missing:
                continue
            nets = train(method, *(np.stack([sets[seed][k][:kept] for seed in missing]) for k in (0, 1)), missing)
            for i, seed in enumerate(missing):
                x, y, xt, yt = sets[seed]
                score = lambda net, x, y: float(jnp.mean((eqx.filter_jit(eqx.filter_vmap(net))(x) - y) ** 2))  # noqa: E731
                held = [score(nets(i, k), x[kept:], y[kept:]) for k in range(len(GRID[method]))]
                k = int(np.argmin(held))
                net = nets(i, k)
                row = {"task": task, "method": method, "samples": n, "seed": seed, "strength": GRID[method][k],
                       "held": held[k], "test": score(net, xt, yt), "test at each strength":
                       [score(nets(i, j), xt, yt) for j in range(len(GRID[method]))]}  # fmt: skip
                if method in ("penalty", "two stages"):
                    values, directions = (
                        np.asarray(part, float) for part in eqx.filter_jit(PENALTY.spectrum)(net.free)
                    )
                    row |= {"values": values.tolist(), "last": directions[-1].tolist()}
                rows.append(row)
                print({key: value for key, value in row.items()}, flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
