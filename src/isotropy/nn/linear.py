"""The equivariant linear layer, its weights the multiplicities that Schur's lemma leaves free."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Representation
from .basis import dense_basis, maps, whitened
from .draw import normal, zeros
from .factored import Factored
from .frozen import Frozen
from .layout import Layout, check_pair, check_point, linear_part

LARGEST_BASIS = 2**22
"""Entries of the dense basis between two kinds of summand above which the layer keeps it in factors."""


class Linear(eqx.Module):
    """Every equivariant map x -> M x + b between two representations.

    A summand that is repeated counts as a channel: between c copies of one kind and c' of another the weights are c c'
    times the dimension of the maps between one copy and one copy, and only the basis of these is kept. The matrix M is
    assembled from them, once for a whole batch under `jax.vmap`, so that a step costs what that of an ordinary linear
    layer costs. Where a kind is so large that this basis would be heavy (a high tensor power), it is kept in factors
    and x is carried to the irreducibles and back instead (``form``). The bias b runs over the invariant vectors of the
    target.

    Points (`G.point`) are taken relative to their mean, which is added to every point of the output.

    Weights are drawn so that at standard normal x the coordinates of each irreducible of the output have unit variance;
    irreducibles that the input lacks stay zero (``ranks`` has the dimension reached in each kind). Raises
    `IsotropyError` if a summand of the target cannot be reached at all, unless ``allow_zero``: it would stay zero.

    Cost of a point: the product with M. Tensor powers and other groups are `hom`'s business: see there for the method.

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> layer = Linear(2*V + S, V + V@V, key=jax.random.key(0))
    >>> layer(jax.numpy.ones(7)).shape, layer.dimension
    ((12,), 5)
    """

    weights: tuple[Array, ...]
    bias: tuple[Array, ...]
    factored: Factored | None
    bases: tuple[Frozen, ...]
    invariants: tuple[Frozen, ...]
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    pairs: tuple[tuple[int, int], ...] = eqx.field(static=True)
    biased: tuple[int, ...] = eqx.field(static=True)
    ranks: tuple[int, ...] = eqx.field(static=True)
    layouts: tuple[Layout, Layout] = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        *,
        key: PRNGKeyArray,
        use_bias: bool = True,
        allow_zero: bool = False,
        form: str = "auto",
        dtype: Any = jnp.float32,
    ):
        check_pair(input, output, "Linear")
        if form not in ("auto", "dense", "factored"):
            raise IsotropyError(f"`form` must be 'auto', 'dense' or 'factored'. Got {form!r}.")
        self.input, self.output = input, output
        source, target = Layout.of(linear_part(input)), Layout.of(linear_part(output))
        self.layouts = source, target
        self.factored = None
        if form == "factored" or (form == "auto" and _is_heavy(source, target)):
            self.factored = Factored(linear_part(input), linear_part(output), key=key, dtype=dtype)
            self.weights, self.bases, self.pairs = (), (), ()
            self.ranks = self.factored.ranks
        else:
            self.pairs, self.weights, self.bases, self.ranks = _draw(source, target, key, dtype)
        scalar = output.group.scalar
        biases = [(a, dense_basis(scalar, kind)) for a, kind in enumerate(target.kinds)] if use_bias else []
        self.biased = tuple(a for a, basis in biases if len(basis))
        self.invariants = tuple(Frozen(basis[:, :, 0]) for _, basis in biases if len(basis))
        self.bias = tuple(zeros((len(basis), target.counts[a]), dtype) for a, basis in biases if len(basis))
        missing = [str(kind) for a, kind in enumerate(target.kinds) if not self.ranks[a] and a not in self.biased]
        if missing and not allow_zero:
            raise IsotropyError(
                f"No equivariant linear map of {output.group} leads from `{input}` to "
                f"{' or '.join(f'`{m}`' for m in missing)}"
                f"{' (nor a bias)' if use_bias else ''}: that part of the output would stay zero. Drop it, add "
                f"summands to "
                f"the input (products of its summands, say), or pass `allow_zero=True`."
            )

    @property
    def dimension(self) -> int:
        """Number of weights, without the bias: the dimension of the space of equivariant maps."""
        if self.factored is not None:
            return sum(w.size for w in self.factored.weights)
        return sum(w.size for w in self.weights)

    def matrix(self) -> Float[Array, "out in"]:
        """The matrix M, on differences of points where there are points."""
        if self.factored is not None:
            return jax.vmap(self.factored, out_axes=1)(jnp.eye(self.input.dimension, dtype=self.factored.dtype))
        source, target = self.layouts
        dtype = self.weights[0].dtype if self.weights else jnp.float32
        blocks = [[jnp.zeros((rows, columns), dtype) for columns in source.sizes] for rows in target.sizes]
        for (a, b), weight, basis in zip(self.pairs, self.weights, self.bases, strict=True):
            block = jnp.einsum("kij,kpq->ipjq", weight, basis.astype(dtype))
            blocks[a][b] = block.reshape(target.sizes[a], source.sizes[b])
        matrix = jnp.concatenate([jnp.concatenate(row, axis=1) for row in blocks])
        if not target.is_sorted:
            matrix = matrix[np.argsort(target.order)]
        return matrix if source.is_sorted else matrix[:, np.argsort(source.order)]

    def offset(self) -> Float[Array, " out"] | None:
        """The bias b, None where there is none."""
        if not self.bias:
            return None
        target = self.layouts[1]
        parts = [
            jnp.zeros((count, kind.dimension), self.bias[0].dtype)
            for kind, count in zip(target.kinds, target.counts, strict=True)
        ]
        for a, weight, vectors in zip(self.biased, self.bias, self.invariants, strict=True):
            parts[a] = weight.T @ vectors.astype(weight.dtype)
        return target.join(parts)

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point. ``key`` is there for `equinox.nn.Sequential` and is not used."""
        x = check_point(x, self.input)
        mean = None
        if self.input.has_points:
            x, mean = _centred(x, self.input)
        y = self.matrix() @ x if self.factored is None else self.factored(x)
        offset = self.offset()
        if offset is not None:
            y = y + offset
        return y if mean is None or not self.output.has_points else y + _spread(mean, self.output).astype(y.dtype)


