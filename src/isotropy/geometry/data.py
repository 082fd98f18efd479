"""Pairs (x, y) as a section: y = F(x) + noise with F from the class of functions that predicts left-out pairs best."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import KDTree

from .. import validate
from ..errors import IsotropyError, IsotropyWarning
from ..numerics.decide import CONSISTENT, filled, misfit_covered, reach
from .network import LEAST, Ensemble, all_values, evaluate, networks
from .polynomial import Polynomials
from .regression import TIE, Regression, larger_polynomials, polynomials, radial
from .restricted import Hull, Restricted
from .sample import Samples
from .space import Space

CLASSES = ("polynomials", "radial", "networks")
"""Classes of functions that are tried, in this order, until the one that predicts best leaves noise alone."""

MISFIT = 1e-3
"""Relative error below which what is left of the outputs may have any shape: it counts as noise."""

RARE = 0.01
"""Residuals of neighbours that agree better than this share of shuffles show that the space is too small."""

SHUFFLES = 300

ASKED = 4096
"""Samples whose neighbours are asked: with so many a correlation of a twentieth is seen."""

LOOKED_AT = 2048
"""Inputs at which networks and models of one's own are looked at: enough for a mean known to a few percent."""


@dataclass(frozen=True)
class Tried:
    """A class of functions, its error at left-out pairs, and whether what it leaves is noise."""

    name: str
    relative_error: float
    explained: bool

    def __str__(self) -> str:
        return f"{self.name}: relative error {self.relative_error:.1e}{'' if self.explained else ', not all noise'}"


class Corrected(eqx.Module):
    """A model plus a correction fitted to what it leaves."""

    model: Callable[[Array], Array]
    correction: Callable[[Array], Array]

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        change = self.correction(x)
        return self.model(x).reshape(change.shape) + change


@dataclass(frozen=True)
class Given:
    """One function fitted elsewhere: its error is what polynomials find in its residuals, and how well they can."""

    section: Callable[[Array], Array]
    left_out: Float[np.ndarray, "p n"]
    correction: Regression

    @property
    def error(self) -> float:
        """The root mean square of the residuals."""
        return float(np.sqrt((self.left_out**2).mean()))

    @property
    def refits(self) -> tuple[Corrected, ...]:
        """The function with the corrections of a jackknife."""
        return tuple(Corrected(self.section, refit) for refit in self.correction.refits)


