"""Resampled examples against a loop, and what cannot be resampled."""

from __future__ import annotations

import numpy as np
import pytest

import modeling_dlfa.statistics.resampling as resampling
from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS, Metric
from modeling_dlfa.statistics.comparisons import score_intervals
from modeling_dlfa.statistics.resampling import resampled_scores

from ..counts import random_counts

ACCURACY = METRICS["accuracy"]
F1 = METRICS["f1"]  # Its score reads the first three counts.


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("num_seeds", [1, 3])
@pytest.mark.parametrize("metric", [ACCURACY, F1], ids=lambda metric: metric.name)
def test_resampled_scores_equal_a_loop_over_resampled_examples(metric: Metric, num_seeds: int, aligned: bool) -> None:
    rng, n, n_resamples = np.random.default_rng(0), 17, 40
    languages = ["de", "en", "fr"]
    shape = (2, num_seeds, n, 2 if metric is ACCURACY else 3)
    counts = {language: rng.integers(1, 9, shape) for language in languages}
    observed, draws = resampled_scores(counts, metric=metric, aligned=aligned, n_resamples=n_resamples, seed=7)
    streams = np.random.SeedSequence(7).spawn(1 if aligned else 3)
    drawn = [np.random.default_rng(stream).integers(0, n, (n_resamples, n)) for stream in streams]
    assert observed.shape == (3, 2, num_seeds) and draws.shape == (n_resamples, 3, 2, num_seeds)
    for position, language in enumerate(languages):
        for system in range(2):
            for s in range(num_seeds):
                array = counts[language][system, s]
                assert observed[position, system, s] == pytest.approx(float(metric.score(array.sum(axis=0))))
                rows = drawn[0 if aligned else position]
                expected = [float(metric.score(array[row].sum(axis=0))) for row in rows]
                assert draws[:, position, system, s] == pytest.approx(expected, abs=1e-12)


def test_memory_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(np.random.default_rng(2), {"en": 31, "de": 31}, 2)
    whole = score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=50)
    monkeypatch.setattr(resampling, "_BLOCK_ELEMENTS", 31 * 7)
    assert score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=50) == whole


def test_the_seed_decides_and_global_state_is_left_alone() -> None:
    counts = random_counts(np.random.default_rng(3), {"en": 200}, 2)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    first = score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=5)
    assert score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=5) == first
    assert score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=99, seed=6) != first
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


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
def test_refuses_counts_that_do_not_fit(counts: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_intervals(counts, metric=ACCURACY, aligned=True, n_resamples=5)


def test_refuses_impossible_settings() -> None:
    for settings, message in (({"n_resamples": 1}, "n_resamples="), ({"confidence": 95.0}, "confidence=")):
        with pytest.raises(InputError, match=message):
            score_intervals({"en": ONES}, metric=ACCURACY, aligned=True, **settings)  # type: ignore[arg-type]
