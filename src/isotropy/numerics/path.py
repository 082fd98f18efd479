"""A path of strengths, and the one that predicts held-out data best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..errors import IsotropyError
from .convex import Family, Solution
from .losses import Loss
from .matrix_map import MatrixMap

COUNT = 17
"""Strengths on a path, unless given."""

REACH = 1e-4
"""The last strength as a part of the first, below which the loss alone decides."""

ROUGH = 1e-4
"""The relative gap along a path, where solutions are compared with held-out data and not reported."""


@dataclass(frozen=True)
class Path:
    """What happens along the strengths, from the strongest down.

    ``spectra`` (l, q) are the singular values of A(w) on all data at each strength: where one rises from zero, a
    generator is given up. ``error`` (l,) is the mean loss on held-out data and ``spread`` its standard error over
    folds; ``chosen`` is the position of the strength that was used.
    """

    strengths: Float[np.ndarray, " l"]
    spectra: Float[np.ndarray, "l q"]
    error: Float[np.ndarray, " l"]
    spread: Float[np.ndarray, " l"]
    chosen: int

    def to_dict(self) -> dict[str, Any]:
        """Arrays and a number."""
        return {
            "strengths": self.strengths,
            "spectra": self.spectra,
            "error": self.error,
            "spread": self.spread,
            "chosen": self.chosen,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Path:
        """The inverse of `to_dict`."""
        arrays = {name: np.asarray(record[name]) for name in ("strengths", "spectra", "error", "spread")}
        return cls(**arrays, chosen=int(record["chosen"]))


def deal(points: Float[np.ndarray, "p m"], folds: int, *, seed: int) -> Int[np.ndarray, " p"]:
    """The fold of each point, at random; points that coincide share one, and the order of the points is no matter.

    So a point that is given k times and a point of weight k are left out in the same fold.
    """
    distinct, position = np.unique(points, axis=0, return_inverse=True)
    return np.random.default_rng(seed).permutation(np.arange(len(distinct)) % folds)[position.reshape(-1)]


def cross_validate(
    make_loss: Callable[..., Loss],
    design: Float[np.ndarray, "n f"],
    targets: Float[np.ndarray, "n c"],
    operator: MatrixMap,
    *,
    folds: Int[np.ndarray, " n"],
    strengths: Sequence[float] | np.ndarray | None = None,
    weights: Float[np.ndarray, " n"] | None = None,
    **terms: Any,
) -> tuple[Path, Solution]:
    """The path over ``strengths``, and the rough solution on all data at the one with the least held-out loss.

    ``folds`` numbers the fold of each row. ``make_loss(design, targets)`` makes the loss of some rows, with ``weights``
    as a keyword where the rows have any; ``terms`` are passed on to `Family`. Each fold is one family of problems,
    walked from the strongest down with warm starts.
    """

    def loss(rows: np.ndarray | slice) -> Loss:
        keywords = {} if weights is None else {"weights": weights[rows]}
        return make_loss(design[rows], targets[rows], **keywords)

    gram = operator.gram()
    whole = Family(loss(slice(None)), operator, gram=gram, **terms)
    if strengths is None:
        # `largest_strength` already leaves only the kernel: start a little below.
        strengths = 0.5 * whole.largest_strength() * np.geomspace(1.0, REACH, COUNT)
    strengths = np.sort(np.asarray(strengths, dtype=float))[::-1]
    if not len(strengths) or not np.isfinite(strengths).all() or strengths[-1] < 0:
        raise IsotropyError("`strengths` must be finite numbers >= 0, at least one of them.")
    names = np.unique(folds)
    held_out = np.empty((len(names), len(strengths)))
    for row, name in enumerate(names):
        kept = folds != name
        family = Family(loss(kept), operator, gram=gram, **terms)
        test = loss(~kept)
        for column, answer in enumerate(_walk(family, strengths)):
            held_out[row, column] = test.value_and_gradient(answer.coefficients)[0]
    error = held_out.mean(axis=0)
    spread = held_out.std(axis=0, ddof=1) / np.sqrt(len(names)) if len(names) > 1 else np.zeros(len(strengths))
    answers = list(_walk(whole, strengths))
    spectra = np.stack([np.linalg.svd(operator(a.coefficients), compute_uv=False) for a in answers])
    width = operator.columns
    spectra = np.pad(spectra, ((0, 0), (0, width - spectra.shape[1])))
    chosen = int(error.argmin())
    return Path(strengths, spectra, error, spread, chosen), answers[chosen]


def _walk(family: Family, strengths: np.ndarray) -> list[Solution]:
    answers, state = [], None
    for strength in strengths:
        answer = family.solve(float(strength), tolerance=ROUGH, iterations=1000, start=state, warn=False)
        # A closed-form answer leaves no state; the next strength then starts by itself.
        state = answer.state
        answers.append(answer)
    return answers
