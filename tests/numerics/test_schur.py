"""Decomposition into irreducibles against characters, and its refusal of what does not split."""

import numpy as np
import pytest
import scipy.linalg

from isotropy.errors import IsotropyError
from isotropy.numerics.nullspace import matrix_free_null_space, null_space
from isotropy.numerics.schur import NotReducible, decompose
from isotropy.numerics.stack import Stack

EPS = np.finfo(np.float64).eps
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


def rotations(n):
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    basis = np.zeros((len(pairs), n, n))
    for k, (i, j) in enumerate(pairs):
        basis[k, j, i], basis[k, i, j] = 1, -1
    return basis


def quaternions():
    """Left multiplication by i, j, k on R^4."""
    i = np.kron(np.eye(2), TURN)
    j = np.array([[0.0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]])
    return np.stack([i, j, i @ j])


def shuffled(blocks, seed):
    """Direct sum of stacks of equal length, seen in a random orthonormal basis."""
    full = np.stack([scipy.linalg.block_diag(*matrices) for matrices in zip(*blocks, strict=True)])
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal(full.shape[1:]))[0]
    return q @ full @ q.T


CASES = {
    "real": (lambda: [rotations(3)] * 3 + [np.zeros((3, 1, 1))] * 2, [("real", 1, 2), ("real", 3, 3)]),
    "complex": (lambda: [TURN[None]] * 2 + [3 * TURN[None]], [("complex", 2, 1), ("complex", 2, 2)]),
    "quaternionic": (lambda: [quaternions()] * 3 + [np.zeros((3, 1, 1))], [("quaternionic", 4, 3), ("real", 1, 1)]),
    "quaternionic and vector": (
        lambda: [quaternions() / 2, _adjoint(quaternions() / 2)],
        [("quaternionic", 4, 1), ("real", 3, 1)],
    ),
    "one matrix, all different": (lambda: [np.array([[[float(k)]]]) for k in range(5)], [("real", 1, 1)] * 5),
    "zero": (lambda: [np.zeros((2, 4, 4))], [("real", 1, 4)]),
}


def _adjoint(basis):
    """ad of a three-dimensional algebra on itself."""
    flat = basis.reshape(3, -1)
    brackets = np.stack([[(a @ b - b @ a).ravel() for b in basis] for a in basis])
    return np.stack([np.linalg.lstsq(flat.T, row.T, rcond=None)[0] for row in brackets])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_types_and_multiplicities(name, seed):
    blocks, expected = CASES[name]
    found = decompose([Stack.from_matrices(shuffled(blocks(), seed))], seed=seed)
    assert sorted((i.kind, i.dimension, *i.multiplicities) for i in found.isotypes) == sorted(expected)
    assert found.residual <= found.floor


@pytest.mark.parametrize("name", CASES)
def test_frames_carry_the_same_matrices_in_every_copy_and_space(name):
    blocks, _ = CASES[name]
    spaces = [shuffled(blocks(), 5), shuffled(blocks()[:1], 6)]
    found = decompose([Stack.from_matrices(s) for s in spaces])
    for isotype in found.isotypes:
        images = []
        for space, frame in zip(spaces, isotype.frames, strict=True):
            for copy in np.moveaxis(frame, 2, 0):
                flat = copy.reshape(len(copy), -1)
                images.append(flat.conj().T @ space @ flat)
        scale = max(1.0, np.abs(images[0]).max())
        assert all(np.abs(image - images[0]).max() <= 100 * EPS * scale * len(spaces[0][0]) for image in images)
        n = isotype.frames[0].shape[1]
        for unit in isotype.units:
            right = np.kron(np.eye(n), unit)
            assert np.abs(images[0] @ right - right @ images[0]).max() <= 100 * EPS * scale * len(spaces[0][0])


def test_complex_matrices_have_complex_endomorphisms_only():
    found = decompose([Stack.from_matrices(1j * np.diag([1.0, 1.0, 2.0])[None])])
    assert sorted((i.kind, i.dimension, i.multiplicities) for i in found.isotypes) == [
        ("complex", 1, (1,)),
        ("complex", 1, (2,)),
    ]


