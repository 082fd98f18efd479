"""Simultaneous decomposition of matrix tuples into irreducibles, aligned so that Schur's lemma can be read off.

The tuples are images of the same abstract generators under completely reducible representations. One random Hermitian
element of the algebra that the generators span (with products) is diagonalised in each: its eigenspaces meet every
irreducible in one copy of the division algebra D of the irreducible's endomorphisms (R, C or H; over C always C).
A second random element ties the eigenspaces of one irreducible together, and skew elements of a corner show D.

Nothing is believed: `decompose` ends by checking every generator on every copy. A coincidence in a random element (an
eigenvalue shared by chance, a link that is nearly zero) makes a copy that is not invariant, so it is caught there, and
the draw is repeated. Conversely an equivariant map keeps every eigenspace and every link, so that it is fixed by what
it does on one eigenspace of each irreducible, where it commutes with D: frames that pass leave no room for more maps.

Sources: J.-P. Serre, *Linear Representations of Finite Groups*, ch. 2 and 13; K. Murota, Y. Kanno, M. Kojima and
S. Kojima, *A numerical algorithm for block-diagonal decomposition of matrix star-algebras*, Japan J. Indust. Appl.
Math. 27 (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from ..errors import IsotropyError
from .decide import CLEAR, numerical_floor
from .stack import Stack

DRAWS = 8
"""How many random elements are tried before the decomposition gives up."""

_COARSE = 1e-3
"""Eigenvalues nearer than this share of the spread (less when they are many) are told apart by a second element."""

_LEAST_GAP = 1e-6
"""The smallest relative gap between different eigenvalues, and the smallest link, with which a draw is accepted."""

_UNITARY = 1e-3
"""How far, relatively, the singular values of a link may spread: of one irreducible's eigenspaces it is unitary."""


@dataclass(frozen=True)
class Isotype:
    """One irreducible and where it sits in each of the decomposed spaces.

    ``frames[a]`` has shape (d_a, n, m_a, k): orthonormal columns; for each of the m_a copies, and with the k units of D
    beside it, the same n basis vectors of the irreducible, whose dimension is n k. All copies in all spaces carry the
    same matrices. ``units`` (k, k, k) are the k matrices that commute with the action on the last axis; ``kind`` says
    which D: real (k = 1), complex (k = 2, or 1 for complex matrices) or quaternionic (k = 4).
    """

    kind: str
    units: np.ndarray
    frames: tuple[np.ndarray, ...]

    @property
    def dimension(self) -> int:
        """Dimension of the irreducible over the field of the matrices."""
        return self.frames[0].shape[1] * self.frames[0].shape[3]

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """Number of copies in each space."""
        return tuple(frame.shape[2] for frame in self.frames)


@dataclass(frozen=True)
class Decomposition:
    """All isotypes, the largest defect of unit maps built from them, and what rounding may leave of it."""

    isotypes: tuple[Isotype, ...]
    residual: float
    floor: float


_SMALL = 200
"""Size up to which products with dense matrices are faster than with sparse ones."""


class NotReducible(IsotropyError):
    """The matrices do not split into irreducibles in an orthonormal basis, at working precision."""


class _Coincidence(Exception):
    """A random element did not separate what it must: draw another."""


def decompose(spaces: Sequence[Stack], *, seed: int = 0) -> Decomposition:
    """Decompose each stack of matrices; all stacks have the same number of matrices, in the same order.

    The span of the matrices must be closed under conjugate transposition, in every stack with the same coefficients, or
    its elements be unitary. Raises `NotReducible` when no draw passes the check, as for stacks without that property.
    Cost: one Hermitian eigenproblem for each space, O(sum d_a^3), memory O(sum d_a^2).

    >>> turn = np.array([[[0.0, -1.0], [1.0, 0.0]]])
    >>> twice = np.kron(turn, np.eye(2)) + np.kron(np.eye(2), turn)
    >>> found = decompose([Stack.from_matrices(turn), Stack.from_matrices(twice)])
    >>> sorted((i.kind, i.dimension, i.multiplicities) for i in found.isotypes)
    [('complex', 2, (0, 1)), ('complex', 2, (1, 0)), ('real', 1, (0, 2))]
    """
    counts = {space.count for space in spaces}
    if len(counts) != 1 or 0 in counts:
        raise IsotropyError(
            f"The spaces must have the same number of matrices, at least one (the identity will do). Got {counts}."
        )
    field = np.complex128 if any(space.is_complex for space in spaces) else np.float64
    scale = max(float(np.max(abs(space.tall).sum(axis=1), initial=0)) for space in spaces) or 1.0
    best: Decomposition | None = None
    for draw in range(DRAWS):
        try:
            found = _checked(_attempt(spaces, field, scale, np.random.default_rng([seed, draw])), spaces, scale)
        except _Coincidence:
            continue
        if best is None or found.residual < best.residual:
            best = found
        if best.residual <= best.floor:
            return best
    if best is not None and best.residual <= CLEAR * best.floor:
        return best
    raise NotReducible(
        f"The representation does not split into irreducibles to working precision ({DRAWS} random elements tried"
        + (f", best defect {best.residual:.1e}" if best is not None else "")
        + "): it is not completely reducible in an orthonormal basis. Use the null-space method."
    )


