"""Discover: given a model F, every candidate generator xi with L(xi, F) = 0, and an honest count of them.

Source: Otto2025, section 5. The rows of L are normalised by the size of F and the columns by the size of each
generator's action on the samples, so that units do not decide the rank; generators that vanish on every sample are set
apart as unseen before anything is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from . import version
from .errors import IsotropyError
from .geometry.action import Action
from .geometry.bracket import span
from .geometry.data import Data
from .geometry.fibre import Linear
from .geometry.motion import Affine
from .geometry.sample import Samples
from .lie import LieDerivative
from .numerics import readable
from .numerics.decide import Decision, closes, decide, numerical_floor
from .numerics.spectrum import Spectrum, TriangularFactor
from .results.discovery import Discovery, Unseen

SIGHT = 1024
"""Samples on which it is first asked which generators can be seen; all are used if some cannot."""

SIZES = 32
"""Samples on which the size of the terms of L before they cancel is measured."""


def discover(model: Any, action: Action, samples: Samples | None = None, *, batch_size: int | None = None) -> Discovery:
    """Find every candidate generator that leaves ``model`` unchanged.

    ``model`` is a function of one point (JAX traceable: a plain function, an Equinox module, a right-hand side, a
    tensor field) looked at on ``samples``, or `Data` with pairs, whose own points are used. ``action`` says how the
    candidates move inputs and outputs. ``batch_size`` bounds memory: samples per batch, chosen by default.

    Returns a `Discovery`. Raises `IsotropyError` for a model that JAX cannot differentiate or that gives NaN (with the
    sample), that ignores its input, whose shapes do not fit the action, and for too few samples to count on.

    Cost: one pass of the Jacobian of ``model`` over the samples and a QR of its rows. Memory does not grow with the
    number of samples.

    >>> from isotropy import groups
    >>> found = discover(lambda x: x[0]**2 + x[1]**2 + 3*x[2], Action(groups.Aff(3)), Samples.normal(200, 3, seed=0))
    >>> found.dimension, found.algebra.name, found.decision.verdict
    (3, 'se(2)', 'certain')
    """
    if not isinstance(action, Action):
        raise IsotropyError(
            f"`action` says how the candidates act. Got {type(action).__name__}: "
            f"pass for example `iso.Action(groups.GL(3))`."
        )
    if isinstance(model, Data):
        if samples is not None:
            raise IsotropyError("`Data` brings its own samples: leave out the third argument.")
        return _from_data(model, action, batch_size)
    if not isinstance(samples, Samples):
        raise IsotropyError(
            f"`samples` are the points at which `model` is looked at. Got {type(samples).__name__}: "
            f"pass `iso.Samples(points)` or `iso.Samples.normal(200, {action.base_dimension}, seed=0)`."
        )
    view = _View.of(model, action, samples, batch_size)
    full, half = view.spectra()
    floor = view.floor()
    decision = decide(full.values, floor=floor)
    if decision.nullity and int((half.values <= floor).sum()) > decision.nullity:
        decision = replace(
            decision,
            verdict="cannot tell",
            reason="half of the samples allow more generators than all of them do, so the rank has not settled: "
            "take more samples",
        )
    return _answer(view, full, decision)


def _from_data(data: Data, action: Action, batch_size: int | None) -> Discovery:
    """Discover on a fit to pairs: the statistical floor is how far the operator moves between independent refits."""
    view = _View.of(data.section, action, data.samples, batch_size)
    full, _ = view.spectra()
    moved = [view.moved(refit) for refit in data.refits]
    noise = float(np.sqrt(np.mean(np.square(moved)))) if moved else 0.0
    decision = decide(full.values, floor=view.floor(), noise=noise)
    if not data.explained:
        decision = replace(
            decision,
            verdict="cannot tell",
            reason=f"the fit leaves {data.relative_error:.1%} of the outputs unexplained, and a model too small "
            f"is more symmetric than the truth: give a larger `space`",
        )
    remark = f"fit: {data.describe()}"
    return _answer(view, full, decision, remarks=(remark,))


@dataclass(frozen=True)
class _View:
    """One model, one action, one set of samples, and the scales that make their operator dimensionless."""

    operator: LieDerivative
    row_scale: Float[np.ndarray, " n"]
    column_scale: Float[np.ndarray, " q"]
    seen: Float[np.ndarray, "s q"]
    hidden: Float[np.ndarray, "u q"]
    magnitude: float

    @classmethod
    def of(cls, model: Any, action: Action, samples: Samples, batch_size: int | None) -> _View:
        operator = LieDerivative.of(model, action, samples, batch_size=batch_size)
        moved, fixed = operator.magnitudes(count=SIZES)
        if not moved.any() and isinstance(action.value_motion, Linear):
            raise IsotropyError(
                "`model` does not depend on its input at the samples, so every candidate leaves it unchanged: "
                "check that the function uses its argument."
            )
        terms = moved + fixed
        sizes = np.sqrt(np.mean(terms**2, axis=(0, 2)))
        row_scale = 1 / np.where(sizes > 0, sizes, 1.0)
        few = samples if len(samples) <= SIGHT else _subset(samples, SIGHT)
        column_scale, seen, hidden = _sight(replace(operator, samples=few), row_scale)
        if len(hidden) and few is not samples:
            column_scale, seen, hidden = _sight(operator, row_scale)
        rows = len(samples) * action.fibre_dimension
        if rows < len(seen):
            needed = -(-len(seen) // action.fibre_dimension)
            raise IsotropyError(
                f"{len(samples)} samples give {rows} equations for the {len(seen)} candidate generators that they "
                f"can see: take at least {2 * needed} samples."
            )
        scaled = terms * row_scale[:, None] * column_scale
        magnitude = float(np.sqrt(np.sum(scaled**2) / len(scaled)))
        return cls(operator, row_scale, column_scale, seen, hidden, magnitude)

    def floor(self) -> float:
        action = self.operator.action
        terms = action.base_dimension + action.fibre_dimension + action.dimension
        return numerical_floor(self.operator.dtype, terms, self.magnitude)

    def spectra(self) -> tuple[Spectrum, Spectrum]:
        """The spectrum of all rows, and of every second sample's."""
        q, n = len(self.seen), len(self.row_scale)
        even, odd = TriangularFactor(q), TriangularFactor(q)
        project = (self.seen * self.column_scale).T
        for block in self.operator.blocks():
            rows = (block.reshape(-1, n, len(self.column_scale)) * self.row_scale[:, None]) @ project
            even.add(rows[0::2].reshape(-1, q))
            odd.add(rows[1::2].reshape(-1, q))
        share = len(self.operator.samples) / max(-(-len(self.operator.samples) // 2), 1)
        half = even.spectrum(scale=np.full(q, np.sqrt(share)))
        even.add(odd.matrix)
        return replace(even.spectrum(), rows=len(self.operator.samples) * n), half

    def moved(self, other: Any) -> float:
        """The largest singular value of the difference between this operator and that of another model."""
        q, n = len(self.seen), len(self.row_scale)
        project = (self.seen * self.column_scale).T
        factor = TriangularFactor(q)
        second = replace(self.operator, model=other)
        for block, again in zip(self.operator.blocks(), second.blocks(), strict=True):
            rows = ((block - again).reshape(-1, n, len(self.column_scale)) * self.row_scale[:, None]) @ project
            factor.add(rows.reshape(-1, q))
        return float(factor.spectrum().values.max(initial=0.0))


def _subset(samples: Samples, count: int) -> Samples:
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).astype(int))
    return Samples(samples.points[chosen], samples.weights[chosen])


