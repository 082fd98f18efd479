"""Sets of points: layers that commute with permutations of the points and with the Euclidean group."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from .draw import zeros


class PointSet(eqx.Module):
    """A layer on n points of R^d with features: (positions, features) -> (positions, features).

    Pairs exchange messages that see the features of both ends and the squared distance; positions move along
    differences, features are updated from the sum of messages. So it commutes with every permutation of the points and
    with E(d), in any dimension d and for any number of points; features are invariant. Distances enter as log(1 + |x_i
    - x_j|^2) and displacements as (x_i - x_j) / (1 + |x_i - x_j|), so that far points do no harm; units of length
    should be such that distances are near 1. Source: Satorras2021 (EGNN). Cost: n^2 pairs. ``mask`` (n,) leaves padding
    out.

    >>> import jax
    >>> layer = PointSet(4, 6, width=16, key=jax.random.key(0))
    >>> x, h = layer(jax.random.normal(jax.random.key(1), (5, 3)), jax.numpy.ones((5, 4)))
    >>> x.shape, h.shape
    ((5, 3), (5, 6))
    """

    message: eqx.nn.MLP
    move: eqx.nn.MLP
    update: eqx.nn.MLP
    skip: eqx.nn.Linear | None
    start: Array
    features: int = eqx.field(static=True)
    out_features: int = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        out_features: int,
        *,
        width: int = 64,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        for value, name, least in ((features, "features", 0), (out_features, "out_features", 1), (width, "width", 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise IsotropyError(f"`{name}` must be a whole number of at least {least}. Got {value!r}.")
        one, two, three, four = jax.random.split(key, 4)
        self.features, self.out_features = features, out_features
        self.message = eqx.nn.MLP(2 * features + 1, width, width, 1, jax.nn.silu, jax.nn.silu, dtype=dtype, key=one)
        self.move = eqx.nn.MLP(width, "scalar", width, 1, jax.nn.silu, dtype=dtype, key=two)
        self.update = eqx.nn.MLP(features + width, out_features, width, 1, jax.nn.silu, dtype=dtype, key=three)
        self.skip = eqx.nn.Linear(features, out_features, dtype=dtype, key=four) if features else None
        self.start = zeros((out_features,), dtype)

    def __call__(
        self,
        positions: Float[Array, "n d"],
        features: Float[Array, "n f"] | None = None,
        *,
        mask: Array | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "n d"], Float[Array, "n g"]]:
        """New positions and features of one set of points."""
        x = jnp.asarray(positions)
        h = jnp.zeros((len(x), 0), x.dtype) if features is None else jnp.asarray(features)
        if x.ndim != 2 or h.shape != (x.shape[0], self.features):
            raise IsotropyError(
                f"`PointSet` takes positions (n, d) and features (n, {self.features}) of one set. Got shapes "
                f"{x.shape} and "
                f"{h.shape}: use `jax.vmap` for a batch of sets."
            )
        n = len(x)
        between = x[:, None] - x[None, :]
        square = (between**2).sum(axis=2)
        ends = (jnp.broadcast_to(h[:, None], (n, n, h.shape[1])), jnp.broadcast_to(h[None], (n, n, h.shape[1])))
        seen = jnp.concatenate([*ends, jnp.log1p(square)[..., None]], axis=2)
        pairs = 1 - jnp.eye(n, dtype=x.dtype)
        if mask is not None:
            pairs = pairs * jnp.asarray(mask, x.dtype)[:, None] * jnp.asarray(mask, x.dtype)[None, :]
        others = jnp.maximum(pairs.sum(axis=1, keepdims=True), 1)
        messages = jax.vmap(jax.vmap(self.message))(seen) * pairs[..., None]
        # The root of a sum that is zero on the diagonal has no derivative there: those pairs do not count anyway.
        length = jnp.sqrt(jnp.where(pairs > 0, square, 1))
        pull = jax.vmap(jax.vmap(self.move))(messages) * pairs / (1 + length)
        x = x + (between * pull[..., None]).sum(axis=1) / others
        total = messages.sum(axis=1) / jnp.sqrt(others)
        new = jax.vmap(self.update)(jnp.concatenate([h, total], axis=1)) + self.start
        if self.skip is not None:
            new = (new + jax.vmap(self.skip)(h)) / jnp.sqrt(jnp.asarray(2, new.dtype))
        return x, new
