"""Promotion: planted symmetries come back by name, broken ones are refused, and bad input is told so."""

import warnings

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.geometry.features import Features
from isotropy.geometry.orthonormal import OrthonormalPolynomials
from isotropy.geometry.polynomial import Polynomials
from isotropy.numerics.losses import LeastSquares
from isotropy.promote import promote
from isotropy.promote.problem import build
from isotropy.results.fit import Fit

EPS = np.finfo(float).eps
SPACE = Polynomials(3, degree=3)
RADIAL = Features([lambda x: x @ x, lambda x: (x @ x) ** 2], names=["s", "s^2"], input_dimension=3)


def planted(seed, *, n=80, noise=0.05, broken=0.0, space=SPACE):
    """A random polynomial symmetric about a random axis through a random centre, plus a part that is not."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    centre = rng.uniform(-0.5, 0.5, size=3)
    X = rng.uniform(-1, 1, size=(n + 1000, 3))
    along = (X - centre) @ axis
    square = ((X - centre) ** 2).sum(axis=1) - along**2
    degree = space.degree
    y = sum(
        rng.normal() * along**b * square**a for a in range(degree // 2 + 1) for b in range(degree + 1 - 2 * a) if a + b
    )
    y = (y - y.mean()) / y.std()
    other = space.values(X) @ rng.normal(size=space.dimension)
    y = y + broken * (other - other.mean()) / other.std()
    return X[:n], y[:n] + noise * rng.normal(size=n), X[n:], y[n:], axis


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_planted_axis_is_found_by_name(seed):
    X, y, Xt, yt, axis = planted(seed)
    fit = promote(SPACE, iso.Action(groups.SE(3)), X, y)
    assert fit.symmetries.name == "so(2)"
    assert fit.symmetries.decision.verdict == "supported"
    matrix = fit.symmetries.generators[0][:3, :3]
    found = np.array([matrix[2, 1], matrix[0, 2], matrix[1, 0]])
    angle = np.degrees(np.arccos(min(1.0, abs(found @ axis) / np.linalg.norm(found))))
    assert angle < 5  # 5% noise on 80 points turns the axis by about one degree
    # The model is symmetric exactly, and better than least squares.
    plain = np.linalg.lstsq(SPACE.values(X), y, rcond=None)[0]
    error = np.sqrt(np.mean((fit.predict(Xt) - yt) ** 2))
    assert error < np.sqrt(np.mean((SPACE.values(Xt) @ plain - yt) ** 2))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_broken_axis_is_refused(seed):
    X, y, *_ = planted(seed, broken=0.3)
    fit = promote(SPACE, iso.Action(groups.SE(3)), X, y)
    assert fit.symmetries.dimension == 0
    assert fit.symmetries.decision.verdict == "none"
    assert max(trial.p_value for trial in fit.trials) <= fit.settings["level"]


def test_the_reported_model_is_symmetric():
    X, y, Xt, *_ = planted(3)
    fit = promote(SPACE, iso.Action(groups.SE(3)), X, y)
    action = iso.Action(groups.SE(3))
    defect = 0.0
    for row in fit.symmetries.coefficients:
        field = np.einsum("q,pqi->pi", row, action.fields(Xt))
        gradient = np.einsum("pfi,f->pi", SPACE.gradients(Xt), fit.coefficients)
        size = np.abs(gradient * field).sum(axis=1).max()
        defect = max(defect, np.abs((gradient * field).sum(axis=1)).max() / size)
    assert defect <= max(fit.symmetries.noise * 1e-6, 1e6 * EPS)


def test_exact_data_are_recovered_from_fewer_points_than_coefficients():
    rng = np.random.default_rng(4)
    space, action = Polynomials(4, degree=2), iso.Action(groups.SE(4))
    X = rng.uniform(-1, 1, size=(14, 4))
    assert len(X) < space.dimension
    truth = (X[:, 0] + 2 * X[:, 1]) ** 2
    fit = promote(space, action, X, truth, exact=True)
    expected = np.zeros(space.dimension)
    for name, value in (("x0^2", 1.0), ("x0*x1", 4.0), ("x1^2", 4.0)):
        expected[space.names.index(name)] = value
    assert np.abs(fit.coefficients - expected).max() <= 1e6 * EPS
    assert fit.strength is None
    assert fit.relative_gap <= 1e-8
    # Near miss: half the points do not determine it, and the answer still meets them.
    few = promote(space, action, X[:5], truth[:5], exact=True)
    assert np.abs(few.predict(X[:5]) - truth[:5]).max() <= 1e4 * EPS
    assert np.abs(few.coefficients - expected).max() > 0.1


def test_equivariant_outputs_share_one_subalgebra():
    rng = np.random.default_rng(5)
    vector = groups.SO(3).vector
    X = rng.uniform(-1, 1, size=(80, 3))
    Y = X * (1 + (X**2).sum(axis=1, keepdims=True)) + np.cross(X, [0.0, 0.0, 1.0])
    fit = promote(Polynomials(3, degree=3), iso.Action(vector, vector), X, Y + 0.05 * rng.normal(size=Y.shape))
    assert fit.coefficients.shape == (20, 3)
    assert fit.symmetries.name == "so(2)"
    # The one axis that survives is the third: of so(3)'s basis, the rotation that leaves z alone.
    generator = fit.symmetries.generators[0]
    assert np.abs(generator[2]).max() < 0.1 * np.abs(generator).max()


def test_invariant_outputs_are_columns_of_their_own():
    rng = np.random.default_rng(6)
    X = rng.uniform(-1, 1, size=(60, 3))
    Y = np.stack([(X**2).sum(axis=1), (X**2).sum(axis=1) + X[:, 2]], axis=1)
    fit = promote(Polynomials(3, degree=2), iso.Action(groups.SO(3)), X, Y + 0.01 * rng.normal(size=Y.shape))
    assert fit.coefficients.shape == (10, 2)
    # One subgroup for both outputs: the second one's.
    assert fit.symmetries.dimension == 1


def test_discrete_candidates_survive_or_not():
    rng = np.random.default_rng(7)
    X = rng.uniform(-1, 1, size=(60, 2))
    even, odd = X[:, 0] ** 2 + X[:, 1], X[:, 0] ** 2 + X[:, 0]
    action = iso.Action(groups.O(2))
    assert np.array_equal(action.components[0].matrix, np.diag([-1.0, 1.0]))
    for y, kept in ((even, True), (odd, False)):
        fit = promote(Polynomials(2, degree=2), action, X, y + 0.01 * rng.normal(size=60))
        assert fit.components == (kept,)
        # Where the reflection survives the refit obeys it exactly.
        mirrored = fit.predict(X * [-1.0, 1.0]) - fit.predict(X)
        assert bool(np.abs(mirrored).max() <= 1e3 * EPS) is kept


@pytest.mark.parametrize("loss", ["logistic", "huber"])
def test_other_losses_find_the_axis(loss):
    rng = np.random.default_rng(8)
    X = rng.uniform(-1, 1, size=(400, 3))
    score = 4 * (X[:, 0] ** 2 + X[:, 1] ** 2 - 0.6) + 3 * X[:, 2]
    if loss == "logistic":
        y = np.where(rng.uniform(size=400) < 1 / (1 + np.exp(-score)), 1.0, -1.0)
    else:
        y = score + rng.standard_t(2, size=400)
    fit = promote(Polynomials(3, degree=2), iso.Action(groups.SE(3)), X, y, loss=loss, strengths=[3e-2, 3e-3])
    assert fit.symmetries.name == "so(2)"


def test_sparsity_in_the_space_s_own_features():
    rng = np.random.default_rng(9)
    X = rng.uniform(-1, 1, size=(60, 2))
    space, action = Polynomials(2, degree=3), iso.Action(groups.SO(2))
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.05 * rng.normal(size=60)
    sparse = promote(space, action, X, y, strength=1e-3, sparsity=0.02, refit=False)
    dense = promote(space, action, X, y, strength=1e-3, refit=False)
    small = 1e-4
    assert (np.abs(sparse.coefficients) > small).sum() < (np.abs(dense.coefficients) > small).sum()


def test_the_orthonormal_basis_spans_the_space_and_its_fields_are_exact():
    rng = np.random.default_rng(10)
    space = Polynomials(3, degree=3)
    basis = OrthonormalPolynomials(space, np.array([-1.0, 2.0, 0.0]), np.array([1.0, 5.0, 0.5]))
    points = rng.uniform([-1, 2, 0], [1, 5, 0.5], size=(50, 3))
    w = rng.normal(size=space.dimension)
    monomial = basis.to_space @ w
    scale = np.abs(space.values(points) * monomial).sum(axis=1).max()
    assert np.abs(basis.values(points) @ w - space.values(points) @ monomial).max() <= 1e3 * EPS * scale
    linear, offset = rng.normal(size=(3, 3)), rng.normal(size=3)
    along = np.einsum("pfi,pi,f->p", space.gradients(points), points @ linear.T + offset, monomial)
    found = basis.values(points) @ (basis.field(linear, offset) @ w)
    assert np.abs(found - along).max() <= 1e4 * EPS * scale
    quadrature = iso.Samples.quadrature(3, 5, low=[-1, 2, 0], high=[1, 5, 0.5])
    values = np.sqrt(quadrature.weights)[:, None] * basis.values(quadrature.points)
    assert np.abs(values.T @ values - np.eye(space.dimension)).max() <= 1e3 * EPS * space.dimension


@pytest.mark.parametrize("codomain", ["scalar", "vector"])
def test_the_exact_and_the_sampled_problem_are_one(codomain):
    """Polynomials by sparse matrices and by quadrature give the same norm of the same function."""
    rng = np.random.default_rng(11)
    space = Polynomials(2, degree=3)
    group = groups.O(2)
    action = iso.Action(group.vector, getattr(group, codomain))
    outputs = action.fibre_dimension
    X = np.array([[-1.0, -1.0], [1.0, 1.0], [0.3, -0.2]])
    exact = build(space, action, X, outputs, None)
    sampled = build(space, action, X, outputs, iso.Samples.quadrature(2, 6))
    coefficients = rng.normal(size=(space.dimension, outputs))
    norms = []
    for problem in (exact, sampled):
        w = np.linalg.solve(problem.to_space, coefficients).reshape(problem.operator.features, -1)
        singular = np.linalg.svd(problem.operator(w), compute_uv=False)
        norms.append([singular.sum(), *(np.linalg.norm(d @ w) for d in problem.components)])
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e4 * EPS)


def test_any_space_will_do():
    rng = np.random.default_rng(12)
    X = rng.uniform(-1, 1, size=(80, 2))
    space = iso.spaces.parse("polynomials(2) + sqrt(x**2 + y**2 + 1) + x*cos(y)", ["x", "y"])
    y = X[:, 0] ** 2 + X[:, 1] ** 2 + 0.02 * rng.normal(size=80)
    for samples in (None, iso.Samples.uniform(300, 2, seed=0)):
        fit = promote(space, iso.Action(groups.SO(2)), X, y, samples=samples)
        assert fit.symmetries.name == "so(2)"
        assert fit.symmetries.settings["samples"] == len(X)


def test_known_noise_stands_in_for_more_data():
    X, y, *_ = planted(13, n=22, noise=0.005)
    with_noise = promote(SPACE, iso.Action(groups.SE(3)), X, y, noise=0.005, strength=1e-3)
    without = promote(SPACE, iso.Action(groups.SE(3)), X, y, strength=1e-3)
    assert without.symmetries.decision.verdict == "cannot tell"
    assert "pass `noise`" in without.symmetries.decision.reason
    assert (with_noise.symmetries.name, with_noise.symmetries.decision.verdict) == ("so(2)", "supported")


def test_the_standard_error_of_the_generators_is_that_of_their_angle():
    """Of 12 planted rotations the true angle, over the standard error in the worst direction, is about one."""
    point = groups.SE(3).point
    basis = np.concatenate([point.generators().reshape(6, -1), point.offsets()], axis=1).T
    ratios = []
    for seed in range(12):
        X, y, _, _, axis = planted(seed, n=70)
        rng = np.random.default_rng(seed)
        rng.normal(size=3)
        centre = rng.uniform(-0.5, 0.5, size=3)
        turn = np.cross(np.eye(3), axis).T
        truth = np.linalg.lstsq(basis, np.concatenate([turn.ravel(), -turn @ centre]), rcond=None)[0]
        found = promote(SPACE, iso.Action(groups.SE(3)), X, y, strength=1e-3).symmetries
        assert (found.name, found.decision.verdict) == ("so(2)", "supported")
        row = found.coefficients[0] / np.linalg.norm(found.coefficients[0])
        ratios.append(np.arccos(min(abs(row @ truth) / np.linalg.norm(truth), 1.0)) / found.noise)
    assert 0.3 < np.sqrt(np.mean(np.square(ratios))) < 2.0


def test_constant_data_keep_everything():
    rng = np.random.default_rng(14)
    X = rng.uniform(-1, 1, size=(50, 2))
    fit = promote(Polynomials(2, degree=2), iso.Action(groups.SE(2)), X, 3 + 0.1 * rng.normal(size=50))
    assert fit.symmetries.dimension == 3
    assert np.abs(fit.coefficients[1:]).max() <= 1e3 * EPS


def test_a_fit_is_saved_and_read(tmp_path):
    X, y, Xt, *_ = planted(15)
    fit = promote(SPACE, iso.Action(groups.SE(3)), X, y)
    for name in ("fit.json", "fit.npz"):
        again = Fit.load(fit.save(tmp_path / name))
        assert str(again) == str(fit)
        assert np.array_equal(again.predict(Xt), fit.predict(Xt))
        assert again.path is not None
        assert np.array_equal(again.path.spectra, fit.path.spectra)


def test_a_path_gives_up_generators_as_the_strength_falls():
    X, y, *_ = planted(16)
    path = promote(SPACE, iso.Action(groups.SE(3)), X, y).path
    assert (np.diff(path.strengths) < 0).all()
    sums = path.spectra.sum(axis=1)
    # The nuclear norm of the solution cannot fall as its price does, up to the roughness of the path.
    assert (np.diff(sums) >= -1e-2 * sums.max()).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": -1.0}, "finite number >= 0"),
        ({"strength": np.nan}, "finite number >= 0"),
        ({"exact": True, "strength": 1.0}, "leave those out"),
        ({"exact": True}, "No coefficients meet"),
        ({"level": 0.0}, "'level' parameter"),
        ({"noise": 0.0}, "`noise` must be positive"),
        ({"loss": "hinge"}, "'loss' parameter"),
        ({"folds": 1}, "`folds` must be an integer"),
        ({"Y": np.zeros(3)}, "one row for each"),
        ({"X": np.zeros((80, 2))}, "`X` must have shape"),
        ({"action": iso.Action(groups.SO(2))}, "moves points of R\\^2"),
        ({"action": iso.Action(groups.SO(3).vector, groups.SO(3).vector)}, "one column for each"),
        ({"space": Polynomials(3, degree=0)}, "leave every function .* unchanged: there is nothing to promote"),
        ({"space": RADIAL, "action": iso.Action(groups.SO(3))}, "leave every function .* unchanged"),
        ({"action": iso.Action(3 * groups.SO(3).scalar)}, "leave every row of `X` where it is"),
        ({"action": iso.Action(groups.S(3))}, "has no generators"),
        ({"weights": np.full(80, -1.0)}, "`weights` must be non-negative"),
        ({"weights": np.ones(79)}, "`weights` must have shape"),
        ({"weights": np.ones(80), "exact": True}, "leave those out"),
        ({"weights": np.ones(80), "loss": LeastSquares}, "has its own weights"),
        ({"sparsity": np.nan}, "finite number >= 0"),
        ({"discrete": -1.0}, "finite number >= 0"),
        ({"strengths": [1.0, np.nan]}, "`strengths` must be finite"),
        ({"space": "polynomials"}, "`space` must be a Space"),
    ],
)
def test_bad_input_is_told_what_to_do(change, message):
    X, y, *_ = planted(17)
    arguments = {"space": SPACE, "action": iso.Action(groups.SE(3)), "X": X, "Y": y, **change}
    space, action, points, targets = (arguments.pop(name) for name in ("space", "action", "X", "Y"))
    with pytest.raises(iso.IsotropyError, match=message):
        promote(space, action, points, targets, **arguments)


def test_turns_of_coordinates_that_are_not_there_are_unseen():
    """Of two planes of R^4 the functions, or the data, know one: turns of the other are no symmetry found."""
    turns = np.zeros((2, 4, 4))
    turns[0, :2, :2] = turns[1, 2:, 2:] = [[0, -1], [1, 0]]
    action = iso.Action(groups.Group(turns))
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 4))
    y = (X[:, :2] ** 2).sum(axis=1) + 0.01 * rng.standard_normal(60)
    functions = [lambda x: x[0], lambda x: x[1], lambda x: x[0] ** 2, lambda x: x[1] ** 2, lambda x: 1.0]
    space = Features(functions, names=list("abcde"), input_dimension=4)
    flat = np.concatenate([X[:, :2], np.zeros((60, 2))], axis=1)
    for found in (promote(space, action, X, y), promote(Polynomials(4, degree=2), action, flat, y)):
        assert found.symmetries.dimension == 1
        assert found.symmetries.generator_text[0] in ("x0 ∂x1 − x1 ∂x0", "x1 ∂x0 − x0 ∂x1")
        assert [text.replace("−", "-") for text in found.symmetries.unseen.text] == ["x2 ∂x3 - x3 ∂x2"]


def test_non_convergence_warns_with_the_gap_and_the_remedy():
    X, y, *_ = planted(18)
    with pytest.warns(iso.IsotropyWarning, match=r"relative duality gap of .* Raise `iterations`"):
        fit = promote(SPACE, iso.Action(groups.SE(3)), X, y, strength=1e-3, iterations=3)
    assert not fit.converged
    assert "not converged" in str(fit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        promote(SPACE, iso.Action(groups.SE(3)), X, y, strength=1e-3)


@pytest.mark.parametrize(
    ("loss", "broken"),
    [("logistic", 0.0), ("huber", 0.0), pytest.param("logistic", 3.0, marks=pytest.mark.slow), ("huber", 0.5)],
)
def test_a_bootstrap_tests_other_losses(loss, broken):
    """Rotations of the plane: kept where they are a symmetry, refused where a part that they change is added."""
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, size=(150, 2))
    score = 4 * ((X**2).sum(axis=1) - 0.6) + broken * X[:, 0]
    if loss == "logistic":
        y = np.where(rng.uniform(size=150) < 1 / (1 + np.exp(-score)), 1.0, -1.0)
    else:
        y = score + 0.3 * rng.standard_t(2, size=150)
    given = {"loss": loss, "strength": 3e-3, "level": 0.05, "seed": 1}
    fit = promote(Polynomials(2, degree=2), iso.Action(groups.SO(2)), X, y, bootstrap=39, **given)
    assert fit.symmetries.dimension == (broken == 0)
    assert fit.settings["bootstrap"] == 39
    chances = [trial.p_value for trial in fit.trials]
    # Each is a share of the draws.
    assert min(chances) >= 1 / 40
    theorem = promote(Polynomials(2, degree=2), iso.Action(groups.SO(2)), X, y, **given)
    assert [t.statistic for t in theorem.trials] == pytest.approx([t.statistic for t in fit.trials])


@pytest.mark.slow
def test_a_bootstrap_holds_its_level_where_chi_squared_does_not():
    """Few labels for their coefficients: over draws of true rotations the bootstrap refuses no more than its level."""
    rng, refused, by_theorem, trials = np.random.default_rng(5), 0, 0, 20
    for _ in range(trials):
        X = rng.uniform(-1, 1, size=(60, 2))
        score = 3 * ((X**2).sum(axis=1) - 0.6)
        y = np.where(rng.uniform(size=60) < 1 / (1 + np.exp(-score)), 1.0, -1.0)
        given = {"loss": "logistic", "strength": 1e-2, "level": 0.1}
        space, action = Polynomials(2, degree=3), iso.Action(groups.SO(2))
        # So few labels leave too much open for a claim; what is asked here is how often the truth is refused.
        chance = lambda fit: max(trial.p_value for trial in fit.trials)  # noqa: E731
        refused += chance(promote(space, action, X, y, bootstrap=39, **given)) <= given["level"]
        by_theorem += chance(promote(space, action, X, y, **given)) <= given["level"]
    # Four standard deviations above the level.
    assert refused <= 0.1 * trials + 4 * np.sqrt(0.09 * trials)
    assert refused <= by_theorem


@pytest.mark.parametrize("seed", range(4))
def test_a_scaling_off_centre_is_settled_to_rounding(seed):
    """Settling comes near its end by a tenth a step here: where it stopped short, the symmetry was missed."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.5, 2, (400, 3))
    y = X[:, 0] * X[:, 1] ** 2 - 0.3 * X[:, 2] ** 2 + 0.01 * rng.normal(size=400)
    fit = promote(SPACE, iso.Action(groups.GL(3)), X, y, strength=1.3856431203743628e-05)
    row = fit.symmetries.coefficients[0]
    turned = np.asarray(groups.GL(3).matrices).reshape(9, 9).T @ row
    planted = np.diag([2.0, -1.0, 0.0]).ravel() / np.sqrt(5)
    assert fit.symmetries.dimension == 1
    assert abs(turned @ planted) > np.cos(np.radians(2)) * np.linalg.norm(turned)
