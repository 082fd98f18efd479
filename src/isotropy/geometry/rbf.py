"""Radial basis functions about given centres."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from .space import Factors, Space

if TYPE_CHECKING:
    import sympy

KERNELS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "gaussian": lambda s, exp, sqrt: exp(-s / 2),
    "multiquadric": lambda s, exp, sqrt: sqrt(1 + s),
    "inverse_multiquadric": lambda s, exp, sqrt: 1 / sqrt(1 + s),
}
"""Smooth functions of the squared distance over the squared width, given the library's exp and sqrt."""


class RBF(Space):
    """The span of a kernel of |x - c| / width about each centre c.

    ``kernel`` is "gaussian", exp(-r^2 / 2), "multiquadric", sqrt(1 + r^2), or "inverse_multiquadric", its
    inverse. The features are called ``name`` and the number of the centre. Sums of two such spaces need
    different names. A dense set of wide kernels is nearly dependent: a width near the distance of neighbouring
    centres is a good start.

    >>> RBF([[0.0, 0.0], [1.0, 0.0]], width=0.5).names
    ('rbf0', 'rbf1')
    """

    kind = "rbf"

    def __init__(
        self,
        centres: Float[np.ndarray, "f m"],
        *,
        width: float,
        kernel: str = "gaussian",
        name: str = "rbf",
        variables: Sequence[str] | None = None,
    ) -> None:
        self._centres = np.array(validate.array(centres, "centres", ndim=2), dtype=np.float64)
        super().__init__(self._centres.shape[1], variables=variables)
        self._width = float(validate.array(width, "width", ndim=0))
        if self._width <= 0:
            raise IsotropyError(f"`width` must be positive. Got {width!r}.")
        if kernel not in KERNELS:
            raise IsotropyError(f"The 'kernel' parameter of RBF must be one of {', '.join(KERNELS)}. Got {kernel!r}.")
        if len(np.unique(self._centres, axis=0)) < len(self._centres):
            raise IsotropyError("`centres` has repeated rows, which give the same feature twice: drop the repeats.")
        if not isinstance(name, str) or not name.strip():
            raise IsotropyError(f"`name` must be a non-empty string. Got {name!r}.")
        self._kernel, self._name = kernel, name

    @property
    def centres(self) -> Float[np.ndarray, "f m"]:
        """The centre of each feature."""
        return self._centres

    @property
    def width(self) -> float:
        """The length by which distances from a centre are divided."""
        return self._width

    @property
    def factors(self) -> tuple[Factors, ...]:
        return tuple(((f"{self._name}{k}", 1),) for k in range(len(self._centres)))

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        meanings = {
            f"{self._name}{k}": (self._kernel, self._width, tuple(centre))
            for k, centre in enumerate(self._centres.tolist())
        }
        return dict.fromkeys(self.variables, "variable") | meanings

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)
        offsets = (x - jnp.asarray(self._centres, x.dtype)) / self._width
        return KERNELS[self._kernel]((offsets**2).sum(axis=-1), jnp.exp, jnp.sqrt)

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        import sympy

        features = []
        for centre in self._centres.tolist():
            square = sympy.Add(*((s - c) ** 2 for s, c in zip(symbols, centre, strict=True))) / self._width**2
            features.append(KERNELS[self._kernel](square, sympy.exp, sympy.sqrt))
        return features

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "centres": self._centres.tolist(),
            "width": self._width,
            "kernel": self._kernel,
            "name": self._name,
            "variables": list(self.variables),
        }
