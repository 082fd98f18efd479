"""SymmetricRegressor: scikit-learn's own checks, fits against oracles, symmetric fits of few samples, refusals."""

from __future__ import annotations

import pickle
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sla
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import check_estimator

from isotropy import Action, IsotropyError, IsotropyWarning, SymmetricRegressor, groups, spaces
from isotropy.promote import promote
from isotropy.testing import assert_equivariant

EPS = np.finfo(np.float64).eps
V = groups.SO(3).vector
EQUIVARIANT = Action(2 * V, V)
CUBICS = spaces.Polynomials(6, degree=3)

NEED_OTHER_PACKAGES = {
    "check_array_api_input",
    "check_regressor_data_not_an_array",
}
"""Checks of scikit-learn that leave themselves out, in whole or in part, without SCIPY_ARRAY_API."""


def force(X: np.ndarray) -> np.ndarray:
    """An equivariant function of two vectors, cubic."""
    x, y = X[:, :3], X[:, 3:]
    return 0.5 * x - (x * y).sum(axis=1, keepdims=True) * y + 0.3 * np.cross(x, y)


class Promotion(SymmetricRegressor):
    """One of scikit-learn's checks sets ``alpha``, which promotion refuses, where there are no ``alphas``."""

    alphas = ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sparse": True},
        pytest.param({"how": "promote", "strength": 0.1, "folds": 3}, marks=pytest.mark.slow),
        pytest.param({"how": "auto", "strength": 0.1, "folds": 3}, marks=pytest.mark.slow),
    ],
)
def test_the_checks_of_scikit_learn(options):
    """All of them; those that compare are given a strength and three folds, which saves fits."""
    kind = Promotion if options.get("how") == "promote" else SymmetricRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(kind(**options), on_skip=None, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] not in ("passed", "skipped")] == []
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= NEED_OTHER_PACKAGES
    assert sum(result["status"] == "passed" for result in results) > 40


@pytest.mark.parametrize("alpha", [1e-3, 1.0])
def test_without_a_group_it_is_ridge_on_scaled_features(alpha):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 2)) + 1, rng.standard_normal((40, 2))
    model = SymmetricRegressor(alpha=alpha).fit(X, y)
    features = spaces.Polynomials(2, degree=2).values(X)[:, 1:]
    size = np.sqrt((features**2).mean(axis=0))
    oracle = Ridge(alpha=alpha, tol=EPS).fit(features / size, y)
    np.testing.assert_allclose(model.coefficients_[1:].T * size, oracle.coef_, rtol=1e5 * EPS, atol=1e5 * EPS)
    np.testing.assert_allclose(model.coefficients_[0], oracle.intercept_, rtol=1e5 * EPS, atol=1e5 * EPS)


