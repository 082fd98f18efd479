"""Names of solvable algebras with a nilradical of codimension one: heisenberg(1) or bargmann(1), and a dilation.

The symmetries of many evolution equations in one dimension are of this kind: translations, a boost, a scaling, and for
Schroedinger's equation a phase. The numbers follow J. Patera, R. T. Sharp, P. Winternitz and H. Zassenhaus, *Invariants
of real low dimension Lie algebras*, J. Math. Phys. 17 (1976).
"""

from __future__ import annotations

from math import lcm

import numpy as np

from . import structure
from .lowdim import rational
from .realform import Names


def dilation_names(c: np.ndarray, floor: float, nil: np.ndarray) -> Names | None:
    """The name of nilradical ⋊ R by the weights of the line, or None where they are not real, distinct and rational."""
    inside = structure.change_basis(c, nil)
    line = structure.complement(nil)
    derived = structure.bracket_space(inside, np.eye(len(nil)), np.eye(len(nil)), floor)
    if len(line) != 1:
        return None
    # D on columns: the derivation of the nilradical by the line.
    derivation = (structure.brackets(c, line, nil) @ nil.T)[0].T
    if len(nil) == 3 and len(derived) == 1:
        # Modulo inner derivations and scale, a derivation of heisenberg(1) is its matrix on the quotient by the centre.
        found = _weights(_on_quotient(derivation, derived), floor)
        if found is None or found[0] == 0:
            return None
        ratio = _text(found)
        b = rational(found[1] / found[0], floor) if abs(found[1]) <= abs(found[0]) else None
        number = "A4,8" if b == -1 else f"A4,9^b, b={b}"
        return Names(f"heisenberg(1)⋊R({ratio})", () if b is None else (number,))
    if len(nil) == 4 and len(derived) == 2:
        # bargmann(1) has the basis boost b, H, P = [H, b], M = [P, b]; H, P and M span the centralizer of [n, n].
        flat = structure.centralizer(inside, derived, floor)
        if len(flat) != 3 or len(structure.bracket_space(inside, flat, flat, floor)):
            return None
        boost = _on_quotient(derivation, flat)
        energy = _on_quotient(flat @ derivation @ flat.T, derived @ flat.T)
        # Distinct weights make the derivation diagonal, and eigenvectors for b and H give the rest of the basis.
        pair = [float(boost[0, 0]), float(energy[0, 0])]
        weights = [pair[0], pair[1], pair[0] + pair[1], 2 * pair[0] + pair[1]]
        size = max(map(abs, weights))
        if any(abs(x - y) <= np.sqrt(floor) * size for i, x in enumerate(weights) for y in weights[:i]):
            return None
        fractions = _fractions(pair, floor)
        if fractions is None:
            return None
        h = rational(1 + pair[1] / pair[0], floor) if abs(pair[0]) > np.sqrt(floor) * size else None
        return Names(f"bargmann(1)⋊R({_text(fractions)})", () if h is None else (f"A5,30^h, h={h}",))
    return None


def _on_quotient(matrix: np.ndarray, ideal: np.ndarray) -> np.ndarray:
    """The matrix that acts on the quotient by an invariant subspace, given by orthonormal rows."""
    rest = structure.complement(ideal)
    return rest @ matrix @ rest.T


def _weights(matrix: np.ndarray, floor: float) -> tuple[int, int] | None:
    """Two real distinct eigenvalues as coprime integers, the larger first and positive."""
    trace, determinant = float(np.trace(matrix)), float(np.linalg.det(matrix))
    discriminant = trace**2 / 4 - determinant
    if discriminant <= max(floor, structure.EPS) * float(np.sum(matrix**2)):
        return None
    root = np.sqrt(discriminant)
    pair = sorted((trace / 2 + root, trace / 2 - root), key=abs, reverse=True)
    return _fractions(pair, floor)


def _fractions(pair: list[float], floor: float) -> tuple[int, int] | None:
    largest = max(pair, key=abs)
    fractions = [rational(value / largest, floor) for value in pair]
    if any(value is None for value in fractions):
        return None
    exact = [value for value in fractions if value is not None]
    common = lcm(*(value.denominator for value in exact))
    first, second = (int(value * common) for value in exact)
    return (first, second) if (first or second) > 0 else (-first, -second)


def _text(weights: tuple[int, int]) -> str:
    return f"{weights[0]}:{weights[1]}".replace("-", "\u2212")
