"""Refits whose penalty spares a subspace that is itself fitted: variable projection on the Grassmannian.

For a linear operator w -> A(w) with q columns and a subspace V of R^q, the coefficients that V leaves unchanged are
those with A(w) V = 0. Here V is found together with w: Golub and Pereyra's variable projection eliminates w, and L-BFGS
moves V (Absil, Mahony and Sepulchre, Optimization algorithms on matrix manifolds, 2008).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Float

TENSOR_SIZE = 20_000_000
"""Entries of the table of products of generators that may be kept (160 MB)."""

SMALL_TABLE, SLOWER = 130_000, 8
"""Entries of a table that a cache holds (1 MB), and how many products of matrices cost one entry of a larger one."""

STEPS = 40
"""L-BFGS steps at one weight of the penalty; the next weight starts from there."""

POLISH, ZERO, SLOWEST = 200, 1e-11, 0.99
"""Most alternating steps that settle a subspace, what is small enough, and the slowest approach that goes on."""


class SubspaceFit:
    """Least squares of ``targets`` (n, c) on ``design`` (n, f) with the penalty ``|A(w) V|^2`` for a moving V (q, s).

    ``operator`` is the dense array (k, q, f) of A, acting on each column of w. Everything is kept as second moments.
    """

    def __init__(
        self,
        moment: Float[np.ndarray, "f f"],
        product: Float[np.ndarray, "f c"],
        constant: float,
        operator: Float[np.ndarray, "k q f"],
    ) -> None:
        self.moment, self.product, self.constant = moment, product, constant
        self.operator = np.ascontiguousarray(operator)  # otherwise every product copies it
        self.rows, self.generators, self.features = operator.shape
        # With this unit a weight of one makes penalty and loss equal for a typical generator and typical coefficients.
        size = float(np.mean(operator**2)) * self.rows * self.features
        self.unit = float(np.trace(moment)) / size if size > 0 else 1.0

    @classmethod
    def of_data(
        cls, design: np.ndarray, targets: np.ndarray, operator: np.ndarray, *, count: float | None = None
    ) -> SubspaceFit:
        """From data, with the mean squared residual as the loss; ``count`` rows where some count more than once."""
        n = len(design) if count is None else count
        return cls(design.T @ design / n, design.T @ targets / n, float((targets**2).sum()) / n, operator)

    @cached_property
    def _table(self) -> np.ndarray | None:
        q, f = self.generators, self.features
        if (q * f) ** 2 > TENSOR_SIZE:
            return None
        stacked = self.operator.reshape(self.rows, q * f)
        return (stacked.T @ stacked).reshape(q, f, q, f).transpose(0, 2, 1, 3).reshape(q * q, f * f)

    def penalty(self, subspace: Float[np.ndarray, "q s"]) -> Float[np.ndarray, "f f"]:
        """The matrix P with ``w^T P w = |A(w) V|^2``."""
        k, q, f = self.operator.shape
        # The table is one long sum over memory; the images are products of matrices.
        table = (q * f) ** 2 * (SLOWER if (q * f) ** 2 > SMALL_TABLE else 1)
        if table <= subspace.shape[1] * k * f * (q + f) and self._table is not None:
            return ((subspace @ subspace.T).ravel() @ self._table).reshape(f, f)
        image = (subspace.T @ self._unfolded).reshape(-1, f)
        return image.T @ image

    @cached_property
    def _unfolded(self) -> np.ndarray:
        return np.ascontiguousarray(self.operator.transpose(1, 0, 2)).reshape(self.generators, -1)

    def image(self, w: Float[np.ndarray, "f c"]) -> Float[np.ndarray, "r q"]:
        """The matrices A of all columns of ``w``, one below the other."""
        return np.tensordot(self.operator, w, 1).transpose(0, 2, 1).reshape(-1, self.generators)

    def pull(self, w: Float[np.ndarray, "f c"]) -> Float[np.ndarray, "q q"]:
        """The matrix ``A(w)^T A(w)``: how much each pair of generators moves the coefficients."""
        image = self.image(w)
        return image.T @ image

    def coefficients(self, subspace: np.ndarray, weight: float) -> Float[np.ndarray, "f c"]:
        """The best coefficients for a fixed subspace and weight."""
        matrix = self.moment + (weight * self.unit) * self.penalty(subspace)
        matrix[np.diag_indices_from(matrix)] += np.finfo(float).eps * self.features * np.trace(matrix)
        factor = scipy.linalg.cho_factor(matrix, check_finite=False, overwrite_a=True)
        return scipy.linalg.cho_solve(factor, self.product, check_finite=False)

    def fit(self, start: Float[np.ndarray, "q s"], weight: float, *, steps: int = STEPS) -> Float[np.ndarray, "q s"]:
        """The subspace that minimises loss plus weight times penalty, from ``start``."""

        def objective(subspace: np.ndarray) -> tuple[float, np.ndarray]:
            w = self.coefficients(subspace, weight)
            moved = self.pull(w) @ subspace
            loss = self.constant - 2.0 * float((w * self.product).sum()) + float((w * (self.moment @ w)).sum())
            scale = weight * self.unit
            return loss + scale * float((subspace * moved).sum()), 2.0 * scale * moved

        return descend(objective, start, steps=steps)

    def fit_along(self, start: Float[np.ndarray, "q s"], weights: tuple[float, ...]) -> Float[np.ndarray, "q s"]:
        """`fit` through rising weights, each from where the last one ended."""
        subspace = start
        for weight in weights:
            subspace = self.fit(subspace, weight)
        return subspace

    def settle(
        self, start: Float[np.ndarray, "q s"], nullity: int, *, steps: int = 200
    ) -> tuple[Float[np.ndarray, "q s"], Float[np.ndarray, "f d"], float]:
        """The nearby subspace that exactly ``nullity`` independent coefficients do not feel.

        A subspace fitted to data is off by an angle, and then hardly anything is exactly unchanged by it. This moves
        it to where the ``nullity`` smallest eigenvalues of the penalty vanish. Returns the subspace, an orthonormal
        basis of those coefficients, and the size of what is left of zero, relative to the largest singular value.
        """

        def objective(subspace: np.ndarray) -> tuple[float, np.ndarray]:
            # All of them: LAPACK's routine for a few is slower here, and gives up on some matrices.
            values, vectors = np.linalg.eigh(self.penalty(subspace))
            return float(values[:nullity].sum()), 2.0 * self.pull(vectors[:, :nullity]) @ subspace

        subspace = descend(objective, start, steps=steps)
        # Near the end each half has a closed form. Gradients are lost in rounding at the root of eps, short of zero;
        # this goes on as long as it gets closer, by a constant factor a step.
        left, before = np.inf, np.inf
        for _ in range(POLISH):
            values, vectors = np.linalg.eigh(self.penalty(subspace))
            basis = vectors[:, :nullity]
            # Taken from the images themselves: eigenvalues of a Gram matrix stop at the root of eps.
            size = np.sqrt(max(values[-1], np.finfo(float).tiny))
            left, before = float(np.linalg.norm(self.image(basis) @ subspace) / size), left
            if left <= ZERO or left > SLOWEST * before:
                break
            subspace = np.linalg.eigh(self.pull(basis))[1][:, : start.shape[1]]
        return subspace, basis, left


def descend(objective, start: Float[np.ndarray, "q s"], *, steps: int) -> Float[np.ndarray, "q s"]:
    """L-BFGS on subspaces: ``objective`` gives a value that depends on the span alone, and its plain gradient."""
    shape = start.shape

    def flat(point: np.ndarray) -> tuple[float, np.ndarray]:
        subspace, triangle = np.linalg.qr(point.reshape(shape))
        value, gradient = objective(subspace)
        tangent = gradient - subspace @ (subspace.T @ gradient)
        return value, scipy.linalg.solve_triangular(triangle, tangent.T).T.ravel()

    options = {"maxiter": steps, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    found = scipy.optimize.minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.linalg.qr(found.x.reshape(shape))[0]
