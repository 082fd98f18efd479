"""The unit sphere of R^3, with spherical harmonics from SciPy."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import sph_harm_y

from ..errors import IsotropyError
from .grid import Grid


class Sphere(Grid):
    """Gauss–Legendre latitudes and even longitudes on S^2, exact for harmonics up to ``degree``.

    ``points`` are unit vectors (N, 3), ``shape`` is (degree + 1, 2 degree + 1), and weights sum to 4 pi. A gradient is
    the one along the sphere as a vector of R^3, so that generators of SO(3) act as they do on R^3.

    >>> Sphere(8)
    Sphere(9 x 17 points, harmonics up to degree 8)
    """

    def __init__(self, degree: int) -> None:
        if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
            raise IsotropyError(f"`degree` must be a positive integer. Got {degree!r}.")
        self.degree = degree
        self.shape = (degree + 1, 2 * degree + 1)
        heights, weights = np.polynomial.legendre.leggauss(degree + 1)
        longitudes = 2 * np.pi * np.arange(self.shape[1]) / self.shape[1]
        theta, phi = (part.ravel() for part in np.meshgrid(np.arccos(heights), longitudes, indexing="ij"))
        self.points = _on_sphere(theta, phi)
        self.weights = np.repeat(weights, self.shape[1]) * 2 * np.pi / self.shape[1]
        values, slopes = harmonics(degree, theta, phi)
        self._analysis = values.T * self.weights
        self._synthesis = slopes
        low = np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1) <= 2 * degree / 3
        self._tables = [np.einsum("pjk,kn->pjn", self._synthesis * keep, self._analysis) for keep in (1.0, low)]

    def gradient(self, u: Float[Array, "*shape n"], *, rough: bool = False) -> Float[Array, "*shape n 3"]:
        """The gradient along the sphere of the harmonics in u; ``rough`` leaves out the upper third of the degrees."""
        flat = u.reshape(len(self.points), -1)
        slope = jnp.einsum("pjn,nc->pcj", jnp.asarray(self._tables[int(rough)], u.dtype), flat)
        return slope.reshape(*u.shape, 3)

    def interpolate(self, u: Float[np.ndarray, "*shape n"], where: Float[np.ndarray, "k 3"]) -> np.ndarray:
        """The values of the harmonics in u at unit vectors."""
        coefficients = self._analysis @ np.asarray(u, dtype=np.float64).reshape(len(self.points), -1)
        theta, phi = np.arccos(np.clip(where[:, 2], -1, 1)), np.arctan2(where[:, 1], where[:, 0])
        return harmonics(self.degree, theta, phi)[0] @ coefficients

    def __repr__(self) -> str:
        return f"Sphere({self.shape[0]} x {self.shape[1]} points, harmonics up to degree {self.degree})"


def harmonics(
    degree: int, theta: Float[np.ndarray, " p"], phi: Float[np.ndarray, " p"]
) -> tuple[Float[np.ndarray, "p k"], Float[np.ndarray, "p 3 k"]]:
    """Real orthonormal spherical harmonics up to ``degree`` at colatitude and longitude, and their gradients in R^3.

    Ordered by degree, then order from -l to l: sines of the longitude first, then the zonal one, then cosines.
    """
    along = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)], axis=1)
    across = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)], axis=1)
    # The longitude's derivative is divided by sin(theta); no Gauss–Legendre node is a pole.
    sine = np.where(np.sin(theta) > 0, np.sin(theta), np.inf)
    values, slopes = [], []
    for l in range(degree + 1):
        for m in range(-l, l + 1):
            value, slope = sph_harm_y(l, abs(m), theta, phi, diff_n=1)
            part = np.imag if m < 0 else np.real
            scale = (-1) ** m * np.sqrt(2) if m else 1.0
            values.append(scale * part(value))
            slopes.append(
                scale * (part(slope[..., 0])[:, None] * along + (part(slope[..., 1]) / sine)[:, None] * across)
            )
    return np.stack(values, axis=1), np.stack(slopes, axis=2)


def _on_sphere(theta: np.ndarray, phi: np.ndarray) -> Float[np.ndarray, "p 3"]:
    return np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)
