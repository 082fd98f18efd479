"""Bounds on the mean size of a known operator from a sample of the places where it acts.

Each of p places, drawn independently, gives rows R_p; the squared size of a direction v is the mean of |R_p v|^2 over
the distribution of places. Spans are proposed by one half of the places and bounded by the other, so that their choice
costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats


@dataclass(frozen=True)
class Sampled:
    """Nested spans of the directions with the smallest rows, and what a second sample says of them.

    ``frame`` (t, t) has the proposed directions as rows, the smallest first; ``upper`` (t,) bounds the size of every
    unit vector in the span of the first d of them, each with the chance 1 - ``level``; ``sizes`` (t,) are the sizes of
    the directions themselves. ``forms`` (p, t, t) are the squares of the rows of the second half in that frame.
    ``smallest`` bounds the smallest size of all from below.
    """

    frame: Float[np.ndarray, "t t"]
    upper: Float[np.ndarray, " t"]
    sizes: Float[np.ndarray, " t"]
    smallest: float
    forms: Float[np.ndarray, "p t t"]
    level: float

    @classmethod
    def of(cls, rows: Float[np.ndarray, "p n t"], *, level: float, seed: int = 0) -> Sampled:
        """Propose by a random half of the places and bound by the other. Needs four places or more."""
        order = np.random.default_rng(seed).permutation(len(rows))
        first, second = rows[order[0::2]], rows[order[1::2]]
        t = rows.shape[2]
        flat = np.concatenate([first.reshape(-1, t), np.zeros((t, t))])
        frame = np.linalg.svd(flat, full_matrices=False)[2][::-1]
        turned = second @ frame.T
        forms = np.einsum("pna,pnb->pab", turned, turned)
        mean = forms.mean(axis=0)
        upper = [_longest(forms[:, :d, :d], level) for d in range(1, t + 1)]
        values, vectors = np.linalg.eigh(np.einsum("pna,pnb->ab", rows, rows) / len(rows))
        # The least of estimated sizes is too small on the mean; its spread is that of its own direction.
        squares = np.sum((rows @ vectors[:, 0]) ** 2, axis=1)
        error = stats.t.ppf(1 - level, len(rows) - 1) * squares.std(ddof=1) / np.sqrt(len(rows))
        smallest = float(np.sqrt(max(values[0] - error, 0.0)))
        return cls(frame, np.array(upper), np.sqrt(np.maximum(np.diag(mean), 0.0)), smallest, forms, level)

    def bound(self, directions: Float[np.ndarray, "e t"]) -> Float[np.ndarray, " e"]:
        """Upper bounds on the size of directions given in the coordinates of the rows, scaled to unit length."""
        inside = directions @ self.frame.T
        inside = inside / np.linalg.norm(inside, axis=1, keepdims=True)
        return np.array(
            [_longest(np.einsum("pab,a,b->p", self.forms, v, v)[:, None, None], self.level) for v in inside]
        )


def _longest(forms: Float[np.ndarray, "p d d"], level: float) -> float:
    """An upper bound on the root of the largest eigenvalue of the mean form.

    The distance of the mean from its estimate is at most its Frobenius norm, whose upper quantiles are largest, for
    given second moment and levels below .2, where one direction has all of it (G. J. Székely, N. K. Bakirov, Probab.
    Theory Relat. Fields 126, 2003).
    """
    count = len(forms)
    mean = forms.mean(axis=0)
    moment = float(np.sum((forms - mean) ** 2)) / (count - 1) / count
    away = np.sqrt(stats.f.ppf(1 - level, 1, count - 1) * moment)
    return float(np.sqrt(max(float(np.linalg.eigvalsh(mean)[-1]), 0.0) + away))
