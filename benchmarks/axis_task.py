"""A network learns a function that is symmetric about an unknown axis, from noisy values; candidates SE(3).

What `minibatch.py` and `two_stage.py` share: the data, and one training loop with every form of the penalty, all seeds
side by side. Signals have spread 1. With ``broken`` a term that no rotation leaves alone is added.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg

import isotropy as iso
from isotropy import groups
from isotropy.numerics.closure import outside, structure_in

TOTAL, TEST, NOISE = 200, 4000, 0.3

RATE, BATCH, WIDTH = 3e-3, 64, 64
ACTION = iso.Action(groups.SE(3))
PENALTY = iso.Penalty(ACTION, iso.Samples.uniform(512, 3, seed=77, dtype=np.float32))
SPECTRUM = eqx.filter_jit(PENALTY.spectrum)
VALUES = eqx.filter_jit(lambda net, x: jax.vmap(net)(x))


class Data(NamedTuple):
    """Points and values to train on, to compare by, and to test on (without noise); and the generator kept (6,)."""

    x: np.ndarray
    y: np.ndarray
    held_x: np.ndarray
    held_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    kept: np.ndarray


def data(seed: int, *, broken: bool = False, held: int = 0, first: bool = False) -> Data:
    """A function of the height along a random axis through a random centre and of the distance from it.

    The last ``held`` of the values are left out, or with ``first`` those in front.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, size=(TOTAL + TEST, 3))
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    centre = rng.uniform(-0.4, 0.4, size=3)
    height = (x - centre) @ axis
    square = ((x - centre) ** 2).sum(axis=1) - height**2
    y = np.sin(2.5 * height) + np.exp(-2 * square) * (1 + height) + square / 2
    if broken:
        across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
        y = y + np.sin(2.5 * (x - centre) @ across / np.linalg.norm(across))
    y = (y - y.mean()) / y.std()
    noisy = y + NOISE * rng.normal(size=len(y))
    turn = np.cross(np.eye(3), axis).T  # turn @ x = axis x x
    matrix = np.zeros((4, 4))
    matrix[:3, :3], matrix[:3, 3] = turn, -turn @ centre
    basis = groups.SE(3).matrices.reshape(6, -1)
    kept = np.linalg.lstsq(basis.T, matrix.ravel(), rcond=None)[0]
    a, b, rest = slice(0, TOTAL - held), slice(TOTAL - held, TOTAL), slice(TOTAL, None)
    if first:
        a, b = slice(held, TOTAL), slice(0, held)
    parts = [x[a], noisy[a], x[b], noisy[b], x[rest], y[rest], kept / np.linalg.norm(kept)]
    return Data(*(np.asarray(part, np.float32) for part in parts))


def network(key: jax.Array) -> eqx.nn.MLP:
    """Two hidden layers of 64."""
    return eqx.nn.MLP(3, "scalar", WIDTH, 2, jax.nn.silu, key=key)


STATIC = eqx.partition(network(jax.random.PRNGKey(0)), eqx.is_array)[1]


def model(arrays: Any) -> Any:
    """The network of these parameters."""
    return eqx.combine(arrays, STATIC)


