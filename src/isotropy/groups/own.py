"""A representation that the user gives by matrices, checked to be one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import IsotropyError
from ..numerics.decide import CLEAR, numerical_floor
from ..validate import array
from .group import Group
from .representation import Leaf


def own(group: Group, generators: Any, components: Any, name: str) -> Leaf:
    """A representation by one matrix for each generator and each component of the group.

    Checked: brackets as the group's, and components that carry generators as the group's do.
    """
    counts = {"generators": group.dimension, "components": len(group.components)}
    stacks = {}
    for (what, count), value in zip(counts.items(), (generators, components), strict=True):
        if count == 0 and np.size(value) == 0:
            continue
        stack = array(value, what, ndim=3, complex_ok=True, minimum_size=0)
        if len(stack) != count or stack.shape[1] != stack.shape[2]:
            raise IsotropyError(
                f"`{what}` must have one square matrix for each of the {count} {what} of {group}. "
                f"Got shape {stack.shape}."
            )
        stacks[what] = stack
    sizes = {stack.shape[1] for stack in stacks.values()}
    if len(sizes) != 1:
        raise IsotropyError(f"The matrices of a representation must have one size. Got sizes {sorted(sizes)}.")
    size = sizes.pop()
    images = stacks.get("generators", np.zeros((0, size, size)))
    elements = stacks.get("components", np.zeros((0, size, size)))
    _check_brackets(group, images)
    _check_components(group, images, elements)
    return Leaf(group, name, images, elements, dimension=size)


def _check_brackets(group: Group, images: np.ndarray) -> None:
    if not len(images):
        return
    brackets = np.einsum("iab,jbc->ijac", images, images)
    brackets = brackets - brackets.transpose(1, 0, 2, 3)
    wanted = np.tensordot(group.algebra.structure_constants, images, 1)
    off = np.abs(brackets - wanted).max(axis=(2, 3))
    scale = max(float(np.abs(images).max()) ** 2, float(np.abs(wanted).max()))
    if off.max() > CLEAR * numerical_floor(np.float64, images.shape[1], scale):
        i, j = np.unravel_index(off.argmax(), off.shape)
        raise IsotropyError(
            f"The matrices are no representation of {group}: the bracket of generators {i} and {j} is off by "
            f"{off.max():.1e}."
        )


def _check_components(group: Group, images: np.ndarray, elements: np.ndarray) -> None:
    q = group.dimension
    for k, (g, image) in enumerate(zip(group.components, elements, strict=True)):
        values = np.linalg.svd(image, compute_uv=False)
        if values[-1] <= numerical_floor(np.float64, len(image), values[0]):
            raise IsotropyError(f"Component {k} of the representation is not invertible: a group element must be.")
        if not q:
            continue
        moved = (g @ group.matrices @ np.linalg.inv(g)).reshape(q, -1)
        basis = group.matrices.reshape(q, -1)
        adjoint = np.linalg.lstsq(
            np.concatenate([np.real(basis), np.imag(basis)], axis=1).T,
            np.concatenate([np.real(moved), np.imag(moved)], axis=1).T,
            rcond=None,
        )[0]
        off = np.abs(image @ images @ np.linalg.inv(image) - np.tensordot(adjoint.T, images, 1)).max()
        scale = float(np.abs(images).max()) * values[0] / values[-1]
        if off > CLEAR * numerical_floor(np.float64, len(image), scale):
            raise IsotropyError(
                f"The matrices are no representation of {group}: component {k} carries the generators elsewhere than "
                f"in the group, by {off:.1e}."
            )
