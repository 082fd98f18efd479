"""assert_equivariant: passes what is equivariant at any precision, refuses what is broken by 1e-3, and says where."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isotropy import Action, IsotropyError, IsotropyWarning, Samples, VectorFields, enforce, groups, spaces
from isotropy.testing import assert_equivariant

V = groups.SO(3).vector


def gravity(x):
    """The force between two bodies and a vector that turns along."""
    r = x[:3] - x[3:6]
    return r / jnp.linalg.norm(r) ** 3 + x[6:] * (r @ r)


SE3 = groups.SE(3)
CASES = [
    (lambda x: (x @ x) * x, Action(V, V)),
    (lambda x: jnp.stack([x @ x]), Action(groups.O(3))),
    (gravity, Action(2 * SE3.point + SE3.vector, SE3.vector)),
    (lambda x: (x[:3] + x[3:]) / 2, Action(2 * SE3.point, SE3.point)),
    (lambda x: jnp.sort(x), Action(groups.S(4).vector, 4 * groups.S(4).scalar)),
    (lambda x: x**3, Action(groups.S(4).vector, groups.S(4).vector)),
    (lambda x: jnp.outer(x, x), Action.tensor(groups.GL(3), upper=2)),
    (lambda x: jnp.eye(2), Action.tensor(groups.E(2), lower=2)),
    (lambda x: -x, Action.vector_field(groups.GL(3))),
    (lambda x: 1 / (x @ x), Action.density(groups.SO(2))),
    (lambda x: jnp.stack([x[0] ** 2 - x[1] ** 2 - x[2] ** 2]), Action(groups.O(1, 2))),
]


@pytest.mark.parametrize(("model", "action"), CASES, ids=[str(a) for _, a in CASES])
def test_equivariant_models_pass(model, action):
    assert_equivariant(model, action, samples=Samples.normal(20, action.base_dimension, seed=1))


@pytest.mark.parametrize("seed", range(3))
def test_equivariant_models_pass_in_single_precision(seed):
    for model, action in (CASES[0], CASES[-1]):
        assert_equivariant(model, action, seed=seed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("model", "action"), CASES[:4], ids=[str(a) for _, a in CASES[:4]])
def test_a_symmetry_broken_by_a_thousandth_is_refused(model, action, dtype):
    m = action.base_dimension
    samples = Samples.normal(20, m, seed=0, dtype=dtype)
    broken = lambda x: model(x) + 1e-3 * x[0] * jnp.ones(action.fibre_dimension, x.dtype)  # noqa: E731
    with pytest.raises(AssertionError, match="not equivariant"):
        assert_equivariant(broken, action, samples=samples)


def test_the_message_names_the_generator_the_sample_and_the_defect():
    bent = lambda x: x[0] ** 2 + 2 * x[1] ** 2  # noqa: E731
    samples = Samples([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(lambda x: jnp.stack([bent(x)]), Action(groups.SO(2)), samples=samples)
    text = str(caught.value)
    assert "the generator x ∂y − y ∂x" in text
    assert "at 1 of 3 samples, most at sample 1, x = [1. 1.]" in text
    # L F = 2 x y at (1, 1), against |2 x y| + |4 x y|.
    assert "relative defect of 3.33e-01" in text


def test_a_component_alone_is_tried():
    with pytest.raises(AssertionError, match=r"component 0, the element \[\[-1"):
        assert_equivariant(lambda x: jnp.stack([x[0] * x[3] - x[1] * x[2]]), Action(2 * groups.O(2).vector))


def test_finite_elements_see_what_the_samples_derivatives_miss():
    # Constant on each side of a wall: every derivative is zero, and yet turning across the wall changes the value.
    step = lambda x: jnp.stack([jnp.where(x[0] > 0, 1.0, 0.0)])  # noqa: E731
    with pytest.raises(AssertionError, match=r"the element exp\("):
        assert_equivariant(step, Action(groups.SO(2)), samples=Samples.normal(200, 2, seed=0))


def test_a_model_of_float16_weights_is_held_to_its_own_precision():
    class Scaled(eqx.Module):
        weight: jax.Array

        def __call__(self, x):
            # One weight a coordinate, all of them a third to within float16.
            return x * self.weight

    third = jnp.asarray([1 / 3, 1 / 3, 1 / 3], jnp.float16).at[0].add(jnp.finfo(jnp.float16).eps / 4)
    assert_equivariant(Scaled(third), Action(V, V))
    with pytest.raises(AssertionError):
        assert_equivariant(Scaled(third.astype(jnp.float32) * jnp.array([1.0, 1.01, 1.0])), Action(V, V))


def test_every_element_of_an_enforced_basis_passes():
    action = Action(V, V)
    basis = enforce(action, spaces.Polynomials(3, degree=3))
    weights = jnp.asarray([0.3, -1.2])
    assert_equivariant(lambda x: weights.astype(x.dtype) @ basis(x), action)


def test_rtol_replaces_the_tolerance():
    nearly = lambda x: x * jnp.asarray([1.0, 1.001, 1.0], x.dtype)  # noqa: E731
    assert_equivariant(nearly, Action(V, V), rtol=1e-2)
    with pytest.raises(AssertionError):
        assert_equivariant(nearly, Action(V, V), rtol=1e-5)


def test_fields_of_a_space_are_tried_by_their_generators():
    fields = VectorFields(spaces.Polynomials(2, degree=0))
    assert_equivariant(lambda x: jnp.eye(2), Action.tensor(fields, lower=2))
    with pytest.raises(AssertionError, match="the generator ∂x"):
        assert_equivariant(lambda x: jnp.eye(2) * (1 + x[0] ** 2), Action.tensor(fields, lower=2))


def test_zero_is_equivariant_and_says_so():
    with pytest.warns(IsotropyWarning, match="zero at every sample"):
        assert_equivariant(lambda x: 0 * x, Action(V, V))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assert_equivariant(lambda x: x, V), "`action` says how"),
        (lambda: assert_equivariant(lambda x: x[:2], Action(V, V)), "returns shape"),
        (lambda: assert_equivariant(3, Action(V, V)), "must be a function"),
        (lambda: assert_equivariant(lambda x: x, Action(V, V), samples=Samples.normal(9, 2, seed=0)), "R\\^2"),
        (lambda: assert_equivariant(lambda x: x, Action(V, V), rtol=-1.0), "must not be negative"),
        (lambda: assert_equivariant(lambda x: x / 0, Action(V, V)), "NaN or infinity"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(IsotropyError, match=message):
        call()
