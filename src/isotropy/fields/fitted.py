"""An operator between fields that was fitted to pairs, with independent fits beside it: what is known of the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import IsotropyError
from ..numerics.spectrum import Spectrum
from .view import FieldView, compiled


class FittedOperator:
    """An operator from one field to one field, fitted to pairs, whose symmetries stand for those of what made these.

    ``refits`` are two or more operators fitted to independent parts of the pairs, and ``operator`` their mean unless
    given. ``inputs`` (k, *shape, n) are the fields it is looked at on. ``relative_error`` is the error at pairs that a
    fit was not shown, beyond noise, as a share of what the operator changes; more than the tolerance of `discover`
    and nothing is claimed. `nn.fit_operator` makes one from pairs.

    Raises `IsotropyError` for fewer than two refits, an error below zero, and fields with NaN or infinity.

    >>> FittedOperator([lambda u: 2 * u, lambda u: 2.001 * u], np.ones((4, 8)), relative_error=1e-3)
    FittedOperator(2 fits, 4 fields, relative error 1.0e-03)
    """

    def __init__(
        self,
        refits: Sequence[Callable[[Any], Any]],
        inputs: Any,
        *,
        relative_error: float,
        operator: Callable[[Any], Any] | None = None,
    ) -> None:
        self.refits = tuple(refits)
        if len(self.refits) < 2 or not all(callable(fit) for fit in self.refits):
            raise IsotropyError(
                f"`refits` must be two or more operators fitted to independent parts of the pairs, functions of one "
                f"field. Got {len(self.refits)}."
            )
        if not np.isfinite(relative_error) or relative_error < 0:
            raise IsotropyError(f"`relative_error` must be a number of at least 0. Got {relative_error!r}.")
        self.relative_error = float(relative_error)
        self.inputs = validate.array(inputs, "inputs", ndim=None)
        self.averaged = operator is None
        self.operator = operator or self._mean

    def _mean(self, u: Any) -> Any:
        first, *others = (fit(u) for fit in self.refits)
        return sum(others, first) / len(self.refits)

    def __call__(self, u: Any) -> Any:
        """The image of one field."""
        return self.operator(u)

    def __repr__(self) -> str:
        return (
            f"FittedOperator({len(self.refits)} fits, {len(self.inputs)} fields, relative error "
            f"{self.relative_error:.1e})"
        )


class FittedView(FieldView):
    """The view of a `FittedOperator`: what is known of the true operator is how far its fits differ."""

    operator: FittedOperator

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was looked at, and how well it was fitted."""
        fitted = self.operator
        return (
            f"operator: {len(fitted.refits)} fits to independent pairs of fields on {self.fields.grid}, relative "
            f"error {fitted.relative_error:.1e} at pairs left out, looked at on {len(self.inputs)} fields",
        )

    def objection(self, spectrum: Spectrum, *, tolerance: float) -> str:
        """Why no count may be claimed: a fit that explains too little is more symmetric than the truth."""
        error = self.operator.relative_error
        if error <= tolerance:
            return ""
        return (
            f"the fit leaves {error:.1%} of what the operator does unexplained at pairs left out, more than the "
            f"{tolerance:.0%} allowed: take more pairs, or a better model"
        )

    def _values(self) -> Callable[[np.ndarray], tuple[np.ndarray, list[np.ndarray]]]:
        """Of the fits to independent parts of the pairs too; their mean needs no compiling of its own."""
        fits = [compiled(fit, self.dtype) for fit in self.operator.refits]
        own = None if self.operator.averaged else compiled(self.operator, self.dtype)

        def run(u: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
            values = [fit(u) for fit in fits]
            return np.mean(values, axis=0) if own is None else own(u), values

        return run
