"""How many singular values are zero. The only place in which a tolerance is derived.

For exact derivatives there are three zones. Up to its ``floor`` a value is what rounding leaves of zero. Above `CLEAR`
times the floor it is not zero. Between them only a gap can tell: a cluster of small values that stands `SEPARATION`
times below the next is taken for zero and called ``supported``; without such a gap the verdict is ``cannot tell``. For
data the zones are counted in standard errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

CLEAR = 1e3
"""How far above the floor a singular value must lie to be called nonzero on its own account."""

SEPARATION = 1e2
"""How wide a gap must be, as a ratio, to split values in the zone where the floor alone cannot tell."""

CONSISTENT = 3.0
"""Standard errors from zero within which a singular value of noisy data may be zero."""

DIFFERENT = 5.0
"""Standard errors from zero beyond which it is not."""

TOLERANCE = 0.05
"""The largest relative defect that may hide in the noise of a generator that is claimed all the same."""

REMEDY = "more samples, less noise or a better space would help"


@dataclass(frozen=True)
class Decision:
    """A rank decision and its evidence.

    ``nullity`` is the number of singular values taken for zero, ``gap`` the ratio of the smallest one kept to the
    largest one dropped (the latter not below the floor; infinite where nothing is kept), ``floor`` the size that
    rounding and noise give to a true zero, ``noise`` the part of the floor that comes from data (0 for exact
    derivatives), ``verdict`` one of ``certain``, ``supported``, ``none`` and ``cannot tell``, ``reason`` a sentence.
    """

    nullity: int
    gap: float
    floor: float
    noise: float
    verdict: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; an infinite gap is written as None."""
        record = asdict(self)
        record["gap"] = self.gap if np.isfinite(self.gap) else None
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Decision:
        """The inverse of `to_dict`."""
        return cls(**{**record, "gap": float("inf") if record["gap"] is None else float(record["gap"])})


def numerical_floor(dtype: Any, size: int, scale: float) -> float:
    """What rounding leaves of an exact zero: ``eps(dtype) * size * scale``.

    ``size`` is the number of terms that are added up for one entry, ``scale`` the size of those terms before they
    cancel. Zero for the zero operator.
    """
    return float(np.finfo(dtype).eps) * max(size, 1) * float(scale)


ROUGHER = 1.3
"""How much further off brackets are than the values and changes of values by which that is measured.

In 24 fits by networks to planted functions it was 1.2 on average where a short wave was missed, at most 1.5, and less
than a half elsewhere; three tenths more kept invented symmetries below the level (`benchmarks/calibration_classes.py`).
"""


def reach(parts: Iterable[tuple[float, float]], *, noise: bool) -> float:
    """How many of the differences between its refits a fit may be off, and its brackets with it.

    ``parts`` are sizes of what the fit misses where it was not fitted, each with that of its refits' differences,
    measured in one way; the largest ratio counts, times `ROUGHER`. What is missed may be errors of the data, where
    ``noise`` says that it looks like them: then it is at most `CONSISTENT`, the rule where nothing is measured.

    >>> reach([(0.03, 0.02), (0.04, 0.02)], noise=False), reach([(0.1, 0.01)], noise=True)
    (2.6, 3.0)
    """
    # Refits that do not differ at all leave no ratio; a product with their difference must stay a number.
    least = float(np.finfo(np.float64).eps)
    ratios = [missed / max(differ, least * missed) for missed, differ in parts if missed > 0]
    measured = ROUGHER * max([1.0, *ratios])
    return float(min(measured, CONSISTENT) if noise else measured)


def vanishes(
    defect: float,
    *,
    floor: float,
    noise: float | None = None,
    tolerance: float = TOLERANCE,
    reach: float = CONSISTENT,
) -> bool | None:
    """Whether one relative defect is zero, in the zones of `decide`; None where it cannot be told.

    >>> vanishes(1e-16, floor=1e-15), vanishes(1e-14, floor=1e-15), vanishes(1e-3, floor=1e-15)
    (True, None, False)
    """
    if noise is None:
        if defect <= floor:
            return True
        return False if defect > CLEAR * floor else None
    if defect > max(CLEAR * floor, DIFFERENT * noise):
        return False
    small = defect <= max(floor, CONSISTENT * noise)
    return True if small and defect + max(floor, reach * noise) <= tolerance else None


def holds(
    defect: float, *, floor: float, noise: float, upper: float, lower: float, tolerance: float = TOLERANCE
) -> bool | None:
    """Whether one defect is zero, where data bound it by ``lower`` and ``upper``; None where it cannot be told.

    It is where ``upper`` is below ``tolerance``, and is not where ``lower`` is above it. As in `certified`, a defect
    that differs from zero by more than `DIFFERENT` of its standard errors ``noise`` is none, however small.

    >>> bounds = {"floor": 1e-15, "noise": 1e-2, "upper": 0.04, "lower": 0.0}
    >>> holds(1e-2, **bounds), holds(6e-2, **bounds), holds(1e-2, **bounds, tolerance=0.01)
    (True, False, None)
    """
    if lower > tolerance or defect > max(floor, DIFFERENT * noise):
        return False
    return True if upper <= tolerance else None


