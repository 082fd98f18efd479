"""The coordinates of a jet: independent variables, dependent ones, and their partial derivatives up to an order.

A point of the jet space holds x, u and the values u_J of the derivatives at x of some function u(x). Its vector lists
x, then u, then the derivatives by order; those of one order by multi-index, and for each multi-index all u.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb
from typing import Any

import numpy as np

from ..errors import IsotropyError

MultiIndex = tuple[int, ...]
"""How often each independent variable is differentiated."""

HIGHEST = 8
"""Derivatives above this order are no part of a jet: their number and size leave nothing to decide."""


@dataclass(frozen=True)
class JetSpace:
    """Jets of functions from R^n to R^m, up to derivatives of ``order``.

    >>> JetSpace(("t", "x"), ("u",), 2).names
    ('t', 'x', 'u', 'u_t', 'u_x', 'u_tt', 'u_tx', 'u_xx')
    """

    independent: tuple[str, ...]
    dependent: tuple[str, ...]
    order: int

    @classmethod
    def of(cls, independent: str | Sequence[str], dependent: str | Sequence[str], order: int) -> JetSpace:
        """A jet space from names such as ``"t, x"`` and ``"u"``, checked."""
        first, second = _names(independent, "independent"), _names(dependent, "dependent")
        if set(first) & set(second):
            raise IsotropyError(
                f"`independent` and `dependent` must name different variables. Got {', '.join(first)} and "
                f"{', '.join(second)}."
            )
        if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 1 <= order <= HIGHEST:
            raise IsotropyError(f"`order` is the order of the highest derivative, from 1 to {HIGHEST}. Got {order!r}.")
        return cls(first, second, int(order))

    @property
    def base(self) -> tuple[str, ...]:
        """The names of the coordinates that a point transformation moves: x and u."""
        return self.independent + self.dependent

    @cached_property
    def indices(self) -> tuple[MultiIndex, ...]:
        """The multi-indices by order; the first is that of u itself."""
        n = len(self.independent)
        found = []
        for order in range(self.order + 1):
            for letters in combinations_with_replacement(range(n), order):
                found.append(tuple(letters.count(i) for i in range(n)))
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate; derivatives as ``u_tx``."""
        return self.independent + tuple(
            self.derivative_name(a, index) for index in self.indices for a in range(len(self.dependent))
        )

    @property
    def dimension(self) -> int:
        """The number of coordinates: n + m C(n + order, n)."""
        n = len(self.independent)
        return n + len(self.dependent) * comb(n + self.order, n)

    def derivative_name(self, a: int, index: MultiIndex) -> str:
        """The name of a derivative of the a-th dependent variable."""
        parts = [name for name, count in zip(self.independent, index, strict=True) for _ in range(count)]
        separator = "" if all(len(name) == 1 for name in self.independent) else "_"
        return self.dependent[a] + ("_" + separator.join(parts) if parts else "")

    def place(self, a: int, index: MultiIndex) -> int:
        """Where a derivative stands in the vector of a point."""
        return len(self.independent) + self.indices.index(index) * len(self.dependent) + a

    def find(self, name: str) -> int:
        """The place of a coordinate by its name, derivatives in any order of their letters."""
        if name in self.independent:
            return self.independent.index(name)
        a, index = self.parse(name)
        if sum(index) > self.order:
            raise IsotropyError(
                f"`{name}` is a derivative of order {sum(index)}, but the jet goes up to order {self.order}: "
                f"raise `order`, or leave it out."
            )
        return self.place(a, index)

    def parse(self, name: str) -> tuple[int, MultiIndex]:
        """Which dependent variable and which derivative ``name`` means; `IsotropyError` where it means none."""
        head, _, tail = name.partition("_")
        letters = _letters(tail.replace("_", " ").split(), self.independent) if head in self.dependent else None
        if letters is None or (not letters and name != head):
            raise IsotropyError(
                f"the jet has no coordinate {name!r}. It has the independent variables {', '.join(self.independent)}, "
                f"the dependent {', '.join(self.dependent)} and their derivatives, such as "
                f"{self.derivative_name(0, (1,) + (0,) * (len(self.independent) - 1))}: use one of these."
            )
        return self.dependent.index(head), tuple(letters.count(x) for x in self.independent)


class Jet:
    """One point of a jet space by names: ``j.u_xx`` or ``j["u_xx"]``; what is asked for is told to ``seen``."""

    def __init__(self, space: JetSpace, values: Any, seen: set[int] | None = None) -> None:
        self._space, self._values, self._seen = space, values, seen

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        place = self._space.find(name)
        if self._seen is not None:
            self._seen.add(place)
        return self._values[place]


def _letters(parts: list[str], independent: tuple[str, ...]) -> list[str] | None:
    """Derivative letters as names of independent variables, or None where they cannot be read as such."""
    longest = sorted(independent, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest)))
    found = []
    for part in parts:
        pieces = pattern.findall(part)
        if "".join(pieces) != part:
            return None
        found += pieces
    return found


def _names(value: str | Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(value.split(",")) if isinstance(value, str) else tuple(value)
    names = tuple(name.strip() if isinstance(name, str) else name for name in names)
    good = all(isinstance(name, str) and name.isidentifier() and "_" not in name for name in names)
    if not names or not good or len(set(names)) != len(names):
        raise IsotropyError(f"`{what}` must be different names of letters and digits, such as 't, x'. Got {value!r}.")
    return names
