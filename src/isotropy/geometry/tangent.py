"""Tangent spaces from scattered points: in each neighbourhood the set is the graph of a quadratic map.

Source: S. Aamari, C. Levrard, *Nonasymptotic rates for manifold, tangent space and curvature estimation*, Ann. Statist.
47 (2019), for local polynomial fits.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from .variety import Surface

TURNS = 2
"""How often the frame is turned to the tangent that the quadratic fit found."""

CHUNK = 250
"""Points whose neighbourhoods are held in memory at once."""

STEADY = 1e-10
"""Ridge of the local fits against the squares of their columns, so that neighbours on a line are no error."""


def quadratic_size(dimension: int) -> int:
    """The number of coefficients of a quadratic function of ``dimension`` variables."""
    return (dimension + 1) * (dimension + 2) // 2


def local_surface(
    cloud: Float[np.ndarray, "n m"],
    points: Float[np.ndarray, "p m"],
    *,
    dimension: int,
    neighbours: int,
    tree: KDTree | None = None,
) -> Surface:
    """Feet and normals of ``points`` on quadratic fits to their ``neighbours`` in ``cloud``, themselves left out.

    A point that coincides with one of the cloud is taken for that one and is not its own neighbour. Neighbours are
    weighted by (1 - (r/R)^2), R the radius of the neighbourhood. Costs O(p neighbours dimension^4).
    """
    tree = KDTree(cloud) if tree is None else tree
    count = min(neighbours + 1, len(cloud))
    feet, normals = np.empty_like(points), np.empty((len(points), points.shape[1] - dimension, points.shape[1]))
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        distance, near = (np.asarray(found) for found in tree.query(part, k=count))
        # The nearest is the point itself where it belongs to the cloud; otherwise the farthest goes.
        own = distance[:, :1] == 0
        near = np.where(own, near[:, 1:], near[:, :-1])
        distance = np.where(own, distance[:, 1:], distance[:, :-1])
        place = slice(start, start + len(part))
        feet[place], normals[place] = _fit(cloud[near], distance, part, dimension)
    return Surface(feet, normals)


def _fit(near: np.ndarray, distance: np.ndarray, points: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    radius = distance[:, -1:] * (1 + 1 / distance.shape[1])
    radius = np.where(radius > 0, radius, 1.0)
    weights = 1 - (distance / radius) ** 2
    origin = np.einsum("pk,pki->pi", weights, near) / weights.sum(axis=1, keepdims=True)
    offsets = (near - origin[:, None]) / radius[:, :, None]
    covariance = np.einsum("pk,pki,pkj->pij", weights, offsets, offsets, optimize=True)
    frame = np.linalg.eigh(covariance)[1][:, :, ::-1]
    here = (points - origin) / radius
    shift = np.zeros((len(points), near.shape[2] - d))
    for _ in range(TURNS):
        tangent, normal = frame[:, :, :d], frame[:, :, d:]
        design = _quadratic(np.einsum("pki,pia->pka", offsets, tangent))
        heights = np.einsum("pki,pic->pkc", offsets, normal)
        gram = np.einsum("pk,pkf,pkg->pfg", weights, design, design, optimize=True)
        size = np.einsum("pff->pf", gram)
        gram = gram + STEADY * np.einsum("pf,fg->pfg", size + size.max(axis=1, keepdims=True), np.eye(gram.shape[1]))
        known = np.einsum("pk,pkf,pkc->pfc", weights, design, heights, optimize=True)
        solution = np.linalg.solve(gram, known)
        at = np.einsum("pi,pia->pa", here, tangent)
        shift = np.einsum("pf,pfc->pc", _quadratic(at[:, None])[:, 0], solution)
        slope = solution[:, 1 : d + 1] + _bend(solution, at, d)
        # The graph y = h(t) has the normals n_c - sum_a (dh_c/dt_a) t_a.
        foot = np.einsum("pa,pia->pi", at, tangent) + np.einsum("pc,pic->pi", shift, normal)
        turned = tangent + np.einsum("pac,pic->pia", slope, normal)
        frame = np.linalg.qr(np.concatenate([turned, normal], axis=2))[0]
    return origin + foot * radius, frame[:, :, d:].transpose(0, 2, 1)


def _quadratic(t: np.ndarray) -> np.ndarray:
    """1, t_a and t_a t_b for a <= b."""
    rows, columns = np.triu_indices(t.shape[2])
    return np.concatenate([np.ones((*t.shape[:2], 1)), t, t[:, :, rows] * t[:, :, columns]], axis=2)


def _bend(solution: np.ndarray, at: np.ndarray, d: int) -> np.ndarray:
    """What the quadratic terms add to the slope at ``at``."""
    rows, columns = np.triu_indices(d)
    result = np.zeros((len(at), d, solution.shape[2]))
    for place, (a, b) in enumerate(zip(rows, columns, strict=True)):
        term = solution[:, 1 + d + place]
        result[:, a] += at[:, b, None] * term
        result[:, b] += at[:, a, None] * term
    return result
