"""What survived, in the words of a discovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import version
from ..geometry.action import Action
from ..geometry.bracket import span
from ..numerics.decide import CLEAR, CONSISTENT, TOLERANCE, Decision, decide, numerical_floor
from ..numerics.grassmann import SubspaceFit
from ..numerics.sparse import sparse_basis
from ..numerics.surviving import HIDDEN, LikelihoodQuestion, Question, Survival, Trial, close, survivors
from ..results.discovery import Discovery, Unseen
from .problem import Images, Problem

FEW = (
    "there are hardly more data than coefficients, so nothing says how large the noise is: "
    "pass `noise`, more data, a smaller space, or `exact=True` for data without noise"
)
FLAT = (
    "the loss has no minimum to compare with: a function of the space separates the labels. "
    "Take a smaller space or more data"
)

UNKNOWN = 0.5
"""By how much noise may turn the directions that survive before nothing is said of them."""


@dataclass(frozen=True)
class Verdict:
    """The surviving symmetries, the refit inside what they leave unchanged (None for no refit), and the trials."""

    symmetries: Discovery
    coefficients: Float[np.ndarray, "f c"] | None
    basis: Float[np.ndarray, "f d"] | None
    trials: tuple[Trial, ...]


def from_data(problem: Problem, action: Action, question: Question, promoted: np.ndarray, *, level: float) -> Verdict:
    """Ask the data which generators survive, starting from the directions that the promoted fit proposes."""
    _, _, directions = _directions(question.fit, promoted)
    if not question.answerable:
        flat = isinstance(question, LikelihoodQuestion) and not question.settled
        reason = FLAT if flat else FEW
        return undecided(problem, action, promoted, fit=question.fit, reason=reason)
    survival, trials = survivors(question, directions, level=level)
    values, floors, _ = _directions(question.fit, promoted, question)
    count = 0 if survival is None else survival.dimension
    gap = _gap(values, count)
    noise = float(floors.max(initial=0.0))
    weak = [trial for trial in trials if trial.p_value > level and trial.weak]
    if survival is None and weak:
        reason = (
            f"too few data to refuse anything: a departure of {min(trial.hidden for trial in weak):.0%} of the values' "
            f"size could hide where {HIDDEN:.0%} is allowed. Pass more data, a smaller space, or the `noise`"
        )
        decision = Decision(0, gap, noise, noise, "cannot tell", reason)
        return Verdict(_discovery(problem, action, question, promoted, None, decision), None, None, trials)
    if survival is None:
        refused = max((t.p_value for t in trials), default=0.0)
        reason = f"the data refuse every generator among the candidates (largest p-value {refused:.1e})"
        decision = Decision(0, gap, noise, noise, "none", reason)
        return Verdict(_discovery(problem, action, question, promoted, None, decision), None, None, trials)
    passed = max((t for t in trials if t.holds(level)), key=lambda t: (t.dimension, t.p_value))
    turn = question.turn(survival)
    if turn <= UNKNOWN:
        verdict = "supported"
        reason = (
            f"a refit that {count} generator(s) leave unchanged is as good as the unconstrained one "
            f"(p = {passed.p_value:.2g}, level {level:g}); a departure of {passed.hidden:.1%} of the values' size "
            f"could hide"
        )
    else:  # the refit is as good as the fit without constraint all the same
        verdict = "cannot tell"
        reason = (
            f"{count} generator(s) are as good as none (p = {passed.p_value:.2g}), but noise turns their directions "
            f"by {turn:.2g}, so that nothing says which. Pass more data"
        )
    decision = Decision(count, gap, noise, noise, verdict, reason)
    found = _discovery(problem, action, question, promoted, survival, decision)
    return Verdict(found, survival.coefficients, survival.basis, trials)


def undecided(
    problem: Problem,
    action: Action,
    promoted: np.ndarray,
    *,
    fit: SubspaceFit | Images | None = None,
    reason: str = FEW,
) -> Verdict:
    """What to say where nothing tells how large the noise is."""
    decision = Decision(0, 1.0, 0.0, 0.0, "cannot tell", reason)
    found = _discovery(problem, action, None, promoted, None, decision, fit=fit or Images(problem))
    return Verdict(found, None, None, ())


def from_spectrum(problem: Problem, action: Action, fit: SubspaceFit, promoted: np.ndarray, *, error: float) -> Verdict:
    """For data without noise: the null space of the operator, to within ``error`` of its singular values.

    The coefficients come back only if some that the found generators leave unchanged exist; whether these meet the
    data is for the caller to see.
    """
    values, _, directions = _directions(fit, promoted)
    scale = float(np.linalg.norm(fit.image(promoted), 2))
    relative = error / scale if scale > 0 else 0.0
    decision = decide(values, floor=np.finfo(float).eps * fit.features, noise=relative)
    count = decision.nullity
    if not count:
        return Verdict(_discovery(problem, action, None, promoted, None, decision, fit=fit), None, None, ())
    subspace = directions[:, len(values) - count :]
    spread = np.linalg.eigvalsh(fit.penalty(subspace))
    ratios = spread[1:] / np.maximum(spread[:-1], np.finfo(float).eps * fit.features * spread[-1])
    settled, basis, left = fit.settle(subspace, int(ratios.argmax()) + 1)
    survival = close(fit, Survival(settled, basis, basis @ (basis.T @ promoted), left, relative))
    found = _discovery(problem, action, None, promoted, survival, decision, fit=fit)
    return Verdict(found, survival.coefficients, basis, ())


def _directions(
    fit: SubspaceFit | Images, w: np.ndarray, question: Question | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values of A(w) over the largest, what noise could make of zeros there, and right vectors as columns."""
    image = fit.image(w)
    _, values, right = np.linalg.svd(image, full_matrices=True)
    values = np.pad(values, (0, fit.generators - len(values)))
    if isinstance(fit, SubspaceFit):
        # What every candidate leaves alone has rounding for its spectrum.
        top = float(np.linalg.norm(fit.operator) * np.linalg.norm(w))
        if values[0] <= CLEAR * numerical_floor(float, max(image.shape), top):
            values = np.zeros_like(values)
    scale = values[0] if values[0] > 0 else 1.0
    floors = np.full(len(values), np.finfo(float).eps * fit.features)
    if question is not None:
        inverse = np.linalg.pinv(question.fit.moment, hermitian=True)
        for j, direction in enumerate(right):
            moved = float(np.sum(question.fit.penalty(direction[:, None]) * inverse)) * question.outputs
            floors[j] = max(floors[j], np.sqrt(question.variance / question.count * moved) / scale)
    return values / scale, floors, right.T


