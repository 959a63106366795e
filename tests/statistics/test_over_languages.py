"""Lines and means over languages, against scipy and on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from modeling_dlfa.statistics.over_languages import mean_over_languages, slope_over_languages, slopes


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
