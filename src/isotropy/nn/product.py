"""Equivariant products: what a linear layer cannot do, x and y to x y^T, x . y, x cross y and their like."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Representation
from .basis import bilinear_basis, whitened
from .draw import normal
from .frozen import Frozen
from .gate import Squash
from .layout import Layout, check_pair, check_point, copies, refuse_points
from .linear import Linear

LARGEST_PATH = 2**14
"""Entries of the basis of a product of two kinds above which `Product` leaves it out, for the cost of a point."""


class Bilinear(eqx.Module):
    """Every equivariant map (x, y) -> z that is linear in x and in y.

    The weights of kinds a x b -> c are copies of c times copies of a times copies of b times the dimension of the
    equivariant maps a (x) b -> c: many for wide representations, where `Product` has the same products channel by
    channel. Drawn so that each irreducible of z that is reached has unit variance for independent standard normal x and
    y. Raises `IsotropyError` if nothing bilinear reaches a summand of the output.

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> cross_and_dot = Bilinear(V, V, V + S, key=jax.random.key(0))
    >>> cross_and_dot(jax.numpy.ones(3), jax.numpy.arange(3.)).shape, cross_and_dot.dimension
    ((4,), 2)
    """

    weights: tuple[Array, ...]
    bases: tuple[Frozen, ...]
    first: Representation = eqx.field(static=True)
    second: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    layouts: tuple[Layout, Layout, Layout] = eqx.field(static=True)
    paths: tuple[tuple[int, int, int], ...] = eqx.field(static=True)

    def __init__(
        self,
        first: Representation,
        second: Representation,
        output: Representation,
        *,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        for rep in (first, second):
            check_pair(rep, output, "Bilinear")
        for rep in (first, second, output):
            refuse_points(rep, "Bilinear")
        self.first, self.second, self.output = first, second, output
        self.layouts = Layout.of(first), Layout.of(second), Layout.of(output)
        one, two, three = self.layouts
        paths, shapes, bases = [], [], []
        for c, (kind, count) in enumerate(zip(three.kinds, three.counts, strict=True)):
            found = [
                (a, b, bilinear_basis(left, right, kind))
                for a, left in enumerate(one.kinds)
                for b, right in enumerate(two.kinds)
            ]
            counts = [one.counts[a] * two.counts[b] for a, b, _ in found]
            flat = [q.reshape(*q.shape[:2], q.shape[2] * q.shape[3]) for _, _, q in found]
            scaled, rank = whitened(kind, flat, counts)
            if not rank:
                raise IsotropyError(
                    f"No equivariant bilinear map of {output.group} leads from `{first}` and `{second}` to `{kind}`: "
                    f"that part "
                    f"of the output would stay zero. Drop it, or add summands to the input."
                )
            for (a, b, q), basis in zip(found, scaled, strict=True):
                if len(q):
                    shapes.append((len(q), count, one.counts[a], two.counts[b]))
                    bases.append(Frozen(basis.reshape(q.shape)))
                    paths.append((a, b, c))
        self.paths, self.weights, self.bases = (
            tuple(paths),
            normal(key, shapes, [1.0] * len(shapes), dtype),
            tuple(bases),
        )

    @property
    def dimension(self) -> int:
        """Number of weights: the dimension of the space of equivariant bilinear maps."""
        return sum(w.size for w in self.weights)

    def __call__(self, x: Float[Array, " first"], y: Float[Array, " second"]) -> Float[Array, " out"]:
        """The image of one pair of points."""
        one, two, three = self.layouts
        xs, ys = one.split(check_point(x, self.first)), two.split(check_point(y, self.second))
        parts: list[Any] = [0.0] * len(three.kinds)
        for (a, b, c), weight, basis in zip(self.paths, self.weights, self.bases, strict=True):
            mixed = jnp.einsum("kzij,jq->kziq", weight, ys[b])
            moved = jnp.einsum("kopq,ip->kioq", basis.astype(weight.dtype), xs[a])
            parts[c] = parts[c] + jnp.einsum("kziq,kioq->zo", mixed, moved)
        return three.join(parts)


class ChannelProduct(eqx.Module):
    """Products of as many channels of each kind with as many others, channel by channel, in every equivariant way.

    Both factors are ``input``: ``channels`` copies of each of ``kinds``. ``output`` holds the products that lead to
    kinds of ``target``, one channel for each map a (x) b -> c and pair of channels. There is nothing to learn here.
    Raises `IsotropyError` where no product leads to the target.
    """

    bases: tuple[Frozen, ...]
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    layout: Layout = eqx.field(static=True)
    paths: tuple[tuple[int, int], ...] = eqx.field(static=True)
    kinds: tuple[tuple[tuple[int, int], ...], ...] = eqx.field(static=True)
    sizes: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, kinds: tuple[Representation, ...], target: Representation, *, channels: int):
        targets = Layout.of(target).kinds
        self.sizes = tuple(kind.dimension for kind in targets)
        paths, bases, reached = [], [], []
        totals = [0] * len(targets)
        for a, first in enumerate(kinds):
            for b in range(a, len(kinds)):
                rows, made = _rows(first, kinds[b], targets)
                if made:
                    paths.append((a, b))
                    bases.append(Frozen(rows))
                    reached.append(made)
                    for c, r in made:
                        totals[c] += r * channels
        mixed, output = copies(kinds, [channels] * len(kinds)), copies(targets, totals)
        if output is None or mixed is None:
            raise IsotropyError(
                f"No equivariant product of {', '.join(f'`{kind}`' for kind in kinds)} leads to `{target}` (or its "
                f"basis is too large)."
            )
        self.input, self.output, self.layout = mixed, output, Layout.of(mixed)
        self.paths, self.bases, self.kinds = tuple(paths), tuple(bases), tuple(reached)

    def __call__(self, x: Float[Array, " in"], y: Float[Array, " in"]) -> Float[Array, " out"]:
        """The products at one point."""
        lefts, rights = self.layout.split(x), self.layout.split(y)
        parts: list[list[Array]] = [[] for _ in self.sizes]
        for (a, b), basis, made in zip(self.paths, self.bases, self.kinds, strict=True):
            outer = jnp.einsum("jp,jq->jpq", lefts[a], rights[b]).reshape(len(lefts[a]), -1)
            z = outer @ basis.astype(outer.dtype).T
            start = 0
            for c, r in made:
                parts[c].append(z[:, start : start + r * self.sizes[c]].ravel())
                start += r * self.sizes[c]
        return jnp.concatenate([piece for pieces in parts for piece in pieces])

    def table(
        self,
    ) -> tuple[Float[np.ndarray, "in pairs"], Float[np.ndarray, "in pairs"], Float[np.ndarray, "out pairs"]]:
        """The same as ``rows @ ((x @ first) * (y @ second))``: for many points at once, where few kinds are small."""
        starts, dims = np.concatenate([[0], np.cumsum(self.layout.sizes)]), [k.dimension for k in self.layout.kinds]
        counts = [sum(r * size for made in self.kinds for c, r in made if c == k) for k, size in enumerate(self.sizes)]
        channels = self.layout.counts[0]
        rows_at = np.concatenate([[0], np.cumsum(counts)]) * channels
        chosen: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        blocks: list[tuple[int, int, np.ndarray]] = []
        column = 0
        for (a, b), basis, made in zip(self.paths, self.bases, self.kinds, strict=True):
            values = np.asarray(basis.value, dtype=np.float64)
            for j in range(channels):
                p, q = np.indices((dims[a], dims[b]))
                chosen[0].append(starts[a] + j * dims[a] + p.ravel())
                chosen[1].append(starts[b] + j * dims[b] + q.ravel())
                start = 0
                for c, r in made:
                    width = r * self.sizes[c]
                    blocks.append((rows_at[c] + j * width, column, values[start : start + width]))
                    start += width
                column += dims[a] * dims[b]
            for c, r in made:
                rows_at[c] += channels * r * self.sizes[c]
        rows = np.zeros((self.output.dimension, column))
        for at, start, block in blocks:
            rows[at : at + block.shape[0], start : start + block.shape[1]] = block
        first, second = (np.eye(self.input.dimension)[:, np.concatenate(part)] for part in chosen)
        return first, second, rows


class Product(eqx.Module):
    """Products of learned channels of one input with themselves: x -> (L x)_j squash(R x)_j, every equivariant way.

    ``channels`` linear combinations of each kind of the input are multiplied with as many others, channel by channel,
    along each equivariant map a (x) b -> c to a kind c of ``target``. Where ``bounded``, `Squash` limits the second
    factor, by an amount that is learned, so that layers of products do not grow as powers of powers; otherwise the
    products are exactly quadratic. ``output`` is the representation of all that comes of it; a `Linear` layer after it
    mixes the channels. Products of two kinds whose basis has more than
    `LARGEST_PATH` entries are left out.

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> print(Product(3*V + S, V + S, channels=2, key=jax.random.key(0)).output)
    4*V + 4*S
    """

    left: Linear
    right: Linear
    squash: Squash | None
    channels: ChannelProduct
    input: Representation = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        target: Representation,
        *,
        channels: int,
        key: PRNGKeyArray,
        bounded: bool = True,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, target, "Product")
        for rep in (input, target):
            refuse_points(rep, "Product")
        self.input = input
        self.channels = ChannelProduct(Layout.of(input).kinds, target, channels=channels)
        one, two = jax.random.split(key)
        mixed = self.channels.input
        self.left = Linear(input, mixed, key=one, use_bias=False, dtype=dtype)
        self.right = Linear(input, mixed, key=two, use_bias=False, dtype=dtype)
        self.squash = Squash(mixed, dtype=dtype) if bounded else None

    @property
    def output(self) -> Representation:
        """All that comes of the products."""
        return self.channels.output

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The products at one point."""
        x = check_point(x, self.input)
        second = self.right(x)
        return self.channels(self.left(x), second if self.squash is None else self.squash(second))