class _Element:
    """A random polynomial of degree 3 in the generators, evaluated alike on every space."""

    def __init__(self, rng: np.random.Generator, count: int, field: Any, scale: float):
        draw = rng.standard_normal((6, count))
        self.weights = (draw + 1j * rng.standard_normal((6, count)) if field is np.complex128 else draw) / scale

    def times(self, space: Stack, x: np.ndarray) -> np.ndarray:
        """The element on one space times a block of columns."""
        z = [space.weighted(w) for w in self.weights]
        if space.size <= _SMALL:
            z = [m.toarray() for m in z]
        return z[0] @ x + z[1] @ (z[2] @ x) + z[3] @ (z[4] @ (z[5] @ x))

    def hermitian(self, space: Stack) -> np.ndarray:
        """The element plus its adjoint."""
        value = self.times(space, np.eye(space.size))
        return value + value.conj().T


def _attempt(spaces: Sequence[Stack], field: Any, scale: float, rng: np.random.Generator) -> list[Isotype]:
    splitter, second, link, *corners = (_Element(rng, spaces[0].count, field, scale) for _ in range(5))
    pairs = [np.linalg.eigh(splitter.hermitian(space)) for space in spaces]
    values, bases = [p[0] for p in pairs], [p[1].astype(field, copy=False) for p in pairs]
    labels = _separate(values, bases, spaces, second)
    number = max(int(label.max()) for label in labels) + 1
    where = [_members(label, number) for label in labels]
    links = [_linked(link, u, space) for u, space in zip(bases, spaces, strict=True)]
    result = []
    for order, parents in _components(_strengths(links, labels, number)):
        counts = [np.array([len(place[k]) for k in order]) for place in where]
        if any((count != count[0]).any() for count in counts):
            raise _Coincidence
        chains = [_chain(u, b, w, order, parents) for u, b, w in zip(bases, links, where, strict=True)]
        structures: list[list[np.ndarray]] = []
        if field is np.float64:
            roots = [u[:, w[order[0]]] for u, w in zip(bases, where, strict=True)]
            structures = _division_algebra(corners, roots, spaces)
        frames = tuple(_adapted(chain, [unit[a] for unit in structures]) for a, chain in enumerate(chains))
        kind = "complex" if field is np.complex128 else ("real", "complex", "", "quaternionic")[len(structures)]
        result.append(Isotype(kind, _units(len(structures) + 1), frames))
    return result


def _members(label: np.ndarray, number: int) -> list[np.ndarray]:
    order = np.argsort(label, kind="stable")
    return np.split(order, np.searchsorted(label[order], np.arange(1, number)))


def _linked(link: _Element, basis: np.ndarray, space: Stack) -> np.ndarray:
    block = basis.conj().T @ link.times(space, basis)
    return block + block.conj().T


def _separate(
    values: list[np.ndarray], bases: list[np.ndarray], spaces: Sequence[Stack], second: _Element
) -> list[np.ndarray]:
    """Number the eigenspaces, the same in every space; crowded eigenvalues are split, in place, by a second element."""
    every = np.concatenate(values)
    spread = float(np.abs(every).max()) or 1.0
    size = max(len(v) for v in values)
    floor = numerical_floor(np.float64, 10 * size, spread)
    distinct = _cut(every, floor)[1]
    coarse = max(min(_COARSE, 0.1 / distinct), _LEAST_GAP) * spread
    cluster, number = _cut(every, coarse)
    ends = np.cumsum([len(v) for v in values])[:-1]
    low, high = np.full(number, np.inf), np.full(number, -np.inf)
    np.minimum.at(low, cluster, every)
    np.maximum.at(high, cluster, every)
    crowded = np.flatnonzero(high - low > floor)
    if not len(crowded):
        return np.split(cluster, ends)
    label = cluster * 1.0
    where = np.split(cluster, ends)
    for c in crowded:
        rows = [np.flatnonzero(k == c) for k in where]
        inner: list[np.ndarray] = []
        for u, r, space in zip(bases, rows, spaces, strict=True):
            if len(r):
                split = u[:, r].conj().T @ second.times(space, u[:, r])
                part, turn = np.linalg.eigh(split + split.conj().T)
                u[:, r] = u[:, r] @ turn
                inner.append(part)
        found = np.concatenate(inner)
        top = float(np.abs(found).max()) or 1.0
        numbers, count = _cut(found, _LEAST_GAP * top, floor=numerical_floor(np.float64, 10 * size, top))
        label[cluster == c] += numbers / count
    return np.split(np.unique(label, return_inverse=True)[1], ends)


