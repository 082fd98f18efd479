"""Hamiltonian structure from a vector field alone: closed two-forms that its flow keeps, and their Hamiltonians."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.polynomial import Polynomials
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..lie import terms_of_space
from ..numerics import readable
from ..numerics.decide import Decision, closes, decide, numerical_floor
from ..numerics.sparse import sparse_basis
from ..numerics.spectrum import dense
from ..results.store import Stored
from .phase import Function, PhaseSpace


@dataclass(frozen=True)
class Forms(Stored):
    """Closed two-forms omega with L_V omega = 0 for one vector field V.

    ``coefficients`` (d, pairs, f) are on dx_i ∧ dx_j, i < j, times the functions of ``space``; ``text`` has a line for
    each form. ``rank`` is that of a generic combination; the structure is symplectic where it is m.
    ``hamiltonians`` has for each form a function with ``i_V omega = dH`` as text, or empty where the space of functions
    holds none.
    """

    kind: ClassVar[str] = "forms"

    space: Space
    coefficients: Float[np.ndarray, "d pairs f"]
    text: tuple[str, ...]
    rank: int
    hamiltonians: tuple[str, ...]
    hamiltonian_coefficients: Float[np.ndarray, "d h"]
    decision: Decision

    @property
    def dimension(self) -> int:
        """How many independent forms there are."""
        return len(self.coefficients)

    @property
    def symplectic(self) -> bool:
        """Whether some combination of the forms is nondegenerate at the samples."""
        return self.dimension > 0 and self.rank == self.space.input_dimension

    def phase(self, weights: Any) -> PhaseSpace:
        """The phase space of the combination of the forms with these ``weights`` (d,)."""
        table = np.tensordot(np.asarray(weights, dtype=np.float64), self.coefficients, 1)
        m = self.space.input_dimension
        upper = np.array(list(combinations(range(m), 2))).T
        space = self.space

        def form(x: jax.Array) -> jax.Array:
            entries = jnp.asarray(table, x.dtype) @ space(x)
            matrix = jnp.zeros((m, m), x.dtype).at[upper[0], upper[1]].set(entries)
            return matrix - matrix.T

        return PhaseSpace.symplectic(form, m)

    def __str__(self) -> str:
        m = self.space.input_dimension
        if self.dimension == 0:
            return f"no invariant closed two-form in this space (verdict: {self.decision.verdict})"
        kind = "symplectic" if self.symplectic else f"degenerate, rank at most {self.rank} of {m}: no symplectic form"
        some = f"{self.dimension} invariant closed two-form{'s' * (self.dimension != 1)}"
        lines = [f"{some}, {kind} (verdict: {self.decision.verdict})"]
        for text, function in zip(self.text, self.hamiltonians, strict=True):
            lines.append(f"  {text}" + (f"   with H = {function}" if function else ""))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""
        return {
            "space": self.space.to_dict(),
            "coefficients": self.coefficients,
            "text": list(self.text),
            "rank": self.rank,
            "hamiltonians": list(self.hamiltonians),
            "hamiltonian_coefficients": self.hamiltonian_coefficients,
            "decision": self.decision.to_dict(),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Forms:
        """The inverse of `to_dict`."""
        rebuilt = {
            "space": Space.from_dict(record["space"]),
            "text": tuple(record["text"]),
            "hamiltonians": tuple(record["hamiltonians"]),
            "decision": Decision.from_dict(record["decision"]),
        }
        return cls(**{**record, **rebuilt})


def invariant_forms(
    field: Function, samples: Samples, *, space: Space | None = None, functions: Space | None = None
) -> Forms:
    """The closed two-forms with coefficients in ``space`` that the flow of x' = field(x) leaves unchanged.

    Enforcement under the flow's own generator: L_V omega = 0 and d omega = 0 are linear in omega. ``space`` is the
    constants unless given. With ``functions``, a space in which to look for Hamiltonians, each form gets the function H
    with i_V omega = dH where there is one. A nondegenerate form makes the field Hamiltonian; products dI ∧ dK of
    conserved functions are degenerate forms of the same kind, and are counted.

    Friction leaves none, which is the answer for a field that is no Hamiltonian system in these coordinates; a form
    that the space does not hold is not found.

    Cost: a singular value decomposition with m (m - 1) / 2 times the dimension of the space columns.

    >>> print(invariant_forms(lambda z: jnp.array([z[1], -z[0]]), Samples.normal(20, 2, seed=0),
    ...                       functions=Polynomials(2, degree=2)))
    1 invariant closed two-form, symplectic (verdict: certain)
      dx∧dy   with H = 1/2 x^2 + 1/2 y^2
    """
    m = samples.dimension
    if m < 2:
        raise IsotropyError("two-forms need at least two coordinates. Got samples in R^1.")
    space = (
        Polynomials(m, degree=0, variables=None if functions is None else functions.variables)
        if space is None
        else space
    )
    for given, name in ((space, "space"), (functions, "functions")):
        if given is not None and (not isinstance(given, Space) or given.input_dimension != m):
            raise IsotropyError(f"`{name}` must be a space of functions on R^{m}, where the samples are.")
    points = np.asarray(samples.points, dtype=np.float64)
    with jax.enable_x64(True):
        shape = jax.eval_shape(field, jnp.asarray(points[0])).shape
        if shape != (m,):
            raise IsotropyError(f"`field` must return a velocity of shape ({m},) at a point. Got {shape}.")
        velocities = np.asarray(jax.jit(jax.vmap(field))(jnp.asarray(points)))
    if not np.isfinite(velocities).all():
        raise IsotropyError("`field` gave NaN or infinity at a sample: leave such points out of the samples.")
    pairs = list(combinations(range(m), 2))
    columns = len(pairs) * space.dimension
    if len(points) * len(pairs) < columns:
        raise IsotropyError(
            f"{len(points)} samples cannot tell {columns} forms apart: take at least {2 * space.dimension}."
        )
    rows, sizes = _rows(field, space, points, pairs)
    unit = np.sqrt((sizes**2).sum(axis=0) / len(points))
    unit = np.where(unit > 0, unit, 1.0)
    spectrum = dense(rows / np.sqrt(len(points)) / unit)
    floor = numerical_floor(np.float64, m * m + columns, np.sqrt(columns))
    decision = decide(spectrum.values, floor=floor)
    null = spectrum.null_vectors(decision.nullity) / unit
    noise = float(np.finfo(np.float64).eps) * columns * float(unit.max() / unit.min())
    found = sparse_basis(null, noise) if len(null) else null
    tables = found.reshape(len(found), len(pairs), space.dimension)
    names = [f"d{space.variables[i]}∧d{space.variables[j]}" for i, j in pairs]
    labels = [
        name if feature == "1" else f"({feature}) {name}" if " + " in feature else f"{feature} {name}"
        for name in names
        for feature in space.names
    ]
    matrices = _matrices(tables, space, points, pairs)
    weights = np.zeros((len(found), 0 if functions is None else functions.dimension))
    texts = [""] * len(found)
    if functions is not None and len(found):
        slopes = functions.gradients(points).transpose(0, 2, 1).reshape(-1, functions.dimension)
        for k, matrix in enumerate(matrices):
            target = np.einsum("pij,pi->pj", matrix, velocities).ravel()
            length = np.linalg.norm(slopes, axis=0)
            length = np.where(length > 0, length, 1.0)
            fit = np.linalg.lstsq(slopes / length, target, rcond=None)[0] / length
            miss = np.linalg.norm(slopes @ fit - target)
            size = np.linalg.norm(target)
            if size > 0 and closes(float(miss / size), noise=noise, size=functions.dimension):
                # The fit adds up a term for each row.
                rounding = noise + float(np.finfo(np.float64).eps) * len(points)
                blur = functions.dimension * rounding * float(np.abs(fit).max())
                weights[k] = np.where(np.abs(fit) > blur, fit, 0.0)
                texts[k] = functions.describe(weights[k], noise=blur)
    return Forms(
        space=space,
        coefficients=tables,
        text=tuple(readable.format_combination(row, labels, noise=noise * np.abs(row).max()) for row in found),
        rank=_rank(matrices, m),
        hamiltonians=tuple(texts),
        hamiltonian_coefficients=weights,
        decision=decision,
    )


def _rows(
    field: Function, space: Space, points: np.ndarray, pairs: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """L_V omega and d omega on the forms e_pair phi_f, and the sizes of their terms before they cancel."""
    m, n, f = space.input_dimension, len(pairs), space.dimension
    action = Action.flow(field, space.variables, lower=2)
    moved, fixed = terms_of_space(action, space, points)
    embed = np.zeros((m * m, n))
    for k, (i, j) in enumerate(pairs):
        embed[i * m + j, k], embed[j * m + i, k] = 1.0, -1.0
    upper = [i * m + j for i, j in pairs]
    blocks, sizes = [], []
    parts = [np.einsum("pnqfo,ok->pnkf", part[:, upper], embed, optimize=True) for part in (moved, fixed)]
    blocks.append((parts[0] - parts[1]).reshape(-1, n * f))
    sizes.append((np.abs(parts[0]) + np.abs(parts[1])).reshape(-1, n * f))
    gradients = space.gradients(points)
    place = {pair: k for k, pair in enumerate(pairs)}
    for i, j, k in combinations(range(m), 3):
        closed = np.zeros((len(points), n, f))
        closed[:, place[j, k]] += gradients[:, :, i]
        closed[:, place[i, k]] -= gradients[:, :, j]
        closed[:, place[i, j]] += gradients[:, :, k]
        blocks.append(closed.reshape(len(points), -1))
        sizes.append(np.abs(blocks[-1]))
    return np.concatenate(blocks), np.concatenate(sizes)


def _matrices(
    tables: np.ndarray, space: Space, points: np.ndarray, pairs: list[tuple[int, int]]
) -> Float[np.ndarray, "d p m m"]:
    """The forms as antisymmetric matrices at the points."""
    entries = np.einsum("dkf,pf->dpk", tables, space.values(points))
    m = space.input_dimension
    out = np.zeros((len(tables), len(points), m, m))
    for k, (i, j) in enumerate(pairs):
        out[:, :, i, j], out[:, :, j, i] = entries[:, :, k], -entries[:, :, k]
    return out


def _rank(matrices: np.ndarray, m: int) -> int:
    """The rank of a generic combination: the most common over the points."""
    if len(matrices) == 0:
        return 0
    mixed = np.tensordot(np.random.default_rng(0).standard_normal(len(matrices)), matrices, 1)
    values = np.linalg.svd(mixed, compute_uv=False)
    ranks = [
        m - decide(row, floor=numerical_floor(np.float64, m, float(row.max(initial=0.0)))).nullity for row in values
    ]
    return int(np.median(ranks))
