"""The models of a library that a group leaves unchanged, in PySINDy's order of coefficients."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from .. import lie
from ..enforce import enforce
from ..errors import IsotropyError, IsotropyWarning
from ..geometry.action import Action
from ..geometry.component import affine_parts
from ..geometry.motion import Affine
from ..geometry.polynomial import Polynomials
from ..geometry.sample import Samples
from ..groups.generating import generating_subset
from ..numerics import exact, successive, tidy
from ..numerics.decide import numerical_floor
from .jets import on_jets
from .library import LibrarySpace, is_differential, space_of

LARGEST_CACHE = 64
"""Subspaces that are kept, so that refits do not solve for them again."""

NAMED = 6
"""Missing terms that a message names."""

_cache: OrderedDict[Any, Subspace] = OrderedDict()

_motions: WeakKeyDictionary[Action, Any] = WeakKeyDictionary()


@dataclass(frozen=True)
class Subspace:
    """A basis of the coefficients that an action leaves unchanged: ``rows`` (d, n * F), those of one target together.

    Row k, as a table (n, F), is an element of the basis with readable entries, the largest of size one. ``exact`` says
    that the dimension was found by integer arithmetic; ``lacking`` names, for each generator that leads out of a
    library of monomials, the terms that it would need.
    """

    rows: Float[np.ndarray, "d k"]
    targets: int
    exact: bool
    lacking: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """The number d of independent symmetric models."""
        return len(self.rows)


def resolve(action: Action, library: Any, targets: int | None = None) -> tuple[LibrarySpace, Action]:
    """The functions of a library, and the action on right-hand sides made of them."""
    if not isinstance(action, Action):
        raise IsotropyError(
            f"`action` says how a group acts, for example `iso.Action.vector_field(groups.SO(3))`. "
            f"Got {type(action).__name__}."
        )
    if is_differential(library):
        space = space_of(library, action.fibre_dimension)
        return space, on_jets(action, library.multiindices)
    space = space_of(library, action.base_dimension)
    if targets is not None and targets != action.fibre_dimension:
        raise IsotropyError(
            f"the model has {targets} equation(s), but {action} moves values of R^{action.fibre_dimension}: for a "
            f"model with controls write `iso.Action(V + S, V)`, how states and controls move, and the states alone."
        )
    return space, action


def constraints(
    action: Action, library: Any, *, order: str = "target", samples: Samples | None = None
) -> Float[np.ndarray, "r k"]:
    """A full-rank ``constraint_lhs`` (r, n * F) whose null space are the symmetric models, for `ps.ConstrainedSR3`.

    ``library`` is the feature library of the model, fitted or not, and ``order`` PySINDy's ``constraint_order``:
    "target" has the F terms of the first equation first, "feature" all n equations of the first term. Rows are
    orthonormal, and the right-hand side is zero. ``samples`` are points where the terms are looked at, for libraries
    of other functions than monomials.

    >>> import pysindy as ps
    >>> from isotropy import groups
    >>> lhs = constraints(Action.vector_field(groups.SO(2)), ps.PolynomialLibrary(degree=1))
    >>> lhs.shape
    (4, 6)
    """
    if order not in ("target", "feature"):
        raise IsotropyError(f"The 'order' parameter of constraints must be 'target' or 'feature'. Got {order!r}.")
    space, action = resolve(action, library)
    found = symmetric_subspace(action, space, samples=samples)
    columns = found.rows.shape[1]
    orthogonal = np.linalg.qr(found.rows.T, mode="complete")[0][:, found.dimension :].T
    if order == "target":
        return orthogonal
    return orthogonal.reshape(-1, found.targets, columns // found.targets).transpose(0, 2, 1).reshape(-1, columns)


def symmetric_subspace(action: Action, space: LibrarySpace, *, samples: Samples | None = None) -> Subspace:
    """The coefficients on the functions of ``space`` that every generator and component of ``action`` leaves unchanged.

    For monomials under affine motions it is exact where the group's matrices are rational; otherwise the terms are
    looked at on ``samples``. Warns where terms are missing that the symmetry needs, and raises `IsotropyError` where
    nothing but zero is symmetric.
    """
    key = _key(action, space) if samples is None else None
    found = None if key is None else _cache.get(key)
    if found is None:
        monomials = space.exponents is not None and isinstance(action.motion, Affine) and action.factor is None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "no section of this space", IsotropyWarning)
            found = _of_monomials(action, space) if monomials else _of_functions(action, space, samples)
    if key is not None:
        _cache[key] = found
        _cache.move_to_end(key)
        if len(_cache) > LARGEST_CACHE:
            _cache.popitem(last=False)
    text = "; ".join(found.lacking)
    if not found.dimension:
        remedy = f"{text}. Add these terms" if text else "take a larger library, or fewer symmetries"
        raise IsotropyError(f"no model of this library is symmetric under {action.text}: {remedy}.")
    if text:
        warnings.warn(f"the library lacks terms that the symmetry needs: {text}.", IsotropyWarning, stacklevel=3)
    return found


def _key(action: Action, space: LibrarySpace) -> Any:
    """What the answer depends on, where it is known by value: affine motions of monomials."""
    if space.exponents is None or not isinstance(action.motion, Affine) or action.factor is not None:
        return None
    if action not in _motions:
        _motions[action] = _motion_key(action)
    return space.exponents.shape, space.exponents.tobytes(), _motions[action]


def _motion_key(action: Action) -> Any:
    assert isinstance(action.motion, Affine)
    motion = action.motion
    arrays = [motion.matrices, motion.offsets, action.fibre_matrices(np.zeros((1, action.base_dimension)))[0]]
    for component in action.components:
        arrays += affine_parts(component.theta, (action.base_dimension,))
        arrays += affine_parts(component.untheta, action.fibre_shape)
    return tuple((np.shape(a), np.asarray(a).tobytes()) for a in arrays), action.fibre_shape


def _columns(space: LibrarySpace, n: int) -> tuple[Polynomials, np.ndarray]:
    """The polynomials that hold the monomials of ``space``, and where each (target, term) is in their coefficients."""
    assert space.exponents is not None
    whole = Polynomials(space.input_dimension, degree=int(space.exponents.sum(axis=1).max(initial=0)))
    place = whole.index(space.exponents)
    return whole, (place[None, :] * n + np.arange(n)[:, None]).ravel()


def _of_monomials(action: Action, space: LibrarySpace) -> Subspace:
    n = action.fibre_dimension
    whole, columns = _columns(space, n)
    everything = [sp.csr_array(matrix.tocsc()[:, columns]) for matrix in lie.of_polynomials(action, whole)]
    algebra = action.algebra
    chosen = range(action.dimension)
    if algebra is not None and algebra.dimension == action.dimension:
        chosen = generating_subset(algebra)
    used = [everything[k] for k in (*chosen, *range(action.dimension, len(everything)))]
    used = sorted(used, key=lambda matrix: matrix.nnz)
    rows = exact.null_space(used, len(columns))
    if rows is not None and exact.satisfies(everything, rows):
        return Subspace(_scaled(tidy.integer_basis(rows).toarray()), n, True, missing_terms(action, space))
    found, decision = successive.null_space(used, len(columns))
    floor = max(decision.floor, numerical_floor(np.float64, len(columns), 1.0))
    rows = tidy.basis(sp.csr_array(found), floor)
    return Subspace(_scaled(rows.toarray()), n, False, missing_terms(action, space))


def _of_functions(action: Action, space: LibrarySpace, samples: Samples | None) -> Subspace:
    basis = enforce(action, space, samples=samples)
    n = action.fibre_dimension
    rows = basis.coefficients.transpose(0, 2, 1).reshape(basis.dimension, n * space.dimension)
    return Subspace(_scaled(rows), n, False)


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Rows whose largest entry is one: the weight of a row is then the largest coefficient that it contributes."""
    return rows / np.abs(rows).max(axis=1, keepdims=True) if len(rows) else rows


