"""Neural ODEs whose vector field is equivariant, or free and to be promoted."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..geometry.action import Action
from ..groups import Group, Representation
from .layout import linear_part
from .mlp import MLP

TOLERANCE = 1e-5
"""Error allowed in one step of the solver unless the caller says otherwise: a little above what float32 resolves."""


class NeuralODE(eqx.Module):
    """The flow of z' = field(z) for a network on the representation in which the states z transform.

    The field is an equivariant `MLP` of the given ``width`` and ``depth``: then solutions turned by the group are
    solutions, at any parameters, to the error of the solver. With ``equivariant=False`` it is a plain network, to be
    trained with the penalty ``iso.Penalty(model.action, samples)(model.field)``; or pass a ``field`` of your own, any
    JAX function of one state.

    ``model(start, times)`` gives the states (k, d) at increasing ``times`` (k,), the first of which is that of
    ``start`` (d,); use `jax.vmap` for a batch. Steps are chosen by diffrax for an error of ``tolerance`` a step,
    relative and absolute, at most ``max_steps`` of them. Raises `IsotropyError` for shapes that do not fit.

    Source: R. T. Q. Chen et al., *Neural ordinary differential equations*, NeurIPS 2018; P. Kidger, *On neural
    differential equations*, 2021 (diffrax).

    >>> from isotropy import groups
    >>> model = NeuralODE(2 * groups.O(3).vector, key=jax.random.key(0), width=16, depth=1)
    >>> start = jax.random.normal(jax.random.key(1), (6,))
    >>> times = jnp.linspace(0.0, 1.0, 3)
    >>> bool(abs(model(-start, times) + model(start, times)).max() <= 10 * model.tolerance)
    True
    """

    field: Any
    representation: Representation = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)

    def __init__(
        self,
        representation: Representation,
        *,
        key: PRNGKeyArray | None = None,
        width: int = 64,
        depth: int = 2,
        equivariant: bool = True,
        field: Any = None,
        tolerance: float = TOLERANCE,
        max_steps: int = 4096,
    ):
        if isinstance(representation, Group) or not isinstance(representation, Representation):
            raise IsotropyError(
                f"`NeuralODE` takes the representation of the states, for example `2*groups.O(3).vector`. "
                f"Got {type(representation).__name__}."
            )
        if not isinstance(tolerance, float) or not 0 < tolerance < 1:
            raise IsotropyError(f"`tolerance` must be a number between 0 and 1. Got {tolerance!r}.")
        if field is None and key is None:
            raise IsotropyError("`NeuralODE` draws its parameters from `key`: pass `key=jax.random.key(0)`.")
        self.representation = representation.real()
        self.tolerance, self.max_steps = tolerance, max_steps
        if field is not None:
            self.field = field
        elif equivariant:
            assert key is not None
            self.field = MLP(
                self.representation, linear_part(self.representation), width=width, depth=depth, key=key
            )  # fmt: skip
        else:
            assert key is not None
            size = self.representation.dimension
            self.field = eqx.nn.MLP(size, size, width, depth, jax.nn.silu, key=key)

    @property
    def action(self) -> Action:
        """How the group moves states and velocities: what `iso.Penalty` and `iso.discover` take for the field."""
        return Action(self.representation, linear_part(self.representation))

    def __call__(self, start: Float[Array, " d"], times: Float[Array, " k"]) -> Float[Array, "k d"]:
        """The states at the times, from ``start`` at the first of them."""
        import diffrax  # not needed by the layers beside this one, and slow to import

        start, times = jnp.asarray(start), jnp.asarray(times)
        if start.shape != (self.representation.dimension,):
            raise IsotropyError(
                f"`start` must have shape ({self.representation.dimension},), one state of "
                f"`{self.representation}`. Got {start.shape}: use `jax.vmap` for a batch."
            )
        if times.ndim != 1 or len(times) < 2:
            raise IsotropyError(f"`times` must be at least two increasing times. Got shape {times.shape}.")
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, field: field(z)),
            diffrax.Tsit5(),
            t0=times[0],
            t1=times[-1],
            dt0=None,
            y0=start,
            args=self.field,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=self.tolerance, atol=self.tolerance),
            max_steps=self.max_steps,
        )
        assert solution.ys is not None
        return solution.ys
