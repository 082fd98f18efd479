"""Poisson brackets, Noether both ways, and Hamiltonian structure found from a vector field.

Laws: antisymmetry, the Jacobi identity, [X_F, X_G] = -X_{F, G}. Oracles: SymPy's derivatives, a linear equation solved
as a matrix, known algebras.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sla
import sympy

import isotropy as iso
from isotropy.dynamics import PhaseSpace, brackets, invariant_forms, noether, on_shell
from isotropy.errors import IsotropyError
from isotropy.geometry.bracket import _closed_part
from isotropy.geometry.grammar import parse
from isotropy.spaces import Polynomials

SPACE = ("x", "y", "z", "px", "py", "pz")
PLANE = ("x", "y", "px", "py")


ONES = PhaseSpace.poisson(lambda x: jnp.ones((3, 3)), 3)
TWISTED = PhaseSpace.poisson(lambda x: jnp.array([[0, 1.0, x[0]], [-1, 0, 1], [-x[0], -1, 0]]), 3)
SKEW = [[0.0, 2, 0, 1], [-2, 0, 0, 0], [0, 0, 0, 3], [-1, 0, -3, 0]]


def some(count, dimension):
    return iso.Samples.normal(count, dimension, seed=0)


def kepler(z):
    return z[3:] @ z[3:] / 2 - 1 / jnp.sqrt(z[:3] @ z[:3])


def henon_heiles(z):
    return z @ z / 2 + z[0] ** 2 * z[1] - z[1] ** 3 / 3


def momentum(z):
    return jnp.cross(z[:3], z[3:])


def excentricity(z):
    return jnp.cross(z[3:], momentum(z)) - z[:3] / jnp.sqrt(z[:3] @ z[:3])


def entry(function, k):
    return lambda z: function(z)[k]


MOMENTA = [entry(momentum, k) for k in range(3)]
KEPLER = [*MOMENTA, *(entry(excentricity, k) for k in range(3)), kepler]
NAMES = ["L1", "L2", "L3", "A1", "A2", "A3", "H"]
SPIN = PhaseSpace.poisson(lambda x: -jnp.array([[0, -x[2], x[1]], [x[2], 0, -x[0]], [-x[1], x[0], 0]]), 3)


@pytest.fixture(scope="module")
def points():
    return some(100, 6).points


def test_angular_momentum_closes_to_so3(points):
    found = brackets(MOMENTA, points, names=NAMES[:3])
    assert found.name == "so(3)"
    assert [text for *_, text in found.table] == ["L3", "−L2", "L1"]


@pytest.mark.parametrize(("level", "name"), [(-0.5, "so(4)"), pytest.param(0.5, "so(1,3)", marks=pytest.mark.slow)])
def test_kepler_closes_on_a_shell_of_energy(points, level, name):
    shell = on_shell(kepler, level, points)
    found = brackets(KEPLER, shell, names=NAMES)
    assert found.name == name
    assert found.constant == (6,)


def test_kepler_closes_off_the_shell_with_the_energy_in_its_constants(points):
    found = brackets(KEPLER, points, names=NAMES)
    assert found.algebra is None
    assert found.degree == 2
    assert (3, 4, "−2 L3*H") in found.table


def test_brackets_agree_with_derivatives_by_sympy(points):
    symbols = sympy.symbols("x0:6")
    first, second = symbols[0] ** 2 * symbols[4] + symbols[5], symbols[3] * symbols[1] * symbols[0]
    expected = sum(
        sympy.diff(first, symbols[k]) * sympy.diff(second, symbols[k + 3])
        - sympy.diff(first, symbols[k + 3]) * sympy.diff(second, symbols[k])
        for k in range(3)
    )
    oracle = sympy.lambdify([symbols], expected, "numpy")
    laws = [lambda z: z[0] ** 2 * z[4] + z[5], lambda z: z[3] * z[1] * z[0]]
    values = brackets(laws, points).values[:, 0, 1]
    np.testing.assert_allclose(values, [oracle(p) for p in points], rtol=1e3 * np.finfo(float).eps, atol=1e-13)


@pytest.mark.parametrize("phase", [PhaseSpace.canonical(4), PhaseSpace.symplectic(SKEW)])
def test_fields_bracket_to_minus_the_field_of_the_bracket(phase):
    f, g = lambda z: z[0] ** 2 * z[3] + z[1], lambda z: jnp.sin(z[2]) * z[0] + z[3] ** 2
    with jax.enable_x64(True):
        z = jnp.asarray(np.random.default_rng(0).normal(size=4))
        a, b = phase.field(f), phase.field(g)
        bracket = jax.jvp(b, (z,), (a(z),))[1] - jax.jvp(a, (z,), (b(z),))[1]
        expected = -phase.field(phase.bracket(f, g))(z)
    np.testing.assert_allclose(bracket, expected, rtol=1e3 * np.finfo(float).eps, atol=1e-13)


def test_a_field_and_the_form_give_the_differential():
    form = np.array(SKEW)
    z = jnp.asarray(np.random.default_rng(0).normal(size=4), jnp.float32)
    field = PhaseSpace.symplectic(form).field(lambda z: z @ z / 2)(z)
    np.testing.assert_allclose(field @ form, z, rtol=1e3 * np.finfo(np.float32).eps, atol=1e-5)


def test_a_rigid_body_and_its_casimir():
    energy, casimir = (lambda x: x[0] ** 2 + 2 * x[1] ** 2 + 3 * x[2] ** 2), (lambda x: x @ x)
    samples = some(50, 3)
    assert not brackets([energy, casimir], samples, phase=SPIN).table
    found = brackets([lambda x: x[0], lambda x: x[1], lambda x: x[2]], samples, phase=SPIN)
    assert found.name == "so(3)"
    assert [text for *_, text in found.table] == ["I3", "−I2", "I1"]


def test_positions_and_momenta_make_the_heisenberg_algebra():
    found = brackets([lambda z: z[0], lambda z: z[1]], some(20, 2))
    assert found.name == "heisenberg(1)"


def test_a_bracket_broken_by_a_thousandth_does_not_close(points):
    broken = [*MOMENTA[:2], lambda z: momentum(z)[2] + 1e-3 * jnp.sin(z[0])]
    found = brackets(broken, points)
    assert found.degree is None
    assert found.algebra is None
    assert found.residual > 1e-5


@pytest.mark.slow
def test_brackets_of_laws_found_from_motions(points):
    field = PhaseSpace.canonical(6).field(lambda z: z @ z / 2)
    with jax.enable_x64(True):
        laws = iso.conserve(iso.Trajectories.from_field(jax.jit(field), points[:60]), Polynomials(6, degree=2))
    assert laws.dimension == 9
    assert brackets(laws, points).name == "u(3)"


CENTRAL = (
    lambda z: z[3:] @ z[3:] / 2 + (z[:3] @ z[:3]) ** 2 / 4,
    "polynomials(1) + x*(x^2+y^2+z^2) + y*(x^2+y^2+z^2) + z*(x^2+y^2+z^2)",
    "polynomials(2) + (x^2+y^2+z^2)^2",
)


@pytest.fixture(scope="module")
def of_central():
    hamiltonian, candidates, functions = CENTRAL
    fields = iso.VectorFields(parse(candidates, SPACE))
    return noether(hamiltonian, fields, some(80, 6), parse(functions, SPACE))


def test_a_central_force_has_four_pairs(of_central):
    assert of_central.one_to_one
    assert of_central.symmetries.name == "so(3)+R"
    assert ("x*py − y*px", "x ∂y − y ∂x − py ∂px + px ∂py") in of_central.pairs
    assert len(of_central.pairs) == 4


@pytest.mark.slow
def test_the_fields_of_the_laws_are_those_of_automatic_differentiation(of_central):
    functions = parse(CENTRAL[2], SPACE)
    action = iso.Action.hamiltonian(iso.VectorFields(parse(CENTRAL[1], SPACE)))
    z = iso.Samples.normal(5, 6, seed=1).points
    fields = np.einsum("pqi,kq->kpi", action.fields(z), of_central.fields)
    with jax.enable_x64(True):
        for field, weights in zip(fields, of_central.functions, strict=True):
            law = lambda x, w=weights: jnp.asarray(w) @ functions(x)  # noqa: E731
            expected = jax.vmap(PhaseSpace.canonical(6).field(law))(jnp.asarray(z))
            scale = float(np.abs(expected).max())
            np.testing.assert_allclose(field, expected, atol=1e4 * np.finfo(float).eps * scale)


@pytest.mark.slow
def test_henon_heiles_has_its_energy_alone():
    fields = iso.VectorFields(Polynomials(4, degree=2, variables=PLANE))
    found = noether(henon_heiles, fields, some(100, 4), Polynomials(4, degree=3, variables=PLANE))
    assert found.one_to_one
    assert [law for law, _ in found.pairs] == ["x^2 + y^2 + px^2 + py^2 + 2 x^2*y − 2/3 y^3"]


def test_a_symmetry_broken_by_a_thousandth_has_no_pair():
    spring = lambda z: z @ z / 2 + 1e-3 * z[0] ** 2  # noqa: E731
    found = noether(spring, iso.groups.GL(4), some(60, 4), Polynomials(4, degree=2))
    assert found.one_to_one
    assert len(found.pairs) == 2  # the energies of two springs that differ, not the four of u(2)


def test_what_has_no_partner_is_listed():
    found = noether(
        lambda z: z @ z / 2,
        iso.groups.SO(4),
        some(60, 4),
        parse("x*py-y*px+x^2+px^2+y^2+py^2", PLANE),
    )
    assert not found.one_to_one
    assert len(found.without_law) >= 1


@pytest.mark.slow
def test_a_casimir_is_a_law_without_a_symmetry():
    energy = lambda x: x[0] ** 2 + 2 * x[1] ** 2 + 3 * x[2] ** 2  # noqa: E731
    fields = iso.VectorFields(Polynomials(3, degree=2))
    found = noether(energy, fields, some(60, 3), Polynomials(3, degree=2), phase=SPIN)
    assert len(found.pairs) + len(found.without_symmetry) == found.laws.dimension == 2


KEPLER_FIELDS = "polynomials(2)*(1/sqrt(x^2+y^2+z^2)^3) + polynomials(2)"
KEPLER_LAWS = "polynomials(3) + polynomials(1)*(1/sqrt(x^2+y^2+z^2))"
TODA = ("q1", "q2", "q3", "p1", "p2", "p3")
POWERS = "p1 + p2 + p3 + p1*p2 + p1*p3 + p2*p3 + p1^2 + p2^2 + p3^2"
CUBES = "p1^3 + p2^3 + p3^3 + p1^2*p2 + p1^2*p3 + p2^2*p1 + p2^2*p3 + p3^2*p1 + p3^2*p2 + p1*p2*p3"
SPRINGS = " + ".join(f"{p}exp({d})" for d in ("q1-q2", "q2-q3", "q3-q1") for p in ("", "p1*", "p2*", "p3*"))


def toda(z):
    return z[3:] @ z[3:] / 2 + jnp.exp(z[0] - z[1]) + jnp.exp(z[1] - z[2]) + jnp.exp(z[2] - z[0])


@pytest.mark.slow
def test_toda_has_its_third_integral():
    fields = iso.VectorFields(parse(f"1 + {POWERS} + {SPRINGS}", TODA))
    functions = parse(f"{POWERS} + {CUBES} + {SPRINGS}", TODA)
    found = noether(toda, fields, some(100, 6), functions)
    assert found.one_to_one
    assert found.symmetries.name == "R^6"
    assert len(found.laws.independent) == 3
    assert any("p1*p2*p3 − p3*exp(q1 - q2)" in law for law, _ in found.pairs)


@pytest.mark.slow
def test_kepler_has_seven_pairs():
    fields = iso.VectorFields(parse(KEPLER_FIELDS, SPACE))
    # More samples than seem needed: the answer is certain once half of them give the same one.
    found = noether(kepler, fields, some(400, 6), parse(KEPLER_LAWS, SPACE))
    assert found.one_to_one
    assert len(found.pairs) == 7
    assert len(found.laws.independent) == 5
    assert found.symmetries.decision.verdict == found.laws.decision.verdict == "certain"


def test_brackets_at_many_points_fit_in_memory():
    """As long as those of Kepler's fields: square matrices of this size would not."""
    brackets_of = np.zeros((3, 3, 100_000))
    brackets_of[0, 1, 7], brackets_of[1, 0, 7] = 1.0, -1.0
    kept = _closed_part(brackets_of, 0.0, 3)
    np.testing.assert_allclose(np.abs(kept), [[0, 0, 1]], atol=3 * np.finfo(np.float64).eps)


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_answers_are_saved_and_loaded(tmp_path, points, of_central, ending):
    answers = {
        "table": brackets(KEPLER, points, names=NAMES),
        "so3": brackets(MOMENTA, points, names=NAMES[:3]),
        "pairs": of_central,
        "forms": invariant_forms(lambda z: jnp.array([z[1], -z[0]]), some(20, 2), functions=Polynomials(2, degree=2)),
    }
    for name, answer in answers.items():
        again = type(answer).load(answer.save(tmp_path / f"{name}.{ending}"))
        assert str(again) == str(answer)
        for (key, mine), (_, theirs) in zip(answer.to_dict().items(), again.to_dict().items(), strict=True):
            np.testing.assert_equal(theirs, mine, err_msg=key)
    with pytest.raises(IsotropyError, match="holds a 'brackets', not a 'noether'"):
        type(of_central).load(tmp_path / f"table.{ending}")


