"""Names of algebras that are neither reductive nor a direct sum: motions, affine maps, Galilei, Heisenberg.

Each name stands on conditions that prove the isomorphism; the proof is the comment beside them. Throughout c are
structure constants, N the nilradical, r the radical, L a Levi factor.
"""

from __future__ import annotations

import numpy as np

from . import structure
from .realform import Names
from .solvable import dilation_names


def semidirect_names(c: np.ndarray, floor: float) -> Names | None:
    """The name of a semidirect sum that is recognised, or None."""
    q = c.shape[0]
    radical = structure.radical(c, floor)
    nil = structure.nilradical(c, floor, radical)
    if len(nil) == q:
        return heisenberg_names(c, floor)
    if len(structure.bracket_space(c, nil, nil, floor)) == 0:
        return affine_names(c, floor, radical, nil)
    if len(nil) == len(radical):
        return kinematic_names(c, floor, radical)
    return dilation_names(c, floor, nil) if len(radical) == q else None


def heisenberg_names(c: np.ndarray, floor: float) -> Names | None:
    """heisenberg(n): the derived algebra is the centre and is a line, so that the bracket is one symplectic form."""
    q = c.shape[0]
    derived = structure.bracket_space(c, np.eye(q), np.eye(q), floor)
    centre = structure.centralizer(c, np.eye(q), floor)
    if len(derived) != 1 or len(centre) != 1 or q % 2 == 0:
        return None
    return Names(f"heisenberg({q // 2})", ("Bianchi II",) if q == 3 else ())


def affine_names(c: np.ndarray, floor: float, radical: np.ndarray, nil: np.ndarray) -> Names | None:
    """Semidirect sums h + V of a linear algebra h on V = N abelian: iso(p,q), sim(p,q), aff(n), saff(n), isp(n,R).

    h acts faithfully iff N is its own centralizer. The extension splits if h is semisimple (Levi) or if h contains
    the identity of V (then the cohomology of h in V vanishes), and g is then determined by the linear algebra h.
    """
    n = len(nil)
    outside = structure.complement(nil)
    linear = (structure.brackets(c, outside, nil) @ nil.T).transpose(0, 2, 1)  # (dim h, n, n), on columns
    h = len(linear)
    if n == 0 or len(structure.row_space(linear.reshape(h, n * n), floor)) < h:
        return None
    span = structure.row_space(linear.reshape(h, n * n), floor)
    identity = np.eye(n).reshape(-1) / np.sqrt(n)
    dilates = structure.numerical_rank(np.array([np.linalg.norm(identity - identity @ span.T @ span)]), floor) == 0
    if not dilates and len(radical) != n:
        return None
    traces = np.trace(linear, axis1=1, axis2=2)
    if h == n * n:
        return Names(f"aff({n})" if n > 1 else "aff(1)", (f"gl({n},R)⋉R^{n}",) if n > 1 else ())
    if h == n * n - 1 and n > 1 and structure.numerical_rank(np.array([np.linalg.norm(traces)]), floor) == 0:
        # a hyperplane of gl(n) on which the trace vanishes is sl(n)
        return Names(f"saff({n})", (f"sl({n},R)⋉R^{n}", *((f"isp({n},R)",) if n == 2 else ())))
    # a subalgebra of the algebra of one form with the dimension of that algebra is all of it
    traceless = linear - traces[:, None, None] / n * np.eye(n)
    area = invariant_form(traceless, floor, symmetric=False)
    if area is not None and n > 2 and h == n * (n + 1) // 2 and not dilates:
        return Names(f"isp({n},R)", (f"sp({n},R)⋉R^{n}",))
    metric = invariant_form(traceless, floor, symmetric=True)
    if metric is None:
        return None
    positive = int((np.linalg.eigvalsh(metric) > 0).sum())
    p, q = sorted((positive, n - positive))
    if h == n * (n - 1) // 2 and not dilates and n > 2:
        return motion_names(p, q)
    if h == n * (n - 1) // 2 + 1 and dilates and (p == 0 or n > 2):
        return similarity_names(p, q)
    return None


def motion_names(p: int, q: int) -> Names:
    """Isometries of flat space of signature (p, q), p <= q."""
    if p == 0:
        return Names(f"se({q})", (f"iso({q})", f"so({q})⋉R^{q}"))
    names = [f"iso({p},{q})", f"poincare({p},{q})"]
    if (p, q) == (1, 3):
        names.reverse()
    return Names(names[0], (names[1], f"so({p},{q})⋉R^{p + q}"))


def similarity_names(p: int, q: int) -> Names:
    """Isometries and dilations of flat space of signature (p, q), p <= q."""
    if p == 0:
        return Names(f"sim({q})", ("aff(1,C)",) if q == 2 else (f"co({q})⋉R^{q}",))
    return Names(f"sim({p},{q})", (f"weyl({p},{q})", f"co({p},{q})⋉R^{p + q}"))


