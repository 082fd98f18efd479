"""How a motion of fields moves their values and derivatives at one point."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.component import Component, affine_component
from ..geometry.fibre import Linear
from ..geometry.motion import Affine
from ..geometry.polynomial import Polynomials
from ..geometry.substitution import pullback_matrix


def on_jets(action: Action, multiindices: Any) -> Action:
    """The action on right-hand sides N(u, u_x, ...) of evolution equations, for an action on fields u.

    ``action`` says how a field is moved, `Action(V, W)` for u: V -> W: by (g u)(x) = Theta_g u(g^-1 x). Its base is
    space, and its fibre the values. At a point the derivatives move as
    ``u_a -> A u_a - sum_ij a_j B_ij u_(a - e_j + e_i)`` for x -> B x, u -> A u (convention C1, prolonged).
    Raises `IsotropyError` for derivatives that the motion does not keep among themselves.
    """
    indices = np.asarray(multiindices, dtype=np.int64)
    if not isinstance(action.motion, Affine) or action.base_dimension != indices.shape[1]:
        raise IsotropyError(
            f"the fields of this library depend on {indices.shape[1]} spatial coordinate(s), but {action} moves points "
            f"of R^{action.base_dimension}: write `iso.Action(V, W)`, how space moves and how values move."
        )
    n, count = action.fibre_dimension, len(indices)
    values = action.fibre_matrices(np.zeros((1, indices.shape[1])))[0]
    whole = Polynomials(indices.shape[1], degree=int(indices.sum(axis=1).max()))
    place = whole.index(indices)

    def among(matrix: Any, what: str) -> np.ndarray:
        rows = matrix.toarray()[place]
        if np.abs(np.delete(rows, place, axis=1)).any():
            raise IsotropyError(f"{what} takes derivatives of this library to others: use all of one order.")
        return rows[:, place]

    size = n * (count + 1)
    linear = np.zeros((action.dimension, size, size))
    offsets = np.zeros((action.dimension, size))
    for k, (motion, value) in enumerate(zip(action.motion.matrices, values, strict=True)):
        # Derivatives are monomials in the operators d_i, which the motion takes to -B_ji d_j.
        moved = among(whole.lie_matrix(-motion.T), f"the motion {action.describe(np.eye(action.dimension)[k])}")
        linear[k] = np.kron(np.eye(count + 1), value)
        linear[k, n:, n:] += np.kron(moved, np.eye(n))
    if isinstance(action.value_motion, Linear):
        offsets[:, :n] = action.value_motion.offsets
    components = tuple(_component(c, action, whole, among, n, count) for c in action.components)
    return Action._make(
        Affine(linear, offsets, variables=tuple(f"u{k}" for k in range(size))),
        Linear(values),
        algebra=action.algebra,
        matrices=action.matrices,
        components=components,
        text=f"{action.text}, on fields",
    )


def _component(component: Component, action: Action, whole: Polynomials, among: Any, n: int, count: int) -> Component:
    with jax.enable_x64(True):
        units = jnp.concatenate([jnp.zeros((1, n)), jnp.eye(n)]).reshape(n + 1, *action.fibre_shape)
        back = np.asarray(jax.vmap(component.untheta)(units)).reshape(n + 1, n)
    value = np.linalg.inv((back[1:] - back[0]).T)
    shift = -value @ back[0]
    inverse = np.linalg.inv(component.matrix)
    moved = among(pullback_matrix(whole, inverse.T, np.zeros(len(inverse))), "a component of the group")
    matrix = np.kron(np.eye(count + 1), value)
    matrix[n:, n:] = np.kron(moved, value)
    return affine_component(matrix, np.concatenate([shift, np.zeros(n * count)]), value, np.zeros(n))
