"""Newton's method for the nuclear norm where no singular value vanishes at the minimum.

There the norm is smooth. With singular values s of A(w) and a small m the sum of ``sqrt(s^2 + m^2)`` is smooth
everywhere and at most ``q m`` too large; m falls with the steps. It is the finish of a splitting method, which is cheap
to within a percent or so and slow beyond. Derivatives of spectral functions: Lewis, Derivatives of spectral functions,
Math. Oper. Res. 21 (1996).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from .certificate import Certificate, Known, certify
from .interpolation import Interpolation
from .losses import Loss
from .terms import Nuclear, Term

STEPS = 10
"""Steps before giving up: where it works, it took at most 10 from a gap of 4e-2."""

SHORTEST = 0.5
"""The shortest step before giving up: a minimum without full rank shows itself by short steps."""

FALL = 0.1
"""By how much m falls once a step has come close to the minimum for the last."""

LARGEST = 5_000_000
"""Entries of the array that holds the images of all directions; beyond it a step costs too many splitting steps."""

BLOCK = 4
"""Directions that are transformed at a time, so that they stay in the cache."""

FULL = 0.7
"""The part of the singular values that must be above the threshold of a splitting method before it is tried."""


Decomposition = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Left singular vectors as columns, singular values, right ones as rows."""


@dataclass(frozen=True)
class Finish:
    """Coefficients (f, c), their certificate, steps taken, and whether that was enough."""

    coefficients: np.ndarray
    certificate: Certificate
    steps: int
    converged: bool


class Newton:
    """Newton's method for one constraint and one nuclear norm, set up where it can pay.

    ``worth`` is how many splitting steps to take before the first try, or None where it is not to be tried: it is made
    for interpolation with one output, whose free directions are few when the data are many.
    """

    def __init__(self, loss: Loss, terms: list[Term]) -> None:
        self.loss, self.terms = loss, terms
        self.worth: int | None = None
        self._images: np.ndarray | None = None
        self._held: dict[np.dtype, tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]] = {}
        if isinstance(loss, Interpolation) and len(terms) == 1 and isinstance(terms[0], Nuclear) and loss.shape[1] == 1:
            free = loss.shape[0] - loss.size
            operator = terms[0].operator
            if free > 0 and free * operator.rows * operator.columns <= LARGEST:
                # A step costs about as much as a fifth as many splitting steps; it mostly works from the first
                # certificate on, and where the rank is not full it is given up at once.
                self.worth, self._loss, self._operator = free // 4, loss, operator

    def full(self, rank: int) -> bool:
        """Whether so many singular values above a threshold make a minimum of full rank likely."""
        return rank > FULL * min(self._operator.rows, self._operator.columns)

    def _set_up(self) -> np.ndarray:
        """The image of each free direction, (p, k, q) with k >= q."""
        if self._images is None:
            images = self._loss.images(self._operator)
            self._wide = images.shape[1] < images.shape[2]
            self._images = np.ascontiguousarray(images.transpose(0, 2, 1)) if self._wide else images
        return self._images

    def solve(
        self,
        w: np.ndarray,
        found: Certificate,
        *,
        tolerance: float,
        floor: float,
        enough: Callable[[np.ndarray, Certificate], bool] | None = None,
    ) -> Finish:
        """From ``w`` (f, 1) and its certificate to a relative gap of ``tolerance`` or a gap of ``floor``.

        Where it is stopped by `STEPS` or `SHORTEST`, the best coefficients seen come back as not converged.
        """
        images, free = self._set_up(), self._loss.directions
        p, k, q = images.shape
        flat = images.reshape(p, k * q)
        weight = self.terms[0].weight
        image = self._oriented(self._operator(w))
        parts = scipy.linalg.svd(image, full_matrices=False, check_finite=False)
        smooth = max(found.gap / weight, 1e-8 * parts[1].sum()) / q
        best, converged, count = (found, w), False, 0
        single = True
        while count < STEPS and not converged:
            count += 1
            slope = flat @ _polar(parts, smooth).ravel()
            # The curvature only steers: in single precision it takes as many steps, each for half the time.
            moved = self._search(image, parts, slope, flat, smooth, single=single)
            if moved is None and single:
                single = False
                moved = self._search(image, parts, slope, flat, smooth, single=False)
            if moved is None:
                break
            step, ahead, parts = moved
            w = w + free @ step[:, None]
            image = image + (step @ flat).reshape(k, q)
            values, dual = parts[1], weight * self._oriented(_polar(parts, smooth))
            steepest = weight * float((values / np.hypot(values, smooth)).max())
            known = Known([self._oriented(image)], [float(values.sum())], [steepest])
            found = certify(self.loss, self.terms, w, [dual], known)
            if found.gap < best[0].gap:
                best = (found, w)
            if found.gap <= max(tolerance * found.scale, floor) or (enough is not None and enough(w, found)):
                best, converged = (found, w), True
            elif ahead <= 0.3 * smooth * q:
                smooth = max(FALL * smooth, 0.1 * tolerance * parts[1].sum() / q)
        return Finish(best[1], best[0], count, converged)

    def _search(
        self,
        image: np.ndarray,
        parts: Decomposition,
        slope: np.ndarray,
        flat: np.ndarray,
        smooth: float,
        *,
        single: bool,
    ) -> tuple[np.ndarray, float, Decomposition] | None:
        """The first of the lengths 1 and `SHORTEST` of Newton's step that lowers the smoothed norm, or None.

        With it what the whole step promised (infinite for a shorter one, which says nothing of how close the minimum
        is) and the decomposition at its end.
        """
        size = np.hypot(parts[1], smooth)
        step = self._step(parts, size, slope, single=single)
        if step is None:
            return None
        move, ahead = (step @ flat).reshape(image.shape), -float(slope @ step)
        before, length = float(size.sum()), 1.0
        while length >= SHORTEST:
            there = scipy.linalg.svd(image + length * move, full_matrices=False, check_finite=False)
            after = float(np.hypot(there[1], smooth).sum())
            if after <= before - 0.25 * length * ahead + np.finfo(float).eps * len(image) * before:
                return length * step, ahead if length == 1.0 else np.inf, there
            length *= 0.5
        return None

    def _step(self, parts: Decomposition, size: np.ndarray, slope: np.ndarray, *, single: bool) -> np.ndarray | None:
        """Minus the inverse curvature times ``slope``, (p,), or None where rounding leaves it not positive definite."""
        kind = np.dtype(np.float32 if single else np.float64)
        if kind not in self._held:
            images = self._set_up().astype(kind, copy=False)
            p, _, q = images.shape
            self._held[kind] = (images, (np.empty_like(images), np.empty((p, q, q), kind)))
        images, space = self._held[kind]
        left, values, right = (part.astype(kind, copy=False) for part in parts)
        curvature = _curvature(images, left, values, right, size.astype(kind, copy=False), space).astype(np.float64)
        try:
            factor = scipy.linalg.cho_factor(curvature, check_finite=False)
        except np.linalg.LinAlgError:
            return None
        return -scipy.linalg.cho_solve(factor, slope, check_finite=False)

    def _oriented(self, matrix: np.ndarray) -> np.ndarray:
        return matrix.T if self._wide else matrix