def _sight(operator: LieDerivative, row_scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column scales, and orthonormal rows spanning the seen and the unseen candidates in scaled coordinates."""
    points = np.asarray(operator.samples.points, dtype=np.float64)
    length = np.sqrt(operator.samples.weights @ points**2)
    length = np.where(length > 0, length, 1.0)
    factor = TriangularFactor(operator.action.dimension)
    for start, _, fields, fibre in operator.values():
        weights = np.sqrt(operator.samples.weights[start : start + len(fields)])[:, None, None]
        factor.add(((fields / length) * weights).transpose(0, 2, 1).reshape(-1, factor.columns))
        factor.add(((fibre * row_scale) * weights).transpose(0, 2, 1).reshape(-1, factor.columns))
    size = np.linalg.norm(factor.matrix, axis=0)
    column_scale = 1 / np.where(size > 0, size, 1.0)
    spectrum = factor.spectrum(scale=column_scale)
    floor = numerical_floor(operator.dtype, factor.columns, spectrum.values.max(initial=0.0))
    hidden = int((spectrum.values <= floor).sum())
    kept = len(spectrum.values) - hidden
    return column_scale, spectrum.vectors[:kept], spectrum.vectors[kept:]


def _answer(view: _View, full: Spectrum, decision: Decision, *, remarks: tuple[str, ...] = ()) -> Discovery:
    action, samples = view.operator.action, view.operator.samples
    directions = full.null_vectors(decision.nullity) @ view.seen
    noise = max(float(np.finfo(np.float64).eps) * action.dimension, _angle(full.values, decision))
    units = view.column_scale
    found = readable.sparse_basis(directions * units, noise, scale=units)
    found = np.array([action.upright(row) for row in found]).reshape(found.shape)
    hidden = readable.sparse_basis(view.hidden * units, noise, scale=units)
    algebra = span(action, found, hidden, points=samples.points, noise=noise)
    if algebra.algebra is None and decision.nullity:
        decision = replace(
            decision,
            verdict="cannot tell",
            reason="the generators do not close under the bracket, so they are not all symmetries or some are missing",
        )
    project = view.seen.T
    scaled = (found / view.column_scale) @ project
    defects = np.linalg.norm(scaled @ full.vectors.T * full.values, axis=1) / np.linalg.norm(scaled, axis=1)
    return Discovery(
        candidates=action.dimension,
        coefficients=found,
        generators=action.generators(found),
        generator_text=_words(action, found, noise, units),
        terms=tuple(action.terms(row) for row in found),
        variables=action.variables + action.outputs,
        spectrum=full.values,
        defects=defects,
        decision=decision,
        unseen=Unseen(hidden, _words(action, hidden, noise, units)),
        algebra=algebra.algebra,
        closure=algebra.residual,
        truncated=algebra.truncated,
        action=action.text,
        noise=noise,
        remarks=remarks + _scaling_law(action, found, noise),
        settings={
            "samples": len(samples),
            "dimension": samples.dimension,
            "dtype": str(view.operator.dtype),
            "mode": view.operator.mode,
            "batch_size": view.operator.batch_size,
            "isotropy": version.VERSION,
        },
    )


def _words(action: Action, rows: np.ndarray, noise: float, units: np.ndarray) -> tuple[str, ...]:
    sizes = np.linalg.norm(rows / units, axis=1)
    return tuple(action.describe(row, noise=noise * size * units) for row, size in zip(rows, sizes, strict=True))


def _angle(values: np.ndarray, decision: Decision) -> float:
    """How far the null space may be turned: the size of a zero against the smallest value kept."""
    kept = values[: len(values) - decision.nullity]
    return float(decision.floor / kept[-1]) if len(kept) and kept[-1] > 0 else 0.0


def _scaling_law(action: Action, found: np.ndarray, noise: float) -> tuple[str, ...]:
    """Says x -> s x, u -> s^p u where the span holds it, with what it means for the periods of a motion."""
    if not action.splits_inputs_from_outputs or not isinstance(action.motion, Affine) or len(found) == 0:
        return ()
    if not isinstance(action.value_motion, Linear):
        return ()
    base = np.concatenate([action.motion.matrices, action.motion.offsets[:, :, None]], axis=2)
    fibre = np.concatenate([action.value_motion.matrices, action.value_motion.offsets[:, :, None]], axis=2)
    m, n = action.base_dimension, action.fibre_dimension
    columns = np.concatenate(
        [
            np.tensordot(found, base, 1).reshape(len(found), -1),
            np.tensordot(found, fibre, 1).reshape(len(found), -1),
        ],
        axis=1,
    )
    power = np.concatenate([np.zeros(m * (m + 1)), -np.eye(n, n + 1).ravel()])
    target = np.concatenate([np.eye(m, m + 1).ravel(), np.zeros(n * (n + 1))])
    matrix = np.concatenate([columns, power[None]]).T
    solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    residual = np.linalg.norm(matrix @ solution - target) / np.linalg.norm(target)
    p = float(solution[-1])
    if not closes(float(residual), noise=noise, size=action.dimension):
        return ()
    inside, outside = ", ".join(action.variables), ", ".join(action.outputs)
    exponent = readable.format_number((1 - p) / 2, noise=noise * action.dimension)
    shown = readable.format_number(p, noise=noise * action.dimension)
    return (
        f"scaling law: ({inside}) → s ({inside}) takes ({outside}) → s^p ({outside}) with p = {shown}; if these are "
        f"positions and accelerations, period ~ s^((1−p)/2) = s^({exponent})",
    )
