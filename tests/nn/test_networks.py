"""Products, nonlinearities, normalisation, networks and heads: equivariant, of steady variance, loud on bad input."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import IsotropyError, groups
from isotropy.nn import (
    MLP,
    Bilinear,
    Block,
    Equivariant,
    Gated,
    Invariant,
    LayerNorm,
    Norm,
    Product,
    Quadratic,
    Residual,
    Squash,
)

KEY = jax.random.key(0)
EPS = float(jnp.finfo(jnp.float32).eps)
# Each layer rounds its sums a few times, and a network of three layers feeds on what the former have rounded.
LAYER, NETWORK = 10 * EPS, 100 * EPS


def named():
    product = groups.SO(3) * groups.C(4)
    reps = {
        "SO(3)": groups.SO(3).vector,
        "O(3)": groups.O(3).vector,
        "SO(1,3)": groups.SO(1, 3).vector,
        "Sp(4)": groups.Sp(4).vector,
        "SU(2)": groups.SU(2).vector.real(),
        "S(5)": groups.S(5).vector,
        "D(4)": groups.D(4).vector,
        "SE(3)": groups.SE(3).vector,
        "SO(3)xC(4)": product.vector,
    }
    return {name: (V, V.group.scalar) for name, V in reps.items()}


@pytest.mark.parametrize("name", named())
def test_mlp_is_equivariant(name, defect):
    V, S = named()[name]
    net = MLP(V + S, V, width=24, depth=1, key=KEY)
    # Noncompact elements are kept small: a product of two fields carries the square of the element's norm.
    assert defect(net, V + S, V, size=1.0 if name not in ("SO(1,3)", "Sp(4)") else 0.3) <= NETWORK


def test_a_network_that_is_almost_equivariant_is_refused(defect):
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    net = MLP(V + S, V, width=16, depth=0, key=KEY)
    broken = lambda x: net(x) + 1e-3 * jnp.array([1.0, 0, 0])  # noqa: E731
    assert defect(broken, V + S, V) > 10 * NETWORK


def test_the_front_door():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    net = iso.nn.MLP(V + S, V, width=128, depth=3, key=KEY)
    assert jax.eval_shape(net, jnp.ones(4)).shape == (3,)
    assert abs(net.hidden.dimension - 128) <= V.dimension**2


def layers(V, S):
    return {
        "Product": Product(2 * V + S, V + S, channels=3, key=KEY),
        "Quadratic": Quadratic(2 * V + S, V + S, channels=3, key=KEY),
        "Norm": Norm(3 * V + 2 * S),
        "LayerNorm": LayerNorm(3 * V + 2 * S),
        "Gated": Gated(3 * V + 2 * S),
        "Squash": Squash(3 * V + 2 * S),
    }


@pytest.mark.parametrize("name", ["O(3)", "SO(1,3)", "S(5)", "D(4)"])
def test_each_layer_is_equivariant(name, defect):
    V, S = named()[name]
    for layer in layers(V, S).values():
        assert defect(layer, layer.input, layer.output, size=0.3) <= 3 * LAYER


def test_permuted_coordinates_pass_through_the_nonlinearity_without_a_gate():
    V, S = groups.S(5).vector, groups.S(5).scalar
    assert Gated(2 * V + S + V @ V).gates == 0
    assert Gated(2 * groups.SO(3).vector).gates == 2


def test_bilinear_counts_and_commutes():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    layer = Bilinear(2 * V, V + S, V + S, key=KEY)
    # V (x) V -> S: the inner product; V (x) V -> V: the cross product; V (x) S -> V. Times copies.
    assert layer.dimension == 2 + 2 + 2
    rng = np.random.default_rng(0)
    g = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    g *= np.linalg.det(g)
    a, b, v, s = (jnp.asarray(rng.normal(size=n), jnp.float32) for n in (3, 3, 3, 1))
    before = layer(jnp.concatenate([a, b]), jnp.concatenate([v, s]))
    after = layer(jnp.concatenate([g @ a, g @ b]), jnp.concatenate([g @ v, s]))
    wanted = np.concatenate([g @ before[:3], before[3:]])
    assert np.linalg.norm(after - wanted) <= LAYER * np.linalg.norm(wanted)
    # O(3) has no cross product of vectors that is a vector: the count falls.
    W, T = groups.O(3).vector, groups.O(3).scalar
    assert Bilinear(2 * W, W + T, W + T, key=KEY).dimension == 2 + 2


def test_bilinear_unit_variance():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    total = 0.0
    for key in jax.random.split(KEY, 8):
        layer = Bilinear(4 * V, 4 * V, 4 * V + 4 * S, key=key)
        x, y = jax.random.normal(jax.random.fold_in(key, 1), (2, 256, 12))
        total += float((jax.vmap(layer)(x, y) ** 2).mean()) / 8
    assert abs(total - 1) <= 4 * np.sqrt(2 / (8 * layer.dimension)) + 0.1


@pytest.mark.parametrize(
    ("name", "width"),
    [("SO(1,3)", 24), *(pytest.param(*case, marks=pytest.mark.slow) for case in (("SO(3)", 96), ("S(5)", 24)))],
)
def test_activations_keep_their_variance(name, width):
    """Through three blocks the mean square stays within a factor 4 of one, at any width and representation."""
    V, S = named()[name]
    x = jax.random.normal(KEY, (200, 2 * V.dimension + 1))
    net = MLP(2 * V + S, S, width=width, depth=3, key=jax.random.key(1))

    @eqx.filter_jit
    def sizes(net, x):
        result = []
        for layer in net.layers:
            x = jax.vmap(layer)(x)
            result.append((x**2).mean())
        return jnp.stack(result)

    assert float(jnp.abs(jnp.log(sizes(net, x))).max()) <= np.log(4)


def test_residual_keeps_variance_and_refuses_others():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    rep = 8 * S + 4 * V
    block = Residual(Block(rep, rep, channels=2, key=KEY))
    x = jax.random.normal(jax.random.key(3), (200, rep.dimension))
    assert abs(float((eqx.filter_jit(eqx.filter_vmap(block))(x) ** 2).mean()) - 1) < 0.5
    with pytest.raises(IsotropyError, match=r"from a representation to itself\. Got one from `V` to `8\*S`"):
        Residual(Block(V, 8 * S, channels=2, key=KEY))


def test_layer_norm_normalises():
    V, S = groups.O(3).vector, groups.O(3).scalar
    layer = LayerNorm(16 * S + 8 * V)
    y = layer(50 * jax.random.normal(KEY, (40,)) + 7)
    assert abs(float(y[:16].mean())) <= 100 * EPS
    assert abs(float((y[16:] ** 2).mean()) - 1) <= layer.epsilon + 100 * EPS


@pytest.mark.parametrize("dtype", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
def test_precisions(dtype):
    V, S = groups.O(3).vector, groups.O(3).scalar
    x = jnp.array([0.3, -0.5, 0.7, 0.2])
    exact, net = (MLP(V + S, V, width=16, depth=1, key=KEY, dtype=d) for d in (jnp.float32, dtype))
    wanted, value = eqx.filter_jit(exact)(x), eqx.filter_jit(net)(x.astype(dtype))
    assert value.dtype == dtype
    assert float(jnp.linalg.norm(value - wanted)) <= 100 * float(jnp.finfo(dtype).eps) * float(jnp.linalg.norm(wanted))


def test_second_derivatives():
    V, S = groups.O(3).vector, groups.O(3).scalar
    net = MLP(V + S, S, width=8, depth=1, key=KEY)
    hessian = jax.jit(jax.hessian(lambda x: net(x)[0]))(jnp.array([0.3, -0.5, 0.7, 0.2]))
    assert bool(jnp.isfinite(hessian).all())
    assert float(jnp.abs(hessian - hessian.T).max()) <= 100 * EPS * float(jnp.abs(hessian).max())


def test_training_touches_parameters_alone(tmp_path):
    V, S = groups.O(3).vector, groups.O(3).scalar
    net = MLP(V + S, V, width=16, depth=1, key=KEY)

    @eqx.filter_jit
    def step(net, x):
        slope = eqx.filter_grad(lambda n: jnp.sum(n(x) ** 2))(net)
        return eqx.apply_updates(net, jax.tree.map(lambda g: -0.01 * g, slope))

    after = step(net, jnp.ones(4))
    first, second = (n.readout.linear for n in (net, after))
    assert not jnp.array_equal(first.weights[0], second.weights[0])
    assert jnp.array_equal(first.bases[0].bits, second.bases[0].bits)
    eqx.tree_serialise_leaves(tmp_path / "net.eqx", after)
    again = eqx.tree_deserialise_leaves(tmp_path / "net.eqx", MLP(V + S, V, width=16, depth=1, key=jax.random.key(9)))
    assert eqx.tree_equal(again, after)


@pytest.mark.parametrize("name", ["O(3)", "SO(1,3)"])
def test_heads(name, defect):
    V, S = named()[name]
    invariant = Invariant(3 * V + S, 2, width=16, depth=1, key=KEY)
    assert invariant.dimension == 1 + 1 + 6  # the scalar, its square, and the products of three vectors
    assert defect(invariant, 3 * V + S, 2 * S, size=0.3) <= NETWORK
    equivariant = Equivariant(3 * V + S, V, width=16, depth=1, terms=3, key=KEY)
    assert defect(equivariant, 3 * V + S, V, size=0.3) <= NETWORK


def test_a_head_where_no_product_leads_to_the_output(defect):
    """Two vectors of O(3) have no vector product: what remains is vectors times invariant functions."""
    V = groups.O(3).vector
    head = Equivariant(2 * V, V, width=8, depth=1, terms=2, key=KEY)
    assert head.maps.product is None
    assert defect(head, 2 * V, V) <= NETWORK


def test_invariants_of_a_symplectic_vector_are_the_antisymmetric_ones():
    V = groups.Sp(4).vector
    head = Invariant(2 * V, 1, width=8, depth=1, key=KEY)
    x = jax.random.normal(KEY, (8,))
    values = head.invariants(x)
    omega = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    area = float(x[:4] @ omega @ x[4:]) / np.sqrt(4 * 3)
    assert abs(float(jnp.abs(values).max()) - abs(area)) <= LAYER * abs(area)


def test_points_enter_by_their_differences():
    G = groups.SE(3)
    net = MLP(2 * G.point + G.vector, G.vector, width=16, depth=1, key=KEY)
    x = jax.random.normal(KEY, (9,))
    shift = jnp.concatenate([jnp.tile(jnp.array([3.0, -2.0, 1.0]), 2), jnp.zeros(3)])
    here, there = eqx.filter_jit(eqx.filter_vmap(net))(jnp.stack([x, x + shift]))
    assert float(jnp.linalg.norm(there - here)) <= 10 * NETWORK * float(jnp.linalg.norm(here))
    with pytest.raises(IsotropyError, match="gives no points"):
        MLP(G.point, G.point, width=16, depth=1, key=KEY)


def test_bad_input():
    V, S = groups.SO(3).vector, groups.SO(3).scalar
    with pytest.raises(IsotropyError, match="representations of one group"):
        MLP(V, groups.O(3).vector, width=16, depth=1, key=KEY)
    with pytest.raises(IsotropyError, match=r"`width` = 3 is too small for SO\(3\): one `V` and one scalar need 4"):
        MLP(V + S, V, width=3, depth=1, key=KEY)
    with pytest.raises(IsotropyError, match=r"Nothing equivariant leads from `S` to `V` of SO\(3\)"):
        MLP(S, V, width=16, depth=2, key=KEY)
    with pytest.raises(IsotropyError, match=r"Nothing equivariant leads from `2\*S` to `V`"):
        Equivariant(2 * S, V, key=KEY)
    with pytest.raises(IsotropyError, match="`depth` must be a whole number of at least 0"):
        MLP(V, V, width=16, depth=-1, key=KEY)
    with pytest.raises(IsotropyError, match=r"shape \(3,\), but the layer takes one point of `V \+ S`, shape \(4,\)"):
        MLP(V + S, V, width=16, depth=1, key=KEY)(jnp.ones(3))
    with pytest.raises(IsotropyError, match=r"`V` of Sp\(4\) has no invariant quadratic form"):
        Norm(groups.Sp(4).vector)
    with pytest.raises(IsotropyError, match="bilinear"):
        Bilinear(S, S, V, key=KEY)
    with pytest.raises(IsotropyError, match="cannot act on points"):
        Gated(groups.SE(3).point)
    with pytest.raises(IsotropyError, match="has no invariant of degree 1 or 2"):
        Invariant(groups.SL(3).vector, 1, key=KEY)
