"""Discover: given a model F, every candidate generator xi with L(xi, F) = 0, and an honest count of them.

Source: Otto2025, section 5. The operator is first made dimensionless (`normalised`); its spectrum, how many of its
values are zero (`numerics.decide`) and the algebra of the null space (`geometry.bracket`) follow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from . import components as elements
from . import version
from .certified import certificate, of_estimate
from .errors import IsotropyError
from .geometry import wording
from .geometry.action import Action
from .geometry.bracket import span
from .geometry.cloud import Cloud
from .geometry.data import Data
from .geometry.estimate import Estimate
from .geometry.fibre import Linear
from .geometry.sample import Samples
from .geometry.scaling_law import scaling_power
from .geometry.trained import Trained
from .groups.group import Group
from .normalised import Normalised, View
from .numerics import readable
from .numerics.certify import Certificate
from .numerics.closure import nearest_closed, structure_in
from .numerics.decide import CLEAR, CONSISTENT, TOLERANCE, Decision, certified, decide, nameable, rigid, within, zeros
from .numerics.sampled import Sampled
from .numerics.spectrum import Spectrum, dense
from .numerics.weighted import weighted
from .ondata import Judged, OnData
from .represented import represented
from .results.discovery import Discovery, Unseen
from .tangency import Tangency, clearest


def discover(
    model: Any,
    action: Any,
    samples: Any = None,
    *,
    components: Any = None,
    group: Group | None = None,
    batch_size: int | None = None,
    tolerance: float = TOLERANCE,
    level: float = 0.05,
) -> Discovery:
    """Find every candidate generator that leaves ``model`` unchanged.

    ``model`` is a function of one point (JAX traceable: a plain function, an Equinox module, a right-hand side, a
    tensor field) looked at on ``samples``; or `Data` with pairs, a `Cloud` of points, a `Trained` network, or the
    equation of motions (`Trajectories.fit`), which bring their own.
    ``action`` says how the candidates move inputs and outputs. ``batch_size`` bounds memory: samples per batch, chosen
    by default. For data, ``level`` is the chance allowed to claim a generator whose defect, its true distance from a
    symmetry as a fraction of its action, exceeds ``tolerance`` (see `numerics.certify`; clouds, and problems too large
    for a certificate, are judged direction by direction, by the error of each). ``components`` are single group
    elements to try as well: matrices, pairs of matrices for inputs and outputs, or ``"signed permutations"`` for a
    search; by default those that the action's group has. ``group``, for a cloud, says which group is known to move the
    set (SO(2), or compact and semisimple): the answer is then the nearest representation of it, with its type. With a
    `fields.FieldAction`, ``model`` takes fields to fields and ``samples`` are fields, (k, *shape, n).

    Returns a `Discovery`. Raises `IsotropyError` for a model that JAX cannot differentiate or that gives NaN (with the
    sample), that ignores its input, whose shapes do not fit the action, and for too few samples to count on.

    Cost: one pass of the Jacobian of ``model`` over the samples and a QR of its rows. Memory does not grow with the
    number of samples.

    >>> from isotropy import groups
    >>> found = discover(lambda x: x[0]**2 + x[1]**2 + 3*x[2], Action(groups.Aff(3)), Samples.normal(200, 3, seed=0))
    >>> found.dimension, found.algebra.name, found.decision.verdict
    (3, 'se(2)', 'certain')
    """
    if hasattr(action, "look"):
        view = action.look(model, samples)
        if isinstance(model, Trained):
            found = _judged(view, tolerance=tolerance, level=level)
            options = {"objection": view.objection, "tolerance": tolerance, "level": level}
            return _with_components(found, view, components, **options)
        return _from_view(view, components, tolerance)
    if not isinstance(action, Action):
        raise IsotropyError(
            f"`action` says how the candidates act. Got {type(action).__name__}: "
            f"pass for example `iso.Action(groups.GL(3))`."
        )
    if action.dimension == 0:
        raise IsotropyError(
            f"{action} has no generators to find symmetries among: choose a group that moves points continuously."
        )
    if group is not None and not (isinstance(group, Group) and isinstance(model, Cloud)):
        raise IsotropyError(
            f"`group` is a group that is known to move a cloud of points. Got {type(group).__name__} for a model of "
            f"type {type(model).__name__}: pass the group's candidates in `action` instead."
        )
    if isinstance(model, Data):
        if samples is not None:
            raise IsotropyError("`Data` brings its own samples: leave out the third argument.")
        return _from_data(model, action, components, batch_size, tolerance=tolerance, level=level)
    if isinstance(model, Estimate):
        if samples is not None:
            raise IsotropyError("An `Estimate` brings its own samples: leave out the third argument.")
        return _from_estimate(model, action, components, batch_size, tolerance=tolerance, level=level)
    if isinstance(model, Cloud):
        if samples is not None:
            raise IsotropyError("`Cloud` is its own samples: leave out the third argument.")
        return _from_cloud(model, action, components, group)
    if isinstance(model, Trained):
        if samples is not None or components is not None:
            raise IsotropyError("`Trained` brings its own samples, and tries no single elements: leave both out.")
        return _from_trained(model, action, tolerance=tolerance, level=level)
    if not isinstance(samples, Samples):
        raise IsotropyError(
            f"`samples` are the points at which `model` is looked at. Got {type(samples).__name__}: "
            f"pass `iso.Samples(points)` or `iso.Samples.normal(200, {action.base_dimension}, seed=0)`."
        )
    view = Normalised.of(model, action, samples, batch_size=batch_size)
    full, half = view.spectra()
    floors = view.floors(full)
    decision = decide(full.values, floor=floors)
    if decision.nullity and zeros(half.values, view.floors(half)) > decision.nullity:
        decision = replace(
            decision,
            verdict="cannot tell",
            reason="half of the samples allow more generators than all of them do, so the rank has not settled: "
            "take more samples",
        )
    kept = full.values[: len(full.values) - decision.nullity]
    turn = decision.floor / kept[-1] if decision.nullity and len(kept) else 0.0
    found = _answer(view, full, floors, decision, full.null_vectors(decision.nullity), turn=float(turn))
    return _with_components(found, view, components)


def _from_data(
    data: Data, action: Action, components: Any, batch_size: int | None, *, tolerance: float, level: float
) -> Discovery:
    """Discover on a fit to pairs: noise is how far the operator moves, direction by direction, between refits."""
    motion = action.value_motion
    still = isinstance(motion, Linear) and not (motion.matrices.any() or motion.offsets.any())
    if still and not np.ptp(data.Y, axis=0).any():
        raise IsotropyError(
            f"all {len(data.Y)} outputs are equal and no candidate moves them, so that each leaves them unchanged: "
            f"check `Y`."
        )
    view = Normalised.of(data.section, action, data.samples, batch_size=batch_size, hull=data.hull)
    refits = [(again, data.stretch * change) for again, change in view.refits(data.refits)]
    objection = (
        f"the fit leaves {data.relative_error:.1%} of the outputs unexplained, and a model too small "
        f"is more symmetric than the truth: give a larger `space`"
    )
    moved = float(np.mean([np.sum(change**2) for _, change in refits]))
    scales = {"seen": view.seen, "row_scale": view.row_scale, "moved": moved}
    held = certificate(data, action, **scales, tolerance=tolerance, level=level)
    found = _from_refits(
        view,
        view.spectra()[0],
        refits,
        "" if data.explained else objection,
        (f"fit: {data.describe()}",),
        tolerance=tolerance,
        held=held,
    )
    found = replace(found, settings={**found.settings, "tolerance": tolerance, "level": level})
    return _with_components(
        found,
        view,
        components,
        data=data,
        objection="" if data.explained else objection,
        tolerance=tolerance,
        level=level,
    )


def _from_estimate(
    model: Estimate, action: Action, components: Any, batch_size: int | None, *, tolerance: float, level: float
) -> Discovery:
    """Discover on a section that brings the covariance of its parameters, such as an equation fitted to motions."""
    view = Normalised.of(model.section, action, model.samples, batch_size=batch_size)
    scales = {"seen": view.seen, "row_scale": view.row_scale}
    held = of_estimate(model, action, **scales, tolerance=tolerance, level=level)
    refits = view.refits(model.refits)
    remarks = (f"fit: {model}",)
    found = _from_refits(view, view.spectra()[0], refits, model.objection, remarks, tolerance=tolerance, held=held)
    options = {"refits": model.refits, "objection": model.objection, "tolerance": tolerance}
    return _with_components(found, view, components, **options)


def _from_view(view: View, components: Any, tolerance: float) -> Discovery:
    """Discover through an action that brings an operator of its own, and an estimate of that operator's error."""
    spectrum = view.spectrum()
    objection = view.objection(spectrum, tolerance=tolerance)
    found = _from_refits(view, spectrum, view.refits(), objection, view.remarks, tolerance=tolerance)
    return _with_components(found, view, components, tolerance=tolerance)


