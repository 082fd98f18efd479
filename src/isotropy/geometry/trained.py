"""A trained model and the data that it was trained on: the only places where its values mean anything."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .. import validate
from ..errors import IsotropyError
from .cloud import Cloud
from .sample import Samples

LARGEST = 8
"""Coordinates up to which the data are searched for a curved set of lower dimension that holds them."""

ENOUGH = 800
"""Points from which that set is estimated, and on which the model is then looked at."""


class Network(eqx.Module):
    """A model of one example, as a function of one flat vector: inputs are laid out and outputs strung together."""

    model: Any
    state: Any
    key: Any
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    layout: Any = eqx.field(static=True)
    keyed: bool = eqx.field(static=True)

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " n"]:
        sizes = [int(np.prod(shape, dtype=int)) for shape in self.shapes]
        parts = jnp.split(x, np.cumsum(sizes)[:-1])
        leaves = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        options = {**dict(self.options), **({"key": self.key} if self.keyed else {})}
        example = jax.tree_util.tree_unflatten(self.layout, leaves)
        answer = self.model(example, **options) if self.state is None else self.model(example, self.state, **options)
        if self.state is not None:
            answer = answer[0]
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree_util.tree_leaves(answer)])


class Trained:
    """A model with the ``inputs`` it was trained on: pairs that nothing is claimed beyond.

    ``model`` is an Equinox module or any JAX callable that takes one example. ``inputs`` is an array (p, m), or any
    tree of arrays (a dictionary, a tuple) with the examples along their first axis; the model is called with such a
    tree for one example. The coordinates that an action moves are the leaves strung together, in JAX's order
    (dictionaries by their sorted keys); ``variables`` names them. Outputs may be a tree as well.

    Dropout and batch normalisation are switched to inference. A model that carries a state (`equinox.nn.State`) is
    given it as ``state``, one that draws at random even then gets ``key``, always the same.

    ``section`` is the model as a function of one flat vector, ``samples`` the inputs. ``support`` is the set of lower
    dimension that the inputs lie on, as far as one is seen, and None where they fill the space.

    >>> net = eqx.nn.MLP(2, 1, 8, 1, key=jax.random.key(0))
    >>> Trained(net, np.random.default_rng(0).normal(size=(40, 2)))
    Trained(40 examples that fill a region of R^2)
    """

    def __init__(
        self,
        model: Any,
        inputs: PyTree,
        *,
        state: Any = None,
        key: Any = None,
        variables: Sequence[str] | None = None,
    ) -> None:
        if not callable(model):
            raise IsotropyError(f"`model` must be a function of one example. Got {type(model).__name__}.")
        paths, layout = jax.tree_util.tree_flatten_with_path(inputs)
        if not paths:
            raise IsotropyError("`inputs` holds no arrays: pass the examples that the model was trained on.")
        names = [f"inputs{jax.tree_util.keystr(path)}" for path, _ in paths]
        leaves = [_leaf(leaf, name) for (_, leaf), name in zip(paths, names, strict=True)]
        counts = {len(leaf) for leaf in leaves}
        if len(counts) > 1:
            raise IsotropyError(
                f"`inputs` must have as many examples in each array. Got "
                f"{', '.join(f'{len(leaf)} in {name}' for leaf, name in zip(leaves, names, strict=True))}."
            )
        flat = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
        if variables is not None and len(variables) != flat.shape[1]:
            raise IsotropyError(f"`variables` must name {flat.shape[1]} coordinates. Got {len(variables)}.")
        self.variables = None if variables is None else tuple(variables)
        self.samples = Samples(flat)
        self.section = _network(model, state, key, tuple(leaf.shape[1:] for leaf in leaves), layout)

    @cached_property
    def support(self) -> Cloud | None:
        """The set of lower dimension on which the inputs lie, in the coordinates of `hull`; None where none is seen."""
        origin, axes = self.hull
        inside = (self.samples.points - origin) @ axes.T
        if not 2 <= len(axes) <= LARGEST:
            return None
        chosen = np.unique(np.linspace(0, len(inside) - 1, ENOUGH).astype(int))
        try:
            return Cloud(inside[chosen])
        except IsotropyError:
            # The points fill their hull, or are too few to tell: nothing speaks for a smaller set.
            return None

    @cached_property
    def hull(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "r m"]]:
        """A point of the smallest plane that holds the inputs up to rounding, and an orthonormal frame of it."""
        points = np.asarray(self.samples.points, dtype=np.float64)
        origin = points.mean(axis=0)
        _, sizes, axes = np.linalg.svd(points - origin, full_matrices=False)
        floor = np.finfo(np.float64).eps * max(points.shape) * float(np.abs(points).max()) * np.sqrt(len(points))
        return origin, axes[sizes > floor]

    def describe(self) -> str:
        """The data in words."""
        m, (_, axes) = self.samples.dimension, self.hull
        if self.support is not None:
            where = f"near a set of dimension {self.support.dimension} in R^{m}, thickness {self.support.thickness:.1e}"
        elif len(axes) < m:
            where = f"in a plane of dimension {len(axes)} in R^{m}"
        elif m > LARGEST:
            where = f"in R^{m}, too many coordinates to look for a curved set that holds them"
        else:
            where = f"that fill a region of R^{m}"
        return f"{len(self.samples)} examples {where}"

    def __repr__(self) -> str:
        return f"Trained({self.describe()})"


def _leaf(leaf: Any, name: str) -> Float[np.ndarray, "p ..."]:
    given = np.asarray(leaf)
    if given.ndim == 0 or len(given) == 0:
        raise IsotropyError(f"`{name}` must have the examples along its first axis. Got shape {given.shape}.")
    if not np.issubdtype(given.dtype, np.floating):
        raise IsotropyError(
            f"`{name}` must hold real numbers, which a motion can change by a little. Got {given.dtype}: fix whole "
            f"numbers and labels in a function of the other inputs, `lambda x: model(x, label)`, or cast to float."
        )
    return validate.array(given, name)


def _network(model: Any, state: Any, key: Any, shapes: tuple[tuple[int, ...], ...], layout: Any) -> Network:
    """The model in inference mode, tried on one example. Raises `IsotropyError` that says how to wrap it."""
    if isinstance(model, eqx.Module):
        model = eqx.nn.inference_mode(model)
    known = _parameters(model)
    if known.get("state", None) is inspect.Parameter.empty and state is None:
        raise IsotropyError("`model` carries a state: pass it as `state`, as `equinox.nn.make_with_state` returned it.")
    if key is None and known.get("key", None) is inspect.Parameter.empty:
        raise IsotropyError("`model` needs a `key` even in inference: pass one as `key`, and it is used every time.")
    if key is not None and known and "key" not in known and "*" not in known:
        raise IsotropyError("`model` takes no `key`: leave it out.")
    options = (("inference", True),) if "inference" in known else ()
    network = Network(model, state, key, options, shapes, layout, keyed=key is not None)
    size = int(sum(np.prod(shape, dtype=int) for shape in shapes))
    with jax.enable_x64(True):
        try:
            eqx.filter_eval_shape(network, jax.ShapeDtypeStruct((size,), jnp.float64))
        except Exception as reason:
            text = (str(reason).strip().splitlines() or [type(reason).__name__])[0].rstrip(".")
            raise IsotropyError(
                f"`model` could not be called with one example of `inputs`: {text}. It is called as model(example), "
                f"without the axis of examples, with `state` and `key` where given: wrap it in a function of that form."
            ) from reason
    return network


def _parameters(model: Any) -> dict[str, Any]:
    """Names of the parameters and their defaults, with ``*`` for keywords of any name; empty where none are known."""
    try:
        found = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {("*" if p.kind is inspect.Parameter.VAR_KEYWORD else p.name): p.default for p in found}
