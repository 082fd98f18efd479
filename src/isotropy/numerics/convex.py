"""Minimise a convex loss plus a nuclear norm of a linear map: one call, and a certificate with the answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import IsotropyError, IsotropyWarning
from .admm import Splitting, State
from .certificate import Certificate, certify
from .decide import CLEAR
from .interpolation import Interpolation
from .losses import Loss
from .matrix_map import MatrixMap
from .terms import Entries, Group, Nuclear, Term, checked_weight

TOLERANCE = 1e-8
"""The relative duality gap to stop at, unless stated."""

ITERATIONS = 20_000
"""Steps before giving up, unless stated."""


@dataclass(frozen=True)
class Solution:
    """Coefficients (f, c) and the proof of how good they are.

    ``value - gap`` is a lower bound on the minimum, by the dual points in ``certificate.duals``.
    """

    coefficients: Float[np.ndarray, "f c"]
    strength: float
    certificate: Certificate
    iterations: int
    converged: bool
    state: State | None = None

    @property
    def value(self) -> float:
        """Loss and terms together at the coefficients."""
        return self.certificate.value

    @property
    def gap(self) -> float:
        """The duality gap: no coefficients do better by more than this."""
        return self.certificate.gap

    @property
    def relative_gap(self) -> float:
        """The gap over the value, or over the root of eps of the zero function's loss where that is more."""
        return self.certificate.relative_gap


class Family:
    """All problems ``loss(w) + strength ||A(w)||_* + sparsity ||w||_1 + sum_j weights_j ||D_j w||`` with one loss.

    What can be factorised once is: a path over strengths, or a search over the number of samples, pays for it once.
    ``sparse_in`` is a matrix T that puts ``||T w||_1`` in place of ``||w||_1``, for coefficients in another basis;
    ``gram`` is ``operator.gram()`` where it is known already.
    """

    def __init__(
        self,
        loss: Loss,
        operator: MatrixMap,
        *,
        sparsity: float = 0.0,
        sparse_in: np.ndarray | None = None,
        groups: Sequence[Any] = (),
        group_weights: Sequence[float] | float = 1.0,
        gram: np.ndarray | None = None,
    ) -> None:
        if operator.features != loss.shape[0]:
            raise IsotropyError(
                f"`operator` acts on {operator.features} coefficients, but the loss has {loss.shape[0]}: "
                f"build both from the same features."
            )
        self.loss, self.operator = loss, operator
        weights = [group_weights] * len(groups) if isinstance(group_weights, int | float) else list(group_weights)
        others: list[Term] = []
        if checked_weight(sparsity, "sparsity") > 0:
            others.append(Entries(loss.shape[0], sparsity, matrix=sparse_in))
        others += [Group(d, w) for d, w in zip(groups, weights, strict=True) if checked_weight(w, "group_weights") > 0]
        self._others = others
        self._gram = operator.gram() if gram is None else gram
        # Where every term but the loss vanishes; a sum of absolute values does so at zero alone.
        self._whole = self._gram if checked_weight(sparsity, "sparsity") == 0 else None
        if self._whole is not None and self._others:
            self._whole = self._gram + sum(term.gram() for term in self._others)
        self._splittings: dict[bool, Splitting] = {}
        self._kernel_answer: tuple[np.ndarray, float, np.ndarray] | None = None

    def largest_strength(self) -> float:
        """A strength from which on the penalised part is zero: the coefficients stay where the operator vanishes.

        It is the spectral norm of the least dual point (in the Frobenius norm) that proves it, so up to sqrt(rank)
        above the smallest such strength. Zero if the loss alone already chooses a symmetric answer.
        """
        return float(self._symmetric()[1])

    def _symmetric(self) -> tuple[np.ndarray, float, np.ndarray]:
        if self._kernel_answer is None:
            self._kernel_answer = self._solve_in_kernel()
        return self._kernel_answer

    def _solve_in_kernel(self) -> tuple[np.ndarray, float, np.ndarray]:
        """The best coefficients in the operator's kernel, the strength that keeps them there, and the dual point."""
        values, vectors, zero = _spectrum(self._gram)
        kernel = vectors[:, zero]
        w = np.zeros(self.loss.shape)
        if kernel.shape[1]:
            w = kernel @ self.loss.restrict(kernel).minimise()
        gradient = self.loss.value_and_gradient(w)[1]
        # Data without noise that the kernel meets leave the rounding of the gradient's own sum.
        start = self.loss.value_and_gradient(np.zeros(self.loss.shape))[1]
        if np.linalg.norm(gradient) <= CLEAR * np.finfo(float).eps * w.size * np.linalg.norm(start):
            gradient = np.zeros_like(gradient)
        inverse = vectors[:, ~zero] / values[~zero]
        dual = self.operator(-(inverse @ (vectors[:, ~zero].T @ gradient)))
        return w, Nuclear(self.operator, 1.0).dual_norm(dual), dual

    def _meeting(self, loss: Interpolation) -> np.ndarray | None:
        """Coefficients that meet the data where all terms vanish, so that the minimum is zero, or None."""
        assert self._whole is not None
        _, vectors, zero = _spectrum(self._whole)
        kernel = vectors[:, zero]
        if not kernel.shape[1]:
            return None
        try:
            return kernel @ loss.restrict(kernel).minimise()
        except IsotropyError:
            return None

    def solve(
        self,
        strength: float,
        *,
        tolerance: float = TOLERANCE,
        iterations: int = ITERATIONS,
        start: State | None = None,
        enough: Callable[[np.ndarray, Certificate], bool] | None = None,
        warn: bool = True,
    ) -> Solution:
        """The minimiser at one strength, to a relative duality gap of ``tolerance``.

        ``enough``, asked now and then with coefficients (f, c) and their certificate, may end it sooner.
        Without convergence the best coefficients found come back, with an `IsotropyWarning` that states the gap.
        """
        strength = checked_weight(strength, "strength")
        loss = self.loss
        nuclear = Nuclear(self.operator, strength)
        if isinstance(loss, Interpolation) and self._whole is not None:
            w = self._meeting(loss)
            if w is not None:
                terms = [nuclear, *self._others]
                nothing = [np.zeros_like(term.forward(w)) for term in terms]
                return Solution(w, strength, Certificate(0.0, 0.0, 0.0, tuple(nothing)), 0, True)
        if not self._others:
            if strength == 0 or not np.any(self._gram):
                w = loss.minimise()
                return Solution(w, strength, certify(loss, [], w, []), 0, True)
            if not isinstance(loss, Interpolation):
                w, limit, dual = self._symmetric()
                if strength >= limit:
                    return Solution(w, strength, certify(loss, [nuclear], w, [dual]), 0, True)
        terms: list[Term] = ([nuclear] if strength > 0 else []) + self._others
        splitting = self._splittings.get(strength > 0)
        if splitting is None:
            grams = ([self._gram] if strength > 0 else []) + [term.gram() for term in self._others]
            splitting = self._splittings[strength > 0] = Splitting(loss, grams)
        found = splitting.solve(terms, tolerance=tolerance, iterations=iterations, start=start, enough=enough)
        answer = Solution(
            found.coefficients, strength, found.certificate, found.iterations, found.converged, found.state
        )
        if warn and not found.converged:
            warnings.warn(
                f"The convex problem was stopped after {found.iterations} steps with a relative duality gap of "
                f"{answer.relative_gap:.1e}, above the {tolerance:.1e} asked for; the best iterate is returned. "
                f"Raise `iterations`, or accept it by a larger `tolerance`.",
                IsotropyWarning,
                stacklevel=2,
            )
        return answer


