"""Representations moved to other groups: restricted to a subgroup, lifted to a product; one element's matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg

from ..errors import IsotropyError
from ..numerics.decide import CLEAR, numerical_floor
from ..numerics.stack import Stack
from .finite import elements
from .group import Group
from .representation import Leaf, Representation

_WORDS = 64
"""Products of components tried when an element of a group that is not finite is written in its generators."""

_TRIES = 20
"""Random elements that a matrix is multiplied with when its own logarithm is not in the algebra."""


def restrict(rep: Representation, subgroup: Group) -> Representation:
    """The action of a subgroup, whose defining matrices are elements (and its algebra a subspace) of the group's.

    >>> from isotropy import groups
    >>> turns = groups.Group(groups.SO(3).matrices[:1], name="turns about z")
    >>> print(restrict(groups.SO(3).vector ** 2, turns))
    V@V
    """
    group = rep.group
    if group.matrices.shape[1:] != subgroup.matrices.shape[1:] or group.affine != subgroup.affine:
        raise IsotropyError(
            f"A subgroup of {group} has matrices of its size, {group.matrices.shape[1]} x {group.matrices.shape[1]}. "
            f"Got {subgroup} with {subgroup.matrices.shape[1]} x {subgroup.matrices.shape[1]}."
        )
    coefficients, outside = _in_algebra(group, subgroup.matrices)
    scale = float(np.abs(subgroup.matrices).max(initial=0)) or 1.0
    if outside.max(initial=0) > CLEAR * numerical_floor(np.float64, group.size, scale):
        worst = int(outside.argmax())
        raise IsotropyError(
            f"{subgroup} is no subgroup of {group}: its generator {worst} lies outside the algebra by "
            f"{outside[worst]:.1e}."
        )
    words = [_word(group, g, k) for k, g in enumerate(subgroup.components)]

    def change(leaf: Leaf) -> Representation:
        for name in ("scalar", "vector", "point"):
            if leaf == getattr(group, name):
                return getattr(subgroup, name)
        d = leaf.dimension
        images = np.array([_image(leaf, word) for word in words]).reshape(len(words), d + 1, d + 1)
        return Leaf(
            subgroup,
            f"{leaf.label}|{group}",
            leaf.generator_stack.combine(coefficients),
            images[:, :d, :d],
            dimension=d,
            offsets=coefficients @ leaf.offsets() if leaf.has_points else None,
            component_offsets=images[:, :d, d] if leaf.has_points else None,
        )

    return rep.on_leaves(change)


def element(rep: Representation, matrix: np.ndarray) -> np.ndarray:
    """The (d, d) matrix by which one group element, given as a defining matrix, acts (the linear part, for points)."""
    whole = np.asarray(matrix)[None]
    return restrict(rep, Group((), components=whole, affine=rep.group.affine)).components()[0]


def lift(rep: Representation, product: Group, factor: int) -> Representation:
    """The action of a product group through one of its factors. Leaves print with its number: ``V[0]``."""
    start = sum(other.dimension for other in product.factors[:factor])
    before = sum(len(other.components) for other in product.factors[:factor])

    def change(leaf: Leaf) -> Representation:
        if leaf == leaf.group.scalar:
            return product.scalar
        stack, size = leaf.generator_stack, leaf.dimension
        generators = Stack(product.dimension, size, stack.which + start, stack.row, stack.column, stack.values)
        images = [np.eye(size)] * len(product.components)
        images[before : before + len(leaf.group.components)] = list(leaf.components())
        offsets = component_offsets = None
        if leaf.has_points:
            offsets = np.zeros((product.dimension, size))
            offsets[start : start + leaf.group.dimension] = leaf.offsets()
            component_offsets = np.zeros((len(product.components), size))
            component_offsets[before : before + len(leaf.group.components)] = leaf.component_offsets()
        return Leaf(
            product,
            f"{leaf.label}[{factor}]",
            generators,
            Stack.from_matrices(images, size=size),
            dimension=size,
            offsets=offsets,
            component_offsets=component_offsets,
        )

    return rep.on_leaves(change)


def _in_algebra(group: Group, matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of matrices in the group's generators, and how far outside their span each lies."""
    size = group.matrices.shape[1] ** 2
    basis, wanted = (_real(m.reshape(len(m), size)) for m in (group.matrices, matrices))
    coefficients = np.linalg.lstsq(basis.T, wanted.T, rcond=None)[0].T if len(basis) else np.zeros((len(wanted), 0))
    return coefficients, np.abs(wanted - coefficients @ basis).max(axis=1, initial=0)


