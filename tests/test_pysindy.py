"""Optimisers for PySINDy: symmetric to rounding, right about what the data keep, and clear about what does not fit."""

from __future__ import annotations

import importlib
import sys
import warnings

import numpy as np
import pysindy as ps
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from isotropy import Action, IsotropyError, IsotropyWarning, Samples, groups
from isotropy.pysindy import PromotedSINDy, SymmetricSR3, SymmetricSTLSQ, constraints, optimise, report
from isotropy.pysindy.library import space_of
from isotropy.pysindy.moments import BLOCKS
from isotropy.pysindy.subspace import _of_functions

EPS = np.finfo(np.float64).eps
SO2, SO3 = groups.SO(2), groups.SO(3)
ROTATIONS = Action.vector_field(SO3)
PLANE = Action.vector_field(SO2)
AXIS = np.array([1.0, 2.0, 2.0]) / 3
ABOUT_AXIS = Action.vector_field(groups.Group([np.cross(np.eye(3), AXIS)]))


def terms(library, x):
    return np.asarray(library.fit_transform(x))


def violation(action, library, coefficients, **options):
    """The part of coefficients outside the symmetric subspace, relative to them."""
    return np.linalg.norm(constraints(action, library, **options) @ coefficients.ravel()) / np.linalg.norm(coefficients)


def preferred_axis(x, broken=0.0):
    along = x @ AXIS
    spin = np.cross(AXIS, x)
    return spin * (1 + 0.5 * along[:, None]) - 0.5 * x + broken * x[:, :1] * np.array([0.0, 0.0, 1.0])


# --- the law: coefficients are symmetric, whatever the library -------------------------------------------------------

RADIAL = ps.CustomLibrary(
    [lambda x, y: x * np.exp(-(x**2) - y**2), lambda x, y: y * np.exp(-(x**2) - y**2), lambda x, y: np.abs(x) * y]
)
CUBES = ps.CustomLibrary([lambda x: x, lambda x: x**3, lambda x, y: x * y**2, lambda x, y: x**2 * y])
HALF_TURN = groups.Group((), components=[np.diag([-1.0, -1.0, 1.0])])
CASES = {
    "polynomials": (ROTATIONS, ps.PolynomialLibrary(degree=3)),
    "no constant": (ROTATIONS, ps.PolynomialLibrary(degree=3, include_bias=False)),
    "concatenated": (PLANE, ps.PolynomialLibrary(degree=1) + ps.PolynomialLibrary(degree=3, include_bias=False)),
    "tensored": (PLANE, ps.PolynomialLibrary(degree=1) * ps.PolynomialLibrary(degree=2)),
    "custom monomials": (PLANE, CUBES),
    "generalised": (PLANE, ps.GeneralizedLibrary([ps.PolynomialLibrary(degree=1), ps.PolynomialLibrary(degree=3)])),
    "custom": (PLANE, ps.PolynomialLibrary(degree=1) + RADIAL),
    "affine": (Action.vector_field(groups.T(2)), ps.PolynomialLibrary(degree=2)),
    "control": (Action(SO2.vector + SO2.scalar, SO2.vector), ps.PolynomialLibrary(degree=2)),
    "reflections": (Action.vector_field(groups.O(3)), ps.PolynomialLibrary(degree=3)),
    "signs": (Action.vector_field(HALF_TURN), ps.PolynomialLibrary(degree=2)),
    "fourier": (Action.vector_field(groups.T(2)), ps.PolynomialLibrary(degree=1) + ps.FourierLibrary()),
}  # fmt: skip


def value_rows(action, library, coefficients, points):
    """The defect of a model at points, from values alone: how far moved and plain models differ, by the flow."""
    generators = action.motion.matrices, action.motion.offsets
    step = 1e-3
    worst = 0.0
    for matrix, offset in zip(*generators, strict=True):
        size = len(matrix)
        whole = np.zeros((size + 1, size + 1))
        whole[:size, :size], whole[:size, size] = matrix, offset
        flow = np.linalg.matrix_power(np.eye(size + 1) + step * whole / 64, 64)
        moved = points @ flow[:size, :size].T + flow[:size, size]
        n = action.fibre_dimension
        turn = np.eye(n) + step * action.fibre_matrices(points[:1])[0][0] if size != n else flow[:n, :n]
        left = terms(library, moved) @ coefficients.T
        right = terms(library, points) @ coefficients.T @ turn.T
        worst = max(worst, float(np.abs(left - right).max() / np.abs(right).max()))
    return worst


