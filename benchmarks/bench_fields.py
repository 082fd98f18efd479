"""The cost of symmetry in a spectral layer: a step of the equivariant one over that of one with free multipliers.

Both have the same width and the same modes, and the gradient of a mean square over a batch of 8 fields of 64 x 64
points is taken; memory is what the compiler sets aside.
"""

from __future__ import annotations

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from field_rivals import FourierLayer
from harness import Figure, ratio, run

from isotropy import groups
from isotropy.fields import Periodic
from isotropy.nn import Spectral

WIDTH, MODES = 20, 12


def measure(quick: bool) -> list[Figure]:
    """Time and memory over the free layer's."""
    n = 32 if quick else 64
    G = groups.O(2)
    rep = 4 * G.scalar + 2 * G.vector.alt(2) + 7 * G.vector
    key = jax.random.key(0)
    layers: dict[str, Any] = {
        "equivariant": Spectral(rep, rep, Periodic((n, n)), modes=MODES - 1, radial=6, key=key),
        "free": FourierLayer(WIDTH, MODES, key),
    }
    u = jax.random.normal(key, (8, n, n, WIDTH))
    steps, memory = {}, {}
    for name, layer in layers.items():
        parameters, rest = eqx.partition(layer, eqx.is_inexact_array)

        def loss(both: Any, rest: Any = rest) -> Any:
            return jnp.mean(jax.vmap(eqx.combine(both[0], rest))(both[1]) ** 2)

        compiled = jax.jit(jax.value_and_grad(loss)).lower((parameters, u)).compile()
        size = compiled.memory_analysis()
        memory[name] = size.temp_size_in_bytes + size.output_size_in_bytes + size.argument_size_in_bytes
        steps[name] = lambda compiled=compiled, both=(parameters, u): jax.block_until_ready(compiled(both))
    spent = ratio(steps["equivariant"], steps["free"], repeats=9, clock=time.process_time)
    name = f"spectral layer of {WIDTH} channels, {n} x {n} points"
    return [
        Figure(f"{name}: time over a free one's", spent, 2.0),
        Figure(f"{name}: memory over a free one's", memory["equivariant"] / memory["free"], 2.0),
        Figure(
            f"{name}: parameters over a free one's", layers["equivariant"].steering.dimension / _count(layers["free"])
        ),
    ]


def _count(layer: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(layer, eqx.is_inexact_array)))


if __name__ == "__main__":
    run(measure)
