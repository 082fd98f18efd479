"""Irreducible representations by label, for the groups that physics names them of.

Sources: B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, ch. 4 (spin); S. Weinberg, *The Quantum Theory of
Fields* I, sec. 5.6 (the (a, b) of the Lorentz group).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import scipy.linalg

from ..errors import IsotropyError
from . import catalogue
from .group import Group
from .representation import Leaf, Representation

LARGEST = 500
"""The largest label for which matrices are made; their size is the square of its double."""


def irrep(group: Group, *labels: Any) -> Representation:
    """The irreducible with these labels.

    SO(2): ``m`` >= 0, real, of dimension 2 for m > 0. SO(3): ``l`` = 0, 1, ..., real, 2l + 1, in the basis of real
    spherical harmonics whose l = 1 is (x, y, z). O(3): ``l, parity`` with parity 1 or "e", -1 or "o". SU(2): ``j`` = 0,
    1/2, 1, ..., complex, 2j + 1. SO(1, 3): ``a, b`` with a + b whole (any for the identity component, where
    half-integers stand for the double cover); real if a = b, complex otherwise, (2a + 1)(2b + 1).

    >>> print(irrep(catalogue.SO(3), 2), irrep(catalogue.SO(3), 2).dimension, irrep(catalogue.O(3), 1, "o"))
    irrep(2) 5 1o
    """
    for make, count, build in _KNOWN:
        known = make()
        if group == known or (known.name == "SO(1,3)" and group == known.identity_component):
            if len(labels) != count:
                raise IsotropyError(
                    f"Irreducibles of {known} take {count} label{'s' * (count > 1)}. Got {len(labels)}: {labels}."
                )
            return build(group, *labels)
    names = ", ".join(str(make()) for make, _, _ in _KNOWN)
    raise IsotropyError(
        f"Irreducibles by label are known for {names}. Got {group}: "
        f"build yours from tensors, or give its matrices to `group.representation`."
    )


def _half(value: Any, name: str, *, whole: bool = False) -> Fraction:
    try:
        number = Fraction(str(value))
    except ValueError:
        raise IsotropyError(f"The label `{name}` must be a number such as 2 or 1/2. Got {value!r}.") from None
    if number > LARGEST:
        raise IsotropyError(f"The label `{name}` may be up to {LARGEST}. Got {str(value)[:20]}.")
    if number < 0 or (number if whole else 2 * number).denominator != 1:
        kind = "a whole number" if whole else "a whole or half number"
        extra = " (half-integer spins are representations of SU(2))" if whole and (2 * number).denominator == 1 else ""
        raise IsotropyError(f"The label `{name}` must be {kind}, not negative. Got {value}{extra}.")
    return number


def _so2(group: Group, m: Any) -> Representation:
    order = int(_half(m, "m", whole=True))
    if order == 0:
        return group.scalar
    return Leaf(group, f"irrep({order})", order * group.matrices, np.zeros((0, 2, 2)), dimension=2)


def spin(j: Fraction | int) -> np.ndarray:
    """The Hermitian matrices J_x, J_y, J_z of spin j, of shape (3, 2j + 1, 2j + 1), J_z diagonal and descending."""
    m = np.array([float(j) - k for k in range(int(2 * j) + 1)])
    up = np.diag(np.sqrt(float(j) * (float(j) + 1) - m[1:] * (m[1:] + 1)), 1)
    return np.stack([(up + up.T) / 2 + 0j, (up - up.T) / 2j, np.diag(m) + 0j])


def _rotations(l: int) -> np.ndarray:
    """Real antisymmetric L_x, L_y, L_z on the real spherical harmonics m = -l ... l, with [L_x, L_y] = L_z.

    The polar axis is y, as in e3nn, so that l = 1 is the vector (x, y, z).
    """
    change = np.zeros((2 * l + 1, 2 * l + 1), dtype=np.complex128)  # rows: real harmonics; columns: m = l ... -l
    column = {m: l - m for m in range(-l, l + 1)}
    change[l, column[0]] = 1
    for m in range(1, l + 1):
        sign = (-1) ** m
        change[l + m, column[m]], change[l + m, column[-m]] = sign / np.sqrt(2), 1 / np.sqrt(2)
        change[l - m, column[m]], change[l - m, column[-m]] = -1j * sign / np.sqrt(2), 1j / np.sqrt(2)
    # A function's coefficients move with the conjugate of the matrix that turns the harmonics into real ones.
    x, y, z = (change.conj() @ (-1j * spin(l)) @ change.T).real
    # With the polar axis called y, the old (x, y, z) are the new (z, x, y).
    return np.stack([y, z, x])


def _on_planes(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Rotations about the axes as rotations of the planes (0, 1), (0, 2), (1, 2), the catalogue's basis of so(3)."""
    return np.stack([z, -y, x])


