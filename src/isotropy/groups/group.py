"""A group that may act: its Lie algebra, a representative of each further component, and its first representations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import IsotropyError
from ..validate import array
from . import representation
from .algebra import LieAlgebra
from .representation import Representation

_EPS = float(np.finfo(np.float64).eps)


class Group:
    """A matrix group: the connected group of a Lie algebra, and one representative of each generator of its components.

    ``generators`` (q, N, N) span the Lie algebra; they must close under the bracket. ``components`` (p, N, N) are group
    elements that, with the connected part, generate the rest; a finite group has them alone (``generators=()``). With
    ``affine=True`` the matrices are homogeneous, (n+1) x (n+1), and act on the points of R^n.

    A representation's order of generators is that of ``generators``; inner products on the algebra make this basis
    orthonormal unless stated (convention C5).

    >>> turn = [[0.0, -1.0], [1.0, 0.0]]
    >>> G = Group([turn], name="turns")
    >>> print(G, G.dimension, G.vector.dimension)
    turns 1 2
    """

    def __init__(
        self,
        generators: Any,
        *,
        components: Any = (),
        name: str | None = None,
        affine: bool = False,
    ):
        self.components = _components(components, generators)
        self.affine = bool(affine)
        matrices = _generators(generators, self.components)
        if self.affine:
            _check_homogeneous(matrices, 0.0, "generator")
            _check_homogeneous(self.components, 1.0, "component")
        self.algebra = LieAlgebra(matrices)
        self.matrices = matrices
        self.factors: tuple[Group, ...] = (self,)
        _check_components(self.matrices, self.components)
        self.name = name if name is not None else self._describe()
        self.matrices.setflags(write=False)
        self.components.setflags(write=False)

    def _describe(self) -> str:
        q, size = self.matrices.shape[0], self.matrices.shape[1]
        parts = [f"{q} generator{'s' * (q != 1)}"] if q else []
        parts += (
            [f"{len(self.components)} component{'s' * (len(self.components) != 1)}"] if len(self.components) else []
        )
        field = "C" if self.is_complex else "R"
        return f"Group({', '.join(parts) or 'identity'}, on {field}^{size - self.affine})"

    @property
    def dimension(self) -> int:
        """Dimension q of the Lie algebra: zero for a finite group."""
        return self.matrices.shape[0]

    @property
    def size(self) -> int:
        """Number n of coordinates that the group moves: the dimension of `vector` and of `point`."""
        return self.matrices.shape[1] - self.affine

    @property
    def is_complex(self) -> bool:
        """Whether the defining matrices are complex, as for U(n) and SU(n)."""
        return np.iscomplexobj(self.matrices) or np.iscomplexobj(self.components)

    @property
    def is_finite(self) -> bool:
        """Whether the algebra is zero. (A component of infinite order would still make the group infinite.)"""
        return self.dimension == 0

    @cached_property
    def vector(self) -> Representation:
        """The defining matrices; translations act as zero. Prints ``V``."""
        return representation.vector(self)

    @cached_property
    def point(self) -> Representation:
        """Positions: the defining matrices with translations acting. Prints ``P``; `vector` where there are none."""
        return representation.point(self) if self.affine else self.vector

    @cached_property
    def scalar(self) -> Representation:
        """The trivial representation on R. Prints ``S``."""
        return representation.scalar(self)

    @cached_property
    def regular(self) -> Representation:
        """Functions on a finite group, moved by left multiplication. Prints ``R``."""
        from .finite import regular

        return regular(self)

    def elements(self) -> np.ndarray:
        """Every element of a finite group once, as defining matrices (order, N, N), the identity first."""
        from .finite import elements

        return elements(self).matrices.copy()

    def irrep(self, *labels: Any) -> Representation:
        """The irreducible with these labels: SO(2), SO(3), O(3), SU(2), SO(1, 3); see `irreducible.irrep`.

        >>> from isotropy import groups
        >>> groups.SU(2).irrep("1/2").dimension
        2
        """
        from .irreducible import irrep

        return irrep(self, *labels)

    def parse(self, text: str) -> Representation:
        """The representation that prints as ``text``, or irreps in e3nn's manner: ``8x0e+4x1o``."""
        from .parse import parse

        return parse(self, text)

    def representation(self, generators: Any = (), *, components: Any = (), name: str = "W") -> Representation:
        """A representation by its own matrices, one for each generator and component, checked to be one."""
        from .own import own

        return own(self, generators, components, name)

    def lift(self, rep: Representation, *, factor: int | None = None) -> Representation:
        """A factor's representation as one of this product; ``factor`` is needed where several factors are the same.

        >>> from isotropy import groups
        >>> R3, points = groups.SO(3), groups.S(5)
        >>> G = R3 * points
        >>> print(G.lift(R3.vector ** 2) @ G.lift(points.vector))
        V[0]@V[0]@V[1]
        """
        from .restrict import lift

        found = [k for k, other in enumerate(self.factors) if other == rep.group]
        if factor is not None:
            found = [k for k in found if k == factor]
        if len(found) != 1 or len(self.factors) == 1:
            raise IsotropyError(
                f"`{rep}` is a representation of {rep.group}, which "
                + ("is no such factor" if not found or len(self.factors) == 1 else "stands several times")
                + f" in {self}: lift from one of its factors, and say `factor=` (from 0) where they are equal."
            )
        return lift(rep, self, found[0])

    @property
    def identity_component(self) -> Group:
        """The connected group of the same algebra; prints ``SO(1,3)^+``.

        >>> from isotropy import groups
        >>> len(groups.SO(1, 3).components), len(groups.SO(1, 3).identity_component.components)
        (1, 0)
        """
        if not len(self.components):
            return self
        return Group(self.matrices, name=f"{self.name}^+", affine=self.affine)

    def __mul__(self, other: Group) -> Group:
        """The product group: block-diagonal matrices, algebra and components of the first factor first."""
        if not isinstance(other, Group):
            return NotImplemented
        return _product(self.factors + other.factors)

    @cached_property
    def key(self) -> str:
        """Hash of the content: matrices, components and whether they are affine. Names do not enter."""
        digest = hashlib.sha256(f"{self.affine}{self.matrices.shape}{self.components.shape}".encode())
        for part in (self.matrices, self.components):
            digest.update(part.dtype.str.encode() + np.ascontiguousarray(part + 0.0).tobytes())
        if len(self.factors) > 1:
            digest.update("|".join(factor.key for factor in self.factors).encode())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.name


