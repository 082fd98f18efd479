"""Promote: fit data with as much symmetry as they allow."""

from .verb import promote

__all__ = ["promote"]
