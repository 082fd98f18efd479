"""Fields on grids: groups acting on them, and the symmetries of operators between them."""

from .action import FieldAction
from .fitted import FittedOperator
from .generators import (
    Generator,
    amplitude,
    dilation,
    galilean_boost,
    lorentz_boost,
    rotation,
    shift,
    translation,
)
from .grid import Box, Grid, Periodic
from .kernel import KernelBasis, kernel_basis
from .points import PointSet
from .sphere import Sphere

__all__ = [
    "Box",
    "FieldAction",
    "FittedOperator",
    "Generator",
    "Grid",
    "KernelBasis",
    "Periodic",
    "PointSet",
    "Sphere",
    "amplitude",
    "dilation",
    "galilean_boost",
    "kernel_basis",
    "lorentz_boost",
    "rotation",
    "shift",
    "translation",
]
