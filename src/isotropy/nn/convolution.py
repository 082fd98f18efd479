"""The steerable convolution: equivariant kernels of a few grid points' reach."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..fields.grid import Box, Grid, Periodic
from ..groups import Representation
from .steering import DEGREE, Steered, Steering


class Convolution(Steered):
    """A convolution v(x) = mean over z of K(z) u(x - z) with K(g z) = W_g K(z) V_g^-1, up to ``size // 2`` points off.

    It commutes with shifts of the grid, and with those elements of the group, any subgroup of O(d), that take the grid
    to itself; with others up to the grid's resolution. Kernels are those of `fields.kernel_basis` up to the angular
    frequency ``degree``, times ``radial`` hat functions of the distance. Periodic fields are continued, fields on a box
    are taken as zero outside: they should vanish near its edge. Unlike `Spectral`, the layer belongs to one spacing.

    ``layer(u)`` takes one field (*shape, in) of any size with that spacing; `jax.vmap(layer)` a batch. Source:
    Weiler2018.

    >>> from isotropy import groups
    >>> G = groups.D(4)
    >>> layer = Convolution(G.scalar, G.vector, Periodic((8, 8)), key=jax.random.key(0))
    >>> layer(jax.numpy.ones((8, 8, 1))).shape
    (8, 8, 2)
    """

    width: int = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        grid: Grid,
        *,
        size: int = 5,
        radial: int | None = None,
        degree: int = DEGREE,
        allow_zero: bool = False,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        if not isinstance(grid, Periodic | Box):
            raise IsotropyError(f"`Convolution` needs a periodic grid or a box. Got {grid}: use `nn.Integral`.")
        if isinstance(size, bool) or not isinstance(size, int) or size < 3 or size % 2 == 0:
            raise IsotropyError(f"`size` is the kernel's width in points, an odd number from 3. Got {size!r}.")
        if size > min(grid.shape):
            raise IsotropyError(f"a kernel of {size} points does not fit on {grid}: take a smaller `size`.")
        self.width, self.periodic = size, isinstance(grid, Periodic)
        spacing = np.array([axis[1] - axis[0] for axis in grid.axes])
        half = size // 2
        offsets = np.indices((size,) * len(spacing)).reshape(len(spacing), -1).T - half
        self.steering = Steering(
            input,
            output,
            # The entry at an offset meets the field there, which lies on the other side of x - y.
            -offsets * spacing,
            reach=half * float(spacing.min()),
            radial=half + 1 if radial is None else radial,
            degree=degree,
            key=key,
            dtype=dtype,
            what="Convolution",
            allow_zero=allow_zero,
        )

    def __call__(self, u: Float[Array, "*shape in"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*shape out"]:
        """The image of one field."""
        u = self._sorted(u)
        d = u.ndim - 1
        even, odd = self.steering.matrices()
        kernel = jnp.swapaxes(even + odd, 1, 2).reshape(*(self.width,) * d, u.shape[-1], -1) / len(even)
        half = self.width // 2
        around = [(half, half)] * d + [(0, 0)]
        padded = jnp.pad(u, around, mode="wrap" if self.periodic else "constant")
        axes = "xyz"[:d]
        moved = jax.lax.conv_general_dilated(
            padded[None],
            kernel.astype(u.dtype),
            (1,) * d,
            "VALID",
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            precision="highest",
        )
        return self._unsorted(moved[0])
