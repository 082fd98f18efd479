"""A step of the equivariant linear layer against `equinox.nn.Linear` of the same width: forward, backward, update-free.

Both layers are 384 -> 384 with bias, on a batch of 512 in float32, and each step returns the loss and the gradients of
its weights and of its input, compiled by XLA and warm. Memory is what XLA's own analysis says that the compiled step
needs: arguments, outputs and temporaries. Equivariance is the error on random group elements, in roundings of float32
relative to the output.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from harness import Figure, ratio, run
from scipy.linalg import expm

import isotropy as iso
from isotropy import groups

WIDTH, BATCH = 384, 512


def mix(group: groups.Group, width: int) -> groups.Representation:
    """Scalars, vectors and tensors up to rank 3, a quarter of the channels each, scalars filling up."""
    V = group.vector
    kinds = [V, V @ V, V**3]
    counts = [max(1, width // (4 * kind.dimension)) for kind in kinds if kind.dimension <= width // 4]
    chosen = list(zip(counts, kinds, strict=False))
    rep = (width - sum(k * kind.dimension for k, kind in chosen)) * group.scalar
    for count, kind in chosen:
        rep = rep + count * kind
    return rep


def step(layer: eqx.Module):
    """The compiled step of one layer, and a call of it that waits for the result."""
    arrays, static = eqx.partition(layer, eqx.is_inexact_array)
    x, y = jax.random.normal(jax.random.key(1), (2, BATCH, WIDTH))

    def loss(arrays, x):
        return jnp.mean((jax.vmap(eqx.combine(arrays, static))(x) - y) ** 2)

    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).lower(arrays, x).compile()
    return compiled, lambda: jax.block_until_ready(compiled(arrays, x))


def memory(compiled) -> int:
    """Bytes of a compiled step."""
    sizes = compiled.memory_analysis()
    return sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes


def roundings(group: groups.Group, make) -> float:
    """The worst relative equivariance error of 2*V + S -> V over 20 elements, in float32 epsilons."""
    V, S = group.vector.real(), group.scalar
    net = eqx.filter_jit(make(2 * V + S, V, key=jax.random.key(0)))
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(20):
        g = np.eye(V.dimension)
        if len(V.generators()):
            g = expm(np.tensordot(rng.normal(size=group.dimension), V.generators(), 1))
        for element in V.components():
            if rng.random() < 0.5:
                g = element @ g
        x = rng.normal(size=2 * V.dimension + 1)
        there = np.concatenate([g @ x[: V.dimension], g @ x[V.dimension : -1], x[-1:]])
        value = np.asarray(net(jnp.asarray(x, jnp.float32)), np.float64)
        moved = np.asarray(net(jnp.asarray(there, jnp.float32)), np.float64)
        worst = max(worst, np.linalg.norm(moved - g @ value) / np.linalg.norm(value))
    return worst / float(np.finfo(np.float32).eps)


def layer(V, W, *, key):
    """A linear layer."""
    return iso.nn.Linear(V, W, key=key)


def network(V, W, *, key):
    """A small network."""
    return iso.nn.MLP(V, W, width=64, depth=2, key=key)


def measure(quick: bool) -> list[Figure]:
    """Time and memory for three groups, then the equivariance of networks."""
    figures = []
    peer, run_peer = step(eqx.nn.Linear(WIDTH, WIDTH, key=jax.random.key(0)))
    for group in (groups.SO(3), groups.O(5), groups.S(5)):
        rep = mix(group, WIDTH)
        ours, run_ours = step(iso.nn.Linear(rep, rep, key=jax.random.key(0)))
        name = f"{group}, {rep}, width {WIDTH}, batch {BATCH}"
        repeats = 5 if quick else 31
        figures.append(
            Figure(f"time of a step against Linear: {name}", ratio(run_ours, run_peer, repeats=repeats), 1.5)
        )
        figures.append(Figure(f"memory of a step against Linear: {name}", memory(ours) / memory(peer), 2.0))
    for group in (groups.SO(3), groups.O(3), groups.SU(2), groups.S(5), groups.D(4)):
        figures.append(
            Figure(f"equivariance error of a layer in float32 roundings: {group}", roundings(group, layer), 10.0)
        )
        figures.append(Figure(f"the same of a network of depth 2, output and all: {group}", roundings(group, network)))
    return figures


if __name__ == "__main__":
    run(measure)
