"""The convex terms added to a loss: a norm of a linear map of the coefficients, times a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.sparse

from .. import validate
from ..errors import IsotropyError
from . import prox
from .matrix_map import MatrixMap


class Term(Protocol):
    """``weight * norm(forward(w))`` with what a splitting method and a duality gap need of it."""

    weight: float

    def forward(self, w: np.ndarray) -> np.ndarray: ...

    def adjoint(self, value: np.ndarray) -> np.ndarray: ...

    def gram(self) -> np.ndarray: ...

    def norm(self, value: np.ndarray) -> float: ...

    def dual_norm(self, value: np.ndarray) -> float: ...

    def shrinkage(self) -> Callable[[np.ndarray, float], np.ndarray]: ...


class Nuclear:
    """``weight * ||A(w)||_*``, the sum of singular values; its dual norm is the largest singular value."""

    def __init__(self, operator: MatrixMap, weight: float) -> None:
        self.operator, self.weight = operator, checked_weight(weight, "weight")

    def forward(self, w: np.ndarray) -> np.ndarray:
        return self.operator(w)

    def adjoint(self, value: np.ndarray) -> np.ndarray:
        return self.operator.adjoint(value)

    def gram(self) -> np.ndarray:
        return self.operator.gram()

    def norm(self, value: np.ndarray) -> float:
        return prox.nuclear_norm(value)

    def dual_norm(self, value: np.ndarray) -> float:
        return prox.spectral_norm(value)

    def shrinkage(self) -> Callable[[np.ndarray, float], np.ndarray]:
        return prox.SingularShrinkage()


class Entries:
    """``weight * ||T w||_1``, which makes entries of ``T w`` zero; T is the identity unless given."""

    def __init__(self, features: int, weight: float, *, matrix: np.ndarray | None = None) -> None:
        self.weight = checked_weight(weight, "weight")
        self.matrix = np.eye(features) if matrix is None else validate.array(matrix, "matrix", shape=(None, features))

    def forward(self, w: np.ndarray) -> np.ndarray:
        return self.matrix @ w

    def adjoint(self, value: np.ndarray) -> np.ndarray:
        return self.matrix.T @ value

    def gram(self) -> np.ndarray:
        return self.matrix.T @ self.matrix

    def norm(self, value: np.ndarray) -> float:
        return float(np.abs(value).sum())

    def dual_norm(self, value: np.ndarray) -> float:
        return float(np.abs(value).max(initial=0.0))

    def shrinkage(self) -> Callable[[np.ndarray, float], np.ndarray]:
        return prox.shrink_entries


class Group:
    """``weight * ||D w||_2``, which makes all of ``D w`` zero at once: one discrete candidate, D = K_g - I."""

    def __init__(self, matrix: Any, weight: float) -> None:
        self.weight = checked_weight(weight, "weight")
        self.matrix = matrix if scipy.sparse.issparse(matrix) else validate.array(matrix, "matrix", ndim=2)
        self._transposed = self.matrix.T

    def forward(self, w: np.ndarray) -> np.ndarray:
        return self.matrix @ w

    def adjoint(self, value: np.ndarray) -> np.ndarray:
        return self._transposed @ value

    def gram(self) -> np.ndarray:
        product: Any = self._transposed @ self.matrix
        return product.toarray() if scipy.sparse.issparse(product) else product

    def norm(self, value: np.ndarray) -> float:
        return float(np.linalg.norm(value))

    def dual_norm(self, value: np.ndarray) -> float:
        return float(np.linalg.norm(value))

    def shrinkage(self) -> Callable[[np.ndarray, float], np.ndarray]:
        return prox.shrink_group


def checked_weight(value: Any, name: str) -> float:
    """``value`` as a finite number >= 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number) or number < 0:
        raise IsotropyError(f"The '{name}' parameter must be a finite number >= 0. Got {value!r} instead.")
    return number
