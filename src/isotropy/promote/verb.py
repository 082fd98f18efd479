"""Promote: minimise ``loss + strength * ||L[F]||_*``, let the data choose what survives, and refit inside it.

Source: Otto2025, section 6. The nuclear norm of the operator xi -> L(xi, F) is the tightest convex stand-in for its
rank, dim g - dim sym(F); it proposes. A constrained refit and a test decide (`numerics.surviving`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError, IsotropyWarning
from ..geometry.action import Action
from ..geometry.sample import Samples
from ..geometry.space import Space
from ..numerics.bootstrap import BootstrapQuestion
from ..numerics.convex import ITERATIONS, TOLERANCE, Family, Solution
from ..numerics.decide import CLEAR, numerical_floor
from ..numerics.grassmann import SubspaceFit
from ..numerics.interpolation import Interpolation
from ..numerics.losses import LeastSquares, Loss, Smooth
from ..numerics.path import Path, cross_validate, deal
from ..numerics.surviving import LEAST, LikelihoodQuestion, Question, spare
from ..numerics.terms import checked_weight
from ..results.fit import Fit
from .draws import check_resamples, redrawn
from .minimised import LOSSES, loss_of, maker, robust
from .problem import Problem, build
from .verdict import Verdict, from_data, from_spectrum, undecided

LEVEL = 0.01
"""The chance to refuse a true symmetry that the tests are set to."""


def promote(
    space: Space,
    action: Action,
    X: Float[np.ndarray, "p m"],
    Y: Float[np.ndarray, "p ..."],
    *,
    weights: Float[np.ndarray, " p"] | None = None,
    strength: float | None = None,
    exact: bool = False,
    loss: str | Callable[[np.ndarray, np.ndarray], Loss] = "squares",
    sparsity: float = 0.0,
    discrete: float | None = None,
    samples: Samples | None = None,
    level: float = LEVEL,
    noise: float | None = None,
    bootstrap: int = 0,
    refit: bool = True,
    strengths: Any = None,
    folds: int = 5,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Fit:
    """Fit ``Y`` at ``X`` by functions of ``space`` with as much of the candidates' symmetry as the data allow.

    Minimises ``loss + strength ||L[F]||_* + discrete sum_g ||K_g F - F|| + sparsity |coefficients|_1``, where the
    loss is half the mean square ("squares"), the mean of "logistic" (labels -1 and 1) or "huber" (quadratic up to
    1.345 times a robust scatter of the residuals), or made by ``loss(design, targets)``. Without a ``strength`` a path
    of them is compared by cross-validation over ``folds`` (dealt by ``seed``; equal points share a fold).
    ``exact=True`` takes ``Y`` to be free of noise, interpolates it and minimises the norms alone. ``sparsity`` acts on
    the penalised fit; the refit inside what survives is plain.
    ``discrete`` weighs the action's further components, by default as much as ``strength``. ``weights`` count
    repetitions, in the tests too: a row of weight k is as good as k rows, one of weight 0 is left out. If they say how
    precise the rows are, and not how many each stands for, give them the mean 1.

    The candidates are orthonormal as given (convention C5). Functions are measured by the mean square over
    ``samples``; by default over the box that holds X for polynomials, and over X, filled up by points between pairs
    of X where it is short, for other spaces.

    Then dimensions of surviving subalgebras are tested at ``level``, the chance to refuse a true symmetry: against the
    scatter of the unconstrained fit, or against ``noise``, the standard deviation of Y, where it is known. Losses other
    than squares are tested by a likelihood ratio, with chi squared as its limit; with ``bootstrap=199`` against so many
    sets of values drawn as if the refit were true: labels by their chances, other values by residuals of the
    unconstrained fit, which must be alike at all points. With ``refit`` the model reported is the plain fit inside what
    survives. A space too small for the truth makes everything look symmetric: the test compares fits within ``space``
    and cannot see what lies outside it.

    Returns a `Fit`. Raises `IsotropyError` for shapes that do not fit, a negative or NaN strength, data that no
    function of the space meets (``exact``), and candidates that move no function of the space or no row of X. Warns
    with the duality gap, and returns the best iterate, where the solver has not converged.

    >>> from isotropy import groups
    >>> from isotropy.geometry.polynomial import Polynomials
    >>> X = np.random.default_rng(0).uniform(-1, 1, (14, 3))
    >>> fit = promote(Polynomials(3, degree=2), Action(groups.SE(3)), X, X[:, 0]**2 + X[:, 1]**2, exact=True)
    >>> print(fit.describe()[0])
    x^2 + y^2
    >>> fit.symmetries.dimension
    2
    """
    points, targets, single = _data(space, action, X, Y)
    others = any(value is not None for value in (strength, strengths, weights, noise))
    if exact and (others or loss != "squares"):
        raise IsotropyError(
            "`exact=True` interpolates the data and has no `strength`, `strengths`, `noise`, `loss` or `weights`: "
            "leave those out."
        )
    if strength is not None and strengths is not None:
        raise IsotropyError("`strengths` are to choose from, and `strength` is chosen: give one of the two.")
    make = maker(loss, targets)
    if weights is not None:
        points, targets, weights = _weighted(points, targets, weights, loss)
    if strength is not None:
        strength = checked_weight(strength, "strength")
    if discrete is not None:
        discrete = checked_weight(discrete, "discrete")
        if not action.components:
            raise IsotropyError("`discrete` weighs further components, and this group is connected: leave it out.")
    checked_weight(sparsity, "sparsity")
    _check_numbers(level, tolerance, iterations, seed)
    if noise is not None and checked_weight(noise, "noise") == 0:
        raise IsotropyError("`noise` must be positive: for data without noise use `exact=True`.")
    if noise is not None and loss != "squares":
        raise IsotropyError("`noise` is the standard deviation of values under least squares: leave it out.")
    if samples is not None and not isinstance(samples, Samples):
        raise IsotropyError(f"`samples` must be iso.Samples(points). Got {type(samples).__name__}.")
    check_resamples(bootstrap, level, plain=loss != "squares" and weights is None)
    if bootstrap and callable(loss):
        raise IsotropyError("`bootstrap` cannot draw values for a loss of your own: leave it out.")
    problem = build(space, action, points, targets.shape[1], samples)
    _refuse_blind(problem, action)
    if problem.away is not None and len(problem.away):
        warnings.warn(
            f"`X` lies in a plane or on another surface (does a column not vary, or repeat another?), and "
            f"{len(problem.away)} of the {action.dimension} candidates lead out of it. No data say what a function "
            f"does there: they are reported as unseen.",
            IsotropyWarning,
            stacklevel=2,
        )
    design, rows = problem.design(points), problem.rows(targets)
    if weights is not None:
        weights = np.repeat(weights, len(rows) // len(points))
    if loss == "huber":
        make = robust(design, rows, weights)
    made = None if exact else loss_of(make, design, rows, weights)
    terms: dict[str, Any] = {"sparsity": sparsity, "sparse_in": problem.sparse_in if sparsity else None}
    path: Path | None = None
    if made is None:
        weight = 1.0 if discrete is None else discrete
        family = Family(
            Interpolation(design, rows), problem.operator,
            groups=problem.components, group_weights=weight, **terms,
        )  # fmt: skip
        solution = family.solve(1.0, tolerance=tolerance, iterations=iterations, warn=False)
    else:
        if strength is None:
            path, strength = _choose(problem, make, design, rows, weights, strengths, folds, seed, terms)
        strength = checked_weight(strength, "strength")
        weight = strength if discrete is None else discrete
        family = Family(
            made, problem.operator,
            groups=problem.components, group_weights=weight, **terms,
        )  # fmt: skip
        solution = family.solve(strength, tolerance=tolerance, iterations=iterations, warn=False)
    if not solution.converged:
        warnings.warn(
            f"The fit was stopped after {solution.iterations} steps with a relative duality gap of "
            f"{solution.relative_gap:.1e}, above the {tolerance:.1e} asked for; the best iterate is returned. "
            f"Raise `iterations`, or accept it by a larger `tolerance`.",
            IsotropyWarning,
            stacklevel=2,
        )
    verdict, w, kept = _decide(
        problem, action, make, made, design, rows, weights, solution, level, noise, refit, (bootstrap, seed)
    )  # fmt: skip
    shape = (space.dimension,) if single else (space.dimension, *np.shape(Y)[1:])
    return Fit(
        space=space,
        coefficients=_tidy(problem.in_space(w)).reshape(shape),
        promoted=problem.in_space(solution.coefficients).reshape(shape),
        symmetries=verdict.symmetries,
        components=kept,
        strength=None if exact else solution.strength,
        path=path,
        value=solution.value,
        relative_gap=solution.relative_gap,
        iterations=solution.iterations,
        converged=solution.converged,
        trials=verdict.trials,
        settings={
            "level": level,
            "folds": folds,
            "seed": seed,
            "exact": exact,
            "sparsity": sparsity,
            "bootstrap": bootstrap,
        },
    )


def _data(space: Space, action: Action, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    for value, name, kind in ((space, "space", Space), (action, "action", Action)):
        if not isinstance(value, kind):
            raise IsotropyError(f"`{name}` must be a {kind.__name__}. Got {type(value).__name__}.")
    points = validate.array(X, "X", shape=(None, space.input_dimension)).astype(np.float64)
    targets = validate.array(Y, "Y", ndim=tuple(range(1, 5))).astype(np.float64)
    if len(targets) != len(points):
        raise IsotropyError(f"`Y` must have one row for each of the {len(points)} of `X`. Got {len(targets)}.")
    return points, targets.reshape(len(targets), -1), targets.ndim == 1


def _weighted(
    points: np.ndarray, targets: np.ndarray, weights: Any, loss: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows that count, and how often."""
    weights = validate.array(weights, "weights", shape=(len(points),)).astype(np.float64)
    if (weights < 0).any() or not weights.any():
        raise IsotropyError("`weights` must be non-negative and not all zero: they say how often each row counts.")
    if callable(loss):
        raise IsotropyError("a `loss` of your own has its own weights: put them in it, and leave `weights` out.")
    kept = weights > 0
    return points[kept], targets[kept], weights[kept]


