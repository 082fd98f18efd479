"""The answer for a set when its group is known beforehand: the nearest representation of it, and of which type.

Knowing the group says how many generators there are and how they bracket, not how they act. The generators found are
moved to the nearest matrices that obey its laws, and the type is read off those.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .errors import IsotropyError
from .geometry.action import Action
from .groups.decompose import isotypic, orthogonal, whole_weights, words
from .groups.group import Group
from .numerics.closure import structure_in
from .numerics.decide import CLEAR, CONSISTENT, numerical_floor
from .numerics.representing import matched, nearest_representation
from .numerics.spectrum import Spectrum
from .results.discovery import Representation
from .tangency import Tangency


def represented(
    view: Tangency, full: Spectrum, group: Group, *, turn: float
) -> tuple[Float[np.ndarray, "d s"], Representation]:
    """Rows of seen coordinates that represent ``group`` nearest to the smallest singular vectors, and the type.

    ``turn`` is the error of the span as an angle. Raises `IsotropyError` for a group that is not SO(2) or compact and
    semisimple, for candidates without matrices, and where no representation is near.
    """
    action = view.action
    constants = group.algebra.structure_constants
    d = len(constants)
    if action.matrices is None or len(view.hidden):
        raise IsotropyError(
            f"a `group` is sought among matrices that all move the points. Got {action}"
            + (
                f", of which {len(view.hidden)} direction(s) do not: drop coordinates that do not vary"
                if len(view.hidden)
                else ": use `iso.Action.points(groups.GL(m))`"
            )
            + "."
        )
    killing = np.linalg.eigvalsh(np.einsum("abe,deb->ad", constants, constants)) if d else np.zeros(0)
    if d != 1 and not (d and killing[-1] < 0):
        raise IsotropyError(
            f"`group` must be SO(2), or compact and semisimple such as SO(3) or SU(3). Got {group}: leave it out, and "
            f"the algebra of the set is found."
        )
    if len(full.values) < d:
        raise IsotropyError(f"{group} has {d} generators, but only {len(full.values)} candidates move the points.")
    start = full.null_vectors(d)
    if d == 1:
        rows, kind, matrices = _closed_turn(view, start, turn)
    else:
        bracket = structure_in(action.generators(view.seen))
        basis, misfit = matched(start, bracket, constants)
        rows, left = nearest_representation(basis, bracket, constants, full.values[:, None] * full.vectors)
        if not left <= numerical_floor(np.float64, len(full.values) ** 2, CLEAR):
            raise IsotropyError(
                f"no representation of {group} is near the {d} clearest generators, whose brackets miss its laws by "
                f"{misfit:.0%}: take more points, or leave out `group`."
            )
        matrices = action.generators(rows @ view.seen)
        parts = isotypic(orthogonal(matrices)[0])
        if matrices.shape[-1] > action.base_dimension:
            # Homogeneous matrices have a row more than the points, on which nothing moves.
            parts = [(n, count - (n == 1)) for n, count in parts if (n, count) != (1, 1)]
        kind = words(parts)
    frames = [np.linalg.qr((part @ view.seen / view.units).T)[0] for part in (start, rows)]
    away = np.linalg.norm(frames[1] - frames[0] @ (frames[0].T @ frames[1]), 2)
    angle = float(np.degrees(np.arcsin(min(1.0, away))))
    return np.linalg.qr(rows.T)[0].T, Representation(str(group), kind, matrices, angle)


def _closed_turn(
    view: Tangency, start: Float[np.ndarray, "1 s"], turn: float
) -> tuple[Float[np.ndarray, "1 s"], str, Float[np.ndarray, "1 n n"]]:
    """The motion of a circle nearest to one generator: its planes turn at speeds in the ratio of whole numbers."""
    action: Action = view.action
    matrix = action.generators(start @ view.seen)[0]
    values, vectors = np.linalg.eig(matrix)
    weights, _ = whole_weights(np.imag(values), CONSISTENT * turn)
    matrix = np.real(vectors @ np.diag(1j * weights) @ np.linalg.inv(vectors))
    frame = np.array([action.generators(row[None])[0].ravel() for row in view.seen], dtype=np.float64)
    rows = np.linalg.lstsq(frame.T, matrix.ravel(), rcond=None)[0][None]
    if np.linalg.norm(rows[0] @ frame - matrix.ravel()) > np.sqrt(np.finfo(float).eps) * np.linalg.norm(matrix):
        raise IsotropyError(f"the motion of the circle that is nearest is none of {action}: widen the candidates.")
    planes = sorted(int(w) for w in weights if w > 0)
    still = len(matrix) - 2 * len(planes) - (matrix.shape[-1] > action.base_dimension)
    terms = ([f"{still} V1" if still > 1 else "V1"] if still else []) + [f"V2({w})" for w in planes]
    return rows, " + ".join(terms), matrix[None]
