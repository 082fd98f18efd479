"""Phase spaces: a symplectic form, or a Poisson tensor, and what it makes of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..numerics.decide import closes, decide, numerical_floor

LOOKED_AT = 64
"""Points at which a tensor given as a function is checked: an identity of tensors fails at almost every point."""

Function = Callable[[Array], Array]


class PhaseSpace:
    """R^m with a Poisson tensor J(x): the bracket ``{F, G} = DF J DG^T`` and the fields ``X_Q = J DQ^T``.

    Where J is invertible it comes from a symplectic form, ``omega(u, w) = u^T W w`` with ``J = (W^T)^{-1}``, and X_Q is
    the field with ``i_X omega = dQ``; so q' = ∂H/∂p, p' = -∂H/∂q and dF/dt = {F, H} for ``omega = sum dq ∧ dp``. Fields
    bracket to minus the field of the bracket (convention C3): [X_F, X_G] = -X_{F, G} for [X, Y] = DY X - DX Y.

    Make one with `canonical`, `symplectic` or `poisson`.

    >>> plane = PhaseSpace.canonical(2)
    >>> print(plane.field(lambda z: (z @ z) / 2)(jnp.array([1.0, 2.0])))
    [ 2. -1.]
    """

    def __init__(self, tensor: Function, dimension: int, *, text: str) -> None:
        self.tensor, self.dimension, self.text = tensor, dimension, text

    @classmethod
    def canonical(cls, dimension: int) -> PhaseSpace:
        """Positions first, then as many momenta: the form sum dq_i ∧ dp_i on R^dimension."""
        if isinstance(dimension, bool) or not isinstance(dimension, int | np.integer) or dimension < 2 or dimension % 2:
            raise IsotropyError(
                f"canonical coordinates are positions and as many momenta, an even number. Got {dimension!r}: give the "
                f"form or the Poisson tensor itself, `PhaseSpace.symplectic(W)` or `PhaseSpace.poisson(J)`."
            )
        half = int(dimension) // 2
        matrix = np.block([[np.zeros((half, half)), np.eye(half)], [-np.eye(half), np.zeros((half, half))]])
        return cls(_constant(matrix), int(dimension), text="the canonical form")

    @classmethod
    def symplectic(cls, form: Any, dimension: int | None = None) -> PhaseSpace:
        """The phase space of a symplectic form: an antisymmetric matrix W, or a JAX function x -> W(x) on R^dimension.

        Raises `IsotropyError` where W is degenerate; a function is checked when samples are known.
        """
        if callable(form):
            inverse = lambda x: -jnp.linalg.inv(jnp.asarray(form(x)))  # noqa: E731
            return cls(inverse, _given(dimension), text="a symplectic form")
        matrix = _antisymmetric(form, "form")
        values = np.linalg.svd(matrix, compute_uv=False)
        rank = decide(values, floor=numerical_floor(np.float64, len(matrix), values.max(initial=0.0)))
        if rank.nullity:
            raise IsotropyError(
                f"`form` is degenerate: its rank is {len(matrix) - rank.nullity} of {len(matrix)}, so it is not "
                f"symplectic; a Poisson tensor may be degenerate, `PhaseSpace.poisson(J)`."
            )
        return cls(_constant(-np.linalg.inv(matrix)), len(matrix), text="a constant symplectic form")

    @classmethod
    def poisson(cls, tensor: Any, dimension: int | None = None) -> PhaseSpace:
        """The phase space of a Poisson tensor: an antisymmetric matrix J, or a JAX function x -> J(x) on R^dimension.

        It may be degenerate: then some functions, its Casimirs, commute with all.
        """
        if callable(tensor):
            return cls(lambda x: jnp.asarray(tensor(x)), _given(dimension), text="a Poisson tensor")
        matrix = _antisymmetric(tensor, "tensor")
        return cls(_constant(matrix), len(matrix), text="a constant Poisson tensor")

    def field(self, function: Function) -> Function:
        """The Hamiltonian vector field x -> J(x) DQ(x)^T of a scalar JAX function Q."""
        return lambda x: self.tensor(x) @ jax.grad(lambda z: jnp.reshape(function(z), ()))(x)

    def bracket(self, first: Function, second: Function) -> Function:
        """The Poisson bracket {F, G} as a function."""
        return lambda x: jax.grad(lambda z: jnp.reshape(first(z), ()))(x) @ self.field(second)(x)

    def tensors(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p m m"]:
        """J at p points, in float64 on the host."""
        with jax.enable_x64(True):
            return np.asarray(jax.jit(jax.vmap(self.tensor))(jnp.asarray(points, jnp.float64)))

    def check(self, points: Float[np.ndarray, "p m"]) -> None:
        """Raise `IsotropyError` unless J is finite, antisymmetric and satisfies the Jacobi identity at the points."""
        if points.shape[1] != self.dimension:
            raise IsotropyError(
                f"the points are in R^{points.shape[1]}, but the phase space is R^{self.dimension}: give both as many "
                f"coordinates."
            )
        few = points[np.unique(np.linspace(0, len(points) - 1, LOOKED_AT).astype(int))]
        m = self.dimension
        with jax.enable_x64(True):
            z = jnp.asarray(few, jnp.float64)
            shape = jax.eval_shape(self.tensor, z[0]).shape
            if shape != (m, m):
                raise IsotropyError(f"the form or tensor must have shape ({m}, {m}) at a point. Got {shape}.")
            values, slopes = jax.jit(lambda z: (jax.vmap(self.tensor)(z), jax.vmap(jax.jacfwd(self.tensor))(z)))(z)
        values, slopes = np.asarray(values), np.asarray(slopes)
        if not np.isfinite(values).all() or not np.isfinite(slopes).all():
            raise IsotropyError("the form or tensor gave NaN or infinity, or is degenerate, at one of the points.")
        if not closes(_relative(values + values.transpose(0, 2, 1), values), noise=0.0, size=m):
            raise IsotropyError("the form or tensor must be antisymmetric at every point.")
        turned = np.einsum("pil,pjkl->pijk", values, slopes)
        cyclic = turned + turned.transpose(0, 2, 3, 1) + turned.transpose(0, 3, 1, 2)
        if not closes(_relative(cyclic, turned), noise=0.0, size=m**2):
            raise IsotropyError(
                "the Jacobi identity fails: the form is not closed, or the tensor is not Poisson, so it defines no "
                "bracket; check its entries."
            )

    def __repr__(self) -> str:
        return f"PhaseSpace(R^{self.dimension}, {self.text})"


def on_shell(
    function: Function, level: float, points: Float[np.ndarray, "p m"], *, steps: int = 50
) -> Float[np.ndarray, "p m"]:
    """The points moved to the level set ``function(x) = level``, by Newton's method along the gradient.

    Points that do not arrive within ``steps`` are left out. Raises `IsotropyError` if that is more than half of them.
    """
    points = validate.array(points, "points", ndim=2).astype(np.float64)

    def step(x: Array, _: Any) -> tuple[Array, None]:
        value, slope = jax.value_and_grad(lambda z: jnp.reshape(function(z), ()))(x)
        return x - (value - level) * slope / (slope @ slope), None

    def land(x: Array) -> tuple[Array, Array, Array]:
        last = jax.lax.scan(step, x, None, length=steps)[0]
        value, slope = jax.value_and_grad(lambda z: jnp.reshape(function(z), ()))(last)
        return last, jnp.abs(value - level), jnp.abs(slope) @ jnp.abs(last) + jnp.abs(level)

    with jax.enable_x64(True):
        moved, miss, scale = (np.asarray(part) for part in jax.jit(jax.vmap(land))(jnp.asarray(points)))
    arrived = np.isfinite(moved).all(axis=1)
    arrived &= miss <= numerical_floor(np.float64, points.shape[1], 1.0) * np.where(np.isfinite(scale), scale, 0.0)
    if 2 * arrived.sum() < len(points):
        raise IsotropyError(
            f"{int(arrived.sum())} of {len(points)} points reach the level {level:g} of the function: check that it "
            f"takes this value, or start closer."
        )
    return moved[arrived]


def _relative(left: np.ndarray, terms: np.ndarray) -> float:
    scale = float(np.abs(terms).max(initial=0.0))
    return float(np.abs(left).max(initial=0.0)) / scale if scale > 0 else 0.0


def _constant(matrix: np.ndarray) -> Function:
    return lambda x: jnp.asarray(matrix, x.dtype)


def _given(dimension: int | None) -> int:
    if dimension is None:
        raise IsotropyError("a form given as a function needs `dimension`, the number of its coordinates.")
    return int(dimension)


def _antisymmetric(matrix: Any, name: str) -> np.ndarray:
    values = validate.array(matrix, name, ndim=2).astype(np.float64)
    if values.shape[0] != values.shape[1] or not np.array_equal(values, -values.T):
        raise IsotropyError(f"`{name}` must be an antisymmetric square matrix. Got shape {values.shape}.")
    return values