@pytest.mark.parametrize("alpha", [1e-4, 1.0])
def test_an_enforced_fit_is_the_constrained_minimum(alpha):
    """Against the stationarity equations with the constraint written out over all coefficients."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 2))
    y = (X**2).sum(axis=1) + 0.3 * rng.standard_normal(30) + 1
    space = spaces.Polynomials(2, degree=4)
    model = SymmetricRegressor(space, Action(groups.SO(2)), alpha=alpha).fit(X, y)
    features = space.values(X)
    size = np.sqrt((features**2).mean(axis=0))
    size[0] = 0.0  # constants are free
    null = sla.null_space(model.basis_.matrix.toarray()).T  # what the coefficients must be orthogonal to
    hessian = features.T @ features + alpha * np.diag(size**2)
    system = np.block([[hessian, null.T], [null, np.zeros((len(null), len(null)))]])
    solution = np.linalg.solve(system, np.concatenate([features.T @ y, np.zeros(len(null))]))[: space.dimension]
    tolerance = EPS * np.linalg.cond(system) * np.abs(solution).max()
    np.testing.assert_allclose(model.coefficients_[:, 0], solution, atol=tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_clean_data_are_recovered_from_few_samples(seed):
    rng = np.random.default_rng(seed)
    X, fresh = rng.standard_normal((8, 6)), rng.standard_normal((100, 6))
    model = SymmetricRegressor(CUBICS, EQUIVARIANT).fit(X, force(X))
    assert len(model.coef_) < 8 * 3 < CUBICS.dimension
    np.testing.assert_allclose(model.predict(fresh), force(fresh), atol=1e6 * EPS * np.abs(force(fresh)).max())


def test_symmetry_helps_where_data_are_few_and_noisy():
    rng = np.random.default_rng(0)
    X, fresh = rng.standard_normal((60, 6)), rng.standard_normal((500, 6))
    Y = force(X) + 0.1 * rng.standard_normal((60, 3))
    scores = [SymmetricRegressor(CUBICS, action).fit(X, Y).score(fresh, force(fresh)) for action in (EQUIVARIANT, None)]
    assert scores[0] > 0.99 > scores[1]


@pytest.mark.parametrize("options", [{}, {"sparse": True}, {"alpha": 0.1}])
def test_predictions_are_equivariant(options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6))
    Y = force(X) + 0.5 * rng.standard_normal((60, 3))
    model = SymmetricRegressor(CUBICS, EQUIVARIANT, **options).fit(X, Y)
    turn = sla.expm(np.cross(np.eye(3), rng.standard_normal(3)))
    turned = model.predict(X @ np.kron(np.eye(2), turn).T)
    np.testing.assert_allclose(turned, model.predict(X) @ turn.T, atol=1e4 * EPS * np.abs(turned).max())


def test_the_fit_is_a_model_that_jax_can_trace():
    X = np.random.default_rng(0).standard_normal((30, 3))
    action = Action(V, V)
    model = SymmetricRegressor(spaces.Polynomials(3, degree=3), action).fit(X, X * (X**2).sum(axis=1, keepdims=True))
    assert_equivariant(lambda x: jnp.asarray(model.coef_, x.dtype) @ model.basis_(x), action)


def test_a_sparse_fit_finds_the_terms():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6))
    Y = force(X) + 0.01 * rng.standard_normal((200, 3))
    model = SymmetricRegressor(CUBICS, EQUIVARIANT, sparse=True).fit(X, Y)
    dense = SymmetricRegressor(CUBICS, EQUIVARIANT).fit(X, Y)
    truth = SymmetricRegressor(CUBICS, EQUIVARIANT).fit(X, force(X)).coef_
    terms = np.abs(truth) > np.sqrt(EPS)
    assert terms.sum() == 3
    np.testing.assert_array_equal(model.coef_ != 0, terms)
    assert (dense.coef_ != 0).all()
    np.testing.assert_allclose(model.coef_, truth, atol=0.01)


@pytest.mark.parametrize("options", [{}, {"sparse": True}])
def test_weights_count_repetitions(options):
    rng = np.random.default_rng(0)
    X, counts = rng.standard_normal((20, 6)), rng.integers(0, 4, 20)
    Y = force(X) + 0.1 * rng.standard_normal((20, 3))
    model = SymmetricRegressor(CUBICS, EQUIVARIANT, **options)
    weighted = clone(model).fit(X, Y, sample_weight=counts)
    repeated = clone(model).fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0))
    # The place of a minimum, here of the cross-validation score, is known to the square root of rounding.
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=10 * np.sqrt(EPS), atol=10 * np.sqrt(EPS))


@pytest.mark.parametrize("options", [{"how": "promote"}, {"how": "auto", "strength": 0.01}])
@pytest.mark.parametrize("part", [0.0, 1.0])
def test_weights_count_repetitions_in_what_is_compared_and_tested(options, part):
    """Where one rotation survives, and where none does; a weight of nought leaves a row out, whatever it says."""
    rng = np.random.default_rng(0)
    X, counts = rng.uniform(-1, 1, (40, 3)), rng.integers(0, 4, 40)
    y = X[:, 0] ** 2 + (1 + part) * X[:, 1] ** 2 + (0.5 + part * X[:, 0]) * X[:, 2] + 0.02 * rng.standard_normal(40)
    y[counts == 0] = 100.0
    order = rng.permutation(40)
    model = SymmetricRegressor(**options)
    weighted = clone(model).fit(X[order], y[order], sample_weight=counts[order])
    repeated = clone(model).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert weighted.chosen_ == repeated.chosen_
    # Where nothing survives it is the solver's answer, whose gap is what both stop at.
    np.testing.assert_allclose(weighted.coefficients_, repeated.coefficients_, atol=1e-4)
    if options["how"] == "auto":
        assert weighted.held_out_ == pytest.approx(repeated.held_out_, rel=1e-3)
        return
    assert weighted.symmetries_.dimension == repeated.symmetries_.dimension == (0 if part else 1)
    for ours, theirs in zip(weighted.fit_.trials, repeated.fit_.trials, strict=True):
        assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-3)


@pytest.mark.parametrize("shape", [(30,), (30, 1)])
def test_outputs_keep_their_shape(shape):
    X = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    y = (X**2).sum(axis=1).reshape(shape)
    model = SymmetricRegressor(spaces.Polynomials(3, degree=2), Action(groups.O(3))).fit(X, y)
    assert model.predict(X).shape == shape
    assert model.describe() == ("x^2 + y^2 + z^2",)
    assert model.n_features_in_ == 3


def test_clones_and_pickles():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (60, 2))
    y = np.cos(X[:, 0]) + np.cos(X[:, 1])
    model = SymmetricRegressor(spaces.Fourier(2, degree=2), Action(groups.D(4)))
    fitted = clone(model).fit(X, y)
    np.testing.assert_allclose(fitted.predict(X), y, atol=1e5 * EPS)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_promotion_finds_the_rotations_that_the_data_allow():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (40, 3))
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.5 * X[:, 2] + 0.01 * rng.standard_normal(40)
    model = SymmetricRegressor(how="promote").fit(X, y)
    assert model.symmetries_.dimension == 1
    assert model.symmetries_.generator_text[0] in ("x ∂y − y ∂x", "y ∂x − x ∂y")
    assert model.score(X, y) > 0.99


@pytest.mark.parametrize(
    "options",
    [
        {"strength": 0.01},
        {"level": 0.2, "folds": 3},
        {"noise": 0.02, "sparsity": 1e-3, "seed": 4},
    ],
)
def test_the_parameters_of_promotion_reach_it(options):
    rng = np.random.default_rng(2)
    X = rng.uniform(-1, 1, (40, 3))
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.5 * X[:, 2] + 0.02 * rng.standard_normal(40)
    space, action = spaces.Polynomials(3, degree=2), Action(groups.SO(3))
    model = SymmetricRegressor(space, action, "promote", **options).fit(X, y)
    fit = promote(space, action, X, y, **options)
    np.testing.assert_allclose(model.coefficients_[:, 0], fit.coefficients, atol=1e6 * EPS)
    assert model.fit_.settings == fit.settings
    assert not hasattr(model, "basis_")
    assert not hasattr(model, "alpha_")


def test_a_strict_level_keeps_what_a_lenient_one_refuses():
    """A break about as large as the noise: its p-value lies between the two levels."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 2))
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.03 * X[:, 0] + 0.05 * rng.standard_normal(60)
    p_value = max(trial.p_value for trial in SymmetricRegressor(how="promote").fit(X, y).fit_.trials)
    for level, survivors in ((p_value / 2, 1), ((1 + p_value) / 2, 0)):
        assert SymmetricRegressor(how="promote", level=level).fit(X, y).symmetries_.dimension == survivors


