"""What `Penalty` looks at: one model on points, or one operator on fields, and the rows of its Lie derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from . import lie, validate
from .errors import IsotropyError
from .fields.action import FieldAction
from .geometry.action import Action
from .geometry.component import Component, affine_parts
from .geometry.fibre import Linear
from .geometry.motion import Affine
from .geometry.sample import Samples
from .geometry.section import TRACING, first_line
from .groups.algebra import LieAlgebra
from .numerics.decide import CLEAR, numerical_floor

GLANCE = 64
"""Samples among which a candidate that moves anything is looked for first."""


class Part(Protocol):
    """A model's Lie derivative on a batch of inputs; all rows are weighted so that squares sum to means."""

    @property
    def dimension(self) -> int:
        """The number q of candidates."""
        ...

    @property
    def components(self) -> int:
        """The number of further elements."""
        ...

    @property
    def algebra(self) -> LieAlgebra | None:
        """The candidates' Lie algebra, where they have one."""
        ...

    @property
    def inputs(self) -> np.ndarray:
        """All inputs, the batch first."""
        ...

    @property
    def weights(self) -> np.ndarray:
        """Weights of the inputs, which sum to one."""
        ...

    def checked(self, inputs: Any) -> Array:
        """A batch of inputs as an array; raises `IsotropyError` where it is none."""
        ...

    def sees(self, *, elements: bool) -> bool:
        """Whether any candidate, or with ``elements`` any further element, moves an input or a value there."""
        ...

    def watched(self, model: Any, name: str) -> Callable[[Array], Array]:
        """``model``, which raises `IsotropyError` under its ``name`` where its output is not what the action moves."""
        ...

    def rows(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "rows q"]:
        """L[model] for every candidate."""
        ...

    def along(self, model: Any, inputs: Array, weights: Array, direction: Array) -> Float[Array, " rows"]:
        """L[model] for one combination of candidates, at the cost of one Jacobian-vector product."""
        ...

    def shifts(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "g rows"]:
        """K_g model - model for every further element."""
        ...