def _cut(values: np.ndarray, gap: float, *, floor: float | None = None) -> tuple[np.ndarray, int]:
    """Number the clusters of values more than ``gap`` apart; redraw if a step lies between it and ``floor``."""
    order = np.argsort(values)
    steps = np.diff(values[order])
    if floor is not None and ((steps > floor) & (steps <= gap)).any():
        raise _Coincidence
    numbers = np.empty(len(values), dtype=int)
    numbers[order] = np.concatenate([[0], np.cumsum(steps > gap)])
    return numbers, int((steps > gap).sum()) + 1


def _strengths(links: list[np.ndarray], labels: list[np.ndarray], count: int) -> np.ndarray:
    """How strongly the linking element ties each pair of eigenspaces: the blocks' root mean square singular values."""
    total = np.zeros((count, count))
    for block, label in zip(links, labels, strict=True):
        indicator = sp.csr_array((np.ones(len(label)), (label, np.arange(len(label)))), shape=(count, len(label)))
        sums = indicator @ (np.abs(block) ** 2) @ indicator.T
        sizes = np.maximum(np.bincount(label, minlength=count), 1)
        total = np.maximum(total, np.sqrt(sums / np.sqrt(np.outer(sizes, sizes))))
    top = total.max() or 1.0
    off = total[~np.eye(count, dtype=bool)]
    floor = numerical_floor(np.float64, 10 * max(map(len, labels)), top) / _LEAST_GAP
    if ((off > floor) & (off <= _LEAST_GAP * top)).any():
        raise _Coincidence
    total[total <= _LEAST_GAP * top] = 0
    return total


