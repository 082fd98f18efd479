"""Trigonometric polynomials on a box with periods: products of cosines and sines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..numerics import readable
from . import expression
from .expression import Pi, Term, Variable
from .polynomial import LARGEST_DIMENSION
from .space import Factors, Space

if TYPE_CHECKING:
    import sympy


class Fourier(Space):
    """Products of one mode of each coordinate, a mode being 1, cos(2 pi k x / period) or sin of the same.

    ``degree`` bounds the sum of the frequencies k of a product; ``frequencies`` instead bounds each, by one
    number or one for each coordinate. ``periods`` is one number or one for each coordinate. The features
    are ordered by the sum of their frequencies.

    >>> Fourier(1, degree=2).names
    ('1', 'cos(x)', 'sin(x)', 'cos(2*x)', 'sin(2*x)')
    """

    kind = "fourier"

    def __init__(
        self,
        input_dimension: int,
        *,
        degree: int | None = None,
        frequencies: int | Sequence[int] | None = None,
        periods: float | Sequence[float] = 2 * math.pi,
        variables: Sequence[str] | None = None,
    ) -> None:
        super().__init__(input_dimension, variables=variables)
        m = self.input_dimension
        if (degree is None) == (frequencies is None):
            raise IsotropyError("Fourier needs either `degree` or `frequencies`, and not both.")
        highest = degree if frequencies is None else frequencies
        given = validate.array(highest, "degree" if frequencies is None else "frequencies", ndim=(0, 1))
        if (given < 0).any() or (given != np.round(given)).any() or (given.ndim == 1 and len(given) != m):
            raise IsotropyError(f"Frequencies must be integers >= 0, one or {m} of them. Got {highest!r}.")
        if degree is not None and given.ndim:
            raise IsotropyError(f"`degree` must be one integer. Got {degree!r}: use `frequencies` for one each.")
        self._periods = np.broadcast_to(validate.array(periods, "periods", ndim=(0, 1)).astype(float), (m,)).copy()
        if (self._periods <= 0).any():
            raise IsotropyError(f"`periods` must be positive. Got {periods!r}.")
        self._degree = None if degree is None else int(degree)
        self._frequencies = np.broadcast_to(given.astype(np.int64), (m,)).copy()
        if math.prod(2 * int(k) + 1 for k in self._frequencies) > LARGEST_DIMENSION:
            raise IsotropyError(
                f"Fourier modes up to {highest!r} in {m} coordinates are too many: lower the frequencies."
            )

    @cached_property
    def _modes(self) -> np.ndarray:
        """For each feature and coordinate: 0 for 1, 2k - 1 for the cosine and 2k for the sine of frequency k."""
        modes = np.array(list(product(*(range(2 * int(k) + 1) for k in self._frequencies))), dtype=np.int32)
        order = (modes + 1) // 2
        if self._degree is not None:
            kept = order.sum(axis=1) <= self._degree
            modes, order = modes[kept], order[kept]
        # As monomials are: by degree, then the higher frequency of the first coordinate first.
        return modes[np.lexsort((*modes.T[::-1], *(-order.T[::-1]), order.sum(axis=1)))]

    @property
    def dimension(self) -> int:
        return len(self._modes)

    @property
    def periods(self) -> Float[np.ndarray, " m"]:
        """The period of each coordinate."""
        return self._periods

    @property
    def _rates(self) -> np.ndarray:
        return 2 * np.pi / self._periods

    @cached_property
    def _atom_names(self) -> list[list[str]]:
        return [
            [""] + [f"{('cos', 'sin')[1 - n % 2]}({self._argument(i, (n + 1) // 2)})" for n in range(1, 2 * int(k) + 1)]
            for i, k in enumerate(self._frequencies)
        ]

    def _argument(self, i: int, k: int) -> Term:
        rate = k * float(self._rates[i])
        # A rate is written as a fraction, or as one of pi, only where it is that to the last digit.
        [whole], [half_turns] = readable.snap([rate]), readable.snap([rate / np.pi])
        factors = [expression.number(whole), expression.atom(Variable(self.variables[i], i))]
        if isinstance(whole, float) and not isinstance(half_turns, float):
            factors[0] = expression.multiply([expression.number(half_turns), expression.atom(Pi())])
        return expression.multiply(factors)

    @cached_property
    def factors(self) -> tuple[Factors, ...]:
        names = self._atom_names
        return tuple(tuple(sorted((names[i][n], 1) for i, n in enumerate(row) if n)) for row in self._modes.tolist())

    @property
    def atoms(self) -> dict[str, str]:
        named = {name for names in self._atom_names for name in names[1:]}
        return dict.fromkeys(self.variables, "variable") | dict.fromkeys(named, "expression")

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)
        result = jnp.ones(self.dimension, x.dtype)
        for i, k in enumerate(self._frequencies):
            angles = x[i] * jnp.asarray(self._rates[i] * np.arange(1, int(k) + 1), x.dtype)
            waves = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1).ravel()
            table = jnp.concatenate([jnp.ones(1, x.dtype), waves])
            result = result * table[self._modes[:, i]]
        return result

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        import sympy

        def wave(i: int, n: int) -> sympy.Expr:
            return (sympy.sin, sympy.cos)[n % 2](expression.to_sympy(self._argument(i, (n + 1) // 2), symbols))

        return [sympy.Mul(*(wave(i, n) for i, n in enumerate(row) if n)) for row in self._modes.tolist()]

    def to_dict(self) -> dict[str, Any]:
        highest: dict[str, Any] = (
            {"frequencies": self._frequencies.tolist()} if self._degree is None else {"degree": self._degree}
        )
        return {
            "kind": self.kind,
            "input_dimension": self.input_dimension,
            **highest,
            "periods": self._periods.tolist(),
            "variables": list(self.variables),
        }
