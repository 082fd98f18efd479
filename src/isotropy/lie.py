"""The one operator: L(xi, F)(x) = DF(x) X_xi(x) - A_xi(x) F(x), bilinear in the generator and the section.

Conventions C1, C2 and C4 (Otto2025, sections 3 and 4). Rows are (sample, fibre coordinate); columns are generators when
F is given (`rows`), dictionary features when a space of sections is (`of_space`), or both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Float, Int

from .errors import IsotropyError
from .geometry.action import Action
from .geometry.component import affine_parts, linear_part
from .geometry.motion import Affine
from .geometry.network import Mean
from .geometry.polynomial import Polynomials
from .geometry.sample import Samples
from .geometry.section import value_shape
from .geometry.space import Space
from .geometry.substitution import pullback_matrix

Mode = Literal["forward", "reverse", "generators"]

BATCH_BYTES = 2**26
"""Memory that one batch of rows and derivatives may take by default (64 MiB)."""

REVERSE_COST = 1.5
"""Cost of one reverse sweep against one forward sweep, from the operation counts of automatic differentiation."""


class Look(NamedTuple):
    """What is seen at b points: rows of the operator, values of F, its derivatives, and what moves points and values.

    ``slopes`` has no columns where derivatives are taken along the generators alone.
    """

    rows: Float[np.ndarray, "b n q"]
    values: Float[np.ndarray, "b n"]
    slopes: Float[np.ndarray, "b n m"]
    fields: Float[np.ndarray, "b q m"]
    fibre: Float[np.ndarray, "b q n"]


@dataclass(frozen=True)
class LieDerivative:
    """The operator ``xi -> L(xi, model)`` on samples, ready to be read in batches.

    Each block has shape (batch * n, q) with rows multiplied by the square root of the sample's weight; ``mode`` is how
    derivatives are taken: over coordinates (forward), outputs (reverse) or generators (one Jacobian-vector product
    each), whichever costs least.
    """

    model: Any
    action: Action
    samples: Samples
    mode: Mode
    batch_size: int
    dtype: Any

    @classmethod
    def of(
        cls, model: Any, action: Action, samples: Samples, *, mode: Mode | None = None, batch_size: int | None = None
    ) -> LieDerivative:
        """Check the model against the action and choose mode and batch size.

        Raises `IsotropyError` for samples of another dimension and for models that the action does not act on.
        """
        if samples.dimension != action.base_dimension:
            raise IsotropyError(
                f"the samples are points of R^{samples.dimension}, but {action} acts on R^{action.base_dimension}: "
                f"choose candidates for {samples.dimension} inputs, or samples with {action.base_dimension} columns."
            )
        _, dtype = value_shape(model, action, samples.points.dtype)
        n, m, q = action.fibre_dimension, action.base_dimension, action.dimension
        if mode is None:
            costs: dict[Mode, float] = {"forward": m, "reverse": REVERSE_COST * n, "generators": q}
            mode = min(costs, key=lambda name: costs[name])
        if batch_size is not None and (
            isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1
        ):
            raise IsotropyError(f"`batch_size` must be a positive integer. Got {batch_size!r}.")
        if batch_size is None:
            per_point = 8 * (n * (m + q) + q * m + q * n + m)
            batch_size = int(np.clip(BATCH_BYTES // per_point, 16, 65536))
        coarse = np.promote_types(np.float16, dtype)
        precision = samples.points.dtype if np.finfo(samples.points.dtype).eps > np.finfo(coarse).eps else coarse
        return cls(model, action, samples, mode, min(batch_size, len(samples)), np.dtype(precision))

    def blocks(self) -> Iterator[Float[np.ndarray, "rows q"]]:
        """The rows, batch by batch, as float64 on the host. Raises at the first sample that gives NaN or infinity."""
        for start, look in self._looks():
            yield self._weigh(look.rows, start)

    def magnitudes(self, *, count: int) -> tuple[Float[np.ndarray, "p n q"], Float[np.ndarray, "p n q"]]:
        """Sizes of the terms of the rows before they cancel, |DF| |X| and |A F|, on ``count`` samples spread evenly."""
        chosen = np.unique(np.linspace(0, len(self.samples) - 1, count).astype(int))
        look = self._look(chosen)
        moved = np.abs(self._slopes(look, chosen)) @ np.abs(look.fields).transpose(0, 2, 1)
        return moved, np.abs(look.fibre).transpose(0, 2, 1)

    def values(self) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Batches of (first sample, base fields (b, q, m), values (b, n), fibre velocities (b, q, n))."""
        for start, look in self._looks():
            yield start, look.fields, look.values, look.fibre

    def sensitivity(self, chosen: Int[np.ndarray, " s"]) -> Float[np.ndarray, "s n"]:
        """|F| + |DF| |x| at some of the samples: what rounding of F and of x is relative to."""
        look = self._look(chosen)
        points = np.abs(np.asarray(self.samples.points[chosen], dtype=np.float64))
        return np.abs(look.values) + np.einsum("pnm,pm->pn", np.abs(self._slopes(look, chosen)), points)

    def subset(self, chosen: Int[np.ndarray, " s"]) -> LieDerivative:
        """The same operator on some of the samples; what has been looked at is kept."""
        few = replace(self, samples=Samples(self.samples.points[chosen], self.samples.weights[chosen]))
        if self._fits:
            few.__dict__["_once"] = self._look(chosen)
        return few

    @property
    def _fits(self) -> bool:
        """Whether all samples are one batch, which is looked at once."""
        return "_once" in self.__dict__ or len(self.samples) <= self.batch_size

    @cached_property
    def _once(self) -> Look:
        return self._seen(np.arange(len(self.samples)))

    def _looks(self) -> Iterator[tuple[int, Look]]:
        for start in range(0, len(self.samples), self.batch_size):
            yield start, self._look(np.arange(start, min(start + self.batch_size, len(self.samples))))

    def _look(self, chosen: Int[np.ndarray, " b"]) -> Look:
        """What is seen at one batch of samples, or fewer."""
        return Look(*(part[chosen] for part in self._once)) if self._fits else self._seen(chosen)

    def _seen(self, chosen: Int[np.ndarray, " b"]) -> Look:
        # Batches are filled up to one size, for which alone the model is compiled.
        points = self.samples.points[np.pad(chosen, (0, max(self.batch_size - len(chosen), 0)), mode="edge")]
        parts = self.model.members if isinstance(self.model, Mean) else (self.model,)
        with jax.enable_x64(True):
            looks = [_look_at(part, self.action, self.mode, jnp.asarray(points)) for part in parts]
        # All that is seen of a function is linear in it, so that a mean of many compiles as one of them does.
        every = [[np.asarray(x, dtype=np.float64)[: len(chosen)] for x in same] for same in zip(*looks, strict=True)]
        means = [np.mean(same, axis=0) if len(same) > 1 else same[0] for same in every]
        for part in means:
            self._finite(part, chosen)
        return Look(*means)

    def _slopes(self, look: Look, chosen: Int[np.ndarray, " b"]) -> Float[np.ndarray, "b n m"]:
        """The derivatives of F, which are formed for the occasion where generators are fewer than coordinates."""
        if self.mode != "generators":
            return look.slopes
        with jax.enable_x64(True):
            slopes = _slopes(self.model, self.action, jnp.asarray(self.samples.points[chosen]))
        slopes = np.asarray(slopes, dtype=np.float64)
        self._finite(slopes, chosen)
        return slopes

    def _finite(self, part: np.ndarray, samples: np.ndarray) -> None:
        bad = ~np.isfinite(part.reshape(len(part), -1)).all(axis=1)
        if bad.any():
            where = int(samples[np.argmax(bad)])
            point = np.array2string(np.asarray(self.samples.points[where]), precision=4, threshold=8)
            raise IsotropyError(
                f"`model` gave NaN or infinity, in its value or its derivative, at sample {where} (x = {point}): "
                f"leave such points out of the samples, or write the function so that JAX can differentiate it there."
            )

    def _weigh(self, derivative: np.ndarray, start: int) -> np.ndarray:
        weights = np.sqrt(self.samples.weights[start : start + len(derivative)])
        return (derivative * weights[:, None, None]).reshape(-1, self.action.dimension)