@pytest.mark.parametrize("optimizer", [SymmetricSTLSQ, SymmetricSR3])
@pytest.mark.parametrize("name", CASES)
def test_the_fit_is_symmetric(name, optimizer):
    action, library = CASES[name]
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, action.base_dimension))
    v = rng.standard_normal((60, action.fibre_dimension))
    theta = terms(library, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Repeated terms make fits that are not unique: symmetric all the same.
        fitted = optimizer(action, library, 0.0, max_iter=300).fit(theta, v)
    rounding = 1e3 if name in ("custom", "fourier") else 1.0
    if np.any(fitted.coef_):
        assert violation(action, library, fitted.coef_) <= rounding * EPS * fitted.coef_.size
    assert fitted.symmetries_.dimension == action.dimension


@pytest.mark.parametrize("name", ["polynomials", "concatenated", "custom", "control", "affine"])
def test_moving_states_moves_the_model(name):
    """The oracle: finite motions of states and values, by the library's own numbers."""
    action, library = CASES[name]
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (60, action.base_dimension))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = SymmetricSTLSQ(action, library, 0.0).fit(
            terms(library, x), rng.standard_normal((60, action.fibre_dimension))
        )
    free = SymmetricSTLSQ(None, None, 0.0).fit(terms(library, x), rng.standard_normal((60, action.fibre_dimension)))
    # The flow is taken to second order in a step of 1/1000.
    assert value_rows(action, library, fitted.coef_, x) < 1e-5
    assert value_rows(action, library, free.coef_, x) > 1e-4


def test_the_subspace_is_that_of_the_foundation():
    """An independent count: Molien's series of SO(3) acting on vector fields, 1, 1 and 1 in degrees 1, 3 and 5."""
    lhs = constraints(ROTATIONS, ps.PolynomialLibrary(degree=5))
    assert lhs.shape == (165, 168)
    assert np.abs(lhs @ lhs.T - np.eye(165)).max() < 168 * EPS


def test_redundant_constraints_do_no_harm():
    """All of so(3), twice over and with reflections: PySINDy's own optimizer needs a full-rank left-hand side."""
    action = Action.vector_field(
        groups.Group(np.concatenate([SO3.matrices, SO3.matrices[:1]])[:3], components=[-np.eye(3)])
    )
    library = ps.PolynomialLibrary(degree=5)
    x = np.random.default_rng(0).standard_normal((400, 3))
    theta = terms(library, x)
    v = -0.1 * x * (x**2).sum(axis=1, keepdims=True) + 0.01 * np.random.default_rng(1).standard_normal(x.shape)
    for optimizer in (SymmetricSTLSQ(action, library, 0.05), SymmetricSR3(action, library, 0.001)):
        optimizer.fit(theta, v)
        assert violation(ROTATIONS, library, optimizer.coef_) <= 1e-12


