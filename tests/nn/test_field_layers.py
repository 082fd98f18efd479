"""Layers that act on fields: they commute with what they should, and with nothing by accident."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isotropy import groups, spaces
from isotropy.enforce import enforce
from isotropy.errors import IsotropyError, IsotropyWarning
from isotropy.fields import Box, Periodic, PointSet, Sphere, kernel_basis
from isotropy.fields.sphere import harmonics
from isotropy.nn import Convolution, Integral, NeuralOperator, Spectral, SpectralBlock
from isotropy.nn.integral import kernel_action
from isotropy.nn.layout import Layout
from isotropy.nn.operator import field_kinds, hidden_fields
from isotropy.nn.product import ChannelProduct

EPS = float(np.finfo(np.float32).eps)
QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])
FLIP = np.diag([-1.0, 1.0])
CYCLE = np.roll(np.eye(3), 1, axis=0)


def moved(u, rep, g):
    """(g u)(x) = rep(g) u(g^-1 x) for a signed permutation of the axes, about the middle point of a periodic grid."""
    n, d = u.shape[0], len(g)
    places = np.stack(np.meshgrid(*[np.arange(n)] * d, indexing="ij"), -1).reshape(-1, d) - n // 2
    source = (np.rint(places @ g).astype(int) + n // 2) % n
    return jnp.asarray((np.asarray(u)[tuple(source.T)] @ np.asarray(rep.element(g)).T).reshape(u.shape))


def close(one, other, count=1000):
    """Equal to a few rounding errors of sums of so many terms."""
    return float(jnp.abs(one - other).max()) <= 8 * EPS * np.sqrt(count) * max(float(jnp.abs(other).max()), 1.0)


CASES = [
    (groups.O(2), QUARTER),
    (groups.O(2), FLIP),
    (groups.SO(2), QUARTER),
    (groups.D(4), FLIP),
    (groups.C(4), QUARTER),
    (groups.O(3), CYCLE),
    (groups.O(3), np.diag([1.0, -1.0, 1.0])),
]


@pytest.mark.parametrize(
    ("group", "element"), CASES, ids=lambda case: str(case) if not isinstance(case, np.ndarray) else ""
)
@pytest.mark.parametrize("layer", [Spectral, Convolution])
def test_layers_commute_with_shifts_and_with_what_keeps_the_grid(group, element, layer):
    d = len(element)
    grid = Periodic((8,) * d)
    V = group.vector
    source, target = 2 * group.scalar + V, V.alt(2) + 2 * V
    options = {"modes": 3} if layer is Spectral else {"size": 3}
    net = eqx.filter_jit(layer(source, target, grid, degree=2, allow_zero=True, key=jax.random.key(0), **options))
    u = jax.random.normal(jax.random.key(1), (*grid.shape, source.dimension))
    value = net(u)
    assert float(value.std()) > 0.01
    assert close(net(jnp.roll(u, 3, axis=0)), jnp.roll(value, 3, axis=0))
    assert close(net(moved(u, source, element)), moved(value, target, element))


@pytest.mark.parametrize("layer", [Spectral, Convolution])
def test_a_layer_of_translations_alone_does_not_commute_with_turns(layer):
    group = groups.Trivial(2)
    grid = Periodic((8, 8))
    options = {"modes": 3} if layer is Spectral else {"size": 3}
    net = layer(group.scalar, group.scalar, grid, degree=2, key=jax.random.key(0), **options)
    u = jax.random.normal(jax.random.key(1), (8, 8, 1))
    turned = groups.C(4).scalar
    assert not close(net(moved(u, turned, QUARTER)), moved(net(u), turned, QUARTER))


@pytest.mark.parametrize(("l1", "l2"), [(0, 1), (1, 1), (1, 2), (2, 2)])
def test_weights_are_the_kernels_of_theory(l1, l2):
    G = groups.SO(3)
    layer = Spectral(G.irrep(l1), 2 * G.irrep(l2), Periodic((7, 7, 7)), modes=2, radial=3, key=jax.random.key(0))
    assert layer.steering.dimension == 3 * 2 * (2 * min(l1, l2) + 1)


def test_a_spectral_layer_means_the_same_on_a_finer_grid():
    G = groups.O(2)
    coarse, fine = (Periodic((n, n), lengths=2 * np.pi) for n in (12, 24))
    layer = eqx.filter_jit(Spectral(G.scalar, G.vector, coarse, modes=4, key=jax.random.key(0)))
    field = lambda grid: jnp.asarray(  # noqa: E731
        np.cos(grid.points @ [1, 2]) + np.sin(grid.points @ [3, -1]), jnp.float32
    ).reshape(*grid.shape, 1)
    assert close(layer(field(fine))[::2, ::2], layer(field(coarse)))


def test_a_spectral_layer_takes_long_boxes_and_keeps_the_precision_it_is_given():
    G = groups.O(2)
    with jax.enable_x64(True):
        layer = Spectral(G.scalar, G.scalar, Periodic((8, 16), lengths=(1.0, 2.0)), modes=3, key=jax.random.key(0))
        run = eqx.filter_jit(layer)
        u = jnp.asarray(np.random.default_rng(0).standard_normal((8, 16, 1)))
        value = run(u)
        assert value.dtype == jnp.float64
        shifted = run(jnp.roll(u, 5, axis=1))
        assert float(jnp.abs(shifted - jnp.roll(value, 5, axis=1)).max()) < 1e-6
    assert layer.highest == (3, 6)


@pytest.mark.parametrize("angle", [0.4, 1.1])
def test_continuous_turns_of_compact_fields_are_kept_up_to_the_grid(angle):
    G = groups.SO(2)
    grid = Periodic((48, 48), lengths=8.0)
    options = {"width": 9, "depth": 1, "modes": 10, "radial": 4, "key": jax.random.key(0)}
    net = eqx.filter_jit(NeuralOperator(G.scalar, G.vector, grid, **options))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centres = np.array([[0.5, 0.0], [-0.3, 0.4], [0.0, -0.6]])

    def field(g):
        away = ((grid.points[:, None] - centres @ g.T) ** 2).sum(axis=2)
        return jnp.asarray(np.exp(-2 * away) @ [1.0, -0.5, -0.5], jnp.float32).reshape(*grid.shape, 1)

    value, after = net(field(np.eye(2))), net(field(turn))
    expected = grid.interpolate(np.asarray(value), grid.points @ turn).reshape(value.shape) @ turn.T
    inside = np.linalg.norm(grid.points, axis=1).reshape(grid.shape) < 2
    error = np.abs(np.asarray(after) - expected)[inside].max() / np.abs(expected)[inside].max()
    # Kernels of a box are those of the plane only up to what comes round its edges.
    assert error < 0.1
    still = groups.Trivial(2).scalar
    other = eqx.filter_jit(NeuralOperator(still, 2 * still, grid, **options))
    value, after = other(field(np.eye(2))), other(field(turn))
    expected = grid.interpolate(np.asarray(value), grid.points @ turn).reshape(value.shape) @ turn.T
    assert np.abs(np.asarray(after) - expected)[inside].max() / np.abs(expected)[inside].max() > 3 * error


@pytest.mark.parametrize("gates", [False, True])
@pytest.mark.parametrize("group", [groups.O(2), groups.C(4)], ids=str)
def test_a_neural_operator_cannot_break_its_group(group, gates):
    grid = Periodic((12, 12))
    vorticity = group.vector.alt(2) if group == groups.O(2) else group.scalar
    hidden = 2 * group.regular if group.is_finite else None
    net = NeuralOperator(
        vorticity + group.scalar, vorticity, grid,
        width=8, depth=2, modes=4, hidden=hidden, gates=gates, residual=True, key=jax.random.key(2),
    )  # fmt: skip
    source, target, net = net.input, net.output, eqx.filter_jit(net)
    u = jax.random.normal(jax.random.key(3), (12, 12, 2))
    value = net(u)
    assert float((value - u[..., :1]).std()) > 1e-3
    assert close(net(moved(u, source, QUARTER)), moved(value, target, QUARTER))
    assert close(net(jnp.roll(u, (2, 5), axis=(0, 1))), jnp.roll(value, (2, 5), axis=(0, 1)))


def test_a_neural_operator_takes_long_boxes():
    G = groups.O(2)
    grid = Periodic((12, 16), lengths=(1.0, 2.0))
    net = NeuralOperator(G.scalar, G.vector, grid, width=8, depth=1, modes=3, key=jax.random.key(0))
    # 7 waves fit on the long side, so 3 on the short one.
    assert net.direct.highest == (3, 6)
    u = jax.random.normal(jax.random.key(1), (12, 16, 1))
    value, run = net(u), eqx.filter_jit(net)
    assert close(run(jnp.roll(u, 5, axis=1)), jnp.roll(value, 5, axis=1))
    flipped = run(jnp.roll(u[:, ::-1], 1, axis=1))
    assert close(flipped, jnp.roll(value[:, ::-1], 1, axis=1) * jnp.asarray([1.0, -1.0]))


def test_products_make_what_no_kernel_reaches():
    G = groups.O(2)
    grid, vorticity = Periodic((12, 12)), G.vector.alt(2)
    net = NeuralOperator(vorticity, G.scalar, grid, width=8, depth=1, modes=4, key=jax.random.key(0))
    assert float(eqx.filter_jit(net)(jax.random.normal(jax.random.key(1), (12, 12, 1))).std()) > 1e-4
    with pytest.raises(IsotropyError, match=r"leads from `V.alt\(2\)` to `S`"):
        NeuralOperator(vorticity, G.scalar, grid, width=8, depth=1, modes=4, channels=0, key=jax.random.key(0))


def test_the_table_of_products_is_the_products():
    G = groups.O(2)
    rep = hidden_fields(G.scalar, G.vector, 16)
    product = ChannelProduct(Layout.of(rep).kinds, rep, channels=3)
    first, second, rows = product.table()
    x, y = np.random.default_rng(0).standard_normal((2, product.input.dimension))
    assert close(jnp.asarray(rows @ ((x @ first) * (y @ second))), product(jnp.asarray(x), jnp.asarray(y)))


@pytest.mark.parametrize(("group", "count"), [(groups.O(2), 3), (groups.SO(2), 2), (groups.O(3), 4)], ids=str)
def test_kinds_of_fields_are_distinct(group, count):
    assert len([kind for kind in Layout.of(hidden_fields(group.scalar, group.scalar, 20)).kinds]) == count + 1
    assert all(kind.group == group for kind in field_kinds(group))


def test_zonal_and_vector_kernels_on_the_sphere_commute_with_rotations():
    G, sphere = groups.SO(3), Sphere(10)
    layer = Integral(G.scalar, G.scalar + G.vector, sphere, degree=2, key=jax.random.key(0))
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    turn = turn * np.linalg.det(turn)
    c = np.random.default_rng(1).standard_normal(9)

    def field(x):
        return harmonics(2, np.arccos(np.clip(x[:, 2], -1, 1)), np.arctan2(x[:, 1], x[:, 0]))[0] @ c

    before, after = (
        np.asarray(layer(jnp.asarray(field(x), jnp.float32).reshape(*sphere.shape, 1)))
        for x in (sphere.points, sphere.points @ turn)
    )
    expected = sphere.interpolate(before, sphere.points @ turn)
    expected[:, 1:] = expected[:, 1:] @ turn.T
    assert np.abs(after.reshape(expected.shape) - expected).max() < 100 * EPS * np.abs(expected).max()


def test_integral_kernels_on_scattered_points_commute_with_turns_of_the_points():
    G = groups.D(4)
    seeds = np.random.default_rng(0).uniform(-1, 1, (4, 2))
    points = np.concatenate([seeds @ g.T for g in G.elements()])
    grid = PointSet(points)
    layer = Integral(G.scalar + G.vector, G.vector, grid, degree=1, radial=3, reach=1.0, key=jax.random.key(0))
    u = np.random.default_rng(1).standard_normal((len(points), 3)).astype(np.float32)
    # The turned set of points is the set itself, in another order.
    order = np.argmin(np.linalg.norm((points @ QUARTER)[:, None] - points, axis=2), axis=1)
    turned = u[order]
    turned[:, 1:] = turned[:, 1:] @ QUARTER.T
    assert close(layer(jnp.asarray(turned)), layer(jnp.asarray(u))[order] @ jnp.asarray(QUARTER.T, jnp.float32))


def test_kernels_count_the_measure_that_a_scaling_stretches():
    G = groups.Scaling(1)
    # K(x, y) dy is invariant for K = 1 / y: a polynomial is not, and a constant only without the measure.
    with pytest.warns(IsotropyWarning):
        assert enforce(kernel_action(G.scalar, G.scalar), spaces.Polynomials(2, degree=3)).dimension == 0
    assert kernel_action(groups.SE(2).scalar, groups.SE(2).scalar).fibre_dimension == 1
    with pytest.warns(IsotropyWarning), pytest.raises(IsotropyError, match="no kernel"):
        Integral(G.scalar, G.scalar, PointSet(np.linspace(0.5, 1, 20)[:, None]), key=jax.random.key(0))


def test_kernels_of_the_euclidean_group_are_functions_of_the_difference():
    G = groups.SE(2)
    grid = PointSet(np.random.default_rng(0).uniform(-1, 1, (30, 2)))
    layer = Integral(G.scalar, G.vector, grid, degree=1, radial=2, key=jax.random.key(0))
    # x - y and its quarter turn, under two functions of the distance.
    assert layer.dimension == 4


G2, G3 = groups.O(2), groups.O(3)
BAD = [
    (lambda: Spectral(G2.scalar, G2.scalar, Box((9, 9)), key=jax.random.key(0)), "needs a periodic grid"),
    (lambda: Spectral(G2.scalar, G2.scalar, Periodic((16, 16)), modes=8, key=jax.random.key(0)), "lower `modes`"),
    (lambda: Spectral(G2.scalar, G2.scalar, Periodic((16, 16)), modes=0, key=jax.random.key(0)), "at least 1"),
    (lambda: Spectral(G3.scalar, G3.scalar, Periodic((16, 16)), modes=4, key=jax.random.key(0)), "moves points of R"),
    (lambda: Spectral(G2.scalar, G3.scalar, Periodic((16, 16)), modes=4, key=jax.random.key(0)), "one group"),
    (lambda: Spectral(G2.scalar, G2.vector.alt(2), Periodic((16, 16)), modes=4, key=jax.random.key(0)), "stay zero"),
    (lambda: Spectral(G2.scalar, G2.scalar, Periodic((16, 16)), modes=4, radial=0, key=jax.random.key(0)), "radial"),
    (lambda: Convolution(G2.scalar, G2.scalar, Sphere(4), key=jax.random.key(0)), "a box"),
    (lambda: Convolution(G2.scalar, G2.scalar, Periodic((8, 8)), size=4, key=jax.random.key(0)), "odd number"),
    (lambda: Convolution(G2.scalar, G2.scalar, Periodic((8, 8)), size=9, key=jax.random.key(0)), "does not fit"),
    (lambda: Integral(G2.scalar, G2.scalar, Sphere(4), key=jax.random.key(0)), "3 coordinates"),
    (
        lambda: Integral(groups.GL(3).scalar, groups.GL(3).scalar, Sphere(4), radial=2, key=jax.random.key(0)),
        "keeps it",
    ),
    (
        lambda: NeuralOperator(G2.scalar, G2.vector, Periodic((16, 16)), modes=4, residual=True, key=jax.random.key(0)),
        "does not begin with",
    ),
    (
        lambda: NeuralOperator(groups.SL(2).scalar, groups.SL(2).scalar, Periodic((16, 16)), key=jax.random.key(0)),
        "keeps distances",
    ),
    (lambda: NeuralOperator(G2.scalar, G2.vector, Periodic((16, 16)), depth=0, key=jax.random.key(0)), "at least 1"),
    (
        lambda: SpectralBlock(G2.scalar, G2.scalar, Periodic((16, 16)), channels=-1, modes=4, key=jax.random.key(0)),
        "0 for none",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_refused_by_name(make, message):
    with pytest.raises(IsotropyError, match=message):
        make()


def test_a_field_of_other_channels_or_points_is_refused():
    layer = Spectral(G2.scalar, G2.scalar, Periodic((9, 9)), modes=4, key=jax.random.key(0))
    for shape, message in (((9, 9, 2), "channels"), ((9, 9), "channels"), ((8, 9, 1), "refine the grid")):
        with pytest.raises(IsotropyError, match=message):
            layer(jnp.ones(shape))
    with pytest.raises(IsotropyError, match="channels"):
        Convolution(G2.scalar, G2.scalar, Periodic((9, 9)), key=jax.random.key(0))(jnp.ones((9, 9, 2)))
    with pytest.raises(IsotropyError, match="one field of shape"):
        Integral(groups.SO(3).scalar, groups.SO(3).scalar, Sphere(3), key=jax.random.key(0))(jnp.ones((4, 6, 1)))


def test_kernel_basis_refuses_groups_that_stretch():
    with pytest.raises(IsotropyError, match="keeps distances"):
        kernel_basis(groups.GL(2).scalar, groups.GL(2).scalar, degree=1)
