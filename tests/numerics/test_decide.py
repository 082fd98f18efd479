"""How many are zero: the three zones, the zero operator, and the reading of noise."""

import numpy as np
import pytest

from isotropy.numerics.decide import (
    CLEAR,
    CONSISTENT,
    DIFFERENT,
    ROUGHER,
    SEPARATION,
    Decision,
    certified,
    closes,
    decide,
    numerical_floor,
    reach,
    vanishes,
    zeros,
)


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1.0, 1e8, 1e200])
def test_the_decision_does_not_depend_on_units(scale):
    values = scale * np.array([1.0, 0.3, 1e-2, 2e-15, 1e-16])
    answer = decide(values, floor=1e-14 * scale)
    assert (answer.nullity, answer.verdict) == (2, "certain")
    assert answer.gap == pytest.approx(1e-2 / 1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_values_does_not_matter(seed):
    values, floors = np.array([1.0, 1e-9, 1e-16]), np.array([1e-15, 1e-8, 1e-15])
    mixed = np.random.default_rng(seed).permutation(3)
    assert decide(values[mixed], floor=floors[mixed]) == decide(values, floor=floors)
    assert decide(values, floor=floors).nullity == 2
    assert decide(values, floor=0.0, noise=floors) == decide(values[mixed], floor=0.0, noise=floors[mixed])


def test_a_claim_is_refused_where_a_large_defect_could_hide():
    """Consistent with zero, but with an error so large that a defect of tens of percent is as well."""
    answer = decide(np.array([1.0, 0.1]), floor=1e-14, noise=np.array([1e-3, 0.1]))
    assert answer.verdict == "cannot tell"
    assert "could hide" in answer.reason


def test_noise_is_read_direction_by_direction():
    values, noise = np.array([1.0, 1e-2, 1e-3]), np.array([0.1, 1e-4, 1e-3])
    answer = decide(values, floor=1e-14, noise=noise)
    assert (answer.nullity, answer.verdict) == (1, "supported")


def test_the_zero_operator_has_everything_in_its_null_space():
    answer = decide(np.zeros(4), floor=0.0)
    assert (answer.nullity, answer.verdict, answer.gap) == (4, "certain", np.inf)


def test_no_candidates():
    assert decide(np.zeros(0), floor=0.0).nullity == 0


def test_full_rank_is_certain():
    answer = decide(np.array([1.0, 0.1]), floor=1e-14)
    assert (answer.nullity, answer.verdict) == (0, "certain")


def test_a_near_miss_is_not_a_zero():
    assert decide(np.array([1.0, 1e-3, 1e-16]), floor=1e-14).nullity == 1


def test_between_the_zones_a_wide_gap_decides_and_a_narrow_one_does_not():
    floor = 1e-10
    split = decide(np.array([1.0, 10 * floor, 5 * floor]), floor=floor)
    assert (split.nullity, split.verdict) == (2, "supported")
    ladder = decide(np.geomspace(1.0, floor, 12), floor=floor)
    assert ladder.verdict == "cannot tell"
    assert "no gap" in ladder.reason


def test_noise_above_the_numerical_floor_is_never_certain():
    answer = decide(np.array([1.0, 0.5, 1e-4]), floor=1e-14, noise=1e-3)
    assert (answer.nullity, answer.verdict, answer.noise) == (1, "supported", 1e-3)
    assert answer.floor == CONSISTENT * 1e-3


def test_everything_noisy_cannot_be_told():
    assert decide(np.array([0.9, 0.5, 0.3, 0.1]), floor=1e-14, noise=0.2).verdict == "cannot tell"


@pytest.mark.parametrize("claimed", [0, 1, 2, 3])
def test_values_that_are_neither_zero_nor_different_keep_the_count_open(claimed):
    """One value within three errors of zero, one between three and five, one beyond."""
    middle = (CONSISTENT + DIFFERENT) / 2
    values = np.array([2 * DIFFERENT, middle, 0.5])
    answer = certified(values, floor=1e-14, noise=1.0, claimed=claimed, verdict="supported", reason="because")
    open_ = claimed < 2
    assert (answer.verdict, answer.nullity) == ("cannot tell" if open_ else "supported", max(1, min(claimed, 2)))
    assert ("may be zero" in answer.reason) == open_


def test_floor_is_eps_times_size_times_scale():
    assert numerical_floor(np.float32, 10, 2.0) == np.finfo(np.float32).eps * 20
    assert numerical_floor(np.float64, 0, 0.0) == 0


def test_closure_reads_the_noise():
    assert closes(1e-7, noise=1e-9, size=10)
    assert not closes(1e-3, noise=1e-9, size=10)


@pytest.mark.parametrize("gap", [np.inf, 12.5])
def test_decisions_survive_a_dictionary(gap):
    answer = Decision(2, gap, 1e-12, 0.0, "certain", "because")
    assert Decision.from_dict(answer.to_dict()) == answer


def test_named_thresholds_are_ratios_above_one():
    assert CLEAR > SEPARATION > 1


def test_zeros_are_counted_from_the_bottom():
    assert zeros(np.array([1.0, 1e-9, 1e-3, 1e-16]), np.array([1e-15, 1e-8, 1e-15, 1e-15])) == 1
    assert zeros(np.zeros(0), 1.0) == 0


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_how_far_a_fit_may_be_off_is_the_largest_ratio_and_of_noise_at_most_three(scale):
    parts = [(2.0 * scale, 1.0 * scale), (4.5 * scale, 1.5 * scale), (0.0, 0.0)]
    assert reach(parts, noise=False) == pytest.approx(3.0 * ROUGHER)
    assert reach([*parts, (scale, scale / 5)], noise=False) == pytest.approx(5.0 * ROUGHER)
    assert reach([*parts, (scale, scale / 5)], noise=True) == CONSISTENT
    assert reach([(scale, 10 * scale)], noise=False) == ROUGHER
    assert 1e15 < reach([(scale, 0.0)], noise=False) < np.inf


def test_a_claim_needs_all_that_a_fit_may_be_off_to_be_small():
    """.01 and so many errors of .02: within 5% for up to two."""
    values, noise = np.array([1.0, 0.01]), np.array([0.02, 0.02])
    verdicts = [decide(values, floor=1e-15, noise=noise, reach=r).verdict for r in (1.0, 1.9, 2.1, 5.0, np.inf)]
    assert verdicts == ["supported", "supported", "cannot tell", "cannot tell", "cannot tell"]
    kept = [vanishes(0.01, floor=1e-15, noise=0.02, reach=r) for r in (1.0, 1.9, 2.1, 5.0)]
    assert kept == [True, True, None, None]
    assert vanishes(0.07, floor=1e-15, noise=0.02, reach=1.0, tolerance=0.2) is None
