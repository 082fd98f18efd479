"""Scalar expressions in the coordinates: a small tree in a normal form, with text, values and SymPy.

Equal products and sums written in a different order have the same tree, so that a feature that occurs twice in a
space is seen. Nothing here evaluates text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import IsotropyError
from .space import is_atomic

if TYPE_CHECKING:
    import sympy

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sqrt": jnp.sqrt,
    "exp": jnp.exp,
    "log": jnp.log,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tan": jnp.tan,
    "sinh": jnp.sinh,
    "cosh": jnp.cosh,
    "tanh": jnp.tanh,
    "abs": jnp.abs,
}
"""Every function that a text may call."""

LARGEST_INTEGER = 2**53
LARGEST_DENOMINATOR = 10_000
"""Numbers beyond these become floats: they read no better as fractions, and no text makes one grow without bound."""


@dataclass(frozen=True)
class Variable:
    """A coordinate."""

    name: str
    index: int


@dataclass(frozen=True)
class Pi:
    """The number pi."""


@dataclass(frozen=True)
class Call:
    """A function of `FUNCTIONS` applied to an expression."""

    name: str
    argument: Term


@dataclass(frozen=True)
class Root:
    """A power whose exponent is not a multiple of one half."""

    base: Term
    exponent: Fraction | float


@dataclass(frozen=True)
class Addition:
    """A sum of at least two terms, none of them itself a bare sum."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Term:
    """A coefficient times integer powers of atoms; the form of every expression."""

    coefficient: Fraction | float
    powers: tuple[tuple[Variable | Pi | Call | Root | Addition, int], ...] = ()

    def __str__(self) -> str:
        return _term_text(self)


Atom = Variable | Pi | Call | Root | Addition


def number(value: Fraction | float) -> Term:
    """A constant. Raises `IsotropyError` where it is not finite."""
    if isinstance(value, Fraction):
        if abs(value.numerator) <= LARGEST_INTEGER and value.denominator <= LARGEST_DENOMINATOR:
            return Term(value)
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise IsotropyError("a number is too large")
    return Term(value)


def atom(node: Atom) -> Term:
    """An atom as an expression."""
    return Term(Fraction(1), ((node, 1),))


def multiply(factors: Iterable[Term]) -> Term:
    """The product, powers of equal atoms collected."""
    coefficient: Fraction | float = Fraction(1)
    powers: dict[Atom, int] = {}
    for factor in factors:
        coefficient = number(coefficient * factor.coefficient).coefficient
        for node, exponent in factor.powers:
            powers[node] = powers.get(node, 0) + exponent
    kept = [(node, exponent) for node, exponent in powers.items() if exponent]
    return Term(coefficient, tuple(sorted(kept, key=lambda pair: _place(pair[0]))))


def add(terms: Iterable[Term]) -> Term:
    """The sum, equal terms collected."""
    collected: dict[tuple[tuple[Atom, int], ...], Fraction | float] = {}
    for term in terms:
        for part in _summands(term):
            collected[part.powers] = number(collected.get(part.powers, Fraction(0)) + part.coefficient).coefficient
    kept = [Term(coefficient, powers) for powers, coefficient in collected.items() if coefficient]
    if len(kept) < 2:
        return kept[0] if kept else Term(Fraction(0))
    return atom(Addition(tuple(sorted(kept, key=lambda term: _natural(_term_text(Term(Fraction(1), term.powers)))))))


def power(base: Term, exponent: Fraction | float) -> Term:
    """``base`` to a constant exponent; multiples of one half are powers of a square root."""
    if exponent == int(exponent):
        exponent = int(exponent)
        if base.coefficient == 0 and exponent < 0:
            raise IsotropyError("there is a division by zero")
        try:
            scaled = number(base.coefficient**exponent)
        except OverflowError:
            raise IsotropyError("a number is too large") from None
        powers = tuple((node, k * exponent) for node, k in base.powers) if exponent else ()
        return multiply([scaled, Term(Fraction(1), powers)])
    if 2 * exponent == int(2 * exponent):
        return power(atom(Call("sqrt", base)), Fraction(int(2 * exponent)))
    return atom(Root(base, exponent))


