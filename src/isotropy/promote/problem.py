"""A space, an action and an inner product as one convex problem in orthonormal coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse
from jaxtyping import Float

from .. import lie
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.fibre import Linear
from ..geometry.motion import Affine
from ..geometry.orthonormal import OrthonormalPolynomials
from ..geometry.polynomial import Polynomials
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..numerics.decide import CLEAR, numerical_floor
from ..numerics.matrix_map import MatrixMap

LARGEST = 100_000_000
"""Entries of the dense operator (800 MB) above which the data are not asked what survives."""

ASKED = 1000
"""Data points at which it is asked whether candidates keep to the plane or variety on which all data lie."""

OVERSAMPLING = 4
"""Points per feature at which a section is looked at when no samples are given."""


@dataclass(frozen=True)
class Problem:
    """Features that are orthonormal in the norm's inner product, and the operator on their coefficients.

    Coefficients have shape (f, c). Where the fibre moves, all n coordinates of a value are one column, c = 1 and
    f counts (feature, coordinate) pairs; where it does not, each output is a column of its own. ``to_space`` (s, g)
    takes coefficients in the orthonormal basis to those of the space's s features. ``bound`` (q,) is the size that the
    terms of each candidate's operator have before they cancel, where they may; ``still`` (h, q) are orthonormal
    combinations of candidates that leave every data point and the values there alone, ``away`` (h, q) those that lead
    out of the plane or other variety on which the data lie: what a function does there no data say.
    """

    space: Space
    outputs: int
    coupled: bool
    features: Callable[[np.ndarray], np.ndarray]
    to_space: Float[np.ndarray, "s g"]
    operator: MatrixMap
    components: tuple[np.ndarray, ...]
    points: Float[np.ndarray, "p m"]
    bound: Float[np.ndarray, " q"] | None = None
    still: Float[np.ndarray, "h q"] | None = None
    away: Float[np.ndarray, "h q"] | None = None

    def design(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "r f"]:
        """The rows of predictions: one for each point, or one for each point and output where the fibre moves."""
        values = self.features(points)
        return np.kron(values, np.eye(self.outputs)) if self.coupled else values

    def rows(self, targets: Float[np.ndarray, "p c"]) -> np.ndarray:
        """Targets (p, outputs) in the shape that goes with `design`."""
        return targets.reshape(-1, 1) if self.coupled else targets

    def in_space(self, w: np.ndarray) -> Float[np.ndarray, "s c"]:
        """Coefficients (features of the space, outputs)."""
        return self.to_space @ w.reshape(-1, self.outputs)

    @cached_property
    def sparse_in(self) -> np.ndarray:
        """The matrix from coefficients here to all coefficients in the space's features."""
        return np.kron(self.to_space, np.eye(self.outputs)) if self.coupled else self.to_space

    @cached_property
    def dense(self) -> Float[np.ndarray, "k q f"]:
        """The operator as one array."""
        columns = [self.operator(e[:, None]) for e in np.eye(self.operator.features)]
        return np.stack(columns, axis=2)

    @cached_property
    def sight(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The size of each candidate's action (q,), and orthonormal rows for what is seen and what is not.

        The rows refer to candidates scaled to size one, so that units do not decide what is seen. What moves no
        function of the space is not seen, and neither is what moves no data point.
        """
        unfolded = self.operator.unfolded()
        entries = max(self.operator.rows * self.operator.features, self.operator.columns)
        size = np.linalg.norm(unfolded, axis=1)
        if self.bound is not None:
            size = np.where(size > np.finfo(float).eps * entries * self.bound, size, 0.0)
        scale = np.where(size > 0, size, 1.0)
        rows = np.where(size > 0, 1.0 / scale, 0.0)[:, None] * unfolded
        hidden, seen = _split(np.asarray(np.linalg.qr(rows.T, mode="r")), entries)
        apart = [rows * scale for rows in (self.still, self.away) if rows is not None and len(rows)]
        if not apart:
            return scale, seen, hidden
        seen, hidden = _split(np.concatenate([hidden, *apart]), entries)
        return scale, seen, hidden

    @cached_property
    def seen(self) -> Float[np.ndarray, "k s f"]:
        """The dense operator on the candidates that are seen, scaled to size one."""
        if self.operator.rows * self.operator.columns * self.operator.features > LARGEST:
            raise IsotropyError(
                f"the operator of {self.operator.columns} candidates on {self.operator.features} features has more "
                f"than {LARGEST} entries, too many to ask the data what survives: use a smaller space or fewer "
                f"candidates, or minimise with `isotropy.numerics.convex`, which keeps it sparse."
            )
        scale, seen, _ = self.sight
        return np.einsum("kqf,sq->ksf", self.dense / scale[:, None], seen, optimize=True)


class Images:
    """The matrices that `numerics.grassmann.SubspaceFit` gives of coefficients, without the dense operator."""

    def __init__(self, problem: Problem) -> None:
        self._operator, (self._scale, self._seen, _) = problem.operator, problem.sight
        self.generators, self.features = len(self._seen), problem.operator.features

    def image(self, w: Float[np.ndarray, "f c"]) -> Float[np.ndarray, "r s"]:
        """The matrices of all columns of ``w``, one below the other."""
        return (self._operator(w) / self._scale) @ self._seen.T


def build(
    space: Space, action: Action, points: Float[np.ndarray, "p m"], outputs: int, samples: Samples | None
) -> Problem:
    """The problem for data at ``points``, in the inner product of ``samples`` or its default.

    The default for polynomials is the mean over the box that holds the points, exactly; for other spaces it is the
    mean over the points and, where they are few, random points between pairs of them.
    """
    if action.base_dimension != space.input_dimension:
        raise IsotropyError(
            f"`action` moves points of R^{action.base_dimension}, but `space` has functions of "
            f"{space.input_dimension} variables: choose candidates for the inputs of the space."
        )
    fibre = action.fibre_dimension
    moves = not isinstance(action.value_motion, Linear) or bool(np.any(action.value_motion.matrices))
    if moves and outputs != fibre:
        raise IsotropyError(
            f"`Y` has {outputs} column(s), but the candidates move values with {fibre}: pass one column for each."
        )
    if not action.dimension:
        raise IsotropyError(
            f"{action} has no generators, and promotion needs some: its further components can then be promoted too. "
            f"Of a finite group alone, `iso.enforce` or SymmetricRegressor(how='auto') say whether it fits the data."
        )
    affine = isinstance(action.motion, Affine) and isinstance(action.value_motion, Linear)
    if samples is None and affine and isinstance(space, Polynomials) and space.minimum_degree == 0:
        problem = _polynomial(space, action, points, outputs, moves)
    else:
        given = _between(points, OVERSAMPLING * space.dimension) if samples is None else samples
        problem = _sampled(space, action, points, given, outputs, moves)
    return replace(problem, still=_still(action, points), away=_away(space, action, points))


def _polynomial(space: Polynomials, action: Action, points: np.ndarray, outputs: int, moves: bool) -> Problem:
    low, high = points.min(axis=0), points.max(axis=0)
    basis = OrthonormalPolynomials(space, low, high)
    motion, fibre = action.motion, action.value_motion
    assert isinstance(motion, Affine)
    assert isinstance(fibre, Linear)
    generators = [basis.field(a, b) for a, b in zip(motion.matrices, motion.offsets, strict=True)]
    if moves:
        if np.any(fibre.offsets):
            raise IsotropyError(
                "a space of functions into positions is not linear under translations: use `vector` for the outputs."
            )
        eye_f, eye_n = scipy.sparse.eye_array(space.dimension), scipy.sparse.eye_array(outputs)
        generators = [
            scipy.sparse.csr_array(scipy.sparse.kron(d, eye_n) - scipy.sparse.kron(eye_f, a))
            for d, a in zip(generators, fibre.matrices, strict=True)
        ]
    wide = Samples.uniform(
        OVERSAMPLING * space.dimension,
        space.input_dimension,
        seed=0,
        low=basis.centre - basis.half,
        high=basis.centre + basis.half,
    )
    moved = _components(space, action, wide, basis.to_space, outputs, moves)
    # Affine maps keep the space, so the moved features are known from their values at enough points.
    values = np.sqrt(wide.weights)[:, None] * basis.values(wide.points)
    wider = np.kron(values, np.eye(outputs)) if moves else values
    components = tuple(np.linalg.lstsq(wider, rows, rcond=None)[0] for rows in moved)
    return Problem(
        space, outputs, moves, basis.values, basis.to_space, MatrixMap.sparse(generators), components, points
    )  # fmt: skip


def _sampled(space: Space, action: Action, points: np.ndarray, samples: Samples, outputs: int, moves: bool) -> Problem:
    values = np.sqrt(samples.weights)[:, None] * space.values(samples.points)
    _, singular, right = np.linalg.svd(values, full_matrices=False)
    kept = singular > numerical_floor(float, max(values.shape), float(singular.max(initial=0.0)))
    to_space = right[kept].T / singular[kept]
    weigh = np.sqrt(samples.weights)
    where = np.asarray(samples.points, dtype=np.float64)
    rows = lie.of_space(action, space, samples) * weigh[:, None, None, None, None]
    # Derivatives along a field are sums that may cancel: what is left is then rounding of this size.
    terms = np.einsum("pfi,pqi->pqf", np.abs(space.gradients(where)), np.abs(action.fields(where)))
    if moves:
        terms += np.einsum("pf,pqno->pqf", np.abs(space.values(where)), np.abs(action.fibre_matrices(where)))
    bound = np.linalg.norm((weigh[:, None, None] * terms) @ np.abs(to_space), axis=(0, 2))
    if moves:
        p, n, q, f, _ = rows.shape
        dense = np.einsum("pnqfo,fg->pnqgo", rows, to_space).reshape(p * n, q, -1)
    else:
        dense = np.einsum("pqf,fg->pqg", rows[:, 0, :, :, 0], to_space)
    k, q, f = dense.shape
    if k > q * f:
        dense = np.asarray(np.linalg.qr(dense.reshape(k, q * f), mode="r")).reshape(-1, q, f)
    components = tuple(
        np.asarray(np.linalg.qr(d, mode="r")) if len(d) > d.shape[1] else d
        for d in _components(space, action, samples, to_space, outputs, moves)
    )

    def features(where: np.ndarray) -> np.ndarray:
        return space.values(where) @ to_space

    return Problem(space, outputs, moves, features, to_space, MatrixMap.dense(dense), components, points, bound)


def _split(rows: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal rows for the null space of ``rows``, and for the rest."""
    _, values, right = np.linalg.svd(rows, full_matrices=True)
    values = np.pad(values, (0, max(len(right) - len(values), 0)))
    there = values[: len(right)] > numerical_floor(float, entries, float(values.max(initial=0.0)))
    return right[~there], right[there]


def _still(action: Action, points: np.ndarray) -> Float[np.ndarray, "h q"]:
    """Orthonormal combinations of candidates that move none of the points and nothing in the fibres there."""
    fields, fibres = action.fields(points), action.fibre_matrices(points)
    rows = np.concatenate([fields.transpose(0, 2, 1).reshape(-1, action.dimension),
                           fibres.transpose(0, 2, 3, 1).reshape(-1, action.dimension)])  # fmt: skip
    size = np.linalg.norm(rows, axis=0)
    floor = numerical_floor(float, len(rows), float(size.max(initial=0.0)))
    scale = np.where(size > floor, size, 1.0)
    columns = np.where(size > floor, rows / scale, 0.0)
    hidden, _ = _split(np.asarray(np.linalg.qr(columns, mode="r")), len(rows))
    return np.linalg.qr((hidden / scale).T)[0].T


def _away(space: Space, action: Action, points: np.ndarray) -> Float[np.ndarray, "h q"]:
    """Orthonormal combinations of candidates, orthogonal to those that keep to where the data lie.

    Data may lie in a plane, as where a column of them is constant or repeats another, and on the zeros of polynomials
    of the space, as where they are normalised. Candidates keep to it if they leave such functions zero there.
    """
    distinct = np.unique(points, axis=0)
    if len(distinct) < 2 * (action.base_dimension + 1):
        return np.zeros((0, action.dimension))  # few points lie in a plane by chance
    normals = _normals(distinct - distinct.mean(axis=0))
    vanishing = np.zeros((space.dimension, 0))
    if isinstance(space, Polynomials) and space.minimum_degree == 0 and len(distinct) >= 2 * space.dimension:
        box = OrthonormalPolynomials(space, points.min(axis=0), points.max(axis=0))
        vanishing = box.to_space @ _normals(box.values(distinct)).T
    if not len(normals) and not vanishing.shape[1]:
        return np.zeros((0, action.dimension))
    # They vanish on all points; whether they go on doing so is asked at some.
    some = np.random.default_rng(0).permutation(distinct)[:ASKED]
    fields = action.fields(some)
    rows = [np.einsum("pqi,ri->rpq", fields, normals)]
    if vanishing.shape[1]:
        rows.append(np.einsum("pfi,fr,pqi->rpq", space.gradients(some), vanishing, fields, optimize=True))
    table = np.concatenate([part.reshape(-1, action.dimension) for part in rows])
    size = np.linalg.norm(fields, axis=(0, 2))
    scale = np.where(size > 0, size, 1.0)
    _, values, right = np.linalg.svd(table / scale, full_matrices=False)
    leading = right[values > CLEAR * numerical_floor(float, max(table.shape), 1.0)]
    return np.linalg.qr((leading * scale).T)[0].T if len(leading) else leading


def _normals(table: Float[np.ndarray, "p f"]) -> Float[np.ndarray, "r f"]:
    """Orthonormal rows that every row of ``table`` is orthogonal to, to rounding."""
    small = np.asarray(np.linalg.qr(table, mode="r")) if len(table) > table.shape[1] else table
    _, values, right = np.linalg.svd(small, full_matrices=True)
    values = np.pad(values, (0, len(right) - len(values)))
    return right[values <= CLEAR * numerical_floor(float, max(table.shape), float(values.max(initial=0.0)))]


def _components(
    space: Space, action: Action, samples: Samples, to_space: np.ndarray, outputs: int, moves: bool
) -> list[np.ndarray]:
    """Weighted rows of (K_g - 1) on orthonormal coefficients, for each discrete candidate g."""
    if not action.components:
        return []
    rows = lie.components_of_space(action, space, samples) * np.sqrt(samples.weights)[:, None, None, None, None]
    p, n, count, _, _ = rows.shape
    if moves:
        return [
            np.einsum("pnfo,fg->pngo", rows[:, :, j], to_space).reshape(p * n, -1) for j in range(count)
        ]  # fmt: skip
    return [rows[:, 0, j, :, 0] @ to_space for j in range(count)]


def _between(points: np.ndarray, count: int) -> Samples:
    """The different points and, up to ``count`` in all, random points on segments between pairs of them."""
    points = np.unique(points, axis=0)
    missing = count - len(points)
    if missing > 0:
        rng = np.random.default_rng(0)
        pairs = rng.integers(len(points), size=(2, missing))
        part = rng.uniform(size=(missing, 1))
        points = np.concatenate([points, part * points[pairs[0]] + (1 - part) * points[pairs[1]]])
    return Samples(points)
