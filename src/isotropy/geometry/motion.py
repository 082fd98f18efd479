"""How candidate generators move the base: affine fields, or fields with coefficients from a space of functions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from .space import Space, default_variables


class Affine:
    """The fields ``x -> A_q x + b_q``, with ``matrices`` (q, m, m) and ``offsets`` (q, m)."""

    def __init__(self, matrices: Any, offsets: Any = None, *, variables: tuple[str, ...] | None = None) -> None:
        self.matrices = validate.array(matrices, "matrices", ndim=3, minimum_size=0)
        count, size, _ = self.matrices.shape
        self.offsets = (
            np.zeros((count, size))
            if offsets is None
            else validate.array(offsets, "offsets", shape=(count, size), minimum_size=0)
        )
        self.dimension, self.base_dimension = count, size
        self.variables = tuple(variables) if variables else default_variables(size)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, "q m"]:
        """The velocities of the point ``x`` under every generator."""
        return jnp.asarray(self.matrices, x.dtype) @ x + jnp.asarray(self.offsets, x.dtype)

    def jacobian(self, x: Float[Array, " m"]) -> Float[Array, "q m m"]:
        """The derivatives DX_q(x), here the constant matrices."""
        return jnp.asarray(self.matrices, x.dtype)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions that `components` has coefficients on."""
        return ("1", *self.variables)

    def components(self, coefficients: Float[np.ndarray, " q"], *, errors: bool = False) -> list[np.ndarray]:
        """For each coordinate the coefficients on ``1, x_1 … x_m``; of errors, the most that they can add up to."""
        size = np.abs if errors else np.asarray
        matrix = np.tensordot(coefficients, size(self.matrices), 1)
        return list(np.concatenate([(coefficients @ size(self.offsets))[:, None], matrix], axis=1))


class VectorFields:
    """All vector fields on R^m whose coordinates lie in ``space``: q = m * space.dimension candidates.

    Candidate ``i * space.dimension + f`` is the f-th function of the space times ``∂x_i``. Polynomial coefficients of
    degree two or more are a truncation: the bracket of two candidates may leave the span.

    >>> from isotropy import spaces
    >>> VectorFields(spaces.Polynomials(2, degree=1)).dimension
    6
    """

    def __init__(self, space: Space) -> None:
        if not isinstance(space, Space):
            raise IsotropyError(
                f"`VectorFields` takes a space of functions. Got {type(space).__name__}: "
                f"pass for example `iso.spaces.Polynomials(3, degree=2)`."
            )
        self.space = space
        self.base_dimension = space.input_dimension
        self.dimension = self.base_dimension * space.dimension
        self.variables = space.variables

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, "q m"]:
        """The velocities of the point ``x`` under every candidate."""
        eye = jnp.eye(self.base_dimension, dtype=x.dtype)
        return jnp.einsum("f,ij->ifj", self.space(x), eye).reshape(self.dimension, self.base_dimension)

    def jacobian(self, x: Float[Array, " m"]) -> Float[Array, "q m m"]:
        """The derivatives DX_q(x)."""
        eye = jnp.eye(self.base_dimension, dtype=x.dtype)
        gradient = jax.jacfwd(self.space)(x)
        return jnp.einsum("fk,ij->ifjk", gradient, eye).reshape(self.dimension, self.base_dimension, -1)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions that `components` has coefficients on."""
        return self.space.names

    def components(self, coefficients: Float[np.ndarray, " q"], *, errors: bool = False) -> list[np.ndarray]:
        """For each coordinate the coefficients on the functions of the space; errors are just as they are."""
        return list(np.asarray(coefficients).reshape(self.base_dimension, self.space.dimension))
