"""From the null space of the tangency operator to a `PointSymmetries`: words, algebra, evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from ..conclude import evidence, upright
from ..geometry.action import Action
from ..numerics.decide import CLEAR, Decision, nameable
from ..numerics.sparse import sparse_basis
from ..numerics.spectrum import Spectrum
from ..results.point_symmetries import PointSymmetries
from .algebra import Parts, algebra_of
from .tangency import JetTangency


def answer(
    view: JetTangency,
    full: Spectrum,
    floors: Float[np.ndarray, " s"],
    decision: Decision,
    *,
    turn: float,
    leak: float,
    linear: bool,
    remarks: tuple[str, ...] = (),
    equation: str = "",
    settings: dict[str, Any],
) -> PointSymmetries:
    """The answer from ``full``, the spectrum of the operator.

    Its null space is known to an angle ``turn``, and is that of the law that it was computed with to ``leak``.
    """
    candidates, action, units = view.candidates, view.action, view.units
    independent = len(view.space.independent)
    base = np.asarray(view.points[:, : len(view.space.base)])
    rounding = float(np.finfo(np.float64).eps) * action.dimension
    noise = max(rounding, turn)
    sure = nameable(noise)
    null = full.null_vectors(decision.nullity) @ view.seen
    parts = Parts.of(candidates, null, base, independent=independent, units=units)
    found = np.concatenate([_basis(action, part, noise if sure else None, units) for part in _both(parts)])
    extra = len(parts.superposition)
    # The null space is that of one law, whose symmetries close to rounding, however uncertain the law itself is.
    structure = max(CLEAR * rounding, leak)
    algebra, divided = algebra_of(candidates, parts, base, independent=independent, noise=structure)
    if algebra.algebra is None and decision.nullity:
        decision = replace(decision, verdict="cannot tell", reason=algebra.reason)
    if extra:
        names = ", ".join(view.space.independent)
        others = f"; the name is that of the other {len(found) - extra}" if divided else ""
        word = "superposition" if linear else "additions"
        remarks = (
            f"{word}: the last {extra} add a function of {names} to {_list(view.space.dependent)}{others}",
            *remarks,
        )
    return PointSymmetries(
        **evidence(
            view, full, found, _basis(action, view.hidden, rounding, units), algebra, noise=noise, settings=settings
        ),
        variables=action.variables,
        floors=floors,
        decision=decision,
        remarks=remarks,
        superposition=extra,
        equation=equation,
    )


def _both(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    return parts.others, parts.superposition


def _basis(action: Action, rows: np.ndarray, noise: float | None, units: np.ndarray) -> np.ndarray:
    """Rows as a person writes them, or as they are where the noise is too large for that."""
    if noise is None:
        return rows
    return upright(action, sparse_basis(rows, noise, scale=units))


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
