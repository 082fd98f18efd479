"""For users' own tests: is this model equivariant, to the rounding of its own precision?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Array, Float

from . import validate
from .errors import IsotropyError, IsotropyWarning
from .geometry.action import Action
from .geometry.component import Component
from .geometry.fibre import Linear, Tensor
from .geometry.motion import Affine
from .geometry.sample import Samples
from .geometry.section import value_shape
from .lie import LieDerivative
from .numerics.decide import numerical_floor

SAMPLES = 32
"""Points drawn where none are given."""

TRIES = 3
"""Random combinations of generators, and random elements of the group, that are tried."""

HEADROOM = 8.0
"""How many roundings of each term are allowed: a product, a sum and the derivative's own make a few."""


@dataclass(frozen=True)
class _Element:
    """One element g of the group, homogeneous: ``theta`` moves points, ``untheta`` is Theta_g^{-1} on flat values."""

    theta: Float[np.ndarray, "m+1 m+1"]
    untheta: Float[np.ndarray, "n+1 n+1"]


@dataclass(frozen=True)
class _Defect:
    """How far a model is from one condition at each sample, as a fraction of the terms that should cancel."""

    condition: str
    relative: Float[np.ndarray, " p"]


def assert_equivariant(
    model: Any, action: Action, *, samples: Samples | None = None, seed: int = 0, rtol: float | None = None
) -> None:
    """Raise `AssertionError` unless ``model`` is equivariant under ``action``.

    Tried are every generator's Lie derivative (by random combinations as well as one by one), finite group elements
    exp(xi) for random xi, and each component's representative, at every sample. The message names the condition in
    words, the sample where it fails most, and the defect as a fraction of the terms that should cancel.

    ``samples`` are normal points unless given; their precision is that of the test, JAX's default unless given. The
    tolerance is eps(dtype) * size * scale with the coarsest precision among samples, values and the model's own
    arrays, and as size the number of terms that are added up along the model (its inputs, outputs, and the longest
    axis of each of its arrays); ``rtol`` replaces all of it. Fields whose coefficients come from a space have no
    finite elements in closed form: their generators alone are tried.

    A model that is zero at every sample passes, as it must, and draws an `IsotropyWarning`.

    >>> from isotropy import groups
    >>> V = groups.SO(3).vector
    >>> assert_equivariant(lambda x: (x @ x) * x, Action(V, V))
    >>> assert_equivariant(lambda x: x + 0.01, Action(V, V))
    Traceback (most recent call last):
    AssertionError: the model is not equivariant under V -> V of SO(3): ...
    """
    if not isinstance(action, Action):
        raise IsotropyError(
            f"`action` says how a group acts, for example `iso.Action(V, V)`. Got {type(action).__name__}."
        )
    if samples is None:
        precision = jnp.result_type(float)
        samples = Samples.normal(SAMPLES, action.base_dimension, seed=seed, dtype=precision)
    operator = LieDerivative.of(model, action, samples)
    tolerance = _tolerance(model, action, samples, rtol)
    rng = np.random.default_rng(seed)
    conditions, moved = _elements(action, rng)
    values, defects = _pulled_back(model, action, samples, moved)
    if not values.any():
        warnings.warn(
            "the model is zero at every sample, which is equivariant under anything: check that it can be anything "
            "else.",
            IsotropyWarning,
            stacklevel=2,
        )
    finite = [_Defect(text, relative) for text, relative in zip(conditions, defects, strict=True)]
    for defect in (*_generators(operator, rng), *finite):
        if not (defect.relative <= tolerance).all():
            _fail(action, samples, operator.dtype, defect, tolerance)


