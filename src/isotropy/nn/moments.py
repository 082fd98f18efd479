"""What a nonlinearity does to the variance, so that layers can undo it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

NODES = 96
"""Gauss-Hermite nodes: for the smooth functions used here the error is below 1e-9."""


@lru_cache(maxsize=64)
def root_mean_square(function: Callable[[np.ndarray], np.ndarray]) -> float:
    """The root of E f(z)^2 for a standard normal z.

    >>> round(root_mean_square(np.tanh), 4)
    0.6279
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return float(np.sqrt(weights @ np.asarray(function(nodes)) ** 2 / weights.sum()))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


def silu(z: np.ndarray) -> np.ndarray:
    """z / (1 + exp(-z))."""
    return z * sigmoid(z)
