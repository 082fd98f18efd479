"""Where the functions of a space vary: the box in which they are looked at when nobody says where."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .fourier import Fourier
from .rbf import RBF
from .space import Product, Space, Sum

WIDTHS = 2.0
"""How many widths of a radial function around its centre: beyond these a Gaussian is nearly flat."""


def typical_box(space: Space) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The lower and upper corner of a box in which every function of ``space`` is seen to vary.

    One period of Fourier modes, the centres of radial functions and two widths around them, the hull of the parts of
    a sum or product, and [-1, 1] in each coordinate otherwise.

    >>> [corner.tolist() for corner in typical_box(RBF([[0.0], [3.0]], width=0.5))]
    [[-1.0], [4.0]]
    """
    if isinstance(space, Sum | Product):
        parts = space.parts if isinstance(space, Sum) else (space.left, space.right)
        corners = [typical_box(part) for part in parts]
        return np.min([low for low, _ in corners], axis=0), np.max([high for _, high in corners], axis=0)
    if isinstance(space, RBF):
        margin = WIDTHS * space.width
        return space.centres.min(axis=0) - margin, space.centres.max(axis=0) + margin
    if isinstance(space, Fourier):
        return -space.periods / 2, space.periods / 2
    return -np.ones(space.input_dimension), np.ones(space.input_dimension)
