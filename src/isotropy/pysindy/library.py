"""The terms of a PySINDy library as a space of functions, in the library's own order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int
from pysindy.feature_library import PDELibrary, PolynomialLibrary, WeakPDELibrary
from pysindy.feature_library.base import BaseFeatureLibrary

from ..errors import IsotropyError
from ..geometry.space import Factors, Space
from ..numerics.decide import numerical_floor
from .moments import BLOCKS

LARGEST_POWER = 64
"""Powers above this are taken for something else than a monomial."""

STEP = 1e-100
"""Imaginary step of a derivative: its square is below rounding, and nothing is subtracted (Squire and Trapp 1998)."""

ROUGH = float(np.finfo(np.float64).eps) ** (6 / 7)
"""Relative error of a central difference of sixth order, by terms and by rounding alike at the step `WIDTH`."""

WIDTH = float(np.finfo(np.float64).eps) ** (1 / 7)
"""The step of that difference, for functions that vary on a scale of one."""

STENCIL = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
"""Half of the weights of the central difference of sixth order."""

DOUBT = ROUGH**0.5
"""Relative difference from a central difference beyond which the imaginary step was not understood by a function."""


class LibrarySpace(Space):
    """The span of functions that ``evaluate`` gives at many points at once, one column each.

    Where all are monomials, which is found by looking at their values, derivatives are exact. Otherwise they are taken
    by an imaginary step, exact to rounding, and where a function does not understand complex numbers by central
    differences of sixth order, with a relative error of some `ROUGH`.
    """

    def __init__(
        self,
        evaluate: Callable[[np.ndarray], np.ndarray],
        names: Sequence[str],
        *,
        input_dimension: int,
        variables: Sequence[str] | None = None,
    ) -> None:
        super().__init__(input_dimension, variables=variables)
        self._evaluate, self._labels = evaluate, tuple(names)

    @property
    def dimension(self) -> int:
        return len(self._labels)

    @cached_property
    def factors(self) -> tuple[Factors, ...]:
        return tuple(() if name == "1" else ((name, 1),) for name in self._labels)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return self._labels

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " f"]:
        shape = jax.ShapeDtypeStruct((self.dimension,), x.dtype)
        return jax.pure_callback(lambda p: self.values(np.asarray(p)[None])[0].astype(x.dtype), shape, x)

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f"]:
        with np.errstate(all="ignore"):
            return np.asarray(self._evaluate(self._points(points)), dtype=np.float64)

    def gradients(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p f m"]:
        points = self._points(points)
        if self.exponents is not None:
            return _monomial_gradients(points, self.exponents)
        rough = self._differences(points)
        smooth = self._imaginary(points)
        if smooth is None:
            return rough
        size = np.abs(rough).max(axis=(0, 2)) + np.abs(self.values(points)).max(axis=0)
        understood = (np.abs(smooth - rough).max(axis=(0, 2)) <= DOUBT * size)[None, :, None]
        return np.where(understood, smooth, rough)

    def _imaginary(self, points: np.ndarray) -> np.ndarray | None:
        result = np.empty((*points.shape[:1], self.dimension, points.shape[1]))
        try:
            with np.errstate(all="ignore"):
                for i, unit in enumerate(np.eye(points.shape[1])):
                    result[:, :, i] = np.imag(self._evaluate(points + 1j * STEP * unit)) / STEP
        except (TypeError, ValueError):
            return None  # a function of the library has no complex form: differences serve
        return result

    def _differences(self, points: np.ndarray) -> np.ndarray:
        result = np.zeros((len(points), self.dimension, points.shape[1]))
        for i, unit in enumerate(np.eye(points.shape[1])):
            for k, weight in STENCIL:
                step = k * WIDTH * unit
                result[:, :, i] += weight * (self.values(points + step) - self.values(points - step)) / WIDTH
        return result

    @cached_property
    def exponents(self) -> Int[np.ndarray, "f m"] | None:
        """The powers of each coordinate in each function, or None where one of them is not a monomial."""
        m = self.input_dimension
        rng = np.random.default_rng(0)
        points = rng.uniform(0.5, 2.0, (m + 8, m))
        values = self.values(points)
        if not (np.isfinite(values) & (values > 0)).all():
            return None
        powers = np.round(np.linalg.lstsq(np.log(points), np.log(values), rcond=None)[0].T)
        if (np.abs(powers) > LARGEST_POWER).any() or (powers < 0).any():
            return None
        fresh = rng.uniform(-2.0, 2.0, (m + 8, m))
        product = np.prod(fresh[:, None, :] ** powers, axis=2)
        # Two orders of multiplication differ by rounding; another function differs at random points by far more.
        floor = numerical_floor(np.float64, 4 * int(powers.sum(axis=1).max(initial=1)), 1.0)
        same = np.abs(self.values(fresh) - product) <= floor * np.abs(product)
        return powers.astype(np.int64) if same.all() else None

    @cached_property
    def coordinates(self) -> Int[np.ndarray, " m"] | None:
        """Which functions are the coordinates themselves, or None where one of these is missing."""
        points = np.random.default_rng(1).uniform(0.5, 2.0, (4, self.input_dimension))
        equal = (self.values(points)[:, :, None] == points[:, None, :]).all(axis=0)
        return equal.argmax(axis=0) if equal.any(axis=0).all() else None

    def to_dict(self) -> dict[str, Any]:
        raise IsotropyError("a space of Python functions cannot be saved: save the library itself.")


def _monomial_gradients(points: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    result = np.empty((len(points), *exponents.shape))
    for i in range(exponents.shape[1]):
        lower = exponents.copy()
        lower[:, i] = np.maximum(lower[:, i] - 1, 0)
        result[:, :, i] = exponents[:, i] * np.prod(points[:, None, :] ** lower, axis=2)
    return result


def is_differential(library: Any) -> bool:
    """Whether the terms of a library hold spatial derivatives of the state."""
    return isinstance(library, PDELibrary | WeakPDELibrary) and library.num_derivatives > 0


def is_integrated(library: Any) -> bool:
    """Whether a library gives integrals of its terms, so that its rows are no values at points."""
    return isinstance(library, WeakPDELibrary)


def as_time_goes(library: WeakPDELibrary, rows: int) -> tuple[Int[np.ndarray, " p"], int]:
    """The rows of a weak form in the order of time in each trajectory, and how many blocks of them hardly overlap.

    PySINDy draws the subdomains at random, the same for every trajectory. In its order rows far apart may be integrals
    over the same time, and then err together; in order of time only neighbours do. A block is a whole trajectory, or,
    where these are fewer than half of `BLOCKS`, a part of one that is at least two subdomains long.
    """
    if rows % library.K:
        return np.arange(rows), BLOCKS  # a part of the rows, as bagging takes: in no order that is known
    trajectories = rows // library.K
    middles = [float(np.mean(axes[-1])) for axes in library.inds_k]
    order = (library.K * np.arange(trajectories)[:, None] + np.argsort(middles, kind="stable")).ravel()
    times = np.asarray(library.spatiotemporal_grid)[..., -1]
    pieces = int((times.max() - times.min()) / (4 * float(np.asarray(library.H_xt)[-1])))
    return order, trajectories * max(min(pieces, -(-BLOCKS // (2 * trajectories))), 1)


def space_of(library: Any, inputs: int) -> LibrarySpace:
    """The functions that a library makes of ``inputs`` variables: states, and controls where there are some.

    For a library of a partial differential equation these are functions of the jet: the state, and then its spatial
    derivatives in the order of ``library.multiindices``. Raises `IsotropyError` for what is no library of explicit
    terms.
    """
    if not isinstance(library, BaseFeatureLibrary):
        raise IsotropyError(
            f"`library` must be the feature library of the model, such as `ps.PolynomialLibrary(degree=3)`. "
            f"Got {type(library).__name__}."
        )
    if getattr(library, "implicit_terms", False) or type(library).__name__ == "SINDyPILibrary":
        raise IsotropyError("implicit models (SINDy-PI) have no symmetric form here: use a library of explicit terms.")
    if isinstance(library, PDELibrary | WeakPDELibrary):
        return _jet_space(library, inputs)
    if type(library) is PolynomialLibrary:
        return _polynomials(tuple(sorted(library.get_params().items())), inputs)
    # A copy: fitting one that a model shares would change the model.
    return _pointwise(library, inputs)


@lru_cache(maxsize=64)
def _polynomials(parameters: tuple[tuple[str, Any], ...], inputs: int) -> LibrarySpace:
    """Made once: finding out what a library holds would be most of a small fit."""
    return _pointwise(PolynomialLibrary(**dict(parameters)), inputs)


def _pointwise(library: BaseFeatureLibrary, inputs: int) -> LibrarySpace:
    own = _fitted(library, inputs)
    return LibrarySpace(lambda x: np.asarray(own.transform(x)), own.get_feature_names(), input_dimension=inputs)


def _fitted(library: BaseFeatureLibrary, inputs: int) -> Any:
    try:
        return copy.deepcopy(library).fit(np.ones((2, inputs)))
    except (ValueError, IndexError, TypeError) as reason:
        raise IsotropyError(
            f"`library` cannot be used with {inputs} variables ({reason}): the action must move as many variables as "
            f"the model has states and controls."
        ) from reason


def _jet_space(library: Any, inputs: int) -> LibrarySpace:
    functions = _fitted(library.function_library, inputs)
    count = len(library.multiindices) * inputs
    tags = ["".join(str(axis + 1) * k for axis, k in enumerate(index)) for index in library.multiindices]
    own = functions.get_feature_names()
    derivatives = [f"x{j}_{tag}" for tag in tags for j in range(inputs)]
    names = ["1"] * library.include_bias + own + derivatives
    if library.include_interaction:
        names += [f"{a}{b}" for b in derivatives for a in own]

    def evaluate(jets: np.ndarray) -> np.ndarray:
        values, moved = np.asarray(functions.transform(jets[:, :inputs])), jets[:, inputs:]
        parts = [np.ones((len(jets), 1))] * library.include_bias + [values, moved]
        if library.include_interaction:
            parts.append((moved[:, :, None] * values[:, None, :]).reshape(len(jets), -1))
        return np.concatenate(parts, axis=1)

    return LibrarySpace(evaluate, names, input_dimension=inputs + count, variables=_jet_names(inputs, derivatives))


def _jet_names(inputs: int, derivatives: Sequence[str]) -> tuple[str, ...]:
    return (*(f"x{j}" for j in range(inputs)), *derivatives)
