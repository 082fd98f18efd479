"""Symmetries of operators between fields: known equations, broken ones, and what a grid can pretend."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import fields, groups

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "fields"))
import equations

BOX = 2 * np.pi
PLANE = [fields.translation(0, dimension=2), fields.translation(1, dimension=2), fields.rotation(0, 1, dimension=2)]


def compact(grid, count, *, channels=1, width=0.4, spread=0.3, size=1.0):
    """Fields of bumps near the middle of the box."""
    parts = [
        np.stack(
            [
                equations.bumps(grid.points, grid.shape, seed=channels * k + c, width=width, spread=spread)
                for c in range(channels)
            ],
            axis=-1,
        )
        for k in range(count)
    ]
    stacked = size * np.stack(parts)
    return stacked[..., 0] if channels == 1 else stacked


def test_heat_has_motions_and_amplitude():
    grid = fields.Periodic((48, 48), lengths=BOX)
    step = partial(equations.heat, step=0.05, lengths=BOX)
    candidates = [*PLANE, fields.dilation([1, 1]), fields.amplitude(dimension=2)]
    found = iso.discover(step, fields.FieldAction(grid, candidates, coarse=step), compact(grid, 3))
    assert (found.name, found.dimension, found.decision.verdict) == ("se(2)+R", 4, "supported")
    assert "u ∂u" in found.generator_text


def test_a_conductivity_that_varies_along_x_keeps_what_remains():
    grid, coarse = fields.Periodic((48, 32), lengths=BOX), fields.Periodic((24, 16), lengths=BOX)
    conduct = lambda g: 1 + 0.3 * np.cos(g.points[:, 0]).reshape(g.shape)  # noqa: E731
    step = partial(equations.heat, step=0.05, lengths=BOX)
    fine = partial(step, conductivity=conduct(grid), count=60)
    rough = partial(step, conductivity=conduct(coarse), count=40)
    wide = {"width": 0.5, "spread": 0.3}
    found = iso.discover(fine, fields.FieldAction(grid, PLANE, coarse=rough), compact(grid, 3, **wide))
    assert (found.dimension, found.generator_text) == (1, ("∂y",))
    assert found.decision.verdict == "supported"


@pytest.fixture(scope="module")
def burgers():
    grid = fields.Periodic(128, lengths=BOX)
    step = partial(equations.burgers, step=0.2, viscosity=0.1, lengths=BOX)
    candidates = [
        fields.translation(0, dimension=1),
        fields.galilean_boost(0, 0, step=0.2, dimension=1),
        fields.dilation([1]),
        fields.amplitude(dimension=1),
    ]
    return grid, step, candidates, compact(grid, 4, width=0.3, spread=1.0)


def test_burgers_has_its_boost(burgers):
    grid, step, candidates, inputs = burgers
    action = fields.FieldAction(grid, candidates, coarse=partial(step, count=25))
    found = iso.discover(step, action, inputs)
    assert (found.name, found.dimension, found.decision.verdict) == ("R^2", 2, "supported")
    assert found.generator_text == ("∂x", "∂u")


def test_without_a_coarser_operator_small_defects_are_not_told_from_the_grid(burgers):
    grid, step, candidates, inputs = burgers
    found = iso.discover(step, fields.FieldAction(grid, candidates), inputs)
    assert found.decision.verdict == "cannot tell"
    assert "coarse" in found.decision.reason


def test_a_boost_that_lags_by_a_thousandth_is_no_symmetry(burgers):
    grid, step, _, inputs = burgers
    wrong = [fields.translation(0, dimension=1), fields.galilean_boost(0, 0, step=0.2 * 1.001, dimension=1)]
    # A shift by a multiple of the translation is in the span, so the boost alone is asked about.
    found = iso.discover(step, fields.FieldAction(grid, wrong[1:], coarse=partial(step, count=25)), inputs)
    assert found.dimension == 0


def test_burgers_has_its_boost_in_what_a_step_changes(burgers):
    """The change is u's after a boost, where the output is also shifted, less the boosted u: no motion is lost."""
    grid, step, candidates, inputs = burgers
    action = fields.FieldAction(grid, candidates[:3], coarse=partial(step, count=25), increment=True)
    found = iso.discover(step, action, inputs)
    assert (found.dimension, found.generator_text) == (2, ("∂x", "∂u"))