def _from_cloud(cloud: Cloud, action: Action, components: Any, group: Group | None) -> Discovery:
    """Discover on a set estimated from points: noise is how far its normals move between refits."""
    view = Tangency.of(cloud, action)
    objection, count = cloud.objection, None
    remarks: tuple[str, ...] = (f"cloud: {cloud.describe()}",)
    if objection:
        objection += ", and a set too large or too simple is more symmetric than the truth: take more points"
        proposed = clearest(view)
        if proposed is not None:
            rival, count = proposed
            view = Tangency.of(rival, action)
            remarks += (f"proposal: the generators are the clearest of a rival set, {rival.describe()}",)
    found = _from_refits(view, view.spectrum(), view.refits(), objection, remarks, group=group, count=count)
    return _with_components(found, view, components, objection=objection)


def _from_trained(trained: Trained, action: Action, *, tolerance: float, level: float) -> Discovery:
    """Discover on a trained model: it is known, and where it may be asked is a sample."""
    return _judged(OnData.of(trained, action, tolerance=tolerance), tolerance=tolerance, level=level)


def _judged(view: Judged, *, tolerance: float, level: float) -> Discovery:
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
    found = _answer(view, full, floors, decision, directions, turn=turn, exact=exact, remarks=remarks)
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
    legible = readable.sparse_basis(rows, noise, scale=units)
    return Unseen(legible, wording.lines(action, legible, noise, units))


