"""Conservation laws of noisy motions, in integrated form: I(z(t1)) = I(z(t0)) over whole records, no derivative taken.

The drift of I is its standard deviation along a motion, in proportion to that over everything. Both are products of
two independent halves of the samples (`halves`), so that noise adds nothing to them; which functions are claimed, and
how far each may drift all the same, `numerics.constancy` says, motion by motion.
"""

from __future__ import annotations

import numpy as np

from ..errors import IsotropyError
from ..geometry.space import Space
from ..numerics.constancy import Constancy, constancy
from ..numerics.decide import REMEDY, Decision
from ..numerics.pencil import Pencil
from ..results.laws import Laws
from . import simplest
from .halves import groups, halves, noise
from .trajectories import SEVERAL, Record

TOLERANCE = 0.05
"""Drift over a whole record, as a fraction of the spread, up to which a quantity counts as conserved."""

UNSTEADY = 0.3
"""Noise beyond this share of the spread of a coordinate: samples hardly know their neighbours, and may be too few."""


def integrated(record: Record, space: Space, *, tolerance: float, level: float) -> Laws:
    """The laws that a ``record`` of noisy motions supports; see `conserve`."""
    sigma = noise(record)
    stretched = halves(record, sigma)
    seen = groups(stretched, space, positions=record.positions)
    count = len(seen)
    if count < SEVERAL:
        raise IsotropyError(
            f"Laws in integrated form are told by comparing motions, and there are {count} long enough: pass at least "
            f"{SEVERAL}, or several parts of one as motions of their own."
        )
    sizes = np.diagonal(seen.plain, axis1=1, axis2=2)
    if not np.isfinite(sizes).all():
        bad = int(np.argmin(np.isfinite(sizes).all(axis=0)))
        raise IsotropyError(
            f"The function {space.names[bad]!r} or a derivative of it is not finite at some sample: leave it out of "
            f"`space`, or the sample out of the data."
        )
    found = constancy(seen, tolerance=tolerance, level=level, largest=count - 1)
    shares = sigma / np.where(record.states.std(axis=0) > 0, record.states.std(axis=0), 1.0)
    decision = _decide(found, tolerance, float(shares.max()), record.positions)
    kept = found.dimension if decision.verdict in ("certain", "supported") else 0
    coefficients, uncertainty = _readable(found, kept, space, tolerance)
    middle = np.concatenate([(part.states[0]) for part in stretched])
    samples = middle[np.linspace(0, len(middle) - 1, min(len(middle), 200)).astype(int)]
    related = simplest.kinship(simplest.Readable(coefficients, uncertainty), space, samples, middle.std(axis=0))
    rows = coefficients @ np.linalg.pinv(found.vectors) if kept else np.zeros((0, len(found.vectors)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    drifts = np.einsum("kr,rs,ks->k", rows, found.groups.within.mean(axis=0), rows)
    return Laws(
        space=space,
        coefficients=coefficients,
        uncertainty=uncertainty,
        text=tuple(space.describe(simplest.rounded(c, e)) for c, e in zip(coefficients, uncertainty, strict=True)),
        drift=np.sqrt(np.maximum(drifts, 0.0)),
        bounds=found.bounds(coefficients) if kept else np.zeros(0),
        span=found.vectors[:kept],
        independent=related.independent,
        dependent=related.dependent,
        constant=np.zeros((0, space.dimension)),
        constant_text=(),
        spectrum=found.drifts,
        decision=decision,
        trajectories=_words(record, count, float(shares.max())),
        remarks=_remarks(found, kept, tolerance, count),
        settings={"tolerance": float(tolerance), "level": float(level)},
    )


def _decide(found: Constancy, tolerance: float, noise: float, positions: bool) -> Decision:
    """The verdict on the span claimed, with what speaks against it."""
    d, r = found.dimension, len(found.drifts)
    following = float(found.drifts[d]) if d < r else float("inf")
    gap = following / found.bound if d else following / tolerance
    error = float(np.sqrt(found.errors[: max(d, 1)].max(initial=0.0)))
    if r == 0:
        return Decision(0, float("inf"), tolerance, noise, "none", "no function of the space varies beyond the noise")
    if d == 0:
        if found.lower_bound > tolerance:
            reason = f"every function drifts by more than {found.lower_bound:.1e} of its spread over a record"
            return Decision(0, gap, tolerance, error, "none", f"{reason}, where {tolerance:.0e} is allowed")
        reason = f"the best function may drift by up to {found.next_bound:.1e} of its spread over a record"
        reason += f", where {tolerance:.0e} is allowed: {REMEDY}"
        return Decision(0, gap, tolerance, error, "cannot tell", reason)
    reason = f"{d} functions drift by at most {found.bound:.1e} of their spread over a record"
    if d == r:
        return Decision(d, gap, tolerance, error, "cannot tell", "every function in the space hardly drifts")
    if noise > UNSTEADY:
        reason = (
            f"what samples do not share with their neighbours is {noise:.0%} of the spread: sample more densely, or "
            f"with less noise"
        )
        return Decision(d, gap, tolerance, error, "cannot tell", reason)
    if found.unresolved > tolerance:
        reason = f"{found.unresolved:.1%} of the spread changes too fast for the samples: take them more densely"
        return Decision(d, gap, tolerance, error, "cannot tell", reason)
    verdict = "certain" if found.certain and not positions else "supported"
    return Decision(d, gap, tolerance, error, verdict, reason)


def _readable(
    found: Constancy, count: int, space: Space, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The simplest functions that span the claims and pass the same test; or the span as it is."""
    spread = found.vectors @ np.linalg.pinv(found.vectors.T @ found.vectors)
    # A drift is no smaller than what can be told of it.
    told = np.sqrt(found.drifts**2 + found.errors)
    simple = simplest.laws(
        Pencil(told, found.vectors, np.zeros((0, space.dimension)), 1.0), count, told[:, None] * spread, spread, space
    )
    if count and found.bounds(simple.coefficients).max() <= tolerance:
        return simple.coefficients, simple.uncertainty
    raw = found.vectors[:count]
    turn = np.sqrt(((told[:count].max(initial=0.0) / told[count:, None] * found.vectors[count:]) ** 2).sum(axis=0))
    return raw, np.broadcast_to(turn, raw.shape).copy()


def _words(record: Record, count: int, noise: float) -> str:
    rows, m = len(record.times), record.states.shape[1] * (1 + record.positions)
    source = "velocities from positions, in halves" if record.positions else "no velocities needed"
    return f"{count} trajectories, {rows} samples of {m} coordinates, noise {noise:.1%} of their spread, {source}"


def _remarks(found: Constancy, kept: int, tolerance: float, count: int) -> tuple[str, ...]:
    remarks = []
    if kept and found.dimension < len(found.drifts) and found.lower_bound <= tolerance and kept < count - 1:
        remarks.append(
            f"another function, with a drift of {found.drifts[kept]:.1e} by estimate and at most "
            f"{found.next_bound:.1e}, is neither claimed nor refuted"
        )
    if found.dimension >= count - 1:
        remarks.append(f"{count} trajectories cannot show more than {count - 1} laws: there may be others")
    if found.lost > 1:
        remarks.append(f"{found.lost} combinations of functions vary by less than the noise and were not judged")
    return tuple(remarks)
