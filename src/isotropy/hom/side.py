"""A representation as its different summands with their places, and its operators on homogeneous coordinates."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..groups import Representation


class Side:
    """The different summands of a representation and where the copies of each start; a last coordinate 1 if affine."""

    def __init__(self, rep: Representation, affine: bool):
        self.rep = rep
        places: dict[Representation, list[int]] = {}
        by_identity: dict[int, list[int]] = {}
        for block, start in rep.blocks():
            if id(block) not in by_identity:
                by_identity[id(block)] = places.setdefault(block, [])
            by_identity[id(block)].append(start)
        self.atoms = {atom: np.array(starts) for atom, starts in places.items()}
        self.affine = affine
        self.size = rep.dimension + affine

    def operators(self) -> list[sp.csr_array]:
        """All generators, then all components, as matrices on the side's coordinates, homogeneous if affine."""
        rep = self.rep
        linear = [*rep.sparse_generators(), *rep.sparse_components()]
        if not self.affine:
            return linear
        offsets = np.concatenate([rep.offsets(), rep.component_offsets()])
        corners = [0.0] * rep.group.dimension + [1.0] * len(rep.group.components)
        return [
            sp.csr_array(sp.block_array([[m, sp.csr_array(b[:, None])], [None, sp.csr_array([[c]])]]))
            for m, b, c in zip(linear, offsets, corners, strict=True)
        ]
