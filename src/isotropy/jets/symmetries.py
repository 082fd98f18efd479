"""Lie point symmetries of differential equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import IsotropyError
from ..geometry.motion import VectorFields
from ..geometry.polynomial import Polynomials
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..numerics.decide import TOLERANCE, decide, zeros
from ..results.point_symmetries import PointSymmetries
from .answer import answer
from .coordinates import JetSpace
from .equation import Equation
from .field import FieldData
from .found import symmetries_from
from .tangency import JetTangency, is_linear

OVERSAMPLING = 2
"""Equations at points of the jet space for each candidate: half of them must give the same rank."""

FEWEST = 50
"""Points of the jet space at least."""


def symmetries_of(
    equation: Callable[[Any], Any] | FieldData,
    *,
    independent: str | Sequence[str] | None = None,
    dependent: str | Sequence[str] | None = None,
    order: int | None = None,
    degree: int | None = None,
    candidates: VectorFields | None = None,
    samples: Samples | None = None,
    leading: str | Sequence[str] | None = None,
    terms: Space | None = None,
    tolerance: float = TOLERANCE,
    count: int | None = None,
    seed: int = 0,
) -> PointSymmetries:
    """The point symmetries of a differential equation: fields on (x, u) whose flows map solutions to solutions.

    ``equation`` is a function of a jet ``j`` that vanishes on solutions; for a system it returns a list of them.
    The jet has attributes named after the ``independent`` variables, the ``dependent`` ones and their partial
    derivatives: ``j.t``, ``j.u``, ``j.u_xx``, ``j.u_tx``. It must be traceable by JAX. The order is that of the highest
    derivative it asks for; ``order`` refuses higher ones.

    Candidates are all polynomial fields on (x, u) up to ``degree`` (by default 2), or ``candidates``, fields with
    coefficients from another space in those variables. They are prolonged to the derivatives by automatic
    differentiation, and kept where they are tangent to the equation at ``count`` random points of the jet space.
    ``samples`` are points (x, u) to take instead of standard normal ones, where the equation needs it.

    The test is exact for equations of full rank that have a solution through every point (Olver, *Applications of Lie
    Groups to Differential Equations*, theorem 2.71): differential consequences are not added, so complete a system
    whose equations have integrability conditions before. Dependent equations and squares are refused; a missing
    condition is not noticed. Only what is in the candidates can be found.

    From solutions alone: ``equation`` is a `FieldData`. Then the ``leading`` derivative of each dependent variable (by
    default the first along the first axis) is found as a sum of few functions in ``terms``, a space in jet coordinates,
    by default products of two of the lower derivatives up to ``order`` (2). The answer holds the ``equation`` found. A
    claim needs that the equation explains the data to within the noise, and that no term dropped could hide a defect
    larger than ``tolerance``; otherwise the verdict is ``cannot tell``.

    Returns a `PointSymmetries`, a `Discovery` that tells superposition apart. Raises `IsotropyError` for names that the
    jet does not have, an equation without derivatives, and one on which no points are found.

    Cost: the derivatives of the candidates' functions up to the order at ``count`` points, and one singular value
    decomposition with as many columns as there are candidates.

    >>> found = symmetries_of(lambda j: j.y_xx, independent="x", dependent="y")
    >>> found.dimension, found.name
    (8, 'sl(3,R)')
    """
    if isinstance(equation, FieldData):
        if independent is not None or dependent is not None or samples is not None:
            raise IsotropyError("`FieldData` brings its own variables and samples: leave these arguments out.")
        jets = JetSpace.of(equation.independent, equation.dependent, 2 if order is None else order)
        return symmetries_from(
            equation,
            jets=jets,
            fields=fields_on(jets, degree, candidates),
            leading=leading,
            terms=terms,
            count=None if count is None else _count(count),
            seed=seed,
            tolerance=tolerance,
        )
    if leading is not None or terms is not None:
        raise IsotropyError("`leading` and `terms` say which equation to look for in `FieldData`: leave them out here.")
    if not callable(equation):
        raise IsotropyError(
            f"`equation` must be a function of the jet, such as `lambda j: j.u_t - j.u_xx`. "
            f"Got {type(equation).__name__}."
        )
    if independent is None or dependent is None:
        raise IsotropyError("name the variables of the equation, as in `independent='t, x', dependent='u'`.")
    law = Equation.of(equation, independent=independent, dependent=dependent, order=order)
    fields = fields_on(law.space, degree, candidates)
    if samples is not None and (not isinstance(samples, Samples) or samples.dimension != len(law.space.base)):
        raise IsotropyError(
            f"`samples` must be `iso.Samples` of points ({', '.join(law.space.base)}). Got "
            f"{samples if isinstance(samples, Samples) else type(samples).__name__}."
        )
    needed = -(-OVERSAMPLING * fields.dimension // law.count)
    points = law.points(max(needed, FEWEST) if count is None else _count(count), seed=seed, samples=samples)
    view = JetTangency.of(law, fields, points)
    full, half = view.spectra(law)
    floors = view.floors(law, full)
    decision = decide(full.values, floor=floors)
    if decision.nullity and zeros(half.values, view.floors(law, half)) > decision.nullity:
        decision = replace(
            decision,
            verdict="cannot tell",
            reason="half of the points allow more generators than all of them do, so the rank has not settled: raise "
            "`count`",
        )
    kept = full.values[: len(full.values) - decision.nullity]
    turn = float(decision.floor / kept[-1]) if decision.nullity and len(kept) else 0.0
    settings = {"points": len(points), "order": law.space.order, "seed": seed, "equations": law.count}
    return answer(view, full, floors, decision, turn=turn, leak=turn, linear=is_linear(law, points), settings=settings)


def fields_on(space: JetSpace, degree: int | None, candidates: VectorFields | None) -> VectorFields:
    """The candidates: polynomial fields up to a degree, or those given, which must be in the variables of the jet."""
    if candidates is None:
        degree = 2 if degree is None else degree
        return VectorFields(Polynomials(len(space.base), degree=degree, variables=space.base))
    if not isinstance(candidates, VectorFields):
        raise IsotropyError(
            f"`candidates` must be `iso.VectorFields(space)`. Got {type(candidates).__name__}: for polynomial fields "
            f"leave it out and give `degree`."
        )
    if degree is not None:
        raise IsotropyError("`degree` and `candidates` both say what the candidates are: give one of them.")
    if candidates.variables != space.base:
        raise IsotropyError(
            f"`candidates` must be fields in the variables {', '.join(space.base)}, in this order. Got "
            f"{', '.join(candidates.variables)}: make their space with `variables={','.join(space.base)!r}`."
        )
    return candidates


def _count(count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise IsotropyError(f"`count` is the number of points of the jet space, 2 or more. Got {count!r}.")
    return count
