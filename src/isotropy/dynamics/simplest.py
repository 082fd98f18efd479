"""The simplest functions that span what was found: few features each, and which of them follow from the others.

A basis fresh from a singular value problem mixes everything, and on data each vector also carries whatever hardly
varies there. So sparse directions are first proposed by linear programs (least sum of absolute contributions with
one feature's coefficient fixed), then refitted: features are dropped while what remains is conserved as well as the
whole basis is.

Source: S. Boyd, L. Vandenberghe, *Convex Optimization*, §6.5.4 (sparse descriptions by least absolute values).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from ..geometry.polynomial import Polynomials
from ..geometry.space import Space
from ..numerics import pencil, readable
from ..numerics.decide import SEPARATION

SLACK = 3.0
"""A simpler law may drift this many times as much as the worst direction of the basis it stands for."""

PROPOSALS = 60
"""Features tried, most telling first, as the one whose coefficient a linear program fixes."""

GENERIC = 0.75
"""Laws depend on one another if their gradients do at this share of the samples."""


@dataclass(frozen=True)
class Readable:
    """Laws (k, f) in readable form and the uncertainty (k, f) of each coefficient."""

    coefficients: Float[np.ndarray, "k f"]
    uncertainty: Float[np.ndarray, "k f"]


@dataclass(frozen=True)
class _Fit:
    """A law (f,), the error of each coefficient, and the angle by which what drifts may have turned it."""

    coefficients: np.ndarray
    error: np.ndarray
    turn: float


@dataclass(frozen=True)
class Kinship:
    """Positions of functionally independent laws, and for each other one (position, those it depends on, formula)."""

    independent: tuple[int, ...]
    dependent: tuple[tuple[int, tuple[int, ...], str], ...]


def laws(solved: pencil.Pencil, count: int, drift: np.ndarray, spread: np.ndarray, space: Space) -> Readable:
    """A basis of few-term functions for the span of the first ``count`` vectors of ``solved``, simplest first.

    ``drift`` and ``spread`` are the triangular factors of which ``solved`` is the pencil.
    """
    raw, f = solved.vectors[:count], space.dimension
    if count == 0:
        return Readable(np.zeros((0, f)), np.zeros((0, f)))
    accept = SLACK * max(float(solved.ratios[count - 1]), solved.floor(f))
    weight = np.linalg.norm(spread, axis=0)
    found: dict[tuple[int, ...], _Fit] = {}
    scaled = np.linalg.qr((raw * weight).T)[0]
    leverage = np.linalg.norm(scaled, axis=1)
    for feature in np.argsort(-leverage)[:PROPOSALS]:
        if leverage[feature] <= np.sqrt(np.finfo(np.float64).eps):
            break
        proposal = np.divide(_sparse(scaled, int(feature)), weight, out=np.zeros(f), where=weight > 0)
        support = _shrink(proposal * weight, drift, spread, accept)
        if support is not None and support not in found:
            found[support] = _fitted(support, drift, spread, f)
    ranked = sorted(found, key=lambda s: (max(degree(space.factors[j]) for j in s), len(s), s))
    basis = np.zeros((0, len(spread)))
    blur = np.sqrt(np.finfo(np.float64).eps)
    chosen: list[_Fit] = []
    for fit in [*(found[support] for support in ranked), *(_Fit(c, np.zeros(f), 0.0) for c in raw)]:
        direction = spread @ fit.coefficients
        trial = np.concatenate([basis, (direction / np.linalg.norm(direction))[None]])
        # Laws may be turned towards one another by what still drifts: closer together than that, they are one.
        if np.linalg.svd(trial, compute_uv=False)[-1] > max(blur, SLACK * fit.turn):
            basis, blur = trial, max(blur, SLACK * fit.turn)
            chosen.append(fit)
        if len(chosen) == count:
            break
    scaled_fits = [_normalised(fit.coefficients, fit.error) for fit in chosen]
    return Readable(np.array([c for c, _ in scaled_fits]), np.array([e for _, e in scaled_fits]))


def kinship(found: Readable, space: Space, points: Float[np.ndarray, "p m"], scale: np.ndarray) -> Kinship:
    """Which laws are functions of simpler ones, by the rank of their gradients at the ``points``.

    Laws that depend on one another have dependent gradients everywhere; independent ones only at special points.
    """
    if len(found.coefficients) == 0:
        return Kinship((), ())
    gradients = np.einsum("kf,pfi->pki", found.coefficients, space.gradients(points)) * scale
    sizes = np.linalg.norm(gradients, axis=2, keepdims=True)
    gradients = np.divide(gradients, sizes, out=np.zeros_like(gradients), where=sizes > 0)
    relative = np.abs(found.uncertainty).max(axis=1) / np.abs(found.coefficients).max(axis=1)
    blur = max(float(relative.max()), np.finfo(np.float64).eps * space.dimension)
    tolerance = min(SEPARATION * blur, 0.1)

    def independent(positions: list[int]) -> bool:
        if len(positions) > gradients.shape[2]:
            return False
        smallest = np.linalg.svd(gradients[:, positions], compute_uv=False)[:, -1]
        return float(np.quantile(smallest, GENERIC)) > tolerance

    basis: list[int] = []
    dependent = []
    for law in range(len(found.coefficients)):
        if independent([*basis, law]):
            basis.append(law)
            continue
        parents = list(basis)
        for other in basis:
            fewer = [k for k in parents if k != other]
            if not independent([*fewer, law]):
                parents = fewer
        dependent.append((law, tuple(parents), _formula(found, space, points, law, parents, tolerance)))
    return Kinship(tuple(basis), tuple(dependent))


def degree(factors: tuple[tuple[str, int], ...]) -> int:
    """How many factors a feature has, those of a denominator included."""
    return sum(abs(power) for _, power in factors)


def rounded(coefficients: Float[np.ndarray, " f"], uncertainty: Float[np.ndarray, " f"]) -> Float[np.ndarray, " f"]:
    """Coefficients replaced by the small fractions that they equal to within their uncertainty."""
    return np.array([float(readable.snap([c], e)[0]) for c, e in zip(coefficients, uncertainty, strict=True)])


def _sparse(basis: Float[np.ndarray, "f k"], feature: int) -> np.ndarray:
    """The vector of the span with entry 1 at ``feature`` and the least sum of absolute entries."""
    f, k = basis.shape
    cost = np.concatenate([np.zeros(k), np.ones(f)])
    bound = np.block([[basis, -np.eye(f)], [-basis, -np.eye(f)]])
    fixed = np.concatenate([basis[feature], np.zeros(f)])[None]
    limits = [(None, None)] * k + [(0, None)] * f
    answer = linprog(cost, bound, np.zeros(2 * f), fixed, [1.0], bounds=limits, method="highs")
    return basis @ answer.x[:k] if answer.status == 0 else basis @ np.linalg.pinv(basis[feature][None])[:, 0]


def _shrink(contribution: np.ndarray, drift: np.ndarray, spread: np.ndarray, accept: float) -> tuple[int, ...] | None:
    """The features of a law, fewest that keep its drift acceptable: added in order of size, then dropped if idle."""
    order = [int(k) for k in np.argsort(-np.abs(contribution)) if contribution[k] != 0]
    low, high = 1, len(order)
    if _least(order, drift, spread) > accept:
        return None
    while low < high:  # a larger support never drifts more
        middle = (low + high) // 2
        low, high = (low, middle) if _least(order[:middle], drift, spread) <= accept else (middle + 1, high)
    support = order[:low]
    for feature in reversed(order[:low]):
        fewer = [k for k in support if k != feature]
        if fewer and _least(fewer, drift, spread) <= accept:
            support = fewer
    return tuple(sorted(support))


def _least(support: list[int], drift: np.ndarray, spread: np.ndarray) -> float:
    ratios = pencil.solve(drift[:, support], spread[:, support]).ratios
    return float(ratios[0]) if len(ratios) else np.inf


def _fitted(support: tuple[int, ...], drift: np.ndarray, spread: np.ndarray, f: int) -> _Fit:
    """The best law on a support, and how far drift of this size can turn it and its coefficients (first order)."""
    columns = list(support)
    solved = pencil.solve(drift[:, columns], spread[:, columns])
    coefficients, error = np.zeros(f), np.zeros(f)
    coefficients[columns] = solved.vectors[0]
    turn = solved.ratios[0] / solved.ratios[1:]
    error[columns] = np.sqrt(((turn[:, None] * solved.vectors[1:]) ** 2).sum(axis=0))
    rounding = np.finfo(np.float64).eps * len(columns) * solved.condition
    error[columns] += rounding * np.abs(solved.vectors).max(axis=0)
    return _Fit(coefficients, error, float(turn.max(initial=0.0)))


def _normalised(coefficients: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scaled so that the size shared by most coefficients is 1 and the first of that size is positive."""
    sizes = np.abs(coefficients)
    live = np.flatnonzero(sizes > 0)
    alike = np.abs(sizes[live, None] - sizes[live]) <= error[live, None] + error[live]
    common = live[int(np.argmax(alike.sum(axis=1)))]
    return coefficients / coefficients[common], error / sizes[common]


def _formula(found: Readable, space: Space, points: np.ndarray, law: int, parents: list[int], tolerance: float) -> str:
    """The law as a cubic polynomial of its parents, numbered from 1, or nothing where it is none."""
    names = tuple(f"I{k + 1}" for k in parents)
    if not names:
        return ""
    monomials = Polynomials(len(parents), degree=3, variables=names)
    values = space.values(points) @ found.coefficients.T
    rows = monomials.values(values[:, parents])
    scale = np.linalg.norm(rows, axis=0)
    solution, _, rank, _ = np.linalg.lstsq(rows / scale, values[:, law], rcond=tolerance)
    miss = np.linalg.norm(rows / scale @ solution - values[:, law])
    if rank < rows.shape[1] or miss > tolerance * np.linalg.norm(values[:, law]):
        return ""
    return monomials.describe(rounded(solution / scale, tolerance * np.linalg.norm(values[:, law]) / scale))
