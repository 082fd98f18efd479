"""Data cases of the benchmarks at full size, and their calibration in short."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """A benchmark by its name, with its neighbours in reach."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.mark.parametrize(
    "setting", [("smooth", 1.1, (0.01, 300)), ("wavy", 1.5, (0.01, 300))], ids=lambda s: f"{s[0]} {s[1]}"
)
def test_radial_functions_invent_no_more_than_the_level(script, monkeypatch, setting):
    classes = script("calibration_classes")
    monkeypatch.setitem(classes.BATCH, "radial", 40)
    trials, false, _ = classes.radial(setting, [0, 1])
    assert false <= stats.binom.ppf(0.995, trials, classes.LEVEL)


def test_radial_functions_find_what_is_there(script, monkeypatch):
    classes = script("calibration_classes")
    monkeypatch.setitem(classes.BATCH, "radial", 40)
    trials, false, found = classes.radial(("smooth", 0, (0.01, 300)), [0, 1])
    # 297 of 300 in the full table: fewer than three in four would be many standard deviations off.
    assert (false, found >= 0.75 * trials) == (0, True)


def test_the_planted_miss_is_what_it_says(script):
    """Against the operator of `discover`, whose measure of F differs by a constant factor alone."""
    classes = script("calibration_classes")
    X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    misses = [classes.smallest(classes.planted("smooth", miss, X, "radial"), X, "radial") for miss in (0, 1.5)]
    assert misses[0] <= 1e4 * np.finfo(np.float64).eps
    assert misses[1] == pytest.approx(1.5 * classes.TOLERANCE, rel=1e-3)


@pytest.mark.slow
def test_o5_from_ten_thousand_samples(script):
    found = script("data_cases").case("o5-10000", 0)
    assert (found["name"], found["verdict"]) == ("so(5)", "supported")
    assert found["angle"] <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "right"), [("o5-1000", "so(5)"), ("lorentz-1000", "so(1,3)")])
def test_few_samples_give_no_wrong_name(script, name, right):
    found = script("data_cases").case(name, 0)
    assert found["verdict"] == "cannot tell" or found["name"] == right


@pytest.mark.slow
def test_two_bodies_without_noise(script):
    found = script("data_cases").case("bodies-0", 0)
    assert (found["name"], found["unseen"]) == ("so(2)", 48)
    assert found["angle"] <= 0.1


@pytest.mark.slow
def test_two_bodies_with_noise_are_not_overclaimed(script):
    found = script("data_cases").case("bodies-0.05", 0)
    assert found["unseen"] == 48
    assert found["verdict"] == "cannot tell" or found["angle"] <= 1.0
