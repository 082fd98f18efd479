"""Proximal maps of norms: singular values, entries or whole groups, shrunk by a threshold."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float

EXTRA = 8
"""Directions carried beyond the current rank by the warm subspace: enough for the rank to grow between refreshes."""

REFRESH = 25
"""Warm steps between full decompositions, which catch a direction that the subspace has lost."""

SMALL = 60
"""Up to this many columns a full decomposition is cheaper than a warm subspace step."""


def nuclear_norm(matrix: Float[np.ndarray, "k q"]) -> float:
    """The sum of the singular values."""
    return float(np.linalg.svd(_slim(matrix), compute_uv=False).sum())


def spectral_norm(matrix: Float[np.ndarray, "k q"]) -> float:
    """The largest singular value."""
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    # LAPACK's routine for the last value alone gives up on some matrices near a multiple of the identity.
    return float(np.sqrt(max(np.linalg.eigvalsh(small)[-1], 0.0)))


def shrink_entries(values: np.ndarray, threshold: float) -> np.ndarray:
    """The proximal map of ``threshold * ||.||_1``."""
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0)


def shrink_group(values: np.ndarray, threshold: float) -> np.ndarray:
    """The proximal map of ``threshold * ||.||_2`` of the whole array."""
    size = np.linalg.norm(values)
    return values * (max(1.0 - threshold / size, 0.0) if size > 0 else 0.0)


class SingularShrinkage:
    """The proximal map of ``threshold * ||.||_*``, with a memory that makes a slowly moving sequence cheap.

    While fewer than a third of the singular values survive, one step of subspace iteration from the last call's
    right singular vectors replaces the full decomposition (Rayleigh–Ritz on the widened subspace); every `REFRESH`
    calls, and whenever the subspace is full, the full one is taken. The result is then inexact by what the subspace
    misses; a solver's duality gap sees that.
    """

    def __init__(self) -> None:
        self.rank = 0
        self._subspace: np.ndarray | None = None
        self._calls = 0

    def __call__(self, matrix: Float[np.ndarray, "k q"], threshold: float) -> Float[np.ndarray, "k q"]:
        if matrix.shape[0] < matrix.shape[1]:
            return self._tall(matrix.T, threshold).T
        return self._tall(matrix, threshold)

    def _tall(self, matrix: np.ndarray, threshold: float) -> np.ndarray:
        columns = matrix.shape[1]
        self._calls += 1
        warm = self._subspace
        if columns > SMALL and warm is not None and warm.shape[1] <= columns // 3 and self._calls % REFRESH:
            warm = np.linalg.qr(matrix.T @ (matrix @ warm))[0]
            image = matrix @ warm
            singular, vectors = _right_vectors(image)
            kept = singular > threshold
            if not kept.all():
                self.rank = int(kept.sum())
                self._subspace = warm @ vectors
                scaled = vectors[:, kept] * (1.0 - threshold / singular[kept])
                return (image @ scaled) @ self._subspace[:, kept].T
        singular, vectors = _right_vectors(matrix)
        kept = singular > threshold
        self.rank = int(kept.sum())
        self._subspace = vectors[:, max(0, columns - self.rank - EXTRA) :]
        if 2 * self.rank > columns:
            # Most survive: subtract what is removed instead, which costs the smaller product.
            removed = threshold / np.maximum(singular, threshold)
            return matrix - (matrix @ (vectors * removed)) @ vectors.T
        scaled = vectors[:, kept] * (1.0 - threshold / singular[kept])
        return (matrix @ scaled) @ vectors[:, kept].T


def _right_vectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Values far below the largest come out wrong from the Gram matrix; those under the threshold are only removed.
    # LAPACK directly: for a few dozen columns the checks around it cost as much as the decomposition.
    values, vectors, failed = scipy.linalg.lapack.dsyevd(matrix.T @ matrix, overwrite_a=1)  # pyright: ignore
    if failed:
        raise np.linalg.LinAlgError("the eigenvalues of a Gram matrix did not converge")
    return np.sqrt(np.maximum(values, 0.0)), vectors


def _slim(matrix: np.ndarray) -> np.ndarray:
    """A triangular factor with the same singular values, where that makes the matrix much smaller."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    if tall.shape[0] > 2 * tall.shape[1]:
        return np.asarray(np.linalg.qr(tall, mode="r"))
    return tall
