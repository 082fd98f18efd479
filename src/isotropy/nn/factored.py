"""A linear map in the coordinates of the irreducibles: there, mix copies; back. No basis is ever dense."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Representation
from .basis import maps
from .draw import normal
from .frozen import Frozen
from .layout import Layout


class Factored(eqx.Module):
    """The maps of a `HomSpace` as weights (units, target copies, source copies) for each irreducible.

    Frames (d, n m k) of all irreducibles stand side by side, one matrix for each kind of summand, so that a point costs
    two products of size d x d for each copy of a kind and the mixing of the copies of each irreducible.
    """

    weights: tuple[Array, ...]
    units: tuple[Frozen, ...]
    inward: tuple[Frozen, ...]
    outward: tuple[Frozen, ...]
    layouts: tuple[Layout, Layout] = eqx.field(static=True)
    ranks: tuple[int, ...] = eqx.field(static=True)
    orders: tuple[tuple[int, int], ...] = eqx.field(static=True)
    multiplicities: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = eqx.field(static=True)

    def __init__(self, input: Representation, output: Representation, *, key: PRNGKeyArray, dtype: Any):
        space = maps(input, output)
        if space.mix is not None or space.affine:
            raise IsotropyError(
                f"`form='factored'` needs completely reducible representations. `{input}` -> `{output}` of "
                f"{input.group} is "
                f"not: use `form='dense'`."
            )
        source, target = Layout.of(input), Layout.of(output)
        self.layouts = source, target
        self.orders = tuple(block.order for block in space.blocks)
        self.inward = _frames(source, [block.source for block in space.blocks])
        self.outward = _frames(target, [block.target for block in space.blocks])
        self.multiplicities = tuple(
            (_multiplicities(source, block.source), _multiplicities(target, block.target)) for block in space.blocks
        )
        self.units = tuple(Frozen(block.units) for block in space.blocks)
        shapes = [(u, t, s) for t, s, u in (block.shape for block in space.blocks)]
        self.weights = normal(key, shapes, [1 / np.sqrt(s * u) for u, _, s in shapes], dtype)
        self.ranks = tuple(
            sum(block.dimension * goes[a] for block, (_, goes) in zip(space.blocks, self.multiplicities, strict=True))
            for a in range(len(target.kinds))
        )

    @property
    def dtype(self) -> Any:
        """Precision of the weights."""
        return self.weights[0].dtype if self.weights else jnp.float32

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """The image of one vector."""
        source, target = self.layouts
        within = [part @ frame.astype(self.dtype) for part, frame in zip(source.split(x), self.inward, strict=True)]
        pieces: list[list[Array]] = [[] for _ in target.kinds]
        place = [0] * len(within)
        for (n, k), (came, goes), weight, units in zip(
            self.orders, self.multiplicities, self.weights, self.units, strict=True
        ):
            columns = []
            for b, m in enumerate(came):
                if m:
                    block = within[b][:, place[b] : place[b] + n * m * k].reshape(-1, n, m, k)
                    columns.append(jnp.moveaxis(block, 1, 0).reshape(n, -1, k))
                    place[b] += n * m * k
            z = jnp.concatenate(columns, axis=1)
            moved = z[..., None] if k == 1 else jnp.einsum("ust,njt->njsu", units.astype(self.dtype), z)
            z = jnp.einsum("uij,njsu->nis", weight, moved)
            start = 0
            for a, m in enumerate(goes):
                if m:
                    count = target.counts[a] * m
                    block = z[:, start : start + count].reshape(n, target.counts[a], m, k)
                    pieces[a].append(jnp.moveaxis(block, 0, 1).reshape(target.counts[a], -1))
                    start += count
        parts = []
        for kind, count, found, frame in zip(target.kinds, target.counts, pieces, self.outward, strict=True):
            if found:
                parts.append(jnp.concatenate(found, axis=1) @ frame.astype(self.dtype).T)
            else:
                parts.append(jnp.zeros((count, kind.dimension), self.dtype))
        return target.join(parts)


def _places(layout: Layout) -> dict[int, int]:
    return {starts[0]: b for b, starts in enumerate(layout.starts)}


def _frames(layout: Layout, blocks: list[Any]) -> tuple[Frozen, ...]:
    """For each kind the frames of the irreducibles in it side by side, (d, sum of n m k)."""
    where = _places(layout)
    columns: list[list[np.ndarray]] = [[np.zeros((kind.dimension, 0))] for kind in layout.kinds]
    for parts in blocks:
        for part in parts:
            columns[where[int(part.offsets[0])]].append(part.frame.reshape(len(part.frame), -1))
    return tuple(Frozen(np.concatenate(found, axis=1)) for found in columns)


def _multiplicities(layout: Layout, parts: Any) -> tuple[int, ...]:
    where = _places(layout)
    result = [0] * len(layout.kinds)
    for part in parts:
        result[where[int(part.offsets[0])]] = part.frame.shape[2]
    return tuple(result)
