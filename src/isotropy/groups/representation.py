"""How a group acts linearly (or affinely) on R^d or C^d: leaves, sums, tensor products, duals; sparse and lazy."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, reduce
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
        self._no_points("dual")
        return self if self == self.group.scalar else Dual(self)

    @property
    def conj(self) -> Representation:
        """The complex conjugate; a real representation is its own."""
        return Conjugate(self) if self.is_complex else self

    def real(self) -> Representation:
        """The same on R^{2d} when complex, real parts first: x + iy is (x, y). A real one is returned as it is."""
        return Real(self) if self.is_complex else self

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

    def __add__(self, other: Representation) -> Representation:
        if not isinstance(other, Representation):
            return NotImplemented
        _same_group(self, other)
        return direct_sum((*_terms(self), *_terms(other)))

    def __rmul__(self, copies: int) -> Representation:
        return direct_sum(((_count(copies, "copies * representation", 1), self),))

    def __matmul__(self, other: Representation) -> Representation:
        if not isinstance(other, Representation):
            return NotImplemented
        _same_group(self, other)
        return tensor((*_factors(self), *_factors(other)))

    def __pow__(self, power: int) -> Representation:
        count = _count(power, "representation ** power", 0)
        return tensor(_factors(self) * count) if count else self.group.scalar

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


class Sum(Representation):
    """A direct sum of multiples, in the order given."""

    def __init__(self, terms: tuple[tuple[int, Representation], ...]):
        self.terms = terms
        self.group = terms[0][1].group
        self.dimension = sum(copies * rep.dimension for copies, rep in terms)
        self.is_complex = any(rep.is_complex for _, rep in terms)
        self.has_points = any(rep.has_points for _, rep in terms)

    def _assemble(self, stacks: list[Stack]) -> Stack:
        start, placed = 0, []
        for (copies, rep), stack in zip(self.terms, stacks, strict=True):
            placed.append(stack.placed(self.dimension, start + rep.dimension * np.arange(copies)))
            start += copies * rep.dimension
        return reduce(Stack.plus, placed)

    def _generators(self) -> Stack:
        return self._assemble([rep.generator_stack for _, rep in self.terms])

    def _components(self) -> Stack:
        return self._assemble([rep.component_stack for _, rep in self.terms])

    def leaves(self) -> Iterator[Leaf]:
        for _, rep in self.terms:
            yield from rep.leaves()

    def offsets(self) -> np.ndarray:
        return np.concatenate([np.tile(rep.offsets(), (1, k)) for k, rep in self.terms], axis=1)

    def component_offsets(self) -> np.ndarray:
        return np.concatenate([np.tile(rep.component_offsets(), (1, k)) for k, rep in self.terms], axis=1)

    def blocks(self) -> Iterator[tuple[Representation, int]]:
        start = 0
        for copies, rep in self.terms:
            for _ in range(copies):
                for block, inner in rep.blocks():
                    yield block, start + inner
                start += rep.dimension

    @property
    def dual(self) -> Representation:
        self._no_points("dual")
        return direct_sum(tuple((k, rep.dual) for k, rep in self.terms))

    @property
    def conj(self) -> Representation:
        return direct_sum(tuple((k, rep.conj) for k, rep in self.terms))

    def _key(self) -> tuple[Any, ...]:
        return "sum", tuple((k, rep._key()) for k, rep in self.terms)

    def __str__(self) -> str:
        words = [f"({rep})" if isinstance(rep, Sum) else str(rep) for _, rep in self.terms]
        return " + ".join(word if k == 1 else f"{k}*{word}" for (k, _), word in zip(self.terms, words, strict=True))


class Tensor(Representation):
    """A tensor product; the last factor's index runs fastest."""

    def __init__(self, factors: tuple[Representation, ...]):
        self.factors = factors
        self.group = factors[0].group
        self.dimension = int(np.prod([rep.dimension for rep in factors]))
        self.is_complex = any(rep.is_complex for rep in factors)

    def _generators(self) -> Stack:
        left, right, placed = 1, self.dimension, []
        for rep in self.factors:
            right //= rep.dimension
            shifts = (np.arange(left)[:, None] * (rep.dimension * right) + np.arange(right)).ravel()
            placed.append(rep.generator_stack.placed(self.dimension, shifts, stride=right))
            left *= rep.dimension
        return reduce(Stack.plus, placed)

    def _components(self) -> Stack:
        parts = zip(*(rep.sparse_components() for rep in self.factors), strict=True)
        return Stack.from_matrices([reduce(sp.kron, matrices) for matrices in parts], size=self.dimension)

    def leaves(self) -> Iterator[Leaf]:
        for rep in self.factors:
            yield from rep.leaves()

    @property
    def dual(self) -> Representation:
        return tensor(tuple(rep.dual for rep in self.factors))

    @property
    def conj(self) -> Representation:
        return tensor(tuple(rep.conj for rep in self.factors))

    def _key(self) -> tuple[Any, ...]:
        return "tensor", tuple(rep._key() for rep in self.factors)

    def __str__(self) -> str:
        words: list[tuple[str, int]] = []
        for rep in self.factors:
            word = f"({rep})" if isinstance(rep, Sum) else str(rep)
            if words and words[-1][0] == word:
                words[-1] = (word, words[-1][1] + 1)
            else:
                words.append((word, 1))
        return "@".join(f"{word}**{k}" if k > 2 else "@".join([word] * k) for word, k in words)


