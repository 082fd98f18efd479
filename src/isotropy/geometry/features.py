"""A space spanned by the user's own features: JAX functions, or strings in the grammar of `grammar.parse`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import IsotropyError
from . import expression
from .expression import Term
from .space import Factors, Space

if TYPE_CHECKING:
    import sympy

Feature = Callable[[Array], Array] | str | Term


class Features(Space):
    """The span of features given one by one.

    Each of ``functions`` is a JAX function from a point of shape (m,) to a number, or a string such as
    ``"1/sqrt(x^2 + y^2)"`` that is read by a whitelist grammar and never evaluated. ``names`` are f texts; functions
    need them, strings are their own names. Give ``input_dimension``, or the names of all ``variables``.
    Features should be linearly independent, which is not checked. A space of JAX functions cannot be saved.

    >>> Features(["x*y", "1/x"], input_dimension=2).names
    ('x*y', '1/x')
    """

    kind = "features"

    def __init__(
        self,
        functions: Sequence[Feature],
        names: Sequence[str] | None = None,
        *,
        input_dimension: int | None = None,
        variables: Sequence[str] | None = None,
    ) -> None:
        if input_dimension is None:
            if variables is None:
                raise IsotropyError("Features need `input_dimension`, or the names of the coordinates in `variables`.")
            variables = tuple(variables.split(",")) if isinstance(variables, str) else tuple(variables)
            input_dimension = len(variables)
        super().__init__(input_dimension, variables=variables)
        if isinstance(functions, str) or callable(functions):
            raise IsotropyError("`functions` must be a list of features. Got a single one: put it in brackets.")
        if len(functions) == 0:
            raise IsotropyError("`functions` is empty: pass at least one feature.")
        if names is not None and len(names) != len(functions):
            raise IsotropyError(f"There are {len(names)} `names` for {len(functions)} features: pass one for each.")
        self._items = tuple(self._read(function, k) for k, function in enumerate(functions))
        self._given = None if names is None else tuple(names)
        self._factors, self._atoms = self._name(self._given)
        if len(set(self._factors)) != len(self._factors):
            repeated = next(f for k, f in enumerate(self._factors) if f in self._factors[:k])
            raise IsotropyError(f"The feature {self.names[self._factors.index(repeated)]!r} is given twice: drop one.")

    def _read(self, function: Feature, position: int) -> Term | Callable[[Array], Array]:
        if isinstance(function, str):
            from .grammar import parse_expression

            function = parse_expression(function, self.variables)
        if isinstance(function, Term):
            if function.coefficient == 0:
                raise IsotropyError(f"Feature {position} is zero, which spans nothing: drop it.")
            return function
        if not callable(function):
            raise IsotropyError(
                f"Feature {position} must be a JAX function or a string. Got {type(function).__name__}."
            )
        shape = jax.eval_shape(function, jax.ShapeDtypeStruct((self.input_dimension,), np.dtype(np.float32)))
        if getattr(shape, "shape", None) != ():
            raise IsotropyError(
                f"Feature {position} must map a point of shape ({self.input_dimension},) to one number, of shape (). "
                f"Got {getattr(shape, 'shape', type(shape).__name__)}."
            )
        return function

    def _name(self, names: Sequence[str] | None) -> tuple[tuple[Factors, ...], Mapping[str, Hashable]]:
        atoms: dict[str, Hashable] = dict.fromkeys(self.variables, "variable")
        factors: list[Factors] = []
        for k, item in enumerate(self._items):
            if isinstance(item, Term) and (names is None or names[k] == str(item)):
                own: Factors = expression.term_factors(item)
                meaning: Hashable = "expression"
            elif names is None:
                raise IsotropyError(f"Feature {k} is a function: pass `names`, one for each feature.")
            elif not isinstance(names[k], str) or not names[k].strip():
                raise IsotropyError(f"`names` must be non-empty strings. Got {names[k]!r} at index {k}.")
            else:
                own, meaning = ((names[k], 1),), ("named", item)
            for name, _ in own:
                expected = "variable" if meaning == "expression" and name in self.variables else meaning
                if atoms.setdefault(name, expected) != expected:
                    raise IsotropyError(f"The name {name!r} stands for two different features: rename one of them.")
            factors.append(own)
        return tuple(factors), atoms

    @property
    def factors(self) -> tuple[Factors, ...]:
        return self._factors

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        return self._atoms

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)
        values = [expression.evaluate(item, x) if isinstance(item, Term) else item(x) for item in self._items]
        return jnp.stack([jnp.asarray(value, x.dtype) for value in values])

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        import sympy

        return [
            expression.to_sympy(item, symbols) if isinstance(item, Term) else sympy.Function(name)(*symbols)
            for item, name in zip(self._items, self.names, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        for item, name in zip(self._items, self.names, strict=True):
            if not isinstance(item, Term):
                raise IsotropyError(f"The feature {name!r} is a Python function and cannot be saved: write it as text.")
        return {
            "kind": self.kind,
            "functions": [str(item) for item in self._items],
            "names": None if self._given is None else list(self._given),
            "variables": list(self.variables),
        }
