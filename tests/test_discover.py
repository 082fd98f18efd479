"""Known answers from the literature, the same broken by one part in a thousand, and what a user gets wrong."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isotropy as iso
from isotropy import groups, spaces

EPS = np.finfo(np.float64).eps
QUADRATIC = {m: spaces.Polynomials(m, degree=2) for m in (2, 4)}


def paraboloid(x):
    return x[0] ** 2 + x[1] ** 2 + 3 * x[2]


def minkowski(x):
    return jnp.diag(jnp.array([-1, 1, 1, 1], x.dtype)) + 0 * x[0]


def schwarzschild(x):
    """Kerr-Schild coordinates, mass 1, no rotation."""
    r = jnp.sqrt(x[1:] @ x[1:])
    null = jnp.concatenate([jnp.ones(1, x.dtype), x[1:] / r])
    return minkowski(x) + 2 / r * jnp.outer(null, null)


def sphere(x):
    return 4 / (1 + x @ x) ** 2 * jnp.eye(2, dtype=x.dtype)


def half_plane(x):
    return jnp.eye(2, dtype=x.dtype) / x[1] ** 2


def kepler(x):
    return -x / (x @ x) ** 1.5


def oscillator(z):
    return jnp.concatenate([z[2:], -z[:2]])


def shell(count, seed):
    """Events whose distance from the centre lies between 3 and 8 masses, outside the horizon."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 4))
    radius = np.linalg.norm(points[:, 1:], axis=1)
    points[:, 1:] *= (rng.uniform(3, 8, count) / radius)[:, None]
    return iso.Samples(points)


