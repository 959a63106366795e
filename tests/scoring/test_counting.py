"""Scores of several labels and of numbers are those of scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from modeling_dlfa import CrossLingualMetric
from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS

LABELS = ("a", "b", "c", "d")


def score(name: str, predicted: np.ndarray, expected: np.ndarray) -> float:
    metric = METRICS[name]
    return float(metric.score(metric.counts(predicted, expected, LABELS).sum(axis=0)))


@pytest.mark.parametrize("several", [True, False])
def test_f1_is_that_of_scikit_learn(several: bool) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, 2, (2, 60, 4)) if several else rng.integers(0, 3, (2, 60))  # Of one label there is none.
    for average in ("macro", "micro") if several else ("macro",):
        reference = sklearn.f1_score(drawn[1], drawn[0], average=average)
        assert score(f"{average}_f1", *drawn) == pytest.approx(reference)


def test_correlations_are_those_of_scipy_with_ties_too() -> None:
    rng = np.random.default_rng(4)
    expected = rng.integers(0, 6, 80).astype(float)
    predicted = expected + rng.normal(size=80).round(1) + 1e4
    assert score("pearson", predicted, expected) == pytest.approx(pearsonr(predicted, expected).statistic)
    assert score("spearman", predicted, expected) == pytest.approx(spearmanr(predicted, expected).statistic)
    assert score("pearson", -predicted, expected) == pytest.approx(-pearsonr(predicted, expected).statistic)
    assert score("pearson", np.ones(80), expected) == score("spearman", np.ones(80), expected) == 0
    drawn = rng.integers(0, 80, 80)
    counts = METRICS["pearson"].counts(predicted, expected)[drawn].sum(axis=0)
    assert METRICS["pearson"].score(counts) == pytest.approx(pearsonr(predicted[drawn], expected[drawn]).statistic)
    with pytest.raises(InputError, match="pass finite numbers"):
        score("pearson", np.array([np.nan, 1.0]), np.array([0.0, 1.0]))


def test_the_metric_of_evaluate_takes_them() -> None:
    languages = ["en", "en", "de", "de"]
    several = CrossLingualMetric("micro_f1", labels=LABELS[:2])
    rows = [[1, 0], [0, 1], [1, 1], [0, 0]]
    scores = several.compute(predictions=rows, references=[[1, 0], [0, 0], [1, 0], [0, 0]], languages=languages)
    assert scores["languages"]["en"]["micro_f1"] == pytest.approx(2 / 3)
    numbers = CrossLingualMetric("pearson")
    scores = numbers.compute(predictions=[0.5, 1.5, 2.0, 1.0], references=[1.0, 3.0, 0.0, 2.0], languages=languages)
    assert scores["languages"]["en"]["pearson"] == pytest.approx(1) and scores["macro_target"] == pytest.approx(-1)