class Data:
    """Pairs of inputs ``X`` (p, m) and outputs ``Y`` (p, n) with the function fitted to them.

    F is sought among polynomials of degree 1 to 5, by a ridge fit whose penalty leave-one-out cross-validation chooses;
    where what is left of the outputs is not noise, among radial functions, and then by a small ensemble of networks.
    The class that predicts left-out pairs best is taken, an earlier one on ties; ``classes`` names those that may be
    tried and ``tried`` says how each did. ``space`` asks for the span of a space of functions for each output instead.
    ``model`` brings your own: an object with ``fit(X, Y)``, which is given halves of the data and returns a function of
    one point that JAX can trace; a list of such functions, fitted to independent parts of data; or one, fitted to
    *other* data, whose error is judged by its residuals on these. ``Y`` may have shape (p,).

    ``input_noise`` is the standard deviation of the error of the inputs, one number or one for each column. Inputs that
    spread less than three of these in some direction say nothing of it, and `discover` reports what moves points
    that way as unseen. Errors of inputs also blur F: what is found are symmetries of the mean of y given the x seen.

    ``section`` is the fitted function and ``samples`` are the inputs (at most 2048 of them where F is not linear in its
    parameters); ``space`` and ``coefficients`` are None then. ``relative_error`` is the error at left-out pairs as a
    share of the spread of the outputs, ``noise`` (n,) the standard deviation of what is left. ``refits`` are fits whose
    root mean square distance from ``section`` is its standard error: with a tenth of the rows left out in turn and
    moved away by sqrt(9) (a delete-a-block jackknife), or to halves of the data. ``explained`` says that what is left
    looks like noise, or is under a thousandth of the outputs, or, for networks, is no larger than their own differences
    account for.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> data = Data(X, X[:, :1] ** 2 + X[:, 1:] ** 2)
    >>> data.space, data.explained
    (Polynomials(dimension 6 on R^2: 1, x, y, x^2, x*y, y^2), True)
    """

    def __init__(
        self,
        X: Any,
        Y: Any,
        *,
        space: Space | None = None,
        model: Any = None,
        input_noise: Any = 0.0,
        classes: Sequence[str] = CLASSES,
        variables: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        X, self.Y = _pairs(X, Y)
        self.seed = seed
        _check_choice(X, space, model, classes)
        noise = validate.array(input_noise, "input_noise", ndim=(0, 1)).astype(np.float64)
        if noise.shape not in ((), X.shape[1:]) or (noise < 0).any():
            raise IsotropyError(
                f"`input_noise` must be one number >= 0, or one for each of the {X.shape[1]} columns of `X`. "
                f"Got {input_noise!r}."
            )
        self.input_noise = np.broadcast_to(noise, X.shape[1:])
        self.hull = Hull.of(X, self.input_noise)
        if self.hull.frame.shape[1] == 0:
            what = "are equal" if not noise.any() else "differ by no more than `input_noise`"
            raise IsotropyError(f"all {len(X)} rows of `X` {what}, so that they show no function: take other inputs.")
        self.X = self.hull.project(X)
        if model is not None:
            own = _own(model, self.X, self.Y, self.hull, variables, seed)
            chosen = [("the model given", own, self._explains(own))]
        elif space is not None:
            fit = Regression.of(space, self.X, self.Y)
            chosen = [("the space given", fit, self._explains(fit))]
        else:
            chosen = list(self._classes(tuple(classes), variables))
        self.tried = tuple(Tried(name, self._relative(fit.error), explained) for name, fit, explained in chosen)
        least = min(fit.error for _, fit, _ in chosen)
        place = next(k for k, (_, fit, _) in enumerate(chosen) if fit.error <= TIE * least)
        self.fit, self.kind = chosen[place][1], chosen[place][0]
        self.explained = self.tried[place].explained
        self.relative_error = self.tried[place].relative_error
        linear = self.fit if isinstance(self.fit, Regression) else None
        self.space = linear.space if linear else None
        self.coefficients = linear.coefficients if linear else None
        self.ridge = linear.ridge if linear else 0.0
        self.residuals = linear.residuals if linear else self.fit.left_out
        freedom = max(len(self.X) - (linear.effective if linear else 0.0), 1.0)
        self.noise = np.sqrt((self.residuals**2).sum(axis=0) / freedom)
        self.section: Callable[[Array], Array] = self.fit.section
        looked_at = self.X
        if not linear and len(self.X) > LOOKED_AT:
            looked_at = self.X[np.random.default_rng(seed).choice(len(self.X), LOOKED_AT, replace=False)]
        with warnings.catch_warnings():
            # Repeated inputs with different outputs are what measures noise: no reason to warn here.
            warnings.simplefilter("ignore", IsotropyWarning)
            self.samples = Samples(looked_at)

    def _classes(self, classes: tuple[str, ...], variables: Any) -> Iterator[tuple[str, Any, bool]]:
        """The classes that are worth their cost, and whether each leaves noise alone.

        The next is tried where the best so far leaves more than noise.
        """
        best: Any = None
        settled = False

        def judged(name: str, fit: Any) -> tuple[str, Any, bool]:
            nonlocal best, settled
            explained = self._explains(fit)
            if best is None or fit.error * TIE < best.error:
                best, settled = fit, explained
            return name, fit, explained

        if "polynomials" in classes:
            first = polynomials(self.X, self.Y, self.hull, variables=variables)
            if not self.hull.whole:
                first = self._without_errors(first)
            yield judged("polynomials", first)
        if "radial" in classes and not settled:
            beat = np.inf if best is None else best.error
            fit = radial(self.X, self.Y, self.hull, variables=variables, beat=beat)
            if fit is not None:
                yield judged("radial functions", fit)
        if "networks" in classes and not settled and len(self.X) >= LEAST:
            train = networks(self.hull.frame, self.hull.centre, seed=self.seed)
            yield judged("networks", Ensemble.of(train, self.X, self.Y, seed=self.seed))
        if "polynomials" in classes and not settled:
            fit = larger_polynomials(self.X, self.Y, self.hull, variables=variables)
            if fit is not None:
                yield judged("many polynomials", fit)

    def _without_errors(self, fit: Regression) -> Regression:
        """Sets outputs that only errors move to zero, in ``Y`` and in a first fit, lest a candidate move them."""
        values = self.Y - fit.residuals
        error = float(np.sqrt((fit.residuals**2).mean() * fit.effective / len(values)))
        rounding = {"size": max(values.shape), "scale": float(np.linalg.norm(values))}

        def moved(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            _, sizes, axes = np.linalg.svd(values, full_matrices=False)
            return filled(sizes / np.sqrt(len(values)), noise=error, **rounding), axes

        onto = np.eye(values.shape[1]) - self.hull.outside if values.shape[1] == self.X.shape[1] else None
        # Outputs of a map lie on the set of its inputs, which must be the same set to the last digit.
        if onto is None or moved(values - values @ onto)[0].any():
            kept, axes = moved(values)
            onto = axes[kept].T @ axes[kept]
        self.Y = self.Y @ onto
        return replace(fit, coefficients=fit.coefficients @ onto, left_out=fit.left_out @ onto, Y=self.Y)

    def _relative(self, error: float) -> float:
        spread = np.sqrt(((self.Y - self.Y.mean(axis=0)) ** 2).mean())
        if spread <= np.finfo(np.float64).eps * len(self.Y) * np.abs(self.Y).max():
            spread = np.sqrt((self.Y**2).mean()) or 1.0
        return float(error / spread)

    def _explains(self, fit: Any) -> bool:
        """Whether a fit leaves noise alone: too small a space would look more symmetric than the truth."""
        if self._relative(fit.error) <= MISFIT:
            return True
        if isinstance(fit, Ensemble) and misfit_covered(fit.error, fit.moved):
            return True
        return not self._structured(fit.residuals if isinstance(fit, Regression) else fit.left_out)

    @property
    def values(self) -> Float[np.ndarray, "p n"]:
        """The fitted outputs at the samples."""
        if isinstance(self.fit, Regression):
            return self.fit.Y - self.fit.residuals
        return evaluate(self.section, self.X).reshape(self.Y.shape)

    @cached_property
    def refits(self) -> tuple[Callable[[Array], Array], ...]:
        """Fits whose root mean square distance from ``section`` is its standard error."""
        return self.fit.members if isinstance(self.fit, Ensemble) else self.fit.refits

    @property
    def stretch(self) -> float:
        """What distances of ``refits`` from ``section``, their own mean for networks, are to be multiplied by."""
        return self.fit.stretch if isinstance(self.fit, Ensemble) else 1.0

    @cached_property
    def reach(self) -> float:
        """How many of the differences between ``refits`` the fit may be off (`numerics.decide.reach`).

        Measured where an ensemble has left samples out: in values, and in the changes of values between a sample and
        its nearest neighbour, which tell whether what is missed is rougher than what members differ by.
        """
        if not isinstance(self.fit, Ensemble) or not self.fit.fresh:
            return CONSISTENT
        parts = [(self.fit.error, self.fit.moved)]
        if np.ptp(self.X, axis=0).any():
            asked, near = self._neighbours
            missed, apart = (
                float(np.sqrt(((part[..., asked, :] - part[..., near, :]) ** 2).mean()))
                for part in (self.fit.left_out, self.fit.stretch * self.fit.apart)
            )
            parts.append((missed, apart))
        likely = reach(parts, noise=False)
        # Whether the rest looks like noise takes shuffles to tell, and matters to large ratios alone.
        return likely if likely <= CONSISTENT else reach(parts, noise=not self.structured)

    @cached_property
    def structured(self) -> bool:
        """Whether residuals of nearest neighbours agree better than shuffled ones do (a test of lack of fit)."""
        return self._structured(self.residuals)

    def _structured(self, residuals: Float[np.ndarray, "p n"]) -> bool:
        spread = self.X.std(axis=0)
        points = self.X[:, spread > 0] / spread[spread > 0]
        if points.shape[1] == 0:
            return False
        asked, near = self._neighbours
        sizes = np.sqrt((residuals**2).mean(axis=0))
        scaled = residuals / np.where(sizes > 0, sizes, 1.0)
        rng = np.random.default_rng(self.seed)
        seen = ((scaled[asked] - scaled[near]) ** 2).sum()
        smaller = 0
        for _ in range(SHUFFLES):
            shuffled = scaled[rng.permutation(len(scaled))]
            smaller += ((shuffled[asked] - shuffled[near]) ** 2).sum() <= seen
        return (smaller + 1) / (SHUFFLES + 1) <= RARE

    @cached_property
    def _neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Some samples and the nearest other one of each."""
        spread = self.X.std(axis=0)
        points = self.X[:, spread > 0] / spread[spread > 0]
        asked = np.arange(len(points))
        if len(points) > ASKED:
            asked = np.sort(np.random.default_rng(self.seed).choice(len(points), ASKED, replace=False))
        return asked, np.asarray(KDTree(points).query(points[asked], k=2)[1])[:, 1]

    def describe(self) -> str:
        """The fit in words."""
        names = ", ".join(self.hull_variables)
        inner = self.space.inner if isinstance(self.space, Restricted) else self.space
        if isinstance(inner, Polynomials):
            kind = f"polynomials of degree {inner.degree} in {names}"
        elif self.space is not None:
            kind = f"{self.space.dimension} {'radial ' if self.kind.startswith('radial') else ''}functions of {names}"
        elif isinstance(self.fit, Ensemble):
            kind = f"the mean of {len(self.fit.members)} {'networks' if self.kind == 'networks' else 'fits'}"
        else:
            kind = self.kind
        ending = "" if self.explained else ", and the rest is not noise: the space is too small"
        return f"{len(self.X)} pairs, {kind}, relative error {self.relative_error:.1e}{ending}"

    @property
    def hull_variables(self) -> tuple[str, ...]:
        """The names of the coordinates of F: those of the inputs, or of the flat set that they fill."""
        if self.space is None:
            return ()
        inner = self.space.inner if isinstance(self.space, Restricted) else self.space
        return inner.variables if isinstance(inner, Polynomials) else self.space.variables

    def __repr__(self) -> str:
        return f"Data({self.describe()})"


def _pairs(X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 with two axes and as many rows."""
    inputs = validate.array(X, "X", ndim=2).astype(np.float64)
    outputs = validate.array(Y, "Y", ndim=(1, 2)).astype(np.float64)
    outputs = outputs[:, None] if outputs.ndim == 1 else outputs
    if len(inputs) != len(outputs):
        raise IsotropyError(f"`X` and `Y` must have as many rows. Got {len(inputs)} and {len(outputs)}.")
    if len(inputs) < 3:
        raise IsotropyError(f"A fit needs at least 3 pairs. Got {len(inputs)}.")
    return inputs, outputs


def _check_choice(X: np.ndarray, space: Any, model: Any, classes: Any) -> None:
    if space is not None and not isinstance(space, Space):
        raise IsotropyError(f"`space` must be a space of functions. Got {type(space).__name__}: see isotropy.spaces.")
    if space is not None and space.input_dimension != X.shape[1]:
        raise IsotropyError(
            f"`space` has functions of {space.input_dimension} variables ({', '.join(space.variables)}), but `X` "
            f"has {X.shape[1]} columns."
        )
    if space is not None and model is not None:
        raise IsotropyError("`space` and `model` both say what to fit: pass one of them.")
    if isinstance(classes, str) or not classes or not set(classes) <= set(CLASSES):
        raise IsotropyError(f"`classes` must be a list of some of {', '.join(CLASSES)}. Got {classes!r}.")


def _own(model: Any, X: np.ndarray, Y: np.ndarray, hull: Hull, variables: Any, seed: int) -> Ensemble | Given:
    """The user's model: a learner, several functions, or one."""
    if hasattr(model, "fit"):

        def learn(X: np.ndarray, Y: np.ndarray, halves: Sequence[np.ndarray]) -> list[Callable[[Array], Array]]:
            fitted = [model.fit(X[half], Y[half]) for half in halves]
            if not all(callable(function) for function in fitted):
                raise IsotropyError(
                    f"`model.fit(X, Y)` must return a function of one point that JAX can trace. Got "
                    f"{type(fitted[0]).__name__}: wrap it so that it does."
                )
            return fitted

        return Ensemble.of(learn, X, Y, seed=seed)
    functions = list(model) if isinstance(model, list | tuple) else [model]
    if not functions or not all(callable(function) for function in functions):
        raise IsotropyError(
            f"`model` must be a function of one point, a list of them, or have `fit(X, Y)` that returns one. Got "
            f"{type(model).__name__}."
        )
    if len(functions) > 1:
        return Ensemble.given(functions, X, Y)
    left = Y - all_values(functions, X, Y)[0]
    return Given(functions[0], left, polynomials(X, left, hull, variables=variables))
