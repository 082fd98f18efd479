"""Point symmetries from solutions on grids: the equation that the jets of the data obey, and then its symmetries.

The equation is sparse in a dictionary of terms. How far it moves is measured by fits to the smoothed fields with the
noise drawn again, on the terms that were kept and on all of them: a term that was dropped might be there after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.motion import VectorFields
from ..geometry.polynomial import Polynomials
from ..geometry.space import Space
from ..numerics.decide import CONSISTENT, DIFFERENT, Decision, decide
from ..numerics.spectrum import Spectrum
from ..results.point_symmetries import PointSymmetries
from .answer import answer
from .coordinates import JetSpace
from .field import FieldData
from .relation import ROUNDING, Relation, Relations, fit, left_over
from .tangency import JetTangency, is_linear

REDRAWN = 10
"""Fits with the noise drawn again."""

POINTS = 400
"""Jets of the data at which tangency is looked at, unless the candidates need more."""

TERMS_SHARE = 0.1
"""Terms per jet of the data, at most."""


def symmetries_from(
    data: FieldData,
    *,
    jets: JetSpace,
    fields: VectorFields,
    leading: str | Sequence[str] | None,
    terms: Space | None,
    count: int | None,
    seed: int,
    tolerance: float,
) -> PointSymmetries:
    """Find the equation, then its symmetries, with the error that noise gives to both."""
    heads = _leading(jets, leading)
    everything = data.jets(jets)
    places, space = dictionary(jets, heads, terms, len(everything))
    law = Relations(jets, tuple(fit(data, everything, head, places, space) for head in heads))
    redrawn = [data.jets(jets, seed=seed + 1 + k) for k in range(REDRAWN)]
    again = [_refit(law, data, points, whole=False) for points in redrawn]
    full_again = [_refit(law, data, points, whole=True) for points in redrawn]
    fits = [_unexplained(part, data, everything, redrawn) for part in law.parts]
    unexplained = max(left for left, _ in fits)
    lacking = any(left > max(DIFFERENT * noise, ROUNDING) for left, noise in fits)

    rng = np.random.default_rng(seed)
    needed = max(POINTS, 2 * fields.dimension) if count is None else count
    chosen = np.sort(rng.choice(len(everything), size=min(needed, len(everything)), replace=False))
    points = everything[chosen]
    view = JetTangency.of(law, fields, law.onto(points), blur=data.blur)
    spectrum = view.spectra(law)[0]
    rows = view.rows(law)
    moved = [view.at(other.onto(points)).rows(other) - rows for other in again]
    noise = _along(moved, spectrum.vectors)
    floors = view.floors(law, spectrum)
    decision = decide(spectrum.values, floor=floors, noise=noise, tolerance=tolerance)
    null = spectrum.null_vectors(decision.nullity)
    missing = [view.at(other.onto(points)).rows(other) - rows for other in full_again]
    hidden = CONSISTENT * float(np.hypot(_along(missing, null), unexplained).max(initial=0.0))
    if lacking or any(part.others for part in law.parts):
        decision = _undetermined(decision, unexplained if lacking else None)
    decision = _blocked(decision, hidden, tolerance, _beyond(view, law, null, rng))
    turns = [_turn(null, change, rows) for change in moved]
    errors = np.std([[part.coefficients for part in other.parts] for other in again], axis=0)
    shown = [part.describe(jets, noise=CONSISTENT * error) for part, error in zip(law.parts, errors, strict=True)]
    left = ", ".join(f"{part.residual:.1e}" for part in law.parts)
    return answer(
        view,
        spectrum,
        np.maximum(floors, CONSISTENT * noise),
        decision,
        turn=float(np.sqrt(np.mean(np.square(turns)))),
        leak=_leak(spectrum, decision.nullity),
        linear=is_linear(law, view.points),
        remarks=(
            f"equation: {'; '.join(shown)} (relative error {left})",
            f"fields: {data.describe()}",
            f"bound: defects of at most {hidden:.1e} could hide in terms that were dropped",
        ),
        equation="; ".join(shown),
        settings={"points": len(points), "order": jets.order, "seed": seed, "equations": law.count},
    )


def _leading(jets: JetSpace, leading: str | Sequence[str] | None) -> list[int]:
    """The places of the leading derivatives, one for each dependent variable."""
    first = tuple(int(i == 0) for i in range(len(jets.independent)))
    if leading is None:
        return [jets.place(a, first) for a in range(len(jets.dependent))]
    names = [leading] if isinstance(leading, str) else list(leading)
    names = [part.strip() for name in names for part in name.split(",")]
    places = [jets.find(name) for name in names]
    n, m = len(jets.independent), len(jets.dependent)
    owners = [(place - n) % m for place in places if place >= n + m]
    if sorted(owners) != list(range(m)):
        raise IsotropyError(
            f"`leading` must name one derivative of each of {', '.join(jets.dependent)}, such as "
            f"{jets.derivative_name(0, first)}. Got {', '.join(names)}."
        )
    return places


def dictionary(jets: JetSpace, heads: Sequence[int], terms: Space | None, points: int) -> tuple[tuple[int, ...], Space]:
    """The jet coordinates that terms are made of, and the space of terms."""
    n, m = len(jets.independent), len(jets.dependent)
    if terms is None:
        lead = [jets.indices[(head - n) // m] for head in heads]
        free = [
            jets.place(a, index)
            for index in jets.indices
            for a in range(m)
            # A derivative of a leading one is no lower one.
            if not any(all(i >= j for i, j in zip(index, top, strict=True)) for top in lead)
        ]
        names = [jets.names[place] for place in free]
        terms = Polynomials(len(free), degree=2, variables=names)
    elif not isinstance(terms, Space):
        raise IsotropyError(
            f"`terms` must be a space of functions of jet coordinates. Got {type(terms).__name__}: pass for example "
            f"`iso.spaces.Polynomials(2, degree=3, variables='u,u_x')`."
        )
    places = tuple(jets.find(name) for name in terms.variables)
    if set(places) & set(heads):
        raise IsotropyError(f"`terms` must not hold the leading derivative {jets.names[heads[0]]} itself.")
    if terms.dimension > TERMS_SHARE * points:
        raise IsotropyError(
            f"the dictionary has {terms.dimension} terms for {points} jets: take finer grids, or fewer terms."
        )
    return places, terms


def _refit(law: Relations, data: FieldData, points: np.ndarray, *, whole: bool) -> Relations:
    """The law fitted to other jets, on its own terms or on all of them."""
    parts = []
    for part in law.parts:
        support = np.ones(part.space.dimension, bool) if whole else part.coefficients != 0
        parts.append(fit(data, points, part.leading, part.places, part.space, support=support))
    return Relations(law.space, tuple(parts))


def _unexplained(part: Relation, data: FieldData, points: np.ndarray, redrawn: list[np.ndarray]) -> tuple[float, float]:
    """What the relation leaves of the leading derivative beyond what noise leaves there, and what noise leaves."""
    own = left_over(part, data, points)
    noise = float(np.mean([np.mean((left_over(part, data, jets) - own) ** 2) for jets in redrawn]))
    return float(np.sqrt(max(float(np.mean(own**2)) - noise, 0.0))), float(np.sqrt(noise))


def _along(changes: list[np.ndarray], directions: Float[np.ndarray, "d s"]) -> Float[np.ndarray, " d"]:
    """The root mean square of changes of the rows along each of ``directions``."""
    flat = [change.reshape(-1, change.shape[-1]) for change in changes]
    return np.sqrt(np.mean([np.sum((change @ directions.T) ** 2, axis=0) for change in flat], axis=0))


def _leak(spectrum: Spectrum, nullity: int) -> float:
    """The angle by which the singular values that were taken for zero, but are not, may turn the null space."""
    kept, dropped = spectrum.values[: len(spectrum.values) - nullity], spectrum.values[len(spectrum.values) - nullity :]
    return float(dropped.max(initial=0.0) / kept[-1]) if len(kept) else 0.0


def _turn(null: Float[np.ndarray, "d s"], change: np.ndarray, rows: np.ndarray) -> float:
    """The sine of the largest angle by which a change of the rows turns their null space."""
    if len(null) == 0:
        return 0.0
    flat = (rows + change).reshape(-1, rows.shape[-1])
    other = np.linalg.svd(flat, full_matrices=True)[2][-len(null) :]
    return float(np.linalg.norm(other - (other @ null.T) @ null, ord=2))


def _beyond(view: JetTangency, law: Relations, null: Float[np.ndarray, "d s"], rng: np.random.Generator) -> float:
    """The largest defect of ``null`` at random jets on the law, at the places and of the size of the data's."""
    spread, centre = view.points.std(axis=0), view.points.mean(axis=0)
    drawn = centre + spread * rng.standard_normal(view.points.shape)
    base = len(view.space.base)
    drawn[:, :base] = view.points[:, :base]
    rows = view.at(law.onto(drawn)).rows(law)
    return float(np.sqrt(np.sum((rows @ null.T) ** 2, axis=(0, 1))).max(initial=0.0))


