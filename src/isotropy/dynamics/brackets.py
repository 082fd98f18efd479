"""Poisson brackets of conserved functions, and the algebra they close to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError
from ..geometry.polynomial import Polynomials
from ..geometry.sample import Samples
from ..groups.algebra import LieAlgebra
from ..numerics.decide import closes
from ..results.laws import Laws
from ..results.store import Stored
from .phase import PhaseSpace


@dataclass(frozen=True)
class Brackets(Stored):
    """The Poisson brackets of k functions on a set of points.

    ``table`` has (a, b, text) for every bracket that does not vanish, a < b, positions from 0; ``text`` is a polynomial
    in the functions, of ``degree`` 0 (all brackets vanish), 1 or 2, or empty where it is none. ``algebra`` is the Lie
    algebra where the degree is at most 1: on the functions that vary, and on constants where these occur. ``constant``
    has the positions of functions with one value on all the points, which count as numbers. ``residual`` is the
    largest part of a bracket left over, relative to the terms it is made of.
    """

    kind: ClassVar[str] = "brackets"

    names: tuple[str, ...]
    table: tuple[tuple[int, int, str], ...]
    degree: int | None
    algebra: LieAlgebra | None
    constant: tuple[int, ...]
    residual: float
    values: Float[np.ndarray, "p k k"]

    @property
    def name(self) -> str:
        """The name of the algebra, or how the brackets close otherwise."""
        if self.algebra is not None:
            return self.algebra.name
        return "closes quadratically, no Lie algebra" if self.degree == 2 else "does not close"

    def __str__(self) -> str:
        lines = [f"{self.name}: Poisson brackets of {len(self.names)} functions (left over {self.residual:.1e})"]
        for a, b, text in self.table:
            lines.append(f"  {{{self.names[a]}, {self.names[b]}}} = {text or 'no function of these'}")
        if not self.table:
            lines.append("  all vanish: the functions are in involution")
        if self.constant:
            lines.append(f"one value on all these points: {', '.join(self.names[k] for k in self.constant)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""
        return {
            "names": list(self.names),
            "table": [list(entry) for entry in self.table],
            "degree": self.degree,
            "algebra": None if self.algebra is None else self.algebra.to_dict(),
            "constant": list(self.constant),
            "residual": self.residual,
            "values": self.values,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Brackets:
        """The inverse of `to_dict`."""
        rebuilt = {
            "names": tuple(record["names"]),
            "table": tuple((a, b, text) for a, b, text in record["table"]),
            "algebra": None if record["algebra"] is None else LieAlgebra.from_dict(record["algebra"]),
            "constant": tuple(record["constant"]),
        }
        return cls(**{**record, **rebuilt})


def brackets(
    laws: Laws | Sequence[Any],
    points: Samples | Float[np.ndarray, "p m"],
    *,
    phase: PhaseSpace | None = None,
    names: Sequence[str] | None = None,
) -> Brackets:
    """The Poisson brackets of conserved functions, written in the functions themselves, and their algebra by name.

    ``laws`` is the answer of `conserve`, or a sequence of scalar JAX functions; ``phase`` the canonical form unless
    given. Brackets are computed by derivatives at the ``points`` and expressed linearly in the functions, or failing
    that by polynomials of degree two in them. On points of one energy (see `on_shell`) the energy is a number: there
    Kepler's angular momentum and Laplace–Runge–Lenz vector close to so(4), and elsewhere only with the energy in the
    structure constants, which is no Lie algebra. Errors of fitted laws count as noise.

    Cost: gradients at p points and least squares of p rows.

    >>> momentum = [lambda z: z[1]*z[5] - z[2]*z[4], lambda z: z[2]*z[3] - z[0]*z[5], lambda z: z[0]*z[4] - z[1]*z[3]]
    >>> print(brackets(momentum, Samples.normal(50, 6, seed=0), names=["L1", "L2", "L3"]))
    so(3): Poisson brackets of 3 functions (left over ...)
      {L1, L2} = L3
      {L1, L3} = −L2
      {L2, L3} = L1
    """
    where = points.points if isinstance(points, Samples) else validate.array(points, "points", ndim=2)
    where = np.asarray(where, dtype=np.float64)
    phase = PhaseSpace.canonical(where.shape[1]) if phase is None else phase
    phase.check(where)
    values, gradients, noise = observed(laws, where)
    count = values.shape[1]
    labels = tuple(f"I{k + 1}" for k in range(count)) if names is None else tuple(names)
    if len(labels) != count:
        raise IsotropyError(f"`names` must name the {count} functions. Got {len(labels)}.")
    if len(where) < 2 * (count + 1):
        raise IsotropyError(
            f"{len(where)} points cannot tell {count} functions apart: pass at least {2 * (count + 1)}."
        )
    tensors = phase.tensors(where)
    products = np.einsum("pai,pij,pbj->pab", gradients, tensors, gradients)
    terms = np.einsum("pai,pij,pbj->pab", np.abs(gradients), np.abs(tensors), np.abs(gradients))
    scale = np.sqrt((terms**2).mean(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    spread, size = values.std(axis=0), np.abs(values).max(axis=0)
    constant = tuple(k for k in range(count) if closes(_share(spread[k], size[k]), noise=noise, size=count))
    vary = [k for k in range(count) if k not in constant]
    zero = np.sqrt((products**2).mean(axis=0)) / scale
    pairs = [
        (a, b)
        for a in range(count)
        for b in range(a + 1, count)
        if not closes(float(zero[a, b]), noise=noise, size=count)
    ]
    nothing = float(
        max((zero[a, b] for a in range(count) for b in range(a + 1, count) if (a, b) not in pairs), default=0)
    )
    if not pairs:
        algebra = LieAlgebra.from_structure_constants(np.zeros((len(vary),) * 3)) if vary else None
        return Brackets(labels, (), 0, algebra, constant, nothing, products)
    for degree in (1, 2):
        monomials = Polynomials(max(len(vary), 1), degree=degree, variables=[labels[k] for k in vary] or ["I"])
        if 2 * monomials.dimension > len(where) or not vary:
            break
        columns = monomials.values(values[:, vary])
        length = np.linalg.norm(columns, axis=0)
        target = np.stack([products[:, a, b] / scale[a, b] for a, b in pairs], axis=1)
        weights = np.linalg.lstsq(columns / length, target, rcond=None)[0]
        residual = float(np.sqrt(((columns / length @ weights - target) ** 2).mean(axis=0)).max())
        if closes(residual, noise=noise, size=monomials.dimension):
            coefficients = (weights / length[:, None] * [scale[a, b] for a, b in pairs]).T
            rounding = _rounding(columns / length, noise) * np.array([scale[a, b] for a, b in pairs])
            errors = rounding[:, None] / length * np.sqrt(len(where))
            texts = [
                monomials.describe(np.where(np.abs(c) > e, c, 0.0), noise=e)  # type: ignore[arg-type]
                for c, e in zip(coefficients, errors, strict=True)
            ]
            table = tuple((a, b, text) for (a, b), text in zip(pairs, texts, strict=True))
            algebra = None
            if degree == 1:
                clean = np.where(np.abs(coefficients) > errors, coefficients, 0.0)
                algebra = _algebra(pairs, clean, vary, float(errors.max()))
            return Brackets(labels, table, degree, algebra, constant, max(residual, nothing), products)
    table = tuple((a, b, "") for a, b in pairs)
    return Brackets(labels, table, None, None, constant, residual, products)


def observed(
    laws: Laws | Sequence[Any], points: Float[np.ndarray, "p m"]
) -> tuple[Float[np.ndarray, "p k"], Float[np.ndarray, "p k m"], float]:
    """Values and gradients of laws or of JAX functions at points, and the relative error of fitted coefficients."""
    if isinstance(laws, Laws):
        if laws.space.input_dimension != points.shape[1]:
            raise IsotropyError(
                f"the laws are functions on R^{laws.space.input_dimension}, but the points are in R^{points.shape[1]}."
            )
        largest = np.abs(laws.coefficients).max(axis=1, initial=0.0)
        noise = float((laws.uncertainty.max(axis=1, initial=0.0) / np.where(largest > 0, largest, 1)).max(initial=0.0))
        values, gradients = laws.values(points), np.einsum(
            "kf,pfi->pki", laws.coefficients, laws.space.gradients(points)
        )  # fmt: skip
    else:
        if not laws or not all(callable(law) for law in laws):
            raise IsotropyError("`laws` are the answer of `iso.conserve`, or a list of scalar JAX functions.")
        noise = 0.0
        every = lambda x: jnp.stack([jnp.reshape(law(x), ()) for law in laws])  # noqa: E731
        with jax.enable_x64(True):
            both = jax.jit(jax.vmap(lambda x: (every(x), jax.jacrev(every)(x))))(jnp.asarray(points, jnp.float64))
        values, gradients = (np.asarray(part) for part in both)
    if values.shape[1] == 0:
        raise IsotropyError("there are no laws, so there is nothing to bracket.")
    if not np.isfinite(values).all() or not np.isfinite(gradients).all():
        raise IsotropyError("a law, or its derivative, is not finite at one of the points: leave such points out.")
    return values, gradients, noise


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0


def _rounding(columns: np.ndarray, noise: float) -> float:
    """The error of a coefficient on unit columns: of the brackets, by how well the columns can be told apart."""
    values = np.linalg.svd(columns, compute_uv=False)
    kept = values[values > np.finfo(np.float64).eps * max(columns.shape) * values[0]]
    return float(max(np.finfo(np.float64).eps * max(columns.shape), noise) / kept[-1])


def _algebra(
    pairs: list[tuple[int, int]], coefficients: np.ndarray, vary: list[int], error: float
) -> LieAlgebra | None:
    """From linear brackets; the constant 1 is an element of the algebra where brackets have one."""
    d = len(vary)
    place = {k: position for position, k in enumerate(vary)}
    central = bool(coefficients[:, 0].any())
    constants = np.zeros((d + central,) * 3)
    for (a, b), row in zip(pairs, coefficients, strict=True):
        if a in place and b in place:
            entry = np.r_[row[1:], row[:1]] if central else row[1:]
            constants[place[a], place[b]], constants[place[b], place[a]] = entry, -entry
    return LieAlgebra.from_structure_constants(constants, noise=error)
