"""The price of `enforce`: exact sparse elimination against a dense null space of the same conditions.

The peer is what a textbook does: all generators and components as one dense matrix on the coefficients, handed to
LAPACK's singular value decomposition (`scipy.linalg.null_space`). The conditions are the same, built by the same code
outside the clock for the peer and inside it for us; both answers have the same dimension. A second table shows how the
exact route grows: degree 6 in 9 variables against degree 4, where the dense matrix of the former has 5005 columns.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla
from harness import Figure, ratio, run

import isotropy as iso
from isotropy import groups, lie


def cases(quick: bool):
    """Actions and spaces small enough for the dense peer."""
    V = groups.SO(3).vector
    point = groups.SE(2).point
    yield "SO(3) on 3*V -> S", iso.Action(3 * V), iso.spaces.Polynomials(9, degree=2 if quick else 4)
    yield "SO(3) on 2*V -> V", iso.Action(2 * V, V), iso.spaces.Polynomials(6, degree=2 if quick else 4)
    yield "SE(2) on 3*P -> S", iso.Action(3 * point), iso.spaces.Polynomials(6, degree=3 if quick else 5)
    yield "S(6) on V -> S", iso.Action(groups.S(6)), iso.spaces.Polynomials(6, degree=3 if quick else 6)
    yield (
        "D(7) on V -> V, float",
        iso.Action(groups.D(7).vector, groups.D(7).vector),
        iso.spaces.Polynomials(2, degree=16),
    )


def measure(quick: bool) -> list[Figure]:
    """Ratios of time, and what the answers have in common."""
    figures = []
    for name, action, space in cases(quick):
        dense = np.concatenate([matrix.toarray() for matrix in lie.of_polynomials(action, space)])
        basis, peer = iso.enforce(action, space), sla.null_space(dense)
        if basis.dimension != peer.shape[1]:
            raise SystemExit(f"{name}: {basis.dimension} against {peer.shape[1]} dimensions")
        speed = ratio(
            lambda action=action, space=space: iso.enforce(action, space),
            lambda dense=dense: sla.null_space(dense),
            repeats=3,
        )
        columns = dense.shape[1]
        goal = 1.0 if basis.exact else None
        figures.append(Figure(f"{name}: time of enforce against the dense null space, {columns} columns", speed, goal))
        frame = np.linalg.qr(basis.matrix.toarray().T)[0]
        angle = float(np.linalg.norm(peer - frame @ (frame.T @ peer), 2))
        figures.append(Figure(f"{name}: sine of the angle between the two spans", angle, 1e-8))
    V = groups.SO(3).vector
    high, low = (4, 3) if quick else (6, 4)
    growth = ratio(
        lambda: iso.enforce(iso.Action(3 * V), iso.spaces.Polynomials(9, degree=high)),
        lambda: iso.enforce(iso.Action(3 * V), iso.spaces.Polynomials(9, degree=low)),
        repeats=3,
    )
    figures.append(Figure(f"SO(3) on 3*V: time of degree {high} against degree {low}", growth))
    return figures


if __name__ == "__main__":
    run(measure)
