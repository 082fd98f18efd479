"""What `enforce` found: a basis of the symmetric subspace of a space of sections, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
import sympy
from jaxtyping import Array, Float

from .. import validate
from ..errors import IsotropyError
from ..geometry.space import Space
from ..numerics.decide import Decision
from ..numerics.exact import Sparse
from .store import Stored

SHOWN = 12
"""Elements that the words of a basis spell out; `Basis.text` has them all."""

WIDTH = 110
"""Length at which the words of a basis cut a line."""

DENSE = 4
"""A table of coefficients with at least one entry in this many is kept dense when evaluated: gathering costs more."""

SMALL = 4096
"""So is one of at most this many places."""


@dataclass(frozen=True)
class Basis(Stored):
    """A basis of the d sections in ``space`` (values of shape ``fibre_shape``) that a group leaves unchanged.

    ``matrix`` (d, f * n) is sparse: row k has the coefficients of element k, feature by feature and then fibre
    coordinate by fibre coordinate; ``coefficients`` (d, f, n) is the same as a dense array. ``basis(x)`` has the values
    of all elements at one point, shape (d, *fibre_shape), and is traceable by JAX; ``values(points)`` is the same for
    many points, on the host. ``text`` has one line for each element.

    ``decision`` says how the dimension was decided, ``exact`` that it was by integer arithmetic, which proves it.
    ``defects`` (d,) is how far each element is from symmetric under all generators and components, as a fraction of the
    terms that should cancel; zero where exact. ``noise`` is the error of a coefficient.
    """

    kind: ClassVar[str] = "basis"

    space: Space
    fibre_shape: tuple[int, ...]
    matrix: Sparse
    decision: Decision
    exact: bool
    defects: Float[np.ndarray, " d"]
    action: str
    outputs: tuple[str, ...]
    noise: float = 0.0
    remarks: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """The number d of independent symmetric sections."""
        return self.matrix.shape[0]

    @property
    def fibre_dimension(self) -> int:
        """The number n of coordinates of a value."""
        return int(np.prod(self.fibre_shape, dtype=int))

    @property
    def coefficients(self) -> Float[np.ndarray, "d f n"]:
        """The coefficients as a dense array; use ``matrix`` where this would be large."""
        return self.matrix.toarray().reshape(self.dimension, self.space.dimension, self.fibre_dimension)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, "d ..."]:
        """The values of all elements at one point, in the precision of ``x``; use `jax.vmap` for a batch."""
        features = self.space(x)
        if isinstance(self._table, np.ndarray):
            values = jnp.einsum("f,dfn->dn", features, jnp.asarray(self._table, features.dtype))
        else:
            feature, slot, entries = self._table
            terms = features[feature] * jnp.asarray(entries, features.dtype)
            flat = jnp.zeros(self.dimension * self.fibre_dimension, features.dtype)
            values = flat.at[slot].add(terms, indices_are_sorted=True)
        return values.reshape(self.dimension, *self.fibre_shape)

    @cached_property
    def _table(self) -> Any:
        places = self.matrix.shape[0] * self.matrix.shape[1]
        if places <= max(self.matrix.nnz * DENSE, SMALL):
            return self.coefficients
        entries = self.matrix.tocoo()
        row, column = entries.coords
        n = self.fibre_dimension
        slot = row * n + column % n
        order = np.argsort(slot, kind="stable")
        return (column // n)[order], slot[order], entries.data[order]

    def values(self, points: Float[np.ndarray, "p m"]) -> Float[np.ndarray, "p d ..."]:
        """The values of all elements at p points, in float64 on the host."""
        features = self.space.values(points)
        d, n = self.dimension, self.fibre_dimension
        table = self.matrix.tocsc()
        result = np.empty((len(features), d, n))
        for o in range(n):
            result[:, :, o] = (table[:, o::n] @ features.T).T
        return result.reshape(len(features), d, *self.fibre_shape)

    def section(self, weights: Float[np.ndarray, " d"]) -> Float[np.ndarray, "f n"]:
        """The coefficients of the combination of the elements with these weights."""
        weights = validate.array(weights, "weights", shape=(self.dimension,), minimum_size=0)
        return np.asarray(self.matrix.T @ weights).reshape(self.space.dimension, self.fibre_dimension)

    @cached_property
    def text(self) -> tuple[str, ...]:
        """One line for each element: a formula, or one for each output as ``(…, …)``."""
        return tuple(self._line(k) for k in range(self.dimension))

    def _line(self, k: int) -> str:
        parts = [self._describe(k, o) for o in range(self.fibre_dimension)]
        if len(parts) == 1:
            return parts[0]
        if len(parts) <= 4:
            return f"({', '.join(parts)})"
        return "; ".join(f"{name}: {part}" for name, part in zip(self.outputs, parts, strict=True) if part != "0")

    def _describe(self, k: int, output: int) -> str:
        row = self.matrix[[k]].toarray().reshape(self.space.dimension, self.fibre_dimension)[:, output]
        scale = float(np.abs(self.matrix[[k]].data).max(initial=0.0))
        return self.space.describe(row, noise=max(self.noise, float(np.finfo(np.float64).eps)) * max(scale, 1.0))

    def __str__(self) -> str:
        whole = self.space.dimension * self.fibre_dimension
        proof = "exact" if self.exact else f"verdict: {self.decision.verdict}"
        head = f"{self.dimension} of {whole} dimensions are symmetric under {self.action} ({proof})"
        if self.dimension == 0:
            head = f"no section is symmetric under {self.action}, out of {whole} dimensions ({proof})"
        lines = [head]
        for k in range(min(self.dimension, SHOWN)):
            line = self._line(k)
            lines.append("  " + (line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"))
        if self.dimension > SHOWN:
            lines.append(f"  … and {self.dimension - SHOWN} more, in `.text`")
        if self.decision.verdict == "cannot tell":
            lines.append(f"cannot tell: {self.decision.reason}")
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])

    def to_sympy(self) -> list[Any]:
        """Each element as a SymPy expression, or as a SymPy array of the shape of the fibre where n > 1."""
        found = []
        for table in self.coefficients:
            noise = self.noise * float(np.abs(table).max(initial=0.0)) or None
            parts = [self.space.to_sympy(column, noise=noise) for column in table.T]
            found.append(parts[0] if len(parts) == 1 else sympy.ImmutableDenseNDimArray(parts, self.fibre_shape))
        return found

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain values and arrays that `from_dict` reads back."""
        entries = self.matrix.tocoo()
        return {
            "space": self.space.to_dict(),
            "fibre_shape": list(self.fibre_shape),
            "dimension": self.dimension,
            "rows": entries.coords[0].astype(np.int64),
            "columns": entries.coords[1].astype(np.int64),
            "entries": entries.data,
            "decision": self.decision.to_dict(),
            "exact": self.exact,
            "defects": self.defects,
            "action": self.action,
            "outputs": list(self.outputs),
            "noise": self.noise,
            "remarks": list(self.remarks),
            "settings": self.settings,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Basis:
        """The inverse of `to_dict`. Raises `IsotropyError` for coefficients that do not fit the space."""
        space = Space.from_dict(record["space"])
        shape = tuple(int(k) for k in record["fibre_shape"])
        size = int(record["dimension"]), space.dimension * int(np.prod(shape, dtype=int))
        rows, columns = np.asarray(record["rows"], dtype=np.int64), np.asarray(record["columns"], dtype=np.int64)
        if len(rows) and (rows.max() >= size[0] or columns.max() >= size[1] or min(rows.min(), columns.min()) < 0):
            raise IsotropyError(f"The saved coefficients do not fit a table of shape {size}: the file is damaged.")
        entries = np.asarray(record["entries"], dtype=np.float64)
        return cls(
            space=space,
            fibre_shape=shape,
            matrix=sp.csr_array(sp.coo_array((entries, (rows, columns)), shape=size)),
            decision=Decision.from_dict(record["decision"]),
            exact=bool(record["exact"]),
            defects=np.asarray(record["defects"], dtype=np.float64),
            action=record["action"],
            outputs=tuple(record["outputs"]),
            noise=float(record["noise"]),
            remarks=tuple(record["remarks"]),
            settings=record["settings"],
        )
