"""A group acting on fields: (K_g u)(x) = Theta_g^{-1} u(theta_g x), and its generators L_xi u (convention C1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.cloud import Cloud
from ..geometry.component import Component
from ..geometry.data import Data
from ..geometry.estimate import Estimate
from ..geometry.trained import Trained
from ..groups.group import Group
from .fitted import FittedOperator, FittedView
from .generators import Generator, action_of
from .grid import Grid
from .view import EXACT, FieldView

if TYPE_CHECKING:
    from .trained import TrainedFields


class FieldAction:
    """Candidates moving fields on a grid: points by ``action.base``, values by ``action.fibre``.

    ``action`` is an `iso.Action` from the grid's coordinates to the values of a field (a group means its points and one
    scalar channel), or a list of generators such as `fields.translation`. ``after`` says how the operator's outputs
    move, by default as its inputs; ``grid_after`` where they live. Outputs of other channels need an ``after`` of their
    own. With ``increment`` an operator is judged by the change N(u) - u: a short step in time hardly differs
    from doing nothing, which has every symmetry. ``coarse`` is the same operator on ``grid.coarser()``, with longer
    steps in time if it takes any: how far the defects move estimates the discretisation's own. ``coarse="exact"``
    says that the operator is not the discretisation of anything, such as a trained network. With neither, small
    defects cannot be told from those of the discretisation.

    `lie` and `move` are L_xi u and K_g u. ``iso.discover(operator, FieldAction(...), fields)`` takes it from there.

    >>> from isotropy import groups
    >>> from isotropy.fields import Periodic
    >>> FieldAction(Periodic((16, 16)), groups.SE(2))
    FieldAction(P -> S of SE(2), on Periodic(16 x 16 points, periods 1 x 1))
    """

    def __init__(
        self,
        grid: Grid,
        action: Action | Group | Sequence[Generator],
        *,
        after: Action | None = None,
        grid_after: Grid | None = None,
        increment: bool = False,
        coarse: Callable[[Any], Any] | str | None = None,
    ) -> None:
        if not isinstance(grid, Grid):
            raise IsotropyError(
                f"`grid` says where the fields live. Got {type(grid).__name__}: pass for example "
                f"`fields.Periodic((64, 64))`."
            )
        if isinstance(action, Group):
            action = Action(action)
        elif not isinstance(action, Action):
            listed = tuple(action)
            action, after = action_of(listed), after or action_of(listed, after=True)
        self.grid, self.action, self.after = grid, action, after or action
        self.grid_after = grid_after or grid
        for side, where in ((self.action, grid), (self.after, self.grid_after)):
            if side.base_dimension != where.dimension:
                raise IsotropyError(
                    f"{side} acts on R^{side.base_dimension}, but {where} has {where.dimension} coordinates: choose "
                    f"candidates for {where.dimension}."
                )
        if self.after.dimension != self.action.dimension:
            raise IsotropyError(
                f"the same candidates must move inputs and outputs. Got {self.action.dimension} before and "
                f"{self.after.dimension} after the operator."
            )
        if increment and (self.after.fibre_shape != self.action.fibre_shape or self.grid_after is not self.grid):
            raise IsotropyError("`increment` compares N(u) with u: both must have the same channels and grid.")
        if not (coarse is None or coarse == EXACT or callable(coarse)):
            raise IsotropyError(f"`coarse` must be an operator on the coarser grid, or 'exact'. Got {coarse!r}.")
        self.increment, self.coarse = increment, coarse

    def checked(self, fields: Any) -> Any:
        """``fields`` as they are, where they are a batch on the grid. Raises `IsotropyError` where they are not."""
        got, shape = np.shape(fields), self.grid.shape
        if len(got) < len(shape) + 1 or got[1 : len(shape) + 1] != shape or not got[0]:
            raise IsotropyError(
                f"`fields` has shape {got}, but {self.grid} carries fields of shape {shape}: pass an array "
                f"of shape {('k', *shape, 'n')} with one field a row."
            )
        return fields

    @property
    def dimension(self) -> int:
        """The number q of candidates."""
        return self.action.dimension

    def lie(
        self, u: Float[Array, "*shape n"], coefficients: Float[Array, " q"], *, after: bool = False, rough: bool = False
    ) -> Float[Array, "*shape n"]:
        """L_xi u = Du X - A u for one combination of candidates; ``after`` for fields that come out of an operator.

        Traceable by JAX, in the precision of u, at the cost of one gradient.
        """
        grid, action = (self.grid_after, self.after) if after else (self.grid, self.action)
        field = grid.channels(u)
        shape, flat = action.fibre_shape, field.reshape(len(grid.points), -1)
        if flat.shape[1] != action.fibre_dimension:
            raise IsotropyError(
                f"{action} moves fields of {action.fibre_dimension} channels. Got {flat.shape[1]}: "
                f"check the representation against the channels."
            )
        slope = grid.gradient(field, rough=rough).reshape(*flat.shape, grid.dimension)
        weights = jnp.asarray(coefficients, flat.dtype)

        def at(x: Array, value: Array, slope: Array) -> Array:
            motion = weights @ action.base(x)
            turned = jnp.tensordot(weights, action.fibre(x, value.reshape(shape)), 1)
            return slope @ motion - jnp.ravel(turned)

        points = grid.rough_points if rough else grid.points
        moved = jax.vmap(at)(jnp.asarray(points, flat.dtype), flat, slope)
        return moved.reshape(jnp.shape(u))

    def move(self, u: Float[np.ndarray, "*shape n"], element: Component, *, after: bool = False) -> np.ndarray:
        """K_g u for one group element, by interpolation; in float64 on the host."""
        grid, action = (self.grid_after, self.after) if after else (self.grid, self.action)
        field = np.asarray(grid.channels(u), dtype=np.float64)
        with jax.enable_x64(True):
            where = np.asarray(jax.vmap(element.theta)(jnp.asarray(grid.points)))
            values = jnp.asarray(grid.interpolate(field, where).reshape(len(where), *action.fibre_shape))
            back = np.asarray(jax.vmap(element.untheta)(values))
        return back.reshape(np.shape(u))

    def look(self, operator: Any, fields: Any) -> FieldView | TrainedFields:
        """The operator of all candidates on ``fields`` (k, *shape, n), ready for `iso.discover`."""
        if isinstance(operator, Data | Cloud | Estimate):
            raise IsotropyError(
                f"a `FieldAction` moves fields, and {type(operator).__name__} holds points: for pairs of fields pass "
                f"`nn.fit_operator(U, V, grid)`, for a network `iso.Trained(network, fields)`."
            )
        if not callable(operator) and not isinstance(operator, Trained):
            raise IsotropyError(f"the operator must be a function of one field. Got {type(operator).__name__}.")
        if fields is None and not isinstance(operator, Trained | FittedOperator):
            raise IsotropyError(
                f"say on which fields the operator is looked at: pass an array of shape {('k', *self.grid.shape, 'n')} "
                f"as the third argument of `iso.discover`."
            )
        if isinstance(operator, Trained):
            from .trained import TrainedFields

            return TrainedFields.of(operator, self, fields)
        if isinstance(operator, FittedOperator):
            inputs = operator.inputs if fields is None else fields
            return FittedView.of(operator, self, inputs, refits=operator.refits, averaged=operator.averaged)
        return FieldView.of(operator, self, fields)

    def __repr__(self) -> str:
        return f"FieldAction({self.action.text}, on {self.grid})"
