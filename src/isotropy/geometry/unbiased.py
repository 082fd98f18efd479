"""Features of states that are known with error, corrected so that on average they are those of the true states.

A curved function of a noisy state is off on average: E phi(z + e) = exp(H) phi(z), with the heat operator
H = 1/2 sum S_ij d_i d_j of the noise's covariance S. Here phi - H phi + H^2 phi / 2 is evaluated instead, whose average
is phi(z) exactly for polynomials of degree up to five (Hermite polynomials), and to third order in S for others.

Source: L. A. Stefanski, *Unbiased estimation of a nonlinear function of a normal mean with application to measurement
error models*, Comm. Statist. Theory Methods 18 (1989).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .space import Space

BATCH = 2**20
"""Fourth derivatives that are taken at once (8 MiB each time they are stored)."""


def values(
    space: Space, points: Float[np.ndarray, "p m"], roots: Float[np.ndarray, "p m k"] | Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "p f"]:
    """The features at noisy ``points`` whose error has covariance ``roots @ roots.T``, one root for all or one each.

    >>> from isotropy.geometry.polynomial import Polynomials
    >>> print(values(Polynomials(1, degree=2), np.array([[3.0]]), np.array([[0.5]])))
    [[1.   3.   8.75]]
    """
    roots = np.asarray(roots, dtype=np.float64)
    if not roots.any():
        return space.values(points)
    corrected = _corrected(space)
    step = max(1, BATCH // (space.dimension * roots.shape[-1] ** 2))
    parts = []
    for start in range(0, len(points), step):
        batch = points[start : start + step]
        some = roots if roots.ndim == 2 else roots[start : start + step]
        some = np.broadcast_to(some, (len(batch), *roots.shape[-2:]))
        with jax.enable_x64(True):
            parts.append(np.asarray(corrected(jnp.asarray(batch), jnp.asarray(some))))
    return np.concatenate(parts)


@lru_cache(maxsize=8)
def _corrected(space: Space) -> Any:
    def plain(x: Array, root: Array) -> Array:
        return space(x)

    once = _heat(plain)
    twice = _heat(once)
    return jax.jit(jax.vmap(lambda x, root: plain(x, root) - once(x, root) + 0.5 * twice(x, root)))


def _heat(function: Any) -> Any:
    """Half the sum of the second derivatives along the columns of the root."""

    def heated(x: Array, root: Array) -> Array:
        def curvature(direction: Array) -> Array:
            def slope(at: Array) -> Array:
                return jax.jvp(lambda y: function(y, root), (at,), (direction,))[1]

            return jax.jvp(slope, (x,), (direction,))[1]

        return 0.5 * jax.vmap(curvature)(root.T).sum(axis=0)

    return heated
