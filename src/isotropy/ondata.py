"""The operator of a trained model on its own data: what keeps to them is judged there, the rest is set apart.

A model was shown its inputs alone. Where these lie on a set of lower dimension, its derivative across the set is an
accident of training. A candidate that moves the data along themselves is judged, by the derivative along the set; one
that takes them elsewhere asks for values that nobody taught, and is neither kept nor broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .errors import IsotropyError
from .geometry.action import Action
from .geometry.cloud import BLOCKS
from .geometry.fibre import Linear
from .geometry.sample import Samples
from .geometry.section import value_shape
from .geometry.trained import Trained
from .numerics.decide import CONSISTENT, numerical_floor
from .numerics.spectrum import dense, unit_directions

LARGEST = 2000
"""Examples at which the model is looked at: more make bounds no tighter than their tolerance."""

BATCH = 256
"""Examples whose derivatives are held at once."""


class Judged(Protocol):
    """What `discover` reads of a known operator on a sample of the places where it may be asked.

    ``rows`` (p, n, t), one block a place, belong to the ``seen`` (t, q) directions of unit action; ``hidden`` (u, q)
    move nothing and ``leaving`` (l, q) take the data where the model was not trained. ``units`` (q,) are the scales of
    the candidates' coefficients, ``floor`` is what rounding leaves of a zero. Nothing is claimed where ``objection``
    says why not.
    """

    @property
    def action(self) -> Action: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def units(self) -> Float[np.ndarray, " q"]: ...
    @property
    def rows(self) -> Float[np.ndarray, "p n t"]: ...
    @property
    def seen(self) -> Float[np.ndarray, "t q"]: ...
    @property
    def hidden(self) -> Float[np.ndarray, "u q"]: ...
    @property
    def leaving(self) -> Float[np.ndarray, "l q"]: ...
    @property
    def floor(self) -> float: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...
    @property
    def objection(self) -> str: ...


@dataclass(frozen=True)
class OnData:
    """A trained model, candidates, and rows of their operator on the data, as `Judged` has them."""

    trained: Trained
    action: Action
    samples: Samples
    units: Float[np.ndarray, " q"]
    rows: Float[np.ndarray, "p n t"]
    seen: Float[np.ndarray, "t q"]
    hidden: Float[np.ndarray, "u q"]
    leaving: Float[np.ndarray, "l q"]
    floor: float

    @classmethod
    def of(cls, trained: Trained, action: Action, *, tolerance: float) -> OnData:
        """Look at the model on its data. Motions within ``tolerance`` of the data's tangents keep to the data."""
        m = trained.samples.dimension
        if m != action.base_dimension:
            raise IsotropyError(
                f"the inputs are {m} numbers, but {action} acts on R^{action.base_dimension}: choose candidates for "
                f"{m} inputs."
            )
        _, dtype = value_shape(trained.section, action, np.float64)
        if trained.variables is not None:
            action = action.named(trained.variables)
        points, tangents, changes = _tangents(trained)
        samples = Samples(points)
        _, jacobian, fields, fibre = _looks(trained.section, action, points)
        if not jacobian.any() and isinstance(action.value_motion, Linear):
            raise IsotropyError(
                "`model` does not depend on its inputs at the data, so every candidate leaves it unchanged: check that "
                "the function uses its argument."
            )
        along = fields if tangents is None else np.einsum("pij,pqj->pqi", tangents, fields)
        moved = np.einsum("pni,pqi->pnq", jacobian, along)
        # F is measured by its terms before they cancel: those of an invariant function always do.
        terms = np.einsum("pni,pqi->pnq", np.abs(jacobian), np.abs(along)) + np.abs(fibre.transpose(0, 2, 1))
        sizes = np.sqrt(np.mean(terms**2, axis=(0, 2)))
        row_scale = 1 / np.where(sizes > 0, sizes, 1.0)
        length = np.sqrt((points**2).mean(axis=0))
        length = np.where(length > 0, length, 1.0)
        both = np.concatenate([fields / length, fibre * row_scale], axis=2)
        flat = both.transpose(0, 2, 1).reshape(-1, action.dimension) / np.sqrt(len(points))
        units, seen, hidden = unit_directions(flat, dtype)
        if len(seen) == 0:
            raise IsotropyError("no candidate moves the data: they are fixed by all of them, or there are none.")
        leaving = np.zeros((0, action.dimension))
        if tangents is not None:
            across = _across(fields, tangents, length) @ seen.T
            moves = [_across(fields, other, length) @ seen.T - across for other in changes]
            astray = dense(across)
            noise = [np.sum((move @ astray.vectors.T) ** 2, axis=0) for move in moves] or [np.zeros(len(seen))]
            stays = astray.values <= np.maximum(CONSISTENT * np.sqrt((BLOCKS - 1) * np.mean(noise, axis=0)), tolerance)
            leaving, seen = astray.vectors[~stays] @ seen, astray.vectors[stays] @ seen
        operator = (moved - fibre.transpose(0, 2, 1)) * row_scale[:, None]
        floor = numerical_floor(dtype, m + action.fibre_dimension + action.dimension, np.sqrt(action.fibre_dimension))
        return cls(trained, action, samples, units, operator @ seen.T, seen, hidden, leaving, floor)

    @property
    def settings(self) -> dict[str, Any]:
        """What the answer was computed with."""
        return {"samples": len(self.samples), "dimension": self.samples.dimension, "dtype": "float64"}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was looked at."""
        return (f"trained model: {self.trained.describe()}",)

    @property
    def objection(self) -> str:
        """Why nothing may be claimed: nothing speaks against it, since motions that leave the data are set apart."""
        return ""


def _across(fields: np.ndarray, tangents: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The parts of fields across the set, as rows of the same scale as the motion."""
    part = (fields - np.einsum("pij,pqj->pqi", tangents, fields)) / length
    return part.transpose(0, 2, 1).reshape(-1, fields.shape[1]) / np.sqrt(len(fields))


