"""A subalgebra disturbed by noise is found again, closed to rounding and no farther off than the noise."""

import numpy as np
import pytest

from isotropy import groups
from isotropy.numerics.closure import nearest_closed, outside

EPS = np.finfo(np.float64).eps


def frame_and_bracket(algebra):
    """Structure constants in an orthonormal basis of all matrices that contains the algebra."""
    n = algebra.size
    units = np.eye(n * n).reshape(n * n, n, n)
    products = np.einsum("aij,bjk->abik", units, units)
    bracket = (products - products.transpose(1, 0, 2, 3)).reshape(n * n, n * n, n * n)
    rows = np.linalg.qr(algebra.matrices.reshape(algebra.dimension, -1).T)[0].T
    return rows, bracket


def split(rows):
    whole = np.linalg.svd(rows)[2]
    return whole[: len(rows)], whole[len(rows) :]


@pytest.mark.parametrize("group", [groups.SO(3), groups.SL(2), groups.SO(1, 2)], ids=str)
@pytest.mark.parametrize("noise", [1e-8, 1e-4, 1e-2])
@pytest.mark.parametrize("seed", range(2))
def test_noise_is_given_back(group, noise, seed):
    truth, bracket = frame_and_bracket(group.algebra)
    rng = np.random.default_rng(seed)
    noisy, others = split(truth + noise * rng.normal(size=truth.shape) / np.sqrt(truth.size))
    before = np.abs(outside(noisy, others, bracket)).max()
    rows, left = nearest_closed(noisy, others, np.ones(len(others)), bracket)
    assert before > 1e-3 * noise
    assert left <= 1e4 * EPS
    moved = np.linalg.norm(rows - rows @ noisy.T @ noisy)
    assert moved <= 3 * noise


@pytest.mark.parametrize("seed", range(2))
def test_an_algebra_that_can_be_deformed_closes_far_below_the_noise(seed):
    """se(2) has neighbours of other kinds among the matrices, so closing is no longer quadratic."""
    truth, bracket = frame_and_bracket(groups.SE(2).algebra)
    rng = np.random.default_rng(seed)
    noisy, others = split(truth + 1e-4 * rng.normal(size=truth.shape) / np.sqrt(truth.size))
    before = np.abs(outside(noisy, others, bracket)).max()
    rows, left = nearest_closed(noisy, others, np.ones(len(others)), bracket)
    assert left <= 1e-2 * before
    assert np.linalg.norm(rows - rows @ noisy.T @ noisy) <= 3e-4


def test_motion_avoids_the_dear_directions():
    truth, bracket = frame_and_bracket(groups.SO(3).algebra)
    rng = np.random.default_rng(0)
    noisy, others = split(truth + 1e-3 * rng.normal(size=truth.shape))
    even = nearest_closed(noisy, others, np.ones(len(others)), bracket)[0]
    taken = np.linalg.norm(even @ others.T, axis=0)
    weights = np.where(np.arange(len(others)) == taken.argmax(), 1e3, 1.0)
    dear = nearest_closed(noisy, others, weights, bracket)[0]
    assert np.linalg.norm(dear @ others[taken.argmax()]) < taken.max()


def test_a_line_is_closed():
    rows, others = split(np.ones((1, 4)))
    again, left = nearest_closed(rows, others, np.ones(3), np.zeros((4, 4, 4)))
    assert left == 0
    assert np.array_equal(again, rows)
