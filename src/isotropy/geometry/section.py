"""A section: anything that gives a value, and a derivative along a direction, at a point."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import IsotropyError
from .action import Action

TRACING = (
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    NotImplementedError,
    jax.errors.JAXTypeError,
    jax.errors.JAXIndexError,
)
"""What JAX and NumPy raise when a function cannot be traced or does not fit the shapes it is given."""


def value_shape(model: Any, action: Action, dtype: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of ``model`` at one point of the action's base, checked against the action's fibre.

    Raises `IsotropyError` where the model is not callable, cannot be traced by JAX, or returns what the action does
    not act on.
    """
    if not callable(model):
        raise IsotropyError(
            f"`model` must be a function of one point. Got {type(model).__name__}: pass a callable, or pairs as "
            f"`iso.Data(X, Y)`."
        )
    m = action.base_dimension
    with jax.enable_x64(True):
        point = jax.ShapeDtypeStruct((m,), dtype)
        try:
            out = jax.eval_shape(lambda x: model(x), point)
        except TRACING as reason:
            raise IsotropyError(
                f"`model` could not be evaluated by JAX at one point of shape ({m},): {first_line(reason)} "
                f"Write it with `jax.numpy` for one point (no batch axis), taking the {m} inputs the candidates act on."
            ) from reason
    if not hasattr(out, "shape"):
        raise IsotropyError(
            f"`model` must return one array. Got {type(out).__name__}: return the outputs stacked in an array."
        )
    size = int(np.prod(out.shape, dtype=int))
    if size != action.fibre_dimension or (len(action.fibre_shape) > 1 and out.shape != action.fibre_shape):
        raise IsotropyError(
            f"`model` returns shape {out.shape}, but {action} acts on values of shape {action.fibre_shape}: "
            f"check the second representation of the action."
        )
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise IsotropyError(f"`model` must return real floating-point numbers. Got {out.dtype}.")
    return out.shape, np.dtype(out.dtype)


def first_line(reason: BaseException) -> str:
    """The first line of what an exception says, as a sentence."""
    text = str(reason).strip().splitlines()
    line = text[0] if text else type(reason).__name__
    return line if line.endswith((".", "!", "?")) else line + "."
