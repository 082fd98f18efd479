"""LieDetect's method, a short version of our own, written from its paper's description.

Source: H. Ennes, R. Tinarrage, *LieDetect: Detection of representation orbits of compact Lie groups from point clouds*
(arXiv 2309.03086), with the operator of J. Cahill, D. G. Mixon, H. Parshall, *Lie PCA: Density estimation for symmetric
manifolds* (ACHA 2023). It is told that the group is SO(3) and that orbits have dimension three:

1. the points are made orthonormal, so that the group acts by rotations (or left as they are, where it is known to);
2. tangent spaces are the leading directions of each point's neighbours, and the motions in so(m) whose velocities have
   the least normal part, one for each dimension of the group, are taken (Lie PCA);
3. for each type of representation of the group in R^m, the rotation of R^m that brings it nearest to them is found by
   steps of Levenberg and Marquardt from many random starts; the nearest type wins.

Their last part, which draws the orbit and compares it with the points, is left out. The size of neighbourhoods is the
caller's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg as sla
from scipy.spatial import KDTree

STARTS, STEPS = 24, 60


def liedetect(
    points: np.ndarray, *, neighbours: int, orthonormal: bool = True, dimension: int = 3, seed: int = 0
) -> np.ndarray:
    """Generators (3, m, m) of the representation of SO(3) nearest to what Lie PCA finds on ``points`` (p, m)."""
    m = points.shape[1]
    there = back = np.eye(m)
    if orthonormal:
        sizes, axes = np.linalg.eigh(points.T @ points / len(points))
        there, back = (axes * sizes**-0.5) @ axes.T, (axes * sizes**0.5) @ axes.T
    clean = points @ there
    near = np.asarray(KDTree(clean).query(clean, k=neighbours + 1)[1])[:, 1:]
    offsets = clean[near] - clean[:, None]
    frames = np.linalg.eigh(np.einsum("pki,pkj->pij", offsets, offsets))[1]
    normals = frames[:, :, : m - dimension]
    rows, columns = np.triu_indices(m, 1)
    skew = np.zeros((len(rows), m, m))
    skew[np.arange(len(rows)), rows, columns], skew[np.arange(len(rows)), columns, rows] = 1, -1
    skew *= np.sqrt(0.5)
    unit = clean / np.linalg.norm(clean, axis=1, keepdims=True)
    moved = np.einsum("pic,aij,pj->pca", normals, skew, unit, optimize=True).reshape(-1, len(skew))
    motions = np.linalg.eigh(moved.T @ moved)[1][:, :dimension].T @ skew.reshape(len(skew), -1)
    rng = np.random.default_rng(seed)
    best, least = np.zeros((dimension, m, m)), np.inf
    for kind in types(m):
        basis = representation(kind)
        for _ in range(STARTS):
            turned, left = nearest(basis, motions, skew, sla.qr(rng.normal(size=(m, m)))[0])
            if left < least:
                best, least = turned, left
    return back @ best @ there


def types(m: int) -> Iterator[tuple[int, ...]]:
    """The ways to write m as a sum of odd dimensions of irreducible parts, largest first, but for m ones."""

    def parts(left: int, largest: int) -> Iterator[tuple[int, ...]]:
        if left == 0:
            yield ()
        for part in range(min(left, largest), 0, -1):
            if part % 2:
                for rest in parts(left - part, part):
                    yield (part, *rest)

    yield from (kind for kind in parts(m, m) if kind[0] > 1)


def representation(kind: tuple[int, ...]) -> np.ndarray:
    """Orthonormal skew matrices (3, m, m) of the representation of so(3) whose irreducible parts have these sizes."""
    blocks = [sla.block_diag(*parts) for parts in zip(*(irreducible(size) for size in kind), strict=True)]
    basis = np.array(blocks)
    return basis / np.linalg.norm(basis[0])


def irreducible(size: int) -> np.ndarray:
    """The real irreducible representation of so(3) of an odd size: spin (size - 1) / 2 in its real basis."""
    spin = (size - 1) // 2
    m = np.arange(-spin, spin + 1)
    raising = np.diag(np.sqrt(spin * (spin + 1) - m[:-1] * (m[:-1] + 1)), -1)
    spins = ((raising + raising.T) / 2, (raising - raising.T) / 2j, np.diag(m).astype(complex))
    real = np.zeros((size, size), dtype=complex)
    for k in range(-spin, spin + 1):
        sign = (-1) ** abs(k)
        if k == 0:
            real[spin, spin] = 1
        elif k > 0:
            real[spin + k, spin + k], real[spin + k, spin - k] = sign * np.sqrt(0.5), np.sqrt(0.5)
        else:
            real[spin + k, spin + k], real[spin + k, spin - k] = 1j * np.sqrt(0.5), -1j * sign * np.sqrt(0.5)
    return np.array([np.real(-1j * real @ part @ real.conj().T) for part in spins])


def nearest(basis: np.ndarray, motions: np.ndarray, skew: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """The rotated basis O B O^T with the least squared part off the span of ``motions``, and that part."""
    shape = basis.shape
    now = start @ basis @ start.T
    damping = 1e-2

    def off(matrices: np.ndarray) -> np.ndarray:
        flat = matrices.reshape(*matrices.shape[:-2], -1)
        return flat - flat @ motions.T @ motions

    left = off(now)
    for _ in range(STEPS):
        # The derivative along a rotation by s is the commutator [s, A].
        change = np.einsum("sij,ajk->saik", skew, now) - np.einsum("aij,sjk->saik", now, skew)
        slope = off(change).reshape(len(skew), -1)
        gram = slope @ slope.T
        turn = np.tensordot(np.linalg.solve(gram + damping * np.eye(len(gram)), -slope @ left.ravel()), skew, 1)
        turn = sla.expm(turn)
        moved = turn @ now @ turn.T
        after = off(moved)
        gain = (left**2).sum() - (after**2).sum()
        if gain <= 0:
            damping *= 10
            if damping > 1e6:
                break
            continue
        now, left, damping = moved, after, max(damping / 3, 1e-9)
        if gain <= 1e-10 * (left**2).sum():
            break
    return now.reshape(shape), float((left**2).sum())
