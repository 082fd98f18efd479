"""Sets of points whose symmetries are known, with noise: each a pair of the points and the matrices that keep the set.

They are shared by `bench_clouds.py` and by the tests.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from isotropy import groups


def rotations(count, rng):
    """Uniform rotations of R^3."""
    q, r = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    q = q * np.sign(np.einsum("nii->ni", r))[:, None]
    return q * np.linalg.det(q)[:, None, None]


def traceless():
    """An orthonormal basis of the traceless symmetric matrices."""
    s = np.sqrt(0.5)
    basis = np.zeros((5, 3, 3))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        basis[k, i, j] = basis[k, j, i] = s
    basis[3], basis[4] = np.diag([s, -s, 0]), np.diag([1, 1, -2]) / np.sqrt(6)
    return basis


def orbit(m, count, noise, seed):
    """Points of an orbit of SO(3) through a random point of the unit sphere of R^5 or R^8 = R^3 + R^5."""
    rng, basis = np.random.default_rng(seed), traceless()
    start = rng.normal(size=m)
    start /= np.linalg.norm(start)
    turn = rotations(count, rng)
    tensor = np.tensordot(start[-5:], basis, 1)
    points = np.einsum("kab,nab->nk", basis, turn @ tensor @ turn.transpose(0, 2, 1))
    cross = groups.SO(3).matrices
    known = np.array([[[np.sum(a * (x @ b - b @ x)) for b in basis] for a in basis] for x in cross])
    if m == 8:
        points = np.concatenate([turn @ start[:3], points], axis=1)
        known = np.array([sla.block_diag(x, y) for x, y in zip(cross, known, strict=True)])
    return points + noise * rng.normal(size=points.shape), known


def torus(weights, count, noise, seed):
    """Points of the orbit of a torus that turns the k-th plane at speeds ``weights[:, k]``, and its generators."""
    rng, weights = np.random.default_rng(seed), np.atleast_2d(weights)
    angles = rng.uniform(0, 2 * np.pi, (count, len(weights))) @ weights
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * np.linspace(1, 0.7, weights.shape[1])[:, None]
    points = points.reshape(count, -1)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    known = np.array([sla.block_diag(*(w * turn for w in row)) for row in weights])
    return points + noise * rng.normal(size=points.shape), known


def sphere(m, count, noise, seed):
    """Points of the unit sphere, and the rotations."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, m))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points + noise * rng.normal(size=points.shape), groups.SO(m).matrices


def matrices(count, noise, seed):
    """SO(3) as points of R^9, and left and right multiplication."""
    rng = np.random.default_rng(seed)
    points = rotations(count, rng).reshape(count, 9)
    cross = groups.SO(3).matrices
    known = np.array([np.kron(x, np.eye(3)) for x in cross] + [np.kron(np.eye(3), x) for x in cross])
    return points + noise * rng.normal(size=points.shape), known


def potato(count, noise, seed):
    """A bumpy sphere without linear symmetry."""
    points, _ = sphere(3, count, 0.0, seed)
    x, y, z = points.T
    points = points * (1 + 0.3 * x**3 + 0.2 * y * z - 0.2 * z**3 + 0.1 * x * y)[:, None]
    return points + noise * np.random.default_rng(seed + 1).normal(size=points.shape), np.zeros((0, 3, 3))


def angle(found, known):
    """The largest principal angle between two spans of matrices, in degrees."""
    frames = [np.linalg.qr(rows.reshape(len(rows), -1).T)[0] for rows in (found, known)]
    away = frames[1] - frames[0] @ (frames[0].T @ frames[1])
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(away, 2)))))