def _spectrum(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, eigenvectors, and which of them are zero to rounding."""
    values, vectors = np.linalg.eigh(gram)
    return values, vectors, values <= np.finfo(float).eps * len(values) * max(values[-1], 0.0)


def minimise(
    loss: Loss,
    operator: MatrixMap,
    *,
    strength: float = 1.0,
    sparsity: float = 0.0,
    groups: Sequence[Any] = (),
    group_weights: Sequence[float] | float = 1.0,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
    start: State | None = None,
) -> Solution:
    """Minimise ``loss(w) + strength ||A(w)||_* + sparsity ||w||_1 + sum_j group_weights_j ||D_j w||``.

    ``loss`` is a `LeastSquares`, an `Interpolation` (then the norm alone is minimised) or a `Smooth`; ``groups``
    holds the matrices D_j. Stops on a relative duality gap of ``tolerance``.

    >>> from isotropy.numerics.interpolation import Interpolation
    >>> operator = MatrixMap.dense(np.eye(3).reshape(3, 1, 3))
    >>> answer = minimise(Interpolation(np.array([[1.0, 1.0, 0.0]]), np.array([2.0])), operator)
    >>> print(answer.coefficients[:, 0].round(6), answer.converged)
    [1. 1. 0.] True
    """
    family = Family(loss, operator, sparsity=sparsity, groups=groups, group_weights=group_weights)
    return family.solve(strength, tolerance=tolerance, iterations=iterations, start=start)
