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

WIDTH, DEPTH = 48, 2

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
        """At p points, in float64 and without JAX, which would take longer to compile it."""
        z = (X - self.origin) @ self.frame
        if len(self.means) > z.shape[1]:
            first, second = np.triu_indices(z.shape[1])
            z = np.concatenate([z, z[:, first] * z[:, second]], axis=1)
        return (z - self.means) / self.scales


class Mean(eqx.Module):
    """The mean of some functions."""

    members: tuple[Any, ...]

    def __call__(self, x: Float[Array, " m"]) -> Array:
        return jnp.mean(jnp.stack([member(x) for member in self.members]), axis=0)


@dataclass(frozen=True)
class Ensemble:
    """Fits to halves of the data: ``members``, 2 k of them, and how far each is from their mean, ``apart`` (2 k, p, n).

    ``left_out`` (p, n) are the errors at each sample: of the mean of those that have not seen it where ``fresh``, else
    of the mean of all.
    """

    members: tuple[Callable[[Array], Array], ...]
    left_out: Float[np.ndarray, "p n"]
    apart: Float[np.ndarray, "k p n"]
    fresh: bool

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
        return cls(members, left_out, values - values.mean(axis=0), fresh=True)

    @classmethod
    def given(
        cls, members: Sequence[Callable[[Array], Array]], X: Float[np.ndarray, "p m"], Y: Float[np.ndarray, "p n"]
    ) -> Ensemble:
        """Functions that were fitted elsewhere, to parts of data that do not overlap."""
        values = all_values(members, X, Y)
        mean = values.mean(axis=0)
        return cls(tuple(members), Y - mean, values - mean, fresh=False)

    @property
    def section(self) -> Mean:
        """The mean of the members."""
        return Mean(self.members)

    @property
    def stretch(self) -> float:
        """What distances of ``members`` from their mean are to be multiplied by for a standard error of the mean."""
        return float(np.sqrt(len(self.members) / (len(self.members) - 1)))

    @property
    def moved(self) -> float:
        """The root mean square by which members differ from their mean: the standard error of the mean."""
        return self.stretch * float(np.sqrt((self.apart**2).mean()))

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
        inside = jnp.asarray(entrance.all(X).astype(np.float32))
        outside = jnp.asarray(((Y - centre) / spread).astype(np.float32))
        rng = np.random.default_rng(seed)
        shapes, shape = blueprint(inside.shape[1], outside.shape[1])
        members = []
        for k, half in enumerate(halves):
            arrays = train(inside, outside, draws(half, rng), halves[k ^ 1][:WATCHED], start(shapes, rng))
            members.append(Network(eqx.combine(arrays, shape), entrance, centre, spread))
        return members

    return fit


def blueprint(inputs: int, outputs: int, *, width: int = WIDTH) -> tuple[Any, Any]:
    """The shapes of the weights of a network, and the rest of it."""

    def make() -> eqx.nn.MLP:
        return eqx.nn.MLP(inputs, outputs, width, DEPTH, jax.nn.silu, dtype=jnp.float32, key=jax.random.key(0))

    return eqx.partition(eqx.filter_eval_shape(make), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))


def start(shapes: Any, rng: np.random.Generator) -> Any:
    """Weights of an untrained network.

    They are drawn on the host, as Equinox draws them: generators of random numbers are slow to compile.
    """

    def filled(layer: eqx.nn.Linear) -> eqx.nn.Linear:
        limit = 1 / np.sqrt(layer.weight.shape[1])
        return jax.tree.map(lambda leaf: rng.uniform(-limit, limit, leaf.shape).astype(np.float32), layer)

    return eqx.tree_at(lambda net: net.layers, shapes, tuple(filled(layer) for layer in shapes.layers))


def draws(
    rows: Int[np.ndarray, " h"], rng: np.random.Generator, *, steps: int = STEPS, batch: int = BATCH
) -> Int[np.ndarray, "s b"]:
    """The samples of each step."""
    return rng.choice(rows, size=(steps, min(batch, len(rows)))).astype(np.int32)


def train(
    inside: Float[Array | np.ndarray, "p k"],
    outside: Float[Array | np.ndarray, "p n"],
    drawn: Int[np.ndarray, "s b"],
    others: Int[np.ndarray, " o"],
    arrays: Any,
    *,
    checks: int = CHECKS,
) -> Any:
    """Adam with a cosine schedule on the rows ``drawn`` for each step, stopped early on ``others``; arrays alone.

    ``arrays`` are the weights of one untrained network of `start`. Networks are trained one after the other, since
    small products of matrices run fastest so, and a stretch of steps is compiled once for all.
    """
    optimiser = _optimiser(len(drawn))
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(optimiser.init, arrays))
    best, least = arrays, np.inf
    for chosen in drawn.reshape(checks, len(drawn) // checks, -1):
        arrays, state = _stretch(arrays, state, inside, outside, chosen, steps=len(drawn))
        now = float(_loss(arrays, inside, outside, others))
        if now < least:
            best, least = arrays, now
    return jax.tree.map(np.asarray, best)


def _optimiser(steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(RATE, steps))


@jax.jit
def _loss(arrays: Any, inside: Array, outside: Array, chosen: Array) -> Array:
    shape = blueprint(inside.shape[1], outside.shape[1], width=len(arrays.layers[0].bias))[1]
    return jnp.mean((jax.vmap(eqx.combine(arrays, shape))(inside[chosen]) - outside[chosen]) ** 2)


@partial(jax.jit, static_argnames="steps")
def _stretch(arrays: Any, state: Any, inside: Array, outside: Array, drawn: Array, *, steps: int) -> Any:
    """As many of ``steps`` as there are rows of ``drawn``."""

    def step(carry: Any, chosen: Array) -> Any:
        arrays, state = carry
        slope = jax.grad(_loss)(arrays, inside, outside, chosen)
        change, state = _optimiser(steps).update(slope, state, arrays)
        return (eqx.apply_updates(arrays, change), state), None

    return jax.lax.scan(step, (arrays, state), drawn)[0]


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
