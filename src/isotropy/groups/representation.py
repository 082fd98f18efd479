"""How a group acts linearly (or affinely) on R^d or C^d: leaves, sums, tensor products, duals; sparse and lazy."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from ..errors import IsotropyError
from ..numerics.stack import Stack

if TYPE_CHECKING:
    from .group import Group


class Representation:
    """A finite-dimensional representation of a group, printed as you would write it: ``2*S + V + V@V``.

    ``V + W`` is the direct sum, ``3*V`` three copies one after the other, ``V@W`` and ``V**3`` tensor products with the
    last factor running fastest (as `numpy.kron`), `dual` and `conj` the dual and the complex conjugate. Equality and
    hashing are by content. Matrices are sparse and made when asked for; a tensor power stores nothing of size d x d.

    >>> from isotropy import groups
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> rep = 2*S + V + V@V
    >>> print(rep, rep.dimension)
    2*S + V + V@V 14
    """

    group: Group
    dimension: int
    is_complex: bool = False
    has_points: bool = False

    def _generators(self) -> Stack:
        raise NotImplementedError

    def _components(self) -> Stack:
        raise NotImplementedError

    def _key(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def leaves(self) -> Iterator[Leaf]:
        """The representations given by matrices of their own from which this one is made."""
        raise NotImplementedError

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        """The same construction made from other leaves, as for another group."""
        raise NotImplementedError

    @cached_property
    def generator_stack(self) -> Stack:
        """The generators' matrices by their nonzero entries."""
        return self._generators()

    @cached_property
    def component_stack(self) -> Stack:
        """The components' matrices by their nonzero entries."""
        return self._components()

    def sparse_generators(self) -> tuple[sp.csr_array, ...]:
        """One sparse (d, d) matrix for each generator of the group."""
        return self.generator_stack.matrices()

    def sparse_components(self) -> tuple[sp.csr_array, ...]:
        """One sparse (d, d) matrix for each component's representative."""
        return self.component_stack.matrices()

    def generators(self) -> np.ndarray:
        """The matrices of the generators, dense (q, d, d): x moves with ``generators()[k] @ x + offsets()[k]``."""
        return self.generator_stack.dense().astype(self._dtype)

    def components(self) -> np.ndarray:
        """The matrices of the components' representatives, dense (p, d, d)."""
        return self.component_stack.dense().astype(self._dtype)

    @property
    def _dtype(self) -> Any:
        return np.complex128 if self.is_complex else np.float64

    def offsets(self) -> np.ndarray:
        """The translation part of each generator (q, d): zero unless points are in the representation."""
        return np.zeros((self.group.dimension, self.dimension))

    def component_offsets(self) -> np.ndarray:
        """The translation part of each component's representative (p, d)."""
        return np.zeros((len(self.group.components), self.dimension))

    def blocks(self) -> Iterator[tuple[Representation, int]]:
        """The summands that are not themselves sums, each with the coordinate at which it starts."""
        yield self, 0

    @property
    def dual(self) -> Representation:
        """The dual: -A^T for a generator A, the inverse transpose for a group element."""
        from . import compose

        self._no_points("dual")
        return self if self == self.group.scalar else compose.Dual(self)

    @property
    def conj(self) -> Representation:
        """The complex conjugate; a real representation is its own."""
        from . import compose

        return compose.Conjugate(self) if self.is_complex else self

    def real(self) -> Representation:
        """The same on R^{2d} when complex, real parts first: x + iy is (x, y). A real one is returned as it is."""
        from . import compose

        return compose.Real(self) if self.is_complex else self

    def sym(self, power: int) -> Representation:
        """The symmetric power, in an orthonormal basis of the symmetric tensors of that order."""
        from .power import power as make

        return make(self, _count(power, "sym", 1), symmetric=True)

    def alt(self, power: int) -> Representation:
        """The antisymmetric (exterior) power, in an orthonormal basis of the antisymmetric tensors of that order."""
        from .power import power as make

        return make(self, _count(power, "alt", 1), symmetric=False)

    def restrict(self, subgroup: Group) -> Representation:
        """The same action for a subgroup, whose defining matrices must belong to this group."""
        from .restrict import restrict

        return restrict(self, subgroup)

    def element(self, matrix: np.ndarray) -> np.ndarray:
        """The (d, d) matrix of one group element given by its defining matrix (the linear part, for points)."""
        from .restrict import element

        return element(self, matrix)

    def __add__(self, other: Representation) -> Representation:
        from . import compose

        if not isinstance(other, Representation):
            return NotImplemented
        _same_group(self, other)
        return compose.direct_sum(((1, self), (1, other)))

    def __rmul__(self, copies: int) -> Representation:
        from . import compose

        return compose.direct_sum(((_count(copies, "copies * representation", 1), self),))

    def __matmul__(self, other: Representation) -> Representation:
        from . import compose

        if not isinstance(other, Representation):
            return NotImplemented
        _same_group(self, other)
        return compose.tensor((self, other))

    def __pow__(self, power: int) -> Representation:
        from . import compose

        count = _count(power, "representation ** power", 0)
        return compose.tensor((self,) * count) if count else self.group.scalar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Representation) and self.group == other.group and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def key(self) -> str:
        """Hash of the content, stable between sessions."""
        return hashlib.sha256(f"{self.group.key}{self._key()}".encode()).hexdigest()

    def __repr__(self) -> str:
        return str(self)

    def _no_points(self, what: str) -> None:
        if self.has_points:
            raise IsotropyError(
                f"Points have no {what}: `{self}` moves under translations, which is not linear. "
                f"Use `G.vector` (differences of points) in its place."
            )


