"""The groups that people name. Bases of their algebras have entries 0, 1 and -1; the argument is the matrix size.

Source of the definitions: B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., ch. 1.
"""

from __future__ import annotations

import itertools
import operator

import numpy as np

from ..errors import IsotropyError
from .group import Group


def SO(p: int, q: int | None = None) -> Group:
    """Rotations of R^p; with two arguments the matrices of determinant 1 that keep diag(-1 p times, +1 q times).

    Basis: for i < j in lexicographic order the rotation of the (i, j)-plane that takes axis i towards axis j, or the
    boost e_ij + e_ji where the signs of the metric differ. SO(p, q) with p, q > 0 has two components; its
    representative flips the first and the last axis. `Group.identity_component` is the connected part.

    >>> print(SO(3), SO(1, 3), SO(2).algebra.matrices[0].tolist())
    SO(3) SO(1,3) [[0.0, -1.0], [1.0, 0.0]]
    """
    if q is None or q == 0 or p == 0:
        n = _size(q if p == 0 and q else p, "SO", 1)
        return Group(_rotations(np.ones(n)), name=f"SO({n})")
    metric = _metric(p, q, "SO")
    flip = np.diag(np.r_[-1.0, np.ones(p + q - 2), -1.0])
    return Group(_rotations(metric), components=flip[None], name=f"SO({p},{q})")


def O(p: int, q: int | None = None) -> Group:  # noqa: E743
    """Orthogonal matrices of R^p, or O(p, q): the algebra of SO(p, q) with reflections.

    Components: the reflection of the first axis, and for p, q > 0 that of the last axis as well. For O(1, 3) they are
    the reversal of time and of one axis of space.
    """
    if q is None or q == 0 or p == 0:
        n = _size(q if p == 0 and q else p, "O", 1)
        return Group(_rotations(np.ones(n)), components=_reflection(n)[None], name=f"O({n})")
    metric = _metric(p, q, "O")
    last = np.diag(np.r_[np.ones(p + q - 1), -1.0])
    return Group(_rotations(metric), components=np.stack([_reflection(p + q), last]), name=f"O({p},{q})")


def Lorentz() -> Group:
    """SO(1, 3): keeps -t^2 + x^2 + y^2 + z^2 and orientation, time first. O(1, 3) has the reversals too."""
    return SO(1, 3)


def SE(n: int) -> Group:
    """Rigid motions of R^n: rotations, then translations along each axis."""
    n = _size(n, "SE", 1)
    return Group(_homogeneous(_rotations(np.ones(n)), _translations(n)), name=f"SE({n})", affine=True)


def E(n: int) -> Group:
    """Isometries of R^n: SE(n) and the reflection of the first axis."""
    n = _size(n, "E", 1)
    return Group(
        _homogeneous(_rotations(np.ones(n)), _translations(n)),
        components=_embed(_reflection(n))[None],
        name=f"E({n})",
        affine=True,
    )


def T(n: int) -> Group:
    """Translations of R^n."""
    n = _size(n, "T", 1)
    return Group(_translations(n), name=f"T({n})", affine=True)


def GL(n: int) -> Group:
    """Invertible matrices. Basis e_ij, row by row; the reflection of the first axis stands for det < 0."""
    n = _size(n, "GL", 1)
    return Group(_general(n), components=_reflection(n)[None], name=f"GL({n})")


def SL(n: int) -> Group:
    """Matrices of determinant 1. Basis: e_ij for i != j, row by row, then e_ii - e_(i+1)(i+1)."""
    n = _size(n, "SL", 2)
    off = [_unit(n, i, j) for i, j in itertools.permutations(range(n), 2)]
    return Group(np.stack(off + _differences(n)), name=f"SL({n})")


def Aff(n: int) -> Group:
    """Affine maps of R^n: GL(n) with its reflection, then translations."""
    n = _size(n, "Aff", 1)
    return Group(
        _homogeneous(_general(n), _translations(n)),
        components=_embed(_reflection(n))[None],
        name=f"Aff({n})",
        affine=True,
    )


