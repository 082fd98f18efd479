"""Anderson acceleration of a fixed-point iteration, taken back where it does not help."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

MEMORY = 16
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
        self._count = 0
        self._size = np.inf

    def next(self, point: Float[np.ndarray, " n"], image: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The point to go to after ``image`` was computed at ``point``."""
        residual = image - point
        size = float(np.linalg.norm(residual))
        if size > 2.0 * self._size:
            self.reset()
        self._size = min(self._size, size)
        if not self._count:
            self._images, self._residuals = np.empty((2, MEMORY, len(image)))
            self._products = np.zeros((MEMORY, MEMORY))
        new = self._count % MEMORY
        self._count += 1
        held = min(self._count, MEMORY)
        self._images[new], self._residuals[new] = image, residual
        # One row of inner products is new; those of differences follow from them.
        row = self._residuals[:held] @ residual
        self._products[new, :held] = self._products[:held, new] = row
        if held < 2:
            return image
        others = np.delete(np.arange(held), new)
        inner = self._products[np.ix_(others, others)]
        gram = inner - row[others] - row[others][:, None] + row[new]
        if not np.trace(gram) > 0:
            return image  # all residuals are the same: there is nothing to combine
        # A nudge of rounding size: residuals that hardly differ say nothing about where to go.
        gram[np.diag_indices_from(gram)] += np.sqrt(np.finfo(float).eps) * np.trace(gram) / len(gram)
        weights = np.zeros(held)
        weights[others] = np.linalg.solve(gram, row[new] - row[others])
        weights[new] = 1.0 - weights.sum()
        return weights @ self._images[:held]