def train(
    seeds: list[int],
    *,
    steps: int,
    points: int,
    batch: int = BATCH,
    form: str = "update",
    weight: float = 0.0,
    strong: float = 0.0,
    propose: float = 1.0,
    after: float = 0.0,
    counts: tuple[int, ...] = (1,),
    broken: bool = False,
    held: int = 0,
    first: bool = False,
    directions: list[np.ndarray] | None = None,
) -> Any:
    """Parameters with axes (seed, count), and the data. Penalty points are drawn anew each step, but for "exact".

    With ``directions``, a generator for each seed, the points are replaced by their `invariants`.

    ``form`` is how the norm with ``weight`` is taken for the part ``propose`` of the steps; then it falls to ``after``,
    and ``strong`` rises over as long a time on the directions that are closest to being kept, ``counts`` of them.
    """
    sets = [data(seed, broken=broken, held=held, first=first) for seed in seeds]
    if directions is not None:
        sets = [
            d._replace(**{name: invariants(direction, getattr(d, name)) for name in ("x", "held_x", "test_x")})
            for d, direction in zip(sets, directions, strict=True)
        ]
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    change = int(propose * steps)

    def loss(arrays: Any, state: Any, key: Any, k: Any, count: Any, x: Any, y: Any) -> Any:
        first, second, third = jax.random.split(key, 3)
        rows = jax.random.randint(first, (batch,), 0, len(x))
        here = jax.random.uniform(second, (points, 3), minval=-1.0, maxval=1.0)
        net = model(arrays)
        value = jnp.mean((jax.vmap(net)(x[rows]) - y[rows]) ** 2) / 2
        if weight:
            if form == "exact":
                norm, following = PENALTY(net), state
            elif form == "own":
                norm, following = PENALTY(net, here), state
            elif form == "probe":
                norm, following = PENALTY.probe(net, state, third, here)
            else:
                norm, following = PENALTY.update(net, state, here)
            value = value + jnp.where(k < change, weight, after) * norm
        if strong:
            extra, following = PENALTY.closest(net, state, count, here)
            value = value + strong * jnp.clip((k - change) / change, 0.0, 1.0) * extra
        if not (weight or strong):
            following = state
        return value, following

    def one(seed: Any, count: Any, x: Any, y: Any) -> Any:
        arrays = eqx.partition(network(jax.random.PRNGKey(seed)), eqx.is_array)[0]
        start = arrays, PENALTY.init(model(arrays)), optimiser.init(arrays)

        def step(carry: Any, k: Any) -> Any:
            arrays, state, moments = carry
            key = jax.random.fold_in(jax.random.PRNGKey(seed + 1), k)
            slope, state = jax.grad(loss, has_aux=True)(arrays, state, key, k, count, x, y)
            change, moments = optimiser.update(slope, moments)
            return (optax.apply_updates(arrays, change), state, moments), None

        return jax.lax.scan(step, start, jnp.arange(steps))[0][0]

    every = jax.jit(jax.vmap(jax.vmap(one, in_axes=(None, 0, None, None)), in_axes=(0, None, 0, 0)))
    x, y = (jnp.asarray(np.stack([getattr(d, name) for d in sets])) for name in ("x", "y"))
    return every(jnp.asarray(seeds), jnp.asarray(counts), x, y), sets


def invariants(direction: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Height along the axis of a generator of SE(3), squared distance from it, and 0; motion along it is dropped."""
    matrix = np.tensordot(np.asarray(direction, float), ACTION.matrices, 1)
    turn = matrix[:3, :3]
    axis = np.array([turn[2, 1], turn[0, 2], turn[1, 0]])
    y = x + np.linalg.pinv(turn) @ matrix[:3, 3]
    height = y @ (axis / np.linalg.norm(axis))
    square = (y**2).sum(axis=1) - height**2
    return np.stack([height, square, np.zeros_like(height)], axis=1).astype(np.float32)


def judge(net: Any, given: Data) -> dict[str, Any]:
    """Test error (rms), held-out squares, singular values over the largest, and degrees from the true generator.

    ``direction`` (6,) is the generator closest to being kept, ``pair`` (2, 6) the two that are.
    """
    values, directions = (np.asarray(part, float) for part in SPECTRUM(net))
    test = float(np.sqrt(np.mean((np.asarray(VALUES(net, given.test_x)) - given.test_y) ** 2)))
    angle = float(np.degrees(np.arccos(min(1.0, abs(directions[-1] @ given.kept)))))
    held = (np.asarray(VALUES(net, given.held_x)) - given.held_y) ** 2 if len(given.held_x) else np.zeros(0)
    closest = {"direction": directions[-1], "pair": directions[-2:]}
    return {"test": test, "values": values / values[0], "angle": angle, "held": held, **closest}


def unclosed(pair: np.ndarray) -> float:
    """How far the bracket of two orthonormal generators is from their span: 1 for two rotations."""
    others = scipy.linalg.null_space(pair).T
    # Each bracket stands there twice, with either sign.
    return float(np.linalg.norm(outside(pair, others, structure_in(ACTION.matrices))) / np.sqrt(2))


def pick(arrays: Any, seed: int, count: int = 0) -> Any:
    """One network out of all of them."""
    return model(jax.tree.map(lambda leaf: leaf[seed, count], arrays))
