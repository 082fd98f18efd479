"""Kernels K: R^d -> Hom(V, W) with K(g x) = W_g K(x) V_g^-1, one radial function at a time.

An integral operator v(x) = int K(x - y) u(y) dy commutes with translations, and with a group of orthogonal matrices
exactly if its kernel satisfies this. Over one radius that is a linear condition on functions of the direction, and
these are sums of harmonic polynomials: so the kernels of angular frequency J are the symmetric polynomial sections of
degree J whose Laplacian vanishes. `enforce` finds them, for any subgroup of O(d), continuous or finite, in integers
where the group's matrices are.

Source: M. Weiler, M. Geiger, M. Welling, W. Boomsma, T. Cohen, *3D Steerable CNNs*, NeurIPS 2018; L. Lang, M. Weiler,
*A Wigner–Eckart theorem for group equivariant convolution kernels*, ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from ..enforce import enforce
from ..errors import IsotropyError
from ..geometry.action import Action
from ..geometry.polynomial import Polynomials
from ..groups.group import Group
from ..groups.representation import Representation
from ..numerics.decide import decide, numerical_floor
from ..numerics.spectrum import dense


@dataclass(frozen=True)
class KernelBasis:
    """Orthonormal equivariant kernels on the unit sphere, up to an angular frequency.

    ``frequencies`` (k,) are the degrees J of the kernels, ``coefficients`` (k, f, w, v) theirs on the monomials of
    ``space``. The squared Frobenius norm of each is one on the mean over directions.
    """

    source: Representation
    target: Representation
    space: Polynomials
    frequencies: tuple[int, ...]
    coefficients: Float[np.ndarray, "k f w v"]

    @property
    def dimension(self) -> int:
        """The number of kernels for each radial function."""
        return len(self.frequencies)

    def __call__(self, direction: Float[Array, " d"]) -> Float[Array, "k w v"]:
        """The kernels at one unit vector; traceable by JAX, in its precision.

        At the origin, which has no direction, a continuous kernel keeps its frequency zero alone.
        """
        features = self.space(direction)
        return jnp.tensordot(jnp.asarray(self.coefficients, features.dtype), features, axes=((1,), (0,)))

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.frequencies.count(j)} at {j}" for j in sorted(set(self.frequencies)))
        return f"{self.dimension} kernels {self.source} -> {self.target} of {self.source.group} ({counts})"


def kernel_basis(source: Representation, target: Representation, *, degree: int) -> KernelBasis:
    """All kernels from fields of ``source`` to fields of ``target`` with angular frequencies up to ``degree``.

    Both are real representations of one group of orthogonal matrices on R^d, which moves the points as its vectors.
    Raises `IsotropyError` for other groups. Warns where there are none.

    >>> from isotropy import groups
    >>> G = groups.SO(3)
    >>> print(kernel_basis(G.irrep(1), G.irrep(2), degree=4))
    3 kernels irrep(1) -> irrep(2) of SO(3) (1 at 1, 1 at 2, 1 at 3)
    """
    group = source.group
    if target.group != group:
        raise IsotropyError(f"a kernel needs two representations of one group. Got {group} and {target.group}.")
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0:
        raise IsotropyError(f"`degree` is an angular frequency, 0 or more. Got {degree!r}.")
    if not keeps_distances(group):
        raise IsotropyError(
            f"kernels of one radius need a group that keeps distances. Got {group}: use a subgroup of O(n)."
        )
    if source.is_complex or target.is_complex:
        raise IsotropyError("kernels act on real fields: take `.real()` of the complex representations.")
    d, w, v = group.vector.dimension, target.dimension, source.dimension
    space = Polynomials(d, degree=degree)
    basis = enforce(Action(group.vector, target @ source.dual), space)
    degrees = space.exponents.sum(axis=1)
    # Derivatives of the functions: coefficients are moved by the transpose.
    laplacian = sum((space.derivative_matrix(i) @ space.derivative_matrix(i)).T for i in range(d))
    frequencies: list[int] = []
    kept: list[np.ndarray] = []
    for j in range(degree + 1):
        # Fischer's product, in which harmonic polynomials of one degree are orthonormal as they are on the sphere.
        weights = np.sqrt(np.prod(scipy.special.factorial(space.exponents), axis=1) / _moment(d, j))[:, None]
        parts = basis.coefficients * (degrees == j)[:, None] * weights
        frame = _orthonormal(parts.reshape(len(parts), space.dimension * w * v))
        if not len(frame):
            continue
        inside = frame.reshape(len(frame), *parts.shape[1:]) / weights
        curved = np.stack([laplacian @ part for part in inside])
        spectrum = dense(curved.reshape(len(frame), -1).T)
        size = float(np.abs(laplacian).max()) * float(np.linalg.norm(inside, axis=(1, 2)).max())
        nullity = decide(spectrum.values, floor=numerical_floor(np.float64, inside.size, size)).nullity
        kept.append(np.tensordot(spectrum.null_vectors(nullity), inside, 1))
        frequencies += [j] * nullity
    coefficients = np.concatenate(kept) if kept else np.zeros((0, space.dimension, w * v))
    return KernelBasis(source, target, space, tuple(frequencies), coefficients.reshape(-1, space.dimension, w, v))


def keeps_distances(group: Group) -> bool:
    """Whether a group moves points by real orthogonal matrices, and translations perhaps."""
    turned = [*group.vector.generators(), *group.vector.components()]
    count = len(group.vector.generators())
    for k, matrix in enumerate(turned):
        rest = matrix + matrix.T if k < count else matrix @ matrix.T - np.eye(len(matrix))
        floor = numerical_floor(np.float64, len(matrix), float(np.abs(matrix).max()))
        if np.iscomplexobj(matrix) or np.abs(rest).max() > floor:
            return False
    return True


def _orthonormal(rows: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "r n"]:
    """An orthonormal basis of the span of ``rows``."""
    if not len(rows):
        return rows
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    floor = numerical_floor(np.float64, max(rows.shape), float(values.max(initial=0.0)))
    return right[: len(values) - decide(values, floor=floor).nullity]


def _moment(d: int, j: int) -> float:
    """Fischer's product of a harmonic polynomial of degree j over its mean square on the sphere of R^d."""
    return float(np.prod(d + 2.0 * np.arange(j)))
