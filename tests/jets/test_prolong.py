"""Prolongation against Olver's formula worked out by SymPy."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from isotropy import IsotropyError, VectorFields, spaces
from isotropy.jets.coordinates import JetSpace
from isotropy.jets.prolong import Prolongation


def olver(space, row, jets):
    """The velocity of each jet coordinate for one field: phi_{J,i} = D_i phi_J - sum_k (D_i xi^k) u_{J,k}.

    This is the recursive form (Olver, theorem 2.36), with total derivatives by the chain rule on symbols.
    """
    n, m = len(jets.independent), len(jets.dependent)
    longer = JetSpace(jets.independent, jets.dependent, jets.order + 1)
    symbol = dict(zip(longer.names, sympy.symbols(longer.names), strict=True))
    features = space.sympy_features([symbol[name] for name in jets.base])
    table = row.reshape(n + m, space.dimension)
    components = [sympy.Add(*(int(c) * f for c, f in zip(line, features, strict=True))) for line in table]

    def raised(index, i):
        return tuple(count + (axis == i) for axis, count in enumerate(index))

    def jet(a, index):
        return symbol[longer.derivative_name(a, index)]

    def total(expression, i):
        terms = [sympy.diff(expression, symbol[jets.independent[i]])]
        for index in jets.indices:
            terms += [sympy.diff(expression, jet(a, index)) * jet(a, raised(index, i)) for a in range(m)]
        return sympy.expand(sympy.Add(*terms))

    slopes = [[total(components[k], i) for k in range(n)] for i in range(n)]
    found = {(a, (0,) * n): components[n + a] for a in range(m)}
    for index in jets.indices[1:]:
        i = next(axis for axis, count in enumerate(index) if count)
        lower = tuple(count - (axis == i) for axis, count in enumerate(index))
        for a in range(m):
            drift = sum(slopes[i][k] * jet(a, raised(lower, k)) for k in range(n))
            found[a, index] = total(found[a, lower], i) - drift
    return components[:n] + [found[a, index] for index in jets.indices for a in range(m)]


@pytest.mark.parametrize(
    ("jets", "degree"),
    [
        (JetSpace(("x",), ("y",), 4), 1),
        (JetSpace(("t", "x"), ("u",), 2), 2),
        (JetSpace(("t", "x"), ("u", "v"), 2), 1),
    ],
    ids=["ode", "pde", "system"],
)
def test_prolongation_is_olvers(jets, degree):
    rng = np.random.default_rng(0)
    space = spaces.Polynomials(len(jets.base), degree=degree, variables=jets.base)
    prolongation = Prolongation(VectorFields(space), jets)
    row = rng.integers(-3, 4, prolongation.candidates.dimension)
    points = rng.standard_normal((5, jets.dimension))
    found = np.einsum("pqc,q->pc", prolongation(points), row)
    symbols = sympy.symbols(jets.names)
    expected = np.array([sympy.lambdify(symbols, olver(space, row, jets))(*point) for point in points])
    # Each entry adds up some hundred terms of this size.
    assert np.abs(found - expected).max() <= 1e2 * np.finfo(float).eps * np.abs(expected).max()


def test_slopes_turn_with_the_plane():
    """A rotation takes the slope tan(a) to tan(a + e): its velocity is 1 + y_x^2."""
    jets = JetSpace(("x",), ("y",), 1)
    space = spaces.Polynomials(2, degree=1, variables=("x", "y"))
    prolongation = Prolongation(VectorFields(space), jets)
    rotation = np.zeros(prolongation.candidates.dimension)
    rotation[space.names.index("y")], rotation[space.dimension + space.names.index("x")] = -1.0, 1.0
    point = np.array([[0.3, -0.2, 0.7]])
    velocity = prolongation(point)[0].T @ rotation
    assert np.allclose(velocity, [0.2, 0.3, 1 + 0.7**2], rtol=0, atol=8 * np.finfo(float).eps)


@pytest.mark.parametrize(
    ("name", "place"),
    [("t", 0), ("x", 1), ("u", 2), ("u_t", 3), ("u_x", 4), ("u_tt", 5), ("u_xt", 6), ("u_x_t", 6), ("u_xx", 7)],
)
def test_names(name, place):
    assert JetSpace.of("t, x", "u", 2).find(name) == place


@pytest.mark.parametrize("name", ["y", "u_y", "u_", "u_txq", "_", "u_u"])
def test_unknown_names(name):
    with pytest.raises(IsotropyError, match="no coordinate"):
        JetSpace.of("t, x", "u", 2).find(name)