class PointPart:
    """A function of one point and its samples."""

    def __init__(self, action: Action, samples: Samples) -> None:
        if action.base_dimension != samples.dimension:
            raise IsotropyError(
                f"the samples are points of R^{samples.dimension}, but {action} acts on R^{action.base_dimension}."
            )
        if not action.fibre_dimension:
            raise IsotropyError(f"{action} moves no values, so no model breaks it: use `Action(group)`, for functions.")
        self.action = action
        self.inputs, self.weights = np.asarray(samples.points), np.asarray(samples.weights)
        costs = {"forward": action.base_dimension, "reverse": lie.REVERSE_COST * action.fibre_dimension}
        costs["generators"] = action.dimension
        self.mode: Any = min(costs, key=lambda name: costs[name])

    @property
    def dimension(self) -> int:
        """The number of candidates."""
        return self.action.dimension

    @property
    def components(self) -> int:
        """The number of further elements."""
        return len(self.action.components)

    @property
    def algebra(self) -> LieAlgebra | None:
        """The candidates' Lie algebra."""
        return self.action.algebra

    def checked(self, inputs: Any) -> Array:
        """Points (b, m)."""
        where = floating(inputs, "points", self.inputs.dtype)
        if where.ndim != 2 or where.shape[1] != self.action.base_dimension:
            raise IsotropyError(f"`points` must have shape (b, {self.action.base_dimension}). Got {where.shape}.")
        if not len(where):
            raise IsotropyError(f"`points` is empty (shape {where.shape}): pass at least one point.")
        return where

    def sees(self, *, elements: bool) -> bool:
        """Whether anything moves a sample or a value there."""
        points, precision = np.asarray(self.inputs[self.weights > 0], dtype=np.float64), self.inputs.dtype
        # Nearly always the first few settle it.
        parts = [some for some in (points[:GLANCE], points[GLANCE:]) if len(some)]
        if self.dimension and any(_moves(self.action, some, precision) for some in parts):
            return True
        return elements and any(_shifts(self.action, element, points, precision) for element in self.action.components)

    def watched(self, model: Any, name: str) -> Callable[[Array], Array]:
        """The model, its values checked as they are traced."""
        action, m = self.action, self.action.base_dimension
        evaluate = _evaluated(model, name, f"point of shape ({m},)")

        def value(x: Array) -> Array:
            out = evaluate(x)
            size = int(np.prod(out.shape, dtype=int))
            if size != action.fibre_dimension or (len(action.fibre_shape) > 1 and out.shape != action.fibre_shape):
                raise IsotropyError(
                    f"{name} returns shape {out.shape} at one point, but {action} acts on values of shape "
                    f"{action.fibre_shape}: return that, or change the second representation of the action."
                )
            return out

        return value

    def rows(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "rows q"]:
        """L[model] for every candidate."""
        if not self.dimension:
            return jnp.zeros((len(inputs) * self.action.fibre_dimension, 0), inputs.dtype)
        block = jax.vmap(partial(lie.derivative_at, model, self.action, self.mode))(inputs)
        return (jnp.sqrt(weights)[:, None, None] * block).reshape(-1, self.dimension)

    def along(self, model: Any, inputs: Array, weights: Array, direction: Array) -> Float[Array, " rows"]:
        """L[model] for one combination of candidates."""
        field, moved = _combine(self.action, direction)

        def at(x: Array) -> Array:
            value, along = jax.jvp(lambda z: jnp.ravel(model(z)), (x,), (field(x),))
            return along - moved(x, value)

        return (jnp.sqrt(weights)[:, None] * jax.vmap(at)(inputs)).ravel()

    def shifts(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "g rows"]:
        """K_g model - model for every further element."""
        root = jnp.sqrt(weights)[:, None]

        def at(x: Array, component: Component) -> Array:
            moved = component.untheta(jnp.reshape(model(component.theta(x)), self.action.fibre_shape))
            return jnp.ravel(moved) - jnp.ravel(model(x))

        return jnp.stack([(root * jax.vmap(partial(at, component=g))(inputs)).ravel() for g in self.action.components])


