"""Single group elements: known answers, the same broken by one part in a thousand, and what a user gets wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import isotropy as iso
from isotropy import groups
from isotropy.certified import LeastSquares, bounds_of_element
from isotropy.components import find, generating, signed_permutations
from isotropy.normalised import Normalised
from isotropy.results.discovery import Element

QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])
SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])
MIRROR = np.diag([1.0, -1.0])


def square(x):
    """Symmetric under the eight motions of the square, and under no rotation through a small angle."""
    return x[0] ** 4 + x[1] ** 4


def spiral(x):
    """A field that turns with the plane but not with its mirror image."""
    return jnp.array([-x[1], x[0]]) * (1 + x @ x) + x


def tried(model, action, elements, *, dtype=np.float64, seed=0):
    samples = iso.Samples.normal(200, action.base_dimension, seed=seed, dtype=dtype)
    return iso.discover(model, action, samples, components=elements).components


def order(elements):
    """The size of the group that matrices generate, counted by closing them under products."""
    group = {np.eye(len(elements[0].matrix)).round(9).tobytes(): np.eye(len(elements[0].matrix))}
    while True:
        products = [(a @ e.matrix + 0.0) for a in group.values() for e in elements]
        fresh = {p.round(9).tobytes(): p for p in products}
        if fresh.keys() <= group.keys():
            return len(group)
        group |= fresh


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_motions_of_a_square_are_kept(dtype):
    kept = tried(square, iso.Action(groups.GL(2)), [QUARTER, SWAP, MIRROR], dtype=dtype)
    assert [element.kept for element in kept] == [True, True, True]


@pytest.mark.parametrize(("dtype", "verdict"), [(np.float64, False), (np.float32, None)])
def test_a_near_miss_is_not_kept(dtype, verdict):
    """In float32 one part in a thousand lies where rounding and a broken symmetry cannot be told apart."""
    (swap,) = tried(lambda x: square(x) + 1e-3 * x[0] ** 2, iso.Action(groups.GL(2)), [SWAP], dtype=dtype)
    assert swap.kept is verdict
    assert 1e-5 < swap.defect < 1e-2


def test_a_vector_field_turns_with_its_values():
    turn, mirror = tried(spiral, iso.Action.vector_field(groups.GL(2)), [QUARTER, MIRROR])
    assert (turn.kept, mirror.kept) == (True, False)
    V = groups.O(2).vector
    turn, mirror = tried(spiral, iso.Action(V, V), [QUARTER, MIRROR])
    assert (turn.kept, mirror.kept) == (True, False)


def test_a_metric_has_its_isometries():
    def euclidean(x):
        return jnp.eye(2) * (1 + x[0] ** 2)

    shear = np.array([[1.0, 0.5], [0.0, 1.0]])
    mirror, turn, sheared = tried(euclidean, iso.Action.tensor(groups.Aff(2), lower=2), [MIRROR, QUARTER, shear])
    assert (mirror.kept, turn.kept, sheared.kept) == (True, False, False)


def test_a_glide_is_a_homogeneous_matrix():
    def wave(x):
        return jnp.sin(x[0])

    glide, half = np.eye(3), np.eye(3)
    glide[0, 2], half[0, 2] = 2 * np.pi, np.pi
    whole, part = tried(wave, iso.Action(groups.Aff(2)), [glide, half])
    assert (whole.kept, part.kept) == (True, False)
    assert "+ 6.28" in whole.text


def test_pairs_move_outputs_by_their_own_matrix():
    odd = (-np.eye(2), [[-1.0]])
    even = (-np.eye(2), [[1.0]])
    action = iso.Action.independent(groups.GL(2), groups.GL(1))
    first, second = tried(lambda x: (x[0] ** 3 + x[1])[None], action, [odd, even])
    assert (first.kept, second.kept) == (True, False)
    # They differ in nothing but what becomes of the value, so that is said.
    assert (first.text, second.text) == ("(x, y) → (−x, −y), (u) → (−u)", "(x, y) → (−x, −y), (u) → (u)")
    assert second.defect == pytest.approx(np.sqrt(2), rel=0.2)  # -F against F: twice its size; unrelated: sqrt(2)


def test_elements_that_move_inputs_or_outputs_alone_say_which():
    """A central pull keeps a mirror of both; of either alone it keeps none, and each is named by what it does."""
    action = iso.Action.independent(groups.O(2), groups.O(2))
    found = iso.discover(lambda x: -x / (1 + x @ x), action, iso.Samples.normal(50, 2, seed=0))
    assert [element.kept for element in found.components] == [False, False]
    assert [element.text for element in found.components] == [
        "(x, y) → (−x, y), (u, v) → (u, v)",
        "(x, y) → (x, y), (u, v) → (−u, v)",
    ]


def test_a_groups_own_components_are_tried_unasked():
    found = iso.discover(lambda x: x @ x, iso.Action(groups.O(3)), iso.Samples.normal(50, 3, seed=0))
    assert [element.kept for element in found.components] == [True]
    assert "kept" not in str(found)


@pytest.mark.parametrize(
    ("model", "m", "size"),
    [
        (square, 2, 8),
        (lambda x: x[0] ** 4 + 2 * x[1] ** 4, 2, 4),
        (lambda x: jnp.sum(x**4), 3, 48),
        (lambda x: x[0] * x[1] * x[2] + x[0] ** 4 + x[1] ** 4 + x[2] ** 4, 3, 24),
        (lambda x: x[0] + x[1] ** 2 + x[2] ** 4, 3, 4),
    ],
)
def test_the_search_finds_the_whole_group(model, m, size):
    found = tried(model, iso.Action(groups.GL(m)), "signed permutations")
    assert all(element.kept for element in found)
    assert order(found) == size
    for k in range(len(found)):  # no generator is idle
        assert len(found) == 1 or order(found[:k] + found[k + 1 :]) < size


def test_the_search_runs_over_every_signed_permutation():
    assert sum(1 for _ in signed_permutations(3)) == 2**3 * 6 - 1
    with pytest.raises(iso.IsotropyError, match="up to 4 coordinates"):
        signed_permutations(5)
    assert generating([Element(SWAP, "", 1.0, False)]) == ()


@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_data_are_judged_by_their_noise(noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    Y = X[:, :1] ** 2 + 2 * X[:, 1:] ** 2 + noise * rng.normal(size=(400, 1))
    found = iso.discover(iso.Data(X, Y), iso.Action(groups.GL(2)), components=[MIRROR, SWAP])
    assert [element.kept for element in found.components] == [True, False]


def bowl(count, noise, seed, *, tilt):
    """Noisy values of a paraboloid whose two axes differ by the share ``tilt``."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 2))
    Y = X[:, 0] ** 2 + (1 + tilt) * X[:, 1] ** 2 + noise * rng.normal(size=count)
    return iso.Data(X, Y, space=iso.spaces.Polynomials(2, degree=2))


