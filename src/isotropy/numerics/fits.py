"""Fits of a model that is linear in its parameters, and its brackets with all candidates, noise and all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats


@dataclass(frozen=True)
class Fits:
    """Fits of one design, b of them, in coordinates in which generators and F have their size as length.

    ``operator`` (k, p, q) takes a generator and parameters to a bracket, ``noise`` (k, p, r) is the operator at the
    columns of the root of S. ``images`` (b, k, p) are the brackets of the candidates as estimated. ``sizes`` (b,) are
    the estimated sizes of F, ``variances`` (b,) the estimates of sigma^2 on ``dof`` degrees of freedom.
    """

    operator: Float[np.ndarray, "k p q"]
    noise: Float[np.ndarray, "k p r"]
    root: Float[np.ndarray, "q r"]
    images: Float[np.ndarray, "b k p"]
    sizes: Float[np.ndarray, " b"]
    variances: Float[np.ndarray, " b"]
    dof: float

    @classmethod
    def of(
        cls,
        operator: Float[np.ndarray, "k p q"],
        parameters: Float[np.ndarray, "b q"],
        root: Float[np.ndarray, "q r"],
        variances: Float[np.ndarray, " b"],
        dof: float,
    ) -> Fits:
        """Fits whose generators and parameters are measured by their Euclidean length; S = root root^T."""
        return cls(
            operator,
            operator @ root,
            root,
            np.einsum("kpq,bq->bkp", operator, parameters),
            np.linalg.norm(parameters, axis=1),
            variances,
            dof,
        )

    @property
    def spill(self) -> Float[np.ndarray, "p p"]:
        """The mean of Z^T Z for the noise Z of the images, where sigma is one."""
        return np.einsum("kpr,ksr->ps", self.noise, self.noise)

    @property
    def gram(self) -> Float[np.ndarray, "b p p"]:
        """The squared sizes of the brackets as estimated, noise included."""
        return np.swapaxes(self.images, 1, 2) @ self.images

    def propose(self) -> Float[np.ndarray, "b p p"]:
        """Orthonormal candidates (columns), by increasing size of their brackets less what noise adds to it."""
        return np.linalg.eigh(self.gram - self.variances[:, None, None] * self.spill)[1]

    def smallest_size(self, level: float) -> Float[np.ndarray, " b"]:
        """A lower confidence bound on the size of F, from ``|b| = |beta + e|`` with both parts of e bounded."""
        spread = np.linalg.svd(self.root, compute_uv=False)
        error = stats.t.ppf(1 - level / 2, self.dof) * spread[0] * np.sqrt(self.variances)
        drift = stats.f.ppf(1 - level / 2, 1, self.dof) * (spread**2).sum() * self.variances
        return np.maximum(np.sqrt(np.maximum(self.sizes**2 + error**2 - drift, 0.0)) - error, 0.0)

    def largest_size(self, level: float) -> Float[np.ndarray, " b"]:
        """An upper confidence bound on the size of F."""
        return self.sizes + np.sqrt(stats.f.ppf(1 - level, 1, self.dof) * (self.root**2).sum() * self.variances)

    def radius(self, level: float) -> Float[np.ndarray, " b"]:
        """The half-axis of the confidence ellipsoid of beta, in units of the root of S."""
        count = self.root.shape[1]
        return np.sqrt(count * stats.f.ppf(1 - level, count, self.dof) * self.variances)

    def subset(self, chosen: np.ndarray) -> Fits:
        """Some of the fits."""
        parts = (self.images[chosen], self.sizes[chosen], self.variances[chosen])
        return Fits(self.operator, self.noise, self.root, *parts, self.dof)
