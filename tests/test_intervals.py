"""Intervals of the studies against scipy, and their coverage on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from modeling_dlfa.bootstrap import resampled_scores
from modeling_dlfa.metrics import METRICS
from modeling_dlfa.studies.intervals import Estimates, mean_over_languages, slope_over_languages, slopes


def test_error_of_seeds_alone_gives_students_interval() -> None:
    rng = np.random.default_rng(0)
    by_seed = rng.normal(size=(4, 1))
    draws = np.full((10, 1), by_seed.mean())
    [interval] = Estimates(by_seed.mean(axis=0), draws, by_seed).intervals()
    expected = stats.ttest_1samp(by_seed[:, 0], 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_error_of_examples_alone_gives_the_normal_interval() -> None:
    draws = np.random.default_rng(0).normal(3, 2, (5000, 2))
    for by_seed in (np.array([[3.0, 3.0]]), np.full((5, 2), 3.0)):
        intervals = Estimates(np.array([3.0, 3.0]), draws, by_seed).intervals(comparisons=2)
        for interval, error in zip(intervals, draws.std(axis=0), strict=True):
            assert interval.high - 3 == pytest.approx(stats.norm.ppf(1 - 0.05 / 4) * error)


def simulated(rng: np.random.Generator, seeds: int, seed_error: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Counts of a system and its baseline (4 languages, 200 examples), and the true gains."""
    gains = np.array([0.0, 0.02, 0.04, 0.06])
    level = np.array([0.5, 0.6, 0.62, 0.7])
    counts = {}
    moved = rng.normal(0, seed_error, (seeds, 1)) + rng.normal(0, seed_error / 2, (seeds, 4))
    difficulty = rng.random(200)  # The same examples, translated.
    for index, code in enumerate("abcd"):
        right = [
            [difficulty + 0.15 * rng.normal(size=200) < level[index] + on * (gains[index] + moved[seed, index])]
            for on in (1, 0)
            for seed in range(seeds)
        ]
        stacked = np.reshape(np.array(right, dtype=np.int64), (2, seeds, 200))
        counts[code] = np.stack([stacked, np.ones_like(stacked)], axis=-1)
    return counts, gains


@pytest.mark.parametrize(("seeds", "seed_error"), [(1, 0.0), (2, 0.0), (2, 0.05), (3, 0.03), (5, 0.05)])
def test_coverage_on_simulated_data(seeds: int, seed_error: float) -> None:
    rng = np.random.default_rng(7)
    repeats, held, together = 150, 0.0, 0
    for repeat in range(repeats):
        counts, gains = simulated(rng, seeds, seed_error)
        observed, drawn = resampled_scores(
            counts, metric=METRICS["accuracy"], aligned=True, n_resamples=150, seed=repeat
        )
        by_seed = (observed[:, 0] - observed[:, 1]).T
        draws = (drawn[:, :, 0] - drawn[:, :, 1]).mean(axis=-1)
        estimates = Estimates(by_seed.mean(axis=0), draws, by_seed)
        low, high = estimates.limits()
        held += np.mean((low <= gains) & (gains <= high)) / repeats
        low, high = estimates.limits(comparisons=4)
        together += bool(np.all((low <= gains) & (gains <= high)))
    # The share in 150 repeats has a standard error of up to 2 points.
    assert 0.91 <= held and together / repeats >= 0.91
    assert held <= 0.98 or seeds == 2


def test_few_seeds_that_differ_make_percentiles_too_narrow_but_not_these() -> None:
    rng = np.random.default_rng(3)
    held = {"ours": 0, "percentile": 0}
    for _ in range(300):
        by_seed = rng.normal(size=(2, 1))
        # One of the two in every draw, as `bootstrap_interval` has it.
        low, high = np.quantile(rng.choice(by_seed[:, 0], 200), [0.025, 0.975])
        held["percentile"] += low <= 0 <= high
        [interval] = Estimates(by_seed.mean(axis=0), np.full((2, 1), by_seed.mean()), by_seed).intervals()
        held["ours"] += not interval.excludes_zero
    assert held["percentile"] < 0.6 * 300
    assert 0.9 * 300 < held["ours"] < 0.99 * 300


def test_slopes_are_those_of_polyfit() -> None:
    rng = np.random.default_rng(1)
    values, positions = rng.normal(size=(3, 9)), rng.normal(size=9)
    assert slopes(values, positions) == pytest.approx([np.polyfit(positions, row, 1)[0] for row in values])


def test_a_line_through_languages_is_linregress() -> None:
    rng = np.random.default_rng(2)
    positions = rng.normal(size=14)
    values = 0.3 * positions + rng.normal(size=14)
    found = stats.linregress(positions, values)
    reach = stats.t.ppf(0.975, 12) * found.stderr
    interval = slope_over_languages(values[None], positions)
    assert (interval.mean, interval.high - interval.mean) == pytest.approx((found.slope, reach))
    wider = slope_over_languages(values[None], positions, comparisons=10)
    assert wider.high - wider.mean == pytest.approx(stats.t.ppf(1 - 0.05 / 20, 12) * found.stderr)


def test_a_mean_over_languages_is_a_t_test() -> None:
    values = np.random.default_rng(2).normal(1, 1, 14)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = mean_over_languages(values[None])
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_lines_over_languages_hold_the_error_of_seeds() -> None:
    rng = np.random.default_rng(5)
    positions = np.linspace(-1, 1, 12)
    missed = {"with": 0, "without": 0}
    for _ in range(200):
        tilt = rng.normal(0, 0.5, 3)  # Each seed prefers near or far languages.
        by_seed = tilt[:, None] * positions + rng.normal(0, 0.2, 12) + rng.normal(0, 0.05, (3, 12))
        missed["with"] += slope_over_languages(by_seed, positions).excludes_zero
        missed["without"] += slope_over_languages(by_seed.mean(axis=0)[None], positions).excludes_zero
    assert missed["with"] < 0.1 * 200 < 0.3 * 200 < missed["without"]
