"""The constraint that data be met exactly, factorised once for every number of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..errors import IsotropyError
from .losses import Step, pairs
from .matrix_map import MatrixMap


class Interpolation:
    """The constraint ``design w = targets``: value 0 where it holds.

    One factorisation serves the first n rows for every n from ``smallest`` up (`first`), as a search for the number
    of samples needs. Rows must be independent unless ``smallest`` is left out; dependent ones are then merged.
    Raises `IsotropyError` when no coefficients meet the data to rounding.
    """

    lower, unit = 0.0, 0.0

    def __init__(self, design: Any, targets: Any, *, smallest: int | None = None) -> None:
        rows, right = pairs(design, targets)
        n, f = rows.shape
        eps = np.finfo(float).eps
        self._all = (rows, right)
        self._family = smallest is not None
        if n > f or not self._family:
            rows, right = _independent(rows, right)
        self.shape = (f, right.shape[1])
        self._orthogonal, triangle = np.linalg.qr(rows.T, mode="complete")
        triangle = triangle[: len(rows)]
        diagonal = np.abs(np.diag(triangle))
        if len(rows) and diagonal.min() <= eps * f * diagonal.max():
            raise IsotropyError(
                f"`design` has {len(rows)} rows of rank below that, so its sizes cannot share a factorisation: "
                f"leave out `smallest`, or use other sample points."
            )
        self._lead = scipy.linalg.solve_triangular(triangle, right, trans=1)
        self._smallest = max(1, len(rows) if smallest is None else min(smallest, len(rows)))
        self.size = len(rows)
        self._shared: dict[str, Any] = {}

    def first(self, n: int) -> Interpolation:
        """The constraint by the first n rows alone; what has been factorised is shared."""
        if not self._family or not self._smallest <= n <= len(self._lead):
            raise IsotropyError(
                f"`n` must lie between `smallest`={self._smallest} and {len(self._lead)} rows, with `smallest` given. "
                f"Got {n}."
            )
        part = object.__new__(Interpolation)
        part.__dict__.update(self.__dict__)
        part.size = n
        return part

    def value_and_gradient(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """Zero, and no gradient: the constraint is met by construction."""
        return 0.0, np.zeros_like(w)

    def tangent(self, vector: np.ndarray) -> np.ndarray:
        """The part of ``vector`` (f, c) along the directions that the constraint leaves free."""
        free = self.directions
        return free @ (free.T @ vector)

    @property
    def directions(self) -> np.ndarray:
        """Orthonormal columns that span what the constraint leaves free, (f, f - n)."""
        return self._orthogonal[:, self.size :]

    def images(self, operator: MatrixMap) -> Float[np.ndarray, "p k q"]:
        """What ``operator`` makes of each free direction. Sizes above one that was asked for share its images."""
        k, q = operator.rows, operator.columns
        earlier = self._shared.get("images")
        if earlier is None or earlier[0] is not operator or earlier[1] > self.size:
            images = operator(self.directions).reshape(k, -1, q).transpose(1, 0, 2)
            earlier = self._shared["images"] = (operator, self.size, np.ascontiguousarray(images))
        return earlier[2][self.size - earlier[1] :]

    def curvature(self) -> float:
        """One: a constraint has no scale of its own."""
        return 1.0

    def prepare(self, gram: np.ndarray) -> Step:
        """A reverse Cholesky factor of H in the basis of the rows serves every size at once."""
        n, f = self.size, self.shape[0]
        base = self._orthogonal[:, :n] @ self._lead[:n]
        if n == f:
            return lambda rho, b, start: base
        if self._shared.get("gram") is not gram:
            turned = self._orthogonal.T @ (gram @ self._orthogonal)
            self._shared.update(gram=gram, turned=turned)
            self._shared.pop("factor", None)
            block = turned[self._smallest :, self._smallest :]
            floor = np.finfo(float).eps * f * max(np.abs(np.diag(block)).max(initial=0.0), 0.0)
            try:
                lower = np.linalg.cholesky(block[::-1, ::-1])
                if np.diag(lower).min() ** 2 > floor:
                    self._shared["factor"] = np.ascontiguousarray(lower[::-1, ::-1])
            except np.linalg.LinAlgError:
                pass  # singular: the pseudo-inverse below takes over
        turned = self._shared["turned"]
        if "factor" in self._shared:
            corner = self._shared["factor"][n - self._smallest :, n - self._smallest :]
            inverse = scipy.linalg.solve_triangular(corner, np.eye(f - n), check_finite=False)
            inverse = inverse.T @ inverse
        else:
            inverse = scipy.linalg.pinvh(turned[n:, n:])
        free = self._orthogonal[:, n:]
        transposed = np.ascontiguousarray(free.T)
        offset = turned[n:, :n] @ self._lead[:n]

        def step(rho: float, b: np.ndarray, start: np.ndarray) -> np.ndarray:
            return base + free @ (inverse @ (transposed @ b - offset))

        return step

    def restrict(self, basis: np.ndarray) -> Interpolation:
        """The same constraint on coefficients ``basis @ v``; raises where no v can meet it."""
        rows, right = self._all
        if self._family:
            rows, right = rows[: self.size], right[: self.size]
        return Interpolation(rows @ basis, right)

    def minimise(self) -> np.ndarray:
        """The interpolant of least norm."""
        return self._orthogonal[:, : self.size] @ self._lead[: self.size]


def _independent(rows: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthogonal rows that state the same constraints; refuses constraints that contradict each other."""
    left, values, basis = np.linalg.svd(rows, full_matrices=False)
    eps = np.finfo(float).eps
    kept = values > eps * max(rows.shape) * values.max(initial=0.0)
    reduced = left[:, kept].T @ right
    residual = right - left[:, kept] @ reduced
    # Data that were themselves computed carry errors of eps times the size of the terms that were summed for them.
    scale = np.abs(right).max(initial=0.0) + np.linalg.norm(rows) * np.abs(reduced / values[kept][:, None]).max(
        initial=0.0
    )
    worst = np.abs(residual).max(initial=0.0)
    if worst > eps * max(rows.shape) * scale:
        raise IsotropyError(
            f"No coefficients meet all {len(rows)} constraints: the best miss one by {worst:.2g}, and only "
            f"{int(kept.sum())} of them are independent. Use a larger space, or a `strength` instead of `exact=True`."
        )
    return values[kept][:, None] * basis[kept], reduced
