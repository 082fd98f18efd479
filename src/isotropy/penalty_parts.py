"""What `Penalty` looks at: one model on points, or one operator on fields, and the rows of its Lie derivative."""

from __future__ import annotations

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

    def checked(self, inputs: Any) -> Array:
        """Points (b, m)."""
        where = jnp.asarray(inputs)
        if where.ndim != 2 or where.shape[1] != self.action.base_dimension:
            raise IsotropyError(f"`points` must have shape (b, {self.action.base_dimension}). Got {where.shape}.")
        return where

    def rows(self, model: Any, inputs: Array, weights: Array) -> Float[Array, "rows q"]:
        """L[model] for every candidate."""
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

    def checked(self, inputs: Any) -> Array:
        """Fields (b, *shape, n)."""
        return jnp.asarray(self.action.checked(inputs))

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
