"""Polynomials under affine maps: the matrix of p -> p(linear x + offset) on monomials."""

from __future__ import annotations

from math import factorial

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from .. import validate
from .polynomial import Polynomials


def pullback_matrix(
    space: Polynomials, linear: Float[np.ndarray, "m m"], offset: Float[np.ndarray, " m"] | None = None
) -> sp.csr_array:
    """The matrix K (f, F) of the map theta(x) = linear x + offset: the features satisfy phi(theta x) = K psi(x).

    ``psi`` are the F monomials of every degree up to that of ``space``, since an offset lowers degrees; without one
    the columns of lower degrees than those of ``space`` are zero. Entries are sums of products of the entries of the
    map, so integers stay integers. The cost is one sparse product for every degree and variable.

    >>> print(pullback_matrix(Polynomials(1, degree=2), np.array([[2.0]]), np.array([1.0])).toarray())
    [[1. 0. 0.]
     [1. 2. 0.]
     [1. 4. 4.]]
    """
    m, degree = space.input_dimension, space.degree
    linear = validate.array(linear, "linear", shape=(m, m)).astype(np.float64)
    offset = np.zeros(m) if offset is None else validate.array(offset, "offset", shape=(m,)).astype(np.float64)
    whole = Polynomials(m, degree=degree)
    raise_by = [_raising(whole, j) for j in range(m)]
    level = sp.csr_array(([1.0], ([0], [0])), shape=(1, whole.dimension))
    levels = [level]
    for d in range(1, degree + 1):
        exponents = Polynomials(m, degree=d, homogeneous=True).exponents
        variable = (exponents > 0).argmax(axis=1)
        parent = exponents.copy()
        parent[np.arange(len(parent)), variable] -= 1
        lower = level[Polynomials(m, degree=d - 1, homogeneous=True).index(parent)]
        level = _scaled(lower, offset[variable])
        for j in range(m):
            if linear[:, j].any():
                level = level + _scaled(lower, linear[variable, j]) @ raise_by[j]
        level = sp.csr_array(level)
        level.eliminate_zeros()
        levels.append(level)
    return sp.csr_array(sp.vstack(levels[space.minimum_degree :], format="csr"))


def multinomials(space: Polynomials) -> Float[np.ndarray, " f"]:
    """|a|! / a! for each monomial x^a: in how many orders its variables can be written.

    >>> multinomials(Polynomials(2, degree=2)).tolist()
    [1.0, 1.0, 1.0, 1.0, 2.0, 1.0]
    """
    factorials = np.array([float(factorial(k)) for k in range(space.degree + 1)])
    return factorials[space.exponents.sum(axis=1)] / factorials[space.exponents].prod(axis=1)


def _scaled(matrix: sp.csr_array, factors: Float[np.ndarray, " r"]) -> sp.csr_array:
    return sp.csr_array(sp.diags_array(factors) @ matrix)


def _raising(space: Polynomials, variable: int) -> sp.csr_array:
    """Multiplication by one variable; the products of the highest degree are left out, since none is needed."""
    raised = space.exponents.copy()
    raised[:, variable] += 1
    target = space.index(raised)
    inside = np.flatnonzero(target >= 0)
    return sp.csr_array((np.ones(len(inside)), (inside, target[inside])), shape=(space.dimension, space.dimension))
