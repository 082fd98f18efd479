"""Representations from text: ``2*S + V + V@V``, and irreps in e3nn's manner, ``8x0e+4x1o``."""

from __future__ import annotations

import re
from typing import NoReturn

from ..errors import IsotropyError
from .group import Group
from .irreducible import irrep
from .representation import Representation

LONGEST = 10_000
"""Characters of text that are read."""

LARGEST = 2**31
"""Dimension beyond which a text is refused."""

_DEEPEST = 50
"""Parentheses inside parentheses that are followed."""

_HIGHEST = 64
"""Largest exponent that is read."""

_NAMES = {"S": "scalar", "V": "vector", "P": "point", "R": "regular"}

_TOKEN = re.compile(
    r"\s*(?:(?P<irrep>\d+x\d+[eo]?|\d+[eo])(?!\w)|(?P<number>\d+)|(?P<name>[A-Za-z]\w*)|(?P<sign>\*\*|[-+*@().,/\[\]]))"
)


def parse(group: Group, text: str) -> Representation:
    """The representation of a group that prints as ``text``.

    Sums of terms such as ``2*V`` or ``8x1o``; products with ``@`` and ``**``; ``S``, ``V``, ``P`` (points), ``R``
    (regular), ``irrep(2)``, ``1o``; after them ``.dual``, ``.conj``, ``.real``, ``.sym(2)``, ``.alt(2)``; parentheses;
    for product groups ``V[0]``. A small grammar of its own: nothing is evaluated.

    >>> from isotropy import groups
    >>> print(parse(groups.SO(3), "2*S + V + V@V"))
    2*S + V + V@V
    >>> parse(groups.O(3), "8x0e+4x1o").dimension
    20
    """
    if not isinstance(text, str):
        raise IsotropyError(f"A representation is parsed from text such as '2*S + V'. Got {type(text).__name__}.")
    if len(text) > LONGEST:
        raise IsotropyError(f"The text of a representation may have {LONGEST} characters. Got {len(text)}.")
    return _Reader(group, text).whole()


class _Reader:
    """A recursive-descent reader: sum, product, power, atom."""

    def __init__(self, group: Group, text: str):
        self.group, self.text, self.place, self.depth = group, text, 0, 0

    def fail(self, wanted: str) -> NoReturn:
        got = repr(self.text[self.place : self.place + 12].strip()) if self.text[self.place :].strip() else "the end"
        raise IsotropyError(
            f"`{self.text[:80]}` is not a representation of {self.group}: at character {self.place} it should have "
            f"{wanted}. Got {got}."
        )

    def peek(self) -> tuple[str, str, int]:
        match = _TOKEN.match(self.text, self.place)
        if not match:
            return "", "", self.place
        return str(match.lastgroup), match.group(str(match.lastgroup)), match.end()

    def take(self, *signs: str) -> str:
        kind, token, end = self.peek()
        if kind in ("sign", "name") and token in signs:
            self.place = end
            return token
        return ""

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            self.fail(f"`{sign}`")

    def number(self, largest: int) -> int:
        kind, token, end = self.peek()
        if kind != "number" or int(token[:20]) > largest or len(token) > 20:
            self.fail(f"a whole number up to {largest}")
        self.place = end
        return int(token)

    def whole(self) -> Representation:
        result = self.total()
        if self.text[self.place :].strip():
            self.fail("`+`, `@` or the end")
        return result

    def total(self) -> Representation:
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(f"at most {_DEEPEST} levels of parentheses")
        result = self.term()
        while self.take("+"):
            result = self.checked(result + self.term())
        self.depth -= 1
        return result

    def term(self) -> Representation:
        kind, _, _ = self.peek()
        copies = 1
        if kind == "number":
            copies = self.number(LARGEST)
            self.expect("*")
        result = self.power()
        while self.take("@"):
            result = self.checked(result @ self.power())
        return self.checked(copies * result) if copies != 1 else result

    def power(self) -> Representation:
        base = self.atom()
        if not self.take("**"):
            return base
        exponent = self.number(_HIGHEST)
        if base.dimension**exponent > LARGEST:
            self.fail(f"a dimension up to {LARGEST}")
        return base**exponent

    def atom(self) -> Representation:
        kind, token, end = self.peek()
        if kind == "irrep":
            self.place = end
            result = self.labelled(token)
        elif self.take("("):
            result = self.total()
            self.expect(")")
        elif kind == "name":
            self.place = end
            result = self.named(token)
        else:
            self.fail("a representation such as `V`, `S` or `2*V`")
        while self.take("."):
            result = self.changed(result)
        return result

    def labelled(self, token: str) -> Representation:
        copies, _, label = token.rpartition("x")
        parity = label[-1] if label[-1] in "eo" else ""
        rep = self.irreducible([label.rstrip("eo"), *([parity] if parity else [])])
        return self.checked(int(copies[:20]) * rep) if copies else rep

    def named(self, name: str) -> Representation:
        if name == "irrep":
            return self.irreducible(self.irrep_arguments())
        if name not in _NAMES:
            self.fail(f"one of {', '.join(_NAMES)}, irrep instead of `{name}`")
        factor, group = self.factor()
        return self.lifted(getattr(group, _NAMES[name]), factor)

    def irreducible(self, labels: list[str]) -> Representation:
        factor, group = self.factor()
        return self.lifted(irrep(group, *labels), factor)

    def factor(self) -> tuple[int | None, Group]:
        if not self.take("["):
            return None, self.group
        factor = self.number(len(self.group.factors) - 1)
        self.expect("]")
        return factor, self.group.factors[factor]

    def lifted(self, rep: Representation, factor: int | None) -> Representation:
        return rep if factor is None else self.group.lift(rep, factor=factor)

    def irrep_arguments(self) -> list[str]:
        self.expect("(")
        labels = []
        while True:
            kind, token, end = self.peek()
            if kind == "name" and token in ("e", "o"):
                self.place = end
                labels.append(token)
            else:
                label = str(self.number(1000))
                labels.append(f"{label}/{self.number(2)}" if self.take("/") else label)
            if not self.take(","):
                break
        self.expect(")")
        return labels

    def changed(self, rep: Representation) -> Representation:
        how = self.take("dual", "conj", "real", "sym", "alt")
        if how in ("dual", "conj"):
            return rep.dual if how == "dual" else rep.conj
        if how == "real":
            return rep.real()
        if not how:
            self.fail("`dual`, `conj`, `real`, `sym` or `alt`")
        self.expect("(")
        order = self.number(_HIGHEST)
        self.expect(")")
        if rep.dimension**order > LARGEST:
            self.fail(f"a dimension up to {LARGEST}")
        return rep.sym(order) if how == "sym" else rep.alt(order)

    def checked(self, rep: Representation) -> Representation:
        if rep.dimension > LARGEST:
            self.fail(f"a dimension up to {LARGEST}")
        return rep