def _real(flat: np.ndarray) -> np.ndarray:
    return np.concatenate([np.real(flat), np.imag(flat)], axis=1)


Word = tuple[list[np.ndarray], tuple[int, ...]]


def _word(group: Group, matrix: np.ndarray, k: int) -> Word:
    """An element as exponentials of algebra elements (coefficients) times a product of components."""
    size = len(matrix)
    scale = np.linalg.norm(matrix, 2) * np.linalg.norm(np.linalg.inv(matrix), 2)
    floor = CLEAR * numerical_floor(np.float64, size, float(scale))
    if group.is_finite:
        found = elements(group)
        distance = np.abs(found.matrices - matrix).max(axis=(1, 2))
        best = int(distance.argmin())
        if distance[best] <= floor:
            return [], found.words[best]
    else:
        for product, word in _component_words(group):
            rest = matrix @ np.linalg.inv(product)
            logarithms = _logarithms(group, rest, floor)
            if logarithms is not None:
                return logarithms, word
    raise IsotropyError(
        f"Component {k} of the subgroup is no element of {group} that could be found: check its matrix."
    )


def _component_words(group: Group) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    queue: list[tuple[np.ndarray, tuple[int, ...]]] = [(np.eye(group.matrices.shape[1]), ())]
    for matrix, word in queue:
        yield matrix, word
        for k, g in enumerate(group.components):
            if len(queue) < _WORDS:
                queue.append((g @ matrix, (k, *word)))


def _logarithms(group: Group, matrix: np.ndarray, floor: float) -> list[np.ndarray] | None:
    """Algebra elements whose exponentials multiply to the matrix; two where its own logarithm is not in the algebra."""
    rng = np.random.default_rng(0)
    for attempt in range(_TRIES):
        turn = rng.standard_normal(group.dimension) if attempt else np.zeros(group.dimension)
        away = np.tensordot(turn, group.matrices, 1)
        with np.errstate(all="ignore"):
            value = scipy.linalg.logm(scipy.linalg.expm(-away) @ matrix)
        value = np.asarray(value)
        if not group.is_complex:
            value = np.real(value)
        if not np.isfinite(value).all():
            continue
        coefficients = _in_algebra(group, value[None])[0][0]
        back = scipy.linalg.expm(away) @ scipy.linalg.expm(np.tensordot(coefficients, group.matrices, 1))
        if np.abs(back - matrix).max() <= floor:
            return [turn, coefficients] if attempt else [coefficients]
    return None


def _image(leaf: Leaf, word: Word) -> np.ndarray:
    """The word's matrix in a representation, homogeneous, so that points are moved as well."""
    d = leaf.dimension
    generators = np.pad(leaf.generators(), ((0, 0), (0, 1), (0, 1)))
    components = np.pad(leaf.components(), ((0, 0), (0, 1), (0, 1)))
    generators[:, :d, d], components[:, :d, d], components[:, d, d] = leaf.offsets(), leaf.component_offsets(), 1
    result = np.eye(d + 1)
    for coefficients in word[0]:
        result = result @ scipy.linalg.expm(np.tensordot(coefficients, generators, 1))
    for k in word[1]:
        result = result @ components[k]
    return result
