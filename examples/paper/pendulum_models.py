"""Networks for the right-hand side of the double spring pendulum: what each is made of and how it is told of symmetry.

``poly`` is the gated polynomial network: layers of three, three and one blocks of twelve numbers, each block affine in
the layer's input and, but for the last, times the logistic function of a quadratic polynomial. ``mlp`` has three hidden
layers of 42 and tanh. A block is a state: two positions and two momenta, so a group of R^3 acts on every layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pendulum_data

import isotropy as iso
from isotropy import groups, spaces

STATE, BLOCKS, WIDTH = 12, (3, 3, 1), 42
REACH = 2.0
"""Half the width of the box in which the layers after the first are asked to keep symmetries."""

NEAR = 0.5
"""How far from states of the training trajectories, in standard deviations of normal noise, the network or its first
layer is asked. In a box about the origin it learns to be flat where no pendulum goes."""

STRENGTH = 1e-3
"""Of the penalties: the bias is about a fiftieth of gravity, the one term that breaks a rotation."""


class Model(NamedTuple):
    """How to make a network from a key, the penalty on it or None, and what of the network the penalty sees."""

    make: Callable[[jax.Array], Any]
    penalty: Callable[[], iso.Penalty] | None = None
    view: Callable[[Any], Any] = lambda net: net


class Polynomial(eqx.Module):
    """One gated layer: coefficients of affine functions and of quadratic gates, in the monomials of `spaces`."""

    affine: jax.Array
    gate: jax.Array | None
    bases: Any
    inputs: int = eqx.field(static=True)

    def __init__(self, inputs: int, blocks: int, *, gated: bool, bases: Any, key: jax.Array):
        keys = jax.random.split(key)
        draw = lambda k, *shape: jax.random.uniform(k, shape, minval=-0.1, maxval=0.1)  # noqa: E731
        free, quadratic = (1 + inputs) * STATE, 1 + inputs + inputs * (inputs + 1) // 2
        rows = (free, quadratic) if bases is None else tuple(0 if b is None else len(b) for b in bases)
        self.affine = draw(keys[0], blocks, rows[0])
        self.gate = draw(keys[1], blocks, rows[1]) if gated else None
        self.bases, self.inputs = bases, inputs

    def assembled(self) -> Polynomial:
        """The same layer with the coefficients of all monomials, where it has those of a symmetric basis."""
        if self.bases is None:
            return self
        fixed = jax.lax.stop_gradient(self.bases)
        gate = None if self.gate is None else self.gate @ fixed[1]
        read = lambda layer: (layer.affine, layer.gate, layer.bases)  # noqa: E731
        return eqx.tree_at(read, self, (self.affine @ fixed[0], gate, None), is_leaf=lambda leaf: leaf is None)

    def linear(self, x: jax.Array) -> jax.Array:
        """The blocks before they are gated, in one row."""
        matrix = self.affine.reshape(-1, 1 + self.inputs, STATE)
        return (matrix[:, 0] + jnp.einsum("bio,i->bo", matrix[:, 1:], x)).ravel()

    def height(self, x: jax.Array) -> jax.Array:
        """The quadratic polynomials of the gates, one for each block."""
        m, gate = self.inputs, self.gate
        square = gate[:, 1 + m :][:, pairs(m)] * ((1 + np.eye(m, dtype=np.float32)) / 2)
        return gate[:, 0] + gate[:, 1 : 1 + m] @ x + (square.reshape(-1, m) @ x).reshape(-1, m) @ x

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.bases is not None:
            return self.assembled()(x)
        blocks = self.linear(x)
        if self.gate is not None:
            blocks = (blocks.reshape(-1, STATE) * jax.nn.sigmoid(self.height(x))[:, None]).ravel()
        return blocks


def pairs(m: int) -> np.ndarray:
    """Where x_i x_j stands among the monomials of degree two: (m, m), each pair of different ones twice."""
    space = spaces.Polynomials(m, degree=2)
    where = np.zeros((m, m), int)
    for k, powers in enumerate(space.exponents[1 + m :]):
        i, j = np.repeat(np.arange(m), powers)
        where[i, j] = where[j, i] = k
    return where


class Layers(eqx.Module):
    """Layers one after another."""

    layers: tuple[Any, ...]

    def assembled(self) -> Layers:
        """The same with every layer assembled."""
        return Layers(tuple(layer.assembled() for layer in self.layers))

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = layer(x)
        return x


def polynomial(key: jax.Array, *, bases: Any = (None, None, None)) -> Layers:
    """The gated polynomial network, free or in given symmetric subspaces."""
    inputs = (STATE, STATE * BLOCKS[0], STATE * BLOCKS[1])
    keys = jax.random.split(key, 3)
    layers = [
        Polynomial(m, n, gated=k < 2, bases=b, key=one)
        for k, (m, n, b, one) in enumerate(zip(inputs, BLOCKS, bases, keys, strict=True))
    ]
    return Layers(tuple(layers))


def pieces(net: Layers) -> list[Callable[[jax.Array], jax.Array]]:
    """All polynomials of the network: a gate that is shut hides what its layer breaks, its polynomial does not."""
    return [piece for layer in net.layers for piece in (layer.linear, layer.height)[: 1 if layer.gate is None else 2]]


def assembled(net: Any) -> Any:
    """The network as it is best called many times: its matrices multiplied out once."""
    return net.assembled() if hasattr(net, "assembled") else net


def plain(key: jax.Array) -> eqx.nn.MLP:
    """The plain network; small weights and no biases to begin with."""
    net = eqx.nn.MLP(STATE, STATE, WIDTH, 3, jnp.tanh, key=key)
    weights = [layer.weight for layer in net.layers]
    keys = jax.random.split(key, len(weights))
    small = [1e-2 * jax.random.normal(k, w.shape) for k, w in zip(keys, weights, strict=True)]
    still = [jnp.zeros_like(layer.bias) for layer in net.layers]
    read = lambda n: [layer.weight for layer in n.layers] + [layer.bias for layer in n.layers]  # noqa: E731
    return eqx.tree_at(read, net, small + still)


def turning() -> Any:
    """Rotations of R^3 about its last axis."""
    return groups.Group([[[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]], name="SO(2)")


def symmetric_bases() -> list[tuple[jax.Array | None, ...]]:
    """For each layer the affine maps and the quadratic functions that turning about the vertical leaves alone."""
    block, result = 4 * turning().vector, []
    for k, count in enumerate((1, *BLOCKS[:2])):
        m = STATE * count
        affine = iso.enforce(iso.Action(count * block, block), spaces.Polynomials(m, degree=1)).coefficients
        flat = jnp.asarray(affine.reshape(len(affine), -1), jnp.float32)
        gate = None
        if k < 2:
            quadratic = iso.enforce(iso.Action(count * block), spaces.Polynomials(m, degree=2)).coefficients
            gate = jnp.asarray(quadratic[..., 0], jnp.float32)
        result.append((flat, gate))
    return result


class Turned(eqx.Module):
    """Three hidden layers of 42 numbers that commute with turns about the vertical: 14 blocks of a vector and a height.

    Affine maps are taken from their symmetric subspace. The nonlinearity of a block (v, s), v in R^2, is
    (v / (1 + exp(-s)), tanh(s + |v|^2)).
    """

    coefficients: tuple[jax.Array, ...]
    bases: tuple[jax.Array, ...]

    def __init__(self, key: jax.Array):
        unit, sizes = turning().vector, (4, WIDTH // 3, WIDTH // 3, WIDTH // 3, 4)
        bases, coefficients = [], []
        for k, (a, b) in enumerate(itertools.pairwise(sizes)):
            found = iso.enforce(iso.Action(a * unit, b * unit), spaces.Polynomials(3 * a, degree=1)).coefficients
            bases.append(jnp.asarray(found, jnp.float32))
            scale = np.sqrt(b / len(found))  # so that each output sums as many squares as a dense layer's
            coefficients.append(scale * jax.random.normal(jax.random.fold_in(key, k), (len(found),)))
        self.bases, self.coefficients = tuple(bases), tuple(coefficients)

    def assembled(self) -> Blocks:
        """The same network with the matrices of its affine maps."""
        fixed = jax.lax.stop_gradient(self.bases)
        return Blocks(tuple(jnp.tensordot(c, basis, 1) for c, basis in zip(self.coefficients, fixed, strict=True)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.assembled()(x)


class Blocks(eqx.Module):
    """Affine maps, (1 + inputs, outputs) each, with the nonlinearity of `Turned` between them."""

    matrices: tuple[jax.Array, ...]

    def __call__(self, x: jax.Array) -> jax.Array:
        for k, matrix in enumerate(self.matrices):
            if k:
                block = x.reshape(-1, 3)
                v, s = block[:, :2], block[:, 2:]
                x = jnp.concatenate([v * jax.nn.sigmoid(s), jnp.tanh(s + jnp.sum(v**2, 1, keepdims=True))], 1).ravel()
            x = matrix[0] + x @ matrix[1:]
        return x


def layered(group: Any) -> iso.Penalty:
    """One subgroup through all `pieces`. Hidden blocks are vectors: translations move the positions alone."""
    block = 4 * group.vector
    inputs, outputs = (state(group), BLOCKS[0] * block, BLOCKS[1] * block), [n * block for n in BLOCKS]
    actions = []
    for k, (before, after) in enumerate(zip(inputs, outputs, strict=True)):
        actions.append(iso.Action(before, after))
        if k < 2:
            actions.append(iso.Action(before, BLOCKS[k] * group.scalar))
    return iso.Penalty(actions, [looks(a.base_dimension) for a in actions])


def whole(group: Any) -> iso.Penalty:
    """The network as one map from states to velocities."""
    return iso.Penalty(iso.Action(state(group), 4 * group.vector), looks(STATE))


def points(penalty: iso.Penalty, states: jax.Array, count: int, key: jax.Array) -> Any:
    """Fresh points for one step, ``count`` for each piece: near states (b, 12) of the data, or in a layer's box."""
    where = []
    for part, one in zip(penalty.parts, jax.random.split(key, len(penalty.parts)), strict=True):
        dimension = part.inputs.shape[1]
        if dimension == STATE:
            rows = states[jax.random.randint(one, (count,), 0, len(states))]
            where.append(rows + NEAR * jax.random.normal(jax.random.fold_in(one, 1), rows.shape))
        else:
            where.append(jax.random.uniform(one, (count, dimension), minval=-REACH, maxval=REACH))
    return where if penalty.layered else where[0]


