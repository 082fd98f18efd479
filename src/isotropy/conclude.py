"""Conclude: from the spectrum of a dimensionless operator and what is known of its error to what is claimed, in words.

How many of its values are zero (`numerics.decide`), the span that is nearest to a closed one, and the algebra of that
(`geometry.bracket`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from . import version
from .errors import IsotropyError
from .geometry import wording
from .geometry.action import Action
from .geometry.bracket import Span, span
from .geometry.scaling_law import scaling_power
from .groups.group import Group
from .normalised import Normalised, View
from .numerics import readable
from .numerics.certify import Certificate
from .numerics.closure import nearest_closed, structure_in
from .numerics.decide import CLEAR, CONSISTENT, TOLERANCE, Decision, certified, decide, nameable, rigid, within
from .numerics.sampled import Sampled
from .numerics.sparse import sparse_basis
from .numerics.spectrum import Spectrum, dense
from .numerics.weighted import weighted
from .ondata import Judged
from .represented import represented
from .results.discovery import Discovery, Unseen
from .tangency import Tangency


def judged(view: Judged, *, tolerance: float, level: float) -> Discovery:
    """Discover on a known operator on a sample of the places where it may be asked."""
    leaving = _apart(view.action, view.leaving, view.units, noise=tolerance)
    if len(view.seen) == 0:
        raise IsotropyError(
            f"every candidate of {view.action} takes the data elsewhere, so that none can be judged where the model "
            f"was trained: choose candidates that keep to the data, or look everywhere without `iso.Trained`."
        )
    if len(view.rows) < 4 * len(view.seen):
        raise IsotropyError(
            f"{len(view.rows)} examples are too few to choose among {len(view.seen)} candidates and to bound what was "
            f"chosen: take at least {4 * len(view.seen)}."
        )
    sampled = Sampled.of(view.rows, level=level)
    full = dense(view.rows.reshape(-1, len(view.seen)) / np.sqrt(len(view.rows)))
    limits = {"floor": view.floor, "upper": sampled.upper, "smallest": sampled.smallest, "tolerance": tolerance}
    decision = within(full.values, **limits)
    if view.objection:
        decision = replace(decision, verdict="cannot tell", reason=view.objection)
    count = decision.nullity
    kept = full.values[: len(full.values) - count]
    turn = float(np.clip(full.values[len(kept)] / kept[-1], 0, 1)) if count and len(kept) else 0.0
    chosen = replace(full, vectors=sampled.frame[::-1])
    directions, exact = _closed(view, chosen, count, turn)
    floors = np.full(len(full.values), view.floor)
    remarks = view.remarks
    found = answer(view, full, floors, decision, directions, turn=turn, exact=exact, remarks=remarks)
    bounds = np.maximum(sampled.bound(found.coefficients @ np.linalg.pinv(view.seen)), view.floor) if count else None
    if bounds is not None:
        remarks += (
            f"bound: defects of at most {bounds.max():.1e} over the data, with a confidence of {1 - level:.0%}",
        )
    if found.algebra is None and count:
        remarks += (f"no name: {found.decision.reason}",)
    # That a span cannot be named takes nothing from the bound on its defects.
    settings = {**found.settings, "tolerance": tolerance, "level": level}
    return replace(found, decision=decision, bounds=bounds, leaving=leaving, remarks=remarks, settings=settings)


def _apart(action: Action, rows: np.ndarray, units: np.ndarray, *, noise: float) -> Unseen:
    legible = sparse_basis(rows, noise, scale=units)
    return Unseen(legible, wording.lines(action, legible, noise, units))


def of_refits(
    view: Normalised | Tangency | View,
    full: Spectrum,
    refits: list[tuple[Spectrum, Float[np.ndarray, "k s"]]],
    objection: str,
    remarks: tuple[str, ...],
    *,
    tolerance: float = TOLERANCE,
    reach: float = CONSISTENT,
    held: Certificate | None = None,
    group: Group | None = None,
    count: int | None = None,
) -> Discovery:
    """Discover on an estimate: ``refits`` are spectra of others, with the change of their rows as a standard error.

    A certificate, where there is one, says how many may be claimed; else each direction is judged by its own error,
    ``reach`` of which it may be off.
    ``count`` generators are proposed where an ``objection`` keeps any from being claimed.
    """
    noise = np.sqrt(np.mean([np.sum((change @ full.vectors.T) ** 2, axis=0) for _, change in refits], axis=0))
    rounding = view.floors(full)
    floors = np.maximum(rounding, CONSISTENT * noise)
    if held is None:
        decision = decide(full.values, floor=rounding, noise=noise, tolerance=tolerance, reach=reach)
    else:
        claim = {"claimed": held.dimension, "verdict": held.verdict, "reason": held.reason}
        decision = certified(full.values, floor=rounding, noise=noise, **claim)
    if objection and (decision.nullity or count):
        nullity = decision.nullity if count is None else count
        decision = replace(decision, nullity=nullity, verdict="cannot tell", reason=objection)
    if group is not None and decision.nullity != group.algebra.dimension:
        reason = (
            f"the data leave {decision.nullity} generator(s) open where {group} has {group.algebra.dimension}; those "
            f"shown are the nearest representation all the same"
        )
        decision = replace(decision, nullity=group.algebra.dimension, verdict="cannot tell", reason=reason)
    null = full.null_vectors(decision.nullity) @ view.seen / view.units
    turns = [_turn(null, again.null_vectors(decision.nullity) @ view.seen / view.units) for again, _ in refits]
    # Refits may share their rounding, and then none of them shows it.
    kept = len(full.values) - decision.nullity
    blur = rounding[kept:].max(initial=0.0) / full.values[kept - 1] if kept > 0 and full.values[kept - 1] > 0 else 0.0
    turn = max(float(np.sqrt(np.mean(np.square(turns)))), float(blur))
    if group is not None and isinstance(view, Tangency):
        directions, form = represented(view, full, group, turn=turn)
        found = answer(view, full, floors, decision, directions, turn=turn, exact=0.0, remarks=remarks)
        return replace(found, representation=form)
    sharper = _sharper(view, full, decision.nullity, turn, held)
    directions, exact = _closed(view, sharper, decision.nullity, turn)
    if held is not None and decision.verdict in ("certain", "supported") and not held.holds(directions):
        directions, exact = held.span[: decision.nullity], None
    return answer(view, full, floors, decision, directions, turn=turn, exact=exact, remarks=remarks, held=held)


def _sharper(
    view: Normalised | Tangency | View, full: Spectrum, nullity: int, turn: float, held: Certificate | None
) -> Spectrum:
    """The spectrum in which brackets count by how well they are known, where its null space is that of ``full``."""
    if held is None or not 0 < nullity < len(full.values):
        return full
    better, units = weighted(held.fits, nullity), view.seen / view.units
    turned = _turn(full.null_vectors(nullity) @ units, better.null_vectors(nullity) @ units)
    return better if turned <= CONSISTENT * turn else full


def _closed(
    view: Normalised | Tangency | View | Judged, full: Spectrum, nullity: int, turn: float
) -> tuple[Float[np.ndarray, "d s"], float | None]:
    """The null space turned, within its error, to the nearest subalgebra, and how well that closes; or as it is."""
    directions = full.null_vectors(nullity)
    matrices = view.action.matrices
    if matrices is None or len(view.hidden) or nullity < 2 or not nameable(turn):
        return directions, None
    bracket = structure_in(np.tensordot(view.seen, matrices, 1))
    kept = len(full.values) - nullity
    rows, left = nearest_closed(directions, full.vectors[:kept], full.values[:kept], bracket)
    units = view.seen / view.units
    if _turn(directions @ units, rows @ units) > CONSISTENT * turn:
        return directions, None
    return rows, left


def _turn(first: Float[np.ndarray, "d q"], second: Float[np.ndarray, "d q"]) -> float:
    """The sine of the largest principal angle between two spans."""
    if len(first) == 0:
        return 0.0
    frame, other = np.linalg.qr(first.T)[0], np.linalg.qr(second.T)[0]
    return float(np.linalg.norm(other - frame @ (frame.T @ other), ord=2))


def answer(
    view: Normalised | Tangency | View | Judged,
    full: Spectrum,
    floors: Float[np.ndarray, " s"],
    decision: Decision,
    directions: Float[np.ndarray, "d s"],
    *,
    turn: float,
    exact: float | None = None,
    remarks: tuple[str, ...] = (),
    held: Certificate | None = None,
) -> Discovery:
    """Words, algebra and evidence for ``directions``, known to an angle ``turn``; closed to ``exact`` where given."""
    action, samples, units = view.action, view.samples, view.units
    rounding = float(np.finfo(np.float64).eps) * action.dimension
    noise = max(rounding, turn)
    null = directions @ view.seen
    sure = nameable(noise)
    found = upright(action, sparse_basis(null, noise, scale=units) if sure else null)
    hidden = sparse_basis(view.hidden, rounding, scale=units)
    if exact is None:
        algebra = span(action, found, hidden, points=samples.points, noise=noise)
    else:
        closed = max(CLEAR * rounding, exact)
        algebra = span(action, null, hidden, points=samples.points, noise=closed)
        # A fit has an algebra of its own, closed to rounding. What the noise may have made of the true one must not be
        # named: so(3) and sl(2,R) are as near to se(2) as the noise is small.
        if algebra.algebra is not None and not rigid(algebra.algebra.structure_constants, floor=closed, noise=noise):
            algebra = span(action, null, hidden, points=samples.points, noise=max(closed, noise))
    if algebra.algebra is None and decision.nullity:
        decision = replace(decision, verdict="cannot tell", reason=algebra.reason)
    bounds = None
    if held is not None:
        bounds = held.bound(found @ np.linalg.pinv(view.seen))
        if len(bounds) and np.isfinite(bounds).all():
            remarks += (f"bound: defects of at most {bounds.max():.1e}, with a confidence of {1 - held.level:.0%}",)
    power = scaling_power(action, null, noise=noise) if sure else None
    return Discovery(
        **evidence(view, full, found, hidden, algebra, noise=noise, settings=view.settings),
        variables=action.variables + action.outputs + ((action.time,) if action.time else ()),
        floors=floors,
        bounds=bounds,
        decision=decision,
        scaling_power=power,
        remarks=remarks + (() if power is None else (_scaling_law(action, power, noise),)),
    )


def upright(action: Action, rows: Float[np.ndarray, "d q"]) -> Float[np.ndarray, "d q"]:
    """Each generator with the sign in which it is read."""
    return np.array([action.upright(row) for row in rows]).reshape(rows.shape)


def evidence(
    view: Any,
    full: Spectrum,
    found: Float[np.ndarray, "d q"],
    hidden: Float[np.ndarray, "u q"],
    algebra: Span,
    *,
    noise: float,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """What every `Discovery` says of the generators ``found``, known to ``noise``, and of those ``hidden``, in words.

    ``view`` has an action, units and directions seen; ``full`` is the spectrum of its operator.
    """
    action, units = view.action, view.units
    rounding = float(np.finfo(np.float64).eps) * action.dimension
    inside = found @ np.linalg.pinv(view.seen)
    return {
        "candidates": action.dimension,
        "coefficients": found,
        "generators": action.generators(found),
        "generator_text": wording.lines(action, found, min(noise, TOLERANCE), units),
        "terms": tuple(action.terms(row) for row in found),
        "spectrum": full.values,
        "defects": np.linalg.norm(inside @ full.vectors.T * full.values, axis=1) / np.linalg.norm(inside, axis=1),
        "unseen": Unseen(hidden, wording.lines(action, hidden, rounding, units)),
        "algebra": algebra.algebra,
        "closure": algebra.residual,
        "truncated": algebra.truncated,
        "action": action.text,
        "noise": noise,
        "settings": {**settings, "isotropy": version.VERSION},
    }


def _scaling_law(action: Action, power: float, noise: float) -> str:
    inside, outside = ", ".join(action.variables), ", ".join(action.outputs)
    shown = readable.format_number(power, noise=noise * action.dimension)
    exponent = readable.format_number((1 - power) / 2, noise=noise * action.dimension)
    return (
        f"scaling law: ({inside}) → s ({inside}) takes ({outside}) → s^p ({outside}) with p = {shown}; if these are "
        f"positions and accelerations, period ~ s^((1−p)/2) = s^({exponent})"
    )