@pytest.mark.parametrize(("part", "expected"), [(0.0, "enforce"), (0.5, "promote"), (None, "promote")])
def test_auto_takes_what_predicts_best(part, expected):
    """Symmetric under all rotations, under those about one axis, and under none: promotion then keeps nothing."""
    rng = np.random.default_rng(0)
    X, fresh = rng.uniform(-1, 1, (40, 3)), rng.uniform(-1, 1, (500, 3))

    def truth(X: np.ndarray) -> np.ndarray:
        if part is None:
            return X @ [1.0, 2.0, 3.0] + X[:, 0] * X[:, 1] - X[:, 2] * X[:, 1] + X[:, 0] ** 2
        return (X**2).sum(axis=1) + part * (X[:, 2] + X[:, 2] ** 2)

    y = truth(X) + 0.2 * rng.standard_normal(40)
    action = Action(groups.SO(3))
    model = SymmetricRegressor(action=action, how="auto").fit(X, y)
    assert model.chosen_ == expected
    if expected == "promote":
        assert model.symmetries_.dimension == (1 if part else 0)
    assert model.held_out_[expected] <= 1.5 * min(model.held_out_.values())
    # What is fitted is the chosen one, on all data.
    alone = SymmetricRegressor(action=None if expected == "none" else action)
    alone.set_params(how="promote" if expected == "promote" else "enforce").fit(X, y)
    np.testing.assert_array_equal(model.predict(fresh), alone.predict(fresh))
    assert clone(model).how == "auto"


