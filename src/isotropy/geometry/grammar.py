"""Spaces written as text, such as ``polynomials(2) + 1/sqrt(x^2 + y^2)``: a whitelist, never evaluation.

The tokenizer and the parser know numbers, the coordinates, pi, the functions of `expression.FUNCTIONS` and the
spaces of `SPACES`. Any other word is an error that lists these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from ..errors import IsotropyError
from . import expression
from .expression import Term
from .features import Features
from .fourier import Fourier
from .polynomial import Polynomials
from .space import Space, check_variables

LONGEST_TEXT = 10_000
"""Characters; a space that needs more is better written in Python."""

DEEPEST = 32
"""Parentheses, signs and exponents inside one another."""

LARGEST_EXPONENT = 32
"""Higher powers overflow float32 on ordinary data."""

SPACES: dict[str, Callable[..., Space]] = {
    "polynomials": lambda number, variables: Polynomials(len(variables), degree=number, variables=variables),
    "fourier": lambda number, variables: Fourier(len(variables), degree=number, variables=variables),
}
"""The spaces that a text may name, each with one whole number: the degree."""

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<operator>\*\*|[-+*/^()\u2212]))"
)


def parse(text: str, variables: Sequence[str]) -> Space:
    """The space that ``text`` describes, in the coordinates called ``variables``.

    Terms joined by ``+`` or ``-`` each span one direction, so ``x*y + 1/x`` is two features, and a
    parenthesised sum is one: ``(x + y)``. Constant factors of a term are dropped. ``polynomials(d)`` and
    ``fourier(d)`` are whole spaces, and a product with a space is the space of all products, in which a
    parenthesised sum is a span too: ``polynomials(1)*(1/x + 1/y)``. Expressions are made of ``+ - * / ^`` (or
    ``**``), numbers, pi, and sqrt, exp, log, sin, cos, tan, sinh, cosh, tanh and abs. Exponents are numbers of at
    most 32. Radial functions need centres, so they are made in Python: `RBF`.

    Raises `IsotropyError` that quotes the text and marks the place.

    >>> parse("polynomials(1) + 1/sqrt(x**2 + y**2)", ["x", "y"]).names
    ('1', 'x', 'y', '1/sqrt(x^2 + y^2)')
    """
    parser = _Parser(text, variables)
    terms = parser.sum()
    parser.end()
    return parser.span(terms)


def parse_expression(text: str, variables: Sequence[str]) -> Term:
    """The one scalar expression that ``text`` describes: here ``x + y`` is a sum, and spaces are refused."""
    parser = _Parser(text, variables)
    terms = parser.sum()
    parser.end()
    return parser.scalar(terms)


@dataclass(frozen=True)
class _Group:
    """Terms joined by plus signs, not yet read as one function or as a span, and where they begin."""

    terms: tuple[Term | Space | _Group, ...]
    position: int

    @property
    def has_space(self) -> bool:
        return any(isinstance(t, Space) or (isinstance(t, _Group) and t.has_space) for t in self.terms)


_Value = Term | Space | _Group


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, variables: Sequence[str]) -> None:
        if not isinstance(text, str):
            raise IsotropyError(f"A space must be described by a string. Got {type(text).__name__}.")
        if len(text) > LONGEST_TEXT:
            raise IsotropyError(
                f"The text of a space has {len(text)} characters, more than {LONGEST_TEXT}: shorten it, "
                f"or build the space in Python."
            )
        self.text = text
        names = tuple(variables.split(",")) if isinstance(variables, str) else tuple(variables)
        self.variables = check_variables(len(names), names)
        self.depth = 0
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if match is None:
                position += len(text[position:]) - len(text[position:].lstrip())
                self.fail(f"{text[position]!r} does not belong to the grammar", position)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            position = match.end()
        self.tokens.append(("end", "", len(text.rstrip())))
        self.next = 0

    def fail(self, reason: str, position: int) -> NoReturn:
        """Raise the error: the reason, then a window of the text with a caret under the place."""
        start = max(0, position - 40)
        window = "".join(c if c.isprintable() else " " for c in self.text[start : position + 40])
        before, after = "…" * (start > 0), "…" * (position + 40 < len(self.text))
        raise IsotropyError(
            f"The space {before + window + after!r} cannot be read: {reason} (character {position + 1}).\n"
            f"    {before}{window}{after}\n    {' ' * (position - start + len(before))}^"
        ) from None

    @property
    def token(self) -> tuple[str, str, int]:
        return self.tokens[self.next]

    def take(self, *operators: str) -> str | None:
        kind, written, _ = self.token
        if kind == "operator" and written in operators:
            self.next += 1
            return written
        return None

    def end(self) -> None:
        kind, written, position = self.token
        if kind in ("number", "name"):
            self.fail(f"there is no operator before {written!r}; write * for a product", position)
        if kind != "end":
            self.fail(f"{written!r} is not expected here", position)

    def sum(self) -> _Group:
        position = self.token[2]
        terms = [self.product()]
        while sign := self.take("+", "-", "\u2212"):
            term = self.product()
            terms.append(term if sign == "+" else self.negative(term))
        return _Group(tuple(terms), position)

    def negative(self, value: _Value) -> _Value:
        if isinstance(value, Term):
            return expression.multiply([expression.number(Fraction(-1)), value])
        if isinstance(value, _Group):
            # A sign does not change a span; one function it does.
            return value if value.has_space else self.negative(self.scalar(value, value.position))
        return value

    def product(self) -> _Value:
        position = self.token[2]
        factors = [self.unary()]
        while operator := self.take("*", "/"):
            at = self.token[2]
            factor = self.unary()
            factors.append(factor if operator == "*" else self.guard(expression.power, self.scalar(factor, at), -1, at))
        if len(factors) == 1:
            return factors[0]
        if any(isinstance(f, Space) or (isinstance(f, _Group) and f.has_space) for f in factors):
            result = self.span(factors[0])
            for factor in factors[1:]:
                result = result * self.span(factor)
            return result
        return self.guard(expression.multiply, [self.scalar(factor, position) for factor in factors], position)

    def guard(self, operation: Callable[..., Term], *arguments: object) -> Term:
        """The result of an operation on constants, its errors placed at the last argument."""
        *given, position = arguments
        try:
            return operation(*given)
        except IsotropyError as reason:
            assert isinstance(position, int)
            self.fail(str(reason), position)

    def unary(self) -> _Value:
        sign = self.take("-", "\u2212", "+")
        if sign is None:
            return self.power()
        self.descend()
        value = self.unary()
        self.depth -= 1
        return value if sign == "+" else self.negative(value)

    def power(self) -> _Value:
        base_position = self.token[2]
        base = self.atom()
        if self.take("**", "^") is None:
            return base
        position = self.token[2]
        self.descend()
        exponent = self.scalar(self.unary(), position)
        self.depth -= 1
        if exponent.powers:
            self.fail("an exponent must be a number; write a^b as exp(b*log(a))", position)
        if abs(exponent.coefficient) > LARGEST_EXPONENT:
            self.fail(f"the exponent is above {LARGEST_EXPONENT}", position)
        return self.guard(expression.power, self.scalar(base, base_position), exponent.coefficient, base_position)

    def atom(self) -> _Value:
        kind, written, position = self.token
        self.next += 1
        if kind == "number":
            return self.guard(lambda: expression.number(_exact(written)), position)
        if kind == "name":
            return self.word(written, position)
        if written == "(":
            inside = self.parenthesis()
            return inside.terms[0] if len(inside.terms) == 1 else inside
        self.fail("a term is missing" if kind == "end" else f"{written!r} is not expected here", position)

    def parenthesis(self) -> _Group:
        opened = self.tokens[self.next - 1][2]
        self.descend()
        inside = self.sum()
        self.depth -= 1
        if self.take(")") is None:
            if self.token[0] in ("number", "name"):
                self.end()
            self.fail("this parenthesis is not closed", opened)
        return inside

    def word(self, name: str, position: int) -> _Value:
        if self.take("(") is None:
            if name in self.variables:
                return expression.atom(expression.Variable(name, self.variables.index(name)))
            if name == "pi":
                return expression.atom(expression.Pi())
            if name in SPACES or name in expression.FUNCTIONS:
                self.fail(f"{name} needs an argument in parentheses", position)
            self.fail(f"unknown name {name!r}; the variables are {', '.join(self.variables)}", position)
        if name not in SPACES and name not in expression.FUNCTIONS:
            known = ", ".join([*expression.FUNCTIONS, *SPACES])
            more = "; radial functions need centres: use spaces.RBF in Python" if name == "rbf" else ""
            self.fail(f"unknown function {name!r}; known are {known}{more}", position)
        at = self.token[2]
        argument = self.scalar(self.parenthesis(), at)
        if name in expression.FUNCTIONS:
            return expression.atom(expression.Call(name, argument))
        degree = argument.coefficient
        if argument.powers or degree != int(degree) or degree < 0:
            self.fail(f"{name} needs a whole number, its degree, such as {name}(2)", at)
        try:
            return SPACES[name](int(degree), self.variables)
        except IsotropyError as reason:
            self.fail(str(reason).rstrip("."), position)

    def descend(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} parentheses, signs or exponents are inside one another", self.token[2])

    def scalar(self, value: _Value, position: int = 0) -> Term:
        """The value as one function."""
        if isinstance(value, Space):
            self.fail("a space can be added and multiplied only, not used inside a function or a power", position)
        if isinstance(value, _Group):
            terms = [self.scalar(term, value.position) for term in value.terms]
            return terms[0] if len(terms) == 1 else self.guard(expression.add, terms, value.position)
        return value

    def span(self, value: _Value) -> Space:
        """The value as a space: each term of a sum is a direction of its own."""
        if isinstance(value, Space):
            return value
        if isinstance(value, _Group):
            spaces: list[Space] = []
            features: list[Term] = []
            for term in value.terms:
                if isinstance(term, Space) or (isinstance(term, _Group) and term.has_space):
                    if features:
                        spaces.append(self.features(features))
                        features = []
                    spaces.append(self.span(term))
                else:
                    at = term.position if isinstance(term, _Group) else value.position
                    features.append(self.direction(self.scalar(term, at), at))
            if features:
                spaces.append(self.features(features))
            result = spaces[0]
            for space in spaces[1:]:
                result = result + space
            return result
        return self.features([self.direction(value, 0)])

    def direction(self, term: Term, position: int) -> Term:
        if term.coefficient == 0:
            self.fail("a term is zero, which spans nothing", position)
        return Term(Fraction(1), term.powers)

    def features(self, terms: list[Term]) -> Space:
        return Features(list(dict.fromkeys(terms)), variables=self.variables)


def _exact(written: str) -> Fraction | float:
    """The literal as a fraction, so that 0.1 means one tenth; far exponents stay floats."""
    mantissa, _, exponent = written.lower().partition("e")
    if len(exponent) > 4 or abs(int(exponent or 0)) > 300 or len(mantissa) > 40:
        return float(written)
    return Fraction(written if not written.endswith(".") else written + "0")
