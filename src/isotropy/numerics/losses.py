"""Smooth convex losses of coefficients.

Each knows its value and gradient, a number below which it never falls, and how to take the step that splitting
methods ask of it: minimise ``loss(w) + rho/2 <w, H w> - rho <b, w>`` for a fixed matrix H and many ``rho`` and ``b``.
Coefficients have shape (f, c); H acts on each of the c columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.linalg

from .. import validate
from ..errors import IsotropyError

SHORTEST = 1e-6
"""The shortest step that a line search tries: below it the gradient's own rounding decides."""

Step = Callable[[float, np.ndarray, np.ndarray], np.ndarray]
"""From ``rho``, ``b`` and a point to start at, to the minimiser of ``loss(w) + rho/2 <w, H w> - rho <b, w>``."""


class Loss(Protocol):
    """What a solver needs of a loss."""

    shape: tuple[int, int]
    lower: float
    unit: float

    def value_and_gradient(self, w: np.ndarray) -> tuple[float, np.ndarray]: ...

    def curvature(self) -> float: ...

    def prepare(self, gram: np.ndarray) -> Step: ...

    def restrict(self, basis: np.ndarray) -> Loss: ...

    def minimise(self) -> np.ndarray: ...


class LeastSquares:
    """``1/2 sum_p weights_p |design_p w - targets_p|^2``; the weights are 1/n unless given.

    >>> loss = LeastSquares(np.eye(2), np.array([1.0, 3.0]))
    >>> loss.value_and_gradient(np.zeros((2, 1)))[0]
    2.5
    """

    def __init__(self, design: Any, targets: Any, *, weights: Any = None) -> None:
        self.design, self.targets = pairs(design, targets)
        n = len(self.design)
        self.weights = np.full(n, 1.0 / n) if weights is None else _weights(weights, n)
        self.shape = (self.design.shape[1], self.targets.shape[1])
        root = np.sqrt(self.weights)[:, None]
        self._best = np.linalg.lstsq(root * self.design, root * self.targets, rcond=None)[0]
        self.lower = 0.0
        self.lower = self.value_and_gradient(self._best)[0]
        self.unit = self.value_and_gradient(np.zeros(self.shape))[0]

    def value_and_gradient(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at ``w`` and its gradient."""
        residual = self.design @ w - self.targets
        weighted = self.weights[:, None] * residual
        return 0.5 * float((residual * weighted).sum()), self.design.T @ weighted

    def curvature(self) -> float:
        """The mean second derivative over the coordinates."""
        return float((self.weights[:, None] * self.design**2).sum()) / self.shape[0]

    def prepare(self, gram: np.ndarray) -> Step:
        """One simultaneous diagonalisation of the two quadratic forms serves every ``rho``: a step is two products.

        A direction that neither form sees is left at zero, which makes the answer the one of least norm.
        """
        own = self.design.T @ (self.weights[:, None] * self.design)
        ratio = (np.trace(own) / np.trace(gram)) if np.trace(gram) > 0 and np.trace(own) > 0 else 1.0
        values, vectors = np.linalg.eigh(own + ratio * gram)
        seen = values > np.finfo(float).eps * len(values) * max(values[-1], 0.0)
        white = vectors[:, seen] / np.sqrt(values[seen])
        first, rotation = np.linalg.eigh(white.T @ own @ white)
        first = np.clip(first, 0.0, 1.0)
        second = (1.0 - first) / ratio
        basis = white @ rotation
        constant = self.design.T @ (self.weights[:, None] * self.targets)
        refine = values[-1] > values[seen].min() / np.sqrt(np.finfo(float).eps) if seen.any() else False

        def step(rho: float, b: np.ndarray, start: np.ndarray) -> np.ndarray:
            scale = (1.0 / np.maximum(first + rho * second, np.finfo(float).tiny))[:, None]
            right = constant + rho * b
            w = basis @ (scale * (basis.T @ right))
            if refine:
                w += basis @ (scale * (basis.T @ (right - own @ w - rho * (gram @ w))))
            return w

        return step

    def restrict(self, basis: np.ndarray) -> LeastSquares:
        """The same loss for coefficients ``basis @ v``, as a loss of v."""
        return LeastSquares(self.design @ basis, self.targets, weights=self.weights)

    def minimise(self) -> np.ndarray:
        """The minimiser, of least norm where there are many."""
        return self._best


class Smooth:
    """Any smooth convex loss, from a function that gives its value and gradient at coefficients (f, c).

    ``lower`` must bound the loss from below (0 for likelihoods and distances); the duality gap rests on it.
    ``hessian(w)`` is the (f c, f c) second derivative; without it, differences of gradients stand in, at 2 f c
    evaluations whenever it is renewed. ``dispersion(w)`` is the variance of a row's gradient over its curvature, 1 for
    the mean of negative log-likelihoods: twice the rise of n losses, divided by it, is compared with chi squared.
    ``bound(w)`` is the second derivative of a quadratic that touches the loss at ``w`` and is nowhere below it: steps
    take it for the hessian, which vanishes far out where the loss is linear there.
    """

    def __init__(
        self,
        value_and_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]],
        shape: tuple[int, int],
        *,
        hessian: Callable[[np.ndarray], np.ndarray] | None = None,
        lower: float = 0.0,
        dispersion: Callable[[np.ndarray], float] = lambda w: 1.0,
        bound: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._function, self._hessian, self.dispersion = value_and_gradient, hessian, dispersion
        self._bound = bound
        self.shape, self.lower = (int(shape[0]), int(shape[1])), float(lower)
        self.unit = abs(self.value_and_gradient(np.zeros(self.shape))[0])

    @classmethod
    def logistic(cls, design: Any, labels: Any, *, weights: Any = None) -> Smooth:
        """The mean of ``log(1 + exp(-y t))`` over labels y = -1, 1 and predictions t = design @ w.

        Of rows with ``weights`` it is the weighted mean.
        """
        design, labels = pairs(design, labels)
        if not np.isin(labels, (-1.0, 1.0)).all():
            raise IsotropyError("the labels of a logistic loss must be -1 or 1: map the two classes to -1 and 1.")

        def scalar(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            margin = labels * t
            rate = 0.5 * (1.0 - np.tanh(0.5 * margin))
            return np.logaddexp(0.0, -margin), -labels * rate, rate * (1.0 - rate)

        return cls._of_predictions(design, labels.shape[1], scalar, parts_of_one(weights, len(design)))

    @classmethod
    def huber(cls, design: Any, targets: Any, *, width: float = 1.0, weights: Any = None) -> Smooth:
        """The mean Huber loss of the residuals: quadratic within ``width``, linear outside.

        Of rows with ``weights`` it is the weighted mean, and a weight of k counts as k rows in the dispersion.
        """
        design, targets = pairs(design, targets)
        parts = parts_of_one(weights, len(design))
        count = float(len(design) if weights is None else np.sum(weights))
        if not width > 0:
            raise IsotropyError(f"The 'width' parameter of huber must be positive. Got {width!r} instead.")

        def scalar(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            residual = t - targets
            clipped = np.clip(residual, -width, width)
            return clipped * (residual - 0.5 * clipped), clipped, (np.abs(residual) <= width).astype(float)

        def dispersion(w: np.ndarray) -> float:
            _, slope, bend = scalar(design @ w)
            free = max(count * targets.shape[1] - w.size, 1.0)
            scatter, bent = (float((parts @ table).sum()) for table in (slope**2, bend))
            return count * scatter / free / max(bent / targets.shape[1], np.finfo(float).tiny)

        def bound(t: np.ndarray) -> np.ndarray:
            return width / np.maximum(np.abs(t - targets), width)

        return cls._of_predictions(design, targets.shape[1], scalar, parts, dispersion, bound)

    @classmethod
    def _of_predictions(
        cls,
        design: np.ndarray,
        outputs: int,
        scalar: Callable[..., Any],
        parts: np.ndarray,
        dispersion: Callable[[np.ndarray], float] = lambda w: 1.0,
        bound: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> Smooth:
        f = design.shape[1]

        def function(w: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope, _ = scalar(design @ w)
            return float((parts @ value).sum()), design.T @ (parts[:, None] * slope)

        def weighted(bend: np.ndarray) -> np.ndarray:
            result = np.zeros((f, outputs, f, outputs))
            for j in range(outputs):
                result[:, j, :, j] = design.T @ ((parts * bend[:, j])[:, None] * design)
            return result.reshape(f * outputs, f * outputs)

        return cls(
            function,
            (f, outputs),
            hessian=lambda w: weighted(scalar(design @ w)[2]),
            dispersion=dispersion,
            bound=None if bound is None else lambda w: weighted(bound(design @ w)),
        )

    def value_and_gradient(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at ``w`` and its gradient."""
        value, gradient = self._function(w)
        return float(value), np.asarray(gradient, dtype=float).reshape(self.shape)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        """The second derivative on flattened coefficients, by differences where none was given."""
        if self._hessian is not None:
            return np.asarray(self._hessian(w), dtype=float)
        size = w.size
        width = np.cbrt(np.finfo(float).eps) * max(1.0, float(np.abs(w).max()))
        rows = np.empty((size, size))
        for i in range(size):
            shift = np.zeros(size)
            shift[i] = width
            shift = shift.reshape(self.shape)
            difference = self.value_and_gradient(w + shift)[1] - self.value_and_gradient(w - shift)[1]
            rows[i] = difference.ravel() / (2.0 * width)
        return 0.5 * (rows + rows.T)

    def curvature(self) -> float:
        """The mean second derivative at zero over the coordinates."""
        return float(np.trace(self.hessian(np.zeros(self.shape)))) / self.shape[0]

    def prepare(self, gram: np.ndarray) -> Step:
        """Newton's method with a Hessian kept from step to step and renewed when it slows down."""
        wide = np.kron(gram, np.eye(self.shape[1]))
        kept: dict[str, Any] = {}
        root = np.sqrt(np.finfo(float).eps)

        def renew(rho: float, w: np.ndarray) -> None:
            matrix = (self.hessian(w) if self._bound is None else self._bound(w)) + rho * wide
            # A nudge far below the matrix's size makes the factorisation safe in directions nobody sees.
            matrix[np.diag_indices_from(matrix)] += np.finfo(float).eps * len(matrix) * max(np.trace(matrix), 1e-300)
            try:
                factor = scipy.linalg.cho_factor(matrix, lower=True)
            except (np.linalg.LinAlgError, ValueError):
                raise IsotropyError(
                    "the loss has no minimum that can be found: its second derivative is not positive definite on the "
                    "way there. Labels that a function of the space separates have none: take a smaller space, more "
                    "data or a larger `strength`. A loss of your own must be convex."
                ) from None
            kept.update(rho=rho, factor=factor)

        def step(rho: float, b: np.ndarray, start: np.ndarray) -> np.ndarray:
            w = start
            if kept.get("rho") != rho:
                renew(rho, w)

            def objective(point: np.ndarray) -> tuple[float, np.ndarray, float]:
                value, gradient = self.value_and_gradient(point)
                pull = gram @ point
                slope = gradient + rho * (pull - b)
                size = np.linalg.norm(gradient) + rho * (np.linalg.norm(pull) + np.linalg.norm(b))
                return value + rho * float((point * (0.5 * pull - b)).sum()), slope, float(size)

            value, slope, size = objective(w)
            for _ in range(100):
                error = np.linalg.norm(slope)
                if error <= 8 * np.finfo(float).eps * w.size * size:
                    break
                move = scipy.linalg.cho_solve(kept["factor"], slope.ravel(), check_finite=False).reshape(w.shape)
                length = 1.0
                while length > SHORTEST:
                    trial = objective(w - length * move)
                    if trial[0] <= value + 1e-12 * abs(value) or np.linalg.norm(trial[1]) < 0.5 * error:
                        break
                    length *= 0.5
                w = w - length * move
                value, slope, size = trial
                now = np.linalg.norm(slope)
                if now > 0.5 * error and error <= root * size:
                    break  # what is left is the rounding of the gradient's own sum
                if now > 0.3 * error:
                    renew(rho, w)
            return w

        return step

    def restrict(self, basis: np.ndarray) -> Smooth:
        """The same loss for coefficients ``basis @ v``, as a loss of v."""

        def function(v: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.value_and_gradient(basis @ v)
            return value, basis.T @ gradient

        wide = np.kron(basis, np.eye(self.shape[1]))

        def inside(of: Callable[[np.ndarray], np.ndarray] | None) -> Callable[[np.ndarray], np.ndarray] | None:
            return None if of is None else lambda v: wide.T @ of(basis @ v) @ wide

        shape = (basis.shape[1], self.shape[1])
        return Smooth(function, shape, lower=self.lower, hessian=inside(self._hessian), bound=inside(self._bound))

    def flatten(self) -> Smooth:
        """The same loss of one column that holds all coefficients, row by row."""
        f, c = self.shape

        def function(v: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.value_and_gradient(v.reshape(f, c))
            return value, gradient.reshape(-1, 1)

        return Smooth(
            function,
            (f * c, 1),
            hessian=lambda v: self.hessian(v.reshape(f, c)),
            lower=self.lower,
            dispersion=lambda v: self.dispersion(v.reshape(f, c)),
            bound=None if (bound := self._bound) is None else lambda v: bound(v.reshape(f, c)),
        )

    def minimise(self) -> np.ndarray:
        """The minimiser, by Newton's method from zero."""
        zero = np.zeros(self.shape)
        return self.prepare(np.zeros((self.shape[0], self.shape[0])))(1.0, zero, zero)


def pairs(design: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
    """The checked design (n, f) and targets as (n, c)."""
    design = validate.array(design, "design", ndim=2).astype(np.float64)
    targets = validate.array(targets, "targets", ndim=(1, 2)).astype(np.float64)
    if len(targets) != len(design):
        raise IsotropyError(
            f"`targets` must have one row for each of the {len(design)} of `design`. Got {len(targets)}."
        )
    return design, targets.reshape(len(targets), -1)


def parts_of_one(weights: Any, n: int) -> np.ndarray:
    """The checked weights of n rows over their sum, all the same unless given."""
    if weights is None:
        return np.full(n, 1.0 / n)
    weights = _weights(weights, n)
    return weights / weights.sum()


def _weights(weights: Any, n: int) -> np.ndarray:
    weights = validate.array(weights, "weights", shape=(n,)).astype(np.float64)
    if (weights < 0).any() or not weights.any():
        raise IsotropyError("`weights` must be non-negative and not all zero.")
    return weights