def _stack(value: Any, name: str) -> np.ndarray:
    """``value`` as a stack (k, N, N) of finite square matrices."""
    if isinstance(value, LieAlgebra):
        value = value.matrices
    stack = array(value, name, ndim=3, complex_ok=True, minimum_size=0)
    if stack.shape[1] != stack.shape[2] or stack.shape[1] == 0:
        raise IsotropyError(f"`{name}` must be a stack of square matrices, shape (k, n, n). Got shape {stack.shape}.")
    return stack.astype(np.complex128 if np.iscomplexobj(stack) else np.float64)


def _is_empty(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 0


def _components(components: Any, generators: Any) -> np.ndarray:
    if not _is_empty(components):
        return _stack(components, "components")
    if _is_empty(generators):
        raise IsotropyError(
            "A group needs `generators`, `components` or both. Got neither: "
            "use `groups.Trivial(n)` for the identity alone."
        )
    size = _stack(generators, "generators").shape[1]
    return np.zeros((0, size, size))


def _generators(generators: Any, components: np.ndarray) -> np.ndarray:
    if _is_empty(generators):
        return np.zeros((0, *components.shape[1:]))
    stack = _stack(generators, "generators")
    if stack.shape[1] != components.shape[1]:
        raise IsotropyError(
            f"`generators` and `components` must have the same size. Got {stack.shape[1]} x {stack.shape[1]} "
            f"and {components.shape[1]} x {components.shape[1]}."
        )
    return stack


def _check_homogeneous(stack: np.ndarray, corner: float, what: str) -> None:
    last = np.zeros(stack.shape[1])
    last[-1] = corner
    for k, matrix in enumerate(stack):
        if not np.array_equal(matrix[-1], last):
            raise IsotropyError(
                f"With `affine=True` the last row of every {what} must be {(*[0] * (len(last) - 1), int(corner))}. "
                f"Got {tuple(matrix[-1].tolist())} in {what} {k}: pass homogeneous (n+1) x (n+1) matrices."
            )


def _check_components(generators: np.ndarray, components: np.ndarray) -> None:
    """Components must be invertible and carry the algebra onto itself, or there is no such group."""
    if not len(components):
        return
    flat = generators.reshape(len(generators), components.shape[1] ** 2)
    real = np.concatenate([np.real(flat), np.imag(flat)], axis=1)
    span = np.linalg.qr(real.T)[0]
    for k, matrix in enumerate(components):
        values = np.linalg.svd(matrix, compute_uv=False)
        if values[-1] <= _EPS * len(matrix) * values[0]:
            raise IsotropyError(
                f"Component {k} is not invertible (singular values from {values[0]:.3g} down to {values[-1]:.3g}): "
                f"a group element must have an inverse."
            )
        if not len(generators):
            continue
        moved = (matrix @ generators @ np.linalg.inv(matrix)).reshape(len(generators), -1)
        moved = np.concatenate([moved.real, moved.imag], axis=1)
        outside = np.linalg.norm(moved - (moved @ span) @ span.T, axis=1)
        # Rounding of g xi g^-1 grows with the condition of g; the factor 100 covers the products and the projection.
        floor = 100 * _EPS * len(matrix) * (values[0] / values[-1]) * np.abs(real).max()
        worst = int(outside.argmax())
        if outside[worst] > floor:
            raise IsotropyError(
                f"Component {k} does not carry the algebra onto itself: it takes generator {worst} out of the span by "
                f"{outside[worst]:.3g}. Pass a representative that normalises the algebra, or more generators."
            )


def _product(factors: tuple[Group, ...]) -> Group:
    """Block-diagonal matrices on the sum of the factors' spaces; one homogeneous coordinate is shared by all."""
    affine = any(factor.affine for factor in factors)
    size = sum(factor.size for factor in factors) + affine
    dtype = np.complex128 if any(factor.is_complex for factor in factors) else np.float64
    algebra, components, start = [], [], 0
    for factor in factors:
        rows = np.arange(start, start + factor.size)
        where = np.append(rows, size - 1) if factor.affine else rows
        for matrix in factor.matrices:
            algebra.append(np.zeros((size, size), dtype))
            algebra[-1][np.ix_(where, where)] = matrix
        for matrix in factor.components:
            components.append(np.eye(size, dtype=dtype))
            components[-1][np.ix_(where, where)] = matrix
        start += factor.size
    empty = np.zeros((0, size, size), dtype)
    group = Group(
        np.stack(algebra) if algebra else empty,
        components=np.stack(components) if components else empty,
        name=" x ".join(factor.name for factor in factors),
        affine=affine,
    )
    group.factors = factors
    return group
