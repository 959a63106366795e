"""Linear probes find what is planted, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.statistics.probes import Counts, LinearProbe, majority_accuracy


def planted(n: int, seed: int, classes: int = 4, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Returns features in which some directions tell the class, among loud ones that do not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    features = rng.normal(size=(n, 20)) * np.where(np.arange(20) < classes, 1, 100)
    features[:, :classes] += 6 * np.eye(classes)[labels]
    return (features + offset).astype(np.float32), labels


def test_finds_a_linear_structure_and_no_other() -> None:
    features, labels = planted(600, 1)
    probe = LinearProbe.fit(features, labels)
    assert probe.converged
    unseen, expected = planted(300, 2)
    assert (probe.predict(unseen) == expected).mean() > 0.97
    # Exclusive or is there, but not for a linear map.
    signs = np.random.default_rng(3).choice([-1.0, 1.0], size=(1000, 2))
    parity = (signs.prod(axis=1) > 0).astype(int)
    assert (LinearProbe.fit(signs[:500], parity[:500]).predict(signs[500:]) == parity[500:]).mean() < 0.65
    noise = np.random.default_rng(4).normal(size=(1000, 5))
    random = np.random.default_rng(5).integers(0, 4, 1000)
    assert abs((LinearProbe.fit(noise[:500], random[:500]).predict(noise[500:]) == random[500:]).mean() - 0.25) < 0.07


def test_a_probe_is_the_minimum_of_its_loss() -> None:
    # Against the definition: no gradient of mean cross-entropy + l2/2 ||W||² at the fitted coefficients.
    features, labels = planted(200, 6, classes=3)
    probe = LinearProbe.fit(features, labels, l2=0.01)
    standardised = (features - features.mean(0, dtype=np.float64)) / features.std(0, dtype=np.float64)
    scores = standardised @ probe.model.coef_.T + probe.model.intercept_
    softmax = np.exp(scores - scores.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    residual = (softmax - np.eye(3)[labels]) / len(labels)
    assert np.abs(residual.T @ standardised + 0.01 * probe.model.coef_).max() < 1e-3
    assert np.abs(residual.sum(0)).max() < 1e-3


def test_transfer_is_asked_without_refitting() -> None:
    probe = LinearProbe.fit(*planted(600, 1))
    moved, labels = planted(300, 2, offset=1000.0)
    assert (probe.predict(moved) == labels).mean() < 0.6


def test_is_deterministic_whatever_the_scale() -> None:
    features, labels = planted(300, 7)
    features[:, 5] = 0.1  # A feature that does not vary.
    first, second = (LinearProbe.fit(features, labels) for _ in range(2))
    assert (first.model.coef_ == second.model.coef_).all()
    scaled = LinearProbe.fit(features * 1000, labels)
    assert (scaled.predict(features * 1000) == first.predict(features)).mean() > 0.99


def test_says_when_it_did_not_converge_and_refuses_one_class() -> None:
    features, labels = planted(300, 8)
    assert not LinearProbe.fit(features, labels, max_iterations=1).converged
    with pytest.raises(InputError, match="two classes"):
        LinearProbe.fit(features, np.zeros(300, dtype=int))


def test_counts_by_sentence() -> None:
    counts = Counts.of(np.array([1, 2, 2, 0, 0]), np.array([1, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1]))
    assert counts.correct.tolist() == [2, 1] and counts.total.tolist() == [3, 2]
    draws = np.array([[True, True], [True, False], [False, True]])
    assert counts.accuracy(draws) == pytest.approx([3 / 5, 2 / 3, 1 / 2])
    assert majority_accuracy(np.array([2, 2, 0]), np.array([0, 2, 1, 2])) == 0.5