class FieldPart:
    """An operator from fields to fields, and fields (k, *shape, n) to look at it on.

    Rows are weighted by the shares of the grid's points. Further elements must take points of the grid to points of it,
    as quarter turns and reflections of a square do.
    """

    def __init__(self, action: FieldAction, fields: Any) -> None:
        self.action = action
        self.inputs = action.checked(validate.array(fields, "fields", ndim=None))
        self.weights = np.full(len(self.inputs), 1.0 / len(self.inputs))
        shares = action.grid_after.weights / action.grid_after.weights.sum()
        self.shares = shares.reshape(*action.grid_after.shape, 1)

    @property
    def dimension(self) -> int:
        """The number of candidates."""
        return self.action.dimension

    @property
    def components(self) -> int:
        """The number of further elements."""
        return len(self.action.action.components)

    @property
    def algebra(self) -> LieAlgebra | None:
        """The candidates' Lie algebra."""
        return self.action.action.algebra

    def checked(self, inputs: Any) -> Array:
        """Fields (b, *shape, n)."""
        return self.action.checked(floating(inputs, "fields", self.inputs.dtype))

    def sees(self, *, elements: bool) -> bool:
        """Taken for granted: whether a field is moved depends on its values."""
        return True

    def watched(self, model: Any, name: str) -> Callable[[Array], Array]:
        """The operator, its fields checked as they are traced."""
        shape, after = self.action.grid_after.shape, self.action.after
        evaluate = _evaluated(model, name, f"field of shape {self.inputs.shape[1:]}")

        def value(u: Array) -> Array:
            out = evaluate(u)
            channels = int(np.prod(out.shape[len(shape) :], dtype=int))
            if out.shape[: len(shape)] != shape or channels != after.fibre_dimension:
                raise IsotropyError(
                    f"{name} returns shape {out.shape} for one field, but {after} acts on fields of shape "
                    f"{(*shape, after.fibre_dimension)}: return that, or change the action's `after` or `grid_after`."
                )
            return out

        return value

    def rows(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "rows q"]:
        """L[model] for every candidate, by one Jacobian-vector product each."""
        eye = jnp.eye(self.dimension, dtype=inputs.dtype)
        return jax.vmap(lambda direction: self.along(model, inputs, weights, direction), out_axes=1)(eye)

    def along(self, model: Any, inputs: Array, weights: Array, direction: Array) -> Float[Array, " rows"]:
        """L[model] for one combination of candidates."""
        lie_derivative = self.action.lie

        def at(u: Array) -> Array:
            tangent = lie_derivative(u, direction)
            value, along = jax.jvp(model, (u,), (tangent,))
            return along - lie_derivative(value, direction, after=True)

        return self._weighted(jax.vmap(at)(inputs), weights)

    def shifts(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "g rows"]:
        """K_g model - model for every further element, K_g N being K_g^-1 after N after K_g."""
        found = []
        for before, after in zip(self.action.action.components, self.action.after.components, strict=True):
            there, back = self._mover(before, after=False), self._mover(after, after=True)

            def at(u: Array, there: Any = there, back: Any = back) -> Array:
                # N(K_g u) = K_g N(u), whichever side the element is moved to.
                return model(there(u)) - back(model(u))

            found.append(self._weighted(jax.vmap(at)(inputs), weights))
        return jnp.stack(found)

    def _mover(self, element: Component, *, after: bool) -> Any:
        grid = self.action.grid_after if after else self.action.grid
        action = self.action.after if after else self.action.action
        order = grid.places(np.asarray(jax.vmap(element.theta)(jnp.asarray(grid.points))))
        matrix, offset = affine_parts(element.untheta, action.fibre_shape)

        def move(u: Array) -> Array:
            flat = jnp.take(u.reshape(len(order), -1), order, axis=0)
            return (flat @ jnp.asarray(matrix.T, u.dtype) + jnp.asarray(offset, u.dtype)).reshape(u.shape)

        return move

    def _weighted(self, values: Array, weights: Array) -> Array:
        root = jnp.sqrt(jnp.asarray(self.shares, values.dtype))
        values = values.reshape(len(values), *self.action.grid_after.shape, -1) * root
        return (jnp.sqrt(weights).reshape(-1, *[1] * (values.ndim - 1)) * values).ravel()


def _combine(action: Action, direction: Array) -> tuple[Any, Any]:
    """The field x -> X(x) and the fibre motion (x, u) -> A(x) u of one combination of generators.

    Constant matrices are combined first, so that the cost at a point does not grow with the number of generators.
    """
    motion, fibre = action.motion, action.value_motion
    if isinstance(motion, Affine) and action.factor is None:
        matrix = jnp.tensordot(direction, jnp.asarray(motion.matrices, direction.dtype), 1)
        offset = direction @ jnp.asarray(motion.offsets, direction.dtype)
        field = lambda x: matrix @ x + offset  # noqa: E731
    else:
        field = lambda x: jnp.tensordot(direction, action.base(x), 1)  # noqa: E731
    if isinstance(fibre, Linear):
        inner = jnp.tensordot(direction, jnp.asarray(fibre.matrices, direction.dtype), 1)
        shift = direction @ jnp.asarray(fibre.offsets, direction.dtype)
        return field, lambda x, u: inner @ u + shift
    return field, lambda x, u: jnp.ravel(jnp.tensordot(direction, action.fibre(x, u.reshape(action.fibre_shape)), 1))


