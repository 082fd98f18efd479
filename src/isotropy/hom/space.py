"""The space of equivariant linear maps V -> W, kept in factored form."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import IsotropyError
from ..groups import Representation
from ..validate import array

DENSE_LIMIT = 2**31
"""Bytes that `HomSpace.dense` will fill; a layer needs the factored form only."""


@dataclass(frozen=True)
class Irreducible:
    """One irreducible with its multiplicities in source and target; ``kind`` names its endomorphisms, R, C or H."""

    dimension: int
    kind: str
    source: int
    target: int

    def __str__(self) -> str:
        return f"{self.dimension} ({self.kind}), {self.source} x {self.target}"


@dataclass(frozen=True)
class Part:
    """Where an irreducible sits in one summand: ``frame`` (d, n, m, k) in each copy that starts at ``offsets`` (c,)."""

    offsets: np.ndarray
    frame: np.ndarray

    @property
    def multiplicity(self) -> int:
        """Copies of the irreducible: those of the summand times those within it."""
        return len(self.offsets) * self.frame.shape[2]

    @property
    def indices(self) -> np.ndarray:
        """Coordinates (c, d) of the copies of the summand."""
        return self.offsets[:, None] + np.arange(len(self.frame))


@dataclass(frozen=True)
class Block:
    """The maps through one irreducible: all matrices C (target copies, source copies) over its endomorphisms.

    A coefficient array C has shape ``shape`` = (target copies, source copies, k). With A = sum_u C[..., u] units[u] the
    map is x -> T_target A T_source^H x / sqrt(n k), where T are the parts' frames side by side: orthonormal in the
    Frobenius norm. Copies are numbered part by part, and within a part summand by summand.
    """

    kind: str
    units: np.ndarray
    source: tuple[Part, ...]
    target: tuple[Part, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(target copies, source copies, k)."""
        return _copies(self.target), _copies(self.source), len(self.units)

    @property
    def size(self) -> int:
        """Dimension of the space of maps through this irreducible."""
        return int(np.prod(self.shape))

    @property
    def order(self) -> tuple[int, int]:
        """(n, k): the irreducible has dimension n k."""
        frame = self.source[0].frame
        return frame.shape[1], frame.shape[3]

    @property
    def dimension(self) -> int:
        """Dimension of the irreducible."""
        return int(np.prod(self.order))

    @property
    def scale(self) -> float:
        """1 / sqrt(n k): with it unit coefficients give maps of Frobenius norm 1."""
        return 1 / float(np.sqrt(self.dimension))

    def coupling(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (target, source, k) as a matrix over the units: (target, k, source, k), scaled."""
        return np.einsum("iju,ust->isjt", coefficients, self.units) * self.scale

    def gather(self, x: np.ndarray) -> np.ndarray:
        """The coordinates (..., n, source copies, k) of x in this irreducible."""
        return _gather(self.source, x)

    def scatter(self, z: np.ndarray, out: np.ndarray) -> None:
        """Add to ``out`` (..., dim W) the vector with coordinates z (..., n, target copies, k)."""
        start = 0
        for part in self.target:
            c, m = len(part.offsets), part.frame.shape[2]
            piece = z[..., start : start + c * m, :].reshape(*z.shape[:-2], c, m, z.shape[-1])
            out[..., part.indices] += np.einsum("...ncmk,dnmk->...cd", piece, part.frame, optimize=True)
            start += c * m


def _copies(parts: tuple[Part, ...]) -> int:
    return sum(part.multiplicity for part in parts)


def _gather(parts: tuple[Part, ...], x: np.ndarray) -> np.ndarray:
    pieces = []
    for part in parts:
        y = np.einsum("...cd,dnmk->...ncmk", x[..., part.indices], part.frame.conj(), optimize=True)
        pieces.append(y.reshape(*y.shape[:-3], -1, y.shape[-1]))
    return np.concatenate(pieces, axis=-2)


@dataclass(frozen=True, eq=False)
class HomSpace:
    """Equivariant linear maps from ``source`` to ``target``: an orthonormal basis (Frobenius), kept in factored form.

    ``blocks`` are the irreducibles in common; ``mix`` (dimension, sum of block sizes) selects, where the group is not
    completely reducible, the combinations that the rest of it allows. Complex if either representation is. With points,
    maps are x -> M x + b, matrices have a last column for b, and for points as the target they make up ``particular``
    plus the span of the basis (None when there is no equivariant map at all). ``residual`` is the largest defect
    |W_g B - B V_g| of a basis map over all generators and components, ``floor`` what rounding may leave.

    >>> from isotropy import groups
    >>> from isotropy.hom import hom
    >>> V, S = groups.SO(3).vector, groups.SO(3).scalar
    >>> space = hom(V @ V, S + V)
    >>> space.dimension, space.dense().shape
    (2, (2, 4, 9))
    """

    source: Representation
    target: Representation
    irreducibles: tuple[Irreducible, ...]
    blocks: tuple[Block, ...]
    residual: float
    floor: float
    mix: np.ndarray | None = None
    particular: np.ndarray | None = None
    affine: bool = False
    reason: str = field(default="", repr=False)

    @property
    def dimension(self) -> int:
        """Number of free coefficients."""
        return sum(block.size for block in self.blocks) if self.mix is None else len(self.mix)

    @property
    def dtype(self) -> Any:
        """float64, or complex128 where a representation is complex."""
        return np.complex128 if self.source.is_complex or self.target.is_complex else np.float64

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a map's matrix: (dim W, dim V), one more column for the constant part if the maps are affine."""
        return self.target.dimension, self.source.dimension + self.affine

    @cached_property
    def _slices(self) -> list[slice]:
        ends = np.cumsum([0, *(block.size for block in self.blocks)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def split(self, coefficients: Any) -> list[np.ndarray]:
        """Coefficients (dimension,) as one array (target copies, source copies, k) for each block."""
        c = array(coefficients, "coefficients", ndim=1, complex_ok=True, minimum_size=0)
        if c.shape != (self.dimension,):
            raise IsotropyError(f"`coefficients` must have shape ({self.dimension},). Got {c.shape}.")
        c = c if self.mix is None else c @ self.mix
        return [c[part].reshape(block.shape) for part, block in zip(self._slices, self.blocks, strict=True)]

    def apply(self, coefficients: Any, x: Any) -> np.ndarray:
        """The map with these coefficients at x (..., dim V), without its matrix."""
        x = np.asarray(x)
        if x.shape[-1:] != (self.source.dimension,):
            raise IsotropyError(f"`x` must have last axis {self.source.dimension}, for `{self.source}`. Got {x.shape}.")
        if self.affine:
            x = np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)
        out = np.zeros((*x.shape[:-1], self._rows), np.result_type(self.dtype, x.dtype))
        for block, c in zip(self.blocks, self.split(coefficients), strict=True):
            block.scatter(np.einsum("isjt,...njt->...nis", block.coupling(c), block.gather(x), optimize=True), out)
        out = out[..., : self.target.dimension]
        return out if self.particular is None else out + x @ self.particular.T

    def matrix(self, coefficients: Any) -> np.ndarray:
        """The matrix of the map with these coefficients, of shape `shape`."""
        total = np.zeros((self._rows, self.shape[1]), self.dtype)
        for block, c in zip(self.blocks, self.split(coefficients), strict=True):
            columns = block.gather(np.eye(self.shape[1], dtype=self.dtype))
            moved = np.einsum("isjt,vnjt->vnis", block.coupling(c), columns, optimize=True)
            block.scatter(moved, total.T)
        total = total[: self.target.dimension]
        return total if self.particular is None else total + self.particular

    def dense(self) -> np.ndarray:
        """The basis as matrices (dimension, *shape), without `particular`. For checks and small spaces."""
        need = self.dimension * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        if need > DENSE_LIMIT:
            raise IsotropyError(
                f"The dense basis would take {need / 2**30:.1f} GiB ({self.dimension} maps of shape {self.shape}): "
                f"use `apply`, or `matrix` for one map."
            )
        return self.homogeneous()[:, : self.target.dimension]

    def homogeneous(self) -> np.ndarray:
        """The basis with, for maps of points, the last row that multiplies the constant coordinate."""
        parts = [np.zeros((0, self._rows, self.shape[1]), self.dtype)]
        for block in self.blocks:
            source, target = _frame(block.source, self.shape[1]), _frame(block.target, self._rows)
            left = np.einsum("wnis,ust->iuwnt", target, block.units, optimize=True) * block.scale
            full = np.einsum("iuwnt,vnjt->ijuwv", left, source.conj(), optimize=True)
            parts.append(full.reshape(-1, *full.shape[3:]))
        basis = np.concatenate(parts)
        if self.mix is not None:
            basis = np.tensordot(self.mix, basis, 1)
        return basis

    @property
    def _rows(self) -> int:
        return self.target.dimension + (self.affine and self.target.has_points)

    def project(self, matrix: Any) -> np.ndarray:
        """Coefficients of the orthogonal projection of a matrix (dim W, dim V) on this space."""
        value = array(matrix, "matrix", shape=self.shape, complex_ok=True)
        if self.particular is not None:
            value = value - self.particular
        return self.coordinates(np.concatenate([value, np.zeros((self._rows - len(value), value.shape[1]))]))

    def coordinates(self, value: np.ndarray) -> np.ndarray:
        """Inner products of the basis with a homogeneous matrix."""
        parts = []
        for block in self.blocks:
            source, target = _frame(block.source, self.shape[1]), _frame(block.target, self._rows)
            inner = np.einsum("wnis,wv,vnjt->isjt", target.conj(), value, source, optimize=True)
            parts.append((np.einsum("isjt,ust->iju", inner, block.units) * block.scale).ravel())
        c = np.concatenate(parts) if parts else np.zeros(0, self.dtype)
        return c if self.mix is None else self.mix.conj() @ c

    def __str__(self) -> str:
        where = f"{self.source} -> {self.target} of {self.source.group}"
        head = f"{self.dimension} equivariant map{'s' * (self.dimension != 1)} {where}"
        if self.particular is not None:
            head = f"An affine space of dimension {self.dimension} of equivariant maps {where}"
        if self.reason:
            return f"{head}: {self.reason}"
        common = [str(i) for i in self.irreducibles if i.source and i.target]
        if self.mix is not None:
            return f"{head}, a null space (not completely reducible); defect {self.residual:.0e}"
        return f"{head} through the irreducibles of dimension " + "; ".join(common) + f"; defect {self.residual:.0e}"


def _frame(parts: tuple[Part, ...], size: int) -> np.ndarray:
    """All copies' frames side by side in the full space: (size, n, copies, k)."""
    pieces = []
    for part in parts:
        _d, n, m, k = part.frame.shape
        full = np.zeros((len(part.offsets), size, n, m, k), part.frame.dtype)
        full[np.arange(len(part.offsets))[:, None], part.indices] = part.frame
        pieces.append(np.moveaxis(full, 0, 2).reshape(size, n, -1, k))
    return np.concatenate(pieces, axis=2)