def _gap(values: np.ndarray, count: int) -> float:
    if count in (0, len(values)):
        return 1.0 if count == 0 else float("inf")
    return float(values[-count - 1] / max(values[-count], np.finfo(float).eps))


def _discovery(
    problem: Problem,
    action: Action,
    question: Question | None,
    promoted: np.ndarray,
    survival: Survival | None,
    decision: Decision,
    *,
    fit: SubspaceFit | Images | None = None,
    remarks: Sequence[str] = (),
) -> Discovery:
    scale, seen, hidden = problem.sight
    fit = question.fit if question is not None else fit
    assert fit is not None
    answerable = question if question is not None and question.answerable else None
    values, floors, _ = _directions(fit, promoted, answerable)
    rounding = float(np.finfo(float).eps) * action.dimension
    error = rounding if survival is None else max(survival.error, rounding)
    rows = np.zeros((0, action.dimension))
    noise, defects = 0.0, np.zeros(0)
    if survival is not None:
        rows = sparse_basis((survival.subspace.T @ seen) / scale, noise=error)
        noise = error if question is None else max(question.turn(survival), error)
        rows = np.stack([_scaled(row, noise) for row in rows])
        scaled = (rows * scale) @ seen.T
        size = np.linalg.norm(scaled, axis=1) * max(np.linalg.norm(fit.image(promoted), 2), np.finfo(float).tiny)
        defects = np.linalg.norm(fit.image(promoted) @ scaled.T, axis=0) / size
    unseen = sparse_basis(hidden / scale, noise=rounding) if len(hidden) else np.zeros((0, action.dimension))
    algebra = span(action, rows, unseen, points=problem.points, noise=error)
    digits = min(CONSISTENT * noise, TOLERANCE)
    return Discovery(
        candidates=action.dimension,
        coefficients=rows,
        generators=action.generators(rows),
        generator_text=tuple(action.describe(row, noise=digits * float(np.abs(row).max())) for row in rows),
        terms=tuple(action.terms(row) for row in rows),
        variables=action.variables + action.outputs,
        spectrum=values,
        floors=floors,
        defects=defects,
        decision=decision,
        unseen=Unseen(unseen, tuple(action.describe(row) for row in unseen)),
        algebra=algebra.algebra,
        closure=algebra.residual,
        truncated=algebra.truncated,
        action=action.text,
        noise=noise,
        remarks=tuple(remarks),
        settings=_settings(problem),
    )


def _scaled(row: np.ndarray, noise: float) -> np.ndarray:
    """The row, over the first entry that does not drown in the noise where the first one, which is 1, does."""
    size = np.abs(row)
    first = int(np.flatnonzero(size > min(noise, 0.5) * size.max())[0])
    return row if first == np.flatnonzero(size)[0] else row / row[first]


def _settings(problem: Problem) -> dict[str, Any]:
    return {
        "samples": len(problem.points),
        "dimension": problem.points.shape[1],
        "dtype": "float64",
        "mode": "promote",
        "isotropy": version.VERSION,
    }
