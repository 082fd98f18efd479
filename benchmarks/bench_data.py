"""Discovery from pairs against its peers: processor time and angle, all in one process.

O(5)-invariant regression (EMLP's task, 10,000 samples, candidates gl(5) on two vectors, truth so(5)) and the map of two
bodies (2000 pairs, candidates gl(8), truth one rotation). The peers are short versions of our own, written from their
papers' descriptions in JAX and optax, and are told the number of generators, which we are not:

- LieGG style (A. Moskalev, A. Sepliarskaia, I. Sosnovik, A. Smeulders, NeurIPS 2022): train a network, stack
  products of its gradients with its inputs, and take the last singular vectors.
- LieGAN style (J. Yang, R. Walters, N. Dehmamy, R. Yu, ICML 2023): a generator of group elements against a
  discriminator of moved pairs from true ones, with their penalty against the identity.

Layers, steps and rates of both are ours: theirs are not reproduced, and more of either takes longer. Compiling counts
for all. With noise, both inputs and outputs of the map err, by 5% of the standard deviation of each coordinate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from emlp_tasks import o5
from harness import Figure, run

import isotropy as iso
from isotropy import groups

TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
FULL = {"samples": 10_000, "pairs": 2000, "steps": 5000, "rounds": 6000}
QUICK = {"samples": 10_000, "pairs": 2000, "steps": 50, "rounds": 50}


def angle(found: np.ndarray, truth: np.ndarray) -> float:
    """The largest principal angle of two spans of matrices in degrees; 90 where their dimensions differ."""
    if len(found) != len(truth):
        return 90.0
    frames = [np.linalg.qr(rows.reshape(len(rows), -1).T)[0] for rows in (found, truth)]
    return float(np.degrees(np.arccos(min(1.0, np.linalg.svd(frames[0].T @ frames[1], compute_uv=False).min()))))


def two_bodies(pairs: int, noise: float, seed: int, *, step: float = 0.4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (q1, q2, p1, p2) of two unit masses on near-circular orbits, those a ``step`` later, and their errors.

    Radii are uniform in [.5, 1.5] and velocities circular ones times 1 + .05 of a normal number, two steps an orbit.
    """
    rng = np.random.default_rng(seed)
    radius, phase = rng.uniform(0.5, 1.5, pairs // 2), rng.uniform(0, 2 * np.pi, pairs // 2)
    q = radius[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=1)
    v = q @ TURN.T / (2 * radius[:, None] ** 1.5) * (1 + 0.05 * rng.normal(size=q.shape))
    states = [np.concatenate([q, -q, v, -v], axis=1)]
    pull = lambda q: -q / (4 * np.linalg.norm(q, axis=1, keepdims=True) ** 3)  # noqa: E731
    small = step / 100
    for _ in range(2):
        for _ in range(100):
            v = v + small / 2 * pull(q)
            q = q + small * v
            v = v + small / 2 * pull(q)
        states.append(np.concatenate([q, -q, v, -v], axis=1))
    path = np.stack(states)
    errors = noise * path.reshape(-1, 8).std(axis=0)
    path = path + errors * rng.normal(size=path.shape)
    return path[:-1].reshape(-1, 8), path[1:].reshape(-1, 8), errors


def inside(generator: np.ndarray) -> np.ndarray:
    """The part of a matrix that the plane q2 = -q1, p2 = -p1 of the data sees."""
    onto = np.kron(np.eye(2), np.kron(np.array([[1.0, -1.0], [-1.0, 1.0]]) / 2, np.eye(2)))
    return onto @ generator @ onto


def ours_o5(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """All of ours, with no hint."""
    return iso.discover(iso.Data(X, Y), iso.Action(2 * groups.GL(5).vector)).generators


def ours_bodies(X: np.ndarray, Y: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """All of ours; the size of the errors is stated."""
    V = groups.GL(8).vector
    found = iso.discover(iso.Data(X, Y, input_noise=errors), iso.Action(V, V))
    return np.array([inside(generator) for generator in found.generators])


def liegg(X: np.ndarray, Y: np.ndarray, *, size: int, count: int, steps: int, moves_output: bool) -> np.ndarray:
    """Generators of size ``size`` on copies of V: the last ``count`` singular vectors of the polarisation matrix."""
    scale, centre, spread = X.std(), Y.mean(axis=0), Y.std()
    net = eqx.nn.MLP(X.shape[1], Y.shape[1], 128, 3, jax.nn.silu, key=jax.random.key(0))
    inputs, outputs = jnp.asarray(X / scale, jnp.float32), jnp.asarray((Y - centre) / spread, jnp.float32)
    arrays, static = eqx.partition(net, eqx.is_inexact_array)
    adam = optax.adam(optax.cosine_decay_schedule(3e-3, steps))

    @jax.jit
    def train(arrays: Any, state: Any, keys: Any) -> Any:
        def step(carry: Any, key: Any) -> Any:
            arrays, state = carry
            rows = jax.random.randint(key, (200,), 0, len(inputs))
            loss = lambda a: jnp.mean((jax.vmap(eqx.combine(a, static))(inputs[rows]) - outputs[rows]) ** 2)  # noqa: E731
            change, state = adam.update(jax.grad(loss)(arrays), state, arrays)
            return (eqx.apply_updates(arrays, change), state), None

        return jax.lax.scan(step, (arrays, state), keys)[0][0]

    trained = eqx.combine(train(arrays, adam.init(arrays), jax.random.split(jax.random.key(1), steps)), static)
    few = inputs[:2000]
    slopes = np.asarray(jax.jit(jax.vmap(jax.jacrev(trained)))(few)) * spread / scale
    points = np.asarray(few, dtype=np.float64) * scale
    copies = X.shape[1] // size
    parts = slopes.reshape(len(few), -1, copies, size), points.reshape(len(few), copies, size)
    rows = np.einsum("pnci,pcj->pnij", *parts)
    if moves_output:
        values = np.asarray(jax.jit(jax.vmap(trained))(few)) * spread + centre
        rows -= np.einsum("ni,pj->pnij", np.eye(Y.shape[1]), values)
    return np.linalg.svd(rows.reshape(-1, size * size), full_matrices=False)[2][-count:].reshape(count, size, size)


def liegan(X: np.ndarray, Y: np.ndarray, *, size: int, count: int, rounds: int, moves_output: bool) -> np.ndarray:
    """A basis of generators whose exponentials fool a discriminator of moved pairs."""
    scale, centre, spread = X.std(), (0.0 if moves_output else Y.mean()), (X.std() if moves_output else Y.std())
    inputs, outputs = jnp.asarray(X / scale, jnp.float32), jnp.asarray((Y - centre) / spread, jnp.float32)
    copies, width = X.shape[1] // size, X.shape[1] + Y.shape[1]
    judge = eqx.nn.MLP(width, "scalar", 128, 2, jax.nn.leaky_relu, key=jax.random.key(0))
    weights, static = eqx.partition(judge, eqx.is_inexact_array)
    basis = 0.1 * jax.random.normal(jax.random.key(1), (count, size, size))
    for_judge, for_basis = optax.adam(2e-4), optax.adam(1e-3)

    def move(basis: Any, x: Any, y: Any, key: Any) -> tuple[Any, Any]:
        amounts = jax.random.normal(key, (len(x), count))
        elements = jax.vmap(jax.scipy.linalg.expm)(jnp.einsum("pc,cij->pij", amounts, basis))
        moved = jnp.einsum("pij,pcj->pci", elements, x.reshape(len(x), copies, size)).reshape(x.shape)
        return moved, jnp.einsum("pij,pj->pi", elements, y) if moves_output else y

    def judged(weights: Any, x: Any, y: Any) -> Any:
        return jax.vmap(eqx.combine(weights, static))(jnp.concatenate([x, y], axis=1))

    def step(carry: Any, key: Any) -> Any:
        weights, basis, states = carry
        keys = jax.random.split(key, 3)
        rows = jax.random.randint(keys[0], (64,), 0, len(inputs))
        x, y = inputs[rows], outputs[rows]

        def blame(weights: Any) -> Any:
            false = judged(weights, *move(basis, x, y, keys[1]))
            return jnp.mean(jax.nn.softplus(-judged(weights, x, y)) + jax.nn.softplus(false))

        def fool(basis: Any) -> Any:
            moved, after = move(basis, x, y, keys[2])
            near = jnp.sum(moved * x, axis=1) / (jnp.linalg.norm(moved, axis=1) * jnp.linalg.norm(x, axis=1))
            flat = basis.reshape(count, -1) / jnp.linalg.norm(basis.reshape(count, -1), axis=1, keepdims=True)
            alike = jnp.sum(jnp.abs(jnp.triu(flat @ flat.T, 1)))
            return jnp.mean(jax.nn.softplus(-judged(weights, moved, after))) + jnp.mean(near) + alike

        change, first = for_judge.update(jax.grad(blame)(weights), states[0])
        weights = eqx.apply_updates(weights, change)
        change, second = for_basis.update(jax.grad(fool)(basis), states[1])
        return (weights, basis + change, (first, second)), None

    train = jax.jit(lambda carry, keys: jax.lax.scan(step, carry, keys)[0][1])
    states = (for_judge.init(weights), for_basis.init(basis))
    return np.asarray(train((weights, basis, states), jax.random.split(jax.random.key(2), rounds)), dtype=np.float64)


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What it returns, and its processor time."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def measure(quick: bool) -> list[Figure]:
    """Ratios of processor time and angles."""
    sizes = QUICK if quick else FULL
    X, Y = o5(np.random.default_rng(0), sizes["samples"])
    # Modules are loaded before, as those of the peers are; what is compiled is not.
    iso.discover, iso.Data  # noqa: B018
    so5 = np.asarray(groups.SO(5).algebra.matrices)
    figures: list[Figure] = []

    def compare(name: str, truth: np.ndarray, goal: float, works: dict[str, Callable[[], np.ndarray]]) -> None:
        results = {label: timed(work) for label, work in works.items()}
        for label, (found, seconds) in results.items():
            shown = found if truth.shape[1] == 5 else np.array([inside(generator) for generator in found])
            limit = goal if label == "ours" else None
            figures.append(Figure(f"{name}: angle in degrees, {label}", angle(shown, truth), at_most=limit))
            print(figures[-1], flush=True)
            if label != "ours":
                share = results["ours"][1] / seconds
                figures.append(Figure(f"{name}: our processor time over that of {label}", share, at_most=1.0))
                print(figures[-1], flush=True)

    peers = {"size": 5, "count": 10, "moves_output": False}
    compare("O(5)", so5, 0.5, {
        "ours": lambda: ours_o5(X, Y),
        "LieGG style": lambda: liegg(X, Y, steps=sizes["steps"], **peers),
        "LieGAN style": lambda: liegan(X, Y, rounds=sizes["rounds"], **peers),
    })  # fmt: skip
    for noise, goal in ((0.0, 0.1), (0.05, 1.0)):
        A, B, errors = two_bodies(sizes["pairs"], noise, 0)
        peers = {"size": 8, "count": 1, "moves_output": True}
        compare(f"two bodies, noise {noise:.0%}", inside(np.kron(np.eye(4), TURN))[None], goal, {
            "ours": lambda A=A, B=B, errors=errors: ours_bodies(A, B, errors),
            "LieGG style": lambda A=A, B=B, peers=peers: liegg(A, B, steps=sizes["steps"], **peers),
            "LieGAN style": lambda A=A, B=B, peers=peers: liegan(A, B, rounds=sizes["rounds"], **peers),
        })  # fmt: skip
    return figures


if __name__ == "__main__":
    run(measure)
