"""One generator drawn: as arrows in the plane, as orbits in space, as a table of its coefficients beyond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.integrate import solve_ivp

from ..results.discovery import Discovery
from .theme import INK, SERIES

ARROWS = 13
"""Arrows along each side of the plane."""

ORBITS = 7
"""Points that are carried along the field in space."""

PRECISION = 1e-5
"""Relative error of a drawn orbit: finer than a line is wide."""

LONGEST_TITLE = 34
"""Characters that fit over a panel."""

MOST_FIGURES = 150
"""Entries of a table up to which their values are written in."""

Field = Callable[[np.ndarray], np.ndarray]
"""Points (p, k) to velocities (p, k)."""


def draw(figure: Figure, place: Any, found: Discovery, number: int, points: np.ndarray | None) -> None:
    """Add a panel with generator ``number`` to ``figure`` at ``place`` (a subplot's position or grid cell)."""
    coordinates = _moved(found, number)
    field = _field(found, number, coordinates)
    low, high = _box(found, coordinates, points)
    position = place if isinstance(place, tuple) else (place,)
    title = label(found, number)
    if len(coordinates) == 1:
        axes = figure.add_subplot(*position)
        x = np.linspace(low[0], high[0], 200)[:, None]
        axes.plot(x[:, 0], field(x)[:, 0], color=SERIES[0])
        axes.set_xlabel(coordinates[0])
        axes.set_ylabel(f"velocity of {coordinates[0]}")
    elif len(coordinates) == 2:
        axes = figure.add_subplot(*position)
        _arrows(axes, field, low, high, coordinates)
    elif len(coordinates) == 3:
        axes: Any = figure.add_subplot(*position, projection="3d")
        _orbits(axes, field, low, high, coordinates)
    else:
        axes = figure.add_subplot(*position)
        _coefficients(axes, found, number)
    axes.set_title(title, fontsize="small")


def label(found: Discovery, number: int) -> str:
    """The generator in words where they are short, else its number."""
    text = found.generator_text[number]
    return text if len(text) <= LONGEST_TITLE else f"X{number + 1}"


def _inputs(found: Discovery) -> tuple[str, ...]:
    """The coordinates of the base: the rest of ``variables`` are those of the values."""
    return found.variables[: int(found.settings["dimension"])]


def _moved(found: Discovery, number: int) -> tuple[str, ...]:
    """The inputs, or the outputs where the generator moves nothing else."""
    parts = dict(found.terms[number])
    inputs = _inputs(found)
    outputs = tuple(name for name in found.variables[len(inputs) :] if name in parts)
    still = not any(parts.get(name) for name in inputs)
    return outputs if still and any(parts.get(name) for name in outputs) else inputs


def _field(found: Discovery, number: int, coordinates: tuple[str, ...]) -> Field:
    expressions = found.to_sympy()[number]
    symbols = [sympy.Symbol(name) for name in coordinates]
    positions = [sympy.Symbol(f"_{k}") for k in range(len(coordinates))]
    renamed = dict(zip(symbols, positions, strict=True))
    # Names of columns may be anything; positions are safe to generate code from.
    bodies = [sympy.sympify(expressions.get(symbol, 0)).xreplace(renamed) for symbol in symbols]
    function = sympy.lambdify(positions, bodies, modules="numpy")

    def field(points: np.ndarray) -> np.ndarray:
        parts = function(*points.T)
        return np.stack([np.broadcast_to(np.asarray(part, dtype=np.float64), len(points)) for part in parts], axis=1)

    return field


def _box(found: Discovery, coordinates: tuple[str, ...], points: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if points is None or points.shape[1] != len(coordinates) or coordinates != _inputs(found):
        return -np.ones(len(coordinates)), np.ones(len(coordinates))
    low, high = np.quantile(points, [0.05, 0.95], axis=0)
    # Equal sides: a rotation should look like one.
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, np.finfo(np.float64).tiny)
    return middle - half, middle + half


def _arrows(axes: Any, field: Field, low: np.ndarray, high: np.ndarray, coordinates: tuple[str, ...]) -> None:
    x, y = np.meshgrid(np.linspace(low[0], high[0], ARROWS), np.linspace(low[1], high[1], ARROWS))
    velocity = field(np.stack([x.ravel(), y.ravel()], axis=1))
    axes.quiver(x, y, velocity[:, 0], velocity[:, 1], color=SERIES[0], pivot="mid", width=0.006)
    axes.set_aspect("equal")
    axes.set_xlabel(coordinates[0])
    axes.set_ylabel(coordinates[1])


def _orbits(axes: Any, field: Field, low: np.ndarray, high: np.ndarray, coordinates: tuple[str, ...]) -> None:
    middle, half = (low + high) / 2, (high - low) / 2
    # A fixed spiral of starts fills the box evenly and is the same in every run.
    k = np.arange(ORBITS)
    polar, turn = np.arccos(1 - 2 * (k + 0.5) / ORBITS), np.pi * (1 + 5**0.5) * k
    directions = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    starts = middle + half * directions * (0.45 + 0.4 * (k % 2))[:, None]
    speed = float(np.sqrt(np.mean(field(starts) ** 2)))
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    if speed:
        # The time in which the starts move as far as round the box: one turn, for a rotation.
        duration = 2 * np.pi * float(np.sqrt(np.mean((starts - middle) ** 2))) / speed
        for j, start in enumerate(starts):
            path = _orbit(field, start, duration, middle, half)
            axes.plot(*path.T, color=SERIES[j % 3], linewidth=1.3)
            axes.plot(*start[:, None], "o", color=SERIES[j % 3], markersize=3)
    axes.set_xlabel(coordinates[0])
    axes.set_ylabel(coordinates[1])
    axes.set_zlabel(coordinates[2])
    axes.set_box_aspect((1, 1, 1), zoom=0.85)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_alpha(0)
        axis.set_major_locator(MaxNLocator(nbins=3))
        axis.line.set_color(INK)


def _orbit(field: Field, start: np.ndarray, duration: float, middle: np.ndarray, half: np.ndarray) -> np.ndarray:
    def velocity(_: float, x: np.ndarray) -> np.ndarray:
        return field(x[None])[0]

    def inside(_: float, x: np.ndarray) -> float:
        return 1.1 - float(np.max(np.abs((x - middle) / half)))

    inside.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    halves = []
    for sign in (-0.5, 0.5):
        span = (0.0, sign * duration)
        solution = solve_ivp(velocity, span, start, events=inside, max_step=duration / 60, rtol=PRECISION)
        halves.append(solution.y.T)
    return np.concatenate([halves[0][::-1], halves[1][1:]])


def _coefficients(axes: Any, found: Discovery, number: int) -> None:
    """Velocities down, functions across: for a linear field, its matrix."""
    terms = [(variable, {name: value for value, name in parts}) for variable, parts in found.terms[number]]
    functions = list(dict.fromkeys(name for _, parts in terms for name in parts))
    if set(functions) <= set(found.variables):
        functions = [variable for variable, _ in terms]
    matrix: Float[np.ndarray, "i f"] = np.array([[parts.get(name, 0.0) for name in functions] for _, parts in terms])
    size = float(np.abs(matrix).max(initial=0.0)) or 1.0
    axes.grid(visible=False)
    # Twice the range: the middle of the map carries black figures.
    shown = np.ma.masked_equal(matrix, 0.0)
    axes.imshow(shown, cmap="RdBu", vmin=-2 * size, vmax=2 * size, aspect="equal")
    small = "small" if len(functions) <= 8 else "xx-small"
    turned = {"rotation": 60, "ha": "right"} if max(map(len, functions), default=0) > 4 else {}
    axes.set_xticks(range(len(functions)), functions, fontsize=small, **turned)
    axes.set_yticks(range(len(terms)), [f"d{variable}" for variable, _ in terms], fontsize=small)
    if matrix.size <= MOST_FIGURES:
        for (i, j), value in np.ndenumerate(matrix):
            if value:
                axes.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize="small", color="black")