@pytest.fixture(scope="module")
def flow():
    grid = fields.Periodic((48, 48), lengths=BOX)
    step = partial(equations.vorticity, step=0.5, viscosity=0.02, lengths=BOX, count=10)
    return grid, step, compact(grid, 2, channels=2, width=0.45)


def test_vorticity_with_its_forcing_keeps_the_motions_of_the_plane(flow):
    grid, step, inputs = flow
    G = groups.SE(2)
    action = fields.FieldAction(
        grid, iso.Action(G.point, 2 * G.scalar), after=iso.Action(G), coarse=partial(step, count=8)
    )
    found = iso.discover(step, action, inputs)
    assert (found.name, found.decision.verdict) == ("se(2)", "supported")
    moved = [found.defects[k] for k, text in enumerate(found.generator_text) if text in ("∂x", "∂y")]
    assert len(moved) == 2
    assert max(moved) <= 1e-10
    assert max(found.defects) <= 5e-3


def test_a_frozen_forcing_refuses_translation_and_dilation_is_refused(flow):
    grid, step, inputs = flow
    frozen = partial(step, forcing=jnp.asarray(inputs[0, ..., 1]))
    found = iso.discover(frozen, fields.FieldAction(grid, PLANE[:2], coarse="exact"), inputs[..., 0])
    assert (found.dimension, found.decision.verdict) == (0, "supported")
    assert found.spectrum.min() > 0.05
    both = fields.dilation([1, 1], channels=2)
    one = iso.discover(step, fields.FieldAction(grid, [fields.Generator("dilation", both.base, both.fibre,
                       fields.dilation([1, 1]))], coarse="exact"), inputs)  # fmt: skip
    assert one.dimension == 0


def test_the_wave_equation_in_space_and_time_has_poincares_group():
    grid = fields.Periodic((40, 40), lengths=BOX)
    waves = partial(equations.wave_residual, lengths=BOX)
    action = fields.FieldAction(grid, iso.Action(groups.Aff(2)), coarse=waves)
    found = iso.discover(waves, action, compact(grid, 3))
    assert (found.name, found.decision.verdict) == ("iso(1,1)", "supported")
    assert all(element.kept for element in found.components)


def test_shallow_water_turns_its_velocities():
    grid = fields.Periodic((24, 24), lengths=BOX)
    step = partial(equations.shallow_water, step=0.1, lengths=BOX, count=1)
    G = groups.SO(2)
    inputs = compact(grid, 2, channels=3, width=0.6, spread=0.2, size=0.2)
    vectors = fields.FieldAction(grid, iso.Action(G.point, G.scalar + G.vector), coarse="exact", increment=True)
    found = iso.discover(step, vectors, inputs)
    assert (found.name, found.decision.verdict) == ("so(2)", "supported")
    assert found.generator_text == ("x ∂y − y ∂x + v ∂w − w ∂v",)
    scalars = fields.FieldAction(grid, iso.Action(G.point, 3 * G.scalar), coarse="exact", increment=True)
    assert iso.discover(step, scalars, inputs).dimension == 0
    tilted = partial(step, coriolis=0.0, gravity=jnp.asarray(1 + 0.5 * np.sin(grid.points[:, 0]).reshape(grid.shape)))
    assert iso.discover(tilted, vectors, inputs).dimension == 0


