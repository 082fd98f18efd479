"""What a path of strengths says: which generators survive where, in numbers, words and lines of a figure."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.geometry.features import Features
from isotropy.numerics.path import MOST_DIRECTIONS, Path, _spectra
from isotropy.promote import promote
from isotropy.results.fit import Fit

EPS = np.finfo(float).eps
SE3 = iso.Action(groups.SE(3))
SPACE = iso.spaces.Polynomials(3, degree=3)


def about_an_axis(seed, broken=0.0):
    """A cubic that is symmetric about an axis parallel to z, with 5% noise, and candidates SE(3)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(100, 3))
    square = (X[:, 0] - 0.25) ** 2 + (X[:, 1] + 0.5) ** 2
    y = X[:, 2] + square + X[:, 2] * square + broken * X[:, 0] * X[:, 1]
    return X, y + 0.05 * y.std() * rng.normal(size=100)


@pytest.fixture(scope="module", params=[0, 1])
def fit(request):
    return promote(SPACE, SE3, *about_an_axis(request.param))


@pytest.mark.parametrize("rows", [2, 4, 7])
def test_directions_are_the_right_singular_vectors(rows):
    images = list(np.random.default_rng(0).normal(size=(3, rows, 4)))
    values, directions = _spectra(images)
    assert values.shape == (3, 4)
    assert directions.shape == (3, 4, 4)
    for image, sizes, right in zip(images, values, directions, strict=True):
        np.testing.assert_allclose(right @ right.T, np.eye(4), atol=32 * EPS)
        np.testing.assert_allclose(right.T @ np.diag(sizes**2) @ right, image.T @ image, atol=64 * EPS * sizes[0] ** 2)


def test_many_candidates_leave_the_directions_out():
    wide = [np.ones((2, MOST_DIRECTIONS + 1))]
    values, directions = _spectra(wide)
    assert values.shape == (1, MOST_DIRECTIONS + 1)
    assert directions is None
    bare = Path(np.ones(1), values, np.ones(1), np.zeros(1), 0)
    with pytest.raises(iso.IsotropyError, match="holds no directions: paths of more than 64 candidates"):
        bare.along(np.ones((1, MOST_DIRECTIONS + 1)))


def test_sizes_along_and_across_are_those_of_the_images():
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 6, 5))
    values, directions = _spectra(list(images))
    path = Path(np.array([1.0, 0.1]), values, np.zeros(2), np.zeros(2), 0, directions)
    generators = rng.normal(size=(2, 5))
    unit = generators / np.linalg.norm(generators, axis=1, keepdims=True)
    expected = np.linalg.norm(images @ unit.T, axis=1)
    np.testing.assert_allclose(path.along(generators), expected, rtol=64 * EPS)
    rest = np.eye(5) - np.linalg.pinv(generators) @ generators
    across = np.linalg.svd(images @ rest, compute_uv=False)
    np.testing.assert_allclose(path.across(generators), across[:, :3], rtol=1e3 * EPS)
    np.testing.assert_allclose(path.across(np.zeros((0, 5))), values, rtol=64 * EPS)


def test_what_survives_is_told_in_words(fit):
    """By a fit whose axis is known: a generator of the survivors, by name and number."""
    assert fit.symmetries.dimension == 1
    (text,) = fit.surviving(SE3)
    assert "x ∂y" in text
    assert "− y ∂x" in text
    # The direction on the path is near the planted one, and the candidates are in its own words.
    rows, _ = fit.path.nearly_kept(fit.path.chosen)
    planted = np.linalg.lstsq(
        SE3.generators(np.eye(6)).reshape(6, -1).T,
        np.array([[0, -1, 0, -0.5], [1, 0, 0, -0.25], [0, 0, 0, 0], [0, 0, 0, 0]]).ravel(),
        rcond=None,
    )[0]
    assert abs(rows[0] @ planted) / np.linalg.norm(planted) > 0.99
    # Its size is that of A(w), which the spectrum has too.
    np.testing.assert_allclose(
        fit.path.along(rows)[fit.path.chosen], fit.path.spectra[fit.path.chosen, -1:], rtol=1e4 * EPS
    )
    # A strength that is not on the path stands for the nearest one that is.
    assert fit.surviving(SE3, 1.01 * fit.strength) == fit.surviving(SE3)


