"""Equivariant layers and networks for any group, as Equinox modules."""

from .gate import Gated, Norm, Squash
from .linear import Linear
from .mlp import MLP, Block, Residual
from .normalise import LayerNorm
from .product import Bilinear, Product

__all__ = ["MLP", "Bilinear", "Block", "Gated", "LayerNorm", "Linear", "Norm", "Product", "Residual", "Squash"]