def has_product(first: Representation, second: Representation, target: Representation) -> bool:
    """Whether `Product` multiplies these two kinds into the third."""
    if first.dimension * second.dimension * target.dimension > LARGEST_PATH:
        return False
    return 0 < bilinear_basis(first, second, target).size <= LARGEST_PATH


def _rows(
    first: Representation, second: Representation, targets: tuple[Representation, ...]
) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """All maps first (x) second -> target as rows, of unit variance in the mean, and how many lead to each target."""
    rows, made = [np.zeros((0, first.dimension * second.dimension))], []
    for c, kind in enumerate(targets):
        if has_product(first, second, kind):
            basis = bilinear_basis(first, second, kind)
            basis = basis / np.sqrt(_mean_square(basis, first == second))[:, None, None, None]
            rows.append(basis.reshape(-1, rows[0].shape[1]))
            made.append((c, len(basis)))
    return np.concatenate(rows), tuple(made)


def _mean_square(basis: np.ndarray, alike: bool) -> np.ndarray:
    """Mean square (r,) of a coordinate of Q(x, y), x and y standard normal: independent, or equal if that is larger.

    Channels of few copies are nearly parallel, and then x . y is a square with a large mean.
    """
    independent = (basis**2).sum(axis=(2, 3)).mean(axis=1)
    if not alike:
        return independent
    trace = np.einsum("koii->ko", basis)
    symmetric = (basis + basis.transpose(0, 1, 3, 2)) / 2
    equal = (trace**2 + 2 * (symmetric**2).sum(axis=(2, 3))).mean(axis=1)
    return np.maximum(independent, equal)
