"""How far from the minimum: a dual point that cannot lie, and the gap it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .interpolation import Interpolation
from .losses import Loss
from .terms import Term


@dataclass(frozen=True)
class Certificate:
    """A primal value, a lower bound on the minimum, and the dual point that proves the bound.

    ``value - gap <= minimum <= value``. ``duals`` has one array for each term with dual norm at most its weight.
    ``stationarity`` is what rounding leaves of ``gradient + sum K^* dual`` at the dual point before it was scaled
    into the balls; it enters the bound times the size of the coefficients, which bounds its effect for any minimiser
    no further than that from here. ``unit`` is the loss of the zero function: rounding is a part of it.
    """

    value: float
    bound: float
    stationarity: float
    duals: tuple[np.ndarray, ...]
    unit: float = 0.0

    @property
    def gap(self) -> float:
        """The duality gap, never negative."""
        return max(self.value - self.bound, 0.0)

    @property
    def scale(self) -> float:
        """The value or, where that is next to nothing, the root of eps of ``unit``: less drowns in rounding."""
        return max(abs(self.value), abs(self.bound), float(np.sqrt(np.finfo(float).eps)) * self.unit)

    @property
    def relative_gap(self) -> float:
        """The gap over `scale` (zero over zero is zero)."""
        return self.gap / self.scale if self.scale > 0 else 0.0


class Known(NamedTuple):
    """What a method that has decomposed them already knows of each term: K w, its norm, and its dual's dual norm."""

    images: Sequence[np.ndarray]
    norms: Sequence[float]
    dual_norms: Sequence[float]


def certify(
    loss: Loss, terms: Sequence[Term], w: np.ndarray, duals: Sequence[np.ndarray], known: Known | None = None
) -> Certificate:
    """The duality gap at coefficients ``w`` (f, c) with a proposed dual point, one array for each term.

    For ``gradient + sum_i K_i^* Z_i = 0`` convexity gives ``loss(v) >= loss(w) + sum <Z_i, K_i (w - v)>`` for all v,
    so that duals inside their balls bound the minimum by ``loss(w) + sum <Z_i, K_i w>``. Duals outside are scaled by
    s < 1, and convexity of the conjugate turns the bound into ``s (...) + (1 - s) loss.lower``.
    """
    if known is None:
        images = [term.forward(w) for term in terms]
        norms = [term.norm(image) for term, image in zip(terms, images, strict=True)]
        known = Known(images, norms, [term.dual_norm(z) for term, z in zip(terms, duals, strict=True)])
    value, gradient = loss.value_and_gradient(w)
    total = value + sum(t.weight * norm for t, norm in zip(terms, known.norms, strict=True))
    pull = sum((t.adjoint(z) for t, z in zip(terms, duals, strict=True)), np.zeros_like(w))
    residual = loss.tangent(pull) if isinstance(loss, Interpolation) else gradient + pull
    excess = max((norm / t.weight for t, norm in zip(terms, known.dual_norms, strict=True)), default=0.0)
    scale = 1.0 / max(1.0, excess)
    pairing = sum(float((z * image).sum()) for z, image in zip(duals, known.images, strict=True))
    allowance = float(np.linalg.norm(residual) * np.linalg.norm(w))
    bound = scale * (value + pairing) + (1.0 - scale) * loss.lower - allowance
    return Certificate(total, bound, float(np.linalg.norm(residual)), tuple(scale * z for z in duals), loss.unit)
