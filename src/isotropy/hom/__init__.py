"""Spaces of equivariant linear maps between representations, without a function space."""

from .solve import hom
from .space import Block, HomSpace, Irreducible, Part

__all__ = ["Block", "HomSpace", "Irreducible", "Part", "hom"]
