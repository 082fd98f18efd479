"""Motions as data: times, states and, given or estimated, velocities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from .. import validate
from ..errors import IsotropyError, IsotropyWarning
from ..geometry.data import Data
from ..geometry.space import Space
from . import velocity

if TYPE_CHECKING:
    from ..geometry.estimate import Estimate
    from ..geometry.space import Space
    from .rates import How

SEVERAL = 3
"""Motions from which on they can be compared with one another."""


@dataclass(frozen=True)
class Record:
    """What was measured, sorted by motion and time: times (p,), states (p, m) and the motion (p,) of each row.

    With ``positions`` the states are the first half of those of the trajectories, and the rest are their derivatives.
    """

    times: Float[np.ndarray, " p"]
    states: Float[np.ndarray, "p m"]
    index: Int[np.ndarray, " p"]
    positions: bool = False


class Trajectories:
    """States of one or several motions of the same system, sampled at times.

    ``t`` (p,) are the times, ``Z`` (p, m) the states, ``id`` (p,) labels that say which motion each row belongs to
    (one motion when absent). Rows may come in any order; they are sorted by motion, in order of appearance, and time.
    ``velocities`` (p, m) are dZ/dt. When absent they are estimated motion by motion with a spline
    (`isotropy.dynamics.velocity` says which and how wrong), and the rows nearest to each end or gap, where a
    derivative is least sure, are left out. ``record`` keeps all rows as they were measured, for methods that take no
    derivative; it is None where velocities were given. Where positions alone were measured and laws involve
    velocities too, use `Trajectories.from_positions`.

    Raises `IsotropyError` for shapes that disagree, NaN, repeated times, or motions too short to differentiate.

    >>> import numpy as np
    >>> t = np.linspace(0, 6, 60)
    >>> motion = Trajectories(t, np.stack([np.cos(t), -np.sin(t)], axis=1))
    >>> print(motion)
    1 trajectory, 52 samples of 2 coordinates, velocities estimated by interpolating splines of degree 7
    """

    times: Float[np.ndarray, " p"]
    states: Float[np.ndarray, "p m"]
    velocities: Float[np.ndarray, "p m"]
    velocity_errors: Float[np.ndarray, "p m"]
    index: Int[np.ndarray, " p"]
    labels: tuple[Any, ...]
    source: str
    record: Record | None

    def __init__(self, t: Any, Z: Any, *, id: Any = None, velocities: Any = None) -> None:
        states = validate.array(Z, "Z", ndim=2).astype(np.float64)
        times = validate.array(t, "t", shape=(len(states),)).astype(np.float64)
        self.labels, index = _labels(id, len(states))
        order = np.lexsort((times, index))
        times, states, index = times[order], states[order], index[order]
        if velocities is not None:
            given = validate.array(velocities, "velocities", shape=states.shape).astype(np.float64)[order]
            errors = np.zeros_like(given)
            self.source, self.record = "velocities given", None
        else:
            _refuse_repeats(times, index, self.labels)
            self.record = Record(times, states, index)
            estimate = velocity.estimate(times, states, index, self.labels)
            if estimate.dropped:
                warnings.warn(
                    f"{estimate.dropped} samples stand in stretches too short to differentiate (fewer than "
                    f"{velocity.SHORTEST} between gaps) and are left out: pass `velocities=` to keep them.",
                    IsotropyWarning,
                    stacklevel=2,
                )
            keep = estimate.kept
            times, states, index = times[keep], states[keep], index[keep]
            given, errors = estimate.velocities, estimate.errors
            self.source = f"velocities estimated by {estimate.method}"
        present, index = np.unique(index, return_inverse=True)
        self.labels = tuple(self.labels[k] for k in present)
        self.times, self.states, self.index = times, states, index
        self.velocities, self.velocity_errors = given, errors
        record = () if self.record is None else (self.record.times, self.record.states, self.record.index)
        for array in (self.times, self.states, self.index, self.velocities, self.velocity_errors, *record):
            array.setflags(write=False)

    @classmethod
    def from_positions(cls, t: Any, X: Any, *, id: Any = None) -> Trajectories:
        """Motions of which the positions ``X`` (p, m) alone were measured; a state is a position and its velocity.

        Both velocities and accelerations are estimated; `conserve` estimates its own where there is noise.

        >>> t = np.linspace(0, 6, 80)
        >>> print(Trajectories.from_positions(t, np.cos(t)[:, None]))
        1 trajectory, 64 samples of 2 coordinates, velocities estimated by interpolating splines of degree 7, from \
