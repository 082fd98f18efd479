"""The right-hand side of an equation of motion, or its step map, fitted to noisy states.

Every method reads ``Q z = P phi(z) theta`` along each motion, with matrices P and Q that act on the samples. In weak
form they integrate against smooth windows psi, by parts: -∫ psi' z dt = ∫ psi F(z) dt, so that no derivative of data is
taken. For step maps Q picks the next sample; for derivatives it is that of a spline.

States are noisy on both sides. Features are corrected for curvature (`geometry.unbiased`), what noise adds to their
mean products is taken off, and the error of theta is the noise propagated through both sides, windows overlapping or
not. It is compared with how far theta moves when whole motions are left out.

Source: D. A. Messenger, D. M. Bortz, *Weak SINDy for partial differential equations*, J. Comput. Phys. 443 (2021);
W. A. Fuller, *Measurement Error Models* (1987), §3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline, make_interp_spline

from ..errors import IsotropyError
from ..geometry import unbiased
from ..geometry.estimate import Estimate
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..numerics.decide import CONSISTENT, numerical_floor
from .halves import Basis, noise, smoothing, stretches
from .trajectories import Record

How = Literal["weak", "derivative", "map"]

WIDTHS = (10, 16, 24, 36, 54, 80)
"""Widths of windows, in samples, among which the stated error of the fit chooses."""

POWER = 4
"""Windows are (1 - u^2)^POWER: their derivatives vanish at both ends up to this order less one."""

HOPS = 4
"""Windows in the width of one."""

NODES = 4
"""Gauss nodes between two samples."""

DROWNED = 0.5
"""Share of a combination of features that may be noise."""

MISFIT = 1e-3
"""Relative error below which what is left may have any shape: it counts as noise."""

EVEN = 1e-6
"""Relative difference between steps that still count as equal: times are seldom printed with more digits."""

UNEVEN = 4.0
"""Ratio of the widest step to the narrowest beyond which splines are cubic."""

LOTS = 10
"""Motions are left out one by one, or in so many lots."""

LOOKED_AT = 1000
"""Samples at which symmetry is looked at."""


@dataclass(frozen=True)
class Part:
    """The rows of one stretch of a motion: P and Q (w, k), states (k, m), features (k, f) and their gradients."""

    motion: int
    P: Float[np.ndarray, "w k"]
    Q: Float[np.ndarray, "w k"]
    states: Float[np.ndarray, "k m"]
    features: Float[np.ndarray, "k f"]
    gradients: Float[np.ndarray, "k f m"]


def fit(record: Record, space: Space, *, how: How) -> Estimate:
    """The field or map in the span of ``space`` that the record supports; see `Trajectories.fit`."""
    if not isinstance(space, Space) or space.input_dimension != record.states.shape[1]:
        raise IsotropyError(
            f"`space` must be a space of functions of the {record.states.shape[1]} coordinates. Got {space!r}: see "
            f"isotropy.spaces."
        )
    if how not in ("weak", "derivative", "map"):
        raise IsotropyError(f"`how` must be 'weak', 'derivative' or 'map'. Got {how!r}.")
    sigma = noise(record)
    rows_of = stretches(record)
    prepared = []
    for rows in rows_of:
        z = record.states[rows]
        features, gradients = unbiased.values(space, z, np.diag(sigma)), space.gradients(z)
        bad = ~(np.isfinite(features) & np.isfinite(gradients).all(axis=2))
        if bad.any():
            raise IsotropyError(
                f"The function {space.names[int(np.argwhere(bad)[0, 1])]!r} or a derivative of it is not finite at "
                f"some sample: leave it out of `space`, or the sample out of the data."
            )
        prepared.append((int(record.index[rows[0]]), record.times[rows], z, features, gradients))
    spacing = smoothing(record, rows_of) if how == "derivative" else 0
    shortest = min(len(rows) for rows in rows_of)
    widths = [width for width in WIDTHS if 2 * width <= shortest] or [max(shortest // 2, 6)]
    best = None
    for width in widths if how == "weak" else [spacing or 1]:
        parts = [Part(motion, *_matrices(t, how, width), z, a, b) for motion, t, z, a, b in prepared]
        solved = _Solved.of(parts, sigma)
        if best is None or solved.stated < best[0].stated:
            best = solved, width
    assert best is not None
    solved, width = best
    count = sum(len(rows) for rows in rows_of)
    chosen = np.unique(np.linspace(0, len(record.states) - 1, LOOKED_AT).astype(int))
    words = {
        "weak": f"windows of {width} samples",
        "derivative": f"splines with a parameter for {width} samples",
        "map": "each state and the next",
    }[how]
    objection = solved.objection(HOPS if how == "weak" else max(spacing, 1))
    return Estimate(
        space=space,
        coefficients=solved.theta,
        covariance=solved.covariance,
        dof=float(max(count - space.dimension, 1)),
        moved=solved.moved(),
        samples=Samples(record.states[chosen]),
        relative_error=solved.relative_error,
        objection=objection,
        text=f"{len({p.motion for p in solved.parts})} motions, {count} samples, {space.dimension} functions of "
        f"{', '.join(space.variables)}, {words}, relative error {solved.relative_error:.1e}",
    )


@dataclass(frozen=True)
class _Solved:
    """The solution theta (f, n) of all rows, and what noise makes of it."""

    parts: list[Part]
    sigma: Float[np.ndarray, " m"]
    theta: Float[np.ndarray, "f n"]
    covariance: Float[np.ndarray, "d d"]
    drowned: float
    stated: float
    left: float
    expected: float
    outputs: float
    rows: int

    @classmethod
    def of(cls, parts: list[Part], sigma: np.ndarray) -> _Solved:
        theta, inverse, drowned = _solve(parts, sigma)
        f, n = theta.shape
        covariance = np.zeros((f * n, f * n))
        left = expected = outputs = 0.0
        for part in parts:
            X, Y = part.P @ part.features, part.Q @ part.states
            slopes = np.einsum("kfj,fo->koj", part.gradients, theta)
            # What the noise of each sample does to the rows, and through them to theta.
            A = inverse @ X.T
            spread = np.einsum("fk,oj->fokj", A @ part.Q, np.eye(n)) - np.einsum("fk,koj->fokj", A @ part.P, slopes)
            flat = (spread * sigma).reshape(f * n, -1)
            covariance += flat @ flat.T
            left += float(((Y - X @ theta) ** 2).sum())
            outputs += float((Y**2).sum())
            total = (part.Q**2).sum(axis=0)[:, None, None] * np.eye(n)
            cross = (part.P * part.Q).sum(axis=0)[:, None, None] * slopes * np.eye(n)
            total = total - 2 * cross + (part.P**2).sum(axis=0)[:, None, None] * slopes**2
            expected += float((total * sigma**2).sum())
        features = np.concatenate([part.features for part in parts])
        size = float(np.linalg.norm(features @ theta) ** 2)
        mean = np.einsum("fogo->fg", covariance.reshape(f, n, f, n))
        stated = float(np.einsum("pf,fg,pg->", features, mean, features)) / size if size else np.inf
        rows = sum(len(part.P) for part in parts)
        return cls(parts, sigma, theta, covariance, drowned, stated, left, expected, outputs, rows)

    @property
    def relative_error(self) -> float:
        """What the fit leaves of the rows."""
        return float(np.sqrt(self.left / self.outputs)) if self.outputs else 0.0

    def objection(self, overlap: int) -> str:
        """Why nothing can be built on the fit, or nothing."""
        if self.drowned > DROWNED:
            return (
                f"{self.drowned:.0%} of some combination of functions is noise: take a smaller `space`, more samples "
                f"or less noise"
            )
        independent = max(self.rows / overlap * self.theta.shape[1] - self.theta.size, 1.0)
        allowed = self.expected * (1 + CONSISTENT * np.sqrt(2 / independent))
        if self.relative_error > MISFIT and self.left > allowed:
            return (
                f"the fit leaves {self.relative_error:.1%} of the rates unexplained, {self.left / allowed:.1f} times "
                f"what noise would, and a model too small is more symmetric than the truth: give a larger `space`"
            )
        return ""

    def moved(self) -> Float[np.ndarray, "l f n"]:
        """How theta changes without each lot of motions, or of stretches of one, as a standard error."""
        owners = np.array([part.motion for part in self.parts])
        if len(np.unique(owners)) < 3:
            owners = np.arange(len(self.parts))
        lots = np.unique(owners, return_inverse=True)[1] % LOTS
        count = lots.max() + 1
        if count < 3:
            # One short motion: its rows in consecutive blocks are all there is.
            pieces = [piece for part in self.parts for piece in _pieces(part)]
            return _Solved(pieces, *[getattr(self, name) for name in list(self.__dataclass_fields__)[1:]]).moved()
        again = [_solve([p for p, lot in zip(self.parts, lots, strict=True) if lot != k], self.sigma)[0]
                 for k in range(count)]  # fmt: skip
        return np.sqrt(count - 1) * (np.stack(again) - self.theta)


def _pieces(part: Part) -> list[Part]:
    blocks = np.array_split(np.arange(len(part.P)), LOTS)
    rest = (part.states, part.features, part.gradients)
    return [Part(part.motion, part.P[rows], part.Q[rows], *rest) for rows in blocks if len(rows)]


def _solve(parts: list[Part], sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The solution, the matrix that takes X^T (rows) to it, and the largest share of noise in the features."""
    X = np.concatenate([part.P @ part.features for part in parts])
    Y = np.concatenate([part.Q @ part.states for part in parts])
    f = X.shape[1]
    if len(X) <= f:
        raise IsotropyError(
            f"{len(X)} rows cannot determine {f} functions: pass more or longer motions, or a smaller space."
        )
    scale = np.sqrt((X**2).sum(axis=0))
    scale[scale == 0] = 1.0
    _, sizes, right = np.linalg.svd(X / scale, full_matrices=False)
    kept = sizes > numerical_floor(np.float64, max(X.shape), sizes[0])
    if not kept.all():
        raise IsotropyError(
            f"{int((~kept).sum())} combination(s) of the functions vanish or are equal on all the data: take a smaller "
            f"`space`, or motions of more kinds."
        )
    noisy, cross = np.zeros((f, f)), np.zeros((f, Y.shape[1]))
    for part in parts:
        spread = part.gradients * sigma
        noisy += np.einsum("k,kfj,kgj->fg", (part.P**2).sum(axis=0), spread, spread, optimize=True)
        cross += np.einsum("k,kfj,j->fj", (part.P * part.Q).sum(axis=0), spread, sigma, optimize=True)
    # Coordinates in which X has orthonormal columns: nothing squares its condition.
    unit = right.T / sizes / scale[:, None]
    share = unit.T @ noisy @ unit
    drowned = float(np.linalg.eigvalsh(share)[-1])
    middle = np.linalg.inv(np.eye(f) - share) if drowned < 1 else np.eye(f)
    theta = unit @ middle @ (unit.T @ (X.T @ Y) - unit.T @ cross)
    return theta, unit @ middle @ unit.T, drowned


