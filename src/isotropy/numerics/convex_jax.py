"""The nuclear-norm least squares problem as one jitted JAX function: float32 or float64, batched by `jax.vmap`, GPU."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..errors import IsotropyError
from .admm import BALANCE, RELAXATION, START


class DeviceSolution(NamedTuple):
    """Coefficients, the primal value, a certified gap (no minimiser is lower by more) and the steps taken."""

    coefficients: Float[Array, "f c"]
    value: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]


class _Carry(NamedTuple):
    w: Array
    copy: Array
    multiplier: Array
    rho: Array
    count: Array
    best: Array
    best_value: Array
    best_gap: Array


def nuclear_least_squares(
    design: Float[Array, "n f"],
    targets: Float[Array, "n ..."],
    operator: Float[Array, "k q f"],
    strength: Float[Array, ""] | float,
    *,
    tolerance: float | None = None,
    iterations: int = 5000,
) -> DeviceSolution:
    """Minimise ``|design w - targets|^2 / (2 n) + strength ||A(w)||_*`` for a dense operator A.

    ``targets`` has shape (n, c), or (n,) for one column; coefficients have shape (f, c). The matrices of the c columns
    are stacked, (k c, q). It runs in the precision of its arguments and stops at a relative duality gap of
    ``tolerance``, by default the square root of that precision's eps. The gap of the best iterate comes back whether it
    converged or not: compare it before use. For exact work on the host, and other losses, use `convex.minimise`.

    Raises `IsotropyError` for shapes that do not fit, NaN or infinity, and a ``strength`` or ``tolerance`` that is not
    positive. Values that JAX traces cannot be checked: inside `jit` or `vmap` see to it that ``strength`` > 0.
    """
    design, targets, operator = (
        _array(value, name, ndim)
        for value, name, ndim in ((design, "design", (2,)), (targets, "targets", (1, 2)), (operator, "operator", (3,)))
    )
    targets = targets[:, None] if targets.ndim == 1 else targets
    (n, f), rows, columns = design.shape, len(targets), operator.shape[2]
    if rows != n or columns != f:
        raise IsotropyError(
            f"`targets` needs the {n} rows of `design` and `operator` its {f} columns as the last axis. "
            f"Got {rows} and {columns}."
        )
    _positive(strength, "strength", ": without the norm this is least squares, see `jnp.linalg.lstsq`")
    if tolerance is not None:
        _positive(tolerance, "tolerance")
    if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer) or iterations < 1:
        raise IsotropyError(f"`iterations` must be a positive integer. Got {iterations!r}.")
    dtype = jnp.result_type(design, targets, operator)
    design, targets, operator = (jnp.asarray(a, dtype) for a in (design, targets, operator))
    limit = jnp.sqrt(jnp.finfo(dtype).eps) if tolerance is None else tolerance
    return _solve(
        design, targets, operator, jnp.asarray(strength, dtype), jnp.asarray(limit, dtype), iterations=int(iterations)
    )


def _array(value: Any, name: str, ndim: tuple[int, ...]) -> Array:
    """``value`` as real floating-point numbers, finite where they are known."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise IsotropyError(f"`{name}` must be an array of numbers. Got {type(value).__name__}.") from None
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise IsotropyError(f"`{name}` must be real. Got {array.dtype}.")
    array = array.astype(jnp.result_type(array, float))
    if array.ndim not in ndim or not array.size:
        wanted = " or ".join(str(k) for k in ndim)
        raise IsotropyError(f"`{name}` must have {wanted} axes and at least one entry. Got shape {array.shape}.")
    if not isinstance(array, Tracer) and not bool(jnp.isfinite(array).all()):
        raise IsotropyError(f"`{name}` has NaN or infinite entries: leave those rows out.")
    return array


def _positive(value: Any, name: str, remedy: str = "") -> None:
    if isinstance(value, Tracer):
        return
    number = np.asarray(value)
    kind = jnp.issubdtype(number.dtype, jnp.floating) or np.issubdtype(number.dtype, np.integer)
    if number.ndim or not kind or not 0 < number < np.inf:
        several = ": use `jax.vmap` for several" if kind and number.ndim else remedy if kind and number == 0 else ""
        raise IsotropyError(f"`{name}` must be one finite number > 0. Got {value!r}{several}.")


