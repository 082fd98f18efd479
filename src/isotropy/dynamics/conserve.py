"""What a motion conserves: functions I with DI(x) V(x) = 0 along trajectories, found as drift against spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.space import Space
from ..numerics import pencil
from ..numerics.decide import SEPARATION, Decision
from ..numerics.sparse import sparse_basis
from ..numerics.spectrum import TriangularFactor
from ..results.laws import Laws
from . import simplest
from .integrated import TOLERANCE as OVER_RECORD
from .integrated import integrated
from .trajectories import Trajectories

TOLERANCE = 1e-4
"""Relative drift up to which a quantity counts as conserved unless the caller says otherwise: an equivalence margin.

No finite amount of data shows a drift of exactly zero, and nature perturbs every idealised law a little.
"""

HARDLY = float(np.sqrt(np.finfo(np.float64).eps))
"""Relative spread below which a combination of functions counts as constant over the data: half of all digits.

States printed to a few digits or integrated by an ODE solver are seldom known better.
"""

LAWLIKE = 0.1
"""A law drifts by less than this share of what a typical function of the space does, whatever the noise."""

CLEARLY = 3.0
"""A drift this many times the error of the velocities is no zero."""

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
    trajectories: Trajectories,
    space: Space,
    *,
    tolerance: float | None = None,
    batch_size: int | None = None,
    level: float = 0.05,
    how: str | None = None,
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

    All this is for states that are known well (``how="rates"``). Where they were measured with noise, so that
    velocities had to be smoothed, the law is sought in integrated form instead (``how="integrated"``): the drift of I
    is then its standard deviation along a motion over the whole record, no velocity is used, and noise is taken off
    (`isotropy.dynamics.halves`). ``level`` is the chance allowed to claim a function whose drift along these motions
    exceeds ``tolerance``, every law has an upper bound on its drift, and the verdict is ``certain`` where the noise and
    the drift together are below the tolerance. By default ``tolerance`` is 1e-4 for rates and 0.05 over records.

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
    if how not in (None, "rates", "integrated"):
        raise IsotropyError(f"`how` must be 'rates', 'integrated' or None for a choice by the data. Got {how!r}.")
    if how is None:
        how = "integrated" if trajectories.noisy else "rates"
    if tolerance is None:
        tolerance = TOLERANCE if how == "rates" else OVER_RECORD
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 0.2:
        raise IsotropyError(f"`level` must be a chance above 0 and below 0.2. Got {level!r}.")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
        raise IsotropyError(f"`tolerance` must be a number from 0 up to 1. Got {tolerance!r}.")
    if len(trajectories) <= space.dimension:
        raise IsotropyError(
            f"{len(trajectories)} sample(s) cannot show which of {space.dimension} functions are conserved: pass more "
            f"samples than functions, or a smaller space."
        )
    if how == "integrated":
        if trajectories.record is None:
            raise IsotropyError(
                "Laws in integrated form need states as they were measured: leave `velocities` out of the trajectories."
            )
        return integrated(trajectories.record, space, tolerance=float(tolerance), level=float(level))
    operators = measure(trajectories, space, batch_size)
    solved = pencil.solve(operators.drift, operators.spread, rows=operators.rows, scale=operators.size, cut=HARDLY)
    decision = _decide(solved, operators, tolerance)
    constant = _constant(solved, space)
    remarks: list[str] = []
    chosen, reference = solved, operators.spread
    most = trajectories.count - 1
    if decision.nullity >= most:
        # As many laws as motions allow: one more may be hidden because all the motions share its value.
        varying = np.where(np.abs(solved.vectors).max(axis=0, initial=0.0) > 0, operators.values, 0.0)
        about_zero = pencil.solve(operators.drift, varying, rows=operators.rows, cut=HARDLY)
        second = _decide(about_zero, operators, tolerance)
        if second.nullity == decision.nullity + 1 and len(constant) <= 1:
            chosen, reference, decision, constant = about_zero, varying, second, constant[:0]
            remarks.append(
                f"{trajectories.count} trajectories show at most {most} quantities that differ between them; one "
                f"combination of these laws has the same value on all of them, and might be theirs alone"
                if most
                else "one trajectory alone: the law may be a property of this orbit, pass several to tell"
            )
        elif most:
            remarks.append(f"{trajectories.count} trajectories cannot show more than {most} laws: there may be others")
        else:
            remarks.append("one trajectory alone: nothing tells a law from a property of this orbit, pass several")
    if len(trajectories) < 2 * space.dimension:
        remarks.append(f"{len(trajectories)} samples are few for {space.dimension} functions: more would be surer")
    raw = chosen.vectors[: decision.nullity]
    found = simplest.laws(chosen, decision.nullity, operators.drift, reference, space)
    samples = trajectories.states[np.linspace(0, len(trajectories) - 1, min(len(trajectories), 200)).astype(int)]
    kinship = simplest.kinship(found, space, samples, trajectories.states.std(axis=0))
    return Laws(
        space=space,
        coefficients=found.coefficients,
        uncertainty=found.uncertainty,
        text=tuple(_text(space, c, e) for c, e in zip(found.coefficients, found.uncertainty, strict=True)),
        drift=np.array([_ratio(operators.drift, reference, c) for c in found.coefficients]),
        span=raw,
        independent=kinship.independent,
        dependent=kinship.dependent,
        constant=constant,
        constant_text=tuple(space.describe(c, noise=HARDLY) for c in constant),
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
    whole = np.asarray(np.linalg.qr(values.matrix, mode="r"))
    return Operators(
        whole[:, 1:], whole[1:, 1:], drift.matrix, error.matrix, np.sqrt(squares), len(trajectories)
    )  # fmt: skip


def _decide(solved: pencil.Pencil, operators: Operators, tolerance: float) -> Decision:
    """How many ratios are as small as the tolerance and the error of the velocities allow.

    Each ratio is compared with the drift that the error of the velocities alone would give to the same function.
    Below the tolerance, or below that drift, it may be zero; several times above both, it is not.
    """
    ratios = solved.ratios
    floor = solved.floor(len(ratios))
    if len(ratios) == 0:
        return Decision(0, float("inf"), floor, 0.0, "none", "no function of the space varies over the data")
    errors = (
        np.linalg.norm(operators.error @ solved.vectors.T, axis=0) if len(operators.error) else np.zeros_like(ratios)
    )
    level = max(tolerance, floor)
    # Where most of the space may be conserved, what is typical is seen on those functions that clearly drift.
    clear = ratios > np.maximum(level, CLEARLY * errors)
    middle = len(ratios) // 2
    typical = float(np.median(ratios[clear] if clear.any() and not clear[middle] else ratios))
    # A function whose error is as large as a typical drift varies too little over these data to be judged.
    lawlike = (ratios <= np.maximum(level, CLEARLY * errors)) & (ratios <= LAWLIKE * typical) & (errors < typical)
    count = len(ratios) if lawlike.all() else int(np.argmin(lawlike))
    noise = float(errors[:count].max(initial=0.0) if count else errors[0])
    if count == len(ratios):
        return Decision(count, float("inf"), level, noise, "cannot tell", "every function in the space hardly drifts")
    following, error = float(ratios[count]), float(errors[count])
    largest = float(ratios[count - 1]) if count else level
    gap = following / max(largest, floor)
    said = f"the next drifts by {following:.1e} of its spread" if count else (
        f"the smallest drift is {following:.1e} of its spread, where {level:.0e} is allowed"
    )  # fmt: skip
    # Next to laws that are found, a function that could as well be noise is one that hardly varies, not a near law.
    if 0 < following <= CLEARLY * error and (count == 0 or following <= LAWLIKE * typical):
        reason = f"{said}, and the error of the velocities could make up to {error:.1e} of that"
        return Decision(count, gap, level, noise, "cannot tell", reason)
    if count == 0:
        return Decision(0, gap, level, noise, "none", said)
    reason = f"{count} functions drift by at most {largest:.1e} of their spread; {said}"
    if gap < SEPARATION:
        return Decision(count, gap, level, noise, "cannot tell", reason + ": no clear gap")
    sure = "certain" if largest <= floor and not len(operators.error) else "supported"
    return Decision(count, gap, level, noise, sure, reason)


def _constant(solved: pencil.Pencil, space: Space) -> Float[np.ndarray, "c f"]:
    """What does not vary over the data, in readable form; the feature 1 itself, which never varies, left out."""
    null = np.where([not factors for factors in space.factors], 0.0, solved.null)
    null = null[np.abs(null).max(axis=1, initial=0.0) > 0]
    return sparse_basis(null, noise=HARDLY) if len(null) else null


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
