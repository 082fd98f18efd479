"""The algebra of point symmetries: superposition told apart, and the largest closed part of a truncated span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..geometry.action import Action
from ..geometry.bracket import Span, point_count, span
from ..geometry.motion import VectorFields
from ..geometry.polynomial import Polynomials
from ..numerics.decide import decide, numerical_floor
from ..numerics.spectrum import dense


@dataclass(frozen=True)
class Parts:
    """A span of fields on (x, u) as ``others`` (d, q) and ``superposition`` (k, q), the fields phi(x) along u."""

    others: Float[np.ndarray, "d q"]
    superposition: Float[np.ndarray, "k q"]

    @classmethod
    def of(
        cls,
        candidates: VectorFields,
        found: Float[np.ndarray, "d q"],
        points: Float[np.ndarray, "p b"],
        *,
        independent: int,
        units: Float[np.ndarray, " q"],
    ) -> Parts:
        """Split ``found``; the others are orthogonal to the superposition, coefficients measured in ``units``."""
        if len(found) == 0:
            return cls(found, found)
        values = candidates.space.values(points)
        slopes = candidates.space.gradients(points)[:, :, independent:]
        table = found.reshape(len(found), candidates.base_dimension, -1)
        along = np.einsum("dif,pf->dip", table[:, :independent], values).reshape(len(found), -1)
        change = np.einsum("dif,pfa->dipa", table[:, independent:], slopes).reshape(len(found), -1)
        rest = np.concatenate([along, change], axis=1)
        size = np.linalg.norm(np.einsum("dif,pf->dip", table, values).reshape(len(found), -1), axis=1)
        spectrum = dense((rest / size[:, None]).T)
        largest = max(float(spectrum.values.max(initial=0.0)), 1.0)
        floor = numerical_floor(np.float64, candidates.dimension * len(points), largest)
        null = spectrum.null_vectors(decide(spectrum.values, floor=floor).nullity)
        ideal = (null / size) @ found
        frame = np.linalg.qr((ideal / units).T)[0] if len(ideal) else np.zeros((found.shape[1], 0))
        outside = found / units - (found / units @ frame) @ frame.T
        kept = len(found) - len(ideal)
        others = np.linalg.svd(outside, full_matrices=False)[2][:kept] * units
        return cls(others, ideal)


def algebra_of(
    candidates: VectorFields,
    parts: Parts,
    points: Float[np.ndarray, "p b"],
    *,
    independent: int,
    noise: float,
) -> tuple[Span, bool]:
    """The algebra of a span in parts, and whether it is that of the others alone, superposition divided out.

    A span that closes is named whole. One whose brackets leave the candidates is divided by the superposition, where
    that is an ideal, and the largest closed part is named, of those tried: the fields whose brackets all stay, in the
    whole and, for polynomials, in the fields of each lower degree.
    """
    action = Action.points(candidates)
    whole = np.concatenate([parts.others, parts.superposition])
    none = np.zeros((0, whole.shape[1]))
    answer = span(action, whole, none, points=points, noise=noise)
    if not answer.truncated:
        return answer, False
    pairs = _pairs(points[: point_count(action) // 2], independent)

    def modulo(values: np.ndarray) -> np.ndarray:
        first, second = np.array_split(values, 2, axis=-2)
        kept = [first[..., :independent], second[..., :independent], (second - first)[..., independent:]]
        return np.concatenate(kept, axis=-1).reshape(*values.shape[:-2], -1)

    def largest(spans: Iterable[Span]) -> Span | None:
        named = [(part.algebra.dimension, part) for part in spans if part.algebra is not None]
        return max(named, key=lambda pair: pair[0])[1] if named else None

    best = None
    if len(parts.superposition) and len(parts.others):
        # If the superposition were no ideal, brackets of representatives that differ by it would differ by more.
        mix = np.random.default_rng(0).standard_normal((len(parts.others), len(parts.superposition)))
        others = parts.others + mix @ parts.superposition / np.sqrt(len(parts.superposition))
        best = largest(
            span(action, rows, none, points=pairs, noise=noise, modulo=modulo)
            for rows in _lower_degrees(candidates, parts.others, others)
        )
    divided = best is not None
    if best is None:
        smaller = _lower_degrees(candidates, whole, whole)[1:]
        best = largest([answer, *(span(action, rows, none, points=points, noise=noise) for rows in smaller)])
    if best is None:
        return answer, False
    return Span(best.algebra, answer.residual, True), divided


def _pairs(points: np.ndarray, independent: int) -> np.ndarray:
    """Points twice, the second time with the dependent variables of another: what depends on x alone drops out."""
    other = np.concatenate([points[:, :independent], np.roll(points[:, independent:], 1, axis=0)], axis=1)
    return np.concatenate([points, other])


def _lower_degrees(candidates: VectorFields, rows: np.ndarray, stand_ins: np.ndarray) -> list[np.ndarray]:
    """The stand-ins for all rows, and for polynomials for the parts of their span of each lower degree."""
    found = [stand_ins]
    space = candidates.space
    if not isinstance(space, Polynomials):
        return found
    degrees = np.tile(space.exponents.sum(axis=1), candidates.base_dimension)
    for degree in range(space.degree - 1, 0, -1):
        spectrum = dense(rows[:, degrees > degree].T)
        floor = numerical_floor(np.float64, rows.size, float(np.linalg.norm(rows, ord=2)))
        null = spectrum.null_vectors(decide(spectrum.values, floor=floor).nullity)
        if 0 < len(null) < len(rows):
            found.append(null @ stand_ins)
    return found
