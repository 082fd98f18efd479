"""Which generators may be claimed from noisy data, when the chance to invent one must stay below a level.

F is linear in its parameters and these were fitted: ``b ~ N(beta, sigma^2 S)`` with an independent estimate of
``sigma^2``. The bracket of xi and F has coefficients bilinear in both, so an estimate of it is its true value plus
noise of known shape, for every candidate at once. The *defect* of a generator is the size of its bracket with F over
the sizes of both; a generator is *invented* if it lies in the span returned and its defect exceeds the tolerance.

Two bounds on a defect. The simultaneous one holds over the whole confidence ellipsoid of beta, hence for every
candidate; a proof for finite samples. The sharper one asks how likely it is that a bracket as small as the one seen
comes from a defect above the tolerance. It allows for the span having been chosen by the same data: what the choice can
make small, the part of the bracket along those of the rejected candidates, counts as unseen noise. It is calibrated by
simulation (docs/decisions/certify.md), not proved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg as sla
from jaxtyping import Float
from scipy import stats

from .. import validate
from ..errors import IsotropyError
from .decide import numerical_floor
from .fits import Fits
from .quadratic_form import cumulative, longest

SHARE = 0.02
"""Part of the level spent on the size of F, the rest on brackets."""

STEPS = 13
"""Divisions of a defect between the part that the choice of the span could hide and the part that it could not."""

DIRECTIONS = 3
"""Random directions of a span at which it is tested, besides its axes, its largest bracket and its largest noise."""

TRADES = 2.0 ** np.arange(-6, 7)
"""Weights that are tried in ``(x + y)^2 <= (1 + w) x^2 + (1 + 1/w) y^2``; the best is within a percent of any."""

HALVINGS = 24
"""Halvings of the bracket around an upper bound: digits beyond the sixth are of no interest."""


@dataclass(frozen=True)
class Evidence:
    """Brackets of some directions split into what the choice of the span could not reduce (``kept``) and could.

    ``size`` (b, d) is the squared length of the kept part; ``hidden`` (b, d, k) are the squares of the other along its
    noise axes. Weights are the variances of the noise along the axes of each part, sigma included.
    """

    size: Float[np.ndarray, "b d"]
    kept: Float[np.ndarray, "b d k"]
    hidden: Float[np.ndarray, "b d j"]
    lost: Float[np.ndarray, "b d j"]
    dof: float

    def chance(self, limits: Float[np.ndarray, "b _"]) -> Float[np.ndarray, "b d"]:
        """How likely brackets as small as these are where the squared bracket of the direction is ``limits`` or more.

        The part kept is noncentral with b of the squared bracket, put where noise is largest; the part lost is
        whatever noise was cancelled, and must make up the rest. They are independent, and the worst b counts.
        """
        kept, lost = self.kept[..., None, :], self.lost[..., None, :]
        share = np.linspace(0.0, 1.0, STEPS) * limits[..., None]
        shifts = np.zeros((*self.size.shape, STEPS, self.kept.shape[-1]))
        shifts[..., -1] = share
        total = self.kept.sum(axis=-1)[..., None]
        small = cumulative(self.size[..., None], kept, shifts, spread=total, dof=self.dof)
        if not self.lost.shape[-1]:
            return small[..., -1]
        rest = limits[..., None] - share
        spread = self.lost.sum(axis=-1)[..., None]
        large = 1.0 - cumulative(rest, lost, self.hidden[..., None, :], spread=spread, dof=self.dof)
        large[..., -1] = 1.0
        # The floor: a bracket cannot be known better than the noise that the choice of the direction cancelled.
        floor = (self.lost + self.hidden).sum(axis=-1) > limits
        return np.where(floor, 1.0, (small * large).max(axis=-1))


def evidence(
    fits: Fits, directions: Float[np.ndarray, "b d p"], rest: Float[np.ndarray, "b p s"] | None = None
) -> Evidence:
    """What the data say of ``directions`` (unit length), chosen against the rejected candidates ``rest``."""
    brackets = np.einsum("bkp,bdp->bdk", fits.images, directions)
    scale = np.sqrt(fits.variances)[:, None, None, None]
    noise = np.einsum("kpr,bdp->bdkr", fits.noise, directions) * scale
    if rest is None or rest.shape[2] == 0:
        none = np.zeros((*brackets.shape[:2], 0))
        return Evidence((brackets**2).sum(axis=-1), _axes(noise), none, none, fits.dof)
    frame = np.linalg.qr(fits.images @ rest)[0][:, None]
    back = np.swapaxes(frame, -1, -2)
    along, shadow = (back @ brackets[..., None])[..., 0], back @ noise
    kept = brackets - (frame @ along[..., None])[..., 0]
    weights, axes = np.linalg.eigh(shadow @ np.swapaxes(shadow, -1, -2))
    hidden = np.einsum("bdji,bdj->bdi", axes, along) ** 2
    return Evidence((kept**2).sum(axis=-1), _axes(noise - frame @ shadow), hidden, np.maximum(weights, 0), fits.dof)


def _axes(noise: Float[np.ndarray, "b d k r"]) -> Float[np.ndarray, "b d j"]:
    """Variances along the axes of the noise, ascending."""
    other = np.swapaxes(noise, -1, -2)
    return np.maximum(np.linalg.eigvalsh(noise @ other if noise.shape[-2] <= noise.shape[-1] else other @ noise), 0.0)


def directions(fits: Fits, span: Float[np.ndarray, "b p d"]) -> Float[np.ndarray, "b c p"]:
    """Unit vectors of a span at which it is tested: axes, the largest bracket, the largest noise, a few at random."""
    b, _, d = span.shape
    if d == 1:
        return np.swapaxes(span, 1, 2)
    back = np.swapaxes(span, 1, 2)
    worst = [np.linalg.eigh(back @ form @ span)[1][:, :, -1:] for form in (fits.gram, fits.spill)]
    random = np.random.default_rng(0).normal(size=(d, DIRECTIONS))
    random = np.broadcast_to(random / np.linalg.norm(random, axis=0), (b, d, DIRECTIONS))
    inside = np.concatenate([np.broadcast_to(np.eye(d), (b, d, d)), *worst, random], axis=2)
    return np.swapaxes(span @ inside, 1, 2)


def supported(fits: Fits, frames: Float[np.ndarray, "b p p"], *, tolerance: float, level: float) -> np.ndarray:
    """How many of the leading columns of ``frames`` the sharper bound lets through, for each fit (b,).

    Spans are tried from the smallest up, and the first that fails ends it. Every direction of a span is tested at the
    full level: the union of the hypotheses that it is too large is rejected only if each is.
    """
    limits = (tolerance * fits.smallest_size(SHARE * level))[:, None] ** 2
    count = np.zeros(len(frames), dtype=int)
    for d in range(1, frames.shape[2] + 1):
        alive = np.flatnonzero(count == d - 1)
        if not len(alive):
            break
        some, frame = fits.subset(alive), frames[alive]
        seen = evidence(some, directions(some, frame[:, :, :d]), frame[:, :, d:])
        passed = (seen.chance(limits[alive]) <= (1 - SHARE) * level).all(axis=1)
        count[alive[passed]] = d
    return count


def certain(fits: Fits, frames: Float[np.ndarray, "b p p"], *, tolerance: float, level: float) -> np.ndarray:
    """How many of the leading columns of ``frames`` the simultaneous bound lets through, for each fit (b,)."""
    count = np.zeros(len(frames), dtype=int)
    for d in range(1, frames.shape[2] + 1):
        alive = np.flatnonzero(count == d - 1)
        if not len(alive):
            break
        passed = simultaneous(fits.subset(alive), frames[alive][:, :, :d], level=level) <= tolerance
        count[alive[passed]] = d
    return count


def simultaneous(fits: Fits, span: Float[np.ndarray, "b p d"], *, level: float) -> Float[np.ndarray, " b"]:
    """A bound on the defects in a span, valid for all spans together with chance 1 - level: a proof, no calibration.

    The largest bracket over the confidence ellipsoid of beta, over the smallest size of F in it. For one direction the
    first is exact; for more, it is at most the bracket as estimated plus the radius times the norm of an unfolding.
    """
    radius, d = fits.radius(level), span.shape[2]
    smallest = fits.sizes - radius * np.linalg.norm(fits.root, ord=2)
    images, noise = fits.images @ span, np.einsum("kpr,bpd->bkdr", fits.noise, span)
    if d == 1:
        bracket = longest(images[:, :, 0], noise[:, :, 0], radius)
    else:
        b, k, _, r = noise.shape
        unfoldings = (
            noise.reshape(b, k * d, r),
            noise.reshape(b, k, d * r),
            np.swapaxes(noise, 1, 2).reshape(b, d, -1),
        )
        stretch = np.min([np.linalg.norm(unfolded, ord=2, axis=(1, 2)) for unfolded in unfoldings], axis=0)
        bracket = np.linalg.norm(images, ord=2, axis=(1, 2)) + radius * stretch
    return np.where(smallest > 0, bracket / np.where(smallest > 0, smallest, 1.0), np.inf)


def upper_bounds(
    fits: Fits, vectors: Float[np.ndarray, "b d p"], rest: Float[np.ndarray, "b p s"], *, level: float
) -> Float[np.ndarray, "b d"]:
    """The smallest tolerance at which each direction would pass the sharper test."""
    seen, least = evidence(fits, vectors, rest), fits.smallest_size(SHARE * level)[:, None]
    # Beyond 32 standard deviations of everything together every chance is nil.
    parts = seen.size + seen.kept.sum(axis=-1) + (seen.hidden + seen.lost).sum(axis=-1)
    low, high = np.zeros_like(parts), 32.0 * np.sqrt(parts)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        passed = seen.chance(middle**2) <= (1 - SHARE) * level
        low, high = np.where(passed, low, middle), np.where(passed, middle, high)
    return np.where(least > 0, high / np.where(least > 0, least, 1.0), np.inf)


def lower_bound(fits: Fits, frames: Float[np.ndarray, "b p p"], count: int, *, level: float) -> np.ndarray:
    """A lower confidence bound on the smallest defect but ``count``, for each fit (b,).

    The true ``count + 1`` best directions meet the complement of any ``count`` proposed, however these were chosen. The
    noise of their brackets together has a second moment ``spill``, and of all positive combinations of chi-squared
    variables with given mean the single one has the largest upper quantiles for levels below .2 (G. J. Székely, N. K.
    Bakirov, Probab. Theory Relat. Fields 126, 2003). So no direction pays for the others.
    """
    left = frames[:, :, count:]
    if left.shape[2] == 0:
        return np.full(len(frames), np.inf)
    back = np.swapaxes(left, 1, 2)
    quantile = (count + 1) * stats.f.ppf(1 - (1 - SHARE) * level, 1, fits.dof)
    spill = quantile * fits.variances[:, None, None] * (back @ fits.spill @ left)
    gram = back @ fits.gram @ left
    squares = [np.linalg.eigvalsh(gram - (1 + w) * spill)[:, 0] / (1 + 1 / w) for w in TRADES]
    return np.sqrt(np.maximum(np.max(squares, axis=0), 0.0)) / fits.largest_size(SHARE * level)


@dataclass(frozen=True)
class Certificate:
    """The generators that may be claimed, and what is known about them and about the others.

    ``span`` (d, p) are rows of coefficients, orthonormal for the generators' norm; ``upper_bounds`` (d,) bound their
    defects and ``span_bound`` that of every generator in their span, with the confidence 1 - ``level``; ``verdicts``
    says of each whether the simultaneous bound (``certain``) or only the sharper one (``supported``) is below
    ``tolerance``. ``estimates`` (p,) are the defects of all candidates as estimated, noise taken off, ascending.
    ``lower_bound`` is a bound from below on the smallest defect beyond the span; ``verdict`` is that of the weakest
    generator claimed, or ``none`` where the lower bound refutes every candidate, or ``cannot tell``.
    """

    dimension: int
    span: Float[np.ndarray, "d p"]
    upper_bounds: Float[np.ndarray, " d"]
    span_bound: float
    lower_bound: float
    estimates: Float[np.ndarray, " p"]
    verdict: str
    verdicts: tuple[str, ...]
    reason: str
    tolerance: float
    level: float
    fits: Fits = field(repr=False)
    unit: Float[np.ndarray, "p p"] = field(repr=False)

    def bound(self, generators: Float[np.ndarray, "e p"]) -> Float[np.ndarray, " e"]:
        """Upper bounds on the defects of any generators, taken for chosen against all that their span leaves out.

        The confidence is that of the certificate for generators of its span; for others it is that of a first look.
        """
        if len(generators) == 0:
            return np.zeros(0)
        rows, _, rest = self._split(generators)
        return upper_bounds(self.fits, rows[None], rest[None], level=self.level)[0]

    def holds(self, generators: Float[np.ndarray, "e p"]) -> bool:
        """Whether the sharper bound lets the whole span of other generators through, such as a nearest subalgebra."""
        if len(generators) == 0:
            return True
        _, frame, rest = self._split(generators)
        limits = (self.tolerance * self.fits.smallest_size(SHARE * self.level))[:, None] ** 2
        seen = evidence(self.fits, directions(self.fits, frame[None]), rest[None])
        return bool((seen.chance(limits) <= (1 - SHARE) * self.level).all())

    def _split(self, generators: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The generators with unit size, an orthonormal frame of their span and one of all that it leaves out."""
        rows = np.linalg.solve(self.unit, np.asarray(generators, dtype=np.float64).T).T
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        whole = np.linalg.svd(rows)[2]
        return rows, whole[: len(rows)].T, whole[len(rows) :].T


