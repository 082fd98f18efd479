"""Motions with known laws and known near misses, integrated once and measured with noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from isotropy.geometry.grammar import parse
from isotropy.geometry.space import Space

INERTIA = np.array([1.0, 2.0, 3.0])


def kepler(z: np.ndarray) -> np.ndarray:
    """Planets around a fixed sun, one a row: angular momentum and energy are kept."""
    x, v = z[:, :3], z[:, 3:]
    return np.concatenate([v, -x / np.linalg.norm(x, axis=1, keepdims=True) ** 3], axis=1)


def rigid_body(z: np.ndarray) -> np.ndarray:
    """Euler's equations of a free rigid body: two quadratic laws."""
    return np.cross(z, z / INERTIA)


def damped(z: np.ndarray, damping: float = 0.1) -> np.ndarray:
    """An oscillator that loses energy: no law."""
    return np.stack([z[:, 1], -z[:, 0] - damping * z[:, 1]], axis=1)


def orbits(count: int, rng: np.random.Generator) -> np.ndarray:
    """Starts of bound orbits in space, of moderate eccentricity."""
    x, side = rng.normal(size=(count, 3)), rng.normal(size=(count, 3))
    x *= rng.uniform(0.8, 1.5, size=(count, 1)) / np.linalg.norm(x, axis=1, keepdims=True)
    v = np.cross(x, side)
    speed = rng.uniform(0.8, 1.1, size=(count, 1)) / np.sqrt(np.linalg.norm(x, axis=1, keepdims=True))
    return np.concatenate([x, speed * v / np.linalg.norm(v, axis=1, keepdims=True)], axis=1)


def together(field: Callable[[np.ndarray], np.ndarray], starts: np.ndarray, t: np.ndarray) -> np.ndarray:
    """States (n, p, m) of n motions at times that begin with zero, all integrated at once."""

    def flat(_: float, z: np.ndarray) -> np.ndarray:
        return field(z.reshape(starts.shape)).ravel()

    states = solve_ivp(flat, (0, t[-1]), starts.ravel(), t_eval=t, rtol=1e-9, atol=1e-9, method="DOP853").y
    return states.reshape(*starts.shape, -1).transpose(0, 2, 1)


@dataclass(frozen=True)
class Case:
    """A field, how its motions start, for how long, and the functions among which its laws are sought."""

    name: str
    field: Callable[[np.ndarray], np.ndarray]
    starts: Callable[[int, np.random.Generator], np.ndarray]
    end: float
    variables: tuple[str, ...]
    space: str
    laws: tuple[str, ...]

    @property
    def functions(self) -> Space:
        """The space in which laws are sought."""
        return parse(self.space, self.variables)

    def motions(self, count: int, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Times (samples,) and exact states (count, samples, m)."""
        t = np.linspace(0, self.end, samples)
        return t, together(self.field, self.starts(count, rng), t)


CASES = (
    Case(
        "Kepler", kepler, orbits, 10.0, ("x", "y", "z", "u", "v", "w"), "polynomials(2) + 1/sqrt(x^2 + y^2 + z^2)",
        ("x*v - y*u", "x*w - z*u", "y*w - z*v", "u^2 + v^2 + w^2 - 2/sqrt(x^2 + y^2 + z^2)"),
    ),
    Case(
        "rigid body", rigid_body, lambda n, rng: rng.normal(size=(n, 3)), 15.0, ("x", "y", "z"), "polynomials(2)",
        ("x^2 + y^2 + z^2", "x^2 + y^2/2 + z^2/3"),
    ),
    Case(
        "damped oscillator", damped, lambda n, rng: rng.normal(size=(n, 2)), 15.0, ("x", "v"), "polynomials(3)", (),
    ),
)  # fmt: skip


def drift(values: np.ndarray) -> np.ndarray:
    """Within and total mean products of functions ``values`` (motions, samples, f), about the means of each."""
    within = values - values.mean(axis=1, keepdims=True)
    total = values - values.mean(axis=(0, 1))
    f, size = values.shape[2], values.shape[0] * values.shape[1]
    flat = within.reshape(-1, f), total.reshape(-1, f)
    return np.stack([part.T @ part / size for part in flat])


def worst(values: np.ndarray, combinations: np.ndarray) -> float:
    """The largest true drift of a combination in the span."""
    within, total = (combinations @ form @ combinations.T for form in drift(values))
    root = np.linalg.inv(np.linalg.cholesky(total))
    return float(np.sqrt(np.linalg.eigvalsh(root @ within @ root.T)[-1]))


def fading_oscillator(starts: np.ndarray, t: np.ndarray, damping: float) -> np.ndarray:
    """States (n, p, 2) of an oscillator of frequency one whose amplitude fades with exp(-damping t)."""
    x, v = starts[:, None, 0], starts[:, None, 1]
    return np.exp(-damping * t)[None, :, None] * np.stack(
        [x * np.cos(t) + v * np.sin(t), v * np.cos(t) - x * np.sin(t)], axis=2
    )


def fading_body(starts: np.ndarray, t: np.ndarray, damping: float) -> np.ndarray:
    """States (n, p, 3) of a rigid body with friction: those of the free body in a slowing time, fading."""
    slowed = t if damping == 0 else -np.expm1(-damping * t) / damping
    return np.exp(-damping * t)[None, :, None] * together(rigid_body, starts, slowed)


def miss(
    make: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
    starts: np.ndarray,
    t: np.ndarray,
    space: Space,
    size: float,
) -> np.ndarray:
    """Exact states with the damping at which the best function of the space drifts by ``size`` of its spread."""
    if size == 0:
        return make(starts, t, 0.0)

    def excess(damping: float) -> float:
        states = make(starts, t, damping)
        within, total = drift(space.values(states.reshape(-1, states.shape[2])).reshape(*states.shape[:2], -1)[..., 1:])
        root = np.linalg.inv(np.linalg.cholesky(total))
        return float(np.sqrt(max(np.linalg.eigvalsh(root @ within @ root.T)[0], 0.0))) - size

    damping: Any = brentq(excess, 1e-6, 1.0, xtol=1e-7)
    return make(starts, t, damping)
