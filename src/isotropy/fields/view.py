"""The operator of one map between fields: rows DN(u)[L_xi u] - L_xi N(u), made dimensionless.

Source: Otto2025, section 3.4. One Jacobian-vector product for each candidate and field. A unit vector of the
coordinates used here makes the two terms of unit size on the mean over fields, so that a singular value is a relative
defect. How far the rows move under a rougher derivative, and on a coarser grid where there is one, is the
discretisation's own part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.component import Component
from ..geometry.sample import Samples
from ..geometry.section import TRACING
from ..numerics.decide import CONSISTENT, numerical_floor, vanishes
from ..numerics.spectrum import Spectrum, dense, unit_directions
from .grid import Grid

if TYPE_CHECKING:
    from .action import FieldAction


EXACT = "exact"
"""The word for an operator that is no discretisation of another one."""


@dataclass(frozen=True)
class FieldView:
    """One operator, one action, some fields, and the scales that make the rows dimensionless.

    ``before`` and ``after`` (rows, q) are the two terms, weighted; ``others`` are what other discretisations make of
    their difference, and the change from this one. ``sizes`` (q,) are those of the terms, with `increment` before u is
    taken off, which is where rounding comes from. ``seen`` (s, q) are directions of unit action, ``hidden`` (u, q)
    those that move no field.
    """

    fields: FieldAction
    operator: Any
    inputs: np.ndarray
    before: Float[np.ndarray, "rows q"]
    after: Float[np.ndarray, "rows q"]
    others: tuple[tuple[np.ndarray, np.ndarray], ...]
    sizes: Float[np.ndarray, " q"]
    units: Float[np.ndarray, " q"]
    seen: Float[np.ndarray, "s q"]
    hidden: Float[np.ndarray, "u q"]
    dtype: np.dtype

    @classmethod
    def of(
        cls,
        operator: Any,
        fields: FieldAction,
        inputs: Any,
        *,
        refits: Sequence[Any] | None = None,
        averaged: bool = False,
    ) -> FieldView:
        """Take the derivatives. Raises `IsotropyError` for fields that do not fit and operators JAX cannot follow.

        ``refits`` are other estimates of the operator, whose rows take the place of other discretisations'. Where it
        is ``averaged`` over them, so are the derivatives.
        """
        if not fields.dimension:
            raise IsotropyError(
                f"{fields.action} has no generators to find symmetries among: choose a group that moves points "
                f"continuously; its further elements are then tried too."
            )
        inputs = fields.checked(validate.array(inputs, "fields", ndim=None))
        for u in inputs:
            fields.grid.check(u, "fields")
        again = [_terms(fit, fields, inputs) for fit in refits or ()]
        if averaged:
            befores, afters, all_sizes, dtypes = zip(*again, strict=True)
            before, after, sizes = (np.mean(parts, axis=0) for parts in (befores, afters, all_sizes))
            dtype = dtypes[0]
        else:
            before, after, sizes, dtype = _terms(operator, fields, inputs)
        if refits is None:
            again = [_terms(operator, fields, inputs, rough=True)]
        q, k = fields.dimension, len(inputs)
        if k * before.shape[1] < 2 * q:
            raise IsotropyError(f"{k} fields are too few for {q} candidates: take more fields.")
        others = [(_flat(one - other), _flat(one - other) - _flat(before - after)) for one, other, *_ in again]
        if refits is None and callable(fields.coarse):
            others.append(_on_coarser(fields, inputs, before - after))
        units, seen, hidden = unit_directions(np.concatenate([_flat(before), _flat(after)]) / np.sqrt(2), dtype)
        if len(seen) == 0:
            raise IsotropyError("no candidate moves the fields or what the operator makes of them: there is no answer.")
        return cls(
            fields, operator, inputs, _flat(before), _flat(after), tuple(others), sizes, units, seen, hidden, dtype
        )

    @property
    def action(self) -> Action:
        """The candidates as they move the inputs."""
        return self.fields.action

    @property
    def samples(self) -> Samples:
        """Points at which brackets of the candidates are compared."""
        return Samples(self.fields.grid.points)

    @property
    def settings(self) -> dict[str, Any]:
        """What the answer was computed with."""
        return {
            "samples": len(self.inputs),
            "dimension": self.fields.grid.dimension,
            "grid": str(self.fields.grid),
            "increment": self.fields.increment,
            "coarse": callable(self.fields.coarse),
            "dtype": str(self.dtype),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was looked at, and what the discretisation's part was estimated from."""
        how = "a rougher derivative" + (" and a coarser grid" if callable(self.fields.coarse) else "")
        change = " in what the operator changes" if self.fields.increment else ""
        return (f"operator: {len(self.inputs)} fields on {self.fields.grid}; defects{change} compared with {how}",)

    def objection(self, spectrum: Spectrum, *, tolerance: float) -> str:
        """Why no count may be claimed: defects that only the operator's own discretisation could explain away."""
        noise = np.max([np.linalg.norm(change @ spectrum.vectors.T, axis=0) for _, change in self.refits()], axis=0)
        small = (spectrum.values > CONSISTENT * np.maximum(self.floors(spectrum), noise)) & (
            spectrum.values < tolerance
        )
        if self.fields.coarse is not None or not small.any():
            return ""
        return (
            f"{int(small.sum())} more defect(s) are as small as {spectrum.values[small].min():.1e}, which the "
            f"operator's own discretisation may explain: give `coarse`, or say `coarse='exact'`"
        )

    def floors(self, spectrum: Spectrum) -> Float[np.ndarray, " s"]:
        """What rounding leaves of an exact zero, for each singular vector."""
        directions = np.abs(spectrum.vectors @ self.seen)
        count = int(np.sum(self.fields.grid.shape)) + self.fields.dimension
        return np.array([numerical_floor(self.dtype, count, float(size)) for size in directions @ self.sizes])

    def spectrum(self) -> Spectrum:
        """The spectrum of the defects."""
        return dense((self.before - self.after) @ self.seen.T)

    def refits(self) -> list[tuple[Spectrum, Float[np.ndarray, "k s"]]]:
        """For each other discretisation the spectrum, and the change of the rows as an error."""
        return [(dense(rows @ self.seen.T), change @ self.seen.T) for rows, change in self.others]

    def element(self, component: Component, *, tolerance: float, level: float) -> dict[str, Any]:
        """The entries of an `Element`: its relative defect N(K_g u) - K_g N(u), and whether that is zero.

        The error of the defect is that of interpolating there and back, or how far other estimates move it.
        """
        sizes, squares, spread, lost = self.changes(component)
        size = sizes.mean()
        if size == 0:
            return {"defect": 0.0, "kept": True}
        count = int(np.sum(self.fields.grid.shape)) * self.fields.grid.dimension
        # Interpolation that gives a field back to rounding has no error of its own.
        floor = numerical_floor(self.dtype, count, 1.0)
        noise = max(lost, floor, float(np.sqrt(spread / size)))
        defect = float(np.sqrt(squares.mean() / size))
        return {"defect": defect, "kept": vanishes(defect, floor=floor, noise=noise, tolerance=tolerance)}

    def changes(self, component: Component) -> tuple[np.ndarray, np.ndarray, float, float]:
        """For each field the squares of the terms and of the defect of one element; their squared error; what is lost.

        The last is the share of the fields that interpolating there and back loses.
        """
        fields, run = self.fields, self._values()
        sizes, squares, spread, lost = [], [], [], 0.0
        for u in self.inputs:
            moved = fields.move(u, component)
            value, values = run(u)
            there, theres = run(moved)
            back = fields.move(value, component, after=True)
            start = moved if fields.increment else 0.0
            squares.append(np.sum((there - back) ** 2))
            sizes.append((np.sum((back - start) ** 2) + np.sum((there - start) ** 2)) / 2)
            others = [
                one - fields.move(other, component, after=True) - (there - back)
                for other, one in zip(values, theres, strict=True)
            ]
            spread.append(np.mean([np.sum(change**2) for change in others]) if others else 0.0)
            lost += float(np.sum((_there_and_back(fields.grid, u, component) - u) ** 2))
        total = float(np.sum(self.inputs**2))
        return np.array(sizes), np.array(squares), float(np.mean(spread)), np.sqrt(lost / total) if total else 0.0

    def _values(self) -> Callable[[np.ndarray], tuple[np.ndarray, list[np.ndarray]]]:
        """The operator's value at a field, compiled, and those of other estimates: none of one that is known."""
        run = compiled(self.operator, self.dtype)
        return lambda u: (run(u), [])


