"""Polynomials: the order of the monomials, their number, and exact derivatives and linear fields."""

from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isotropy.errors import IsotropyError
from isotropy.geometry.polynomial import Polynomials

EPS = np.finfo(np.float64).eps

shapes = pytest.mark.parametrize(("m", "degree", "minimum"), [(1, 4, 0), (2, 3, 2), (3, 4, 0), (4, 2, 1), (5, 3, 3)])


@shapes
def test_monomials_are_counted_ordered_and_indexed(m, degree, minimum):
    space = Polynomials(m, degree=degree, minimum_degree=minimum)
    exponents = space.exponents
    assert space.dimension == len(exponents) == sum(comb(m + k - 1, k) for k in range(minimum, degree + 1))
    keys = [(sum(row), *(-k for k in row)) for row in exponents.tolist()]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert np.array_equal(space.index(exponents), np.arange(space.dimension))
    outside = np.concatenate([exponents[-1:] + 1, -np.eye(m, dtype=int)[:1]])
    assert np.array_equal(space.index(outside), [-1, -1])


def test_many_variables_do_not_overflow_the_index():
    space = Polynomials(60, degree=2)
    assert np.array_equal(space.index(space.exponents), np.arange(space.dimension))


@shapes
def test_values_are_the_monomials(m, degree, minimum):
    space = Polynomials(m, degree=degree, minimum_degree=minimum)
    points = np.random.default_rng(0).standard_normal((6, m))
    expected = np.prod(points[:, None, :] ** space.exponents, axis=-1)
    np.testing.assert_allclose(space.values(points), expected, rtol=4 * degree * EPS, atol=0)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_at_the_origin_are_factorials(order):
    space = Polynomials(2, degree=3)
    derivative = space
    for _ in range(order):
        derivative = jax.jacfwd(derivative)
    values = np.asarray(derivative(jnp.zeros(2)))
    for f, (a, b) in enumerate(space.exponents.tolist()):
        expected = np.zeros((2,) * order)
        if a + b == order:
            for index in np.ndindex(expected.shape):
                if index.count(0) == a:
                    expected[index] = np.prod(np.arange(1.0, a + 1)) * np.prod(np.arange(1.0, b + 1))
        assert np.array_equal(values[f], expected)


@pytest.mark.parametrize("seed", range(3))
@shapes
def test_linear_fields_act_exactly(m, degree, minimum, seed):
    space = Polynomials(m, degree=degree, minimum_degree=minimum)
    random = np.random.default_rng(seed)
    points, linear = random.standard_normal((8, m)), random.standard_normal((m, m))
    offset = random.standard_normal(m) if minimum == 0 else np.zeros(m)
    moved = np.einsum("pfm,pm->pf", space.gradients(points), points @ linear.T + offset)
    matrix = space.lie_matrix(linear, offset)
    size = np.abs(space.gradients(points)).max() * np.abs(points @ linear.T + offset).max()
    np.testing.assert_allclose(space.values(points) @ matrix.T, moved, atol=64 * m * EPS * size, rtol=0)


def test_linear_fields_represent_the_bracket():
    space, random = Polynomials(3, degree=3), np.random.default_rng(0)
    a, b = random.standard_normal((2, 3, 3))
    left, right = space.lie_matrix(a), space.lie_matrix(b)
    # The matrix acts on the features from the left, which undoes the sign of convention C3.
    commutator = (left @ right - right @ left).toarray()
    size = np.abs(left.toarray()).max() * np.abs(right.toarray()).max()
    np.testing.assert_allclose(commutator, space.lie_matrix(a @ b - b @ a).toarray(), rtol=0, atol=64 * EPS * size)


def test_derivative_matrices_agree_with_gradients():
    space = Polynomials(3, degree=4)
    points = np.random.default_rng(1).standard_normal((5, 3))
    for i in range(3):
        exact = space.values(points) @ space.derivative_matrix(i).T
        np.testing.assert_allclose(exact, space.gradients(points)[:, :, i], rtol=0, atol=64 * EPS * np.abs(exact).max())


def test_a_field_that_leaves_the_space_is_refused():
    space = Polynomials(2, degree=2, homogeneous=True)
    with pytest.raises(IsotropyError, match="leaves this space"):
        space.lie_matrix(np.eye(2), [0.0, 1.0])
    with pytest.raises(IsotropyError, match="leaves this space"):
        space.derivative_matrix(0)
    assert space.lie_matrix(np.zeros((2, 2))).nnz == 0


def test_degree_six_in_nine_variables_is_sparse():
    space = Polynomials(9, degree=6)
    assert space.dimension == 5005
    matrix = space.lie_matrix(np.eye(9))
    assert np.array_equal(matrix.diagonal(), space.exponents.sum(axis=1))
    assert matrix.nnz == space.dimension - 1