def _with_components(
    found: Discovery, view: Normalised | Tangency | View, components: Any, **options: Any
) -> Discovery:
    asked = {} if components is None else {"components": "given"}
    tried = elements.find(view, components, **options)
    return replace(found, components=tried, settings={**found.settings, **asked})


def _from_refits(
    view: Normalised | Tangency | View,
    full: Spectrum,
    refits: list[tuple[Spectrum, Float[np.ndarray, "k s"]]],
    objection: str,
    remarks: tuple[str, ...],
    *,
    tolerance: float = TOLERANCE,
    held: Certificate | None = None,
    group: Group | None = None,
    count: int | None = None,
) -> Discovery:
    """Discover on an estimate: ``refits`` are spectra of others, with the change of their rows as a standard error.

    A certificate, where there is one, says how many may be claimed; else each direction is judged by its own error.
    ``count`` generators are proposed where an ``objection`` keeps any from being claimed.
    """
    noise = np.sqrt(np.mean([np.sum((change @ full.vectors.T) ** 2, axis=0) for _, change in refits], axis=0))
    rounding = view.floors(full)
    floors = np.maximum(rounding, CONSISTENT * noise)
    if held is None:
        decision = decide(full.values, floor=rounding, noise=noise, tolerance=tolerance)
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
        found = _answer(view, full, floors, decision, directions, turn=turn, exact=0.0, remarks=remarks)
        return replace(found, representation=form)
    sharper = _sharper(view, full, decision.nullity, turn, held)
    directions, exact = _closed(view, sharper, decision.nullity, turn)
    if held is not None and decision.verdict in ("certain", "supported") and not held.holds(directions):
        directions, exact = held.span[: decision.nullity], None
    return _answer(view, full, floors, decision, directions, turn=turn, exact=exact, remarks=remarks, held=held)


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


def _answer(
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
    found = readable.sparse_basis(null, noise, scale=units) if sure else null
    found = np.array([action.upright(row) for row in found]).reshape(found.shape)
    hidden = readable.sparse_basis(view.hidden, rounding, scale=units)
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
    inside = found @ np.linalg.pinv(view.seen)
    defects = np.linalg.norm(inside @ full.vectors.T * full.values, axis=1) / np.linalg.norm(inside, axis=1)
    bounds = None
    if held is not None:
        bounds = held.bound(inside)
        if len(bounds):
            remarks += (f"bound: defects of at most {bounds.max():.1e}, with a confidence of {1 - held.level:.0%}",)
    power = scaling_power(action, null, noise=noise) if sure else None
    legible = noise if sure else rounding
    return Discovery(
        candidates=action.dimension,
        coefficients=found,
        generators=action.generators(found),
        generator_text=wording.lines(action, found, legible, units),
        terms=tuple(action.terms(row) for row in found),
        variables=action.variables + action.outputs + ((action.time,) if action.time else ()),
        spectrum=full.values,
        floors=floors,
        defects=defects,
        bounds=bounds,
        decision=decision,
        unseen=Unseen(hidden, wording.lines(action, hidden, rounding, units)),
        algebra=algebra.algebra,
        closure=algebra.residual,
        truncated=algebra.truncated,
        action=action.text,
        noise=noise,
        scaling_power=power,
        remarks=remarks + (() if power is None else (_scaling_law(action, power, noise),)),
        settings={**view.settings, "isotropy": version.VERSION},
    )


def _scaling_law(action: Action, power: float, noise: float) -> str:
    inside, outside = ", ".join(action.variables), ", ".join(action.outputs)
    shown = readable.format_number(power, noise=noise * action.dimension)
    exponent = readable.format_number((1 - power) / 2, noise=noise * action.dimension)
    return (
        f"scaling law: ({inside}) → s ({inside}) takes ({outside}) → s^p ({outside}) with p = {shown}; if these are "
        f"positions and accelerations, period ~ s^((1−p)/2) = s^({exponent})"
    )