def swapped(data, **options):
    view = Normalised.of(data.section, iso.Action(groups.GL(2)), data.samples)
    return find(view, [SWAP], data=data, **options)[0]


def test_bounds_hold_at_their_level():
    """The defect of the true function, on the same points, lies between the bounds but for a chance of ``level``."""
    seeds, above, below = 100, 0, 0
    for seed in range(seeds):
        data = bowl(60, 1.0, seed, tilt=0.2)
        fit = LeastSquares.of(data)
        here, there = (data.space.values(points) / fit.scale for points in (data.X, data.X[:, ::-1]))
        change, unrelated = there - here, there - here[np.random.default_rng(0).permutation(len(here))]
        values = data.X**2 @ np.array([[1.0, 1.2], [1.2, 1.0]])
        truth = np.linalg.norm(values[:, 1] - values[:, 0])
        truth /= np.linalg.norm(values[:, 1] - values[np.random.default_rng(0).permutation(len(here)), 0])
        bounds = bounds_of_element(fit, change, unrelated, moved=0.0, count=1, level=0.1, independent=True)
        above += truth > bounds.upper
        below += truth < bounds.lower
        assert bounds.lower <= min(bounds.upper, bounds.proved)
    assert max(above, below) <= stats.binom.ppf(0.999, seeds, 0.1)


@pytest.mark.parametrize(("noise", "tolerance", "kept"), [(0.01, 0.05, True), (0.01, 5e-4, None), (0.0, 1e-6, True)])
def test_tolerance_decides_what_is_kept(noise, tolerance, kept):
    element = swapped(bowl(300, noise, 0, tilt=0.0), tolerance=tolerance)
    assert element.kept is kept
    assert (element.bound <= tolerance) is (kept is True)
    assert element.defect <= element.bound
    assert "confidence of 95%" in element.reason


def test_a_near_miss_in_data_is_refused_where_the_noise_allows_it():
    assert swapped(bowl(400, 1e-5, 0, tilt=1e-3)).kept is False
    assert swapped(bowl(400, 0.5, 0, tilt=0.5), level=0.01).kept is False


def test_many_elements_share_the_level():
    data = bowl(300, 0.1, 0, tilt=0.0)
    view = Normalised.of(data.section, iso.Action(groups.GL(2)), data.samples)
    alone = find(view, [SWAP], data=data)[0]
    together = find(view, [SWAP] * 4, data=data)[0]
    assert alone.defect == together.defect
    assert alone.bound < together.bound