def test_constraints_for_pysindys_own_optimizer():
    library = ps.PolynomialLibrary(degree=2)
    x = np.random.default_rng(0).standard_normal((200, 2))
    v = x @ np.array([[-0.1, 1.0], [-1.0, -0.1]]) + 0.1 * np.random.default_rng(1).standard_normal(x.shape)
    for order in ("target", "feature"):
        lhs = constraints(PLANE, library, order=order)
        assert np.linalg.matrix_rank(lhs) == len(lhs)
        theirs = ps.ConstrainedSR3(
            constraint_lhs=lhs, constraint_rhs=np.zeros(len(lhs)), constraint_order=order,
            equality_constraints=True, reg_weight_lam=0.0, relax_coeff_nu=1e3, max_iter=300,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ps.SINDy(optimizer=theirs, feature_library=ps.PolynomialLibrary(degree=2)).fit(x, t=1.0, x_dot=v)
        ours = SymmetricSTLSQ(PLANE, library, 0.0, 0.0).fit(terms(library, x), v).coef_
        # Relaxation by nu leaves a difference of the order of 1 / (nu |theta|^2).
        assert np.abs(model.optimizer.coef_full_ - ours).max() < 1e-4


def test_exact_terms_match_terms_looked_at():
    """The integer route and the sampled one agree where both apply."""
    library = ps.PolynomialLibrary(degree=3)
    looked = _of_functions(PLANE, space_of(library, 2), None).rows
    exact = constraints(PLANE, library)
    assert np.abs(exact @ looked.T).max() < 1e4 * EPS
    assert len(looked) == exact.shape[1] - len(exact)


# --- promote: what the data keep ------------------------------------------------------------------------------------


def noisy(field, seed, noise=0.1, count=400):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 3))
    return terms(ps.PolynomialLibrary(degree=2), x), field(x) + noise * rng.standard_normal(x.shape)


@pytest.mark.parametrize("how", ["promote", "auto"])
def test_the_subgroup_about_an_axis_is_found(how):
    theta, v = noisy(preferred_axis, 0)
    fitted = PromotedSINDy(ROTATIONS, threshold=0.0, how=how).fit(theta, v)
    assert fitted.symmetries_.name == "so(2)"
    turn = fitted.symmetries_.generators[0]
    found = np.array([turn[2, 1], turn[0, 2], turn[1, 0]])
    assert np.linalg.norm(np.cross(found / np.linalg.norm(found), AXIS)) < 0.02
    assert violation(ROTATIONS, ps.PolynomialLibrary(degree=2), fitted.coef_) > 0.1
    plain = SymmetricSTLSQ(None, threshold=0.0).fit(theta, v).coef_
    truth = SymmetricSTLSQ(None, threshold=0.0).fit(theta, preferred_axis(theta[:, 1:4])).coef_
    assert np.linalg.norm(fitted.coef_ - truth) < 0.75 * np.linalg.norm(plain - truth)


def test_all_of_a_true_group_is_kept():
    theta, v = noisy(lambda x: -0.5 * x, 1)
    fitted = PromotedSINDy(ROTATIONS, threshold=0.05).fit(theta, v)
    assert fitted.symmetries_.dimension == 3
    assert violation(ROTATIONS, ps.PolynomialLibrary(degree=2), fitted.coef_) <= EPS * 30


def test_nothing_is_kept_where_there_is_nothing():
    theta, v = noisy(lambda x: x @ np.diag([-1.0, -0.5, 0.3]) + 0.2 * x[:, :1] * x, 2)
    fitted = PromotedSINDy(ROTATIONS, threshold=0.0).fit(theta, v)
    assert fitted.symmetries_.dimension == 0
    assert np.allclose(fitted.coef_, SymmetricSTLSQ(None, threshold=0.0).fit(theta, v).coef_)


def test_a_break_of_one_in_a_thousand_is_refused():
    """A near miss, with noise small enough to see it."""
    kept = PromotedSINDy(ROTATIONS, threshold=0.0).fit(*noisy(preferred_axis, 3, noise=1e-4))
    assert kept.symmetries_.dimension == 1
    broken = PromotedSINDy(ROTATIONS, threshold=0.0).fit(*noisy(lambda x: preferred_axis(x, 1e-3), 3, noise=1e-4))
    assert broken.symmetries_.dimension == 0


def lorenz(x):
    return np.stack(
        [10 * (x[:, 1] - x[:, 0]), x[:, 0] * (28 - x[:, 2]) - x[:, 1], x[:, 0] * x[:, 1] - 8 / 3 * x[:, 2]], -1
    )


