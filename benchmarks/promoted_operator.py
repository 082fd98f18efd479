"""A neural operator that knows no symmetry, promoted to those that its data have: translations, and not rotation.

The data are steps of u_t = nu lap u - (u^2)_x: a force along one axis, which breaks rotations and keeps translations.
The model is a Fourier neural operator that is given the coordinates too, so that nothing is symmetric by construction;
the candidates are the translations and the rotation of the plane. First the minibatch form of the penalty proposes,
then the directions to which the model has come closest are insisted on (`Penalty.closest`), then the error on fields
that nobody was trained on is compared with the same network without coordinates, the oracle that was told the answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from field_operators import relative
from field_rivals import FNO

import isotropy as iso
from isotropy import fields, groups

RESULTS = Path(__file__).parent / "results" / "promoted_operator.json"
GRID = fields.Periodic((24, 24), lengths=6.0)
VISCOSITY, STEP, SUBSTEPS = 0.05, 0.2, 10
TRAIN, TEST, BATCH, STEPS, SEEDS = 64, 64, 8, 600, 3
PROPOSE, INSIST = 0.1, 100.0
FIRST = STEPS // 3
ALLOWED = 1.05
ACTION = fields.FieldAction(GRID, groups.SE(2), increment=True)


def advance(u: Any) -> Any:
    """One step of the equation by Runge-Kutta, products dealiased."""
    k = [2 * np.pi * np.fft.fftfreq(n, length / n) for n, length in zip(GRID.shape, GRID.lengths, strict=True)]
    kx, ky = k[0][:, None], k[1][None]
    low = (np.abs(kx) <= np.abs(k[0]).max() * 2 / 3) & (np.abs(ky) <= np.abs(k[1]).max() * 2 / 3)

    def rate(v: Any) -> Any:
        flux = jnp.fft.fft2(v * v) * low
        return jnp.real(jnp.fft.ifft2(-1j * kx * flux - VISCOSITY * (kx**2 + ky**2) * jnp.fft.fft2(v))).astype(v.dtype)

    def substep(v: Any, _: None) -> tuple[Any, None]:
        h = STEP / SUBSTEPS
        a = rate(v)
        b = rate(v + h / 2 * a)
        c = rate(v + h / 2 * b)
        return v + h / 6 * (a + 2 * b + 2 * c + rate(v + h * c)), None

    return jax.lax.scan(substep, u, None, length=SUBSTEPS)[0]


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bumps near the middle and their next states, (count, 24, 24, 1) each."""
    rng = np.random.default_rng(seed)
    centres, widths = rng.uniform(-0.8, 0.8, (count, 3, 2)), rng.uniform(0.35, 0.5, (count, 3))
    away = ((GRID.points[None, :, None] - centres[:, None]) ** 2).sum(axis=3)
    u = (np.exp(-away / (2 * widths[:, None] ** 2)) * rng.normal(size=(count, 1, 3))).sum(axis=2)
    u = jnp.asarray(u.reshape(count, *GRID.shape), jnp.float32)
    return np.asarray(u)[..., None], np.asarray(jax.jit(jax.vmap(advance))(u))[..., None]


class Located(eqx.Module):
    """A Fourier neural operator that is told where it is."""

    inner: FNO

    def __call__(self, u: Any) -> Any:
        where = jnp.asarray(GRID.points / 3.0, u.dtype).reshape(*GRID.shape, 2)
        return self.inner(jnp.concatenate([u, where], axis=-1))


def model(seed: int, *, told: bool) -> Any:
    """The oracle, which is not told the coordinates and so cannot break translations, or the general one."""
    if told:
        return FNO(1, width=12, modes=6, depth=3, key=jax.random.key(seed))
    return Located(FNO(3, width=12, modes=6, depth=3, key=jax.random.key(seed)))


def train(start: Any, x: Any, y: Any, seed: int, penalty: iso.Penalty | None, keep: int) -> Any:
    """A model after `STEPS` steps of Adam: a third with the penalty's proposal, the rest insisting on ``keep``."""
    rule = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))
    parameters, rest = eqx.partition(start, eqx.is_inexact_array)
    state = None if penalty is None else penalty.init(start)

    def loss(parameters: Any, state: Any, rows: Any, late: Any) -> tuple[Any, Any]:
        full = eqx.combine(parameters, rest)
        value = relative(jax.vmap(full)(x[rows]), y[rows]).mean()
        if penalty is None:
            return value, state
        proposed, after = penalty.update(full, state, x[rows])
        insisted, _ = penalty.closest(full, state, keep, x[rows])
        return value + jnp.where(late, INSIST * insisted, PROPOSE * proposed), after

    @jax.jit
    def fit(parameters: Any, state: Any, order: Any) -> Any:
        def step(carry: Any, now: Any) -> Any:
            parameters, inner, state = carry
            slope, state = jax.grad(loss, has_aux=True)(parameters, state, *now)
            change, inner = rule.update(slope, inner, parameters)
            return (optax.apply_updates(parameters, change), inner, state), None

        return jax.lax.scan(step, (parameters, rule.init(parameters), state), order)[0][0]

    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(len(x)).reshape(-1, BATCH) for _ in range(STEPS * BATCH // len(x) + 1)])
    return eqx.combine(fit(parameters, state, (rows[:STEPS], np.arange(STEPS) >= FIRST)), rest)


def main() -> None:
    x, y = (jnp.asarray(part) for part in data(TRAIN, 0))
    held, tests = data(TEST, 1), data(TEST, 2)
    penalty, judge = iso.Penalty(ACTION, x), iso.Penalty(ACTION, tests[0])
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    still = np.abs(groups.SE(2).point.generators()).sum(axis=(1, 2)) == 0

    def error(net: Any, fields: tuple[np.ndarray, np.ndarray]) -> float:
        return float(relative(jax.vmap(net)(jnp.asarray(fields[0])), jnp.asarray(fields[1])).mean())

    for seed in range(SEEDS):
        if str(seed) in results:
            continue
        trained = {
            "plain": train(model(seed, told=False), x, y, seed, None, 0),
            "oracle": train(model(seed, told=True), x, y, seed, None, 0),
        }
        # From all candidates downwards; without any of them it is the plain model.
        errors, kept = {0: error(trained["plain"], held)}, 0
        for keep in (3, 2, 1):
            net = train(model(seed, told=False), x, y, seed, penalty, keep)
            errors[keep] = error(net, held)
            if errors[keep] <= ALLOWED * errors[0]:
                trained["promoted"], kept = net, keep
                break
        trained.setdefault("promoted", trained["plain"])
        record: dict[str, Any] = {"kept": kept, "held out": {str(k): v for k, v in errors.items()}}
        for name, net in trained.items():
            values, rows = judge.spectrum(net)
            turning = float(np.abs(np.asarray(rows)[ACTION.dimension - kept :][:, ~still]).max(initial=0.0))
            spectrum = [float(v) for v in values]
            record[name] = {"error": error(net, tests), "spectrum": spectrum, "rotation in kept": turning}
        print(seed, record, flush=True)
        results[str(seed)] = record
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print("kept:", [row["kept"] for row in results.values()])
    for name in ("plain", "promoted", "oracle"):
        errors = [row[name]["error"] / row["oracle"]["error"] for row in results.values()]
        spectrum = np.mean([row[name]["spectrum"] for row in results.values()], axis=0)
        print(f"{name:9} error over the oracle's {np.mean(errors):.3f}, spectrum {spectrum}")


if __name__ == "__main__":
    main()
