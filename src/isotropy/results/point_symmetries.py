"""What `symmetries_of` found: a discovery that tells superposition apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .discovery import Discovery


@dataclass(frozen=True)
class PointSymmetries(Discovery):
    """The point symmetries found of a differential equation.

    The last ``superposition`` of the generators add to the dependent variables a function of the independent ones
    alone. Where they are an ideal and brackets leave the candidates, ``algebra`` is that of the other generators.
    ``equation`` is what was found on data, or empty.
    """

    superposition: int = 0
    equation: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Everything but the functions themselves, as numbers, text and arrays."""
        return super().to_dict() | {"superposition": self.superposition, "equation": self.equation}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PointSymmetries:
        """The inverse of `to_dict`."""
        plain = Discovery.from_dict(record)
        return cls(**vars(plain), superposition=int(record["superposition"]), equation=record["equation"])
