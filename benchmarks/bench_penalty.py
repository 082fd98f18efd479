"""What a step with the symmetry penalty costs beside the gradient of the data on the same points.

A network of three hidden layers of 256, 256 points, candidates SE(m) with q = 6, 55 and 465 generators. It is a fair
match: the same network, points and precision (float32), both compiled and warm. The probe's cost includes renewing its
state at its own rate; the exact form is what the published method does in every step. CPU time is compared.
"""

from __future__ import annotations

import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from harness import Figure, run
from harness import ratio as in_turn

from isotropy import Action, Samples, groups
from isotropy.penalty import Penalty

POINTS = 256
STEPS = {3: 20, 10: 26, 30: 116}
"""By the number of inputs m: whole periods in which the probe renews its state, once in 10, 13 and 116 steps."""

ratio = partial(in_turn, clock=time.process_time)


def measure(quick: bool) -> list[Figure]:
    """Ratios for the probe, the minibatch form and, for comparison, the exact one."""
    figures = []
    for m in (3,) if quick else (3, 10, 30):
        action = Action(groups.SE(m))
        samples = Samples.uniform(POINTS, m, seed=0, dtype=np.float32)
        penalty = Penalty(action, samples)
        model = eqx.nn.MLP(m, "scalar", 256, 3, jax.nn.silu, key=jax.random.PRNGKey(0))
        arrays, static = eqx.partition(model, eqx.is_array)
        points, targets = jnp.asarray(samples.points), jnp.ones(POINTS)
        start = jax.jit(lambda a, s=static, p=penalty: p.init(eqx.combine(a, s)))(arrays)
        keys = jax.random.split(jax.random.PRNGKey(1), STEPS[m])

        def many(loss, arrays=arrays, static=static, start=start, keys=keys):
            """A compiled function of that many gradients, each taken at slightly moved parameters."""

            @jax.jit
            def go(arrays):
                def step(carry, key):
                    arrays, state = carry
                    slope, state = jax.grad(lambda a: loss(eqx.combine(a, static), state, key), has_aux=True)(arrays)
                    return (jax.tree.map(lambda a, g: a - 1e-6 * g, arrays, slope), state), None

                return jax.lax.scan(step, (arrays, start), keys)[0]

            return lambda: jax.block_until_ready(go(arrays))

        data = many(lambda f, s, key, p=points, y=targets: (jnp.mean((jax.vmap(f)(p) - y) ** 2), s))
        forms = {"probe": lambda f, s, key, p=points, penalty=penalty: penalty.probe(f, s, key, p)}
        if action.dimension < POINTS:  # beyond, a decomposition of q x q in each step is all that one would see
            forms["minibatch form"] = lambda f, s, key, p=points, penalty=penalty: penalty.update(f, s, p)
            forms["exact form"] = lambda f, s, key, p=points, penalty=penalty: (penalty(f, p), s)
        for name, form in forms.items():
            goal = 2.5 if name == "probe" else None
            figures.append(
                Figure(f"q={action.dimension}: {name} over a data gradient", ratio(many(form), data, repeats=3), goal)
            )
            print(figures[-1], flush=True)
    return figures


if __name__ == "__main__":
    run(measure)
