"""Sparse bases: the span is kept, planted bases are found, noise is respected."""

import numpy as np
import pytest

from isotropy.errors import IsotropyError
from isotropy.numerics.readable import format_combination
from isotropy.numerics.sparse import SAFETY, sparse_basis

EPS = np.finfo(np.float64).eps


def planted(seed, d, q, k):
    """d independent rows in general position with k small integers each."""
    random = np.random.default_rng(seed)
    while True:
        rows = np.zeros((d, q))
        for row in rows:
            row[random.choice(q, k, replace=False)] = random.choice([-3, -2, -1, 1, 2, 3], k)
        if np.linalg.matrix_rank(rows) == d:
            return rows


def mixed(rows, noise, seed):
    """An orthonormal basis of the span in general position, every entry off by about ``noise``."""
    random = np.random.default_rng(seed + 1000)
    basis = np.linalg.qr(rows.T)[0] @ np.linalg.qr(random.standard_normal((len(rows), len(rows))))[0]
    return np.linalg.qr(basis + noise * random.standard_normal(basis.shape))[0].T


def angle(a, b):
    """The sine of the largest principal angle between two row spaces of one dimension."""
    a, b = np.linalg.qr(a.T)[0], np.linalg.qr(b.T)[0]
    return np.linalg.norm(a - b @ (b.T @ a), 2)


@pytest.mark.parametrize("noise", [EPS, 1e-10, 1e-6, 1e-3])
@pytest.mark.parametrize(("d", "q", "k"), [(1, 5, 2), (3, 12, 2), (6, 20, 3), (5, 8, 6), (4, 4, 2), (7, 9, 9)])
@pytest.mark.parametrize("seed", range(3))
def test_the_span_is_kept_to_within_the_noise(d, q, k, noise, seed):
    span = mixed(planted(seed, d, q, k), noise, seed)
    basis = sparse_basis(span, noise)
    assert basis.shape == (d, q)
    # A few times the angle by which such an error turns the span, and never another span.
    assert angle(basis, span) <= min(SAFETY * max(noise, EPS * np.sqrt(d * q)) * (np.sqrt(d) + np.sqrt(q)), 0.1)


@pytest.mark.parametrize(("d", "q", "k"), [(3, 12, 2), (6, 20, 3), (10, 36, 2), (8, 40, 3)])
@pytest.mark.parametrize("seed", range(10))
def test_planted_sparse_bases_are_found(d, q, k, seed):
    rows = planted(seed, d, q, k)
    basis = sparse_basis(mixed(rows, 1e-10, seed), 1e-10)
    assert (basis != 0).sum() <= (rows != 0).sum()
    assert angle(basis, rows) <= 2 * SAFETY * 1e-10 * (np.sqrt(d) + np.sqrt(q))
    whole = np.round(basis)
    # Rows of small integers come back as integers, with no common factor, the first positive.
    assert np.abs(basis - whole).max() <= 1e-6 * np.abs(basis).max()
    for row in whole.astype(int):
        assert np.gcd.reduce(row) == 1
        assert row[np.flatnonzero(row)[0]] > 0


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("seed", range(5))
def test_rotations_of_four_dimensions_are_told_apart_in_noise(seed, noise):
    pairs = [(i, j) for i in range(4) for j in range(i)]
    rows = np.zeros((6, 16))
    for row, (i, j) in zip(rows, pairs, strict=True):
        row[[4 * i + j, 4 * j + i]] = 1, -1
    basis = sparse_basis(mixed(rows, noise, seed), noise)
    assert (basis != 0).sum(axis=1).tolist() == [2] * 6
    for row in basis:
        first, second = np.flatnonzero(row)
        assert abs(row[second] / row[first] + 1) <= SAFETY * noise


@pytest.mark.parametrize("seed", range(5))
def test_the_euclidean_algebra_of_the_plane_is_natural(seed):
    # The columns are the terms  d/dx, d/dy, d/dz, then x d/dx, x d/dy, x d/dz, y d/dx, …
    rows = np.zeros((3, 12))
    rows[0, [4, 6]] = 1, -1
    rows[1, [0, 5]] = 3, -2
    rows[2, [1, 8]] = 3, -2
    basis = sparse_basis(mixed(rows, 1e-14, seed), 1e-14)
    names = [f"{v}∂{w}" for v in ("", "x ", "y ", "z ") for w in "xyz"]
    text = [format_combination(row, names, noise=1e-12) for row in basis]
    assert text == ["3 ∂x − 2 x ∂z", "3 ∂y − 2 y ∂z", "x ∂y − y ∂x"]


