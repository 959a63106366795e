from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS, average_title, get_metric, is_collapsed, summarise

ACCURACY = METRICS["accuracy"]


def test_accuracy_equals_the_share_of_right_answers() -> None:
    counts = ACCURACY.counts([0, 1, 2, 2], [0, 1, 1, 2])
    assert counts.tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]
    assert counts.dtype == np.int64
    assert ACCURACY.score(counts.sum(axis=0)) == 0.75
    assert ACCURACY.score(np.array([[1, 2], [3, 3]])).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("predictions", "references"), [([], []), ([0, 1], [0]), (np.zeros((2, 3)), np.zeros(2)), ([[0]], [[0]])]
)
def test_accuracy_refuses_what_is_not_one_label_an_example(predictions: object, references: object) -> None:
    with pytest.raises(InputError, match="class ids"):
        ACCURACY.counts(predictions, references)  # type: ignore[arg-type]


def test_unknown_metric_names_those_that_exist() -> None:
    assert get_metric("accuracy") is ACCURACY
    with pytest.raises(InputError, match="'bleu'.*accuracy"):
        get_metric("bleu")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"de": 0.6, "en": 0.8, "fr": 0.7}, (0.7, 0.65, 0.15)),
        ({"de": 0.6, "fr": 0.7}, (0.65, 0.65, None)),
        ({"en": 0.8}, (0.8, None, None)),
        ({"de": 0.5}, (0.5, 0.5, None)),
    ],
)
def test_summary_averages_languages(
    scores: dict[str, float], expected: tuple[float, float | None, float | None]
) -> None:
    summary = summarise(scores, "en")
    actual = (summary.macro_all, summary.macro_target, summary.transfer_gap)
    assert [value is None for value in actual] == [value is None for value in expected]
    assert [v for v in actual if v is not None] == pytest.approx([v for v in expected if v is not None])


def test_summary_of_nothing() -> None:
    with pytest.raises(InputError, match="at least one language"):
        summarise({}, "en")


@pytest.mark.parametrize(
    ("predictions", "num_labels", "collapsed"),
    [
        ([1] * 100, 3, True),
        ([1] * 95 + [0] * 5, 3, True),
        ([1] * 94 + [0] * 6, 3, False),
        ([0, 1, 2] * 30, 3, False),
        ([1] * 29, 3, False),  # too few to say
        ([0] * 100, 1, False),  # a regression has one output
    ],
)
def test_collapsed(predictions: list[int], num_labels: int, collapsed: bool) -> None:
    assert is_collapsed(predictions, num_labels) is collapsed


@pytest.mark.parametrize(
    ("predicted", "annotated", "collapsed"),
    [
        ({0: 100}, {0: 50, 1: 50}, True),  # No name is found.
        ({0: 98, 1: 2}, {0: 50, 1: 50}, True),
        ({0: 97, 1: 3}, {0: 50, 1: 50}, False),
        ({0: 97, 1: 3}, {0: 95, 1: 5}, False),  # Names are rare here.
        ({0: 100}, {0: 100}, False),  # There is none to find.
        ({1: 100}, {0: 90, 1: 10}, True),  # All is a name.
        ({0: 19}, {0: 10, 1: 9}, False),  # Too few to say.
    ],
)
def test_collapsed_where_one_label_is_most(
    predicted: dict[int, int], annotated: dict[int, int], collapsed: bool
) -> None:
    arrays = [np.repeat(list(side), list(side.values())) for side in (predicted, annotated)]
    assert is_collapsed(arrays[0], 2, arrays[1]) is collapsed


def test_f1_of_sentences_with_accuracy_beside_it() -> None:
    labels = ("O", "B-PER", "I-PER")
    counts = METRICS["f1"].counts([[1, 2, 0], [0]], [[1, 2, 1], [0]], labels)
    assert counts.tolist() == [[1, 1, 2, 2, 3], [0, 0, 0, 1, 1]]
    assert METRICS["f1"].report(counts) == {"f1": pytest.approx(2 / 3), "accuracy": 0.75, "n": 2, "words": 4}
    assert METRICS["f1"].score(np.zeros(5)) == 0
    assert METRICS["f1"].score(np.array([[0, 0, 0, 1, 1], [1, 2, 2, 0, 4]])).tolist() == [0, 0.5]


@pytest.mark.parametrize(
    ("predictions", "references", "labels", "message"),
    [
        ([[0]], [[0]], (), "names of the classes"),
        ([[0]], [[0, 1]], ("O", "B-X"), "one predicted and one reference label a word"),
        ([[]], [[]], ("O", "B-X"), "at least one word"),
        ([], [], ("O", "B-X"), "at least one word"),
        ([0, 1], [0, 1], ("O", "B-X"), "at least one word"),
    ],
)
def test_f1_refuses_what_is_not_sentences(
    predictions: list[Any], references: list[Any], labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        METRICS["f1"].counts(predictions, references, labels)


def test_languages_that_were_seen_are_no_targets() -> None:
    scores = {"en": 0.9, "de": 0.8, "fr": 0.6, "sw": 0.4}
    summary = summarise(scores, ["en", "de"])
    assert summary.macro_target == pytest.approx(0.5) and summary.transfer_gap == pytest.approx(0.4)
    assert summarise({"de": 0.8, "sw": 0.4}, ["en", "de"]).transfer_gap is None
    assert summarise({"en": 0.9, "de": 0.8}, ["en", "de"]).macro_target is None
    assert average_title("macro_target", ["en", "de"]) == "average, targets (not en, de)"
    assert average_title("macro_target", "en") == "average, targets"
