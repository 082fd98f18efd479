"""What `conserve` found: conserved functions, how many, which of them are independent, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from ..geometry.space import Space
from ..numerics.decide import Decision
from .store import Stored

SHOWN = 4
"""Functions that do not vary which are printed; the rest are counted."""


@dataclass(frozen=True)
class Laws(Stored):
    """The conserved functions found in a space of f functions on R^m.

    ``coefficients`` (k, f) has one law per row, simplest first, ``uncertainty`` the error of each coefficient, to
    first order, that the remaining drift allows; ``text`` a line each. ``drift`` (k,) is what is left of dI/dt, as a
    fraction of the spread of I. ``span`` (k, f) spans the minimisers over the whole space, orthonormal in the spread:
    the closest fit, where ``coefficients`` are the simplest functions that drift no more.

    ``independent`` lists functionally independent laws by position; ``dependent`` has, for every other law, its
    position, the laws it is a function of, and a formula in I1, I2, … where it is a polynomial of degree three.
    ``bounds`` (k,), where the motions are noisy, are upper bounds on the drifts, with a confidence of 1 less the
    ``level`` of the settings. ``constant`` (c, f) are functions that do not vary over the data at all and so say
    nothing. ``spectrum`` has all ratios of drift to spread, ascending.
    """

    kind: ClassVar[str] = "laws"

    space: Space
    coefficients: Float[np.ndarray, "k f"]
    uncertainty: Float[np.ndarray, "k f"]
    text: tuple[str, ...]
    drift: Float[np.ndarray, " k"]
    span: Float[np.ndarray, "k f"]
    independent: tuple[int, ...]
    dependent: tuple[tuple[int, tuple[int, ...], str], ...]
    constant: Float[np.ndarray, "c f"]
    constant_text: tuple[str, ...]
    spectrum: Float[np.ndarray, " r"]
    decision: Decision
    trajectories: str
    remarks: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    bounds: Float[np.ndarray, " k"] | None = None

    @property
    def dimension(self) -> int:
        """How many linearly independent laws the space holds."""
        return len(self.coefficients)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " k"]:
        """The values of the laws at one point, traceable by JAX."""
        return jnp.asarray(self.coefficients, dtype=x.dtype) @ self.space(x)

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p k"]:
        """The values of the laws at p points, in float64 on the host."""
        return self.space.values(points) @ self.coefficients.T

    def to_sympy(self) -> list[sympy.Expr]:
        """The laws as SymPy expressions, coefficients as fractions where these fit to their uncertainty."""
        noise = self.uncertainty.max(axis=1, initial=0.0)
        return [self.space.to_sympy(c, noise=float(e) or None) for c, e in zip(self.coefficients, noise, strict=True)]

    def __str__(self) -> str:
        evidence = f"verdict: {self.decision.verdict}"
        if np.isfinite(self.decision.gap) and self.dimension:
            evidence += f", gap {self.decision.gap:.1e}"
        if self.dimension == 0:
            lines = [f"no conservation law among {self.space.dimension} functions ({evidence}): {self.decision.reason}"]
        else:
            some = f"{len(self.independent)} independent conservation law{'s' * (len(self.independent) != 1)}"
            more = f" ({self.dimension} linearly)" if len(self.dependent) else ""
            lines = [f"{some}{more} among {self.space.dimension} functions ({evidence})"]
        roles = {law: (parents, formula) for law, parents, formula in self.dependent}
        for law, (text, drift) in enumerate(zip(self.text, self.drift, strict=True)):
            note = ""
            if law in roles:
                parents, formula = roles[law]
                note = f", = {formula}" if formula else ", a function of " + ", ".join(f"I{k + 1}" for k in parents)
            most = "" if self.bounds is None else f", at most {self.bounds[law]:.1e}"
            lines.append(f"  I{law + 1} = {text}   (drift {drift:.1e} of its spread{most}{note})")
        lines.append(f"from {self.trajectories}")
        if self.constant_text:
            shown = "; ".join(self.constant_text[:SHOWN])
            more = len(self.constant_text) - SHOWN
            shown += f"; and {more} more" if more > 0 else ""
            lines.append(f"constant over all the data, so not counted: {shown}")
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""
        record = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**record, "space": self.space.to_dict(), "decision": self.decision.to_dict()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Laws:
        """The inverse of `to_dict`."""
        dependent = tuple((law, tuple(parents), formula) for law, parents, formula in record["dependent"])
        tuples = {name: tuple(record[name]) for name in ("text", "independent", "constant_text", "remarks")}
        rebuilt = {"space": Space.from_dict(record["space"]), "decision": Decision.from_dict(record["decision"])}
        return cls(**{**record, **tuples, **rebuilt, "dependent": dependent})

    def plot(self, motions: Any) -> Any:
        """A Matplotlib figure of each law along every motion: level lines, at different heights.

        ``motions`` are `Trajectories`; None is returned where there are no laws.
        """
        from ..report.plots import laws_figure

        return laws_figure(self, motions)