def Sp(n: int) -> Group:
    """Symplectic matrices of R^n, n even: they keep the form J = [[0, I], [-I, 0]] on (positions, momenta).

    Basis: [[A, 0], [0, -A^T]] for each e_ij, then the symmetric blocks above and below the diagonal.
    """
    n = _size(n, "Sp", 2)
    if n % 2:
        raise IsotropyError(f"`Sp(n)` is about matrices of even size. Got n = {n}: Sp(4) acts on R^4.")
    m = n // 2
    basis = [_unit(n, i, j) - _unit(n, m + j, m + i) for i, j in itertools.product(range(m), repeat=2)]
    for i, j in itertools.combinations_with_replacement(range(m), 2):
        for a, b in ((i, m + j), (m + i, j)):
            other = (j, m + i) if a < m else (m + j, i)
            basis.append(_unit(n, a, b) + (_unit(n, *other) if i != j else 0))
    return Group(np.stack(basis), name=f"Sp({n})")


def U(n: int) -> Group:
    """Unitary matrices, complex n x n. Basis: e_ij - e_ji and i(e_ij + e_ji) for i < j, then i e_jj.

    ``U(n).vector.real()`` acts on R^{2n}, real parts first.
    """
    n = _size(n, "U", 1)
    return Group(np.stack(_unitary(n) + [1j * _unit(n, j, j) for j in range(n)]), name=f"U({n})")


def SU(n: int) -> Group:
    """Unitary matrices of determinant 1. Basis as U(n), with i(e_jj - e_(j+1)(j+1)) last."""
    n = _size(n, "SU", 2)
    return Group(np.stack(_unitary(n) + [1j * d for d in _differences(n)]), name=f"SU({n})")


def Poincare(p: int = 1, q: int = 3) -> Group:
    """SO(p, q), then translations, acting on the points of R^{p+q}, time first. Components as SO(p, q)."""
    metric = _metric(p, q, "Poincare")
    flip = np.diag(np.r_[-1.0, np.ones(p + q - 2), -1.0])
    return Group(
        _homogeneous(_rotations(metric), _translations(p + q)),
        components=_embed(flip)[None],
        name=f"Poincare({p},{q})",
        affine=True,
    )


