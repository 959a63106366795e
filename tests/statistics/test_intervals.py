"""Intervals and p-values of few seeds, against scipy, against integration, and on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.statistics.intervals import Estimates, Interval, half_width, p_values, seed_error, seed_freedom
from modeling_dlfa.statistics.resampling import resampled_scores

MEANS = np.array([0.0, -0.3, 1.0, 2.5, 9.0])
NONE, SCALE = np.zeros(5), np.full(5, 0.7)


@pytest.mark.parametrize("freedom", [1, 2, 4, np.inf])
def test_with_one_part_alone_it_is_students_t(freedom: float) -> None:
    expected = 2 * stats.t.sf(np.abs(MEANS) / 0.7, freedom)
    for parts in ((SCALE, NONE, (freedom, np.inf)), (NONE, SCALE, (3, freedom)), (NONE, SCALE, (np.inf, freedom))):
        assert p_values(MEANS, *parts) == pytest.approx(expected, rel=1e-4, abs=1e-9)
        for confidence in (0.95, 0.999):
            reach = 0.7 * stats.t.isf((1 - confidence) / 2, freedom)
            assert half_width(*parts, confidence=confidence) == pytest.approx(np.full(5, reach), rel=1e-4)


def tail(point: float, scales: tuple[float, float], freedoms: tuple[float, float]) -> float:
    """P(scales[0] t1 + scales[1] t2 > point), integrated adaptively over the probability of the second."""

    def beyond(probability: float) -> float:
        value = stats.t.ppf(probability, freedoms[1])
        return float(stats.t.sf((point - scales[1] * value) / scales[0], freedoms[0]))

    step = float(stats.t.cdf(point / scales[1], freedoms[1]))
    return quad(beyond, 0, 1, points=[step], limit=500, epsabs=1e-12, epsrel=1e-8)[0]


@pytest.mark.parametrize("freedoms", [(1, np.inf), (2, np.inf), (2, 12), (1, 1), (4, 1)])
def test_with_both_it_is_their_sum(freedoms: tuple[float, float]) -> None:
    for scales in ((0.5, 1.2), (1.0, 0.01), (0.003, 1.0)):
        parts = tuple(np.array([scale]) for scale in scales)
        for point in (0.4, 2.0, 8.0):
            expected = 2 * tail(point, scales, freedoms)
            assert p_values(np.array([point]), *parts, freedoms) == pytest.approx([expected], rel=1e-3), scales
        for confidence in (0.95, 0.9995):
            [reach] = half_width(*parts, freedoms, confidence=confidence)
            assert 2 * tail(reach, scales, freedoms) == pytest.approx(1 - confidence, rel=5e-3), scales


@pytest.mark.parametrize("freedoms", [(1, np.inf), (2, np.inf), (4, np.inf)])
def test_many_are_interpolated_between_what_few_are_solved_for(freedoms: tuple[float, float]) -> None:
    first, second = np.geomspace(1e-6, 1e4, 500), np.ones(500)
    many = half_width(first, second, freedoms, confidence=0.999)
    few = [half_width(first[index : index + 100], second[:100], freedoms, confidence=0.999) for index in (0, 400)]
    assert np.concatenate([many[:100], many[400:]]) == pytest.approx(np.concatenate(few), rel=1e-3)
    assert half_width(first[None, :6], second[None, :6], freedoms).shape == (1, 6)


def test_small_p_values_are_told_apart() -> None:
    # Holm's correction multiplies by hundreds: what lies far out must still have its own value.
    points = np.array([5.0, 30.0, 300.0, 3000.0])
    scale, none = np.ones(4), np.zeros(4)
    for freedom in (1, 2, 4, 9, np.inf):
        expected = 2 * stats.t.sf(points, freedom)
        kept = expected > 1e-10
        assert p_values(points, scale, none, (freedom, np.inf))[kept] == pytest.approx(expected[kept], rel=1e-4)


def test_intervals_end_where_values_end() -> None:
    draws = np.random.default_rng(0).normal(0.97, 0.05, (500, 1))
    [interval] = Estimates.of_examples(np.array([0.97]), draws).intervals(within=(0, 1))
    assert interval.high == 1 and interval.low == pytest.approx(0.97 - 1.96 * draws.std(), abs=1e-4)


@pytest.mark.parametrize(
    ("interval", "excludes"),
    [
        (Interval(1, 0.1, 2), True),
        (Interval(-1, -2, -0.1), True),
        (Interval(1, 0, 2), False),
        (Interval(0, -1, 1), False),
    ],
)
def test_interval_excludes_zero(interval: Interval, excludes: bool) -> None:
    assert interval.excludes_zero is excludes


def test_without_any_error() -> None:
    nothing, means = np.zeros(2), np.array([0.0, 0.1])
    assert half_width(nothing, nothing, (2, np.inf)).tolist() == [0.0, 0.0]
    assert p_values(means, nothing, nothing, (2, np.inf)).tolist() == [1.0, 0.0]


def test_one_seed_tells_nothing_of_seeds() -> None:
    by_seed = np.array([[3.0, 4.0]])
    assert seed_error(by_seed).tolist() == [0.0, 0.0] and seed_freedom(by_seed) == np.inf
    assert seed_error(np.array([[1.0], [3.0]])).tolist() == [1.0] and seed_freedom(np.zeros((3, 2))) == 2


def satterthwaite(of_seeds: np.ndarray, of_examples: np.ndarray, freedom: int) -> np.ndarray:
    """The half width by one t, its degrees of freedom from the shares of both parts."""
    variance = of_seeds**2 + of_examples**2
    return stats.t.ppf(0.975, freedom * (variance / of_seeds**2) ** 2) * np.sqrt(variance)


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_intervals_cover_whatever_makes_up_the_error(num_seeds: int) -> None:
    rng, repeats = np.random.default_rng(1), 10_000
    covered, approximated, normal = [], [], []
    for of_examples in (0.05, 0.5, 1.0, 2.0, 10.0):
        # Variances of the mean: 1 of the seeds, and of the examples.
        by_seed = rng.normal(0, num_seeds**0.5, (num_seeds, repeats)) + rng.normal(0, of_examples, repeats)
        mean, errors = by_seed.mean(axis=0), (seed_error(by_seed), np.full(repeats, of_examples))
        freedom = seed_freedom(by_seed)
        reach = half_width(*errors, (freedom, np.inf))
        covered.append(np.mean(np.abs(mean) <= reach))
        found = p_values(mean[:1000], errors[0][:1000], errors[1][:1000], (freedom, np.inf)) <= 0.05
        assert np.mean(found != (np.abs(mean) > reach)[:1000]) <= 1e-3
        approximated.append(np.mean(np.abs(mean) <= satterthwaite(*errors, num_seeds - 1)))
        normal.append(np.mean(np.abs(mean) <= 1.96 * np.hypot(*errors)))
    # The share in 10,000 repeats has a standard error of 0.2 points.
    assert 0.944 <= min(covered) and max(covered) <= {2: 0.995, 3: 0.985, 5: 0.975}[num_seeds], covered
    assert min(approximated) < min(covered) and min(normal) < 0.9, "the check cannot fail"
    assert num_seeds > 3 or min(approximated) < 0.935


def test_error_of_seeds_alone_gives_students_interval() -> None:
    rng = np.random.default_rng(0)
    by_seed = rng.normal(size=(4, 1))
    draws = np.full((10, 1), by_seed.mean())
    [interval] = Estimates(by_seed.mean(axis=0), draws, by_seed).intervals()
    expected = stats.ttest_1samp(by_seed[:, 0], 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-5)


def test_error_of_examples_alone_gives_the_normal_interval() -> None:
    draws = np.random.default_rng(0).normal(3, 2, (5000, 2))
    for by_seed in (np.array([[3.0, 3.0]]), np.full((5, 2), 3.0)):
        intervals = Estimates(np.array([3.0, 3.0]), draws, by_seed).intervals(comparisons=2)
        for interval, error in zip(intervals, draws.std(axis=0), strict=True):
            assert interval.high - 3 == pytest.approx(stats.norm.ppf(1 - 0.05 / 4) * error, rel=1e-5)


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
    assert held <= 0.99 or seeds == 2


def test_few_seeds_that_differ_make_percentiles_too_narrow_but_not_these() -> None:
    rng = np.random.default_rng(3)
    held = {"ours": 0, "percentile": 0}
    for _ in range(300):
        by_seed = rng.normal(size=(2, 1))
        # One of the two in every draw, as a bootstrap of the seeds has it.
        low, high = np.quantile(rng.choice(by_seed[:, 0], 200), [0.025, 0.975])
        held["percentile"] += low <= 0 <= high
        [interval] = Estimates(by_seed.mean(axis=0), np.full((2, 1), by_seed.mean()), by_seed).intervals()
        held["ours"] += not interval.excludes_zero
    assert held["percentile"] < 0.6 * 300
    assert 0.9 * 300 < held["ours"] < 0.99 * 300
