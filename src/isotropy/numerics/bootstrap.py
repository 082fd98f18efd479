"""The test of what survives without a distribution from a theorem: data drawn anew as if the refit were true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from .grassmann import SubspaceFit
from .losses import Smooth
from .surviving import WEIGHTS, LikelihoodQuestion, Refit

EXCEEDED = 10
"""Draws at least as far off as the data after which the chance is known well enough to stop."""

Redraw = Callable[[np.ndarray, np.random.Generator], Smooth]
"""From coefficients (f, 1) that are taken to be true, and randomness, to the loss of data drawn anew."""


class BootstrapQuestion(LikelihoodQuestion):
    """A likelihood ratio whose distribution comes from ``resamples`` draws by ``redraw`` at the refit.

    In each draw the free fit, the subspace near the one in question, what settles on it, and the refit are all made
    anew, so that the choice of the subspace needs no count of fitted numbers. Sources: Efron and Tibshirani, An
    introduction to the bootstrap, 1993, chapter 16; stopping early: Besag and Clifford, Sequential Monte Carlo
    p-values, Biometrika 78 (1991).
    """

    def __init__(
        self,
        loss: Smooth,
        operator: Float[np.ndarray, "k q f"],
        *,
        count: float,
        redraw: Redraw,
        resamples: int,
        seed: int = 0,
    ) -> None:
        super().__init__(loss, operator, count=count)
        self.redraw, self.resamples, self.seed = redraw, resamples, seed

    def _chance(self, rise: float, extra: int, fitted: int, refit: Refit) -> float:
        rng = np.random.default_rng(self.seed)
        exceeded = done = 0
        for _ in range(self.resamples):
            drawn = self._rise(self.redraw(refit.coefficients, rng), refit)
            if drawn is None:
                continue
            done += 1
            exceeded += drawn >= rise
            if exceeded == EXCEEDED:
                return exceeded / done
        return (exceeded + 1) / (done + 1)

    def _rise(self, loss: Smooth, refit: Refit) -> float | None:
        """Twice the rise of one draw's log-likelihood, over its dispersion; None where its free fit does not exist."""
        free = loss.minimise()
        value, gradient = loss.value_and_gradient(free)
        if np.linalg.norm(gradient) > np.sqrt(np.finfo(float).eps) * max(abs(value), np.finfo(float).tiny):
            return None
        basis, subspace = refit.basis, refit.subspace
        if subspace is not None and 0 < subspace.shape[1] < self.fit.generators:
            moment = loss.hessian(free)
            product = moment @ free
            fit = SubspaceFit(moment, product, float((free * product).sum()), self.fit.operator)
            _, basis, _ = fit.settle(fit.fit(subspace, WEIGHTS[-1]), basis.shape[1])
        inside = loss.restrict(basis)
        least = inside.value_and_gradient(inside.minimise())[0]
        return 2.0 * self.count * (least - value) / loss.dispersion(free)
