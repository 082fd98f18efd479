"""Noether's theorem both ways: symmetries of a Hamiltonian system and its conserved functions, matched one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..discover import discover
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.motion import VectorFields
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..groups.group import Group
from ..numerics.decide import closes
from ..results.discovery import Discovery
from ..results.laws import Laws
from ..results.store import Stored
from .conserve import conserve
from .phase import Function, PhaseSpace
from .trajectories import Trajectories


@dataclass(frozen=True)
class Noether(Stored):
    """Symmetries and laws of one Hamiltonian system, found apart and then matched.

    ``pairs`` has for each matched law its text and that of its Hamiltonian field, a symmetry among the candidates;
    ``fields`` (k, q) and ``functions`` (k, f) are their coefficients. ``residuals`` (k,) say how well ``X = J DQ``
    holds. ``without_law`` are symmetries that come from no function of the space, ``without_symmetry`` laws whose field
    is no candidate. ``symmetries`` and ``laws`` are the two answers themselves.
    """

    kind: ClassVar[str] = "noether"

    pairs: tuple[tuple[str, str], ...]
    fields: Float[np.ndarray, "k q"]
    functions: Float[np.ndarray, "k f"]
    residuals: Float[np.ndarray, " k"]
    without_law: tuple[str, ...]
    without_symmetry: tuple[str, ...]
    symmetries: Discovery
    laws: Laws

    @property
    def one_to_one(self) -> bool:
        """Whether every symmetry has its law and every law its symmetry, with both counts decided."""
        decided = "cannot tell" not in (self.symmetries.decision.verdict, self.laws.decision.verdict)
        return decided and not self.without_law and not self.without_symmetry

    def __str__(self) -> str:
        some = f"{len(self.pairs)} pair{'s' * (len(self.pairs) != 1)} of a law and its symmetry"
        ending = "one to one" if self.one_to_one else "not one to one"
        verdicts = f"symmetries {self.symmetries.decision.verdict}, laws {self.laws.decision.verdict}"
        lines = [f"{some}, {ending} (algebra {self.symmetries.name}; {verdicts})"]
        lines += [f"  {law}   <->   {symmetry}" for law, symmetry in self.pairs]
        lines += [f"symmetry without a law in the space: {text}" for text in self.without_law]
        lines += [f"law whose field is no candidate: {text}" for text in self.without_symmetry]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""
        return {
            "pairs": [list(pair) for pair in self.pairs],
            "fields": self.fields,
            "functions": self.functions,
            "residuals": self.residuals,
            "without_law": list(self.without_law),
            "without_symmetry": list(self.without_symmetry),
            "one_to_one": self.one_to_one,
            "symmetries": self.symmetries.to_dict(),
            "laws": self.laws.to_dict(),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Noether:
        """The inverse of `to_dict`."""
        rebuilt = {
            "pairs": tuple((law, symmetry) for law, symmetry in record["pairs"]),
            "without_law": tuple(record["without_law"]),
            "without_symmetry": tuple(record["without_symmetry"]),
            "symmetries": Discovery.from_dict(record["symmetries"]),
            "laws": Laws.from_dict(record["laws"]),
        }
        return cls(**{**{name: value for name, value in record.items() if name != "one_to_one"}, **rebuilt})


def noether(
    hamiltonian: Function,
    candidates: Group | VectorFields,
    samples: Samples,
    functions: Space,
    *,
    phase: PhaseSpace | None = None,
) -> Noether:
    """Match the symmetries of a Hamiltonian system among ``candidates`` with its conserved ``functions``.

    Symmetries are the candidates that leave both the function H and the Poisson tensor J unchanged (`discover`); laws
    are the functions of the space that the flow of H conserves (`conserve`). The two are found apart. Then to each law
    Q belongs its field J DQ, looked for among the symmetries, and to each symmetry X the function with X = J DQ.
    ``phase`` is the canonical form unless given.

    Casimirs of a degenerate tensor are laws whose field is zero; they are listed without a symmetry. So are laws whose
    field the candidates do not contain: give fields whose coefficients hold the derivatives of the functions.

    Raises `IsotropyError` for a form that is none, and for shapes that do not fit.

    Cost: that of `discover` with 1 + m^2 rows a sample, of `conserve`, and two least-squares fits.

    >>> from isotropy import groups, spaces
    >>> names = ("x", "y", "px", "py")
    >>> spring = lambda z: z @ z / 2
    >>> answer = noether(spring, groups.GL(4), Samples.normal(60, 4, seed=0),
    ...                  spaces.Polynomials(4, degree=2, variables=names))
    >>> answer.symmetries.name, len(answer.pairs), answer.one_to_one
    ('so(3)+R', 4, True)
    """
    if not isinstance(functions, Space):
        raise IsotropyError(f"`functions` must be a space of functions. Got {type(functions).__name__}.")
    action = Action.hamiltonian(candidates)
    m = action.base_dimension
    if not m == functions.input_dimension == samples.dimension:
        raise IsotropyError(
            f"candidates, functions and samples must share one phase space. Got R^{m}, R^{functions.input_dimension} "
            f"and R^{samples.dimension}."
        )
    action = action.named(functions.variables)
    points = np.asarray(samples.points, dtype=np.float64)
    phase = PhaseSpace.canonical(m) if phase is None else phase
    phase.check(points)

    def section(x: Array) -> Array:
        return jnp.concatenate([jnp.reshape(hamiltonian(x), (1,)), jnp.ravel(phase.tensor(x))])

    symmetries = discover(section, action, samples)
    laws = conserve(_flow(hamiltonian, phase, points), functions)
    tensors = phase.tensors(points)
    of_functions = np.einsum("pij,pfj->pfi", tensors, functions.gradients(points))
    of_functions = of_functions.transpose(0, 2, 1).reshape(-1, functions.dimension)
    of_laws = of_functions @ laws.coefficients.T
    rows = action.fields(points).transpose(0, 2, 1).reshape(-1, action.dimension)
    found = rows @ symmetries.coefficients.T
    largest = np.abs(laws.coefficients).max(axis=1, initial=0.0)
    error = float((laws.uncertainty.max(axis=1, initial=0.0) / np.where(largest > 0, largest, 1.0)).max(initial=0.0))
    noise = max(symmetries.noise, error)
    terms = np.linalg.norm(np.abs(of_functions) @ np.abs(laws.coefficients.T), axis=0)
    weights, misses = _fit(found, of_laws, terms)
    judged = {"noise": noise, "size": functions.dimension}
    sizes = np.divide(np.linalg.norm(of_laws, axis=0), terms, out=np.zeros_like(terms), where=terms > 0)
    # A field that vanishes is no symmetry: its law is a Casimir.
    matched = [k for k in range(laws.dimension) if not closes(sizes[k], **judged) and closes(misses[k], **judged)]
    left = _fit(of_laws[:, matched], found, np.linalg.norm(found, axis=0))[1]
    fields = weights[:, matched].T @ symmetries.coefficients
    size = np.abs(fields).max(axis=1, keepdims=True, initial=0.0)
    blur = functions.dimension * noise * size
    fields = np.where(np.abs(fields) > blur, fields, 0.0)
    texts = tuple(action.describe(row, noise=float(e[0])) for row, e in zip(fields, blur, strict=True))
    return Noether(
        pairs=tuple((laws.text[k], text) for k, text in zip(matched, texts, strict=True)),
        fields=fields,
        functions=laws.coefficients[matched],
        residuals=misses[matched],
        without_law=tuple(
            text for text, miss in zip(symmetries.generator_text, left, strict=True) if not closes(miss, **judged)
        ),
        without_symmetry=tuple(laws.text[k] for k in range(laws.dimension) if k not in matched),
        symmetries=symmetries,
        laws=laws,
    )


def _flow(hamiltonian: Function, phase: PhaseSpace, points: np.ndarray) -> Trajectories:
    """One sample each of the motions through the points."""
    with jax.enable_x64(True):
        velocities = np.asarray(jax.jit(jax.vmap(phase.field(hamiltonian)))(jnp.asarray(points, jnp.float64)))
    return Trajectories(np.zeros(len(points)), points, id=np.arange(len(points)), velocities=velocities)


def _fit(basis: np.ndarray, targets: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the targets in the columns of the basis, and what is left over as a share of ``scale``."""
    length = np.linalg.norm(basis, axis=0)
    length = np.where(length > 0, length, 1.0)
    weights = np.linalg.lstsq(basis / length, targets, rcond=None)[0] / length[:, None]
    left = np.linalg.norm(basis @ weights - targets, axis=0)
    return weights, np.divide(left, scale, out=np.zeros_like(left), where=scale > 0)
