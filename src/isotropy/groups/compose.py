"""Representations made of others: sums, tensor products, duals, conjugates, and complex ones seen as real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..numerics.stack import Stack
from .representation import Leaf, Representation


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

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return direct_sum(tuple((copies, rep.on_leaves(change)) for copies, rep in self.terms))

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

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return tensor(tuple(rep.on_leaves(change) for rep in self.factors))

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

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return self.rep.on_leaves(change).dual

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

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return self.rep.on_leaves(change).conj

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
        real, imaginary = (replace(stack, values=part) for part in (np.real(stack.values), np.imag(stack.values)))
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

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return self.rep.on_leaves(change).real()

    def leaves(self) -> Iterator[Leaf]:
        return self.rep.leaves()

    def _key(self) -> tuple[Any, ...]:
        return "real", self.rep._key()

    def __str__(self) -> str:
        return f"({self.rep}).real" if isinstance(self.rep, Sum | Tensor) else f"{self.rep}.real"


def direct_sum(terms: tuple[tuple[int, Representation], ...]) -> Representation:
    """The sum of multiples, with equal neighbours counted together."""
    merged: list[tuple[int, Representation]] = []
    for copies, rep in _flat(terms):
        if merged and merged[-1][1] == rep:
            merged[-1] = (merged[-1][0] + copies, rep)
        else:
            merged.append((copies, rep))
    return merged[0][1] if len(merged) == 1 and merged[0][0] == 1 else Sum(tuple(merged))


def tensor(factors: tuple[Representation, ...]) -> Representation:
    """The tensor product; scalars drop out, since they change nothing."""
    flat = tuple(inner for rep in factors for inner in (rep.factors if isinstance(rep, Tensor) else (rep,)))
    for rep in flat:
        rep._no_points("tensor product")
    kept = tuple(rep for rep in flat if rep != rep.group.scalar) or flat[:1]
    return kept[0] if len(kept) == 1 else Tensor(kept)


def _flat(terms: tuple[tuple[int, Representation], ...]) -> Iterator[tuple[int, Representation]]:
    """Sums inside sums opened, except where copies of a sum of several terms would have to be written out."""
    for copies, rep in terms:
        if not isinstance(rep, Sum):
            yield copies, rep
        elif copies == 1 or len(rep.terms) == 1:
            yield from ((copies * inner, term) for inner, term in rep.terms)
        else:
            yield copies, rep
