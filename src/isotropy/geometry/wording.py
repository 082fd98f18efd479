"""The words for a generator of an action: which coordinate it moves, by which functions, with which coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ..numerics.readable import format_combination
from .fibre import Linear
from .motion import Affine

if TYPE_CHECKING:
    from .action import Action

Terms = tuple[tuple[str, tuple[tuple[float, str], ...]], ...]
"""A generator in parts: for each coordinate, its coefficients and the functions they multiply."""


def terms(action: Action, coefficients: Float[np.ndarray, " q"]) -> Terms:
    """The parts of one generator whose coefficients are not zero."""
    return tuple(
        (variable, tuple((float(c), name) for c, name in zip(values, functions, strict=True) if c))
        for variable, functions, values in _parts(action, np.asarray(coefficients, dtype=np.float64))
    )


def describe(action: Action, coefficients: Float[np.ndarray, " q"], noise: Any = None) -> str:
    """One generator as a sum of functions times ``∂`` of a coordinate; see `Action.describe`."""
    coefficients = np.asarray(coefficients, dtype=np.float64)
    parts = _parts(action, coefficients)
    labels, places = [], []
    for variable, functions, _ in parts:
        unit = variable if variable == "factor" else f"∂{variable}"
        labels += [unit if name == "1" else f"{_bracketed(name)} {unit}" for name in functions]
        moves_outputs = variable not in action.variables
        places += [(moves_outputs, k if isinstance(action.motion, Affine) else 0) for k in range(len(functions))]
    values = np.concatenate([value for *_, value in parts])
    errors = None
    if noise is not None:
        spread = np.broadcast_to(np.asarray(noise, dtype=np.float64), coefficients.shape)
        errors = np.concatenate([error for *_, error in _parts(action, spread, errors=True)])
    # Linear motions read best as x ∂y − y ∂x, by what is multiplied; and no sum should begin with a minus.
    order = np.array(sorted(range(len(values)), key=lambda k: places[k]))
    shown = values > (0.0 if errors is None else errors)
    if shown.any():
        first = int(np.argmax(shown[order]))
        order = np.r_[order[first], np.delete(order, first)]
    return format_combination(
        values[order], [labels[k] for k in order], noise=None if errors is None else errors[order]
    )


def upright(action: Action, coefficients: Float[np.ndarray, " q"]) -> Float[np.ndarray, " q"]:
    """The generator or its negative, whichever has more positive terms; in a tie by the first function."""
    every = [(c, parts) for _, parts in terms(action, coefficients) for c, parts in parts]
    factor = action.factor.names if action.factor else ()
    names = (*action.motion.functions, *action.outputs, *factor, action.time)
    places = {name: k for k, name in reversed(list(enumerate(names)))}
    signs = sum(np.sign(c) for c, _ in every)
    if signs == 0 and every:
        signs = min(every, key=lambda term: places[term[1]])[0]
    return -coefficients if signs < 0 else coefficients


def lines(
    action: Action, rows: Float[np.ndarray, "d q"], noise: float, units: Float[np.ndarray, " q"]
) -> tuple[str, ...]:
    """Generators in words, known to an angle ``noise`` where each coefficient is measured in its own of ``units``."""
    sizes = np.linalg.norm(rows / units, axis=1)
    return tuple(describe(action, row, noise * size * units) for row, size in zip(rows, sizes, strict=True))


def _parts(
    action: Action, coefficients: np.ndarray, *, errors: bool = False
) -> list[tuple[str, tuple[str, ...], np.ndarray]]:
    """Coordinates, functions and coefficients; or, for ``coefficients`` that are errors, the errors of those."""
    count, functions = action.motion.dimension, action.motion.functions
    moved = action.motion.components(coefficients[:count], errors=errors)
    parts = [(variable, functions, values) for variable, values in zip(action.variables, moved, strict=True)]
    if action.factor is not None:
        parts.append(("factor", action.factor.names, coefficients[count:]))
    elif action.time:
        parts.append((action.time, (action.time,), coefficients[count - 1 : count]))
    elif not action.joint and isinstance(action.value_motion, Linear):
        fibre = Affine(action.value_motion.matrices, action.value_motion.offsets, variables=action.outputs)
        moved = fibre.components(coefficients, errors=errors)
        parts += [(output, fibre.functions, values) for output, values in zip(action.outputs, moved, strict=True)]
    return parts


def _bracketed(name: str) -> str:
    return f"({name})" if " + " in name or " - " in name else name


def clock(variables: tuple[str, ...]) -> str:
    """A name for time that no coordinate has."""
    return next(word for word in ("t", "time", "clock") if word not in variables)


def output_names(count: int, variables: tuple[str, ...]) -> tuple[str, ...]:
    """Names u, v, w of up to three outputs, or u0, u1, … of more or where these are taken."""
    short = ("u", "v", "w")
    if count <= 3 and not set(short) & set(variables):
        return short[:count]
    return tuple(f"u{k}" for k in range(count))
