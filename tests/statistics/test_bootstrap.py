from __future__ import annotations

import numpy as np
import pytest

import modeling_dlfa.statistics.bootstrap as bootstrap
from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS, Metric, summarise
from modeling_dlfa.statistics.bootstrap import Interval, bootstrap_interval, paired_difference

ACCURACY = METRICS["accuracy"]
F1 = METRICS["f1"]  # Its score reads the first three counts.


def as_counts(correct: np.ndarray) -> np.ndarray:
    """(…) booleans to (…, 2) accuracy counts."""
    return np.stack([correct, np.ones_like(correct)], axis=-1).astype(np.int64)


def random_counts(rng: np.random.Generator, sizes: dict[str, int], num_seeds: int) -> dict[str, np.ndarray]:
    return {language: as_counts(rng.random((num_seeds, size)) < 0.6) for language, size in sizes.items()}


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("num_seeds", [1, 3])
@pytest.mark.parametrize("metric", [ACCURACY, F1], ids=lambda metric: metric.name)
def test_bootstrap_equals_a_loop_over_resampled_examples(metric: Metric, num_seeds: int, aligned: bool) -> None:
    rng, n, n_resamples = np.random.default_rng(0), 17, 40
    languages = ["de", "en", "fr"]
    shape = (num_seeds, n, 2 if metric is ACCURACY else 3)
    system = {language: rng.integers(1, 9, shape) for language in languages}
    baseline = {language: rng.integers(1, 9, shape) for language in languages}
    actual = paired_difference(system, baseline, metric=metric, aligned=aligned, n_resamples=n_resamples, seed=7)

    streams = np.random.SeedSequence(7).spawn(4)
    weights = bootstrap._seed_weights(np.random.default_rng(streams[0]), num_seeds, n_resamples)
    drawn = [np.random.default_rng(stream).integers(0, n, (n_resamples, n)) for stream in streams[1:]]
    expected: dict[str, list[float]] = {name: [] for name in [*languages, "macro_all", "macro_target", "transfer_gap"]}
    for r in range(n_resamples):
        difference = {}
        for position, language in enumerate(languages):
            rows = drawn[0 if aligned else position][r]
            difference[language] = 0.0
            for s in range(num_seeds):
                first, second = (c[language][s][rows].sum(axis=0) for c in (system, baseline))
                difference[language] += weights[r, s] * float(metric.score(first) - metric.score(second))
        summary = summarise(difference, "en")
        for name, values in expected.items():
            values.append(difference[name] if name in difference else getattr(summary, name))
    for name, values in expected.items():
        interval = actual.languages[name] if name in actual.languages else getattr(actual, name)
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)


def test_the_mean_is_that_of_the_data() -> None:
    rng = np.random.default_rng(1)
    sizes = {"en": 50, "de": 30}
    system, baseline = random_counts(rng, sizes, 3), random_counts(rng, sizes, 3)
    one = bootstrap_interval(system, metric=ACCURACY, aligned=False, n_resamples=10)
    scores = {language: float(system[language][..., 0].mean()) for language in sizes}
    assert {language: interval.mean for language, interval in one.languages.items()} == pytest.approx(scores)
    assert one.transfer_gap is not None
    assert one.transfer_gap.mean == pytest.approx(scores["en"] - scores["de"])
    two = paired_difference(system, baseline, metric=ACCURACY, aligned=False, n_resamples=10)
    assert two.languages["de"].mean == pytest.approx(scores["de"] - baseline["de"][..., 0].mean())


def test_memory_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(np.random.default_rng(2), {"en": 31, "de": 31}, 2)
    whole = bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=50)
    monkeypatch.setattr(bootstrap, "_BLOCK_ELEMENTS", 31 * 7)
    assert bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=50) == whole


def test_the_seed_decides_and_global_state_is_left_alone() -> None:
    counts = random_counts(np.random.default_rng(3), {"en": 200}, 2)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    first = bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=5)
    assert bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=5) == first
    assert bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=6) != first
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_variance_between_seeds_is_unbiased(num_seeds: int) -> None:
    # No variation between examples: what is left is that between seeds, whose mean has the variance s²/S.
    scores = np.random.default_rng(num_seeds).integers(500, 900, num_seeds)
    counts = np.stack([np.tile([score, 1000], (4, 1)) for score in scores])
    draws = bootstrap._resample({"en": counts[None]}, ACCURACY, True, 40_000, seed=0)[:, 0, 0]
    assert draws.var() == pytest.approx((scores / 1000).var(ddof=1) / num_seeds, rel=0.05)