def test_the_answer_depends_on_the_span_alone():
    rows = planted(0, 4, 15, 3)
    one, two = (sparse_basis(mixed(rows, 1e-12, seed), 1e-12) for seed in (1, 2))
    np.testing.assert_allclose(one, two, rtol=0, atol=SAFETY * 1e-12 * 60 * np.abs(one).max())
    assert np.array_equal(sparse_basis(rows), sparse_basis(rows))


def test_large_blocks_are_spanned_with_less_search(monkeypatch):
    """With hardly any work allowed there are few starts and no exchanges; the span is kept and zeros are true ones."""
    span = np.random.default_rng(0).normal(size=(6, 14))
    monkeypatch.setattr("isotropy.numerics.sparse.WORK", 1)
    rows = sparse_basis(span)
    assert np.linalg.matrix_rank(np.vstack([span, rows])) == np.linalg.matrix_rank(rows) == 6
    assert (rows == 0).sum() >= 6 * 5  # an echelon form has as many


def test_order_says_which_entry_comes_first():
    span = np.array([[0.0, 1.0, -1.0]])
    assert np.array_equal(sparse_basis(span), [[0, 1, -1]])
    assert np.array_equal(sparse_basis(span, order=[2, 1, 0]), [[0, -1, 1]])


def test_units_do_not_decide_what_is_zero():
    rows = np.array([[1.0, 1e-12, 0.0], [0.0, 0.0, 1.0]])
    assert sparse_basis(rows, 1e-9)[0, 1] == 0
    assert sparse_basis(rows, 1e-9, scale=[1.0, 1e-12, 1.0])[0, 1] == pytest.approx(1e-12, rel=1e-6)


def test_irrational_rows_start_with_one():
    basis = sparse_basis(np.array([[0.0, np.pi, np.e]]))
    np.testing.assert_allclose(basis, [[0, 1, np.e / np.pi]], rtol=4 * EPS)


def test_a_small_true_coefficient_is_not_lost():
    rows = np.array([[1.0, 1e-3, 0.0], [0.0, 0.0, 1.0]])
    assert sparse_basis(rows, 1e-6)[0, 1] == pytest.approx(1e-3, rel=1e-9)
    assert sparse_basis(rows, 1e-3)[0, 1] == 0


def test_a_row_too_noisy_to_clean_starts_with_an_entry_that_is_not_noise():
    """Cleaning would turn it by more than six degrees, so it stays as it is, and small entries are not its unit."""
    row = np.where(np.arange(60) % 2, 0.03, 1.0)[None] * np.where(np.arange(60) % 3, 1.0, -1.0)
    row[0, 0] = 0.01
    noise = 0.02
    assert sparse_basis(row / np.linalg.norm(row), noise)[0, 2] == pytest.approx(1.0)


def test_the_whole_space_and_the_empty_span():
    assert np.array_equal(sparse_basis(mixed(np.eye(4), 0.0, 0)), np.eye(4))
    assert sparse_basis(np.zeros((0, 5))).shape == (0, 5)


@pytest.mark.parametrize(
    ("span", "options", "message"),
    [
        (np.ones((3, 2)), {}, "cannot be independent"),
        (np.ones((2, 3)), {}, "not independent"),
        (np.zeros((2, 3)), {}, "not independent"),
        (np.full((1, 3), np.nan), {}, "NaN"),
        (np.ones(3), {}, "axes"),
        (np.eye(3), {"order": [0, 1]}, "permutation"),
        (np.eye(3), {"order": [0, 1, 1]}, "permutation"),
        (np.eye(3), {"scale": [1.0, 0.0, 1.0]}, "positive"),
    ],
)
def test_bad_spans_are_refused(span, options, message):
    with pytest.raises(IsotropyError, match=message):
        sparse_basis(span, **options)
