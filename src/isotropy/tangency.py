"""The operator of a set: xi -> the part of X_xi(p) normal to the set at p, as a share of the whole motion.

A set is invariant under the group of xi if every X_xi is tangent to it (Otto2025, section 3.2). A unit vector of the
coordinates used here moves the points by one unit on the mean, so a singular value is the sine of the angle between a
motion and the tangent spaces, and a generator that hardly moves the points is set apart as hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .errors import IsotropyError
from .geometry.action import Action
from .geometry.cloud import BLOCKS, Cloud
from .geometry.sample import Samples
from .geometry.variety import Surface
from .numerics.closure import structure_in, unclosed
from .numerics.decide import CONSISTENT
from .numerics.spectrum import Spectrum, dense


@dataclass(frozen=True)
class Tangency:
    """One cloud, one action, and the scales that make their operator dimensionless.

    ``seen`` (s, q) holds the coefficients of s directions that move the points by unit size, orthogonally; ``hidden``
    (u, q) those that do not move them beyond the uncertainty of where the set lies; ``units`` (q,) the scale of each
    candidate's coefficient.
    """

    cloud: Cloud
    action: Action
    samples: Samples
    units: Float[np.ndarray, " q"]
    seen: Float[np.ndarray, "s q"]
    hidden: Float[np.ndarray, "u q"]

    @classmethod
    def of(cls, cloud: Cloud, action: Action) -> Tangency:
        """Measure the scales. Raises `IsotropyError` where the action is not one on points of that space."""
        if action.fibre_dimension:
            raise IsotropyError(
                f"a cloud of points has no values to act on. Got {action}: use `iso.Action.points(...)` with the group."
            )
        m = cloud.points.shape[1]
        if action.base_dimension != m:
            raise IsotropyError(
                f"the points are in R^{m}, but {action} acts on R^{action.base_dimension}: choose candidates for {m} "
                f"coordinates."
            )
        samples = Samples(cloud.surface.feet, cloud.weights)
        weights = np.sqrt(samples.weights)
        motion = _flat(action.fields(samples.points), weights)
        moved = [_flat(action.fields(again.feet), weights) - motion for again in cloud.refits]
        size = np.linalg.norm(motion, axis=0)
        largest = size.max(initial=0.0)
        # A candidate that only noise moves must not be blown up to the size of the others.
        blind = size <= np.maximum(CONSISTENT * _noise(moved, np.eye(len(size))), cloud.rounding * largest)
        units = 1 / np.where(blind, largest if largest > 0 else 1.0, size)
        spectrum = dense(motion * units)
        noise = _noise([change * units for change in moved], spectrum.vectors)
        floor = np.maximum(CONSISTENT * noise, cloud.rounding * spectrum.values.max(initial=0.0))
        kept = int((spectrum.values > floor).sum())
        if kept == 0:
            raise IsotropyError("no candidate moves the points: they are fixed by all of them, or there are none.")
        seen = spectrum.vectors[:kept] / spectrum.values[:kept, None]
        return cls(cloud, action, samples, units, seen * units, spectrum.vectors[kept:] * units)

    @property
    def settings(self) -> dict[str, Any]:
        """What the answer was computed with."""
        model = self.cloud.model
        return {
            "samples": len(self.cloud.points),
            "dimension": self.action.base_dimension,
            "route": self.cloud.route,
            "degree": model.degree,
            "count": model.count,
            "intrinsic_dimension": self.cloud.dimension,
            "dtype": "float64",
        }

    def floors(self, spectrum: Spectrum) -> Float[np.ndarray, " s"]:
        """What rounding leaves of an exact zero, for each singular vector."""
        # A unit motion may be the difference of larger ones, whose rounding it inherits.
        terms = np.linalg.norm(spectrum.vectors @ self.seen / self.units, axis=1)
        return self.cloud.rounding * np.maximum(terms, 1.0)

    def spectrum(self) -> Spectrum:
        """The spectrum from all points."""
        return dense(self._rows(self.cloud.surface))

    def refits(self) -> list[tuple[Spectrum, Float[np.ndarray, "k s"]]]:
        """For each refit the spectrum and the change of the rows, stretched so that its size is a standard error."""
        rows = self._rows(self.cloud.surface)
        stretch = np.sqrt(BLOCKS - 1)
        changes = [stretch * (self._rows(again) - rows) for again in self.cloud.refits]
        return [(dense(rows + change), change) for change in changes]

    def _rows(self, surface: Surface) -> np.ndarray:
        normal = np.einsum("pij,pqj->pqi", surface.projectors, self.action.fields(surface.feet), optimize=True)
        return _flat(normal, np.sqrt(self.samples.weights)) @ self.seen.T


def clearest(view: Tangency) -> tuple[Cloud, int] | None:
    """The rival estimate of the set whose symmetries stand clearest, and how many: where the data settle on none.

    Only sets to which nothing objects are asked. For each the spectrum is split where it falls most. What the gap
    leaves open (its inverse) and the part of brackets that leaves the span are two measures of the error of a span, and
    their sum is least. It is a choice by the answer, so that nothing may be claimed of it. None where all are refused.
    """
    matrices = view.action.matrices
    bracket = None if matrices is None else structure_in(np.tensordot(view.seen, matrices, 1))
    best: tuple[float, tuple[Cloud, int] | None] = (np.inf, None)
    for rival in view.cloud.rivals:
        # One quadric has the symmetries of quadrics: a set that the points do not fill stands clear without merit.
        if rival.objection:
            continue
        full = dense(view._rows(rival.surface))
        values = np.maximum(full.values, rival.rounding)
        if len(values) < 2:
            break
        kept = 1 + int(np.argmax(values[:-1] / values[1:]))
        open_ = values[kept] / values[kept - 1]
        rows = full.vectors
        if bracket is not None:
            open_ += unclosed(rows[kept:], rows[:kept], bracket)
        if open_ < best[0]:
            best = (float(open_), (rival, len(values) - kept))
    return best[1]


def _flat(fields: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fields (p, q, m) as weighted rows (p m, q)."""
    return (fields * weights[:, None, None]).transpose(0, 2, 1).reshape(-1, fields.shape[1])


def _noise(changes: list[np.ndarray], directions: np.ndarray) -> np.ndarray:
    """The jackknife's standard error of the rows along each of ``directions``."""
    squares = [np.sum((change @ directions.T) ** 2, axis=0) for change in changes]
    return np.sqrt((len(changes) - 1) * np.mean(squares, axis=0))