def _components(strength: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The eigenspaces of each irreducible, in the order of a walk along the strongest links, with their parents."""
    if not np.count_nonzero(strength - np.diag(np.diag(strength))):
        return [(np.array([k]), np.zeros(0, dtype=int)) for k in range(len(strength))]
    ties = sp.csr_array(np.divide(1.0, strength, out=np.zeros_like(strength), where=strength > 0))
    number, labels = connected_components(ties, directed=False)
    tree = minimum_spanning_tree(ties)
    tree = tree + tree.T
    result = []
    for members in _members(labels, number):
        root = members[np.argmax(strength[np.ix_(members, members)].sum(axis=0))]
        result.append(breadth_first_order(tree, root, directed=False))
    return result


def _chain(
    basis: np.ndarray, link: np.ndarray, where: list[np.ndarray], order: np.ndarray, parents: np.ndarray
) -> np.ndarray:
    """Bases (d, n, m) of the eigenspaces, each carried from its parent by the unitary part of the link between them."""
    root = where[order[0]]
    if not len(root):
        return np.zeros((len(basis), len(order), 0), basis.dtype)
    turns = {order[0]: np.eye(len(root), dtype=basis.dtype)}
    for k in order[1:]:
        parent = parents[k]
        left, size, right = np.linalg.svd(link[np.ix_(where[k], where[parent])] @ turns[parent])
        if size[0] - size[-1] > _UNITARY * size[0]:
            raise _Coincidence
        turns[k] = left @ right
    return np.stack([basis[:, where[k]] @ turns[k] for k in order], axis=1)


def _skew(block: np.ndarray) -> np.ndarray:
    return (block - block.T) / 2


def _division_algebra(
    corners: list[_Element], roots: list[np.ndarray], spaces: Sequence[Stack]
) -> list[list[np.ndarray]]:
    """The imaginary units of D as matrices on the root eigenspace of every space: none, one or three of them."""
    total = sum(e.shape[1] for e in roots)
    units: list[list[np.ndarray]] = []
    for corner in corners:
        family = [_skew(e.T @ corner.times(space, e)) for e, space in zip(roots, spaces, strict=True)]
        for unit in units:
            along = sum(np.vdot(u, k) for u, k in zip(unit, family, strict=True)) / total
            family = [k - along * u for u, k in zip(unit, family, strict=True)]
        size = float(np.sqrt(sum(np.linalg.norm(k) ** 2 for k in family) / total))
        # Elements are of order 1 on the largest irreducibles; rounding leaves about eps times the size of the space.
        if size <= _LEAST_GAP:
            return units
        units.append([k / size for k in family])
    return [*units, [a @ b for a, b in zip(*units, strict=True)]]


def _adapted(chain: np.ndarray, structures: list[np.ndarray]) -> np.ndarray:
    """Split the multiplicity axis (m k) of a chain into copies and units: (d, n, m, k)."""
    _d, _n, total = chain.shape
    k = len(structures) + 1
    if total % k:
        raise _Coincidence
    if k == 1:
        return chain[..., None]
    return np.einsum("dnt,tmk->dnmk", chain, _module_basis(structures, total // k))


def _module_basis(structures: list[np.ndarray], copies: int) -> np.ndarray:
    """Orthonormal vectors v_j, J v_j, ... (m k, m, k) of a space on which D acts by the given skew matrices."""
    k = len(structures) + 1
    size = copies * k
    basis = np.zeros((size, copies, k))
    rng = np.random.default_rng(size)
    for j in range(copies):
        done = basis[:, :j].reshape(size, -1)
        v = rng.standard_normal(size)
        for _ in range(2):  # twice is enough: the second pass removes what rounding left of the first
            v -= done @ (done.T @ v)
            v /= np.linalg.norm(v)
        basis[:, j] = np.stack([v, *(s @ v for s in structures)], axis=1)
    return basis


def _units(k: int) -> np.ndarray:
    """Right multiplications by the units of R, C or H, which commute with the action from the left."""
    if k == 1:
        return np.ones((1, 1, 1))
    if k == 2:
        return np.array([np.eye(2), [[0, -1], [1, 0]]])
    i, j, ij = _right(1), _right(2), _right(3)
    return np.array([np.eye(4), i, j, ij])


def _right(unit: int) -> np.ndarray:
    """The matrix of q -> q e_unit on the quaternions 1, i, j, k."""
    table = {(1, 1): (-1, 0), (2, 2): (-1, 0), (3, 3): (-1, 0), (1, 2): (1, 3), (2, 3): (1, 1), (3, 1): (1, 2)}
    table |= {(b, a): (-sign, c) for (a, b), (sign, c) in table.items() if a != b}
    matrix = np.zeros((4, 4))
    for a in range(4):
        sign, c = (1, unit) if a == 0 else (1, a) if unit == 0 else table[a, unit]
        matrix[c, a] = sign
    return matrix


def _checked(isotypes: list[Isotype], spaces: Sequence[Stack], scale: float) -> Decomposition:
    """The largest defect over generators, copies and units, for maps of Frobenius norm 1, and over all of space."""
    sizes = [space.size for space in spaces]
    floor = numerical_floor(np.float64, 10 * max(sizes), scale)
    frames = [np.concatenate([i.frames[a].reshape(d, -1) for i in isotypes], axis=1) for a, d in enumerate(sizes)]
    if any(frame.shape != (d, d) for frame, d in zip(frames, sizes, strict=True)):
        return Decomposition(tuple(isotypes), float("inf"), floor)
    worst = max(float(np.abs(f.conj().T @ f - np.eye(len(f))).max()) for f in frames)
    moved = [space.apply(frame) for space, frame in zip(spaces, frames, strict=True)]
    starts = [0] * len(spaces)
    for isotype in isotypes:
        _d, n, _m, k = isotype.frames[0].shape
        first = True
        matrix = np.zeros(0)
        for a, (frame, image) in enumerate(zip(isotype.frames, moved, strict=True)):
            d, m = len(frame), frame.shape[2]
            if not m:
                continue
            block = image[:, :, starts[a] : starts[a] + n * m * k].reshape(-1, d, n, m, k)
            starts[a] += n * m * k
            copies = frame.transpose(2, 0, 1, 3).reshape(m, d, n * k)
            images = block.transpose(3, 0, 1, 2, 4).reshape(m, -1, d, n * k)
            if first:
                matrix = copies[0].conj().T @ images[0]
                first = False
            defect = images - copies[:, None] @ matrix
            worst = max(worst, float(np.sqrt((np.abs(defect) ** 2).sum(axis=(2, 3)).max() / (n * k))))
        for unit in isotype.units[1:]:
            right = np.kron(np.eye(n), unit)
            worst = max(worst, float(np.abs(matrix @ right - right @ matrix).max()))
    return Decomposition(tuple(isotypes), worst, floor)
