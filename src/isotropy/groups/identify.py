"""The name of a real Lie algebra, up to isomorphism."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Identity:
    """A name, the names of isomorphic algebras, and a line on the structure."""

    name: str
    aliases: tuple[str, ...]
    description: str


def identify(
    structure_constants: np.ndarray,
    matrices: np.ndarray | None = None,
    *,
    noise: float = 0.0,
    balanced: bool = False,
) -> Identity:
    q = len(structure_constants)
    if not np.abs(structure_constants).max(initial=0.0) > noise * max(q, 1):
        return Identity({0: "trivial", 1: "R"}.get(q, f"R^{q}"), (), f"{q}-dimensional, abelian")
    return Identity(f"{q}-dimensional", (), f"{q}-dimensional")
