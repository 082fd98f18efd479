"""Squared lengths of Gaussian vectors: their distribution, and their largest value over an ellipsoid.

``|a + z|^2`` with z ~ N(0, Sigma) is a sum of noncentral chi-squared variables weighted by the eigenvalues of Sigma.
Its distribution function is taken by saddlepoint. Sources: O. E. Barndorff-Nielsen, *Modified signed log likelihood
ratio*, Biometrika 78 (1991); D. Kuonen, *Saddlepoint approximations for distributions of quadratic forms in normal
variables*, Biometrika 86 (1999).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

HALVINGS = 36
"""Halvings of the bracket around a root: it starts 100 wide. What is evaluated there is stationary in the root."""

FAR = 50.0
"""Half the width of that bracket, in logarithms: beyond it lie chances that a float64 cannot tell from 0 and 1."""

CENTRAL = 1e-3
"""Standard deviations from the mean within which the saddlepoint formula, 0/0 there, gives way to its limit."""


def cumulative(
    limit: Any,
    weights: Float[np.ndarray, "... k"],
    shifts: Float[np.ndarray, "... k"],
    *,
    spread: Any = 0.0,
    dof: float = np.inf,
) -> Float[np.ndarray, " ..."]:
    """The probability that ``|a + z|^2 <= limit``, for arrays that broadcast.

    ``weights`` are the eigenvalues of the covariance of z, ``shifts`` the squares of a along its eigenvectors.
    ``spread`` and ``dof`` are for a limit that moves with a variance estimated on ``dof`` degrees of freedom, by
    ``spread`` times its relative error. Accurate to a few percent of the probability, better with more weights.

    >>> exact = 1 - np.exp([-0.5, -2.5])  # chi-squared of two degrees of freedom
    >>> print(np.round(cumulative(np.array([1.0, 5.0]), np.ones(2), np.zeros(2)), 2), np.round(exact, 2))
    [0.39 0.92] [0.39 0.92]
    """
    weights, shifts = np.maximum(weights, 0.0), np.maximum(shifts, 0.0)
    scale = weights.max(axis=-1)
    still = scale <= 0
    scale = np.where(still, 1.0, scale)
    weights, shifts = weights / scale[..., None], shifts / scale[..., None]
    gaps = 1.0 - weights
    limit, spread = np.asarray(limit) / scale, np.asarray(spread) / scale
    fixed = np.isinf(dof) | (spread <= 0)
    count = 0.0 if np.isinf(dof) else float(dof)
    share = np.where(fixed, 0.0, spread / dof)

    def slope(height: np.ndarray) -> np.ndarray:
        """The derivative of the cumulant function at s = (1 - exp(height)) / 2."""
        twice = -np.expm1(height)
        factors = gaps + weights * np.exp(height)[..., None]
        extra = np.where(fixed, 0.0, spread * (1.0 - 1.0 / (1.0 + twice * share)))
        return (weights / factors + shifts / factors**2).sum(axis=-1) + extra

    shape = np.broadcast_shapes(limit.shape, weights.shape[:-1], shifts.shape[:-1], spread.shape)
    low = np.full(shape, -FAR)
    end = np.where(fixed, FAR, np.minimum(FAR, np.log1p(1.0 / np.where(fixed, 1.0, share))))
    high = np.broadcast_to(end, shape)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        above = slope(middle) > limit
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    height = 0.5 * (low + high)
    twice = -np.expm1(height)
    s = 0.5 * twice
    factors = gaps + weights * np.exp(height)[..., None]
    value = (-0.5 * np.log(factors) + s[..., None] * shifts / factors).sum(axis=-1)
    bend = (2 * weights**2 / factors**2 + 4 * weights * shifts / factors**3).sum(axis=-1)
    moving = 1.0 + twice * share
    value = value + np.where(fixed, 0.0, s * spread - 0.5 * count * np.log(moving))
    bend = bend + np.where(fixed, 0.0, 2 * spread * share / moving**2)
    root = np.sign(s) * np.sqrt(np.maximum(2 * (s * limit - value), 0.0))
    mean = (weights + shifts).sum(axis=-1)
    variance = (2 * weights**2 + 4 * weights * shifts).sum(axis=-1) + 2 * spread * share
    third = (8 * weights**3 + 24 * weights**2 * shifts).sum(axis=-1) - 8 * spread * share**2
    deviation = np.sqrt(np.where(still, 1.0, variance))
    z = (limit - mean) / deviation
    central = np.abs(z) < CENTRAL
    safe = np.where(central | (root == 0), 1.0, root)
    tilt = np.where(central | (root == 0), 1.0, s * np.sqrt(bend))
    saddle = ndtr(safe + np.log(np.maximum(tilt / safe, np.finfo(float).tiny)) / safe)
    middle = ndtr(z) + third / (6 * deviation**3) * (1 - z**2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    answer = np.where(central | (root == 0), middle, saddle)
    return np.where(still, (limit >= shifts.sum(axis=-1)).astype(float), np.clip(answer, 0.0, 1.0))


def longest(
    centre: Float[np.ndarray, "... k"], matrix: Float[np.ndarray, "... k q"], radius: Any
) -> Float[np.ndarray, " ..."]:
    """The largest ``|centre + matrix v|`` over ``|v| <= radius``, from the secular equation of a trust region.

    Source: J. J. Moré, D. C. Sorensen, *Computing a trust region step*, SIAM J. Sci. Stat. Comput. 4 (1983).

    >>> print(longest(np.array([3.0, 0.0]), np.diag([1.0, 0.0]), 2.0))
    5.0
    """
    sizes, vectors = np.linalg.eigh(matrix @ np.swapaxes(matrix, -1, -2))
    sizes = np.maximum(sizes, 0.0)
    along = np.abs(np.einsum("...ki,...k->...i", vectors, centre))
    top = np.maximum(sizes[..., -1], np.finfo(np.float64).tiny)
    radius = np.asarray(radius, dtype=np.float64)
    roots = np.sqrt(sizes)
    low = np.full(np.broadcast_shapes(top.shape, radius.shape), -FAR)
    high = -low

    def step(height: np.ndarray) -> np.ndarray:
        return roots * along / (top[..., None] * np.exp(height)[..., None] + (top[..., None] - sizes))

    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        outside = (step(middle) ** 2).sum(axis=-1) > radius**2
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    inner = step(high)
    left = np.sqrt(np.maximum(radius**2 - (inner**2).sum(axis=-1), 0.0))
    # What the secular equation leaves, where the centre has no part along the longest axis, goes along that axis.
    inner[..., -1] = np.hypot(inner[..., -1], left)
    return np.linalg.norm(along + roots * inner, axis=-1)
