"""The operator of one model made dimensionless, so that neither units nor the choice of basis decides a rank.

Rows are divided by the size of F, coordinate by coordinate. Generators are measured by their action on the samples, as
fields on the bundle: a unit vector of `Normalised` coordinates moves the samples by one unit, so a singular value is a
relative defect, and a combination that nearly vanishes on the samples cannot pass for a symmetry. Those that vanish
altogether are set apart as hidden before anything is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from .errors import IsotropyError
from .geometry.action import Action
from .geometry.component import Component
from .geometry.fibre import Linear
from .geometry.restricted import Hull
from .geometry.sample import Samples
from .lie import LieDerivative
from .numerics.decide import numerical_floor
from .numerics.spectrum import Spectrum, TriangularFactor, dense

SIGHT = 1024
"""Samples on which it is first asked which generators can be seen; all are used if some cannot."""

SIZES = 32
"""Samples on which the size of the terms of L before they cancel is measured."""


class View(Protocol):
    """What `discover` reads of an operator: directions ``seen`` and ``hidden``, its spectrum, and its errors.

    An action with a method ``look(model, samples)`` that returns one brings its own operator, as fields do.
    """

    @property
    def action(self) -> Action: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def units(self) -> Float[np.ndarray, " q"]: ...
    @property
    def seen(self) -> Float[np.ndarray, "s q"]: ...
    @property
    def hidden(self) -> Float[np.ndarray, "u q"]: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    def floors(self, spectrum: Spectrum) -> Float[np.ndarray, " s"]: ...
    def spectrum(self) -> Spectrum: ...
    def refits(self) -> list[tuple[Spectrum, Float[np.ndarray, "k s"]]]: ...
    def objection(self, spectrum: Spectrum, *, tolerance: float) -> str: ...
    def element(self, component: Component, *, tolerance: float, level: float) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Normalised:
    """One model, one action, one set of samples, and the scales that make their operator dimensionless.

    ``seen`` (s, q) holds the coefficients of s directions that act on the samples with unit size, orthogonally;
    ``hidden`` (u, q) those that do not act at all; ``units`` (q,) the scale of each candidate's coefficient.
    ``terms`` (p, n, q) are the sizes of the operator's terms on a few samples, before they cancel.
    """

    operator: LieDerivative
    row_scale: Float[np.ndarray, " n"]
    units: Float[np.ndarray, " q"]
    seen: Float[np.ndarray, "s q"]
    hidden: Float[np.ndarray, "u q"]
    terms: Float[np.ndarray, "p n q"]

    @property
    def action(self) -> Action:
        """The candidates."""
        return self.operator.action

    @property
    def samples(self) -> Samples:
        """Where the model is looked at."""
        return self.operator.samples

    @property
    def settings(self) -> dict[str, Any]:
        """What the answer was computed with."""
        return {
            "samples": len(self.samples),
            "dimension": self.samples.dimension,
            "dtype": str(self.operator.dtype),
            "mode": self.operator.mode,
            "batch_size": self.operator.batch_size,
        }

    @classmethod
    def of(
        cls,
        model: Any,
        action: Action,
        samples: Samples,
        *,
        batch_size: int | None = None,
        hull: Hull | None = None,
    ) -> Normalised:
        """Measure the scales. ``hull`` is the flat set on which alone the model is known: what leaves it is hidden.

        Raises `IsotropyError` for a model that ignores its input and for too few samples.
        """
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
        few = operator if len(samples) <= SIGHT else operator.subset(_spread(len(samples), SIGHT))
        units, seen, hidden = _sight(few, row_scale, hull)
        if len(hidden) and few is not operator:
            units, seen, hidden = _sight(operator, row_scale, hull)
        rows = len(samples) * action.fibre_dimension
        if rows < len(seen):
            needed = -(-len(seen) // action.fibre_dimension)
            raise IsotropyError(
                f"{len(samples)} samples give {rows} equations for the {len(seen)} candidate generators that they "
                f"can see: take at least {2 * needed} samples."
            )
        return cls(operator, row_scale, units, seen, hidden, terms * row_scale[:, None])

    def floors(self, spectrum: Spectrum) -> Float[np.ndarray, " s"]:
        """What rounding leaves of an exact zero, in the rows and in their decomposition, for each singular vector."""
        action = self.operator.action
        count = action.base_dimension + action.fibre_dimension + action.dimension
        sizes = np.abs(spectrum.vectors @ self.seen) @ self.terms.reshape(-1, action.dimension).T
        scales = np.sqrt(np.sum(sizes**2, axis=1) / max(len(self.terms), 1))
        largest = float(spectrum.values.max(initial=0.0))
        return np.array([numerical_floor(self.operator.dtype, count, max(float(scale), largest)) for scale in scales])

    def spectra(self) -> tuple[Spectrum, Spectrum]:
        """The spectrum of all rows, and that of every second sample's."""
        s = len(self.seen)
        even, odd = TriangularFactor(s), TriangularFactor(s)
        for rows in self._rows(self.operator):
            even.add(rows[0::2].reshape(-1, s))
            odd.add(rows[1::2].reshape(-1, s))
        samples = len(self.operator.samples)
        half = even.spectrum(scale=np.full(s, np.sqrt(samples / -(-samples // 2))))
        even.add(odd.matrix)
        return replace(even.spectrum(), rows=samples * len(self.row_scale)), half

    def refits(self, models: Sequence[Any]) -> list[tuple[Spectrum, Float[np.ndarray, "k s"]]]:
        """The spectra of other models in the same coordinates, and the triangular factors of their differences."""
        s = len(self.seen)
        factors = [TriangularFactor(2 * s) for _ in models]
        others = [self._rows(replace(self.operator, model=model)) for model in models]
        for rows, *again in zip(self._rows(self.operator), *others, strict=True):
            for factor, moved in zip(factors, again, strict=True):
                factor.add(np.concatenate([rows, moved], axis=2).reshape(-1, 2 * s))
        parts = [(factor.matrix[:, :s], factor.matrix[:, s:]) for factor in factors]
        return [(dense(second), second - first) for first, second in parts]

    def _rows(self, operator: LieDerivative) -> Any:
        q, n = operator.action.dimension, len(self.row_scale)
        for block in operator.blocks():
            yield (block.reshape(-1, n, q) * self.row_scale[:, None]) @ self.seen.T


def _spread(size: int, count: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, count).astype(int))


def _sight(
    operator: LieDerivative, row_scale: np.ndarray, hull: Hull | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales of the candidates' coefficients, and the directions that the samples see and do not see.

    A candidate that takes points off the ``hull`` needs a derivative that nobody has measured. Those that do not are a
    subspace; its complement is not seen.
    """
    points = np.asarray(operator.samples.points, dtype=np.float64)
    length = np.sqrt(operator.samples.weights @ points**2)
    length = np.where(length > 0, length, 1.0)
    factor = TriangularFactor(operator.action.dimension)
    leaving = TriangularFactor(operator.action.dimension)
    for start, fields, value, fibre in operator.values():
        weights = np.sqrt(operator.samples.weights[start : start + len(value)])[:, None, None]
        factor.add(((fields / length) * weights).transpose(0, 2, 1).reshape(-1, factor.columns))
        factor.add(((fibre * row_scale) * weights).transpose(0, 2, 1).reshape(-1, factor.columns))
        if hull is not None and not hull.whole:
            off = (fields @ hull.outside / length) * weights
            leaving.add(off.transpose(0, 2, 1).reshape(-1, factor.columns))
    size = np.linalg.norm(factor.matrix, axis=0)
    units = 1 / np.where(size > 0, size, 1.0)
    # Coordinates with units taken out; of them those that keep the points where the model is known.
    away = leaving.spectrum(scale=units)
    moves = numerical_floor(operator.dtype, factor.columns, float(np.linalg.norm(factor.matrix * units, ord=2)))
    kept = away.vectors[int((away.values > moves).sum()) :]
    inside = dense(factor.matrix * units @ kept.T)
    floor = numerical_floor(operator.dtype, factor.columns, inside.values.max(initial=0.0))
    count = int((inside.values > floor).sum())
    seen = inside.vectors[:count] @ kept
    hidden = inside.vectors[count:] @ kept
    if len(kept) < factor.columns:
        hidden = np.linalg.svd(seen)[2][count:]
    return units, seen / inside.values[:count, None] * units, hidden * units