@pytest.mark.parametrize("seed", range(3))
def test_constant_forms_of_a_linear_field_solve_a_linear_equation(seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(4, 4))
    if seed == 1:  # Hamiltonian by construction: J times a symmetric matrix
        a = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]]) @ (a + a.T)
    if seed == 2:
        a = np.diag([1.0, -1.0, 1.0, -1.0])
    rows = np.kron(a.T, np.eye(4)) + np.kron(np.eye(4), a.T)
    unit = np.eye(16).reshape(4, 4, 16)
    anti = np.array([unit[i, j] - unit[j, i] for i in range(4) for j in range(i)])
    expected = sla.null_space(rows @ anti.T).shape[1]
    found = invariant_forms(lambda z: jnp.asarray(a) @ z, iso.Samples.normal(40, 4, seed=seed))
    assert found.dimension == expected == (0, 2, 4)[seed]
    assert found.symplectic is (seed > 0)


def test_lotka_volterra_is_hamiltonian_with_a_form_of_its_own():
    field = lambda z: jnp.array([z[0] * (1 - z[1]), z[1] * (z[0] - 1)])  # noqa: E731
    names = ("x", "y")
    space, functions = parse("1 + x + y + 1/x + 1/y + 1/(x*y)", names), parse("x + y + log(x) + log(y)", names)
    samples = iso.Samples.uniform(40, 2, seed=0, low=0.5, high=2.0)
    found = invariant_forms(field, samples, space=space, functions=functions)
    assert found.text == ("1/(x*y) dx∧dy",)
    assert found.hamiltonians == ("−x − y + log(x) + log(y)",)
    phase = found.phase([1.0])
    law = lambda z: -z[0] - z[1] + jnp.log(z[0]) + jnp.log(z[1])  # noqa: E731
    z = jnp.array([0.7, 1.3])
    np.testing.assert_allclose(phase.field(law)(z), field(z), rtol=1e3 * np.finfo(np.float32).eps)


