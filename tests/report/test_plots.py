"""Figures show what the answers hold: every value, the floor, fields that point where the generator says."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.numerics.decide import decide
from isotropy.numerics.path import Path
from isotropy.report import generators, plots, theme
from isotropy.results.fit import Fit

EPS = float(np.finfo(np.float64).eps)


def discover(function, group, m):
    return iso.discover(function, iso.Action(group), iso.Samples.normal(60, m, seed=0))


def drawn(figure):
    """Rendering must not fail, whatever the figure holds."""
    figure.savefig(io.BytesIO(), format="png")
    return figure


def test_the_spectrum_shows_every_value_and_the_floor():
    values = np.array([3.0, 1.0, 1e-2, 4e-16, 0.0])
    decision = decide(values, floor=1e-15)
    axes = drawn(plots.spectrum_figure(values, decision, label="value")).axes[0]
    kept, zeros, floor = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(kept, values[:3])
    assert zeros[0] == values[3]
    assert len(zeros) == 2
    assert 0 < zeros[1] < values[3]
    assert set(floor) == {1e-15}
    low, high = axes.get_ylim()
    assert low < zeros[1]
    assert high > values[0]


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [0.0, 0.0, 0.0]])
def test_the_spectrum_of_little(values):
    drawn(plots.spectrum_figure(np.array(values), decide(np.array(values), floor=0.0), label="value"))


def test_arrows_in_the_plane_follow_the_generator():
    found = discover(lambda x: x[0] ** 2 + x[1] ** 2, groups.GL(2), 2)
    axes = drawn(plots.generators_figure(found)).axes[0]
    (arrows,) = axes.collections
    places = arrows.get_offsets()
    velocity = np.stack([arrows.U, arrows.V], axis=1)
    # A rotation moves across the radius and as fast as it is long, up to its one scale and sense.
    size = np.linalg.norm(places, axis=1)
    assert np.abs((places * velocity).sum(axis=1)).max() <= 8 * EPS * size.max() ** 2
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=1), size, rtol=8 * EPS, atol=8 * EPS)


def test_orbits_in_space_stay_on_spheres():
    found = discover(lambda x: (x**2).sum(), groups.GL(3), 3)
    figure = drawn(plots.generators_figure(found))
    assert len(figure.axes) == found.dimension == 3
    for axes in figure.axes:
        for line in axes.lines:
            radii = np.linalg.norm(np.array(line.get_data_3d()), axis=0)
            # The error of one step, over the at most 120 steps of an orbit.
            assert np.ptp(radii) <= 120 * generators.PRECISION * radii.max()


@pytest.mark.parametrize(
    ("function", "group", "m"),
    [
        (lambda x: x[0] ** 2, groups.T(1), 1),
        (lambda x: (x**2).sum(), groups.SO(5), 5),
        (lambda x: x[0] * 0 + x[1], groups.Aff(2), 2),
    ],
    ids=["a line", "ten planes", "more than are drawn"],
)
def test_every_dimension_is_drawn(function, group, m):
    found = discover(function, group, m)
    figure = plots.discovery_figure(found)
    assert len(drawn(figure).axes) == 1 + min(found.dimension, plots.MOST_PANELS)
    assert (plots.generators_figure(found) is None) is (found.dimension == 0)


def test_generators_that_move_outputs_alone_are_drawn_there():
    action = iso.Action.independent(groups.Scaling(2), groups.GL(2))
    found = iso.discover(lambda x: x / (x @ x) ** 0.5, action, iso.Samples.normal(60, 2, seed=0))
    assert found.dimension == 1
    drawn(plots.discovery_figure(found))


def test_plot_of_an_answer_is_this_figure():
    found = discover(lambda x: x[0] ** 2 + x[1] ** 2, groups.GL(2), 2)
    assert len(found.plot().axes) == len(plots.discovery_figure(found).axes)


def test_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    theme.svg(plots.samples_figure(np.zeros((3, 2)), ("$x_{", "y")), "label", salt="a")
    assert dict(matplotlib.rcParams) == before


def test_colours_of_a_page_are_named():
    text = theme.svg(plots.samples_figure(np.eye(3), ("x", "y")), 'a "label" < b', salt="a")
    assert text.startswith("<svg")
    assert 'aria-label="a &quot;label&quot; &lt; b"' in text
    for colour in theme.VARIABLES:
        assert colour not in text
    assert theme.svg(plots.samples_figure(np.eye(3), ("x", "y")), 'a "label" < b', salt="a") == text


def test_a_drawing_stays_small_however_many_points():
    few = theme.svg(plots.samples_figure(np.random.default_rng(0).normal(size=(10**3, 2)), ("x", "y")), "", salt="a")
    many = theme.svg(plots.samples_figure(np.random.default_rng(0).normal(size=(10**5, 2)), ("x", "y")), "", salt="a")
    assert len(many) <= 2 * len(few)


@pytest.mark.parametrize("followed", [True, False])
def test_the_path_of_a_fit_marks_the_chosen_strength(followed):
    found = discover(lambda x: x[0] ** 2 + x[1] ** 2, groups.GL(2), 2)
    strengths = np.geomspace(1, 1e-3, 5)
    path = Path(strengths, np.outer(1 / strengths, [1.0, 2.0, 3.0, 4.0]), strengths + 1, strengths / 10, chosen=2)
    zero = np.zeros(6)
    fit = Fit(
        space=iso.spaces.Polynomials(2, degree=2),
        coefficients=zero,
        promoted=zero,
        symmetries=found,
        components=(),
        strength=float(strengths[2]),
        path=path if followed else None,
        value=0.0,
        relative_gap=0.0,
        iterations=1,
        converged=True,
    )
    figure = drawn(fit.plot())
    if followed:
        upper, lower = figure.axes
        assert len(upper.lines) == 4 + 1
        assert {float(axes.lines[-1].get_xdata()[0]) for axes in (upper, lower)} == {float(strengths[2])}
    else:
        assert len(figure.axes) == 1


@pytest.fixture(scope="module")
def bounded():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    data = iso.Data(
        X, X[:, 0] ** 2 + X[:, 1] ** 2 + 0.05 * rng.normal(size=200), space=iso.spaces.Polynomials(2, degree=2)
    )
    return iso.discover(data, iso.Action(groups.GL(2)), components=[np.diag([1.0, -1.0]), np.diag([2.0, 1.0])])


def test_the_band_is_what_noise_makes_of_a_zero(bounded):
    axes = drawn(plots.discovery_figure(bounded)).axes[0]
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(bounded.floors.max())
    figure = plots.spectrum_figure(bounded.spectrum, bounded.decision, label="value")
    assert not figure.axes[0].collections


def test_defects_are_drawn_with_their_bounds_and_the_tolerance(bounded):
    axes = drawn(plots.defects_figure(bounded)).axes[0]
    defects, bounds, tolerance = (line.get_xdata() for line in axes.lines)
    np.testing.assert_array_equal(defects, bounded.defects)
    np.testing.assert_array_equal(bounds, bounded.bounds)
    assert set(tolerance) == {0.05}
    assert plots.defects_figure(discover(lambda x: x @ x, groups.GL(2), 2)) is None
