"""Velocities of sampled motions by splines, each with an estimate of its own error.

Interpolating splines of degree 3, 5 and 7 and a smoothing spline compete: each is fitted to every other sample and
judged by how well it predicts the rest. Clean data choose a high degree, noisy data the smoothing spline. The error
of the velocity is the difference to a lesser fit of the same data (two degrees lower; for the smoothing spline, the
one through every other sample), which is larger than the error itself wherever the fit is any good. An interpolating
spline also passes on the noise of the samples, which is read off from how badly their neighbours predict them.

Source: scipy.interpolate, `make_interp_spline` and `make_smoothing_spline` (generalised cross-validation).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import BSpline, make_interp_spline, make_smoothing_spline

from ..errors import IsotropyError

SHORTEST = 12
"""Samples that a stretch needs: six to fit, six to judge."""

GAP = 20.0
"""A step this many times the median one is a gap, over which no spline is drawn."""

JUDGED = 2000
"""Samples on which the fits compete; a smoothing spline costs far more than an interpolating one."""

GAIN = float(np.pi / np.sqrt(3))
"""Noise of the slope of a curve through noisy samples, per noise of a sample and step: that of the cardinal series."""

NEIGHBOURS = 4
"""Samples on each side that predict one in between."""

DEGREES = (7, 5, 3)
SMOOTHING = 0
"""Stands for the smoothing spline among the degrees."""


@dataclass(frozen=True)
class Estimate:
    """Velocities (k, m) and errors (k, m) of the rows ``kept`` of p; ``dropped`` counts rows in too short stretches."""

    velocities: Float[np.ndarray, "k m"]
    errors: Float[np.ndarray, "k m"]
    kept: Bool[np.ndarray, " p"]
    method: str
    dropped: int


def estimate(times: np.ndarray, states: np.ndarray, index: np.ndarray, labels: tuple[Any, ...]) -> Estimate:
    """Velocities of motions sorted by ``index`` and time. Cost: a few banded solves per motion and coordinate."""
    parts = stretches(times, index)
    usable = [rows for rows in parts if len(rows) >= SHORTEST]
    if not usable:
        longest = max(parts, key=len)
        where = "" if labels == (None,) else f" (that of motion {labels[index[longest[0]]]!r})"
        raise IsotropyError(
            f"Velocities need at least {SHORTEST} samples without a gap. The longest stretch{where} has "
            f"{len(longest)}: pass more samples, or `velocities=`."
        )
    shortest = min(len(rows) for rows in usable)
    degrees = [degree for degree in DEGREES if shortest >= 2 * (degree + 1)]
    scale = states.std(axis=0)
    scale[scale == 0] = 1.0

    def miss(degree: int) -> float:
        return sum(_miss(times[rows], states[rows] / scale, degree) for rows in _some(usable))

    scores = [miss(degree) for degree in degrees]
    # Where each higher degree predicts better, the data are smooth as they are, and smoothing need not compete.
    if len(degrees) == 1 or any(high >= low for high, low in pairwise(scores)):
        degrees, scores = [*degrees, SMOOTHING], [*scores, miss(SMOOTHING)]
    degree = degrees[int(np.argmin(scores))]
    kept = np.zeros(len(times), dtype=bool)
    velocities, errors = np.zeros_like(states), np.zeros_like(states)
    for rows in usable:
        t, z = times[rows], states[rows]
        velocities[rows] = _fit(t, z, degree).derivative()(t)
        errors[rows] = velocities[rows] - _lesser(t, z, degree).derivative()(t)
        if degree != SMOOTHING:
            errors[rows] += GAIN * misses(t, z) / np.gradient(t)[:, None]
        trim = max(3, len(rows) // 20) if degree == SMOOTHING else (degree + 1) // 2
        kept[rows[trim:-trim]] = True
    method = "smoothing splines" if degree == SMOOTHING else f"interpolating splines of degree {degree}"
    dropped = len(times) - sum(len(rows) for rows in usable)
    return Estimate(velocities[kept], errors[kept], kept, method, dropped)


def stretches(times: np.ndarray, index: np.ndarray) -> list[np.ndarray]:
    """Rows of each motion, cut at its gaps."""
    cuts = []
    for motion in np.unique(index):
        rows = np.flatnonzero(index == motion)
        steps = np.diff(times[rows])
        breaks = np.flatnonzero(steps > GAP * np.median(steps)) + 1 if len(steps) else []
        cuts.extend(np.split(rows, breaks))
    return cuts


def misses(t: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The noise of each sample: its distance from the polynomial through its neighbours, in units of a sample's own.

    Samples near the ends take that of the nearest one with enough neighbours.
    """
    width = 2 * NEIGHBOURS + 1
    windows = np.lib.stride_tricks.sliding_window_view(t, width)
    others = np.delete(np.arange(width), NEIGHBOURS)
    node, centre = windows[:, others], windows[:, NEIGHBOURS, None]
    gaps = node[:, :, None] - node[:, None, :]
    gaps[:, np.arange(len(others)), np.arange(len(others))] = 1.0
    steps = (centre - node)[:, None, :] * np.ones((1, len(others), 1))
    steps[:, np.arange(len(others)), np.arange(len(others))] = 1.0
    weights = (steps / gaps).prod(axis=2)
    values = np.lib.stride_tricks.sliding_window_view(z, width, axis=0)[:, :, others]
    left = z[NEIGHBOURS:-NEIGHBOURS] - np.einsum("pw,pmw->pm", weights, values)
    left /= np.sqrt(1 + (weights**2).sum(axis=1, keepdims=True))
    return np.pad(left, ((NEIGHBOURS, NEIGHBOURS), (0, 0)), mode="edge")


def _some(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Enough of the stretches to judge by, spread over all of them."""
    count = np.searchsorted(np.cumsum([len(rows) for rows in parts]), JUDGED) + 1
    return [parts[k] for k in np.unique(np.linspace(0, len(parts) - 1, count).astype(int))]


def _miss(t: np.ndarray, z: np.ndarray, degree: int) -> float:
    """Squared error at the odd samples of the fit to the even ones, the outer tenth at each end left out."""
    margin = max(1, len(t) // 10)
    odd = np.arange(len(t))[margin:-margin]
    odd = odd[odd % 2 == 1]
    return float(((_fit(t[::2], z[::2], degree)(t[odd]) - z[odd]) ** 2).sum())


def _fit(t: np.ndarray, z: np.ndarray, degree: int) -> BSpline:
    if degree == SMOOTHING:
        # The penalty is solved for in units of the mean step, where it is well conditioned.
        step = (t[-1] - t[0]) / (len(t) - 1)
        return _rescaled(make_smoothing_spline((t - t[0]) / step, z, axis=0), t[0], step)
    return make_interp_spline(t, z, k=degree, axis=0)


def _rescaled(spline: BSpline, origin: float, step: float) -> BSpline:
    """The same curve as a function of t instead of (t - origin) / step."""
    return BSpline(spline.t * step + origin, spline.c, spline.k, axis=spline.axis)


def _lesser(t: np.ndarray, z: np.ndarray, degree: int) -> BSpline:
    return _fit(t[::2], z[::2], degree) if degree == SMOOTHING else _fit(t, z, max(degree - 2, 2))
