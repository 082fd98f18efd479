"""Null spaces of integer matrices, exactly: modulo primes, rational reconstruction, and a check in integers.

Sparse constraints fall apart into blocks that share no row, and a block is small where they have much structure, as
generators acting on monomials do. Where a block of all constraints together is large, they are taken one after the
other, each restricted to what the ones before left, since a single one has smaller blocks. Residues never grow, and
what they lose is won back in the end: a basis of integers that satisfies every constraint, whose number reaches the
bound that any prime gives, is the whole answer.

Source: J. von zur Gathen, J. Gerhard, *Modern Computer Algebra*, 3rd ed., chapters 5 (reconstruction) and 14.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd, isqrt, lcm
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

if TYPE_CHECKING:
    Sparse = Any  # SciPy's stubs do not know the shapes and products of sparse arrays
else:
    Sparse = sp.csr_array

PRIME_BITS = 25
"""Residues below 2^25 have products below 2^50: thousands of these are added in 64 bits without overflow."""

LARGEST_SUM = 2 ** (63 - 2 * PRIME_BITS)
"""How many products of residues may be added before the remainder is taken."""

TOGETHER = 512
"""The largest block, in columns, up to which all constraints are eliminated together."""

MOST_PRIMES = 5
"""Numerators and denominators up to 2^62 are reconstructed; a basis of larger ones is no longer readable anyway."""

LARGEST_INTEGER = 2**53
"""Integers up to here are exact in float64."""

LARGEST_DENOMINATOR = 10**5
"""There are about 3e9 fractions with denominators up to here between 0 and 1: a real number meets one to within
rounding with a chance of some 1e-6."""

ROUNDING = 8.0
"""Units of rounding that the products behind one entry may have gathered."""


def null_space(constraints: Sequence[Sparse], columns: int) -> Sparse | None:
    """An integer basis, as sparse rows (d, columns), of all vectors that every constraint takes to zero.

    ``constraints`` are sparse matrices (any number of rows, ``columns``) of integers or of fractions with small
    denominators, held as floats. The basis is reduced echelon, first columns leading, each row scaled to coprime
    integers. It is exact: every row is checked against every constraint in integers, and their number against the
    rank modulo a prime.
    Returns None where the entries are no such fractions, or an answer is too large for float64 to hold (above 2^53).

    >>> print(null_space([sp.csr_array([[2, -3, 0]])], 3).toarray())
    [[3. 2. 0.]
     [0. 0. 1.]]
    """
    integer = [_integers(constraint) for constraint in constraints]
    if any(matrix is None for matrix in integer):
        return None
    matrices = [matrix for matrix in integer if matrix is not None]
    steps = _steps(matrices)
    found: list[tuple[int, Sparse]] = []
    for prime in _primes(MOST_PRIMES):
        found.append((prime, _echelon(_null_modulo(steps, columns, prime), prime)))
        # A prime that divides a minor finds too many vectors: only those that find fewest count.
        fewest = min(basis.shape[0] for _, basis in found)
        found = [(p, basis) for p, basis in found if basis.shape[0] == fewest]
        basis = _reconstruct(found)
        if basis is not None and satisfies(matrices, basis):
            return basis
    return None


def satisfies(constraints: Sequence[Sparse], basis: Sparse) -> bool:
    """Whether every integer row of ``basis`` is taken to exactly zero by every constraint.

    Products are taken modulo enough primes that an integer of their size which vanishes modulo all of them is zero.
    """
    largest = int(np.abs(basis.data).max(initial=0))
    for constraint in constraints:
        matrix = _integers(constraint)
        if matrix is None:
            return False
        bound = int(abs(matrix).sum(axis=1).max(initial=0)) * largest
        count = max(1, -(-(2 * bound + 1).bit_length() // (PRIME_BITS - 1)))
        for prime in _primes(count):
            if _product(matrix, _residues(basis, prime).T.tocsr(), prime).nnz:
                return False
    return True


def same_span(first: Sparse, second: Sparse) -> bool:
    """Whether the integer rows of two bases span the same space modulo a prime."""
    prime = next(_primes(1))
    a, b = (_echelon(_residues(basis, prime).T.tocsr(), prime) for basis in (first, second))
    return a.shape == b.shape and (a != b).nnz == 0


def blocks(matrix: Sparse) -> Iterator[tuple[Int[np.ndarray, " r"], Int[np.ndarray, " c"], np.ndarray]]:
    """Sets of rows and columns that no entry joins to others, and the entries of each as a dense array (r, c).

    Rows and columns come in their own order; those that have no entry are in no block.
    """
    rows, columns = matrix.shape
    entries = matrix.tocoo()
    i, j = entries.coords[0], entries.coords[1] + rows
    count, label = _labels(matrix)
    members = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[members], np.arange(count + 1))
    above = np.bincount(label[:rows], minlength=count)
    place = np.empty(rows + columns, dtype=np.int64)
    place[members] = np.arange(rows + columns) - starts[label[members]]
    order = np.argsort(label[i], kind="stable")
    ends = np.searchsorted(label[i][order], np.arange(count + 1))
    for k in np.flatnonzero(np.diff(ends)):
        chosen, nodes, height = order[ends[k] : ends[k + 1]], members[starts[k] : starts[k + 1]], above[k]
        dense = np.zeros((height, len(nodes) - height), dtype=matrix.dtype)
        np.add.at(dense, (place[i[chosen]], place[j[chosen]] - height), entries.data[chosen])
        yield nodes[:height], nodes[height:] - rows, dense


def _labels(matrix: Sparse) -> tuple[int, Int[np.ndarray, " r+c"]]:
    """The number of blocks, lonely rows and columns included, and the block of each row and then of each column."""
    rows, columns = matrix.shape
    i, j = matrix.tocoo().coords
    joined = sp.coo_array((np.ones(len(i), dtype=np.int8), (i, j + rows)), shape=(rows + columns, rows + columns))
    return sp.csgraph.connected_components(joined, directed=False)


def _steps(matrices: Sequence[Sparse]) -> Sequence[Sparse]:
    """All constraints as one matrix if its blocks stay small, and otherwise one by one."""
    if len(matrices) < 2:
        return matrices
    stacked: Sparse = sp.csr_array(sp.vstack(matrices, format="csr"))
    _, label = _labels(stacked)
    return [stacked] if np.bincount(label[stacked.shape[0] :]).max() <= TOGETHER else matrices


def _integers(constraint: Sparse) -> Sparse | None:
    """The constraint times a common denominator of its entries, or None where they have none that is small.

    Entries are fractions to within a few units of rounding, as products of fractions held in float64 are.
    """
    matrix = sp.csr_array(constraint)
    values, where = np.unique(matrix.data.astype(np.float64), return_inverse=True)
    rounding = ROUNDING * float(np.finfo(np.float64).eps)
    zero = rounding * float(np.abs(values).max(initial=0.0))
    scale, fractions = 1, []
    for value in values.tolist():
        fraction = Fraction(value).limit_denominator(LARGEST_DENOMINATOR) if abs(value) > zero else Fraction(0)
        if abs(float(fraction) - value) > max(rounding * abs(value), zero if fraction == 0 else 0.0):
            return None
        fractions.append(fraction)
        scale = lcm(scale, fraction.denominator)
        if scale > LARGEST_DENOMINATOR**2:
            return None
    numbers = [int(fraction * scale) for fraction in fractions]
    if max(map(abs, numbers), default=0) > LARGEST_INTEGER:
        return None
    entries = np.array(numbers, dtype=np.int64)[where.ravel()]
    return _with_entries(matrix, entries)


def _with_entries(matrix: Sparse, entries: Int[np.ndarray, " k"]) -> Sparse:
    # A copy, because dropping zeros moves the indices in place.
    result = sp.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
    result.eliminate_zeros()
    return result


def _primes(count: int) -> Iterator[int]:
    """The ``count`` largest primes below 2^PRIME_BITS."""
    candidate = 2**PRIME_BITS - 1
    while count:
        if all(candidate % k for k in range(3, isqrt(candidate) + 1, 2)):
            yield candidate
            count -= 1
        candidate -= 2


def _residues(matrix: Sparse, prime: int) -> Sparse:
    return _with_entries(matrix, matrix.data.astype(np.int64) % prime)


def _product(left: Sparse, right: Sparse, prime: int) -> Sparse:
    """``left @ right`` modulo ``prime``, in slices of ``left`` whose sums cannot overflow."""
    left = _residues(left, prime)
    if np.diff(left.indptr).max(initial=0) <= LARGEST_SUM:
        return _residues(sp.csr_array(left @ right), prime)
    total = sp.csr_array((left.shape[0], right.shape[1]), dtype=np.int64)
    for k in range(0, left.shape[1], LARGEST_SUM):
        part = left[:, k : k + LARGEST_SUM] @ right[k : k + LARGEST_SUM]
        total = _residues(sp.csr_array(total + _residues(sp.csr_array(part), prime)), prime)
    return total


def _null_modulo(constraints: Sequence[Sparse], columns: int, prime: int) -> Sparse:
    """Columns spanning the common null space modulo ``prime``."""
    basis = sp.csr_array(sp.eye_array(columns)).astype(np.int64)
    for constraint in constraints:
        image = _product(constraint, basis, prime)
        if image.nnz:
            basis = _product(basis, _kernel(image, prime), prime)
    return basis


def _kernel(image: Sparse, prime: int) -> Sparse:
    """Columns spanning the null space of ``image`` modulo ``prime``, block by block."""
    free = np.ones(image.shape[1], dtype=bool)
    rows, columns, entries, count = [], [], [], 0
    for _, block_columns, dense in blocks(image):
        free[block_columns] = False
        reduced, pivots = _reduced(dense, prime)
        others = np.setdiff1d(np.arange(len(block_columns)), pivots)
        if not len(others):
            continue
        kernel = np.zeros((len(block_columns), len(others)), dtype=np.int64)
        kernel[others, np.arange(len(others))] = 1
        kernel[pivots] = -reduced[:, others] % prime
        i, j = np.nonzero(kernel)
        rows.append(block_columns[i])
        columns.append(j + count)
        entries.append(kernel[i, j])
        count += len(others)
    kept = np.flatnonzero(free)
    rows.append(kept)
    columns.append(np.arange(len(kept)) + count)
    entries.append(np.ones(len(kept), dtype=np.int64))
    triplets = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
    return sp.csr_array(sp.coo_array(triplets, shape=(image.shape[1], count + len(kept))))


def _reduced(matrix: Int[np.ndarray, "r c"], prime: int) -> tuple[Int[np.ndarray, "k c"], Int[np.ndarray, " k"]]:
    """The rows of the reduced echelon form modulo ``prime`` that are not zero, and their pivots."""
    matrix = matrix % prime
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        rank = len(pivots)
        if rank == len(matrix):
            break
        below = np.flatnonzero(matrix[rank:, column])
        if not len(below):
            continue
        pivot = rank + int(below[0])
        matrix[[rank, pivot]] = matrix[[pivot, rank]]
        matrix[rank] = matrix[rank] * pow(int(matrix[rank, column]), -1, prime) % prime
        factors = matrix[:, column].copy()
        factors[rank] = 0
        touched = np.flatnonzero(factors)
        matrix[touched] = (matrix[touched] - factors[touched, None] * matrix[rank]) % prime
        pivots.append(column)
    return matrix[: len(pivots)], np.array(pivots, dtype=np.int64)


def _echelon(vectors: Sparse, prime: int) -> Sparse:
    """The columns of ``vectors`` as rows of a reduced echelon form modulo ``prime``, sorted by their pivots."""
    transposed: Sparse = sp.csr_array(vectors.T)
    rows, columns, entries, leading = [], [], [], []
    for _, block_columns, dense in blocks(transposed):
        reduced, pivots = _reduced(dense, prime)
        i, j = np.nonzero(reduced)
        rows.append(i + len(leading))
        columns.append(block_columns[j])
        entries.append(reduced[i, j])
        leading.extend(block_columns[pivots].tolist())
    if not leading:
        return sp.csr_array((0, transposed.shape[1]), dtype=np.int64)
    place = np.empty(len(leading), dtype=np.int64)
    place[np.argsort(leading)] = np.arange(len(leading))
    triplets = (np.concatenate(entries), (place[np.concatenate(rows)], np.concatenate(columns)))
    return sp.csr_array(sp.coo_array(triplets, shape=(len(leading), transposed.shape[1])))


def _reconstruct(found: Sequence[tuple[int, Sparse]]) -> Sparse | None:
    """Rows of coprime integers whose echelon form has these residues, or None where the primes do not suffice."""
    first = found[0][1]
    pattern = [basis.tocoo() for _, basis in found]
    places = sorted({(int(i), int(j)) for part in pattern for i, j in zip(*part.coords, strict=True)})
    tables = [{(int(i), int(j)): int(v) for i, j, v in zip(*part.coords, part.data, strict=True)} for part in pattern]
    modulus, known = 1, {}
    for prime, _ in found:
        modulus *= prime
    rows: list[list[tuple[int, Fraction]]] = [[] for _ in range(first.shape[0])]
    for place in places:
        residues = tuple(table.get(place, 0) for table in tables)
        if residues not in known:
            known[residues] = _rational(_chinese(residues, [p for p, _ in found]), modulus)
        value = known[residues]
        if value is None:
            return None
        if value:
            rows[place[0]].append((place[1], value))
    indices, entries, starts = [], [], [0]
    for row in rows:
        scale = lcm(*(value.denominator for _, value in row))
        numbers = [int(value * scale) for _, value in row]
        common = gcd(*numbers)
        if not numbers or max(map(abs, numbers)) // common > LARGEST_INTEGER:
            return None
        indices.extend(column for column, _ in row)
        entries.extend(number // common for number in numbers)
        starts.append(len(indices))
    return sp.csr_array(
        (np.array(entries, dtype=np.float64), np.array(indices, dtype=np.int64), np.array(starts)), shape=first.shape
    )


def _chinese(residues: Sequence[int], primes: Sequence[int]) -> int:
    value, modulus = 0, 1
    for residue, prime in zip(residues, primes, strict=True):
        value += modulus * ((residue - value) * pow(modulus, -1, prime) % prime)
        modulus *= prime
    return value


def _rational(residue: int, modulus: int) -> Fraction | None:
    """The fraction of numerator and denominator up to sqrt(modulus / 2) with this residue, if there is one."""
    bound = isqrt(modulus // 2)
    (r0, t0), (r1, t1) = (modulus, 0), (residue, 1)
    while r1 > bound:
        quotient = r0 // r1
        (r0, t0), (r1, t1) = (r1, t1), (r0 - quotient * r1, t0 - quotient * t1)
    if t1 == 0 or abs(t1) > bound or gcd(r1, abs(t1)) != 1:
        return None
    return Fraction(r1, t1)