def floating(value: Any, name: str, dtype: Any) -> Array:
    """``value`` as a JAX array of real floating-point numbers: as it is, or in the precision ``dtype`` if it has none.

    Raises `IsotropyError` for what is not numeric or is complex. Traced values will do.
    """
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as reason:
        raise IsotropyError(
            f"`{name}` must be an array of numbers. Got {type(value).__name__} that does not convert: "
            f"{first_line(reason)}"
        ) from None
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise IsotropyError(f"`{name}` must be real. Got {array.dtype}: pass its real and imaginary parts.")
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return array.astype(jax.dtypes.canonicalize_dtype(dtype))


def same_brackets(first: LieAlgebra, second: LieAlgebra) -> bool:
    """Whether two bases of q generators have the same brackets, to rounding.

    Algebras known to a noise only are taken at their word, as are all of one dimension that commute.
    """
    one, two = first.matrices, second.matrices
    if one is None or two is None or first.noise or second.noise or not len(one):
        return True
    if one.shape == two.shape and np.array_equal(one, two):
        return True
    sizes = np.linalg.norm(np.concatenate([one.reshape(len(one), -1).T, two.reshape(len(two), -1).T]), axis=0)
    # A coefficient of [e_i, e_j] on e_k is of order |e_i| |e_j| / |e_k| before anything cancels.
    floor = numerical_floor(float, len(one), float(sizes.max() ** 2 / sizes.min()))
    return bool(np.abs(first.structure_constants - second.structure_constants).max() <= CLEAR * floor)


def _evaluated(model: Any, name: str, what: str) -> Callable[[Array], Array]:
    """``model`` as a function to arrays that says clearly where it is none."""
    if not callable(model):
        layers = ": for layers give `Penalty` as many actions and samples" if isinstance(model, Sequence) else ""
        raise IsotropyError(f"{name} must be a function of one {what}. Got {type(model).__name__}{layers}.")

    def value(x: Array) -> Array:
        try:
            out = model(x)
        except IsotropyError:
            raise
        except TRACING as reason:
            raise IsotropyError(
                f"{name} could not be evaluated by JAX at one {what}: {first_line(reason)} Write it with `jax.numpy`, "
                f"without a batch axis."
            ) from reason
        if not isinstance(out, jax.Array | np.ndarray | np.generic | float):
            raise IsotropyError(f"{name} must return one array of floating-point numbers. Got {type(out).__name__}.")
        out = jnp.asarray(out)
        if not jnp.issubdtype(out.dtype, jnp.floating):
            raise IsotropyError(f"{name} must return real floating-point numbers. Got {out.dtype}.")
        return out

    return value


def _moves(action: Action, points: Float[np.ndarray, "p m"], precision: Any) -> bool:
    """Whether any generator moves any of the points, or the values there."""
    motion, fibre = action.motion, action.value_motion
    fields, floor = action.fields(points), np.zeros(())
    if isinstance(motion, Affine):
        # What rounding of the points leaves of a fixed point.
        size = np.einsum("qij,pj->pqi", np.abs(motion.matrices), np.abs(points)) + np.abs(motion.offsets)
        floor = numerical_floor(precision, action.base_dimension + 1, 1.0) * size
    if (np.abs(fields) > floor).any():
        return True
    if isinstance(fibre, Linear):
        return bool(fibre.matrices.any() or fibre.offsets.any())
    return bool(action.fibre_matrices(points).any())


def _shifts(action: Action, element: Component, points: Float[np.ndarray, "p m"], precision: Any) -> bool:
    """Whether one further element moves any of the points, or any value."""
    m, n = action.base_dimension, action.fibre_dimension
    matrix, offset = affine_parts(element.theta, (m,))
    size = np.abs(points) @ (np.abs(matrix) + np.eye(m)).T + np.abs(offset)
    moved = np.abs(points @ (matrix - np.eye(m)).T + offset)
    if (moved > numerical_floor(precision, m + 1, 1.0) * size).any():
        return True
    back, shift = affine_parts(element.untheta, action.fibre_shape)
    return bool((np.abs(back - np.eye(n)) > numerical_floor(float, n, 1.0)).any() or shift.any())
