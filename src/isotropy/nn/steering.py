"""Weights of equivariant kernels on a table of displacements, shared by the layers that act on fields."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError, IsotropyWarning
from ..fields.kernel import KernelBasis, kernel_basis
from ..groups import Representation
from .draw import normal
from .frozen import Frozen
from .layout import Layout, check_pair

DEGREE = 4
"""Angular frequency up to which kernels are taken unless it is said otherwise."""


class Steering(eqx.Module):
    """Learned kernels K(z): V -> W with K(g z) = W_g K(z) V_g^-1 at given displacements z (m, d).

    K(z) = sum_jr w_jr B_r(|z|) K_j(z / |z|), with the kernels K_j of `fields.kernel_basis` between two kinds of summand
    and ``radial`` hat functions B_r on [0, ``reach``]. Beyond it the kernel is zero. Weights are drawn so that the
    kernels of one displacement together keep the size of what they act on.
    """

    weights: Array
    radii: Frozen
    angles: Frozen
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    layouts: tuple[Layout, Layout] = eqx.field(static=True)
    slots: tuple[int, int] = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        displacements: Float[np.ndarray, "m d"],
        *,
        reach: float,
        radial: int,
        degree: int,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
        what: str = "Steering",
        allow_zero: bool = False,
    ):
        check_pair(input, output, what)
        if isinstance(radial, bool) or not isinstance(radial, int) or radial < 1:
            raise IsotropyError(f"`radial` counts functions of the radius, at least 1. Got {radial!r}.")
        if input.group.vector.dimension != displacements.shape[1]:
            raise IsotropyError(
                f"{input.group} moves points of R^{input.group.vector.dimension}, but the grid has "
                f"{displacements.shape[1]} coordinates: take a group of that dimension."
            )
        self.input, self.output = input, output
        source, target = self.layouts = Layout.of(input), Layout.of(output)
        radius = np.linalg.norm(displacements, axis=1)
        self.radii = Frozen(hats(radius / reach, radial))
        away = radius > 0
        directions = np.divide(displacements, radius[:, None], out=np.zeros_like(displacements), where=away[:, None])
        ends = [np.concatenate([[0], np.cumsum(layout.counts)]) for layout in self.layouts]
        starts = [np.concatenate([[0], np.cumsum(layout.sizes)]) for layout in self.layouts]
        copies = ends[1][-1], ends[0][-1]
        # A slot holds at most one kernel of each pair of kinds; even frequencies come first.
        found, most = {}, [0, 0]
        for a, kind in enumerate(target.kinds):
            for b, other in enumerate(source.kinds):
                found[a, b] = kernels(other, kind, degree)
                for parity in (0, 1):
                    most[parity] = max(most[parity], sum(j % 2 == parity for j in found[a, b].frequencies))
        self.slots = most[0], most[1]
        angles = np.zeros((len(displacements), sum(most), starts[1][-1], starts[0][-1]))
        columns = np.full((sum(most), *copies), -1)
        scales, used = [], 0
        for a, kind in enumerate(target.kinds):
            total = sum(found[a, b].dimension * count for b, count in enumerate(source.counts))
            if not total and not allow_zero:
                raise IsotropyError(
                    f"No equivariant kernel of {output.group} leads from `{input}` to `{kind}` up to angular frequency "
                    f"{degree}: that part of the output would stay zero. Drop it, or raise `degree`."
                )
            for b in range(len(source.kinds)):
                basis = found[a, b]
                values = _values(basis, directions)
                free = [0, most[0]]
                for j, value in zip(basis.frequencies, values, strict=True):
                    slot = free[j % 2]
                    free[j % 2] += 1
                    block = (slot, slice(ends[1][a], ends[1][a + 1]), slice(ends[0][b], ends[0][b + 1]))
                    size = target.counts[a] * source.counts[b]
                    columns[block] = used + np.arange(size).reshape(target.counts[a], source.counts[b])
                    used += size
                    scales += [np.sqrt(kind.dimension / total)] * size
                    # At the origin, which has no direction, only what needs none is left.
                    value = value * (away | (j == 0))[:, None, None]
                    rows, width = slice(starts[1][a], starts[1][a + 1]), slice(starts[0][b], starts[0][b + 1])
                    angles[:, slot, rows, width] = np.tile(value, (1, target.counts[a], source.counts[b]))
        self.angles = Frozen(angles)
        spread = [np.repeat(np.arange(sum(n.counts)), np.repeat(_dimensions(n), n.counts)) for n in self.layouts]
        self.columns = tuple(columns[:, spread[1]][:, :, spread[0]].ravel().tolist())
        drawn = normal(key, [(radial, used)], [1.0], dtype)[0] if used else jnp.zeros((radial, 0), dtype)
        self.weights = drawn * jnp.asarray(scales, dtype)

    @property
    def dimension(self) -> int:
        """The number of weights."""
        return self.weights.size

    def matrices(self) -> tuple[Float[Array, "m out in"], Float[Array, "m out in"]]:
        """The parts of the kernel of even and of odd frequency at all displacements, kinds sorted."""
        dtype = self.weights.dtype
        angles = self.angles.astype(dtype)
        # The last column stands for the kernels that there are not.
        padded = jnp.pad(self.weights, ((0, 0), (0, 1)))[:, np.array(self.columns, dtype=int)]
        parts = (self.radii.astype(dtype) @ padded).reshape(angles.shape) * angles
        return parts[:, : self.slots[0]].sum(axis=1), parts[:, self.slots[0] :].sum(axis=1)


def _dimensions(layout: Layout) -> list[int]:
    return [kind.dimension for kind in layout.kinds]


class Steered(eqx.Module):
    """What layers with such kernels share: their representations, and fields that are sorted and checked."""

    steering: Steering

    @property
    def input(self) -> Representation:
        """What a field's value is at a point."""
        return self.steering.input

    @property
    def output(self) -> Representation:
        """What the value of the result is."""
        return self.steering.output

    def _sorted(self, u: Any) -> Float[Array, "*shape in"]:
        """One field, its channels in the order of their kinds. Raises `IsotropyError` where it is none."""
        u, d, layout = jnp.asarray(u), self.input.group.vector.dimension, self.steering.layouts[0]
        if u.ndim != d + 1 or u.shape[-1] != self.input.dimension:
            raise IsotropyError(
                f"`u` has shape {u.shape}, but the layer takes one field of {self.input.dimension} channels "
                f"(`{self.input}`) on a grid of {d} axes: use `jax.vmap(layer)` for a batch."
            )
        return u if layout.is_sorted else jnp.take(u, layout.order, axis=-1)

    def _unsorted(self, v: Float[Array, "*shape out"]) -> Float[Array, "*shape out"]:
        """The result with its channels in the order of `output`."""
        layout = self.steering.layouts[1]
        return v if layout.is_sorted else jnp.take(v, np.argsort(layout.order), axis=-1)


def hats(place: Float[np.ndarray, " m"], count: int) -> Float[np.ndarray, "m r"]:
    """Hat functions with nodes evenly on [0, 1], zero beyond; one constant where ``count`` is 1."""
    inside = (place <= 1 + 1e-9)[:, None]
    if count == 1:
        return inside.astype(np.float64)
    nodes = np.arange(count)
    return inside * np.maximum(0.0, 1 - np.abs(np.minimum(place, 1.0)[:, None] * (count - 1) - nodes))


@lru_cache(maxsize=256)
def kernels(source: Representation, target: Representation, degree: int) -> KernelBasis:
    """`fields.kernel_basis`, silent where there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsotropyWarning)
        return kernel_basis(source, target, degree=degree)


def _values(basis: KernelBasis, directions: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "k m w v"]:
    return np.einsum("mf,kfwv->kmwv", np.asarray(basis.space.values(directions)), basis.coefficients)
