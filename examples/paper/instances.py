"""The instances of the recovery experiment: random polynomials of a few features, and the candidates on them.

F = phi(y(x)), phi a random polynomial of degree d in r features, y orthogonal projections ("ortho") or squared
distances to random centres ("quad"); x uniform in the cube [-1, 1]^m; candidates T(m) or SE(m). Sizes and seeds are
those of Otto et al., JMLR 26(248), 2025, figure 3.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from pathlib import Path

import jax
import numpy as np
import scipy.linalg
import scipy.sparse

from isotropy.geometry.orthonormal import OrthonormalPolynomials
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.legendre import ProductLegendre
from isotropy.numerics.matrix_map import MatrixMap

SEEDS = 10
EXPERIMENTS = {"ortho_t": ("ortho", "T"), "ortho_se": ("ortho", "SE"), "quad_se": ("quad", "SE")}
"""Features and candidates of each experiment."""

SIZES = {
    "ortho_t": [*((m, 2) for m in range(5, 51, 5)), *((m, 3) for m in range(6, 17)), *((m, 4) for m in range(5, 11))],
    "ortho_se": [*((m, 2) for m in range(5, 31, 5)), *((m, 3) for m in range(6, 17)), *((m, 4) for m in range(5, 11))],
    "quad_se": [*((m, 1) for m in range(5, 31, 5)), *((m, 2) for m in range(5, 11))],
}
"""Inputs m and degree d."""


@dataclass(frozen=True)
class Cell:
    """One instance: inputs m, features r, degree d of phi, and the seed of everything random."""

    experiment: str
    m: int
    r: int
    d: int
    seed: int

    @property
    def degree(self) -> int:
        """The degree of F."""
        return self.d if EXPERIMENTS[self.experiment][0] == "ortho" else 2 * self.d

    @property
    def coefficients(self) -> int:
        """How many F has."""
        return comb(self.m + self.degree, self.degree)

    @property
    def candidates(self) -> int:
        """How many generators there are."""
        return self.m if EXPERIMENTS[self.experiment][1] == "T" else self.m * (self.m + 1) // 2

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name it."""
        return self.experiment, str(self.m), str(self.r), str(self.d), str(self.seed)


def grid() -> Iterator[Cell]:
    """All 1680 instances."""
    for experiment, sizes in SIZES.items():
        for m, d in sizes:
            features = (1,) if experiment == "quad_se" and d == 1 else (1, 2) if experiment == "quad_se" else (1, 2, 3)
            for r in features:
                yield from (Cell(experiment, m, r, d, seed) for seed in range(SEEDS))


CAP = 2500
"""Iterations after which the authors broke off a solution."""


def published(folder: Path, *, settled: bool = False) -> dict[tuple[str, ...], int]:
    """The samples needed in the published tables `ortho_t_n.csv`, `ortho_se_n.csv` and `quad_se_n.csv`.

    With ``settled`` only where no solution can have been broken off: all of a search took fewer than `CAP` iterations.
    """
    needed = {}
    for experiment in EXPERIMENTS:
        with (folder / f"{experiment}_n.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if not settled or int(row["tot_iters"]) < CAP:
                    needed[experiment, row["m"], row["r"], row["d"], row["seed"]] = int(row["n_recover"])
    return needed


def instance(cell: Cell) -> tuple[ProductLegendre, np.ndarray, np.ndarray, np.ndarray]:
    """The basis, sample points, values there, and the true coefficients in the basis."""
    rng = np.random.RandomState(cell.seed)
    inner = Polynomials(cell.r, degree=cell.d)
    weights = rng.rand(inner.dimension)
    if EXPERIMENTS[cell.experiment][0] == "ortho":
        projection = np.linalg.svd(rng.normal(size=(cell.m, cell.r)))[0][: cell.r]
        features = lambda X: X @ projection.T  # noqa: E731
    else:
        centres = rng.uniform(-1, 1, size=(cell.r, cell.m))
        features = lambda X: ((X[:, None, :] - centres) ** 2).sum(axis=-1)  # noqa: E731
    basis, check, orthogonal, triangle = _fitting(cell.m, cell.degree)
    X = rng.uniform(-1, 1, size=(basis.dimension + 1, cell.m))[: basis.dimension]
    values = inner.values(features(check)) @ weights
    truth = scipy.linalg.solve_triangular(triangle, orthogonal.T @ values)
    return basis, X, inner.values(features(X)) @ weights, truth


@lru_cache(maxsize=2)
def _fitting(m: int, degree: int) -> tuple[ProductLegendre, np.ndarray, np.ndarray, np.ndarray]:
    """The basis, and points with a factorisation that give the coefficients of a function known by its values."""
    basis = ProductLegendre(m, degree)
    check = np.random.RandomState(999).uniform(-1, 1, size=(2 * basis.dimension, m))
    orthogonal, triangle = np.linalg.qr(basis.values(check))
    return basis, check, orthogonal, triangle


@lru_cache(maxsize=2)
def to_monomials(m: int, degree: int) -> scipy.sparse.csr_array:
    """The matrix (f, f) from coefficients in the basis of `instance` to those of monomials."""
    basis = OrthonormalPolynomials(Polynomials(m, degree=degree), -np.ones(m), np.ones(m))
    return scipy.sparse.csr_array(basis.to_space)


@lru_cache(maxsize=2)
def operator(experiment: str, m: int, degree: int, draw: int | None = None) -> tuple[MatrixMap, np.ndarray]:
    """The candidates on coefficients, translations and, for SE, rotations of norm one as matrices, and their Gram.

    The inner product of sections is that of L2 on the cube, or with a ``draw`` the mean over the random points that
    the authors drew with this seed.
    """
    basis = _fitting(m, degree)[0]
    motions = [(np.zeros((m, m)), axis) for axis in np.eye(m)]
    rows = basis.dimension
    if EXPERIMENTS[experiment][1] == "SE":
        for a in range(m):
            for b in range(a + 1, m):
                turn = np.zeros((m, m))
                turn[b, a], turn[a, b] = np.sqrt(0.5), -np.sqrt(0.5)
                motions.append((turn, np.zeros(m)))
    else:
        # Derivatives are of lower degree: the other rows are zero.
        rows = int((basis.exponents.sum(axis=1) < degree).sum())
    fields = [scipy.sparse.csr_array(basis.field(linear, offset)[:rows]) for linear, offset in motions]
    factor = None
    if draw is not None:
        points = _authors_points(draw, rows + 1, m)
        factor = np.asarray(np.linalg.qr(basis.values(points)[:, :rows], mode="r"))
    found = MatrixMap.sparse(fields, factor=factor)
    return found, found.gram()


def _authors_points(seed: int, count: int, m: int) -> np.ndarray:
    """The points of the published norm: JAX's uniform draws in double precision, with the generator of that time."""
    with jax.enable_x64(True), jax.threefry_partitionable(False):
        return np.asarray(jax.random.uniform(jax.random.PRNGKey(seed), shape=(count, m), minval=-1.0, maxval=1.0))