def test_lorenz_has_one_reflection_of_seven_and_no_rotation():
    signs = groups.Group((), components=[np.diag(d) for d in ([-1.0, 1, 1], [1.0, -1, 1], [1.0, 1, -1])])
    x = np.random.default_rng(0).standard_normal((400, 3)) * 10
    v = lorenz(x) + np.random.default_rng(1).standard_normal(x.shape)
    theta = terms(ps.PolynomialLibrary(degree=2), x)
    fitted = PromotedSINDy(Action.vector_field(signs)).fit(theta, v)
    kept = [element.matrix for element in fitted.symmetries_.components if element.kept]
    assert len(fitted.symmetries_.components) == 7
    assert [np.diag(matrix).tolist() for matrix in kept] == [[-1.0, -1.0, 1.0]]
    assert PromotedSINDy(ROTATIONS).fit(theta, v).symmetries_.dimension == 0


def test_rows_that_err_together_do_not_refuse_what_is_true():
    """Errors that last for ten rows: a test for independent ones would refuse most of these."""
    refused = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.repeat(rng.standard_normal((60, 3)), 10, axis=0)
        v = -0.5 * x + 0.3 * np.repeat(rng.standard_normal((60, 3)), 10, axis=0)
        theta = terms(ps.PolynomialLibrary(degree=1), x)
        refused += PromotedSINDy(ROTATIONS, how="auto").fit(theta, v).symmetries_.dimension < 3
    assert refused <= 1


# --- inside PySINDy --------------------------------------------------------------------------------------------------


def spiral(seed, count=200, dt=0.05, radius=1.0):
    t = dt * np.arange(count)
    z = radius * np.exp((-0.1 + 1j) * t + 1j * seed)
    return t, np.stack([z.real, z.imag], -1)


def test_a_model_of_trajectories_of_different_lengths():
    (t, a), (s, b) = spiral(0), spiral(1, 120)
    model = ps.SINDy(optimizer=SymmetricSTLSQ(PLANE, threshold=0.05)).fit([a, b], t=[t, s], feature_names=["x", "y"])
    assert np.abs(model.coefficients()[:, 1:3] - [[-0.1, -1], [1, -0.1]]).max() < 0.01
    assert np.count_nonzero(model.coefficients()) == 4
    text = report(model)
    assert text.splitlines()[0].startswith("(x)' = -0.1")
    assert "enforced: so(2): 1 of 1" in text
    assert np.isfinite(model.simulate(a[0], t[:20])).all()


def test_times_may_be_uneven_but_not_repeated():
    t, x = spiral(0, 400, dt=0.025)
    some = np.sort(np.random.default_rng(0).permutation(400)[:300])
    model = ps.SINDy(optimizer=SymmetricSTLSQ(PLANE, threshold=0.05)).fit(x[some], t=t[some])
    assert np.abs(model.coefficients()[:, 1:3] - [[-0.1, -1], [1, -0.1]]).max() < 0.01
    twice = np.sort(np.concatenate([some, some[5:6]]))
    with pytest.raises(ValueError, match="strictly increasing"):
        ps.SINDy(optimizer=SymmetricSTLSQ(PLANE)).fit(x[twice], t=t[twice])


def test_bagging_keeps_the_symmetry_under_the_mean():
    t, x = spiral(0)
    x = x + 0.01 * np.random.default_rng(0).standard_normal(x.shape)
    np.random.seed(0)  # noqa: NPY002  (PySINDy draws from the global generator)
    ensemble = ps.EnsembleOptimizer(
        SymmetricSTLSQ(PLANE), bagging=True, n_models=5, ensemble_aggregator=lambda found: np.mean(found, axis=0)
    )
    model = ps.SINDy(optimizer=ensemble).fit(x, t=t)
    assert violation(PLANE, ps.PolynomialLibrary(), ensemble.coef_) <= EPS * 12
    assert "enforced" in report(model)


def test_ensembles_that_drop_terms_are_refused():
    t, x = spiral(0)
    ensemble = ps.EnsembleOptimizer(SymmetricSTLSQ(PLANE, ps.PolynomialLibrary()), library_ensemble=True, n_models=2)
    with pytest.raises(IsotropyError, match="bagging=True"):
        ps.SINDy(optimizer=ensemble).fit(x, t=t)


