"""Symmetric and antisymmetric powers in orthonormal bases of tensors."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from math import comb, factorial, prod
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import IsotropyError
from ..numerics.stack import Stack
from .compose import Sum, Tensor
from .representation import Leaf, Representation


class Power(Representation):
    """Sym^k or Alt^k of a representation, as the tensors of V^k that are (anti)symmetric.

    Coordinates belong to index tuples i1 <= ... <= ik (strictly increasing for Alt) in lexicographic order, each the
    normalised sum of its permuted basis tensors, so that orthogonal matrices stay orthogonal.

    >>> from isotropy import groups
    >>> V = groups.SO(3).vector
    >>> V.sym(2).dimension, V.alt(2).dimension, str(V.sym(2))
    (6, 3, 'V.sym(2)')
    """

    def __init__(self, rep: Representation, power: int, *, symmetric: bool):
        rep._no_points("symmetric power" if symmetric else "antisymmetric power")
        n = rep.dimension
        self.rep, self.power, self.symmetric = rep, power, symmetric
        self.group, self.is_complex = rep.group, rep.is_complex
        self.dimension = comb(n + power - 1, power) if symmetric else comb(n, power)
        if self.dimension == 0:
            raise IsotropyError(
                f"`({rep}).alt({power})` has dimension 0: the order of an antisymmetric power is at most {n} here."
            )

    @cached_property
    def embedding(self) -> sp.csr_array:
        """The isometry (n^k, d) of these coordinates into the tensors V^k."""
        n, k = self.rep.dimension, self.power
        choose = itertools.combinations_with_replacement if self.symmetric else itertools.combinations
        rows, columns, data = [], [], []
        strides = n ** np.arange(k - 1, -1, -1)
        for column, indices in enumerate(choose(range(n), k)):
            count = factorial(k) // prod(factorial(c) for c in Counter(indices).values())
            orders = (
                {order: 1.0 for order in itertools.permutations(indices)}
                if self.symmetric
                else {tuple(indices[i] for i in p): _sign(p) for p in itertools.permutations(range(k))}
            )
            rows += [int(np.dot(strides, order)) for order in orders]
            columns += [column] * count
            data += [sign / np.sqrt(count) for sign in orders.values()]
        return sp.csr_array((data, (rows, columns)), shape=(n**k, self.dimension))

    @cached_property
    def _tensor(self) -> Representation:
        return Tensor((self.rep,) * self.power) if self.power > 1 else self.rep

    def _compress(self, matrices: tuple[sp.csr_array, ...]) -> Stack:
        e = self.embedding
        return Stack.from_matrices([e.T @ (m @ e) for m in matrices], size=self.dimension)

    def _generators(self) -> Stack:
        return self._compress(self._tensor.sparse_generators())

    def _components(self) -> Stack:
        return self._compress(self._tensor.sparse_components())

    def on_leaves(self, change: Callable[[Leaf], Representation]) -> Representation:
        return power(self.rep.on_leaves(change), self.power, symmetric=self.symmetric)

    def leaves(self) -> Iterator[Leaf]:
        return self.rep.leaves()

    def _key(self) -> tuple[Any, ...]:
        return "sym" if self.symmetric else "alt", self.power, self.rep._key()

    def __str__(self) -> str:
        inner = f"({self.rep})" if isinstance(self.rep, Sum | Tensor) else str(self.rep)
        return f"{inner}.{'sym' if self.symmetric else 'alt'}({self.power})"


def power(rep: Representation, order: int, *, symmetric: bool) -> Representation:
    """The symmetric or antisymmetric power; the first power of a representation is itself."""
    return rep if order == 1 else Power(rep, order, symmetric=symmetric)


def _sign(permutation: tuple[int, ...]) -> float:
    swaps = sum(a > b for a, b in itertools.combinations(permutation, 2))
    return -1.0 if swaps % 2 else 1.0
