"""Gaussian-process smoothing of many trajectories on one time grid: a linear map, the same for every column."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.optimize

JITTER = 1e-9
"""Part of the signal's variance added to the noise's, so that clean data have a Cholesky factor."""


def hyperparameters(t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Logarithms of amplitude, length and noise of a squared exponential that make columns (T, k) most likely."""
    squared, scale, span = (t[:, None] - t[None]) ** 2, values.std(), t[-1] - t[0]

    def cost(logs: np.ndarray) -> float:
        amplitude, length, noise = np.exp(logs)
        kernel = amplitude**2 * np.exp(-squared / (2 * length**2))
        kernel += (noise**2 + JITTER * amplitude**2) * np.eye(len(t))
        factor = scipy.linalg.cho_factor(kernel, lower=True)
        fit = 0.5 * (values * scipy.linalg.cho_solve(factor, values)).sum()
        return float(fit + values.shape[1] * np.log(np.diag(factor[0])).sum())

    box = [(scale * 1e-2, scale * 1e2), (span / 100, span * 20), (scale * 1e-4, scale * 2)]
    start = np.log([scale, span / 10, scale / 5])
    return scipy.optimize.minimize(cost, start, method="L-BFGS-B", bounds=np.log(box)).x


def smoothed(t: np.ndarray, values: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns (T, k) and their time derivatives under the posterior mean."""
    amplitude, length, noise = np.exp(logs)
    apart = t[:, None] - t[None]
    kernel = amplitude**2 * np.exp(-(apart**2) / (2 * length**2))
    weights = scipy.linalg.solve(
        kernel + (noise**2 + JITTER * amplitude**2) * np.eye(len(t)), values, assume_a="pos"
    )  # fmt: skip
    return kernel @ weights, (-apart / length**2 * kernel) @ weights
