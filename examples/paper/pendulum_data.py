"""The double spring pendulum: its motion, the chunks of trajectories that networks learn from, and a fixed-step flow.

Masses, springs and gravity 1, rest lengths 1. The Hamiltonian, the starts and the chunks are those of the data set of
M. Finzi, M. Welling, A. G. Wilson, *A Practical Method for Constructing Equivariant Multilayer Perceptrons for
Arbitrary Matrix Groups*, ICML 2021 (their `DoubleSpringPendulum`): the second spring's energy has no factor one half,
starts are normal about (0, 0, -1.5) and (0, 0, -3) with spread .2 and momenta of spread .4, and of each trajectory of
30 time units one stretch of five points, .2 apart, is kept. Theirs were integrated adaptively, ours by small fixed
steps that keep the energy to 1e-8; the random numbers are ours.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

STEP, POINTS, DURATION = 0.2, 5, 30.0
FINE = 20
"""Steps of the integrator that makes the data in one `STEP`."""

SPLIT = 500
"""Trajectories to train on, to choose by, and to test on."""


def energy(z: np.ndarray) -> np.ndarray:
    """The Hamiltonian of states (..., 12): two positions, then two momenta."""
    first, second, momenta = z[..., 0:3], z[..., 3:6], z[..., 6:12]
    stretch = np.linalg.norm(first, axis=-1) - 1
    between = np.linalg.norm(first - second, axis=-1) - 1
    height = first[..., 2] + second[..., 2]
    return (momenta**2).sum(axis=-1) / 2 + stretch**2 / 2 + between**2 + height


def velocity(z: np.ndarray) -> np.ndarray:
    """Hamilton's equations for states (..., 12)."""
    first, second = z[..., 0:3], z[..., 3:6]
    inner, gap = np.linalg.norm(first, axis=-1, keepdims=True), first - second
    outer = np.linalg.norm(gap, axis=-1, keepdims=True)
    pull = 2 * (outer - 1) / outer * gap
    weight = np.array([0.0, 0.0, 1.0])
    return np.concatenate([z[..., 6:12], -(inner - 1) / inner * first - pull - weight, pull - weight], axis=-1)


def runge_kutta(velocity: Callable, z: np.ndarray, step: float) -> np.ndarray:
    """One step of the classical method of fourth order."""
    a = velocity(z)
    b = velocity(z + step / 2 * a)
    c = velocity(z + step / 2 * b)
    d = velocity(z + step * c)
    return z + step / 6 * (a + 2 * b + 2 * c + d)


def chunks(*, count: int = 3 * SPLIT, seed: int = 0) -> np.ndarray:
    """One stretch of each of ``count`` trajectories, (count, 5, 12), in float64."""
    rng = np.random.default_rng(seed)
    starts = np.concatenate(
        [
            np.array([0, 0, -1.5]) + 0.2 * rng.normal(size=(count, 3)),
            np.array([0, 0, -3.0]) + 0.2 * rng.normal(size=(count, 3)),
            0.4 * rng.normal(size=(count, 6)),
        ],
        axis=1,
    )
    frames = round(DURATION / STEP)
    where = POINTS * rng.integers(0, frames // POINTS, size=count)
    kept, z = np.empty((count, POINTS, 12)), starts
    for frame in range(frames):
        here = (where <= frame) & (frame < where + POINTS)
        kept[here, frame - where[here]] = z[here]
        for _ in range(FINE):
            z = runge_kutta(velocity, z, STEP / FINE)
    return kept


def split(data: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, validation and test trajectories: thirds of a shuffle that belongs to the seed."""
    order = np.random.default_rng([seed, 1]).permutation(len(data))
    third = len(data) // 3
    return data[order[:third]], data[order[third : 2 * third]], data[order[2 * third :]]


def rollout(field: Callable, starts: jax.Array) -> jax.Array:
    """The four points after each of ``starts`` (b, 12) on the flow of ``field``: one Runge-Kutta step each."""

    def step(z: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        z = runge_kutta(jax.vmap(field), z, STEP)
        return z, z

    return jax.lax.scan(step, starts, None, length=POINTS - 1)[1]


def error(field: Callable, trajectories: jax.Array) -> jax.Array:
    """The mean square over trajectories (b, 5, 12), points and coordinates."""
    return jnp.mean((rollout(field, trajectories[:, 0]) - jnp.swapaxes(trajectories[:, 1:], 0, 1)) ** 2)
