"""Motions: what they conserve, and the structure of Hamiltonian ones."""

from .brackets import Brackets, brackets
from .conserve import conserve
from .forms import Forms, invariant_forms
from .noether import Noether, noether
from .phase import PhaseSpace, on_shell
from .trajectories import Trajectories

__all__ = [
    "Brackets",
    "Forms",
    "Noether",
    "PhaseSpace",
    "Trajectories",
    "brackets",
    "conserve",
    "invariant_forms",
    "noether",
    "on_shell",
]
