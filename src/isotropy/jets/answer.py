"""From the null space of the tangency operator to a `PointSymmetries`: words, algebra, evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import version
from ..geometry import wording
from ..geometry.action import Action
from ..numerics.decide import CLEAR, Decision, nameable
from ..numerics.sparse import sparse_basis
from ..numerics.spectrum import Spectrum
from ..results.discovery import Unseen
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
    inside = found @ np.linalg.pinv(view.seen)
    defects = np.linalg.norm(inside @ full.vectors.T * full.values, axis=1) / np.linalg.norm(inside, axis=1)
    hidden = _basis(action, view.hidden, rounding, units)
    return PointSymmetries(
        candidates=action.dimension,
        coefficients=found,
        generators=action.generators(found),
        generator_text=wording.lines(action, found, noise if sure else rounding, units),
        terms=tuple(action.terms(row) for row in found),
        variables=action.variables,
        spectrum=full.values,
        floors=floors,
        defects=defects,
        decision=decision,
        unseen=Unseen(hidden, wording.lines(action, hidden, rounding, units)),
        algebra=algebra.algebra,
        closure=algebra.residual,
        truncated=algebra.truncated,
        action=action.text,
        noise=noise,
        remarks=remarks,
        settings={**settings, "isotropy": version.VERSION},
        superposition=extra,
        equation=equation,
    )


def _both(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    return parts.others, parts.superposition


def _basis(action: Action, rows: np.ndarray, noise: float | None, units: np.ndarray) -> np.ndarray:
    """Rows as a person writes them, or as they are where the noise is too large for that."""
    if noise is None:
        return rows
    sparse = sparse_basis(rows, noise, scale=units)
    return np.array([action.upright(row) for row in sparse]).reshape(rows.shape)


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