def _polar(parts: Decomposition, smooth: float) -> np.ndarray:
    """The derivative of the smoothed norm at the matrix of this singular value decomposition."""
    left, values, right = parts
    return (left * (values / np.hypot(values, smooth))) @ right


def _curvature(
    images: np.ndarray,
    left: np.ndarray,
    values: np.ndarray,
    right: np.ndarray,
    size: np.ndarray,
    space: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """The second derivative (p, p) of the sum of ``size = sqrt(values^2 + m^2)`` along the images (p, k, q).

    With B = left^T D right^T for the image D of a direction it is, squared and summed over i and j,
    ``(D right^T)_ij^2 / size_j`` less ``(values_i B_ij + values_j B_ji)^2 / (2 size_i size_j (size_i + size_j))``.
    ``space``, arrays (p, k, q) and (p, q, q), is overwritten.
    """
    p, _, q = images.shape
    single, pairs = space
    root = 1.0 / np.sqrt(size)
    scale = 1.0 / np.sqrt(2.0 * size[:, None] * size * (size[:, None] + size))
    weighted = (left * values).T
    for start in range(0, p, BLOCK):
        part = slice(start, min(start + BLOCK, p))
        turned = single[part]
        np.matmul(images[part].reshape(-1, q), right.T, out=turned.reshape(-1, q))
        inner = weighted @ turned
        np.add(inner, inner.transpose(0, 2, 1), out=pairs[part])
        pairs[part] *= scale
        turned *= root
    rows, columns = single.reshape(p, -1), pairs.reshape(p, -1)
    curvature = rows @ rows.T
    curvature -= columns @ columns.T
    return curvature
