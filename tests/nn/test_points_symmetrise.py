"""Point sets commute with permutations and E(d); averaging makes a given model equivariant."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from isotropy import IsotropyError, groups
from isotropy.nn import PointSet, symmetrise

KEY = jax.random.key(0)
EPS = float(jnp.finfo(jnp.float32).eps)


@pytest.mark.parametrize("d", [2, 3])
def test_point_set(d):
    rng = np.random.default_rng(0)
    layer = eqx.filter_jit(PointSet(2, 3, width=8, key=KEY))
    x, h = rng.normal(size=(6, d)), rng.normal(size=(6, 2))
    y, k = layer(jnp.asarray(x, jnp.float32), jnp.asarray(h, jnp.float32))
    turn, order = np.linalg.qr(rng.normal(size=(d, d)))[0], rng.permutation(6)
    shift = rng.normal(size=d)
    y2, k2 = layer(jnp.asarray((x @ turn.T + shift)[order], jnp.float32), jnp.asarray(h[order], jnp.float32))
    wanted = (np.asarray(y, np.float64) @ turn.T + shift)[order]
    # Distances are differences of coordinates: their rounding is that of the coordinates, over 6 points and two layers.
    assert np.linalg.norm(y2 - wanted) <= 20 * EPS * np.linalg.norm(wanted)
    assert np.linalg.norm(k2 - k[order]) <= 50 * EPS * np.linalg.norm(k)
    assert np.linalg.norm(np.asarray(y) - x) > 1e-3


def test_a_mask_hides_points():
    layer = eqx.filter_jit(PointSet(0, 2, width=8, key=KEY))
    x = jax.random.normal(KEY, (5, 3))
    mask = jnp.array([1, 1, 1, 1, 0])
    y, h = layer(x, mask=mask)
    y2, h2 = layer(x.at[4].add(10.0), mask=mask)
    assert jnp.array_equal(y[:4], y2[:4])
    assert jnp.array_equal(h[:4], h2[:4])


def test_point_set_has_finite_derivatives():
    layer = PointSet(0, 1, width=8, key=KEY)
    x = jax.random.normal(KEY, (4, 3))
    energy = lambda x: layer(x)[1].sum()  # noqa: E731
    hessian = eqx.filter_jit(jax.hessian(energy))(x)
    assert bool(jnp.isfinite(hessian).all())


def test_point_set_bad_input():
    with pytest.raises(IsotropyError, match=r"Got shapes \(5, 3\) and \(5, 1\)"):
        PointSet(2, 2, key=KEY)(jnp.ones((5, 3)), jnp.ones((5, 1)))
    with pytest.raises(IsotropyError, match="`out_features` must be"):
        PointSet(2, 0, key=KEY)


def model(n, size):
    """A user's own model, not equivariant at all."""
    return eqx.nn.MLP(n, size, 16, 1, jnp.tanh, key=jax.random.key(4))


@pytest.mark.parametrize("group", [groups.D(4), groups.S(4), groups.Cube()], ids=str)
def test_finite_groups_are_enumerated(group, defect):
    V = group.vector
    net = symmetrise(model(V.dimension, V.dimension), group, output=V)
    order = {"D(4)": 8, "S(4)": 24, "Cube": 24}[str(group)]
    assert len(net.weights.value) == order
    assert defect(net, V, V) <= 10 * EPS
    assert defect(net.model, V, V) > 1e-2


@pytest.mark.parametrize(
    ("group", "degree"), [(groups.SO(2), 12), (groups.O(2), 12), (groups.SO(3), 8), (groups.O(3), 8)], ids=str
)
def test_quadrature(group, degree, defect):
    V, S = group.vector, group.scalar
    net = symmetrise(model(V.dimension, V.dimension + 1), group, output=V + S, degree=degree)
    coarse = symmetrise(model(V.dimension, V.dimension + 1), group, output=V + S, degree=2)
    # A smooth model: what is left falls fast with the degree. 1e-3 is the accuracy asked of degree 8 and 12.
    assert defect(net, V, V + S) <= 1e-3
    assert defect(net, V, V + S) < defect(coarse, V, V + S)


@pytest.mark.parametrize("group", [groups.SO(2), groups.SO(3), groups.SU(2)], ids=str)
def test_quadrature_is_exact_for_polynomials(group):
    """The mean of a monomial against that over the sphere: E x_0^2 = |x|^2 / d, E x_0^4 = 3 |x|^4 / (d (d + 2))."""
    V = group.vector.real()
    d = V.dimension
    x = jax.random.normal(KEY, (d,))
    r = float(x @ x)
    powers = symmetrise(lambda x: jnp.stack([x[0] ** 2, x[0] ** 4]), group, output=2 * group.scalar, degree=4)
    wanted = np.array([r / d, 3 * r**2 / (d * (d + 2))])
    assert np.abs(np.asarray(powers(x)) - wanted).max() <= 50 * EPS * wanted.max()


def test_haar_samples_have_the_right_moments():
    group = groups.SO(4)
    samples = 4000
    net = symmetrise(lambda x: x[:1] ** 2, group, samples=samples)
    x = jnp.array([1.0, 0, 0, 0])
    # Var x_0^2 on the sphere of R^4 is 3/24 - 1/16 = 1/16; five standard errors are allowed.
    assert abs(float(net(x)[0]) - 1 / 4) <= 5 / 4 / np.sqrt(samples)
    assert net.rule == "4000 Haar samples"


def test_what_is_equivariant_already_stays():
    group = groups.SO(3)
    V = group.vector
    net = symmetrise(lambda x: x * (x @ x), group, output=V, degree=3)
    x = jax.random.normal(KEY, (3,))
    assert float(jnp.linalg.norm(net(x) - x * (x @ x))) <= 20 * EPS * float(jnp.linalg.norm(x) ** 3)


def test_symmetrise_bad_input():
    with pytest.raises(IsotropyError, match="for compact groups"):
        symmetrise(model(4, 1), groups.SO(1, 3))
    with pytest.raises(IsotropyError, match="No quadrature is known here for SO\\(4\\)"):
        symmetrise(model(4, 1), groups.SO(4))
    with pytest.raises(IsotropyError, match="returns 2 numbers, but `S` has dimension 1"):
        symmetrise(model(2, 2), groups.D(4))(jnp.ones(2))
    with pytest.raises(IsotropyError, match="`model` must be a function"):
        symmetrise(3, groups.D(4))
    turn = expm(np.array([[0.0, -1.0], [1.0, 0.0]]))
    with pytest.raises(IsotropyError, match="more than 20000 elements"):
        symmetrise(model(2, 1), groups.Group((), components=turn[None]))
