"""How candidate generators move the values: by matrices, or as tensors under the derivative of the base motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from .motion import Affine, Flow, VectorFields
from .space import Space


class Linear:
    """Values in R^n moved by ``A_q u + b_q``, the same at every base point; ``matrices`` (q, n, n)."""

    def __init__(self, matrices: Any, offsets: Any = None) -> None:
        self.matrices = validate.array(matrices, "fibre matrices", ndim=3, minimum_size=0)
        count, size, _ = self.matrices.shape
        self.offsets = (
            np.zeros((count, size))
            if offsets is None
            else validate.array(offsets, "fibre offsets", shape=(count, size), minimum_size=0)
        )
        self.shape: tuple[int, ...] = (size,)

    def __call__(self, x: Float[Array, " m"], value: Float[Array, " n"]) -> Float[Array, "q n"]:
        """The velocities A_q u + b_q of the value u."""
        return jnp.asarray(self.matrices, value.dtype) @ value + jnp.asarray(self.offsets, value.dtype)

    def transformation(self, matrix: np.ndarray, offset: np.ndarray) -> Any:
        """The map of values ``u -> matrix u + offset``."""
        return lambda value: jnp.asarray(matrix, value.dtype) @ value + jnp.asarray(offset, value.dtype)


class Stack:
    """Several kinds of values over one base, flattened one after another: candidates are to leave all unchanged."""

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = tuple(parts)
        self.sizes = [int(np.prod(part.shape, dtype=int)) for part in self.parts]
        self.shape: tuple[int, ...] = (sum(self.sizes),)

    def __call__(self, x: Float[Array, " m"], value: Float[Array, " n"]) -> Float[Array, "q n"]:
        """The velocities of every part of the value."""
        pieces = jnp.split(value, np.cumsum(self.sizes)[:-1])
        moved = [part(x, piece.reshape(part.shape)) for part, piece in zip(self.parts, pieces, strict=True)]
        return jnp.concatenate([block.reshape(len(block), -1) for block in moved], axis=1)


class Tensor:
    """Tensors of type (upper, lower) and density weight ``weight``, moved by the derivative of ``motion``.

    DX acts on every upper index and -DX^T on every lower one; a density of weight w adds ``-w div X``. With a
    ``factor`` space further candidates follow those of the motion: its functions phi, which act by A u = phi(x) u and
    move no point. A zero of the Lie derivative is then a symmetry up to the factor phi, such as a conformal field of
    a metric. With ``time`` the last candidate of the motion is a dilation of time, which divides velocities: it adds
    ``-u``.
    """

    def __init__(
        self,
        motion: Affine | VectorFields | Flow,
        *,
        upper: int,
        lower: int,
        weight: float = 0.0,
        factor: Space | None = None,
        time: bool = False,
    ) -> None:
        if upper < 0 or lower < 0:
            raise IsotropyError(f"`upper` and `lower` count indices and cannot be negative. Got {upper} and {lower}.")
        if factor is not None and factor.input_dimension != motion.base_dimension:
            raise IsotropyError(
                f"`factor` is a space of functions on R^{factor.input_dimension}, but the fields live on "
                f"R^{motion.base_dimension}: give both the same number of variables."
            )
        self.motion, self.upper, self.lower, self.weight, self.factor = motion, upper, lower, float(weight), factor
        self.time = time
        self.shape = (motion.base_dimension,) * (upper + lower)

    def __call__(self, x: Float[Array, " m"], value: Float[Array, " ..."]) -> Float[Array, "q ..."]:
        """The products A_q(x) u for a tensor u of shape (m,) * (upper + lower)."""
        derivative = self.motion.jacobian(x)
        total = jnp.zeros((self.motion.dimension, *self.shape), value.dtype)
        for axis in range(self.upper + self.lower):
            slot = jnp.moveaxis(value, axis, 0)
            turned = (
                jnp.einsum("qij,j...->qi...", derivative, slot)
                if axis < self.upper
                else -jnp.einsum("qji,j...->qi...", derivative, slot)
            )
            total = total + jnp.moveaxis(turned, 1, axis + 1)
        if self.weight:
            divergence = jnp.trace(derivative, axis1=1, axis2=2)
            total = total - self.weight * jnp.multiply.outer(divergence, value)
        if self.time:
            total = total.at[-1].add(-value)
        if self.factor is None:
            return total
        return jnp.concatenate([total, jnp.multiply.outer(self.factor(x), value)])

    def constant(self) -> Float[np.ndarray, "q n n"] | None:
        """The matrices A_q on flattened tensors where they are the same at every point, as under affine motions."""
        if not isinstance(self.motion, Affine) or self.factor is not None:
            return None
        derivative, m = self.motion.matrices, self.motion.base_dimension
        n, rank = m ** len(self.shape), len(self.shape)
        total = np.zeros((len(derivative), n, n))
        for axis in range(rank):
            turned = derivative if axis < self.upper else -derivative.transpose(0, 2, 1)
            before, after = np.eye(m**axis), np.eye(m ** (rank - axis - 1))
            total += np.einsum("ab,qij,cd->qaicbjd", before, turned, after).reshape(total.shape)
        total -= self.weight * np.einsum("qii,no->qno", derivative, np.eye(n))
        if self.time:
            total[-1] -= np.eye(n)
        return total

    def transformation(self, matrix: np.ndarray, offset: np.ndarray) -> Any:
        """The push-forward of tensors by a linear map ``matrix`` of the base."""
        inverse = np.linalg.inv(matrix)

        def push(value: Array) -> Array:
            for axis in range(self.upper + self.lower):
                factor = matrix if axis < self.upper else inverse.T
                turned = jnp.tensordot(jnp.asarray(factor, value.dtype), jnp.moveaxis(value, axis, 0), 1)
                value = jnp.moveaxis(turned, 0, axis)
            return value * abs(np.linalg.det(matrix)) ** (-self.weight) if self.weight else value

        return push
