"""A network trained with the symmetry penalty: it finds the axis that leaves 200 noisy values unchanged.

Two stages. First the nuclear norm proposes which generators of SE(3) to keep; then a strong penalty on the one that the
network comes closest to keeping. At the end the network is averaged over the turns that it found, and values that were
held out say whether to believe any of it. Run it: `python examples/penalty_loop.py`; with `--steps 20` it only
shows that it runs.
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg

import isotropy as iso
from isotropy import groups

STEPS, PROPOSE = 3000, 0.3
"""Steps of training, and the part of them in which the norm proposes."""


def data(rng: np.random.Generator, count: int, noise: float) -> tuple[jax.Array, jax.Array]:
    """A function of the height along z and the distance from that axis."""
    X = rng.uniform(-1, 1, size=(count, 3))
    square = X[:, 0] ** 2 + X[:, 1] ** 2
    y = np.sin(2.5 * X[:, 2]) + np.exp(-2 * square) * (1 + X[:, 2]) + 0.5 * square
    return jnp.asarray(X, jnp.float32), jnp.asarray(y + noise * rng.normal(size=count), jnp.float32)


def train(X: jax.Array, y: jax.Array, penalty: iso.Penalty, weight: float, strong: float, steps: int) -> eqx.Module:
    """Adam with fresh penalty points in every step; no penalty where both weights are 0."""
    propose = PROPOSE * steps
    model = eqx.nn.MLP(3, "scalar", 64, 2, jax.nn.silu, key=jax.random.PRNGKey(0))
    arrays, static = eqx.partition(model, eqx.is_array)
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, steps))

    def loss(arrays, state, key, k):
        model, points = eqx.combine(arrays, static), jax.random.uniform(key, (64, 3), minval=-1.0, maxval=1.0)
        norm, _ = penalty.update(model, state, points)
        closest, following = penalty.closest(model, state, 1, points)
        first = jnp.where(k < propose, weight, 0.0)
        second = strong * jnp.clip((k - propose) / propose, 0.0, 1.0)
        return jnp.mean((jax.vmap(model)(X) - y) ** 2) / 2 + first * norm + second * closest, following

    def step(carry, k):
        arrays, state, moments = carry
        slope, state = jax.grad(loss, has_aux=True)(arrays, state, jax.random.PRNGKey(k), k)
        updates, moments = optimiser.update(slope, moments)
        return (optax.apply_updates(arrays, updates), state, moments), None

    start = arrays, penalty.init(model), optimiser.init(arrays)
    return eqx.combine(jax.jit(lambda s: jax.lax.scan(step, s, jnp.arange(steps))[0][0])(start), static)


def averaged(model, generator: np.ndarray, count: int = 24):
    """The mean of the model over turns about the axis of a generator (4, 4) of SE(3)."""
    turn, centre = generator[:3, :3], -np.linalg.pinv(generator[:3, :3]) @ generator[:3, 3]
    unit = turn / np.linalg.norm(turn) * np.sqrt(2)
    turns = jnp.asarray([scipy.linalg.expm(unit * a) for a in 2 * np.pi * np.arange(count) / count], jnp.float32)
    middle = jnp.asarray(centre, jnp.float32)
    return lambda x: jnp.mean(jax.vmap(model)(turns @ (x - middle) + middle))


def main(steps: int) -> tuple[np.ndarray, dict[str, float]]:
    """The generator found, and each model's error on the values held out."""
    rng = np.random.default_rng(0)
    (X, y), (Xh, yh), (Xt, yt) = data(rng, 160, 0.3), data(rng, 40, 0.3), data(rng, 4000, 0.0)
    action = iso.Action(groups.SE(3))
    penalty = iso.Penalty(action, iso.Samples.uniform(512, 3, seed=0, dtype=np.float32))
    plain, promoted = (train(X, y, penalty, *weights, steps) for weights in ((0.0, 0.0), (0.02, 10.0)))
    values, directions = penalty.spectrum(promoted)
    found = np.asarray(directions[-1], dtype=float)
    print(f"closest to {action.describe(found, noise=5e-2)}; value over the largest {values[-1] / values[0]:.4f}")
    enforced = averaged(promoted, np.tensordot(found, groups.SE(3).matrices, 1))
    models = {"no penalty": plain, "two stages": promoted, "averaged over the turns": enforced}
    held, test = ({n: float(jnp.mean((jax.vmap(f)(x) - v) ** 2)) for n, f in models.items()}
                  for x, v in ((Xh, yh), (Xt, yt)))  # fmt: skip
    for name in models:
        print(f"{name}: held out {held[name]:.3f}, test error {test[name] ** 0.5:.3f}")
    print("accepted:", min(held, key=lambda name: held[name]))
    return found, held


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of training")
    main(parser.parse_args().steps)
