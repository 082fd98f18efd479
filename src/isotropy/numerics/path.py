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

MOST_DIRECTIONS = 64
"""Candidates up to which a path holds their directions: l q^2 numbers."""

NEARLY = 0.05
"""The part of the largest singular value on a path below which a direction is called nearly kept."""


@dataclass(frozen=True)
class Path:
    """What happens along the strengths, from the strongest down.

    ``spectra`` (l, q) are the singular values of A(w) on all data at each strength: where one rises from zero, a
    generator is given up. Row k of ``directions[j]`` holds the candidates' coefficients of the unit generator that
    ``spectra[j, k]`` belongs to; None for more than 64 candidates. ``error`` (l,) is the mean loss on held-out data
    and ``spread`` its standard error over folds; ``chosen`` is the position of the strength that was used.
    """

    strengths: Float[np.ndarray, " l"]
    spectra: Float[np.ndarray, "l q"]
    error: Float[np.ndarray, " l"]
    spread: Float[np.ndarray, " l"]
    chosen: int
    directions: Float[np.ndarray, "l q q"] | None = None

    def nearest(self, strength: float) -> int:
        """The position of the strength on the path whose ratio to this one is nearest to one."""
        tiny = np.finfo(float).tiny
        ratios = np.log(np.maximum(self.strengths, tiny)) - np.log(max(float(strength), tiny))
        return int(np.abs(ratios).argmin())

    def nearly_kept(self, position: int, *, within: float = NEARLY) -> tuple[Float[np.ndarray, "d q"], float]:
        """Orthonormal rows for the generators nearly kept at a position, and the error of their entries.

        Nearly kept is a direction along which A(w) is at most ``within`` times its largest size on the whole path. The
        error is how far the smallest value given up is from turning them: the ratio of the largest one kept to it.
        """
        values = self.spectra[position]
        kept = values <= within * self.spectra.max(initial=0.0)
        rows = self._directions()[position][kept]
        error = float(np.finfo(float).eps * len(values))
        if kept.any() and not kept.all():
            error = max(error, float(values[kept].max() / values[~kept].min()))
        return rows, error

    def along(self, generators: Float[np.ndarray, "d q"]) -> Float[np.ndarray, "l d"]:
        """The size of A(w) along each of these generators, scaled to length one."""
        unit = generators / np.linalg.norm(generators, axis=1, keepdims=True)
        return np.linalg.norm(self._images(unit.T), axis=1)

    def across(self, generators: Float[np.ndarray, "d q"]) -> Float[np.ndarray, "l r"]:
        """The singular values of A(w) on what is orthogonal to independent generators."""
        whole = np.linalg.qr(np.asarray(generators).T, mode="complete")[0]
        return np.linalg.svd(self._images(whole[:, len(generators) :]), compute_uv=False)

    def _images(self, columns: Float[np.ndarray, "q d"]) -> Float[np.ndarray, "l q d"]:
        return self.spectra[:, :, None] * (self._directions() @ columns)

    def _directions(self) -> Float[np.ndarray, "l q q"]:
        if self.directions is None:
            raise IsotropyError(
                f"this path holds no directions: paths of more than {MOST_DIRECTIONS} candidates, and those saved "
                f"before directions were kept, have singular values alone. Use fewer candidates, or fit again."
            )
        return self.directions

    def to_dict(self) -> dict[str, Any]:
        """Arrays and a number."""
        return {
            "strengths": self.strengths,
            "spectra": self.spectra,
            "error": self.error,
            "spread": self.spread,
            "chosen": self.chosen,
            "directions": self.directions,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Path:
        """The inverse of `to_dict`."""
        arrays = {name: np.asarray(record[name]) for name in ("strengths", "spectra", "error", "spread")}
        directions = record.get("directions")  # which older records lack
        return cls(**arrays, chosen=int(record["chosen"]),
                   directions=None if directions is None else np.asarray(directions))  # fmt: skip


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
    spectra, directions = _spectra([operator(a.coefficients) for a in answers])
    chosen = int(error.argmin())
    return Path(strengths, spectra, error, spread, chosen, directions), answers[chosen]


def _spectra(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Singular values (l, q) of matrices (k, q), and their right vectors as rows where there are not too many."""
    rows, width = images[0].shape
    # With rows of zeros there are as many values and vectors as columns.
    padded = np.pad(np.stack(images), ((0, 0), (0, max(width - rows, 0)), (0, 0)))
    if width > MOST_DIRECTIONS:
        return np.linalg.svd(padded, compute_uv=False), None
    _, values, right = np.linalg.svd(padded, full_matrices=False)
    return values, right


def _walk(family: Family, strengths: np.ndarray) -> list[Solution]:
    answers, state = [], None
    for strength in strengths:
        answer = family.solve(float(strength), tolerance=ROUGH, iterations=1000, start=state, warn=False)
        # A closed-form answer leaves no state; the next strength then starts by itself.
        state = answer.state
        answers.append(answer)
    return answers