def certify(
    operator: Any,
    beta: Any,
    covariance: Any,
    variance: float,
    dof: float,
    *,
    generator_norm: Any = None,
    function_norm: Any = None,
    tolerance: float,
    level: float = 0.05,
) -> Certificate:
    """The largest span of generators whose defects are below ``tolerance``, but for a chance of ``level``.

    ``operator`` (k, p, q): bracket coefficients, in an orthonormal basis, of generator p with parameter q.
    ``beta`` (q,) are the fitted parameters, with covariance ``variance * covariance`` (q, q), and ``variance`` is
    estimated on ``dof`` degrees of freedom. ``generator_norm`` (p, p) and ``function_norm`` (q, q) are the Gram
    matrices of generators and functions, by default the identity. Raises `IsotropyError` for arrays that do not fit,
    forms that are not positive, and levels outside (0, 0.2). Costs O(p (k p q + k^3)) for small spans.

    >>> operator = np.zeros((1, 2, 2))  # of two candidates the first leaves F alone, the second does not
    >>> operator[0, 1, 0] = 1.0
    >>> answer = certify(operator, [1.0, 0.5], np.eye(2), 1e-4, 100, tolerance=0.05)
    >>> answer.dimension, answer.verdict, bool(answer.lower_bound > 0.5)
    (1, 'certain', True)
    """
    tensor, parameters, root, unit = _prepared(operator, beta, covariance, generator_norm, function_norm)
    for value, name, top in ((tolerance, "tolerance", np.inf), (level, "level", 0.2)):
        if not 0 < value < top:
            raise IsotropyError(f"`{name}` must be above 0 and below {top:g}. Got {value!r}.")
    if not (np.isfinite(variance) and variance >= 0 and dof >= 1):
        raise IsotropyError(
            f"`variance` must not be negative and `dof` at least 1. Got {variance!r} and {dof!r}: a fit with as many "
            f"parameters as data cannot tell its error, so take more data."
        )
    fits = Fits.of(tensor, parameters[None], root, np.array([float(variance)]), float(dof))
    frames = fits.propose()
    sure = int(certain(fits, frames, tolerance=tolerance, level=level)[0])
    dimension = max(sure, int(supported(fits, frames, tolerance=tolerance, level=level)[0]))
    # Of a span that nothing supports, the best direction still shows how far the data are from a claim.
    shown = frames[:, :, : max(dimension, 1)]
    rest = frames[:, :, shown.shape[2] :]
    rounding = numerical_floor(np.float64, tensor.shape[1] * tensor.shape[2], float(np.linalg.norm(tensor)))
    sharp = np.maximum(upper_bounds(fits, directions(fits, shown), rest, level=level)[0], rounding)
    bounds = sharp[: shown.shape[2]]
    if sure:
        proved = [simultaneous(fits, shown[:, :, : j + 1], level=level)[0] for j in range(sure)]
        bounds[:sure] = np.where(bounds[:sure] <= tolerance, bounds[:sure], proved)
    span_bound = float(sharp.max())
    if sure == dimension and sure:
        span_bound = min(span_bound, float(simultaneous(fits, shown, level=level)[0]))
    lower = float(lower_bound(fits, frames, dimension, level=level)[0])
    debiased = np.diag(frames[0].T @ (fits.gram[0] - variance * fits.spill) @ frames[0])
    estimates = np.sqrt(np.maximum(debiased, 0.0)) / max(float(fits.sizes[0]), np.finfo(np.float64).tiny)
    verdict, reason = _words(dimension, sure, span_bound, lower, estimates, tolerance)
    return Certificate(
        dimension=dimension,
        span=(unit @ frames[0][:, :dimension]).T,
        upper_bounds=bounds[:dimension],
        span_bound=span_bound if dimension else 0.0,
        lower_bound=lower,
        estimates=estimates,
        verdict=verdict,
        verdicts=("certain",) * sure + ("supported",) * (dimension - sure),
        reason=reason,
        tolerance=float(tolerance),
        level=float(level),
        fits=fits,
        unit=unit,
    )


