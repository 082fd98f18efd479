"""Single group elements as an action moves points and values by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Component:
    """One element g of a further connected component: ``theta`` moves points, ``untheta`` is Theta_g^{-1} on values.

    ``time`` is the factor by which it multiplies time, -1 for a reversal.
    """

    theta: Callable[[Array], Array]
    untheta: Callable[[Array], Array]
    matrix: np.ndarray
    time: float = 1.0


def affine_map(matrix: Float[np.ndarray, "m m"], offset: Float[np.ndarray, " m"]) -> Callable[[Array], Array]:
    """The map ``x -> matrix x + offset`` in the precision of x."""
    # A partial of a named function can be sent to another process, as scikit-learn does with models.
    return partial(_move, matrix, offset)


def _move(matrix: np.ndarray, offset: np.ndarray, x: Array) -> Array:
    return jnp.asarray(matrix, x.dtype) @ x + jnp.asarray(offset, x.dtype)


def affine_component(
    matrix: Float[np.ndarray, "m m"],
    offset: Float[np.ndarray, " m"],
    value: Float[np.ndarray, "n n"],
    value_offset: Float[np.ndarray, " n"],
) -> Component:
    """The element that moves points by ``matrix x + offset`` and values by ``value u + value_offset``."""
    inverse = np.linalg.inv(value)
    return Component(affine_map(matrix, offset), affine_map(inverse, -inverse @ value_offset), matrix)


def affine_parts(move: Callable[[Array], Array], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (n, n) and the offset (n,) of an affine map of values of this shape, flattened, in float64."""
    if isinstance(move, partial) and move.func is _move:
        # Known as it stands: nothing is compiled for it.
        matrix, offset = move.args
        return np.asarray(matrix, dtype=np.float64), np.asarray(offset, dtype=np.float64)
    n = int(np.prod(shape, dtype=int))
    with jax.enable_x64(True):
        origin = move(jnp.zeros(shape, jnp.float64)).ravel()
        units = jnp.eye(n, dtype=jnp.float64)
        matrix = jnp.stack([move(unit.reshape(shape)).ravel() - origin for unit in units], -1)
        return np.asarray(matrix), np.asarray(origin)


def linear_part(component: Component, shape: tuple[int, ...]) -> Float[np.ndarray, "n n"]:
    """The linear part of Theta_g^{-1} on flattened values of this shape."""
    return affine_parts(component.untheta, shape)[0]
