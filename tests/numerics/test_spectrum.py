"""Streaming changes nothing; small singular values survive; missing rows are null directions."""

import numpy as np
import pytest

from isotropy.errors import IsotropyError
from isotropy.numerics.spectrum import TriangularFactor, dense, streamed

EPS = np.finfo(np.float64).eps


def graded(rows, columns, smallest, seed):
    """A matrix with singular values from 1 down to ``smallest``, and those values."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, columns)))[0]
    right = np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    values = np.geomspace(1, smallest, columns)
    return (left * values) @ right.T, values


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_streamed_equals_dense(batch, seed):
    matrix, _ = graded(500, 12, 1e-9, seed)
    blocks = (matrix[k : k + batch] for k in range(0, len(matrix), batch))
    got, want = streamed(blocks, 12), dense(matrix)
    assert np.abs(got.values - want.values).max() <= 1e-12 * want.values[0]
    assert got.rows == want.rows == 500


def test_values_far_below_what_a_gram_matrix_could_show():
    matrix, values = graded(400, 10, 1e-13, seed=1)
    assert np.allclose(dense(matrix).values, values, rtol=0, atol=100 * EPS)
    gram = np.sqrt(np.abs(np.linalg.eigvalsh(matrix.T @ matrix)))[::-1]
    assert abs(gram[-1] - values[-1]) > 1e3 * values[-1]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_fewer_rows_than_columns_leave_null_directions(rows):
    matrix = np.random.default_rng(0).normal(size=(rows, 5))
    spectrum = streamed([matrix], 5)
    assert len(spectrum.values) == 5
    assert (spectrum.values[rows:] == 0).all()
    null = spectrum.null_vectors(5 - rows)
    assert np.abs(matrix @ null.T).max(initial=0.0) <= 10 * EPS * 5
    assert np.allclose(null @ null.T, np.eye(5 - rows), atol=10 * EPS)


def test_column_scale_is_applied_before_the_decomposition():
    matrix, _ = graded(60, 6, 1e-3, seed=2)
    scale = np.geomspace(1e-4, 1e4, 6)
    factor = TriangularFactor(6)
    factor.add(matrix)
    want = np.linalg.svd(matrix * scale, compute_uv=False)
    assert np.abs(factor.spectrum(scale=scale).values - want).max() <= 1e-12 * want[0]


def test_a_block_of_another_width_is_refused():
    with pytest.raises(IsotropyError, match=r"shape \(rows, 4\). Got \(2, 3\)"):
        TriangularFactor(4).add(np.zeros((2, 3)))
