"""Null spaces of linear constraints that are exact but for rounding: by triangular factor, or matrix-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy.linalg as sla

from ..errors import IsotropyError
from .decide import Decision, decide, numerical_floor

ITERATIONS = 5000
"""Steps of conjugate gradients after which the matrix-free null space gives up."""


def null_space(blocks: Iterable[np.ndarray], columns: int, *, scale: float) -> tuple[np.ndarray, Decision]:
    """Orthonormal rows (r, columns) that every row of every block annihilates, real or complex, and the decision.

    ``scale`` is the size of the terms that cancel in one entry. Blocks are folded into one triangular factor, so that
    memory is one block and one square. Raises `IsotropyError` where the rank cannot be decided.

    >>> import numpy as np
    >>> basis, decision = null_space([np.array([[1.0, 1.0, 0.0]])], 3, scale=1.0)
    >>> basis.shape, decision.nullity
    ((2, 3), 2)
    """
    factor = np.zeros((0, columns))
    for block in blocks:
        factor = np.concatenate([factor, block])
        if len(factor) > columns:
            factor = sla.qr(factor, mode="r", check_finite=False)[0][:columns]
    if columns == 0 or not len(factor):
        return np.eye(columns), decide(np.zeros(columns), floor=numerical_floor(np.float64, columns, scale))
    _, values, vectors = np.linalg.svd(factor, full_matrices=True)
    values = np.concatenate([values, np.zeros(columns - len(values))])
    decision = decide(values, floor=numerical_floor(np.float64, 10 * columns, scale))
    if decision.verdict == "cannot tell":
        raise IsotropyError(
            f"The number of solutions cannot be told: {decision.reason}. The generators' entries carry errors: "
            f"pass them in full float64 precision."
        )
    return vectors[columns - decision.nullity :].conj(), decision


def matrix_free_null_space(
    normal: Callable[[np.ndarray], np.ndarray], size: int, *, dtype: type = np.float64, seed: int = 0, block: int = 64
) -> np.ndarray:
    """Orthonormal columns (size, r) spanning the null space of a positive semidefinite operator given by its action.

    ``normal`` maps a block (size, k) to K^H K times it. Random blocks are projected on the null space by conjugate
    gradients, one after the other, until their projections are dependent: then they span it. Right for operators whose
    nonzero eigenvalues are well above rounding, as those of equivariance constraints in small-integer bases are; not
    for noisy ones. Cost: a few hundred applications for each of the r columns, memory O(size r).

    >>> import numpy as np
    >>> found = matrix_free_null_space(lambda x: np.diag([0.0, 1.0, 2.0, 0.0]) @ x, 4)
    >>> found.shape
    (4, 2)
    """
    rng = np.random.default_rng(seed)
    scale = 0.0
    found = np.zeros((size, 0), dtype=dtype)
    while True:
        count = min(block, size - found.shape[1])
        fresh = rng.standard_normal((size, count)).astype(dtype)
        if dtype is np.complex128:
            fresh = fresh + 1j * rng.standard_normal((size, count))
        fresh = np.linalg.qr(fresh - found @ (found.conj().T @ fresh))[0]
        scale = max(scale, float(np.sqrt(_dots(image := normal(fresh), image).max(initial=0))))
        for _ in range(2):  # the second pass removes what the first left, at its own relative precision
            fresh = _project(normal, fresh, scale)
            fresh = fresh - found @ (found.conj().T @ fresh)
        left, values, _ = np.linalg.svd(fresh, full_matrices=False)
        # A random direction keeps about sqrt(r / size) of its length; rounding keeps the square root of eps at worst.
        kept = int((values > np.sqrt(np.finfo(np.float64).eps)).sum())
        found = np.linalg.qr(np.concatenate([found, left[:, :kept]], axis=1))[0]
        if kept < count or found.shape[1] == size:
            return found


def _project(normal: Callable[[np.ndarray], np.ndarray], block: np.ndarray, scale: float) -> np.ndarray:
    """Subtract from each column its part outside the null space: conjugate gradients on ``normal y = normal block``."""
    result = block.copy()
    residual = normal(result)
    direction = residual.copy()
    squares = _dots(residual, residual)
    # ``scale`` is the length of the image of a random unit vector; rounding of one application is some eps of it.
    floor = (16 * np.finfo(np.float64).eps * scale) ** 2
    for _ in range(ITERATIONS):
        if (squares <= floor).all():
            return result
        image = normal(direction)
        curvature = _dots(direction, image)
        live = (squares > floor) & (curvature > 0)
        step = np.where(live, squares / np.where(live, curvature, 1), 0)
        result -= step * direction
        residual = residual - step * image
        new = _dots(residual, residual)
        direction = residual + np.where(live, new / np.where(live, squares, 1), 0) * direction
        squares = np.where(live, new, 0)
    raise IsotropyError(
        f"The matrix-free null space did not converge in {ITERATIONS} steps: the constraints are too ill conditioned. "
        f"Scale the generators to comparable size, or use a smaller representation."
    )


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", a.conj(), b).real
