"""The nearest span that is closed under a bracket: what noise took from a subalgebra, given back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

STEPS = 12
"""Gauss-Newton steps; the convergence is quadratic, so a few decide."""


def structure_in(frame: Float[np.ndarray, "s n n"]) -> Float[np.ndarray, "s s s"]:
    """``b[i, j, l]`` with ``[f_i, f_j] = sum_l b[i, j, l] f_l`` for matrices that span an algebra, by least squares."""
    s = len(frame)
    products = np.einsum("aij,bjk->abik", frame, frame, optimize=True)
    products = (products - products.transpose(1, 0, 2, 3)).reshape(s * s, -1)
    flat = frame.reshape(s, -1)
    parts = [np.concatenate([values.real, values.imag], axis=1) for values in (flat + 0j, products + 0j)]
    return np.linalg.lstsq(parts[0].T, parts[1].T, rcond=None)[0].T.reshape(s, s, s)


def unclosed(
    rows: Float[np.ndarray, "d s"], others: Float[np.ndarray, "k s"], bracket: Float[np.ndarray, "s s s"]
) -> float:
    """The size of the brackets of ``rows`` that leaves their span, relative to all of them.

    Where rows commute their brackets are noise: those of a random span of this dimension then say what is small.
    """
    d, k = len(rows), len(others)
    scale = float(np.linalg.norm(np.einsum("ai,bj,ijl->abl", rows, rows, bracket, optimize=True)))
    scale = max(scale, float(np.linalg.norm(bracket)) * d / max(d + k, 1))
    return float(np.linalg.norm(outside(rows, others, bracket))) / scale if scale else 0.0


def outside(
    rows: Float[np.ndarray, "d s"], others: Float[np.ndarray, "k s"], bracket: Float[np.ndarray, "s s s"]
) -> Float[np.ndarray, "d d k"]:
    """The parts of the brackets of orthonormal ``rows`` along the orthonormal ``others``."""
    return np.einsum("ai,bj,ijl,kl->abk", rows, rows, bracket, others, optimize=True)


def nearest_closed(
    rows: Float[np.ndarray, "d s"],
    others: Float[np.ndarray, "k s"],
    weights: Float[np.ndarray, " k"],
    bracket: Float[np.ndarray, "s s s"],
) -> tuple[Float[np.ndarray, "d s"], float]:
    """A span near that of ``rows`` with ``[h, h]`` in h, and the relative size of what still leaves it.

    ``rows`` and ``others`` together are an orthonormal basis; moving a row along ``others[k]`` costs ``weights[k]``,
    for a null space the singular value there. ``bracket[i, j, l]`` are structure constants. Each Gauss-Newton step
    takes the cheapest motion that closes the brackets to first order. Costs O(d^3 k^2 d^2) a step.

    >>> cross = np.zeros((3, 3, 3))
    >>> for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    ...     cross[i, j, k], cross[j, i, k] = 1.0, -1.0
    >>> plane = np.eye(3)[:1]
    >>> rows, left = nearest_closed(plane, np.eye(3)[1:], np.ones(2), cross)
    >>> bool(np.allclose(rows, plane)), left
    (True, 0.0)
    """
    d, k = len(rows), len(others)
    # Where rows commute their brackets are noise: those of a random span of this dimension say what is small.
    scale = float(np.linalg.norm(np.einsum("ai,bj,ijl->abl", rows, rows, bracket, optimize=True)))
    scale = max(scale, float(np.linalg.norm(bracket)) * d / max(d + k, 1))
    left = float(np.linalg.norm(outside(rows, others, bracket)))
    if d < 2 or k == 0 or scale == 0:
        return rows, left / scale if scale else 0.0
    best = (left, rows)
    for _ in range(STEPS):
        # [r_a, r_b] . o - (coordinates of the bracket in the span) . motion, for a motion X: r -> r + X o
        inside = outside(rows, rows, bracket)
        residual = outside(rows, others, bracket)
        moved = np.einsum("ci,bj,ijl,kl->cbk", others, rows, bracket, others, optimize=True)
        pairs = [(a, b) for a in range(d) for b in range(a + 1, d)]
        jacobian = np.zeros((len(pairs), k, d, k))
        for p, (a, b) in enumerate(pairs):
            jacobian[p, :, a, :] += moved[:, b, :].T
            jacobian[p, :, b, :] -= moved[:, a, :].T
            for e in range(d):
                jacobian[p, :, e, :] -= inside[a, b, e] * np.eye(k)
        # Directions that only the noise makes sensitive have singular values of its size: steps there are spurious.
        cut = np.sqrt(left / scale)
        target = np.array([residual[a, b] for a, b in pairs]).ravel()
        system = (jacobian / weights).reshape(len(pairs) * k, d * k)
        step = (np.linalg.lstsq(system, -target, rcond=cut)[0].reshape(d, k)) / weights
        frame, _ = np.linalg.qr((rows + step @ others).T)
        whole = np.linalg.svd(frame.T)[2]
        # weights belong to the old directions: carry them along with the small rotation
        turned = whole[d:] @ others.T
        left_vectors, _, right_vectors = np.linalg.svd(turned)
        others = (left_vectors @ right_vectors).T @ whole[d:]
        rows = frame.T
        left = float(np.linalg.norm(outside(rows, others, bracket)))
        if left >= best[0]:
            break
        best = (left, rows)
    return best[1], best[0] / scale
