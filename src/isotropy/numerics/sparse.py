"""A sparse basis of a span, scaled for reading: its rows have few entries, coprime integers where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError
from .readable import LARGEST_DENOMINATOR, snap


def sparse_basis(
    span: Float[np.ndarray, "d q"],
    noise: float | None = None,
    *,
    order: Sequence[int] | None = None,
    scale: Float[np.ndarray, " q"] | None = None,
) -> Float[np.ndarray, "d q"]:
    """A sparse basis of the row space of ``span``, scaled for reading.

    ``span`` has independent rows. ``noise`` is the size of the error of an entry once the rows are made
    orthonormal, by default that of rounding. Where entries have units of their own, it is the error of
    ``span / scale``, and ``scale`` is positive.

    The basis is found block by block, blocks being sets of columns that no vector of the span couples: sparse vectors
    by iteratively reweighted least squares (Chartrand and Yin 2008), each then solved for exactly on its
    support, chosen greedily from the sparsest, and exchanged while that makes one sparser. Sparse vectors are hard
    to find in general, so the sparsest basis is not promised; the span is: entries are set to zero only within
    the noise, and where the result leaves the span by more, a better conditioned basis is tried, then an echelon
    basis, and failing these the orthonormal rows are returned as they are.

    Rows are sorted by their first entries, in ``order`` if given, a permutation of the columns. Each is scaled to
    coprime integers where it fits some to within the noise, and otherwise to a first entry of 1, the first that is more
    than noise; it is positive in either case.

    >>> mixed = np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
    >>> sparse_basis(mixed)
    array([[3., 0., 4.],
           [0., 1., 0.]])
    """
    span = validate.array(span, "span", ndim=2, minimum_size=0).astype(np.float64)
    d, q = span.shape
    if d == 0:
        return span
    if d > q:
        raise IsotropyError(f"`span` has {d} rows in {q} columns, which cannot be independent: pass a basis.")
    units = np.ones(q) if scale is None else validate.array(scale, "scale", shape=(q,)).astype(np.float64)
    if (units <= 0).any():
        raise IsotropyError(f"`scale` must be positive. Got {units.min():g} at index {int(units.argmin())}.")
    span = span / units
    span, triangle = np.linalg.qr((span / _largest(span)).T)
    span = span.T
    diagonal = np.abs(np.diag(triangle))
    if diagonal.min() <= np.finfo(np.float64).eps * q * diagonal.max():
        raise IsotropyError(f"The {d} rows of `span` are not independent: pass a basis.")
    rounding = float(np.finfo(np.float64).eps) * np.sqrt(d * q)
    error = rounding if noise is None else max(float(noise), rounding)
    columns = np.arange(q) if order is None else np.asarray(order)
    if sorted(columns.tolist()) != list(range(q)):
        raise IsotropyError(f"`order` must be a permutation of the {q} columns. Got {order!r}.")
    ordered = span[:, columns]
    # A better conditioned choice is less sparse: it is tried where noise makes the sparsest one stray.
    candidates = (
        lambda: _sparse_rows(ordered, error, INDEPENDENT),
        lambda: _sparse_rows(ordered, error, WELL_INDEPENDENT),
        lambda: _echelon_rows(ordered, error),
    )
    basis = next(
        (rows for find in candidates if (rows := find()) is not None and _spans(rows, ordered, error)), ordered
    )
    result = np.zeros((d, q))
    # Adding zero turns -0 into 0.
    result[:, columns] = _scaled(_sorted(basis), ordered, error, units[columns]) + 0.0
    return result


SAFETY = 8.0
"""How many times the error of an entry it may be and still count as zero."""

LARGEST_TURN = 0.1
"""The sine of the angle, about six degrees, beyond which a basis is that of another span, whatever the noise."""

INDEPENDENT = 0.02
"""The sine of the smallest angle at which a row may stand off the span of those before it: about one degree."""

WELL_INDEPENDENT = 0.3
"""The same for a well-conditioned basis."""

ROUNDS = 25
"""Steps of reweighting, over which the smoothing falls from one to `SMOOTHEST`."""

SMOOTHEST = 1e-5
"""The last smoothing: small enough to tell a support, large enough for well-scaled weights."""

SUPPORT = 1e-4
"""Relative size below which an entry is tried as zero; whether it is one is then found by solving."""

EXCHANGE_STARTS = 4
"""Starts of the search for a sparser row in the place of a given one."""

DRAWS = 256
"""Random sets of columns on which a vector of the span is made to vanish."""

MOST_STARTS = 64
"""Coordinates of one block from which a sparse vector is sought; the largest come first."""

WORK = 50_000_000
"""Products in one step of reweighting, of all starts together, and ten times as many of all exchanges of a round.

