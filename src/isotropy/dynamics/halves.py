"""Two independent halves of each motion: functions of its states as smooth curves, from every other sample.

Samples alternate between the halves, so that the errors of measurement of one are independent of the other's. In each
half every function is a series over time, corrected for the noise's curvature bias (`geometry.unbiased`), and fitted
by splines. A function that is constant gives a constant curve exactly, whatever the times, so that conservation is
tested in integrated form, over the whole record, without any velocity. Where only positions were measured, each half
has its own velocities, from splines through its positions whose smoothness predicts the other half best.

Source: scipy.interpolate, `make_lsq_spline` and `BSpline.design_matrix`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline

from ..errors import IsotropyError
from ..geometry import unbiased
from ..geometry.space import Space
from ..numerics.constancy import Groups
from . import velocity
from .trajectories import Record

RESOLVED = 8
"""Samples for each parameter of a curve: faster changes count as unresolved."""

DEGREE, SMOOTHER = 3, 5
"""Degree of the curves of functions, and of those of positions, which are differentiated."""

SPACINGS = (4, 6, 9, 13, 19, 28, 40)
"""Samples for each parameter of a curve of positions, among which prediction chooses."""

MARGIN = 1 / 16
"""Share of a stretch at each end over which velocities are least sure, and left out."""

LONGEST = 512
"""Samples of one curve: longer stretches are cut, since a fit costs the cube of its parameters."""


@dataclass(frozen=True)
class Stretch:
    """States (p, m) at times (p,) without a gap, one half each, and roots of the covariance of their errors.

    ``rows`` are those of the record; ``roots`` is (m, k) for all states, or (p, m, k).
    """

    motion: int
    rows: np.ndarray
    times: tuple[np.ndarray, np.ndarray]
    states: tuple[np.ndarray, np.ndarray]
    roots: tuple[np.ndarray, np.ndarray]


def noise(record: Record) -> Float[np.ndarray, " m"]:
    """The standard deviation of the error of measurement of each coordinate, from how badly neighbours predict it."""
    squares = [velocity.misses(record.times[rows], record.states[rows]) ** 2 for rows in stretches(record)]
    return np.sqrt(np.concatenate(squares).mean(axis=0))


def stretches(record: Record) -> list[np.ndarray]:
    """Rows of the record without a gap and long enough for two halves."""
    usable = [rows for rows in velocity.stretches(record.times, record.index) if len(rows) >= velocity.SHORTEST]
    if not usable:
        raise IsotropyError(
            f"No motion has {velocity.SHORTEST} samples without a gap, which two independent halves need: pass longer "
            f"motions."
        )
    return [piece for rows in usable for piece in np.array_split(rows, -(-len(rows) // LONGEST))]


def halves(record: Record, sigma: Float[np.ndarray, " m"]) -> list[Stretch]:
    """Each stretch of the record as two halves, with velocities where the record has positions alone."""
    found, rows_of = [], stretches(record)
    spacing = smoothing(record, rows_of) if record.positions else 0
    for rows in rows_of:
        t, z = record.times[rows], record.states[rows]
        parts = [_moving(t, z, start, sigma, spacing) if record.positions else _plain(t, z, start, sigma)
                 for start in (0, 1)]  # fmt: skip
        times, states, roots = zip(*parts, strict=True)
        found.append(Stretch(int(record.index[rows[0]]), rows, times, states, roots))
    return found


def groups(stretched: list[Stretch], space: Space, *, positions: bool) -> Groups:
    """Mean products of all functions of the space along each motion, from its two halves."""
    motions = sorted({stretch.motion for stretch in stretched})
    f = space.dimension
    totals = {motion: _Sums(f) for motion in motions}
    for stretch in stretched:
        series = [unbiased.values(space, z, r) for z, r in zip(stretch.states, stretch.roots, strict=True)]
        totals[stretch.motion].add(stretch.times, series, positions=positions)
    sums = [totals[motion] for motion in motions]
    parts = zip(*(part.means() for part in sums), strict=True)
    within, noisy, plain, unresolved, first, second = (np.stack(part) for part in parts)
    freedom = float(sum(part.freedom for part in sums))
    return Groups(within, noisy, plain, unresolved, first, second, freedom)


class _Sums:
    """What the stretches of one motion add up to, weighted by their numbers of samples."""

    def __init__(self, f: int) -> None:
        self.f = f
        self.curves: list[tuple[np.ndarray, np.ndarray]] = []
        self.series: list[np.ndarray] = []
        self.unresolved = np.zeros((f, f))
        self.count, self.freedom = 0, 0

    def add(self, times: tuple[np.ndarray, ...], series: list[np.ndarray], *, positions: bool) -> None:
        low, high = min(t[0] for t in times), max(t[-1] for t in times)
        count = len(times[0]) + len(times[1])
        basis = Basis.of(low, high, max(DEGREE + 1, count // RESOLVED), DEGREE)
        grid = np.linspace(low, high, count)
        fits = [basis.smoother(t) for t in times]
        at = basis.values(grid)
        first, second = (at @ (fit @ values) for fit, values in zip(fits, series, strict=True))
        self.curves.append((first, second))
        self.series.extend(series)
        self.count += count
        self.freedom += basis.count
        if not positions:
            for t, values, fit in zip(times, series, fits, strict=True):
                left = values - basis.values(t) @ (fit @ values)
                self.unresolved += left.T @ left / 2 * len(grid) / max(len(t) - basis.count, 1)
            order = np.argsort(np.concatenate(times))
            seen = velocity.misses(np.concatenate(times)[order], np.concatenate(series)[order])
            self.unresolved -= seen.T @ seen

    def means(self) -> tuple[np.ndarray, ...]:
        first, second = (np.concatenate(part) for part in zip(*self.curves, strict=True))
        means = first.mean(axis=0), second.mean(axis=0)
        first, second = first - means[0], second - means[1]
        product, half = first.T @ second / len(first), (first - second) / 2
        samples = np.concatenate(self.series)
        samples = samples - samples.mean(axis=0)
        plain = samples.T @ samples / (len(samples) - 1)
        return (product + product.T) / 2, half.T @ half / len(half), plain, self.unresolved / self.count, *means


@dataclass(frozen=True)
class Basis:
    """B-splines on an interval; their sum is one."""

    knots: np.ndarray
    degree: int

    @classmethod
    def of(cls, low: float, high: float, count: int, degree: int) -> Basis:
        """``count`` B-splines with equally spaced knots."""
        inner = np.linspace(low, high, count - degree + 1)
        return cls(np.concatenate([np.full(degree, low), inner, np.full(degree, high)]), degree)

    @classmethod
    def spaced(cls, t: np.ndarray, spacing: int) -> Basis:
        """For curves of positions at times t, with ``spacing`` samples for each parameter."""
        # No more parameters than three samples in four of a half.
        count = int(np.clip(len(t) // spacing, SMOOTHER + 1, max(SMOOTHER + 1, 3 * len(t) // 8)))
        return cls.of(float(t[0]), float(t[-1]), count, SMOOTHER)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.knots) - self.degree - 1

    def values(self, t: np.ndarray) -> np.ndarray:
        """Their values (p, count)."""
        return BSpline.design_matrix(t, self.knots, self.degree).toarray()

    def slopes(self, t: np.ndarray) -> np.ndarray:
        """Their derivatives (p, count)."""
        return BSpline(self.knots, np.eye(self.count), self.degree).derivative()(t)

    def smoother(self, t: np.ndarray) -> np.ndarray:
        """The matrix (count, p) that takes samples at times t to the coefficients of their least squares fit."""
        return np.linalg.pinv(self.values(t))


def _plain(t: np.ndarray, z: np.ndarray, start: int, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return t[start::2], z[start::2], np.diag(sigma)


def _moving(
    t: np.ndarray, x: np.ndarray, start: int, sigma: np.ndarray, spacing: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions and velocities at all inner times, from every other position, with the covariance of their errors."""
    basis = Basis.spaced(t, spacing)
    trim = max(1, int(MARGIN * len(t)))
    inner = t[trim:-trim]
    fit = basis.smoother(t[start::2])
    place, rate = basis.values(inner) @ fit, basis.slopes(inner) @ fit
    states = np.concatenate([place @ x[start::2], rate @ x[start::2]], axis=1)
    # The same 2 x 2 covariance of position and velocity for every coordinate, in units of its noise.
    joint = np.stack([place, rate], axis=1)
    root = np.linalg.cholesky(joint @ np.swapaxes(joint, 1, 2))
    m = x.shape[1]
    roots = np.einsum("pab,ij->paibj", root, np.diag(sigma)).reshape(len(inner), 2 * m, 2 * m)
    return inner, states, roots


def smoothing(record: Record, rows_of: list[np.ndarray]) -> int:
    """The spacing whose curves through one half predict the other best."""
    scale = record.states.std(axis=0)
    scale[scale == 0] = 1.0

    def miss(spacing: int) -> float:
        total = 0.0
        for rows in rows_of:
            t, x = record.times[rows], record.states[rows] / scale
            basis = Basis.spaced(t, spacing)
            inner = slice(1, len(t) - 1)
            for start in (0, 1):
                fit = basis.smoother(t[start::2]) @ x[start::2]
                other = t[inner][start::2]
                total += float(((basis.values(other) @ fit - x[inner][start::2]) ** 2).sum())
        return total

    return min(SPACINGS, key=miss)
