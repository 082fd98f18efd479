"""A well-scaled basis of a Lie algebra, its structure constants there, and the size of their errors.

Ranks are decided in this basis, never in the user's, whose units and condition would decide them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from scipy import linalg

from ..errors import IsotropyError
from . import structure

BALANCED = 1e-3
"""A squared distance from the balanced shape, relative to one, that is good enough to decide ranks in."""

LIFTED = 1e-3
"""How large, relative to the structure constants, balancing may let the errors grow."""


MANY = 64
"""Generators from which orthogonal sparse matrices are bracketed as such: dense ones need q^2 n^2 numbers."""


@dataclass(frozen=True)
class Closure:
    """How far a span of matrices is from being closed under the bracket.

    ``residual`` is the largest part of ``[e_i, e_j]`` outside the span, over ``|e_i| |e_j|`` (Frobenius norms);
    ``worst_pair`` is that (i, j), or None when there is no pair; ``floor`` is what errors of the size of the noise
    and of rounding can make of it.
    """

    residual: float
    worst_pair: tuple[int, int] | None
    floor: float

    @property
    def closed(self) -> bool:
        """Whether the residual is within the floor."""
        return self.residual <= self.floor


@dataclass(frozen=True)
class Frame:
    """The working basis w of an algebra with the user's basis e.

    ``to_user`` (q, q): ``w_a = sum_i to_user[a, i] e_i``; ``from_user`` is its inverse; ``table`` holds the constants
    of w, as (q, q, q) or sparse as (q q, q); ``floor`` the size of the errors in them; ``closure`` how far the span is
    from an algebra.
    """

    to_user: np.ndarray
    from_user: np.ndarray
    table: np.ndarray | scipy.sparse.csr_array
    floor: float
    closure: Closure

    @cached_property
    def constants(self) -> np.ndarray:
        """The structure constants (q, q, q) of w."""
        q = len(self.to_user)
        return self.table if isinstance(self.table, np.ndarray) else self.table.toarray().reshape(q, q, q)


def frame_of_matrices(matrices: np.ndarray, eps: float, noise: float) -> Frame:
    """The orthonormal basis (Frobenius) of a span of matrices, each scaled to norm one before."""
    q, n = matrices.shape[:2]
    rows = real_rows(matrices)
    norms = np.linalg.norm(rows, axis=1)
    if q and norms.min() <= noise * n:
        raise IsotropyError(
            f"`matrices` must be linearly independent. Got a matrix at index {int(norms.argmin())} that is zero "
            f"to within the noise: leave it out."
        )
    if q == 0:
        empty = np.zeros((0, 0))
        return Frame(empty, empty, np.zeros((0, 0, 0)), eps, Closure(0.0, None, eps))
    # the relative error of the q matrices together, and what orthonormalising makes of it
    error = (eps * n + noise * n / norms.min()) * np.sqrt(q)
    if q >= MANY and not np.iscomplexobj(matrices) and np.count_nonzero(rows) < rows.size // 8:
        unit = scipy.sparse.csr_array(rows / norms[:, None])
        if abs(unit @ unit.T - scipy.sparse.eye_array(q)).max() <= eps * n:
            return _sparse_frame(unit, norms, float(error))
    left, singular, right = np.linalg.svd(rows / norms[:, None], full_matrices=False)
    if q > rows.shape[1] or singular[-1] <= error:
        weights = left[:, -1] if q <= rows.shape[1] else np.linalg.svd(rows.T)[2][-1]
        involved = np.flatnonzero(np.abs(weights) > 0.5 * np.abs(weights).max())
        raise IsotropyError(
            f"`matrices` must be linearly independent. Got {q} matrices of size {n} of which a combination of those "
            f"at {', '.join(map(str, involved))} is zero to within {error:.1e}: pass a basis of their span."
        )
    floor = float(error / singular[-1])
    basis = right.reshape(q, -1, n, n)  # real parts, then imaginary parts
    basis = basis[:, 0] if basis.shape[1] == 1 else basis[:, 0] + 1j * basis[:, 1]
    products = np.einsum("aij,bjk->abik", basis, basis, optimize=True)
    commutators = real_rows((products - products.transpose(1, 0, 2, 3)).reshape(q * q, n, n))
    constants = commutators @ right.T
    outside = (commutators - constants @ right).reshape(q, q, -1)
    from_user = norms[:, None] * left * singular
    closure = _closure(outside, from_user / norms[:, None], floor)
    return Frame((left / singular).T / norms, from_user, constants.reshape(q, q, q), floor, closure)


def _sparse_frame(unit: scipy.sparse.csr_array, norms: np.ndarray, floor: float) -> Frame:
    """The frame of orthonormal sparse matrices, given as rows of length n^2: they are their own working basis."""
    shape: Any = unit.shape
    q, size = shape
    n = round(np.sqrt(size))
    entries = unit.tocoo()
    coordinates: Any = entries.coords
    owner, (i, j) = coordinates[0], np.divmod(coordinates[1], n)
    below = scipy.sparse.csr_array((entries.data, (owner * n + i, j)), shape=(q * n, n))
    beside = scipy.sparse.csr_array((entries.data, (i, owner * n + j)), shape=(n, q * n))
    products: Any = scipy.sparse.coo_array(below @ beside)  # row (a, i), column (b, j)
    a, i = np.divmod(products.row.astype(np.int64), n)
    b, j = np.divmod(products.col.astype(np.int64), n)
    values, at = np.concatenate([products.data, -products.data]), np.concatenate([i * n + j, i * n + j])
    pairs = np.concatenate([a * q + b, b * q + a])
    commutators: Any = scipy.sparse.csr_array((values, (pairs, at)), shape=(q * q, size))
    constants = scipy.sparse.csr_array(commutators @ unit.T)
    outside = commutators - scipy.sparse.csr_array(constants @ unit)
    sizes = np.triu(np.sqrt((outside * outside).sum(axis=1)).reshape(q, q), 1)
    worst = int(sizes.argmax())
    pair = (worst // q, worst % q) if sizes.flat[worst] > 0 else (0, 1)
    closure = Closure(float(sizes[pair]), pair, 8 * floor)  # two errors in each of two products, and the projection
    return Frame(np.diag(1.0 / norms), np.diag(norms), constants, floor, closure)


def frame_of_constants(c: np.ndarray, eps: float, noise: float) -> Frame:
    """The balanced basis of an algebra given by structure constants, which are checked."""
    q = c.shape[0]
    size = float(np.abs(c).max(initial=0.0))
    # sums of q products of two entries, each with its error; a Gaussian error rarely exceeds six times its size
    error = 6 * (eps * size + noise) * max(q, 1)
    asymmetry = np.abs(c + c.transpose(1, 0, 2))
    if asymmetry.max(initial=0.0) > error:
        i, j, k = (int(x) for x in np.unravel_index(asymmetry.argmax(), asymmetry.shape))
        raise IsotropyError(
            f"`c` must be antisymmetric in its first two axes. Got c[{i}, {j}, {k}] = {c[i, j, k]:.6g} and "
            f"c[{j}, {i}, {k}] = {c[j, i, k]:.6g}: [e_i, e_j] = -[e_j, e_i]."
        )
    c = (c - c.transpose(1, 0, 2)) / 2
    twice = np.tensordot(c, c, axes=(2, 0))  # [[e_i, e_j], e_k]
    jacobi = np.abs(twice + twice.transpose(1, 2, 0, 3) + twice.transpose(2, 0, 1, 3))
    if jacobi.max(initial=0.0) > error * max(size, noise):
        i, j, k, _ = (int(x) for x in np.unravel_index(jacobi.argmax(), jacobi.shape))
        raise IsotropyError(
            f"`c` must satisfy the Jacobi identity. Got a sum of size {jacobi.max():.2e} for the elements "
            f"{i}, {j}, {k}: these are not the structure constants of a Lie algebra."
        )
    to_user = balanced_basis(c, eps * size + noise)
    from_user = np.linalg.inv(to_user)
    floor = float(max(eps * max(q, 1), (eps * size + noise) * error_growth(to_user, from_user)))
    constants = structure.change_basis(c, to_user, from_user)
    return Frame(to_user, from_user, constants, floor, Closure(0.0, None if q < 2 else (0, 1), floor))


def frame_of_span(parent: Frame, rows: np.ndarray) -> Frame:
    """The orthonormal basis, in the parent's working coordinates, of the span of ``rows`` (k, q)."""
    k, q = rows.shape
    norms = np.linalg.norm(rows, axis=1)
    left, singular, right = np.linalg.svd(rows / np.where(norms > 0, norms, 1.0)[:, None], full_matrices=False)
    floor = parent.floor * max(q, 1)
    if k > q or (k and singular[-1] <= floor):
        raise IsotropyError(
            f"`coordinates` must have independent rows. Got {k} rows of rank "
            f"{structure.numerical_rank(singular, floor)}: pass a basis of the subalgebra."
        )
    floor = float(floor / singular[-1]) if k else floor
    every = structure.brackets(parent.constants, right, right)
    constants = every @ right.T
    from_user = norms[:, None] * left * singular
    closure = _closure(every - constants @ right, left * singular, floor)
    return Frame((left / singular).T / norms, from_user, constants, floor, closure)


