"""How surely data refuse a constraint on coefficients, where rows err together and by different amounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.stats
from jaxtyping import Float

from .moments import Moments

FEWEST = 3
"""Blocks of rows below which nothing is said: their errors sum to zero, so that two tell of one number alone."""

UNANSWERABLE = (
    "there are too few rows to tell how large the errors are (in the weak form, too few subdomains that do not "
    "overlap): pass more or longer trajectories, or smaller subdomains"
)


@dataclass(frozen=True)
class Evidence:
    """The free fit in units of its own scatter: ``response`` (r, 1) is ``design`` (r, n * F) times its coefficients.

    ``errors`` (b, r) are independent pieces whose sum is the error of ``response``. A constrained fit is the nearest in
    these units; how far it may be from the response by chance is a sum of chi squares, taken for one with the same mean
    and variance (Rao and Scott 1984; Satterthwaite 1946). Units from the pieces themselves would be those of a Wald
    test, which with fewer than some hundred pieces refuses what is true.
    """

    design: Float[np.ndarray, "r k"]
    response: Float[np.ndarray, "r 1"]
    errors: Float[np.ndarray, "b r"]
    rank: int
    answerable: bool

    @classmethod
    def of(cls, moments: Moments) -> Evidence:
        """From the factors of terms and targets."""
        n = moments.targets.shape[1]
        inverse = scipy.linalg.solve_triangular(np.linalg.cholesky(moments.covariance), np.eye(n), lower=True)
        design = np.kron(inverse, moments.features)
        errors = np.einsum("on,bnr->bor", inverse, moments.sums).reshape(len(moments.sums), -1)
        answerable = len(moments.terms) > moments.rank and len(moments.sums) >= FEWEST and bool(errors.any())
        return cls(design, (design @ moments.free.ravel())[:, None], errors, n * moments.rank, answerable)

    @property
    def unevenness(self) -> float:
        """The mean square error of a coordinate of the response: one if rows were independent and alike."""
        return float((self.errors**2).sum()) / max(self.rank, 1)

    def p_value(self, basis: Float[np.ndarray, "k d"], *, fitted: int = 0) -> float:
        """The chance of a best fit in the span of ``basis`` as far off as it is, if the truth lies in the span.

        ``fitted`` counts the numbers that were chosen, together with the fit, to make it good.
        """
        frame, values, _ = np.linalg.svd(self.design @ basis, full_matrices=False)
        frame = frame[:, values > np.finfo(np.float64).eps * max(self.design.shape) * values.max(initial=0.0)]
        lost = self.rank - frame.shape[1]
        if lost <= 0:
            return 1.0
        rise = float(((self.response - frame @ (frame.T @ self.response)) ** 2).sum())
        outside = self.errors - (self.errors @ frame) @ frame.T
        spectrum = np.linalg.svd(outside, compute_uv=False) ** 2
        mean, square = float(spectrum.sum()), float((spectrum**2).sum())
        if not square > 0:
            return 1.0 if rise == 0 else 0.0
        degrees = mean**2 / square * max(lost - fitted, 1) / lost
        return float(scipy.stats.chi2.sf(rise * mean / square, degrees))
