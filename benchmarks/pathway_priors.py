"""Robustness to a wrong group: the penalty on a residual pathway against Residual Pathway Priors, on the inertia task.

Both learn F = E + R, an SO(3)-equivariant network plus a free one, in one loop from the same start. Residual Pathway
Priors (M. Finzi, G. Benton, A. G. Wilson, NeurIPS 2021) charge R for the size of its weights; re-implemented here with
the pathways added at the output instead of in each layer. Ours charges the nuclear norm ||L[R]||_* = ||L[F]||_*, so R
may keep a subgroup, and the spectrum says which; in two stages the norm only proposes, for .3 of the steps, and then a
strong penalty insists on the s directions that R is closest to keeping, s = 0, 1 or 3. A prior on weights and a penalty
on what breaks the group do not exclude each other, so the two stages are tried without the prior and with it. The task
is EMLP's moment of inertia I of five masses, and the broken variant of the same authors (their `ModifiedInertia`),
I + .3 (I z) z^T, which turns about z alone leave unchanged.

Each method has a grid, with more than the best choice at either end; held-out points choose. The networks without R
and without E are beside them.

    python benchmarks/pathway_priors.py [--samples 1000] [--seeds 0,1,2,3,4]

Results go to benchmarks/results/pathway_priors.json, as each method ends; what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

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


class Choice(NamedTuple):
    """One entry of a grid: the weights of the prior on R and of the nuclear norm, and the directions to insist on."""

    prior: float = 0.0
    norm: float = 0.0
    kept: int = 0


GRID = {
    "residual pathway prior": [Choice(prior=p) for p in (1e-3, 1e-2, 3e-2, 1e-1)],
    "penalty": [Choice(norm=w) for w in (1e-2, 3e-2, 1e-1)],
    "two stages": [Choice(norm=PROPOSE, kept=s) for s in (0, 1, 3)],
    "two stages and prior": [Choice(p, PROPOSE, s) for p in (1e-3, 1e-2, 3e-2, 1e-1) for s in (0, 1, 3)],
    "equivariant": [Choice()],
    "free": [Choice()],
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


def charged(method: str) -> bool:
    """Whether the pathway R pays for what it breaks."""
    return method == "penalty" or "two stages" in method


def train(method: str, x: np.ndarray, y: np.ndarray, seeds: list[int]) -> Any:
    """Networks with axes (seed, choice): Adam with a cosine schedule. ``x`` (seeds, n, 20)."""
    nets = [eqx.partition(network(method, jax.random.key(seed)), eqx.is_inexact_array) for seed in seeds]
    static, start = nets[0][1], jax.tree.map(lambda *leaves: jnp.stack(leaves), *(net for net, _ in nets))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(RATE, STEPS)))

    def one(arrays: Any, choice: Choice, key: Any, x: Any, y: Any) -> Any:
        def loss(arrays: Any, state: Any, key: Any, k: Any) -> Any:
            rows = jax.random.randint(key, (BATCH,), 0, len(x))
            net = eqx.combine(arrays, static)
            fit = jnp.mean((jax.vmap(net)(x[rows]) - y[rows]) ** 2)
            if "prior" in method:
                fit += choice.prior * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(arrays.free)) / 2
            if method == "penalty":
                norm, state = PENALTY.update(net.free, state, x[rows[:POINTS]])
                return fit + choice.norm * norm, state
            if "two stages" in method:
                norm, _ = PENALTY.update(net.free, state, x[rows[:POINTS]])
                closest, following = PENALTY.closest(net.free, state, choice.kept, x[rows[:POINTS]])
                return fit + jnp.where(k < 0.3 * STEPS, choice.norm * norm, STRONG * closest), following
            return fit, state

        state = PENALTY.init(eqx.combine(arrays, static).free) if charged(method) else ()

        def step(carry: Any, k: Any) -> Any:
            arrays, state, moments = carry
            slope, state = jax.grad(loss, has_aux=True)(arrays, state, jax.random.fold_in(key, k), k)
            change, moments = optimiser.update(slope, moments)
            return (optax.apply_updates(arrays, change), state, moments), None

        return jax.lax.scan(step, (arrays, state, optimiser.init(arrays)), jnp.arange(STEPS))[0][0]

    over_choices = jax.vmap(one, in_axes=(None, 0, None, None, None))
    keys = jnp.stack([jax.random.PRNGKey(seed) for seed in seeds])
    run = jax.jit(jax.vmap(over_choices, in_axes=(0, None, 0, 0, 0)))
    choices = Choice(*(jnp.asarray(column) for column in zip(*GRID[method], strict=True)))
    arrays = run(start, choices, keys, jnp.asarray(x), jnp.asarray(y))
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
                row = {"task": task, "method": method, "samples": n, "seed": seed, **GRID[method][k]._asdict(),
                       "held": held[k], "test": score(net, xt, yt), "test at each choice":
                       [score(nets(i, j), xt, yt) for j in range(len(GRID[method]))]}  # fmt: skip
                if charged(method):
                    values, directions = (
                        np.asarray(part, float) for part in eqx.filter_jit(PENALTY.spectrum)(net.free)
                    )
                    row |= {"values": values.tolist(), "last": directions[-1].tolist()}
                rows.append(row)
                print({key: value for key, value in row.items()}, flush=True)
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