def invariant_form(linear: np.ndarray, floor: float, *, symmetric: bool) -> np.ndarray | None:
    """The (anti)symmetric form B with ``A^T B + B A = 0`` for every A, if it is unique and nondegenerate."""
    n = linear.shape[-1]
    eye = np.eye(n)
    swap = np.eye(n * n).reshape(n, n, n * n).transpose(1, 0, 2).reshape(n * n, n * n)
    wrong = np.eye(n * n) - swap if symmetric else np.eye(n * n) + swap
    rows = [np.kron(a.T, eye) + np.kron(eye, a.T) for a in linear]
    forms = structure.null_space(np.concatenate([wrong, *rows]), floor)
    if len(forms) != 1:
        return None
    form = forms[0].reshape(n, n)
    inertia = np.linalg.svd(form, compute_uv=False)
    return form if structure.numerical_rank(inertia, floor) == n else None


def kinematic_names(c: np.ndarray, floor: float, radical: np.ndarray) -> Names | None:
    """so(n) with two vectors: galilei(n), bargmann(n), carroll(n), n >= 3; and sp(2n,R) with heisenberg(n)."""
    levi = structure.levi_factor(c, floor, radical)
    if len(levi) == 0:
        return None
    pairs = structure.bracket_space(c, levi, radical, floor)  # W, the part of r that L moves
    bent = structure.bracket_space(c, pairs, pairs, floor)
    fixed = structure.null_space(
        np.concatenate([radical @ structure.adjoint(c, x).T for x in levi], axis=1).T, floor
    ) @ radical  # fmt: skip
    derived = structure.bracket_space(c, radical, radical, floor)
    n = len(pairs) // 2
    if len(pairs) != 2 * n or len(pairs) + len(fixed) != len(radical):
        return None
    centre = structure.centralizer(c, np.eye(c.shape[0]), floor)
    heisenberg = len(fixed) == len(bent) == len(derived) == len(centre) == 1
    action = (structure.brackets(c, levi, pairs) @ pairs.T).transpose(0, 2, 1)
    if heisenberg and len(levi) == n * (2 * n + 1):
        # L keeps the symplectic form of W; if it acts faithfully, its dimension makes it all of sp(2n)
        if len(structure.row_space(action.reshape(len(levi), -1), floor)) < len(levi):
            return None
        alias = f"sp({2 * n},R)⋉heisenberg({n})"
        if n == 1:
            return Names("schrodinger(1)", ("jacobi(1)", "sl(2,R)⋉heisenberg(1)"))
        return Names(f"jacobi({n})", (alias,))
    if n < 3 or len(levi) != n * (n - 1) // 2 or not two_vectors(c, levi, action, floor):
        return None
    if heisenberg:
        # the form on V (x) R^2 that so(n) keeps is unique up to a factor: metric times area
        return Names(f"carroll({n})")
    moved = structure.bracket_space(c, fixed, pairs, floor)
    twice = structure.bracket_space(c, fixed, moved, floor)
    if len(moved) != n or len(twice) or len(structure.bracket_space(c, fixed, fixed, floor)):
        return None
    if len(fixed) == 1 and len(bent) == 0 and len(derived) == n:
        # the fixed line H maps W onto its image and kills it: [H, boost] = translation, and no other bracket is left
        return Names(f"galilei({n})")
    if len(fixed) == 2 and len(bent) == len(centre) == 1:
        # modulo the centre as above; the form [W, W] is metric times area, and every nilpotent of sl(2,R) is conjugate
        # to one normal form up to a sign that the fixed line absorbs
        return Names(f"bargmann({n})")
    return None


def two_vectors(c: np.ndarray, levi: np.ndarray, action: np.ndarray, floor: float) -> bool:
    """Whether L is so(n), n >= 3, and W twice its vector representation.

    The commutant of the action is gl(2,R) (dimension 4, with an idempotent that splits W into two isomorphic
    irreducible parts of dimension n); L is compact and acts faithfully, so that its image is all of so(n).
    """
    size = action.shape[-1]
    if len(structure.row_space(action.reshape(len(levi), -1), floor)) < len(levi):
        return False
    within = structure.change_basis(c, levi)
    if np.linalg.eigvalsh(structure.killing_form(within)).max() >= 0:
        return False
    eye = np.eye(size)
    rows = np.concatenate([np.kron(eye, a.T) - np.kron(a, eye) for a in action])
    commutant = structure.null_space(rows, floor).reshape(-1, size, size)
    if len(commutant) != 4:
        return False
    x, y = np.tensordot(np.random.default_rng(0).standard_normal((2, 4)), commutant, axes=(1, 0))
    if structure.numerical_rank(np.array([np.linalg.norm(x @ y - y @ x)]), floor) == 0:
        return False
    # not commutative, it is gl(2,R) or the quaternions: the form tr(XY) has three positive squares, or one
    gram = np.einsum("aij,bji->ab", commutant, commutant)
    return int((np.linalg.eigvalsh(gram) > 0).sum()) == 3
