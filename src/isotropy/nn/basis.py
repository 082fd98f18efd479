"""Bases of the equivariant maps between two kinds of summand, as a layer wants them."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np

from ..errors import IsotropyWarning
from ..groups import Representation
from ..hom import HomSpace, hom
from ..numerics.decide import CLEAR, numerical_floor


def maps(source: Representation, target: Representation) -> HomSpace:
    """`hom`, silent where the space is zero: a layer says so itself, for all of its summands at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsotropyWarning)
        return hom(source, target)


@lru_cache(maxsize=512)
def dense_basis(source: Representation, target: Representation) -> np.ndarray:
    """A basis (r, target dimension, source dimension), orthonormal in the Frobenius norm."""
    return maps(source, target).dense()


def bilinear_basis(first: Representation, second: Representation, target: Representation) -> np.ndarray:
    """A basis (r, target, first, second) of the equivariant bilinear maps, orthonormal in the Frobenius norm."""
    basis = dense_basis(first @ second, target)
    return basis.reshape(len(basis), target.dimension, first.dimension, second.dimension)


def whitened(target: Representation, bases: list[np.ndarray], counts: list[int]) -> tuple[list[np.ndarray], int]:
    """Bases (r, d, d') of maps to one kind, scaled for unit normal weights, and the dimension of what they reach.

    With so many copies of each source at standard normal coordinates, each irreducible of the target that is reached
    gets unit variance in every coordinate: F = sum of Q Q^T commutes with the group wherever the group's matrices are
    closed under transposition, and F^(-1/2) Q is the basis returned. Elsewhere one factor brings the mean variance to
    one.
    """
    total = np.zeros((target.dimension, target.dimension))
    for basis, count in zip(bases, counts, strict=True):
        total += count * np.einsum("kpq,krq->pr", basis, basis)
    values, vectors = np.linalg.eigh(total)
    floor = numerical_floor(np.float64, target.dimension, float(values[-1]))
    rank = int((values > floor).sum())
    if not rank:
        return bases, 0
    root = vectors[:, -rank:] / np.sqrt(values[-rank:]) @ vectors[:, -rank:].T
    matrices = [*target.sparse_generators(), *target.sparse_components()]
    size = max((abs(m).max() for m in matrices if m.nnz), default=0.0)
    # F^(-1/2) magnifies what rounding left in F by up to the ratio of its eigenvalues.
    allowed = CLEAR * numerical_floor(
        np.float64, target.dimension, size * float(values[-1] / values[-rank]) * abs(root).max()
    )
    if any(abs(m @ root - (m.T @ root).T).max() > allowed for m in matrices):
        root = np.eye(target.dimension) / np.sqrt(values.sum() / target.dimension)
    return [np.einsum("pr,krq->kpq", root, basis) for basis in bases], rank
