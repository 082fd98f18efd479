"""Laws that every space of functions obeys: derivatives, precision, sums, products, text, SymPy and JSON."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isotropy.errors import IsotropyError
from isotropy.geometry.features import Features
from isotropy.geometry.fourier import Fourier
from isotropy.geometry.grammar import parse
from isotropy.geometry.polynomial import Polynomials
from isotropy.geometry.rbf import KERNELS, RBF
from isotropy.geometry.space import Space

CENTRES = np.array([[0.0, 0.5], [1.0, -0.5], [0.25, 0.25]])


def _wave(x):
    return jnp.sin(x[0]) * x[1]


SPACES = {
    "polynomials": Polynomials(2, degree=4),
    "homogeneous": Polynomials(2, degree=3, homogeneous=True),
    "one variable": Polynomials(1, degree=5),
    "constants": Polynomials(3, degree=0),
    "degrees 2 to 3": Polynomials(3, degree=3, minimum_degree=2),
    "fourier": Fourier(2, degree=2),
    "fourier box": Fourier(2, frequencies=[2, 1], periods=[1.0, 10.0]),
    "strings": Features(["x*y", "1/(1+x^2)", "exp(-y)*sqrt(x^2+1)", "(1+x^2)^(1/3)"], input_dimension=2),
    "functions": Features([_wave], ["wave"], input_dimension=2),
    "sum": Polynomials(2, degree=1) + Fourier(2, degree=1) + RBF(CENTRES, width=0.7),
    "product": Polynomials(2, degree=1) * (Fourier(2, degree=1) + Features(["exp(x)"], input_dimension=2)),
    "parsed": parse("polynomials(2)*cos(x) + 1/sqrt(1 + x^2 + y^2) - (x + y)*tanh(y)", "x,y"),
} | {kernel: RBF(CENTRES, width=0.7, kernel=kernel) for kernel in KERNELS}

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())


def points_for(space, p=7, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 1.2, (p, space.input_dimension))


def tolerance(space, values, dtype=np.float64):
    """Rounding of a few operations for each power or coordinate, relative to the largest value."""
    return 64 * np.finfo(dtype).eps * space.input_dimension * max(1.0, float(np.abs(values).max()))


@every_space
def test_values_agree_with_the_function_at_each_point(space):
    points = points_for(space)
    with jax.enable_x64(True):
        one = jax.jit(space)
        expected = np.stack([np.asarray(one(jnp.asarray(x))) for x in points])
    assert expected.shape == (7, space.dimension)
    assert len(space.names) == len(set(space.names)) == space.dimension == len(space)
    np.testing.assert_allclose(space.values(points), expected, atol=tolerance(space, expected), rtol=0)


@every_space
def test_gradients_agree_with_forward_mode_and_with_differences(space):
    points = points_for(space)
    gradients = space.gradients(points)
    with jax.enable_x64(True):
        expected = np.asarray(jax.jit(jax.vmap(jax.jacfwd(space)))(jnp.asarray(points)))
    assert gradients.shape == (7, space.dimension, space.input_dimension)
    np.testing.assert_allclose(gradients, expected, atol=tolerance(space, expected), rtol=0)
    step = np.finfo(np.float64).eps ** (1 / 3)
    for i in range(space.input_dimension):
        shift = step * np.eye(space.input_dimension)[i]
        difference = (space.values(points + shift) - space.values(points - shift)) / (2 * step)
        # Central differences err by step^2 times a third derivative, and by rounding over the step: both step^2.
        scale = 1e3 * max(1.0, np.abs(gradients).max())
        np.testing.assert_allclose(difference, gradients[:, :, i], atol=scale * step**2, rtol=0)


@every_space
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_of_the_point_is_kept(space, dtype):
    with jax.enable_x64(True):
        x = jnp.asarray(points_for(space)[0], dtype)
        assert space(x).dtype == dtype
        values = jax.jit(space)(x)
    assert values.dtype == dtype
    exact = space.values(np.asarray(x, np.float64)[None])[0]
    np.testing.assert_allclose(np.asarray(values), exact, atol=tolerance(space, exact, dtype), rtol=0)


@every_space
def test_the_default_precision_needs_no_x64(space):
    x = points_for(space)[0]
    values = jax.jit(space)(jnp.asarray(x, jnp.float32))
    exact = space.values(x[None])[0]
    np.testing.assert_allclose(np.asarray(values), exact, atol=tolerance(space, exact, np.float32), rtol=0)
    assert jax.jit(space)(jnp.ones(space.input_dimension, int)).dtype == values.dtype


@every_space
def test_reverse_mode_and_third_derivatives_exist(space):
    with jax.enable_x64(True):
        x = jnp.asarray(points_for(space)[0])
        coefficients = jnp.linspace(1.0, 2.0, space.dimension)
        third = jax.jit(jax.jacfwd(jax.jacrev(jax.grad(lambda y: coefficients @ space(y)))))(x)
    assert np.isfinite(third).all()


@every_space
def test_sympy_is_an_independent_oracle(space):
    coefficients = np.arange(1, space.dimension + 1) / 4
    expression = space.to_sympy(coefficients)
    if space is SPACES["functions"]:
        assert str(expression) == "wave(x, y)/4"
        return
    x = points_for(space, p=1)
    named = dict(zip(space.variables, x[0], strict=True))
    got = float(expression.subs({symbol: named[str(symbol)] for symbol in expression.free_symbols}))
    terms = space.values(x)[0] * coefficients
    assert abs(got - terms.sum()) <= tolerance(space, terms) * space.dimension


@every_space
def test_json_brings_the_space_back(space):
    if space is SPACES["functions"]:
        with pytest.raises(IsotropyError, match="write it as text"):
            space.to_dict()
        return
    again = Space.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert hash(again) == hash(space)
    assert again.names == space.names
    assert np.array_equal(again.values(points_for(space)), space.values(points_for(space)))


@every_space
def test_a_space_added_to_itself_is_itself(space):
    assert space + space == space


@pytest.mark.parametrize("left", ["polynomials", "strings", "fourier", "gaussian"])
@pytest.mark.parametrize("right", ["homogeneous", "functions", "product", "parsed"])
def test_sums_and_products_span_what_they_say(left, right):
    a, b = SPACES[left], SPACES[right]
    points = points_for(a, p=5)
    va, vb = a.values(points), b.values(points)
    total, product = a + b, a * b
    at = {name: k for k, name in enumerate(total.names)}
    for space, values in ((a, va), (b, vb)):
        for k, name in enumerate(space.names):
            np.testing.assert_allclose(
                total.values(points)[:, at[name]], values[:, k], atol=tolerance(a, values), rtol=0
            )
    products = (va[:, :, None] * vb[:, None, :]).reshape(5, -1)
    found = product.values(points)
    assert product.dimension == len(set(product.names)) <= a.dimension * b.dimension
    for column in products.T:
        distance = np.abs(found - column[:, None]).max(axis=0).min()
        assert distance <= tolerance(a, products)


def test_products_collect_equal_features():
    space = Polynomials(2, degree=1) * parse("1/x + 1/y", "x,y")
    assert space.names == ("1/x", "1/y", "1", "x/y", "y/x")
    linear = Polynomials(2, degree=1)
    mixed = linear + Features(["exp(x)"], input_dimension=2)
    assert (mixed * mixed).names == (*Polynomials(2, degree=2).names, "exp(x)", "x*exp(x)", "y*exp(x)", "exp(x)^2")
    assert linear * linear == Polynomials(2, degree=2)
    assert linear + Polynomials(2, degree=3) == Polynomials(2, degree=3)
    assert isinstance(linear + Polynomials(2, degree=3), Polynomials)


def test_equality_needs_the_same_features_in_the_same_order():
    assert Polynomials(2, degree=2) != Polynomials(2, degree=3)
    assert Polynomials(2, degree=2) != Polynomials(2, degree=2, variables="u,v")
    assert RBF(CENTRES, width=1.0) != RBF(CENTRES, width=2.0)
    assert RBF(CENTRES, width=1.0) == RBF(CENTRES, width=1.0)
    assert Features(["x", "y"], input_dimension=2) != Features(["y", "x"], input_dimension=2)
    assert Polynomials(2, degree=1) != "polynomials"


def test_a_name_that_means_two_things_is_refused():
    with pytest.raises(IsotropyError, match="both called 'rbf0'"):
        RBF(CENTRES, width=1.0) + RBF(CENTRES, width=2.0)
    both = RBF(CENTRES, width=1.0) + RBF(CENTRES, width=2.0, name="wide")
    assert both.dimension == 6
    with pytest.raises(IsotropyError, match="'x' stands for two"):
        Features([_wave], ["x"], input_dimension=2)


def test_descriptions_are_short_and_exact():
    space = Polynomials(3, degree=2)
    coefficients = np.zeros(10)
    coefficients[[4, 8, 0]] = 1.5, -1.0, -2.0
    assert space.describe(coefficients) == "−2 + 3/2 x^2 − y*z"
    assert space.describe(np.zeros(10)) == "0"
    coefficients[4] = np.pi
    assert space.describe(coefficients) == "−2 + 3.14159 x^2 − y*z"
    assert parse("1/sqrt(x^2+y^2) + (x + y)", "x,y").describe([-3, 2]) == "−3/sqrt(x^2 + y^2) + 2 (x + y)"


def test_noise_decides_what_is_a_fraction():
    space = Polynomials(1, degree=1)
    assert space.describe([1.0, 0.3333]) == "1 + 0.3333 x"
    assert space.describe([1.0, 0.3333], noise=1e-4) == "1 + 1/3 x"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polynomials(0, degree=2), "positive integer"),
        (lambda: Polynomials(2, degree=-1), "degree"),
        (lambda: Polynomials(2, degree=1.5), "degree"),
        (lambda: Polynomials(2, degree=1, minimum_degree=2), "above"),
        (lambda: Polynomials(30, degree=10), "lower the degree"),
        (lambda: Polynomials(2, degree=1, variables=["x"]), "must name the 2"),
        (lambda: Polynomials(2, degree=1, variables=["x", "x"]), "different"),
        (lambda: Polynomials(2, degree=1) + Polynomials(3, degree=1), "same variables"),
        (lambda: Polynomials(2, degree=1) * Polynomials(3, degree=1), "same variables"),
        (lambda: Polynomials(2, degree=1).values(np.ones((4, 3))), "shape"),
        (lambda: Polynomials(2, degree=1).values([[np.nan, 0.0]]), "NaN"),
        (lambda: Polynomials(2, degree=1).describe([1.0]), "shape"),
        (lambda: Fourier(2), "degree"),
        (lambda: Fourier(2, degree=1, frequencies=1), "not both"),
        (lambda: Fourier(2, frequencies=[1, 2, 3]), "Frequencies"),
        (lambda: Fourier(2, degree=0.5), "integers"),
        (lambda: Fourier(2, degree=1, periods=-1.0), "positive"),
        (lambda: Fourier(12, frequencies=3), "too many"),
        (lambda: RBF(CENTRES, width=0.0), "width"),
        (lambda: RBF(CENTRES, width=1.0, kernel="cubic"), "kernel"),
        (lambda: RBF(np.zeros((2, 2)), width=1.0), "repeated"),
        (lambda: Features([], input_dimension=2), "empty"),
        (lambda: Features("x", input_dimension=2), "brackets"),
        (lambda: Features(["x"]), "input_dimension"),
        (lambda: Features(["x", "x"], input_dimension=2), "twice"),
        (lambda: Features(["0*x"], input_dimension=2), "zero"),
        (lambda: Features([_wave], input_dimension=2), "names"),
        (lambda: Features([_wave], ["a", "b"], input_dimension=2), "names"),
        (lambda: Features([lambda x: x], ["x"], input_dimension=2), "one number"),
        (lambda: Features([3.0], ["three"], input_dimension=2), "JAX function or a string"),
        (lambda: Space.from_dict({"kind": "wavelets"}), "one of"),
        (lambda: Space.from_dict([]), "one of"),
        (lambda: Space.from_dict({"kind": "polynomials"}), "expected entries"),
        (lambda: Space.from_dict({"kind": "sum", "parts": 3}), "expected entries"),
        (lambda: Space.from_dict({"kind": "features", "functions": ["exec(x)"], "variables": "x"}), "unknown function"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, message):
    with pytest.raises(IsotropyError, match=message):
        make()
