"""What `promote` minimises: a loss by its name or a function of one's own, made for the data at hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..errors import IsotropyError
from ..numerics.losses import LeastSquares, Loss, Smooth, parts_of_one


def _mean_squares(design: np.ndarray, targets: np.ndarray, *, weights: np.ndarray | None = None) -> LeastSquares:
    """Half the mean square, of rows that count as often as ``weights`` says."""
    return LeastSquares(design, targets, weights=parts_of_one(weights, len(design)))


EFFICIENT, MEDIAN_OF_NORMAL, ROUNDS = 1.345, 0.6745, 20
"""The width of Huber's loss over the scatter, the median of |normal|, and most rounds that find the scatter."""

LOSSES: dict[str, Callable[..., Loss]] = {
    "squares": _mean_squares,
    "logistic": Smooth.logistic,
    "huber": Smooth.huber,
}


def maker(loss: str | Callable[[np.ndarray, np.ndarray], Loss], targets: np.ndarray) -> Callable[..., Loss]:
    """The function from a design and targets to the loss, once for all folds."""
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise IsotropyError(
            f"The 'loss' parameter of promote must be one of {', '.join(LOSSES)}, or a function. Got {loss!r} instead."
        )
    if loss == "logistic":
        for column in targets.T:
            found = np.unique(column)
            if len(found) != 2 or not np.isin(found, (-1.0, 1.0)).all():
                raise IsotropyError(
                    f"`Y` must hold labels -1 and 1, both of them, for the logistic loss. Got "
                    f"{', '.join(f'{value:g}' for value in found[:5])}: map the two classes to -1 and 1."
                )
    return LOSSES[loss]


def robust(design: np.ndarray, rows: np.ndarray, weights: np.ndarray | None) -> Callable[..., Loss]:
    """The Huber loss whose width is 1.345 times the scatter of the residuals, which is 95% efficient on normal ones.

    The scatter is the median absolute residual over .6745, taken anew from the fit that it makes (Huber and Ronchetti,
    Robust statistics, 2009).
    """
    w = loss_of(_mean_squares, design, rows, weights).minimise()
    counts = np.ones(len(rows)) if weights is None else weights
    floor = np.sqrt(np.finfo(float).eps) * max(float(np.abs(rows).max(initial=0.0)), np.finfo(float).tiny)
    width = np.inf
    for _ in range(ROUNDS):
        # A row of weight k is k rows here too.
        left = np.abs(rows - design @ w).ravel()
        middle = np.quantile(left, 0.5, weights=np.repeat(counts, rows.shape[1]), method="inverted_cdf")
        before, width = width, max(EFFICIENT * float(middle) / MEDIAN_OF_NORMAL, floor)
        if abs(width - before) <= 0.01 * before:
            break
        w = loss_of(partial(Smooth.huber, width=width), design, rows, weights).minimise()
    return partial(Smooth.huber, width=width)


def loss_of(
    make: Callable[..., Loss], design: np.ndarray, rows: np.ndarray, weights: np.ndarray | None
) -> LeastSquares | Smooth:
    """The loss of all rows; raises `IsotropyError` for a function of one's own that makes something else."""
    made = make(design, rows) if weights is None else make(design, rows, weights=weights)
    if not isinstance(made, LeastSquares | Smooth):
        raise IsotropyError(f"`loss` must make a LeastSquares or Smooth loss. Got {type(made).__name__}.")
    return made