def Galilei(n: int) -> Group:
    """Galilean motions of (t, x) in R^{1+n}: rotations of x, boosts x -> x + v t, translations of t and of x."""
    n = _size(n, "Galilei", 1)
    turns = np.zeros((n * (n - 1) // 2, n + 1, n + 1))
    turns[:, 1:, 1:] = _rotations(np.ones(n))
    boosts = np.stack([_unit(n + 1, 1 + i, 0) for i in range(n)])
    return Group(_homogeneous(np.concatenate([turns, boosts]), _translations(n + 1)), name=f"Galilei({n})", affine=True)


def Heisenberg(n: int) -> Group:
    """The Heisenberg group of dimension 2n + 1: upper unitriangular matrices of size n + 2.

    Basis: e_0j for the n positions, e_j(n+1) for the n momenta, then e_0(n+1), the centre.
    """
    n = _size(n, "Heisenberg", 1)
    size = n + 2
    first = [_unit(size, 0, j) for j in range(1, n + 1)]
    second = [_unit(size, j, n + 1) for j in range(1, n + 1)]
    return Group(np.stack([*first, *second, _unit(size, 0, n + 1)]), name=f"Heisenberg({n})")


def Scaling(n: int) -> Group:
    """Dilations x -> s x of R^n, s > 0. Other weights: ``Group([np.diag(weights)])``."""
    n = _size(n, "Scaling", 1)
    return Group(np.eye(n)[None], name=f"Scaling({n})")


def Similarity(n: int) -> Group:
    """Rotations of R^n, the dilation x -> s x, then translations: SE(n) with a change of scale."""
    n = _size(n, "Similarity", 1)
    linear = np.concatenate([_rotations(np.ones(n)), np.eye(n)[None]])
    return Group(_homogeneous(linear, _translations(n)), name=f"Similarity({n})", affine=True)


def S(n: int) -> Group:
    """All permutations of n coordinates: generated by the cycle i -> i + 1 and the exchange of the first two."""
    n = _size(n, "S", 1)
    swap = np.eye(n)
    swap[:2] = swap[:2][::-1]
    return _finite([_shift(n), swap] if n > 2 else [_shift(n)], f"S({n})")


def Z(n: int) -> Group:
    """Cyclic permutations of n coordinates: generated by i -> i + 1."""
    n = _size(n, "Z", 1)
    return _finite([_shift(n)], f"Z({n})")


def C(n: int) -> Group:
    """The n rotations of the plane by multiples of 2 pi / n."""
    n = _size(n, "C", 1)
    return _finite([_turn(n)], f"C({n})")


def D(n: int) -> Group:
    """The 2n symmetries of the regular n-gon in the plane: C(n) and the reflection of the first axis."""
    n = _size(n, "D", 1)
    return _finite([_turn(n), _reflection(2)], f"D({n})")


def Cube() -> Group:
    """The 24 rotations of a cube, permuting its six faces in the order +x, -x, +y, -y, +z, -z."""
    about_z, about_x = np.zeros((6, 6)), np.zeros((6, 6))
    about_z[[2, 3, 1, 0, 4, 5], range(6)] = 1  # +x -> +y -> -x -> -y
    about_x[[0, 1, 4, 5, 3, 2], range(6)] = 1  # +y -> +z -> -y -> -z
    return _finite([about_z, about_x], "Cube")


def Trivial(n: int) -> Group:
    """The identity alone, on R^n."""
    n = _size(n, "Trivial", 1)
    return Group(np.zeros((0, n, n)), name=f"Trivial({n})")


def _size(n: object, name: str, least: int) -> int:
    try:
        value = operator.index(n)  # type: ignore[arg-type]
    except TypeError:
        raise IsotropyError(f"`{name}` takes a whole number. Got {n!r}.") from None
    if value < least or isinstance(n, bool):
        raise IsotropyError(f"`{name}` takes a whole number of at least {least}. Got {n!r}.")
    return value


def _metric(p: int, q: int, name: str) -> np.ndarray:
    return np.r_[-np.ones(_size(p, name, 1)), np.ones(_size(q, name, 1))]


def _unit(n: int, i: int, j: int) -> np.ndarray:
    matrix = np.zeros((n, n))
    matrix[i, j] = 1.0
    return matrix


def _rotations(metric: np.ndarray) -> np.ndarray:
    n = len(metric)
    basis = [_unit(n, j, i) - metric[i] * metric[j] * _unit(n, i, j) for i, j in itertools.combinations(range(n), 2)]
    return np.stack(basis) if basis else np.zeros((0, n, n))


def _general(n: int) -> np.ndarray:
    return np.stack([_unit(n, i, j) for i, j in itertools.product(range(n), repeat=2)])


def _differences(n: int) -> list[np.ndarray]:
    return [_unit(n, j, j) - _unit(n, j + 1, j + 1) for j in range(n - 1)]


def _unitary(n: int) -> list[np.ndarray]:
    pairs = list(itertools.combinations(range(n), 2))
    return [
        *(_unit(n, i, j) - _unit(n, j, i) + 0j for i, j in pairs),
        *(1j * (_unit(n, i, j) + _unit(n, j, i)) for i, j in pairs),
    ]


def _translations(n: int) -> np.ndarray:
    return np.stack([_unit(n + 1, i, n) for i in range(n)])


def _homogeneous(linear: np.ndarray, translations: np.ndarray) -> np.ndarray:
    return np.concatenate([np.pad(linear, ((0, 0), (0, 1), (0, 1))), translations])


def _embed(matrix: np.ndarray) -> np.ndarray:
    result = np.eye(len(matrix) + 1)
    result[:-1, :-1] = matrix
    return result


def _reflection(n: int) -> np.ndarray:
    return np.diag(np.r_[-1.0, np.ones(n - 1)])


def _shift(n: int) -> np.ndarray:
    return np.roll(np.eye(n), 1, axis=0)


def _turn(n: int) -> np.ndarray:
    angle = 2 * np.pi / n
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Quarter turns are exact, so that D(4) has the integer matrices that everyone writes.
    return np.round(turn) if n in (1, 2, 4) else turn


def _finite(components: list[np.ndarray], name: str) -> Group:
    return Group((), components=np.stack(components), name=name)