# name: model, action, samples, dimension, algebra
CASES = {
    "paraboloid": (paraboloid, iso.Action(groups.Aff(3)), iso.Samples.normal(200, 3, seed=0), 3, "se(2)"),
    "Minkowski, affine": (
        minkowski,
        iso.Action.tensor(groups.Aff(4), lower=2),
        iso.Samples.normal(60, 4, seed=0),
        10,
        "poincare(1,3)",
    ),
    "Minkowski, quadratic": (
        minkowski,
        iso.Action.tensor(iso.VectorFields(QUADRATIC[4]), lower=2),
        iso.Samples.normal(60, 4, seed=0),
        10,
        "poincare(1,3)",
    ),
    "Minkowski, conformal": (
        minkowski,
        iso.Action.tensor(iso.VectorFields(QUADRATIC[4]), lower=2, factor=spaces.Polynomials(4, degree=1)),
        iso.Samples.normal(60, 4, seed=0),
        15,
        "so(2,4)",
    ),
    "Schwarzschild": (
        schwarzschild,
        iso.Action.tensor(iso.VectorFields(QUADRATIC[4]), lower=2),
        shell(80, 0),
        4,
        "so(3)+R",
    ),
    "round sphere": (
        sphere,
        iso.Action.tensor(iso.VectorFields(QUADRATIC[2]), lower=2),
        iso.Samples.normal(50, 2, seed=1),
        3,
        "so(3)",
    ),
    "hyperbolic plane": (
        half_plane,
        iso.Action.tensor(iso.VectorFields(QUADRATIC[2]), lower=2),
        iso.Samples.uniform(50, 2, low=[-1, 0.5], high=[1, 2], seed=1),
        3,
        "sl(2,R)",
    ),
    "Kepler force": (
        kepler,
        iso.Action.independent(groups.GL(3), groups.GL(3)),
        iso.Samples.normal(200, 3, seed=1),
        4,
        "so(3)+R",
    ),
    "oscillator": (
        oscillator,
        iso.Action.vector_field(groups.GL(4)),
        iso.Samples.normal(100, 4, seed=1),
        8,
        "gl(2,C)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_answers(name):
    model, action, samples, dimension, algebra = CASES[name]
    found = iso.discover(model, action, samples)
    assert (found.dimension, found.name, found.decision.verdict) == (dimension, algebra, "certain")
    assert found.decision.gap > 1e9
    assert found.unseen.dimension == 0
    assert found.closure <= 1e4 * EPS
    assert found.defects.max() <= found.decision.floor


def perturbed(name, size):
    """The model plus a relative perturbation with nothing in common with it, and the candidates that both keep."""
    model, action, samples, _, _ = CASES[name]
    rng = np.random.default_rng(7)
    # as many directions as coordinates: a ridge function alone keeps what moves along its level sets
    m = action.base_dimension
    directions = rng.normal(size=(action.fibre_dimension, m, m))

    def broken(x):
        value = model(x)
        flat = jnp.ravel(value)
        waves = jnp.sin(jnp.asarray(directions, x.dtype) @ x + jnp.arange(m, dtype=x.dtype))
        extra = jnp.sum(waves, axis=1)
        return value + size * jnp.sqrt(flat @ flat) * extra.reshape(jnp.shape(value))

    return broken, action, samples


@pytest.mark.parametrize("name", CASES)
def test_a_break_of_one_part_in_a_thousand_is_refused(name):
    found = iso.discover(*perturbed(name, 1e-3))
    assert found.dimension == 0, str(found)
    assert found.decision.verdict == "certain"


def test_only_the_broken_generators_are_refused():
    found = iso.discover(lambda x: paraboloid(x) + 1e-3 * x[0] ** 3, CASES["paraboloid"][1], CASES["paraboloid"][2])
    assert found.generator_text == ("3 ∂y − 2 y ∂z",)


@pytest.mark.parametrize("name", ["paraboloid", "Minkowski, affine", "round sphere", "Kepler force", "oscillator"])
def test_float32_gives_the_same_answer(name):
    model, action, samples, dimension, algebra = CASES[name]
    found = iso.discover(model, action, iso.Samples(samples.points.astype(np.float32)))
    assert (found.dimension, found.name) == (dimension, algebra)
    assert found.settings["dtype"] == "float32"
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("seed", range(3))
def test_a_random_polynomial_has_no_symmetry(seed):
    space = spaces.Polynomials(5, degree=4)
    weights = np.random.default_rng(seed).normal(size=space.dimension)
    found = iso.discover(
        lambda x: space(x) @ jnp.asarray(weights, x.dtype),
        iso.Action(groups.GL(5)),
        iso.Samples.normal(100, 5, seed=seed),
    )
    assert (found.dimension, found.name, found.decision.verdict) == (0, "none", "certain")
    assert "no symmetry: 0 of 25" in str(found)


@pytest.mark.parametrize("power", [-3.0, -2.0, 1.0, 0.5])
def test_scaling_laws_of_central_forces(power):
    found = iso.discover(
        lambda x: -x * (x @ x) ** ((power - 1) / 2),
        iso.Action.independent(groups.GL(3), groups.GL(3)),
        iso.Samples.normal(200, 3, seed=2),
    )
    if power == 1.0:  # a linear force: every matrix on x has its partner on a
        assert found.dimension == 9
        assert found.name == "gl(3,R)"
        return
    assert found.dimension == 4
    (scaling,) = (g for g in found.generators if abs(np.trace(g[:3, :3])) > 0.5)
    assert scaling[3, 3] / scaling[0, 0] == pytest.approx(power, abs=1e-8)


def test_keplers_third_law_in_words():
    model, action, samples, *_ = CASES["Kepler force"]
    text = str(iso.discover(model, action, samples))
    assert "p = −2" in text
    assert "period ~ s^((1−p)/2) = s^(3/2)" in text


def test_words():
    model, action, samples, *_ = CASES["paraboloid"]
    found = iso.discover(model, action, samples)
    assert str(found).startswith("se(2): 3 of 12 candidate generators (verdict: certain, gap ")
    assert set(found.generator_text) == {"x ∂y − y ∂x", "3 ∂x − 2 x ∂z", "3 ∂y − 2 y ∂z"}


def test_to_sympy_moves_the_function_nowhere():
    import sympy

    model, action, samples, *_ = CASES["paraboloid"]
    x, y, z = sympy.symbols("x y z")
    for velocity in iso.discover(model, action, samples).to_sympy():
        along = sum(velocity[s] * sympy.diff(x**2 + y**2 + 3 * z, s) for s in (x, y, z))
        assert sympy.simplify(along) == 0


@pytest.mark.parametrize("suffix", ["json", "npz"])
@pytest.mark.parametrize("name", ["paraboloid", "round sphere", "Kepler force"])
def test_saved_and_loaded(tmp_path, name, suffix):
    model, action, samples, *_ = CASES[name]
    found = iso.discover(model, action, samples)
    again = iso.Discovery.load(found.save(tmp_path / f"found.{suffix}"))
    assert str(again) == str(found)
    assert again.to_sympy() == found.to_sympy()
    assert np.array_equal(again.generators, found.generators)
    assert again.decision == found.decision


class TestUnseen:
    """A generator that vanishes on the samples is neither kept nor refused."""

    points = np.random.default_rng(0).normal(size=(100, 3)) * [1, 1, 0]

    def test_set_apart_and_reported(self):
        found = iso.discover(lambda x: x[0] ** 2 + x[1] ** 2, iso.Action(groups.GL(3)), iso.Samples(self.points))
        assert set(found.unseen.text) == {"z ∂x", "z ∂y", "z ∂z"}
        assert set(found.generator_text) == {"x ∂y − y ∂x", "x ∂z", "y ∂z"}
        assert "unseen on these samples: 3 direction(s)" in str(found)

    def test_one_sample_in_two_thousand_is_enough_to_see(self):
        points = np.random.default_rng(0).normal(size=(2000, 3)) * [1, 1, 0]
        points[777, 2] = 1
        found = iso.discover(lambda x: x[0] ** 2 + x[1] ** 2, iso.Action(groups.GL(3)), iso.Samples(points))
        assert found.unseen.dimension == 0

    def test_translations_of_a_vector_are_unseen(self):
        group = groups.SE(2)
        found = iso.discover(lambda x: x @ x, iso.Action(group.vector), iso.Samples.normal(30, 2, seed=0))
        assert (found.dimension, found.unseen.dimension, found.name) == (1, 2, "so(2)")


def test_units_do_not_decide_the_rank():
    units = np.array([1e-4, 1.0, 1e5])
    samples = iso.Samples(np.random.default_rng(0).normal(size=(100, 3)) * units)
    for value_unit in (1e-6, 1e6):
        found = iso.discover(
            lambda x, v=value_unit: v * jnp.sum((x / jnp.asarray(units, x.dtype)) ** 2),
            iso.Action(groups.GL(3)),
            samples,
        )
        assert (found.dimension, found.name, found.decision.verdict) == (3, "so(3)", "certain")


@pytest.mark.parametrize("batch", [1, 17, 64])
def test_batches_do_not_change_the_answer(batch):
    model, action, samples, *_ = CASES["paraboloid"]
    want = iso.discover(model, action, samples)
    got = iso.discover(model, action, samples, batch_size=batch)
    assert np.abs(got.spectrum - want.spectrum).max() <= 1e-12 * want.spectrum[0]
    assert got.generator_text == want.generator_text


def test_memory_is_flat_in_the_number_of_samples():
    action, peaks = iso.Action(groups.GL(4)), []
    for count in (2_000, 20_000):
        samples = iso.Samples.normal(count, 4, seed=0)
        iso.discover(lambda x: x @ x, action, samples, batch_size=500)
        tracemalloc.start()
        iso.discover(lambda x: x @ x, action, samples, batch_size=500)
        peaks.append(tracemalloc.get_traced_memory()[1] - samples.points.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_few_samples_cannot_tell():
    """Enough equations for the candidates, but half of them allow more: the count has not settled."""
    model, action, *_ = CASES["paraboloid"]
    found = iso.discover(model, action, iso.Samples.normal(13, 3, seed=0))
    assert found.decision.verdict == "cannot tell"
    assert "take more samples" in str(found)


def test_duplicated_rows_warn_and_answer():
    points = np.repeat(np.random.default_rng(0).normal(size=(60, 3)), 3, axis=0)
    with pytest.warns(iso.IsotropyWarning, match="repeats carry no new information"):
        samples = iso.Samples(points)
    assert iso.discover(paraboloid, iso.Action(groups.Aff(3)), samples).name == "se(2)"


def test_a_span_that_is_no_algebra_is_never_named():
    """Two boosts of the candidates' list keep the model only because the third candidate is missing from it."""
    rotations = groups.SO(3).algebra.matrices
    model = lambda x: x @ x  # noqa: E731
    with pytest.raises(iso.IsotropyError, match="closed"):
        groups.Group(rotations[:2])
    assert iso.discover(model, iso.Action(groups.SO(3)), iso.Samples.normal(30, 3, seed=0)).name == "so(3)"


def test_brackets_that_leave_the_candidates_are_truncated():
    """Fields of degree two that keep a function of x alone: f(x) ∂y for every f, cut off at degree two."""
    fields = iso.VectorFields(spaces.Polynomials(2, degree=2))
    action = iso.Action.tensor(fields)
    found = iso.discover(lambda x: jnp.sin(x[0]), action, iso.Samples.normal(60, 2, seed=0))
    assert found.dimension == 6  # 1, x, y, x^2, x y, y^2 times ∂y
    assert found.truncated
    assert "truncated" in str(found)
    assert found.algebra is not None
    assert found.algebra.dimension < 6


BAD = {
    "a constant": (lambda x: 1.0 + 0 * x[0], iso.Action(groups.GL(3)), iso.Samples.normal(40, 3, seed=0), "depend on"),
    "NaN": (lambda x: jnp.log(x[0]), iso.Action(groups.GL(3)), iso.Samples.normal(40, 3, seed=0), "at sample 3"),
    "too few": (paraboloid, iso.Action(groups.Aff(3)), iso.Samples.normal(5, 3, seed=0), "take at least 24 samples"),
    "dimension": (paraboloid, iso.Action(groups.Aff(2)), iso.Samples.normal(50, 3, seed=0), "choose candidates for 3"),
    "no action": (paraboloid, groups.Aff(3), iso.Samples.normal(50, 3, seed=0), "`action` says how"),
    "no samples": (paraboloid, iso.Action(groups.Aff(3)), None, "`samples` are the points"),
    "an array": (paraboloid, iso.Action(groups.Aff(3)), np.zeros((5, 3)), "pass `iso.Samples"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_sentence(name):
    model, action, samples, message = BAD[name]
    with pytest.raises(iso.IsotropyError, match=message):
        iso.discover(model, action, samples)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite(bad):
    points = np.zeros((4, 3))
    points[2, 1] = bad
    with pytest.raises(iso.IsotropyError, match=r"first at index \(2, 1\)"):
        iso.Samples(points)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a file that isotropy saved"),
        (b"{}", "its format is not"),
        (b'{"format": "isotropy/1", "kind": "basis"}', "holds a 'basis'"),
        (b"\x80\x04\x95", "is not a file that isotropy saved"),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_foreign_files(tmp_path, content, message, suffix):
    path = tmp_path / f"found.{suffix}"
    path.write_bytes(content)
    expected = message if suffix == "json" else "is not a file that isotropy saved"
    with pytest.raises(iso.IsotropyError, match=expected):
        iso.Discovery.load(path)


def test_a_missing_file_and_an_unknown_ending(tmp_path):
    with pytest.raises(iso.IsotropyError, match="there is no file"):
        iso.Discovery.load(tmp_path / "nothing.json")
    model, action, samples, *_ = CASES["paraboloid"]
    with pytest.raises(iso.IsotropyError, match=r"must end in \.json or \.npz"):
        iso.discover(model, action, samples).save(tmp_path / "found.pkl")
