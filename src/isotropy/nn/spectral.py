"""The equivariant Fourier layer: every operator on periodic fields that commutes with translations and a group."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..fields.grid import Grid, Periodic
from ..groups import Representation
from .steering import DEGREE, Steered, Steering

HIGHEST = 8
"""Waves along the shortest period that are kept unless it is said otherwise."""


class Spectral(Steered):
    """A linear operator on periodic fields, v^(k) = M(k) u^(k) with M(g k) = W_g M(k) V_g^-1, for low frequencies.

    It commutes with every translation, and with the group, any subgroup of O(d) in one to three dimensions, as far as
    the box allows it: on a square, quarter turns and reflections exactly, other rotations on fields that vanish near
    the edge. M(k) = sum w_jr B_r(|k|) i^J K_j(k / |k|), with the kernels of `fields.kernel_basis` up to the angular
    frequency ``degree`` and ``radial`` hat functions of the frequency. Frequencies up to ``modes`` waves along the
    shortest period are kept, the same in all directions; higher ones become zero. Raises `IsotropyError` for an output
    that no kernel leads to, unless ``allow_zero``.

    ``layer(u)`` takes one field (*shape, in) on any periodic grid of these periods that is fine enough;
    `jax.vmap(layer)` a batch. Costs two truncated Fourier transforms, as products with matrices. Source of the kernels:
    Weiler2018, here in frequency space.

    >>> import jax
    >>> from isotropy import groups
    >>> from isotropy.fields import Periodic
    >>> G = groups.O(2)
    >>> layer = Spectral(G.scalar, 2*G.vector, Periodic((16, 16)), modes=4, key=jax.random.key(0))
    >>> layer(jax.numpy.ones((16, 16, 1))).shape
    (16, 16, 4)
    """

    lengths: tuple[float, ...] = eqx.field(static=True)
    highest: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        grid: Grid,
        *,
        modes: int = HIGHEST,
        radial: int | None = None,
        degree: int = DEGREE,
        allow_zero: bool = False,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        if not isinstance(grid, Periodic):
            raise IsotropyError(
                f"`Spectral` needs a periodic grid. Got {grid}: use `nn.Convolution` on a box, or `nn.Integral`."
            )
        if isinstance(modes, bool) or not isinstance(modes, int) or modes < 1:
            raise IsotropyError(f"`modes` counts waves along the shortest period, at least 1. Got {modes!r}.")
        self.lengths = tuple(float(length) for length in grid.lengths)
        # A whisker above, so that rounding does not lose the last wave of a longer period.
        self.highest = tuple(int(modes * length / min(self.lengths) + 1e-9) for length in self.lengths)
        self._check(grid.shape)
        counts = [np.arange(-n, n + 1) for n in self.highest]
        counts = [np.concatenate([c[c >= 0], c[c < 0]]) for c in counts[:-1]] + [counts[-1][counts[-1] >= 0]]
        waves = np.stack(
            [w.ravel() / length for w, length in zip(np.meshgrid(*counts, indexing="ij"), self.lengths, strict=True)], 1
        )
        self.steering = Steering(
            input,
            output,
            waves,
            reach=modes / min(self.lengths),
            radial=modes + 1 if radial is None else radial,
            degree=degree,
            key=key,
            dtype=dtype,
            what="Spectral",
            allow_zero=allow_zero,
        )

    def __call__(self, u: Float[Array, "*shape in"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*shape out"]:
        """The image of one field."""
        u = self._sorted(u)
        shape = u.shape[:-1]
        self._check(shape)
        spectrum = self._analysis(u)
        even, odd = (part.astype(u.dtype) for part in self.steering.matrices())
        # i^J K(k) is real where J is even, imaginary where it is odd; its sign is the weights' business.
        one, two = (jnp.einsum("moi,rmi->rmo", part, spectrum) for part in (even, odd))
        moved = jnp.stack([one[0] - two[1], one[1] + two[0]])
        return self._unsorted(self._synthesis(moved, shape))

    def most(self, shape: tuple[int, ...]) -> int:
        """The largest number of ``modes`` that a grid of this shape and the layer's periods can hold."""
        shortest = min(self.lengths)
        return min(int((n - 1) // 2 * shortest / length) for n, length in zip(shape, self.lengths, strict=True))

    def _analysis(self, u: Float[Array, "*shape n"]) -> Float[Array, "2 m n"]:
        """Real and imaginary parts of the Fourier coefficients kept: by matrices, since they are few."""
        shape = u.shape[:-1]
        waves = _waves(shape[-1], self.highest[-1], half=True, dtype=u.dtype)
        z = jnp.einsum("rkx,pxc->rpkc", waves, u.reshape(-1, *u.shape[-2:]), precision="highest") / shape[-1]
        for axis in reversed(range(len(shape) - 1)):
            cos, sin = _waves(shape[axis], self.highest[axis], half=False, dtype=u.dtype)
            turn = jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])]) / shape[axis]
            z = z.reshape(2, int(np.prod(shape[:axis], dtype=int)), shape[axis], -1)
            z = jnp.einsum("srmx,rpxq->spmq", turn, z, precision="highest")
        return z.reshape(2, -1, u.shape[-1])

    def _synthesis(self, z: Float[Array, "2 m n"], shape: tuple[int, ...]) -> Float[Array, "*shape n"]:
        """The field with these Fourier coefficients."""
        channels = z.shape[-1]
        for axis in range(len(shape) - 1):
            cos, sin = _waves(shape[axis], self.highest[axis], half=False, dtype=z.dtype)
            turn = jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])])
            z = z.reshape(2, int(np.prod(shape[:axis], dtype=int)), 2 * self.highest[axis] + 1, -1)
            z = jnp.einsum("srmx,rpmq->spxq", turn, z, precision="highest")
        z = z.reshape(2, -1, self.highest[-1] + 1, channels)
        waves = _waves(shape[-1], self.highest[-1], half=True, dtype=z.dtype)
        # Every frequency but zero stands for two of opposite signs.
        twice = jnp.where(jnp.arange(self.highest[-1] + 1) > 0, 2, 1).astype(z.dtype)
        u = jnp.einsum("rkx,rpkc->pxc", waves * twice[:, None], z, precision="highest")
        return u.reshape(*shape, channels)

    def _check(self, shape: tuple[int, ...]) -> None:
        for axis, (n, size) in enumerate(zip(self.highest, shape, strict=True)):
            if size <= 2 * n:
                raise IsotropyError(
                    f"axis {axis} has {size} points, but {n} waves need {2 * n + 1}: lower `modes`, or refine the grid."
                )


def _waves(size: int, highest: int, *, half: bool, dtype: Any) -> Float[Array, "2 k x"]:
    """cos(2 pi k x / size) and -sin of it; k = 0 to ``highest``, and then -highest to -1 unless ``half``."""
    k = np.arange(highest + 1) if half else np.concatenate([np.arange(highest + 1), np.arange(-highest, 0)])
    # Whole numbers of turns are taken off exactly, so that symmetric entries are equal to the last bit.
    angle = 2 * np.pi * (np.outer(k, np.arange(size)) % size) / size
    return jnp.asarray(np.stack([np.cos(angle), -np.sin(angle)]), dtype)
