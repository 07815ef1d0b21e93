"""Intervals and tests against scipy, closed forms, and what they promise over many draws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from stspec.study.outcomes import Bools
from stspec.study.statistics import (
    holm,
    holm_by_family,
    mcnemar,
    mcnemar_of_counts,
    resample,
)


def draw(generator: np.random.Generator, shares: list[float], videos: int) -> Bools:
    """Return outcomes (R, N) of runs that agree on hard and easy videos."""
    ease = generator.random(videos)
    noise = generator.random((len(shares), videos))
    right: Bools = (ease + noise) / 2 < np.array(shares)[:, None]
    return right


def test_the_paired_interval_is_scipys() -> None:
    right = draw(np.random.default_rng(1), [0.5, 0.6], 400)
    mine = resample(right, draws=6000).difference()
    a, b = right.astype(float)
    theirs = stats.bootstrap(
        (a, b), lambda x, y, axis: y.mean(axis) - x.mean(axis), paired=True, n_resamples=6000,
        method="percentile", random_state=3,
    )  # fmt: skip
    assert mine.estimate == pytest.approx(b.mean() - a.mean(), abs=1e-12)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_the_spread_is_that_of_a_proportion() -> None:
    right = np.zeros((1, 500), dtype=np.bool_)
    right[0, :150] = True
    drawn = resample(right, draws=8000)
    assert drawn.accuracy.std() == pytest.approx(math.sqrt(0.3 * 0.7 / 500), rel=0.05)
    assert drawn.accuracy.mean() == pytest.approx(0.3, abs=0.001)


def test_the_spread_of_seeds_is_that_of_their_mean() -> None:
    # Every video alike: what is left is the seeds', of variance s^2 / S.
    shares = [0.0, 1.0, 1.0, 1.0]
    right = np.repeat(np.array(shares, dtype=np.bool_)[:, None], 50, axis=1)
    drawn = resample(right, [[0, 1, 2, 3]], draws=8000)
    assert drawn.accuracy.std() == pytest.approx(np.std(shares, ddof=1) / 2, rel=0.05)
    assert drawn.seeds == (4,)


def test_one_seed_adds_nothing_and_is_told() -> None:
    right = np.ones((1, 30), dtype=np.bool_)
    interval = resample(right, draws=50).interval(lambda cells: cells[..., 0])
    assert (interval.low, interval.high) == (1.0, 1.0)
    assert interval.seeds_text == "n = 1 seed"


def test_draws_follow_from_the_key_alone() -> None:
    right = draw(np.random.default_rng(2), [0.5, 0.6], 100)
    first, again, other = (resample(right, draws=50, key=key) for key in ("a", "a", "b"))
    assert (first.accuracy == again.accuracy).all()
    assert (first.accuracy != other.accuracy).any()


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(11)
    shares = [0.5, 0.55]
    truth = float(np.subtract(*draw(generator, shares[::-1], 2_000_000).mean(axis=1)))
    covered = 0
    for trial in range(300):
        found = resample(draw(generator, shares, 250), draws=300, key=trial).difference()
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    # 95 % of 300 is 285; four standard deviations of that count are 15.
    assert covered >= 270


def test_mcnemar_is_the_binomials_and_chi_squares() -> None:
    for only_a, only_b in itertools.product((0, 1, 5, 12, 40), repeat=2):
        found = mcnemar_of_counts(only_a, only_b)
        total = only_a + only_b
        tail = sum(math.comb(total, k) for k in range(min(only_a, only_b) + 1)) / 2**total
        assert found.exact == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
        if total:
            assert found.exact == pytest.approx(stats.binomtest(only_a, total).pvalue)
            square = max(abs(only_a - only_b) - 1, 0) ** 2 / total
            assert found.corrected == pytest.approx(math.erfc(math.sqrt(square / 2)), rel=1e-9)


def test_mcnemar_counts_videos_that_one_alone_has_right() -> None:
    a = np.array([1, 1, 1, 0, 0, 1], dtype=np.bool_)
    b = np.array([1, 0, 0, 1, 0, 0], dtype=np.bool_)
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (3, 1)


def test_mcnemar_errs_no_more_often_than_it_says() -> None:
    generator = np.random.default_rng(5)
    errors = 0
    for _ in range(400):
        right = draw(generator, [0.5, 0.5], 120)
        errors += mcnemar(right[0], right[1]).exact <= 0.05
    # At most 5 % of 400, and four standard deviations of that count.
    assert errors <= 20 + 18


def test_holm_by_hand_and_within_families() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    found = holm_by_family([("a", 0.02), ("b", 0.02), ("a", 0.03)])
    assert found == pytest.approx([0.04, 0.02, 0.04])


def test_holm_errs_in_a_family_no_more_often_than_it_says() -> None:
    generator = np.random.default_rng(7)
    values = generator.random((2000, 8))
    errors = sum(min(holm(row)) <= 0.05 for row in values.tolist())
    assert errors <= 100 + 4 * math.sqrt(2000 * 0.05 * 0.95)
    # It is as sharp as it may be: plain Bonferroni at least.
    assert errors >= sum(min(row) * 8 <= 0.05 for row in values.tolist())


def test_a_p_value_agrees_with_its_interval() -> None:
    right = draw(np.random.default_rng(4), [0.4, 0.6], 300)
    drawn = resample(right, draws=1000)
    assert drawn.p_value() < 0.05
    assert drawn.difference().excludes_zero
    same = resample(np.stack([right[0], right[0]]), draws=100)
    assert same.p_value() == 1.0
    assert same.difference().excludes_zero is False


def test_draws_that_leave_a_share_undefined_are_passed_over() -> None:
    # Of two videos, one of them right, a quarter of the draws has none right: 0 / 0.
    found = resample(np.array([[True, False], [True, False]]), draws=400)
    told = found.interval(
        lambda cells: cells[..., 0] / np.where(cells[..., 1], cells[..., 1], np.nan)
    )
    assert (told.estimate, told.low, told.high) == (1.0, 1.0, 1.0)
    assert found.interval(lambda cells: cells[..., 0] * np.nan).low is None