def _matrices(t: np.ndarray, how: How, width: int) -> tuple[np.ndarray, np.ndarray]:
    """P and Q for samples at times t."""
    k = len(t)
    if how == "map":
        steps = np.diff(t)
        if np.ptp(steps) > EVEN * np.median(steps):
            raise IsotropyError(
                f"A step map needs equal steps of time. Got steps from {steps.min():g} to {steps.max():g}: resample, "
                f"or use how='weak'."
            )
        eye = np.eye(k)
        return eye[:-1], eye[1:]
    if how == "derivative":
        basis = Basis.spaced(t, width)
        inner = slice(width, k - width)
        return np.eye(k)[inner], (basis.slopes(t) @ basis.smoother(t))[inner]
    return _windows(t, width)


def _windows(t: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Integrals against psi and -psi' of the spline through the samples, for windows all along them."""
    step = (t[-1] - t[0]) / (len(t) - 1)
    half = width * step / 2
    count = max(int((t[-1] - t[0] - 2 * half) / (2 * half / HOPS)) + 1, 1)
    centres = np.linspace(t[0] + half, t[-1] - half, count)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    gaps = np.diff(t)
    at = (t[:-1, None] + gaps[:, None] * (nodes + 1) / 2).ravel()
    measure = (gaps[:, None] / 2 * weights).ravel()
    # Of a high degree a spline swings across wide steps between narrow ones.
    degree = 5 if gaps.max() <= UNEVEN * gaps.min() else 3
    through: BSpline = make_interp_spline(t, np.eye(len(t)), k=degree)
    u = (at - centres[:, None]) / half
    inside = np.maximum(1 - u**2, 0.0)
    psi = inside**POWER * measure
    slope = -2 * POWER * u * inside ** (POWER - 1) / half * measure
    curves = through(at)
    return psi @ curves, -slope @ curves