def _is_heavy(source: Layout, target: Layout) -> bool:
    """Whether a dense basis between kinds would be larger than the matrix it serves, and large at that."""
    for kind in target.kinds:
        for other in source.kinds:
            size = kind.dimension * other.dimension
            if size * size > LARGEST_BASIS and size * maps(other, kind).dimension > LARGEST_BASIS:
                return all(maps(b, a).mix is None for a in target.kinds for b in source.kinds)
    return False


def _draw(
    source: Layout, target: Layout, key: PRNGKeyArray, dtype: Any
) -> tuple[tuple[tuple[int, int], ...], tuple[Array, ...], tuple[Frozen, ...], tuple[int, ...]]:
    """Pairs of kinds with maps between them, their weights and bases, and how much of each target kind they reach."""
    pairs, shapes, bases, ranks = [], [], [], []
    for a, (kind, count) in enumerate(zip(target.kinds, target.counts, strict=True)):
        found = [dense_basis(other, kind) for other in source.kinds]
        scaled, rank = whitened(kind, found, list(source.counts))
        ranks.append(rank)
        for b, basis in enumerate(scaled):
            if len(basis):
                pairs.append((a, b))
                shapes.append((len(basis), count, source.counts[b]))
                bases.append(Frozen(basis))
    return tuple(pairs), normal(key, shapes, [1.0] * len(shapes), dtype), tuple(bases), tuple(ranks)


def _points(rep: Representation) -> list[tuple[int, int]]:
    return [(start, block.dimension) for block, start in rep.blocks() if block.has_points]


def _centred(x: Array, rep: Representation) -> tuple[Array, Array]:
    """x with the mean of its points taken from each of them, and that mean."""
    places = _points(rep)
    if len({size for _, size in places}) > 1:
        raise IsotropyError(f"The points of `{rep}` have different dimensions: a layer takes points of one space.")
    indices = np.array([start for start, _ in places])[:, None] + np.arange(places[0][1])
    mean = x[indices].mean(axis=0)
    return x.at[indices].add(-mean), mean


def _spread(mean: Array, rep: Representation) -> Array:
    y = jnp.zeros(rep.dimension, mean.dtype)
    for start, size in _points(rep):
        y = y.at[start : start + size].set(mean)
    return y
