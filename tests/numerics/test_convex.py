"""The nuclear-norm solver: the same optimum as an independent solver, and a gap that proves it."""

import warnings

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from isotropy.errors import IsotropyError, IsotropyWarning
from isotropy.numerics import admm
from isotropy.numerics.certificate import certify
from isotropy.numerics.convex import Family, minimise
from isotropy.numerics.convex_jax import nuclear_least_squares
from isotropy.numerics.interpolation import Interpolation
from isotropy.numerics.losses import LeastSquares, Smooth
from isotropy.numerics.matrix_map import MatrixMap
from isotropy.numerics.newton import Newton
from isotropy.numerics.prox import spectral_norm
from isotropy.numerics.terms import Nuclear

EPS = np.finfo(float).eps
SAME = 1e-6
"""The relative difference allowed between two solvers' optima: what the issue asks for."""
K, Q, F = 6, 4, 8


class Problem:
    """One random problem, for this solver and for cvxpy."""

    def __init__(self, kind, outputs, seed):
        rng = np.random.default_rng(seed)
        n = 5 if kind == "interpolation" else 12
        self.operator = rng.normal(size=(K, Q, F))
        self.design = rng.normal(size=(n, F))
        self.targets = self.design @ rng.normal(size=(F, outputs)) + 0.1 * rng.normal(size=(n, outputs))
        self.weights = rng.uniform(0.5, 2.0, size=n) / n
        self.group = rng.normal(size=(3, F))
        self.factor = np.triu(rng.normal(size=(K, K))) + 3 * np.eye(K)
        self.strength = 1.0 if kind == "interpolation" else 0.05
        self.variable = cp.Variable((F, outputs))
        residual = self.design @ self.variable - self.targets
        self.constraints = []
        if kind == "least squares":
            self.loss = LeastSquares(self.design, self.targets, weights=self.weights)
            self.objective = 0.5 * cp.sum(cp.multiply(self.weights[:, None], residual**2))
        elif kind == "interpolation":
            self.loss, self.objective, self.constraints = Interpolation(self.design, self.targets), 0, [residual == 0]
        elif kind == "logistic":
            self.targets = np.sign(self.targets)
            self.loss = Smooth.logistic(self.design, self.targets)
            margins = cp.multiply(self.targets, self.design @ self.variable)
            self.objective = cp.sum(cp.logistic(-margins)) / n
        elif kind == "huber":
            self.loss = Smooth.huber(self.design, self.targets, width=0.5)
            self.objective = cp.sum(cp.huber(residual, 0.5)) / (2 * n)
        else:
            self.loss = Smooth(self.smoothed, (F, outputs))
            self.objective = cp.sum(cp.norm(cp.vstack([cp.vec(residual, order="C"), np.ones(n * outputs)]), axis=0)) / n

    def smoothed(self, w):
        """The mean of sqrt(1 + residual^2), given without a Hessian."""
        residual = self.design @ w - self.targets
        root = np.sqrt(1 + residual**2)
        return root.sum() / len(root), self.design.T @ (residual / root) / len(root)

    def nuclear(self, factor=None):
        matrices = self.operator if factor is None else np.einsum("rk,kqf->rqf", factor, self.operator)
        columns = range(self.variable.shape[1])
        rows = [cp.reshape(m @ self.variable[:, j], (1, Q), order="C") for m in matrices for j in columns]
        return cp.normNuc(cp.vstack(rows))

    def solve(self, extra=0.0, factor=None, solver="CLARABEL"):
        objective = self.objective + self.strength * self.nuclear(factor) + extra
        problem = cp.Problem(cp.Minimize(objective), self.constraints)
        options = {"eps": 1e-9, "max_iters": 50_000} if solver == "SCS" else {}
        if solver == "CLARABEL":
            options = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # cvxpy's word on the last digits
            problem.solve(solver=solver, **options)
        return problem.value


KINDS = ("least squares", "interpolation", "logistic", "huber", "without a Hessian")


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_optimum_is_that_of_an_interior_point_solver(kind, outputs, seed):
    problem = Problem(kind, outputs, seed)
    answer = minimise(problem.loss, MatrixMap.dense(problem.operator), strength=problem.strength)
    oracle = problem.solve()
    assert answer.converged
    assert abs(answer.value - oracle) <= SAME * oracle
    # The certificate brackets the oracle's value, to the oracle's own precision.
    assert answer.value - answer.gap <= oracle * (1 + 1e-8)
    assert answer.relative_gap <= 1e-8
    assert np.allclose(answer.coefficients, problem.variable.value, atol=1e-4 * np.abs(answer.coefficients).max())


