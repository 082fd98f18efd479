"""The nuclear norm for automatic differentiation, and the matrix roots of its variational form; JAX, any precision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def nuclear_norm(matrix: Float[Array, "k q"]) -> Float[Array, ""]:
    """The sum of singular values, with the subgradient of least norm.

    The derivative is ``<U V^T, dA>`` over the singular values that are not zero to rounding. It needs no difference of
    singular values, so it is finite and right where they coincide, and zero in directions where they vanish.

    >>> print(jax.grad(nuclear_norm)(jnp.zeros((3, 2))).sum())
    0.0
    """
    return jnp.sum(jnp.linalg.svd(matrix, full_matrices=False, compute_uv=False))


@nuclear_norm.defjvp
def _nuclear_norm_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (matrix,), (tangent,) = primals, tangents
    left, values, right = jnp.linalg.svd(jax.lax.stop_gradient(matrix), full_matrices=False)
    floor = jnp.finfo(matrix.dtype).eps * max(matrix.shape) * jnp.max(values, initial=0.0)
    polar = (left * (values > floor)) @ right
    return jnp.sum(values), jnp.sum(polar * tangent)


@jax.custom_jvp
def euclidean_norm(vector: Float[Array, " n"]) -> Float[Array, ""]:
    """The Euclidean norm, with gradient zero at zero."""
    return jnp.sqrt(jnp.sum(vector**2))


@euclidean_norm.defjvp
def _euclidean_norm_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (vector,), (tangent,) = primals, tangents
    size = jnp.sqrt(jnp.sum(vector**2))
    unit = vector / jnp.where(size > 0, size, 1.0)
    return size, jnp.sum(unit * tangent)


def whitening(gram: Float[Array, "q q"], floor: float) -> tuple[Float[Array, "q q"], Float[Array, ""]]:
    """``(G + e)^{-1/4}``, whose square is the weight of the variational form, and the trace of ``(G + e)^{1/2}``.

    ``e`` is ``floor`` times the mean eigenvalue: ``||A||_* = inf over S > 0 of (tr(A^T A S^{-1}) + tr S) / 2`` is met
    at ``S = (A^T A)^{1/2}``, which has no inverse where A loses rank.
    """
    values, vectors = jnp.linalg.eigh(gram)
    values = jnp.maximum(values, 0.0)
    lifted = values + floor * jnp.mean(values) + jnp.finfo(gram.dtype).tiny
    return (vectors * lifted**-0.25) @ vectors.T, jnp.sum(jnp.sqrt(lifted))
