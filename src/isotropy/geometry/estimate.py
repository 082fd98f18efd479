"""A section estimated by any method that is linear in its parameters and states their covariance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Array, Float

from .regression import Fitted
from .sample import Samples
from .space import Space


@dataclass(frozen=True)
class Estimate:
    """A function of R^m with values in R^n, in the span of ``space`` for each output, and how well it is known.

    ``coefficients`` (f, n) have the ``covariance`` (f n, f n), estimated on ``dof`` degrees of freedom. ``moved``
    (l, f, n) are the changes of the coefficients when one of several independent parts of the data is left out, scaled
    so that their root mean square is a standard error. ``samples`` are the points at which symmetry is looked at.
    ``relative_error`` is what is left of the data, and ``objection`` a sentence where that is more than noise.
    """

    space: Space
    coefficients: Float[np.ndarray, "f n"]
    covariance: Float[np.ndarray, "d d"]
    dof: float
    moved: Float[np.ndarray, "l f n"]
    samples: Samples
    relative_error: float
    objection: str
    text: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def section(self) -> Fitted:
        """The estimated function."""
        return Fitted(self.space, self.coefficients)

    @property
    def refits(self) -> tuple[Fitted, ...]:
        """The functions at ``moved``."""
        return tuple(Fitted(self.space, self.coefficients + change) for change in self.moved)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        """The estimated function at one point."""
        return self.section(x)

    def __str__(self) -> str:
        return self.text
