"""Which generators survive the data: the largest subspace that a constrained refit and a test do not refuse.

A threshold on the spectrum of a fitted operator cannot tell a small singular value from noise. Here each dimension s
is put to the question on its own: fit the s-dimensional subspace V and the coefficients it leaves unchanged together
(`grassmann`), settle V where such coefficients truly exist, refit them by plain least squares, and compare with the
unconstrained fit in an F-test (Fisher; the family of subspaces counts as s (q - s) fitted numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import scipy.stats
from jaxtyping import Float

from .decide import CLEAR, numerical_floor
from .grassmann import SubspaceFit
from .losses import Smooth

WEIGHTS = tuple(np.geomspace(2.0, 6e3, 7).tolist())
"""Rising weights of the penalty. With small ones alone, planted subgroups are found but broken ones are not refused."""

TRIES = 3
"""How many readings of the number of unchanged coefficients are tried, by the size of the gap in the spectrum."""


HIDDEN, CONFIDENCE = 0.5, 0.95
"""The largest departure, as a part of the values' size, that may hide behind an accepted symmetry; how surely."""


ACCURACY = 1e-7
"""How far off a refit may be, as a part of the largest value: subspaces settle to 1e-8, and 5e-8 was seen."""

ANGLES, FEASIBLE = 1500, 1e-6
"""Most angles of a subspace whose standard errors are asked for, and what may be left of a turn's square, relative."""

LEAST = 3
"""Data beyond the coefficients, for each output, that must say how large the noise is. With one or two a function of no
symmetry passed in most of 16 sets, and `hidden` was a quarter of how far off the refit was."""


@dataclass(frozen=True)
class Trial:
    """One question put to the data: dimension, unchanged coefficients per column, F statistic and its p-value.

    ``hidden`` is how far the truth may be from what is unchanged without being refused, as a part of the values' size
    (root mean squares; for likelihoods, of predictions in units of their information): an upper bound with a confidence
    of 95%. Few data refuse nothing, and then it is large.
    """

    dimension: int
    unchanged: int
    statistic: float
    p_value: float
    hidden: float = 0.0

    def holds(self, level: float) -> bool:
        """Whether the data do not refuse it, and would have refused a departure by `HIDDEN` of their size."""
        return self.p_value > level and not self.weak

    @property
    def weak(self) -> bool:
        """Whether too much could hide for an answer."""
        return self.hidden > HIDDEN

    def to_dict(self) -> dict[str, Any]:
        """Five numbers."""
        return {
            "dimension": self.dimension,
            "unchanged": self.unchanged,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "hidden": self.hidden,
        }


@dataclass(frozen=True)
class Survival:
    """The surviving subspace (q, s), a basis (f, d) of the coefficients unchanged by it, and the refit inside (f, c).

    ``error`` is the relative size of what settling left of zero, ``noise`` the standard deviation of the targets.
    """

    subspace: Float[np.ndarray, "q s"]
    basis: Float[np.ndarray, "f d"]
    coefficients: Float[np.ndarray, "f c"]
    error: float
    noise: float

    @property
    def dimension(self) -> int:
        """How many independent generators survive."""
        return self.subspace.shape[1]


@dataclass(frozen=True)
class Refit:
    """Coefficients (f, c) inside ``basis`` (f, k), which ``subspace`` (q, s) leaves unchanged; None for none."""

    coefficients: np.ndarray
    basis: np.ndarray
    subspace: np.ndarray | None


def spare(
    design: Float[np.ndarray, "n f"], targets: Float[np.ndarray, "n c"], weights: Float[np.ndarray, " n"] | None
) -> float:
    """How many numbers the data hold beyond those that ``design`` can fit; a row of weight k is k rows.

    Zero where as many different rows as the design's rank are all there is, however often they are repeated: a fit
    that meets every one of them says nothing of the noise.
    """
    count = float(len(design)) if weights is None else float(weights.sum())
    kept = slice(None) if weights is None else weights > 0
    rank = int(np.linalg.matrix_rank(design[kept]))
    table = np.hstack([design, targets])[kept]
    different = len(np.unique(table[: 2 * rank + 2], axis=0))
    if different <= rank:
        different = len(np.unique(table, axis=0))
    # The sum of weights is a whole number only to rounding.
    left = count - rank if different > rank else 0.0
    return max(left, 0.0) * targets.shape[1] if left > np.finfo(float).eps * len(design) * count else 0.0


