"""A set whose group is known: the nearest representation, its type, and groups that do not move the set."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import isotropy as iso
from isotropy import groups
from isotropy.groups.decompose import isotypic, orthogonal, whole_weights, words
from isotropy.numerics.closure import structure_in
from isotropy.numerics.representing import matched, nearest_representation

spec = importlib.util.spec_from_file_location("cloud_sets", Path(__file__).parents[1] / "benchmarks" / "cloud_sets.py")
sets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sets)

EPS = np.finfo(np.float64).eps
SO3 = groups.SO(3)


@pytest.fixture(scope="module")
def quadrupole():
    points, known = sets.orbit(5, 600, 0.03, 1)
    return iso.Cloud(points), iso.Action.points(groups.GL(5)), known


def laws(matrices, constants):
    brackets = np.einsum("aij,bjk->abik", matrices, matrices)
    return brackets - brackets.transpose(1, 0, 2, 3) - np.einsum("abe,eij->abij", constants, matrices)


def test_the_answer_obeys_the_laws_of_the_group_and_has_its_type(quadrupole):
    cloud, action, known = quadrupole
    told = iso.discover(cloud, action, group=SO3)
    form = told.representation
    assert (told.name, form.type, form.group) == ("so(3)", "V5", "SO(3)")
    size = np.abs(form.matrices).max() ** 2
    assert np.abs(laws(form.matrices, SO3.algebra.structure_constants)).max() <= 1e4 * EPS * size
    # Printed generators are made readable within their error.
    assert sets.angle(told.generators, form.matrices) <= np.degrees(told.noise) * 3
    assert sets.angle(form.matrices, known) <= 3.9  # of a method that is told the group
    assert form.angle <= np.degrees(told.noise) * 3
    assert "representation of SO(3): V5" in str(told)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_it_is_saved_with_the_answer(quadrupole, tmp_path, suffix):
    cloud, action, _ = quadrupole
    told = iso.discover(cloud, action, group=SO3)
    again = iso.Discovery.load(told.save(tmp_path / f"found{suffix}"))
    assert str(again) == str(told)
    assert np.array_equal(again.representation.matrices, told.representation.matrices)


@pytest.mark.parametrize(("weights", "kind"), [([1, 2], "V2(1) + V2(2)"), ([2, 3], "V2(2) + V2(3)")])
def test_a_circle_turns_its_planes_by_whole_numbers(weights, kind):
    points, known = sets.torus(weights, 400, 0.005, 0)
    told = iso.discover(iso.Cloud(points), iso.Action.points(groups.GL(4)), group=groups.SO(2))
    assert told.representation.type == kind
    assert sets.angle(told.generators, known) <= 1.0


def test_positions_are_turned_about_a_point_of_their_own():
    points, _ = sets.sphere(3, 200, 0.01, 0)
    told = iso.discover(iso.Cloud(points + np.array([2.0, 0.0, 1.0])), iso.Action.points(groups.Aff(3)), group=SO3)
    assert told.representation.type == "V3"


def test_another_number_of_generators_is_owned_up_to():
    """A circle about an axis: the data have one generator, and SO(3) has three."""
    points, _ = sets.torus([1, 2], 300, 0.0, 0)
    with pytest.raises(iso.IsotropyError, match=r"no representation of SO\(3\) is near"):
        iso.discover(iso.Cloud(points), iso.Action.points(groups.GL(4)), group=SO3)
    sphere, _ = sets.sphere(3, 200, 0.0, 0)
    told = iso.discover(iso.Cloud(sphere), iso.Action.points(groups.GL(3)), group=groups.SO(2))
    assert told.decision.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("group", "message"),
    [(groups.SE(3), "compact and semisimple"), (groups.T(3), "compact and semisimple"), ("SO(3)", "Got str")],
)
def test_groups_that_cannot_be_used(group, message):
    cloud = iso.Cloud(sets.sphere(3, 100, 0.0, 0)[0])
    with pytest.raises(iso.IsotropyError, match=message):
        iso.discover(cloud, iso.Action.points(groups.GL(3)), group=group)


def test_a_group_is_for_clouds_alone():
    with pytest.raises(iso.IsotropyError, match="move a cloud"):
        iso.discover(lambda x: x @ x, iso.Action(groups.GL(3)), iso.Samples.normal(50, 3, seed=0), group=SO3)


def rotated(*labels, seed=0):
    """Matrices of a sum of irreducibles of SO(3) in other coordinates, and their size."""
    rng = np.random.default_rng(seed)
    parts = [SO3.irrep(label).generators() for label in labels]
    n = sum(part.shape[-1] for part in parts)
    whole = np.zeros((3, n, n))
    start = 0
    for part in parts:
        stop = start + part.shape[-1]
        whole[:, start:stop, start:stop] = part
        start = stop
    turn = rng.normal(size=(n, n)) + 3 * np.eye(n)
    return turn @ whole @ np.linalg.inv(turn)


@pytest.mark.parametrize(
    ("labels", "kind"), [((1, 2), "V3 + V5"), ((0, 0, 1, 1), "2 V1 + 2 V3"), ((3,), "V7"), ((0, 1), "V1 + V3")]
)
def test_types_are_read_off_in_any_coordinates(labels, kind):
    assert words(isotypic(orthogonal(rotated(*labels))[0])) == kind


def test_left_and_right_turns_are_told_apart():
    known = sets.matrices(10, 0.0, 0)[1]
    assert words(isotypic(known)) == "V9"
    assert words(isotypic(known[:3])) == "3 V3"
    both = np.zeros((6, 6, 6))
    both[:3, :3, :3] = both[3:, 3:, 3:] = SO3.matrices
    assert words(isotypic(both)) == "V3 + V3'"


def test_boosts_keep_no_inner_product():
    with pytest.raises(iso.IsotropyError, match="no inner product"):
        orthogonal(np.array([[[0.0, 1.0], [1.0, 0.0]]]))


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_nearest_representation_of_a_disturbed_one(noise):
    """Law: the result obeys the constants. Near: it is no farther from the truth than what it was made from."""
    n, rng = 5, np.random.default_rng(0)
    truth = rotated(2)
    truth = orthogonal(truth)[0]
    units = np.eye(n * n).reshape(-1, n, n)
    bracket, constants = structure_in(units), SO3.algebra.structure_constants
    frame = np.linalg.qr(truth.reshape(3, -1).T + noise * rng.normal(size=(n * n, 3)))[0].T
    whole = np.linalg.svd(frame)[2]
    operator = np.concatenate([np.zeros((3, n * n)), whole[3:]])
    basis, misfit = matched(frame, bracket, constants)
    rows, left = nearest_representation(basis, bracket, constants, operator)
    assert misfit <= max(10 * noise**2, 1e4 * EPS)
    assert left <= 1e4 * EPS
    assert np.abs(laws(rows.reshape(-1, n, n), constants)).max() <= 1e4 * EPS * np.abs(rows).max() ** 2
    away = [sets.angle(part.reshape(3, n, n), truth) for part in (frame, rows)]
    assert away[1] <= away[0] + np.degrees(1e4 * EPS)


def test_no_representation_is_near_the_wrong_laws():
    """Three commuting matrices are no rotations: what obeys the laws is far off, or nothing does."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(np.stack([np.diag(row).ravel() for row in rng.normal(size=(3, 4))], axis=1))[0].T
    bracket, constants = structure_in(np.eye(16).reshape(-1, 4, 4)), SO3.algebra.structure_constants
    assert matched(frame, bracket, constants)[1] > 0.1


def test_speeds_that_are_in_no_ratio():
    assert whole_weights(np.array([0.5, -1.0]), 1e-6)[0].tolist() == [1.0, -2.0]
    with pytest.raises(iso.IsotropyError, match="does not close"):
        whole_weights(np.array([1.0, np.sqrt(2)]), 1e-6)
