"""Names of algebras of dimension one to three: a line by what it does, the others by L. Bianchi's list (1898).

The parameter h of the types VI_h and VII_h follows L. D. Landau and E. M. Lifshitz, *The Classical Theory of Fields*,
sec. 116, with the sign of G. F. R. Ellis and M. A. H. MacCallum (1969): h <= 0 for VI_h, h >= 0 for VII_h, and III is
VI_h with h = -1.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.sparse.csgraph import connected_components

from . import structure
from .realform import Names

LARGEST_DENOMINATOR = 24
"""Ratios of frequencies and the h of Bianchi are read as fractions up to this denominator, or as none."""


def line_names(matrix: np.ndarray | None, floor: float) -> Names:
    """A one-dimensional algebra, named after what its matrix does.

    ``translation``: a homogeneous affine matrix without linear part. ``so(2)``: semisimple with imaginary eigenvalues
    in rational ratios, so that the flow is periodic. ``boost``: diagonalizable with real eigenvalues in pairs +-a.
    ``scaling``: diagonalizable with real eigenvalues otherwise (weights of any sign). Else, and without a matrix, it
    is ``R``.
    """
    if matrix is None:
        return Names("R")
    matrix = matrix / np.linalg.norm(matrix)
    n = len(matrix)
    floor = max(floor, structure.EPS * n)
    if n > 1 and np.linalg.norm(matrix[:, :-1]) <= floor and abs(matrix[-1, -1]) <= floor:
        return Names("translation", ("R",))
    values = np.linalg.eigvals(matrix)
    # errors spread the eigenvalue of a Jordan block of size k by their k-th root: taken together as one cluster, they
    # leave the minimal polynomial of a semisimple matrix far from zero
    radius = floor**0.25
    count, labels = connected_components(np.abs(values[:, None] - values[None]) <= radius)
    minimal = np.eye(n, dtype=complex)
    for label in range(count):
        minimal = minimal @ (matrix - values[labels == label].mean() * np.eye(n))
    if np.linalg.norm(minimal) > np.sqrt(floor):
        return Names("R")
    small = np.sqrt(floor)
    if np.abs(values.real).max() <= small:
        frequencies = np.abs(values.imag)[np.abs(values.imag) > small]
        ratios = frequencies / frequencies.max()
        if all(rational(ratio, floor) is not None for ratio in ratios):
            return Names("so(2)", ("u(1)", "R"))
        return Names("R")
    if np.abs(values.imag).max() <= small:
        ordered = np.sort(values.real)
        paired = np.abs(ordered + ordered[::-1]).max() <= small
        return Names("boost", ("so(1,1)", "R")) if paired else Names("scaling", ("R",))
    return Names("R")


def rational(value: float, floor: float) -> Fraction | None:
    """The fraction of small denominator that ``value`` is to within the errors, or None."""
    fraction = Fraction(float(value)).limit_denominator(LARGEST_DENOMINATOR)
    near = np.sqrt(structure.EPS) if floor <= structure.EPS * 1e3 else min(10 * floor, 1e-3)
    return fraction if abs(float(fraction) - value) <= near * max(1.0, abs(value)) else None


def plane_or_space_names(c: np.ndarray, floor: float) -> Names | None:
    """Solvable, not abelian, of dimension two or three; None for others (so(3) and sl(2,R) are simple)."""
    q = c.shape[0]
    derived = structure.bracket_space(c, np.eye(q), np.eye(q), floor)
    if q == 2:
        return Names("aff(1)", ("Borel of sl(2,R)",))
    if q != 3 or len(derived) == 3:
        return None
    if len(derived) == 1:
        if len(structure.bracket_space(c, np.eye(3), derived, floor)) == 0:
            return Names("heisenberg(1)", ("Bianchi II",))
        return Names("aff(1)+R", ("Bianchi III", "Bianchi VI_h, h=-1"))
    outside = structure.complement(derived)
    action = (structure.brackets(c, outside, derived) @ derived.T)[0].T
    action = action / np.linalg.norm(action)
    trace, determinant = float(np.trace(action)), float(np.linalg.det(action))
    traceless = action - trace / 2 * np.eye(2)
    # eigenvalues are trace/2 +- sqrt(discriminant)
    discriminant = -float(np.linalg.det(traceless))
    floor = 8 * max(floor, structure.EPS * q)
    if np.linalg.norm(traceless) <= floor:
        return Names("Bianchi V")
    if abs(discriminant) <= floor:
        return Names("Bianchi IV")
    if abs(trace) <= floor:
        if determinant > 0:
            return Names("se(2)", ("iso(2)", "so(2)⋉R^2", "Bianchi VII_0"))
        return Names("iso(1,1)", ("e(1,1)", "poincare(1,1)", "so(1,1)⋉R^2", "Bianchi VI_0"))
    h = -((trace / 2) ** 2) / discriminant
    fraction = rational(h, floor)
    return Names(f"Bianchi {'VI' if h < 0 else 'VII'}_h, h={fraction if fraction is not None else f'{h:.4g}'}")
