"""The nearest matrices that obey given structure constants: what noise took from a representation, given back.

A representation of an algebra with constants c is a choice of rho_a with [rho_a, rho_b] = sum_e c_abe rho_e. Near a
span that almost holds one it is found by Gauss-Newton: each step closes the brackets to first order and then, among
the motions that keep them closed, takes the one that the operator likes best.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

STEPS = 30
"""Gauss-Newton steps; closure converges quadratically, the operator's part linearly."""

STARTS = 24
"""Random orientations from which the basis of the span is matched; an algebra of rank one needs one or two."""

MOST = 60
"""Evaluations from one start: those that have a match near need far fewer."""

AGAIN = 1.01
"""A start that comes as near as the best within this factor has found the same minimum; the second such ends it."""

SETTLED = 1e-10
"""Relative motion below which a step is the last: the answer then changes in no digit that is shown."""


def matched(
    rows: Float[np.ndarray, "d s"], bracket: Float[np.ndarray, "s s s"], constants: Float[np.ndarray, "d d d"]
) -> tuple[Float[np.ndarray, "d s"], float]:
    """A basis of the span of orthonormal ``rows`` with brackets as near to ``constants`` as it has, and the misfit.

    The misfit is relative to the brackets. The Killing forms of both fix the basis up to an orthogonal matrix, which is
    sought from random starts with the seed 0. ``constants`` must have a definite Killing form (compact, semisimple).
    """
    inside = np.einsum("ai,bj,ijl,el->abe", rows, rows, bracket, rows, optimize=True)
    forms = [-np.einsum("abe,deb->ad", c, c) for c in (inside, constants)]
    roots = [_root(form) for form in forms]
    d = len(rows)

    def misfit(flat: np.ndarray) -> np.ndarray:
        t = flat.reshape(d, d)
        found = np.einsum("ai,bj,ije->abe", t, t, inside, optimize=True) - np.einsum("abe,ef->abf", constants, t)
        return found[np.triu_indices(d, 1)].ravel()

    rng, best, again = np.random.default_rng(0), (np.inf, np.eye(d)), 0
    for _ in range(STARTS):
        turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
        # A reflection turns the brackets of so(3) round: both signs are tried.
        for sign in (1.0, -1.0):
            guess = (roots[1] @ (sign * turn) @ np.linalg.inv(roots[0])).ravel()
            answer = least_squares(misfit, guess, max_nfev=MOST)
            basis = answer.x.reshape(d, d)
            size = np.linalg.norm(np.einsum("abe,ef->abf", constants, basis))
            left = float(np.linalg.norm(answer.fun) * np.sqrt(2) / size) if size else np.inf
            # No basis at all obeys every law: what shrinks to nothing is no match.
            if np.linalg.matrix_rank(basis, tol=np.sqrt(np.finfo(float).eps) * np.linalg.norm(roots[1])) < d:
                continue
            again += left <= AGAIN * best[0]
            if left < best[0]:
                best = (left, basis)
        if best[0] <= np.sqrt(np.finfo(float).eps) or again >= 2:
            break
    return best[1] @ rows, best[0]


def _root(form: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """The lower triangular root of a form that should be positive, with noise taken off."""
    values, vectors = np.linalg.eigh((form + form.T) / 2)
    least = np.finfo(float).eps * max(float(np.abs(values).max(initial=0.0)), np.finfo(float).tiny)
    whole = (vectors * np.sqrt(np.maximum(np.abs(values), least))) @ vectors.T
    return whole


def nearest_representation(
    start: Float[np.ndarray, "d s"],
    bracket: Float[np.ndarray, "s s s"],
    constants: Float[np.ndarray, "d d d"],
    operator: Float[np.ndarray, "k s"],
) -> tuple[Float[np.ndarray, "d s"], float]:
    """Rows that obey ``constants`` under ``bracket``, near ``start`` with the least ``|operator @ rows.T|``.

    Returns them and the relative size of what still breaks the laws: of the order of rounding, or no representation is
    near. Costs O(d^4 s^3) a step.
    """
    d, s = start.shape
    pairs = [(a, b) for a in range(d) for b in range(a + 1, d)]
    rows = start.copy()
    left = np.inf
    for _ in range(STEPS):
        moved = np.einsum("ai,ijl->ajl", rows, bracket)
        law = np.einsum("abe,el->abl", constants, rows)
        residual = np.array([rows[b] @ moved[a] - law[a, b] for a, b in pairs])
        left = float(np.linalg.norm(residual) / max(float(np.linalg.norm(law)) / np.sqrt(2), np.finfo(float).tiny))
        jacobian = np.zeros((len(pairs), s, d, s))
        for p, (a, b) in enumerate(pairs):
            jacobian[p, :, b, :] += moved[a].T
            jacobian[p, :, a, :] -= moved[b].T
            for e in range(d):
                jacobian[p, :, e, :] -= constants[a, b, e] * np.eye(s)
        flat = jacobian.reshape(len(pairs) * s, d * s)
        u, sizes, vt = np.linalg.svd(flat, full_matrices=True)
        # The laws depend on each other, exactly where they hold and nearly where they nearly do: the rank is where the
        # singular values fall most.
        least = max(flat.shape) * np.finfo(float).eps * sizes[0]
        falls = np.maximum(sizes[:-1], least) / np.maximum(sizes[1:], least)
        rank = 1 + int(np.argmax(falls))
        step = -vt[:rank].T @ ((u[:, :rank].T @ residual.ravel()) / sizes[:rank])
        # A change of basis in the group itself moves no span; the operator would see it by its noise alone.
        turns = np.array([rows @ moved[e] for e in range(d)])
        gauge = np.linalg.qr(turns.reshape(d, d * s).T)[0]
        free = vt[rank:] - (vt[rank:] @ gauge) @ gauge.T
        if len(free) > d:
            free = np.linalg.svd(free, full_matrices=False)[2][: len(free) - d]
            spread = np.einsum("ks,fas->fak", operator, free.reshape(len(free), d, s)).reshape(len(free), -1)
            aim = np.einsum("ks,as->ak", operator, rows + step.reshape(d, s)).ravel()
            step = step - free.T @ np.linalg.lstsq(spread.T, aim, rcond=np.sqrt(np.finfo(float).eps))[0]
        # Far steps leave the region in which the laws are nearly linear.
        length = np.linalg.norm(step) / np.linalg.norm(rows)
        rows = rows + step.reshape(d, s) * min(1.0, 0.5 / max(length, 0.5))
        if length <= SETTLED:
            break
    return rows, left
