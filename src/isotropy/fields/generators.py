"""Infinitesimal motions of fields, one at a time: of the points, of the values, and of both after a step in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.fibre import Linear
from ..geometry.motion import Affine


@dataclass(frozen=True)
class Generator:
    """One affine motion of points and values: x moves by ``base @ (x, 1)``, u by ``fibre @ (u, 1)``.

    ``after`` is the same motion as the output of an operator sees it, where that differs: a step in time sees a
    Galilean boost as a change of velocity before, and as a shift as well after.
    """

    name: str
    base: Float[np.ndarray, "m m+1"]
    fibre: Float[np.ndarray, "n n+1"]
    after: Generator | None = None


def translation(axis: int, *, dimension: int, channels: int = 1) -> Generator:
    """All points move along one axis."""
    base = np.zeros((dimension, dimension + 1))
    base[_index(axis, dimension, "axis"), -1] = 1.0
    return Generator(f"translation {axis}", base, np.zeros((channels, channels + 1)))


def rotation(
    first: int, second: int, *, dimension: int, channels: int = 1, vectors: Sequence[tuple[int, int]] = ()
) -> Generator:
    """The plane of two axes turns, the first towards the second; ``vectors`` are pairs of channels that turn too."""
    base = np.zeros((dimension, dimension + 1))
    i, j = _index(first, dimension, "first"), _index(second, dimension, "second")
    base[j, i], base[i, j] = 1.0, -1.0
    fibre = np.zeros((channels, channels + 1))
    for a, b in vectors:
        fibre[_index(b, channels, "vectors"), a] = 1.0
        fibre[_index(a, channels, "vectors"), b] = -1.0
    return Generator(f"rotation {first}{second}", base, fibre)


def lorentz_boost(time: int, axis: int, *, dimension: int, channels: int = 1) -> Generator:
    """Time and one axis mix as under a Lorentz boost, with the speed of light one."""
    base = np.zeros((dimension, dimension + 1))
    i, j = _index(time, dimension, "time"), _index(axis, dimension, "axis")
    base[i, j] = base[j, i] = 1.0
    return Generator(f"boost {axis}", base, np.zeros((channels, channels + 1)))


def dilation(rates: Any, *, channels: int = 1, weights: Any = 0.0) -> Generator:
    """Coordinates grow at ``rates`` (m,), and channels at ``weights``, one number or (n,)."""
    rates = np.asarray(rates, dtype=np.float64)
    base = np.concatenate([np.diag(rates), np.zeros((len(rates), 1))], axis=1)
    growth = np.diag(np.broadcast_to(np.asarray(weights, dtype=np.float64), (channels,)))
    return Generator("dilation", base, np.concatenate([growth, np.zeros((channels, 1))], axis=1))


def amplitude(*, dimension: int, channels: int = 1, weights: Any = 1.0) -> Generator:
    """Values grow where they are; ``weights``, one number or (n,), are their rates."""
    still = dilation(np.zeros(dimension), channels=channels, weights=weights)
    return Generator("amplitude", still.base, still.fibre)


def shift(channel: int, *, dimension: int, channels: int = 1) -> Generator:
    """A constant is added to one channel."""
    fibre = np.zeros((channels, channels + 1))
    fibre[_index(channel, channels, "channel"), -1] = 1.0
    return Generator(f"shift {channel}", np.zeros((dimension, dimension + 1)), fibre)


def galilean_boost(axis: int, channel: int, *, step: float, dimension: int, channels: int = 1) -> Generator:
    """A frame moving along ``axis``: ``channel``, the velocity along it, grows by one before and after a step in time.

    After the ``step`` everything has moved on by as much as well. With convention C1 fields are pulled back, so the
    motion of the points is the velocity's with the same sign: u(x, t) goes to u(x + c t, t) - c.
    """
    before = shift(channel, dimension=dimension, channels=channels)
    moved = translation(axis, dimension=dimension).base * step
    return Generator(f"boost {axis}", before.base, before.fibre, Generator("", moved, before.fibre))


def action_of(generators: Sequence[Generator], *, after: bool = False) -> Action:
    """The action of a list of generators, before an operator or ``after`` it."""
    chosen = [(g.after or g) if after else g for g in generators]
    if not chosen:
        raise IsotropyError("`generators` is empty: give at least one, such as `fields.translation(0, dimension=2)`.")
    for name in ("base", "fibre"):
        shapes = {getattr(g, name).shape for g in chosen}
        if len(shapes) > 1:
            raise IsotropyError(
                f"generators must move one space. Got {name} matrices of shapes {sorted(shapes)}: give all the same "
                f"`dimension` and `channels`."
            )
    base, fibre = np.stack([g.base for g in chosen]), np.stack([g.fibre for g in chosen])
    return Action.affine(
        Affine(base[..., :-1], base[..., -1]),
        Linear(fibre[..., :-1], fibre[..., -1]),
        text=", ".join(g.name for g in generators),
    )


def _index(value: int, count: int, name: str) -> int:
    if not 0 <= value < count:
        raise IsotropyError(f"`{name}` must lie between 0 and {count - 1}. Got {value}.")
    return int(value)