def state(group: Any) -> Any:
    """Two positions and two momenta."""
    return 2 * group.point + 2 * group.vector


@cache
def looks(dimension: int) -> iso.Samples:
    """Points for the first look and for the spectra that are reported; the training draws its own, see `points`.

    States are those of other trajectories, inputs of later layers lie in their box.
    """
    if dimension == STATE:
        return iso.Samples(pendulum_data.chunks(count=128, seed=1)[:, 0].astype(np.float32))
    return iso.Samples.uniform(128, dimension, seed=dimension, low=-REACH, high=REACH, dtype=np.float32)


def models() -> dict[str, Model]:
    """Every contestant by name."""
    return {
        "mlp": Model(plain),
        "mlp SO(2) enforced": Model(Turned),
        "mlp SO(3) promoted": Model(plain, lambda: whole(groups.SO(3))),
        "poly": Model(polynomial),
        "poly SO(3) promoted": Model(polynomial, lambda: layered(groups.SO(3)), pieces),
        "poly SO(2) promoted": Model(polynomial, lambda: layered(turning()), pieces),
        "poly SE(3) promoted": Model(polynomial, lambda: layered(groups.SE(3)), pieces),
        "poly SO(2) enforced": Model(lambda key: polynomial(key, bases=symmetric_bases())),
    }
