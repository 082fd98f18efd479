"""The equation that data solve: a leading derivative as a sparse combination of terms in the lower ones.

Both sides are integrated against test functions first, which averages noise out. Terms are dropped one by one, each
time that whose loss costs least, and the shortest equation is kept whose error on test functions left out is within one
standard error of the least (Breiman et al., *Classification and Regression Trees*, 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.space import Space
from ..numerics.decide import decide
from ..numerics.pencil import triangular
from .coordinates import JetSpace
from .field import FieldData

GROUPS = 10
"""Groups of test functions that are left out in turn."""

ROUNDING = 1e4 * float(np.finfo(np.float64).eps)
"""What rounding leaves of relations between derivatives: these multiply it by powers of the frequencies."""

ROWS = 4
"""Test functions for each term, at least."""


@dataclass(frozen=True)
class Relation:
    """``leading`` = sum of ``coefficients`` (f,) times the functions of ``space`` in the jet coordinates ``places``.

    ``residual`` is what it leaves of the leading derivative on test functions left out, as a share of it; ``others``
    counts the relations that hold among the terms themselves on the data, so that they could be added to it.
    """

    leading: int
    places: tuple[int, ...]
    space: Space
    coefficients: Float[np.ndarray, " f"]
    residual: float
    others: int

    def describe(self, jets: JetSpace, *, noise: Any = None) -> str:
        """The equation as a line of text."""
        return f"{jets.names[self.leading]} = {self.space.describe(self.coefficients, noise=noise)}"

    def predict(self, points: Float[np.ndarray, "p N"]) -> Float[np.ndarray, " p"]:
        """The leading derivative that the other coordinates ask for."""
        return self.space.values(points[:, self.places]) @ self.coefficients


@dataclass(frozen=True)
class Relations:
    """Relations for one or several leading derivatives: a law in the jets of ``space``."""

    space: JetSpace
    parts: tuple[Relation, ...]

    @property
    def count(self) -> int:
        """How many equations there are."""
        return len(self.parts)

    @property
    def active(self) -> tuple[int, ...]:
        """The places of the coordinates that the equations read."""
        return tuple(sorted({place for part in self.parts for place in (part.leading, *part.places)}))

    def linearised(
        self, points: Float[np.ndarray, "p N"]
    ) -> tuple[Float[np.ndarray, "p e"], Float[np.ndarray, "p e N"]]:
        """Values and derivatives along all coordinates."""
        values = np.empty((len(points), self.count))
        slopes = np.zeros((len(points), self.count, points.shape[1]))
        for e, part in enumerate(self.parts):
            values[:, e] = points[:, part.leading] - part.predict(points)
            slopes[:, e, part.leading] = 1.0
            gradients = part.space.gradients(points[:, part.places])
            slopes[:, e, part.places] -= np.einsum("pfi,f->pi", gradients, part.coefficients)
        return values, slopes

    def onto(self, points: Float[np.ndarray, "p N"]) -> Float[np.ndarray, "p N"]:
        """The points with their leading derivatives set so that they lie on the equations."""
        result = points.copy()
        for part in self.parts:
            result[:, part.leading] = part.predict(points)
        return result


def fit(
    data: FieldData,
    points: Float[np.ndarray, "p N"],
    leading: int,
    places: tuple[int, ...],
    space: Space,
    *,
    support: np.ndarray | None = None,
) -> Relation:
    """Fit a relation to jets of ``data``; on ``support`` (f,), or on the terms that are needed where it is left out.

    Costs one projection of the terms and, for the choice, small QR factorisations.
    """
    rows = _rows(data, points, leading, places, space)
    size = np.sqrt(np.mean(rows**2, axis=0))
    if size[-1] == 0:
        raise IsotropyError("the leading derivative vanishes on the data: choose another `leading`.")
    alive = size[:-1] > float(np.finfo(np.float64).eps) * len(points) * size.max()
    rows = rows / np.where(size > 0, size, 1.0)
    group = np.random.default_rng(0).permutation(len(rows)) % GROUPS
    factors = [triangular(rows[group == k]) for k in range(GROUPS)]
    counts = [int((group == k).sum()) for k in range(GROUPS)]
    whole = triangular(np.concatenate(factors))
    if support is None:
        support = _needed(whole, factors, counts, alive)
    chosen = np.flatnonzero(support & alive)
    error = float(np.sqrt(np.mean(_errors(factors, counts, chosen))))
    coefficients = np.zeros(len(alive))
    coefficients[chosen] = _solve(whole, chosen)[0] * size[-1] / size[chosen]
    values = np.linalg.svd(whole[:, :-1][:, alive], compute_uv=False)
    others = decide(values, floor=ROUNDING * values.max(initial=0.0)).nullity
    return Relation(leading, places, space, coefficients, error, others)


def left_over(relation: Relation, data: FieldData, points: Float[np.ndarray, "p N"]) -> Float[np.ndarray, " r"]:
    """What the relation leaves of the leading derivative at some jets, on each test function, over its size."""
    rows = _rows(data, points, relation.leading, relation.places, relation.space)
    return (rows[:, -1] - rows[:, :-1] @ relation.coefficients) / np.sqrt(np.mean(rows[:, -1] ** 2))


def _rows(
    data: FieldData, points: np.ndarray, leading: int, places: tuple[int, ...], space: Space
) -> Float[np.ndarray, "r g"]:
    both = np.concatenate([space.values(points[:, places]), points[:, [leading]]], axis=1)
    return data.weak(both, ROWS * both.shape[1])


def _needed(whole: np.ndarray, factors: list[np.ndarray], counts: list[int], alive: np.ndarray) -> np.ndarray:
    """Which terms are kept."""
    path = []
    kept = np.flatnonzero(alive)
    while len(kept):
        path.append((kept, _errors(factors, counts, kept)))
        coefficients, inverse = _solve(whole, kept)
        # What the sum of squares grows by where a term is dropped and the others are fitted again.
        kept = np.delete(kept, int(np.argmin(coefficients**2 / np.sum(inverse**2, axis=1))))
    means = np.array([errors.mean() for _, errors in path])
    best = int(means.argmin())
    allowed = means[best] + path[best][1].std(ddof=1) / np.sqrt(len(factors))
    last = max(k for k in range(len(path)) if means[k] <= allowed)
    support = np.zeros(len(alive), dtype=bool)
    support[path[last][0]] = True
    return support


def _solve(factor: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on some columns for the last one, and the inverse of their triangular factor."""
    q, r = np.linalg.qr(factor[:, kept])
    inverse = np.linalg.pinv(r)
    return inverse @ (q.T @ factor[:, -1]), inverse


def _errors(factors: list[np.ndarray], counts: list[int], kept: np.ndarray) -> np.ndarray:
    """The mean squared error on each block of the fit to the others."""
    found = []
    for k, factor in enumerate(factors):
        others = triangular(np.concatenate(factors[:k] + factors[k + 1 :]))
        coefficients, _ = _solve(others, kept)
        found.append(np.sum((factor[:, kept] @ coefficients - factor[:, -1]) ** 2) / counts[k])
    return np.array(found)
