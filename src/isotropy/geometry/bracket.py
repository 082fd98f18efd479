"""Brackets of generators found among the candidates of an action, and the algebra that they span.

A generator of an action is a vector field on the whole bundle, (X(x), A(x) u), linear in the fibre; its bracket needs
no list of structure constants, only derivatives. For groups the matrices do the same exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Array, Float

from ..errors import IsotropyError
from ..groups.algebra import LieAlgebra
from ..numerics.decide import closes, nameable
from .action import Action

POINTS = 64
"""Sample points at which brackets of vector fields are compared: many more equations than generators."""


NOT_CLOSED = "the generators do not close under the bracket: they are not all symmetries, or some are missing"


@dataclass(frozen=True)
class Span:
    """The algebra of a span of generators, and how it closes.

    ``algebra`` is that of the largest closed part, or None, with a ``reason``, where a bracket stays among the
    candidates but leaves the span, or where the generators are too uncertain to say; ``residual`` is the relative size
    of what leaves; ``truncated`` says that brackets leave the candidates.
    """

    algebra: LieAlgebra | None
    residual: float
    truncated: bool
    reason: str = ""


def point_count(action: Action) -> int:
    """How many points brackets are compared at: fewer values than candidates could not tell a field from theirs."""
    return max(POINTS, -(-2 * action.dimension // action.base_dimension))


def span(
    action: Action,
    found: Float[np.ndarray, "d q"],
    unseen: Float[np.ndarray, "u q"],
    *,
    points: Float[np.ndarray, "p m"],
    noise: float,
    modulo: Callable[[Float[np.ndarray, "... p b"]], np.ndarray] | None = None,
) -> Span:
    """The algebra spanned by ``found`` modulo ``unseen`` (rows of coefficients), known to relative error ``noise``.

    ``modulo`` is a linear map of the values of a field at ``points`` whose kernel is an ideal: the quotient by it is
    taken, for fields with coefficients from a space.
    """
    if len(found) == 0:
        return Span(None, 0.0, False)
    exact = action.matrices is not None
    if exact:
        vectors, products, candidates = _matrix_brackets(action, found, unseen, noise)
        terms = np.zeros((len(found), len(found)))
    else:
        vectors, products, candidates, terms = _field_brackets(action, found, points)
        if modulo is not None:
            vectors, products, candidates = (
                modulo(values.reshape(*values.shape[:-1], -1, action.base_dimension + action.fibre_dimension))
                for values in (vectors, products, candidates)
            )
    d, size = len(found), np.linalg.norm(vectors[: len(found)], axis=1)
    unit = vectors / np.concatenate([size, np.ones(len(vectors) - d)])[:, None]
    products = products / np.multiply.outer(size, size)[:, :, None]
    # Brackets of unit matrices are of size one unless they commute, and then what is left of them is noise; brackets of
    # fields are of the size of their two terms unless these cancel.
    smallest = 1.0 if exact else float((terms / np.multiply.outer(size, size)).max(initial=np.finfo(np.float64).eps))
    scale = max(np.linalg.norm(products, axis=2).max(initial=0.0), smallest)
    outside = products - _project(unit, products)
    residual = float(np.linalg.norm(outside, axis=2).max(initial=0.0) / scale)
    if not nameable(noise):
        return Span(
            None, residual, False, f"the generators are known to {noise:.1%} only, too little to name their span"
        )
    if closes(residual, noise=noise, size=action.dimension):
        faithful = exact and (len(unseen) == 0 or d == 1)
        return _named(action, found, unit, products, residual, noise=noise, faithful=faithful, truncated=False)
    if exact:
        return Span(None, residual, False, NOT_CLOSED)
    beyond = products - _project(candidates, products)
    if closes(float(np.linalg.norm(beyond, axis=2).max() / scale), noise=noise, size=action.dimension):
        return Span(None, residual, False, NOT_CLOSED)
    part = _closed_part(outside / scale, noise, action.dimension)
    inner = np.einsum("ai,bj,ijk->abk", part, part, products)
    rows = part @ found, part @ unit
    return _named(action, *rows, inner, residual, noise=noise, faithful=False, truncated=True)


def _named(
    action: Action,
    found: np.ndarray,
    unit: np.ndarray,
    products: np.ndarray,
    residual: float,
    *,
    noise: float,
    faithful: bool,
    truncated: bool,
) -> Span:
    try:
        algebra = _algebra(action, found, unit, products, noise, faithful)
    except IsotropyError as refusal:
        return Span(None, residual, truncated, f"the generators are too uncertain to name their span: {refusal}")
    return Span(algebra, residual, truncated)


def _matrix_brackets(
    action: Action, found: np.ndarray, unseen: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert action.matrices is not None
    stack = _balanced(np.tensordot(np.concatenate([found, unseen]), action.matrices, 1), noise)
    first = stack[: len(found)]
    products = np.einsum("aij,bjk->abik", first, first)
    products = products - products.transpose(1, 0, 2, 3)
    return _real(stack, 1), _real(products, 2), np.zeros((0, 0))


def _balanced(matrices: np.ndarray, noise: float) -> np.ndarray:
    """The matrices in coordinates whose units suit them, powers of two apart from the user's: an exact isomorphism.

    Entries that are zero to within ``noise`` have no say: units that made them as large as the others would turn an
    error of 1e-16 into one of 1e-8.
    """
    size = np.linalg.norm(matrices, axis=(1, 2), keepdims=True)
    relative = np.abs(matrices) / np.where(size > 0, size, 1.0)
    total = np.sum(np.where(relative > noise, relative, 0.0), axis=0)
    units = sla.matrix_balance(total, permute=False, separate=True)[1][0]
    return matrices * units / units[:, None]


def _real(values: np.ndarray, axes: int) -> np.ndarray:
    flat = values.reshape(*values.shape[:axes], -1)
    return np.concatenate([np.real(flat), np.imag(flat)], axis=-1) if np.iscomplexobj(flat) else flat


def _field_brackets(
    action: Action, found: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fields and minus their brackets on the bundle, as long vectors of values at sample points (convention C3).

    Then those of all candidates, and the sizes of one of the two terms of each bracket.
    """
    m, shape = action.base_dimension, action.fibre_shape
    count = point_count(action)
    spread = points if len(points) <= count else points[np.linspace(0, len(points) - 1, count).astype(int)]

    def bundle(z: Array) -> Array:
        x, value = z[:m], z[m:].reshape(shape)
        return jnp.concatenate([action.base(x), action.fibre(x, value).reshape(action.dimension, -1)], axis=1)

    def brackets(z: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
        every = bundle(z)
        fields = weights @ every
        derivative = jnp.tensordot(weights, jax.jacfwd(bundle)(z), 1)
        along = jnp.einsum("bij,aj->abi", derivative, fields)
        return fields, along.transpose(1, 0, 2) - along, every, along

    with jax.enable_x64(True):
        values = np.random.default_rng(0).standard_normal((len(spread), action.fibre_dimension))
        z = jnp.asarray(np.concatenate([np.asarray(spread, dtype=np.float64), values], axis=1))
        fields, products, every, along = jax.jit(jax.vmap(brackets, in_axes=(0, None)))(z, jnp.asarray(found))
    d, q = len(found), action.dimension
    flat = np.asarray(fields).transpose(1, 0, 2).reshape(d, -1)
    pairs = np.asarray(products).transpose(1, 2, 0, 3).reshape(d, d, -1)
    return flat, pairs, np.asarray(every).transpose(1, 0, 2).reshape(q, -1), np.linalg.norm(along, axis=(0, 3))


def _project(rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The orthogonal projection of ``targets`` (…, k) on the span of ``rows``."""
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    kept = right[values > np.finfo(np.float64).eps * max(rows.shape) * values[:1].max(initial=0.0)]
    return (targets @ kept.T) @ kept


def _algebra(
    action: Action, found: np.ndarray, unit: np.ndarray, products: np.ndarray, noise: float, faithful: bool
) -> LieAlgebra | None:
    if faithful and action.matrices is not None:
        matrices = np.tensordot(found, action.matrices, 1)
        if len(found) == 1 or np.array_equal(_balanced(matrices, noise), matrices):
            scale = float(np.abs(matrices).max(initial=0.0))
            return LieAlgebra(matrices, noise=noise * scale, check=False)
    d = len(found)
    if d == 0:
        return None
    constants = np.linalg.lstsq(unit.T, products.reshape(d * d, -1).T, rcond=None)[0][:d].T.reshape(d, d, d)
    constants = (constants - constants.transpose(1, 0, 2)) / 2
    size = float(np.abs(constants).max(initial=0.0))
    condition = float(np.linalg.cond(unit[:d]))
    return LieAlgebra.from_structure_constants(constants, noise=noise * condition * max(size, 1.0))


def _closed_part(outside: np.ndarray, noise: float, size: int) -> np.ndarray:
    """Rows spanning h within the found span with [h, h] in h: repeatedly, those whose brackets with all others stay."""
    rows = np.eye(len(outside))
    while len(rows):
        leak = np.einsum("ai,bj,ijk->abk", rows, rows, outside).reshape(len(rows), -1)
        # Right vectors to the full width of all brackets at all points would fill the memory, and are not needed.
        left, values, _ = np.linalg.svd(leak, full_matrices=len(leak) > leak.shape[1])
        values = np.concatenate([values, np.zeros(len(rows) - len(values))])
        stays = np.array([closes(float(value), noise=noise, size=size) for value in values])
        if stays.all():
            break
        rows = left.T[stays] @ rows
    return rows