class Question:
    """Data and an operator, ready to be asked whether s generators may be symmetries, by least squares and F-tests.

    ``noise`` is the standard deviation of the targets where it is known; chi squared then takes the place of F.
    Rows with ``weights`` are fitted by weighted least squares, and a weight of k counts as k rows in the test too.
    """

    def __init__(
        self,
        design: Float[np.ndarray, "n f"],
        targets: Float[np.ndarray, "n c"],
        operator: Float[np.ndarray, "k q f"],
        *,
        noise: float | None = None,
        weights: Float[np.ndarray, " n"] | None = None,
    ) -> None:
        n = len(design)
        self.degrees = spare(design, targets, weights)
        self.count = float(n)
        if weights is not None:
            self.count = float(weights.sum())
            root = np.sqrt(weights)[:, None]
            design, targets = root * design, root * targets
        self.design, self.targets = design, targets
        self.outputs = targets.shape[1]
        self.free = np.linalg.lstsq(design, targets, rcond=None)[0]
        self.residual = float(((targets - design @ self.free) ** 2).sum())
        self.size = float((targets**2).sum() / self.count)
        self.rank = int(np.linalg.matrix_rank(design))
        # A test against less noise than refits are off by would refuse every symmetry.
        rounding = ACCURACY * float(np.abs(targets).max(initial=0.0))
        self.variance = self.residual / self.degrees if self.degrees > 0 else np.nan
        self.known = noise is not None
        if noise is not None:
            self.variance = float(noise) ** 2
        self.variance = max(self.variance, rounding**2, np.finfo(float).tiny)
        self.fit = SubspaceFit.of_data(design, targets, operator, count=self.count)

    @property
    def answerable(self) -> bool:
        """Whether there is anything to compare with: enough more data than coefficients, or a noise that is known."""
        return self.known or self.degrees >= LEAST * self.outputs

    def _refit(self, basis: np.ndarray) -> tuple[np.ndarray, float, int]:
        """The best coefficients inside ``basis``, twice the rise of the log-likelihood, and the rank lost."""
        inside = self.design @ basis
        solution, _, rank, _ = np.linalg.lstsq(inside, self.targets, rcond=None)
        rise = float(((self.targets - inside @ solution) ** 2).sum()) - self.residual
        return basis @ solution, rise / self.variance, self.rank - int(rank)

    def compare(
        self, basis: np.ndarray, dimension: int, subspace: np.ndarray | None = None
    ) -> tuple[Trial, np.ndarray]:
        """The refit by ``basis`` against the unconstrained one; ``subspace`` (q, s) is what leaves it unchanged."""
        coefficients, rise, lost = self._refit(basis)
        rise = max(rise, 0.0)
        # The subspace was fitted too, which gives the refit that many more numbers to choose.
        fitted = dimension * (self.fit.generators - dimension)
        extra = max(lost * self.outputs - fitted, 1)
        p_value = self._chance(rise, extra, fitted, Refit(coefficients, basis, subspace))
        ratio = float(rise / extra)
        return Trial(dimension, basis.shape[1], ratio, p_value, self._hidden(ratio, extra)), coefficients

    def _hidden(self, ratio: float, extra: int) -> float:
        """The departure that a test of ``extra`` numbers with this ratio leaves open, as a part of the values' size.

        Never less than at the ratio's expectation, 1, so that luck does not pass for power.
        """
        within = np.inf if self.known else self.degrees
        square = noncentrality(max(ratio, 1.0), extra, within) * self.variance / self.count
        return float(np.sqrt(square / self.size)) if self.size > 0 else 0.0

    def _chance(self, rise: float, extra: int, fitted: int, refit: Refit) -> float:
        """How likely so large a rise is where ``refit`` is the truth: ``extra`` numbers less, ``fitted`` put off."""
        if self.known:
            return float(scipy.stats.chi2.sf(rise, extra))
        return float(scipy.stats.f.sf(rise / extra, extra, self.degrees))

    def turn(self, found: Survival) -> float:
        """The standard error of the surviving subspace, as an angle, in the direction in which it is largest.

        To first order: turning V by U T, with U the directions that do not survive, moves the coefficients w by the
        least ``d`` with ``A(d) V = -A(w) U T``, and costs ``|d|^2`` in the metric of the data. Turns that have no such
        d would leave fewer coefficients unchanged, and are none. Zero where there are more than `ANGLES`.
        """
        subspace, fit = found.subspace, self.fit
        q, s = subspace.shape
        if s == q or s * (q - s) > ANGLES:
            return 0.0
        values, vectors = np.linalg.eigh(fit.moment)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
        tables = np.einsum("kqf,qs->skf", fit.operator, subspace, optimize=True)
        sizes, directions = np.linalg.eigh(fit.penalty(subspace))
        moving = directions[:, found.basis.shape[1] :] / np.sqrt(sizes[found.basis.shape[1] :])
        others = np.linalg.svd(subspace, full_matrices=True)[0][:, s:]
        # What V leaves unchanged may be added to d, and takes its part off the cost.
        metric, unchanged = root @ moving, root @ found.basis
        metric -= unchanged @ np.linalg.lstsq(unchanged, metric, rcond=None)[0]
        cost, missed = np.zeros((2, s * (q - s), s * (q - s)))
        for column in found.coefficients.T:
            images = np.einsum("kqf,f,qu->ku", fit.operator, column, others, optimize=True)
            moved = moving.T @ np.einsum("skf,ku->fsu", tables, images, optimize=True).reshape(len(moving), -1)
            missed += np.kron(np.eye(s), images.T @ images) - moved.T @ moved
            needed = metric @ moved
            cost += needed.T @ needed
        left, turns = np.linalg.eigh(missed)
        scale = max(float(np.linalg.norm(fit.image(found.coefficients), 2)) ** 2, np.finfo(float).tiny)
        turns = turns[:, left <= FEASIBLE * scale]
        if not turns.shape[1]:
            return 0.0
        least = float(np.linalg.eigvalsh(turns.T @ cost @ turns)[0])
        return float(np.sqrt(self.variance / self.count / least)) if least > 0 else np.inf

    def ask(self, start: np.ndarray, level: float) -> tuple[list[Trial], Survival | None]:
        """May as many generators as ``start`` (q, s) has columns be symmetries? The answer is yes with a `Survival`."""
        fit, dimension = self.fit, start.shape[1]
        subspace = fit.fit_along(start, WEIGHTS) if dimension < fit.generators else np.eye(fit.generators)
        values = np.linalg.eigvalsh(fit.penalty(subspace))
        floor = np.finfo(float).eps * fit.features * max(values[-1], 0.0)
        ratios = values[1:] / np.maximum(values[:-1], max(floor, np.finfo(float).tiny))
        trials: list[Trial] = []
        for position in np.argsort(ratios)[::-1][:TRIES]:
            settled, basis, left = fit.settle(subspace, int(position) + 1)
            if left > np.sqrt(np.finfo(float).eps):
                continue
            trial, coefficients = self.compare(basis, dimension, settled)
            trials.append(trial)
            if trial.holds(level):
                noise = float(np.sqrt(self.variance))
                return trials, Survival(settled, basis, coefficients, left, noise)
        return trials, None


