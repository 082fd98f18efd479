"""Rivals for operators between fields: a Fourier neural operator, and one that knows quarter turns alone."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from isotropy import groups
from isotropy.fields import Grid
from isotropy.nn import NeuralOperator


class FourierLayer(eqx.Module):
    """A multiplier for each of the lowest modes, symmetric under translations alone, and a linear map at each point."""

    weights: Array
    local: Array
    bias: Array
    modes: int = eqx.field(static=True)

    def __init__(self, width: int, modes: int, key: PRNGKeyArray):
        one, two = jax.random.split(key)
        self.modes = modes
        # Real and imaginary parts, of both signs of the first frequency.
        self.weights = jax.random.uniform(one, (2, 2, modes, modes, width, width)) / width**2
        self.local = jax.random.normal(two, (width, width)) / jnp.sqrt(width)
        self.bias = jnp.zeros(width)

    def __call__(self, u: Array) -> Array:
        n, m = u.shape[:2], self.modes
        spectrum = jnp.fft.rfft2(u, axes=(0, 1))
        low = jnp.stack([spectrum[:m, :m], spectrum[-m:, :m]])
        weights = self.weights[0] + 1j * self.weights[1]
        moved = jnp.einsum("sxyi,sxyio->sxyo", low, weights)
        result = jnp.zeros((n[0], n[1] // 2 + 1, u.shape[2]), moved.dtype)
        result = result.at[:m, :m].set(moved[0]).at[-m:, :m].set(moved[1])
        return jnp.fft.irfft2(result, s=n, axes=(0, 1)) + u @ self.local + self.bias


class FNO(eqx.Module):
    """The Fourier neural operator of Li and others (ICLR 2021), its answer added to the first channel of its input.

    The coordinates that it is often given are left out: the task is the same everywhere, and it does better without.
    """

    lift: Array
    layers: tuple[FourierLayer, ...]
    inner: Array
    outer: Array
    biases: tuple[Array, Array]

    def __init__(self, channels: int = 2, *, out: int = 1, width: int = 20, modes: int = 12, depth: int = 4, key: Any):
        keys = jax.random.split(key, depth + 3)
        self.lift = jax.random.normal(keys[0], (channels, width)) / jnp.sqrt(channels)
        self.layers = tuple(FourierLayer(width, modes, k) for k in keys[3:])
        self.inner = jax.random.normal(keys[1], (width, 128)) / jnp.sqrt(width)
        self.outer = jax.random.normal(keys[2], (128, out)) * 0.1 / jnp.sqrt(128)
        self.biases = (jnp.zeros(128), jnp.zeros(out))

    def __call__(self, u: Array) -> Array:
        h = u @ self.lift
        for k, layer in enumerate(self.layers):
            h = layer(h)
            h = jax.nn.gelu(h) if k + 1 < len(self.layers) else h
        change = jax.nn.gelu(h @ self.inner + self.biases[0]) @ self.outer + self.biases[1]
        return u[..., : change.shape[-1]] + change


def quarter_turns(grid: Grid, *, copies: int = 8, key: PRNGKeyArray) -> NeuralOperator:
    """An operator of regular channels of C4, in the manner of group Fourier neural operators (Helwig and others, 2023).

    Vorticity and forcing are scalars of C4; only here and in what multiplies what does it differ from ours.
    """
    G = groups.C(4)
    return NeuralOperator(
        2 * G.scalar,
        G.scalar,
        grid,
        hidden=copies * G.regular,
        channels=0,
        gates=True,
        depth=4,
        residual=True,
        key=key,
    )


def count(model: Any) -> int:
    """The number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
