"""A double spring pendulum learned by neural ODEs: free, with rotations promoted, and with the right one enforced.

Two masses hang from springs. Gravity leaves one rotation of so(3) a symmetry, that about the vertical. The promoted
model is told nothing of gravity: it is offered all rotations. At first the nuclear norm makes it prefer a few of them;
after three tenths of the steps the one that it has come closest to keeping is insisted on.
Run it: `python examples/spring_pendulum.py`; a few minutes. `--short` trains for a few steps only, to see it work.
"""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import isotropy as iso
from isotropy import groups

TRAJECTORIES, STEPS, RATE = 25, 300, 3e-3
PROPOSE, INSIST = 0.01, 3.0
TIMES = jnp.linspace(0.0, 0.8, 5)


def energy(z: jax.Array) -> jax.Array:
    """Springs of length one and stiffness one and two, unit masses, gravity along -z; positions, then momenta."""
    first, second, p, q = jnp.split(z, 4)
    length = lambda v: jnp.sqrt(v @ v)  # noqa: E731
    springs = (length(first) - 1) ** 2 / 2 + (length(second - first) - 1) ** 2
    return (p @ p + q @ q) / 2 + springs + first[2] + second[2]


def motions(seed: int, count: int) -> jax.Array:
    """Pieces (count, 5, 12) of motions that start near rest."""
    rng = np.random.default_rng(seed)
    hanging = np.array([0, 0, -1.5, 0, 0, -3.0, 0, 0, 0, 0, 0, 0])
    spread = np.array([0.2] * 6 + [0.4] * 6)
    field = lambda z: jnp.concatenate([jax.grad(energy)(z)[6:], -jax.grad(energy)(z)[:6]])  # noqa: E731
    truth = iso.nn.NeuralODE(4 * groups.SO(3).vector, field=field)
    # Each piece begins where the motion is after one to ten units of time.
    begin = jax.vmap(lambda z, t: truth(z, jnp.stack([0 * t, t]))[1])
    start = jnp.asarray(hanging + spread * rng.normal(size=(count, 12)), jnp.float32)
    start = begin(start, jnp.asarray(rng.uniform(1, 10, count), jnp.float32))
    return jax.vmap(lambda z: truth(z, TIMES))(start)


def error(model: eqx.Module, data: jax.Array) -> jax.Array:
    """Mean square error of the states predicted from the first of each piece."""
    return jnp.mean((jax.vmap(lambda z: model(z, TIMES))(data[:, 0])[:, 1:] - data[:, 1:]) ** 2)


def train(model: eqx.Module, data: jax.Array, steps: int, *, promoted: bool) -> eqx.Module:
    """Adam, with penalties in two stages where rotations are to be promoted."""
    samples = iso.Samples(np.asarray(data[:, 0]))
    penalty = iso.Penalty(iso.Action(4 * groups.SO(3).vector, 4 * groups.SO(3).vector), samples)
    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    moments = optimiser.init(eqx.filter(model, eqx.is_inexact_array))
    first = -(-3 * steps // 10) if promoted else 0

    @eqx.filter_jit
    def step(model, moments, extra, directions):
        slope = eqx.filter_grad(lambda m: error(m, data) + extra(m.field, directions))(model)
        updates, moments = optimiser.update(slope, moments)
        return eqx.apply_updates(model, updates), moments

    none = lambda field, directions: 0.0  # noqa: E731
    propose = lambda field, directions: PROPOSE * penalty(field)  # noqa: E731
    insist = lambda field, directions: INSIST * penalty.along(field, directions)  # noqa: E731
    directions = jnp.zeros((1, 3))
    for _ in range(first):
        model, moments = step(model, moments, propose, directions)
    if promoted:
        directions = penalty.spectrum(model.field)[1][-1:]
    for _ in range(first, steps):
        model, moments = step(model, moments, insist if promoted else none, directions)
    return model


def main(steps: int = STEPS, trajectories: int = TRAJECTORIES) -> dict[str, float]:
    """Train the three models and print their errors on new motions, and the rotation that the promoted one keeps."""
    data, test = motions(0, trajectories), motions(1, 200)
    key = jax.random.key(0)
    vertical = groups.SO(2)
    states = 4 * (vertical.vector + vertical.scalar)  # each vector: a part in the plane, and a height
    rotations = 4 * groups.SO(3).vector
    models = {
        "free": iso.nn.NeuralODE(rotations, key=key, equivariant=False),
        "promoted": iso.nn.NeuralODE(rotations, key=key, equivariant=False),
        "enforced": iso.nn.NeuralODE(states, key=key, width=64, depth=2),
    }
    found = {}
    for name, model in models.items():
        model = train(model, data, steps, promoted=name == "promoted")
        found[name] = float(error(model, test))
        print(f"{name}: mean square error {found[name]:.4f} on new motions, {float(error(model, data)):.4f} on its own")
        if name == "promoted":
            action = iso.Action(rotations, rotations).named(tuple(f"{c}{k}" for k in "1234" for c in "xyz"))
            values, directions = iso.Penalty(action, iso.Samples(np.asarray(test[:, 0]))).spectrum(model.field)
            axis = np.asarray(directions[-1], dtype=float)
            print(f"    smallest singular value over the largest {values[-1] / values[0]:.3f}")
            print(f"    closest to a rotation in the planes xy, xz, yz by {np.round(axis / np.abs(axis).max(), 3)}")
    return found


if __name__ == "__main__":
    main(*(() if "--short" not in sys.argv else (3, 4)))