def evaluate(term: Term, x: Float[Array, " m"]) -> Float[Array, ""]:
    """The value at one point, in the precision of ``x``; traceable and differentiable by JAX."""
    result = jnp.full((), float(term.coefficient), x.dtype)
    above = [_raise(_evaluate_atom(node, x), k) for node, k in term.powers if k > 0]
    below = [_raise(_evaluate_atom(node, x), -k) for node, k in term.powers if k < 0]
    for factor in above:
        result = result * factor
    for factor in below:
        result = result / factor
    return result


def to_sympy(term: Term, symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    """The expression in SymPy, built node by node."""
    import sympy

    factors = [_sympy_number(term.coefficient)]
    for node, exponent in term.powers:
        match node:
            case Variable():
                value = symbols[node.index]
            case Pi():
                value = sympy.pi
            case Call():
                name = "Abs" if node.name == "abs" else node.name
                value = getattr(sympy, name)(to_sympy(node.argument, symbols))
            case Root():
                value = to_sympy(node.base, symbols) ** _sympy_number(node.exponent)
            case Addition():
                value = sympy.Add(*(to_sympy(part, symbols) for part in node.terms))
        factors.append(value**exponent)
    return sympy.Mul(*factors)


def term_factors(term: Term) -> tuple[tuple[str, int], ...]:
    """The expression as a product of powers of named atoms, as `Space.factors` has it."""
    named = [(_atom_text(node), exponent) for node, exponent in term.powers]
    if term.coefficient != 1:
        named.append((_number_text(term.coefficient), 1))
    return tuple(sorted(named))


def _raise(value: Array, exponent: int) -> Array:
    return value if exponent == 1 else value**exponent


def _evaluate_atom(node: Atom, x: Array) -> Array:
    match node:
        case Variable():
            return x[node.index]
        case Pi():
            return jnp.full((), math.pi, x.dtype)
        case Call():
            return FUNCTIONS[node.name](evaluate(node.argument, x))
        case Root():
            return evaluate(node.base, x) ** float(node.exponent)
        case Addition():
            first, *others = (evaluate(part, x) for part in node.terms)
            for value in others:
                first = first + value
            return first


def _summands(term: Term) -> tuple[Term, ...]:
    match term.powers:
        case ((Addition(terms), 1),):
            return tuple(Term(number(term.coefficient * part.coefficient).coefficient, part.powers) for part in terms)
        case _:
            return (term,)


def _sympy_number(value: Fraction | float) -> sympy.Expr:
    import sympy

    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sympy.Float(value)


def _place(node: Atom) -> tuple[int, list[Any]]:
    """A key that sorts pi before the coordinates, and these before the rest."""
    rank = 0 if isinstance(node, Pi) else 1 if isinstance(node, Variable) else 2
    return rank, _natural(_atom_text(node))


def _natural(text: str) -> list[Any]:
    """A key that sorts x2 before x10."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", text)]


def _number_text(value: Fraction | float) -> str:
    return str(value) if isinstance(value, Fraction) else repr(value)


def _atom_text(node: Atom) -> str:
    match node:
        case Variable():
            return node.name
        case Pi():
            return "pi"
        case Call():
            return f"{node.name}({node.argument})"
        case Root():
            base = str(node.base)
            return f"{base if is_atomic(base) else f'({base})'}^({_number_text(node.exponent)})"
        case Addition():
            text = ""
            for part in node.terms:
                written = str(part)
                if not text:
                    text = written
                elif written.startswith("-"):
                    text += f" - {written[1:]}"
                else:
                    text += f" + {written}"
            return text


def _term_text(term: Term) -> str:
    size, sign = abs(term.coefficient), "-" if term.coefficient < 0 else ""
    above, below = [], []
    if isinstance(size, Fraction):
        above += [str(size.numerator)] if size.numerator != 1 else []
        below += [str(size.denominator)] if size.denominator != 1 else []
    else:
        above.append(repr(size))
    for node, exponent in term.powers:
        text = _atom_text(node)
        if not (is_atomic(text) or (len(term.powers) == 1 and exponent == 1 and size == 1 and not sign)):
            text = f"({text})"
        (above if exponent > 0 else below).append(text if abs(exponent) == 1 else f"{text}^{abs(exponent)}")
    denominator = "*".join(below)
    written = "*".join(above) or "1"
    if below:
        written += "/" + (denominator if len(below) == 1 else f"({denominator})")
    return sign + written
