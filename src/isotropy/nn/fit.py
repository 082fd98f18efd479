"""Pairs of fields as an operator: a general neural operator, which knows no symmetry, fitted to two halves of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from .. import validate
from ..errors import IsotropyError
from ..fields.fitted import FittedOperator
from ..fields.grid import Grid, Periodic
from ..groups import Trivial
from .frozen import Frozen
from .operator import NeuralOperator

LEAST = 16
"""Pairs from which two halves can be fitted."""

WIDTH, DEPTH, PRODUCTS, HIGHEST = 8, 2, 4, 8
"""Channels, blocks, products and modes of the default operator: one block alone cannot learn advection."""


class Located(eqx.Module):
    """An operator that is told where it is, by more channels, and so may do different things at different places."""

    inner: Any
    places: Frozen

    def __init__(self, inner: Any, places: Float[np.ndarray, "*shape d"]):
        self.inner, self.places = inner, Frozen(places)

    def __call__(self, u: Float[Array, "*shape n"]) -> Float[Array, "*shape m"]:
        """The image of one field."""
        return self.inner(jnp.concatenate([u, self.places.astype(u.dtype)], axis=-1))


def circles(grid: Periodic) -> Float[np.ndarray, "*shape 2d"]:
    """The cosine and sine of each coordinate of a periodic box, which meet themselves at its edge."""
    angle = 2 * np.pi * (grid.points - grid.centre) / grid.lengths
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1).reshape(*grid.shape, -1)


def _general(grid: Periodic, inputs: int, outputs: int, *, residual: bool, key: PRNGKeyArray) -> Located:
    """The operator without any symmetry that is fitted by default."""
    scalar = Trivial(grid.dimension).scalar
    inner = NeuralOperator(
        (inputs + 2 * grid.dimension) * scalar,
        outputs * scalar,
        grid,
        width=max(WIDTH, 2 * outputs),
        depth=DEPTH,
        modes=max(1, min(HIGHEST, (min(grid.shape) - 1) // 2)),
        channels=PRODUCTS,
        residual=residual,
        key=key,
    )
    return Located(inner, circles(grid))


def fit_operator(
    U: Float[np.ndarray, "k *shape n"],
    V: Float[np.ndarray, "k *shape m"],
    grid: Grid,
    *,
    model: Callable[[PRNGKeyArray], Any] | None = None,
    noise: float = 0.0,
    steps: int = 400,
    batch_size: int = 8,
    rate: float = 1e-2,
    seed: int = 0,
) -> FittedOperator:
    """The operator of pairs (u_k, v_k) of fields on ``grid``, for ``iso.discover(fitted, FieldAction(...))``.

    Two halves of the pairs, drawn at random, are fitted apart, by Adam with a cosine schedule in float32; each is
    tested on the other half. Pairs must be independent of each other for that: steps of one trajectory are not. Where
    outputs have the channels of inputs, what is fitted and what the error is a share of is the change v - u.
    ``model`` makes an operator of one field (*shape, n) from a key, by default a `NeuralOperator` without any symmetry
    that is told the coordinates, for periodic boxes. ``noise`` is the standard deviation of the errors of V.

    Raises `IsotropyError` for shapes that do not match, NaN, fewer than 16 pairs, outputs that are all equal or equal
    to the inputs, and grids that need a ``model``; for a model whose training gives NaN.
    """
    U, V = (_fields(part, name, grid) for part, name in ((U, "U"), (V, "V")))
    if len(U) != len(V):
        raise IsotropyError(f"`U` and `V` must be pairs of fields. Got {len(U)} and {len(V)}.")
    if len(U) < LEAST:
        raise IsotropyError(f"{len(U)} pairs are too few to fit two halves of them: take at least {LEAST}.")
    counts = {"steps": steps, "batch_size": batch_size}
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise IsotropyError(f"`{name}` must be a whole number of at least 1. Got {count!r}.")
    if not np.isfinite(rate) or rate <= 0:
        raise IsotropyError(f"`rate` must be a number above 0. Got {rate!r}.")
    if not np.isfinite(noise) or noise < 0:
        raise IsotropyError(f"`noise` must be a number of at least 0. Got {noise!r}.")
    residual = U.shape[-1] == V.shape[-1]
    goal = V - U if residual else V - V.mean(axis=0)
    if not goal.any():
        what = "equal to their inputs" if residual else "equal to each other"
        raise IsotropyError(f"all outputs are {what}, so that every candidate is a symmetry of them: check `V`.")
    if model is None:
        if not isinstance(grid, Periodic):
            raise IsotropyError(f"{grid} has no operator by default: pass `model`, which makes one from a key.")
        one, many = U.shape[-1], V.shape[-1]
        model = lambda key: _general(grid, one, many, residual=residual, key=key)  # noqa: E731
    order = np.random.default_rng(seed).permutation(len(U))
    # As many in each, so that one compiled training serves both.
    halves = [order[0::2][: len(U) // 2], order[1::2]]
    # The mean square of what is to be fitted, so that the loss is a share of it.
    size = float(np.mean(goal**2))
    train, answer = _trainer(model(jax.random.key(seed)), steps, rate, size)
    fits, left = [], 0.0
    for k, (shown, held) in enumerate((halves, halves[::-1])):
        parameters = eqx.filter(model(jax.random.key(seed + k)), eqx.is_inexact_array)
        draw = np.random.default_rng(seed + k)
        rows = np.stack([draw.permutation(len(shown))[:batch_size] for _ in range(steps)])
        parameters = train(parameters, jnp.asarray(U[shown]), jnp.asarray(V[shown]), jnp.asarray(rows))
        fit, answers = answer(parameters, jnp.asarray(U[held]))
        if not np.isfinite(answers).all():
            raise IsotropyError("the fit gave NaN or infinity: lower `rate`, or scale the fields to order one.")
        fits.append(fit)
        left += float(np.mean((np.asarray(answers) - V[held]) ** 2)) / 2
    return FittedOperator(fits, U, relative_error=float(np.sqrt(max(left - noise**2, 0.0) / size)))


def _trainer(net: Any, steps: int, rate: float, size: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Training from given parameters on given pairs, and the model with its answers to a batch, compiled once."""
    rest = eqx.filter(net, eqx.is_inexact_array, inverse=True)
    rule = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(rate, steps)))

    def loss(parameters: Any, u: Array, v: Array) -> Array:
        answers = jax.vmap(eqx.combine(parameters, rest))(u)
        # The root, of which the slope does not fade as the fit gets better.
        return jnp.sqrt(jnp.mean((answers - v) ** 2) / size)

    @jax.jit
    def train(parameters: Any, u: Array, v: Array, order: Array) -> Any:
        def step(carry: Any, rows: Array) -> tuple[Any, None]:
            parameters, state = carry
            change, state = rule.update(jax.grad(loss)(parameters, u[rows], v[rows]), state, parameters)
            return (optax.apply_updates(parameters, change), state), None

        return jax.lax.scan(step, (parameters, rule.init(parameters)), order)[0][0]

    answers = jax.jit(lambda parameters, u: jax.vmap(eqx.combine(parameters, rest))(u))
    return train, lambda parameters, u: (eqx.combine(parameters, rest), answers(parameters, u))


def _fields(given: Any, name: str, grid: Grid) -> Float[np.ndarray, "k *shape n"]:
    fields = validate.array(given, name, ndim=None).astype(np.float32)
    got, shape = fields.shape, grid.shape
    if got[1:] == shape:
        return fields[..., None]
    if len(got) != len(shape) + 2 or got[1:-1] != shape:
        raise IsotropyError(
            f"`{name}` has shape {got}, but {grid} carries fields of shape {shape}: pass (k, *shape) or (k, *shape, n)."
        )
    return fields
