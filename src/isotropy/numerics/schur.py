"""Simultaneous decomposition of matrix tuples into irreducibles, aligned so that Schur's lemma can be read off.

The tuples are images of the same abstract generators under completely reducible representations. One random Hermitian
element of the algebra that the generators span (with products) is diagonalised in each: its eigenspaces meet every
irreducible in one copy of the division algebra D of the irreducible's endomorphisms (R, C or H; over C always C).
A second random element ties the eigenspaces of one irreducible together, and skew elements of a corner show D.

Nothing is believed: `decompose` ends by checking every generator on every copy. A coincidence in a random element (an
eigenvalue shared by chance, a link that is nearly zero) makes a copy that is not invariant, so it is caught there, and
the draw is repeated. Conversely frames that pass the check, with the eigenspaces that they are built from, leave no room
for a further equivariant map.

Sources: J.-P. Serre, *Linear Representations of Finite Groups*, ch. 2 and 13; K. Murota, Y. Kanno, M. Kojima, S. Kojima,
*A numerical algorithm for block-diagonal decomposition of matrix *-algebras*, Japan J. Indust. Appl. Math. 27 (2010).
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

DRAWS = 8
"""How many random elements are tried before the decomposition gives up."""

_COARSE = 1e-3
"""Eigenvalues nearer than this share of the spread (less when they are many) are told apart by a second element."""

_LEAST_GAP = 1e-6
"""The smallest relative gap between different eigenvalues, and the smallest link, with which a draw is accepted."""


@dataclass(frozen=True)
class Isotype:
    """One irreducible and where it sits in each of the decomposed spaces.

    ``frames[a]`` has shape (d_a, n, m_a, k): orthonormal columns; for each of the m_a copies, and with the k units of D
    beside it, the same n basis vectors of the irreducible, whose dimension is n k. All copies in all spaces carry the same
    matrices. ``units`` (k, k, k) are the k matrices that commute with the action on the last axis; ``kind`` says which D:
    real (k = 1), complex (k = 2, or 1 for complex matrices) or quaternionic (k = 4).
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
    """All isotypes, the largest equivariance defect of a unit map built from them, and the rounding that it may have."""

    isotypes: tuple[Isotype, ...]
    residual: float
    floor: float


class _Coincidence(Exception):
    """A random element did not separate what it must: draw another."""


def decompose(tuples: Sequence[Sequence[Any]], *, seed: int = 0) -> Decomposition:
    """Decompose each tuple of square (sparse or dense) matrices; all tuples have one length, in the same order.

    The span of the generators must be closed under conjugate transposition in every tuple with the same coefficients, or
    its elements be unitary. Raises `IsotropyError` when no draw passes the check, as for tuples without that property.
    Cost: one Hermitian eigenproblem for each space, O(sum d_a^3), memory O(sum d_a^2).

    >>> turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> found = decompose([[turn], [np.kron(turn, np.eye(2)) + np.kron(np.eye(2), turn)]])
    >>> sorted((i.kind, i.dimension, i.multiplicities) for i in found.isotypes)
    [('complex', 2, (0, 1)), ('complex', 2, (1, 0)), ('real', 1, (0, 2))]
    """
    spaces = [[sp.csr_array(m) for m in matrices] for matrices in tuples]
    sizes = [_size(given, k) for k, given in enumerate(tuples)]
    field = np.complex128 if any(np.iscomplexobj(m) for space in spaces for m in space) else np.float64
    scale = max((float(abs(m).sum(axis=1).max()) for space in spaces for m in space), default=0.0) or 1.0
    best: Decomposition | None = None
    for draw in range(DRAWS):
        try:
            isotypes = _attempt(spaces, sizes, field, scale, np.random.default_rng([seed, draw]))
        except _Coincidence:
            continue
        found = _checked(isotypes, spaces, sizes, scale)
        if best is None or found.residual < best.residual:
            best = found
        if best.residual <= best.floor:
            return best
    if best is not None and best.residual <= CLEAR * best.floor:
        return best
    raise IsotropyError(
        f"The representation does not split into irreducibles to working precision ({DRAWS} random elements tried"
        + (f", best defect {best.residual:.1e}" if best is not None else "")
        + "): it is not completely reducible in an orthonormal basis. Use the null-space method."
    )


def _size(matrices: Sequence[Any], k: int) -> int:
    if not len(matrices):
        raise IsotropyError(f"Space {k} has no matrices: pass at least one generator (the identity will do).")
    return matrices[0].shape[0]


