"""Whatever is handed in, the library answers with one sentence on what was wrong, never with a traceback of its own."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import groups, spaces

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
SAMPLES = iso.Samples(X)
GL3 = iso.Action(groups.GL(3))
V = groups.SO(3).vector
T = np.linspace(0, 6, 60)
Z = np.stack([np.cos(T), -np.sin(T)], axis=1)
QUADRATIC = spaces.Polynomials(2, degree=2)


def square(x):
    return x @ x


MODELS = {
    "a number": (3, "`model` must be a function of one point. Got int"),
    "too many outputs": (lambda x: x, "returns shape .3,."),
    "text": (lambda x: "a", "could not be evaluated by JAX"),
    "nothing": (lambda x: None, "must return one array. Got NoneType"),
    "integers": (lambda x: jnp.round(x[0]).astype(int), "must return real floating-point numbers"),
    "complex numbers": (lambda x: x[0] + 1j, "must return real floating-point numbers"),
    "NumPy inside": (lambda x: np.sin(x[0]), "Write it with `jax.numpy`"),
    "float() inside": (lambda x: float(x[0]), "could not be evaluated by JAX"),
    "a value that is NaN": (lambda x: jnp.sqrt(x[0]), "gave NaN or infinity.*at sample 3"),
    "a derivative that is NaN": (lambda x: jnp.sqrt(jnp.abs(0 * x[0])), "gave NaN or infinity.*at sample 0"),
    "its input ignored": (lambda x: 1.0, "does not depend on its input"),
    "its input multiplied by zero": (lambda x: 0 * x[0], "does not depend on its input"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model, sentence = MODELS[name]
    with pytest.raises(iso.IsotropyError, match=sentence):
        iso.discover(model, GL3, SAMPLES)


CALLS = {
    "a group for an action": (lambda: iso.discover(square, groups.GL(3), SAMPLES), "`action` says how"),
    "an array for samples": (lambda: iso.discover(square, GL3, X), "pass `iso.Samples"),
    "candidates of another dimension": (
        lambda: iso.discover(square, iso.Action(groups.GL(2)), SAMPLES),
        "points of R.3, but .* acts on R.2",
    ),
    "candidates without generators": (
        lambda: iso.discover(square, iso.Action(groups.S(3)), SAMPLES),
        "no generators to find symmetries among",
    ),
    "too few samples": (lambda: iso.discover(square, GL3, iso.Samples(X[:2])), "take at least"),
    "a batch of nothing": (lambda: iso.discover(square, GL3, SAMPLES, batch_size=0), "`batch_size` must be"),
    "no samples": (lambda: iso.Samples(np.zeros((0, 3))), "is empty"),
    "NaN in samples": (lambda: iso.Samples(np.where(X > 2, np.nan, X)), "NaN or infinite, the first at index"),
    "text in samples": (lambda: iso.Samples([["1", "a"]]), "must be an array of numbers"),
    "samples and data": (lambda: iso.discover(iso.Data(X, X), GL3, SAMPLES), "`Data` brings its own samples"),
    "data of another dimension": (
        lambda: iso.discover(iso.Data(X, X[:, 0]), iso.Action(groups.GL(2))),
        "points of R.3, but .* acts on R.2",
    ),
    "data of unequal length": (lambda: iso.Data(X, X[:-1]), "as many rows. Got 50 and 49"),
    "data with one input": (lambda: iso.Data(np.ones((50, 3)), X), "all 50 rows of `X` are equal"),
    "data within their errors": (lambda: iso.Data(X, X, input_noise=9.0), "no more than `input_noise`"),
    "labels that are all the same": (lambda: iso.discover(iso.Data(X, np.ones(50)), GL3), "all 50 outputs are equal"),
    "fewer data than unknowns": (lambda: iso.discover(iso.Data(X[:5], X[:5, 0]), GL3), "take at least 18 samples"),
    "NaN in data": (lambda: iso.Data(X, np.where(X > 2, np.nan, X)), "`Y` has"),
    "times of another length": (lambda: iso.Trajectories(T[:-1], Z), "`t` must have shape"),
    "times that repeat": (lambda: iso.Trajectories(np.r_[T, T], np.r_[Z, Z]), "`t` repeats 60"),
    "motions too short": (lambda: iso.Trajectories(T[:5], Z[:5]), "Velocities need at least"),
    "NaN in states": (lambda: iso.Trajectories(T, np.where(Z > 0.9, np.nan, Z)), "`Z` has"),
    "a space of another dimension": (
        lambda: iso.conserve(iso.Trajectories(T, Z), spaces.Polynomials(3, degree=2)),
        "functions of 3 variables .* 2 coordinates",
    ),
    "text for a space": (lambda: iso.conserve(iso.Trajectories(T, Z), "polynomials(2)"), "`space` must be a space"),
    "a state at rest": (
        lambda: iso.conserve(iso.Trajectories(T, Z, velocities=0 * Z), QUADRATIC),
        "Nothing moves",
    ),
    "matrices that do not close": (lambda: groups.Group(groups.SO(3).matrices[:2]), "closed under the bracket"),
    "matrices that are not square": (lambda: groups.Group(np.zeros((2, 3, 4))), "square matrices"),
    "matrices that repeat": (lambda: groups.Group([np.eye(2), np.eye(2)]), "independent"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    call, sentence = CALLS[name]
    with pytest.raises(iso.IsotropyError, match=sentence):
        call()


def test_data_that_say_nothing_give_no_claim():
    noise = RNG.normal(size=len(X))
    found = iso.discover(iso.Data(X, noise), GL3)
    assert found.decision.verdict == "cannot tell"


@pytest.mark.parametrize("count", [6, 15])
def test_data_that_repeat_are_no_more_than_their_different_rows(count):
    """Each of a few random pairs ten times: left-out errors of a fit to them are small and say nothing."""
    inputs, outputs = (np.repeat(RNG.normal(size=(count, n)), 10, axis=0) for n in (3, 1))
    assert iso.discover(iso.Data(inputs, outputs), GL3).decision.verdict == "cannot tell"


def test_equal_outputs_that_candidates_move_have_the_symmetries_of_a_vector():
    found = iso.discover(iso.Data(X, np.ones((50, 3))), iso.Action(groups.GL(3).vector, groups.GL(3).vector))
    assert (found.name, found.dimension) == ("aff(2)", 6)


def test_repeated_samples_are_counted_in_a_warning():
    with pytest.warns(iso.IsotropyWarning, match="Only 3 of the 60 sample points are different"):
        iso.Samples(np.repeat(X[:3], 20, axis=0))


def test_an_error_of_the_users_own_is_left_alone():
    with pytest.raises(ZeroDivisionError):
        iso.discover(lambda x: 1 / 0, GL3, SAMPLES)