def test_darcy_flow_keeps_the_square_and_a_scaling():
    grid = fields.Box((17, 17), bounds=(-1.0, 1.0))
    rng = np.random.default_rng(0)
    x, y = grid.points.T.reshape(2, *grid.shape)
    waves = [[np.cos(k * x + a) * np.cos(m * y + b) for k, m, a, b in rng.uniform(0.5, 2.5, (3, 4))] for _ in range(4)]
    conductivity = np.exp(0.5 * np.sum(waves, axis=1))
    scaling = fields.Generator(
        "scaling", np.zeros((2, 3)), np.array([[1.0, 0.0]]),
        fields.Generator("scaling", np.zeros((2, 3)), np.array([[-1.0, 0.0]])),
    )  # fmt: skip
    action = fields.FieldAction(grid, [*PLANE, scaling], coarse="exact")
    turn, mirror = np.array([[0.0, -1.0], [1.0, 0.0]]), np.diag([-1.0, 1.0])
    elements = [(turn, np.eye(1)), (mirror, np.eye(1))]
    even = iso.discover(equations.darcy, action, conductivity, components=elements)
    assert (even.dimension, even.decision.verdict) == (1, "supported")
    assert [element.kept for element in even.components] == [True, True]
    driven = partial(equations.darcy, source=1 + x)
    broken = iso.discover(driven, action, conductivity, components=[*elements, (np.diag([1.0, -1.0]), np.eye(1))])
    assert [element.kept for element in broken.components] == [False, False, True]


def test_diffusion_on_the_sphere_over_a_time():
    sphere = fields.Sphere(10)
    low = np.random.default_rng(0).normal(size=(4, len(sphere.points)))
    smooth = np.stack([_low(sphere, u, 5) for u in low])
    step = partial(equations.sphere_diffusion, sphere=sphere, step=0.05)
    action = fields.FieldAction(sphere, groups.SO(3), coarse="exact", increment=True)
    found = iso.discover(step, action, smooth)
    assert (found.name, found.dimension, found.decision.verdict) == ("so(3)", 3, "supported")
    # A conductivity that depends on the latitude alone keeps the rotations about the axis.
    banded = 1 + 0.5 * sphere.points[:, 2].reshape(sphere.shape)
    one = iso.discover(partial(step, conductivity=banded), action, smooth)
    assert (one.name, one.dimension) == ("so(2)", 1)


def test_diffusion_on_the_sphere_has_all_rotations():
    sphere = fields.Sphere(10)
    low = np.random.default_rng(0).normal(size=(4, len(sphere.points)))
    smooth = np.stack([sphere.interpolate(_low(sphere, u, 5), sphere.points)[:, 0].reshape(sphere.shape) for u in low])
    diffuse = lambda u: _laplace(sphere, u)  # noqa: E731
    found = iso.discover(diffuse, fields.FieldAction(sphere, groups.SO(3), coarse="exact"), smooth)
    assert (found.name, found.dimension) == ("so(3)", 3)
    heavy = jnp.asarray(1 + 0.1 * sphere.points[:, 2].reshape(sphere.shape))
    broken = iso.discover(lambda u: heavy * u, fields.FieldAction(sphere, groups.SO(3), coarse="exact"), smooth)
    assert (broken.name, broken.dimension) == ("so(2)", 1)


def _low(sphere, values, degree):
    from isotropy.fields.sphere import harmonics

    theta, phi = np.arccos(sphere.points[:, 2]), np.arctan2(sphere.points[:, 1], sphere.points[:, 0])
    table = harmonics(degree, theta, phi)[0]
    return (table @ (table.T @ (sphere.weights * values))).reshape(sphere.shape)


def _laplace(sphere, u):
    """The divergence of the gradient, one coordinate of R^3 at a time."""
    slope = sphere.gradient(u[..., None])[..., 0, :]
    return jnp.trace(sphere.gradient(slope), axis1=-2, axis2=-1)


def test_float32_fields_are_judged_in_float32():
    grid = fields.Periodic((32, 32), lengths=BOX)
    step = partial(equations.heat, step=0.1, lengths=BOX)
    inputs = compact(grid, 2, width=0.5).astype(np.float32)
    found = iso.discover(step, fields.FieldAction(grid, PLANE[:2], coarse="exact"), inputs)
    assert found.dimension == 2
    assert found.settings["dtype"] == "float32"
    assert not jax.config.jax_enable_x64


