"""Lie algebras of matrices, and abstract ones given by structure constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import validate
from ..errors import IsotropyError
from . import structure
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


@dataclass(frozen=True)
class Closure:
    """How far a span of matrices is from being closed under the bracket.

    ``residual`` is the largest part of ``[e_i, e_j]`` outside the span, over ``|e_i| |e_j|`` (Frobenius norms);
    ``worst_pair`` is that (i, j), or None when there is no pair; ``floor`` is what errors of the size of the noise
    and of rounding can make of it.
    """

    residual: float
    worst_pair: tuple[int, int] | None
    floor: float

    @property
    def closed(self) -> bool:
        """Whether the residual is within the floor."""
        return self.residual <= self.floor


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
        rows = _real_rows(self._matrices)
        norms = np.linalg.norm(rows, axis=1)
        if q and norms.min() <= self._noise * n:
            raise IsotropyError(
                f"`matrices` must be linearly independent. Got a matrix at index {int(norms.argmin())} that is zero "
                f"to within the noise: leave it out."
            )
        # the relative error of one matrix, and what orthonormalising makes of it
        error = (eps * n + self._noise * n / norms.min()) * np.sqrt(q) if q else eps
        left, singular, right = np.linalg.svd(rows / norms[:, None], full_matrices=False)
        if q > rows.shape[1] or (q and singular[-1] <= error):
            weights = left[:, -1] if q <= rows.shape[1] else np.linalg.svd(rows.T)[2][-1]
            involved = np.flatnonzero(np.abs(weights) > 0.5 * np.abs(weights).max())
            raise IsotropyError(
                f"`matrices` must be linearly independent. Got {q} matrices of size {n} whose combination of numbers "
                f"{', '.join(map(str, involved))} is zero to within {error:.1e}: pass a basis of their span."
            )
        self._floor = float(error / singular[-1]) if q else eps
        self._from_frame = norms[:, None] * left * singular  # e_i = sum_a from_frame[i, a] w_a
        self._to_frame = (left / singular).T / norms  # w_a = sum_i to_frame[a, i] e_i
        frame = _unreal_rows(right, n, np.iscomplexobj(values)) if q else self._matrices
        products = np.einsum("aij,bjk->abik", frame, frame, optimize=True)
        commutators = _real_rows((products - products.transpose(1, 0, 2, 3)).reshape(q * q, n, n))
        self._frame_constants = (commutators @ right.T).reshape(q, q, q) if q else np.zeros((0, 0, 0))
        outside = (commutators - commutators @ right.T @ right).reshape(q, q, -1) if q else np.zeros((0, 0, 0))
        self._closure = self._measure(outside, norms)
        if check and not self._closure.closed:
            i, j = self._closure.worst_pair or (0, 0)
            raise IsotropyError(
                f"`matrices` must span an algebra, closed under the bracket. Got [{self._labels[i]}, "
                f"{self._labels[j]}] (the pair {i}, {j}) with a part outside the span of relative size "
                f"{self._closure.residual:.2e}, where {self._closure.floor:.1e} would pass: add that bracket, "
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
        eps = float(np.finfo(values.dtype).eps)
        values = values.astype(np.float64)
        noise = _noise(noise)
        size = float(np.abs(values).max(initial=0.0))
        # sums of q products of two entries, each with its error; a Gaussian error rarely exceeds six times its size
        error = 6 * (eps * size + noise) * max(q, 1)
        asymmetry = np.abs(values + values.transpose(1, 0, 2))
        if asymmetry.max(initial=0.0) > error:
            i, j, k = (int(x) for x in np.unravel_index(asymmetry.argmax(), asymmetry.shape))
            raise IsotropyError(
                f"`c` must be antisymmetric in its first two axes. Got c[{i}, {j}, {k}] = {values[i, j, k]:.6g} and "
                f"c[{j}, {i}, {k}] = {values[j, i, k]:.6g}: [e_i, e_j] = -[e_j, e_i]."
            )
        values = (values - values.transpose(1, 0, 2)) / 2
        twice = np.tensordot(values, values, axes=(2, 0))  # [[e_i, e_j], e_k]
        jacobi = np.abs(twice + twice.transpose(1, 2, 0, 3) + twice.transpose(2, 0, 1, 3))
        if jacobi.max(initial=0.0) > error * max(size, noise):
            i, j, k, _ = (int(x) for x in np.unravel_index(jacobi.argmax(), jacobi.shape))
            raise IsotropyError(
                f"`c` must satisfy the Jacobi identity. Got a sum of size {jacobi.max():.2e} for the elements "
                f"{i}, {j}, {k}: these are not the structure constants of a Lie algebra."
            )
        self = cls.__new__(cls)
        self._matrices = None
        self._noise = noise
        self._labels = _labels(labels, q)
        self._embedding = None
        frame = structure.balanced_frame(values, noise)
        self._to_frame = frame
        self._from_frame = np.linalg.inv(frame)
        self._frame_constants = structure.change_basis(values, frame, self._from_frame)
        # independent errors of one entry each, carried to the frame, as the largest singular value of all of them
        stretch = 2 * np.linalg.norm(frame) ** 2 * np.linalg.norm(self._from_frame) / np.sqrt(max(q, 1))
        self._floor = float(max(eps * q, (eps * size + noise) * stretch))
        self._closure = Closure(0.0, None if q < 2 else (0, 1), self._floor)
        return self

    def _measure(self, outside: np.ndarray, norms: np.ndarray) -> Closure:
        """The part of the brackets outside the span, in the user's basis."""
        q = len(norms)
        floor = 8 * self._floor  # two errors in each of two products, and the projection
        if q < 2:
            return Closure(0.0, None, floor)
        basis = self._from_frame / norms[:, None]
        sizes = np.linalg.norm(structure.brackets(outside, basis, basis), axis=2) if outside.size else np.zeros((q, q))
        worst = np.unravel_index(np.triu(sizes, 1).argmax(), sizes.shape)
        pair = (int(worst[0]), int(worst[1])) if worst[0] != worst[1] else (0, 1)
        return Closure(float(sizes[pair]), pair, floor)

    # what it is made of

    @property
    def matrices(self) -> np.ndarray | None:
        """The basis, shape (q, n, n), read-only; None for an abstract algebra."""
        return self._matrices

    @property
    def dimension(self) -> int:
        """The real dimension q."""
        return len(self._from_frame)

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
        return self._closure

    @property
    def embedding(self) -> np.ndarray | None:
        """For a subalgebra: its basis in the coordinates of the algebra it was taken from, shape (k, q)."""
        return self._embedding

    @cached_property
    def structure_constants(self) -> np.ndarray:
        """``c[i, j, k]`` with ``[e_i, e_j] = sum_k c[i, j, k] e_k``, antisymmetric in i and j."""
        return _frozen(structure.change_basis(self._frame_constants, self._from_frame, self._to_frame))

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
        target = _real_rows(given[None].astype(both))[0]
        rows = _real_rows(own.astype(both))
        norms = np.linalg.norm(rows, axis=1)
        solution = np.linalg.lstsq((rows / norms[:, None]).T, target, rcond=None)[0] / norms if len(rows) else norms
        missing = float(np.linalg.norm(target - solution @ rows))
        scale = float(np.linalg.norm(target))
        eps = float(np.finfo(given.dtype).eps)
        allowed = (self._floor + eps * max(self.size or 0, 1)) * scale
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
        return self._part(rows.astype(np.float64) @ self._from_frame, rows.astype(np.float64), labels, check)

    def _part(
        self, rows: np.ndarray, embedding: np.ndarray, labels: Sequence[str] | None = None, check: bool = False
    ) -> LieAlgebra:
        """The subalgebra with basis ``rows`` in the working frame."""
        part = LieAlgebra.__new__(LieAlgebra)
        k = len(rows)
        norms = np.linalg.norm(rows, axis=1)
        unit = rows / np.where(norms > 0, norms, 1.0)[:, None]
        left, singular, right = np.linalg.svd(unit, full_matrices=False)
        floor = self._floor * max(self.dimension, 1)
        if k > self.dimension or (k and (singular[-1] <= floor or norms.min() == 0)):
            raise IsotropyError(
                f"`coordinates` must have independent rows. Got {k} rows of rank "
                f"{structure.numerical_rank(singular, floor)}: pass a basis of the subalgebra."
            )
        part._matrices = (
            None if self._matrices is None else _frozen(np.tensordot(embedding, self._matrices, axes=(1, 0)))
        )
        part._noise = self._noise
        part._labels = _labels(labels, k)
        part._embedding = _frozen(embedding)
        part._floor = floor / (singular[-1] if k else 1.0)
        part._from_frame = norms[:, None] * left * singular
        part._to_frame = (left / singular).T / norms
        every = structure.brackets(self._frame_constants, right, right)
        part._frame_constants = every @ right.T
        part._closure = part._measure(every - part._frame_constants @ right, norms)
        if check and not part._closure.closed:
            i, j = part._closure.worst_pair or (0, 0)
            raise IsotropyError(
                f"`coordinates` must span a subalgebra. Got rows {i} and {j} with a bracket whose part outside the "
                f"span has relative size {part._closure.residual:.2e}: add that bracket."
            )
        return part

    def _from_rows(self, rows: np.ndarray) -> LieAlgebra:
        return self._part(rows, rows @ self._to_frame)

    @cached_property
    def centre(self) -> LieAlgebra:
        """The elements that commute with all."""
        whole = np.eye(self.dimension)
        return self._from_rows(structure.centralizer(self._frame_constants, whole, self._floor))

    @cached_property
    def derived_series(self) -> tuple[LieAlgebra, ...]:
        """g, [g, g], … each the derived algebra of the one before, until it stops falling."""
        return tuple(self._from_rows(rows) for rows in structure.series(self._frame_constants, self._floor))

    @cached_property
    def lower_central_series(self) -> tuple[LieAlgebra, ...]:
        """g, [g, g], [g, [g, g]], … until it stops falling."""
        terms = structure.series(self._frame_constants, self._floor, lower=True)
        return tuple(self._from_rows(rows) for rows in terms)

    @cached_property
    def radical(self) -> LieAlgebra:
        """The largest solvable ideal."""
        return self._from_rows(self._radical_rows)

    @cached_property
    def _radical_rows(self) -> np.ndarray:
        return structure.radical(self._frame_constants, self._floor)

    @cached_property
    def nilradical(self) -> LieAlgebra:
        """The largest nilpotent ideal."""
        return self._from_rows(structure.nilradical(self._frame_constants, self._floor, self._radical_rows))

    @cached_property
    def levi(self) -> LieAlgebra:
        """A Levi factor: a semisimple subalgebra that complements the radical, one of many conjugate ones."""
        return self._from_rows(structure.levi_factor(self._frame_constants, self._floor, self._radical_rows))

    @cached_property
    def ideals(self) -> tuple[LieAlgebra, ...]:
        """Indecomposable ideals whose direct sum is the algebra, the largest first."""
        parts = structure.indecomposable_summands(self._frame_constants, self._floor)
        return tuple(self._from_rows(rows) for rows in sorted(parts, key=len, reverse=True))

    @cached_property
    def killing_form(self) -> np.ndarray:
        """``B(e_i, e_j) = tr(ad e_i ad e_j)``, shape (q, q)."""
        return _frozen(self._from_frame @ structure.killing_form(self._frame_constants) @ self._from_frame.T)

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
        if not self._closure.closed:
            i, j = self._closure.worst_pair or (0, 0)
            return Identity(
                NOT_CLOSED,
                (),
                f"a span of dimension {self.dimension} that is no algebra: [{self.labels[i]}, {self.labels[j]}] "
                f"leaves it by {self._closure.residual:.2e}",
            )
        return self.identity(self._matrices)

    def identity(self, matrices: Any = None) -> Identity:
        """Name, aliases and description, with ``matrices`` telling what a one-dimensional algebra does."""
        return identify(self._frame_constants, matrices, noise=self._floor, balanced=True)

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
        record["matrices"] = self._matrices.real.tolist()
        record["size"] = self.size
        if np.iscomplexobj(self._matrices):
            record["matrices_imaginary"] = self._matrices.imag.tolist()
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


def _real_rows(matrices: np.ndarray) -> np.ndarray:
    """Matrices as real rows: real parts, then imaginary parts."""
    flat = matrices.reshape(len(matrices), matrices.shape[1] * matrices.shape[2])
    return np.concatenate([flat.real, flat.imag], axis=1) if np.iscomplexobj(flat) else flat


def _unreal_rows(rows: np.ndarray, n: int, is_complex: bool) -> np.ndarray:
    if is_complex:
        rows = rows[:, : n * n] + 1j * rows[:, n * n :]
    return rows.reshape(-1, n, n)


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