def _there_and_back(grid: Grid, u: np.ndarray, component: Component) -> np.ndarray:
    """A field interpolated to the moved points, and that back: what interpolation loses."""
    with jax.enable_x64(True):
        theta = jax.vmap(component.theta)
        origin = np.asarray(theta(jnp.zeros((1, grid.dimension))))[0]
        there = np.asarray(theta(jnp.asarray(grid.points)))
    back = np.linalg.solve(component.matrix, (grid.points - origin).T).T
    field = np.asarray(grid.channels(u), dtype=np.float64)
    moved = grid.interpolate(field, there).reshape(field.shape)
    return grid.interpolate(moved, back).reshape(np.shape(u))


def compiled(operator: Any, dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """The operator's value at a field, compiled, in float64."""
    call = jax.jit(lambda u: operator(u))  # Modules with arrays have no hash.

    def run(u: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(call(jnp.asarray(u, dtype)), dtype=np.float64)

    return run


def _terms(
    operator: Any, fields: FieldAction, inputs: np.ndarray, *, rough: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.dtype]:
    """DN(u)[L u] and L N(u), each (k, rows, q), weighted so that squares sum to means over fields and space.

    With them the sizes (q,) of all that was added up, and the precision.
    """
    weights = fields.grid_after.weights / fields.grid_after.weights.sum() / len(inputs)

    @eqx.filter_jit
    def both(u: Array, xi: Array) -> tuple[Array, ...]:
        tangent = fields.lie(u, xi, rough=rough)
        value, along = jax.jvp(operator, (u,), (tangent,))
        fixed = fields.lie(value, xi, after=True, rough=rough)
        return value, along, fixed, tangent

    moved, fixed, dtype = [], [], inputs.dtype
    squares = np.zeros((3, fields.dimension))
    with jax.enable_x64(True):
        for k, u in enumerate(inputs):
            columns = []
            for q, xi in enumerate(np.eye(fields.dimension, dtype=inputs.dtype)):
                try:
                    value, *terms = both(jnp.asarray(u), jnp.asarray(xi))
                except TRACING as reason:
                    raise _refusal(fields, u, reason) from reason
                dtype = np.dtype(value.dtype) if np.finfo(value.dtype).eps > np.finfo(dtype).eps else dtype
                # The motion of the input is taken off both sides, however outputs move: what is left is the change.
                terms = terms if fields.increment else terms[:2]
                rows = [np.asarray(term, np.float64).reshape(len(weights), -1) for term in terms]
                if not all(np.isfinite(part).all() for part in rows):
                    raise IsotropyError(
                        f"the operator gave NaN or infinity, in its value or derivative, at field {k}: leave it out."
                    )
                rows = [(part * np.sqrt(weights)[:, None]).ravel() for part in rows]
                squares[: len(rows), q] += [part @ part for part in rows]
                columns.append([rows[0] - rows[2], rows[1] - rows[2]] if fields.increment else rows)
            moved.append(np.stack([column[0] for column in columns], axis=1))
            fixed.append(np.stack([column[1] for column in columns], axis=1))
    return np.stack(moved), np.stack(fixed), np.sqrt(squares).sum(axis=0), dtype


def _refusal(fields: FieldAction, u: np.ndarray, reason: Exception) -> IsotropyError:
    if isinstance(reason, IsotropyError):
        return reason
    first = str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__
    return IsotropyError(
        f"the operator could not be differentiated by JAX at a field of shape {u.shape}: {first.rstrip('.')}. "
        f"Write it with `jax.numpy` for one field, returning a field on {fields.grid_after}."
    )


def _on_coarser(fields: FieldAction, inputs: np.ndarray, defects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows on a grid with half as many points, and their change from ``defects`` (k, rows, q) brought onto it."""
    from .action import FieldAction

    few = FieldAction(
        fields.grid.coarser(), fields.action, after=fields.after, increment=fields.increment,
        grid_after=None if fields.grid_after is fields.grid else fields.grid_after.coarser(),
    )  # fmt: skip
    before, after, *_ = _terms(fields.coarse, few, np.stack([fields.grid.restrict(u) for u in inputs]))
    where, sparse = fields.grid_after, few.grid_after
    k, _, q = defects.shape
    densities = defects.transpose(0, 2, 1).reshape(k * q, *where.shape, -1) / _shares(where)
    brought = np.stack([where.restrict(d) for d in densities]) * _shares(sparse)
    brought = brought.reshape(k, q, -1).transpose(0, 2, 1)
    return _flat(before - after), _flat(before - after) - _flat(brought)


def _shares(grid: Grid) -> Float[np.ndarray, "*shape 1"]:
    """The square root of each point's share of the volume, the weight of its rows."""
    return np.sqrt(grid.weights / grid.weights.sum()).reshape(*grid.shape, 1)


def _flat(terms: Float[np.ndarray, "k rows q"]) -> Float[np.ndarray, "all q"]:
    return terms.reshape(-1, terms.shape[-1])
