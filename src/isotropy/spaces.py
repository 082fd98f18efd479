"""Spaces of scalar functions on R^m, under short names: ``iso.spaces.Polynomials(4, degree=2)``."""

from .geometry.polynomial import Polynomials
from .geometry.space import Space

__all__ = ["Polynomials", "Space"]