def _refuse_blind(problem: Problem, action: Action) -> None:
    if not len(problem.sight[1]):
        still = problem.still is not None and len(problem.still) == action.dimension
        seen = "leave every row of `X` where it is" if still else f"leave every function of {problem.space!r} unchanged"
        raise IsotropyError(
            f"the {action.dimension} candidate(s) of {action} {seen}: there is nothing to promote. Use "
            f"{'data' if still else 'a larger space, or one of functions'} that they move, or other candidates."
        )


def _check_numbers(level: Any, tolerance: Any, iterations: Any, seed: Any) -> None:
    for name, value in (("level", level), ("tolerance", tolerance)):
        if not isinstance(value, int | float | np.number) or not 0 < float(value) < 1:
            raise IsotropyError(f"The '{name}' parameter of promote must lie between 0 and 1. Got {value!r} instead.")
    for name, value, least in (("iterations", iterations, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
            wanted = f"must be an integer >= {least}"
            raise IsotropyError(f"The '{name}' parameter of promote {wanted}. Got {value!r} instead.")


def _choose(
    problem: Problem,
    make: Callable[..., Loss],
    design: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray | None,
    strengths: Any,
    folds: int,
    seed: int,
    terms: dict[str, Any],
) -> tuple[Path, float]:
    samples = len(np.unique(problem.points, axis=0))
    if samples < 2:
        raise IsotropyError("one row of `X` cannot choose a strength: pass more data, or give the `strength`.")
    if isinstance(folds, bool) or not isinstance(folds, Integral) or not 2 <= folds <= samples:
        raise IsotropyError(
            f"`folds` must be an integer between 2 and the {samples} different rows of `X`. Got {folds!r}: "
            f"take fewer folds or more data, or give the `strength`."
        )
    # All rows of one point stay in one fold.
    dealt = np.repeat(deal(problem.points, folds, seed=seed), len(rows) // len(problem.points))
    path, _ = cross_validate(
        make, design, rows, problem.operator, folds=dealt, strengths=strengths, weights=weights, **terms
    )
    return path, float(path.strengths[path.chosen])


def _decide(
    problem: Problem,
    action: Action,
    make: Callable[..., Loss],
    made: LeastSquares | Smooth | None,
    design: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray | None,
    solution: Solution,
    level: float,
    noise: float | None,
    refit: bool,
    draws: tuple[int, int],
) -> tuple[Verdict, np.ndarray, tuple[bool, ...]]:
    """The verdict, the coefficients to report, and which discrete candidates survive; no loss is for exact data."""
    w = solution.coefficients
    if made is None:
        scale, seen, _ = problem.sight
        fit = SubspaceFit.of_data(design, rows, problem.seen)
        # What the solver leaves undone, as a change of the operator: the copies differ from the images by this.
        assert solution.state is None or solution.state.copies
        error = _undone(problem, solution, scale, seen)
        verdict = from_spectrum(problem, action, fit, w, error=error)
        if verdict.basis is not None:
            polished = verdict.basis @ np.linalg.lstsq(design @ verdict.basis, rows, rcond=None)[0]
            worst = float(np.abs(design @ polished - rows).max())
            size = np.abs(rows).max() + np.linalg.norm(design) * np.abs(polished).max()
            if refit and worst <= np.finfo(float).eps * max(design.shape) * size:
                w = polished
        kept = tuple(
            bool(np.linalg.norm(d @ w) <= max(error, np.finfo(float).eps * d.size * np.linalg.norm(w)))
            for d in problem.components
        )
        return verdict, w, kept
    if isinstance(made, LeastSquares) and noise is None and spare(design, rows, weights) < LEAST * rows.shape[1]:
        return undecided(problem, action, w), w, (False,) * len(problem.components)
    question, flat = _question(problem, made, rows, weights, noise, make, design, draws)
    proposed = w.reshape(-1, 1) if flat else w
    verdict = from_data(problem, action, question, proposed, level=level)
    inside = verdict.coefficients if verdict.coefficients is not None else None
    basis = verdict.basis if verdict.basis is not None else np.eye(question.fit.features)
    kept = ()
    if question.answerable and problem.components:
        kept, basis, joined = _components(problem, question, basis, flat, level)
        inside = joined if any(kept) else inside
    if refit and inside is not None:
        w = inside.reshape(w.shape)
    return verdict, w, kept or (False,) * len(problem.components)


def _undone(problem: Problem, solution: Solution, scale: np.ndarray, seen: np.ndarray) -> float:
    if solution.state is None:
        return 0.0
    difference = problem.operator(solution.coefficients) - solution.state.copies[0]
    return float(np.linalg.norm((difference / scale) @ seen.T, 2))


def _question(
    problem: Problem,
    made: LeastSquares | Smooth,
    rows: np.ndarray,
    weights: np.ndarray | None,
    noise: float | None,
    make: Callable[..., Loss],
    design: np.ndarray,
    draws: tuple[int, int],
) -> tuple[Question, bool]:
    """The question for this loss, and whether its coefficients are one flat column."""
    resamples, seed = draws
    count = len(rows) if weights is None else float(weights.sum())
    operator = problem.seen
    if isinstance(made, LeastSquares):
        # Only the ratios of a loss's own weights matter.
        counts = None if np.ptp(made.weights) == 0 and weights is None else made.weights * (count / made.weights.sum())
        return Question(made.design, made.targets, operator, noise=noise, weights=counts), False
    outputs = made.shape[1]
    k, q, f = operator.shape
    wide = np.einsum("kqf,co->kcqfo", operator, np.eye(outputs)).reshape(k * outputs, q, f * outputs)
    flat = made.flatten()
    if not resamples:
        return LikelihoodQuestion(flat, wide, count=count), True
    redraw = redrawn(make, design, rows, made.minimise(), labels=make is LOSSES["logistic"])
    return BootstrapQuestion(flat, wide, count=count, redraw=redraw, resamples=resamples, seed=seed), True


def _components(
    problem: Problem, question: Question, basis: np.ndarray, flat: bool, level: float
) -> tuple[tuple[bool, ...], np.ndarray, np.ndarray]:
    """Discrete candidates one after the other: kept where a refit that is unchanged by it too is not refused."""
    outputs = problem.operator.features
    kept: list[bool] = []
    coefficients = np.zeros(0)
    for matrix in problem.components:
        wide = np.kron(matrix, np.eye(question.fit.features // outputs)) if flat else matrix
        _, values, right = np.linalg.svd(wide @ basis, full_matrices=True)
        values = np.pad(values, (0, len(right) - len(values)))
        # The change by a discrete element is of order one, and so is the scale of its rounding.
        zero = values <= np.finfo(float).eps * max(wide.shape) * max(float(np.linalg.norm(wide, 2)), 1.0)
        inner = basis @ right[zero].T
        survives = inner.shape[1] > 0
        if survives:
            trial, refitted = question.compare(inner, 0)
            survives = trial.holds(level)
            if survives:
                basis, coefficients = inner, refitted
        kept.append(survives)
    return tuple(kept), basis, coefficients


def _tidy(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients with what rounding left of zeros set to zero: those not clearly above the floor.

    How far above it rounding may leave a zero depends on the condition of the data, and on the processor.
    """
    floor = numerical_floor(np.float64, coefficients.size, float(np.abs(coefficients).max(initial=0.0)))
    return np.where(np.abs(coefficients) <= CLEAR * floor, 0.0, coefficients)