class LikelihoodQuestion(Question):
    """The same question for another loss, by a likelihood ratio: subspaces from its quadratic model at the free fit.

    ``loss`` has one column; ``count`` is the number of rows whose mean it is. Wilks's theorem gives chi squared.
    """

    def __init__(self, loss: Smooth, operator: Float[np.ndarray, "k q f"], *, count: float) -> None:
        self.loss, self.count, self.outputs, self.known = loss, count, 1, True
        self.free = loss.minimise()
        value, gradient = loss.value_and_gradient(self.free)
        moment = loss.hessian(self.free)
        self.value, self.rank = value, int(np.linalg.matrix_rank(moment))
        # Classes that a function separates have no best fit, and nothing to compare with.
        limit = np.sqrt(np.finfo(float).eps) * max(abs(value), np.finfo(float).tiny)
        flat = np.trace(moment) <= np.sqrt(np.finfo(float).eps) * np.trace(loss.hessian(np.zeros(loss.shape)))
        self.settled = bool(np.linalg.norm(gradient) <= limit and not flat)
        self.degrees = (count - self.rank) if self.settled else 0
        self.variance = loss.dispersion(self.free)
        product = moment @ self.free
        # Predictions measured by the loss's own curvature.
        self.size = float((self.free * product).sum())
        self.fit = SubspaceFit(moment, product, float((self.free * product).sum()), operator)

    @property
    def answerable(self) -> bool:
        """Whether there are enough more data than coefficients and the free fit exists."""
        return self.degrees >= LEAST

    def _refit(self, basis: np.ndarray) -> tuple[np.ndarray, float, int]:
        inside = self.loss.restrict(basis)
        solution = inside.minimise()
        rise = 2.0 * self.count * (inside.value_and_gradient(solution)[0] - self.value)
        return basis @ solution, rise / self.variance, self.rank - basis.shape[1]


