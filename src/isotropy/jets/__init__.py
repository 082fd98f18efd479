"""Differential equations as sets in jet space, and their point symmetries."""

from .symmetries import symmetries_of

__all__ = ["symmetries_of"]
