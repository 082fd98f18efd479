"""Heads: numbers that do not move, and vectors built from invariant coefficients."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Representation
from .basis import bilinear_basis, dense_basis
from .frozen import Frozen
from .layout import Layout, check_pair, check_point, refuse_points
from .quadratic import Quadratic, check_reached

LARGEST_INVARIANTS = 4096
"""More invariants of degree 2 than this and `Invariant` asks for a narrower input."""


class Invariant(eqx.Module):
    """Invariant numbers of a point: its linear and quadratic invariants, all of them, into an ordinary network.

    The quadratic invariants of O(n), O(p, q) and Sp(n) on copies of the vector generate all polynomial invariants, and
    with them every continuous invariant function can be approximated (Villar2021); of SO(n) they miss the determinant,
    and of other groups what needs degree three or more. `dimension` says how many invariants there are; each is scaled
    to mean square 1 at a standard normal point.

    >>> import jax
    >>> from isotropy import groups
    >>> V = groups.O(3).vector
    >>> head = Invariant(2*V, 5, key=jax.random.key(0))
    >>> head.dimension, head(jax.numpy.ones(6)).shape
    (3, (5,))
    """

    network: eqx.nn.MLP
    linear: tuple[Frozen, ...]
    forms: tuple[Frozen, ...]
    input: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    fixed: tuple[int, ...] = eqx.field(static=True)
    pairs: tuple[tuple[int, int], ...] = eqx.field(static=True)
    dimension: int = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        size: int,
        *,
        width: int = 128,
        depth: int = 2,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, input, "Invariant")
        refuse_points(input, "Invariant")
        self.input, self.layout = input, Layout.of(input)
        scalar, kinds, counts = input.group.scalar, self.layout.kinds, self.layout.counts
        found = [(a, dense_basis(kind, scalar)[:, 0]) for a, kind in enumerate(kinds)]
        self.fixed = tuple(a for a, basis in found if len(basis))
        self.linear = tuple(Frozen(basis) for _, basis in found if len(basis))
        pairs, forms = [], []
        total = sum(counts[a] * len(basis) for a, basis in found)
        for a, first in enumerate(kinds):
            for b in range(a, len(kinds)):
                basis = bilinear_basis(first, kinds[b], scalar)[:, 0]
                if len(basis):
                    pairs.append((a, b))
                    forms.append(basis)
                    total += len(basis) * (counts[a] * (counts[a] + 1) // 2 if a == b else counts[a] * counts[b])
        if not total:
            raise IsotropyError(
                f"`{input}` of {input.group} has no invariant of degree 1 or 2, so nothing invariant can be computed "
                f"from it "
                f"here. Use an `MLP`, which forms higher products."
            )
        if total > LARGEST_INVARIANTS:
            raise IsotropyError(
                f"`{input}` has {total} invariants of degree 1 and 2. Use a `Linear` layer to fewer copies before "
                f"`Invariant`."
            )
        self.pairs, self.forms, self.dimension = tuple(pairs), tuple(Frozen(form) for form in forms), total
        self.network = eqx.nn.MLP(total, size, width, depth, jax.nn.silu, dtype=dtype, key=key)

    def invariants(self, x: Float[Array, " in"]) -> Float[Array, " k"]:
        """The linear and quadratic invariants of one point."""
        parts = self.layout.split(check_point(x, self.input))
        values = [
            (parts[a] @ basis.astype(x.dtype).T).ravel() for a, basis in zip(self.fixed, self.linear, strict=True)
        ]
        for (a, b), form in zip(self.pairs, self.forms, strict=True):
            first, second, q = parts[a], parts[b], form.astype(x.dtype)
            table = jnp.einsum("kpq,ip,jq->ijk", q, first, second)
            if a == b:
                # An antisymmetric form vanishes on the diagonal; transposed pairs repeat the same numbers.
                rows, columns = np.triu_indices(len(first))
                table = table[rows, columns]
            # A symmetric form of norm 1 has mean square 3 at most where the two arguments are one point.
            values.append(table.ravel() / np.sqrt(3))
        return jnp.concatenate(values)

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " size"]:
        """The numbers at one point."""
        return self.network(self.invariants(x))


class Equivariant(eqx.Module):
    """A point of the output as a combination of linear and quadratic maps whose coefficients are invariant functions.

    x -> sum_k s_k(x) phi_k(x), with s from an `Invariant` head and each phi_k a `Quadratic` layer. One such head is a
    whole model where invariants of degree 2 are enough: any equivariant function of vectors under O(n) (Villar2021).

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.O(3).vector, groups.O(3).scalar
    >>> head = Equivariant(V + S, V, key=jax.random.key(0))
    >>> head(jax.numpy.ones(4)).shape
    (3,)
    """

    invariant: Invariant
    maps: Quadratic
    output: Representation = eqx.field(static=True)
    terms: int = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        *,
        width: int = 128,
        depth: int = 2,
        terms: int = 8,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, output, "Equivariant")
        check_reached(input, [], output)
        if isinstance(terms, bool) or not isinstance(terms, int) or terms < 1:
            raise IsotropyError(f"`terms` must be a whole number of at least 1. Got {terms!r}.")
        one, two = jax.random.split(key)
        self.output, self.terms = output, terms
        self.invariant = Invariant(input, terms, width=width, depth=depth, key=one, dtype=dtype)
        self.maps = Quadratic(input, terms * output, channels=max(2, terms), key=two, bounded=False, dtype=dtype)

    @property
    def input(self) -> Representation:
        """What the head takes."""
        return self.invariant.input

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        candidates = self.maps(x).reshape(self.terms, -1)
        return (1 + self.invariant(x)) @ candidates / np.sqrt(self.terms)