def _so3(group: Group, l: Any) -> Representation:
    order = int(_half(l, "l", whole=True))
    if order == 0:
        return group.scalar
    size = 2 * order + 1
    return Leaf(group, f"irrep({order})", _on_planes(*_rotations(order)), np.zeros((0, size, size)), dimension=size)


def _o3(group: Group, l: Any, parity: Any) -> Representation:
    order = int(_half(l, "l", whole=True))
    if parity not in (1, -1, "e", "o"):
        raise IsotropyError(f"The parity must be 1 or 'e', -1 or 'o'. Got {parity!r}.")
    even = parity in (1, "e")
    if order == 0 and even:
        return group.scalar
    axes = _rotations(order)
    # The reflection of x is the half turn about x times -1; on real harmonics a half turn has entries 0 and 1 alone.
    flip = (1 if even else -1) * np.round(scipy.linalg.expm(np.pi * axes[0]))
    return Leaf(group, f"{order}{'e' if even else 'o'}", _on_planes(*axes), flip[None] + 0.0, dimension=2 * order + 1)


def _su2(group: Group, j: Any) -> Representation:
    order = _half(j, "j")
    if order == 0:
        return group.scalar
    x, y, z = spin(order)
    size = len(x)
    # The catalogue's basis of su(2) is i sigma_y, i sigma_x, i sigma_z, and J = sigma / 2 for spin 1/2.
    generators = 2j * np.stack([y, x, z])
    return Leaf(group, f"irrep({order})", generators, np.zeros((0, size, size)), dimension=size)


def _so13(group: Group, a: Any, b: Any) -> Representation:
    left, right = _half(a, "a"), _half(b, "b")
    if (left + right).denominator != 1 and len(group.components):
        raise IsotropyError(
            f"The ({left}, {right}) of the Lorentz group is a representation of the double cover only: "
            f"take `groups.SO(1, 3).identity_component`, or a + b whole."
        )
    if left == right == 0:
        return group.scalar
    ja, jb = spin(left), spin(right)
    first = np.stack([np.kron(m, np.eye(len(jb[0]))) for m in ja])
    second = np.stack([np.kron(np.eye(len(ja[0])), m) for m in jb])
    # (L + iB)/2 and (L - iB)/2 are two commuting copies of su(2), acting as -iJ on one factor each.
    turns, boosts = -1j * (first + second), second - first
    size = len(first[0])
    # The component flips t and z: it is -1 times the half turn about z, and -1 is (1, -1) in the complexified group.
    flip = (-1.0) ** int(2 * right) * scipy.linalg.expm(np.pi * turns[2])
    if left == right:
        basis = _real_basis(left)
        turns, boosts, flip = (np.real(basis.conj().T @ m @ basis) for m in (turns, boosts, flip))
    generators = np.concatenate([boosts, _on_planes(*turns)])
    whole = np.round(flip)
    components = [whole if np.allclose(flip, whole, rtol=0, atol=1e3 * size * np.finfo(float).eps) else flip]
    return Leaf(
        group,
        f"irrep({left},{right})",
        generators,
        components if len(group.components) else np.zeros((0, size, size)),
        dimension=size,
    )


def _real_basis(j: Fraction) -> np.ndarray:
    """Orthonormal vectors of (j, j) that its real structure keeps: the exchange of factors with spin conjugation."""
    n = int(2 * j) + 1
    conjugation = np.fliplr(np.diag((-1.0) ** np.arange(n)))  # e conj(J) e^-1 = -J
    exchange = np.eye(n * n).reshape(n, n, n, n).transpose(1, 0, 2, 3).reshape(n * n, n * n)
    structure = np.kron(conjugation, conjugation) @ exchange
    eye = np.eye(n * n)
    fixed = np.concatenate([eye + structure, 1j * (eye - structure)], axis=1)
    rows = np.concatenate([fixed.real, fixed.imag])
    left, _values, _ = np.linalg.svd(rows, full_matrices=False)
    kept = left[:, : n * n]  # the structure fixes a real space of half the real dimension
    return kept[: n * n] + 1j * kept[n * n :]


_KNOWN = (
    (lambda: catalogue.SO(2), 1, _so2),
    (lambda: catalogue.SO(3), 1, _so3),
    (lambda: catalogue.O(3), 2, _o3),
    (lambda: catalogue.SU(2), 1, _su2),
    (lambda: catalogue.SO(1, 3), 2, _so13),
)