def _flat(model: Any, x: Array) -> Array:
    return jnp.ravel(model(x))


def _jacobian(model: Any, x: Array, mode: Mode) -> Array:
    transform = jax.jacrev if mode == "reverse" else jax.jacfwd
    return transform(partial(_flat, model))(x)


def derivative_at(model: Any, action: Action, mode: Mode, x: Float[Array, " m"]) -> Float[Array, "n q"]:
    """L(xi_q, model) at one point, one column a generator. Traceable by JAX."""
    fields = action.base(x)
    value = _flat(model, x)
    if mode == "generators":
        moved = jax.vmap(lambda v: jax.jvp(partial(_flat, model), (x,), (v,))[1], out_axes=1)(fields)
    else:
        moved = _jacobian(model, x, mode) @ fields.T
    fibre = action.fibre(x, value.reshape(action.fibre_shape)).reshape(action.dimension, action.fibre_dimension)
    return moved - fibre.T


@eqx.filter_jit
def _look_at(model: Any, action: Action, mode: Mode, points: Float[Array, "b m"]) -> tuple[Array, ...]:
    def at(x: Array) -> tuple[Array, ...]:
        value, fields = _flat(model, x), action.base(x)
        fibre = action.fibre(x, value.reshape(action.fibre_shape)).reshape(action.dimension, action.fibre_dimension)
        slopes = jnp.zeros((len(value), 0), value.dtype) if mode == "generators" else _jacobian(model, x, mode)
        return derivative_at(model, action, mode, x), value, slopes, fields, fibre

    return jax.vmap(at)(points)


