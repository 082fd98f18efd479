"""Initial weights: one draw for all arrays of a layer, without compiling anything for its shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, PRNGKeyArray


def normal(key: PRNGKeyArray, shapes: list[tuple[int, ...]], scales: list[float], dtype: Any) -> tuple[Array, ...]:
    """Normal arrays of these shapes and standard deviations. The key may be traced, as for an ensemble under vmap."""
    if not shapes:
        return ()
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    # Drawn by powers of two and cut on the host: JAX would compile a program for each new shape.
    flat = jax.random.normal(key, (1 << int(ends[-1] - 1).bit_length(),))
    if not isinstance(flat, Tracer):
        flat = np.asarray(flat)
    pieces = [flat[end - int(np.prod(shape)) : end] for end, shape in zip(ends, shapes, strict=True)]
    return tuple(
        jnp.asarray((piece * float(scale)).reshape(shape).astype(dtype))
        for piece, shape, scale in zip(pieces, shapes, scales, strict=True)
    )


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array of zeros, without compiling anything."""
    return jnp.asarray(np.zeros(shape, dtype))
