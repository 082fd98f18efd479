"""A ready neural operator between fields on a periodic box that cannot break its group."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..fields.grid import Grid
from ..fields.kernel import keeps_distances
from ..groups import Group, Representation
from .basis import maps
from .frozen import Frozen
from .gate import Gated, Squash
from .layout import Layout, check_pair, copies, is_invariant, refuse_points
from .linear import Linear
from .product import ChannelProduct, has_product
from .spectral import HIGHEST, Spectral
from .steering import DEGREE, kernels

START = 0.1
"""Size of an operator's first answer, beside what it adds it to."""


class SpectralBlock(eqx.Module):
    """A `Spectral` layer, then at every point products of some of its results with others, and gates.

    What the layer gives is a field of ``output``, and two of ``channels`` copies of each kind; the products of these
    two (see `ChannelProduct`), the second bounded by `Squash`, are mixed into the first. Such products make advection:
    a velocity and a gradient are both Fourier multipliers of a vorticity. With ``gates`` everything passes `Gated`.
    """

    spectral: Spectral
    tables: tuple[Frozen, ...]
    squash: Squash | None
    mix: Linear | None
    gate: Gated | None
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        grid: Grid,
        *,
        channels: int = 2,
        gates: bool = False,
        degree: int = DEGREE,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
        **spectral: Any,
    ):
        check_pair(input, output, "SpectralBlock")
        for rep in (input, output):
            refuse_points(rep, "SpectralBlock")
        if isinstance(channels, bool) or not isinstance(channels, int) or channels < 0:
            raise IsotropyError(f"`channels` counts products of each kind, 0 for none. Got {channels!r}.")
        self.input, self.output = input, output
        one, two = jax.random.split(key)
        self.gate = Gated(output) if gates else None
        given = output if self.gate is None else self.gate.input
        linear = _reached(Layout.of(input).kinds, Layout.of(output).kinds, degree)
        self.tables, self.squash, self.mix = (), None, None
        if channels and linear:
            product = ChannelProduct(linear, output, channels=channels)
            self.tables = tuple(Frozen(part) for part in product.table())
            self.squash = Squash(product.input, dtype=dtype)
            self.mix = Linear(product.output, given, key=two, use_bias=False, allow_zero=True, dtype=dtype)
            given = given + product.input + product.input
        self.spectral = Spectral(input, given, grid, degree=degree, key=one, allow_zero=True, dtype=dtype, **spectral)

    def __call__(self, u: Float[Array, "*shape in"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*shape out"]:
        """The image of one field."""
        values = self.spectral(u)
        z = values.reshape(-1, values.shape[-1])
        if self.squash is not None and self.mix is not None:
            first, second, rows = (table.astype(z.dtype) for table in self.tables)
            size = self.squash.input.dimension
            z, left, right = jnp.split(z, [z.shape[1] - 2 * size, z.shape[1] - size], axis=1)
            # All points at once, and the two linear maps that follow the products as one.
            pairs = (left @ first) * (jax.vmap(self.squash)(right) @ second)
            z = z + pairs @ (self.mix.matrix() @ rows).T
        if self.gate is not None:
            z = jax.vmap(self.gate)(z)
        return z.reshape(*values.shape[:-1], -1)


class NeuralOperator(eqx.Module):
    """An operator from periodic fields of ``input`` to periodic fields of ``output`` that the group cannot refuse.

    ``depth`` blocks (`SpectralBlock`), each added to what the one before gave, then a linear layer; beside them a
    linear layer from input to output with all frequencies of the grid, which the others cut at ``modes``. It commutes
    with all translations, and with the group, any subgroup of O(d), as far as the box allows: see `Spectral`. The
    hidden representation holds about ``width`` channels of scalars, pseudoscalars, vectors and traceless tensors, and
    the kinds of input and output, unless ``hidden`` says otherwise. With ``residual`` the answer is added to the first
    channels of the input, which must then be those of the output: right for a step in time. ``degree`` and ``radial``
    are those of the kernels.

    ``net(u)`` takes one field (*shape, in) on any periodic grid of these periods that is fine enough for ``modes``;
    `jax.vmap(net)` a batch. Raises `IsotropyError` for grids that are not periodic, representations of two groups, and
    kinds that nothing leads to.

    >>> import jax
    >>> from isotropy import groups
    >>> from isotropy.fields import Periodic
    >>> G = groups.O(2)
    >>> S, vorticity = G.scalar, G.vector.alt(2)
    >>> grid = Periodic((16, 16))
    >>> net = NeuralOperator(vorticity + S, vorticity, grid, width=8, depth=1, modes=4, key=jax.random.key(0))
    >>> net(jax.numpy.ones((16, 16, 2))).shape
    (16, 16, 1)
    """

    blocks: tuple[SpectralBlock, ...]
    readout: Spectral
    direct: Spectral
    input: Representation = eqx.field(static=True)
    output: Representation = eqx.field(static=True)
    hidden: Representation = eqx.field(static=True)
    residual: bool = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        grid: Grid,
        *,
        width: int = 16,
        depth: int = 3,
        modes: int = HIGHEST,
        radial: int | None = None,
        degree: int = DEGREE,
        channels: int = 2,
        gates: bool = False,
        hidden: Representation | None = None,
        residual: bool = False,
        key: PRNGKeyArray,
        dtype: Any = jnp.float32,
    ):
        check_pair(input, output, "NeuralOperator")
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise IsotropyError(f"`depth` counts blocks, at least 1. Got {depth!r}.")
        if residual and not _begins(input, output):
            raise IsotropyError(
                f"`residual` adds the answer to the first channels of the input, but `{input}` does not begin with "
                f"`{output}`: put those first, or leave `residual` out."
            )
        if not keeps_distances(output.group):
            raise IsotropyError(
                f"`NeuralOperator` needs a group that keeps distances, with translations or without. Got "
                f"{output.group}: use a subgroup of O(n), or `nn.Integral`."
            )
        self.input, self.output, self.residual = input, output, residual
        self.hidden = hidden_fields(input, output, width) if hidden is None else hidden
        check_pair(self.hidden, output, "NeuralOperator")
        _check_reached(input, self.hidden, output, depth if channels or gates else 0, degree, products=channels > 0)
        keys = jax.random.split(key, depth + 2)
        settings: dict[str, Any] = {"modes": modes, "radial": radial, "degree": degree, "dtype": dtype}
        self.blocks = tuple(
            SpectralBlock(
                self.hidden if k else input,
                self.hidden,
                grid,
                channels=channels,
                gates=gates,
                key=keys[k],
                **settings,
            )
            for k in range(depth)
        )
        self.readout = Spectral(self.hidden, output, grid, key=keys[depth], allow_zero=True, **settings)
        # Few channels are involved, so that all frequencies of the grid are affordable, in the same resolution.
        most = self.readout.most(grid.shape)
        steps = modes if radial is None else max(radial - 1, 1)
        fine = {**settings, "modes": most, "radial": 1 + round(steps * most / modes)}
        self.direct = Spectral(input, output, grid, key=keys[-1], allow_zero=True, **fine)

    def __call__(self, u: Float[Array, "*shape in"], *, key: PRNGKeyArray | None = None) -> Float[Array, "*shape out"]:
        """The image of one field."""
        u = jnp.asarray(u)
        h = self.blocks[0](u)
        for block in self.blocks[1:]:
            h = h + block(h)
        change = START * (self.readout(h) + self.direct(u))
        return u[..., : self.output.dimension] + change if self.residual else change


def hidden_fields(input: Representation, output: Representation, width: int) -> Representation:
    """A mix of about ``width`` channels: scalars, pseudoscalars, vectors, traceless tensors, and the kinds in use.

    Each kind gets an equal share of the channels, one copy at least; scalars take what is left. Kinds that are the same
    under another name count once.
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise IsotropyError(f"`width` must be a whole number of at least 1. Got {width!r}.")
    group = output.group
    used = [kind for rep in (output, input) for kind in Layout.of(rep).kinds]
    kinds: list[Representation] = []
    for kind in [group.scalar, *used, *field_kinds(group)]:
        if not any(_equivalent(kind, other) for other in kinds):
            kinds.append(kind)
    share = width / len(kinds)
    counts = [max(1, round(share / kind.dimension)) for kind in kinds[1:]]
    left = width - sum(n * kind.dimension for n, kind in zip(counts, kinds[1:], strict=True))
    chosen = copies(kinds, [max(1, left), *counts])
    assert chosen is not None
    return chosen


def field_kinds(group: Group) -> list[Representation]:
    """Vectors, antisymmetric tensors of every rank, and traceless symmetric ones of rank two."""
    vector, d = group.vector, group.vector.dimension
    if is_invariant(vector):
        return []
    tensors = [vector, *(vector.alt(rank) for rank in range(2, d + 1))]
    frame = _traceless(d)
    if len(frame):
        turn = np.einsum("kab,gac,lcb->gkl", frame, vector.generators(), frame)
        turn = turn + np.einsum("kab,gbc,lac->gkl", frame, vector.generators(), frame)
        flip = np.einsum("kab,gac,lce,gbe->gkl", frame, vector.components(), frame, vector.components())
        tensors.append(group.representation(turn, components=flip, name="H"))
    return [kind for kind in tensors if not is_invariant(kind)]


def _traceless(d: int) -> Float[np.ndarray, "k d d"]:
    """An orthonormal basis of the symmetric matrices without trace."""
    frame = []
    for i in range(d):
        for j in range(i + 1, d):
            matrix = np.zeros((d, d))
            matrix[i, j] = matrix[j, i] = np.sqrt(0.5)
            frame.append(matrix)
    for i in range(1, d):
        frame.append(np.diag([1.0] * i + [-float(i)] + [0.0] * (d - i - 1)) / np.sqrt(i * (i + 1)))
    return np.array(frame).reshape(-1, d, d)


def _equivalent(one: Representation, other: Representation) -> bool:
    """Whether they are the same up to a change of coordinates, as far as the number of maps between them tells."""
    if one.dimension != other.dimension:
        return False
    return maps(one, other).dimension == maps(one, one).dimension == maps(other, other).dimension


def _reached(
    sources: tuple[Representation, ...], targets: tuple[Representation, ...], degree: int
) -> tuple[Representation, ...]:
    """The kinds of ``targets`` to which a kernel leads."""
    return tuple(kind for kind in targets if any(kernels(other, kind, degree).dimension for other in sources))


def _check_reached(
    input: Representation, hidden: Representation, output: Representation, depth: int, degree: int, *, products: bool
) -> None:
    """Refuse an output with a summand that stays zero: no kernel, and no product, leads there from the input.

    ``depth`` counts the blocks that are not linear: a chain of linear layers reaches no more than one of them.
    """
    live = Layout.of(input).kinds
    for _ in range(depth):
        linear = _reached(live, Layout.of(hidden).kinds, degree)
        pairs = [(a, b) for k, a in enumerate(linear) for b in linear[k:]] if products else []
        live = tuple(
            kind for kind in Layout.of(hidden).kinds if kind in linear or any(has_product(a, b, kind) for a, b in pairs)
        )
    direct = _reached((*live, *Layout.of(input).kinds), Layout.of(output).kinds, degree)
    missing = [f"`{kind}`" for kind in Layout.of(output).kinds if kind not in direct]
    if missing:
        raise IsotropyError(
            f"nothing equivariant leads from `{input}` to {' or '.join(missing)} of {output.group}: that part of the "
            f"output would stay zero. Add inputs that carry it, or drop it."
        )


def _begins(input: Representation, output: Representation) -> bool:
    """Whether the first summands of the input are those of the output."""
    first, wanted = list(input.blocks()), list(output.blocks())
    return first[: len(wanted)] == wanted
