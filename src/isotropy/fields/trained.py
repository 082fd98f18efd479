"""A trained operator between fields, judged on fields like those that it was trained on and along motions that keep so.

A network was shown some fields alone. A motion that makes others of them, such as a rotation of fields on a periodic
box, asks for values that nobody taught: it is set apart, neither kept nor broken. So are all where the fields asked
about are of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from .. import validate
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.component import Component
from ..geometry.sample import Samples
from ..geometry.trained import Trained
from ..numerics.decide import numerical_floor
from ..numerics.spectrum import unit_directions
from .action import FieldAction
from .typical import MOST, Typical, columns
from .view import FieldView

LARGEST = 128
"""Training fields at which an operator is looked at."""

REACH = 0.5
"""How far fields are moved to see where that takes them, as a share of their size."""

STEPS = 32
"""Steps in that."""


@dataclass(frozen=True)
class TrainedFields:
    """A trained operator on fields, as `discover` reads it (`ondata.Judged`): ``rows`` have one block a field.

    ``leaving`` directions make fields that the operator was not trained on, and ``strange`` counts the fields asked
    about that look unlike those.
    """

    trained: Trained
    view: FieldView
    typical: Typical
    rows: Float[np.ndarray, "k rows t"]
    seen: Float[np.ndarray, "t q"]
    hidden: Float[np.ndarray, "u q"]
    leaving: Float[np.ndarray, "l q"]
    strange: int

    @classmethod
    def of(cls, trained: Trained, fields: FieldAction, asked: Any = None) -> TrainedFields:
        """Look at the operator on fields like its training fields, or on ``asked`` (k, *shape, n) instead."""
        shapes = trained.section.shapes
        if len(shapes) != 1:
            raise IsotropyError(f"a trained operator takes one array of fields. Got a tree of {len(shapes)}.")
        known = fields.checked(np.asarray(trained.samples.points).reshape(-1, *shapes[0]))
        typical = Typical.of(fields.grid, known)
        chosen = np.unique(np.linspace(0, len(known) - 1, LARGEST).astype(int))
        inputs = known[chosen] if asked is None else fields.checked(validate.array(asked, "fields", ndim=None))
        strange = 0 if asked is None else int((~typical.like(inputs)).sum())
        view = FieldView.of(partial(_operator, trained, fields), fields, inputs, refits=())
        stays = np.ones(fields.dimension, bool)
        if not _mostly(strange, len(inputs)):
            stays = _staying(fields, typical, inputs)
        rows, seen, hidden, leaving = _split(view, stays)
        return cls(trained, view, typical, rows, seen, hidden, leaving, strange)

    @property
    def action(self) -> Action:
        """The candidates as they move the inputs."""
        return self.view.action

    @property
    def samples(self) -> Samples:
        """Points at which brackets of the candidates are compared."""
        return self.view.samples

    @property
    def units(self) -> Float[np.ndarray, " q"]:
        """The scales of the candidates' coefficients."""
        return self.view.units

    @cached_property
    def floor(self) -> float:
        """What rounding leaves of a zero."""
        count = int(np.sum(self.view.fields.grid.shape)) + self.action.dimension
        size = np.abs(self.seen) @ self.view.sizes
        return numerical_floor(self.view.dtype, count, float(size.max(initial=0.0)))

    @property
    def settings(self) -> dict[str, Any]:
        """What the answer was computed with."""
        return self.view.settings

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was looked at."""
        fields, known = self.view.fields, len(self.trained.samples)
        change = ", in what it changes" if fields.increment else ""
        return (
            f"trained operator: {known} training fields on {fields.grid}, judged on {len(self.view.inputs)}{change}",
        )

    @property
    def objection(self) -> str:
        """Why nothing may be claimed: the fields asked about are not of the kind that the operator was trained on."""
        count = len(self.view.inputs)
        if not _mostly(self.strange, count):
            return ""
        return (
            f"{self.strange} of the {count} fields asked about are unlike those that the model was trained on, where "
            f"its values say nothing of what it learnt: ask about fields such as those, or train on these"
        )

    def element(self, component: Component, *, tolerance: float, level: float) -> dict[str, Any]:
        """The entries of an `Element`: kept where its mean defect over such fields is bounded below ``tolerance``.

        Neither kept nor refused where it makes fields that the operator was not trained on.
        """
        fields = self.view.fields
        moved = np.stack([fields.move(u, component) for u in self.view.inputs])
        if self.typical.like(moved).mean() < MOST:
            return {"defect": None, "kept": None, "reason": "makes fields that the model was not trained on"}
        sizes, squares, _, lost = self.view.changes(component)
        size = sizes.mean()
        if size == 0:
            return {"defect": 0.0, "kept": True}
        mean, count = squares.mean() / size, len(squares)
        away = stats.t.ppf(1 - level / 2, count - 1) * squares.std(ddof=1) / np.sqrt(count) / size
        upper = max(float(np.sqrt(mean + away)) + lost, self.floor)
        lower = float(np.sqrt(max(mean - away, 0.0))) - lost
        kept = True if upper <= tolerance else False if lower > tolerance else None
        reason = f"between {max(lower, 0.0):.1e} and {upper:.1e} over such fields, with a confidence of {1 - level:.0%}"
        return {"defect": float(np.sqrt(mean)), "kept": kept, "bound": upper, "reason": reason}


def _mostly(strange: int, count: int) -> bool:
    return strange > (1 - MOST) * count


def _operator(trained: Trained, fields: FieldAction, u: Any) -> Any:
    value = trained.section(jnp.ravel(u))
    places = len(fields.grid_after.points)
    if value.size % places:
        raise IsotropyError(
            f"the model answers with {value.size} numbers, which is no field on {fields.grid_after}: say where its "
            f"answers live with `grid_after`."
        )
    return value.reshape(*fields.grid_after.shape, -1)


@lru_cache(maxsize=8)
def _followed(fields: FieldAction) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """L_xi of a batch, and exp(time L_xi), compiled once for all operators that are asked about."""
    import diffrax  # slow to import, and of use here alone

    def speed(_: Any, u: Any, direction: Any) -> Any:
        return jax.vmap(lambda one: fields.lie(one, direction))(u)

    def flow(u: Any, direction: Any, time: Any) -> Any:
        """In steps of one length: motions that blow up are seen by what they make."""
        term, most = diffrax.ODETerm(speed), 2 * STEPS
        solution = diffrax.diffeqsolve(
            term, diffrax.Tsit5(), 0.0, time, time / STEPS, u, direction, max_steps=most, throw=False
        )
        assert solution.ys is not None
        return solution.ys[0]

    return jax.jit(partial(speed, 0.0)), jax.jit(flow)


def _staying(fields: FieldAction, typical: Typical, inputs: np.ndarray) -> Bool[np.ndarray, " q"]:
    """Which candidates, followed either way, leave most fields such as the operator was trained on."""
    speed, flow = _followed(fields)
    size = columns(fields.grid, inputs).std(axis=(0, 1))
    found = []
    with jax.enable_x64(True):
        batch = jnp.asarray(inputs, jnp.float64)
        for direction in jnp.eye(fields.dimension):
            rate = np.sqrt(np.mean(columns(fields.grid, np.asarray(speed(batch, direction))) ** 2, axis=(0, 1)))
            # The channel that moves fastest, in units of its own size; what never moved may not begin to.
            ratio = float(np.max(rate[size > 0] / size[size > 0], initial=0.0))
            if ratio == 0.0 or (rate[size == 0] > 0).any():
                found.append(not rate.any())
                continue
            ends = [np.asarray(flow(batch, direction, way * REACH / ratio)) for way in (1, -1)]
            found.append(np.mean([typical.like(end) for end in ends]) >= MOST)
    return np.array(found, dtype=bool)


def _split(view: FieldView, stays: Bool[np.ndarray, " q"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, and the directions seen, hidden and leaving, where only the candidates in ``stays`` are judged."""
    seen, hidden = (np.zeros((0, len(stays))) for _ in range(2))
    eye = np.eye(len(stays))
    if stays.any():
        terms = np.concatenate([view.before, view.after])[:, stays] / np.sqrt(2)
        _, *inside = unit_directions(terms, view.dtype)
        seen, hidden = (part @ eye[stays] for part in inside)
    k = len(view.inputs)
    rows = (view.before - view.after) @ seen.T * np.sqrt(k)
    return rows.reshape(k, len(view.before) // k, len(seen)), seen, hidden, eye[~stays]
