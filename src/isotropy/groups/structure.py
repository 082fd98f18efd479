"""Radical, series, Levi factor and direct summands of a real Lie algebra given by its structure constants.

Everything here works on one array ``c`` of shape (q, q, q), ``[e_i, e_j] = sum_k c[i, j, k] e_k``, in a frame in
which it is well scaled, and on one number ``floor``, the size of the errors in that frame. A subspace is an
orthonormal array of rows, shape (k, q).
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import linalg
from scipy.sparse.csgraph import connected_components

from ..numerics.decide import decide

EPS = float(np.finfo(np.float64).eps)


def numerical_rank(singular: np.ndarray, floor: float, scale: float = 1.0) -> int:
    """How many singular values are not zero, for errors of size ``floor`` in entries of size ``scale``."""
    level = max(floor, EPS * max(len(singular), 1))
    # the scale itself stands in the list, so that a cluster just above the floor is seen to lie far below it
    return len(singular) - decide(np.append(singular / scale, 1.0), floor=level).nullity


def null_space(a: np.ndarray, floor: float, scale: float = 1.0) -> np.ndarray:
    """Orthonormal rows spanning the x with ``a @ x = 0``."""
    columns = a.shape[1]
    if a.shape[0] > 2 * columns:  # the triangular factor has the same null space and is small
        a = np.asarray(np.linalg.qr(a, mode="r"))
    if a.size == 0:
        return np.eye(columns)
    _, singular, right = np.linalg.svd(a, full_matrices=True)
    return right[numerical_rank(singular, floor, scale) :]


def row_space(a: np.ndarray, floor: float, scale: float = 1.0) -> np.ndarray:
    """Orthonormal rows spanning the rows of ``a``."""
    if a.size == 0:
        return np.zeros((0, a.shape[1]))
    if a.shape[0] > 2 * a.shape[1]:
        a = np.asarray(np.linalg.qr(a, mode="r"))
    _, singular, right = np.linalg.svd(a, full_matrices=False)
    return right[: numerical_rank(singular, floor, scale)]


def complement(rows: np.ndarray) -> np.ndarray:
    """Orthonormal rows spanning the orthogonal complement of orthonormal rows."""
    k, q = rows.shape
    if k == 0:
        return np.eye(q)
    return np.linalg.qr(rows.T, mode="complete")[0][:, k:].T


def change_basis(c: np.ndarray, rows: np.ndarray, inverse: np.ndarray | None = None) -> np.ndarray:
    """Structure constants in the basis ``rows`` (new vectors in old coordinates, shape (k, q)).

    ``inverse`` has shape (q, k) and reads the new coordinates off the old ones; by default the pseudo-inverse,
    so that for k < q the part of a bracket outside the span is dropped.
    """
    if len(rows) == 0:
        return np.zeros((0, 0, 0))
    inverse = np.linalg.pinv(rows) if inverse is None else inverse
    return brackets(c, rows, rows) @ inverse


def brackets(c: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """All brackets of the rows of ``left`` with the rows of ``right``, shape (a, b, q)."""
    return np.tensordot(right, np.tensordot(left, c, axes=(1, 0)), axes=(1, 1)).transpose(1, 0, 2)


def adjoint(c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The matrix of y -> [x, y], acting on columns."""
    return np.tensordot(x, c, axes=(0, 0)).T


def killing_form(c: np.ndarray) -> np.ndarray:
    """``B(x, y) = tr(ad x ad y)``."""
    return np.einsum("iab,jba->ij", c, c, optimize=True)


def bracket_space(c: np.ndarray, left: np.ndarray, right: np.ndarray, floor: float) -> np.ndarray:
    """The span of all [x, y] with x in ``left`` and y in ``right``."""
    return row_space(brackets(c, left, right).reshape(len(left) * len(right), c.shape[0]), floor)


def series(c: np.ndarray, floor: float, *, lower: bool = False) -> list[np.ndarray]:
    """The derived series, or the lower central series, from the whole algebra until it stops falling."""
    whole = np.eye(c.shape[0])
    terms = [whole]
    while len(terms[-1]):
        following = bracket_space(c, whole if lower else terms[-1], terms[-1], floor)
        if len(following) >= len(terms[-1]):
            break
        terms.append(following)
    return terms


def centralizer(c: np.ndarray, rows: np.ndarray, floor: float) -> np.ndarray:
    """All x that commute with every row."""
    q = c.shape[0]
    if len(rows) == 0:
        return np.eye(q)
    return null_space(np.tensordot(rows, c, axes=(1, 1)).transpose(0, 2, 1).reshape(len(rows) * q, q), floor)


