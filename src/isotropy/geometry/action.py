"""Candidate generators as they act on a bundle: base fields X_q(x) and fibre velocities A_q(x) u."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import IsotropyError
from ..groups.algebra import LieAlgebra
from ..groups.group import Group
from ..groups.representation import Representation
from . import wording
from .component import Component, affine_component, affine_map
from .fibre import Linear, Stack, Tensor
from .motion import Affine, Flow, VectorFields, with_still
from .space import Space, default_variables


class Action:
    """How q candidate generators act on functions, vector fields or tensor fields (mathematics: Otto2025, section 3).

    ``Action(V, W)`` takes two representations of one group and acts on functions from V to W; ``Action(G)`` means the
    defining action in (positions, for a group with translations) and the trivial one out. The other kinds have
    constructors of their own: `independent`, `vector_field`, `covector`, `tensor`, `density`.

    ``dimension`` is q, ``base_dimension`` m, ``fibre_shape`` the shape of a value; ``variables`` and ``outputs`` name
    the coordinates; ``algebra`` is the candidates' Lie algebra, or None for fields with coefficients from a space.

    >>> from isotropy import groups
    >>> action = Action(groups.SO(3))
    >>> action.dimension, action.base_dimension
    (3, 3)
    """

    def __init__(self, domain: Group | Representation, codomain: Representation | None = None) -> None:
        if isinstance(domain, Group):
            domain = domain.point
        if not isinstance(domain, Representation):
            raise IsotropyError(
                f"`Action` takes a group or a representation. Got {type(domain).__name__}: pass `groups.SO(3)`, or two "
                f"representations such as `V, W`; for vector fields use `Action.vector_field`."
            )
        group = domain.group
        if isinstance(codomain, Group):
            raise IsotropyError(
                f"the second argument of `Action` is a representation of the same group. Got the group {codomain}: "
                f"to move inputs and outputs by different groups use `Action.independent(a, b)`."
            )
        codomain = group.scalar if codomain is None else codomain
        if codomain.group != group:
            raise IsotropyError(
                f"both representations of an `Action` must be of one group. Got {group} and {codomain.group}: "
                f"use `Action.independent` to move inputs and outputs separately."
            )
        domain, codomain = domain.real(), codomain.real()
        components = tuple(
            affine_component(*parts)
            for parts in zip(
                domain.components(),
                domain.component_offsets(),
                codomain.components(),
                codomain.component_offsets(),
                strict=True,
            )
        )
        self._build(
            Affine(domain.generators(), domain.offsets()),
            Linear(codomain.generators(), codomain.offsets()),
            algebra=group.algebra,
            matrices=group.algebra.matrices,
            components=components,
            text=f"{domain} -> {codomain} of {group}",
            joint=False,
        )
        self.domain, self.codomain, self.group = domain, codomain, group

    def _build(
        self,
        motion: Affine | VectorFields | Flow,
        fibre: Linear | Tensor | Stack,
        *,
        algebra: LieAlgebra | None,
        matrices: np.ndarray | None,
        text: str,
        components: tuple[Component, ...] = (),
        joint: bool = True,
        time: str = "",
    ) -> None:
        self.motion, self.value_motion = motion, fibre
        self.base_dimension = motion.base_dimension
        self.fibre_shape = fibre.shape
        self.fibre_dimension = int(np.prod(fibre.shape, dtype=int))
        self.factor = fibre.factor if isinstance(fibre, Tensor) else None
        self.dimension = motion.dimension + (self.factor.dimension if self.factor else 0)
        self.algebra, self.matrices, self.components, self.text = algebra, matrices, components, text
        self.variables = motion.variables
        self.outputs = wording.output_names(self.fibre_dimension, self.variables)
        self.joint, self.time = joint, time
        self.splits_inputs_from_outputs = False

    @classmethod
    def _make(cls, motion: Affine | VectorFields | Flow, fibre: Linear | Tensor | Stack, **details: Any) -> Action:
        self = cls.__new__(cls)
        self._build(motion, fibre, **details)
        return self

    @classmethod
    def independent(cls, inputs: Group | Representation, outputs: Group | Representation) -> Action:
        """Inputs moved by one group, outputs by another, each on its own: q is the sum of the two dimensions."""
        first = inputs.point if isinstance(inputs, Group) else inputs
        second = outputs.point if isinstance(outputs, Group) else outputs
        a, b = first.real(), second.real()
        qa, qb = len(a.generators()), len(b.generators())
        m, n = a.generators().shape[-1], b.generators().shape[-1]
        motion = Affine(
            np.concatenate([a.generators(), np.zeros((qb, m, m))]),
            np.concatenate([a.offsets(), np.zeros((qb, m))]),
        )
        fibre = Linear(
            np.concatenate([np.zeros((qa, n, n)), b.generators()]),
            np.concatenate([np.zeros((qa, n)), b.offsets()]),
        )
        matrices = _block_diagonal(first.group.algebra.matrices, second.group.algebra.matrices)
        still = (np.eye(m), np.zeros(m)), (np.eye(n), np.zeros(n))
        components = tuple(
            affine_component(g, c, *still[1]) for g, c in zip(a.components(), a.component_offsets(), strict=True)
        ) + tuple(affine_component(*still[0], g, c) for g, c in zip(b.components(), b.component_offsets(), strict=True))
        action = cls._make(
            motion,
            fibre,
            algebra=LieAlgebra(matrices),
            matrices=matrices,
            components=components,
            text=f"{first.group} on the inputs and {second.group} on the outputs",
            joint=False,
        )
        action.splits_inputs_from_outputs = True
        return action

    @classmethod
    def affine(cls, motion: Affine, fibre: Linear, *, text: str = "affine fields") -> Action:
        """Generators given one by one, as they move points and values: any list, closed under the bracket or not."""
        if motion.dimension != len(fibre.matrices):
            raise IsotropyError(
                f"every generator moves points and values. Got {motion.dimension} motions of points and "
                f"{len(fibre.matrices)} of values."
            )
        return cls._make(motion, fibre, algebra=None, matrices=None, text=text, joint=False)

    @classmethod
    def points(cls, candidates: Group | VectorFields) -> Action:
        """Candidates moving the points of R^m alone, as for the symmetries of a set: there are no values."""
        motion, algebra, matrices, components, name = _base(candidates)
        q = motion.dimension
        parts = tuple(affine_component(matrix, offset, np.zeros((0, 0)), np.zeros(0)) for matrix, offset in components)
        return cls._make(
            motion,
            Linear(np.zeros((q, 0, 0))),
            algebra=algebra,
            matrices=matrices,
            components=parts,
            text=f"{name} on points",
        )

    @classmethod
    def vector_field(cls, candidates: Group | VectorFields, *, time: bool = False) -> Action:
        """Candidates acting on vector fields, such as the right-hand side of an autonomous ODE.

        With ``time`` one more candidate follows, the dilation ``t ∂t`` of time: a symmetry X + b t ∂t takes solutions
        of x' = V(x) to solutions run at another speed, [X, V] = -b V for the bracket DV X - DX V (convention C1). Its
        matrices are block diagonal, the candidate's own and b.

        >>> from isotropy import groups
        >>> Action.vector_field(groups.GL(2), time=True).dimension
        5
        """
        if not time:
            return cls.tensor(candidates, upper=1)
        motion, algebra, matrices, components, name = _base(candidates)
        motion = with_still(motion)
        matrices = None if matrices is None else _block_diagonal(matrices, np.ones((1, 1, 1)))
        algebra = None if matrices is None else LieAlgebra(matrices)
        fibre = Tensor(motion, upper=1, lower=0, time=True)
        parts = tuple(_moved(fibre, matrix, offset) for matrix, offset in components)
        text = f"{name} and t ∂t on vector fields"
        return cls._make(
            motion,
            fibre,
            algebra=algebra,
            matrices=matrices,
            components=parts,
            text=text,
            time=wording.clock(motion.variables),
        )

    @classmethod
    def hamiltonian(cls, candidates: Group | VectorFields) -> Action:
        """Candidates acting on a function H and a Poisson tensor J together: values are H, then the entries of J."""
        motion, algebra, matrices, _, name = _base(candidates)
        fibre = Stack([Tensor(motion, upper=0, lower=0), Tensor(motion, upper=2, lower=0)])
        return cls._make(motion, fibre, algebra=algebra, matrices=matrices, text=f"{name} on Hamiltonian systems")

    @classmethod
    def flow(
        cls, field: Any, variables: Sequence[str] | int, *, upper: int = 0, lower: int = 0, weight: float = 0.0
    ) -> Action:
        """One candidate, the flow of x' = field(x) itself, acting on functions or on tensor fields.

        What it leaves unchanged, `enforce` finds: conserved functions; with ``lower=2`` invariant forms and metrics;
        with ``weight=1`` invariant densities. ``field`` is a JAX function of one point, ``variables`` the names of its
        coordinates, or their number.
        """
        names = default_variables(variables) if isinstance(variables, int) else tuple(variables)
        motion = Flow(field, names)
        fibre = Tensor(motion, upper=upper, lower=lower, weight=weight)
        return cls._make(motion, fibre, algebra=None, matrices=None, text="the flow of a vector field")

    @classmethod
    def covector(cls, candidates: Group | VectorFields) -> Action:
        """Candidates acting on covector fields (one-forms)."""
        return cls.tensor(candidates, lower=1)

    @classmethod
    def density(cls, candidates: Group | VectorFields, *, weight: float = 1.0) -> Action:
        """Candidates acting on densities: L rho = D rho X + weight * div X rho."""
        return cls.tensor(candidates, weight=weight)

    @classmethod
    def tensor(
        cls,
        candidates: Group | VectorFields,
        *,
        upper: int = 0,
        lower: int = 0,
        weight: float = 0.0,
        factor: Space | None = None,
    ) -> Action:
        """Candidates acting on tensor fields with ``upper`` and ``lower`` indices; a metric has ``lower=2``.

        With ``factor``, a space of functions phi, the candidates are pairs (X, phi) and a zero of the Lie derivative
        means L_X F = phi F: conformal symmetry for a metric.
        """
        motion, algebra, matrices, components, name = _base(candidates)
        fibre = Tensor(motion, upper=upper, lower=lower, weight=weight, factor=factor)
        parts = tuple(_moved(fibre, matrix, offset) for matrix, offset in components)
        if factor is not None:
            algebra, matrices = None, None
        kind = f"tensors ({upper}, {lower})" + (f" of weight {weight:g}" if weight else "")
        return cls._make(motion, fibre, algebra=algebra, matrices=matrices, components=parts, text=f"{name} on {kind}")

    def element(
        self,
        matrix: np.ndarray,
        offset: np.ndarray | None = None,
        values: np.ndarray | None = None,
        *,
        time: float = 1.0,
    ) -> Component:
        """The group element ``x -> matrix x + offset``, ``t -> time t`` as it moves points and values.

        Tensors follow the matrix, velocities the time too, values that no candidate moves stay, and outputs of the
        same kind as the inputs move with them; otherwise ``values`` says how they move, or `IsotropyError` is raised.
        """
        offset = np.zeros(len(matrix)) if offset is None else offset
        if time != 1.0 and not self.time:
            raise IsotropyError(f"{self} does not move time: use `Action.vector_field(candidates, time=True)`.")
        if values is not None:
            return affine_component(matrix, offset, values, np.zeros(len(values)))
        if isinstance(self.value_motion, Tensor):
            return _moved(self.value_motion, matrix, offset, time)
        values_move = self.value_motion
        if isinstance(values_move, Linear) and not (values_move.matrices.any() or values_move.offsets.any()):
            still = np.eye(self.fibre_dimension)
            return affine_component(matrix, offset, still, np.zeros(len(still)))
        same = getattr(self, "domain", None) is not None and self.domain == self.codomain
        if same:
            return affine_component(matrix, offset, matrix, offset)
        raise IsotropyError(
            f"{self} does not say how an element moves its values: pass pairs (matrix for the inputs, "
            f"({self.fibre_dimension}, {self.fibre_dimension}) matrix for the outputs)."
        )

    def named(self, variables: tuple[str, ...] | list[str], outputs: tuple[str, ...] | list[str] = ()) -> Action:
        """The same action with names for its coordinates, and for its outputs where given."""
        if len(variables) != self.base_dimension or (outputs and len(outputs) != self.fibre_dimension):
            raise IsotropyError(
                f"this action moves {self.base_dimension} inputs and {self.fibre_dimension} outputs. "
                f"Got {len(variables)} and {len(outputs)} names."
            )
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(self.__dict__)
        copy.variables = tuple(variables)
        copy.outputs = tuple(outputs) or self.outputs
        if isinstance(self.motion, Affine):
            copy.motion = Affine(self.motion.matrices, self.motion.offsets, variables=copy.variables)
        copy.time = wording.clock(copy.variables) if self.time else ""
        return copy

    def base(self, x: Float[Array, " m"]) -> Float[Array, "q m"]:
        """The velocities X_q(x) of one point."""
        fields = self.motion(x)
        if self.factor is None:
            return fields
        return jnp.concatenate([fields, jnp.zeros((self.factor.dimension, self.base_dimension), fields.dtype)])

    def fibre(self, x: Float[Array, " m"], value: Float[Array, " ..."]) -> Float[Array, "q ..."]:
        """The velocities A_q(x) u of one value of shape ``fibre_shape``."""
        return self.value_motion(x, value)

    def fields(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p q m"]:
        """The velocities X_q(x_p) of many points, in float64 on the host."""
        if isinstance(self.motion, Affine):
            points = np.asarray(points, dtype=np.float64)
            return np.einsum("qij,pj->pqi", self.motion.matrices, points) + self.motion.offsets
        with jax.enable_x64(True):
            return np.asarray(jax.jit(jax.vmap(self.base))(jnp.asarray(points, jnp.float64)))

    def fibre_matrices(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p q n n"]:
        """The matrices A_q(x_p) on flattened values, in float64 on the host."""
        n = self.fibre_dimension
        if isinstance(self.value_motion, Linear):
            if np.any(self.value_motion.offsets):
                raise IsotropyError(
                    "a space of functions into positions is not linear under translations: "
                    "use `vector` for the outputs."
                )
            return np.broadcast_to(self.value_motion.matrices, (len(points), self.dimension, n, n))
        known = self.value_motion.constant() if isinstance(self.value_motion, Tensor) else None
        if known is not None:
            return np.broadcast_to(known, (len(points), self.dimension, n, n))

        def at(x: Array) -> Array:
            columns = [
                self.fibre(x, unit.reshape(self.fibre_shape)).reshape(-1, n) for unit in jnp.eye(n, dtype=x.dtype)
            ]
            return jnp.stack(columns, axis=-1)

        with jax.enable_x64(True):
            return np.asarray(jax.jit(jax.vmap(at))(jnp.asarray(points, jnp.float64)))

    def terms(self, coefficients: Float[np.ndarray, " q"]) -> wording.Terms:
        """One generator in parts: for each coordinate it moves, coefficients and the functions they multiply.

        The outputs are listed where they move on their own; a conformal ``factor`` and time come last.
        """
        return wording.terms(self, coefficients)

    def describe(self, coefficients: Float[np.ndarray, " q"], *, noise: Any = None) -> str:
        """One generator in words, for example ``x ∂y − y ∂x``; the motion of the outputs follows where it is its own.

        ``noise`` is the error of a coefficient, one number or one for each: numbers within it of a small fraction are
        written as such.
        """
        return wording.describe(self, coefficients, noise)

    def upright(self, coefficients: Float[np.ndarray, " q"]) -> Float[np.ndarray, " q"]:
        """The generator or its negative, whichever reads better: more terms positive, then the first function's.

        Of the two rotations of the plane this is ``x ∂y − y ∂x``, counter-clockwise.
        """
        return wording.upright(self, coefficients)

    def generators(self, coefficients: Float[np.ndarray, "d q"]) -> np.ndarray:
        """Generators as arrays: the group's matrices (d, N, N), or coefficient tables (d, m, f) for `VectorFields`.

        For `Action.affine` these are the motions of the points, (d, m, m + 1). Tables leave out the dilation of time:
        its coefficients are the last of ``coefficients``.
        """
        coefficients = np.asarray(coefficients, dtype=np.float64)
        if self.matrices is not None:
            return np.tensordot(coefficients, self.matrices, 1)
        if isinstance(self.motion, Affine):
            table = np.concatenate([self.motion.matrices, self.motion.offsets[:, :, None]], axis=2)
            return np.tensordot(coefficients, table, 1)
        count = self.motion.dimension - bool(self.time)
        return coefficients[:, :count].reshape(len(coefficients), self.base_dimension, count // self.base_dimension)

    def __repr__(self) -> str:
        return f"Action({self.text})"


def _base(candidates: Group | VectorFields) -> tuple[Any, Any, Any, list[tuple[np.ndarray, np.ndarray]], str]:
    if isinstance(candidates, VectorFields):
        return candidates, None, None, [], f"fields with coefficients in {candidates.space}"
    if not isinstance(candidates, Group):
        raise IsotropyError(f"candidates must be a group or `VectorFields(space)`. Got {type(candidates).__name__}.")
    point = candidates.point.real()
    components = list(zip(point.components(), point.component_offsets(), strict=True))
    motion = Affine(point.generators(), point.offsets())
    return motion, candidates.algebra, candidates.algebra.matrices, components, str(candidates)


def _moved(fibre: Tensor, matrix: np.ndarray, offset: np.ndarray, time: float = 1.0) -> Component:
    """The element ``x -> matrix x + offset``, ``t -> time t`` as it moves tensors; time divides velocities."""
    untheta = fibre.transformation(np.linalg.inv(matrix), np.zeros(len(matrix)))
    if time == 1.0:
        return Component(affine_map(matrix, offset), untheta, matrix)
    return Component(affine_map(matrix, offset), lambda value: untheta(value) * time, matrix, time)


def _block_diagonal(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray:
    a = np.zeros((0, 0, 0)) if first is None else first
    b = np.zeros((0, 0, 0)) if second is None else second
    still, before, after = (0, 0), (0, b.shape[-1]), (a.shape[-1], 0)
    return np.concatenate([np.pad(a, (still, before, before)), np.pad(b, (still, after, after))])