@eqx.filter_jit
def _slopes(model: Any, action: Action, points: Float[Array, "b m"]) -> Array:
    mode: Mode = "reverse" if action.fibre_dimension * REVERSE_COST < action.base_dimension else "forward"
    return jax.vmap(partial(_jacobian, model, mode=mode))(points)


def of_space(action: Action, space: Space, samples: Samples) -> Float[np.ndarray, "p n q f n"]:
    """L(xi_q, phi_f e_o) at the samples, for sections whose fibre coordinates lie in ``space``; float64 on the host.

    Axes: sample, fibre coordinate of the row, generator, feature, fibre coordinate of the feature. Linear in both the
    generator and the section, so enforcing, discovering and promoting all read this one array.
    """
    _same_dimension(action, space, samples)
    moved, fixed = terms_of_space(action, space, np.asarray(samples.points, dtype=np.float64))
    return moved - fixed


def terms_of_space(
    action: Action,
    space: Space,
    points: Float[np.ndarray, "p m"],
    *,
    directions: Float[np.ndarray, "s q"] | None = None,
    outputs: Float[np.ndarray, "r n"] | None = None,
) -> tuple[Float[np.ndarray, "p n s f r"], Float[np.ndarray, "p n s f r"]]:
    """The two terms of `of_space` before they are subtracted: D(phi_f e_o) X_q and A_q phi_f e_o.

    ``directions`` combine the candidates and ``outputs`` the unit vectors e_o; all of both by default.
    """
    outputs = np.eye(action.fibre_dimension) if outputs is None else outputs
    moved, values, matrices = factors_of_space(action, space, points, directions=directions)
    fixed = np.einsum("pf,psno,ro->pnsfr", values, matrices, outputs, optimize=True)
    return np.einsum("psf,rn->pnsfr", moved, outputs), fixed


