"""A linear layer and products beside it: the building block of the networks."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import IsotropyError
from ..groups import Representation
from .basis import dense_basis
from .layout import Layout
from .linear import Linear
from .product import Product, has_product

SHARE = 0.1
"""Standard deviation of the products' part of a layer at the start, where the linear part has standard deviation 1.

Products of products grow fast in the tails; started small, they leave the variance of every layer near 1.
"""


class Quadratic(eqx.Module):
    """A linear layer plus products: x -> M x + b + N p(x), where p are the products of `Product`.

    At the start the products have the share `SHARE` of the output where linear maps reach all of it, and an equal part
    elsewhere.
    """

    linear: Linear
    product: Product | None
    mix: Linear | None
    shares: tuple[float, ...] = eqx.field(static=True)

    def __init__(
        self,
        input: Representation,
        output: Representation,
        *,
        channels: int,
        key: PRNGKeyArray,
        bounded: bool = True,
        dtype: Any = jnp.float32,
    ):
        one, two, three = jax.random.split(key, 3)
        self.linear = Linear(input, output, key=one, allow_zero=True, dtype=dtype)
        self.product = self.mix = None
        sources, targets = Layout.of(input).kinds, self.linear.layouts[1].kinds
        if any(has_product(a, b, c) for k, a in enumerate(sources) for b in sources[k:] for c in targets):
            self.product = Product(input, output, channels=channels, key=two, bounded=bounded, dtype=dtype)
            self.mix = Linear(self.product.output, output, key=three, use_bias=False, allow_zero=True, dtype=dtype)
        self.shares = tuple(
            SHARE if rank == kind.dimension else 1.0
            for rank, kind in zip(self.linear.ranks, self.linear.layouts[1].kinds, strict=True)
        )

    @property
    def input(self) -> Representation:
        """What the layer takes."""
        return self.linear.input

    @property
    def output(self) -> Representation:
        """What the layer gives."""
        return self.linear.output

    def __call__(self, x: Float[Array, " in"], *, key: PRNGKeyArray | None = None) -> Float[Array, " out"]:
        """The image of one point."""
        if self.product is None or self.mix is None:
            return self.linear(x)
        layout = self.linear.layouts[1]
        products = layout.split(self.mix(self.product(x)))
        return self.linear(x) + layout.join([part * s for part, s in zip(products, self.shares, strict=True)])


def check_reached(input: Representation, hidden: list[Representation], output: Representation) -> None:
    """Refuse an output with a summand that stays zero: nothing linear, quadratic or constant leads there."""
    scalar = input.group.scalar
    live = [*dict.fromkeys([*Layout.of(input).kinds, scalar])]
    for target in [*hidden, output]:
        kinds = Layout.of(target).kinds
        found = [
            kind
            for kind in kinds
            if any(len(dense_basis(a, kind)) for a in live)
            or any(has_product(a, b, kind) for k, a in enumerate(live) for b in live[k:])
        ]
        if target is output and len(found) < len(kinds):
            missing = " or ".join(f"`{kind}`" for kind in kinds if kind not in found)
            raise IsotropyError(
                f"Nothing equivariant leads from `{input}` to {missing} of {input.group}, by linear maps and products "
                f"through the hidden layers: that part of the output would stay zero. Add inputs that carry a "
                f"direction, or "
                f"drop it."
            )
        live = [*dict.fromkeys([*found, scalar])]
