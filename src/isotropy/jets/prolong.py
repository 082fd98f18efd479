"""Prolongation: how fields on (x, u) move the derivatives of u.

A field with components xi along x and phi along u moves the derivative u_J by D_J Q + xi . u_{J,x}, where the
characteristic is Q = phi - xi . u_x and D_J are total derivatives (Olver, *Applications of Lie Groups to Differential
Equations*, theorem 2.36). The total derivative along x_i is the derivative along a field on the jet space, which takes
u_J at the rate u_{J,i}; repeated forward-mode derivatives along these fields give D_J of the candidates' coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from math import comb, prod

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..geometry.motion import VectorFields
from ..geometry.space import Space
from .coordinates import JetSpace, MultiIndex

CHUNK = 128
"""Points whose derivatives are taken together, always as many, so that one compiled function serves all."""

CACHED = 16
"""Compiled total derivatives kept: those of one space of functions serve every equation of an order."""


class Prolongation:
    """The fields of ``candidates`` on (x, u), prolonged to the jets of ``space``."""

    def __init__(self, candidates: VectorFields, space: JetSpace) -> None:
        self.candidates, self.space = candidates, space
        self._place = {index: k for k, index in enumerate(space.indices)}

    def __call__(self, points: Float[np.ndarray, "p N"], moved: list[int] | None = None) -> Float[np.ndarray, "p q c"]:
        """The velocities of the coordinates ``moved`` (all, by default) at each point, under every candidate."""
        space = self.space
        n, m = len(space.independent), len(space.dependent)
        totals = self.total_derivatives(points)
        features = totals.shape[1]
        u = points[:, n:].reshape(len(points), len(space.indices), m)
        places = range(space.dimension) if moved is None else moved
        result = np.zeros((len(points), n + m, features, len(places)))
        for column, place in enumerate(places):
            if place < n:
                result[:, place, :, column] = totals[:, :, 0]
                continue
            k, a = divmod(place - n, m)
            index = space.indices[k]
            result[:, n + a, :, column] = totals[:, :, k]
            for i in range(n):
                for lower, rest, times in _splits(index):
                    raised = tuple(count + (axis == i) for axis, count in enumerate(lower))
                    slope = u[:, self._place[raised], a]
                    result[:, i, :, column] -= times * totals[:, :, self._place[rest]] * slope[:, None]
        return result.reshape(len(points), self.candidates.dimension, len(places))

    def total_derivatives(self, points: Float[np.ndarray, "p N"]) -> Float[np.ndarray, "p f J"]:
        """D_J of each function of the candidates' space, for each multi-index J of the jet."""
        parts = []
        compiled = _total_derivatives(self.candidates.space, self.space)
        with jax.enable_x64(True):
            for start in range(0, len(points), CHUNK):
                block = points[start : start + CHUNK]
                padded = np.concatenate([block, np.repeat(block[-1:], CHUNK - len(block), axis=0)])
                parts.append(np.asarray(compiled(jnp.asarray(padded)))[: len(block)])
        return np.concatenate(parts)


@lru_cache(maxsize=CACHED)
def _total_derivatives(functions: Space, jets: JetSpace) -> Callable[[Array], Array]:
    """Points (p, N) -> the total derivatives (p, f, J) of the functions, compiled."""
    n, m = len(jets.independent), len(jets.dependent)
    place = {index: k for k, index in enumerate(jets.indices)}
    # The rates of all coordinates along x_i: matrix times point plus the unit vector of x_i. Those of the highest
    # derivatives are left at zero: no total derivative up to the order of the jet asks for them.
    matrices = np.zeros((n, jets.dimension, jets.dimension))
    for i in range(n):
        for index in jets.indices:
            raised = tuple(count + (axis == i) for axis, count in enumerate(index))
            for a in range(m) if raised in place else ():
                matrices[i, jets.place(a, index), jets.place(a, raised)] = 1.0
    offsets = np.eye(n, jets.dimension)
    letters = [tuple(i for i in range(n) for _ in range(index[i])) for index in jets.indices]

    def along_all(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        def derivative(point: Array) -> Array:
            rates = jnp.asarray(matrices, point.dtype) @ point + jnp.asarray(offsets, point.dtype)
            return jax.vmap(lambda rate: jax.jvp(function, (point,), (rate,))[1], out_axes=-1)(rates)

        return derivative

    def on_base(point: Array) -> Array:
        return functions(point[: n + m])

    def totals(point: Float[Array, " N"]) -> Float[Array, "f J"]:
        derivative = on_base
        values = [derivative(point)]
        for _ in range(jets.order):
            derivative = along_all(derivative)
            values.append(derivative(point))
        return jnp.stack([values[len(word)][(slice(None), *word)] for word in letters], axis=1)

    return jax.jit(jax.vmap(totals))


def _splits(index: MultiIndex) -> list[tuple[MultiIndex, MultiIndex, int]]:
    """K, J - K and the binomial of J over K, for all K below J but J itself (Leibniz)."""
    found = []
    for lower in product(*(range(k + 1) for k in index)):
        if lower != index:
            rest = tuple(j - k for j, k in zip(index, lower, strict=True))
            found.append((lower, rest, prod(comb(j, k) for j, k in zip(index, lower, strict=True))))
    return found
