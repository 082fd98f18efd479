"""Solutions of a differential equation sampled on a grid, and their jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from .. import validate
from ..errors import IsotropyError
from .coordinates import JetSpace
from .smooth import Axis, Fit, along_axes

FEWEST = 8
"""Grid points along an axis at least: fewer leave no room for derivatives and their check."""

TESTS = 6
"""Test functions along an axis that is not periodic: a few wide bumps average most."""

PERIODIC_TESTS = 15
"""Test functions along a periodic axis: seven frequencies."""

EDGE = 0.1
"""Share of a grid at each end of an axis that is not periodic where derivatives are too uncertain to use."""

UNIFORM = 1e4
"""Spacings of a periodic grid may differ by this many roundings of its largest coordinate."""


class FieldData:
    """Fields u(x) that solve one equation, sampled on a grid: one run or several.

    ``grid`` maps the names of the independent variables to increasing coordinates, in the order of the axes; ``fields``
    maps those of the dependent ones to arrays of the shape of the grid, or with an axis of runs before it (an array
    alone is ``u``). ``periodic`` names the axes along which fields are periodic: these must be uniform, and stop one
    step before the period. The fields are fitted by sums of Fourier modes along periodic axes and polynomials along
    the others, as many as generalised cross-validation allows; derivatives are those of the fit.

    Raises `IsotropyError` for shapes that do not match, NaN, grids that do not increase or are too short, and fields
    that are constant.

    >>> t, x = np.linspace(0, 1, 20), np.linspace(0, 2 * np.pi, 16, endpoint=False)
    >>> FieldData({"t": t, "x": x}, np.exp(-t)[:, None] * np.sin(x), periodic="x")
    FieldData(u on t, x: 1 run of 20 x 16 values)
    """

    def __init__(
        self, grid: Mapping[str, Any], fields: Mapping[str, Any] | Any, *, periodic: str | Sequence[str] = ()
    ) -> None:
        if not isinstance(grid, Mapping) or not grid:
            raise IsotropyError(
                f"`grid` maps each independent variable to its coordinates, as {{'t': t, 'x': x}}. Got "
                f"{type(grid).__name__}."
            )
        fields = fields if isinstance(fields, Mapping) else {"u": fields}
        space = JetSpace.of(list(grid), list(fields), 1)
        self.independent, self.dependent = space.independent, space.dependent
        names = tuple(p.strip() for p in periodic.split(",") if p.strip()) if isinstance(periodic, str) else periodic
        unknown = sorted(set(names) - set(self.independent))
        if unknown:
            raise IsotropyError(
                f"`periodic` must name axes of the grid, {', '.join(self.independent)}. Got {', '.join(unknown)}."
            )
        self.axes = tuple(_axis(name, grid[name], name in names) for name in self.independent)
        shape = tuple(len(axis.grid) for axis in self.axes)
        self.values = {name: _values(name, fields[name], shape) for name in self.dependent}
        runs = {len(value) for value in self.values.values()}
        if len(runs) > 1:
            raise IsotropyError(f"all fields must have as many runs. Got {sorted(runs)}.")
        self.runs = runs.pop()
        self.fits = {name: Fit.of(self.axes, value) for name, value in self.values.items()}

    @property
    def noise(self) -> float:
        """What the fits leave of the fields, as a share of their spread: the largest of them."""
        return max(fit.noise / float(self.values[name].std()) for name, fit in self.fits.items())

    @property
    def blur(self) -> float:
        """The error of the fitted fields themselves, as a share of their spread: noise is shared out over values."""
        return max(
            fit.noise * np.sqrt(fit.coefficients.size / value.size) / float(value.std())
            for fit, value in zip(self.fits.values(), self.values.values(), strict=True)
        )

    def jets(self, space: JetSpace, *, seed: int | None = None) -> Float[np.ndarray, "p N"]:
        """The jets at the grid points away from the ends; with ``seed``, those of fields with other noise."""
        fits = self.fits
        if seed is not None:
            rng = np.random.default_rng(seed)
            fits = {name: fit.redrawn(rng) for name, fit in fits.items()}
        kept = np.ix_(*(axis.tolist() for axis in (np.arange(self.runs), *self._inside)))
        mesh = np.meshgrid(*(axis.grid for axis in self.axes), indexing="ij")
        shape = (self.runs, *mesh[0].shape)
        columns = [np.broadcast_to(x, shape)[kept].ravel() for x in mesh]
        for index in space.indices:
            columns += [fits[name].derivative(index)[kept].ravel() for name in self.dependent]
        return np.stack(columns, axis=1)

    def weak(self, values: Float[np.ndarray, "p k"], least: int) -> Float[np.ndarray, "r k"]:
        """Values at the rows of `jets`, integrated against smooth test functions on each run: ``least`` rows or more.

        Sums over many points average the noise out before anything is fitted.
        """
        inside = self._inside
        per_axis = [PERIODIC_TESTS if axis.periodic else TESTS for axis in self.axes]
        wanted = (least / (self.runs * np.prod(per_axis))) ** (1 / len(per_axis))
        counts = [
            min(int(np.ceil(k * max(wanted, 1.0))), len(kept) // 2) for k, kept in zip(per_axis, inside, strict=True)
        ]
        tests = [
            axis.tests(count, 0 if axis.periodic else int(EDGE * len(axis.grid)))[kept].T
            for axis, count, kept in zip(self.axes, counts, inside, strict=True)
        ]
        grid = values.reshape(self.runs, *(len(kept) for kept in inside), -1)
        return along_axes(grid, tests).reshape(-1, values.shape[1])

    def describe(self) -> str:
        """The data in words."""
        functions = "; ".join(
            f"{name} by {' x '.join(map(str, fit.cuts))} functions" for name, fit in self.fits.items()
        )
        return f"{self._size}: {functions}, unexplained {self.noise:.1e}"

    def __repr__(self) -> str:
        return f"FieldData({', '.join(self.dependent)} on {', '.join(self.independent)}: {self._size})"

    @property
    def _size(self) -> str:
        shape = " x ".join(str(len(axis.grid)) for axis in self.axes)
        return f"{self.runs} run{'s' if self.runs > 1 else ''} of {shape} values"

    @property
    def _inside(self) -> list[np.ndarray]:
        return [
            np.arange(len(axis.grid))
            if axis.periodic
            else np.arange(int(EDGE * len(axis.grid)), len(axis.grid) - int(EDGE * len(axis.grid)))
            for axis in self.axes
        ]


def _axis(name: str, grid: Any, periodic: bool) -> Axis:
    values = validate.array(grid, name, ndim=1).astype(np.float64)
    if len(values) < FEWEST:
        raise IsotropyError(
            f"the grid of {name} has {len(values)} points: take at least {FEWEST}, and dozens for data."
        )
    steps = np.diff(values)
    if steps.min() <= 0:
        k = int(steps.argmin())
        raise IsotropyError(
            f"the grid of {name} must increase. Got {values[k]:g} and then {values[k + 1]:g} at index {k + 1}: sort "
            f"it, and drop repeats."
        )
    if periodic:
        allowed = UNIFORM * float(np.finfo(np.float64).eps) * float(np.abs(values).max())
        if np.ptp(steps) > allowed:
            raise IsotropyError(
                f"a periodic axis must have equal steps. Those of {name} go from {steps.min():g} to {steps.max():g}: "
                f"resample, or leave it out of `periodic`."
            )
    return Axis(values, periodic)


def _values(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = validate.array(value, name, ndim=(len(shape), len(shape) + 1)).astype(np.float64)
    if values.shape[-len(shape) :] != shape:
        raise IsotropyError(
            f"`{name}` must have the shape of the grid, {shape}, or runs before it. Got {values.shape}."
        )
    values = values.reshape(-1, *shape)
    spread = float(np.ptp(values))
    if spread <= float(np.finfo(np.float64).eps) * float(np.abs(values).max()) * len(values):
        raise IsotropyError(f"`{name}` is constant: a constant field says nothing of the equation.")
    return values
