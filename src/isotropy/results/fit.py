"""What `promote` found: a model, the symmetries that the data left it, and how the strength was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from .. import validate
from ..geometry.space import Space
from ..numerics.path import Path
from ..numerics.surviving import Trial
from .discovery import Discovery
from .store import Stored


@dataclass(frozen=True)
class Fit(Stored):
    """A model fitted with as much symmetry as the data allow.

    ``coefficients`` refer to the features of ``space``, shape (f,) or (f, outputs). They are the refit inside what the
    surviving symmetries leave unchanged, or, where nothing survives, the penalised solution itself, which
    ``promoted`` always holds. ``symmetries`` says what survived; ``components`` which discrete candidates did.
    ``strength`` is the weight of the nuclear norm (None where the data were interpolated), ``path`` what happened
    along the strengths that were tried. ``relative_gap`` certifies the penalised solution: no coefficients have a
    smaller objective by more than that part. ``trials`` are the questions put to the data, with their p-values.
    """

    kind: ClassVar[str] = "fit"

    space: Space
    coefficients: Float[np.ndarray, "f ..."]
    promoted: Float[np.ndarray, "f ..."]
    symmetries: Discovery
    components: tuple[bool, ...]
    strength: float | None
    path: Path | None
    value: float
    relative_gap: float
    iterations: int
    converged: bool
    trials: tuple[Trial, ...] = ()
    remarks: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def predict(self, x: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p ..."]:
        """The model at points (p, m), or at one point (m,)."""
        points = validate.array(x, "x", ndim=(1, 2))
        values = self.space.values(np.atleast_2d(points)) @ self.coefficients
        return values[0] if points.ndim == 1 else values

    def __str__(self) -> str:
        lines = [str(self.symmetries)]
        if self.components:
            kept = [str(j) for j, survives in enumerate(self.components) if survives]
            lines.append(f"discrete candidates kept: {', '.join(kept) if kept else 'none'} of {len(self.components)}")
        how = "interpolated" if self.strength is None else f"strength {self.strength:.3g}"
        proof = f"relative duality gap {self.relative_gap:.1e}"
        lines.append(f"{how}, {proof}" if self.converged else f"{how}, not converged: {proof}")
        lines += list(self.remarks)
        return "\n".join(lines)

    def describe(self) -> tuple[str, ...]:
        """One line of text for each output."""
        columns = self.coefficients.reshape(len(self.coefficients), -1).T
        return tuple(self.space.describe(column) for column in columns)

    def plot(self) -> Any:
        """A Matplotlib figure of the singular values and the held-out error along the strengths."""
        from ..report.plots import path_figure

        return path_figure(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as numbers, text and arrays."""
        return {
            "space": self.space.to_dict(),
            "coefficients": self.coefficients,
            "promoted": self.promoted,
            "symmetries": self.symmetries.to_dict(),
            "components": list(self.components),
            "strength": self.strength,
            "path": None if self.path is None else self.path.to_dict(),
            "value": self.value,
            "relative_gap": self.relative_gap,
            "iterations": self.iterations,
            "converged": self.converged,
            "trials": [trial.to_dict() for trial in self.trials],
            "remarks": list(self.remarks),
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Fit:
        """The inverse of `to_dict`."""
        return cls(
            space=Space.from_dict(record["space"]),
            coefficients=np.asarray(record["coefficients"]),
            promoted=np.asarray(record["promoted"]),
            symmetries=Discovery.from_dict(record["symmetries"]),
            components=tuple(bool(kept) for kept in record["components"]),
            strength=None if record["strength"] is None else float(record["strength"]),
            path=None if record["path"] is None else Path.from_dict(record["path"]),
            value=float(record["value"]),
            relative_gap=float(record["relative_gap"]),
            iterations=int(record["iterations"]),
            converged=bool(record["converged"]),
            trials=tuple(Trial(**trial) for trial in record["trials"]),
            remarks=tuple(record["remarks"]),
            settings=record["settings"],
        )
