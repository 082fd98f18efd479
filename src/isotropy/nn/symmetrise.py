"""A model that the user already has, made equivariant by averaging over the group."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Group, Representation
from ..numerics.decide import CLEAR, numerical_floor
from .frozen import Frozen
from .layout import check_pair, check_point, is_orthogonal, refuse_points

LARGEST_GROUP = 20_000
"""Elements that `symmetrise` will enumerate."""

STEPS = 12
"""Random factors of each Haar sample, with angles of several turns: their product forgets where it began."""


class Symmetrised(eqx.Module):
    """x -> the mean over group elements of W_g^{-1} model(V_g x)."""

    model: Callable[[Array], Array]
    before: Frozen
    after: Frozen
    weights: Frozen
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    rule: str = eqx.field(static=True)

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        x = check_point(x, self.input)
        values = jax.vmap(self.model)(self.before.astype(x.dtype) @ x)
        values = values.reshape(len(values), -1)
        if values.shape[1] != self.output.dimension:
            raise IsotropyError(
                f"The model returns {values.shape[1]} numbers, but `{self.output}` has dimension "
                f"{self.output.dimension}: "
                f"pass the `output` that its values belong to."
            )
        after = self.after.astype(values.dtype)
        return jnp.einsum("g,goi,gi->o", self.weights.astype(values.dtype), after, values)


def symmetrise(
    model: Callable[[Array], Array],
    group: Group,
    *,
    input: Representation | None = None,
    output: Representation | None = None,
    degree: int = 6,
    samples: int | None = None,
    seed: int = 0,
) -> Symmetrised:
    """Average a model of one point over a finite or compact group: g -> W_g^{-1} model(V_g x).

    ``input`` is `group.vector` and ``output`` `group.scalar` unless given. A finite group is enumerated: the result is
    exactly equivariant. SO(2), SO(3), SU(2) and these with reflections are integrated by a quadrature that is exact for
    models polynomial in the matrix entries up to ``degree`` (together with W); for other models the error falls faster
    than any power of it if they are smooth. Other compact groups need ``samples``: Haar-distributed elements, drawn
    once from ``seed``, with an error that falls only as samples^(-1/2). The rule used is in ``.rule``.

    Cost: one call of the model for each element. Raises `IsotropyError` for a group that is not compact.

    >>> from isotropy import groups
    >>> even = symmetrise(lambda x: x[:1]**3 + x[1:]**2, groups.D(4))
    >>> print(even(jax.numpy.array([1.0, 2.0])))
    [2.5]
    """
    if not callable(model):
        raise IsotropyError(f"`model` must be a function of one point. Got {type(model).__name__}.")
    if not isinstance(group, Group):
        raise IsotropyError(f"`group` must be a group, such as `groups.SO(3)`. Got {type(group).__name__}.")
    source = group.vector.real() if input is None else input
    target = group.scalar if output is None else output
    check_pair(source, target, "symmetrise")
    if source.group != group:
        raise IsotropyError(f"`input` is a representation of {source.group}, but `group` is {group}.")
    both = source + target
    refuse_points(both, "symmetrise")
    if not is_orthogonal(both):
        raise IsotropyError(
            f"`{source}` or `{target}` of {group} is not given by orthogonal matrices, so there is no mean over the "
            f"group: "
            f"`symmetrise` is for compact groups. Use `MLP` or `Gated` layers instead."
        )
    connected, weights, rule = _connected(both, degree, samples, seed)
    others = _enumerate(both)
    matrices = np.einsum("cij,gjk->cgik", others, connected).reshape(-1, both.dimension, both.dimension)
    n = source.dimension
    every = np.tile(weights, len(others)) / len(others)
    before, after = matrices[:, :n, :n], matrices[:, n:, n:].transpose(0, 2, 1)
    return Symmetrised(model, Frozen(before), Frozen(after), Frozen(every), source, target, rule)


def _enumerate(rep: Representation) -> np.ndarray:
    """All products (c, d, d) of the components' matrices; the identity alone where there are none."""
    generators = rep.components()
    elements = [np.eye(rep.dimension)]
    seen = {_fingerprint(elements[0])}
    new = elements[:]
    while new:
        fresh = []
        for element in new:
            for generator in generators:
                product = generator @ element
                mark = _fingerprint(product)
                if mark not in seen:
                    seen.add(mark)
                    fresh.append(product)
        elements += fresh
        if len(elements) > LARGEST_GROUP:
            raise IsotropyError(
                f"{rep.group} has more than {LARGEST_GROUP} elements apart from its connected part: too many to "
                f"average over."
            )
        new = fresh
    return np.stack(elements)


