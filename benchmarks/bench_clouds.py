"""Symmetries of point clouds with no group given: angles to the truth, against published figures of a method told it.

Orbits of SO(3) in R^5 (1000 points) and R^8 = R^3 + R^5 (2000 points), on the unit sphere, with normal noise in each
coordinate; five seeds, the median of the largest principal angle in degrees. The bars are those of LieDetect (H. Ennes,
R. Tinarrage, arXiv 2309.03086), which knows that the group is SO(3). In R^5 both routes of `Cloud` are also measured
alone. For each set the share of wrong answers is printed: another number of generators without the verdict
`cannot tell`.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla
from harness import Figure, run

import isotropy as iso
from isotropy import groups

BARS = {5: {0.0: 1.8, 0.03: 3.9, 0.1: 7.6}, 8: {0.0: 1.8, 0.03: 4.1, 0.1: 10.2}}
SIZES = {5: 1000, 8: 2000}


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
    """Points of an orbit of SO(3) through a random point of the unit sphere of R^m, and its generators."""
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


def look(points, known, route=None):
    """The angle in degrees (90 for another dimension), and whether the answer is wrong."""
    try:
        cloud = iso.Cloud(points, route=route)
    except iso.IsotropyError:
        return 90.0, False
    found = iso.discover(cloud, iso.Action.points(groups.GL(points.shape[1])))
    if found.dimension != len(known):
        return 90.0, found.decision.verdict != "cannot tell"
    if not len(known):
        return 0.0, False
    frames = [np.linalg.qr(rows.reshape(len(rows), -1).T)[0] for rows in (found.generators, known)]
    away = frames[1] - frames[0] @ (frames[0].T @ frames[1])
    return float(np.degrees(np.arcsin(min(1.0, np.linalg.norm(away, 2))))), False


def measure(quick: bool) -> list[Figure]:
    """Every set, noise and seed."""
    figures = []
    seeds = range(1 if quick else 5)
    for m in (5,) if quick else (5, 8):
        for noise, bar in BARS[m].items():
            for route in (None, "polynomials", "neighbourhoods") if m == 5 else (None,):
                looks = [look(*orbit(m, SIZES[m], noise, seed), route) for seed in seeds]
                name = f"SO(3) in R^{m}, noise {noise:g}: {route or 'chosen'}"
                angle = float(np.median([angle for angle, _ in looks]))
                figures.append(Figure(f"{name}, degrees", angle, bar if route is None else None))
                if route is None:
                    wrong = float(np.mean([wrong for _, wrong in looks]))
                    figures.append(Figure(f"{name}, share of wrong answers", wrong, 0.0))
    others = {
        "T^1 in R^4, weights 1 and 2": lambda noise, seed: torus([1, 2], 400, noise, seed),
        "T^1 in R^4, weights 2 and 3": lambda noise, seed: torus([2, 3], 600, noise, seed),
        "T^2 in R^6": lambda noise, seed: torus([[1, 0, 1], [0, 1, 1]], 800, noise, seed),
        "Clifford torus": lambda noise, seed: torus([[1, 0], [0, 1]], 400, noise, seed),
        "sphere in R^3": lambda noise, seed: sphere(3, 300, noise, seed),
        "sphere in R^5": lambda noise, seed: sphere(5, 500, noise, seed),
        "SO(3) as matrices": lambda noise, seed: matrices(800, noise, seed),
        "no symmetry": lambda noise, seed: potato(800, noise, seed),
    }
    for name, make in others.items():
        for noise in (0.0, 0.02):
            looks = [look(*make(noise, seed)) for seed in (0,)]
            angle = float(np.median([angle for angle, _ in looks]))
            figures.append(Figure(f"{name}, noise {noise:g}, degrees", angle, 1e-6 if noise == 0 else 3.0))
            figures.append(Figure(f"{name}, noise {noise:g}: wrong answers", float(looks[0][1]), 0.0))
    return figures


if __name__ == "__main__":
    run(measure)