def missing_terms(action: Action, space: LibrarySpace) -> tuple[str, ...]:
    """For each generator that leads out of a library of monomials, which terms it would need, in words."""
    n = action.fibre_dimension
    whole, columns = _columns(space, n)
    outside = np.ones(whole.dimension * n, dtype=bool)
    outside[columns] = False
    lacking = []
    for k, matrix in enumerate(lie.of_polynomials(action, whole)):
        reached = np.flatnonzero(outside & (abs(matrix[:, columns]).sum(axis=1) > 0))
        terms = np.unique(reached // n)
        if len(terms):
            named = [_monomial(whole.exponents[t], space) for t in terms[:NAMED]]
            what = action.describe(np.eye(action.dimension)[k]) if k < action.dimension else "a component of the group"
            more = f" and {len(terms) - NAMED} more" if len(terms) > NAMED else ""
            lacking.append(f"{what} needs {', '.join(named)}{more}")
    return tuple(lacking)


def _monomial(powers: np.ndarray, space: LibrarySpace) -> str:
    """A monomial as PySINDy writes it, with its own names of the coordinates where the library holds these."""
    names = space.variables if space.coordinates is None else [space.names[k] for k in space.coordinates]
    return " ".join(f"{v}^{p}" if p > 1 else v for v, p in zip(names, powers, strict=True) if p) or "1"
