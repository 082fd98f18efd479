"""Invariant quadratic forms of a kind of summand: what serves as its norm."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import IsotropyError
from ..groups import Representation
from .basis import bilinear_basis
from .frozen import Frozen
from .layout import is_orthogonal


class Norms(eqx.Module):
    """The invariant quadratic forms (copies, k) of each copy of a kind.

    Where the group acts by orthogonal matrices this is the mean square of the coordinates alone (k = 1). Elsewhere it
    is a basis of the invariant symmetric forms, such as t^2 - x^2 - y^2 - z^2 of a Lorentz vector, each scaled to
    variance 1 at a standard normal argument; k = 0 where there is none, as for a vector of Sp(4).
    """

    forms: Frozen | None
    count: int = eqx.field(static=True)

    def __init__(self, kind: Representation):
        forms = None if is_orthogonal(kind) else symmetric_forms(kind) / np.sqrt(2)
        self.forms = None if forms is None else Frozen(forms)
        self.count = 1 if forms is None else len(forms)

    @staticmethod
    def required(kind: Representation) -> Norms:
        """The norms of a kind that must have one."""
        norms = Norms(kind)
        if not norms.count:
            raise IsotropyError(
                f"`{kind}` of {kind.group} has no invariant quadratic form, so no norm: use `Gated`, whose gates are "
                f"scalars."
            )
        return norms

    def __call__(self, part: Float[Array, "copies d"]) -> Float[Array, "copies k"]:
        """The forms of each copy."""
        if self.forms is None:
            return jnp.mean(part**2, axis=1, keepdims=True)
        return jnp.einsum("ci,kij,cj->ck", part, self.forms.astype(part.dtype), part)


def symmetric_forms(kind: Representation) -> np.ndarray:
    """A basis (k, d, d), orthonormal in the Frobenius norm, of the invariant symmetric forms x -> x^T Q x."""
    forms = bilinear_basis(kind, kind, kind.group.scalar)[:, 0]
    if not len(forms):
        return forms
    symmetric = (forms + forms.transpose(0, 2, 1)).reshape(len(forms), -1) / 2
    _, values, basis = np.linalg.svd(symmetric, full_matrices=False)
    # Transposition maps the span to itself, so the symmetric parts of an orthonormal basis have singular values 0 or 1.
    return basis[: int((values > 0.5).sum())].reshape(-1, kind.dimension, kind.dimension)