def _tolerance(model: Any, action: Action, samples: Samples, rtol: float | None) -> float:
    if rtol is not None:
        value = float(validate.array(rtol, "rtol", ndim=0))
        if value < 0:
            raise IsotropyError(f"`rtol` must not be negative. Got {rtol!r}.")
        return value
    arrays = [
        leaf
        for leaf in jax.tree_util.tree_leaves(model)
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
    _, dtype = value_shape(model, action, samples.points.dtype)
    precisions = [samples.points.dtype, dtype, *(leaf.dtype for leaf in arrays)]
    coarsest = max(precisions, key=lambda precision: float(jnp.finfo(precision).eps))
    terms = action.base_dimension + action.fibre_dimension + sum(max(leaf.shape, default=1) for leaf in arrays)
    eps = float(jnp.finfo(coarsest).eps) / float(np.finfo(np.float64).eps)
    return eps * numerical_floor(np.float64, terms, HEADROOM)


def _generators(operator: LieDerivative, rng: np.random.Generator) -> Iterator[_Defect]:
    """Each generator, then random combinations: L(xi, F) against |DF| |X| + |A F|."""
    q, n = operator.action.dimension, operator.action.fibre_dimension
    if q == 0:
        return
    moved, fixed = operator.magnitudes(count=len(operator.samples))
    weights = np.sqrt(operator.samples.weights)[:, None, None]
    rows = np.concatenate(list(operator.blocks())).reshape(-1, n, q) / np.where(weights > 0, weights, np.inf)
    for coefficients in (*np.eye(q), *(_unit(rng, q) for _ in range(TRIES))):
        defect = np.linalg.norm(rows @ coefficients, axis=1)
        scale = np.linalg.norm((moved + fixed) @ np.abs(coefficients), axis=1)
        # A generator that moves neither a point nor a value has nothing to cancel.
        text = operator.action.describe(coefficients)
        yield _Defect(f"the generator {text}", defect / np.where(scale > 0, scale, 1.0))


def _unit(rng: np.random.Generator, q: int) -> np.ndarray:
    coefficients = rng.standard_normal(q)
    return coefficients / np.linalg.norm(coefficients)


def _elements(action: Action, rng: np.random.Generator) -> tuple[list[str], list[_Element]]:
    """exp(xi) for random xi, and the representative of each component, with words for each."""
    words, found = [], []
    if isinstance(action.motion, Affine) and action.factor is None and action.dimension:
        for _ in range(TRIES):
            coefficients = _unit(rng, action.dimension)
            words.append(f"the element exp({action.describe(coefficients)})")
            found.append(_exponential(action, coefficients))
    for k, component in enumerate(action.components):
        matrix = np.array2string(component.matrix, precision=3, suppress_small=True, threshold=36).replace("\n", "")
        words.append(f"component {k}, the element {matrix}")
        found.append(_of_component(action, component))
    return words, found


def _exponential(action: Action, coefficients: np.ndarray) -> _Element:
    motion, value = action.motion, action.value_motion
    assert isinstance(motion, Affine)
    forward = _homogeneous(motion.matrices, motion.offsets, coefficients)
    if isinstance(value, Tensor):
        return _Element(forward, _tensor_matrix(value, np.linalg.inv(forward[:-1, :-1])))
    assert isinstance(value, Linear)
    return _Element(forward, _homogeneous(value.matrices, value.offsets, -coefficients))


def _homogeneous(matrices: np.ndarray, offsets: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    size = matrices.shape[1]
    generator = np.zeros((size + 1, size + 1))
    generator[:size, :size] = np.tensordot(coefficients, matrices, 1)
    generator[:size, size] = coefficients @ offsets
    return sla.expm(generator)


def _tensor_matrix(kind: Tensor, matrix: np.ndarray) -> np.ndarray:
    """The push-forward of flattened tensors by ``matrix``, homogeneous."""
    inverse = np.linalg.inv(matrix).T
    product = reduce(np.kron, [matrix] * kind.upper + [inverse] * kind.lower, np.eye(1))
    return np.asarray(sla.block_diag(product * abs(np.linalg.det(matrix)) ** (-kind.weight), 1.0))


def _of_component(action: Action, component: Component) -> _Element:
    """The matrices of a representative, read off from what it does to the origin and to unit vectors."""
    m, shape = action.base_dimension, action.fibre_shape
    with jax.enable_x64(True):
        points = np.asarray(jax.vmap(component.theta)(jnp.eye(m + 1, m)))
        units = jnp.eye(action.fibre_dimension + 1, action.fibre_dimension).reshape(-1, *shape)
        values = np.asarray(jax.vmap(component.untheta)(units)).reshape(len(units), -1)
    return _Element(_from_images(points), _from_images(values))


def _from_images(images: np.ndarray) -> np.ndarray:
    """The homogeneous matrix of the affine map with these images of the unit vectors and, last, of the origin."""
    size = images.shape[1]
    matrix = np.eye(size + 1)
    matrix[:size, :size] = (images[:-1] - images[-1]).T
    matrix[:size, size] = images[-1]
    return matrix


def _pulled_back(
    model: Any, action: Action, samples: Samples, elements: list[_Element]
) -> tuple[np.ndarray, Float[np.ndarray, "g p"]]:
    """The model's values, and for each element the relative size of K_g F - F at each sample."""
    m, n = action.base_dimension, action.fibre_dimension
    forward = np.array([element.theta for element in elements]).reshape(-1, m + 1, m + 1)
    backward = np.array([element.untheta for element in elements]).reshape(-1, n + 1, n + 1)
    with jax.enable_x64(True):
        points = jnp.asarray(samples.points)
        parts = _compare(model, jnp.asarray(forward, points.dtype), jnp.asarray(backward), points)
    values, left, scale = (np.asarray(part, dtype=np.float64) for part in parts)
    return values, (left / np.where(scale > 0, scale, 1.0)).T


@eqx.filter_jit
def _compare(model: Any, forward: Array, backward: Array, points: Array) -> tuple[Array, Array, Array]:
    def flat(x: Array) -> Array:
        return jnp.ravel(model(x))

    def at(x: Array) -> tuple[Array, Array, Array]:
        here = flat(x)
        theta, untheta = forward, backward.astype(here.dtype)
        moved = theta[:, :-1, :-1] @ x + theta[:, :-1, -1]
        back = jnp.einsum("gno,go->gn", untheta[:, :-1, :-1], jax.vmap(flat)(moved)) + untheta[:, :-1, -1]
        # The rounding of a moved point is magnified by the slope of the model, then by the way back.
        slope = jnp.abs(jax.vmap(jax.jacfwd(flat))(moved))
        rounded = jnp.einsum("gnm,gm->gn", slope, jnp.abs(theta[:, :-1, :-1]) @ jnp.abs(x) + jnp.abs(theta[:, :-1, -1]))
        spread = jnp.einsum("gno,go->gn", jnp.abs(untheta[:, :-1, :-1]), rounded)
        scale = jnp.linalg.norm(back, axis=1) + jnp.linalg.norm(here) + jnp.linalg.norm(spread, axis=1)
        return here, jnp.linalg.norm(back - here, axis=1), scale

    return jax.vmap(at)(points)


def _fail(action: Action, samples: Samples, dtype: Any, defect: _Defect, tolerance: float) -> None:
    finite = np.where(np.isfinite(defect.relative), defect.relative, np.inf)
    worst = int(finite.argmax())
    point = np.array2string(np.asarray(samples.points[worst]), precision=4, threshold=12).replace("\n", "")
    count = int((~(defect.relative <= tolerance)).sum())
    raise AssertionError(
        f"the model is not equivariant under {action.text}: {defect.condition} fails at {count} of {len(samples)} "
        f"samples, most at sample {worst}, x = {point}, with a relative defect of {defect.relative[worst]:.2e} against "
        f"a tolerance of {tolerance:.2e} ({dtype})"
    )
