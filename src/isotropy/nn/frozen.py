"""Constants of a layer: they follow it through jit, vmap and files, and no optimiser touches them."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


class Frozen(eqx.Module):
    """An array of real numbers that is not a parameter, kept as the bit pattern of its floats.

    Equinox trains the leaves that are inexact arrays; a bit pattern is an integer array. So `eqx.filter_grad`, weight
    decay and a count of parameters leave it alone, while `eqx.tree_serialise_leaves` writes it with the rest: weights
    that refer to a basis are read back with that very basis. float64 where JAX has it enabled, float32 otherwise.

    >>> Frozen([1.0, 0.5]).value
    Array([1. , 0.5], dtype=float32)
    """

    bits: Array

    def __init__(self, value: Any):
        floats = np.ascontiguousarray(value, dtype=jax.dtypes.canonicalize_dtype(np.float64))
        self.bits = jnp.asarray(floats.view(np.uint64 if floats.dtype == np.float64 else np.uint32))

    @property
    def value(self) -> Array:
        """The numbers."""
        return jax.lax.bitcast_convert_type(self.bits, jnp.float64 if self.bits.dtype == jnp.uint64 else jnp.float32)

    def astype(self, dtype: Any) -> Array:
        """The numbers in the precision of the weights that they meet."""
        return self.value.astype(dtype)
