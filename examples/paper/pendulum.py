"""The double spring pendulum: networks for its motion, with rotations promoted, enforced, or not known at all.

Neural differential equations fitted to short stretches of trajectories, as in section 6 of Otto et al., JMLR 26(248),
2025: full batches, Adam at 3e-4, 10,000 steps, 5 to 500 trajectories, three seeds that train side by side. The
parameters that are best on the validation trajectories are tested. See `pendulum_data.py` for the data and
`pendulum_models.py` for the networks.

    python examples/paper/pendulum.py [--full] [--steps N] [--results FILE] [--figure FILE] [--models a,b]
                                      [--trajectories 25,5]

The short run is 200 steps on 5 trajectories: it shows that everything works, not who is best. Each run is added to the
results as it ends, and a long one is saved on its way: what was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pendulum_data
import pendulum_figure
import pendulum_models
from pendulum_models import STRENGTH, Model

RATE, LOOK, SEEDS = 3e-4, 100, (0, 1, 2)
POINTS = 16
"""Penalty points of each piece of a network in one step, drawn anew each time."""


class Run:
    """One contestant on n trajectories, all seeds at once: the compiled steps and what they carry."""

    def __init__(self, model: Model, count: int, data: np.ndarray, *, seeds: tuple[int, ...] = SEEDS):
        parts = [pendulum_data.split(data, seed=seed) for seed in seeds]
        stack = lambda k, stop=None: jnp.asarray(np.stack([p[k][:stop] for p in parts]), jnp.float32)  # noqa: E731
        self.train, self.validation, self.test = stack(0, count), stack(1), stack(2)
        self.model, self.penalty = model, None if model.penalty is None else model.penalty()
        made = [model.make(jax.random.key(seed)) for seed in seeds]
        split = [eqx.partition(net, trainable(net)) for net in made]
        self.static = split[0][1]
        start = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(arrays for arrays, _ in split))
        self.parameters = sum(leaf.size for leaf in jax.tree.leaves(start)) // len(seeds)
        self.adam = optax.adam(RATE)
        keys = jnp.stack([jax.random.PRNGKey(seed) for seed in seeds])
        self.carry = jax.jit(jax.vmap(self.first))(start, keys)
        self.advance = jax.jit(jax.vmap(self.look), donate_argnums=0)

    def first(self, arrays: Any, key: jax.Array) -> Any:
        """Parameters, optimiser, penalty's state, key, best parameters and their validation error."""
        state = () if self.penalty is None else self.penalty.init(self.view(arrays))
        return arrays, self.adam.init(arrays), state, key, arrays, jnp.asarray(jnp.inf, jnp.float32)

    def network(self, arrays: Any) -> Any:
        """The network of these parameters, ready to be called at every step of the integration."""
        return pendulum_models.assembled(eqx.combine(arrays, self.static))

    def view(self, arrays: Any) -> Any:
        """What the penalty looks at: the network or its layers."""
        return self.model.view(self.network(arrays))

    def loss(self, arrays: Any, state: Any, key: jax.Array, trajectories: jax.Array) -> tuple[jax.Array, Any]:
        """The error of the four points that follow each start, and the penalty at fresh points."""
        value = pendulum_data.error(self.network(arrays), trajectories)
        if self.penalty is None:
            return value, state
        points = pendulum_models.points(self.penalty, trajectories.reshape(-1, pendulum_models.STATE), POINTS, key)
        norm, state = self.penalty.update(self.view(arrays), state, points)
        return value + STRENGTH * norm, state

    def look(self, carry: Any, train: jax.Array, validation: jax.Array) -> tuple[Any, Any]:
        """`LOOK` steps of Adam, then a look at the validation trajectories and the singular values."""

        def step(carry: Any, _: None) -> tuple[Any, None]:
            arrays, moments, state, key = carry
            key, use = jax.random.split(key)
            slope, state = jax.grad(self.loss, has_aux=True)(arrays, state, use, train)
            change, moments = self.adam.update(slope, moments)
            return (optax.apply_updates(arrays, change), moments, state, key), None

        arrays, moments, state, key, best, least = carry
        (arrays, moments, state, key), _ = jax.lax.scan(step, (arrays, moments, state, key), None, length=LOOK)
        error = pendulum_data.error(self.network(arrays), validation)
        better = error < least
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), arrays, best)
        values = jnp.zeros(0) if self.penalty is None else self.penalty.spectrum(self.view(arrays))[0]
        return (arrays, moments, state, key, best, jnp.minimum(error, least)), (error, values)

    def go(self, steps: int, saved: Path | None = None) -> dict[str, Any]:
        """Train, and say what came of it. With ``saved`` the state is kept there every tenth of the way."""
        looks = steps // LOOK
        history = (jnp.zeros((looks, len(self.train))), jnp.zeros((looks, len(self.train), self.candidates)))
        at, seconds, counted = 0, 0.0, 0
        if saved is not None and saved.exists():
            at, self.carry, history = eqx.tree_deserialise_leaves(saved, (at, self.carry, history))
        errors, values = (np.array(part) for part in history)
        for k in range(at, looks):
            start = time.process_time()
            self.carry, (errors[k], values[k]) = self.advance(self.carry, self.train, self.validation)
            spent = time.process_time() - start
            if k > at:  # the first look of a run compiles
                seconds, counted = seconds + spent, counted + 1
            if saved is not None and (k + 1) % max(1, looks // 10) == 0:
                eqx.tree_serialise_leaves(saved, (k + 1, self.carry, (jnp.asarray(errors), jnp.asarray(values))))
        tested = jax.jit(jax.vmap(lambda a, d: pendulum_data.error(self.network(a), d)))(self.carry[4], self.test)
        fitted = jax.jit(jax.vmap(lambda a, d: pendulum_data.error(self.network(a), d)))(self.carry[4], self.train)
        kept = () if self.penalty is None else jax.jit(jax.vmap(self.closest))(self.carry[0])
        short = lambda part: [float(f"{x:.4g}") for x in np.ravel(part)]  # noqa: E731
        return {
            "steps": steps,
            "parameters": self.parameters,
            "strength": STRENGTH if self.penalty is not None else 0.0,
            "test": short(tested),
            "train": short(fitted),
            "validation": [short(row) for row in errors.T],
            "singular values": [[short(row) for row in values[:, s]] for s in range(len(self.train))]
            if self.candidates
            else [],
            "closest generator": [short(row) for row in kept],
            "CPU seconds a step": float(f"{seconds / max(1, counted) / LOOK:.3g}"),
        }

    def closest(self, arrays: Any) -> jax.Array:
        """Coefficients of the candidate that the network is closest to keeping."""
        assert self.penalty is not None
        return self.penalty.spectrum(self.view(arrays))[1][-1]

    @property
    def candidates(self) -> int:
        """The number of generators that the penalty is given; 0 without one."""
        return 0 if self.penalty is None else self.penalty.dimension


def trainable(net: Any) -> Any:
    """True at the arrays that training moves: all but the fixed symmetric bases."""
    fixed = [net, *getattr(net, "layers", ())]
    still = {id(leaf) for part in fixed for leaf in jax.tree.leaves(getattr(part, "bases", ()))}
    return jax.tree.map(lambda leaf: eqx.is_inexact_array(leaf) and id(leaf) not in still, net)


def main() -> None:
    """Run what is missing, print the table, draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="10,000 steps; 5, 25, 100 and 500 trajectories")
    parser.add_argument("--results", type=Path, default=Path("out/paper/pendulum.json"))
    parser.add_argument("--figure", type=Path, default=None, help="draw all results into this SVG")
    parser.add_argument("--steps", type=int, default=None, help="a multiple of 100")
    parser.add_argument("--models", default=None)
    parser.add_argument("--trajectories", default=None)
    given = parser.parse_args()
    contestants = pendulum_models.models()
    names = given.models.split(",") if given.models else list(contestants)
    counts = given.trajectories or ("25,5,100,500" if given.full else "5")
    steps = given.steps or (10_000 if given.full else 200)
    rows = json.loads(given.results.read_text()) if given.results.exists() else []
    given.results.parent.mkdir(parents=True, exist_ok=True)
    data = pendulum_data.chunks()
    for count in map(int, counts.split(",")):
        for name in names:
            if any((r["model"], r["trajectories"], r["steps"]) == (name, count, steps) for r in rows):
                continue
            saved = given.results.with_suffix(f".{name.replace(' ', '_')}.{count}.eqx")
            outcome = Run(contestants[name], count, data).go(steps, saved)
            # Others may have added theirs meanwhile.
            rows = json.loads(given.results.read_text()) if given.results.exists() else []
            rows.append({"model": name, "trajectories": count, "seeds": len(SEEDS), **outcome})
            given.results.write_text(json.dumps(rows) + "\n", encoding="utf-8")
            saved.unlink(missing_ok=True)
            print(f"{name}, {count} trajectories: test {np.median(outcome['test']):.3g}", flush=True)
    if given.figure is not None:
        pendulum_figure.draw(rows, given.figure)


if __name__ == "__main__":
    main()
