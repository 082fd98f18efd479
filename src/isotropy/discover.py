"""Discover: given a model F, every candidate generator xi with L(xi, F) = 0, and an honest count of them.

Source: Otto2025, section 5. What the model is decides how the operator is made dimensionless (`normalised`) and where
its error comes from; `conclude` says what follows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from . import components as elements
from .certified import certificate, of_estimate
from .conclude import answer, judged, of_refits
from .errors import IsotropyError
from .geometry.action import Action
from .geometry.cloud import Cloud
from .geometry.data import Data
from .geometry.estimate import Estimate
from .geometry.fibre import Linear
from .geometry.sample import Samples
from .geometry.trained import Trained
from .groups.group import Group
from .normalised import Normalised, View
from .numerics.decide import TOLERANCE, decide, zeros
from .ondata import OnData
from .results.discovery import Discovery
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
            found = judged(view, tolerance=tolerance, level=level)
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
    found = answer(view, full, floors, decision, full.null_vectors(decision.nullity), turn=float(turn))
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
    found = of_refits(
        view,
        view.spectra()[0],
        refits,
        "" if data.explained else objection,
        (f"fit: {data.describe()}",),
        tolerance=tolerance,
        reach=data.reach,
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
    found = of_refits(view, view.spectra()[0], refits, model.objection, remarks, tolerance=tolerance, held=held)
    options = {"refits": model.refits, "objection": model.objection, "tolerance": tolerance}
    return _with_components(found, view, components, **options)


def _from_view(view: View, components: Any, tolerance: float) -> Discovery:
    """Discover through an action that brings an operator of its own, and an estimate of that operator's error."""
    spectrum = view.spectrum()
    objection = view.objection(spectrum, tolerance=tolerance)
    found = of_refits(view, spectrum, view.refits(), objection, view.remarks, tolerance=tolerance)
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
    found = of_refits(view, view.spectrum(), view.refits(), objection, remarks, group=group, count=count)
    return _with_components(found, view, components, objection=objection)


def _from_trained(trained: Trained, action: Action, *, tolerance: float, level: float) -> Discovery:
    """Discover on a trained model: it is known, and where it may be asked is a sample."""
    return judged(OnData.of(trained, action, tolerance=tolerance), tolerance=tolerance, level=level)


def _with_components(
    found: Discovery, view: Normalised | Tangency | View, components: Any, **options: Any
) -> Discovery:
    asked = {} if components is None else {"components": "given"}
    tried = elements.find(view, components, **options)
    return replace(found, components=tried, settings={**found.settings, **asked})
