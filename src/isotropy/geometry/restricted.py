"""The flat set that noisy inputs fill, and functions that are known on it alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..numerics.decide import filled
from .polynomial import Polynomials
from .space import Factors, Space

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Hull:
    """The points ``centre + frame z``: columns of ``frame`` (m, r) are orthonormal, ``centre`` (m,) is orthogonal to
    them but for rounding where r < m."""

    frame: Float[np.ndarray, "m r"]
    centre: Float[np.ndarray, " m"]

    @classmethod
    def of(cls, points: Float[np.ndarray, "p m"], noise: Float[np.ndarray, " m"]) -> Hull:
        """The directions in which ``points`` spread by more than their errors, of standard deviation ``noise``.

        A centre that differs from zero by no more than the error of a mean is put there, so that errors alone give no
        candidate a motion.
        """
        m = points.shape[1]
        unit = np.where(noise > 0, noise, 1.0) if noise.any() else np.maximum(np.abs(points).max(axis=0), 1e-300)
        scaled = points / unit
        mean = scaled.mean(axis=0)
        _, sizes, axes = np.linalg.svd(scaled - mean, full_matrices=False)
        level = 1.0 if noise.any() else 0.0
        kept = filled(
            sizes / np.sqrt(len(points)), noise=level, size=max(points.shape), scale=float(np.linalg.norm(scaled))
        )
        if kept.all() and len(kept) == m:
            return cls(np.eye(m), np.zeros(m))
        frame = np.linalg.qr(axes[kept].T * unit[:, None])[0]
        centre = mean * unit
        outside = centre - frame @ (frame.T @ centre)
        error = level * np.linalg.norm(unit) / np.sqrt(len(points))
        seen = filled([np.linalg.norm(outside)], noise=error, size=len(points), scale=np.abs(points).max(initial=0.0))
        return cls(frame, outside if seen[0] else np.zeros(m))

    @property
    def whole(self) -> bool:
        """Whether the points fill their space."""
        return self.frame.shape[1] == len(self.frame)

    @property
    def outside(self) -> Float[np.ndarray, "m m"]:
        """The projection of velocities on what leaves the set."""
        return np.eye(len(self.frame)) - self.frame @ self.frame.T

    def inner(self, points: Any) -> Any:
        """Coordinates on the set."""
        return (points - self.centre) @ self.frame

    def polynomials(self, degree: int, variables: Sequence[str] | None) -> Space:
        """Polynomials on the set, as functions of the whole space that are constant across it."""
        if self.whole:
            return Polynomials(len(self.frame), degree=degree, variables=variables)
        names = tuple(f"z{k}" for k in range(self.frame.shape[1]))
        inner = Polynomials(len(names), degree=degree, variables=names)
        return Restricted(inner, frame=self.frame, centre=self.centre, variables=variables)

    def project(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p m"]:
        """The nearest points of the set."""
        return points if self.whole else self.centre + self.inner(points) @ self.frame.T


class Restricted(Space):
    """Functions of the coordinates ``frame^T (x - centre)``, constant across the flat set that these describe.

    >>> from isotropy.geometry.polynomial import Polynomials
    >>> inner = Polynomials(1, degree=1, variables=("z",))
    >>> Restricted(inner, frame=[[1.0], [0.0]], centre=[0.0, 0.0]).names
    ('1', 'z')
    """

    kind = "restricted"

    def __init__(self, inner: Space, *, frame: Any, centre: Any, variables: Sequence[str] | None = None) -> None:
        self._frame = validate.array(frame, "frame", ndim=2).astype(np.float64)
        self._centre = validate.array(centre, "centre", shape=(len(self._frame),)).astype(np.float64)
        super().__init__(len(self._frame), variables=variables)
        if inner.input_dimension != self._frame.shape[1]:
            raise IsotropyError(
                f"`inner` has functions of {inner.input_dimension} variables, but `frame` has {self._frame.shape[1]} "
                f"columns: pass one direction for each variable."
            )
        self.inner = inner

    @property
    def factors(self) -> tuple[Factors, ...]:
        return self.inner.factors

    @property
    def atoms(self) -> Mapping[str, Hashable]:
        where = (tuple(self._frame.ravel().tolist()), tuple(self._centre.tolist()))
        return dict.fromkeys(self.variables, "variable") | {
            name: (meaning, *where) for name, meaning in self.inner.atoms.items()
        }

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(float)
        return self.inner((x - jnp.asarray(self._centre, x.dtype)) @ jnp.asarray(self._frame, x.dtype))

    def sympy_features(self, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
        import sympy

        inside = [
            sympy.Add(*(float(a) * (s - float(c)) for a, s, c in zip(column, symbols, self._centre, strict=True)))
            for column in self._frame.T
        ]
        symbols = [sympy.Symbol(name) for name in self.inner.variables]
        replaced: list[Any] = [
            feature.subs(dict(zip(symbols, inside, strict=True)), simultaneous=True)
            for feature in self.inner.sympy_features(symbols)
        ]
        return replaced

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "inner": self.inner.to_dict(),
            "frame": self._frame.tolist(),
            "centre": self._centre.tolist(),
            "variables": list(self.variables),
        }

    @classmethod
    def _from_arguments(cls, arguments: dict[str, Any]) -> Space:
        return cls(**{**arguments, "inner": Space.from_dict(arguments["inner"])})
