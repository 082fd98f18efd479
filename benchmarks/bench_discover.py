"""The price of a discovery: `discover` against one pass of the model's Jacobians over the same samples.

The model is a network with one pass of seconds at full size. The peer is `jax.vmap` of the cheaper of `jax.jacfwd` and
`jax.jacrev`, compiled, in batches of the same size. Both run in float32, compiled beforehand, with one thread for
linear algebra (`make bench` sees to it: threads that wait for one another would measure the machine). Memory is the
growth of the peak from n to 4 n samples, less the samples themselves, as a share of the peak.
"""

from __future__ import annotations

import resource
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from harness import Figure, ratio, run

import isotropy as iso
from isotropy import groups

INPUTS, OUTPUTS = 12, 6


def peak() -> float:
    """The peak memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def measure(quick: bool) -> list[Figure]:
    """One model, one set of candidates, two ways to look at it."""
    width, count = (128, 2000) if quick else (1024, 4000)
    model = eqx.nn.MLP(INPUTS, OUTPUTS, width, 3, activation=jnp.tanh, key=jax.random.key(0))
    action = iso.Action.independent(groups.GL(INPUTS), groups.GL(OUTPUTS))
    samples = iso.Samples.normal(count, INPUTS, seed=0, dtype=np.float32)
    batch = 500

    def discovery():
        return iso.discover(model, action, samples, batch_size=batch)

    def passes(derivative):
        jacobians = jax.jit(jax.vmap(derivative(model)))

        def one():
            for start in range(0, count, batch):
                jax.block_until_ready(jacobians(samples.points[start : start + batch]))

        return one

    # Memory first, before the peer raises the peak.
    discovery()
    before = peak()
    more = iso.Samples.normal(4 * count, INPUTS, seed=1, dtype=np.float32)
    iso.discover(model, action, more, batch_size=batch)
    grown = max(0.0, peak() - before - more.points.nbytes)
    forward, reverse = passes(jax.jacfwd), passes(jax.jacrev)
    cheaper = forward if ratio(forward, reverse, repeats=1) < 1 else reverse
    price = ratio(discovery, cheaper, repeats=3)
    return [
        Figure(f"time of discover ({action.dimension} candidates) against one pass of Jacobians", price, 2.0),
        Figure("growth of the peak memory with 4 times the samples", grown / before, 0.1),
    ]


if __name__ == "__main__":
    run(measure)
