"""Numbers and combinations as a person writes them: small fractions, few terms."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError

if TYPE_CHECKING:
    import sympy

LARGEST_DENOMINATOR = 64
"""Fractions with a larger denominator are no easier to read than six digits."""

CHANCE = 1e-3
"""A number is called a fraction only if a random real would be as close to so simple a one this rarely."""

DIGITS = 6
"""Digits shown of a number that is no fraction."""

MINUS = "\u2212"


def snap(values: Any, noise: Any = None) -> list[Fraction | float]:
    """Each value as the simplest fraction that it equals to within ``noise``, or else the float itself.

    ``noise`` is the absolute error of a value, one number or one for each, by default the rounding error of an array
    of this size and scale. A fraction of denominator k is believed only while ``noise * k^2`` stays below a small
    chance, so that noisy numbers are left alone. Values within the noise of zero become 0.

    >>> snap([0.75, -2.0, 3.14159])
    [Fraction(3, 4), Fraction(-2, 1), 3.14159]
    """
    values = validate.array(values, "values", minimum_size=0).ravel()
    errors = np.broadcast_to(_noise(values, noise), values.shape)
    values = values.astype(np.float64)
    found: list[Fraction | float] = values.tolist()
    zero = np.abs(values) <= errors
    for k in np.flatnonzero(zero):
        found[k] = Fraction(0)
    left = np.flatnonzero(~zero)
    for denominator in range(1, LARGEST_DENOMINATOR + 1):
        left = left[errors[left] * denominator**2 <= CHANCE]
        if not len(left):
            break
        numerators = np.round(values[left] * denominator)
        fits = np.abs(values[left] - numerators / denominator) <= errors[left]
        for k, numerator in zip(left[fits], numerators[fits], strict=True):
            found[k] = Fraction(int(numerator), denominator)
        left = left[~fits]
    return found


def format_number(value: float | Fraction, noise: float | None = None) -> str:
    """One number as text: a small fraction where it fits to ``noise``, otherwise six digits.

    >>> format_number(-1.5), format_number(3.14159265)
    ('−3/2', '3.14159')
    """
    exact = value if isinstance(value, Fraction) else snap([value], noise)[0]
    text = str(exact) if isinstance(exact, Fraction) else f"{exact:.{DIGITS}g}"
    return MINUS + text[1:] if text.startswith("-") else text


def format_combination(coefficients: Float[np.ndarray, " f"], names: Sequence[str], *, noise: Any = None) -> str:
    """A linear combination of named things as a line of text, terms with coefficient zero left out.

    ``noise`` is the error of a coefficient, one number or one for each: numbers are rounded to the digits it leaves.

    >>> print(format_combination([3.0, 0.0, -0.5], ["x ∂y", "y ∂x", "∂z"]))
    3 x ∂y − 1/2 ∂z
    """
    if len(coefficients) != len(names):
        raise IsotropyError(f"There are {len(coefficients)} coefficients for {len(names)} names: pass one for each.")
    text = ""
    values = np.asarray(coefficients, dtype=np.float64)
    errors = np.broadcast_to(_noise(values, noise), values.shape)
    for exact, name, error in zip(snap(values, errors), names, errors, strict=True):
        if exact == 0:
            continue
        sign = MINUS if exact < 0 else "+"
        term = _term(abs(exact), name, float(error))
        text += f" {sign} {term}" if text else (term if sign == "+" else sign + term)
    return text or "0"


def sympy_number(value: Fraction | float) -> sympy.Expr:
    """A snapped value as an exact SymPy rational, or as a float."""
    import sympy

    if isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    return sympy.Float(value)


def _digits(size: float, error: float) -> int:
    """The digits of a number that its error leaves, at least one."""
    return DIGITS if error <= 0 else int(np.clip(np.ceil(np.log10(size / error)), 1, DIGITS))


def _term(size: Fraction | float, name: str, error: float) -> str:
    number = format_number(size) if isinstance(size, Fraction) else f"{size:.{_digits(size, error)}g}"
    if name == "1":
        return number
    if _is_sum(name):
        name = f"({name})"
    if number == "1":
        return name
    if name.startswith("1/"):
        return number + name[1:] if "/" not in number else f"{number} ({name})"
    return f"{number} {name}"


def _is_sum(name: str) -> bool:
    depth = 0
    for position, letter in enumerate(name):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and position and letter in "+-" + MINUS and name[position - 1] == " ":
            return True
    return False


def _noise(values: np.ndarray, noise: Any) -> Any:
    if noise is not None:
        return noise
    scale = float(np.abs(values).max(initial=0.0))
    return float(np.finfo(values.dtype).eps) * max(values.size, 1) * scale
