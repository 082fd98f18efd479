"""The linear layer: equivariant, complete, of unit variance, trained and stored as Equinox expects."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from isotropy import IsotropyError, groups
from isotropy.hom import hom
from isotropy.nn import Linear

KEY = jax.random.key(0)


def null_space_dimension(V, W):
    """An independent oracle: the null space of all constraints on a dense d_out x d_in matrix."""
    d, e = V.dimension, W.dimension
    rows = [
        np.kron(b, np.eye(d)) - np.kron(np.eye(e), a.T) for a, b in zip(V.generators(), W.generators(), strict=True)
    ]
    rows += [
        np.kron(b, np.eye(d)) - np.kron(np.eye(e), a.T) for a, b in zip(V.components(), W.components(), strict=True)
    ]
    values = np.linalg.svd(np.concatenate(rows), compute_uv=False)
    return d * e - int((values > np.finfo(float).eps * d * e * values[0]).sum())


def cases():
    su2, so3, s5, d4 = groups.SU(2), groups.SO(3), groups.S(5), groups.D(4)
    product = groups.SO(3) * groups.C(4)
    return {
        "SO(3)": (2 * so3.vector + so3.scalar, so3.vector + so3.vector @ so3.vector),
        "O(3)": (groups.O(3).vector + groups.O(3).scalar, groups.O(3).vector ** 2 + groups.O(3).vector),
        "SO(1,3)": (groups.SO(1, 3).vector ** 2, groups.SO(1, 3).vector ** 2 + groups.SO(1, 3).scalar),
        "Sp(4)": (groups.Sp(4).vector + groups.Sp(4).scalar, groups.Sp(4).vector ** 2 + groups.Sp(4).vector),
        "SU(2)": (su2.vector.real() + su2.scalar, 2 * su2.vector.real() + su2.scalar),
        "S(5)": (s5.vector + s5.scalar, s5.vector**2 + s5.vector),
        "D(4)": (d4.vector, d4.vector**3),
        "SE(3)": (groups.SE(3).vector + groups.SE(3).scalar, groups.SE(3).vector),
        "SO(3)xC(4)": (product.vector + product.scalar, product.vector**2),
        "Galilei(1)": (2 * groups.Galilei(1).vector, groups.Galilei(1).vector + groups.Galilei(1).scalar),
    }


@pytest.mark.parametrize("name", cases())
def test_equivariant_and_complete(name, defect):
    V, W = cases()[name]
    layer = Linear(V, W, key=KEY, allow_zero=True)
    # Ten roundings of float32, relative: the bar for compact groups; the norms of g and h stand for the others.
    assert defect(layer, V, W) <= 10 * np.finfo(np.float32).eps
    assert layer.dimension == null_space_dimension(V, W)
    assert sum(b.size for b in layer.bias) == null_space_dimension(V.group.scalar, W)


@pytest.mark.parametrize("name", ["SO(3)", "SO(1,3)", "SU(2)", "S(5)", "SO(3)xC(4)"])
def test_both_forms_span_the_same_maps(name, defect):
    V, W = cases()[name]
    dense = Linear(V, W, key=KEY, use_bias=False, allow_zero=True, form="dense")
    factored = Linear(V, W, key=KEY, use_bias=False, allow_zero=True, form="factored")
    assert dense.dimension == factored.dimension
    assert dense.ranks == factored.ranks
    assert defect(factored, V, W) <= 10 * np.finfo(np.float32).eps
    # One of the factored maps is among the dense ones: nothing of it is left outside the space that `hom` spans.
    space = hom(V, W)
    matrix = np.asarray(eqx.filter_jit(lambda layer: layer.matrix())(factored), np.float64)
    left = matrix - space.matrix(space.project(matrix))
    assert np.linalg.norm(left) <= 10 * np.finfo(np.float32).eps * np.linalg.norm(matrix)


def test_a_broken_weight_is_seen(element):
    """A near miss: the matrix with one entry off by a thousandth is not equivariant, and the measure says so."""
    V = groups.SO(3).vector
    layer = Linear(V, V, key=KEY)
    rng = np.random.default_rng(0)
    g, h = element(rng, V, V)
    matrix = np.asarray(layer.matrix(), np.float64)
    matrix[0, 1] += 1e-3 * np.abs(matrix).max()
    assert np.linalg.norm(matrix @ g - h @ matrix) > 1e-4 * np.linalg.norm(matrix)


@pytest.mark.parametrize("name", ["SO(3)", "O(3)", "SO(1,3)", "S(5)", "SU(2)", "Sp(4)"])
@pytest.mark.parametrize("copies", [1, 6])
def test_unit_variance(name, copies):
    """The mean square of the output is the dimension that the input reaches, at any width and representation."""
    V, W = cases()[name]
    draws, total = 8, 0.0
    frobenius = eqx.filter_jit(lambda layer: layer.matrix())
    for key in jax.random.split(KEY, draws):
        layer = Linear(copies * V, copies * W, key=key, use_bias=False, allow_zero=True)
        # E |M x|^2 over standard normal x is the squared Frobenius norm.
        total += float(np.linalg.norm(frobenius(layer)) ** 2) / draws
    reached = sum(rank * count for rank, count in zip(layer.ranks, layer.layouts[1].counts, strict=True))
    # A sum of squared weights, whose share in it differs by up to the dimension of the largest irreducible.
    spread = np.sqrt(2 * W.dimension / (draws * layer.dimension))
    assert abs(total / reached - 1) <= 4 * spread


def test_unsorted_summands(defect):
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    layer = Linear(3 * (S + V), 2 * (V + S) + V, key=KEY)
    assert defect(layer, layer.input, layer.output) <= 10 * np.finfo(np.float32).eps
    assert layer.dimension == 3 * 3 + 3 * 2


def test_points_move_with_their_points():
    G = groups.SE(3)
    P, V = G.point, G.vector
    layer = Linear(2 * P + V, P + V, key=KEY)
    rng = np.random.default_rng(0)
    x = rng.normal(size=9).astype(np.float32)
    turn = expm(np.tensordot(rng.normal(size=3), groups.SO(3).matrices, 1))
    shift = rng.normal(size=3)
    move = lambda p: turn @ p + shift  # noqa: E731
    there = np.concatenate([move(x[:3]), move(x[3:6]), turn @ x[6:]])
    got, y = np.asarray(layer(jnp.asarray(there, jnp.float32))), np.asarray(layer(x))
    wanted = np.concatenate([move(y[:3]), turn @ y[3:]])
    assert np.linalg.norm(got - wanted) <= 20 * np.finfo(np.float32).eps * (
        np.linalg.norm(wanted) + np.linalg.norm(there)
    )


def test_jit_vmap_grad_and_second_derivatives():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    layer = Linear(2 * V + S, V + S, key=KEY)
    xs = jax.random.normal(KEY, (5, 7))
    batch = eqx.filter_jit(eqx.filter_vmap(layer))(xs)
    one_by_one = jnp.stack([layer(x) for x in xs])
    assert float(jnp.abs(batch - one_by_one).max()) <= 10 * jnp.finfo(jnp.float32).eps * float(jnp.abs(batch).max())
    slope = eqx.filter_grad(lambda net: jnp.sum(net(xs[0]) ** 2))(layer)
    assert all(jnp.isfinite(w).all() for w in slope.weights)
    assert slope.bases[0].bits is None
    hessian = jax.hessian(lambda x: jnp.sum(layer(x) ** 2))(xs[0])
    matrix = layer.matrix()
    gap = jnp.linalg.norm(hessian - 2 * matrix.T @ matrix)
    assert float(gap) <= 10 * jnp.finfo(jnp.float32).eps * float(jnp.linalg.norm(hessian))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_precisions(dtype):
    V, S = groups.O(3).vector, groups.O(3).scalar
    layer = Linear(2 * V + S, V + S, key=KEY, dtype=dtype)
    y = layer(jnp.ones(7, dtype))
    exact = Linear(2 * V + S, V + S, key=KEY)(jnp.ones(7))
    assert y.dtype == dtype
    assert float(jnp.abs(y - exact).max()) <= 10 * float(jnp.finfo(dtype).eps) * float(jnp.abs(exact).max())


def test_float64(element):
    with jax.enable_x64(True):
        V = groups.SO(3).vector
        layer = Linear(2 * V, V**2, key=jax.random.key(0), dtype=jnp.float64)
        g, h = element(np.random.default_rng(0), 2 * V, V**2)
        x = np.random.default_rng(1).normal(size=6)
        gap = np.linalg.norm(layer(g @ x) - h @ layer(x)) / np.linalg.norm(layer(x))
        assert layer(x).dtype == jnp.float64
        # The basis comes from eigenvectors, whose rounding differs between processors: `floor` bounds it.
        assert gap <= hom(2 * V, V**2).floor


def test_an_ensemble_under_vmap():
    V = groups.SO(3).vector
    keys = jax.random.split(KEY, 3)
    ensemble = eqx.filter_vmap(lambda key: Linear(V, V, key=key))(keys)
    assert jnp.array_equal(ensemble.weights[0][1], Linear(V, V, key=keys[1]).weights[0])


def test_save_and_load_keep_the_basis(tmp_path):
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    layer = Linear(2 * V + S, V**2, key=KEY)
    eqx.tree_serialise_leaves(tmp_path / "layer.eqx", layer)
    other = Linear(2 * V + S, V**2, key=jax.random.key(5))
    # Another machine may find another basis; the file's own must win.
    other = eqx.tree_at(lambda net: net.bases[0].bits, other, jnp.zeros_like(other.bases[0].bits))
    again = eqx.tree_deserialise_leaves(tmp_path / "layer.eqx", other)
    assert jnp.array_equal(again.matrix(), layer.matrix())


def test_bad_input():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    with pytest.raises(IsotropyError, match=r"representations of one group. Got `V` of SO\(3\) and `V` of O\(3\)"):
        Linear(V, groups.O(3).vector, key=KEY)
    with pytest.raises(IsotropyError, match=r"shape \(5, 3\), but the layer takes one point of `V`, shape \(3,\)"):
        Linear(V, V, key=KEY)(jnp.ones((5, 3)))
    with pytest.raises(
        IsotropyError, match=r"No equivariant linear map of SO\(3\) leads from `S` to `V` \(nor a bias\)"
    ):
        Linear(S, V, key=KEY)
    with pytest.raises(IsotropyError, match=r"complex: use `rep.real"):
        Linear(groups.SU(2).vector, groups.SU(2).vector, key=KEY)
    with pytest.raises(IsotropyError, match="takes representations"):
        Linear(3, V, key=KEY)
    with pytest.raises(IsotropyError, match="needs completely reducible"):
        Linear(groups.Galilei(1).vector, groups.Galilei(1).vector, key=KEY, form="factored")


def test_allow_zero_leaves_that_part_zero():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    layer = Linear(S, V + S, key=KEY, allow_zero=True)
    assert layer.ranks == (0, 1)
    assert jnp.array_equal(layer(jnp.ones(1))[:3], jnp.zeros(3))


def test_a_high_tensor_power_is_kept_in_factors(defect):
    """SO(3) on tensors of rank 5: 603 maps, the invariants of rank 10; a dense basis would have 36 million entries."""
    V = groups.SO(3).vector
    layer = Linear(V**5, V**5, key=KEY)
    assert layer.factored is not None
    assert layer.dimension == 603
    assert defect(layer, V**5, V**5, tries=1) <= 10 * np.finfo(np.float32).eps
