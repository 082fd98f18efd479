"""Which summands a representation has and where they lie, so that equal ones are treated as channels."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..errors import IsotropyError
from ..groups import Representation
from ..groups.representation import Leaf


@dataclass(frozen=True)
class Layout:
    """The distinct summands (kinds) of a representation and the coordinates at which each copy starts.

    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> layout = Layout.of(2*S + V + S)
    >>> layout.kinds, layout.starts, layout.is_sorted
    ((S, V), ((0, 1, 5), (2,)), False)
    """

    kinds: tuple[Representation, ...]
    starts: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(rep: Representation) -> Layout:
        """The layout of a representation."""
        starts: dict[Representation, list[int]] = {}
        seen: dict[int, list[int]] = {}
        for block, start in rep.blocks():
            if id(block) not in seen:
                seen[id(block)] = starts.setdefault(block, [])
            seen[id(block)].append(start)
        return Layout(tuple(starts), tuple(tuple(s) for s in starts.values()))

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of copies of each kind."""
        return tuple(len(s) for s in self.starts)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of coordinates of each kind, all copies together."""
        return tuple(len(s) * kind.dimension for kind, s in zip(self.kinds, self.starts, strict=True))

    @property
    def order(self) -> np.ndarray:
        """Coordinates sorted by kind: ``x[order]`` has the copies of the first kind first."""
        pieces = [
            (np.asarray(s)[:, None] + np.arange(kind.dimension)).ravel()
            for kind, s in zip(self.kinds, self.starts, strict=True)
        ]
        return np.concatenate(pieces)

    @property
    def is_sorted(self) -> bool:
        """Whether the coordinates are sorted by kind as they stand."""
        order = self.order
        return bool((order == np.arange(len(order))).all())

    def split(self, x: Array) -> list[Array]:
        """The coordinates of each kind, (copies, dimension of the kind)."""
        x = x if self.is_sorted else x[self.order]
        ends = np.cumsum(self.sizes)[:-1]
        return [part.reshape(-1, kind.dimension) for part, kind in zip(jnp.split(x, ends), self.kinds, strict=True)]

    def join(self, parts: list[Array]) -> Array:
        """The inverse of `split`."""
        x = jnp.concatenate([part.ravel() for part in parts])
        return x if self.is_sorted else x[np.argsort(self.order)]


def is_invariant(kind: Representation) -> bool:
    """Whether nothing moves it."""
    return _acts_by_components(kind) and all(
        abs(m - np.eye(kind.dimension)).max() == 0 for m in kind.sparse_components()
    )


def is_permutation(kind: Representation) -> bool:
    """Whether the group only permutes its coordinates, so that a function applied to each coordinate is equivariant."""
    return _acts_by_components(kind) and all(
        m.nnz == kind.dimension and (m.data == 1).all() and len(np.unique(m.indices)) == kind.dimension
        for m in kind.sparse_components()
    )


def is_orthogonal(kind: Representation) -> bool:
    """Whether the group acts by orthogonal matrices, so that the Euclidean norm is invariant."""
    scale = max((abs(m).max() for m in kind.sparse_generators() if m.nnz), default=0.0)
    floor = np.finfo(np.float64).eps * kind.dimension
    skew = all(abs(m + m.T).max() <= floor * scale for m in kind.sparse_generators())
    identity = np.eye(kind.dimension)
    return skew and all(abs((m.T @ m).toarray() - identity).max() <= floor for m in kind.sparse_components())


def _acts_by_components(kind: Representation) -> bool:
    return not kind.has_points and all(abs(m).max() == 0 if m.nnz else True for m in kind.sparse_generators())


def linear_part(rep: Representation) -> Representation:
    """The same with points replaced by vectors, the differences of points."""
    if not rep.has_points:
        return rep
    return reduce(operator.add, (_difference(block) for block, _ in rep.blocks()))


def _difference(block: Representation) -> Representation:
    if not block.has_points:
        return block
    if block == block.group.point:
        return block.group.vector
    generators, components = block.sparse_generators(), block.sparse_components()
    return Leaf(block.group, f"{block}.vector", generators, components, dimension=block.dimension)


def copies(kinds: Any, counts: Any) -> Representation | None:
    """The direct sum of so many copies of each kind; None when there are none."""
    terms = [kind if k == 1 else int(k) * kind for kind, k in zip(kinds, counts, strict=True) if k]
    return reduce(operator.add, terms) if terms else None


def check_pair(source: Representation, target: Representation, what: str) -> None:
    """Refuse what a layer cannot take: other things than representations, two groups, complex matrices."""
    for rep in (source, target):
        if not isinstance(rep, Representation):
            raise IsotropyError(
                f"`{what}` takes representations, such as `2*S + V` of `groups.SO(3)`. Got {type(rep).__name__}."
            )
        if rep.is_complex:
            raise IsotropyError(f"`{what}` works with real numbers. Got `{rep}`, which is complex: use `rep.real()`.")
    if source.group != target.group:
        raise IsotropyError(
            f"`{what}` needs representations of one group. Got `{source}` of {source.group} and `{target}` of "
            f"{target.group}: take both from one group, or from their product."
        )


def check_point(x: Any, rep: Representation) -> Array:
    """``x`` as one point of the representation."""
    x = jnp.asarray(x)
    if x.shape != (rep.dimension,):
        raise IsotropyError(
            f"`x` has shape {x.shape}, but the layer takes one point of `{rep}`, shape ({rep.dimension},): "
            f"use `jax.vmap(layer)` for a batch."
        )
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(float)


def refuse_points(rep: Representation, what: str) -> None:
    """Points have no origin: only a linear layer, which takes differences, can begin with them."""
    if rep.has_points:
        raise IsotropyError(
            f"`{what}` cannot act on points, which have no origin. Got `{rep}`: use a `Linear` layer to vectors first."
        )
