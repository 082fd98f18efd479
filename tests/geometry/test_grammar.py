"""The grammar of spaces: what a text means, that names read back, and that nothing is ever evaluated."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isotropy.errors import IsotropyError
from isotropy.geometry import expression
from isotropy.geometry.features import Features
from isotropy.geometry.fourier import Fourier
from isotropy.geometry.grammar import LARGEST_EXPONENT, LONGEST_TEXT, parse, parse_expression
from isotropy.geometry.polynomial import Polynomials

EPS = np.finfo(np.float64).eps
POINTS = np.random.default_rng(0).uniform(0.3, 1.7, (5, 3))
X, Y, Z = POINTS.T
R = np.sqrt(X**2 + Y**2 + Z**2)

MEANINGS = {
    "x": [X],
    "x*y + 1/x": [X * Y, 1 / X],
    "(x + y)": [X + Y],
    "-(x + y)": [X + Y],
    "x - 3*y": [X, Y],
    "x \u2212 y": [X, Y],
    "(x+y)*(x-y)": [X**2 - Y**2],
    "2*x^2/3": [X**2],
    "x**2": [X**2],
    "-x^2": [X**2],
    "(-x)^2": [X**2],
    "x^-2": [X**-2],
    "x^2^3": [X**8],
    "(x^2)^3": [X**6],
    "x/y/z": [X / Y / Z],
    "x/(y/z)": [X * Z / Y],
    "x/y*z": [X * Z / Y],
    "x^(1/2)": [np.sqrt(X)],
    "x^(-3/2)": [X**-1.5],
    "x^0.3": [X**0.3],
    "(x*y)^(1/3)": [np.cbrt(X * Y)],
    "sin(pi*x/2)": [np.sin(np.pi * X / 2)],
    "exp(-x^2/2)*log(y)": [np.exp(-(X**2) / 2) * np.log(Y)],
    "abs(x-y) + tan(x) + sinh(x) + cosh(x) + tanh(x) + cos(x)": [
        np.abs(X - Y),
        np.tan(X),
        np.sinh(X),
        np.cosh(X),
        np.tanh(X),
        np.cos(X),
    ],
    "exp(1.5e-1*x) + exp(.5*x) + exp(2.*x)": [np.exp(0.15 * X), np.exp(X / 2), np.exp(2 * X)],
    "5": [np.ones(5)],
    "polynomials(1) + 1/sqrt(x**2+y**2+z**2)": [np.ones(5), X, Y, Z, 1 / R],
    "polynomials(1)/sqrt(x^2+y^2+z^2)": [1 / R, X / R, Y / R, Z / R],
    "polynomials(1)*(1/x + 1/y)": [1 / X, 1 / Y, np.ones(5), X / Y, Y / X, Z / X, Z / Y],
    "(polynomials(1) + 1/x)*x": [X, X**2, X * Y, X * Z, np.ones(5)],
    "fourier(1)": [np.ones(5), np.cos(X), np.sin(X), np.cos(Y), np.sin(Y), np.cos(Z), np.sin(Z)],
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_text_means_what_mathematics_says(text):
    expected = np.stack(MEANINGS[text], axis=1)
    got = parse(text, "x,y,z").values(POINTS)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=64 * EPS, atol=0)


@pytest.mark.parametrize("text", MEANINGS)
def test_the_names_read_back(text):
    space = parse(text, "x,y,z")
    again = Features([*space.names], variables="x,y,z")
    assert again.names == space.names
    assert again == Features([*again.names], variables="x,y,z")
    np.testing.assert_allclose(again.values(POINTS), space.values(POINTS), rtol=64 * EPS, atol=0)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("y*x + x*y", ("x*y",)),
        ("1/sqrt(y^2+x^2) + 2/sqrt(x^2+y^2) + (x^2+y^2)^(-1/2)", ("1/sqrt(x^2 + y^2)",)),
        ("x + 2*x - x", ("x",)),
        ("polynomials(2) + x*y", Polynomials(2, degree=2).names),
        ("cos(x) + fourier(1)", ("cos(x)", "1", "sin(x)", "cos(y)", "sin(y)")),
        ("x*(x + y)", ("x*(x + y)",)),
        ("sqrt(2*x + 3)/(x*y)", ("sqrt(3 + 2*x)/(x*y)",)),
        ("(x + y)^2*exp(x)", ("exp(x)*(x + y)^2",)),
        ("exp(x - 2*y)", ("exp(x - 2*y)",)),
        ("1/3*(x/2 - y)", ("x/2 - y",)),
    ],
)
def test_equal_features_are_written_alike_and_kept_once(text, names):
    assert parse(text, "x,y").names == names


def test_fourier_and_the_grammar_write_modes_alike():
    for periods in (2 * math.pi, 1.0, 10.0, math.e):
        space = Fourier(2, frequencies=2, periods=periods, variables="alpha,x")
        assert Features([*space.names], variables="alpha,x").factors == space.factors


def test_variables_may_have_any_word_for_a_name():
    assert parse("vx^2 + pi*é", ["vx", "é"]).names == ("vx^2", "pi*é")
    assert parse("x2*x10", [f"x{k}" for k in range(11)]).names == ("x2*x10",)
    # A variable hides the constant of the same name, and no function.
    assert parse("pi + exp(exp)", ["pi", "exp"]).names == ("pi", "exp(exp)")


def test_one_expression_is_not_a_span():
    term = parse_expression("x - 3*y + 1/2", "x,y")
    assert str(term) == "1/2 + x - 3*y"
    with jax.enable_x64(True):
        assert float(expression.evaluate(term, jnp.array([2.0, 0.5]))) == 1.0


BROKEN = {
    "__import__('os').system('ls')": 12,
    "__import__": 1,
    "x.__class__": 2,
    "x.real": 2,
    "lambda: 0": 7,
    "[x]": 1,
    "x if x else y": 3,
    "exec(x)": 1,
    "polynomials(2); x": 15,
    "9**9**9": 4,
    "((9^32)^32)^32": 2,
    f"x^{LARGEST_EXPONENT + 1}": 3,
    "2^x": 3,
    "1/0": 3,
    "x/(y - y)": 3,
    "1e400*x": 1,
    "1e99999999999999999999*x": 1,
    "": 1,
    "x +": 4,
    "x + + * y": 7,
    "(x + y": 1,
    "x + y)": 6,
    "2x": 2,
    "x y": 3,
    "x(y)": 1,
    "sin": 1,
    "sin x": 1,
    "sin()": 5,
    "sin(x, y)": 6,
    "polynomials": 1,
    "polynomials(-1)": 13,
    "polynomials(1.5)": 13,
    "polynomials(x)": 13,
    "polynomials(99999)": 1,
    "polynomials(2)^2": 1,
    "1/polynomials(2)": 3,
    "sqrt(polynomials(1))": 6,
    "rbf(5)": 1,
    "x - x + (y - y)": 10,
    "0*x": 1,
    "x\u00b2": 1,
    "(" * 200 + "x" + ")" * 200: 34,
    "-" * 200 + "x": 34,
    "x^" * 200 + "1": 67,
    "sqrt(" * 200 + "x" + ")" * 200: 166,
}


@pytest.mark.parametrize("text", BROKEN)
def test_bad_text_is_quoted_and_its_place_marked(text):
    with pytest.raises(IsotropyError) as caught:
        parse(text, "x,y")
    headline, quoted, marked = str(caught.value).split("\n")
    assert f"(character {BROKEN[text]})" in headline
    assert marked.strip() == "^"
    place = marked.index("^")
    shown = quoted[place : place + 1]
    assert shown == text[BROKEN[text] - 1 : BROKEN[text]]


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"]])
def test_a_text_must_be_a_string(text):
    with pytest.raises(IsotropyError, match="string"):
        parse(text, "x,y")


def test_unknown_names_list_what_is_known():
    with pytest.raises(IsotropyError, match="variables are vx, vy"):
        parse("x", "vx,vy")
    with pytest.raises(IsotropyError, match="sqrt, exp, log"):
        parse("arcsinh(vx)", "vx,vy")


def test_long_texts_are_refused_and_the_longest_allowed_are_read():
    with pytest.raises(IsotropyError, match="shorten"):
        parse("x+" * LONGEST_TEXT + "x", "x,y")
    assert parse("x+" * (LONGEST_TEXT // 2 - 1) + "x", "x,y").names == ("x",)
    assert str(parse_expression("x*" * (LONGEST_TEXT // 2 - 1) + "x", "x,y")) == f"x^{LONGEST_TEXT // 2}"


def test_nothing_is_evaluated(monkeypatch):
    import builtins

    import sympy

    def refuse(*arguments, **options):
        raise AssertionError("text was evaluated")

    for module, name in ((builtins, "eval"), (builtins, "exec"), (sympy, "sympify"), (sympy, "parse_expr")):
        monkeypatch.setattr(module, name, refuse)
    space = parse("polynomials(1) + 1/sqrt(x^2 + y^2)", "x,y")
    assert space.dimension == 4
    assert space.names[-1] == "1/sqrt(x^2 + y^2)"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="xyz0123456789.+-*/^() sincoqrtpelyma'_\"[]{}$\u2212\n", max_size=40))
def test_any_text_gives_a_space_or_one_clear_error(text):
    try:
        space = parse(text, "x,y,z")
    except IsotropyError:
        return
    assert space.dimension == len(space.names) >= 1


def test_sympy_agrees_with_values():
    space = parse("abs(x - y)*pi + x^(1/3)*exp(-x/3) + 1/sqrt(x^2 + y^2)^3 + 0.5*tanh(2.5*x)", "x,y")
    coefficients = np.array([0.5, -2.0, 1.25, 3.0])
    written = space.to_sympy(coefficients)
    got = float(written.subs({s: {"x": 0.75, "y": 1.5}[str(s)] for s in written.free_symbols}))
    terms = space.values([[0.75, 1.5]])[0] * coefficients
    assert abs(got - terms.sum()) <= 64 * EPS * np.abs(terms).sum()
