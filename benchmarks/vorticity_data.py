"""One step of two-dimensional vorticity as a task for operators: the data, made once by the project's own solver.

Fields start as Gaussian random fields of covariance 7^3/2 (49 - lap)^-5/2 on the unit square (Li and others, *Fourier
Neural Operator*, ICLR 2021), with viscosity 1e-3 and forcing .1 (cos 4 pi x + cos 4 pi y), and are followed for 20
steps of length 1 on 64 x 64 points. Every operator is shown the forcing: without it the map is not
translation-equivariant.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from isotropy.fields import Periodic

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "fields"))
from equations import bumps, vorticity

__all__ = ["STEPS", "Task", "bumps", "task"]

VISCOSITY, STEP, STEPS, FINE = 1e-3, 1.0, 20, 64
SUBSTEPS = 50


@dataclass(frozen=True)
class Task:
    """Trajectories (k, STEPS + 1, n, n) of vorticity and the forcing (n, n), float32."""

    trajectories: np.ndarray
    forcing: np.ndarray

    def pairs(self, rows: slice, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """One pair of each trajectory in ``rows`` at a random time: inputs (k, n, n, 2) and outputs (k, n, n, 1)."""
        chosen = self.trajectories[rows]
        times = np.random.default_rng(seed).integers(STEPS, size=len(chosen))
        before, after = (chosen[np.arange(len(chosen)), times + shift] for shift in (0, 1))
        return self.inputs(before), after[..., None]

    def inputs(self, w: np.ndarray) -> np.ndarray:
        """Vorticity (k, n, n) with the forcing beside it."""
        return np.stack([w, np.broadcast_to(self.forcing, w.shape)], axis=-1)

    def coarse(self) -> Task:
        """The same on half as many points a side."""
        grid = Periodic(self.forcing.shape)
        rows = self.trajectories.reshape(-1, *self.forcing.shape)
        small = np.moveaxis(grid.restrict(np.moveaxis(rows, 0, -1)), -1, 0)
        return Task(small.reshape(*self.trajectories.shape[:2], *small.shape[1:]), grid.restrict(self.forcing))


def task(count: int, file: Path, *, isotropic: bool = True) -> Task:
    """``count`` trajectories on 64 x 64 points, from ``file`` where they are there already.

    With ``isotropic`` false the forcing is .1 cos 4 pi x alone.
    """
    grid = Periodic((FINE, FINE))
    x, y = (part.reshape(grid.shape) for part in grid.points.T)
    forcing = 0.1 * (np.cos(4 * np.pi * x) + (np.cos(4 * np.pi * y) if isotropic else 0.0)).astype(np.float32)
    if file.exists():
        stored = np.load(file, allow_pickle=False)
        if len(stored) >= count:
            return Task(stored[:count], forcing)
    k = 2 * np.pi * np.fft.fftfreq(FINE, 1 / FINE)
    size = 7**1.5 * (k[:, None] ** 2 + k**2 + 49.0) ** -1.25
    size[0, 0] = 0.0
    rng = np.random.default_rng(0)
    noise = np.fft.fft2(rng.standard_normal((count, FINE, FINE)))
    # White noise of unit variance a cell has spectral density 1 / FINE^2 on the unit square.
    w = np.real(np.fft.ifft2(noise * size * FINE)).astype(np.float32)
    advance = jax.jit(
        jax.vmap(
            lambda v: vorticity(
                jnp.stack([v, jnp.asarray(forcing)], axis=-1), step=STEP, viscosity=VISCOSITY, count=SUBSTEPS
            )
        )
    )
    states = [w]
    for _ in range(STEPS):
        states.append(np.asarray(advance(states[-1])))
    trajectories = np.stack(states, axis=1)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, trajectories)
    return Task(trajectories, forcing)
