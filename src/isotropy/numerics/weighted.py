"""The spectrum of noisy brackets, each axis weighted by how well it is known.

The direction whose bracket is smallest leans to where noise happens to cancel it. Brackets have axes that are known a
hundred times better than others, and these say more of the direction. Weights are the inverse covariance of the
brackets of the candidates proposed, with a floor: axes that seem to be free of noise are those on which the space of
functions misfits first.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from .fits import Fits
from .spectrum import Spectrum

FLOOR = 0.3
"""The floor of the variances, in their mean. Between .1 and 1 the angles to the truth change by a few percent; at .001
they double where the space holds the truth only nearly (docs/decisions/certify.md)."""

STEPS = 4
"""Times that weights are taken from the directions that they gave; the second changes little."""


def weighted(fits: Fits, count: int) -> Spectrum:
    """The singular values and vectors of the brackets of the first of ``fits``, weighted for the last ``count``.

    Costs O(k^3 + k^2 p r) for brackets of k coefficients, p candidates and r axes of noise.

    >>> operator = np.zeros((2, 2, 3))
    >>> operator[0, 0, 0], operator[1, 0, 1], operator[1, 1, 2] = 1.0, 1.0, 1.0
    >>> fits = Fits.of(operator, np.array([[0.1, 0.0, 1.0]]), np.diag([0.1, 1e-3, 1e-3]), np.ones(1), 100)
    >>> weighted(fits, 1).null_vectors(1).round(3).tolist()[0][1]
    0.0
    """
    images, deviation = fits.images[0], float(np.sqrt(fits.variances[0]))
    span = fits.propose()[0][:, :count]
    spectrum = Spectrum(np.zeros(0), np.zeros((0, 0)), len(images))
    for _ in range(STEPS):
        noise = np.einsum("kpr,pd->kdr", fits.noise, span).reshape(len(images), -1) * deviation
        covariance = noise @ noise.T / count
        covariance[np.diag_indices(len(images))] += FLOOR * np.trace(covariance) / len(images)
        rows = sla.solve_triangular(np.linalg.cholesky(covariance), images, lower=True)
        _, values, vectors = np.linalg.svd(rows, full_matrices=True)
        missing = len(vectors) - len(values)
        spectrum = Spectrum(np.concatenate([values, np.zeros(missing)]), vectors, len(images))
        span = spectrum.null_vectors(count).T
    return spectrum
