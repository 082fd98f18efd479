"""Which elements of a finite list a model keeps: K_g F = F for one g at a time (convention C1).

Source: Otto2025, section 3.1: a section is symmetric under all of a group iff it is under the connected part and under
one element of each further component.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Float

from . import validate
from .certified import Bounds, LeastSquares, bounds_of_element
from .errors import IsotropyError
from .geometry.action import Action
from .geometry.cloud import BLOCKS, Cloud
from .geometry.component import Component, linear_part
from .geometry.data import Data
from .geometry.network import Mean
from .normalised import SIZES, Normalised, View
from .numerics.decide import CONSISTENT, TOLERANCE, holds, numerical_floor, vanishes
from .numerics.readable import format_combination
from .results.discovery import Element
from .tangency import Tangency

SIGNED = "signed permutations"
"""The word that asks for the search over all of them."""

LARGEST_SEARCH = 4
"""Coordinates up to which all signed permutations are tried: 384 of them in four."""

LARGEST_FIT = 400
"""Parameters of a fit up to which elements are certified: each costs a decomposition of as many columns."""

LOOKED_AT = 512
"""Samples on which elements are tried: one element has no small parts that only many samples would see."""

APART = 3.0
"""Spacings of a cloud within which its moved points must find it, for the moved set to be the same."""


def find(
    view: Normalised | Tangency | View,
    components: Any,
    *,
    data: Data | None = None,
    refits: Sequence[Callable[[Any], Any]] = (),
    objection: str = "",
    tolerance: float = TOLERANCE,
    level: float = 0.05,
) -> tuple[Element, ...]:
    """The elements of ``components`` as records of whether the model of ``view`` is unchanged by each.

    ``components`` is None for the action's own representatives, ``"signed permutations"`` for a search, which answers
    with generators of the group found and with what could not be told, or a list: matrices (m, m), homogeneous ones
    (m+1, m+1), or pairs of what moves inputs and what moves outputs. Where the action moves time too, the last entry
    of a homogeneous matrix is its factor, -1 for a reversal of time, and the search tries both signs. ``data`` are the
    pairs that the model was fitted to: then ``level`` is the chance to keep any element whose true defect exceeds
    ``tolerance``, all of those tried taken together. ``refits``, for other fits, are models whose distance from that of
    ``view`` is a standard error. Nothing is kept where there is an ``objection`` to the fit.
    """
    action = view.action
    search = isinstance(components, str)
    if search and components != SIGNED:
        raise IsotropyError(f"`components` is a list of matrices or {SIGNED!r}. Got {components!r}.")
    if components is None:
        candidates = list(action.components)
        pairs: list[tuple[Any, Any]] = [(None, None)] * len(candidates)
    else:
        pairs = [_pair(entry) for entry in (_searched(action) if search else components)]
        candidates = [_component(action, *pair, k) for k, pair in enumerate(pairs)]
    if not candidates:
        return ()
    trial: Callable[[Component], dict[str, Any]]
    if isinstance(view, Normalised):
        trial = _Section(view, data, refits, tolerance=tolerance, level=level, count=len(candidates))
    elif isinstance(view, Tangency):
        trial = _Set(view.cloud, tolerance)
    else:
        trial = partial(view.element, tolerance=tolerance, level=level / len(candidates))
    records = []
    for component, (_, values) in zip(candidates, pairs, strict=True):
        matrix = _homogeneous(component, action.base_dimension, whole=bool(action.time))
        words = _words(matrix, action.variables, action.time)
        if values is None and action.splits_inputs_from_outputs:
            values = np.linalg.inv(linear_part(component, action.fibre_shape))
        if values is not None:
            # Two elements may differ in what they do to the values alone.
            words += ", " + _words(np.asarray(values, dtype=np.float64), action.outputs)
        record = Element(matrix, words, **trial(component))
        if record.kept and objection:
            record = replace(record, kept=None, reason=objection)
        records.append(record)
    return generating(records) if search else tuple(records)


def signed_permutations(m: int) -> Iterator[Float[np.ndarray, "m m"]]:
    """All matrices with one entry +1 or -1 in each row and column, but for the identity; simplest first."""
    if m > LARGEST_SEARCH:
        raise IsotropyError(
            f"the search over signed permutations is for up to {LARGEST_SEARCH} coordinates. Got {m}: pass a list of "
            f"the elements to try."
        )
    eye = np.eye(m)
    every = [
        eye[list(order)] * np.array(signs)[:, None]
        for order in itertools.permutations(range(m))
        for signs in itertools.product((1.0, -1.0), repeat=m)
    ]
    every.sort(key=lambda matrix: (int((matrix != eye).any(axis=1).sum()), -matrix.trace()))
    return iter(every[1:])


def _searched(action: Action) -> Iterator[np.ndarray]:
    """Signed permutations, each with time running forwards and backwards where the action moves time."""
    m = action.base_dimension
    yield from signed_permutations(m)
    if action.time:
        for matrix in itertools.chain([np.eye(m)], signed_permutations(m)):
            yield np.asarray(sla.block_diag(matrix, -1.0))


def generating(records: Sequence[Element]) -> tuple[Element, ...]:
    """Those kept that generate all that are kept, simplest first, and then those that could not be told."""
    chosen: list[Element] = []
    group: set[bytes] = set()
    for record in records:
        if record.kept and _key(record.matrix) not in group:
            chosen.append(record)
            group = _generated([element.matrix for element in chosen])
    for record in tuple(reversed(chosen)):
        others = [element.matrix for element in chosen if element is not record]
        if others and len(_generated(others)) == len(group):
            chosen = [element for element in chosen if element is not record]
    return (*chosen, *(record for record in records if record.kept is None))


def _generated(matrices: Sequence[np.ndarray]) -> set[bytes]:
    identity = np.eye(len(matrices[0]))
    group, fresh = {_key(identity)}, [identity]
    while fresh:
        products = [element @ matrix for element in fresh for matrix in matrices]
        fresh = []
        for product in products:
            if _key(product) not in group:
                group.add(_key(product))
                fresh.append(product)
    return group


def _key(matrix: np.ndarray) -> bytes:
    return np.round(matrix).astype(np.int8).tobytes()


class _Section:
    """How far K_g F is from F, as a share of the difference between unrelated points."""

    def __init__(
        self,
        view: Normalised,
        data: Data | None,
        refits: Sequence[Callable[[Any], Any]],
        *,
        tolerance: float,
        level: float,
        count: int,
    ) -> None:
        samples = view.samples
        chosen = np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).astype(int))
        self.points, self.weights = samples.points[chosen], np.sqrt(samples.weights[chosen])
        self.weights = self.weights / np.linalg.norm(self.weights)
        refits = refits if data is None else data.refits
        self.models, self.action, self.dtype = [view.operator.model, *refits], view.action, view.operator.dtype
        self.here = [_values(model, self.points, self.action.fibre_shape) for model in self.models]
        self.other = np.random.default_rng(0).permutation(len(chosen))
        few = chosen[:: max(len(chosen) // SIZES, 1)]
        self.size = np.sqrt(np.mean(view.operator.sensitivity(few) ** 2, axis=0))
        self.terms = self.action.base_dimension + self.action.fibre_dimension
        self.data, self.tolerance, self.level, self.count = data, tolerance, level, count
        self.stretch, self.reach = (1.0, CONSISTENT) if data is None else (data.stretch, data.reach)

    def __call__(self, component: Component) -> dict[str, Any]:
        """The entries of an `Element`: the defect, or None where the model has no value, and what became of it."""
        points = self._moved(component)
        changes = [
            self._pulled(model, component, points) - here for model, here in zip(self.models, self.here, strict=True)
        ]
        if not all(np.isfinite(change).all() for change in changes):
            return {"defect": None, "kept": None, "reason": "the model has no value at the points moved"}
        first = self.here[0]
        unrelated = changes[0] + first - first[self.other]
        scale = np.linalg.norm(unrelated * self.weights[:, None], axis=0)
        scale = np.where(scale > 0, scale, 1.0) * np.sqrt(first.shape[1])
        defect = float(np.linalg.norm(changes[0] * self.weights[:, None] / scale))
        floor = numerical_floor(self.dtype, self.terms, float(np.linalg.norm(self.size / scale)))
        if len(self.models) == 1:
            kept = vanishes(defect, floor=floor)
            return {"defect": defect, "kept": kept, "reason": _exactly(defect, floor, kept)}
        moves = [np.linalg.norm((change - changes[0]) * self.weights[:, None] / scale) for change in changes[1:]]
        moved = float(np.mean(np.square(moves))) * self.stretch**2
        bounds = self._bounds(component, points, scale, moved)
        if bounds is None:
            noise = float(np.sqrt(moved))
            kept = vanishes(defect, floor=floor, noise=noise, tolerance=self.tolerance, reach=self.reach)
            reason = f"judged by its standard error of {noise:.1e}, with no stated level"
            return {"defect": defect, "kept": kept, "reason": reason}
        upper = max(min(bounds.upper, bounds.proved), floor)
        limits = {"upper": upper, "lower": bounds.lower, "tolerance": self.tolerance}
        kept = holds(defect, floor=floor, noise=bounds.noise, **limits)
        proved = kept and bounds.proved <= self.tolerance
        reason = f"between {bounds.lower:.1e} and {upper:.1e} with a confidence of {1 - self.level:.0%}" + (
            ", for all functions that the data allow" if proved else ""
        )
        return {"defect": defect, "kept": kept, "bound": upper, "reason": reason}

    @cached_property
    def _estimate(self) -> LeastSquares | None:
        return None if self.data is None else LeastSquares.of(self.data)

    def _bounds(self, component: Component, points: np.ndarray, scale: np.ndarray, moved: float) -> Bounds | None:
        """Bounds from the covariance of the fit; None where it has none or the element is not linear in the values."""
        fit, data = self._estimate, self.data
        space = None if data is None else data.space
        origin = jnp.zeros(self.action.fibre_shape)
        if (
            fit is None
            or data is None
            or space is None
            or fit.beta.size > LARGEST_FIT
            or np.any(component.untheta(origin))
        ):
            return None
        back = linear_part(component, self.action.fibre_shape)
        eye = np.eye(self.action.fibre_dimension)
        moved_to, here = (space.values(x) / fit.scale for x in (points, self.points))
        rows = self.weights[:, None, None, None] / scale[:, None, None]
        pulled = np.einsum("pf,no->pnfo", moved_to, back)
        change, unrelated = (
            (rows * (pulled - np.einsum("pf,no->pnfo", features, eye))).reshape(-1, fit.beta.size)
            for features in (here, here[self.other])
        )
        return bounds_of_element(
            fit,
            change,
            unrelated,
            moved=moved,
            count=self.count,
            level=self.level,
            independent=not data.structured,
        )

    def _moved(self, component: Component) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(jax.vmap(component.theta)(jnp.asarray(self.points)))

    def _pulled(self, model: Any, component: Component, points: np.ndarray) -> np.ndarray:
        values = _values(model, points, self.action.fibre_shape)
        with jax.enable_x64(True):
            shaped = jnp.asarray(values.reshape(len(values), *self.action.fibre_shape))
            return np.asarray(jax.vmap(component.untheta)(shaped)).reshape(len(values), -1)


def _exactly(defect: float, floor: float, kept: bool | None) -> str:
    where = {True: "at or below", False: "clear of", None: "above, but not clear of,"}[kept]
    return f"the defect {defect:.1e} is {where} the floor {floor:.1e} of rounding"


class _Set:
    """How far g takes the points of a cloud off the set, as a share of the cloud's size."""

    def __init__(self, cloud: Cloud, tolerance: float) -> None:
        self.cloud, self.tolerance = cloud, tolerance
        self.points = cloud.surface.feet
        self.spacing = float(np.median(cloud.separation(self.points, itself=True)))

    def __call__(self, component: Component) -> dict[str, Any]:
        """The entries of an `Element`."""
        size = self.cloud.frame.size
        with jax.enable_x64(True):
            moved = np.asarray(jax.vmap(component.theta)(jnp.asarray(self.points)), dtype=np.float64)
        off = (moved - self.cloud.feet(moved)) / size
        changes = [(moved - self.cloud.feet(moved, left_out=k)) / size - off for k in range(BLOCKS)]
        noise = np.sqrt((BLOCKS - 1) * np.mean([_root_mean_square(change) ** 2 for change in changes]))
        # Polynomials may vanish elsewhere too: the moved points must also find the cloud's own.
        apart = float(np.median(self.cloud.separation(moved)))
        defect = _root_mean_square(off) + (apart / size if apart > APART * self.spacing else 0.0)
        kept = vanishes(defect, floor=self.cloud.rounding, noise=float(noise), tolerance=self.tolerance)
        return {"defect": defect, "kept": kept, "reason": f"judged by its standard error of {noise:.1e}"}


