"""Lie algebras of matrices, and abstract ones given by structure constants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .. import validate
from ..errors import IsotropyError
from . import structure
from .frame import Closure, frame_of_constants, frame_of_matrices, frame_of_span, real_rows
from .identify import Identity, identify

NOT_CLOSED = "not closed"


def bracket(a: Any, b: Any) -> Any:
    """Commutator ``ab - ba`` of two matrices.

    The fields x -> a x and x -> b x bracket to *minus* this matrix (convention C3).

    >>> print(bracket(np.array([[0., 1.], [0., 0.]]), np.array([[0., 0.], [1., 0.]])))
    [[ 1.  0.]
     [ 0. -1.]]
    """
    return a @ b - b @ a


class LieAlgebra:
    """The real span of linearly independent square matrices, closed under ``ab - ba`` (convention C3).

    ``matrices`` has shape (q, n, n), real or complex; for complex matrices the span is still the real one, of
    dimension q. ``noise`` is the standard error of one entry of ``matrices``, in the units of the entries: every
    rank inside is decided relative to it and to rounding. ``labels`` are q names for the basis elements.

    Raises `IsotropyError` for dependent matrices, and for a span that is not closed, naming the worst pair; with
    ``check=False`` the latter is built all the same, its ``name`` is "not closed", and its structure constants are
    the projected brackets. Costs O(q^2 n^3 + q^3 n^2).

    >>> so2_and_scaling = LieAlgebra([[[0., -1.], [1., 0.]], [[1., 0.], [0., 1.]]])
    >>> print(so2_and_scaling.name)
    R^2
    """

    def __init__(self, matrices: Any, *, noise: float = 0.0, labels: Sequence[str] | None = None, check: bool = True):
        values = validate.array(matrices, "matrices", ndim=3, complex_ok=True, minimum_size=0)
        q, n = values.shape[0], values.shape[-1]
        if values.shape[1] != n:
            raise IsotropyError(
                f"`matrices` must be square, of shape (dimension, n, n). Got shape {values.shape}: "
                f"add a first axis for a single matrix."
            )
        eps = float(np.finfo(values.dtype).eps)
        self._matrices: np.ndarray | None = _frozen(values.astype(np.result_type(values.dtype, np.float64)))
        self._noise = _noise(noise)
        self._labels = _labels(labels, q)
        self._embedding: np.ndarray | None = None
        self._frame = frame_of_matrices(self._matrices, eps, self._noise)
        if check and not self.closure.closed:
            i, j = self.closure.worst_pair or (0, 0)
            raise IsotropyError(
                f"`matrices` must span an algebra, closed under the bracket. Got [{self._labels[i]}, "
                f"{self._labels[j]}] (the pair {i}, {j}) with a part outside the span of relative size "
                f"{self.closure.residual:.2e}, where {self.closure.floor:.1e} would pass: add that bracket, "
                f"or state the `noise` of the entries."
            )

    @classmethod
    def from_structure_constants(cls, c: Any, *, noise: float = 0.0, labels: Sequence[str] | None = None) -> LieAlgebra:
        """The abstract algebra with ``[e_i, e_j] = sum_k c[i, j, k] e_k``.

        ``c`` has shape (q, q, q); ``noise`` is the standard error of one entry. Raises `IsotropyError` if ``c`` is
        not antisymmetric or does not satisfy the Jacobi identity to within rounding and noise.

        >>> print(LieAlgebra.from_structure_constants(np.zeros((3, 3, 3))).name)
        R^3
        """
        values = validate.array(c, "c", ndim=3, minimum_size=0)
        q = values.shape[0]
        if values.shape != (q, q, q):
            raise IsotropyError(f"`c` must have shape (q, q, q). Got {values.shape}.")
        self = cls.__new__(cls)
        self._matrices = None
        self._noise = _noise(noise)
        self._labels = _labels(labels, q)
        self._embedding = None
        eps = float(np.finfo(values.dtype).eps)
        values = values.astype(np.float64)
        self._frame = frame_of_constants(values, eps, self._noise)
        self.__dict__["structure_constants"] = _frozen((values - values.transpose(1, 0, 2)) / 2)  # fills the cache
        return self

    # what it is made of

    @property
    def matrices(self) -> np.ndarray | None:
        """The basis, shape (q, n, n), read-only; None for an abstract algebra."""
        return self._matrices

    @property
    def dimension(self) -> int:
        """The real dimension q."""
        return len(self._frame.from_user)

    def __len__(self) -> int:
        return self.dimension

    @property
    def size(self) -> int | None:
        """The size n of the matrices; None for an abstract algebra."""
        return None if self._matrices is None else self._matrices.shape[-1]

    @property
    def noise(self) -> float:
        """The standard error of one entry of what the algebra was made from."""
        return self._noise

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the basis elements."""
        return self._labels

    @property
    def closure(self) -> Closure:
        """How far the span is from closed, and the worst pair."""
        return self._frame.closure

    @property
    def embedding(self) -> np.ndarray | None:
        """For a subalgebra: its basis in the coordinates of the algebra it was taken from, shape (k, q)."""
        return self._embedding

    @cached_property
    def structure_constants(self) -> np.ndarray:
        """``c[i, j, k]`` with ``[e_i, e_j] = sum_k c[i, j, k] e_k``, antisymmetric in i and j."""
        c = structure.change_basis(self._frame.constants, self._frame.from_user, self._frame.to_user)
        return _frozen((c - c.transpose(1, 0, 2)) / 2)

    def bracket(self, a: Any, b: Any) -> np.ndarray:
        """Coordinates of the bracket of two elements given by coordinates of shape (q,)."""
        a = validate.array(a, "a", shape=(self.dimension,), minimum_size=0)
        b = validate.array(b, "b", shape=(self.dimension,), minimum_size=0)
        return np.einsum("i,j,ijk->k", a, b, self.structure_constants)

    def element(self, coordinates: Any) -> np.ndarray:
        """The matrix ``sum_i coordinates[i] e_i``."""
        weights = validate.array(coordinates, "coordinates", shape=(self.dimension,), minimum_size=0)
        return np.tensordot(weights, self._need_matrices("element"), axes=(0, 0))

    def coordinates(self, matrix: Any) -> np.ndarray:
        """The coordinates, shape (q,), of a matrix in this basis, by least squares.

        Raises `IsotropyError` if the matrix is not in the span to within rounding and noise.
        """
        own = self._need_matrices("coordinates")
        given = validate.array(matrix, "matrix", shape=own.shape[1:], complex_ok=True, minimum_size=0)
        both = np.result_type(given.dtype, own.dtype)
        target = real_rows(given[None].astype(both))[0]
        rows = real_rows(own.astype(both))
        norms = np.linalg.norm(rows, axis=1)
        solution = np.linalg.lstsq((rows / norms[:, None]).T, target, rcond=None)[0] / norms if len(rows) else norms
        missing = float(np.linalg.norm(target - solution @ rows))
        scale = float(np.linalg.norm(target))
        eps = float(np.finfo(given.dtype).eps)
        allowed = (self._frame.floor + eps * max(self.size or 0, 1)) * scale
        if missing > max(allowed, self._noise * (self.size or 0)):
            raise IsotropyError(
                f"`matrix` must lie in the span of the {self.dimension} basis matrices. Got one with a part of "
                f"relative size {missing / scale:.2e} outside it: project it first, or enlarge the algebra."
            )
        return solution

    # subalgebras

    def subalgebra(self, coordinates: Any, *, labels: Sequence[str] | None = None, check: bool = True) -> LieAlgebra:
        """The span of the rows of ``coordinates``, shape (k, q), which must be independent and closed.

        The result's ``embedding`` is ``coordinates``.
        """
        rows = validate.array(coordinates, "coordinates", shape=(None, self.dimension), minimum_size=0)
        return self._part(rows.astype(np.float64) @ self._frame.from_user, rows.astype(np.float64), labels, check)

    def _part(
        self, rows: np.ndarray, embedding: np.ndarray, labels: Sequence[str] | None = None, check: bool = False
    ) -> LieAlgebra:
        """The subalgebra with basis ``rows`` in the working frame."""
        part = LieAlgebra.__new__(LieAlgebra)
        part._frame = frame_of_span(self._frame, rows)
        own = self._matrices
        part._matrices = None if own is None else _frozen(np.tensordot(embedding, own, axes=(1, 0)))
        part._noise = self._noise
        part._labels = _labels(labels, len(rows))
        part._embedding = _frozen(embedding)
        if check and not part.closure.closed:
            i, j = part.closure.worst_pair or (0, 0)
            raise IsotropyError(
                f"`coordinates` must span a subalgebra. Got rows {i} and {j} with a bracket whose part outside the "
                f"span has relative size {part.closure.residual:.2e}: add that bracket."
            )
        return part

    def _from_rows(self, rows: np.ndarray) -> LieAlgebra:
        return self._part(rows, rows @ self._frame.to_user)

    @cached_property
    def centre(self) -> LieAlgebra:
        """The elements that commute with all."""
        whole = np.eye(self.dimension)
        return self._from_rows(structure.centralizer(self._frame.constants, whole, self._frame.floor))

    @cached_property
    def derived_series(self) -> tuple[LieAlgebra, ...]:
        """g, [g, g], … each the derived algebra of the one before, until it stops falling."""
        return tuple(self._from_rows(rows) for rows in structure.series(self._frame.constants, self._frame.floor))

    @cached_property
    def lower_central_series(self) -> tuple[LieAlgebra, ...]:
        """g, [g, g], [g, [g, g]], … until it stops falling."""
        terms = structure.series(self._frame.constants, self._frame.floor, lower=True)
        return tuple(self._from_rows(rows) for rows in terms)

    @cached_property
    def radical(self) -> LieAlgebra:
        """The largest solvable ideal."""
        return self._from_rows(self._radical_rows)

    @cached_property
    def _radical_rows(self) -> np.ndarray:
        return structure.radical(self._frame.constants, self._frame.floor)

    @cached_property
    def nilradical(self) -> LieAlgebra:
        """The largest nilpotent ideal."""
        return self._from_rows(structure.nilradical(self._frame.constants, self._frame.floor, self._radical_rows))

    @cached_property
    def levi(self) -> LieAlgebra:
        """A Levi factor: a semisimple subalgebra that complements the radical, one of many conjugate ones."""
        return self._from_rows(structure.levi_factor(self._frame.constants, self._frame.floor, self._radical_rows))

    @cached_property
    def ideals(self) -> tuple[LieAlgebra, ...]:
        """Indecomposable ideals whose direct sum is the algebra, the largest first."""
        parts = structure.indecomposable_summands(self._frame.constants, self._frame.floor)
        return tuple(self._from_rows(rows) for rows in sorted(parts, key=len, reverse=True))

    @cached_property
    def killing_form(self) -> np.ndarray:
        """``B(e_i, e_j) = tr(ad e_i ad e_j)``, shape (q, q)."""
        return _frozen(self._frame.from_user @ structure.killing_form(self._frame.constants) @ self._frame.from_user.T)

    @property
    def is_abelian(self) -> bool:
        """Whether all brackets vanish."""
        return self.centre.dimension == self.dimension

    @property
    def is_solvable(self) -> bool:
        """Whether the derived series ends in zero."""
        return self._radical_rows.shape[0] == self.dimension

    @property
    def is_nilpotent(self) -> bool:
        """Whether the lower central series ends in zero."""
        return self.lower_central_series[-1].dimension == 0

    @property
    def is_semisimple(self) -> bool:
        """Whether the radical is zero (and the algebra is not)."""
        return self.dimension > 0 and self._radical_rows.shape[0] == 0

    # its name

    @cached_property
    def _identity(self) -> Identity:
        if not self.closure.closed:
            i, j = self.closure.worst_pair or (0, 0)
            return Identity(
                NOT_CLOSED,
                (),
                f"a span of dimension {self.dimension} that is no algebra: [{self.labels[i]}, {self.labels[j]}] "
                f"leaves it by {self.closure.residual:.2e}",
            )
        return self.identity(self._matrices)

    def identity(self, matrices: Any = None) -> Identity:
        """Name, aliases and description, with ``matrices`` telling what a one-dimensional algebra does."""
        return identify(self._frame.constants, matrices, noise=self._frame.floor, balanced=True)

    @property
    def name(self) -> str:
        """The name up to isomorphism, such as ``so(3)`` or ``poincare(1,3)``; see `identify`.

        "trivial" in dimension zero, "not closed" for a span that is no algebra, and a description in words where
        the algebra has no name.
        """
        return self._identity.name

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names of isomorphic algebras."""
        return self._identity.aliases

    @property
    def description(self) -> str:
        """A line on the structure: dimension, Levi factor, radical, derived algebra."""
        return self._identity.description

    def __str__(self) -> str:
        words = f"{self.name}: {self.description}"
        return f"{words} (also {', '.join(self.aliases)})" if self.aliases else words

    def __repr__(self) -> str:
        size = "abstract" if self.size is None else f"matrices of size {self.size}"
        return f"<LieAlgebra {self.name}, dimension {self.dimension}, {size}>"

    # JSON

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what it takes to build the algebra again, with its name for the reader."""
        record: dict[str, Any] = {"name": self.name, "noise": self._noise, "labels": list(self._labels)}
        if self._matrices is None:
            return record | {"structure_constants": self.structure_constants.tolist()}
        record["matrices"] = np.real(self._matrices).tolist()
        record["size"] = self.size
        if np.iscomplexobj(self._matrices):
            record["matrices_imaginary"] = np.imag(self._matrices).tolist()
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> LieAlgebra:
        """The inverse of `to_dict`; the name is found anew, never trusted."""
        if "matrices" not in record:
            if "structure_constants" not in record:
                raise IsotropyError(
                    f"`record` must hold 'matrices' or 'structure_constants'. Got the keys {sorted(record)}."
                )
            q = len(record["structure_constants"])
            c = np.array(record["structure_constants"], dtype=np.float64).reshape(q, q, q)
            return cls.from_structure_constants(c, noise=record["noise"], labels=record["labels"])
        n = int(record["size"])
        matrices = np.array(record["matrices"], dtype=np.float64).reshape(-1, n, n)
        if "matrices_imaginary" in record:
            matrices = matrices + 1j * np.array(record["matrices_imaginary"], dtype=np.float64).reshape(-1, n, n)
        # a span that was not closed must come back as it was, so that closure is measured and not demanded
        return cls(matrices, noise=record["noise"], labels=record["labels"], check=False)

    def _need_matrices(self, what: str) -> np.ndarray:
        if self._matrices is None:
            raise IsotropyError(
                f"`{what}` needs matrices. Got an algebra given by structure constants: build it from matrices."
            )
        return self._matrices


def _frozen(values: np.ndarray) -> np.ndarray:
    values = np.array(values)
    values.setflags(write=False)
    return values


def _noise(noise: float) -> float:
    value = float(noise)
    if not np.isfinite(value) or value < 0:
        raise IsotropyError(
            f"`noise` must be a finite number, zero or more: the standard error of one entry. Got {noise}."
        )
    return value


def _labels(labels: Sequence[str] | None, q: int) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"e{i}" for i in range(q))
    if len(labels) != q:
        raise IsotropyError(f"`labels` must name each of the {q} basis elements. Got {len(labels)} names.")
    return tuple(str(label) for label in labels)
