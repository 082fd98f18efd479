"""The law x -> s x, u -> s^p u that a span of generators on inputs and outputs may hold."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..numerics.decide import closes
from .action import Action
from .fibre import Linear
from .motion import Affine


def scaling_power(action: Action, found: Float[np.ndarray, "d q"], *, noise: float) -> float | None:
    """The power p with (identity on the inputs, p times it on the outputs) in the span of ``found``, or None.

    ``noise`` is the relative error of the coefficients. For accelerations u of positions x, a motion scaled by s has
    periods scaled by s^((1 - p)/2): Kepler's third law where p = -2.
    """
    motion, values = action.motion, action.value_motion
    apart = action.splits_inputs_from_outputs and isinstance(motion, Affine) and isinstance(values, Linear)
    if not apart or len(found) == 0:
        return None
    assert isinstance(motion, Affine)
    assert isinstance(values, Linear)
    m, n = action.base_dimension, action.fibre_dimension
    base = np.concatenate([motion.matrices, motion.offsets[:, :, None]], axis=2)
    fibre = np.concatenate([values.matrices, values.offsets[:, :, None]], axis=2)
    columns = [np.tensordot(found, part, 1).reshape(len(found), -1) for part in (base, fibre)]
    power = np.concatenate([np.zeros(m * (m + 1)), -np.eye(n, n + 1).ravel()])
    target = np.concatenate([np.eye(m, m + 1).ravel(), np.zeros(n * (n + 1))])
    matrix = np.concatenate([np.concatenate(columns, axis=1), power[None]]).T
    solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
    residual = np.linalg.norm(matrix @ solution - target) / np.linalg.norm(target)
    return float(solution[-1]) if closes(float(residual), noise=noise, size=action.dimension) else None