def test_a_map_in_discrete_time():
    rng = np.random.default_rng(0)
    turn = 0.9 * np.array([[0.8, -0.6], [0.6, 0.8]])
    x = [rng.standard_normal(2)]
    for _ in range(60):
        x.append(turn @ x[-1])
    action = Action(SO2.vector, SO2.vector)
    model = ps.DiscreteSINDy(optimizer=SymmetricSTLSQ(action)).fit(np.array(x), t=1)
    assert np.abs(model.coefficients()[:, 1:3] - turn).max() < 1e-6
    assert "[k+1]" in report(model)


def test_a_control_that_turns_with_the_state():
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((100, 2)), rng.standard_normal((100, 2))
    v = -x + 0.5 * u + 0.1 * rng.standard_normal(x.shape)
    model = ps.SINDy(optimizer=SymmetricSTLSQ(Action(2 * SO2.vector, SO2.vector)))
    model.fit(x, t=1.0, x_dot=v, u=u)
    a, b = model.coefficients()
    assert abs(a[1] - b[2]) <= EPS
    assert abs(a[3] - b[4]) <= EPS
    with pytest.raises(IsotropyError, match="controls"):
        ps.SINDy(optimizer=SymmetricSTLSQ(Action.vector_field(groups.SO(4)))).fit(x, t=1.0, x_dot=v, u=u)


def waves(count=16, steps=12):
    grid = np.linspace(0, 2 * np.pi, count, endpoint=False)
    X, Y = np.meshgrid(grid, grid, indexing="ij")
    t = 0.02 * np.arange(steps)
    rng = np.random.default_rng(0)
    u = np.zeros((count, count, steps, 1))
    for k in range(3):
        for l in range(3):
            amplitude, phase = rng.standard_normal(), rng.uniform(0, 6)
            u[..., 0] += amplitude * np.cos(k * X + l * Y + phase)[..., None] * np.exp(-0.3 * (k**2 + l**2) * t)
    return np.stack([X, Y], -1), t, u


def test_a_partial_differential_equation_keeps_the_rotations_of_space():
    grid, t, u = waves()
    library = ps.PDELibrary(
        function_library=ps.PolynomialLibrary(degree=1, include_bias=False), derivative_order=2, spatial_grid=grid
    )
    action = Action(SO2.vector, SO2.scalar)
    model = ps.SINDy(optimizer=SymmetricSTLSQ(action, library, 0.05), feature_library=library).fit(u, t=t)
    found = dict(zip(library.get_feature_names(), model.coefficients()[0], strict=True))
    assert found["x0_11"] == found["x0_22"]
    assert abs(found["x0_11"] - 0.3) < 0.1
    assert found["x0_1"] == found["x0_2"] == found["x0_12"] == 0


def test_fields_of_vectors_turn_with_space():
    """Without symmetry a Laplacian of two components and a gradient of a divergence are 12 free numbers; with it, 2."""
    grid, _, _ = waves()
    library = ps.PDELibrary(
        function_library=ps.PolynomialLibrary(degree=1, include_bias=False), derivative_order=2, spatial_grid=grid,
        include_interaction=False, multiindices=np.array([[2, 0], [1, 1], [0, 2]]),
    )  # fmt: skip
    reflected = groups.O(2)
    lhs = constraints(Action(reflected.vector, reflected.vector), library)
    assert lhs.shape[1] - len(lhs) == 3
    turned = constraints(Action(SO2.vector, SO2.vector), library)
    assert turned.shape[1] - len(turned) == 6
    lopsided = ps.PDELibrary(derivative_order=2, spatial_grid=grid, multiindices=np.array([[2, 0]]))
    with pytest.raises(IsotropyError, match="all of one order"):
        constraints(Action(SO2.vector, SO2.vector), lopsided)


def test_the_weak_form():
    t, x = spiral(0, 400)
    np.random.seed(0)  # noqa: NPY002  (PySINDy draws the domains of the weak form from the global generator)
    library = ps.WeakPDELibrary(function_library=ps.PolynomialLibrary(degree=2), spatiotemporal_grid=t, K=40, H_xt=1.0)
    model = ps.SINDy(optimizer=SymmetricSTLSQ(PLANE, library, 0.05), feature_library=library).fit(x, t=t)
    assert np.abs(model.coefficients()[:, 1:3] - [[-0.1, -1], [1, -0.1]]).max() < 0.01
    assert violation(PLANE, library, model.coefficients()) <= EPS * 12