def test_an_operator_that_does_almost_nothing_is_judged_by_what_it_changes():
    """A step of a thousandth has every symmetry to a thousandth; its change does not."""
    grid = fields.Periodic((32, 32), lengths=BOX)
    wind = lambda u: u + 1e-3 * jnp.asarray(np.cos(grid.points[:, 0]).reshape(grid.shape)) * u**2  # noqa: E731
    inputs = compact(grid, 3, width=0.5)
    whole = iso.discover(wind, fields.FieldAction(grid, PLANE[:2], coarse="exact"), inputs)
    change = iso.discover(wind, fields.FieldAction(grid, PLANE[:2], coarse="exact", increment=True), inputs)
    assert whole.spectrum[0] < 1e-2 < 0.1 < change.spectrum[0]
    assert change.generator_text == ("∂y",)


@pytest.mark.parametrize(("share", "verdict"), [(1.0, "supported"), (1e-2, "supported"), (1e-4, "cannot tell")])
def test_rounding_of_a_small_change_is_that_of_the_whole(share, verdict):
    """In float32 the change of a field is known to the field's own rounding: a ten-thousandth, not well enough."""
    grid = fields.Periodic((32, 32), lengths=BOX)
    blur = partial(equations.heat, step=0.1, lengths=BOX)
    step = lambda u: u + share * (blur(u) - u)  # noqa: E731
    found = iso.discover(
        step,
        fields.FieldAction(grid, [*PLANE[:2], fields.amplitude(dimension=2)], coarse="exact", increment=True),
        compact(grid, 3, width=0.5).astype(np.float32),
    )
    assert (found.dimension, found.decision.verdict) == (3, verdict)
    assert set(found.generator_text) == {"∂x", "∂y", "u ∂u"}


@pytest.mark.parametrize(
    ("inputs", "operator", "message"),
    [
        (np.ones((3, 8)), lambda u: u, "shape"),
        (np.full((3, 8, 8), np.nan), lambda u: u, "NaN"),
        (np.ones((3, 8, 8, 2)), lambda u: u, "channels"),
        (np.random.default_rng(0).normal(size=(2, 8, 8)), lambda u: u[:4], "shape"),
        (np.random.default_rng(0).normal(size=(2, 8, 8)), lambda u: np.asarray(u), "differentiated"),
        (np.zeros((2, 8, 8)), lambda u: u, "no candidate moves"),
        (np.random.default_rng(0).normal(size=(2, 8, 8)), lambda u: jnp.log(u), "NaN or infinity"),
    ],
)
def test_bad_input_gets_one_clear_error(inputs, operator, message):
    grid = fields.Periodic((8, 8))
    with pytest.raises(iso.IsotropyError, match=message):
        iso.discover(operator, fields.FieldAction(grid, PLANE), inputs)


def test_what_is_no_operator_between_fields_is_refused():
    action = fields.FieldAction(fields.Periodic((8, 8)), PLANE)
    points = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(iso.IsotropyError, match="fit_operator"):
        iso.discover(iso.Data(points, points[:, :1] ** 2, classes=["polynomials"]), action)
    with pytest.raises(iso.IsotropyError, match="function of one field"):
        iso.discover(np.ones((8, 8)), action, np.ones((2, 8, 8)))
    with pytest.raises(iso.IsotropyError, match="third argument"):
        iso.discover(lambda u: u, action)


def test_an_action_that_does_not_fit_is_refused():
    grid = fields.Periodic((8, 8))
    with pytest.raises(iso.IsotropyError, match="coordinates"):
        fields.FieldAction(grid, groups.SE(3))
    with pytest.raises(iso.IsotropyError, match="same candidates"):
        fields.FieldAction(grid, iso.Action(groups.SE(2)), after=iso.Action(groups.SO(2)))
    with pytest.raises(iso.IsotropyError, match="grid"):
        fields.FieldAction("64 x 64", groups.SE(2))
    with pytest.raises(iso.IsotropyError, match="one space"):
        fields.FieldAction(grid, [fields.translation(0, dimension=2), fields.translation(0, dimension=3)])
    with pytest.raises(iso.IsotropyError, match="no generators to find"):
        iso.discover(lambda u: u, fields.FieldAction(grid, groups.C(4)), np.ones((2, 8, 8)))
    with pytest.raises(iso.IsotropyError, match="exact"):
        fields.FieldAction(grid, groups.SE(2), coarse="yes")
    with pytest.raises(iso.IsotropyError, match="between 0 and 1"):
        fields.translation(2, dimension=2)
