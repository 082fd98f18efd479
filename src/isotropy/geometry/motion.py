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
        return jnp.einsum("f,ij->ifj", self.space(x), eye).reshape(-1, self.base_dimension)

    def jacobian(self, x: Float[Array, " m"]) -> Float[Array, "q m m"]:
        """The derivatives DX_q(x)."""
        eye = jnp.eye(self.base_dimension, dtype=x.dtype)
        gradient = jax.jacfwd(self.space)(x)
        return jnp.einsum("fk,ij->ifjk", gradient, eye).reshape(-1, self.base_dimension, self.base_dimension)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions that `components` has coefficients on."""
        return self.space.names

    def components(self, coefficients: Float[np.ndarray, " q"], *, errors: bool = False) -> list[np.ndarray]:
        """For each coordinate the coefficients on the functions of the space; errors are just as they are."""
        return list(np.asarray(coefficients).reshape(self.base_dimension, self.space.dimension))


class Flow:
    """The one candidate ``x -> field(x)``: a vector field on R^m given as a JAX function, as of an ODE.

    Its values along the flow of an ODE are what the ODE conserves: `Action.flow`.
    """

    dimension = 1

    def __init__(self, field: Any, variables: tuple[str, ...]) -> None:
        self.field, self.variables, self.base_dimension = field, tuple(variables), len(variables)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, "1 m"]:
        """The velocity of the point ``x``."""
        return jnp.asarray(self.field(x))[None]

    def jacobian(self, x: Float[Array, " m"]) -> Float[Array, "1 m m"]:
        """The derivative of the field."""
        return jax.jacfwd(self.field)(x)[None]

    @property
    def functions(self) -> tuple[str, ...]:
        """The field has no name but its own."""
        return ("field",)

    def components(self, coefficients: Float[np.ndarray, " q"], *, errors: bool = False) -> list[np.ndarray]:
        """The same coefficient for each coordinate."""
        return [np.asarray(coefficients) for _ in self.variables]


class StillFields(VectorFields):
    """The fields of `VectorFields` and after them one candidate that moves no point."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.dimension += 1

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, "q m"]:
        """The velocities of the point ``x``, the last of them zero."""
        fields = super().__call__(x)
        return jnp.concatenate([fields, jnp.zeros((1, self.base_dimension), fields.dtype)])

    def jacobian(self, x: Float[Array, " m"]) -> Float[Array, "q m m"]:
        """The derivatives DX_q(x), the last of them zero."""
        derivatives = super().jacobian(x)
        return jnp.concatenate([derivatives, jnp.zeros_like(derivatives[:1])])

    def components(self, coefficients: Float[np.ndarray, " q"], *, errors: bool = False) -> list[np.ndarray]:
        """For each coordinate the coefficients on the functions of the space."""
        return super().components(np.asarray(coefficients)[:-1], errors=errors)


def with_still(motion: Affine | VectorFields) -> Affine | VectorFields:
    """The same candidates and after them one that moves no point."""
    if isinstance(motion, VectorFields):
        return StillFields(motion.space)
    size = motion.base_dimension
    return Affine(
        np.concatenate([motion.matrices, np.zeros((1, size, size))]),
        np.concatenate([motion.offsets, np.zeros((1, size))]),
        variables=motion.variables,
    )