def factors_of_space(
    action: Action,
    space: Space,
    points: Float[np.ndarray, "p m"],
    *,
    directions: Float[np.ndarray, "s q"] | None = None,
) -> tuple[Float[np.ndarray, "p s f"], Float[np.ndarray, "p f"], Float[np.ndarray, "p s n n"]]:
    """What the terms of `terms_of_space` are products of: D phi_f X_q, phi_f and A_q."""
    fields, matrices = action.fields(points), action.fibre_matrices(points)
    if directions is not None:
        fields = np.einsum("sq,pqi->psi", directions, fields, optimize=True)
        matrices = np.einsum("sq,pqno->psno", directions, matrices, optimize=True)
    gradients = space.gradients(points)
    moved = np.matmul(fields, gradients.transpose(0, 2, 1))
    return moved, space.values(points), matrices


def components_of_space(action: Action, space: Space, samples: Samples) -> Float[np.ndarray, "p n g f n"]:
    """(K_g - 1)(phi_f e_o) at the samples for every component representative g of the action (convention C1)."""
    _same_dimension(action, space, samples)
    points = np.asarray(samples.points, dtype=np.float64)
    n = action.fibre_dimension
    values = space.values(points)
    out = np.zeros((len(points), n, len(action.components), space.dimension, n))
    with jax.enable_x64(True):
        for k, component in enumerate(action.components):
            moved = space.values(np.asarray(jax.vmap(component.theta)(jnp.asarray(points))))
            back = linear_part(component, action.fibre_shape)
            out[:, :, k] = np.einsum("pf,no->pnfo", moved, back) - np.einsum("pf,no->pnfo", values, np.eye(n))
    return out


def _same_dimension(action: Action, space: Space, samples: Samples) -> None:
    if not action.base_dimension == space.input_dimension == samples.dimension:
        raise IsotropyError(
            f"action, space and samples must share one base. Got R^{action.base_dimension}, "
            f"R^{space.input_dimension} and R^{samples.dimension}."
        )


def of_polynomials(action: Action, space: Polynomials) -> list[scipy.sparse.csr_array]:
    """L(xi_q, .) and then K_g - 1, each one sparse matrix on the coefficients (f, n) of polynomial sections, flattened.

    For affine motions of the base, which keep degrees or lower them; the fibre must move by constant matrices. Rows are
    (monomial of any degree up to that of ``space``, fibre coordinate). No samples are involved and integers stay
    integers.
    """
    if not isinstance(action.motion, Affine) or action.factor is not None:
        raise IsotropyError(f"polynomials are kept by affine motions alone. Got {action}: use `of_space`.")
    m, n = action.base_dimension, action.fibre_dimension
    whole = Polynomials(m, degree=space.degree)
    inside = whole.index(space.exponents)
    embedding = scipy.sparse.csr_array(
        (np.ones(space.dimension), (inside, np.arange(space.dimension))), shape=(whole.dimension, space.dimension)
    )
    eye = scipy.sparse.csr_array(scipy.sparse.eye_array(n))
    result: list[scipy.sparse.csr_array] = []
    matrices = action.fibre_matrices(np.zeros((1, m)))[0]
    for linear, offset, fibre in zip(action.motion.matrices, action.motion.offsets, matrices, strict=True):
        moved = scipy.sparse.csr_array(whole.lie_matrix(linear, offset)[inside].T)
        result.append(_kron(moved, eye) - _kron(embedding, scipy.sparse.csr_array(fibre)))
    for component in action.components:
        offset = affine_parts(component.theta, (m,))[1]
        pulled = pullback_matrix(space, component.matrix, offset)
        back = scipy.sparse.csr_array(linear_part(component, action.fibre_shape))
        result.append(_kron(pulled.T, back) - _kron(embedding, eye))
    return [scipy.sparse.csr_array(matrix) for matrix in result]


def _kron(left: Any, right: Any) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(scipy.sparse.kron(left, right, format="csr"))
