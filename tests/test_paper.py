"""The recovery experiment: its instances, and that stopping a solution that is plain changes no answer."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAPER = Path(__file__).parents[1] / "examples" / "paper"
EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def paper():
    sys.path.insert(0, str(PAPER))
    import instances
    import recovery

    yield instances, recovery
    sys.path.remove(str(PAPER))


def test_the_grid_is_the_published_one(paper):
    instances, _ = paper
    cells = list(instances.grid())
    assert len(cells) == len(set(cells)) == 1680
    # Of the largest size the published tables say 1326 coefficients, and 10 seeds of each.
    assert max(cell.coefficients for cell in cells) == 1326
    assert sum(cell.experiment == "quad_se" for cell in cells) == 180


@pytest.mark.parametrize("experiment", ["ortho_t", "ortho_se", "quad_se"])
def test_the_truth_meets_the_samples_and_has_the_planted_symmetries(paper, experiment):
    instances, _ = paper
    cell = instances.Cell(experiment, 5, 1, 2 if experiment != "quad_se" else 1, 0)
    basis, X, y, truth = instances.instance(cell)
    assert np.abs(basis.values(X) @ truth - y).max() <= 1e4 * EPS * np.abs(y).max()
    operator, gram = instances.operator(experiment, cell.m, cell.degree)
    # One projection: all motions across it leave the function alone. One centre: all rotations about it do.
    rank = np.linalg.matrix_rank(operator(truth[:, None]), tol=1e4 * EPS * np.abs(truth).max() * operator.features)
    assert rank == {"ortho_t": 1, "ortho_se": 5, "quad_se": 5}[experiment]
    assert truth @ gram @ truth == pytest.approx((operator(truth[:, None]) ** 2).sum(), rel=1e4 * EPS)


@pytest.mark.parametrize("norm", ["L2", "sampled"])
def test_stopping_plain_solutions_changes_no_answer(paper, norm):
    instances, recovery = paper
    cell = instances.Cell("ortho_se", 5, 1, 2, 1)
    quick, whole = (recovery.Search(cell, norm=norm, every=every) for every in (False, True))
    assert quick.samples == whole.samples
    assert quick.steps <= whole.steps
    assert whole.worst <= recovery.GAP
    # The published number of this instance, in the authors' norm with their draws.
    if norm == "sampled":
        assert quick.samples == 13


def test_a_run_goes_on_where_it_stopped(paper, tmp_path):
    instances, recovery = paper
    cells = [instances.Cell("ortho_t", 5, 1, 2, seed) for seed in range(3)]
    path = tmp_path / "results.csv"
    recovery.run(cells[:2], path)
    before = path.read_text()
    recovery.run(cells, path)
    assert path.read_text().startswith(before)
    rows = recovery.read(path)
    assert [recovery.key(row) for row in rows] == [cell.key for cell in cells]
    table = recovery.medians(rows, {cell.key: 2 * int(row["samples"]) for cell, row in zip(cells, rows, strict=True)})
    assert table["ortho_t", "5", "1", "2"][1] == 2 * table["ortho_t", "5", "1", "2"][0]
    recovery.figure(rows, {}, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000


@pytest.mark.slow
def test_the_short_run_recovers_from_fewer_samples_than_coefficients(tmp_path):
    command = [sys.executable, str(PAPER / "recovery.py"), "--results", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "41 instances" in found.stdout
    assert " 0 solution(s) stopped" in found.stdout
    assert (tmp_path / "recovery_short.svg").is_file()