class _Element:
    """A random word polynomial in the generators, evaluated alike on every space."""

    def __init__(self, rng: np.random.Generator, count: int, field: Any, scale: float):
        shape = (6, count)
        draw = rng.standard_normal(shape)
        self.weights = (draw + 1j * rng.standard_normal(shape) if field is np.complex128 else draw) / scale

    def __call__(self, space: Sequence[sp.csr_array]) -> np.ndarray:
        z = [sp.csr_array(sum(w * m for w, m in zip(row, space, strict=True))) for row in self.weights]
        cubic = (z[3] @ (z[4] @ z[5].toarray())) if len(space) else 0
        return (z[0] + z[1] @ z[2]).toarray() + cubic

    def hermitian(self, space: Sequence[sp.csr_array]) -> np.ndarray:
        value = self(space)
        return value + value.conj().T


def _attempt(
    spaces: list[list[sp.csr_array]], sizes: list[int], field: Any, scale: float, rng: np.random.Generator
) -> list[Isotype]:
    count = len(spaces[0])
    splitter, second, link, *corners = (
        _Element(rng, count, field, scale) for _ in range(3 if field is np.complex128 else 6)
    )
    pairs = [np.linalg.eigh(splitter.hermitian(space)) for space in spaces]
    values, bases = [p[0] for p in pairs], [p[1].astype(field) for p in pairs]
    labels, bases = _separate(values, bases, [second.hermitian(space) for space in spaces])
    links = [u.conj().T @ (link.hermitian(space) @ u) for u, space in zip(bases, spaces, strict=True)]
    where = [[np.flatnonzero(label == k) for k in range(max(map(np.max, labels)) + 1)] for label in labels]
    strength = _strengths(links, labels, len(where[0]))
    result = []
    for members, order, parents in _components(strength):
        _check_same_counts(members, where)
        chains = [_chain(u, b, w, order, parents) for u, b, w in zip(bases, links, where, strict=True)]
        roots = [u[:, w[order[0]]] for u, w in zip(bases, where, strict=True)]
        skews = [[_skew(corner(space), e) for e, space in zip(roots, spaces, strict=True)] for corner in corners]
        structures = _division_algebra(skews, roots)
        frames = tuple(_adapted(chain, [structure[a] for structure in structures]) for a, chain in enumerate(chains))
        kind = ("real", "complex", "", "quaternionic")[len(structures)] if field is np.float64 else "complex"
        result.append(Isotype(kind, _units(len(structures) + 1), frames))
    return result