@pytest.mark.parametrize("kind", KINDS)
def test_sparsity_and_groups_are_added(kind):
    problem = Problem(kind, 2, 3)
    answer = minimise(
        problem.loss, MatrixMap.dense(problem.operator), strength=problem.strength,
        sparsity=0.03, groups=[problem.group], group_weights=0.07,
    )  # fmt: skip
    w = problem.variable
    oracle = problem.solve(0.03 * cp.sum(cp.abs(w)) + 0.07 * cp.norm(problem.group @ w, "fro"))
    assert abs(answer.value - oracle) <= SAME * oracle
    assert answer.relative_gap <= 1e-8


@pytest.mark.parametrize("kind", ["least squares", "interpolation"])
def test_agrees_with_scs(kind):
    problem = Problem(kind, 1, 4)
    answer = minimise(problem.loss, MatrixMap.dense(problem.operator), strength=problem.strength)
    assert abs(answer.value - problem.solve(solver="SCS")) <= SAME * answer.value


@pytest.mark.parametrize("form", ["dense", "sparse", "matrix_free"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_form_of_the_operator_gives_the_same_problem(form, weighted):
    problem = Problem("least squares", 2, 5)
    factor = problem.factor if weighted else None
    array = problem.operator
    operator = {
        "dense": lambda: MatrixMap.dense(array, factor=factor),
        "sparse": lambda: MatrixMap.sparse([scipy.sparse.csr_array(array[:, j]) for j in range(Q)], factor=factor),
        "matrix_free": lambda: MatrixMap.matrix_free(
            lambda w: array @ w, lambda c: np.einsum("kqf,kq->f", array, c), (K, Q, F), factor=factor
        ),
    }[form]()
    rng = np.random.default_rng(0)
    w, matrix = rng.normal(size=(F, 2)), rng.normal(size=(2 * operator.rows, Q))
    pairing = np.sum(operator(w) * matrix)
    assert abs(pairing - np.sum(w * operator.adjoint(matrix))) <= 100 * EPS * K * Q * F * max(1, abs(pairing))
    columns = np.stack([operator(e).ravel() for e in np.eye(F)], axis=1)
    assert np.allclose(
        operator.gram(), columns.T @ columns, rtol=0, atol=100 * EPS * K * Q * np.abs(columns).max() ** 2
    )
    answer = minimise(problem.loss, operator, strength=0.05)
    assert abs(answer.value - problem.solve(factor=factor)) <= SAME * answer.value


def test_a_wrong_dual_point_proves_nothing_false():
    """Broken input: duals far outside the ball, or with the wrong sign, still give a bound below the minimum."""
    problem = Problem("least squares", 1, 6)
    operator = MatrixMap.dense(problem.operator)
    answer = minimise(problem.loss, operator, strength=0.05)
    best = answer.value
    (dual,) = answer.certificate.duals
    term = Nuclear(operator, 0.05)
    assert term.dual_norm(dual) <= 0.05 * (1 + 100 * EPS)
    for wrong in (10 * dual, -dual, np.zeros_like(dual)):
        assert certify(problem.loss, [term], answer.coefficients, [wrong]).bound <= best


def test_a_near_miss_has_a_gap():
    problem = Problem("least squares", 1, 7)
    operator = MatrixMap.dense(problem.operator)
    answer = minimise(problem.loss, operator, strength=0.05)
    near = answer.coefficients * (1 + 1e-3)
    # Stationary duals for the nearby point: undo the change of the gradient through the operator.
    shift = problem.loss.value_and_gradient(near)[1] - problem.loss.value_and_gradient(answer.coefficients)[1]
    dual = answer.certificate.duals[0] - operator(np.linalg.solve(operator.gram(), shift))
    found = certify(problem.loss, [Nuclear(operator, 0.05)], near, [dual])
    assert found.gap >= found.value - answer.value > 10 * answer.gap


@pytest.mark.parametrize("outputs", [1, 3])
def test_zero_strength_is_least_squares(outputs):
    problem = Problem("least squares", outputs, 8)
    answer = minimise(problem.loss, MatrixMap.dense(problem.operator), strength=0.0)
    root = np.sqrt(problem.weights)[:, None]
    expected = np.linalg.lstsq(root * problem.design, root * problem.targets, rcond=None)[0]
    assert np.allclose(answer.coefficients, expected, rtol=0, atol=1e3 * EPS * F * np.abs(expected).max())
    assert answer.gap <= 1e3 * EPS * problem.loss.value_and_gradient(np.zeros((F, outputs)))[0]


def test_a_huge_strength_leaves_the_kernel_alone():
    """From `largest_strength` on the answer is the best in the kernel; a hundredth of it is another matter."""
    rng = np.random.default_rng(9)
    array = rng.normal(size=(K, Q, F))
    array[:, :, :2] = 0.0
    operator = MatrixMap.dense(array)
    design, targets = rng.normal(size=(12, F)), rng.normal(size=12)
    loss = LeastSquares(design, targets)
    enough = Family(loss, operator).largest_strength()
    expected = np.linalg.lstsq(design[:, :2], targets, rcond=None)[0]
    for strength in (enough, 1e6, 1e300):
        answer = minimise(loss, operator, strength=strength)
        assert np.allclose(answer.coefficients[:2, 0], expected, atol=1e3 * EPS * F)
        assert np.abs(answer.coefficients[2:]).max() <= 1e3 * EPS
        assert answer.relative_gap <= 1e-8
    assert np.abs(minimise(loss, operator, strength=enough / 100).coefficients[2:]).max() > 1e-3


@pytest.mark.parametrize("n", [2, 5, 7])
def test_one_factorisation_serves_every_number_of_samples(n):
    rng = np.random.default_rng(10)
    operator = MatrixMap.dense(rng.normal(size=(K, Q, F)))
    design, targets = rng.normal(size=(F, F)), rng.normal(size=F)
    family = Interpolation(design, targets, smallest=1)
    shared = minimise(family.first(n), operator)
    alone = minimise(Interpolation(design[:n], targets[:n]), operator)
    assert abs(shared.value - alone.value) <= 2e-8 * alone.value
    assert np.abs(design[:n] @ shared.coefficients[:, 0] - targets[:n]).max() <= 1e3 * EPS * F


def test_more_constraints_than_can_hold_are_refused():
    rng = np.random.default_rng(11)
    design = rng.normal(size=(12, F))
    with pytest.raises(IsotropyError, match="No coefficients meet all 12 constraints"):
        Interpolation(design, rng.normal(size=12))
    # Near miss: as many constraints that do hold determine the answer.
    truth = rng.normal(size=F)
    answer = minimise(Interpolation(design, design @ truth), MatrixMap.dense(rng.normal(size=(K, Q, F))))
    assert np.allclose(answer.coefficients[:, 0], truth, atol=1e4 * EPS * F)
    broken = design @ truth
    broken[3] += 1e-3
    with pytest.raises(IsotropyError, match="No coefficients"):
        Interpolation(design, broken)


@pytest.mark.parametrize("strength", [-1.0, np.nan, np.inf])
def test_a_bad_strength_is_refused(strength):
    problem = Problem("least squares", 1, 12)
    with pytest.raises(IsotropyError, match="must be a finite number >= 0"):
        minimise(problem.loss, MatrixMap.dense(problem.operator), strength=strength)


def test_too_few_iterations_warn_and_return_the_best():
    problem = Problem("interpolation", 1, 13)
    operator = MatrixMap.dense(problem.operator)
    with pytest.warns(IsotropyWarning, match="duality gap of .* Raise `iterations`"):
        rough = minimise(problem.loss, operator, iterations=5)
    assert not rough.converged
    exact = minimise(problem.loss, operator)
    # What the stopped run claims is true all the same.
    assert rough.value - rough.gap <= exact.value <= rough.value


def test_a_zero_operator_leaves_the_loss_alone():
    problem = Problem("least squares", 1, 14)
    answer = minimise(problem.loss, MatrixMap.dense(np.zeros((K, Q, F))), strength=1.0)
    assert answer.coefficients == pytest.approx(
        minimise(problem.loss, MatrixMap.dense(problem.operator), strength=0.0).coefficients
    )


@pytest.mark.parametrize(("double", "outputs"), [(False, 2), (True, 1)])
def test_the_jax_path_agrees(double, outputs):
    problem = Problem("least squares", outputs, 15)
    exact = minimise(LeastSquares(problem.design, problem.targets), MatrixMap.dense(problem.operator), strength=0.05)
    with jax.enable_x64(double):
        dtype = jnp.float64 if double else jnp.float32
        arrays = [jnp.asarray(a, dtype) for a in (problem.design, problem.targets, problem.operator)]
        found = nuclear_least_squares(*arrays, 0.05)
        level = float(jnp.sqrt(jnp.finfo(dtype).eps))
        assert found.coefficients.dtype == dtype
        assert found.gap <= level * found.value
        assert abs(float(found.value) - exact.value) <= 2 * level * exact.value
        strengths = jnp.asarray([0.01, 0.05, 0.2], dtype)
        batch = jax.vmap(lambda s: nuclear_least_squares(*arrays, s))(strengths)
        assert abs(float(batch.value[1] - found.value)) <= 2 * level * exact.value


def test_the_warm_subspace_step_finds_the_same_optimum():
    """Large enough for subspace iteration to take over from full decompositions: q above 60, rank far below."""
    rng = np.random.default_rng(16)
    k, q, f, n = 90, 75, 40, 24
    basis = rng.normal(size=(4, q))
    array = np.einsum("kr,rq,kf->kqf", rng.normal(size=(k, 4)), basis, rng.normal(size=(k, f))) / k
    array += 0.02 * rng.normal(size=(k, q, f)) / np.sqrt(k)
    design = rng.normal(size=(n, f))
    answer = minimise(Interpolation(design, design @ rng.normal(size=f)), MatrixMap.dense(array), tolerance=1e-6)
    assert answer.converged
    assert answer.relative_gap <= 1e-6


def test_the_largest_singular_value_of_nearly_equal_ones():
    """LAPACK's routine for one eigenvalue fails on this Gram matrix, which came up in a fit."""
    a, b, c = 2.1519337962855778e-19, 2.414759230265884e-19, -5.026369926212012e-19
    gram = np.diag([3.323049522245805e-4, 3.323049522245815e-4, 3.323049522245813e-4])
    root = np.linalg.cholesky(gram + np.array([[0, a, b], [a, 0, c], [b, c, 0]])).T
    assert spectral_norm(root) == pytest.approx(np.sqrt(3.32304952e-04))


@pytest.mark.parametrize("make", [Smooth.logistic, Smooth.huber])
def test_weights_of_smooth_losses_count_rows(make):
    rng = np.random.default_rng(0)
    design, counts, w = rng.standard_normal((20, 3)), rng.integers(0, 4, 20), rng.standard_normal((3, 2))
    targets = np.sign(rng.standard_normal((20, 2)))
    ours = make(design, targets, weights=counts)
    theirs = make(np.repeat(design, counts, axis=0), np.repeat(targets, counts, axis=0))
    for a, b in zip(ours.value_and_gradient(w), theirs.value_and_gradient(w), strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_allclose(ours.hessian(w), theirs.hessian(w))
    assert ours.dispersion(w) == pytest.approx(theirs.dispersion(w))


@pytest.mark.parametrize("factor", [None, np.triu(np.ones((4, 4)))])
def test_an_unfolded_map_has_the_entries_of_its_matrices(factor):
    array = np.random.default_rng(0).standard_normal((4, 3, 5)) * (np.arange(60).reshape(4, 3, 5) % 7 == 0)
    sparse = MatrixMap.sparse([scipy.sparse.csr_array(array[:, j]) for j in range(3)], factor=factor).unfolded()
    dense = MatrixMap.dense(array, factor=factor).unfolded()
    assert sparse.shape[1] <= dense.shape[1] == 20
    np.testing.assert_allclose(sparse @ sparse.T, dense @ dense.T)


@pytest.mark.parametrize("shape", [(7, 5), (4, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_newton_finishes_where_no_singular_value_vanishes(shape, seed):
    """Few data leave a minimum of full rank: it is found in a few Newton steps, and certified."""
    rng = np.random.default_rng(seed)
    operator = MatrixMap.dense(rng.normal(size=(*shape, 12)))
    loss = Interpolation(rng.normal(size=(9, 12)), rng.normal(size=9))
    answer = minimise(loss, operator, tolerance=1e-11)
    singular = np.linalg.svd(operator(answer.coefficients), compute_uv=False)
    assert singular.min() > 1e-3 * singular.max()
    assert answer.iterations < 2 * admm.CHECK
    # Where it is smooth, the norm's gradient has no part along the free directions.
    left, _, right = np.linalg.svd(operator(answer.coefficients), full_matrices=False)
    slope = loss.directions.T @ operator.adjoint(left @ right)
    assert np.abs(slope).max() <= 1e-8 * np.linalg.norm(operator.gram(), 2)


def test_newton_gives_back_where_the_minimum_loses_rank():
    """Enough data bring a function of low rank back: Newton's method stops at once or is not tried."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(12, 6, 5))
    truth = rng.normal(size=12)
    low = np.linalg.svd(np.tensordot(truth, basis, 1))
    basis[0] -= (np.tensordot(truth, basis, 1) - 2 * np.outer(low[0][:, 0], low[2][0])) / truth[0]
    operator = MatrixMap.dense(basis.transpose(1, 2, 0))
    design = rng.normal(size=(11, 12))
    loss = Interpolation(design, design @ truth)
    answer = minimise(loss, operator, tolerance=1e-8)
    assert answer.converged
    assert np.abs(answer.coefficients[:, 0] - truth).max() <= 1e-5 * np.abs(truth).max()
    method = Newton(loss, [Nuclear(operator, 1.0)])
    start = answer.coefficients + 0.1 * loss.directions
    found = certify(loss, [Nuclear(operator, 1.0)], start, [np.zeros((6, 5))])
    end = method.solve(start, found, tolerance=1e-12, floor=0.0)
    assert end.certificate.gap <= found.gap
    assert end.steps <= 15
