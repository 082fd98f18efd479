"""Spaces of scalar functions on R^m, under short names: ``iso.spaces.Polynomials(4, degree=2)``."""

from .geometry.features import Features
from .geometry.fourier import Fourier
from .geometry.grammar import parse
from .geometry.polynomial import Polynomials
from .geometry.rbf import RBF
from .geometry.space import Space

__all__ = ["RBF", "Features", "Fourier", "Polynomials", "Space", "parse"]
