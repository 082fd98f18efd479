"""The rules that are compared: how many of the leading columns of which frames each would call symmetries.

All take the same `Fits`, b of one design, and return counts (b,) and frames (b, p, p).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from isotropy.numerics.certify import SHARE, certain, directions, evidence, supported
from isotropy.numerics.fits import Fits
from isotropy.numerics.quadratic_form import cumulative, longest

LEVEL, TOLERANCE = 0.05, 0.05

NOISELESS = 1e-9
"""Variance, as a share of the largest, below which a coefficient of a bracket has none: it is the same for every F."""


def values(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Singular values ascending, as defects, and their vectors (columns)."""
    squares, vectors = np.linalg.eigh(fits.gram)
    return np.sqrt(np.maximum(squares, 0)) / fits.sizes[:, None], vectors


def climb(passes: Callable[[int, np.ndarray], np.ndarray], count: int, top: int) -> np.ndarray:
    """The largest d such that ``passes(d, chosen)`` held for 1 … d, for each of ``count`` trials."""
    found = np.zeros(count, dtype=int)
    for d in range(1, top + 1):
        alive = np.flatnonzero(found == d - 1)
        if not len(alive):
            break
        found[alive[passes(d, alive)]] = d
    return found


def threshold(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Every singular value below the tolerance is a symmetry."""
    sizes, vectors = values(fits)
    return (sizes <= TOLERANCE).sum(axis=1), vectors


def eigengap(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Everything below the largest ratio between neighbours is a symmetry."""
    sizes, vectors = values(fits)
    return 1 + np.argmax(sizes[:, 1:] / np.maximum(sizes[:, :-1], np.finfo(float).tiny), axis=1), vectors


def rank_test(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """As many symmetries as a test of rank at the level does not reject."""
    _, vectors = values(fits)
    count = np.zeros(len(vectors), dtype=int)
    for d in range(1, vectors.shape[2] + 1):
        span = vectors[:, :, :d]
        noise = np.einsum("kpr,bpd->bkdr", fits.noise, span).reshape(len(span), -1, fits.noise.shape[2])
        axes = np.linalg.eigvalsh(np.swapaxes(noise, 1, 2) @ noise) * fits.variances[:, None]
        size = ((fits.images @ span) ** 2).sum(axis=(1, 2))
        chance = 1 - cumulative(size, axes, np.zeros_like(axes), spread=axes.sum(axis=1), dof=fits.dof)
        count[chance > LEVEL] = d
    return count, vectors


def weyl(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Singular values plus the norm that the noise of the whole operator stays under, by simulation."""
    sizes, vectors = values(fits)
    rng = np.random.default_rng(0)
    draws = np.einsum("kpr,tr->tkp", fits.noise, rng.normal(size=(300, fits.noise.shape[2])))
    norms = np.linalg.norm(draws, ord=2, axis=(1, 2)) / np.sqrt(rng.chisquare(fits.dof, size=300) / fits.dof)
    norm = np.quantile(norms, 1 - LEVEL) * np.sqrt(fits.variances)
    least = fits.smallest_size(SHARE * LEVEL)
    return (sizes * fits.sizes[:, None] + norm[:, None] <= TOLERANCE * least[:, None]).sum(axis=1), vectors


def simultaneous(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """SymCert's rule: every direction's largest bracket over the confidence ellipsoid of F is below the tolerance.

    Here with every advantage: the debiased order, the exact largest bracket, and spans tested at a few directions only.
    """
    frames = fits.propose()
    least = fits.smallest_size(SHARE * LEVEL)

    def passes(d: int, alive: np.ndarray) -> np.ndarray:
        some = fits.subset(alive)
        vectors = directions(some, frames[alive][:, :, :d])
        noise = np.einsum("kpr,bdp->bdkr", some.noise, vectors)
        reach = longest(np.einsum("bkp,bdp->bdk", some.images, vectors), noise, some.radius(LEVEL)[:, None])
        return (reach <= TOLERANCE * least[alive, None]).all(axis=1)

    return climb(passes, len(frames), frames.shape[2]), frames


def ours(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """`certify`: the simultaneous bound or the sharper one."""
    frames = fits.propose()
    sure = certain(fits, frames, tolerance=TOLERANCE, level=LEVEL)
    return np.maximum(sure, supported(fits, frames, tolerance=TOLERANCE, level=LEVEL)), frames


def proved(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """The verdict ``certain`` of `certify` alone."""
    frames = fits.propose()
    return certain(fits, frames, tolerance=TOLERANCE, level=LEVEL), frames


def uncorrected(fits: Fits, frames: np.ndarray) -> np.ndarray:
    """The sharper bound as if the span had been fixed beforehand."""
    limits = (TOLERANCE * fits.smallest_size(SHARE * LEVEL))[:, None] ** 2

    def passes(d: int, alive: np.ndarray) -> np.ndarray:
        some = fits.subset(alive)
        seen = evidence(some, directions(some, frames[alive][:, :, :d]))
        return (seen.chance(limits[alive]) <= (1 - SHARE) * LEVEL).all(axis=1)

    return climb(passes, len(frames), frames.shape[2])


def split(fits: Fits, parameters: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two independent halves of the information: one proposes, the other tests without any correction."""
    noise = np.random.default_rng(seed).normal(size=(len(parameters), fits.root.shape[1])) @ fits.root.T
    noise *= np.sqrt(fits.variances)[:, None]
    halves = [
        Fits.of(fits.operator, parameters + sign * noise, fits.root, 2 * fits.variances, fits.dof) for sign in (1, -1)
    ]
    frames = halves[0].propose()
    return uncorrected(halves[1], frames), frames


def refit(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood ratios: how much worse does a fit become that is constrained to have the symmetry?

    The directions are those of maximum likelihood given the rejected candidates. The ratio is a noncentral chi-squared
    whose noncentrality is at least the squared bracket over the largest variance; one degree of freedom is taken off
    for each rejected candidate.
    """
    frames = fits.propose()
    limits = (TOLERANCE * fits.smallest_size(SHARE * LEVEL))[:, None] ** 2

    def ratios(some: Fits, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        noise = np.einsum("kpr,bpd->bdkr", some.noise, columns) * np.sqrt(some.variances)[:, None, None, None]
        weights, axes = np.linalg.eigh(noise @ np.swapaxes(noise, -1, -2))
        kept = weights > NOISELESS * weights[..., -1:]
        return np.where(kept, weights, np.inf), axes

    def passes(d: int, alive: np.ndarray) -> np.ndarray:
        some, frame = fits.subset(alive), frames[alive].copy()
        rest = frame[:, :, d:]
        weights, axes = ratios(some, frame[:, :, :d])
        back = np.swapaxes(axes, -1, -2) / np.sqrt(weights)[..., None]
        design = back @ (some.images @ rest)[:, None]
        target = np.einsum("bdik,bkp,bpd->bdi", back, some.images, frame[:, :, :d], optimize=True)
        moves = (np.linalg.pinv(design) @ target[..., None])[..., 0]
        frame[:, :, :d] -= np.einsum("bpj,bdj->bpd", rest, moves)
        frame = np.linalg.qr(frame)[0]
        weights, axes = ratios(some, frame[:, :, :d])
        brackets = np.einsum("bdki,bkp,bpd->bdi", axes, some.images, frame[:, :, :d], optimize=True)
        freedom = np.maximum(np.isfinite(weights).sum(axis=-1) - rest.shape[2], 1)
        chance = stats.ncx2.cdf((brackets**2 / weights).sum(axis=-1), freedom, limits[alive] / weights[..., -1])
        good = (chance <= (1 - SHARE) * LEVEL).all(axis=1)
        frames[alive[good]] = frame[good]
        return good

    return climb(passes, len(frames), frames.shape[2]), frames
