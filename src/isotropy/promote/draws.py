"""Values drawn anew as if a fit were true, for the bootstrap test of what survives."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError
from ..numerics.bootstrap import Redraw
from ..numerics.losses import Loss, Smooth


def redrawn(
    make: Callable[..., Loss],
    design: Float[np.ndarray, "n f"],
    targets: Float[np.ndarray, "n c"],
    free: Float[np.ndarray, "f c"],
    *,
    labels: bool,
) -> Redraw:
    """A function from coefficients and randomness to the loss of new values.

    Labels are drawn by the logistic model's chances, other values by whole rows of residuals of the fit ``free``, which
    are centred and widened by what fitting has taken from them.
    """
    residuals = targets - design @ free
    residuals = (residuals - residuals.mean(axis=0)) * np.sqrt(len(targets) / max(len(targets) - design.shape[1], 1))

    def redraw(w: np.ndarray, rng: np.random.Generator) -> Smooth:
        means = design @ w.reshape(free.shape)
        if labels:
            values = np.where(rng.uniform(size=means.shape) < 0.5 * (1.0 + np.tanh(0.5 * means)), 1.0, -1.0)
        else:
            values = means + residuals[rng.integers(len(targets), size=len(targets))]
        drawn = make(design, values)
        assert isinstance(drawn, Smooth)
        return drawn.flatten()

    return redraw


def check_resamples(resamples: Any, level: float, *, plain: bool) -> None:
    """Refuse numbers of draws that cannot decide at ``level``, and (not ``plain``) data that they are not made for."""
    if isinstance(resamples, bool) or not isinstance(resamples, Integral) or resamples < 0:
        raise IsotropyError(f"The 'bootstrap' parameter of promote must be an integer >= 0. Got {resamples!r} instead.")
    if resamples and not plain:
        raise IsotropyError(
            "`bootstrap` is for losses other than squares, on rows that each count once: leave out `bootstrap`, for "
            "the F-test, or `weights`."
        )
    if resamples and (int(resamples) + 1) * level < 1:
        raise IsotropyError(
            f"{resamples} draws cannot show a chance of {level:g} or less: take `bootstrap` of "
            f"{int(np.ceil(1 / level)) - 1} or more."
        )
