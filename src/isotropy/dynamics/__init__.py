"""Motions and what they conserve."""

from .conserve import conserve
from .trajectories import Trajectories

__all__ = ["Trajectories", "conserve"]
