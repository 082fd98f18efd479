"""The elements of a finite group by multiplication, and the representation that they carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import IsotropyError
from ..numerics.decide import numerical_floor
from ..numerics.stack import Stack
from .group import Group
from .representation import Leaf

LARGEST = 20_000
"""Order beyond which a group is taken for infinite."""


@dataclass(frozen=True)
class Elements:
    """Every element once: ``matrices`` (N, n, n), the identity first.

    ``after[k, e]`` numbers the product of the k-th component with element e. ``words[e]`` gives e as a product of
    components, read from left to right.
    """

    matrices: np.ndarray
    after: np.ndarray
    words: tuple[tuple[int, ...], ...]


def elements(group: Group) -> Elements:
    """All elements of a finite group, found by multiplying its components' representatives.

    >>> from isotropy import groups
    >>> len(elements(groups.D(4)).matrices)
    8
    """
    if group.dimension:
        raise IsotropyError(f"{group} is not finite: its Lie algebra has dimension {group.dimension}.")
    size = group.matrices.shape[1]
    words: list[tuple[int, ...]] = [()]
    found, after = [np.eye(size, dtype=group.components.dtype)], []
    numbers = {_signature(found[0]): 0}
    for e, matrix in enumerate(found):
        row = []
        for k, g in enumerate(group.components):
            product = _snapped(g @ matrix)
            signature = _signature(product)
            if signature not in numbers:
                if len(found) == LARGEST:
                    raise IsotropyError(
                        f"{group} has more than {LARGEST} elements, or infinitely many: "
                        f"check its components, or use the generators alone."
                    )
                numbers[signature] = len(found)
                found.append(product)
                words.append((k, *words[e]))
            row.append(numbers[signature])
        after.append(row)
    return Elements(np.stack(found), np.array(after, dtype=int).reshape(len(found), -1).T, tuple(words))


def _snapped(matrix: np.ndarray) -> np.ndarray:
    """Whole entries made whole, so that rounding does not grow along a word of permutations or signs."""
    whole = np.round(matrix)
    near = np.abs(matrix - whole) <= numerical_floor(np.float64, 10 * len(matrix), 1.0)
    return np.where(near, whole, matrix)


def _signature(matrix: np.ndarray) -> bytes:
    # Elements of a finite matrix group lie far apart (g h^-1 has roots of unity for eigenvalues), so five decimals tell
    # them apart and hide what rounding adds along a word. Adding zero turns -0 into 0.
    return (np.round(matrix, 5) + 0.0).tobytes()


def regular(group: Group) -> Leaf:
    """Functions on a finite group, moved by left multiplication, in the order of `elements`. Prints ``R``."""
    moves = elements(group).after
    order = moves.shape[1]
    rows = np.arange(order)
    components = np.zeros((len(moves), order, order))
    for k, move in enumerate(moves):
        components[k, move, rows] = 1.0
    return Leaf(group, "R", Stack.from_matrices((), size=order), components, dimension=order)
