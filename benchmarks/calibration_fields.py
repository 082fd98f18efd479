"""Planted polynomial vector fields of the plane for the calibration: known symmetries and one known near miss.

Fields live on the square [-1, 1]^2 with its uniform measure and are held by orthonormal (Legendre) coefficients, so
that sizes are Euclidean lengths. A planted field has exactly ``generators`` symmetries among the candidates, and the
next candidate's defect is ``miss`` times the tolerance; with ``miss`` 0 there is no near miss. This file has its own
Lie bracket and uses nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre

NODES = 8
"""Gauss nodes along each side: exact for all products that occur."""

TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
SADDLE = np.array([[0.6, 0.9], [0.2, -0.6]])
GENERIC = np.array([[1.0, 0.8], [-0.3, -0.5]])

LARGEST = 4.0
"""How far a field is perturbed, relative to its size, in search of a given near miss."""


def features(degree: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal polynomials (p, f) up to a total degree, and their gradients (p, 2, f)."""
    scale = np.sqrt(2 * np.arange(degree + 1) + 1)
    value = [legendre.legvander(points[:, i], degree) * scale for i in range(2)]
    slope = [
        np.stack([legendre.legval(points[:, i], legendre.legder(row)) for row in np.eye(degree + 1)], axis=1) * scale
        for i in range(2)
    ]
    pairs = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    values = np.stack([value[0][:, i] * value[1][:, j] for i, j in pairs], axis=1)
    along = [slope[0][:, i] * value[1][:, j] for i, j in pairs], [value[0][:, i] * slope[1][:, j] for i, j in pairs]
    return values, np.stack([np.stack(part, axis=1) for part in along], axis=1)


def quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the uniform measure."""
    nodes, weights = legendre.leggauss(NODES)
    points = np.array([(x, y) for x in nodes for y in nodes])
    return points, np.outer(weights, weights).ravel() / 4


@cache
def operator(candidates: int, model: int) -> np.ndarray:
    """Coefficients (k, p, q) of DF X - DX F for candidates X and models F of the given degrees."""
    points, weights = quadrature()
    inner, inner_slope = features(candidates, points)
    outer, outer_slope = features(model, points)
    image, _ = features(candidates + model - 1, points)
    result = np.zeros((2, image.shape[1], 2, inner.shape[1], 2, outer.shape[1]))
    for o in range(2):
        for i in range(2):
            result[o, :, i, :, o] += np.einsum("p,pk,pa,pf->kaf", weights, image, inner, outer_slope[:, i])
            result[o, :, o, :, i] -= np.einsum("p,pk,pa,pf->kaf", weights, image, inner_slope[:, i], outer)
    return result.reshape(2 * image.shape[1], 2 * inner.shape[1], 2 * outer.shape[1])


def defects(tensor: np.ndarray, field: np.ndarray) -> np.ndarray:
    """The defects of the candidates, ascending."""
    return np.linalg.svd(tensor @ field, compute_uv=False)[::-1] / np.linalg.norm(field)


@dataclass(frozen=True)
class Planted:
    """A field of size one, the bracket operator of its candidates, and the degree of the model that holds it."""

    tensor: np.ndarray
    field: np.ndarray
    degree: int

    def fits(
        self, *, noise: float, count: int, trials: int, seed: list[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Least-squares fits to one random design with fresh noise: parameters, root of S, variances, dof.

        ``noise`` is the standard deviation of each component as a share of the field's root mean square.
        """
        rng = np.random.default_rng(seed)
        design, _ = features(self.degree, rng.uniform(-1, 1, size=(count, 2)))
        frame, triangle = np.linalg.qr(design)
        back = np.linalg.inv(triangle)
        errors = noise * rng.normal(size=(trials, 2, count))
        along = errors @ frame
        parameters = self.field.reshape(2, -1) + along @ back.T
        dof = 2 * (count - design.shape[1])
        variances = ((errors**2).sum(axis=(1, 2)) - (along**2).sum(axis=(1, 2))) / dof
        return parameters.reshape(trials, -1), np.kron(np.eye(2), back), variances, dof


@cache
def planted(generators: int, miss: float, tolerance: float) -> Planted:
    """The field with this many symmetries and this near miss. Candidates are affine fields and models cubic ones;
    for four generators both are quadratic."""
    candidates, model = (2, 2) if generators == 4 else (1, 3)
    tensor = operator(candidates, model)

    def unit(field: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        points, weights = quadrature()
        values, _ = features(model, points)
        coefficients = np.einsum("p,pf,po->of", weights, values, field(points)).ravel()
        return coefficients / np.linalg.norm(coefficients)

    def squared(x: np.ndarray) -> np.ndarray:
        return (x**2).sum(axis=1, keepdims=True)

    def sideways(profile: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda x: np.stack([profile(x[:, 1]), np.zeros(len(x))], axis=1)

    random = np.random.default_rng(generators).normal(size=tensor.shape[2])
    random /= np.linalg.norm(random)
    whirl = unit(lambda x: (1 - squared(x)) * x + (0.5 + squared(x)) * (x @ TURN.T))
    if miss == 0:
        alone = {0: random, 1: whirl, 2: unit(lambda x: x @ GENERIC.T), 4: unit(lambda x: x)}
        return Planted(tensor, alone[generators], model)
    pairs = {
        0: (whirl, random),
        1: (unit(lambda x: 0.5 * x + x @ TURN.T), unit(lambda x: squared(x) * (x - 0.5 * x @ TURN.T))),
        2: (unit(lambda x: x), unit(lambda x: x @ SADDLE.T)),
        4: (unit(sideways(np.ones_like)), -unit(sideways(lambda y: y + y**2))),
    }
    base, breaking = pairs[generators]
    steps = np.linspace(0, LARGEST, 4001)
    high = next(s for s in steps if defects(tensor, base + s * breaking)[generators] >= miss * tolerance)
    low = max(high - steps[1], 0.0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        if defects(tensor, base + middle * breaking)[generators] < miss * tolerance:
            low = middle
        else:
            high = middle
    field = base + 0.5 * (low + high) * breaking
    return Planted(tensor, field / np.linalg.norm(field), model)