def _root_mean_square(rows: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.sum(rows**2, axis=1))))


def _values(model: Any, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    parts = model.members if isinstance(model, Mean) else (model,)
    with jax.enable_x64(True):
        each = [np.asarray(_evaluate(part, jnp.asarray(points)), dtype=np.float64) for part in parts]
    values = np.mean(each, axis=0) if len(each) > 1 else each[0]
    return values.reshape(len(points), int(np.prod(shape, dtype=int)))


@eqx.filter_jit
def _evaluate(model: Any, points: Any) -> Any:
    return jax.vmap(lambda x: model(x))(points)


def _pair(entry: Any) -> tuple[Any, Any]:
    """What moves inputs and what moves outputs, None for what the action says."""
    return entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, None)


def _component(action: Action, inside: Any, outside: Any, place: int) -> Component:
    """Matrices as an element that moves points and values."""
    name = f"components[{place}]"
    matrix = validate.array(inside, name, ndim=2).astype(np.float64)
    m, n = action.base_dimension, action.fibre_dimension
    offset, time = np.zeros(m), 1.0
    if matrix.shape == (m + 1, m + 1) and _is_homogeneous(matrix[-1], bool(action.time)):
        matrix, offset, time = matrix[:m, :m], matrix[:m, m], float(matrix[m, m])
    if matrix.shape != (m, m):
        raise IsotropyError(
            f"`{name}` must be a matrix of shape ({m}, {m}), or homogeneous ({m + 1}, {m + 1}). Got {matrix.shape}."
        )
    values = None if outside is None else validate.array(outside, name, shape=(n, n)).astype(np.float64)
    for part in (matrix, values):
        if part is not None and part.size and np.linalg.matrix_rank(part) < len(part):
            raise IsotropyError(f"`{name}` has no inverse, so it is no symmetry of anything: check its entries.")
    return action.element(matrix, offset, values, time=time)


def _is_homogeneous(last: np.ndarray, timed: bool) -> bool:
    """Whether this is the last row of ``[[A, b], [0, 1]]``, or where time is moved of ``[[A, b], [0, s]]``."""
    return not last[:-1].any() and (last[-1] == 1.0 or (timed and last[-1] != 0.0))


def _homogeneous(component: Component, m: int, *, whole: bool = False) -> np.ndarray:
    with jax.enable_x64(True):
        offset = np.asarray(component.theta(jnp.zeros(m, jnp.float64)))
    if not offset.any() and not whole:
        return component.matrix
    matrix = np.eye(m + 1)
    matrix[:m, :m], matrix[:m, m], matrix[m, m] = component.matrix, offset, component.time
    return matrix


def _words(matrix: np.ndarray, variables: tuple[str, ...], time: str = "") -> str:
    m = len(variables)
    labels = (*variables, "1")
    rows = np.concatenate([matrix[:m, :m], matrix[:m, m:] if len(matrix) > m else np.zeros((m, 1))], axis=1)
    moved = [format_combination(row, labels) for row in rows]
    if time:
        variables, moved = (*variables, time), [*moved, format_combination(matrix[m:, m], (time,))]
    return f"({', '.join(variables)}) → ({', '.join(moved)})"
