"""Which of the candidates the data keep: the largest subgroup whose constrained refit is as good as the free one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Float

from .. import lie
from ..geometry.action import Action
from ..geometry.component import Component
from ..geometry.sample import Samples
from ..numerics.convex import Family
from ..numerics.decide import Decision, nameable, numerical_floor
from ..numerics.losses import LeastSquares
from ..numerics.matrix_map import MatrixMap
from ..numerics.sparse import sparse_basis
from ..numerics.surviving import Question, Refit
from ..promote.problem import Problem
from ..promote.verdict import from_data
from ..results.discovery import Discovery, Element, Unseen
from .evidence import UNANSWERABLE, Evidence
from .library import LibrarySpace
from .moments import Moments

LARGEST_GROUP = 64
"""Elements of a finite group that are tried one by one; of a larger one its generators alone are."""

STRENGTHS = tuple(np.geomspace(1.0, 1e-4, 9).tolist())
"""Fractions of the strength from which on the nuclear norm keeps everything."""

PROPOSED = 1e-4
"""The relative duality gap of a fit that only proposes: neighbouring strengths differ by far more."""

OVERSAMPLING = 4
"""Points for each term at which the operator is looked at."""


@dataclass(frozen=True)
class Kept:
    """What the data keep: a basis ``rows`` (d, n * F) of the models left, None for all of them, and the words.

    ``readable`` says that they are those of candidates as given, and not of directions that were estimated: the sparse
    basis then has terms that can be left out one by one.
    """

    rows: Float[np.ndarray, "d k"] | None
    symmetries: Discovery
    readable: bool


def keep(
    action: Action,
    space: LibrarySpace,
    moments: Moments,
    points: Float[np.ndarray, "p m"],
    symmetric: Float[np.ndarray, "d k"] | None,
    *,
    nuclear: bool,
    level: float,
) -> Kept:
    """The largest subgroup of the candidates that the data do not refuse at ``level``.

    ``symmetric`` holds the models that every candidate leaves unchanged; if a refit among them is as good as the free
    one, nothing else is asked. Otherwise generators are proposed, with ``nuclear`` by a fit whose operator has a small
    nuclear norm and else by the free fit, and dimensions of subalgebras tested (`numerics.surviving`). Single elements
    follow, those of a finite group one by one. `Evidence` says how surely fits differ.
    """
    n = action.fibre_dimension
    evidence = Evidence.of(moments)
    if symmetric is not None and evidence.answerable:
        p_value = evidence.p_value(symmetric.T)
        if p_value > level:
            return Kept(symmetric, _everything(action, p_value, level), True)
    basis: np.ndarray | None = None
    symmetries, readable = _nothing(action), True
    if not evidence.answerable:
        symmetries = replace(symmetries, decision=Decision(0, 1.0, 0.0, 0.0, "cannot tell", UNANSWERABLE))
    if action.dimension:
        operator = _operator(action, space, points)
        problem = Problem(
            space, n, True, space.values, np.eye(space.dimension), MatrixMap.dense(operator), (), points
        )  # fmt: skip
        scale, seen, _ = problem.sight
        if len(seen):
            reduced = np.einsum("kqf,sq->ksf", operator / scale[:, None], seen)
            question = RobustQuestion(evidence, reduced)
            start = moments.free.reshape(-1, 1)
            if nuclear and evidence.answerable:
                start = _proposed(evidence, reduced, start, level)
            verdict = from_data(problem, action, question, start, level=level)
            symmetries = verdict.symmetries
            if not evidence.answerable:
                symmetries = replace(symmetries, decision=replace(symmetries.decision, reason=UNANSWERABLE))
            basis = None if verdict.basis is None else verdict.basis.T
            if basis is not None:
                symmetries, basis, readable = _rounded(action, evidence, operator, symmetries, basis, level)
    elements: list[Element] = []
    for component in _elements(action) if evidence.answerable else ():
        matrix = _element_rows(action, component, space, points)
        inner = _restricted(matrix, basis)
        p_value = evidence.p_value(inner.T) if len(inner) else 0.0
        defect = float(np.linalg.norm(matrix @ moments.free.ravel()) / _size(space, points, moments.free))
        if p_value > level:
            basis = inner
        elements.append(Element(component.matrix, _matrix_text(component.matrix), defect, p_value > level))
    if elements:
        settings = {**symmetries.settings, "components": "given"}
        symmetries = replace(symmetries, components=tuple(elements), settings=settings)
    return Kept(basis, symmetries, readable)


class RobustQuestion(Question):
    """`numerics.surviving.Question` in which the errors of the data are those of `Evidence`."""

    def __init__(self, evidence: Evidence, operator: Float[np.ndarray, "k q f"]) -> None:
        noise = float(np.sqrt(evidence.unevenness)) if evidence.answerable else None
        super().__init__(evidence.design, evidence.response, operator, noise=noise)
        self.evidence = evidence

    @property
    def answerable(self) -> bool:
        """Whether the data say how large their errors are."""
        return self.evidence.answerable

    def _chance(self, rise: float, extra: int, fitted: int, refit: Refit) -> float:
        return self.evidence.p_value(refit.basis, fitted=fitted)


def _proposed(
    evidence: Evidence, operator: Float[np.ndarray, "k q f"], free: Float[np.ndarray, "f 1"], level: float
) -> Float[np.ndarray, "f 1"]:
    """The fit with the strongest nuclear norm that the data do not refuse (the discrepancy principle)."""
    design, rows = evidence.design, evidence.response
    family = Family(LeastSquares(design, rows), MatrixMap.dense(operator))
    limit = evidence.unevenness * float(scipy.stats.chi2.isf(level, max(evidence.rank, 1)))
    largest = family.largest_strength()
    for fraction in STRENGTHS:
        w = family.solve(fraction * largest, tolerance=PROPOSED, warn=False).coefficients
        if float(((design @ w - rows) ** 2).sum()) <= limit:
            return w
    return free


def _rounded(
    action: Action,
    evidence: Evidence,
    operator: Float[np.ndarray, "k q f"],
    found: Discovery,
    basis: Float[np.ndarray, "d k"],
    level: float,
) -> tuple[Discovery, Float[np.ndarray, "d k"], bool]:
    """The same with generators of whole numbers near those found, where the data do not refuse these either."""
    if not nameable(found.noise):
        return found, basis, False
    rows = sparse_basis(found.coefficients, noise=found.noise)
    image = np.einsum("kqf,sq->ksf", operator, rows).reshape(-1, operator.shape[2])
    inner = _restricted(image, None)
    if len(inner) < len(basis) or evidence.p_value(inner.T) <= level:
        return found, basis, False
    rounded = replace(
        found,
        coefficients=rows,
        generators=action.generators(rows),
        generator_text=tuple(action.describe(row) for row in rows),
        terms=tuple(action.terms(row) for row in rows),
    )
    return rounded, inner, bool((np.count_nonzero(rows, axis=1) == 1).all())


def _operator(action: Action, space: LibrarySpace, points: np.ndarray) -> Float[np.ndarray, "k q f"]:
    """The Lie derivative on coefficients, target by target, with rows of orthonormal size over the points."""
    rows = lie.of_space(action, space, Samples(points))
    p, n, q, f, _ = rows.shape
    dense = rows.transpose(0, 1, 2, 4, 3).reshape(p * n, q, n * f) / np.sqrt(p)
    if p * n > q * n * f:
        dense = np.asarray(np.linalg.qr(dense.reshape(p * n, -1), mode="r")).reshape(-1, q, n * f)
    return dense


def _element_rows(action: Action, component: Component, space: LibrarySpace, points: np.ndarray) -> np.ndarray:
    """K_g - 1 on coefficients, target by target, in rows of orthonormal size over the points."""
    single = action.named(action.variables, action.outputs)
    single.components = (component,)
    rows = lie.components_of_space(single, space, Samples(points))[:, :, 0]
    p, n, f, _ = rows.shape
    return rows.transpose(0, 1, 3, 2).reshape(p * n, n * f) / np.sqrt(p)


def _restricted(matrix: np.ndarray, basis: np.ndarray | None) -> Float[np.ndarray, "d k"]:
    """The part of a span, or of everything, that a matrix takes to zero."""
    basis = np.eye(matrix.shape[1]) if basis is None else np.linalg.qr(basis.T)[0].T
    _, values, right = np.linalg.svd(matrix @ basis.T, full_matrices=True)
    values = np.pad(values, (0, len(right) - len(values)))
    floor = numerical_floor(np.float64, max(matrix.shape), max(float(np.linalg.norm(matrix, 2)), 1.0))
    return right[values <= floor] @ basis


def _size(space: LibrarySpace, points: np.ndarray, coefficients: np.ndarray) -> float:
    values = space.values(points) @ coefficients.T
    return max(float(np.linalg.norm(values)) / np.sqrt(len(points)), np.finfo(np.float64).tiny)


def _elements(action: Action) -> list[Component]:
    """All elements but the identity of a finite group of at most `LARGEST_GROUP`; else the components as given."""
    if action.dimension or not action.components:
        return list(action.components)
    found: list[Component] = list(action.components)
    matrices = [c.matrix for c in found]
    identity = np.eye(len(matrices[0]))
    for first in found:
        for second in action.components:
            product = first.matrix @ second.matrix
            # Elements of a finite matrix group lie far apart, so half the digits tell them.
            near = np.sqrt(np.finfo(np.float64).eps)
            if any(np.abs(product - other).max() <= near for other in (*matrices, identity)):
                continue
            if len(found) == LARGEST_GROUP - 1:
                return list(action.components)
            matrices.append(product)
            found.append(Component(_after(first.theta, second.theta), _after(second.untheta, first.untheta), product))
    return found


def _after(outer: Any, inner: Any) -> Any:
    return lambda x: outer(inner(x))


def _matrix_text(matrix: np.ndarray) -> str:
    diagonal = np.diag(matrix)
    if not np.abs(matrix - np.diag(diagonal)).any():
        return f"diag({', '.join(f'{v:g}' for v in diagonal + 0.0)})"
    return "[" + "; ".join(" ".join(f"{v:.4g}" for v in row + 0.0) for row in matrix) + "]"


def _everything(action: Action, p_value: float, level: float) -> Discovery:
    reason = f"a refit that all of them leave unchanged is as good as the free one (p = {p_value:.2g}, level {level:g})"
    return whole(action, Decision(action.dimension, float("inf"), 0.0, 0.0, "supported", reason))


def whole(action: Action, decision: Decision, remarks: Sequence[str] = ()) -> Discovery:
    """All candidates as an answer."""
    return _discovery(action, np.eye(action.dimension), decision, remarks)


def _nothing(action: Action) -> Discovery:
    return _discovery(action, np.zeros((0, action.dimension)), Decision(0, 1.0, 0.0, 0.0, "none", "no generator"), ())


def _discovery(action: Action, rows: np.ndarray, decision: Decision, remarks: Sequence[str]) -> Discovery:
    empty = np.zeros((0, action.dimension))
    all_kept = len(rows) == action.dimension and decision.verdict != "none"
    elements = tuple(Element(c.matrix, _matrix_text(c.matrix), 0.0, True) for c in action.components if all_kept)
    return Discovery(
        candidates=action.dimension,
        coefficients=rows,
        generators=action.generators(rows),
        generator_text=tuple(action.describe(row) for row in rows),
        terms=tuple(action.terms(row) for row in rows),
        variables=action.variables + action.outputs,
        spectrum=np.zeros(len(rows)),
        floors=np.zeros(len(rows)),
        defects=np.zeros(len(rows)),
        decision=decision,
        unseen=Unseen(empty, ()),
        algebra=action.algebra if len(rows) else None,
        closure=0.0,
        truncated=False,
        action=action.text,
        noise=0.0,
        remarks=tuple(remarks),
        components=elements,
        settings={"components": "given"} if elements else {},
    )


def sight(
    space: LibrarySpace, states: np.ndarray | None, samples: Samples | None, seed: int
) -> Float[np.ndarray, "p m"]:
    """Points where the candidates are looked at: those given, else states where they are known, else from a box."""
    count = OVERSAMPLING * space.dimension
    rng = np.random.default_rng(seed)
    if samples is not None:
        return np.asarray(samples.points, dtype=np.float64)
    if states is not None:
        chosen = rng.choice(len(states), min(count, len(states)), replace=False)
        few = count - len(chosen)
        pairs = rng.integers(len(states), size=(2, few))
        part = rng.uniform(size=(few, 1))
        return np.concatenate([states[chosen], part * states[pairs[0]] + (1 - part) * states[pairs[1]]])
    return rng.uniform(-1.0, 1.0, (count, space.input_dimension))
