"""Finite-dimensional spaces of scalar functions on R^m: names, values, derivatives, sums and products."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..numerics import readable

if TYPE_CHECKING:
    import sympy

LARGEST_PRODUCT = 200_000
"""More products of features than this are no space that data can determine."""

Factors = tuple[tuple[str, int], ...]
"""One feature as a product of integer powers of named atoms, sorted by name; the empty product is 1."""


class Space:
    """A finite-dimensional space of functions from R^m to R, spanned by named features.

    A subclass gives ``factors``, ``__call__`` and ``to_dict``; the rest follows. Spaces are immutable,
    compare equal when they have the same features in the same order, and are hashable.

    >>> from isotropy.geometry.polynomial import Polynomials
    >>> space = Polynomials(2, degree=2)
    >>> space.dimension, space.names
    (6, ('1', 'x', 'y', 'x^2', 'x*y', 'y^2'))
    >>> print(space.describe([0, 0, 0, 1.5, -1, 0]))
    3/2 x^2 − x*y
    """

    kind: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type[Space]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kind:
            Space._kinds[cls.kind] = cls

    def __init__(self, input_dimension: int, *, variables: Sequence[str] | None = None) -> None:
        self._variables = check_variables(input_dimension, variables)

    @property
    def input_dimension(self) -> int:
        """The number m of coordinates of a point."""
        return len(self._variables)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the coordinates: x, y, z for m <= 3, otherwise x0, x1, …, unless given."""
        return self._variables

    @property
    def dimension(self) -> int:
        """The number f of features."""
        return len(self.factors)

    @property
    def factors(self) -> tuple[Factors, ...]:
        """Each feature as a product of powers of atoms; equal factors are equal functions."""
        raise NotImplementedError

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        """What each name that occurs in `factors` stands for: two spaces may share a name only if these agree."""
        return dict.fromkeys(self._variables, "variable")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The f features as text, such as ``x^2*y`` or ``x/sqrt(x^2 + y^2)``."""
        place = {name: k for k, name in enumerate(self._variables)}

        def order(pair: tuple[str, int]) -> tuple[int, str]:
            """Constants, the coordinates in their own order, then the other atoms by name."""
            constant = pair[0] == "pi" or pair[0][0].isdigit()
            return place.get(pair[0], -1 if constant else len(place)), pair[0]

        return tuple(factors_text(tuple(sorted(factors, key=order))) for factors in self.factors)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        """The features at one point, in the precision of ``x``; use `jax.vmap` for a batch."""
        raise NotImplementedError

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        """The features at p points, in float64 on the host."""
        points = self._points(points)
        with jax.enable_x64(True):
            return np.asarray(self._batched[0](jnp.asarray(points)))

    def gradients(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f m"]:
        """The derivatives of the features along each coordinate at p points, in float64 on the host."""
        points = self._points(points)
        with jax.enable_x64(True):
            return np.asarray(self._batched[1](jnp.asarray(points)))

    @cached_property
    def _batched(self) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        return jax.jit(jax.vmap(self)), jax.jit(jax.vmap(jax.jacfwd(self)))

    def __getstate__(self) -> dict[str, Any]:
        # Compiled functions cannot be copied to another process; they are made again when needed.
        return {name: value for name, value in self.__dict__.items() if name != "_batched"}

    def describe(self, coefficients: Float[np.ndarray, " f"], *, noise: float | None = None) -> str:
        """The function with these coefficients as a line of text.

        Coefficients are written as small fractions where these fit to ``noise`` (by default the rounding
        error of float64), otherwise with six digits.
        """
        return readable.format_combination(self._coefficients(coefficients), self.names, noise=noise)

    def to_sympy(self, coefficients: Float[np.ndarray, " f"], *, noise: float | None = None) -> sympy.Expr:
        """The function with these coefficients as a SymPy expression, snapped as in `describe`."""
        import sympy

        snapped = readable.snap(self._coefficients(coefficients), noise)
        features = self.sympy_features([sympy.Symbol(name) for name in self._variables])
        return sympy.Add(*(readable.sympy_number(c) * g for c, g in zip(snapped, features, strict=True) if c != 0))

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        """The f features as SymPy expressions of the m ``symbols``."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """A description that JSON can hold and `Space.from_dict` reads back."""
        raise NotImplementedError

    @staticmethod
    def from_dict(description: Mapping[str, Any]) -> Space:
        """The space that `to_dict` described."""
        from . import features, fourier, polynomial, rbf  # noqa: F401  (each registers its kind of space)

        kind = description.get("kind") if isinstance(description, Mapping) else None
        if kind not in Space._kinds:
            known = ", ".join(sorted(Space._kinds))
            raise IsotropyError(f"The 'kind' of a saved space must be one of {known}. Got {kind!r}.")
        arguments = {key: value for key, value in description.items() if key != "kind"}
        try:
            return Space._kinds[kind]._from_arguments(arguments)
        except (KeyError, TypeError) as reason:
            raise IsotropyError(f"The saved {kind} space does not have the expected entries ({reason}).") from None

    @classmethod
    def _from_arguments(cls, arguments: dict[str, Any]) -> Space:
        """The inverse of `to_dict`, without its ``kind``; `from_dict` calls it."""
        return cls(**arguments)

    def __add__(self, other: Space) -> Space:
        """The span of both, features of the second that the first has already left out."""
        if not isinstance(other, Space):
            return NotImplemented
        return _sum((*_parts(self), *_parts(other)))

    def __mul__(self, other: Space) -> Space:
        """The span of all products of a feature of the first with a feature of the second."""
        if not isinstance(other, Space):
            return NotImplemented
        _check_same_variables(self, other)
        products = [_product(a, b) for a in _parts(self) for b in _parts(other)]
        return _sum(tuple(part for product in products for part in _parts(product)))

    def _times(self, other: Space) -> Space | None:
        """The product with ``other`` where a closed form is known."""
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self is other or (
            self._variables == other._variables and self.factors == other.factors and self.atoms == other.atoms
        )

    def __hash__(self) -> int:
        return hash((self._variables, self.factors))

    def __len__(self) -> int:
        return self.dimension

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:6]) + (", …" if self.dimension > 6 else "")
        return f"{type(self).__name__}(dimension {self.dimension} on R^{self.input_dimension}: {shown})"

    def _points(self, points: Any) -> np.ndarray:
        return validate.array(points, "points", shape=(None, self.input_dimension), minimum_size=0).astype(np.float64)

    def _coefficients(self, coefficients: Any) -> np.ndarray:
        return validate.array(coefficients, "coefficients", shape=(self.dimension,), minimum_size=0)


class Sum(Space):
    """The span of several spaces together; write ``a + b``. A feature that occurs twice is kept once."""

    kind = "sum"

    def __init__(self, parts: Sequence[Space]) -> None:
        self.parts = tuple(parts)
        for part in self.parts[1:]:
            _check_same_variables(self.parts[0], part)
        super().__init__(self.parts[0].input_dimension, variables=self.parts[0].variables)
        self._atoms = _merge_atoms(self.parts)
        seen: set[Factors] = set()
        kept = []
        for position, factors in enumerate(f for part in self.parts for f in part.factors):
            if factors not in seen:
                seen.add(factors)
                kept.append(position)
        self._kept = np.array(kept, dtype=np.int32)

    @cached_property
    def factors(self) -> tuple[Factors, ...]:
        everything = [factors for part in self.parts for factors in part.factors]
        return tuple(everything[k] for k in self._kept)

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        return self._atoms

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        return jnp.concatenate([part(x) for part in self.parts])[self._kept]

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        return np.concatenate([part.values(points) for part in self.parts], axis=1)[:, self._kept]

    def gradients(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f m"]:
        return np.concatenate([part.gradients(points) for part in self.parts], axis=1)[:, self._kept]

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        everything = [feature for part in self.parts for feature in part.sympy_features(symbols)]
        return [everything[k] for k in self._kept]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "parts": [part.to_dict() for part in self.parts]}

    @classmethod
    def _from_arguments(cls, arguments: dict[str, Any]) -> Space:
        return cls([Space.from_dict(part) for part in arguments["parts"]])


class Product(Space):
    """The span of all products of a feature of ``left`` with one of ``right``; write ``left * right``."""

    kind = "product"

    def __init__(self, left: Space, right: Space) -> None:
        _check_same_variables(left, right)
        super().__init__(left.input_dimension, variables=left.variables)
        if left.dimension * right.dimension > LARGEST_PRODUCT:
            raise IsotropyError(
                f"A product of spaces of dimension {left.dimension} and {right.dimension} has more than "
                f"{LARGEST_PRODUCT} features: lower their degrees."
            )
        self.left, self.right = left, right
        self._atoms = _merge_atoms((left, right))
        pairs: dict[Factors, tuple[int, int]] = {}
        for i, a in enumerate(left.factors):
            for j, b in enumerate(right.factors):
                pairs.setdefault(multiply_factors(a, b), (i, j))
        self._factors = tuple(pairs)
        self._left_index, self._right_index = np.array(list(pairs.values()), dtype=np.int32).reshape(-1, 2).T

    @property
    def factors(self) -> tuple[Factors, ...]:
        return self._factors

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        return self._atoms

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        return self.left(x)[self._left_index] * self.right(x)[self._right_index]

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        return self.left.values(points)[:, self._left_index] * self.right.values(points)[:, self._right_index]

    def gradients(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f m"]:
        left, right = self.left.values(points), self.right.values(points)
        return (
            self.left.gradients(points)[:, self._left_index] * right[:, self._right_index, None]
            + left[:, self._left_index, None] * self.right.gradients(points)[:, self._right_index]
        )

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        left, right = self.left.sympy_features(symbols), self.right.sympy_features(symbols)
        return [left[i] * right[j] for i, j in zip(self._left_index, self._right_index, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "left": self.left.to_dict(), "right": self.right.to_dict()}

    @classmethod
    def _from_arguments(cls, arguments: dict[str, Any]) -> Space:
        return cls(Space.from_dict(arguments["left"]), Space.from_dict(arguments["right"]))


def default_variables(input_dimension: int) -> tuple[str, ...]:
    """The names x, y, z of up to three coordinates, or x0, x1, … of more."""
    if input_dimension <= 3:
        return ("x", "y", "z")[:input_dimension]
    return tuple(f"x{k}" for k in range(input_dimension))


def check_variables(input_dimension: int, variables: Sequence[str] | None) -> tuple[str, ...]:
    """The names of ``input_dimension`` coordinates, the default ones unless given; refuses repeats and blanks."""
    if isinstance(input_dimension, bool) or not isinstance(input_dimension, int | np.integer) or input_dimension < 1:
        raise IsotropyError(f"The number of coordinates must be a positive integer. Got {input_dimension!r}.")
    if variables is None:
        return default_variables(int(input_dimension))
    names = tuple(variables.split(",")) if isinstance(variables, str) else tuple(variables)
    if not all(isinstance(name, str) and name.strip() for name in names) or len(set(names)) != len(names):
        raise IsotropyError(f"`variables` must be different, non-empty names. Got {names!r}.")
    names = tuple(name.strip() for name in names)
    if len(names) != input_dimension:
        raise IsotropyError(f"`variables` must name the {input_dimension} coordinates. Got {len(names)}: {names!r}.")
    return names


def multiply_factors(left: Factors, right: Factors) -> Factors:
    """The product of two products of powers, equal atoms collected."""
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted((name, power) for name, power in powers.items() if power != 0))


def factors_text(factors: Factors) -> str:
    """A product of powers as text: ``x^2*y``, ``1/r``, ``x/(r*s)``."""

    def join(pairs: list[tuple[str, int]]) -> str:
        alone = len(factors) == 1 and factors[0][1] == 1
        return "*".join((n if alone or is_atomic(n) else f"({n})") + (f"^{k}" if k != 1 else "") for n, k in pairs)

    above = [(name, power) for name, power in factors if power > 0]
    below = [(name, -power) for name, power in factors if power < 0]
    if not below:
        return join(above) or "1"
    return (join(above) or "1") + "/" + (join(below) if len(below) == 1 else f"({join(below)})")


def is_atomic(text: str) -> bool:
    """Whether ``text`` may be a factor as it stands: a name, a number, or one call such as ``cos(2*x)``."""
    if re.fullmatch(r"\w+(\.\w+)?", text):
        return True
    call = re.fullmatch(r"\w*\((.*)\)", text)
    if call is None:
        return False
    depth = 0
    for letter in call.group(1):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0


def _parts(space: Space) -> tuple[Space, ...]:
    return space.parts if isinstance(space, Sum) else (space,)


def _sum(parts: tuple[Space, ...]) -> Space:
    if len(parts) == 1:
        return parts[0]
    total = Sum(parts)
    # The span of a space and a part of it is that space: say so in its own type, which knows more.
    for part in parts:
        if part.factors == total.factors:
            return part
    return total


def _product(left: Space, right: Space) -> Space:
    closed = left._times(right)
    return Product(left, right) if closed is None else closed


def _check_same_variables(left: Space, right: Space) -> None:
    if left.variables != right.variables:
        raise IsotropyError(
            f"Spaces that are added or multiplied must have the same variables. Got {', '.join(left.variables)} "
            f"and {', '.join(right.variables)}: pass the same `variables` to both."
        )


def _merge_atoms(parts: Sequence[Space]) -> Mapping[str, Hashable]:
    merged: dict[str, Hashable] = {}
    for part in parts:
        for name, meaning in part.atoms.items():
            if merged.setdefault(name, meaning) != meaning:
                raise IsotropyError(f"Two different functions are both called {name!r}: give one of them another name.")
    return merged