def test_units_of_the_quaternions_multiply_as_they_should():
    isotype = next(i for i in decompose([Stack.from_matrices(quaternions())]).isotypes if i.kind == "quaternionic")
    one, *units = isotype.units
    assert np.array_equal(one, np.eye(4))
    for a in units:
        assert np.array_equal(a @ a, -np.eye(4))
        assert np.array_equal(a.T, -a)


@pytest.mark.parametrize("matrix", [[[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1e-3, 2.0]]])
def test_what_is_not_completely_reducible_in_this_basis_is_refused(matrix):
    with pytest.raises(NotReducible, match="null-space"):
        decompose([Stack.from_matrices(np.array([matrix]))])


def test_stacks_of_different_lengths_are_refused():
    with pytest.raises(IsotropyError, match="same number"):
        decompose([Stack.from_matrices(rotations(3)), Stack.from_matrices(rotations(2))])


@pytest.mark.parametrize(("rows", "columns", "rank"), [(30, 12, 7), (5, 12, 5), (40, 3, 3), (4, 4, 0)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_null_spaces_agree_and_are_annihilated(rows, columns, rank, is_complex):
    rng = np.random.default_rng(rows + columns)
    left, right = rng.standard_normal((rows, rank)), rng.standard_normal((rank, columns))
    if is_complex:
        left, right = left + 1j * rng.standard_normal(left.shape), right + 1j * rng.standard_normal(right.shape)
    matrix = left @ right
    scale = max(1.0, np.abs(left).max(initial=0) * np.abs(right).max(initial=0))
    dense, decision = null_space(np.array_split(matrix, 3), columns, scale=scale)
    free = matrix_free_null_space(
        lambda x: matrix.conj().T @ (matrix @ x), columns, dtype=np.complex128 if is_complex else np.float64, block=3
    )
    oracle = scipy.linalg.null_space(matrix)
    assert decision.nullity == columns - rank == free.shape[1] == oracle.shape[1]
    assert np.abs(dense.T @ dense.conj() - oracle @ oracle.conj().T).max() <= 1e4 * EPS * columns
    # Normal equations square the condition number of the nonzero part.
    condition = 1.0 if rank == 0 else np.linalg.cond(left) ** 2 * np.linalg.cond(right) ** 2
    assert np.abs(free @ free.conj().T - oracle @ oracle.conj().T).max() <= 1e4 * EPS * columns * condition


@pytest.mark.parametrize("is_complex", [False, True])
def test_stack_operations_are_those_of_the_dense_matrices(is_complex):
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((3, 4, 4)) * (rng.random((3, 4, 4)) < 0.5)
    dense = dense * (1 + 1j) if is_complex else dense
    stack, weights, x = Stack.from_matrices(dense), rng.standard_normal((2, 3)), rng.standard_normal((4, 2))
    assert np.allclose(stack.dense(), dense, rtol=0, atol=0)
    assert np.allclose(stack.combine(weights).dense(), np.tensordot(weights, dense, 1), rtol=0, atol=10 * EPS)
    assert np.allclose(stack.weighted(weights[0]).toarray(), np.tensordot(weights[0], dense, 1), rtol=0, atol=10 * EPS)
    assert np.allclose(stack.apply(x), dense @ x, rtol=0, atol=20 * EPS)
    assert np.allclose(stack.transposed(-1).dense(), -dense.transpose(0, 2, 1), rtol=0, atol=0)
    assert np.allclose(stack.below(stack).dense(), np.concatenate([dense, dense]), rtol=0, atol=0)
    assert np.allclose(stack.plus(stack).dense(), 2 * dense, rtol=0, atol=0)
    placed = stack.placed(8, np.arange(2), stride=2).dense()
    assert np.allclose(placed, np.stack([np.kron(m, np.eye(2)) for m in dense]), rtol=0, atol=0)
    assert all(np.array_equal(a.toarray(), b) for a, b in zip(stack.matrices(), dense, strict=True))