def _tangents(trained: Trained) -> tuple[np.ndarray, np.ndarray | None, list[np.ndarray]]:
    """Where to look, the projections on the tangent spaces of the data there (None for all), and those of refits."""
    points = np.asarray(trained.samples.points, dtype=np.float64)
    origin, axes = trained.hull
    support = trained.support
    if support is None:
        chosen = np.unique(np.linspace(0, len(points) - 1, LARGEST).astype(int))
        if len(axes) == points.shape[1]:
            return points[chosen], None, []
        plane = np.broadcast_to(axes.T @ axes, (len(chosen), points.shape[1], points.shape[1]))
        return points[chosen], plane, []
    eye = np.eye(len(axes))
    found = [
        np.einsum("ri,prs,sj->pij", axes, eye - surface.projectors, axes, optimize=True)
        for surface in (support.surface, *support.refits)
    ]
    return origin + support.base @ axes, found[0], found[1:]


def _looks(model: Any, action: Action, points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Values (p, n), derivatives (p, n, m), velocities of points (p, q, m) and of values (p, q, n)."""
    with jax.enable_x64(True):
        parts = _evaluate(model, action, jnp.asarray(points))
    parts = tuple(np.asarray(part, dtype=np.float64) for part in parts)
    for part in parts[:2]:
        bad = ~np.isfinite(part.reshape(len(part), -1)).all(axis=1)
        if bad.any():
            raise IsotropyError(
                f"`model` gave NaN or infinity, in its value or its derivative, at example {int(np.argmax(bad))} of "
                f"those looked at: leave such examples out."
            )
    return parts


@eqx.filter_jit
def _evaluate(model: Any, action: Action, points: Any) -> tuple[Any, ...]:
    transform = jax.jacrev if action.fibre_dimension < action.base_dimension else jax.jacfwd

    def at(x: Any) -> tuple[Any, ...]:
        flat = lambda z: jnp.ravel(model(z))  # noqa: E731
        value = flat(x)
        fibre = action.fibre(x, value.reshape(action.fibre_shape)).reshape(action.dimension, action.fibre_dimension)
        return value, transform(flat)(x), action.base(x), fibre

    return jax.lax.map(at, points, batch_size=BATCH)
