"""One step of vorticity: a neural operator that cannot break O(2), a Fourier neural operator, and one that knows C4.

All see the same pairs, the forcing among the inputs, and answer with a change of the vorticity; all are trained for 30
epochs in batches of 8 by Adam with a cosine schedule, in this process, each with the learning rate of `RATES` that does
best on a validation split. Errors are relative in the L2 norm, on the mean over fields that nobody was trained on.
Results are kept in the JSON file and only missing ones are computed; ``--show`` prints the ratios.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from field_rivals import FNO, count, quarter_turns
from vorticity_data import Task, task

from isotropy import groups
from isotropy.fields import Periodic
from isotropy.nn import NeuralOperator

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "field_operators.json"
DATA = ROOT / "out" / "vorticity.npy"
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3)
EPOCHS, BATCH, SEEDS = 30, 8, 5
TRAIN, VALID, TEST = slice(0, 64), slice(64, 96), slice(96, 128)
GRID = Periodic((32, 32))
FEW = 16


def ours(key: Any) -> NeuralOperator:
    G = groups.O(2)
    vorticity = G.vector.alt(2)
    return NeuralOperator(
        2 * vorticity, vorticity, GRID, width=14, channels=1, depth=2, radial=5, residual=True, key=key
    )


CONTESTANTS: dict[str, Callable[[Any], Any]] = {
    "ours": ours,
    "fno": lambda key: FNO(key=key),
    "c4": lambda key: quarter_turns(GRID, key=key),
}


def relative(answer: Any, truth: Any) -> Any:
    """The relative error of each field."""
    return jnp.sqrt(((answer - truth) ** 2).sum((1, 2, 3)) / (truth**2).sum((1, 2, 3)))


class Trainer:
    """One contestant's training, compiled once for every seed and learning rate."""

    def __init__(self, make: Callable[[Any], Any], pairs: int, start: int = 0) -> None:
        self.make = make
        steps = EPOCHS * pairs // BATCH
        fade = optax.cosine_decay_schedule(1.0, steps)
        rule = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
        self.parameters, self.rest = eqx.partition(make(jax.random.key(start)), eqx.is_inexact_array)

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            return relative(jax.vmap(eqx.combine(parameters, self.rest))(x), y).mean()

        def fit(parameters: Any, rate: Any, x: Any, y: Any, order: Any) -> Any:
            def step(carry: Any, rows: Any) -> Any:
                parameters, state, k = carry
                slope = jax.grad(loss)(parameters, x[rows], y[rows])
                change, state = rule.update(slope, state, parameters)
                moved = jax.tree.map(lambda p, c: p - rate * fade(k) * c, parameters, change)
                return (moved, state, k + 1), None

            return jax.lax.scan(step, (parameters, rule.init(parameters), 0), order)[0][0]

        self.fit = jax.jit(fit)
        self.answers = jax.jit(lambda p, x: jax.vmap(eqx.combine(p, self.rest))(x))

    def train(self, rate: float, seed: int, x: np.ndarray, y: np.ndarray) -> tuple[Any, float]:
        """Parameters after training, and CPU seconds (the first call compiles)."""
        fresh = eqx.filter(self.make(jax.random.key(seed)), eqx.is_inexact_array)
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(len(x)).reshape(-1, BATCH) for _ in range(EPOCHS)])
        start = time.process_time()
        trained = jax.block_until_ready(self.fit(fresh, rate, jnp.asarray(x), jnp.asarray(y), order))
        return trained, time.process_time() - start

    def error(self, parameters: Any, x: np.ndarray, y: np.ndarray) -> float:
        return float(relative(self.answers(parameters, jnp.asarray(x)), jnp.asarray(y)).mean())


def rollout(trainer: Trainer, parameters: Any, coarse: Task) -> float:
    """The relative error after 19 steps, from the fields at time 1; infinite where it blows up."""
    w = coarse.trajectories[TEST, 1]
    for _ in range(19):
        w = np.asarray(trainer.answers(parameters, jnp.asarray(coarse.inputs(w))))[..., 0]
    error = float(relative(jnp.asarray(w[..., None]), jnp.asarray(coarse.trajectories[TEST, 20][..., None])).mean())
    return error if np.isfinite(error) else float("inf")


