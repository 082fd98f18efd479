"""Alternating directions (ADMM) for ``loss(w) + sum of norms of linear maps of w``, with a certified stop.

Boyd et al., Distributed optimization and statistical learning via ADMM, 2011, §3 and §6.4, with over-relaxation,
residual balancing, and Anderson acceleration once the rank has settled. Each map has its own copy of its image; the
quadratic step is the loss's (`losses.Loss.prepare`). Where the minimum seems to have full rank, Newton's method
finishes (`newton.Newton`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import prox
from .anderson import Anderson
from .certificate import Certificate, certify
from .losses import Loss, Step
from .newton import Newton
from .terms import Term

RELAXATION = 1.8
"""Over-relaxation: of 1, 1.5, 1.6, 1.8 and 1.9 the one with fewest steps on recovery problems."""

BALANCE = 10
"""Steps between adjustments of the penalty."""

CHECK = 20
"""Steps between certificates, each of which costs a full singular value decomposition."""

SETTLED = 20
"""Steps without a change of rank after which steps are extrapolated. Before that Anderson's combination misleads."""

START = 0.05
"""The first threshold, as a part of the largest singular value."""


@dataclass(frozen=True)
class State:
    """Where a run ended: enough for a neighbouring problem to start from."""

    coefficients: np.ndarray
    copies: tuple[np.ndarray, ...]
    multipliers: tuple[np.ndarray, ...]
    threshold: float


@dataclass(frozen=True)
class Outcome:
    """The best coefficients seen, their certificate, and where the run ended."""

    coefficients: np.ndarray
    certificate: Certificate
    iterations: int
    converged: bool
    state: State


