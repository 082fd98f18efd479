"""Promotion on input that is exact, poor, degenerate or wrong: a right answer with a warning, or one clear error."""

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.losses import LeastSquares, Smooth
from isotropy.numerics.surviving import CONFIDENCE, noncentrality

X = np.random.default_rng(0).uniform(-1, 1, (60, 3))
PLANE, SOLID = Polynomials(2, degree=2), Polynomials(3, degree=2)
NOISE = np.random.default_rng(1).normal(size=60)


def found(fit):
    """The name and the verdict."""
    return fit.symmetries.name, fit.symmetries.decision.verdict


@pytest.mark.parametrize("rows", [60, 8])
@pytest.mark.parametrize("group", [groups.SO(3), groups.O(3)])
def test_exact_data_that_every_candidate_leaves_alone(group, rows):
    """The least norm is zero, and no solver is needed to see it."""
    fit = iso.promote(SOLID, iso.Action(group), X[:rows], (X[:rows] ** 2).sum(axis=1), exact=True)
    assert found(fit) == ("so(3)", "supported")
    assert fit.converged
    assert fit.value == 0
    assert all(fit.components)
    assert fit.describe() == ("x^2 + y^2 + z^2",)


@pytest.mark.parametrize("noise", [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-4])
def test_data_with_next_to_no_noise_need_no_special_word(noise):
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.5 * X[:, 2] + noise * NOISE
    fit = iso.promote(SOLID, iso.Action(groups.SE(3)), X, y)
    assert found(fit) == ("so(2)", "supported")
    assert fit.symmetries.generator_text == ("x ∂y − y ∂x",)
    assert fit.converged


@pytest.mark.parametrize("group", [groups.SO(3), groups.O(3)])
def test_data_without_noise_that_every_candidate_leaves_alone(group):
    fit = iso.promote(SOLID, iso.Action(group), X, (X**2).sum(axis=1))
    assert found(fit) == ("so(3)", "supported")
    assert fit.converged
    assert fit.describe() == ("x^2 + y^2 + z^2",)


def test_a_small_break_in_data_without_noise_is_seen():
    fit = iso.promote(
        SOLID, iso.Action(groups.SO(3)), X, (X**2).sum(axis=1) + 1e-4 * X[:, 0], strength=1e-9, tolerance=1e-6
    )
    assert found(fit) == ("so(2)", "supported")
    assert fit.symmetries.generator_text == ("y ∂z − z ∂y",)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_values_that_do_not_vary(value):
    fit = iso.promote(SOLID, iso.Action(groups.SE(3)), X, np.full(60, value))
    assert fit.symmetries.dimension == 6
    assert np.abs(fit.predict(X) - value).max() <= 1e-12


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_hardly_more_data_than_coefficients_support_nothing(extra):
    """An F-test with one or two degrees of freedom does not refuse anything, which is no support."""
    rng = np.random.default_rng(extra)
    for _ in range(4):
        Z = rng.uniform(-1, 1, (SOLID.dimension + extra, 3))
        y = SOLID.values(Z) @ rng.normal(size=SOLID.dimension) + 0.05 * rng.normal(size=len(Z))
        fit = iso.promote(SOLID, iso.Action(groups.SE(3)), Z, y, strength=1e-2)
        assert found(fit)[1] == "cannot tell"
        assert "nothing says how large the noise is" in fit.symmetries.decision.reason
        assert fit.symmetries.dimension == 0


def test_what_could_hide_is_bounded_and_the_bound_holds():
    """Sets with a break at the bound of their own design are passed in at most one of twenty, and a few."""
    y = X[:, 0] ** 2 + X[:, 1] ** 2
    action, given = iso.Action(groups.SO(2)), {"strength": 1e-3, "noise": 0.1}
    plain = iso.promote(PLANE, action, X[:, :2], y + 0.1 * NOISE, **given)
    (trial,) = plain.trials
    assert 0 < trial.hidden < 0.5
    assert f"{trial.hidden:.1%} of the values' size could hide" in plain.symmetries.decision.reason
    rng, kept = np.random.default_rng(2), 0
    line = X[:, 0] / np.sqrt(np.mean(X[:, 0] ** 2))
    for _ in range(40):
        values = y + trial.hidden * np.sqrt(np.mean(y**2)) * line + 0.1 * rng.normal(size=60)
        kept += iso.promote(PLANE, action, X[:, :2], values, level=0.3, **given).symmetries.dimension
    assert kept <= 6