def zeros(values: Float[np.ndarray, " q"], floor: Any) -> int:
    """How many of the smallest of descending ``values`` lie at or below ``floor``, one number or one for each."""
    above = values > np.broadcast_to(floor, values.shape)
    return len(values) - (int(np.flatnonzero(above)[-1]) + 1 if above.any() else 0)


def decide(
    values: Float[np.ndarray, " q"],
    *,
    floor: Any,
    noise: Any = None,
    tolerance: float = TOLERANCE,
    reach: float = CONSISTENT,
) -> Decision:
    """Decide how many of the singular values ``values``, in any order, are zero.

    ``floor`` is the numerical floor, one number or one for the direction of each value. ``noise``, likewise, is the
    standard error of the operator in that direction, for data: nothing is ``certain`` then, values within
    `CONSISTENT` errors of zero may be zero, those beyond `DIFFERENT` are not, and a zero is claimed only if its upper
    bound, the value and ``reach`` errors, stays below ``tolerance``.

    >>> import numpy as np
    >>> answer = decide(np.array([1.0, 0.5, 3e-16]), floor=1e-15)
    >>> answer.nullity, answer.verdict
    (1, 'certain')
    >>> decide(np.geomspace(1.0, 1e-6, 13), floor=1e-6).verdict
    'cannot tell'
    """
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    floors = np.broadcast_to(np.asarray(floor, dtype=np.float64), values.shape)[order]
    values = values[order]
    if noise is not None:
        errors = np.broadcast_to(np.asarray(noise, dtype=np.float64), values.shape)[order]
        return _decide_noisy(values, floors, errors, tolerance, reach)
    below = zeros(values, floors)
    others = slice(0, len(values) - below)
    grey = int((values[others] <= CLEAR * floors[others]).sum())
    if grey == 0:
        gap, level = _gap(values, below, floors)
        if below == len(values):
            reason = "every singular value lies at or below the floor"
        elif below:
            reason = f"{_many(below)} at or below the floor and the next stands {gap:.1e} times above"
        else:
            reason = "every singular value stands clear of the floor"
        return Decision(below, gap, level, 0.0, "certain", reason)
    best = max(range(below, below + grey + 1), key=lambda count: _gap(values, count, floors)[0])
    gap, level = _gap(values, best, floors)
    if np.isfinite(gap) and gap >= SEPARATION:
        reason = f"{_many(best)} within {CLEAR:.0e} of the floor, {gap:.1e} below the next"
        return Decision(best, gap, level, 0.0, "supported", reason)
    gap, level = _gap(values, below, floors)
    reason = (
        f"{grey} singular value(s) lie within {CLEAR:.0e} of the floor with no gap to set them apart: "
        f"take float64 samples, or more"
    )
    return Decision(below, gap, level, 0.0, "cannot tell", reason)


def _decide_noisy(
    values: np.ndarray, floors: np.ndarray, errors: np.ndarray, tolerance: float, reach: float
) -> Decision:
    limits = np.maximum(floors, CONSISTENT * errors)
    below = zeros(values, limits)
    others, dropped = slice(0, len(values) - below), slice(len(values) - below, None)
    gap, level = _gap(values, below, limits)
    noise = float(errors[dropped].max(initial=0.0)) if below else float(errors.min(initial=np.inf))
    unclear = int((values[others] <= np.maximum(CLEAR * floors[others], DIFFERENT * errors[others])).sum())
    if unclear:
        reason = f"{unclear} singular value(s) are neither zero nor different from it to within the noise: {REMEDY}"
        return Decision(below, gap, level, noise, "cannot tell", reason)
    bound = float((values[dropped] + np.maximum(floors, reach * errors)[dropped]).max(initial=0.0))
    if bound > tolerance:
        reason = (
            f"a defect of up to {bound:.1%} could hide in the noise, more than the {tolerance:.0%} allowed: {REMEDY}"
        )
        return Decision(below, gap, level, noise, "cannot tell", reason)
    reason = (
        f"{_many(below)} within the noise of zero, with defects of at most {bound:.1e}, and the next "
        f"stands {gap:.1e} times above"
        if below
        else "every singular value differs from zero by more than the noise"
    )
    return Decision(below, gap, level, noise, "supported", reason)