def _words(
    dimension: int, sure: int, bound: float, lower: float, estimates: np.ndarray, tolerance: float
) -> tuple[str, str]:
    beyond = estimates[dimension:]
    if dimension:
        verdict = "certain" if sure == dimension else "supported"
        how = "for all candidates together" if sure == dimension else "allowing for their choice"
        reason = f"the defects of the {dimension} generator(s) are below {bound:.1e}, {how}"
        if len(beyond) and lower <= tolerance:
            reason += f"; the next, {beyond[0]:.1e} by estimate, is neither claimed nor refuted"
        return verdict, reason
    if lower > tolerance:
        return "none", f"every candidate has a defect above {lower:.1e}, more than the {tolerance:.0%} allowed"
    if beyond[0] > tolerance:
        advice = "its estimate is above that too, so that more samples would rather refute it than support it"
    else:
        factor = (bound / tolerance) ** 2 if np.isfinite(bound) else np.inf
        advice = (
            f"{np.ceil(factor):.0f} times as many samples, or a {np.sqrt(factor):.1f} times smaller error, might do"
        )
        if not np.isfinite(factor):
            advice = "the function itself is lost in the noise: take more samples or less noise"
    size = f"up to {bound:.1%}" if np.isfinite(bound) else "of any size"
    return "cannot tell", (
        f"the defect of the best candidate may be {size}, where {tolerance:.0%} is allowed: {advice}"
    )


