"""A linear map from coefficients to k x q matrices, held dense, sparse or as a pair of functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError


class MatrixMap:
    """The linear map ``w -> A(w)`` from R^f to k x q matrices, with its adjoint and Gram matrix.

    Several columns of coefficients, ``w`` of shape (f, c), give the matrices of each column one below the other,
    (k c, q), row ``i * c + j`` being row i of column j. ``factor`` R, of shape (r, k), states the inner product on
    the rows: the map is then ``w -> R A(w)`` and k becomes r. Make one by `dense`, `sparse` or `matrix_free`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        forward: Callable[[np.ndarray], np.ndarray],
        adjoint: Callable[[np.ndarray], np.ndarray],
        *,
        stacked: Any = None,
        factor: np.ndarray | None = None,
    ) -> None:
        self.inner_rows, self.columns, self.features = shape
        self._forward, self._adjoint, self._stacked, self.factor = forward, adjoint, stacked, factor
        self.rows = self.inner_rows if factor is None else len(factor)

    @classmethod
    def dense(cls, operator: Float[np.ndarray, "k q f"], *, factor: np.ndarray | None = None) -> MatrixMap:
        """From the array whose contraction with w over the last axis is A(w)."""
        operator = validate.array(operator, "operator", ndim=3).astype(np.float64)
        k, q, f = operator.shape
        return cls._from_stacked(np.ascontiguousarray(operator.transpose(1, 0, 2)).reshape(q * k, f), (k, q, f), factor)

    @classmethod
    def sparse(cls, generators: Sequence[Any], *, factor: np.ndarray | None = None) -> MatrixMap:
        """From q sparse matrices (k, f): column j of A(w) is ``generators[j] @ w``."""
        if not generators:
            raise IsotropyError("`generators` is empty: pass at least one matrix of shape (k, f).")
        shapes = {tuple(g.shape) for g in generators}
        if len(shapes) > 1:
            raise IsotropyError(f"`generators` must all have one shape (k, f). Got {sorted(shapes)}.")
        k, f = shapes.pop()
        stacked = scipy.sparse.csr_array(scipy.sparse.vstack([scipy.sparse.csr_array(g) for g in generators]))
        return cls._from_stacked(stacked, (k, len(generators), f), factor)

    @classmethod
    def matrix_free(
        cls,
        forward: Callable[[np.ndarray], np.ndarray],
        adjoint: Callable[[np.ndarray], np.ndarray],
        shape: tuple[int, int, int],
        *,
        factor: np.ndarray | None = None,
    ) -> MatrixMap:
        """From ``forward``: (f,) -> (k, q) and its ``adjoint``: (k, q) -> (f,); ``shape`` is (k, q, f)."""
        k, q, f = shape

        def columnwise(w: np.ndarray) -> np.ndarray:
            return np.stack([np.asarray(forward(column)).T for column in w.T], axis=-1)

        def columnwise_adjoint(c: np.ndarray) -> np.ndarray:
            return np.stack([np.asarray(adjoint(c[:, :, j].T)) for j in range(c.shape[2])], axis=-1)

        probe = np.asarray(forward(np.zeros(f))).shape
        if probe != (k, q):
            raise IsotropyError(f"`forward` must return a matrix of shape {(k, q)}. Got {probe}.")
        return cls(shape, columnwise, columnwise_adjoint, factor=_checked_factor(factor, k))

    @classmethod
    def _from_stacked(cls, stacked: Any, shape: tuple[int, int, int], factor: np.ndarray | None) -> MatrixMap:
        k, q, _ = shape
        transposed = stacked.T.tocsr() if scipy.sparse.issparse(stacked) else stacked.T

        def forward(w: np.ndarray) -> np.ndarray:
            return (stacked @ w).reshape(q, k, -1)

        def adjoint(c: np.ndarray) -> np.ndarray:
            return transposed @ np.ascontiguousarray(c).reshape(q * k, -1)

        return cls(shape, forward, adjoint, stacked=stacked, factor=_checked_factor(factor, k))

    def __call__(self, w: np.ndarray) -> Float[np.ndarray, "k q"]:
        """The matrix of the coefficients ``w``, of shape (f,) or (f, c)."""
        value = self._forward(w.reshape(self.features, -1))
        if self.factor is not None:
            value = _each(self.factor.T, value)
        return value.reshape(self.columns, -1).T

    def adjoint(self, matrix: np.ndarray) -> Float[np.ndarray, "f c"]:
        """The coefficients (f, c) with ``<A(w), matrix> = <w, adjoint(matrix)>`` for all w of shape (f, c)."""
        value = matrix.T.reshape(self.columns, self.rows, -1)
        if self.factor is not None:
            value = _each(self.factor, value)
        return self._adjoint(value)

    def unfolded(self) -> Float[np.ndarray, "q n"]:
        """Row j holds all entries of column j of the matrices of unit coefficients; columns of zeros are left out."""
        if self._stacked is None or self.factor is not None:
            entries = np.stack([self(e[:, None]) for e in np.eye(self.features)], axis=2)
            return entries.transpose(1, 0, 2).reshape(self.columns, -1)
        wide = (self.columns, self.inner_rows * self.features)
        if not scipy.sparse.issparse(self._stacked):
            return self._stacked.reshape(wide)
        entries = scipy.sparse.coo_array(self._stacked).reshape(wide)
        filled, column = np.unique(entries.coords[1], return_inverse=True)
        compact = scipy.sparse.coo_array(
            (entries.data, (entries.coords[0], column.reshape(-1))), shape=(self.columns, max(len(filled), 1))
        )
        return compact.toarray()

    def gram(self) -> Float[np.ndarray, "f f"]:
        """The matrix of A^* A, the same for every column of coefficients.

        With a sparse map and a factor it costs one product of each sparse generator with a k x k matrix.
        """
        f, k = self.features, self.inner_rows
        if self._stacked is None:
            result = np.stack([self.adjoint(self(e))[:, 0] for e in np.eye(f)], axis=1)
        elif self.factor is None:
            product = self._stacked.T @ self._stacked
            result = product.toarray() if scipy.sparse.issparse(product) else product
        else:
            weight = self.factor.T @ self.factor
            result = np.zeros((f, f))
            for j in range(self.columns):
                generator = self._stacked[j * k : (j + 1) * k]
                result += generator.T @ (generator.T @ weight).T
        return 0.5 * (result + result.T)


def _each(matrix: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The middle axis of ``value`` (q, k, c) times ``matrix`` (k, r), as one product."""
    q, k, c = value.shape
    if c == 1:
        return (value.reshape(q, k) @ matrix)[:, :, None]
    return (value.transpose(0, 2, 1).reshape(q * c, k) @ matrix).reshape(q, c, -1).transpose(0, 2, 1)


def _checked_factor(factor: Any, rows: int) -> np.ndarray | None:
    if factor is None:
        return None
    return validate.array(factor, "factor", shape=(None, rows)).astype(np.float64)
