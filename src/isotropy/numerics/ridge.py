"""Least squares with a ridge penalty in a metric of one's own, its strength chosen by generalised cross-validation.

Source: G. H. Golub, M. Heath, G. Wahba, *Generalized cross-validation as a method for choosing a good ridge parameter*,
Technometrics 21 (1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from .decide import numerical_floor

STRENGTHS = 64
"""Strengths that are compared, on a logarithmic scale from rounding to the largest singular value, both squared."""


@dataclass(frozen=True)
class Coordinates:
    """Weights as ``penalised @ v + free @ u``: the metric is the square of v, and u costs nothing."""

    penalised: Any
    free: Any

    @classmethod
    def of(cls, root: Float[np.ndarray, "d ..."]) -> Coordinates:
        """Coordinates in which the metric ``|root^T w|^2`` of weights w is a plain sum of squares.

        ``root`` is a matrix (d, k), or the diagonal (d,) of one, and then the coordinates are sparse.
        """
        if root.ndim == 1:
            eye = sp.csc_array(sp.eye_array(len(root)))
            costly = np.flatnonzero(root)
            return cls(sp.csc_array(eye[:, costly] / root[costly]), eye[:, np.flatnonzero(root == 0)])
        vectors, sizes, _ = np.linalg.svd(root, full_matrices=root.shape[0] > root.shape[1])
        rank = int((sizes > numerical_floor(np.float64, max(root.shape), sizes.max(initial=0.0))).sum())
        return cls(vectors[:, :rank] / sizes[:rank], vectors[:, rank:])


@dataclass(frozen=True)
class RidgeFit:
    """The minimiser, one column for each right-hand side, and the strength used."""

    weights: Float[np.ndarray, "d c"]
    strength: float


def ridge(
    design: Float[np.ndarray, "r d"],
    targets: Float[np.ndarray, "r c"],
    coordinates: Coordinates,
    *,
    strength: float | None = None,
    count: float | None = None,
) -> RidgeFit:
    """Minimise ``|design w - targets|^2 + strength |v|^2`` over the weights w = penalised v + free u.

    Without a ``strength`` generalised cross-validation chooses one for all columns together; ``count`` is the number of
    observations that it reckons with, by default the number of rows (other where rows carry weights).
    """
    count = float(len(design)) if count is None else count
    frame, free_sizes, free_right = _svd(design @ coordinates.free)
    # The free directions are fitted without cost, so they are taken out first (Frisch and Waugh).
    inner = design @ coordinates.penalised
    left, sizes, right = _svd(inner - frame @ (frame.T @ inner))
    rest = targets - frame @ (frame.T @ targets)
    along = left.T @ rest
    if strength is None:
        outside = float(((rest - left @ along) ** 2).sum())
        strength = _cross_validated(sizes, along, outside, count=count, taken=frame.shape[1])
    factors = sizes / (sizes**2 + strength)
    v = right.T @ (factors[:, None] * along)
    u = free_right.T @ ((frame.T @ (targets - inner @ v)) / free_sizes[:, None])
    return RidgeFit(coordinates.penalised @ v + coordinates.free @ u, float(strength))


def _svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular vectors and values above rounding."""
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    kept = sizes > numerical_floor(np.float64, max(matrix.shape), sizes.max(initial=0.0))
    return left[:, kept], sizes[kept], right[kept]


def _cross_validated(
    sizes: Float[np.ndarray, " k"], along: Float[np.ndarray, "k c"], outside: float, *, count: float, taken: int
) -> float:
    """The strength of smallest ``RSS / (count - degrees of freedom)^2``."""
    if not len(sizes):
        return 0.0
    largest = float(sizes[0] ** 2)
    powers = (along**2).sum(axis=1)

    def score(strength: float) -> float:
        shrunk = strength / (sizes**2 + strength)
        freedom = count - taken - float((1 - shrunk).sum())
        # Where as many parameters as observations are free the data say nothing about their error.
        return (outside + float(shrunk**2 @ powers)) / freedom**2 if freedom > 0 else np.inf

    strengths = np.geomspace(float(np.finfo(np.float64).eps) ** 2, 1.0, STRENGTHS) * largest
    scores = np.array([score(strength) for strength in strengths])
    if not np.isfinite(scores).any():
        return largest
    # Of equal scores the strongest penalty.
    best = len(scores) - 1 - int(np.argmin(scores[::-1]))
    if not 0 < best < len(scores) - 1:
        return float(strengths[best])
    low, middle, high = np.log(strengths[best - 1 : best + 2])
    found: Any = minimize_scalar(lambda power: score(np.exp(power)), bounds=(low, high), method="bounded")
    return float(np.exp(found.x if found.fun < scores[best] else middle))
