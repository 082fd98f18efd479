"""Whether fields look like those that a model was trained on: the only places where its values mean anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..errors import IsotropyError
from .grid import Grid

LEAST = 12
"""Fields needed to know what the others look like."""

ENERGY = 0.95
"""Share of the variance that the leading components hold: the rest of a field is what it has of its own."""

WIDER = 1.25
"""How far outside the range of those held out a score may lie, as a ratio, and still count as inside."""

MOST = 0.5
"""Share of fields that must look like those trained on. Of fields of the same kind nearly all do."""

NOTHING = 1e-6
"""Scores below this are rounding, and errors of interpolation."""


@dataclass(frozen=True)
class Typical:
    """What training fields (p, *shape, n) look like, in five numbers for each channel of each field.

    Half of the fields give a mean and leading components (principal components that hold `ENERGY` of the variance).
    The numbers are the size of a field's deviation from the mean, the share of it outside the components, the mean
    square of its coefficients in them, each in units of its own spread, the size of its derivatives, and the share of
    these that a rougher derivative misses. ``lowest`` and ``highest`` (n, 5) are the ranges of the other half, whom the
    components do not know.
    """

    grid: Grid
    means: Float[np.ndarray, "N n"]
    axes: tuple[Float[np.ndarray, "r N"], ...]
    spreads: tuple[Float[np.ndarray, " r"], ...]
    lowest: Float[np.ndarray, "n 3"]
    highest: Float[np.ndarray, "n 3"]

    @classmethod
    def of(cls, grid: Grid, fields: Float[np.ndarray, "p *shape n"], *, seed: int = 0) -> Typical:
        """From training fields on a grid; raises `IsotropyError` for fewer than `LEAST`."""
        if len(fields) < LEAST:
            raise IsotropyError(
                f"{len(fields)} training fields are too few to know what they look like: give at least {LEAST}."
            )
        fields = columns(grid, fields)
        order = np.random.default_rng(seed).permutation(len(fields))
        shown, held = fields[order[0::2]], fields[order[1::2]]
        means = shown.mean(axis=0)
        axes, spreads = [], []
        for k in range(fields.shape[2]):
            _, sizes, rows = np.linalg.svd(shown[..., k] - means[:, k], full_matrices=False)
            total = np.cumsum(sizes**2)
            kept = int(np.searchsorted(total, ENERGY * total[-1])) + 1 if total[-1] > 0 else 0
            axes.append(rows[:kept])
            spreads.append(sizes[:kept] / np.sqrt(len(shown) - 1))
        empty = np.zeros((fields.shape[2], 5))
        unscaled = cls(grid, means, tuple(axes), tuple(spreads), empty, empty)
        scores = unscaled.scores(held)
        return replace(unscaled, lowest=scores.min(axis=0), highest=scores.max(axis=0))

    def scores(self, fields: Float[np.ndarray, "k *shape n"]) -> Float[np.ndarray, "k n 5"]:
        """The five numbers for each channel of each field."""
        fields = columns(self.grid, fields)
        away = fields - self.means
        scores = np.zeros((*fields.shape[::2], 5))
        slopes, rough = (_slopes(self.grid, fields, rough=rough) for rough in (False, True))
        slope, missed = (np.sum(part**2, axis=(1, 3)) for part in (slopes, slopes - rough))
        scores[..., 3] = slope / _positive(np.sum(fields**2, axis=1))
        scores[..., 4] = missed / _positive(slope)
        for k, (axes, spread) in enumerate(zip(self.axes, self.spreads, strict=True)):
            inside = away[..., k] @ axes.T
            size = np.sum(away[..., k] ** 2, axis=1)
            scores[:, k, 0] = size / _positive(np.sum(self.means[:, k] ** 2) + np.sum(spread**2))
            scores[:, k, 1] = np.maximum(size - np.sum(inside**2, axis=1), 0) / _positive(size)
            scores[:, k, 2] = np.mean((inside / spread) ** 2, axis=1) if len(spread) else 0.0
        return scores

    def like(self, fields: Float[np.ndarray, "k *shape n"]) -> Bool[np.ndarray, " k"]:
        """Which fields lie within the ranges; those with NaN or infinity do not."""
        fields = columns(self.grid, fields)
        finite = np.asarray(np.isfinite(fields).all(axis=(1, 2)))
        scores = self.scores(np.where(finite[:, None, None], fields, 0.0)) + NOTHING
        inside = (scores >= (self.lowest + NOTHING) / WIDER) & (scores <= (self.highest + NOTHING) * WIDER)
        return np.asarray(finite & inside.all(axis=(1, 2)))


def _slopes(grid: Grid, values: Float[np.ndarray, "k N n"], *, rough: bool) -> Float[np.ndarray, "k N n d"]:
    with jax.enable_x64(True):
        batch = jnp.asarray(values.reshape(len(values), *grid.shape, -1))
        return np.asarray(_gradients(batch, grid=grid, rough=rough)).reshape(*values.shape, -1)


@partial(jax.jit, static_argnames=("grid", "rough"))
def _gradients(batch: Array, *, grid: Grid, rough: bool) -> Array:
    return jax.vmap(partial(grid.gradient, rough=rough))(batch)


def columns(grid: Grid, fields: np.ndarray) -> Float[np.ndarray, "k N n"]:
    """A batch of fields with the points of the grid along one axis, in float64."""
    return np.asarray(fields, dtype=np.float64).reshape(len(fields), len(grid.points), -1)


def _positive(size: np.ndarray) -> np.ndarray:
    return np.where(size > 0, size, 1.0)