def _fingerprint(matrix: np.ndarray) -> bytes:
    # Rounding in a product of orthogonal matrices stays far below 1e-6, and different elements differ by far more.
    return (np.round(matrix, 6) + 0.0).tobytes()


def _connected(rep: Representation, degree: int, samples: int | None, seed: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Elements of the connected part as matrices (g, d, d), their weights, and the name of the rule."""
    generators = rep.generators()
    if not len(generators):
        return np.eye(rep.dimension)[None], np.ones(1), "enumeration"
    if samples is not None:
        return _haar(generators, samples, seed), np.full(samples, 1 / samples), f"{samples} Haar samples"
    if len(generators) == 1 and (circle := _circle(generators[0], degree)) is not None:
        return circle, np.full(len(circle), 1 / len(circle)), f"{len(circle)} angles"
    if len(generators) == 3 and (axes := _axes(rep)) is not None:
        return *_euler(*axes, degree), f"Euler angles, degree {degree}"
    raise IsotropyError(
        f"No quadrature is known here for {rep.group}. Pass `samples`, say 1000: the mean over random elements, with "
        f"an "
        f"equivariance error near samples^(-1/2)."
    )


def _circle(generator: np.ndarray, degree: int) -> np.ndarray | None:
    """Equally spaced turns through one period, None if the frequencies have none in common."""
    frequencies = np.abs(np.linalg.eigvals(generator).imag)
    scale = frequencies.max()
    floor = CLEAR * numerical_floor(np.float64, len(generator), scale)
    frequencies = frequencies[frequencies > floor]
    if not len(frequencies):
        return np.eye(len(generator))[None]
    base = frequencies.min()
    if np.abs(frequencies / base - np.round(frequencies / base)).max() > floor / base:
        return None
    # The model may hold each frequency of x up to its degree, and W brings its own.
    count = 2 * max(1, degree) * int(np.round(scale / base)) + 1
    return np.stack([scipy.linalg.expm(generator * angle) for angle in 2 * np.pi / base * np.arange(count) / count])


def _axes(rep: Representation) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Two orthogonal unit axes of so(3), and whether a full turn is -1 somewhere; None for another algebra."""
    a, b, c = rep.group.matrices
    speed = np.sqrt(max(-_along(_bracket(a, _bracket(a, b)), b), 0.0))
    if not speed or not np.allclose(_bracket(a, _bracket(a, b)), -(speed**2) * b):
        return None
    if not np.allclose(_bracket(b, _bracket(b, c)), -(speed**2) * c):
        return None
    first, second = rep.generators()[:2] / speed
    turn = scipy.linalg.expm(2 * np.pi * first)
    return first, second, bool(np.abs(turn - np.eye(len(turn))).max() > 1)


def _bracket(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a @ b - b @ a


def _along(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(b, a).real / np.vdot(b, b).real)


def _euler(first: np.ndarray, second: np.ndarray, double: bool, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """exp(a A) exp(b B) exp(c A): equal steps in a and c, Gauss-Legendre in cos b."""
    count = 2 * max(1, degree) + 1
    angles = 2 * np.pi * np.arange(count) / count
    nodes, weights = np.polynomial.legendre.leggauss(max(1, degree) + 1)
    turns = np.stack([scipy.linalg.expm(first * angle) for angle in angles])
    tilts = np.stack([scipy.linalg.expm(second * angle) for angle in np.arccos(nodes)])
    # Where a full turn is -1 the third angle runs twice as far.
    last = (
        np.stack([scipy.linalg.expm(first * angle) for angle in 4 * np.pi * np.arange(2 * count) / (2 * count)])
        if double
        else turns
    )
    elements = np.einsum("aij,bjk,ckl->abcil", turns, tilts, last)
    shares = np.broadcast_to((weights / 2)[None, :, None], elements.shape[:3]) / (len(turns) * len(last))
    return elements.reshape(-1, *first.shape), shares.ravel()


def _haar(generators: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Products of exponentials of random elements of the algebra, nearly Haar-distributed."""
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise IsotropyError(f"`samples` must be a whole number of at least 1. Got {samples!r}.")
    rng = np.random.default_rng(seed)
    elements = np.broadcast_to(np.eye(generators.shape[1]), (samples, *generators.shape[1:]))
    for _ in range(STEPS):
        step = np.einsum("gq,qij->gij", rng.normal(scale=np.pi, size=(samples, len(generators))), generators)
        elements = scipy.linalg.expm(step) @ elements
    return elements