def test_integrals_over_the_same_time_do_not_refuse_what_is_true(monkeypatch):
    """Subdomains overlap: counted in PySINDy's random order, a true symmetry is refused in most data sets."""
    t = 0.05 * np.arange(120)
    np.random.seed(0)  # noqa: NPY002  (PySINDy draws the domains of the weak form from the global generator)
    library = ps.WeakPDELibrary(function_library=ps.PolynomialLibrary(degree=1), spatiotemporal_grid=t, K=40, H_xt=1.0)

    def found(seed, count=4, stretch=1.0):
        rng = np.random.default_rng(seed)
        x = [spiral(k, 120, radius=rng.uniform(0.5, 2))[1] * [stretch, 1] for k in range(count)]
        x = [a + 0.05 * rng.standard_normal(a.shape) for a in x]
        model = ps.SINDy(optimizer=PromotedSINDy(PLANE, library, threshold=0.0), feature_library=library)
        return model.fit(x, t=t).optimizer.symmetries_

    assert sum(found(seed).dimension for seed in range(6)) >= 5
    assert found(0, stretch=1.3).dimension == 0
    assert found(0, count=1).decision.verdict == "cannot tell"
    monkeypatch.setattr(optimise, "as_time_goes", lambda library, rows: (np.arange(rows), BLOCKS))
    assert sum(found(seed).dimension for seed in range(6)) <= 3


# --- bad input -------------------------------------------------------------------------------------------------------


def test_missing_terms_are_named():
    x = np.random.default_rng(0).standard_normal((50, 2))
    library = ps.PolynomialLibrary(degree=2, include_interaction=False)
    with pytest.warns(IsotropyWarning, match=r"x ∂y − y ∂x needs x0 x1"):
        SymmetricSTLSQ(PLANE, library).fit(terms(library, x), x)
    library = ps.PolynomialLibrary(degree=2, include_bias=False)
    with pytest.raises(IsotropyError, match=r"∂x needs 1; ∂y needs 1"):
        SymmetricSTLSQ(Action.vector_field(groups.T(2)), library).fit(terms(library, x), x)


def test_the_library_must_be_that_of_the_model():
    x = np.random.default_rng(0).standard_normal((50, 2))
    theta = terms(ps.PolynomialLibrary(degree=2), x)
    with pytest.raises(IsotropyError, match="6 terms, but `library` has 10"):
        SymmetricSTLSQ(PLANE, ps.PolynomialLibrary(degree=3)).fit(theta, x)
    with pytest.raises(IsotropyError, match="term 0 of the model is not `1`"):
        SymmetricSTLSQ(PLANE, ps.PolynomialLibrary(degree=2)).fit(theta[:, ::-1], x)
    with pytest.raises(IsotropyError, match="pass the feature library"):
        SymmetricSTLSQ(PLANE).fit(theta[:, :4], x)
    with pytest.raises(IsotropyError, match="must be the feature library"):
        SymmetricSTLSQ(PLANE, "polynomials").fit(theta, x)
    with pytest.raises(IsotropyError, match="how a group acts"):
        SymmetricSTLSQ(SO2).fit(theta, x)


def test_constant_states_and_one_sample_give_a_fit_and_a_warning():
    constant = np.ones((20, 2)) * [0.5, -1.0]
    theta = terms(ps.PolynomialLibrary(degree=2), constant)
    with pytest.warns(IsotropyWarning, match="constant states, too few samples"):
        fitted = SymmetricSTLSQ(None, threshold=0.0).fit(theta, np.ones((20, 2)))
    assert np.isfinite(fitted.coef_).all()
    with pytest.warns(IsotropyWarning, match="of 2 free coefficients"):
        one = SymmetricSTLSQ(PLANE, threshold=0.0).fit(np.eye(1, 6), np.zeros((1, 2)))
    assert not one.coef_.any()
    with pytest.warns(IsotropyWarning):
        undecided = PromotedSINDy(ROTATIONS, threshold=0.0).fit(np.ones((1, 4)), np.ones((1, 3)))
    assert undecided.symmetries_.decision.verdict in ("cannot tell", "none")