@partial(jax.jit, static_argnames=("iterations",))
def _solve(
    design: Float[Array, "n f"],
    targets: Float[Array, "n c"],
    operator: Float[Array, "k q f"],
    strength: Float[Array, ""],
    limit: Float[Array, ""],
    *,
    iterations: int,
) -> DeviceSolution:
    """`nuclear_least_squares` of arguments of one precision."""
    dtype = design.dtype
    eps = jnp.finfo(dtype).eps
    (n, f), c, (k, q, _) = design.shape, targets.shape[1], operator.shape
    flat = operator.reshape(k * q, f)
    own, gram, constant = design.T @ design / n, flat.T @ flat, design.T @ targets / n
    ratio = jnp.trace(own) / jnp.maximum(jnp.trace(gram), jnp.finfo(dtype).tiny)
    values, vectors = jnp.linalg.eigh(own + ratio * gram)
    white = vectors * jnp.where(values > eps * f * values[-1], jax.lax.rsqrt(jnp.maximum(values, eps * values[-1])), 0)
    first, rotation = jnp.linalg.eigh(white.T @ own @ white)
    first = jnp.clip(first, 0.0, 1.0)
    basis = white @ rotation

    def forward(w: Array) -> Array:
        return (flat @ w).reshape(k, q, c).transpose(0, 2, 1).reshape(k * c, q)

    def adjoint(matrix: Array) -> Array:
        return flat.T @ matrix.reshape(k, c, q).transpose(0, 2, 1).reshape(k * q, c)

    def step(rho: Array, b: Array) -> Array:
        scale = 1.0 / jnp.maximum(first + rho * (1.0 - first) / ratio, eps)
        return basis @ (scale[:, None] * (basis.T @ (constant + rho * b)))

    def loss(w: Array) -> Array:
        return 0.5 * jnp.sum((design @ w - targets) ** 2) / n

    def shrink(matrix: Array, threshold: Array) -> Array:
        left, singular, right = jnp.linalg.svd(matrix, full_matrices=False)
        return (left * jnp.maximum(singular - threshold, 0.0)) @ right

    lowest = loss(step(jnp.asarray(0.0, dtype), jnp.zeros((f, c), dtype)))

    def certificate(w: Array, image: Array, dual: Array) -> tuple[Array, Array]:
        value = loss(w)
        gradient = own @ w - constant
        scale = jnp.minimum(1.0, strength / jnp.maximum(jnp.linalg.norm(dual, 2), jnp.finfo(dtype).tiny))
        residual = jnp.linalg.norm(gradient + adjoint(dual)) * jnp.linalg.norm(w)
        total = value + strength * jnp.sum(jnp.linalg.svd(image, compute_uv=False))
        bound = scale * (value + jnp.sum(dual * image)) + (1.0 - scale) * lowest - residual
        return total, jnp.maximum(total - bound, 0.0)

    def advance(carry: _Carry) -> _Carry:
        image = forward(carry.w)
        point = RELAXATION * image + (1.0 - RELAXATION) * carry.copy + carry.multiplier
        copy = shrink(point, strength / carry.rho)
        multiplier = point - copy
        w = step(carry.rho, adjoint(copy - multiplier))
        image = forward(w)
        count = carry.count + 1

        def look(_: None) -> tuple[Array, Array, Array, Array]:
            total, gap = certificate(w, image, carry.rho * (image - copy + multiplier))
            better = gap < carry.best_gap
            primal, dual = jnp.linalg.norm(image - copy), jnp.linalg.norm(copy - carry.copy)
            factor = jnp.where(primal > 3 * dual, 2.0, jnp.where(dual > 3 * primal, 0.5, 1.0)).astype(dtype)
            return (
                jnp.where(better, w, carry.best),
                jnp.where(better, total, carry.best_value),
                jnp.where(better, gap, carry.best_gap),
                factor,
            )

        def skip(_: None) -> tuple[Array, Array, Array, Array]:
            return carry.best, carry.best_value, carry.best_gap, jnp.asarray(1.0, dtype)

        best, value, gap, factor = jax.lax.cond(count % BALANCE == 0, look, skip, None)
        return _Carry(w, copy, multiplier / factor, carry.rho * factor, count, best, value, gap)

    def unfinished(carry: _Carry) -> Array:
        return (carry.count < iterations) & (carry.best_gap > limit * jnp.abs(carry.best_value))

    w = step(1e-3 * ratio, jnp.zeros((f, c), dtype))
    image = forward(w)
    top = jnp.maximum(jnp.linalg.norm(image, 2), jnp.finfo(dtype).tiny)
    infinite = jnp.asarray(jnp.inf, dtype)
    start = _Carry(
        w, image, jnp.zeros_like(image), strength / (START * top), jnp.asarray(0), w, jnp.zeros_like(infinite), infinite
    )  # fmt: skip
    end = jax.lax.while_loop(unfinished, advance, start)
    return DeviceSolution(end.best, end.best_value, end.best_gap, end.count)