positions
        """
        first = cls(t, X, id=id)
        assert first.record is not None
        states = np.concatenate([first.states, first.velocities], axis=1)
        labels = np.asarray(first.labels, dtype=object)[first.index]
        second = cls(first.times, states, id=None if first.labels == (None,) else labels)
        second.record = Record(first.record.times, first.record.states, first.record.index, positions=True)
        second.source += ", from positions"
        return second

    @classmethod
    def from_field(cls, field: Callable[[np.ndarray], Any], points: Any) -> Trajectories:
        """One sample each of p motions that pass through ``points`` (p, m) with velocities ``field(point)``.

        The field is a NumPy or JAX function of one point of shape (m,). Functions kept by the field are sought
        directly, without integrating it; nothing is said about where the motions go.
        """
        points = validate.array(points, "points", ndim=2).astype(np.float64)
        velocities = np.stack([np.asarray(field(point), dtype=np.float64) for point in points])
        if velocities.shape != points.shape:
            raise IsotropyError(
                f"`field` must return a velocity of shape {points.shape[1:]} at each point. "
                f"Got shape {velocities.shape[1:]}."
            )
        return cls(np.zeros(len(points)), points, id=np.arange(len(points)), velocities=velocities)

    def fit(self, space: Space, *, how: How = "weak") -> Estimate:
        """The equation of these motions, with values in the span of ``space`` and an error for `discover` to judge.

        ``how="weak"`` fits dz/dt = F(z) to integrals against smooth windows, which takes no derivative of noisy data;
        ``"derivative"`` to slopes of splines; ``"map"`` fits z(t + step) = F(z(t)). The states must be as measured,
        without ``velocities``. Noise on both sides of the equation is taken into account and whole motions are left
        out in turn (`isotropy.dynamics.rates`).

        >>> t = np.linspace(0, 6, 60)
        >>> motion = Trajectories(t, np.stack([np.cos(t), -np.sin(t)], axis=1))
        >>> from isotropy.geometry.polynomial import Polynomials
        >>> print(np.round(motion.fit(Polynomials(2, degree=1)).coefficients, 4) + 0.0)
        [[ 0.  0.]
         [ 0. -1.]
         [ 1.  0.]]
        """
        if self.record is None or self.record.positions:
            raise IsotropyError(
                "An equation is fitted to states as they were measured: pass whole states, and no `velocities`."
            )
        from .rates import fit

        return fit(self.record, space, how=how)

    @property
    def count(self) -> int:
        """How many motions there are."""
        return len(self.labels)

    @property
    def noisy(self) -> bool:
        """Whether there are several motions, so noisy that velocities had to be smoothed, or of positions alone."""
        if self.record is None or self.count < SEVERAL:
            return False
        return self.record.positions or "smoothing" in self.source

    @property
    def dimension(self) -> int:
        """The number m of coordinates of a state."""
        return self.states.shape[1]

    def data(self, space: Space | None = None, *, variables: Sequence[str] | None = None) -> Data:
        """States and their velocities as `Data`: the vector field z' = V(z) fitted in ``space``, for `discover`.

        ``iso.discover(motions.data(), iso.Action.vector_field(...))`` then finds the symmetries of the motions. The
        error of estimated velocities is judged by how well they fit, not separately.
        """
        return Data(self.states, self.velocities, space=space, variables=variables)

    def clocks(self) -> Float[np.ndarray, " p"]:
        """The time that the motion of each row takes to move by the spread of all the states.

        One number per motion (root mean square over its rows), so that slow motions count as much as fast ones.
        Infinite for a motion that stands still.
        """
        spread = self.states.std(axis=0)
        moving = spread > np.finfo(np.float64).eps * len(self.states) * np.abs(self.states).max(axis=0)
        if not moving.any():
            # A single state: only the velocity can set a scale.
            spread, moving = np.sqrt((self.states**2).mean(axis=0)), np.ones(self.dimension, dtype=bool)
            spread[spread == 0] = 1.0
        squares = (self.velocities[:, moving] / spread[moving]) ** 2
        sums = np.bincount(self.index, squares.mean(axis=1), self.count)
        with np.errstate(divide="ignore"):
            return (1 / np.sqrt(sums / np.bincount(self.index, minlength=self.count)))[self.index]

    def __len__(self) -> int:
        return len(self.states)

    def __str__(self) -> str:
        name = "trajectory" if self.count == 1 else "trajectories"
        return f"{self.count} {name}, {len(self)} samples of {self.dimension} coordinates, {self.source}"

    def __repr__(self) -> str:
        return f"Trajectories({self})"


def _labels(labels: Any, count: int) -> tuple[tuple[Any, ...], np.ndarray]:
    """The different labels in order of appearance, and the place of each row's label among them."""
    if labels is None:
        return (None,), np.zeros(count, dtype=np.int64)
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise IsotropyError(f"`id` must have one label for each of the {count} rows of Z. Got shape {labels.shape}.")
    rows = labels.tolist()
    missing = next((k for k, label in enumerate(rows) if label is None or label != label), None)
    if missing is not None:
        raise IsotropyError(
            f"`id` has no label in row {missing} (got {rows[missing]!r}): name the motion of every row."
        )
    places: dict[Any, int] = {}
    index = np.array([places.setdefault(label, len(places)) for label in rows], dtype=np.int64)
    return tuple(places), index


def _refuse_repeats(times: np.ndarray, index: np.ndarray, labels: tuple[Any, ...]) -> None:
    repeated = np.flatnonzero((np.diff(times) == 0) & (np.diff(index) == 0))
    if len(repeated):
        first = repeated[0]
        where = "" if labels == (None,) else f" of motion {labels[index[first]]!r}"
        raise IsotropyError(
            f"`t` repeats {len(repeated)} time(s), the first {times[first]:g}{where}: average or remove the repeated "
            f"rows, tell several motions apart with `id=`, or pass `velocities=`."
        )
