"""Normalisation that commutes with the group."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..groups import Representation
from .draw import zeros
from .layout import Layout, check_pair, check_point, is_invariant, refuse_points
from .norms import Norms


class LayerNorm(eqx.Module):
    """Layer normalisation, kind by kind: invariant channels to mean 0 and variance 1, others to unit mean square.

    Channels are the copies of a kind. Where the group acts by orthogonal matrices the mean square is that of the
    coordinates; elsewhere it is the mean absolute value of the kind's invariant quadratic forms, which is zero on a
    light cone: ``epsilon`` is then what limits the gain. A learned gain for each channel, and a shift for the invariant
    ones.

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> y = LayerNorm(4*S + 2*V)(100 * jax.random.normal(jax.random.key(0), (10,)))
    >>> print(round(float((y[4:]**2).mean()), 3))
    1.0
    """

    gains: tuple[Array, ...]
    shifts: tuple[Array, ...]
    norms: tuple[Norms, ...]
    input: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    scalars: tuple[bool, ...] = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(self, rep: Representation, *, epsilon: float = 1e-4, dtype: Any = jnp.float32):
        check_pair(rep, rep, "LayerNorm")
        refuse_points(rep, "LayerNorm")
        self.input, self.layout, self.epsilon = rep, Layout.of(rep), epsilon
        self.scalars = tuple(is_invariant(kind) for kind in self.layout.kinds)
        self.norms = tuple(Norms.required(kind) for kind in self.layout.kinds)
        counts = self.layout.counts
        self.gains = tuple(jnp.asarray(np.ones(count, dtype)) for count in counts)
        self.shifts = tuple(zeros((n,), dtype) for n, s in zip(counts, self.scalars, strict=True) if s)

    @property
    def output(self) -> Representation:
        """The same as the input."""
        return self.input

    def __call__(self, x: Float[Array, " d"], *, key: PRNGKeyArray | None = None) -> Float[Array, " d"]:
        """The image of one point."""
        parts, shifts = [], iter(self.shifts)
        for part, scalar, norm, gain in zip(
            self.layout.split(check_point(x, self.input)), self.scalars, self.norms, self.gains, strict=True
        ):
            if scalar:
                part = part - part.mean()
            square = jnp.mean(jnp.abs(norm(part)))
            part = part * (gain / jnp.sqrt(square + self.epsilon))[:, None]
            parts.append(part + next(shifts)[:, None] if scalar else part)
        return self.layout.join(parts)
