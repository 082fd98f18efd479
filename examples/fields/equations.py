"""Short pseudo-spectral solvers in JAX: the operators between fields that the tests and benchmarks look at.

Each is a function from one field to one field in the precision of its input, on a periodic box of the given lengths.
Where an equation has a step in time, products are dealiased by the two-thirds rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def waves(shape: tuple[int, ...], lengths: Any) -> tuple[list[Array], Array]:
    """Frequencies along each axis (without the one that has no sign) and the mask of the two-thirds rule."""
    every, mask = [], np.ones(shape, bool)
    for axis, (n, length) in enumerate(zip(shape, np.broadcast_to(lengths, (len(shape),)), strict=True)):
        count = np.fft.fftfreq(n, 1 / n)
        place = [None] * len(shape)
        place[axis] = slice(None)
        mask = mask & (np.abs(count) <= n / 3)[tuple(place)]
        every.append(jnp.asarray((2 * np.pi / length * np.where(np.abs(count) == n / 2, 0, count))[tuple(place)]))
    return every, jnp.asarray(mask)


def rk4(rate: Callable[[Array], Array], state: Array, step: float, count: int) -> Array:
    """``count`` steps of the classical Runge–Kutta method over a time ``step``."""
    h = step / count

    def advance(y: Array, _: None) -> tuple[Array, None]:
        a = rate(y)
        b = rate(y + h / 2 * a)
        c = rate(y + h / 2 * b)
        d = rate(y + h * c)
        return y + h / 6 * (a + 2 * b + 2 * c + d), None

    return jax.lax.scan(advance, state, None, length=count)[0]


def heat(u: Array, *, step: float, lengths: Any = 1.0, conductivity: Any = 1.0, count: int = 0) -> Array:
    """One step of u_t = div(conductivity grad u): exact for a number, else Runge–Kutta for a field of conductivity."""
    k, _ = waves(u.shape, lengths)
    if np.ndim(conductivity) == 0:
        decay = jnp.exp(-step * conductivity * sum(w**2 for w in k))
        return jnp.real(jnp.fft.ifftn(jnp.fft.fftn(u) * decay.astype(u.dtype))).astype(u.dtype)

    def rate(v: Array) -> Array:
        spectrum = jnp.fft.fftn(v)
        flux = [jnp.fft.fftn(conductivity * jnp.real(jnp.fft.ifftn(1j * w * spectrum))) for w in k]
        return jnp.real(jnp.fft.ifftn(sum(1j * w * f for w, f in zip(k, flux, strict=True)))).astype(v.dtype)

    return rk4(rate, u, step, count)


def burgers(u: Array, *, step: float, viscosity: float, lengths: Any = 1.0, count: int = 50) -> Array:
    """One step of u_t + u u_x = viscosity u_xx on a line."""
    (k,), mask = waves(u.shape, lengths)

    def rate(v: Array) -> Array:
        square = jnp.fft.fft(v * v / 2) * mask
        return jnp.real(jnp.fft.ifft(-1j * k * square - viscosity * k**2 * jnp.fft.fft(v))).astype(v.dtype)

    return rk4(rate, u, step, count)


def vorticity(
    field: Array, *, step: float, viscosity: float, lengths: Any = 1.0, count: int = 50, forcing: Any = None
) -> Array:
    """One step of w_t + v . grad w = viscosity lap w + f in the plane, v the flow of which w is the curl.

    ``field`` (nx, ny, 2) holds w and f; or (nx, ny), with ``forcing`` frozen or none.
    """
    joint = field.ndim == 3
    w, f = (field[..., 0], field[..., 1]) if joint else (field, 0.0 if forcing is None else forcing)
    (kx, ky), mask = waves(w.shape, lengths)
    square = kx**2 + ky**2
    inverse = jnp.where(square > 0, 1 / jnp.where(square > 0, square, 1), 0)
    real = lambda s: jnp.real(jnp.fft.ifft2(s))  # noqa: E731

    def rate(v: Array) -> Array:
        spectrum = jnp.fft.fft2(v) * mask
        stream = spectrum * inverse
        advected = real(1j * ky * stream) * real(1j * kx * spectrum) - real(1j * kx * stream) * real(1j * ky * spectrum)
        return (real(-jnp.fft.fft2(advected) * mask - viscosity * square * spectrum) + f).astype(v.dtype)

    return rk4(rate, w, step, count)


def wave_residual(u: Array, *, lengths: Any = 1.0, mass: float = 0.0) -> Array:
    """u_tt - u_xx + mass^2 u on a box of space and time, time first."""
    k, _ = waves(u.shape, lengths)
    symbol = -(k[0] ** 2) + sum(w**2 for w in k[1:]) + mass**2
    return jnp.real(jnp.fft.ifftn(jnp.fft.fftn(u) * symbol)).astype(u.dtype)


def shallow_water(
    state: Array, *, step: float, gravity: Any = 1.0, coriolis: float = 0.0, lengths: Any = 1.0, count: int = 50
) -> Array:
    """One step of shallow water about a depth of one; ``state`` (nx, ny, 3) is the surface's height and velocities."""
    k, mask = waves(state.shape[:2], lengths)

    def slope(v: Array, axis: int) -> Array:
        return jnp.real(jnp.fft.ifft2(1j * k[axis] * mask * jnp.fft.fft2(v)))

    def rate(y: Array) -> Array:
        h, velocity = y[..., 0], (y[..., 1], y[..., 2])
        rates = [-slope((1 + h) * velocity[0], 0) - slope((1 + h) * velocity[1], 1)]
        turned = (velocity[1], -velocity[0])
        for i in range(2):
            carried = sum(velocity[j] * slope(velocity[i], j) for j in range(2))
            rates.append(-carried - gravity * slope(h, i) + coriolis * turned[i])
        return jnp.stack(rates, axis=-1).astype(y.dtype)

    return rk4(rate, state, step, count)