def simulate(rng: np.random.Generator, num_seeds: int, seed_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Two systems, accuracies 0.63 and 0.60 in expectation, on the same examples of varying difficulty."""
    difficulty = rng.uniform(-0.25, 0.25, 300)
    drawn = []
    for accuracy in (0.63, 0.60):
        chance = accuracy + rng.normal(0, seed_sd, (num_seeds, 1)) + difficulty
        drawn.append(as_counts(rng.random((num_seeds, 300)) < chance))
    return drawn[0], drawn[1]


def coverage(num_seeds: int, seed_sd: float, used_seeds: int) -> float:
    rng, hits, n_simulations = np.random.default_rng(0), 0, 300
    for _ in range(n_simulations):
        system, baseline = ({"de": counts[:used_seeds]} for counts in simulate(rng, num_seeds, seed_sd))
        difference = paired_difference(system, baseline, metric=ACCURACY, aligned=True, n_resamples=300)
        hits += difference.macro_all.low <= 0.03 <= difference.macro_all.high
    return hits / n_simulations


def test_coverage_with_one_model() -> None:
    assert 0.91 <= coverage(num_seeds=1, seed_sd=0, used_seeds=1) <= 0.98


def test_coverage_with_five_seeds_and_without_them() -> None:
    assert coverage(num_seeds=5, seed_sd=0.04, used_seeds=5) >= 0.92
    assert coverage(num_seeds=5, seed_sd=0.04, used_seeds=1) <= 0.85  # the check can fail: one model is not a recipe


def test_coverage_of_the_average_over_translations_needs_aligned_resampling() -> None:
    rng, languages, truth = np.random.default_rng(4), ["en", "de", "fr", "sw"], 0.6
    hits = {True: 0, False: 0}
    for _ in range(200):
        difficulty = rng.random(200)  # an example that is hard in one language is hard in all
        counts = {language: as_counts((difficulty < truth) ^ (rng.random(200) < 0.02))[None] for language in languages}
        expected = truth * 0.98 + (1 - truth) * 0.02
        for aligned in hits:
            average = bootstrap_interval(counts, metric=ACCURACY, aligned=aligned, n_resamples=300).macro_all
            hits[aligned] += average.low <= expected <= average.high
    assert hits[True] / 200 >= 0.90
    assert hits[False] / 200 <= 0.80


def test_pairing_cancels_what_systems_share() -> None:
    counts = random_counts(np.random.default_rng(5), {"en": 100, "de": 100}, 3)
    none = paired_difference(counts, counts, metric=ACCURACY, aligned=True, n_resamples=50)
    assert none.macro_all == Interval(0.0, 0.0, 0.0)
    assert none.languages["de"] == Interval(0.0, 0.0, 0.0)
    assert not none.macro_all.excludes_zero


def test_averages_that_do_not_exist_are_none() -> None:
    counts = random_counts(np.random.default_rng(6), {"en": 20, "de": 20}, 1)
    only_source = bootstrap_interval({"en": counts["en"]}, metric=ACCURACY, aligned=True, n_resamples=9)
    assert (only_source.macro_target, only_source.transfer_gap) == (None, None)
    no_source = bootstrap_interval({"de": counts["de"]}, metric=ACCURACY, aligned=True, n_resamples=9)
    assert no_source.macro_target == no_source.macro_all
    assert no_source.transfer_gap is None


def test_one_example_and_one_seed_have_no_spread() -> None:
    single = bootstrap_interval({"en": np.array([[[1, 1]]])}, metric=ACCURACY, aligned=True, n_resamples=9)
    assert single.languages["en"] == Interval(1.0, 1.0, 1.0)


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


ONES = np.ones((2, 5, 2), np.int64)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "at least one language"),
        ({"en": np.ones((5, 2), np.int64)}, r"\(seeds, examples, counts\)"),
        ({"en": np.ones((1, 0, 2), np.int64)}, "non-empty"),
        ({"en": ONES, "de": ONES[:1]}, "same seeds"),
        ({"en": ONES, "de": ONES[:, :4]}, "'de': 4.*aligned=False"),
    ],
)
def test_bootstrap_refuses_counts_that_do_not_fit(counts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bootstrap_interval(counts, metric=ACCURACY, aligned=True, n_resamples=5)


def test_bootstrap_refuses_impossible_settings() -> None:
    for settings in ({"n_resamples": 0}, {"confidence": 95.0}):
        with pytest.raises(InputError, match="n_resamples="):
            bootstrap_interval({"en": ONES}, metric=ACCURACY, aligned=True, **settings)  # type: ignore[arg-type]


def test_difference_refuses_what_cannot_be_paired() -> None:
    with pytest.raises(InputError, match="same languages"):
        paired_difference({"en": ONES}, {"de": ONES}, metric=ACCURACY, aligned=True)
    with pytest.raises(InputError, match="same seeds and test examples"):
        paired_difference({"en": ONES}, {"en": ONES[:1]}, metric=ACCURACY, aligned=True)