Blocks of a hundred dimensions get fewer starts and no exchanges: nobody reads so many rows, and it would take minutes.
"""


def _largest(rows: np.ndarray) -> np.ndarray:
    """The largest entry of each row, or one for a row of zeros."""
    sizes = np.abs(rows).max(axis=1, keepdims=True)
    return np.where(sizes > 0, sizes, 1.0)


def _turn(error: float, shape: tuple[int, ...]) -> float:
    """The angle by which errors of this size turn a span, and move singular values: the norm of a random matrix."""
    return error * (np.sqrt(shape[0]) + np.sqrt(shape[1]))


def _spans(basis: np.ndarray, span: np.ndarray, error: float) -> bool:
    """Whether the span of ``basis`` is off that of ``span`` by no more than a few times what the error turns it."""
    frame, triangle = np.linalg.qr(basis.T / np.linalg.norm(basis, axis=1))
    outside = float(np.linalg.norm(frame - span.T @ (span @ frame), 2))
    independent = np.linalg.svd(triangle, compute_uv=False)[-1] > np.finfo(np.float64).eps * basis.size
    return bool(independent and outside <= min(SAFETY * _turn(error, basis.shape), LARGEST_TURN))


def _echelon_rows(span: np.ndarray, error: float) -> np.ndarray | None:
    """The reduced echelon form on the best conditioned columns, zeros cleaned."""
    pivots = scipy.linalg.qr(span, mode="r", pivoting=True)[-1][: len(span)]
    rows = np.linalg.solve(span[:, pivots], span)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[np.abs(rows) <= SAFETY * error / np.linalg.svd(span[:, pivots], compute_uv=False)[-1]] = 0.0
    return rows if (np.abs(rows).max(axis=1) > 0).all() else None


def _sparse_rows(span: np.ndarray, error: float, independent: float) -> np.ndarray | None:
    """Sparse unit rows of the same span, block by block, or None where too few were found."""
    d, q = span.shape
    coupled = np.abs(span.T @ span) > SAFETY * error
    count, block_of = scipy.sparse.csgraph.connected_components(scipy.sparse.csr_array(coupled), directed=False)
    rows = []
    for block in range(count):
        columns = np.flatnonzero(block_of == block)
        _, values, right = np.linalg.svd(span[:, columns], full_matrices=False)
        # The singular values of a block of an orthonormal basis are zero or one.
        inside = right[values > 0.5]
        for row in _sparse_block(inside, error, independent) if len(inside) else []:
            rows.append(np.zeros(q))
            rows[-1][columns] = row
    return np.array(rows) if len(rows) == d else None


def _sparse_block(span: np.ndarray, error: float, independent: float) -> list[np.ndarray]:
    """Sparse unit rows spanning one block: a greedy choice, then exchanges."""
    d, q = span.shape
    if d == 1:
        return [_cleaned(span[0], error)]
    if d == q:
        return list(np.eye(q))
    echelon = _echelon_rows(span, error)
    one = d * d * q
    most = min(MOST_STARTS, max(WORK // one, EXCHANGE_STARTS))
    starts = np.argsort(-np.linalg.norm(span, axis=0), kind="stable")[:most]
    pool = [] if echelon is None else list(echelon)
    pool += _sparse_vectors(span, span[:, starts].T, error)
    pool += _vanishing_vectors(span, error)
    chosen: list[np.ndarray] = []
    for row in sorted(pool, key=_cost):
        if len(chosen) < d and _sine(row, chosen) > independent:
            chosen.append(row)
    improved = len(chosen) == d and one * EXCHANGE_STARTS * d <= 10 * WORK
    while improved:
        improved = False
        for k in sorted(range(d), key=lambda i: -_cost(chosen[i])[0]):
            others = chosen[:k] + chosen[k + 1 :]
            # The one direction of the span that the other rows do not reach.
            direction = np.linalg.svd(np.array(others) @ span.T)[2][-1]
            for row in _sparse_vectors(span, direction[None], error, EXCHANGE_STARTS):
                if _cost(row)[0] < _cost(chosen[k])[0] and _sine(row, others) > independent:
                    chosen[k], improved = row, True
    return chosen


def _sparse_vectors(span: np.ndarray, directions: np.ndarray, error: float, starts: int = 1) -> list[np.ndarray]:
    """For each direction u in coordinates of ``span``: a sparse vector c span with c . u = 1, if one is found."""
    norms = np.linalg.norm(directions, axis=1)
    directions = directions[norms > INDEPENDENT / len(span)]
    # The first start weighs all entries alike, the others at random: each may end in another local minimum.
    chance = np.random.default_rng(0).uniform(0.1, 1.0, (starts - 1, 1, span.shape[1]))
    weights = np.concatenate([np.ones((1, 1, span.shape[1])), chance]).repeat(len(directions), axis=1)
    weights = weights.reshape(-1, span.shape[1])
    directions = np.tile(directions, (starts, 1))
    vectors = weights
    for smoothing in np.geomspace(1.0, SMOOTHEST, ROUNDS):
        normal = np.matmul(span * weights[:, None, :], span.T)
        coefficients = np.linalg.solve(normal, directions[:, :, None])[:, :, 0]
        vectors = coefficients @ span
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        weights = smoothing**2 / (vectors**2 + smoothing**2)
    return _solved(span, vectors, error)


def _vanishing_vectors(span: np.ndarray, error: float) -> list[np.ndarray]:
    """Vectors of the span that vanish on one column less than its dimension, drawn at random.

    If a vector has k non-zero entries of q, such a draw misses all of them with chance about (1 - k/q)^(d - 1).
    """
    d, q = span.shape
    draws = np.argsort(np.random.default_rng(0).random((DRAWS, q)), axis=1)[:, : d - 1]
    normal = np.linalg.qr(span[:, draws].transpose(1, 0, 2), mode="complete")[0][:, :, -1]
    return _solved(span, normal @ span, error)


def _solved(span: np.ndarray, vectors: np.ndarray, error: float) -> list[np.ndarray]:
    """Each different support among ``vectors``, solved for exactly."""
    supports = np.unique(np.abs(vectors) > SUPPORT * np.abs(vectors).max(axis=1, keepdims=True), axis=0)
    rows = (_on_support(span, support, error) for support in supports)
    return [row for row in rows if row is not None]


def _on_support(span: np.ndarray, support: np.ndarray, error: float) -> np.ndarray | None:
    """The vector of the span that vanishes off ``support``, if there is exactly one."""
    left, values, _ = np.linalg.svd(span[:, ~support], full_matrices=True)
    if int((values > SAFETY * _turn(error, span.shape)).sum()) != len(span) - 1:
        return None
    return _cleaned(left[:, -1] @ span, error)


def _cleaned(row: np.ndarray, error: float) -> np.ndarray:
    row = np.where(np.abs(row) <= SAFETY * error, 0.0, row)
    return row / np.linalg.norm(row)


def _cost(row: np.ndarray) -> tuple[int, float, tuple[int, ...]]:
    support = np.flatnonzero(row)
    return len(support), round(float(np.abs(row).sum()), 6), tuple(support.tolist())


def _sine(row: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """The sine of the angle between a unit row and the span of the others."""
    if not others:
        return 1.0
    frame = np.linalg.qr(np.array(others).T)[0]
    return float(np.linalg.norm(row - frame @ (frame.T @ row)))


def _sorted(basis: np.ndarray) -> np.ndarray:
    return basis[sorted(range(len(basis)), key=lambda k: tuple(np.flatnonzero(basis[k]).tolist()))]


def _scaled(basis: np.ndarray, span: np.ndarray, error: float, units: np.ndarray) -> np.ndarray:
    """Each unit row in its units, as coprime integers where it fits some, and otherwise with a first entry of one.

    The first that is more than noise, in a row that could not be cleaned; the largest where none is.
    """
    result = basis * units
    for k, row in enumerate(result):
        clear = np.flatnonzero(np.abs(basis[k]) > SAFETY * error)
        first = row[clear[0] if len(clear) else int(np.argmax(np.abs(basis[k])))]
        scaled = row / first
        # The zeros fix a row all the less, the less of the span they rule out; the division and the units then
        # magnify the error of each entry.
        values = np.linalg.svd(span[:, row == 0], compute_uv=False)
        ruled = values[len(span) - 2] if 1 < len(span) <= len(values) + 1 else 1.0
        fractions = snap(scaled, SAFETY * error / max(float(ruled), error) * units / abs(first))
        exact = [value for value in fractions if isinstance(value, Fraction)]
        if len(exact) == len(fractions) and all((v == 0) == (x == 0) for v, x in zip(exact, scaled, strict=True)):
            common = lcm(*(value.denominator for value in exact))
            scaled = scaled * (common if common <= LARGEST_DENOMINATOR else 1)
        result[k] = scaled
    return result
