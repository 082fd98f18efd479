"""The name of a real Lie algebra, up to isomorphism."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import validate
from . import structure
from .lowdim import line_names, plane_or_space_names
from .realform import Names, reductive_names, simple_names
from .semidirect import semidirect_names

LARGEST_FLOOR = 1e-2
"""Errors above this, relative to a well-scaled basis, leave fewer than the two digits that a rank decision needs."""

TOO_NOISY = "too noisy to name"


@dataclass(frozen=True)
class Identity:
    """A name, the names of isomorphic algebras, and a line on the structure."""

    name: str
    aliases: tuple[str, ...]
    description: str


def identify(structure_constants: Any, matrices: Any = None, *, noise: float = 0.0, balanced: bool = False) -> Identity:
    """The name of a real Lie algebra up to isomorphism, from any basis.

    Named are: every algebra of dimension at most three (Bianchi's types), R^k, direct sums of simple algebras by real
    form, gl(n,R), gl(n,C), u(p,q), se(n), iso(p,q), sim(n), aff(n), saff(n), isp(2n,R), heisenberg(n), galilei(n),
    bargmann(n) and carroll(n) for n >= 3, schrodinger(1), jacobi(n), heisenberg(1) and bargmann(1) with a dilation of
    distinct rational weights, and direct sums of all these. Everything else is
    described: "5-dimensional, solvable, derived dimension 3". A name is given only where the conditions that were
    checked prove the isomorphism. Of isomorphic names one is canonical: so(p,q) with p <= q, except that the split
    algebras are sl(2,R), sl(4,R) and sp(4,R); the others are aliases.

    ``structure_constants`` (q, q, q) obey ``[e_i, e_j] = sum_k c[i, j, k] e_k``. ``matrices`` (q, n, n) matter in
    dimension one alone, where the name is that of what the matrix does: so(2), scaling, boost, translation or R.
    ``noise`` is the standard error of a structure constant; where it leaves fewer than two digits in a well-scaled
    basis, the name says so. With ``balanced`` the basis is taken as it is, being well scaled already. Costs about
    O(q^4), for algebras of dimension 36 well under a second.

    >>> identify(np.zeros((2, 2, 2))).name
    'R^2'
    """
    c = validate.array(structure_constants, "structure_constants", ndim=3, minimum_size=0).astype(np.float64)
    floor = noise
    if not balanced:
        from .algebra import LieAlgebra  # which checks what was given and finds a well-scaled basis

        return LieAlgebra.from_structure_constants(c, noise=noise).identity(matrices)
    if len(c) > 1 and floor > LARGEST_FLOOR:
        words = f"{len(c)}-dimensional, {TOO_NOISY}"
        return Identity(words, (), f"{words}: errors of {floor:.1e} in a well-scaled basis")
    names = _names(c, floor, matrices)
    description = describe(c, floor)
    if names is None:
        return Identity(description, (), description)
    return Identity(names.name, names.aliases, description)


def _names(c: np.ndarray, floor: float, matrices: np.ndarray | None) -> Names | None:
    q = c.shape[0]
    if q == 0:
        return Names("trivial", ("R^0",))
    if q == 1:
        return line_names(None if matrices is None else matrices[0], floor)
    every = np.eye(q)
    derived = structure.bracket_space(c, every, every, floor)
    if len(derived) == 0:
        return Names(f"R^{q}")
    if q <= 3 and (low := plane_or_space_names(c, floor)) is not None:
        return low
    radical = structure.radical(c, floor)
    central = len(structure.bracket_space(c, every, radical, floor)) == 0
    if not central and (whole := semidirect_names(c, floor)) is not None:
        return whole
    return _sum_names(c, floor)


def _sum_names(c: np.ndarray, floor: float) -> Names | None:
    """The name of a direct sum from those of its summands; None unless each has one."""
    parts = structure.indecomposable_summands(c, floor)
    if len(parts) == 1 and len(structure.radical(c, floor)):
        return None
    if sum(len(part) for part in parts) != c.shape[0]:  # the errors are too large to split it
        return None
    simple, others, centre = [], [], 0
    for part in sorted(parts, key=len, reverse=True):
        inside = structure.change_basis(c, part)
        if len(part) == 1:
            centre += 1
            continue
        if len(structure.radical(inside, floor)) == 0:
            found = simple_names(inside, floor)
            simple.append(found)
        else:
            found = plane_or_space_names(inside, floor) or semidirect_names(inside, floor)
            others.append((len(part), found))
        if found is None:
            return None
    if not others:
        return reductive_names(simple, centre)
    reductive = reductive_names(simple, centre if not simple else 0) if simple or centre else None
    terms = [(size, found.name) for size, found in others]
    if simple and reductive is not None:
        terms.append((sum(len(part) for part in parts) - sum(size for size, _ in others) - centre, reductive.name))
    terms.sort(key=lambda term: (-term[0], not term[1].startswith("so("), term[1]))
    line = [] if centre == 0 else ["R" if centre == 1 else f"R^{centre}"]
    return Names("+".join([name for _, name in terms] + line))


def describe(c: np.ndarray, floor: float) -> str:
    """Dimension, kind, and the dimensions that tell algebras of that kind apart."""
    q = c.shape[0]
    every = np.eye(q)
    words = [f"{q}-dimensional"]
    derived = structure.bracket_space(c, every, every, floor) if q else every
    if len(derived) == 0:
        return f"{words[0]}, abelian"
    radical = structure.radical(c, floor)
    if len(radical) == 0:
        return f"{words[0]}, {'simple' if len(structure.simple_ideals(c, floor)) == 1 else 'semisimple'}"
    if len(radical) == q:
        lower = structure.series(c, floor, lower=True)
        nilpotent = len(lower[-1]) == 0
        words.append(f"nilpotent of step {len(lower) - 1}" if nilpotent else "solvable")
    elif len(structure.bracket_space(c, every, radical, floor)) == 0:
        words.append(f"reductive, centre of dimension {len(radical)}")
    else:
        quotient = structure.complement(radical)
        levi = _sum_names(structure.change_basis(c, quotient, quotient.T), floor)
        words.append(f"Levi factor {levi.name if levi else f'of dimension {q - len(radical)}'}")
        words.append(f"radical of dimension {len(radical)}")
    return ", ".join([*words, f"derived dimension {len(derived)}"])