class Dual(Representation):
    """The dual of a representation that is neither a sum nor a product."""

    def __init__(self, rep: Representation):
        self.rep, self.group, self.dimension, self.is_complex = rep, rep.group, rep.dimension, rep.is_complex

    def _generators(self) -> Stack:
        return self.rep.generator_stack.transposed(-1.0)

    def _components(self) -> Stack:
        return Stack.from_matrices(np.linalg.inv(self.rep.components()).transpose(0, 2, 1))

    def leaves(self) -> Iterator[Leaf]:
        return self.rep.leaves()

    @property
    def dual(self) -> Representation:
        return self.rep

    def _key(self) -> tuple[Any, ...]:
        return "dual", self.rep._key()

    def __str__(self) -> str:
        return f"{self.rep}.dual"


class Conjugate(Representation):
    """The complex conjugate of a complex representation."""

    is_complex = True

    def __init__(self, rep: Representation):
        self.rep, self.group, self.dimension = rep, rep.group, rep.dimension

    def _generators(self) -> Stack:
        return self.rep.generator_stack.conj()

    def _components(self) -> Stack:
        return self.rep.component_stack.conj()

    def leaves(self) -> Iterator[Leaf]:
        return self.rep.leaves()

    @property
    def conj(self) -> Representation:
        return self.rep

    def _key(self) -> tuple[Any, ...]:
        return "conj", self.rep._key()

    def __str__(self) -> str:
        return f"{self.rep}.conj"


class Real(Representation):
    """A complex representation seen on R^{2d}, real parts first."""

    def __init__(self, rep: Representation):
        self.rep, self.group, self.dimension = rep, rep.group, 2 * rep.dimension

    def _split(self, stack: Stack) -> Stack:
        d, size = self.rep.dimension, self.dimension
        real, imaginary = (replace(stack, values=part) for part in (stack.values.real, stack.values.imag))
        across = imaginary.placed(size, np.zeros(1, dtype=int))
        return reduce(
            Stack.plus,
            [
                real.placed(size, np.array([0, d])),
                replace(across, row=across.row + d),
                replace(across, column=across.column + d, values=-across.values),
            ],
        )

    def _generators(self) -> Stack:
        return self._split(self.rep.generator_stack)

    def _components(self) -> Stack:
        return self._split(self.rep.component_stack)

    def leaves(self) -> Iterator[Leaf]:
        return self.rep.leaves()

    def _key(self) -> tuple[Any, ...]:
        return "real", self.rep._key()

    def __str__(self) -> str:
        return f"({self.rep}).real" if isinstance(self.rep, Sum | Tensor) else f"{self.rep}.real"


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


def direct_sum(terms: tuple[tuple[int, Representation], ...]) -> Representation:
    """The sum of multiples, with equal neighbours counted together."""
    merged: list[tuple[int, Representation]] = []
    for copies, rep in terms:
        if isinstance(rep, Sum) and len(rep.terms) == 1:
            copies, rep = copies * rep.terms[0][0], rep.terms[0][1]
        if merged and merged[-1][1] == rep:
            merged[-1] = (merged[-1][0] + copies, rep)
        else:
            merged.append((copies, rep))
    return merged[0][1] if len(merged) == 1 and merged[0][0] == 1 else Sum(tuple(merged))


def tensor(factors: tuple[Representation, ...]) -> Representation:
    """The tensor product; scalars drop out, since they change nothing."""
    for rep in factors:
        rep._no_points("tensor product")
    kept = tuple(rep for rep in factors if rep != rep.group.scalar) or factors[:1]
    return kept[0] if len(kept) == 1 else Tensor(kept)


def _terms(rep: Representation) -> tuple[tuple[int, Representation], ...]:
    return rep.terms if isinstance(rep, Sum) else ((1, rep),)


def _factors(rep: Representation) -> tuple[Representation, ...]:
    return rep.factors if isinstance(rep, Tensor) else (rep,)


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
