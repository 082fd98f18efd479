"""What the jitted nuclear-norm least squares refuses, and what it takes as it comes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy.numerics.convex_jax import nuclear_least_squares

RNG = np.random.default_rng(0)
DESIGN, TARGETS, OPERATOR = (RNG.normal(size=s).astype(np.float32) for s in ((20, 4), (20, 1), (6, 3, 4)))


@pytest.mark.parametrize("strength", [0, 0.0, -1.0, np.nan, np.inf, True, "a", None, np.ones(2), jnp.asarray(-0.1)])
def test_the_strength_is_positive(strength):
    with pytest.raises(iso.IsotropyError, match="`strength` must be one finite number > 0") as caught:
        nuclear_least_squares(DESIGN, TARGETS, OPERATOR, strength)
    assert ("lstsq" in str(caught.value)) == (isinstance(strength, int | float) and not strength)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": 0.0}, "`tolerance` must be one finite number > 0"),
        ({"iterations": 0}, "`iterations` must be a positive integer. Got 0"),
        ({"iterations": 2.5}, "`iterations` must be a positive integer. Got 2.5"),
        ({"design": DESIGN[:, 0]}, r"`design` must have 2 axes and at least one entry. Got shape \(20,\)"),
        ({"design": DESIGN[:0]}, "at least one entry"),
        ({"targets": TARGETS[..., None]}, "`targets` must have 1 or 2 axes"),
        ({"targets": TARGETS[:5]}, "`targets` needs the 20 rows of `design` and `operator` its 4 columns.*Got 5 and 4"),
        ({"operator": OPERATOR[..., :3]}, "Got 20 and 3"),
        ({"operator": OPERATOR[0]}, "`operator` must have 3 axes"),
        ({"targets": np.where(TARGETS > 1, np.nan, TARGETS)}, "`targets` has NaN or infinite entries"),
        ({"targets": TARGETS * 1j}, "`targets` must be real"),
        ({"design": [[1.0], [1.0, 2.0]]}, "`design` must be an array of numbers. Got list"),
    ],
)
def test_bad_input_is_told_what_to_do(change, message):
    arguments = {"design": DESIGN, "targets": TARGETS, "operator": OPERATOR, "strength": 0.1} | change
    with pytest.raises(iso.IsotropyError, match=message):
        nuclear_least_squares(**arguments)


def test_one_column_may_come_flat_and_strengths_traced():
    found = nuclear_least_squares(DESIGN, TARGETS[:, 0], OPERATOR, 0.1)
    column = nuclear_least_squares(DESIGN, TARGETS, OPERATOR, 0.1)
    assert found.coefficients.shape == (4, 1)
    assert bool((found.coefficients == column.coefficients).all())
    level = float(np.sqrt(np.finfo(np.float32).eps))
    traced = jax.jit(lambda y, s: nuclear_least_squares(DESIGN, y, OPERATOR, s))(TARGETS[:, 0], 0.1)
    assert float(traced.value) == pytest.approx(float(column.value), rel=2 * level)
    several = jax.vmap(lambda s: nuclear_least_squares(DESIGN, TARGETS, OPERATOR, s).gap)(jnp.asarray([0.1, 0.2]))
    assert bool(jnp.isfinite(several).all())


def test_whole_numbers_are_computed_as_floating_point():
    whole = [np.round(3 * a).astype(int) for a in (DESIGN, TARGETS, OPERATOR)]
    found, same = (nuclear_least_squares(*(a.astype(t) for a in whole), 0.1) for t in (int, np.float32))
    assert float(found.value) == float(same.value)
