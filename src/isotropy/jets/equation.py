"""A differential equation as a function of the jet, and points of the jet space that lie on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import IsotropyError
from ..geometry.sample import Samples
from .coordinates import HIGHEST, Jet, JetSpace

STEPS = 40
"""Newton steps to the equation. From random jets a few are enough, where it is reached at all."""

ROUNDS = 8
"""Draws of jets before the search for points on the equation is given up."""

ROUNDING = 64.0
"""Units of rounding, times the number of coordinates, within which a last Newton step is no step."""


@dataclass(frozen=True)
class Equation:
    """The zeros of ``function``, which takes a `Jet` of ``space`` and returns one number or several.

    ``active`` are the places of the derivatives that it reads.
    """

    function: Callable[[Jet], Any]
    space: JetSpace
    count: int
    active: tuple[int, ...]

    @classmethod
    def of(
        cls,
        function: Callable[[Jet], Any],
        *,
        independent: str | Sequence[str],
        dependent: str | Sequence[str],
        order: int | None,
    ) -> Equation:
        """Read the order off what the function asks for, where it is not given, and check that it can be traced."""
        widest = JetSpace.of(independent, dependent, HIGHEST if order is None else order)
        seen: set[int] = set()

        def traced(values: Array) -> Array:
            return _flat(function(Jet(widest, values, seen)))

        try:
            shape = jax.eval_shape(traced, jax.ShapeDtypeStruct((widest.dimension,), jnp.float32)).shape
        except IsotropyError:
            raise
        except Exception as reason:
            raise IsotropyError(
                f"`equation` must be a function of the jet that JAX can differentiate. It raised "
                f"{type(reason).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}; use jax.numpy in it, "
                f"and return one number or a list of numbers."
            ) from reason
        n, m = len(widest.independent), len(widest.dependent)
        derivatives = [place for place in seen if place >= n + m]
        if not derivatives:
            raise IsotropyError(
                f"`equation` holds no derivative of {', '.join(widest.dependent)}: a differential equation needs one, "
                f"such as `j.{widest.names[n + m]}`."
            )
        highest = max(sum(widest.indices[(place - n) // m]) for place in derivatives)
        space = JetSpace(widest.independent, widest.dependent, highest)
        return cls(function, space, shape[0], tuple(sorted(seen)))

    def value(self, point: Float[Array, " N"]) -> Float[Array, " e"]:
        """What must vanish, at one point of the jet space."""
        return _flat(self.function(Jet(self.space, point)))

    def linearised(
        self, points: Float[np.ndarray, "p N"]
    ) -> tuple[Float[np.ndarray, "p e"], Float[np.ndarray, "p e N"]]:
        """Values and derivatives along all coordinates, in float64."""
        with jax.enable_x64(True):
            value, slope = self._compiled(jnp.asarray(points, jnp.float64))
            return np.asarray(value, np.float64), np.asarray(slope, np.float64)

    @cached_property
    def _compiled(self) -> Callable[[Array], tuple[Array, Array]]:
        return jax.jit(jax.vmap(lambda z: (self.value(z), jax.jacfwd(self.value)(z))))

    def points(self, count: int, *, seed: int, samples: Samples | None = None) -> Float[np.ndarray, "p N"]:
        """Points on the equation: x and u standard normal or from ``samples``, derivatives normal, then Newton.

        Newton moves the derivatives alone, by the shortest step. Points that do not get there, or where the equation
        has no value, are dropped. Raises `IsotropyError` where too few are left.
        """
        space = self.space
        base = len(space.base)
        rng = np.random.default_rng(seed)
        found: list[np.ndarray] = []
        flat = blank = True
        for _ in range(ROUNDS):
            start = rng.standard_normal((count, space.dimension))
            if samples is not None:
                chosen = rng.choice(len(samples), size=count, p=np.asarray(samples.weights, dtype=np.float64))
                start[:, :base] = samples.points[chosen]
            value, slope = self.linearised(start)
            blank = blank and not np.isfinite(value).any()
            flat = flat and not slope.any()
            points, reached = self._newton(start)
            found.append(points[reached])
            if sum(map(len, found)) >= count:
                return np.concatenate(found)[:count]
        where = f"pass `samples=iso.Samples(points)` with points ({', '.join(space.base)}) where it has"
        if blank:
            raise IsotropyError(f"`equation` is NaN or infinite at every jet that was tried: {where} a value.")
        if flat:
            raise IsotropyError(
                "`equation` has the same value at every jet, so it says nothing: check that its terms do not cancel."
            )
        raise IsotropyError(
            f"only {sum(map(len, found))} of the {count} points needed were found on the equation in "
            f"{ROUNDS * count} draws: it has no real solutions near x, u and derivatives of size one, or is squared, "
            f"or its equations depend on one another; {where} solutions."
        )

    def _newton(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            points, reached = self._search(jnp.asarray(start, jnp.float64))
            return np.asarray(points), np.asarray(reached)

    @cached_property
    def _search(self) -> Callable[[Array], tuple[Array, Array]]:
        """From points (p, N) to points on the equation, and whether they got there."""
        free = np.arange(self.space.dimension) >= len(self.space.base)
        slope = jax.jacfwd(self.value)

        def step(point: Array) -> Array:
            # A step longer than the point itself says that the slope is nearly zero here.
            whole = jnp.linalg.lstsq(slope(point) * free, self.value(point))[0]
            length, limit = jnp.linalg.norm(whole), 1 + jnp.linalg.norm(point)
            return whole * jnp.minimum(1.0, limit / jnp.maximum(length, limit))

        def search(point: Array) -> tuple[Array, Array]:
            moved = jax.lax.fori_loop(0, STEPS, lambda _, z: z - step(z), point)
            rounding = ROUNDING * jnp.finfo(point.dtype).eps * point.size * (1 + jnp.linalg.norm(moved))
            values = jnp.linalg.svd(slope(moved) * free, compute_uv=False)
            # Equations that depend on one another, or are squared, have slopes that vanish where they do.
            level = jnp.sqrt(jnp.finfo(point.dtype).eps) * jnp.maximum(values[0], jnp.linalg.norm(slope(point)))
            reached = (jnp.linalg.norm(step(moved)) <= rounding) & jnp.isfinite(moved).all() & (values[-1] > level)
            return moved, reached

        return jax.jit(jax.vmap(search))


def _flat(value: Any) -> Array:
    if isinstance(value, list | tuple):
        return jnp.concatenate([jnp.ravel(jnp.asarray(part)) for part in value])
    return jnp.ravel(jnp.asarray(value))
