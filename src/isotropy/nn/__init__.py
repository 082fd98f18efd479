"""Equivariant layers and networks for any group, as Equinox modules."""

from .convolution import Convolution
from .fit import fit_operator
from .gate import Gated, Norm, Squash
from .heads import Equivariant, Invariant
from .integral import Integral
from .linear import Linear
from .mlp import MLP, Block, Residual
from .neural_ode import NeuralODE
from .normalise import LayerNorm
from .operator import NeuralOperator, SpectralBlock
from .points import PointSet
from .product import Bilinear, Product
from .quadratic import Quadratic
from .spectral import Spectral
from .symmetrise import symmetrise

__all__ = [
    "MLP",
    "Bilinear",
    "Block",
    "Convolution",
    "Equivariant",
    "Gated",
    "Integral",
    "Invariant",
    "LayerNorm",
    "Linear",
    "NeuralODE",
    "NeuralOperator",
    "Norm",
    "PointSet",
    "Product",
    "Quadratic",
    "Residual",
    "Spectral",
    "SpectralBlock",
    "Squash",
    "fit_operator",
    "symmetrise",
]
