"""Differential equations as sets in jet space, and their point symmetries."""

from .field import FieldData
from .symmetries import symmetries_of

__all__ = ["FieldData", "symmetries_of"]
