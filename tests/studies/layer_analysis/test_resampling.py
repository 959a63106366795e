"""Half-samples cover what they say, and corrections keep their level."""

from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.statistics.intervals import Estimates
from modeling_dlfa.studies.layer_analysis.resampling import half_samples, tied_with_best
from modeling_dlfa.studies.layer_analysis.similarity import cka_matrices

from .cka import linear_cka


def test_half_samples() -> None:
    draws = half_samples(41, 200, 3)
    assert draws.shape == (200, 41) and (draws.sum(axis=1) == 20).all()
    assert draws.mean(axis=0) == pytest.approx(20 / 41, abs=0.15)
    assert len({row.tobytes() for row in draws}) == 200
    assert (half_samples(41, 200, 3) == draws).all() and (half_samples(41, 200, 4) != draws).any()
    with pytest.raises(InputError, match="Too few examples for intervals: 19"):
        half_samples(19, 200)
    with pytest.raises(InputError, match="Too few resamples for intervals: 2"):
        half_samples(100, 2)


def test_the_spread_of_half_samples_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=100)
    draws = half_samples(100, 4000, 1)
    means = draws @ values / 50
    assert means.std() == pytest.approx(values.std(ddof=1) / 10, rel=0.05)


def test_intervals_of_an_accuracy_cover() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(400):
        hits = (rng.random(200) < 0.7).astype(float)
        draws = half_samples(200, 200, trial)
        [interval] = Estimates.of_examples(hits.mean(keepdims=True), (draws @ hits / 100)[:, None]).intervals()
        covered += interval.low <= 0.7 <= interval.high
    # 95 % give or take three standard errors of 400 trials.
    assert 0.915 <= covered / 400 <= 0.985


def test_intervals_of_cka_cover() -> None:
    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        common = rng.normal(size=(n, 4)) * [2, 1.5, 1, 0.5]
        return np.stack([np.hstack([common, rng.normal(size=(n, 4))]) for _ in range(2)]).astype(np.float32)

    truth = linear_cka(*sample(np.random.default_rng(0), 6000), debiased=False)
    covered = 0
    for trial in range(100):
        vectors = sample(np.random.default_rng(trial + 1), 80)
        draws = np.vstack([np.ones((1, 80), dtype=bool), half_samples(80, 200, trial)])
        values = cka_matrices(vectors, draws)[:, 0, 1]
        [interval] = Estimates.of_examples(values[:1], values[1:, None]).intervals()
        covered += interval.low <= truth <= interval.high
    # CKA is bounded and skewed: 95 % is the limit for many sentences, and these are few.
    assert 0.86 <= covered / 100 <= 1


def test_the_best_is_told_from_others_only_beyond_chance() -> None:
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(500, 3)) * 0.01 + [0.5, 0.51, 0.2]
    assert tied_with_best(np.array([0.5, 0.51, 0.2]), draws) == [0, 1]
    # What the candidates share cancels: the same difference, paired.
    shared = rng.normal(size=(500, 1)) * 0.01
    paired = shared + rng.normal(size=(500, 3)) * 0.0005 + [0.5, 0.51, 0.2]
    assert tied_with_best(np.array([0.5, 0.51, 0.2]), paired) == [1]
    false = 0
    for trial in range(300):
        scores = np.random.default_rng(trial).normal(size=(100, 7))
        halves = half_samples(100, 100, trial)
        false += len(tied_with_best(scores.mean(axis=0), halves @ scores / 50)) < 7
    assert false / 300 <= 0.08
