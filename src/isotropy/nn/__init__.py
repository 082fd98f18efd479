"""Equivariant layers and networks for any group, as Equinox modules."""

from .gate import Gated, Norm, Squash
from .heads import Equivariant, Invariant
from .linear import Linear
from .mlp import MLP, Block, Residual
from .neural_ode import NeuralODE
from .normalise import LayerNorm
from .points import PointSet
from .product import Bilinear, Product
from .quadratic import Quadratic
from .symmetrise import symmetrise

__all__ = [
    "MLP",
    "Bilinear",
    "Block",
    "Equivariant",
    "Gated",
    "Invariant",
    "LayerNorm",
    "Linear",
    "NeuralODE",
    "Norm",
    "PointSet",
    "Product",
    "Quadratic",
    "Residual",
    "Squash",
    "symmetrise",
]