def radical(c: np.ndarray, floor: float) -> np.ndarray:
    """The largest solvable ideal: the orthogonal complement of [g, g] for the Killing form (Cartan's criterion)."""
    q = c.shape[0]
    derived = bracket_space(c, np.eye(q), np.eye(q), floor)
    return null_space(derived @ killing_form(c), floor)


def nilradical(c: np.ndarray, floor: float, rad: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """The largest nilpotent ideal: the elements of the radical r on which every weight of r on r vanishes.

    x lies in it iff tr(ad x (ad y)^k) = 0 on r for generic y and all k < dim r, since these sums determine the
    weights one by one (the powers of a generic y separate them).
    """
    d = len(rad)
    if d == 0:
        return rad
    inside = change_basis(c, rad, rad.T)
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(d):
        y = adjoint(inside, random.standard_normal(d))
        size = np.abs(np.linalg.eigvals(y)).max()
        # a nilpotent ad y carries no weight; its eigenvalues are the floor's d-th root at most
        y = y / size if size > max(floor, EPS * d) ** (1.0 / (d + 1)) else np.zeros_like(y)
        power = np.eye(d)
        for _ in range(d):
            # tr(ad x power); ad x = inside[x].T. Powers of a y far from normal are large, and their errors with them.
            rows.append(np.einsum("xab,ab->x", inside, power) / max(1.0, float(np.linalg.norm(power, 2))))
            power = y @ power
    return null_space(np.array(rows) / d, floor) @ rad


def generated_ideal(c: np.ndarray, rows: np.ndarray, floor: float) -> np.ndarray:
    """The smallest ideal that contains the rows."""
    span = row_space(rows, floor)
    while True:
        bigger = brackets(c, np.eye(c.shape[0]), span).reshape(-1, c.shape[0])
        larger = row_space(np.concatenate([span, bigger]), floor)
        if len(larger) == len(span):
            return larger
        span = larger


def levi_factor(c: np.ndarray, floor: float, rad: np.ndarray) -> np.ndarray:
    """A semisimple subalgebra that is a complement of the radical (Levi's theorem), shape (s, q), not orthonormal.

    A complement is lifted down the derived series of the radical; each layer is abelian, so that each step is
    one linear least-squares problem, solvable by Whitehead's second lemma.
    """
    lifted = complement(rad)
    s = len(lifted)
    if s == 0 or len(rad) == 0:
        return lifted
    quotient = brackets(c, lifted, lifted) @ lifted.T
    inside = change_basis(c, rad, rad.T)
    layers = [term @ rad for term in series(inside, floor)]
    if len(layers[-1]):
        layers.append(np.zeros((0, c.shape[0])))
    first, second = np.triu_indices(s, 1)
    for upper, under in itertools.pairwise(layers):
        layer = upper if len(under) == 0 else null_space(under @ upper.T, EPS) @ upper
        d = len(layer)
        action = brackets(c, lifted, layer) @ layer.T  # (s, d, d): [x_i, l_a] = sum_b action[i, a, b] l_b
        residual = (brackets(c, lifted, lifted) - np.tensordot(quotient, lifted, axes=(2, 0))) @ layer.T
        pairs = len(first)
        system = np.zeros((pairs, d, s, d))
        every = np.arange(pairs)
        # unknown y_i = sum_a Y[i, a] l_a: [x_i, y_j] - [x_j, y_i] - sum_k c_ijk y_k = -residual_ij
        system[every, :, second] += action[first].transpose(0, 2, 1)
        system[every, :, first] -= action[second].transpose(0, 2, 1)
        system -= np.einsum("pk,ab->pakb", quotient[first, second], np.eye(d))
        right = -residual[first, second].reshape(-1)
        # inner derivations solve the homogeneous system; errors must not make them look like unknowns
        cut = min(np.sqrt(floor), floor * s * d)
        solution = np.linalg.lstsq(system.reshape(pairs * d, s * d), right, rcond=cut)[0]
        lifted = lifted + solution.reshape(s, d) @ layer
    return lifted


def simple_ideals(c: np.ndarray, floor: float, *, seed: int = 0) -> list[np.ndarray]:
    """The simple ideals of a semisimple algebra.

    A root vector of a generic element lies in one simple ideal of the complexification, so that its real and
    imaginary part generate one simple ideal of the algebra; what is left is the complement for the Killing form.
    """
    q = c.shape[0]
    if q == 0:
        return []
    form = killing_form(c)
    x = np.random.default_rng(seed).standard_normal(q)
    values, vectors = np.linalg.eig(adjoint(c, x))
    v = vectors[:, np.argmax(np.abs(values))]
    ideal = generated_ideal(c, np.stack([np.real(v), np.imag(v)]), floor)
    if len(ideal) == q:
        return [np.eye(q)]
    rest = null_space(ideal @ form, floor)
    return [ideal] + [part @ rest for part in simple_ideals(change_basis(c, rest, rest.T), floor, seed=seed + 1)]


def indecomposable_summands(c: np.ndarray, floor: float, *, seed: int = 0) -> list[np.ndarray]:
    """Ideals whose direct sum is the algebra and that do not split further; the abelian ones are lines.

    Simple ideals come first, then the parts of the rest, found as the primary components of a generic element of
    the centroid: each such component is an ideal.
    """
    q = c.shape[0]
    if q == 0:
        return []
    rad = radical(c, floor)
    if len(rad) == 0:
        return simple_ideals(c, floor, seed=seed)
    # the part of the Levi factor that does not see the radical is an ideal of its own
    outside = centralizer(c, rad, floor)
    blind = bracket_space(c, outside, outside, floor)
    if len(blind):
        rest = centralizer(c, blind, floor)
        ideals = [part @ blind for part in simple_ideals(change_basis(c, blind, blind.T), floor, seed=seed)]
        return ideals + [part @ rest for part in indecomposable_summands(change_basis(c, rest, rest.T), floor)]
    derived = bracket_space(c, np.eye(q), np.eye(q), floor)
    if len(derived) == 0:
        return [row[None] for row in np.eye(q)]
    centre = null_space(c.transpose(1, 2, 0).reshape(-1, q), floor)
    joint = row_space(np.concatenate([derived, centre]), floor)
    free = len(joint) - len(derived)
    if free:  # central lines outside [g, g] split off: any complement that contains [g, g] and not them is an ideal
        seen = centre - centre @ derived.T @ derived
        directions = np.linalg.svd(seen, full_matrices=False)[2][:free]
        lines = np.linalg.pinv(seen.T) @ directions.T
        lines = lines.T @ centre
        rest = complement(directions)
        parts = indecomposable_summands(change_basis(c, rest, rest.T), floor)
        return [part @ rest for part in parts] + [line[None] / np.linalg.norm(line) for line in lines]
    random = np.random.default_rng(seed)
    for count in (3, q):  # a few generic elements nearly always have the commutant of all
        weights = random.standard_normal((count, q)) if count < q else np.eye(q)
        basis = centroid(c, weights, floor)
        generic = np.tensordot(random.standard_normal(len(basis)), basis, axes=(0, 0))
        parts = primary_components(generic, floor)
        if all(len(bracket_space(c, a, b, floor)) == 0 for a, b in itertools.combinations(parts, 2)):
            break
    return parts


def centroid(c: np.ndarray, elements: np.ndarray, floor: float) -> np.ndarray:
    """All linear T with T[x, y] = [x, Ty] for x among ``elements``, shape (k, q, q), acting on columns.

    Costs O(q^6) an element.
    """
    q = c.shape[0]
    eye = np.eye(q)
    triangle = np.zeros((0, q * q))
    for x in elements:  # T ad x - ad x T = 0 with T flattened by rows
        ad = adjoint(c, x)
        rows = (np.kron(eye, ad.T) - np.kron(ad, eye)) / max(np.linalg.norm(x), 1.0)
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    return null_space(triangle, floor).reshape(-1, q, q)


def primary_components(a: np.ndarray, floor: float) -> list[np.ndarray]:
    """The real invariant subspaces of ``a`` that belong to its clusters of eigenvalues and their conjugates."""
    values = np.linalg.eigvals(a)
    # errors move a defective eigenvalue of multiplicity m by their m-th root; generic distinct ones lie further apart
    radius = max(floor, EPS * len(a)) ** 0.25 * np.abs(values).max()
    upper = np.stack([np.real(values), np.abs(np.imag(values))], axis=1)
    near = np.linalg.norm(upper[:, None] - upper[None], axis=-1) < radius
    count, labels = connected_components(near)
    if count == 1:
        return [np.eye(len(a))]
    centres = np.stack([upper[labels == label].mean(axis=0) for label in range(count)])
    parts = []
    for label in range(count):

        def inside(value: complex, label: int = label) -> bool:
            return int(np.hypot(*(centres - [value.real, abs(value.imag)]).T).argmin()) == label

        schur = linalg.schur(a, output="complex", sort=inside)
        span = np.asarray(schur[1])[:, : int((labels == label).sum())].T
        # the span and its conjugate are the same space, so that half of these singular values vanish
        both = np.linalg.svd(np.concatenate([np.real(span), np.imag(span)]), full_matrices=False)[2]
        parts.append(both[: len(span)])
    return parts