def test_a_space_without_symmetric_functions_gives_zero_and_a_warning():
    space = spaces.Polynomials(3, degree=1, minimum_degree=1)
    X, y = np.random.default_rng(0).standard_normal((20, 3)), np.ones(20)
    with pytest.warns(IsotropyWarning, match="can only be zero"):
        model = SymmetricRegressor(space, Action(groups.SO(3))).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), 0)


X, Y = np.zeros((10, 3)), np.zeros((10, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SymmetricRegressor(spaces.Polynomials(2, degree=2)).fit(X, Y), "X has 3 features, but the functions"),
        (lambda: SymmetricRegressor(action=Action(groups.SO(2))).fit(X, Y[:, 0]), "X has 3 features, but `action`"),
        (lambda: SymmetricRegressor(action=Action(groups.SO(3))).fit(X, Y), "y has 3 columns, but `action` moves 1"),
        (lambda: SymmetricRegressor(action=V).fit(X, Y), "'action' parameter"),
        (lambda: SymmetricRegressor(space=3).fit(X, Y), "'space' parameter"),
        (lambda: SymmetricRegressor(how="impose").fit(X, Y), "'how' parameter"),
        (lambda: SymmetricRegressor(alpha=-1.0).fit(X, Y), "'alpha' parameter"),
        (lambda: SymmetricRegressor(strength=-5).fit(X, Y), "'strength' parameter .* Got -5 instead"),
        (lambda: SymmetricRegressor(how="auto", level=1.0).fit(X, Y), "'level' parameter"),
        (lambda: SymmetricRegressor(how="promote", noise=0.0).fit(X, Y), "'noise' parameter"),
        (lambda: SymmetricRegressor(how="promote", sparsity=np.nan).fit(X, Y), "'sparsity' parameter"),
        (lambda: SymmetricRegressor(how="promote", folds=1).fit(X, Y), "'folds' parameter"),
        (lambda: SymmetricRegressor(how="promote", folds=2.5).fit(X, Y), "'folds' parameter"),
        (lambda: SymmetricRegressor(how="promote", alpha=0.1).fit(X, Y), "`alpha` does nothing under how='promote'"),
        (lambda: SymmetricRegressor(how="promote", alpha=1, sparse=True).fit(X, Y), "`alpha`, `sparse` do nothing"),
        (lambda: SymmetricRegressor(strength=0.1).fit(X, Y), "`strength` does nothing under how='enforce'"),
        (lambda: SymmetricRegressor(noise=1, folds=3).fit(X, Y), "`noise`, `folds` do nothing under how='enforce'"),
        (lambda: SymmetricRegressor(how="promote").fit(X, Y), "X has 1 sample that differs, of the 2 it needs"),
        (lambda: SymmetricRegressor(how="auto").fit(X, Y), "X has 1 sample that differs, of the 3 it needs"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(IsotropyError, match=message):
        call()


@pytest.mark.parametrize("how", ["enforce", "promote", "auto"])
def test_negative_weights_are_refused(how):
    with pytest.raises(ValueError, match="Negative values"):
        SymmetricRegressor(how=how).fit(np.eye(3), np.ones(3), sample_weight=[1.0, -1.0, 1.0])


def test_one_feature_has_no_rotations_to_promote():
    X = np.random.default_rng(0).standard_normal((20, 1))
    for how in ("promote", "auto"):
        model = SymmetricRegressor(how=how).fit(X, X[:, 0] ** 2)
        assert model.chosen_ == "none"