def test_a_broken_axis_is_given_up_along_the_path():
    X, y = about_an_axis(0, broken=0.5)
    fit = promote(SPACE, SE3, X, y, strengths=np.geomspace(10, 1e-5, 9))
    assert len(fit.surviving(SE3, 10)) == 6  # nothing is left of the data, and all of the symmetry
    assert fit.surviving(SE3, 1e-5) == ()


def test_unseen_candidates_are_not_among_the_survivors():
    """Rotations move no radial function, and are kept by no data: a strong norm keeps the translations alone."""
    radial = Features([lambda x: x @ x, lambda x: (x @ x) ** 2], names=["s", "s^2"], input_dimension=3)
    X = np.random.default_rng(0).uniform(-1, 1, (40, 3))
    noise = 0.05 * np.random.default_rng(1).normal(size=40)
    fit = promote(radial, SE3, X, (X**2).sum(axis=1) + noise, strengths=np.geomspace(100, 1e-4, 5))
    assert fit.symmetries.unseen.dimension == 3
    assert fit.surviving(SE3, 100) == ("∂x", "∂y", "∂z")
    assert fit.surviving(SE3, 1e-4) == ()
    upper = fit.plot().axes[0]
    assert len([line for line in upper.lines if len(line.get_xdata()) == 5 and line.get_label() != "zero"]) == 3


def test_without_a_path_the_method_says_so(fit):
    bare = dataclasses.replace(fit, path=None)
    with pytest.raises(iso.IsotropyError, match="no path was followed: leave out `strength`"):
        bare.surviving(SE3)
    with pytest.raises(iso.IsotropyError, match="`action` has 3 generators, but the path is one of 6"):
        fit.surviving(iso.Action(groups.SO(3)))


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_directions_are_saved_and_older_records_lack_them(fit, tmp_path, ending):
    file = fit.save(tmp_path / f"fit{ending}")
    again = Fit.load(file)
    np.testing.assert_array_equal(again.path.directions, fit.path.directions)
    assert again.surviving(SE3) == fit.surviving(SE3)
    record = fit.path.to_dict()
    del record["directions"]
    older = Path.from_dict(record)
    assert older.directions is None
    np.testing.assert_array_equal(older.spectra, fit.path.spectra)
    dataclasses.replace(fit, path=older).plot().savefig(io.BytesIO(), format="png")


def test_the_figure_names_what_survives_and_greys_the_rest(fit):
    figure = fit.plot()
    figure.savefig(io.BytesIO(), format="png")
    upper = figure.axes[0]
    assert upper.get_yscale() == "log"
    lines = {line.get_label(): line for line in upper.lines}
    named = lines[fit.symmetries.generator_text[0].replace(" ∂", "\u00a0∂")]
    top = fit.path.spectra.max()
    np.testing.assert_allclose(named.get_ydata(), fit.path.along(fit.symmetries.coefficients)[:, 0] / top)
    grey = [line for line in upper.lines if line.get_color() == lines["given up"].get_color()]
    assert len(grey) == 5
    # At the chosen strength what survives stands far below all that was given up.
    chosen = fit.path.chosen
    assert named.get_ydata()[chosen] < 0.2 * min(line.get_ydata()[chosen] for line in grey)


def test_zeros_are_drawn_at_the_foot():
    X, y = about_an_axis(0)
    fit = promote(SPACE, SE3, X, y, strengths=[100.0, 1e-2, 1e-3])
    upper = fit.plot().axes[0]
    (zeros,) = [line for line in upper.lines if line.get_label() == "zero"]
    assert list(zeros.get_xdata()) == [100.0]
    low, _ = upper.get_ylim()
    others = [line.get_ydata() for line in upper.lines if len(line.get_xdata()) == 3]
    assert len(others) == 6
    assert low < zeros.get_ydata()[0] == min(heights[0] for heights in others)
    assert zeros.get_ydata()[0] < min(heights[1:].min() for heights in others)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ((True,), "1 of 1 kept (number 0)"),
        ((False, False), "none of 2 kept"),
        ((True, False, True), "2 of 3 kept (numbers 0, 2)"),
    ],
)
def test_kept_discrete_candidates_are_counted_and_numbered(fit, kept, words):
    assert f"\ndiscrete candidates: {words}\n" in str(dataclasses.replace(fit, components=kept))
    assert "discrete" not in str(fit)