def _closure(outside: np.ndarray, basis: np.ndarray, floor: float) -> Closure:
    """Closure from the parts of the working brackets outside the span; ``basis`` is the user's, of unit norm."""
    floor = 8 * floor  # two errors in each of two products, and the projection
    if len(basis) < 2:
        return Closure(0.0, None, floor)
    sizes = np.triu(np.linalg.norm(structure.brackets(outside, basis, basis), axis=2), 1)
    i, j = (int(x) for x in np.unravel_index(sizes.argmax(), sizes.shape))
    pair = (i, j) if i != j else (0, 1)
    return Closure(float(sizes[pair]), pair, floor)


def real_rows(matrices: np.ndarray) -> np.ndarray:
    """Matrices as real rows: real parts, then imaginary parts."""
    flat = matrices.reshape(len(matrices), matrices.shape[1] * matrices.shape[2])
    return np.concatenate([np.real(flat), np.imag(flat)], axis=1) if np.iscomplexobj(flat) else flat


def error_growth(to_user: np.ndarray, from_user: np.ndarray) -> float:
    """The largest singular value of independent unit errors in all structure constants, carried to a frame."""
    return float(2 * np.linalg.norm(to_user) ** 2 * np.linalg.norm(from_user) / np.sqrt(max(len(to_user), 1)))