def test_a_fit_that_explains_nothing_keeps_nothing():
    """Quartics fitted by quadratics: mirror images are kept by the fit, and nothing is claimed of the truth."""
    X = np.random.default_rng(0).uniform(-1, 1, size=(300, 2))
    data = iso.Data(X, X[:, 0] ** 4 + X[:, 1] ** 2, space=iso.spaces.Polynomials(2, degree=2))
    found = iso.discover(data, iso.Action(groups.GL(2)), components=[np.diag([-1.0, 1.0])], tolerance=0.5)
    assert found.components[0].kept is None
    assert "more symmetric than the truth" in found.components[0].reason


def test_a_lattice_has_its_turns_and_not_others():
    """Six bumps around a centre, seen by noisy values: a sixth of a turn is kept and an eighth is not."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(600, 2))
    z = X[:, 0] + 1j * X[:, 1]
    Y = np.abs(z) ** 2 + (z**6).real + 0.02 * rng.normal(size=len(X))
    turn = lambda k: np.array(  # noqa: E731
        [[np.cos(2 * np.pi / k), -np.sin(2 * np.pi / k)], [np.sin(2 * np.pi / k), np.cos(2 * np.pi / k)]]
    )
    space = iso.spaces.Polynomials(2, degree=6)
    data = iso.Data(X, Y, space=space)
    found = iso.discover(data, iso.Action(groups.GL(2)), components=[turn(6), turn(8), MIRROR], tolerance=0.2)
    assert [element.kept for element in found.components] == [True, False, True]


def test_values_that_move_are_bounded_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    Y = np.asarray(jax.vmap(spiral)(X)) + 0.01 * rng.normal(size=(300, 2))
    data = iso.Data(X, Y, space=iso.spaces.Polynomials(2, degree=3))
    found = iso.discover(data, iso.Action.vector_field(groups.GL(2)), components=[QUARTER, MIRROR])
    turn, mirror = found.components
    assert (turn.kept, mirror.kept) == (True, False)
    assert turn.defect <= turn.bound <= 0.05 < mirror.bound


def test_a_cloud_is_moved_onto_itself():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 2 * np.pi, 300)
    ellipse = np.stack([2 * np.cos(t), np.sin(t)], axis=1) + 0.01 * rng.normal(size=(300, 2))
    found = iso.discover(iso.Cloud(ellipse), iso.Action.points(groups.GL(2)), components=[MIRROR, QUARTER])
    assert [element.kept for element in found.components] == [True, False]


def test_half_of_a_circle_is_not_the_circle():
    """The polynomial that vanishes on it vanishes on the other half as well; the points are not there."""
    t = np.linspace(0, np.pi, 200)
    half = np.stack([np.cos(t), np.sin(t)], axis=1)
    found = iso.discover(iso.Cloud(half), iso.Action.points(groups.GL(2)), components=[np.diag([-1.0, 1.0]), MIRROR])
    assert [element.kept for element in found.components] == [True, False]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_records_are_saved_and_printed(tmp_path, suffix):
    samples = iso.Samples.normal(50, 2, seed=0)
    found = iso.discover(square, iso.Action(groups.GL(2)), samples, components=[SWAP, np.diag([2.0, 1.0])])
    again = iso.Discovery.load(found.save(tmp_path / f"found{suffix}"))
    assert str(again) == str(found)
    assert "kept: (x, y) → (y, x)" in str(found)
    assert "broken: (x, y) → (2 x, y) (defect" in str(found)
    assert [e.kept for e in again.components] == [True, False]
    assert np.array_equal(again.components[1].matrix, np.diag([2.0, 1.0]))


def test_where_the_model_ends_nothing_is_told():
    samples = iso.Samples.uniform(50, 2, low=[1, 1], high=[2, 2], seed=0)
    found = iso.discover(lambda x: jnp.log(x[0]) + x[1], iso.Action(groups.GL(2)), samples, components=[-np.eye(2)])
    (element,) = found.components
    assert (element.kept, element.defect) == (None, None)
    assert "no value at the points moved" in str(found)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([np.eye(3)[:2]], r"must be a matrix of shape \(2, 2\)"),
        ([np.zeros((2, 2))], "has no inverse"),
        ([[[1.0, np.nan], [0.0, 1.0]]], "NaN or infinite"),
        ("reflections", "signed permutations"),
        ([(MIRROR, np.eye(2))], r"must have shape \(1, 1\)"),
    ],
)
def test_bad_elements_are_refused_in_one_sentence(elements, message):
    with pytest.raises(iso.IsotropyError, match=message):
        tried(square, iso.Action(groups.GL(2)), elements)


def test_outputs_that_move_on_their_own_need_a_pair():
    with pytest.raises(iso.IsotropyError, match="pass pairs"):
        tried(spiral, iso.Action.independent(groups.GL(2), groups.GL(2)), [QUARTER])
