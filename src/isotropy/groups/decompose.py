"""A representation of a compact algebra as a sum of irreducibles, from its matrices alone.

Real matrices of a compact algebra keep an inner product. The symmetric matrices that commute with all of them have the
irreducible subspaces for eigenspaces, where one is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..errors import IsotropyError
from ..numerics.decide import CLEAR
from .structure import EPS, null_space

ELEMENTS = 256
"""Elements of the group over which the inner product is averaged before it is made exact."""

LARGEST_WEIGHT = 12
"""Turns of the fastest plane per turn of the circle up to which a motion of SO(2) is matched to whole numbers."""


def orthogonal(matrices: Float[np.ndarray, "d n n"]) -> tuple[Float[np.ndarray, "d n n"], Float[np.ndarray, "n n"]]:
    """The same representation with antisymmetric matrices ``f rho f^-1``, and the change of basis f.

    Of all inner products that are kept, one near the mean over the group of the given coordinates' own is taken.
    """
    n = matrices.shape[-1]
    rows, columns = np.triu_indices(n)
    units = np.zeros((len(rows), n, n))
    units[np.arange(len(rows)), rows, columns] = units[np.arange(len(rows)), columns, rows] = 1.0
    units /= np.linalg.norm(units, axis=(1, 2))[:, None, None]
    moved = np.einsum("kij,ajl->kail", units, matrices) + np.einsum("aji,kjl->kail", matrices, units)
    size = float(np.abs(matrices).max(initial=0.0)) or 1.0
    kept = null_space(moved.reshape(len(units), -1).T / size, CLEAR * n * EPS)
    forms = np.tensordot(kept, units, 1)
    # The mean of g^T g over the group is kept, and positive; over some elements it nearly is both.
    drawn = np.tensordot(np.random.default_rng(0).normal(size=(ELEMENTS, len(matrices))), matrices, 1)
    moved = scipy.linalg.expm(np.pi * drawn / size)
    form = np.tensordot(np.einsum("gij,gil,kjl->k", moved, moved, forms) / ELEMENTS, forms, 1)
    values = np.linalg.eigvalsh(form) if len(kept) else np.zeros(1)
    if values[0] <= CLEAR * n * EPS * max(values[-1], 1.0):
        raise IsotropyError(
            "these matrices keep no inner product, so they are no representation of a compact group: "
            "check the group, or take more points."
        )
    factor = np.linalg.cholesky(form).T
    inverse = np.linalg.inv(factor)
    turned = factor @ matrices @ inverse
    return (turned - turned.transpose(0, 2, 1)) / 2, factor


def irreducible_subspaces(matrices: Float[np.ndarray, "d n n"]) -> list[Float[np.ndarray, "k n"]]:
    """Orthonormal rows of each irreducible subspace of antisymmetric matrices, smallest first."""
    n = matrices.shape[-1]
    size = float(np.abs(matrices).max(initial=0.0)) or 1.0
    rows, columns = np.triu_indices(n)
    units = np.zeros((len(rows), n, n))
    units[np.arange(len(rows)), rows, columns] = units[np.arange(len(rows)), columns, rows] = 1.0
    moved = np.einsum("aij,kjl->kail", matrices, units) - np.einsum("kij,ajl->kail", units, matrices)
    commuting = null_space(moved.reshape(len(units), -1).T / size, CLEAR * n * EPS)
    drawn = np.tensordot(np.random.default_rng(0).normal(size=len(commuting)) @ commuting, units, 1)
    values, vectors = np.linalg.eigh(drawn)
    apart = np.diff(values) > CLEAR * np.sqrt(EPS) * float(np.abs(values).max(initial=1.0)) / n
    groups = np.split(vectors.T, np.flatnonzero(apart) + 1)
    return sorted(groups, key=len)


def isotypic(matrices: Float[np.ndarray, "d n n"]) -> list[tuple[int, int]]:
    """(dimension, multiplicity) of each irreducible that occurs, by dimension; equivalent ones are counted together."""
    parts: list[tuple[np.ndarray, int]] = []
    size = float(np.abs(matrices).max(initial=0.0)) or 1.0
    for rows in irreducible_subspaces(matrices):
        small = rows @ matrices @ rows.T
        for place, (other, count) in enumerate(parts):
            if len(other[0]) == len(rows) and _equivalent(small, other, size):
                parts[place] = (other, count + 1)
                break
        else:
            parts.append((small, 1))
    return [(len(small[0]), count) for small, count in parts]


def _equivalent(first: np.ndarray, second: np.ndarray, size: float) -> bool:
    k = first.shape[-1]
    eye = np.eye(k)
    rows = np.concatenate([np.kron(a, eye) - np.kron(eye, b.T) for a, b in zip(first, second, strict=True)])
    return len(null_space(rows / size, CLEAR * k * k * EPS)) > 0


def words(parts: Sequence[tuple[int, int]]) -> str:
    """``V3 + V5`` for irreducibles of dimension 3 and 5; inequivalent ones of one dimension are told apart by primes.

    >>> words([(1, 2), (3, 1), (3, 1)])
    "2 V1 + V3 + V3'"
    """
    seen: dict[int, int] = {}
    terms = []
    for dimension, count in parts:
        primes = "'" * seen.get(dimension, 0)
        seen[dimension] = seen.get(dimension, 0) + 1
        terms.append(f"{'' if count == 1 else f'{count} '}V{dimension}{primes}")
    return " + ".join(terms)


def whole_weights(speeds: Float[np.ndarray, " k"], noise: float) -> tuple[Float[np.ndarray, " k"], int]:
    """The smallest whole numbers in the ratio of ``speeds``, to within the relative error ``noise``, and the largest.

    Raises `IsotropyError` where none up to `LARGEST_WEIGHT` fit: the motion does not close.

    >>> whole_weights(np.array([0.501, 1.0, 0.0]), 0.01)[0]
    array([1., 2., 0.])
    """
    largest = float(np.abs(speeds).max(initial=0.0))
    for top in range(1, LARGEST_WEIGHT + 1):
        scaled = speeds / largest * top
        whole = np.round(scaled)
        if np.linalg.norm(scaled - whole) <= max(noise, len(speeds) * EPS * CLEAR) * np.linalg.norm(scaled):
            return whole, top
    raise IsotropyError(
        f"the motion found turns its planes at speeds that are in no ratio of whole numbers up to {LARGEST_WEIGHT}, "
        f"so that it does not close to SO(2): leave out `group`, or take more points."
    )