def broken(trainer: Trainer, parameters: Any, x: np.ndarray) -> dict[str, float]:
    """Relative errors of equivariance under a quarter turn and a reflection of fields that are pseudoscalars."""
    before = np.asarray(trainer.answers(parameters, jnp.asarray(x)))
    # About the grid's centre, which is a point of it: the array's own turn is about the middle of four points.
    moves = {
        "turn": lambda u: np.roll(np.rot90(u, axes=(1, 2)), 1, axis=1),
        "reflection": lambda u: -np.roll(u[:, ::-1], 1, axis=1),
    }
    errors = {}
    for name, move in moves.items():
        after = trainer.answers(parameters, jnp.asarray(move(x)))
        change = jnp.asarray(move(before))
        errors[name] = float(jnp.linalg.norm(after - change) / jnp.linalg.norm(change))
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the ratios of what is there, and stop")
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS))
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.show:
        show(results)
        return
    fine = task(TEST.stop, DATA)
    coarse = fine.coarse()
    x, y = coarse.pairs(TRAIN, 0)
    held, tests, large = coarse.pairs(VALID, 1), coarse.pairs(TEST, 2), fine.pairs(TEST, 2)
    few = slice(0, FEW)

    def keep() -> None:
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")

    for name in options.only:
        record = results.setdefault(name, {"rates": {}, "few rates": {}, "seeds": {}, "few": {}})
        sets = {"rates": (x, y, "seeds"), "few rates": (x[few], y[few], "few")}
        for tuning, (inputs, outputs, runs) in sets.items():
            if runs == "few" and name != "ours":
                continue
            trainer = Trainer(CONTESTANTS[name], len(inputs))
            record["parameters"] = count(trainer.parameters)
            for rate in RATES:
                if str(rate) not in record[tuning]:
                    trained, _ = trainer.train(rate, 0, inputs, outputs)
                    error = trainer.error(trained, *held)
                    record[tuning][str(rate)] = error if np.isfinite(error) else 1e9
                    keep()
            rate = float(min(record[tuning], key=lambda r: record[tuning][r]))
            for seed in range(1, SEEDS + 1):
                if record[runs].get(str(seed), {}).get("rate") == rate:
                    continue
                trained, seconds = trainer.train(rate, seed, inputs, outputs)
                row = {"rate": rate, "test": trainer.error(trained, *tests)}
                if runs == "seeds":
                    row |= {"rollout": rollout(trainer, trained, coarse), "large": trainer.error(trained, *large)}
                    row |= {"equivariance": broken(trainer, trained, tests[0])}
                    row["step"] = seconds / (EPOCHS * len(inputs) // BATCH)
                record[runs][str(seed)] = row
                keep()
    # Times are those of runs in turn, in this process: the machine does other things too.
    trainers = {name: Trainer(CONTESTANTS[name], 64) for name in options.only}
    spent: dict[str, list[float]] = {name: [] for name in trainers}
    for turn in range(4):
        for name, trainer in trainers.items():
            seconds = trainer.train(1e-3, 0, x, y)[1]
            if turn:
                spent[name].append(seconds)
    for name, seconds in spent.items():
        results[name]["seconds"] = seconds
    keep()
    show(results)


def show(results: dict[str, Any]) -> None:
    """Print the means and what they are over the FNO's."""
    means = {
        name: {
            key: float(np.mean([row[key] for row in record["seeds"].values()])) for key in ("test", "rollout", "large")
        }
        for name, record in results.items()
        if record["seeds"]
    }
    base = means.get("fno")
    for name, row in means.items():
        record = results[name]
        worst = {k: max(r["equivariance"][k] for r in record["seeds"].values()) for k in ("turn", "reflection")}
        print(
            f"{name:5} {record['parameters']:7} parameters, {len(record['seeds'])} seeds:",
            {k: f"{v:.4g}" for k, v in row.items()},
            "equivariance",
            worst,
        )
        if base:
            print(
                "      over the FNO's:",
                {k: f"{row[k] / base[k]:.3f}" for k in ("test", "rollout")},
                f"64 x 64 over 32 x 32: {row['large'] / row['test']:.2f}",
            )
        if "seconds" in record and "seconds" in results.get("fno", {}):
            ratio = np.median(np.array(record["seconds"]) / np.array(results["fno"]["seconds"]))
            print(f"      time of a step over the FNO's: {ratio:.2f}")
        if record["few"]:
            few = np.mean([r["test"] for r in record["few"].values()])
            print(
                f"      on {FEW} pairs: {few:.4g}"
                + (f", over the FNO's on 64: {few / base['test']:.2f}" if base else "")
            )


if __name__ == "__main__":
    main()
