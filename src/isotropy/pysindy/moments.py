"""What a fit needs of the data: triangular factors in place of rows, and how noisy the free fit is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..numerics.decide import numerical_floor

BLOCKS = 40
"""Blocks of consecutive rows from which the errors of a fit are read: long ones forget, many ones are needed to see."""


@dataclass(frozen=True)
class Moments:
    """Terms (p, f) and targets (p, n), and the triangular factors ``features`` (f, f) and ``products`` (f, n) of both.

    Least squares on the factors is least squares on the rows, for any linear constraint on the coefficients.
    """

    terms: Float[np.ndarray, "p f"]
    targets: Float[np.ndarray, "p n"]
    features: Float[np.ndarray, "r f"]
    products: Float[np.ndarray, "r n"]
    blocks: int = BLOCKS

    @classmethod
    def of(cls, terms: Float[np.ndarray, "p f"], targets: Float[np.ndarray, "p n"], *, blocks: int = BLOCKS) -> Moments:
        """One triangular factorisation of both together; errors are read from ``blocks`` of consecutive rows."""
        together = np.concatenate([terms, targets], axis=1)
        triangle = np.asarray(scipy.linalg.qr(together, mode="r", check_finite=False)[0])[: together.shape[1]]
        count = terms.shape[1]
        return cls(terms, targets, triangle[:, :count], triangle[:, count:], blocks)

    def design(self, rows: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "r d"]:
        """The products of the factor with each element of a basis of coefficients, target by target."""
        d, f = len(rows), self.features.shape[1]
        return np.einsum("rf,dnf->nrd", self.features, rows.reshape(d, -1, f)).reshape(-1, d)

    @property
    def response(self) -> Float[np.ndarray, " r"]:
        """The targets in the rows of `design`."""
        return self.products.T.ravel()

    @cached_property
    def free(self) -> Float[np.ndarray, "n f"]:
        """The least squares fit without a constraint, of least norm where it is not unique."""
        return np.linalg.lstsq(self.features, self.products, rcond=None)[0].T

    @property
    def rank(self) -> int:
        """How many terms the data tell apart."""
        size = np.linalg.norm(self.features, axis=0)
        values = np.linalg.svd(self.features / np.where(size > 0, size, 1.0), compute_uv=False)
        floor = numerical_floor(np.float64, len(self.terms) + len(size), float(values.max(initial=0.0)))
        return int((values > floor).sum())

    @cached_property
    def residuals(self) -> Float[np.ndarray, "p n"]:
        """What the free fit leaves."""
        return self.targets - self.terms @ self.free.T

    @cached_property
    def covariance(self) -> Float[np.ndarray, "n n"]:
        """The covariance of the residuals, as if rows were independent and alike."""
        matrix = self.residuals.T @ self.residuals / max(len(self.targets) - self.rank, 1)
        rounding = np.abs(self.targets).max(axis=0, initial=0.0) * numerical_floor(np.float64, self.terms.shape[1], 1.0)
        return matrix + np.diag(np.maximum(rounding, np.finfo(np.float64).tiny ** 0.5) ** 2)

    @cached_property
    def sums(self) -> Float[np.ndarray, "b n r"]:
        """Sums of residual times whitened term over blocks of consecutive rows.

        Their second moments are the covariance of ``features @ free`` when rows err together within a block, and
        by different amounts: derivatives of smoothed trajectories have errors that last for many rows, and that are
        larger where states are large or near the ends (White 1980; Newey and West 1987).
        """
        count = len(self.terms)
        white = self.terms @ np.linalg.pinv(self.features)
        starts = np.unique(np.linspace(0, count, min(self.blocks, count), endpoint=False).astype(int))
        scores = white[:, None, :] * self.residuals[:, :, None]
        sums = np.add.reduceat(scores, starts, axis=0)
        # Least squares makes all blocks together sum to zero, and residuals smaller than errors.
        lost = max(len(sums) - 1, 1) / len(sums) * max(count - self.rank, 1) / count
        return sums / np.sqrt(lost)
