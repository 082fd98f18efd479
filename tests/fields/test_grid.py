"""Grids: derivatives against calculus, weights against integrals, interpolation against the function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, groups
from isotropy.fields.grid import differences
from isotropy.fields.sphere import harmonics

EPS = np.finfo(np.float64).eps


def sampled(grid, function):
    return np.asarray(function(*grid.points.T)).reshape(grid.shape)


def slope(grid, values, **options):
    with jax.enable_x64(True):
        return np.asarray(grid.gradient(jnp.asarray(values)[..., None], **options))[..., 0, :].reshape(
            -1, grid.dimension
        )


@pytest.mark.parametrize("shape", [(16,), (15,), (16, 9), (8, 7, 6)])
def test_spectral_derivatives_are_exact_for_waves(shape):
    grid = fields.Periodic(shape, lengths=np.arange(1, len(shape) + 1) * 2 * np.pi, centre=0.3)
    k = 1 / np.arange(1, len(shape) + 1)
    u = np.sin(grid.points @ k)
    exact = np.cos(grid.points @ k)[:, None] * k
    bound = EPS * grid.points.size * max(shape)
    assert np.abs(slope(grid, u.reshape(grid.shape)) - exact).max() <= bound
    assert np.abs(slope(grid, u.reshape(grid.shape), rough=True) - exact).max() <= bound
    assert grid.weights.sum() == pytest.approx(np.prod(grid.lengths))


def test_the_frequency_without_a_sign_has_no_derivative():
    grid = fields.Periodic(8)
    assert np.abs(slope(grid, (-1.0) ** np.arange(8))).max() <= 8 * EPS * 8 * np.pi


@pytest.mark.parametrize("order", [4, 6])
def test_finite_differences_have_their_order(order):
    axis = np.linspace(-1, 1, 21)
    for degree in range(order + 1):
        error = differences(axis, order) @ axis**degree - degree * axis ** max(degree - 1, 0)
        assert np.abs(error).max() <= 1e3 * EPS * 10
    errors = []
    for n in (21, 41):
        axis = np.linspace(-1, 1, n)
        errors.append(np.abs(differences(axis, order) @ np.sin(3 * axis) - 3 * np.cos(3 * axis)).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.7


def test_a_box_has_edges_and_the_trapezium_rule():
    grid = fields.Box((41, 21), bounds=[(0, 2), (-1, 1)], order=6)
    u = sampled(grid, lambda x, y: x**3 * y**2)
    exact = np.stack(
        [3 * grid.points[:, 0] ** 2 * grid.points[:, 1] ** 2, 2 * grid.points[:, 0] ** 3 * grid.points[:, 1]]
    )
    assert np.abs(slope(grid, u) - exact.T).max() <= 1e3 * EPS * 40 * 8
    assert grid.weights.sum() == pytest.approx(4)
    assert np.abs(grid.coarser().points - grid.restrict(grid.points.reshape(41, 21, 2)).reshape(-1, 2)).max() == 0


def test_points_anywhere_differentiate_quadratics_exactly():
    points = np.random.default_rng(0).uniform(-1, 1, (120, 2))
    grid = fields.PointSet(points, degree=2)
    x, y = points.T
    error = slope(grid, x**2 - 3 * x * y + y + 1) - np.stack([2 * x - 3 * y, -3 * x + 1], axis=1)
    assert np.abs(error).max() <= 1e4 * EPS
    assert np.abs(slope(grid, x**2, rough=True)[:, 0] - 2 * x).max() > 1e-3


def test_the_sphere_integrates_and_differentiates_harmonics():
    grid = fields.Sphere(6)
    theta, phi = np.arccos(grid.points[:, 2]), np.arctan2(grid.points[:, 1], grid.points[:, 0])
    values, slopes = harmonics(6, theta, phi)
    assert np.abs(values.T @ (grid.weights[:, None] * values) - np.eye(49)).max() <= 1e2 * EPS * 49
    for k in (1, 5, 17, 40):
        assert np.abs(slope(grid, values[:, k].reshape(grid.shape)) - slopes[:, :, k]).max() <= 1e3 * EPS * 49
    # x y z as a polynomial of R^3: its gradient along the sphere is the projected one
    x, y, z = grid.points.T
    full = np.stack([y * z, x * z, x * y], axis=1)
    tangent = full - np.sum(full * grid.points, axis=1, keepdims=True) * grid.points
    assert np.abs(slope(grid, (x * y * z).reshape(grid.shape)) - tangent).max() <= 1e3 * EPS * 49


@pytest.mark.parametrize(
    "grid",
    [fields.Periodic((16, 15), lengths=2 * np.pi), fields.Box((41, 41), bounds=(-np.pi, np.pi)), fields.Sphere(8)],
    ids=["periodic", "box", "sphere"],
)
def test_interpolation_is_near_the_function(grid):
    rng = np.random.default_rng(0)
    if grid.dimension == 3:
        where = rng.normal(size=(20, 3))
        where /= np.linalg.norm(where, axis=1, keepdims=True)
        function = lambda x, y, z: x * y + z**3  # noqa: E731
    else:
        where = rng.uniform(-3, 3, (20, 2))
        function = lambda x, y: np.sin(x) * np.cos(2 * y)  # noqa: E731
    found = grid.interpolate(sampled(grid, function)[..., None], where)[:, 0]
    assert np.abs(found - function(*where.T)).max() <= 1e-4


def test_halving_keeps_low_frequencies_and_the_centre():
    grid = fields.Periodic((16, 12), lengths=2 * np.pi)
    u = sampled(grid, lambda x, y: np.sin(x) + np.cos(2 * y - x))
    small = grid.coarser()
    assert np.abs(grid.restrict(u) - sampled(small, lambda x, y: np.sin(x) + np.cos(2 * y - x))).max() <= 100 * EPS
    assert [0.0, 0.0] in small.points.tolist()


def test_a_field_that_is_not_periodic_draws_a_warning_with_the_jump():
    grid = fields.Periodic(32)
    ramp = np.linspace(0, 1, 32)[None]
    with pytest.warns(iso.IsotropyWarning, match="jumps by 1"):
        iso.discover(lambda u: u**2, fields.FieldAction(grid, [fields.amplitude(dimension=1)]), ramp)


def test_generators_are_derivatives_of_finite_motions():
    """L_xi u is d/dt of K_exp(t xi) u, for scalars and for vectors (convention C1)."""
    grid = fields.Periodic((40, 40), lengths=2 * np.pi)
    G = groups.SE(2)
    with jax.enable_x64(True):
        action = fields.FieldAction(grid, iso.Action(G.point, G.vector))
        bump = np.exp(-4 * np.sum(grid.points**2, axis=1)).reshape(grid.shape)
        u = np.stack([bump * (1 + grid.points[:, 0].reshape(grid.shape)), bump], axis=-1)
        t = 1e-5
        for q in range(3):
            xi = np.eye(3)[q]
            moved = []
            for sign in (1, -1):
                element = _exponential(G, sign * t * xi)
                moved.append(action.move(u, element))
            numeric = (moved[0] - moved[1]) / (2 * t)
            assert np.abs(np.asarray(action.lie(jnp.asarray(u), jnp.asarray(xi))) - numeric).max() <= 1e-8


def _exponential(group, xi):
    from scipy.linalg import expm

    from isotropy.geometry.component import affine_component

    matrix = expm(np.tensordot(xi, group.algebra.matrices, 1))
    return affine_component(matrix[:2, :2], matrix[:2, 2], matrix[:2, :2], np.zeros(2))


def test_a_quarter_turn_takes_grid_points_to_grid_points():
    grid = fields.Periodic((8, 8), lengths=1.0, centre=0.5)
    u = np.random.default_rng(0).normal(size=(8, 8))
    element = fields.FieldAction(grid, groups.E(2)).action.element(
        np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
    )
    action = fields.FieldAction(grid, groups.E(2))
    turned = u
    for _ in range(4):
        turned = action.move(turned, element)
    assert np.abs(turned - u).max() <= 1e3 * EPS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fields.Periodic((2, 8)), "at least 4"),
        (lambda: fields.Periodic((8, 8, 8, 8)), "one to 3"),
        (lambda: fields.Periodic(8, lengths=-1), "positive"),
        (lambda: fields.Periodic(9).coarser(), "halved"),
        (lambda: fields.Box(9, order=3), "even"),
        (lambda: fields.Box(9, bounds=(1, 0)), "low, high"),
        (lambda: fields.Box(10).coarser(), "odd"),
        (lambda: fields.Sphere(0), "positive integer"),
        (lambda: fields.PointSet(np.zeros((50, 2))), "twice"),
        (lambda: fields.PointSet(np.zeros((3, 2))), "12 points"),
        (lambda: fields.PointSet(np.random.default_rng(0).normal(size=(50, 2))).coarser(), "no coarser"),
    ],
)
def test_bad_grids(make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make()