def test_nan_and_infinity():
    x = np.random.default_rng(0).standard_normal((50, 2))
    theta, v = terms(ps.PolynomialLibrary(degree=2), x), -x
    whole = SymmetricSTLSQ(PLANE).fit(theta[1:], v[1:]).coef_
    lost = v.copy()
    lost[0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(SymmetricSTLSQ(PLANE).fit(theta, lost).coef_, whole)
    gaps = theta.copy()
    gaps[0, 1] = np.nan
    with pytest.warns(IsotropyWarning, match="1 of 50 rows of terms hold NaN"):
        assert np.array_equal(SymmetricSTLSQ(PLANE).fit(gaps, v).coef_, whole)
    with pytest.raises(IsotropyError, match="nothing to fit"):
        SymmetricSTLSQ(PLANE).fit(theta, np.full_like(v, np.nan))
    with pytest.raises(ValueError, match="infinity"):
        SymmetricSTLSQ(PLANE).fit(theta, np.full_like(v, np.inf))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"how": "hope"}, "'enforce', 'promote' or 'auto'"),
        ({"threshold": -1.0}, "must not be negative"),
        ({"alpha": float("nan")}, "must not be negative"),
        ({"level": 2.0}, "between 0 and 1"),
        ({"max_iter": 0}, "at least 1"),
    ],
)
def test_parameters_out_of_range(options, said):
    with pytest.raises(IsotropyError, match=said):
        SymmetricSTLSQ(PLANE, **options).fit(np.ones((3, 3)), np.ones((3, 2)))


def test_parameters_of_the_relaxed_fit():
    for options, said in (({"regularizer": "l7"}, "'l0', 'l1' or 'l2'"), ({"relax_coeff_nu": 0.0}, "must be positive")):
        with pytest.raises(IsotropyError, match=said):
            SymmetricSR3(PLANE, **options).fit(np.ones((3, 3)), np.ones((3, 2)))
    with pytest.raises(IsotropyError, match="'target' or 'feature'"):
        constraints(PLANE, ps.PolynomialLibrary(), order="rows")
    with pytest.raises(IsotropyError, match=r"one of isotropy\.pysindy"):
        report(ps.SINDy())


def test_a_threshold_above_everything_leaves_nothing_and_says_so():
    x = np.random.default_rng(0).standard_normal((50, 2))
    with pytest.warns(IsotropyWarning, match="below the threshold"):
        assert not SymmetricSTLSQ(PLANE, threshold=9.0).fit(terms(ps.PolynomialLibrary(), x), -x).coef_.any()


# --- scikit-learn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [SymmetricSTLSQ(), SymmetricSR3(), PromotedSINDy()], ids=lambda o: type(o).__name__
)
def test_the_checks_of_scikit_learn(optimizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(optimizer, on_skip=None, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] not in ("passed", "skipped")] == []
    assert {result["check_name"] for result in results if result["status"] == "skipped"} <= {"check_array_api_input"}


def test_a_clone_fits_the_same():
    theta, v = noisy(preferred_axis, 0)
    optimizer = PromotedSINDy(ROTATIONS, how="auto", samples=Samples(theta[:60, 1:4]))
    assert np.allclose(clone(optimizer).fit(theta, v).coef_, optimizer.fit(theta, v).coef_)


def test_fits_agree_with_pysindy_where_nothing_is_imposed():
    theta, v = noisy(lorenz, 0)
    theirs = ps.STLSQ(threshold=0.5).fit(theta, v).coef_
    ours = SymmetricSTLSQ(threshold=0.5).fit(theta, v).coef_
    assert np.abs(ours - theirs).max() <= 1e4 * EPS * np.abs(theirs).max()


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysindy", None)
    for name in [name for name in sys.modules if name.startswith("isotropy.pysindy")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(IsotropyError, match=r"pip install 'isotropy\[pysindy\]'"):
        importlib.import_module("isotropy.pysindy")
