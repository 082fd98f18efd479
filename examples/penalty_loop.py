"""A network trained with the symmetry penalty: it finds the axis that leaves 200 noisy values unchanged.

Two stages. For a fifth of the steps the nuclear norm proposes which generators of SE(3) to keep; then a strong penalty
along the one it comes closest to. Run it: `python examples/penalty_loop.py`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import isotropy as iso
from isotropy import groups

STEPS, PROPOSE = 1500, 300


def data(rng: np.random.Generator, count: int, noise: float) -> tuple[jax.Array, jax.Array]:
    """A function of the height along z and the distance from that axis."""
    X = rng.uniform(-1, 1, size=(count, 3))
    square = X[:, 0] ** 2 + X[:, 1] ** 2
    y = np.sin(2.5 * X[:, 2]) + np.exp(-2 * square) * (1 + X[:, 2]) + 0.5 * square
    return jnp.asarray(X, jnp.float32), jnp.asarray(y + noise * rng.normal(size=count), jnp.float32)


def train(X: jax.Array, y: jax.Array, penalty: iso.Penalty, weight: float, strong: float) -> eqx.Module:
    """Adam with minibatches of penalty points; no penalty where both weights are 0."""
    model = eqx.nn.MLP(3, "scalar", 64, 2, jax.nn.silu, key=jax.random.PRNGKey(0))
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))
    state, moments = penalty.init(model), optimiser.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def step(model, state, moments, key, weight, strong, kept):
        points = jax.random.uniform(key, (64, 3), minval=-1.0, maxval=1.0)

        def loss(model):
            norm, following = penalty.update(model, state, points)
            fit = jnp.mean((jax.vmap(model)(X) - y) ** 2) / 2
            return fit + weight * norm + strong * penalty.along(model, kept, points), following

        (_, following), slope = eqx.filter_value_and_grad(loss, has_aux=True)(model)
        updates, moments = optimiser.update(slope, moments)
        return eqx.apply_updates(model, updates), following, moments

    kept = jnp.zeros((1, penalty.dimension))
    for k in range(STEPS):
        if k == PROPOSE:
            kept, weight = penalty.spectrum(model)[1][-1:], 0.0
        rise = strong * min(max((k - PROPOSE) / PROPOSE, 0.0), 1.0)
        # arrays, not numbers: `filter_jit` compiles anew for every new Python number
        strengths = jnp.asarray(weight), jnp.asarray(rise)
        model, state, moments = step(model, state, moments, jax.random.PRNGKey(k), *strengths, kept)
    return model


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X, y = data(rng, 200, 0.3)
    Xt, yt = data(rng, 4000, 0.0)
    action = iso.Action(groups.SE(3))
    penalty = iso.Penalty(action, iso.Samples.uniform(512, 3, seed=0, dtype=np.float32))
    for name, weight, strong in (("no penalty", 0.0, 0.0), ("two stages", 0.003, 3.0)):
        model = train(X, y, penalty, weight, strong)
        error = float(jnp.sqrt(jnp.mean((jax.vmap(model)(Xt) - yt) ** 2)))
        values, directions = penalty.spectrum(model)
        print(f"{name}: test error {error:.3f}, smallest singular value over the largest {values[-1] / values[0]:.4f}")
        print(f"    closest to {action.describe(np.asarray(directions[-1], dtype=float), noise=1e-2)}")