def test_noncentrality_is_the_one_whose_chance_is_left():
    from scipy import stats

    for ratio, extra, within in ((1.0, 3, 20.0), (2.5, 10, 8.0), (1.0, 5, np.inf)):
        size = noncentrality(ratio, extra, within)
        chance = (
            stats.ncx2.cdf(ratio * extra, extra, size)
            if np.isinf(within)
            else stats.ncf.cdf(ratio, extra, within, size)
        )
        assert abs(chance - (1 - CONFIDENCE)) < 0.015


@pytest.mark.parametrize(
    ("third", "kept"),
    [("constant", "x ∂y − y ∂x"), ("repeated", None), ("on a sphere", "x ∂y − y ∂x")],
)
def test_candidates_that_lead_out_of_where_the_data_lie_are_unseen(third, kept):
    Z = X.copy()
    if third == "on a sphere":
        Z /= np.linalg.norm(Z, axis=1, keepdims=True)
        y = Z[:, 2] ** 2 + Z[:, 2]
    else:
        Z[:, 2] = 1.0 if third == "constant" else Z[:, 0]
        y = Z[:, 0] ** 2 + Z[:, 1] ** 2
    with pytest.warns(iso.IsotropyWarning, match="3 of the 6 candidates lead out of it"):
        fit = iso.promote(SOLID, iso.Action(groups.SE(3)), Z, y + 0.02 * NOISE)
    assert len(fit.symmetries.unseen.coefficients) == 3
    assert fit.symmetries.generator_text == (() if kept is None else (kept,))


def test_labels_that_a_function_separates_have_no_fit_to_compare_with():
    labels = np.sign(X[:, 0])
    for rows in (60, 8):
        fit = iso.promote(PLANE, iso.Action(groups.SE(2)), X[:rows, :2], labels[:rows], loss="logistic", strength=1e-2)
        assert found(fit)[1] == "cannot tell"
        assert "separates the labels" in fit.symmetries.decision.reason


def test_few_labels_support_nothing():
    rng = np.random.default_rng(3)
    chance = 1 / (1 + np.exp(-4 * ((X[:, :2] ** 2).sum(axis=1) - 0.6)))
    labels = np.where(rng.uniform(size=60) < chance, 1.0, -1.0)
    fit = iso.promote(
        Polynomials(2, degree=3), iso.Action(groups.SE(2)), X[:, :2], labels, loss="logistic", strength=1e-2
    )
    assert found(fit)[1] == "cannot tell"
    assert "0" not in fit.symmetries.generator_text


@pytest.mark.parametrize("unit", [1e-3, 1.0, 100.0])
def test_hubers_loss_knows_no_units(unit):
    y = (X[:, :2] ** 2).sum(axis=1) + 0.03 * NOISE
    y[:4] += 5.0
    fit = iso.promote(PLANE, iso.Action(groups.SE(2)), X[:, :2], unit * y, loss="huber", strength=0.01 * unit)
    assert found(fit) == ("so(2)", "supported")
    clean = (X[:, :2] ** 2).sum(axis=1)
    plain = PLANE.values(X[:, :2]) @ np.linalg.lstsq(PLANE.values(X[:, :2]), y, rcond=None)[0]
    error = lambda values: np.sqrt(np.mean((values - clean) ** 2))  # noqa: E731
    assert error(fit.predict(X[:, :2]) / unit) < 0.2 * error(plain)


def test_steps_by_a_quadratic_bound_minimise_hubers_loss_from_far_away():
    design, targets = np.stack([np.ones(60), X[:, 0]], axis=1), 100.0 + 3.0 * X[:, 0] + 0.1 * NOISE
    loss = Smooth.huber(design, targets, width=0.05)
    w = loss.minimise()
    assert np.abs(loss.value_and_gradient(w)[1]).max() < 1e-8
    assert np.abs(w[:, 0] - [100.0, 3.0]).max() < 0.1


