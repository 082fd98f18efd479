"""A basis: values, words, SymPy, and files that bring everything back."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import sympy

from isotropy import Action, Basis, IsotropyError, enforce, groups, spaces

EPS = np.finfo(np.float64).eps
V = groups.SO(3).vector
BASES = {
    "exact vectors": enforce(Action(V, V), spaces.Polynomials(3, degree=3)),
    "float scalars": enforce(Action(groups.D(5)), spaces.Polynomials(2, degree=5)),
    "tensors": enforce(Action.tensor(groups.SO(2), lower=2), spaces.Polynomials(2, degree=2)),
    "sampled": enforce(Action(groups.D(4)), spaces.Fourier(2, degree=2)),
    "features": enforce(Action(groups.SO(2)), spaces.Features(["1/sqrt(x^2 + y^2)", "x"], input_dimension=2)),
}


@pytest.mark.parametrize("ending", [".json", ".npz"])
@pytest.mark.parametrize("name", BASES)
def test_a_file_brings_everything_back(tmp_path, name, ending):
    basis = BASES[name]
    again = Basis.load(basis.save(tmp_path / f"basis{ending}"))
    np.testing.assert_array_equal(again.coefficients, basis.coefficients)
    assert again.space == basis.space
    assert str(again) == str(basis)
    assert (again.decision, again.exact, again.fibre_shape, again.settings) == (
        basis.decision,
        basis.exact,
        basis.fibre_shape,
        basis.settings,
    )
    points = np.random.default_rng(0).standard_normal((4, basis.space.input_dimension))
    np.testing.assert_array_equal(again.values(points), basis.values(points))


@pytest.mark.parametrize("name", BASES)
def test_one_point_many_points_and_the_coefficients_agree(name):
    basis = BASES[name]
    points = np.random.default_rng(1).standard_normal((5, basis.space.input_dimension))
    table = np.einsum("pf,dfn->pdn", basis.space.values(points), basis.coefficients)
    expected = table.reshape(5, basis.dimension, *basis.fibre_shape)
    tolerance = 100 * EPS * np.abs(basis.coefficients).sum() * max(1.0, np.abs(points).max() ** 5)
    np.testing.assert_allclose(basis.values(points), expected, atol=tolerance)
    with jax.enable_x64(True):
        one = np.asarray(jax.vmap(basis)(points))
    assert one.shape == (5, basis.dimension, *basis.fibre_shape)
    np.testing.assert_allclose(one, expected, atol=tolerance)
    assert basis(points[0].astype(np.float32)).dtype == np.float32


def test_the_sparse_and_the_dense_evaluation_agree():
    # Many features, few used: evaluated by gathering; few features: by a product of arrays.
    wide = enforce(Action(3 * V), spaces.Polynomials(9, degree=4))
    assert wide.space.dimension * wide.dimension > 4096
    assert isinstance(wide._table, tuple)
    assert isinstance(BASES["sampled"]._table, np.ndarray)
    points = np.random.default_rng(0).standard_normal((3, 9))
    with jax.enable_x64(True):
        one = np.asarray(jax.vmap(wide)(points))
    np.testing.assert_allclose(one, wide.values(points), rtol=1e4 * EPS, atol=1e4 * EPS)


@pytest.mark.parametrize("name", ["exact vectors", "float scalars", "features"])
def test_sympy_has_the_same_values(name):
    basis = BASES[name]
    symbols = sympy.symbols(basis.space.variables)
    point = np.random.default_rng(0).uniform(0.5, 1.5, basis.space.input_dimension)
    expected = basis.values(point[None])[0]
    for expression, value in zip(basis.to_sympy(), expected, strict=True):
        number = np.array(sympy.lambdify(symbols, expression)(*point), dtype=float)
        np.testing.assert_allclose(number.reshape(value.shape), value, rtol=1e3 * EPS)


def test_the_words():
    assert BASES["exact vectors"].text[0] == "(x, y, z)"
    assert (
        str(BASES["exact vectors"]).splitlines()[0] == "2 of 60 dimensions are symmetric under V -> V of SO(3) (exact)"
    )
    assert BASES["sampled"].text == ("1", "cos(x) + cos(y)", "cos(2*x) + cos(2*y)", "cos(x)*cos(y)")
    many = enforce(Action(3 * V), spaces.Polynomials(9, degree=4))
    lines = str(many).splitlines()
    assert len(lines) == 14
    assert lines[-1] == f"  … and {many.dimension - 12} more, in `.text`"
    assert max(map(len, lines)) < 120
    assert len(many.text) == many.dimension


def test_a_combination():
    basis = BASES["exact vectors"]
    table = basis.section(np.array([2.0, -1.0]))
    np.testing.assert_array_equal(table, np.tensordot([2.0, -1.0], basis.coefficients, 1))
    with pytest.raises(IsotropyError, match="`weights` must have shape"):
        basis.section(np.ones(3))


def test_bad_files(tmp_path):
    with pytest.raises(IsotropyError, match="no file"):
        Basis.load(tmp_path / "none.json")
    record = BASES["sampled"].to_dict()
    with pytest.raises(IsotropyError, match="do not fit a table"):
        Basis.from_dict({**record, "columns": record["columns"] + 1000})
    functions = spaces.Features([lambda x: x @ x], ["r2"], input_dimension=2)
    with pytest.raises(IsotropyError, match="cannot be saved"):
        enforce(Action(groups.SO(2)), functions).save(tmp_path / "functions.json")