class Splitting:
    """One family of problems: a loss and the linear maps of its terms, factorised once for all weights.

    ``grams`` are the matrices K^* K of the terms' maps.
    """

    def __init__(self, loss: Loss, grams: Sequence[np.ndarray]) -> None:
        self.loss = loss
        self.sizes, self.gram = [1.0] * len(grams), grams[0]
        if len(grams) > 1:
            # Maps of different size share one penalty only after each is scaled to unit mean square.
            self.sizes = [np.sqrt(max(float(np.trace(g)), np.finfo(float).tiny) / len(g)) for g in grams]
            self.gram = sum((g / s**2 for g, s in zip(grams, self.sizes, strict=True)), np.zeros_like(grams[0]))
        self._step: Step | None = None

    @property
    def step(self) -> Step:
        """The loss's quadratic step, prepared on first use."""
        if self._step is None:
            self._step = self.loss.prepare(self.gram)
        return self._step

    def solve(
        self,
        terms: Sequence[Term],
        *,
        tolerance: float,
        iterations: int,
        start: State | None = None,
        enough: Callable[[np.ndarray, Certificate], bool] | None = None,
    ) -> Outcome:
        """Run until the relative duality gap is at most ``tolerance`` or ``iterations`` steps are done.

        ``enough`` sees coefficients and certificate at every check; where it says so the run counts as converged.
        """
        sizes, step, loss = self.sizes, self.step, self.loss
        shrink = [term.shrinkage() for term in terms]
        weight = max((t.weight * s for t, s in zip(terms, sizes, strict=True)), default=1.0)
        if start is None:
            # The least squares of all maps at a small weight: the loss decides wherever it can.
            rho = 1e-3 * loss.curvature() * len(self.gram) / max(float(np.trace(self.gram)), np.finfo(float).tiny)
            w = step(rho, np.zeros(loss.shape), np.zeros(loss.shape))
            images = [t.forward(w) / s for t, s in zip(terms, sizes, strict=True)]
            copies, multipliers = [v.copy() for v in images], [np.zeros_like(v) for v in images]
            top = max((prox.spectral_norm(v) for v in images), default=0.0)
            rho = weight / (START * top) if top > 0 else 1.0
        else:
            # Between weights the threshold carries over, not the penalty: scaled multipliers keep their size.
            w, rho = start.coefficients, weight / start.threshold
            copies, multipliers = list(start.copies), list(start.multipliers)
            images = [t.forward(w) / s for t, s in zip(terms, sizes, strict=True)]
        floor = (
            np.finfo(float).eps
            * w.size
            * (sum(t.weight * s * t.norm(v) for t, s, v in zip(terms, sizes, images, strict=True)) + abs(loss.lower))
        )
        best: tuple[Certificate, np.ndarray] | None = None
        converged, balance, since, count, extra = False, BALANCE, 0, 0, 0
        anderson, settled, before, last = Anderson(), 0, [0], np.zeros(0)
        wait, reached = SETTLED, np.inf
        newton = Newton(loss, list(terms))
        for count in range(1, max(iterations, 1) + 1):
            earlier, points = copies, []
            for v, x, u in zip(images, copies, multipliers, strict=True):
                point = RELAXATION * v
                point += (1.0 - RELAXATION) * x
                point += u
                points.append(point)
            if settled == wait:
                anderson.reset()
                last = _join(points)
            elif settled > wait:
                last = anderson.next(last, _join(points))
                points = _split(last, points)
            copies = [
                shrink[i](point, term.weight * sizes[i] / rho)
                for i, (term, point) in enumerate(zip(terms, points, strict=True))
            ]
            multipliers = [point - x for point, x in zip(points, copies, strict=True)]
            b = np.zeros(loss.shape)
            for t, s, x, u in zip(terms, sizes, copies, multipliers, strict=True):
                b += t.adjoint(x - u) / s
            w = step(rho, b, w)
            images = [t.forward(w) if s == 1.0 else t.forward(w) / s for t, s in zip(terms, sizes, strict=True)]
            if count % CHECK == 0 or count == iterations:
                duals = [(rho / s) * (v - x + u) for s, v, x, u in zip(sizes, images, copies, multipliers, strict=True)]
                found = certify(loss, terms, w, duals)
                if best is None or found.gap < best[0].gap:
                    best = (found, w)
                if found.gap <= max(tolerance * found.scale, floor) or (enough is not None and enough(w, found)):
                    best = (found, w)
                    converged = True
                    break
                if newton.worth is not None and newton.worth <= count < iterations and newton.full(_ranks(shrink)[0]):
                    end = newton.solve(w, found, tolerance=tolerance, floor=floor, enough=enough)
                    extra += end.steps
                    if end.certificate.gap < best[0].gap or end.converged:
                        best, converged = (end.certificate, end.coefficients), end.converged
                    if converged:
                        w = end.coefficients
                        break
                    newton.worth = 4 * count
            ranks = _ranks(shrink)
            if settled > wait and ranks != before:
                # Combined steps have changed the rank. Where they gained nothing, they may do so for ever.
                gap = np.inf if best is None else best[0].gap
                wait, reached = (wait if gap < 0.5 * reached else 2 * wait), gap
            settled = settled + 1 if ranks == before else 0
            before = ranks
            since += 1
            if since >= balance and settled < wait:
                since = 0
                # Residuals are weighed against the sizes of copies and multipliers: plain residuals are blind to
                # a threshold that is far too small, where both of them are small and nothing moves.
                ahead = _square(images, copies) * np.sqrt(_square(multipliers))
                behind = _square(copies, earlier) * np.sqrt(_square(copies))
                factor = (
                    1.0
                    if min(ahead, behind) <= 0
                    else 2.0
                    if ahead > 9 * behind
                    else 0.5
                    if behind > 9 * ahead
                    else 1.0
                )
                rho *= factor
                multipliers = [u / factor for u in multipliers]
                # A penalty that keeps changing keeps the method from converging: adjust it ever more rarely.
                balance = BALANCE * (1 + count // 500)
        assert best is not None
        state = State(w, tuple(copies), tuple(multipliers), weight / rho)
        return Outcome(best[1], best[0], count + extra, converged, state)


def _square(parts: Sequence[np.ndarray], others: Sequence[np.ndarray] | None = None) -> float:
    """The sum of squares of the parts, or of how far they are from others."""
    differences = parts if others is None else [x - y for x, y in zip(parts, others, strict=True)]
    return sum(float(np.vdot(d, d)) for d in differences)


def _ranks(maps: Sequence[object]) -> list[int]:
    return [shrink.rank for shrink in maps if isinstance(shrink, prox.SingularShrinkage)]


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([part.ravel() for part in parts])


def _split(flat: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
    ends = np.cumsum([p.size for p in like])[:-1]
    return [part.reshape(p.shape) for part, p in zip(np.split(flat, ends), like, strict=True)]