def test_a_loss_of_ones_own():
    y = (X[:, :2] ** 2).sum(axis=1) + 0.02 * NOISE
    fit = iso.promote(PLANE, iso.Action(groups.SE(2)), X[:, :2], y, loss=LeastSquares, strength=1e-3)
    assert found(fit) == ("so(2)", "supported")


PLAIN = (X[:, :2] ** 2).sum(axis=1) + 0.05 * NOISE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strength": -1.0}, "'strength' parameter must be a finite number >= 0"),
        ({"strength": float("nan")}, "'strength' parameter must be a finite number >= 0"),
        ({"strength": "big"}, "'strength' parameter must be a finite number >= 0"),
        ({"strength": [0.1, 0.2]}, "'strength' parameter must be a finite number >= 0"),
        ({"sparsity": -1.0}, "'sparsity' parameter must be a finite number >= 0"),
        ({"noise": "a"}, "'noise' parameter must be a finite number >= 0"),
        ({"noise": 0.0}, "for data without noise use `exact=True`"),
        ({"iterations": 0}, "'iterations' parameter of promote must be an integer >= 1"),
        ({"tolerance": float("nan")}, "'tolerance' parameter of promote must lie between 0 and 1"),
        ({"tolerance": 0}, "'tolerance' parameter of promote must lie between 0 and 1"),
        ({"level": "x"}, "'level' parameter of promote must lie between 0 and 1"),
        ({"seed": "a"}, "'seed' parameter of promote must be an integer >= 0"),
        ({"samples": X[:, :2]}, "`samples` must be iso.Samples"),
        ({"strength": 0.1, "strengths": [0.1]}, "give one of the two"),
        ({"exact": True, "strengths": [0.1]}, "leave those out"),
        ({"exact": True, "noise": 0.1}, "leave those out"),
        ({"discrete": 0.1}, "this group is connected"),
        ({"loss": "absolute"}, "must be one of squares, logistic, huber"),
        ({"loss": lambda design, targets: 3.0}, "must make a LeastSquares or Smooth loss. Got float"),
        ({"loss": LeastSquares, "bootstrap": 99}, "leave it out"),
        ({"loss": "huber", "noise": 0.1}, "leave it out"),
        ({"loss": "logistic"}, "must hold labels -1 and 1, both of them"),
    ],
)
def test_one_clear_error(given, said):
    with pytest.raises(iso.IsotropyError, match=said):
        iso.promote(PLANE, iso.Action(groups.SO(2)), X[:, :2], PLAIN, **given)


def test_labels_of_one_class_or_of_another_kind():
    for labels in (np.ones(60), X[:, 0] > 0):
        with pytest.raises(iso.IsotropyError, match="map the two classes to -1 and 1"):
            iso.promote(PLANE, iso.Action(groups.SO(2)), X[:, :2], labels, loss="logistic")


def test_one_row_and_numbers_of_numpy():
    with pytest.raises(iso.IsotropyError, match="one row of `X` cannot choose a strength"):
        iso.promote(PLANE, iso.Action(groups.SO(2)), X[:1, :2], PLAIN[:1])
    fit = iso.promote(PLANE, iso.Action(groups.SO(2)), X[:, :2], PLAIN, folds=np.int64(4), seed=np.int64(1))
    assert found(fit) == ("so(2)", "supported")


def test_many_rows_take_memory_in_proportion():
    """A table of all pairs of rows would have 900 million entries."""
    rng = np.random.default_rng(4)
    many = rng.uniform(-1, 1, (30_000, 2))
    values = (many**2).sum(axis=1) + 0.1 * rng.normal(size=len(many))
    fit = iso.promote(PLANE, iso.Action(groups.SE(2)), many, values, strength=1e-3)
    assert found(fit) == ("so(2)", "supported")


def test_a_weight_counts_rows_in_the_width_of_hubers_loss():
    from isotropy.promote.minimised import robust

    design, values = PLANE.values(X[:, :2]), PLAIN[:, None]
    counts = np.random.default_rng(5).integers(1, 4, 60)
    weighted = robust(design, values, counts.astype(float))
    repeated = robust(np.repeat(design, counts, axis=0), np.repeat(values, counts, axis=0), None)
    assert weighted.keywords["width"] == pytest.approx(repeated.keywords["width"], rel=1e-9)