def test_friction_of_a_thousandth_leaves_no_form():
    field = lambda z: jnp.array([z[1], -z[0] - 1e-3 * z[1]])  # noqa: E731
    found = invariant_forms(field, some(40, 2))
    assert found.dimension == 0
    assert found.decision.verdict == "certain"


def test_a_degenerate_form_is_said_to_be_one():
    field = lambda z: jnp.array([z[1], -z[0], 1.0])  # noqa: E731  an oscillator beside a clock
    found = invariant_forms(field, some(40, 3))
    assert found.dimension == 1
    assert not found.symplectic
    assert found.rank == 2
    assert "degenerate" in str(found)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PhaseSpace.canonical(3), "even"),
        (lambda: PhaseSpace.symplectic(np.zeros((2, 2))), "degenerate"),
        (lambda: PhaseSpace.symplectic([[0.0, 1, 0], [-1, 0, 0], [0, 0, 0]]), "rank is 2 of 3"),
        (lambda: PhaseSpace.symplectic(np.eye(2)), "antisymmetric"),
        (lambda: PhaseSpace.poisson([[0.0, np.nan], [0, 0]]), "tensor"),
        (lambda: PhaseSpace.poisson(lambda x: jnp.eye(2)), "dimension"),
        (lambda: brackets([], some(50, 2)), "list of scalar"),
        (lambda: brackets([lambda z: z[0], lambda z: z[1]], some(3, 2)), "3 points"),
        (lambda: brackets([lambda z: z[0]], some(9, 2), names=["a", "b"]), "name the 1"),
        (lambda: brackets([lambda z: jnp.log(z[0])], some(9, 2)), "not finite"),
        (lambda: brackets([lambda z: z[0]], some(9, 2), phase=PhaseSpace.canonical(4)), "R\\^2"),
        (lambda: brackets([lambda z: z[0]], some(9, 3), phase=ONES), "antisymmetric"),
        (lambda: brackets([lambda z: z[0]], some(9, 3), phase=TWISTED), "Jacobi"),
        (lambda: noether(kepler, iso.groups.GL(2), some(50, 4), Polynomials(4, degree=2)), "share one phase space"),
        (lambda: noether(henon_heiles, iso.groups.GL(4), some(50, 4), "x"), "space of functions"),
        (lambda: invariant_forms(lambda z: z, some(9, 1)), "two coordinates"),
        (lambda: invariant_forms(lambda z: z[:1], some(9, 2)), "shape"),
        (lambda: invariant_forms(lambda z: z * jnp.nan, some(9, 2)), "NaN"),
        (lambda: invariant_forms(lambda z: z, some(2, 2), space=Polynomials(2, degree=4)), "2 samples"),
        (lambda: invariant_forms(lambda z: z, some(9, 2), space=Polynomials(3, degree=1)), "R\\^2"),
        (lambda: on_shell(lambda z: z @ z, -1.0, np.ones((4, 2))), "level"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(iso.IsotropyError, match=message):
        make()
