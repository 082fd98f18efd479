"""Solutions of heat, wave, Burgers and KdV on grids: exact ones, and KdV by a short pseudo-spectral solver.

Each function returns a grid ``{"t": ..., "x": ...}`` and fields (runs, t, x), periodic in x.
"""

from __future__ import annotations

import numpy as np

RUNS, TIMES, PLACES = 3, 80, 64


def _modes(seed: int, highest: int, decay: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    k = np.arange(1, highest + 1)
    size = rng.normal(size=(RUNS, highest)) * np.exp(-decay * k)
    return size, rng.uniform(0, 2 * np.pi, (RUNS, highest))


def _heat(t: np.ndarray, x: np.ndarray, size: np.ndarray, phase: np.ndarray, order: int = 0) -> np.ndarray:
    """A sum of decaying waves, or its derivative along x of some order."""
    k = np.arange(1, size.shape[1] + 1)
    wave = np.cos(k[:, None] * x + phase[:, :, None] + order * np.pi / 2) * (size * k**order)[:, :, None]
    return np.einsum("kt,rkx->rtx", np.exp(-np.outer(k**2, t)), wave)


def heat(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """u_t = u_xx: sums of decaying waves about a mean."""
    t, x = np.linspace(0.1, 1.1, TIMES), np.linspace(0, 2 * np.pi, PLACES, endpoint=False)
    size, phase = _modes(seed, 5, 0.1)
    return {"t": t, "x": x}, 0.3 + _heat(t, x, size, phase)


def wave(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """u_tt = u_xx: waves that run left and right."""
    t, x = np.linspace(0, 2, TIMES), np.linspace(0, 2 * np.pi, PLACES, endpoint=False)
    u = np.zeros((RUNS, TIMES, PLACES))
    for sign in (1, -1):
        size, phase = _modes(2 * seed + (sign > 0), 4, 0.3)
        u += np.stack([_heat(np.zeros(1), x + sign * now, size, phase)[:, 0] for now in t], axis=1)
    return {"t": t, "x": x}, u


def burgers(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """u_t + u u_x = u_xx, by the Cole-Hopf map u = -2 phi_x / phi of a positive solution of the heat equation."""
    t, x = np.linspace(0.1, 1.1, TIMES), np.linspace(0, 2 * np.pi, PLACES, endpoint=False)
    size, phase = _modes(seed, 5, 0.3)
    lift = 1.5 * np.abs(size).sum(axis=1)[:, None, None]
    waves, slopes = _heat(t, x, size, phase), _heat(t, x, size, phase, order=1)
    return {"t": t, "x": x}, -2 * slopes / (lift + waves)


def kdv(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """u_t + u u_x + u_xxx = 0 from smooth waves, pseudo-spectral with an integrating factor and Runge-Kutta steps."""
    count, steps = PLACES, 20
    t, x = np.linspace(0, 2, TIMES), np.linspace(0, 8 * np.pi, count, endpoint=False)
    size, phase = _modes(seed, 3, 0.3)
    k = np.fft.rfftfreq(count, 4 / count)
    kept = k <= k.max() * 2 / 3
    step = (t[1] - t[0]) / steps
    half, whole = np.exp(1j * k**3 * step / 2), np.exp(1j * k**3 * step)

    def nonlinear(modes: np.ndarray) -> np.ndarray:
        return -0.5j * k * kept * np.fft.rfft(np.fft.irfft(modes, count) ** 2)

    modes = np.fft.rfft(_heat(np.zeros(1), x / 4, size, phase)[:, 0])
    frames = [modes]
    for _ in range(TIMES - 1):
        for _ in range(steps):
            a = nonlinear(modes)
            b = nonlinear(half * (modes + step / 2 * a))
            c = nonlinear(half * modes + step / 2 * b)
            d = nonlinear(whole * modes + step * half * c)
            modes = whole * modes + step / 6 * (whole * a + 2 * half * (b + c) + d)
        frames.append(modes)
    return {"t": t, "x": x}, np.fft.irfft(np.stack(frames, axis=1), count)