def balanced_basis(c: np.ndarray, noise: float, *, steps: int = 200, patience: int = 12) -> np.ndarray:
    """A basis, rows in old coordinates, in which the structure constants are of size one and as small as may be.

    The descent of |c|^2 over changes of basis of determinant one, the bracket flow: semisimple algebras end where
    the Killing form is a Cartan involution, nilpotent ones at a soliton (J. Lauret, Math. Ann. 319, 2001). An
    ill-conditioned basis first passes a plateau on which one long vector is shortened; ``patience`` outlasts it, a
    factor e a step. Where nothing more comes, the basis before the plateau is the one returned. The flow of an algebra
    that is not semisimple ends in zero and lifts the errors on its way: it is left once they come to ``LIFTED``.
    """
    q = c.shape[0]
    frame = np.eye(q)
    size = np.linalg.norm(c)
    if q == 0 or size <= 2 * max(noise, structure.EPS * size) * q**1.5:  # q^3 errors, none much larger
        return frame
    current = c / size
    best, chosen, since = np.inf, frame, 0
    for _ in range(steps):
        total = float(np.sum(current**2))
        lower = np.einsum("aij,bij->ab", current, current)
        upper = np.einsum("ija,ijb->ab", current, current)
        gradient = (2 * lower - upper) / total
        gradient -= np.eye(q) * np.trace(gradient) / q
        misfit = float(np.sum(gradient**2))
        if noise * error_growth(frame, np.linalg.inv(frame)) > LIFTED * size * np.sqrt(total):
            break
        since += 1
        if misfit < 0.99 * best:
            best, chosen, since = misfit, frame, 0
        if since > patience or misfit < BALANCED:
            break
        step = linalg.expm(-0.5 * gradient)
        frame = step @ frame
        current = structure.change_basis(current, step, np.linalg.inv(step))
    constants = structure.change_basis(c, chosen, np.linalg.inv(chosen))
    largest = max(np.linalg.norm(a, 2) for a in constants)
    return chosen / largest
