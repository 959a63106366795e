"""Scores of every label are those of scikit-learn's and seqeval's reports."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from modeling_dlfa.scoring.classes import class_metrics, class_report, metric_title, named_scores

LABELS = ("a", "b", "c")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def test_of_texts_by_hand() -> None:
    report = class_report(np.array([0, 0, 1, 1, 1, 0]), [0, 1, 1, 1, 0, 0], LABELS, "sequence")
    assert report["confusion"] == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert report["classes"]["a"] == {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3}
    assert report["classes"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert report["macro_f1"] == pytest.approx(2 / 3), "c was neither annotated nor predicted"


def test_of_texts_as_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    predicted, expected = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    reference = metrics.classification_report(expected, predicted, target_names=LABELS, output_dict=True)
    report = class_report(predicted, expected, LABELS, "sequence")
    assert report["macro_f1"] == pytest.approx(reference["macro avg"]["f1-score"])
    for label in LABELS:
        own, theirs = report["classes"][label], reference[label]
        assert own["precision"] == pytest.approx(theirs["precision"]) and own["support"] == theirs["support"]
        assert own["f1"] == pytest.approx(theirs["f1-score"]) and own["recall"] == pytest.approx(theirs["recall"])
    assert report["confusion"] == metrics.confusion_matrix(expected, predicted).tolist()


def test_of_entities_as_seqeval() -> None:
    from seqeval.metrics import classification_report

    rng = np.random.default_rng(2)
    sides = [[rng.integers(0, len(TAGS), length) for length in (1, 4, 9, 30, 2, 17)] for _ in range(2)]
    expected, predicted = sides
    named = [[[TAGS[tag] for tag in sentence] for sentence in side] for side in sides]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = classification_report(*named, output_dict=True)
    report = class_report(predicted, expected, TAGS, "token")
    assert list(report["classes"]) == ["PER", "LOC"]
    for name in ("PER", "LOC"):
        own, theirs = report["classes"][name], reference[name]
        assert own["precision"] == pytest.approx(theirs["precision"]) and own["recall"] == pytest.approx(
            theirs["recall"]
        )
        assert own["f1"] == pytest.approx(theirs["f1-score"]) and own["support"] == theirs["support"] > 3
    assert report["macro_f1"] == pytest.approx(reference["macro avg"]["f1-score"])
    assert np.sum(report["confusion"]) == 63 and len(report["confusion"]) == len(TAGS)


def test_of_tags_that_are_no_entities() -> None:
    report = class_report([np.array([0, 1]), np.array([1])], [np.array([0, 0]), np.array([1])], ("NOUN", "X"), "token")
    assert report["confusion"] == [[1, 1], [0, 1]] and list(report["classes"]) == ["NOUN", "X"]


def test_names() -> None:
    report = class_report([0, 1], [0, 1], ("a_b", "c"), "sequence")
    assert list(named_scores(report)) == class_metrics(("a_b", "c"), "sequence")
    assert metric_title("recall_a_b") == "recall of a_b" and metric_title("f1_c") == "F1 of c"
    assert metric_title("macro_f1") == "macro-F1" and metric_title("f1") == "F1" and metric_title("loss") == "loss"
