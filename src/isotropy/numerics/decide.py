"""How many singular values are zero. The only place in which a tolerance is derived.

Three zones. Up to ``floor`` a value is what rounding (or, for data, noise) leaves of zero. Above ``clear * floor`` it
is not zero. Between them only a gap can tell: a cluster of small values that stands at least ``separation`` below the
next is taken for zero and called ``supported``; without such a gap the verdict is ``cannot tell``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

CLEAR = 1e3
"""How far above the floor a singular value must lie to be called nonzero on its own account."""

SEPARATION = 1e2
"""How wide a gap must be, as a ratio, to split values in the zone where the floor alone cannot tell."""


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


def decide(values: Float[np.ndarray, " q"], *, floor: float, noise: float = 0.0) -> Decision:
    """Decide how many of the singular values ``values`` (any order) are zero.

    ``floor`` is the numerical floor, ``noise`` the statistical one; the larger rules. With noise, nothing is
    ``certain``: the best verdict is ``supported``.

    >>> import numpy as np
    >>> answer = decide(np.array([1.0, 0.5, 3e-16]), floor=1e-15)
    >>> answer.nullity, answer.verdict
    (1, 'certain')
    >>> decide(np.array([1.0, 1e-2, 1e-4, 1e-6]), floor=1e-6).verdict
    'cannot tell'
    """
    values = np.sort(np.asarray(values, dtype=np.float64))[::-1]
    level = max(floor, noise)
    sure = "certain" if noise <= floor else "supported"
    if len(values) == 0:
        return Decision(0, float("inf"), level, noise, "certain", "there are no candidates that the samples can see")
    below = int((values <= level).sum())
    grey = int(((values > level) & (values <= CLEAR * level)).sum())
    if grey == 0 or (noise > floor and _gap(values, below, level) >= SEPARATION):
        reason = (
            f"{below} singular values lie at or below the floor and the next stands {_gap(values, below, level):.1e} "
            f"times above"
            if below
            else "every singular value stands clear of the floor"
        )
        if below == len(values):
            reason = "every singular value lies at or below the floor"
        return Decision(below, _gap(values, below, level), level, noise, sure, reason)
    options = range(below, below + grey + 1)
    best = max(options, key=lambda count: _gap(values, count, level))
    gap = _gap(values, best, level)
    if np.isfinite(gap) and gap >= SEPARATION:
        reason = f"{best} singular values lie within {CLEAR:.0e} of the floor, {gap:.1e} below the next"
        return Decision(best, gap, level, noise, "supported", reason)
    remedy = (
        "take float64 samples, or more" if noise <= floor else "more samples, less noise or a better fit would help"
    )
    reason = f"{grey} singular value(s) lie within {CLEAR:.0e} of the floor with no gap to set them apart: {remedy}"
    return Decision(below, _gap(values, below, level), level, noise, "cannot tell", reason)


def _gap(values: np.ndarray, nullity: int, level: float) -> float:
    if nullity == len(values):
        return float("inf")
    smallest_kept = values[len(values) - nullity - 1]
    largest_dropped = values[len(values) - nullity] if nullity else 0.0
    below = max(largest_dropped, level)
    return float(smallest_kept / below) if below > 0 else float("inf")


def closes(residual: float, *, noise: float, size: int) -> bool:
    """Whether brackets close: their relative part outside a span is what its relative error ``noise`` can explain."""
    return residual <= CLEAR * size * max(noise, float(np.finfo(np.float64).eps))