def _prepared(
    operator: Any, beta: Any, covariance: Any, generator_norm: Any, function_norm: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Everything in coordinates in which both norms are Euclidean, and the matrix back to the generators given."""
    tensor = validate.array(operator, "operator", ndim=3).astype(np.float64)
    _, p, q = tensor.shape
    parameters = validate.array(beta, "beta", shape=(q,)).astype(np.float64)
    spread = validate.array(covariance, "covariance", shape=(q, q)).astype(np.float64)
    inside = np.eye(p) if generator_norm is None else validate.array(generator_norm, "generator_norm", shape=(p, p))
    outside = np.eye(q) if function_norm is None else validate.array(function_norm, "function_norm", shape=(q, q))
    unit = sla.solve_triangular(_root(inside, "generator_norm"), np.eye(p), lower=True).T
    factor = _root(outside, "function_norm").T
    moved = np.einsum("kpq,ps,qr->ksr", tensor, unit, np.linalg.inv(factor), optimize=True)
    values, vectors = np.linalg.eigh(spread)
    floor = numerical_floor(np.float64, q, np.abs(values).max(initial=0.0))
    if values.min(initial=0.0) < -floor:
        raise IsotropyError(f"`covariance` must not have negative eigenvalues. Got {values.min():.2e}.")
    root = vectors[:, values > floor] * np.sqrt(values[values > floor])
    if root.shape[1] == 0:
        raise IsotropyError("`covariance` is zero, so that nothing is uncertain: use `decide` for exact operators.")
    return moved, factor @ parameters, factor @ root, unit


def _root(form: np.ndarray, name: str) -> np.ndarray:
    """The lower triangular root of a positive form."""
    try:
        return np.linalg.cholesky(np.asarray(form, dtype=np.float64))
    except np.linalg.LinAlgError:
        raise IsotropyError(
            f"`{name}` must be positive definite. Got a smallest eigenvalue of {np.linalg.eigvalsh(form).min():.2e}: "
            f"leave out what has no size."
        ) from None