def noncentrality(ratio: float, extra: int, within: float) -> float:
    """The largest noncentrality that an F ratio of ``extra`` and ``within`` degrees leaves open, with `CONFIDENCE`.

    With Patnaik's approximation of the noncentral F (and, for ``within`` infinite, chi squared) by a central one: The
    non-central chi-squared and F-distributions and their applications, Biometrika 36 (1949).
    """

    def chance(size: float) -> float:
        degrees = (extra + size) ** 2 / (extra + 2.0 * size)
        scaled = ratio * extra / (extra + size)
        if np.isinf(within):
            return float(scipy.stats.chi2.cdf(scaled * degrees, degrees))
        return float(scipy.stats.f.cdf(scaled, degrees, within))

    if chance(0.0) <= 1.0 - CONFIDENCE:
        return 0.0
    top = float(extra)
    while chance(top) > 1.0 - CONFIDENCE:
        top *= 2.0
    root: Any = scipy.optimize.brentq(lambda size: chance(size) - (1.0 - CONFIDENCE), 0.0, top)
    return float(root)


def survivors(
    question: Question, directions: Float[np.ndarray, "q q"], *, level: float
) -> tuple[Survival | None, tuple[Trial, ...]]:
    """The largest surviving subspace at the given level, or None where nothing survives, and every trial made.

    ``directions`` are orthonormal columns, the most likely symmetries last. Dimensions are bisected: what holds for a
    subalgebra holds for the subspaces in it. Then every generator that leaves the accepted coefficients unchanged is
    taken in, which closes the subspace under the bracket wherever the candidates are closed.
    """
    q = directions.shape[1]
    trials: list[Trial] = []
    best: Survival | None = None
    low, high = 0, q
    while low < high:
        # Everything at once is asked first: it is cheap, and true of data that are constant.
        middle = q if high == q else (low + high + 1) // 2
        asked, answer = question.ask(directions[:, q - middle :], level)
        trials += asked
        if answer is None:
            high = middle - 1
        else:
            best, low = answer, middle
    if best is None:
        return None, tuple(trials)
    return close(question.fit, best), tuple(trials)


def close(fit: SubspaceFit, found: Survival) -> Survival:
    """Take in every generator that leaves the found coefficients unchanged, with the error of the subspace then."""
    image = fit.image(found.basis)
    _, values, vectors = np.linalg.svd(image, full_matrices=True)
    values = np.pad(values, (0, fit.generators - len(values)))
    top = float(values[0]) if values[0] > 0 else 1.0
    floor = numerical_floor(float, max(image.shape), top) + CLEAR * found.error * top
    count = max(int((values <= floor).sum()), found.dimension)
    kept = values[: len(values) - count]
    # Rounding turns the subspace by its own size over the smallest value that holds it in place.
    error = floor / float(kept[-1]) if len(kept) else np.finfo(float).eps
    return Survival(vectors[len(values) - count :].T, found.basis, found.coefficients, error, found.noise)
