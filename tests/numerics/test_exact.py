"""Exact null spaces: against SymPy, with large fractions, and refusals of what is not rational."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import sympy

from isotropy.numerics import exact, successive, tidy

EPS = np.finfo(np.float64).eps


def low_rank(rng, rows: int, columns: int, rank: int, size: int = 3) -> np.ndarray:
    left = rng.integers(-size, size + 1, (rows, rank)) * (rng.random((rows, rank)) < 0.6)
    return (left @ rng.integers(-size, size + 1, (rank, columns))).astype(float)


@pytest.mark.parametrize("seed", range(8))
def test_against_sympy(seed):
    rng = np.random.default_rng(seed)
    parts = [low_rank(rng, 7, 9, 2), low_rank(rng, 5, 9, 3)]
    found = exact.null_space([sp.csr_array(part) for part in parts], 9)
    expected = sympy.Matrix(np.concatenate(parts).astype(int)).nullspace()
    assert found.shape[0] == len(expected)
    assert not np.any(np.concatenate(parts) @ found.toarray().T)
    rows = found.toarray().astype(int)
    assert sympy.Matrix(rows).rank() == len(rows)
    assert all(np.gcd.reduce(row) == 1 for row in rows)
    other = sp.csr_array(np.array([list(v.T * sympy.ilcm(*[e.q for e in v])) for v in expected], dtype=float))
    assert exact.same_span(found, other)


def test_large_fractions_need_several_primes():
    # x_k = 7 x_(k+1): the solution has entries up to 7^16, far above one prime.
    matrix = sp.diags_array([np.ones(16), np.full(16, -7.0)], offsets=[0, 1], shape=(16, 17), format="csr")
    found = exact.null_space([matrix], 17)
    assert found.toarray().astype(int).tolist() == [[7 ** (16 - k) for k in range(17)]]
    too_large = sp.diags_array([np.ones(40), np.full(40, -7.0)], offsets=[0, 1], shape=(40, 41), format="csr")
    assert exact.null_space([too_large], 41) is None


def test_fractions_are_read_and_irrational_numbers_refused():
    thirds = sp.csr_array(np.array([[1 / 3, 0.6, -0.125]]))
    found = exact.null_space([thirds], 3).toarray()
    np.testing.assert_allclose(found @ thirds.toarray().T, 0, atol=10 * EPS * np.abs(found).max())
    assert exact.null_space([sp.csr_array(np.array([[np.cos(0.3), np.sin(0.3)]]))], 2) is None


@pytest.mark.parametrize("columns", [1, 4])
def test_no_constraint_and_full_rank(columns):
    assert exact.null_space([], columns).toarray().tolist() == np.eye(columns).tolist()
    assert exact.null_space([sp.csr_array(np.eye(columns))], columns).shape == (0, columns)


def test_satisfies_refuses_a_near_miss():
    matrix = sp.csr_array(np.array([[10.0**6, -1.0, 0.0]]))
    good, bad = np.array([[1.0, 1e6, 5.0]]), np.array([[1.0, 1e6 - 1, 5.0]])
    assert exact.satisfies([matrix], sp.csr_array(good))
    assert not exact.satisfies([matrix], sp.csr_array(bad))


def test_a_multiple_of_a_prime_is_not_zero():
    prime = next(exact._primes(1))
    assert exact.null_space([sp.csr_array(np.array([[float(prime), 0.0]]))], 2).toarray().tolist() == [[0, 1]]
    assert not exact.satisfies([sp.csr_array(np.array([[float(prime)]]))], sp.csr_array(np.array([[1.0]])))


def test_blocks_share_nothing():
    matrix = sp.csr_array(np.array([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 2, 0, 0]]))
    found = [(r.tolist(), c.tolist(), dense.tolist()) for r, c, dense in exact.blocks(matrix)]
    assert found == [([0], [0, 3], [[1, 1]]), ([1, 2], [2], [[1], [2]])]


@pytest.mark.parametrize("seed", range(5))
def test_floating_point_agrees(seed):
    rng = np.random.default_rng(seed)
    parts = [sp.csr_array(low_rank(rng, 8, 12, 3)), sp.csr_array(low_rank(rng, 8, 12, 4))]
    solved = exact.null_space(parts, 12)
    found, decision = successive.null_space(parts, 12)
    assert decision.verdict == "certain"
    assert decision.nullity == found.shape[0] == solved.shape[0]
    dense = found.toarray()
    np.testing.assert_allclose(dense @ dense.T, np.eye(len(dense)), atol=100 * EPS)
    frame = np.linalg.qr(solved.toarray().T)[0]
    assert np.linalg.norm(dense - (dense @ frame) @ frame.T, 2) < 1e4 * EPS


def test_floating_point_cannot_tell_within_rounding():
    values = np.diag(10.0 ** -np.arange(2.0, 16.0))
    _, decision = successive.null_space([sp.csr_array(values)], 14)
    assert decision.verdict != "certain"


def test_tidy_keeps_the_span_and_makes_it_sparser():
    rows = np.array([[1, 1, 1, 1, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 2, -1]])
    found = tidy.integer_basis(sp.csr_array(rows.astype(float)))
    assert found.nnz == 6
    assert exact.same_span(found, sp.csr_array(rows.astype(float)))
    noisy = tidy.basis(sp.csr_array(np.linalg.qr(rows.T.astype(float))[0].T), 1e3 * EPS)
    assert exact.same_span(sp.csr_array(np.round(noisy.toarray(), 9)), found)
