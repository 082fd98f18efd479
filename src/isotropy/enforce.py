"""Enforce: the sections F of a space with L(xi, F) = 0 for every generator and K_g F = F for every component.

Source: Otto2025, section 4. Both conditions are linear in F, so the symmetric sections are a linear subspace.
Polynomials under affine motions are solved exactly, as sparse integer matrices; any other space by its rows at sample
points.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from . import lie, version
from .errors import IsotropyError, IsotropyWarning
from .geometry.action import Action
from .geometry.component import affine_parts
from .geometry.domain import typical_box
from .geometry.fibre import Linear
from .geometry.motion import Affine
from .geometry.polynomial import Polynomials
from .geometry.sample import Samples
from .geometry.space import Space
from .geometry.substitution import multinomials
from .groups.algebra import LieAlgebra
from .groups.generating import generating_subset
from .numerics import exact, successive, tidy
from .numerics.decide import Decision, decide, numerical_floor
from .numerics.exact import Sparse
from .numerics.spectrum import TriangularFactor
from .results.basis import Basis

ATTEMPTS = 4
"""How often the number of samples is doubled when fresh samples refute the answer."""

SPARE = 16
"""Samples beyond two for each feature, so that a few unlucky ones do no harm."""

SIGHT = 64
"""Samples on which the size of the terms that cancel is measured."""

DEPENDENT = float(np.sqrt(np.finfo(np.float64).eps))
"""A combination of functions that is smaller than this part of them counts as zero: half of its digits are noise."""

BATCH_BYTES = 2**26
"""Memory that the rows of one batch of samples may take (64 MiB)."""


def enforce(action: Action, space: Space, *, samples: Samples | None = None, seed: int = 0) -> Basis:
    """A basis of the sections in ``space`` that every candidate of ``action`` leaves unchanged.

    ``space`` holds the scalar functions that each coordinate of the value may be; ``action`` says how the group moves
    points and values: functions between representations, vector fields, tensor fields, densities.

    Polynomials under affine motions of the base are solved without samples, and exactly where the group's matrices
    have rational entries: the dimension is then proved. Any other space is looked at on ``samples``, drawn from
    ``seed`` where not given. They are enough once more of them do not change the answer: it is checked on fresh ones,
    against every generator and component, and the number doubled if they refute it. Sections that vanish at the
    samples count as zero.

    A space that the group does not keep has few symmetric sections, often constants alone; none at all draws an
    `IsotropyWarning`. Raises `IsotropyError` for a space on another R^m and for values that are positions, which
    translations do not move linearly.

    Cost: for polynomials one sparse elimination of f * n unknowns, block by block; otherwise a QR of at least
    f rows of f * n entries.

    >>> from isotropy import groups
    >>> V = groups.SO(3).vector
    >>> print(enforce(Action(V, V), Polynomials(3, degree=3, minimum_degree=1)))
    2 of 57 dimensions are symmetric under V -> V of SO(3) (exact)
      (x, y, z)
      (x^3 + x*y^2 + x*z^2, x^2*y + y^3 + y*z^2, x^2*z + y^2*z + z^3)
    """
    _check(action, space, seed)
    if isinstance(space, Polynomials) and isinstance(action.motion, Affine) and not action.factor and samples is None:
        basis = _of_polynomials(action, space)
    else:
        basis = _of_samples(action, space, samples, seed)
    if basis.dimension == 0:
        warnings.warn(
            f"no section of this space is symmetric under {action.text}: a model in it can only be zero. Enlarge the "
            f"space, take fewer symmetries, or check how the outputs are said to move.",
            IsotropyWarning,
            stacklevel=2,
        )
    return basis


def _check(action: Any, space: Any, seed: Any) -> None:
    if not isinstance(action, Action):
        raise IsotropyError(
            f"`action` says how a group acts, for example `iso.Action(V, V)`. Got {type(action).__name__}."
        )
    if not isinstance(space, Space):
        raise IsotropyError(
            f"`space` is a space of functions, for example `iso.spaces.Polynomials(3, degree=3)`. "
            f"Got {type(space).__name__}."
        )
    if space.input_dimension != action.base_dimension:
        raise IsotropyError(
            f"`space` has functions on R^{space.input_dimension}, but {action} moves points of "
            f"R^{action.base_dimension}: give both the same number of variables."
        )
    if space.dimension == 0:
        raise IsotropyError("`space` is empty, so there is no section to choose from: give it at least one function.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise IsotropyError(f"`seed` must be an integer >= 0. Got {seed!r}.")
    shifted = isinstance(action.value_motion, Linear) and bool(action.value_motion.offsets.any())
    shifted |= any(affine_parts(component.untheta, action.fibre_shape)[1].any() for component in action.components)
    if shifted:
        raise IsotropyError(
            f"the values of {action} are positions, which translations do not move linearly, so the symmetric sections "
            f"are no linear space: use `vector` for the outputs, and add a position that moves along to the answer."
        )


def _answer(action: Action, space: Space, rows: Sparse, decision: Decision, **details: Any) -> Basis:
    return Basis(
        space=space,
        fibre_shape=action.fibre_shape,
        matrix=rows,
        decision=decision,
        action=action.text,
        outputs=action.outputs,
        **details,
    )


def _of_polynomials(action: Action, space: Polynomials) -> Basis:
    constraints = lie.of_polynomials(action, space)
    chosen = _chosen(action.algebra, action.dimension)
    used = [constraints[k] for k in chosen] + constraints[action.dimension :]
    # The sparsest first: they shrink the problem for the others.
    used.sort(key=lambda matrix: matrix.nnz)
    settings = {"method": "exact", "generators": len(chosen), "isotropy": version.VERSION}
    rows = exact.null_space(used, space.dimension * action.fibre_dimension)
    if rows is not None and exact.satisfies(constraints, rows):
        count = rows.shape[0]
        reason = "integer arithmetic: every element satisfies every condition, and their number is that modulo a prime"
        decision = Decision(count, float("inf"), 0.0, 0.0, "certain", reason)
        rows = tidy.integer_basis(rows)
        return _answer(action, space, rows, decision, exact=True, defects=np.zeros(count), settings=settings)
    # Orthogonal maps act orthogonally on monomials weighted by their multinomial coefficients (Bombieri's product).
    weight = np.repeat(multinomials(space) ** 0.5, action.fibre_dimension)
    whole = Polynomials(space.input_dimension, degree=space.degree)
    balance = sp.diags_array(np.repeat(multinomials(whole) ** -0.5, action.fibre_dimension))
    scaled = [sp.csr_array(balance @ matrix @ sp.diags_array(weight)) for matrix in constraints]
    order = sorted((*chosen, *range(action.dimension, len(scaled))), key=lambda k: scaled[k].nnz)
    found, decision = successive.null_space([scaled[k] for k in order], len(weight))
    defects = _sparse_defects(scaled, found)
    floor = max(decision.floor, numerical_floor(np.float64, len(weight), 1.0))
    rows = tidy.basis(sp.csr_array(found @ sp.diags_array(weight)), floor)
    settings["method"] = "float"
    return _answer(action, space, rows, decision, exact=False, defects=defects, noise=floor, settings=settings)


def _chosen(algebra: LieAlgebra | None, count: int) -> list[int]:
    """Positions of candidates that generate all of them under the bracket: these are enough to impose."""
    if algebra is None or algebra.dimension != count:
        return list(range(count))
    return generating_subset(algebra)


def _sparse_defects(constraints: list[Sparse], rows: Sparse) -> Float[np.ndarray, " d"]:
    """For each row the largest relative defect under any constraint, against the terms before they cancel."""
    worst = np.zeros(rows.shape[0])
    for matrix in constraints:
        left = np.sqrt(((matrix @ rows.T) ** 2).sum(axis=0))
        terms = np.sqrt(((abs(matrix) @ abs(rows.T)) ** 2).sum(axis=0))
        worst = np.maximum(worst, left / np.where(terms > 0, terms, 1.0))
    return worst


def _of_samples(action: Action, space: Space, samples: Samples | None, seed: int) -> Basis:
    if samples is not None:
        if len(samples) < space.dimension:
            raise IsotropyError(
                f"{len(samples)} samples cannot tell the {space.dimension} functions of `space` apart: pass at least "
                f"{2 * space.dimension + SPARE}, or none, and they are drawn for you."
            )
        view = _Rows(action, space, samples)
        found, decision = view.null_space(samples)
        half = Samples(samples.points[0::2], samples.weights[0::2])
        if len(view.null_space(half)[0]) > len(found):
            decision = _unsettled(decision, "half of the samples allow more sections than all of them do")
        checked = view.defects(samples, found)
    else:
        count = 2 * space.dimension + SPARE
        for attempt in range(ATTEMPTS):
            drawn = _draw(action, space, count, seed=seed + 2 * attempt)
            view = _Rows(action, space, drawn)
            found, decision = view.null_space(drawn)
            fresh = _draw(action, space, count, seed=seed + 2 * attempt + 1)
            checked = view.defects(fresh, found)
            # Functions that look dependent here must look so there, too.
            if view.vanish(fresh, found) and (not view.dropped or _Rows(action, space, fresh).dropped >= view.dropped):
                break
            count *= 2
        else:
            decision = _unsettled(decision, "fresh samples refute part of the answer")
    if decision.verdict == "cannot tell":
        warnings.warn(f"cannot tell which sections are symmetric: {decision.reason}.", IsotropyWarning, stacklevel=3)
    rows = tidy.basis(sp.csr_array(view.coefficients(found)), view.noise(decision))
    remarks = (f"{view.dropped} of the functions depend on the others at the samples and are not counted",)
    return _answer(
        action,
        space,
        rows,
        decision,
        exact=False,
        defects=checked,
        noise=view.noise(decision),
        remarks=remarks if view.dropped else (),
        settings={"method": "samples", "samples": len(view.samples), "seed": seed, "isotropy": version.VERSION},
    )


def _unsettled(decision: Decision, why: str) -> Decision:
    reason = f"{why}, so the rank has not settled: give more samples, or better spread"
    return replace(decision, verdict="cannot tell", reason=reason)


def _draw(action: Action, space: Space, count: int, *, seed: int) -> Samples:
    """Samples in the box where the functions vary, without points at which one of them is not finite."""
    low, high = typical_box(space)
    kept: list[np.ndarray] = []
    for k in range(ATTEMPTS):
        points = np.random.default_rng([seed, k]).uniform(low, high, (count, len(low)))
        finite = np.isfinite(space.values(points)).all(axis=1) & np.isfinite(space.gradients(points)).all(axis=(1, 2))
        for component in action.components:
            with jax.enable_x64(True):
                moved = np.asarray(jax.vmap(component.theta)(jnp.asarray(points)))
            finite &= np.isfinite(space.values(moved)).all(axis=1)
        kept.append(points[finite])
        if sum(map(len, kept)) >= count:
            return Samples(np.concatenate(kept)[:count])
    raise IsotropyError(
        f"the functions of `space` are not finite at most points of the box from {low.tolist()} to {high.tolist()}: "
        f"pass `samples` from where they are, such as `iso.Samples.uniform(500, {len(low)}, seed=0, low=1, high=2)`."
    )


class _Rows:
    """The conditions on sections in a basis of functions that is orthonormal at the samples (convention C5)."""

    def __init__(self, action: Action, space: Space, samples: Samples) -> None:
        self.action, self.space, self.samples = action, space, samples
        values = space.values(samples.points) * np.sqrt(samples.weights)[:, None]
        size = np.linalg.norm(values, axis=0)
        size = np.where(size > 0, size, 1.0)
        _, sizes, vectors = np.linalg.svd(values / size, full_matrices=False)
        kept = sizes > DEPENDENT * sizes.max(initial=0.0)
        self.dropped = space.dimension - int(kept.sum())
        self.condition = float(sizes[kept].max() / sizes[kept].min()) if kept.any() else 1.0
        self.functions = (vectors[kept] / sizes[kept, None]) / size
        chosen = _chosen(action.algebra, action.dimension)
        self.mixed = np.eye(action.dimension)[chosen]
        if len(chosen) > 2 and action.algebra is not None and action.algebra.is_semisimple:
            # Two generic elements generate a semisimple algebra (Kuranishi 1951).
            mixed = np.random.default_rng(len(samples)).standard_normal((2, action.dimension))
            self.mixed = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        self.scale, self.roundings = self._sizes(size)

    def _sizes(self, size: Float[np.ndarray, " f"]) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " k"]]:
        """The size of each generator's action, and of the terms that cancel in the rows of each unit function."""
        points = np.asarray(self.samples.points[:SIGHT], dtype=np.float64)
        values, gradients = np.abs(self.space.values(points)), np.abs(self.space.gradients(points))
        moved = np.einsum("pfi,pqi->pqf", gradients, np.abs(self.action.fields(points)))
        matrices = np.abs(self.action.fibre_matrices(points)).sum(axis=(2, 3))
        terms = moved + np.einsum("pf,pq->pqf", values, matrices)
        scale = np.sqrt(((terms / size) ** 2).mean(axis=(0, 2)))
        scale = np.where(scale > 0, scale, 1.0)
        weight = np.abs(self.functions).T
        roundings = ((values @ weight) ** 2).mean(axis=0)
        for k in range(len(scale)):
            roundings = np.maximum(roundings, ((terms[:, k] / scale[k] @ weight) ** 2).mean(axis=0))
        return scale, np.sqrt(roundings)

    def _blocks(self, samples: Samples, mixed: np.ndarray) -> Iterator[np.ndarray]:
        """Rows (., k * n) of the mixed generators and the components, batch by batch, weighted."""
        n, q = self.action.fibre_dimension, self.action.dimension
        per_sample = 8 * n * n * self.space.dimension * (q + len(self.action.components) + 1)
        step = max(1, BATCH_BYTES // per_sample)
        scaled = mixed / self.scale
        for start in range(0, len(samples), step):
            weights = np.sqrt(samples.weights[start : start + step])
            part = Samples(samples.points[start : start + step])
            rows = [np.einsum("pnqfo,rq->pnrfo", lie.of_space(self.action, self.space, part), scaled)]
            if self.action.components:
                rows.append(lie.components_of_space(self.action, self.space, part))
            together = np.concatenate(rows, axis=2) * weights[:, None, None, None, None]
            unit = np.einsum("pnrfo,kf->pnrko", together, self.functions, optimize=True)
            yield unit.reshape(-1, unit.shape[-2] * n)

    def floor(self, directions: Float[np.ndarray, "d u"]) -> Float[np.ndarray, " d"]:
        """What rounding leaves of zero for each combination, whose functions were scaled up by different amounts."""
        weights = directions.reshape(len(directions), len(self.functions), self.action.fibre_dimension)
        spread = np.sqrt(((weights * self.roundings[:, None]) ** 2).sum(axis=(1, 2)))
        terms = self.action.base_dimension + self.action.fibre_dimension + self.space.dimension
        parts = self.action.dimension + len(self.action.components)
        return numerical_floor(np.float64, terms, np.sqrt(max(parts, 1))) * spread

    def null_space(self, samples: Samples) -> tuple[Float[np.ndarray, "d u"], Decision]:
        """Orthonormal combinations that every row takes to zero, and the decision on their number."""
        factor = TriangularFactor(len(self.functions) * self.action.fibre_dimension)
        for block in self._blocks(samples, self.mixed):
            factor.add(block)
        spectrum = factor.spectrum()
        decision = decide(spectrum.values, floor=self.floor(spectrum.vectors))
        if self.dropped and decision.verdict == "certain":
            decision = replace(decision, verdict="supported")
        return spectrum.null_vectors(decision.nullity), decision

    def vanish(self, samples: Samples, found: Float[np.ndarray, "d u"]) -> bool:
        """Whether the rows of all generators and components at other samples take what was found to zero."""
        factor = TriangularFactor(len(found))
        for block in self._blocks(samples, np.eye(self.action.dimension)):
            factor.add(block @ found.T)
        spectrum = factor.spectrum()
        return decide(spectrum.values, floor=self.floor(spectrum.vectors @ found)).nullity == len(found)

    def defects(self, samples: Samples, found: Float[np.ndarray, "d u"]) -> Float[np.ndarray, " d"]:
        """The size of the rows of all generators and components on each section found."""
        total = np.zeros(len(found))
        for block in self._blocks(samples, np.eye(self.action.dimension)):
            total += ((block @ found.T) ** 2).sum(axis=0)
        return np.sqrt(total)

    def coefficients(self, found: Float[np.ndarray, "d u"]) -> Float[np.ndarray, "d v"]:
        """The same sections on the functions of the space."""
        table = found.reshape(len(found), len(self.functions), self.action.fibre_dimension)
        result = np.einsum("dko,kf->dfo", table, self.functions)
        return result.reshape(len(found), self.space.dimension * self.action.fibre_dimension)

    def noise(self, decision: Decision) -> float:
        """The relative error of a coefficient."""
        return self.condition * max(float(np.finfo(np.float64).eps) * self.space.dimension, decision.floor)
