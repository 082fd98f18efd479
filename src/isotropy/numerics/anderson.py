"""Anderson acceleration of a fixed-point iteration, taken back where it does not help."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

MEMORY = 8
"""Earlier steps that are combined."""


class Anderson:
    """From points and their images to the next point: the combination of images whose residuals cancel best.

    Type II of Walker and Ni, Anderson acceleration for fixed-point iterations, 2011, with a safeguard: where the
    residual at an extrapolated point is more than twice the last plain one, the memory is dropped.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every step."""
        self._images: list[np.ndarray] = []
        self._residuals: list[np.ndarray] = []
        self._size = np.inf

    def next(self, point: Float[np.ndarray, " n"], image: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The point to go to after ``image`` was computed at ``point``."""
        residual = image - point
        size = float(np.linalg.norm(residual))
        if size > 2.0 * self._size:
            self.reset()
        self._size = min(self._size, size)
        self._images.append(image)
        self._residuals.append(residual)
        del self._images[:-MEMORY], self._residuals[:-MEMORY]
        if len(self._images) < 2:
            return image
        differences = np.stack([r - residual for r in self._residuals[:-1]])
        gram = differences @ differences.T
        # A nudge of rounding size: residuals that hardly differ say nothing about where to go.
        gram[np.diag_indices_from(gram)] += np.sqrt(np.finfo(float).eps) * np.trace(gram) / len(gram)
        weights = np.linalg.solve(gram, -(differences @ residual))
        moved = sum(w * (g - image) for w, g in zip(weights, self._images[:-1], strict=True))
        return image + moved
