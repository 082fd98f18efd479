"""A small ensemble of networks fitted to halves of the data: a fit and its error, where no space of functions will do.

Halves come in pairs that share no sample. What a network fitted to a half differs by from the mean of all is as large
as the error of a fit to all the data (half-sampling), the chance of its starting weights included.

Sources: P. J. McCarthy, *Pseudo-replication: half samples*, Rev. Int. Stat. Inst. 37 (1969), and B. Lakshminarayanan,
A. Pritzel, C. Blundell, *Simple and scalable predictive uncertainty estimation using deep ensembles*, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from ..errors import IsotropyError
from .section import TRACING, first_line

PAIRS = 4
"""Pairs of halves: eight networks, enough for a standard error known to a fifth."""

WIDTH, DEPTH = 64, 2

RATE = 1e-2

STEPS, BATCH, CHECKS = 2000, 200, 20
"""Steps of Adam, samples in each, and how often the half left out is asked whether the network was ever better."""

WATCHED = 1024
"""Samples of the half left out that are asked."""

PRODUCTS = 32
"""Inputs up to which their products are inputs of the network as well."""

LEAST = 40
"""Pairs of data below which no network is tried."""


class Network(eqx.Module):
    """A multilayer perceptron of standardised inputs and their products, in the precision of its input."""

    layers: eqx.nn.MLP
    entrance: Entrance
    centre: np.ndarray
    spread: np.ndarray

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        arrays, static = eqx.partition(self.layers, eqx.is_inexact_array)
        x = jnp.asarray(x)
        layers = eqx.combine(jax.tree.map(lambda leaf: jnp.asarray(leaf, x.dtype), arrays), static)
        return layers(self.entrance(x)) * jnp.asarray(self.spread, x.dtype) + jnp.asarray(self.centre, x.dtype)


class Entrance(eqx.Module):
    """Standardised coordinates on the flat set that the inputs fill, and their products of degree two.

    Sizes and angles are functions of products, which a network would else have to learn first.
    """

    frame: np.ndarray
    origin: np.ndarray
    means: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, X: Float[np.ndarray, "p m"], frame: Float[np.ndarray, "m r"], origin: np.ndarray) -> Entrance:
        """Measure means and scales."""
        inner = (X - origin) @ frame
        spread = inner.std(axis=0)
        unit = frame / np.where(spread > 0, spread, 1.0)
        count = unit.shape[1] + (unit.shape[1] * (unit.shape[1] + 1) // 2 if unit.shape[1] <= PRODUCTS else 0)
        plain = cls(unit, origin, np.zeros(count), np.ones(count))
        features = plain.all(X)
        spread = features.std(axis=0)
        return cls(unit, origin, features.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " k"]:
        z = (x - jnp.asarray(self.origin, x.dtype)) @ jnp.asarray(self.frame, x.dtype)
        if len(self.means) > len(z):
            first, second = np.triu_indices(len(z))
            z = jnp.concatenate([z, z[first] * z[second]])
        return (z - jnp.asarray(self.means, x.dtype)) / jnp.asarray(self.scales, x.dtype)

    def all(self, X: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p k"]:
        """At p points, in float64."""
        with jax.enable_x64(True):
            return np.asarray(_map(self, jnp.asarray(X)))


class Mean(eqx.Module):
    """The mean of some functions."""

    members: tuple[Any, ...]

    def __call__(self, x: Float[Array, " m"]) -> Array:
        return jnp.mean(jnp.stack([member(x) for member in self.members]), axis=0)


@dataclass(frozen=True)
class Ensemble:
    """Fits to halves of the data: ``members``, 2 k of them, and for each whether it has seen a sample (2 k, p).

    ``left_out`` (p, n) are the errors at each sample of the mean of those that have not seen it. ``moved`` is the
    root mean square by which members differ from their mean: the standard error of the mean.
    """

    members: tuple[Callable[[Array], Array], ...]
    left_out: Float[np.ndarray, "p n"]
    moved: float

    @classmethod
    def of(
        cls,
        fit: Callable[[np.ndarray, np.ndarray, Sequence[np.ndarray]], Sequence[Callable[[Array], Array]]],
        X: Float[np.ndarray, "p m"],
        Y: Float[np.ndarray, "p n"],
        *,
        seed: int,
    ) -> Ensemble:
        """The functions that ``fit`` makes of halves of the data, given as lists of rows."""
        halves = half_samples(len(X), PAIRS, seed=seed)
        members = tuple(fit(X, Y, halves))
        values = all_values(members, X, Y)
        unseen = np.stack([~np.isin(np.arange(len(X)), half) for half in halves])
        left_out = Y - np.einsum("kp,kpn->pn", unseen / unseen.sum(axis=0), values)
        return cls(members, left_out, _spread(values))

    @classmethod
    def given(
        cls, members: Sequence[Callable[[Array], Array]], X: Float[np.ndarray, "p m"], Y: Float[np.ndarray, "p n"]
    ) -> Ensemble:
        """Functions that were fitted elsewhere, to parts of data that do not overlap."""
        values = all_values(members, X, Y)
        return cls(tuple(members), Y - values.mean(axis=0), _spread(values))

    @property
    def section(self) -> Mean:
        """The mean of the members."""
        return Mean(self.members)

    @property
    def error(self) -> float:
        """The root mean square error at samples that a member has not seen."""
        return float(np.sqrt((self.left_out**2).mean()))


def half_samples(count: int, pairs: int, *, seed: int) -> list[Int[np.ndarray, " h"]]:
    """Halves of 0 … count - 1, each followed by its complement (but for one left over)."""
    rng = np.random.default_rng(seed)
    size = count // 2
    halves: list[np.ndarray] = []
    for _ in range(pairs):
        order = rng.permutation(count)
        halves += [order[:size], order[size : 2 * size]]
    return halves


def networks(frame: np.ndarray, origin: np.ndarray, *, seed: int) -> Callable[..., list[Network]]:
    """Trains one network for each half; each is kept as it was when its other half liked it best."""

    def fit(X: np.ndarray, Y: np.ndarray, halves: Sequence[np.ndarray]) -> list[Network]:
        entrance = Entrance.of(X, frame, origin)
        centre, spread = Y.mean(axis=0), Y.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        inside = jnp.asarray(entrance.all(X), jnp.float32)
        outside = jnp.asarray((Y - centre) / spread, jnp.float32)
        rows = jnp.asarray(np.stack(halves))
        others = jnp.asarray(np.stack([halves[k ^ 1][:WATCHED] for k in range(len(halves))]))
        keys = jax.random.split(jax.random.key(seed), len(halves))
        members = _train(inside, outside, rows, others, keys)
        members = jax.tree.map(np.asarray, members)
        static = _start(inside.shape[1], outside.shape[1], WIDTH, keys[0])
        static = eqx.partition(static, eqx.is_inexact_array)[1]
        layers = [eqx.combine(jax.tree.map(lambda leaf, k=k: leaf[k], members), static) for k in range(len(halves))]
        return [Network(layer, entrance, centre, spread) for layer in layers]

    return fit


def _start(inputs: int, outputs: int, width: int, key: Array) -> eqx.nn.MLP:
    return eqx.nn.MLP(inputs, outputs, width, DEPTH, jax.nn.silu, dtype=jnp.float32, key=key)


@jax.jit
def _train(inside: Array, outside: Array, rows: Array, others: Array, keys: Array) -> Any:
    """The best weights of each member, one member after the other: small products of matrices run fastest so."""
    return jax.lax.map(lambda member: train_one(inside, outside, *member), (rows, others, keys))


def train_one(
    inside: Float[Array, "p k"],
    outside: Float[Array, "p n"],
    rows: Int[Array, " h"],
    others: Int[Array, " o"],
    key: Array,
    *,
    width: int = WIDTH,
    steps: int = STEPS,
    batch: int = BATCH,
    checks: int = CHECKS,
) -> Any:
    """Adam with a cosine schedule on random batches of ``rows``, stopped early on ``others``; arrays alone."""
    first, key = jax.random.split(key)
    start = _start(inside.shape[1], outside.shape[1], width, first)
    arrays, static = eqx.partition(start, eqx.is_inexact_array)
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def loss(arrays: Any, chosen: Array) -> Array:
        return jnp.mean((jax.vmap(eqx.combine(arrays, static))(inside[chosen]) - outside[chosen]) ** 2)

    def step(carry: Any, key: Array) -> Any:
        arrays, state = carry
        chosen = rows[jax.random.randint(key, (min(batch, len(rows)),), 0, len(rows))]
        change, state = optimiser.update(jax.grad(loss)(arrays, chosen), state, arrays)
        return (eqx.apply_updates(arrays, change), state), None

    def stretch(carry: Any, keys: Array) -> Any:
        current, best, least = carry
        current, _ = jax.lax.scan(step, current, keys)
        now = loss(current[0], others)
        best = jax.tree.map(partial(jnp.where, now < least), current[0], best)
        return (current, best, jnp.minimum(now, least)), None

    keys = jax.random.split(key, (checks, steps // checks))
    begin = ((arrays, optimiser.init(arrays)), arrays, jnp.asarray(jnp.inf, jnp.float32))
    (_, best, _), _ = jax.lax.scan(stretch, begin, keys)
    return best


@eqx.filter_jit
def _map(function: Callable[[Array], Array], points: Array) -> Array:
    return jax.vmap(function)(points)


def evaluate(function: Callable[[Array], Array], points: Float[np.ndarray, "p m"]) -> np.ndarray:
    """A function of one point at p points, in float64. Raises `IsotropyError` where JAX cannot trace it."""
    with jax.enable_x64(True):
        try:
            return np.asarray(_map(function, jnp.asarray(points)), dtype=np.float64)
        except TRACING as reason:
            raise IsotropyError(
                f"`model` could not be evaluated by JAX at points of R^{points.shape[1]}: {first_line(reason)} "
                f"It must take one point (no batch axis) and use `jax.numpy`."
            ) from reason


def all_values(members: Sequence[Any], X: np.ndarray, Y: np.ndarray) -> Float[np.ndarray, "k p n"]:
    """Functions of one point at the inputs. Raises `IsotropyError` for other shapes than ``Y`` has, and for NaN."""
    values = [evaluate(member, X) for member in members]
    for value in values:
        if value.size != Y.size:
            raise IsotropyError(
                f"`model` returns {value.size // len(X)} numbers at a point, but `Y` has {Y.shape[1]} columns."
            )
        if not np.isfinite(value).all():
            raise IsotropyError("`model` gave NaN or infinity at some row of `X`: leave such rows out.")
    return np.stack([value.reshape(Y.shape) for value in values])


def _spread(values: Float[np.ndarray, "k p n"]) -> float:
    """The root mean square by which functions differ from their mean, as a standard deviation."""
    count = len(values)
    return float(np.sqrt(((values - values.mean(axis=0)) ** 2).mean() * count / (count - 1)))
