"""A certificate for data: how well pairs hold what a discovery claims, from the covariance of the fit.

`geometry.data.Data` is linear in its parameters, so that its bracket with every candidate is a known linear map of
what was fitted, and `numerics.certify` applies. Coordinates are those of `normalised`: generators are measured by their
action on the samples. F is measured by how far the same generators would move it, the terms of L taken apart, so that a
constant added to F changes no defect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from .geometry.action import Action
from .geometry.data import Data
from .geometry.estimate import Estimate
from .geometry.fibre import Linear
from .geometry.regression import BLOCKS
from .geometry.space import Space
from .lie import factors_of_space, terms_of_space
from .numerics.certify import Certificate, certify, lower_bound, simultaneous, upper_bounds
from .numerics.decide import numerical_floor
from .numerics.fits import Fits
from .numerics.spectrum import TriangularFactor

LARGEST = 2500
"""Candidates times parameters up to which the operator is certified: its decomposition costs the square of this."""

SKETCH = 256
"""Random combinations of rows that are to hold all of them, to begin with: functions and outputs are rarely more."""

DEPENDENT = 3.0
"""How much more than independent rows dependent ones move the fit, in variance, before they are called so. Ten blocks
have nine degrees of freedom, and the mean of so many squares exceeds three once in a thousand times."""

BATCH = 2**22
"""Entries of the operator that are formed at once (32 MiB)."""


@dataclass(frozen=True)
class LeastSquares:
    """The parameters fitted to data by least squares, and what their errors are.

    ``beta`` (f, n) belongs to features divided by ``scale`` (f,). ``covariance`` is that of ``beta`` flattened, on
    ``dof`` degrees of freedom; ``left_out`` that of the changes of `Data.refits` where errors are independent.
    """

    beta: Float[np.ndarray, "f n"]
    scale: Float[np.ndarray, " f"]
    covariance: Float[np.ndarray, "q q"]
    left_out: Float[np.ndarray, "q q"]
    dof: int

    @classmethod
    def of(cls, data: Data, outputs: Float[np.ndarray, "r n"] | None = None) -> LeastSquares | None:
        """The estimate; None for models of another kind, and where features depend on each other or outnumber rows.

        ``outputs`` are combinations of the outputs, all of them by default; parameters are then those of these (f, r).
        """
        space = data.space
        Y = data.Y if outputs is None else data.Y @ outputs.T
        if space is None:
            return None
        features = space.values(data.X)
        scale = np.sqrt((features**2).mean(axis=0))
        scale[scale == 0] = 1.0
        left, sizes, right = np.linalg.svd(features / scale, full_matrices=False)
        dof = len(data.X) - space.dimension
        if dof < 1 or sizes[-1] <= numerical_floor(np.float64, max(features.shape), sizes[0]):
            return None
        beta = (right.T / sizes) @ (left.T @ Y)
        left_over = Y - (features / scale) @ beta
        errors = left_over.T @ left_over / dof
        # What rounding leaves of the outputs is noise as well: without it exact data would claim to know everything.
        errors += np.diag([numerical_floor(np.float64, len(features), float(np.abs(y).max())) ** 2 for y in Y.T])
        covariance = np.kron((right.T / sizes**2) @ right, errors)
        left_out = np.kron((right.T / sizes) @ _left_out(left) @ (right.T / sizes).T, errors)
        return cls(beta, scale, covariance, left_out, dof)


def certificate(
    data: Data,
    action: Action,
    *,
    seen: Float[np.ndarray, "s q"],
    row_scale: Float[np.ndarray, " n"],
    moved: float,
    tolerance: float,
    level: float,
) -> Certificate | None:
    """Certify the candidates ``seen`` by the samples; None where the fit or the size of the problem forbids it.

    ``seen`` are directions of unit action on the samples and ``row_scale`` the scale of each output. ``moved`` is the
    mean squared distance by which the operator moves between refits to parts of the data. Rows that depend on their
    neighbours move it by more than independent ones would: then the variance is raised by that factor, and nothing is
    ``certain``, since the proof is for independent errors; nor is it where what is left of the data has a shape, or
    where inputs err.
    None is returned for models that are not linear in their parameters, for features that depend on each other or
    outnumber the rows, for outputs that translations move (L is not linear in F then), and where candidates times
    parameters exceed `LARGEST`.
    """
    space = data.space
    if space is None:
        return None
    outputs = _outputs(data.Y)
    parameters = space.dimension * len(outputs)
    motion = action.value_motion
    if len(seen) * parameters > LARGEST or (isinstance(motion, Linear) and np.any(motion.offsets)):
        return None
    fit = LeastSquares.of(data, outputs)
    if fit is None:
        return None
    beta, scale, dof = fit.beta, fit.scale, fit.dof
    bracket, form = _operator(data, space, action, seen, row_scale, scale, outputs)
    # Functions that no candidate moves, constants for one, have no size and no bracket.
    weights, axes = np.linalg.eigh(form)
    kept = weights > numerical_floor(np.float64, parameters, weights[-1])
    roots, axes = np.sqrt(weights[kept]), axes[:, kept]
    size = float(np.linalg.norm(roots * (beta.ravel() @ axes)))
    if size == 0:
        return None
    roots = roots / size
    operator = bracket @ (axes / roots)
    covariance = roots[:, None] * (axes.T @ fit.covariance @ axes) * roots
    jackknife = roots[:, None] * (axes.T @ fit.left_out @ axes) * roots
    expected = float(np.einsum("kpq,qr,kpr->", operator, jackknife, operator, optimize=True))
    variance = max(1.0, moved / expected) if expected > 0 else 1.0
    estimate = roots * (beta.ravel() @ axes)
    answer = certify(operator, estimate, covariance, variance, dof, tolerance=tolerance, level=level)
    if answer.verdict == "certain" and (variance > DEPENDENT or data.structured or data.input_noise.any()):
        why = "inputs err as well" if data.input_noise.any() else "the errors are not independent"
        reason = f"{answer.reason}; {why}, so that this is no proof"
        return replace(answer, verdict="supported", verdicts=("supported",) * answer.dimension, reason=reason)
    return answer


@dataclass(frozen=True)
class Bounds:
    """What data say of the defect of one element: confidence bounds, and the standard error of its rows.

    ``upper`` and ``lower`` hold for each of the elements tried together with the chance 1 - level, ``proved`` for every
    function in the confidence ellipsoid at once.
    """

    upper: float
    lower: float
    proved: float
    noise: float


def bounds_of_element(
    fit: LeastSquares,
    change: Float[np.ndarray, "k q"],
    unrelated: Float[np.ndarray, "k q"],
    *,
    moved: float,
    count: int,
    level: float,
    independent: bool,
) -> Bounds | None:
    """Bounds on ``|K_g F - F|`` over ``|K_g F - F(other points)|``, one of ``count`` elements that are tried.

    ``change`` and ``unrelated`` take the parameters, flattened, to these two in rows of the same weight. ``moved`` is
    the mean squared distance by which the change moves between refits; it raises the variance as in `certificate`.
    Nothing is proved where errors are not ``independent``. Each of several elements is judged at its share of the
    level (Bonferroni). None where the element takes every function to itself.
    """
    factor, form = np.linalg.qr(change)[1], unrelated.T @ unrelated
    weights, axes = np.linalg.eigh(form)
    # Functions that are the same everywhere, and moved to themselves, have no size and no change.
    kept = weights > numerical_floor(np.float64, len(weights), weights[-1])
    roots, axes = np.sqrt(weights[kept]), axes[:, kept]
    parameters = roots * (fit.beta.ravel() @ axes)
    size = float(np.linalg.norm(parameters))
    if size == 0:
        return None
    operator = factor @ (axes / roots)
    spread, turn = np.linalg.eigh(roots[:, None] * (axes.T @ fit.covariance @ axes) * roots / size**2)
    root = turn * np.sqrt(np.maximum(spread, 0.0))
    expected = float(np.einsum("kq,qr,kr->", factor, fit.left_out, factor, optimize=True))
    variance = max(1.0, moved / expected) if expected > 0 else 1.0
    fits = Fits.of(operator[:, None, :], parameters[None] / size, root, np.array([variance]), float(fit.dof))
    one, none, share = np.ones((1, 1, 1)), np.zeros((1, 1, 0)), level / count
    proof = independent and variance <= DEPENDENT
    return Bounds(
        upper=float(upper_bounds(fits, one, none, level=share)[0, 0]),
        lower=float(lower_bound(fits, one, 0, level=share)[0]),
        proved=float(simultaneous(fits, one, level=level)[0]) if proof else np.inf,
        noise=float(np.sqrt(variance * fits.spill[0, 0])),
    )


def of_estimate(
    estimate: Estimate,
    action: Action,
    *,
    seen: Float[np.ndarray, "s q"],
    row_scale: Float[np.ndarray, " n"],
    tolerance: float,
    level: float,
) -> Certificate | None:
    """The same for a section that brings the covariance of its parameters.

    The covariance is raised where parts of the data move the operator by more than it says. Errors are not known to be
    normal and independent here, so nothing is ``certain``.
    """
    parameters = estimate.coefficients.size
    motion = action.value_motion
    if len(seen) * parameters > LARGEST or (isinstance(motion, Linear) and np.any(motion.offsets)):
        return None
    scale = np.sqrt((estimate.space.values(estimate.samples.points) ** 2).mean(axis=0))
    scale[scale == 0] = 1.0
    outputs = np.eye(action.fibre_dimension)
    bracket, form = _operator(estimate, estimate.space, action, seen, row_scale, scale, outputs)
    weights, axes = np.linalg.eigh(form)
    kept = weights > numerical_floor(np.float64, parameters, weights[-1])
    frame = (axes[:, kept] * np.sqrt(weights[kept])).T * np.repeat(scale, estimate.coefficients.shape[1])
    size = float(np.linalg.norm(frame @ estimate.coefficients.ravel()))
    if size == 0:
        return None
    operator = bracket @ (axes[:, kept] / np.sqrt(weights[kept])) * size
    frame = frame / size
    covariance = frame @ estimate.covariance @ frame.T
    # Rounding is noise as well: without it exact data would claim to know everything.
    covariance += np.eye(len(frame)) * numerical_floor(np.float64, parameters, 1.0) ** 2
    changes = np.einsum(
        "kpq,qd,ld->lkp", operator, frame, estimate.moved.reshape(len(estimate.moved), -1), optimize=True
    )
    expected = float(np.einsum("kpq,qr,kpr->", operator, covariance, operator, optimize=True))
    variance = max(1.0, float((changes**2).sum(axis=(1, 2)).mean()) / expected) if expected > 0 else 1.0
    beta = frame @ estimate.coefficients.ravel()
    answer = certify(operator, beta, covariance, variance, estimate.dof, tolerance=tolerance, level=level)
    if answer.verdict != "certain":
        return answer
    return replace(answer, verdict="supported", verdicts=("supported",) * answer.dimension)


def _left_out(left: Float[np.ndarray, "p f"]) -> Float[np.ndarray, "f f"]:
    """What the jackknife of `Data.refits` takes for the identity where errors are independent, in the frame ``left``.

    The covariance of the change of a fit is the difference of the two covariances, whatever the blocks have in common.
    """
    blocks = np.array_split(left, min(BLOCKS, len(left)))
    eye = np.eye(left.shape[1])
    top = 1.0 - numerical_floor(np.float64, len(left), 1.0)
    total = np.zeros_like(eye)
    for block in blocks:
        shares, axes = np.linalg.eigh(block.T @ block)
        shares = np.minimum(shares, top)
        total += (axes * (shares / (1.0 - shares))) @ axes.T
    return total * (len(blocks) - 1) / len(blocks)


def _outputs(Y: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "r n"]:
    """Orthonormal combinations of the outputs that hold all of them: fewer where they fill a flat set."""
    _, sizes, axes = np.linalg.svd(Y, full_matrices=False)
    kept = sizes > numerical_floor(np.float64, max(Y.shape), sizes.max(initial=0.0))
    return np.eye(Y.shape[1]) if kept.sum() == Y.shape[1] else axes[kept]


def _operator(
    data: Data | Estimate,
    space: Space,
    action: Action,
    seen: np.ndarray,
    row_scale: np.ndarray,
    scale: Float[np.ndarray, " f"],
    outputs: Float[np.ndarray, "r n"],
) -> tuple[Float[np.ndarray, "k s q"], Float[np.ndarray, "q q"]]:
    """The bracket of seen directions and parameters, in few rows, and the form that measures functions."""
    samples = data.samples
    s, n, q = len(seen), action.fibre_dimension, space.dimension * len(outputs)
    step = max(1, BATCH // (n * action.dimension * q))

    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(samples), step):
            part = slice(start, start + step)
            yield np.asarray(samples.points[part], dtype=np.float64), np.sqrt(samples.weights[part])

    def blocks() -> Iterator[np.ndarray]:
        for points, weights in pieces():
            moved, fixed = terms_of_space(action, space, points, directions=seen, outputs=outputs)
            moved -= fixed
            moved *= row_scale[:, None, None, None] / scale[:, None]
            moved *= weights[:, None, None, None, None]
            yield moved.reshape(-1, s * q)

    form = np.zeros((space.dimension, len(outputs), space.dimension, len(outputs)))
    for points, weights in pieces():
        form += _squares(*factors_of_space(action, space, points, directions=seen), weights, row_scale, scale, outputs)
    few = _compressed(blocks, s * q)
    return few.reshape(-1, s, q), form.reshape(q, q) / s


def _squares(
    moved: Float[np.ndarray, "p s f"],
    values: Float[np.ndarray, "p f"],
    matrices: Float[np.ndarray, "p s n n"],
    weights: Float[np.ndarray, " p"],
    row_scale: Float[np.ndarray, " n"],
    scale: Float[np.ndarray, " f"],
    outputs: Float[np.ndarray, "r n"],
) -> Float[np.ndarray, "f r f r"]:
    """The squares of the two terms of `terms_of_space`, taken apart and summed over samples, rows and candidates."""
    flat = (weights[:, None, None] * moved / scale).reshape(-1, len(scale))
    shared = outputs * row_scale
    form = np.einsum("fg,rt->frgt", flat.T @ flat, shared @ shared.T)
    turned = np.einsum("psno,ro->psnr", matrices, outputs, optimize=True) * row_scale[:, None]
    turned = turned.reshape(len(moved), -1, len(outputs))
    squares = np.matmul(turned.transpose(0, 2, 1), turned)
    known = weights[:, None] * values / scale
    for r, t in np.ndindex(len(outputs), len(outputs)):
        form[:, r, :, t] += known.T @ (squares[:, r, t, None] * known)
    return form


def _compressed(blocks: Callable[[], Iterator[np.ndarray]], columns: int) -> Float[np.ndarray, "k c"]:
    """As few rows as there can be with the Gram matrix of those in ``blocks``, which are gone through again and again.

    Brackets fill a space of functions that is far smaller than that of candidates and parameters. As many random
    combinations of rows as it has dimensions span it, but for a chance of zero (N. Halko, P. G. Martinsson, J. A.
    Tropp, *Finding structure with randomness*, SIAM Review 53, 2011); where they do not all depend on fewer, twice as
    many are taken.
    """
    count = SKETCH
    while True:
        if count >= columns:
            factor = TriangularFactor(columns)
            for block in blocks():
                factor.add(block)
            axes, sketch = np.eye(columns), factor.matrix
        else:
            rng, sketch = np.random.default_rng(0), np.zeros((count, columns))
            for block in blocks():
                sketch += rng.normal(size=(count, len(block))) @ block
        _, sizes, axes = np.linalg.svd(sketch, full_matrices=False)
        kept = sizes > numerical_floor(np.float64, columns, sizes.max(initial=0.0))
        axes = axes[kept]
        if count >= columns:
            return sizes[kept, None] * axes
        if len(axes) < count:
            break
        count *= 2
    inside = TriangularFactor(len(axes))
    for block in blocks():
        inside.add(block @ axes.T)
    return inside.matrix @ axes