def certified(
    values: Float[np.ndarray, " q"], *, floor: Any, noise: Any, claimed: int, verdict: str, reason: str
) -> Decision:
    """The decision that a certificate allows (`numerics.certify`), which claims ``claimed`` of the smallest values.

    A certificate bounds defects, and a defect may be small without being zero. Values beyond `DIFFERENT` standard
    errors are not zero and are left out, whatever their bound. Where more values than are claimed are not beyond these
    the count is open; as in `decide`, those within `CONSISTENT` errors of zero are counted.
    """
    bottom, errors = np.broadcast_to(floor, values.shape), np.broadcast_to(noise, values.shape)
    likely = np.maximum(bottom, CONSISTENT * errors)
    possible = zeros(values, np.maximum(bottom, DIFFERENT * errors))
    count = possible if possible <= claimed else max(claimed, zeros(values, likely))
    gap, level = _gap(values, count, likely)
    error = float(errors[len(values) - count :].max(initial=0.0))
    if possible > claimed:
        shown = f"{claimed} of them can be shown to be small" if claimed else reason
        reason = f"{possible} singular value(s) may be zero to within the noise, but {shown}: {REMEDY}"
        return Decision(count, gap, level, error, "cannot tell", reason)
    if claimed > possible:
        reason += f"; {claimed - possible} of them differ from zero by more than the noise, and are no symmetries"
        verdict = verdict if possible else "none"
    return Decision(possible, gap, level, error, verdict, reason)


def filled(sizes: Any, *, noise: float, size: int, scale: float) -> np.ndarray:
    """Which of ``sizes``, spreads of points along axes, are more than errors of size ``noise`` make: (k,) booleans.

    Along an axis that is no wider than `CONSISTENT` errors a fit sees the errors as much as the points. Without noise
    only rounding is discounted, ``size`` and ``scale`` being those of `numerical_floor`.
    """
    return np.asarray(sizes) > max(CONSISTENT * noise, numerical_floor(np.float64, size, scale))


def misfit_covered(misfit: float, moved: float) -> bool:
    """Whether what a model misses, of size ``misfit``, is no more than `CONSISTENT` errors as its refits differ."""
    return misfit <= CONSISTENT * moved


def within(
    values: Float[np.ndarray, " t"], *, floor: float, upper: Float[np.ndarray, " t"], smallest: float, tolerance: float
) -> Decision:
    """The decision where a known operator is bounded over a sample: how many of the smallest ``values`` may be claimed.

    ``upper[d - 1]`` bounds all of the span of the d smallest and ``smallest`` bounds the least from below. Claims are
    of defects below ``tolerance``, zero or not; only where all claimed lie at or below the floor is it ``certain``.
    """
    values = np.sort(np.asarray(values, dtype=np.float64))[::-1]
    passed = np.asarray(upper) <= tolerance
    count = len(passed) if passed.all() else int(np.argmin(passed))
    gap, level = _gap(values, count, np.full(len(values), floor if count else tolerance))
    if count:
        worst = float(upper[count - 1])
        if values[len(values) - count :].max() <= floor:
            return Decision(count, gap, level, 0.0, "certain", f"{_many(count)} at or below the floor of rounding")
        reason = f"the defects of the {count} generator(s), and of all they span, are below {worst:.1e} over the data"
        return Decision(count, gap, max(level, worst), worst, "supported", reason)
    if smallest > tolerance:
        reason = (
            f"every candidate has a defect above {smallest:.1e} over the data, more than the {tolerance:.0%} allowed"
        )
        return Decision(0, gap, tolerance, 0.0, "none", reason)
    reason = (
        f"the least defect is about {values[-1]:.1e}, between {smallest:.1e} and {float(upper[0]):.1e}, where "
        f"{tolerance:.0%} is allowed: more examples, or another tolerance, would decide it"
    )
    return Decision(0, gap, tolerance, 0.0, "cannot tell", reason)


def _many(count: int) -> str:
    return "1 singular value lies" if count == 1 else f"{count} singular values lie"


def _gap(values: np.ndarray, nullity: int, floors: np.ndarray) -> tuple[float, float]:
    """The ratio of the smallest value kept to the largest dropped or its floor, and the floor that ruled."""
    split = len(values) - nullity
    level = float(floors[split:].max(initial=0.0)) if nullity else float(floors[-1:].max(initial=0.0))
    if split == 0:
        return float("inf"), level
    below = max(float(values[split:].max(initial=0.0)), level)
    return (float(values[split - 1] / below) if below > 0 else float("inf")), level


def closes(residual: float, *, noise: float, size: int) -> bool:
    """Whether brackets close: their relative part outside a span is what its relative error ``noise`` can explain."""
    return residual <= CLEAR * size * max(noise, float(np.finfo(np.float64).eps))


def rigid(constants: Float[np.ndarray, "d d d"], *, floor: float, noise: float) -> bool:
    """Whether no eigenvalue of the Killing form is so small that errors of size ``noise`` may have made it.

    ``constants`` are those of generators of unit action, known to ``noise``; eigenvalues that are zero to within
    ``floor`` are no errors.
    """
    values = np.abs(np.linalg.eigvalsh(np.einsum("iab,jba->ij", constants, constants)))
    top, size = values.max(initial=0.0), len(values)
    return not bool(((values > CLEAR * size * floor * top) & (values <= DIFFERENT * size * noise * top)).any())


def nameable(noise: float) -> bool:
    """Whether generators known to relative error ``noise`` can be told to span an algebra, and which."""
    return noise <= TOLERANCE