def _undetermined(decision: Decision, unexplained: float | None) -> Decision:
    """No claim on an equation that the data contradict, nor on one of several that they allow."""
    if unexplained is None:
        reason = (
            "the lower derivatives obey a relation of their own on these data, so other equations fit as well: take "
            "more runs that differ from one another, or fewer `terms`"
        )
        return replace(decision, verdict="cannot tell", reason=reason)
    reason = (
        f"the equation leaves {unexplained:.1e} of the leading derivative unexplained, more than the noise does, and "
        f"one with too few terms is more symmetric than the truth: raise `order`, or give other `terms` or `leading`"
    )
    return replace(decision, verdict="cannot tell", reason=reason)


def _blocked(decision: Decision, hidden: float, tolerance: float, beyond: float) -> Decision:
    """No claim where a dropped term could break it, nor where it holds at the data's jets alone."""
    if not decision.nullity or decision.verdict == "cannot tell":
        return decision
    if hidden > tolerance:
        reason = (
            f"a term that was dropped could break them by {hidden:.1%}, more than the {tolerance:.0%} allowed: take "
            f"less noise, finer grids, more runs, or fewer `terms`"
        )
        return replace(decision, verdict="cannot tell", reason=reason)
    if beyond > max(DIFFERENT * decision.noise, tolerance):
        reason = (
            f"some hold at the jets of the data alone, with defects of {beyond:.1%} at others: take more runs that "
            f"differ from one another"
        )
        return replace(decision, verdict="cannot tell", reason=reason)
    return decision
