"""The nuclear norm of the Lie derivative as a penalty in any JAX training loop.

``||L[F]||_*`` of a model F on sample points (Otto2025, section 6), in four forms: exact on all points; variational,
which is additive over points and so takes minibatches; by one random generator a step, at a cost that does not grow
with their number; and along chosen directions only, once it is known which symmetries to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from .errors import IsotropyError
from .fields.action import FieldAction
from .geometry.action import Action
from .geometry.sample import Samples
from .numerics.nuclear import euclidean_norm, nuclear_norm, whitening
from .numerics.terms import checked_weight
from .penalty_parts import FieldPart, Part, PointPart, floating, same_brackets

SKETCH = 64
"""Points from which the table of generators is first made."""

FRESH = 8
"""Points from which it is renewed in the probe form."""


class PenaltyState(NamedTuple):
    """What the minibatch forms remember: a moving average of A^T A and what is made from it. A pytree of arrays.

    ``gram`` (q, q) is the average, ``root`` (q, q) its inverse fourth root, ``size`` the trace of its square root,
    ``shifts`` (g,) averages of ``|K_g F - F|^2``, ``count`` the number of updates.
    """

    gram: Float[Array, "q q"]
    root: Float[Array, "q q"]
    size: Float[Array, ""]
    shifts: Float[Array, " g"]
    count: Int[Array, ""]


class Penalty:
    """``penalty(model)`` is ``||L[model]||_* + discrete sum_g ||K_g model - model||``, a differentiable scalar.

    ``model`` is a function of one point, such as an Equinox module, that JAX can differentiate; norms are mean squares
    over ``samples``, generators orthonormal as the action gives them (convention C5). It runs in the precision of the
    points it is given, inside `jit`, `grad` and `vmap`. ``discrete`` weighs the action's further components, which for
    a finite group are all there is; `shifts` says which of them a model keeps.

    With a `fields.FieldAction` the model is an operator of one field, and ``samples`` are fields (k, *shape, n):
    L[model] is DN(u)[L_xi u] - L_xi N(u), and "points" below are fields. Further components must take the grid to
    itself.

    With sequences of actions and of samples, all of one group of q candidates, ``model`` is a sequence of as many
    layers and the operators are stacked: one subgroup is kept by all layers. Generators are compared by their brackets,
    where the actions have an algebra, and further components by their number: their order must be one and the same.

    The exact form costs q Jacobian-vector products, or one vector-Jacobian product for each output where that is less,
    and a singular value decomposition. Minibatch forms keep a small state, made by `init`; see `update` and `probe`.

    Raises `IsotropyError` for shapes that do not fit, layers of several groups, and candidates that move no sample and
    no value there. Numbers such as ``decay`` are checked where they are known, and not where JAX traces them.

    >>> from isotropy import groups
    >>> penalty = Penalty(Action(groups.SO(3)), Samples.normal(32, 3, seed=0))
    >>> kept, broken = penalty(lambda x: x @ x), penalty(lambda x: x[0])
    >>> bool(kept <= 32 * np.finfo(kept.dtype).eps * broken)
    True
    """

    def __init__(
        self,
        action: Action | FieldAction | Sequence[Action | FieldAction],
        samples: Any,
        *,
        discrete: float = 0.0,
    ) -> None:
        self.layered = isinstance(action, Sequence)
        actions = list(action) if isinstance(action, Sequence) else [action]
        clouds = (list(samples) if isinstance(samples, Iterable) else []) if self.layered else [samples]
        if not actions or len(actions) != len(clouds):
            raise IsotropyError(
                f"`Penalty` needs one set of samples for each action. Got {len(actions)} action(s) and "
                f"{len(clouds) if clouds or isinstance(samples, Sequence) else type(samples).__name__}."
            )
        self.parts = tuple(_part(one, cloud) for one, cloud in zip(actions, clouds, strict=True))
        self.dimension = self.parts[0].dimension
        if any(part.dimension != self.dimension for part in self.parts):
            raise IsotropyError(
                f"all layers must be moved by one group. Got {[part.dimension for part in self.parts]} generators."
            )
        _refuse_two_groups(self.parts, actions)
        self.discrete = checked_weight(discrete, "discrete")
        if not self.dimension and not self.discrete:
            raise IsotropyError(
                f"{actions[0]} has no generators, so its nuclear norm is zero for every model: use a group that has "
                f"some, or weigh its elements with `discrete`."
            )
        if self.discrete:
            self._refuse_connected("`discrete`")
        if not any(part.sees(elements=self.discrete > 0) for part in self.parts):
            kinds = [f"{self.dimension} candidate(s)"] * bool(self.dimension)
            kinds += ["further elements"] * bool(self.discrete)
            raise IsotropyError(
                f"the {' and the '.join(kinds)} of {actions[0]} leave every sample and every value there as they are, "
                f"so the penalty is zero for every model: use samples that they move, or other candidates."
            )

    def __call__(self, model: Any, points: Any = None) -> Float[Array, ""]:
        """The penalty on all samples, or on ``points`` (b, m) alone.

        The norm of a minibatch is *not* an unbiased guess of the norm on all points: use `update` for those.
        """
        value = nuclear_norm(self.operator(model, points))
        if self.discrete:
            value = value + self.discrete * jnp.sum(self.shifts(model, points))
        return value

    def operator(self, model: Any, points: Any = None) -> Float[Array, "rows q"]:
        """The rows of L[model], weighted so that sums of squares are means over points."""
        rows = []
        for part, layer, where, weights in self._each(model, points):
            rows.append(part.rows(layer, where, weights))
        return jnp.concatenate(rows)

    def spectrum(self, model: Any) -> tuple[Float[Array, " q"], Float[Array, "q q"]]:
        """The singular values of L[model], descending, and the generators (rows of coefficients) that go with them.

        The last rows are what the model comes closest to: hand them to `along`.
        """
        triangle = jnp.linalg.qr(self.operator(model), mode="r")
        triangle = jnp.pad(triangle, ((0, max(0, self.dimension - len(triangle))), (0, 0)))
        _, values, right = jnp.linalg.svd(triangle)
        return values, right

    def shifts(self, model: Any, points: Any = None) -> Float[Array, " g"]:
        """``|K_g model - model|`` for each further component g of the action, in its order: zero where it is kept.

        Root mean squares over points, in the units of the values; a value and its image that have nothing in common
        differ by sqrt(2) times the values' spread. Differentiable, as zero at zero; their squares are additive over
        points. ``discrete`` need not be set. Raises `IsotropyError` for a connected group.

        >>> from isotropy import groups
        >>> penalty = Penalty(Action(groups.O(2)), Samples.normal(32, 2, seed=0))
        >>> print(penalty.shifts(lambda x: x @ x), penalty.shifts(lambda x: x[0])[0] > 0)
        [0.] True
        """
        self._refuse_connected("`shifts`")
        return jax.vmap(euclidean_norm)(self._shifts(model, points))

    def along(self, model: Any, directions: Float[Array, "s q"], points: Any = None) -> Float[Array, ""]:
        """``sum_s |L[model] direction_s|^2 / 2``: a penalty on chosen generators alone, additive over points.

        It costs one Jacobian-vector product for each direction. With a large weight it enforces them. Further
        components are left out: add `shifts`.
        """
        directions = floating(directions, "directions", float)
        if directions.ndim != 2 or directions.shape[1] != self.dimension:
            single = ": pass `directions[None]` for a single one" if directions.shape == (self.dimension,) else ""
            raise IsotropyError(
                f"`directions` must have shape (s, {self.dimension}), one combination of the generators a row. "
                f"Got {directions.shape}{single}."
            )

        def one(direction: Array) -> Array:
            return sum((jnp.sum(d**2) for d in self._combined(model, direction, points)), jnp.zeros(()))

        return 0.5 * jnp.sum(jax.vmap(one)(directions))

    def init(self, model: Any, *, floor: float = 1e-4) -> PenaltyState:
        """The state for `update` and `probe`, from the model as it stands and the first samples."""
        _check_averages(floor=floor)
        points = tuple(jnp.asarray(part.inputs[:SKETCH]) for part in self.parts)
        points = points if self.layered else points[0]
        rows = jax.lax.stop_gradient(self.operator(model, points))
        gram = rows.T @ rows
        root, size = whitening(gram, floor)
        shifts = jnp.zeros(0, gram.dtype)
        if self.discrete:
            shifts = jnp.sum(jax.lax.stop_gradient(self._shifts(model, points)) ** 2, axis=1)
        return PenaltyState(gram, root, size, shifts, jnp.asarray(0))

    def update(
        self, model: Any, state: PenaltyState, points: Any = None, *, decay: float = 0.99, floor: float = 1e-4
    ) -> tuple[Float[Array, ""], PenaltyState]:
        """The variational form on a minibatch ``points`` (b, m), and the state for the next step.

        ``(tr(A^T A W) + tr W^{-1}) / 2`` with ``W = (average of A^T A)^{-1/2}``: its gradient is additive over points,
        so that a minibatch's is unbiased for a given W; at rest the value is the nuclear norm on all points. ``decay``
        is that of the moving average, from 0 for this minibatch alone to 1 for an average that stays as it is;
        ``floor`` > 0 is the part of the mean eigenvalue that is added before inverting.
        """
        _check_averages(floor=floor, decay=decay)
        rows = self.operator(model, points)
        own = rows.T @ rows
        gram = decay * state.gram + (1 - decay) * jax.lax.stop_gradient(own)
        root, size = whitening(gram, floor)
        value = 0.5 * (jnp.sum((rows @ root) ** 2) + size)
        shifts = state.shifts
        if self.discrete:
            extra, shifts = self._shift_value(model, state, points, decay)
            value = value + extra
        return value, PenaltyState(gram, root, size, shifts, state.count + 1)

    def closest(
        self,
        model: Any,
        state: PenaltyState,
        count: int | Int[Array, ""],
        points: Any = None,
        *,
        decay: float = 0.99,
        floor: float = 1e-4,
    ) -> tuple[Float[Array, ""], PenaltyState]:
        """Half the squares of ``L[model]`` along the ``count`` directions that the model comes closest to keeping.

        The directions are the last eigenvectors of the moving average, so they follow the model as it learns; the rest
        of the algebra is left alone, and so are further components: add `shifts`. A second stage: `update` proposes, a
        large multiple of this insists. ``count`` is a whole number, at least 0 and at most q. It may be traced; then it
        cannot be checked, and more than q means all.
        """
        _check_averages(floor=floor, decay=decay)
        _check("count", count, lambda n: 0 <= n <= self.dimension, f"an integer from 0 to {self.dimension}", whole=True)
        rows = self.operator(model, points)
        own = rows.T @ rows
        gram = decay * state.gram + (1 - decay) * jax.lax.stop_gradient(own)
        chosen = jnp.linalg.eigh(gram)[1] * (jnp.arange(self.dimension) < count)
        root, size = whitening(gram, floor)
        value = 0.5 * jnp.sum((rows @ jax.lax.stop_gradient(chosen)) ** 2)
        return value, PenaltyState(gram, root, size, state.shifts, state.count + 1)

    def probe(
        self,
        model: Any,
        state: PenaltyState,
        key: Array,
        points: Any = None,
        *,
        decay: float = 0.9,
        floor: float = 1e-4,
        every: int | None = None,
    ) -> tuple[Float[Array, ""], PenaltyState]:
        """The variational form by one random generator: ``|L[model] c|^2`` with c normal of covariance W.

        One Jacobian-vector product a step at any q. The state is renewed from a few points once in ``every`` steps, by
        default 10 or q/4 if that is more; ``decay`` is that of one renewal. The expectation over ``key`` is `update`.
        """
        _check_averages(floor=floor, decay=decay)
        if every is not None:
            _check("every", every, lambda n: n >= 1, "an integer >= 1", whole=True)
        period = max(10, self.dimension // 4) if every is None else every
        direction = state.root @ jax.random.normal(key, (self.dimension,), state.root.dtype)
        moved = sum(
            (jnp.sum(d**2) for d in self._combined(model, jax.lax.stop_gradient(direction), points)), jnp.zeros(())
        )
        value = 0.5 * (moved + state.size)

        def renew(_: None) -> PenaltyState:
            few = tuple(where[:FRESH] for _, _, where, _ in self._each(model, points))
            rows = jax.lax.stop_gradient(self.operator(model, few if self.layered else few[0]))
            gram = decay * state.gram + (1 - decay) * rows.T @ rows
            root, size = whitening(gram, floor)
            return PenaltyState(gram, root, size, state.shifts, state.count + 1)

        def keep(_: None) -> PenaltyState:
            return state._replace(count=state.count + 1)

        following = jax.lax.cond(state.count % period == period - 1, renew, keep, None)
        if self.discrete:
            extra, shifts = self._shift_value(model, state, points, decay)
            value, following = value + extra, following._replace(shifts=shifts)
        return value, following

    def _each(self, model: Any, points: Any) -> list[tuple[Part, Any, Array, Array]]:
        """For each layer: its part, its model, its points and their weights."""
        layers = self._listed(model, "model", "functions of one point") if self.layered else (model,)
        given: tuple[Any, ...] = (None,) * len(self.parts)
        if points is not None:
            given = self._listed(points, "points", "arrays") if self.layered else (points,)
        chosen = []
        for part, layer, cloud in zip(self.parts, layers, given, strict=True):
            name = f"`model[{len(chosen)}]`" if self.layered else "`model`"
            where = jnp.asarray(part.inputs) if cloud is None else part.checked(cloud)
            weights = np.full(len(where), 1.0 / len(where)) if cloud is not None else part.weights
            chosen.append((part, part.watched(layer, name), where, jnp.asarray(weights, where.dtype)))
        return chosen

    def _listed(self, value: Any, name: str, what: str) -> tuple[Any, ...]:
        """One entry for each layer."""
        try:
            listed = tuple(value)
        except TypeError:
            raise IsotropyError(
                f"`{name}` must be a sequence of {len(self.parts)} {what}, one for each layer. "
                f"Got {type(value).__name__}: pass a list."
            ) from None
        if len(listed) != len(self.parts):
            raise IsotropyError(
                f"`{name}` must have {len(self.parts)} layers: a sequence of {what}, one for each. Got {len(listed)}."
            )
        return listed

    def _refuse_connected(self, asked: str) -> None:
        counts = [part.components for part in self.parts]
        if not any(counts):
            raise IsotropyError(f"{asked} needs further components, but the action's group is connected: leave it out.")
        if len(set(counts)) > 1:
            raise IsotropyError(
                f"{asked} needs the same further components in all layers. Got {counts} of them: use one group for all."
            )

    def _combined(self, model: Any, direction: Array, points: Any) -> list[Array]:
        """Weighted L[model] along one generator, for each layer: one Jacobian-vector product."""
        if not self.dimension:
            return []
        return [
            part.along(layer, where, weights, direction) for part, layer, where, weights in self._each(model, points)
        ]

    def _shifts(self, model: Any, points: Any) -> Float[Array, "g rows"]:
        """Weighted ``K_g model - model`` for each further component g, all layers in one row."""
        found = [part.shifts(layer, where, weights) for part, layer, where, weights in self._each(model, points)]
        return jnp.concatenate(found, axis=1)

    def _shift_value(self, model: Any, state: PenaltyState, points: Any, decay: float) -> tuple[Array, Array]:
        squares = jnp.sum(self._shifts(model, points) ** 2, axis=1)
        shifts = decay * state.shifts + (1 - decay) * jax.lax.stop_gradient(squares)
        size = jnp.sqrt(shifts) + jnp.finfo(shifts.dtype).eps
        return 0.5 * self.discrete * jnp.sum(squares / size + size), shifts


def _refuse_two_groups(parts: Sequence[Part], actions: Sequence[Any]) -> None:
    known = [(part.algebra, action) for part, action in zip(parts, actions, strict=True) if part.algebra is not None]
    for algebra, action in known[1:]:
        first, beside = known[0]
        assert first is not None
        assert algebra is not None
        if not same_brackets(first, algebra):
            raise IsotropyError(
                f"all layers must be moved by one group. Got {beside} and {action}, whose generators have other "
                f"brackets: use representations of one group."
            )


def _check_averages(*, floor: Any, decay: Any = 0.0) -> None:
    _check("floor", floor, lambda x: 0 < x < np.inf, "a finite number > 0")
    _check("decay", decay, lambda x: 0 <= x <= 1, "a number from 0 to 1")


def _check(name: str, value: Any, fits: Callable[[Any], Any], wanted: str, *, whole: bool = False) -> None:
    """Refuse a number that does not fit, where it is known: what JAX traces is taken as it comes."""
    if isinstance(value, Tracer):
        return
    number = np.asarray(value)
    kind = np.issubdtype(number.dtype, np.integer) or (not whole and jnp.issubdtype(number.dtype, jnp.floating))
    if number.ndim or not kind or not fits(number):
        raise IsotropyError(f"The '{name}' parameter must be {wanted}. Got {value!r} instead.")


def _part(action: Any, samples: Any) -> Part:
    if isinstance(action, FieldAction):
        return FieldPart(action, samples)
    if isinstance(action, Action) and isinstance(samples, Samples):
        return PointPart(action, samples)
    raise IsotropyError(
        f"`Penalty` takes an `Action` and `Samples`, a `FieldAction` and fields, or sequences of them. "
        f"Got {type(action).__name__} and {type(samples).__name__}."
    )