class Leaf(Representation):
    """A representation given by its matrices: V, P, S, an irreducible by label, or the user's own."""

    def __init__(
        self,
        group: Group,
        label: str,
        generators: Any,
        components: Any,
        *,
        dimension: int,
        offsets: np.ndarray | None = None,
        component_offsets: np.ndarray | None = None,
    ):
        self.group, self.label, self.dimension = group, label, dimension
        self._stacks = tuple(_as_stack(part, dimension) for part in (generators, components))
        self.is_complex = any(stack.is_complex for stack in self._stacks)
        self.has_points = offsets is not None
        self._offsets = offsets, component_offsets

    def _generators(self) -> Stack:
        return self._stacks[0]

    def _components(self) -> Stack:
        return self._stacks[1]

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return change(self)

    def offsets(self) -> np.ndarray:
        return super().offsets() if self._offsets[0] is None else self._offsets[0].copy()

    def component_offsets(self) -> np.ndarray:
        return super().component_offsets() if self._offsets[1] is None else self._offsets[1].copy()

    @cached_property
    def _content(self) -> tuple[Any, ...]:
        digest = hashlib.sha256()
        for stack in self._stacks:
            digest.update(np.array([stack.count, len(stack.values)]).tobytes())
            for part in (stack.which, stack.row, stack.column, stack.values):
                digest.update(np.ascontiguousarray(part).tobytes())
        return "leaf", self.label, self.dimension, self.has_points, digest.hexdigest()

    def _key(self) -> tuple[Any, ...]:
        return self._content

    def __str__(self) -> str:
        return self.label


def vector(group: Group) -> Leaf:
    """The defining matrices of a group, translations acting as zero."""
    n = group.size
    return Leaf(group, "V", group.matrices[:, :n, :n], group.components[:, :n, :n], dimension=n)


def point(group: Group) -> Leaf:
    """The positions that an affine group moves."""
    n = group.size
    linear, elements = group.matrices, group.components
    return Leaf(
        group,
        "P",
        linear[:, :n, :n],
        elements[:, :n, :n],
        dimension=n,
        offsets=linear[:, :n, n].copy(),
        component_offsets=elements[:, :n, n].copy(),
    )


def scalar(group: Group) -> Leaf:
    """The trivial representation."""
    zeros, ones = np.zeros((group.dimension, 1, 1)), np.ones((len(group.components), 1, 1))
    return Leaf(group, "S", zeros, ones, dimension=1)


def _same_group(first: Representation, second: Representation) -> None:
    if first.group != second.group:
        raise IsotropyError(
            f"`{first}` is a representation of {first.group}, but `{second}` is one of {second.group}: "
            f"take both from one group, or lift them to the product with `(G*H).lift(rep)`."
        )


def _count(value: object, what: str, least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise IsotropyError(f"`{what}` takes a whole number. Got {value!r}.") from None
    if number < least:
        raise IsotropyError(f"`{what}` takes a whole number of at least {least}. Got {number}.")
    return number


def _as_stack(matrices: Any, dimension: int) -> Stack:
    return matrices if isinstance(matrices, Stack) else Stack.from_matrices(matrices, size=dimension)