def _separate(
    values: list[np.ndarray], bases: list[np.ndarray], seconds: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Number the eigenspaces, the same in every space; crowded eigenvalues are split by a second element."""
    spread = max(np.abs(v).max() for v in values) or 1.0
    size = max(len(v) for v in values)
    floor = numerical_floor(np.float64, 10 * size, spread)
    distinct = _cut(np.concatenate(values), floor)[1]
    coarse = max(min(_COARSE, 0.1 / distinct), _LEAST_GAP) * spread
    cluster, number = _cut(np.concatenate(values), coarse)
    clusters = np.split(cluster, np.cumsum([len(v) for v in values])[:-1])
    labels = [np.zeros(len(v), dtype=int) for v in values]
    used = 0
    for c in range(number):
        rows = [np.flatnonzero(k == c) for k in clusters]
        inside = np.concatenate([v[r] for v, r in zip(values, rows, strict=True)])
        if inside.max() - inside.min() > floor:
            sub = [
                np.linalg.eigh(u[:, r].conj().T @ s @ u[:, r]) if len(r) else None
                for u, r, s in zip(bases, rows, seconds, strict=True)
            ]
            split = [np.zeros(0) if s is None else s[0] for s in sub]
            top = max(np.abs(s).max(initial=0) for s in (np.diag(s).real for s in seconds)) or 1.0
            inner, count = _cut(
                np.concatenate(split), _LEAST_GAP * top, floor=numerical_floor(np.float64, 10 * size, top)
            )
            for u, r, s in zip(bases, rows, sub, strict=True):
                if s is not None:
                    u[:, r] = u[:, r] @ s[1]
        else:
            inner, count = np.zeros(len(inside), dtype=int), 1
        for label, r, part in zip(labels, rows, np.split(inner, np.cumsum([len(r) for r in rows])[:-1]), strict=True):
            label[r] = used + part
        used += count
    return labels, bases


def _cut(values: np.ndarray, gap: float, *, floor: float | None = None) -> tuple[np.ndarray, int]:
    """Number the clusters of real values that stand further apart than ``gap``; in doubt between it and ``floor``, redraw."""
    order = np.argsort(values)
    steps = np.diff(values[order])
    if floor is not None and ((steps > floor) & (steps <= gap)).any():
        raise _Coincidence
    numbers = np.empty(len(values), dtype=int)
    numbers[order] = np.concatenate([[0], np.cumsum(steps > gap)])
    return numbers, int((steps > gap).sum()) + 1


def _strengths(links: list[np.ndarray], labels: list[np.ndarray], count: int) -> np.ndarray:
    """How strongly the linking element ties each pair of eigenspaces: the root mean square singular value of the block."""
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


def _components(strength: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The eigenspaces of each irreducible, in the order of a walk along the strongest links, with their parents."""
    ties = sp.csr_array(np.where(strength > 0, 1 / np.where(strength > 0, strength, 1), 0))
    number, labels = connected_components(ties, directed=False)
    tree = minimum_spanning_tree(ties)
    tree = tree + tree.T
    result = []
    for c in range(number):
        members = np.flatnonzero(labels == c)
        root = members[np.argmax(strength[np.ix_(members, members)].sum(axis=0))]
        order, parents = breadth_first_order(tree, root, directed=False)
        result.append((members, order, parents))
    return result


def _check_same_counts(members: np.ndarray, where: list[list[np.ndarray]]) -> None:
    if any(len({len(place[k]) for k in members}) > 1 for place in where):
        raise _Coincidence


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
        if size[0] - size[-1] > 1e-3 * size[0]:
            raise _Coincidence
        turns[k] = left @ right
    return np.stack([basis[:, where[k]] @ turns[k] for k in order], axis=1)


def _skew(value: np.ndarray, root: np.ndarray) -> np.ndarray:
    corner = root.conj().T @ value @ root
    return (corner - corner.conj().T) / 2


def _division_algebra(skews: list[list[np.ndarray]], roots: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The imaginary units of D as matrices on the root eigenspace of every space: none, one or three of them."""
    total = sum(e.shape[1] for e in roots)
    units: list[list[np.ndarray]] = []
    sizes = [np.sqrt(sum(np.linalg.norm(k) ** 2 for k in family) / total) for family in skews]
    top = max(sizes, default=0.0)
    if top <= _LEAST_GAP:
        return []
    for family in skews:
        for unit in units:
            along = sum(np.vdot(u, k) for u, k in zip(unit, family, strict=True)) / total
            family = [k - along * u for u, k in zip(unit, family, strict=True)]
        size = np.sqrt(sum(np.linalg.norm(k) ** 2 for k in family) / total)
        if size > 1e-4 * top:
            units.append([k / size for k in family])
        if len(units) == 2:
            units.append([a @ b for a, b in zip(*units, strict=True)])
            break
    return units


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
    """Right multiplications by the units of R, C or H, as matrices on left coordinates: they commute with the action."""
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


def _checked(
    isotypes: list[Isotype], spaces: list[list[sp.csr_array]], sizes: list[int], scale: float
) -> Decomposition:
    """The largest defect over generators, copies and units, for maps of Frobenius norm 1."""
    floor = numerical_floor(np.float64, 10 * max(sizes), scale)
    worst = 0.0
    for isotype in isotypes:
        n, k = isotype.frames[0].shape[1], isotype.frames[0].shape[3]
        flat = [np.moveaxis(f, 2, 1).reshape(f.shape[0], f.shape[2], n * k) for f in isotype.frames]
        first = next(a for a, f in enumerate(flat) if f.shape[1])
        model = flat[first][:, 0]
        shape = np.sqrt(n * k)
        for g in range(len(spaces[0])):
            matrix = model.conj().T @ (spaces[first][g] @ model)
            for space, frame in zip(spaces, flat, strict=True):
                if frame.shape[1]:
                    moved = (space[g] @ frame.reshape(len(frame), -1)).reshape(frame.shape)
                    defect = np.linalg.norm(moved - frame @ matrix, axis=(0, 2))
                    worst = max(worst, float(defect.max()) / shape)
            for unit in isotype.units:
                right = np.kron(np.eye(n), unit)
                worst = max(worst, float(np.linalg.norm(matrix @ right - right @ matrix)) / shape)
    for a, size in enumerate(sizes):
        columns = np.concatenate([i.frames[a].reshape(size, -1) for i in isotypes], axis=1)
        if columns.shape[1] != size:
            return Decomposition(tuple(isotypes), float("inf"), floor)
        worst = max(worst, float(np.abs(columns.conj().T @ columns - np.eye(size)).max()))
    return Decomposition(tuple(isotypes), worst, floor)
