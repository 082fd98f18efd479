"""Nonlinearities that commute with the group: gates and functions of invariant norms."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..groups import Representation
from .draw import zeros
from .layout import Layout, check_pair, check_point, is_invariant, is_permutation, refuse_points
from .moments import root_mean_square, sigmoid, silu
from .norms import Norms


class Gated(eqx.Module):
    """Gates: invariants and permuted coordinates pass through silu, every other summand is multiplied by a sigmoid.

    ``input`` is the representation followed by one scalar for each summand that needs a gate; ``output`` is the
    representation itself. Both are scaled to keep unit variance. A summand counts as permuted when the group acts on it
    by permutation matrices alone (S(n), Z(n) and their tensor powers). Source: Finzi2021, section 5.

    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> gate = Gated(2*S + V + V@V)
    >>> print(gate.input)
    2*S + V + V@V + 2*S
    >>> gate(jax.numpy.ones(16)).shape
    (14,)
    """

    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    pointwise: tuple[bool, ...] = eqx.field(static=True)

    def __init__(self, output: Representation):
        check_pair(output, output, "Gated")
        refuse_points(output, "Gated")
        self.output, self.layout = output, Layout.of(output)
        self.pointwise = tuple(is_permutation(kind) for kind in self.layout.kinds)
        self.input = output + self.gates * output.group.scalar if self.gates else output

    @property
    def gates(self) -> int:
        """Number of summands that need a gate."""
        return sum(count for count, free in zip(self.layout.counts, self.pointwise, strict=True) if not free)

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        x = check_point(x, self.input)
        gates = jax.nn.sigmoid(x[self.output.dimension :]) / root_mean_square(sigmoid)
        used, parts = 0, []
        for part, free in zip(self.layout.split(x[: self.output.dimension]), self.pointwise, strict=True):
            if free:
                parts.append(jax.nn.silu(part) / root_mean_square(silu))
            else:
                parts.append(part * gates[used : used + len(part), None])
                used += len(part)
        return self.layout.join(parts)


class Norm(eqx.Module):
    """Each summand times a learned function of its own invariant norms, no gates needed: x -> x sigmoid(a f(q(x)) + b).

    q runs over the norms of `Norms`; f(q) = q / (1 + |q|) stays bounded. Invariant summands pass through silu. Raises
    `IsotropyError` for a summand that has no invariant quadratic form, such as a vector of Sp(4): use `Gated` there.

    >>> from isotropy import groups
    >>> V = groups.SO(1, 3).vector
    >>> Norm(2*V)(jax.numpy.ones(8)).shape
    (8,)
    """

    slopes: tuple[Array, ...]
    shifts: tuple[Array, ...]
    norms: tuple[Norms, ...]
    input: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    scalars: tuple[bool, ...] = eqx.field(static=True)

    def __init__(self, rep: Representation, *, dtype: Any = jnp.float32):
        check_pair(rep, rep, "Norm")
        refuse_points(rep, "Norm")
        self.input, self.layout = rep, Layout.of(rep)
        self.scalars = tuple(is_invariant(kind) for kind in self.layout.kinds)
        self.norms = tuple(Norms.required(kind) for kind in self.layout.kinds)
        shapes = [(count, norm.count) for count, norm in zip(self.layout.counts, self.norms, strict=True)]
        self.slopes = tuple(jnp.asarray(np.ones(shape, dtype)) for shape in shapes)
        self.shifts = tuple(zeros(shape[:1], dtype) for shape in shapes)

    @property
    def output(self) -> Representation:
        """The same as the input."""
        return self.input

    def __call__(self, x: Float[Array, " d"], *, key: PRNGKeyArray | None = None) -> Float[Array, " d"]:
        """The image of one point."""
        parts = []
        for part, scalar, norm, slope, shift in zip(
            self.layout.split(check_point(x, self.input)),
            self.scalars,
            self.norms,
            self.slopes,
            self.shifts,
            strict=True,
        ):
            if scalar:
                parts.append(jax.nn.silu(part) / root_mean_square(silu))
                continue
            q = norm(part)
            gate = jax.nn.sigmoid((slope * (q / (1 + jnp.abs(q)))).sum(axis=1) + shift)
            parts.append(part * gate[:, None] / root_mean_square(sigmoid))
        return self.layout.join(parts)


class Squash(eqx.Module):
    """x -> x / sqrt(1 + a^2 |q(x)|) for each summand: grows no further once its norm has passed 1 / a, a learned.

    What makes a product of layers grow like its factors and not like their square. |q| sums the absolute values of the
    norms of `Norms`; a summand that has none passes unchanged.
    """

    rates: tuple[Array, ...]
    norms: tuple[Norms, ...]
    input: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)

    def __init__(self, rep: Representation, *, dtype: Any = jnp.float32):
        check_pair(rep, rep, "Squash")
        refuse_points(rep, "Squash")
        self.input, self.layout = rep, Layout.of(rep)
        self.norms = tuple(Norms(kind) for kind in self.layout.kinds)
        self.rates = tuple(jnp.asarray(np.ones(count, dtype)) for count in self.layout.counts)

    @property
    def output(self) -> Representation:
        """The same as the input."""
        return self.input

    def __call__(self, x: Float[Array, " d"], *, key: PRNGKeyArray | None = None) -> Float[Array, " d"]:
        """The image of one point."""
        parts = [
            part / jnp.sqrt(1 + rate**2 * jnp.abs(norm(part)).sum(axis=1))[:, None]
            for part, norm, rate in zip(
                self.layout.split(check_point(x, self.input)), self.norms, self.rates, strict=True
            )
        ]
        return self.layout.join(parts)
