"""Random group elements on representations, for the tests of this folder."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm


def random_element(rng, *reps, size=1.0):
    """The matrices of one random group element on each representation."""
    c = size * rng.normal(size=reps[0].group.dimension)
    matrices = [expm(np.tensordot(c, rep.generators(), 1)) if len(c) else np.eye(rep.dimension) for rep in reps]
    for k in range(len(reps[0].group.components)):
        if rng.random() < 0.7:
            matrices = [rep.components()[k] @ g for rep, g in zip(reps, matrices, strict=True)]
    return matrices


@pytest.fixture
def element():
    """``element(rng, V, W)``: one random group element on V and on W."""
    return random_element


@pytest.fixture
def defect():
    """``defect(model, V, W)``: the largest |f(g x) - h f(x)|, relative to |f(x)| and to the norms of g and h."""

    def measure(model, source, target, *, seed=0, size=1.0, tries=3, dtype=jnp.float32):
        rng = np.random.default_rng(seed)
        call = eqx.filter_jit(eqx.filter_vmap(model))
        pairs = [random_element(rng, source, target, size=size) for _ in range(tries)]
        xs = rng.normal(size=(tries, source.dimension))
        there = np.stack([g @ x for (g, _), x in zip(pairs, xs, strict=True)])
        values = np.asarray(call(jnp.asarray(xs, dtype)), np.float64)
        moved = np.asarray(call(jnp.asarray(there, dtype)), np.float64)
        worst = 0.0
        for (g, h), value, other in zip(pairs, values, moved, strict=True):
            growth = max(1.0, np.linalg.norm(g, 2)) * max(1.0, np.linalg.norm(h, 2))
            worst = max(worst, np.linalg.norm(other - h @ value) / (growth * np.linalg.norm(value)))
        return worst

    return measure
