"""What `promote` found: a model, the symmetries that the data left it, and how the strength was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.space import Space
from ..numerics.path import NEARLY, Path
from ..numerics.sparse import SAFETY, sparse_basis
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
    along the strengths that were tried; `surviving` and `plot` say which generators survive at which.
    ``relative_gap`` certifies the penalised solution: no coefficients have a smaller objective by more than that part.
    ``trials`` are the questions put to the data, with their p-values.
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
            lines.append(f"discrete candidates: {_count(self.components)}")
        how = "interpolated" if self.strength is None else f"strength {self.strength:.3g}"
        proof = f"relative duality gap {self.relative_gap:.1e}"
        lines.append(f"{how}, {proof}" if self.converged else f"{how}, not converged: {proof}")
        lines += list(self.remarks)
        return "\n".join(lines)

    def describe(self) -> tuple[str, ...]:
        """One line of text for each output."""
        columns = self.coefficients.reshape(len(self.coefficients), -1).T
        return tuple(self.space.describe(column) for column in columns)

    def surviving(self, action: Action, strength: float | None = None, *, within: float = NEARLY) -> tuple[str, ...]:
        """In words, the generators that the penalised fit nearly keeps at the strength on the path nearest to this one.

        ``action`` is the one promoted; the strength is the chosen one unless given. Nearly kept is what moves the fit
        by at most ``within`` times the most that any generator does on the path; candidates that the data cannot see
        are left out. This is what the norm proposes: ``symmetries`` has what the test confirms. Raises
        `IsotropyError` where no path was followed, or it holds no directions (more than 64 candidates).
        """
        if self.path is None:
            raise IsotropyError(
                "no path was followed: leave out `strength` and `exact`, so that strengths are compared."
            )
        if action.dimension != self.symmetries.candidates:
            raise IsotropyError(
                f"`action` has {action.dimension} generators, but the path is one of {self.symmetries.candidates}: "
                f"pass the action that was promoted."
            )
        position = self.path.chosen if strength is None else self.path.nearest(strength)
        rows, error = self.path.nearly_kept(position, within=within)
        if self.symmetries.unseen.dimension:
            hidden = np.linalg.qr(self.symmetries.unseen.coefficients.T)[0]
            _, sizes, right = np.linalg.svd(rows - rows @ hidden @ hidden.T, full_matrices=False)
            rows = right[sizes > 0.5]  # what lies in the span of the unseen ones has lost its length
        # A unit row whose every entry counts as zero could not be written.
        error = min(error, 0.5 / (SAFETY * np.sqrt(action.dimension)))
        basis = sparse_basis(rows, noise=error) if len(rows) else rows
        return tuple(action.describe(row, noise=error * float(np.abs(row).max())) for row in basis)

    def plot(self) -> Any:
        """A Matplotlib figure of the singular values and the held-out error along the strengths.

        The size of A(w) along each surviving generator is set apart from the singular values on all others.
        """
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


def _count(kept: tuple[bool, ...]) -> str:
    """How many of some numbered candidates were kept, and which."""
    numbers = [str(j) for j, survives in enumerate(kept) if survives]
    if not numbers:
        return f"none of {len(kept)} kept"
    return f"{len(numbers)} of {len(kept)} kept (number{'s' * (len(numbers) > 1)} {', '.join(numbers)})"
