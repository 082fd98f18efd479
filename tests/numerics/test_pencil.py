"""Ratios of two operators against SciPy's generalised eigenvalues, and where those would fail."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sla

from isotropy.errors import IsotropyError
from isotropy.numerics import pencil

EPS = np.finfo(np.float64).eps


def pair(seed: int, rows: int = 40, columns: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)), rng.normal(size=(rows, columns))


@pytest.mark.parametrize("seed", range(4))
def test_ratios_are_square_roots_of_generalised_eigenvalues(seed: int) -> None:
    a, b = pair(seed)
    solved = pencil.solve(a, b)
    expected = np.sqrt(sla.eigh(a.T @ a, b.T @ b, eigvals_only=True))
    assert np.abs(solved.ratios - expected).max() <= solved.condition**2 * EPS * len(a) * expected.max()


@pytest.mark.parametrize("seed", range(4))
def test_vectors_attain_the_ratios_and_are_orthonormal_in_the_denominator(seed: int) -> None:
    a, b = pair(seed)
    solved = pencil.solve(a, b)
    error = EPS * len(a) * solved.condition**2
    assert np.abs((b @ solved.vectors.T).T @ (b @ solved.vectors.T) - np.eye(6)).max() <= error
    assert np.abs(np.linalg.norm(a @ solved.vectors.T, axis=0) - solved.ratios).max() <= error * solved.ratios.max()


@pytest.mark.parametrize("exponent", [4, 8, 12])
def test_small_ratios_survive_where_a_gram_matrix_loses_them(exponent: int) -> None:
    a, _ = pair(0)
    target = 10.0**-exponent
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    a = (u * np.array([1, 1, 1, 1, 1, target])) @ vt
    solved = pencil.solve(a, np.eye(6))
    assert abs(solved.ratios[0] - target) <= EPS * len(a)


@pytest.mark.parametrize("seed", range(3))
def test_units_of_columns_do_not_matter(seed: int) -> None:
    a, b = pair(seed)
    units = 10.0 ** np.random.default_rng(seed).uniform(-9, 9, size=6)
    plain, scaled = pencil.solve(a, b), pencil.solve(a * units, b * units)
    error = EPS * len(a) * plain.condition**2
    assert np.abs(plain.ratios - scaled.ratios).max() <= error * plain.ratios.max()
    back = scaled.vectors * units
    signs = np.sign((back * plain.vectors).sum(axis=1, keepdims=True))
    assert np.abs(signs * back - plain.vectors).max() <= 1e3 * error * np.abs(plain.vectors).max()


def test_what_the_denominator_cannot_see_is_set_apart() -> None:
    a, b = pair(1)
    b[:, 5] = b[:, 0] - 2 * b[:, 3]
    b[:, 4] = 0
    solved = pencil.solve(a, b)
    assert len(solved.ratios) == 4
    assert len(solved.null) == 2
    assert np.linalg.norm(b @ solved.null.T) <= EPS * 40 * np.linalg.norm(b) * np.linalg.norm(solved.null)


def test_a_column_that_cancelled_to_rounding_counts_as_zero() -> None:
    a, b = pair(2)
    large = 1e8
    b[:, 2] = EPS * large * np.sign(b[:, 2])
    size = np.linalg.norm(b, axis=0)
    size[2] = large * np.sqrt(len(b))
    assert len(pencil.solve(a, b, scale=size).ratios) == 5
    assert len(pencil.solve(a, b).ratios) == 6


def test_zero_denominator_and_fewer_rows_than_columns() -> None:
    a, _ = pair(3)
    assert len(pencil.solve(a, np.zeros((3, 6))).ratios) == 0
    assert len(pencil.solve(a, np.zeros((3, 6))).null) == 6
    thin = pencil.solve(np.ones((1, 6)), np.eye(6))
    assert len(thin.ratios) == 6
    assert np.count_nonzero(thin.ratios <= thin.floor(6)) == 5


def test_columns_must_agree() -> None:
    with pytest.raises(IsotropyError, match=r"as many columns\. Got 3 and 2"):
        pencil.solve(np.ones((4, 3)), np.ones((4, 2)))