def darcy(conductivity: Array, *, source: Any = 1.0, length: float = 2.0) -> Array:
    """The pressure p of -div(conductivity grad p) = source on a square of n x n points, p = 0 at the edge.

    Finite volumes: the conductivity between two points is their harmonic mean, and what flows out of one point flows
    into another. The linear equations are solved densely, which is quick up to some thirty points a side.
    """
    n = conductivity.shape[0]
    inside = n - 2
    sides = [(conductivity[1:, 1:-1], conductivity[:-1, 1:-1]), (conductivity[1:-1, 1:], conductivity[1:-1, :-1])]
    east, north = (2 * a * b / (a + b) for a, b in sides)
    index = np.arange(inside**2).reshape(inside, inside)
    matrix = jnp.zeros((inside**2, inside**2), conductivity.dtype)
    through = east[:-1] + east[1:] + north[:, :-1] + north[:, 1:]
    matrix = matrix.at[index.ravel(), index.ravel()].set(through.ravel())
    for first, second, flow in ((index[:-1], index[1:], east[1:-1]), (index[:, :-1], index[:, 1:], north[:, 1:-1])):
        matrix = matrix.at[first.ravel(), second.ravel()].set(-flow.ravel())
        matrix = matrix.at[second.ravel(), first.ravel()].set(-flow.ravel())
    spacing = length / (n - 1)
    load = jnp.broadcast_to(jnp.asarray(source, conductivity.dtype), (n, n))[1:-1, 1:-1] * spacing**2
    return jnp.pad(jnp.linalg.solve(matrix, load.ravel()).reshape(inside, inside), 1)


def sphere_diffusion(u: Array, *, sphere: Any, step: float, conductivity: Any = 1.0, count: int = 20) -> Array:
    """One step of u_t = div(conductivity grad u) on a sphere of harmonics, by Runge-Kutta; ``u`` as `sphere.shape`."""
    flow = jnp.asarray(conductivity, u.dtype)

    def rate(v: Array) -> Array:
        slope = sphere.gradient(v[..., None])[..., 0, :]
        return jnp.trace(sphere.gradient(slope * (flow[..., None] if flow.ndim else flow)), axis1=-2, axis2=-1)

    return rk4(rate, u, step, count)


def bumps(
    points: np.ndarray, shape: tuple[int, ...], *, seed: int, width: float, spread: float, number: int = 4
) -> Any:
    """A smooth field of a few Gaussian bumps near the origin, compact for all purposes, of mean zero; float64.

    A vorticity with a mean would move the fluid everywhere, and a periodic box would be felt from afar.
    """
    rng = np.random.default_rng(seed)
    centres = spread * rng.uniform(-1, 1, (number, points.shape[1]))
    widths = width * rng.uniform(0.8, 1.2, number)
    sizes = rng.normal(size=number)
    sizes -= widths ** points.shape[1] * (sizes @ widths ** points.shape[1]) / np.sum(widths ** (2 * points.shape[1]))
    away = np.sum((points[:, None] - centres) ** 2, axis=2)
    return (np.exp(-away / (2 * widths**2)) @ sizes).reshape(shape)
