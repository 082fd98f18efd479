"""The operator of a differential equation: xi -> the part of its prolongation normal to the equation in jet space.

A point symmetry maps solutions to solutions. For an equation of full rank with a solution through every point that is
the case iff the prolonged field is tangent to it (Olver, theorem 2.71). A unit vector of the coordinates used here
moves the points of the jet space by one unit on the mean, each coordinate measured by its spread, so a singular value
is the sine of an angle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.motion import VectorFields
from ..numerics.decide import numerical_floor
from ..numerics.spectrum import Spectrum, dense
from .coordinates import JetSpace
from .prolong import Prolongation


class Law(Protocol):
    """A differential equation as a set in jet space: `Equation` as given, `Relations` as found on data."""

    @property
    def space(self) -> JetSpace: ...

    @property
    def count(self) -> int: ...

    @property
    def active(self) -> tuple[int, ...]: ...

    def linearised(
        self, points: Float[np.ndarray, "p N"]
    ) -> tuple[Float[np.ndarray, "p e"], Float[np.ndarray, "p e N"]]:
        """Values and derivatives along all coordinates."""
        ...


def is_linear(law: Law, points: Float[np.ndarray, "p N"]) -> bool:
    """Whether the derivatives along u and its derivatives depend on x alone, at these points."""
    n = len(law.space.independent)
    other = np.concatenate([points[:, :n], np.roll(points[:, n:], 1, axis=0)], axis=1)
    first, second = (law.linearised(place)[1][:, :, n:] for place in (points, other))
    floor = numerical_floor(np.float64, law.space.dimension, float(np.abs(first).max(initial=0.0)))
    return bool(np.abs(first - second).max(initial=0.0) <= floor)


@dataclass(frozen=True)
class JetTangency:
    """One equation, candidates prolonged to points on it, and the scales that make the operator dimensionless.

    ``candidates`` are the fields on (x, u). ``points`` (p, N) lie on the equation; ``velocities`` (p, q, c) are those
    of the coordinates ``moved``, over ``scales`` (c,). ``seen`` (s, q) holds directions that move the points by unit
    size, orthogonally; ``hidden`` (u, q) those that do not move them; ``units`` (q,) the scale of each candidate's
    coefficient.
    """

    candidates: VectorFields
    space: JetSpace
    points: Float[np.ndarray, "p N"]
    moved: tuple[int, ...]
    scales: Float[np.ndarray, " c"]
    velocities: Float[np.ndarray, "p q c"]
    units: Float[np.ndarray, " q"]
    seen: Float[np.ndarray, "s q"]
    hidden: Float[np.ndarray, "u q"]

    @classmethod
    def of(
        cls, law: Law, candidates: VectorFields, points: Float[np.ndarray, "p N"], *, blur: float = 0.0
    ) -> JetTangency:
        """Measure the scales; ``blur`` is the relative size of motions that errors of the points can make up."""
        space = law.space
        moved = tuple(sorted({*range(len(space.base)), *law.active}))
        values = points[:, moved]
        spread, size = values.std(axis=0), np.sqrt(np.mean(values**2, axis=0))
        rounding = numerical_floor(np.float64, len(points), 1.0)
        scales = np.where(spread > rounding * size, spread, np.where(size > 0, size, 1.0))
        velocities = Prolongation(candidates, space)(points, list(moved)) / scales
        motion = velocities.transpose(0, 2, 1).reshape(-1, candidates.dimension) / np.sqrt(len(points))
        length = np.linalg.norm(motion, axis=0)
        units = 1 / np.where(length > 0, length, 1.0)
        spectrum = dense(motion * units)
        floor = max(numerical_floor(np.float64, candidates.dimension * len(moved), 1.0), blur)
        kept = int((spectrum.values > floor * spectrum.values.max(initial=0.0)).sum())
        if kept == 0:
            raise IsotropyError("no candidate moves the points: they are fixed by all of them, or there are none.")
        if len(points) * law.count < kept:
            raise IsotropyError(
                f"{len(points)} points give {len(points) * law.count} equations for the {kept} candidates that "
                f"they can see: take more points, or fewer candidates."
            )
        seen = spectrum.vectors[:kept] / spectrum.values[:kept, None]
        return cls(
            candidates, space, points, moved, scales, velocities, units, seen * units, spectrum.vectors[kept:] * units
        )

    @property
    def action(self) -> Action:
        """The candidates as they move the points (x, u)."""
        return Action.points(self.candidates)

    def at(self, points: Float[np.ndarray, "p N"]) -> JetTangency:
        """The same directions and scales at other points of the jet space."""
        velocities = Prolongation(self.candidates, self.space)(points, list(self.moved)) / self.scales
        return replace(self, points=points, velocities=velocities)

    def rows(self, law: Law) -> Float[np.ndarray, "p e s"]:
        """The parts of the motions normal to the law, for each point and each direction seen."""
        return self._normal(law) @ self.seen.T / np.sqrt(len(self.points))

    def spectra(self, law: Law) -> tuple[Spectrum, Spectrum]:
        """The spectrum from all points, and that from every second one."""
        rows = self.rows(law)
        s = len(self.seen)
        return dense(rows.reshape(-1, s)), dense(np.sqrt(2) * rows[::2].reshape(-1, s))

    def floors(self, law: Law, spectrum: Spectrum) -> Float[np.ndarray, " s"]:
        """What rounding leaves of an exact zero, for each singular vector."""
        # The terms of a row before they cancel, on the mean over the points, for each candidate.
        terms = np.sqrt(np.mean(self._normal(law, sizes=True) ** 2, axis=0))
        sizes = np.abs(spectrum.vectors @ self.seen) @ terms.T
        count = self.candidates.dimension * len(self.moved)
        largest = float(spectrum.values.max(initial=0.0))
        return np.array([numerical_floor(np.float64, count, max(float(size), largest)) for size in sizes.max(axis=1)])

    def _normal(self, law: Law, *, sizes: bool = False) -> np.ndarray:
        """The parts of the candidates' velocities along orthonormal normals, or the sum of the sizes of their terms."""
        slopes = law.linearised(self.points)[1][:, :, self.moved] * self.scales
        normals, velocities = np.linalg.qr(slopes.transpose(0, 2, 1))[0], self.velocities
        if sizes:
            normals, velocities = np.abs(normals), np.abs(velocities)
        return np.einsum("pce,pqc->peq", normals, velocities, optimize=True)
