"""What a motion conserves: functions I with DI(x) V(x) = 0 along trajectories, found as drift against spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.space import Space
from ..numerics import pencil
from ..numerics.decide import CLEAR, SEPARATION, Decision, decide
from ..numerics.spectrum import TriangularFactor
from ..results.laws import Laws
from . import simplest
from .trajectories import Trajectories

TOLERANCE = 1e-4
"""Relative drift up to which a quantity counts as conserved unless the caller says otherwise: an equivalence margin.

No finite amount of data shows a drift of exactly zero, and nature perturbs every idealised law a little.
"""

BATCH_BYTES = 2**26
"""Memory for the gradients of one batch of samples."""


@dataclass(frozen=True)
class Operators:
    """Triangular factors of the rows seen: values about zero and about their mean, drift, and error of the drift."""

    values: np.ndarray
    spread: np.ndarray
    drift: np.ndarray
    error: np.ndarray
    size: np.ndarray
    rows: int


def conserve(
    trajectories: Trajectories, space: Space, *, tolerance: float = TOLERANCE, batch_size: int | None = None
) -> Laws:
    """The functions in ``space`` that stay constant along every one of the ``trajectories``.

    The drift of I is the root mean square of dI/dt = DI(x) V(x), each motion in its own unit of time
    (`Trajectories.clocks`); its spread is the standard deviation of I over all samples. Their ratio is minimised over
    the space: a generalised singular value problem, solved from triangular factors. The ratio is free of units: the
    part of its spread by which I changes while the state moves by its own. Functions that do not vary over the data
    at all, constants among them, have no ratio and are listed apart. The same I must serve all the motions.

    ``tolerance`` is the ratio up to which a quantity counts as conserved. Where the error of estimated velocities
    makes a larger ratio, that rules, and then only a clear gap decides. With n motions at most n laws can be told
    apart; the answer says when that limit was reached.

    Memory is that of one batch of ``batch_size`` samples; cost is one QR of (samples x dimension of the space).

    >>> import numpy as np
    >>> from isotropy.geometry.polynomial import Polynomials
    >>> rng = np.random.default_rng(0)
    >>> spring = Trajectories.from_field(lambda z: np.array([z[1], -z[0]]), rng.normal(size=(50, 2)))
    >>> print(conserve(spring, Polynomials(2, degree=2, variables=("x", "v"))).text[0])
    x^2 + v^2
    """
    if not isinstance(trajectories, Trajectories):
        raise IsotropyError(
            f"`trajectories` must be an isotropy.Trajectories. Got {type(trajectories).__name__}: "
            f"wrap the arrays, Trajectories(t, Z, id=labels)."
        )
    if not isinstance(space, Space):
        raise IsotropyError(f"`space` must be a space of functions. Got {type(space).__name__}: see isotropy.spaces.")
    if space.input_dimension != trajectories.dimension:
        raise IsotropyError(
            f"`space` has functions of {space.input_dimension} variables ({', '.join(space.variables)}), but the "
            f"states have {trajectories.dimension} coordinates: name one variable for each."
        )
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
        raise IsotropyError(f"`tolerance` must be a number from 0 up to 1. Got {tolerance!r}.")
    operators = measure(trajectories, space, batch_size)
    solved = pencil.solve(operators.drift, operators.spread, rows=operators.rows, scale=operators.size)
    decision = _decide(solved, operators, tolerance)
    remarks: list[str] = []
    chosen, reference = solved, operators.spread
    most = trajectories.count - 1
    if decision.nullity >= most:
        # As many laws as motions allow: one more may be hidden because all the motions share its value.
        varying = np.where(np.abs(solved.vectors).max(axis=0, initial=0.0) > 0, operators.values, 0.0)
        about_zero = pencil.solve(operators.drift, varying, rows=operators.rows)
        second = _decide(about_zero, operators, tolerance)
        if second.nullity == decision.nullity + 1 and not _blind(solved, space, operators):
            chosen, reference, decision = about_zero, varying, second
            remarks.append(
                f"{trajectories.count} trajectories show at most {most} quantities that differ between them; one "
                f"combination of the laws below has the same value on all of them, and might be theirs alone"
            )
        elif decision.nullity:
            remarks.append(f"{trajectories.count} trajectories cannot show more than {most} laws: there may be others")
        elif most == 0:
            remarks.append("one trajectory alone: nothing tells a law from a property of this orbit, pass several")
    raw = chosen.vectors[: decision.nullity]
    readable = simplest.laws(chosen, decision.nullity, operators.drift, reference, space)
    samples = trajectories.states[np.linspace(0, len(trajectories) - 1, min(len(trajectories), 200)).astype(int)]
    kinship = simplest.kinship(readable, space, samples, trajectories.states.std(axis=0))
    constant = _constant(solved, space, operators)
    return Laws(
        space=space,
        coefficients=readable.coefficients,
        uncertainty=readable.uncertainty,
        text=tuple(_text(space, c, e) for c, e in zip(readable.coefficients, readable.uncertainty, strict=True)),
        drift=np.array([_ratio(operators.drift, reference, c) for c in readable.coefficients]),
        span=raw,
        independent=kinship.independent,
        dependent=kinship.dependent,
        constant=constant,
        constant_text=tuple(space.describe(c) for c in constant),
        spectrum=chosen.ratios,
        decision=decision,
        trajectories=str(trajectories),
        remarks=tuple(remarks),
        settings={"tolerance": float(tolerance)},
    )


def measure(trajectories: Trajectories, space: Space, batch_size: int | None = None) -> Operators:
    """The rows of values, drift and its error over all samples, folded batch by batch into triangular factors."""
    f, m = space.dimension, trajectories.dimension
    if batch_size is None:
        batch_size = max(1, BATCH_BYTES // (8 * f * (m + 3)))
    elif isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise IsotropyError(f"`batch_size` must be a positive integer. Got {batch_size!r}.")
    clocks = trajectories.clocks()
    if not np.isfinite(clocks).any():
        raise IsotropyError("Nothing moves: all velocities are zero, and everything is conserved by a state at rest.")
    clocks = np.where(np.isfinite(clocks), clocks, 0.0)[:, None]
    values, drift, error = TriangularFactor(f + 1), TriangularFactor(f), TriangularFactor(f)
    squares = np.zeros(f)
    for start in range(0, len(trajectories), batch_size):
        rows = slice(start, start + batch_size)
        points = trajectories.states[rows]
        block, gradients = space.values(points), space.gradients(points)
        _refuse_singular(block, gradients, space, points, start)
        squares += (block**2).sum(axis=0)
        values.add(np.concatenate([np.ones((len(block), 1)), block], axis=1))
        drift.add(clocks[rows] * np.einsum("pfi,pi->pf", gradients, trajectories.velocities[rows]))
        if trajectories.velocity_errors.any():
            error.add(clocks[rows] * np.einsum("pfi,pi->pf", gradients, trajectories.velocity_errors[rows]))
    # The R of [1, F] holds that of F about its mean: drop the first row and column.
    whole = pencil.triangular(values.matrix)
    return Operators(
        whole[:, 1:], whole[1:, 1:], drift.matrix, error.matrix, np.sqrt(squares), len(trajectories)
    )  # fmt: skip


def _decide(solved: pencil.Pencil, operators: Operators, tolerance: float) -> Decision:
    """How many ratios are as small as the tolerance and the error of the velocities allow."""
    ratios = solved.ratios
    floor = solved.floor(len(ratios))
    if len(ratios) == 0:
        return decide(ratios, floor=floor)
    drifts = np.linalg.norm(operators.error @ solved.vectors.T, axis=0) if len(operators.error) else 0 * ratios
    # The error of the candidates' own drift: those that it could hide, and the first that it could not.
    hidden = np.flatnonzero(ratios > CLEAR * np.maximum(drifts, floor))
    last = hidden[0] if len(hidden) else len(ratios) - 1
    noise = float(drifts[: max(last, 1)].max(initial=0.0))
    if noise > tolerance:
        return decide(ratios, floor=floor, noise=noise)
    level = max(tolerance, floor)
    count = int((ratios <= level).sum())
    if count == len(ratios):
        return Decision(count, float("inf"), level, noise, "cannot tell", "everything in the space is constant")
    following = float(ratios[count])
    gap = following / max(float(ratios[count - 1]) if count else level, floor, noise)
    if count == 0:
        reason = f"the smallest drift is {following:.1e} of its spread, above the tolerance {level:.0e}"
        if following - noise <= level:
            return Decision(0, gap, level, noise, "cannot tell", reason + " by less than the error of the velocities")
        return Decision(0, gap, level, noise, "none", reason)
    kept = f"{count} quantities drift by at most {ratios[count - 1]:.1e} of their spread"
    if gap < SEPARATION:
        reason = f"{kept}, but the next, {following:.1e}, stands no clear gap away"
        return Decision(count, gap, level, noise, "cannot tell", reason)
    sure = ratios[count - 1] <= max(floor, noise) and not len(operators.error)
    return Decision(
        count, gap, level, noise, "certain" if sure else "supported", f"{kept}; the next by {following:.1e}"
    )  # fmt: skip


def _blind(solved: pencil.Pencil, space: Space, operators: Operators) -> bool:
    """Whether functions other than 1 vanish on the data: then a value shared by all motions has no unique formula."""
    return len(_constant(solved, space, operators)) > 1


def _constant(solved: pencil.Pencil, space: Space, operators: Operators) -> Float[np.ndarray, "c f"]:
    """What does not vary over the data, the feature 1 itself left out."""
    one = np.array([not factors for factors in space.factors])
    null = np.where(one, 0.0, solved.null)
    present = np.linalg.norm(null * operators.size, axis=1) > 0
    null = null[present]
    return null / np.abs(null).max(axis=1, initial=0.0, keepdims=True) if len(null) else null


def _ratio(drift: np.ndarray, spread: np.ndarray, coefficients: np.ndarray) -> float:
    return float(np.linalg.norm(drift @ coefficients) / np.linalg.norm(spread @ coefficients))


def _text(space: Space, coefficients: np.ndarray, uncertainty: np.ndarray) -> str:
    return space.describe(simplest.rounded(coefficients, uncertainty))


def _refuse_singular(
    values: np.ndarray, gradients: np.ndarray, space: Space, points: np.ndarray, start: int
) -> None:  # fmt: skip
    bad = ~(np.isfinite(values) & np.isfinite(gradients).all(axis=2))
    if bad.any():
        row, feature = (int(k) for k in np.argwhere(bad)[0])
        where = ", ".join(f"{name}={x:g}" for name, x in zip(space.variables, points[row], strict=True))
        raise IsotropyError(
            f"The function {space.names[feature]!r} or its derivative is not finite at sample {start + row} ({where}): "
            f"leave it out of `space`, or the sample out of the data."
        )
