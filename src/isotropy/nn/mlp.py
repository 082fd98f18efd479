"""Equivariant multilayer perceptrons for any group."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Group, Representation
from .basis import maps
from .gate import Gated
from .layout import Layout, check_pair, check_point, copies, is_invariant, linear_part
from .linear import Linear
from .quadratic import Quadratic, check_reached

CHANNELS = 16
"""A hidden width of this many gives one more channel of products."""


class Block(eqx.Module):
    """One layer of an `MLP`: a `Quadratic` layer, then gates."""

    quadratic: Quadratic
    gate: Gated

    def __init__(
        self,
        input: Representation,
        output: Representation,
        *,
        channels: int,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        self.gate = Gated(output)
        self.quadratic = Quadratic(input, self.gate.input, channels=channels, key=key, dtype=dtype)

    @property
    def input(self) -> Representation:
        """What the block takes."""
        return self.quadratic.input

    @property
    def output(self) -> Representation:
        """What the block gives."""
        return self.gate.output

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        return self.gate(self.quadratic(x))


class Residual(eqx.Module):
    """x -> (x + layer(x)) / sqrt 2 for a layer from a representation to itself: variance is kept, gradients pass."""

    layer: Any

    def __init__(self, layer: Any):
        if layer.input != layer.output:
            raise IsotropyError(
                f"`Residual` needs a layer from a representation to itself. Got one from `{layer.input}` to "
                f"`{layer.output}`."
            )
        self.layer = layer

    @property
    def input(self) -> Representation:
        """What the layer takes and gives."""
        return self.layer.input

    output = input

    def __call__(self, x: Float[Array, " d"], *, key: PRNGKeyArray | None = None) -> Float[Array, " d"]:
        """The image of one point."""
        return (x + self.layer(x)) / jnp.sqrt(jnp.asarray(2, x.dtype))


class MLP(eqx.Module):
    """A ready equivariant network: ``depth`` hidden layers of about ``width`` channels, then a linear layer.

    Every layer sees its input x and equivariant products of learned channels of x, so that the network can form norms,
    inner products, outer products and their like, and is not stuck where nothing linear exists. The hidden
    representation is `hidden(group, width)`, a mix of scalars, vectors and rank-2 tensors, with the kinds of the input
    and of the output where they fit, or the one given as ``hidden``. With ``residual`` the inner layers are residual.
    At ``depth`` 0 the network is products and a linear layer.

    `net(x)` takes one point: `jax.vmap(net)` a batch. Equivariance holds at any parameters: for compact groups to a few
    rounding errors of the ``dtype``, for others to rounding times the size of the group element. Raises `IsotropyError`
    for representations of two groups, a width that cannot hold the representations, and an output that no invariant
    theory reaches from the input. Source of the design: Finzi2021; the products are taken channel by channel.

    >>> import jax
    >>> from isotropy import groups
    >>> V, S = groups.O(3).vector, groups.O(3).scalar
    >>> net = MLP(V + S, V, width=32, depth=2, key=jax.random.key(0))
    >>> print(net.hidden)
    14*S + 3*V + V@V
    >>> x = jax.random.normal(jax.random.key(1), (4,))
    >>> broken = abs(net(-x.at[3].mul(-1)) + net(x)).max() / abs(net(x)).max()
    >>> bool(broken <= net.hidden.dimension * jax.numpy.finfo(x.dtype).eps)
    True
    """

    lift: Linear | None
    layers: tuple[Any, ...]
    readout: Quadratic
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    hidden: Representation | None = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        *,
        width: int = 128,
        depth: int = 3,
        key: PRNGKeyArray,
        hidden: Representation | None = None,
        channels: int | None = None,
        residual: bool = False,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, output, "MLP")
        _count(depth, "depth", 0)
        if output.has_points:
            raise IsotropyError(
                f"`MLP` gives no points. Got the output `{output}`: predict displacements, `{linear_part(output)}`, "
                f"and "
                f"add them to the points that you have."
            )
        self.input, self.output = input, output
        inner = linear_part(input)
        if depth and hidden is None:
            hidden = hidden_representation(inner, output, width)
        if hidden is not None:
            check_pair(input, hidden, "MLP")
        self.hidden = hidden if depth else None
        check_reached(inner, [self.hidden] * depth if self.hidden is not None else [], output)
        many = max(2, (hidden.dimension if hidden is not None else width) // CHANNELS) if channels is None else channels
        _count(many, "channels", 1)
        keys = jax.random.split(key, depth + 2)
        self.lift = Linear(input, inner, key=keys[0], dtype=dtype, use_bias=False) if input.has_points else None
        layers, last = [], inner
        for k in range(depth):
            block = Block(last, self.hidden, channels=many, key=keys[k + 2], dtype=dtype)  # type: ignore[arg-type]
            layers.append(Residual(block) if residual and k else block)
            last = block.output
        self.layers = tuple(layers)
        self.readout = Quadratic(last, output, channels=many, key=keys[1], dtype=dtype)

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        x = check_point(x, self.input)
        if self.lift is not None:
            x = self.lift(x)
        for layer in self.layers:
            x = layer(x)
        return self.readout(x)


def hidden_representation(input: Representation, output: Representation, width: int) -> Representation:
    """A mix of about ``width`` channels: scalars, the group's vectors and rank-2 tensors, and the kinds that are used.

    Each kind gets an equal share of the coordinates, one copy at least; kinds too large for that are left out unless
    the input or the output has them and nothing smaller; scalars take what is left. The group's own vector is used with
    its dual where the two are not equivalent, and in its real form where it is complex.
    """
    _count(width, "width", 1)
    group = input.group
    used = [kind for rep in (input, output) for kind in Layout.of(rep).kinds if not is_invariant(kind)]
    wanted = [*dict.fromkeys([*used, *standard_kinds(group)])]
    scalar = group.scalar
    wanted = [kind for kind in wanted if kind != scalar]
    smallest = min((kind.dimension for kind in used), default=0)
    if width < smallest + 1:
        name = min(used, key=lambda kind: kind.dimension)
        raise IsotropyError(
            f"`width` = {width} is too small for {group}: one `{name}` and one scalar need {smallest + 1} channels. "
            f"Use a width of at least {smallest + 1}, better several times that."
        )
    wanted.sort(key=lambda kind: kind.dimension)
    chosen = wanted[:]
    while len(chosen) > 1 and chosen[-1].dimension > width // (len(chosen) + 1):
        chosen.pop()
    if len(chosen) == 1 and chosen[0].dimension + 1 > width:
        chosen = []
    share = width // (len(chosen) + 1)
    counts = [max(1, share // kind.dimension) for kind in chosen]
    left = width - sum(k * kind.dimension for k, kind in zip(counts, chosen, strict=True))
    result = copies([scalar, *chosen], [max(1, left), *counts])
    assert result is not None
    return result


def standard_kinds(group: Group) -> list[Representation]:
    """The vector, with its dual if that is another representation, and their products of rank 2; real forms."""
    vector = group.vector.real()
    if is_invariant(vector):
        return []
    duals = [vector]
    if maps(vector, vector.dual).dimension < maps(vector, vector).dimension:
        duals.append(vector.dual)
    return [*duals, *(a @ b for k, a in enumerate(duals) for b in duals[k:])]


def _count(value: Any, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise IsotropyError(f"`{name}` must be a whole number of at least {least}. Got {value!r}.")
