"""Integral operators on any grid, their kernels in the null space of any affine action on pairs of points."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.spatial.distance
from jaxtyping import Array, Float, PRNGKeyArray

from ..enforce import enforce
from ..errors import IsotropyError
from ..fields.grid import Grid
from ..fields.kernel import keeps_distances
from ..geometry.action import Action
from ..geometry.polynomial import Polynomials
from ..geometry.space import Space
from ..groups import Representation
from ..numerics.decide import numerical_floor
from .draw import normal
from .frozen import Frozen
from .layout import check_pair
from .steering import hats

LARGEST_TABLE = 2**27
"""Entries of the kernels on all pairs of points above which the layer is refused: half a gigabyte in float32."""


class Integral(eqx.Module):
    """v(x) = int K(x, y) u(y) dy with L K = 0: the kernels that a group of affine motions of x and y leaves unchanged.

    The group moves points as ``group.point`` and values as ``input`` and ``output``; where it changes volumes, so does
    the measure dy. Kernels are sections over pairs (x, y) of functions in ``space``, by default polynomials of
    ``degree`` in both, found by `enforce`. Where the group keeps distances each of them may also be multiplied by
    ``radial`` hat functions of |x - y| up to ``reach``: zonal and vector kernels on the sphere, and steerable ones on
    scattered points, are of this kind. What is linearly dependent on this grid is left out.

    ``layer(u)`` takes one field (*shape, in) on ``grid``; `jax.vmap(layer)` a batch. Memory and cost grow with the
    square of the number of points. The kernel's own equivariance is exact; that of the sum is the quadrature's. Raises
    `IsotropyError` where there are no such kernels, and for tables of more than `LARGEST_TABLE` entries.

    >>> import jax
    >>> from isotropy import groups
    >>> from isotropy.fields import Sphere
    >>> G = groups.SO(3)
    >>> layer = Integral(G.scalar, G.vector, Sphere(4), degree=2, radial=3, key=jax.random.key(0))
    >>> layer(jax.numpy.ones((5, 9, 1))).shape
    (5, 9, 3)
    """

    weights: Array
    table: Frozen
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        grid: Grid,
        *,
        degree: int = 2,
        space: Space | None = None,
        radial: int = 1,
        reach: float | None = None,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, output, "Integral")
        if isinstance(radial, bool) or not isinstance(radial, int) or radial < 1:
            raise IsotropyError(f"`radial` counts functions of the distance, at least 1. Got {radial!r}.")
        self.input, self.output, self.shape = input, output, grid.shape
        group = input.group
        if radial > 1 and not keeps_distances(group):
            raise IsotropyError(
                f"functions of the distance |x - y| need a group that keeps it. Got {group}: leave `radial` at 1, and "
                f"pass a `space` of functions of (x, y) instead."
            )
        points, count = grid.points, len(grid.points)
        if group.point.dimension != grid.dimension:
            raise IsotropyError(
                f"{group} moves points of R^{group.point.dimension}, but {grid} has {grid.dimension} coordinates."
            )
        kernels = enforce(kernel_action(input, output), space or Polynomials(2 * grid.dimension, degree=degree))
        size = kernels.dimension * radial * count**2 * input.dimension * output.dimension
        if size > LARGEST_TABLE:
            raise IsotropyError(
                f"{kernels.dimension * radial} kernels on {count}^2 pairs of points need a table of {size:.1e} "
                f"entries: use fewer points, or `nn.Convolution` or `nn.Spectral` on a regular grid."
            )
        pairs = np.concatenate([np.repeat(points, count, axis=0), np.tile(points, (count, 1))], axis=1)
        values = np.einsum("pf,kfn->kpn", np.asarray(kernels.space.values(pairs)), kernels.coefficients)
        if radial > 1:
            far = scipy.spatial.distance.cdist(points, points).ravel()
            profiles = hats(far / (far.max() if reach is None else reach), radial)
            values = np.einsum("kpn,pr->krpn", values, profiles).reshape(-1, *values.shape[1:])
        kept = _independent(values, np.outer(grid.weights, grid.weights).ravel())
        if not len(kept):
            raise IsotropyError(
                f"no kernel from `{input}` to `{output}` of {group} is left on {grid}: raise `degree`, or `reach`."
            )
        shape = (len(kept), count, count, output.dimension, input.dimension)
        table = kept.reshape(shape) * grid.weights[:, None, None]
        self.table = Frozen(table)
        self.weights = normal(key, [(len(kept),)], [1 / math.sqrt(len(kept))], dtype)[0]

    @property
    def dimension(self) -> int:
        """The number of kernels that are linearly independent on the grid."""
        return len(self.weights)

    def __call__(self, u: Float[Array, "*shape in"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*shape out"]:
        """The image of one field."""
        u = jnp.asarray(u)
        if u.shape != (*self.shape, self.input.dimension):
            raise IsotropyError(
                f"`u` has shape {u.shape}, but the layer takes one field of shape "
                f"{(*self.shape, self.input.dimension)}: use `jax.vmap(layer)` for a batch."
            )
        kernel = jnp.tensordot(self.weights.astype(u.dtype), self.table.astype(u.dtype), 1)
        moved = jnp.einsum("ijwv,jv->iw", kernel, u.reshape(-1, u.shape[-1]), precision="highest")
        return moved.reshape(*self.shape, -1)


def kernel_action(input: Representation, output: Representation) -> Action:
    """How a group moves kernels K(x, y) that are integrated against dy: A_out K - K A_in - div X(y) K."""
    group = input.group
    values = output @ input.dual
    growth = np.trace(group.vector.generators(), axis1=1, axis2=2)
    factors = np.abs(np.linalg.det(group.vector.components())) if len(group.vector.components()) else np.ones(0)
    if growth.any() or (factors != 1).any():
        density = group.representation(-growth[:, None, None], components=1 / factors[:, None, None], name="density")
        values = values @ density
    return Action(2 * group.point, values)


def _independent(values: Float[np.ndarray, "k p n"], weights: Float[np.ndarray, " p"]) -> Float[np.ndarray, "r p n"]:
    """Orthonormal combinations in the mean square over pairs of points, without those that vanish there."""
    if not len(values):
        return values
    rows = (values * np.sqrt(weights / weights.sum())[:, None]).reshape(len(values), -1)
    sizes = np.linalg.norm(rows, axis=1)
    rows, values = rows[sizes > 0] / sizes[sizes > 0, None], values[sizes > 0] / sizes[sizes > 0, None, None]
    if not len(rows):
        return values
    # A Gram matrix hides what lies below the root of rounding: a QR does not.
    triangle = np.asarray(np.linalg.qr(rows.T, mode="r"))
    left, spread, _ = np.linalg.svd(triangle.T)
    floor = numerical_floor(np.float64, max(rows.shape), float(spread[0])) * len(rows)
    kept = spread > floor
    return np.tensordot((left[:, kept] / spread[kept]).T, values, 1)
