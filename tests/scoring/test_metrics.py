from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modeling_dlfa.scoring.metrics as metrics
from modeling_dlfa.errors import InputError
from modeling_dlfa.scoring.metrics import METRICS, cross_lingual_metric, get_metric, is_collapsed, summarise

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


def test_evaluate_metric_scores_sentences() -> None:
    scorer = cross_lingual_metric("f1", source_language="en", labels=("O", "B-PER", "I-PER"))
    columns: dict[str, list[Any]] = {
        "predictions": [[1, 2, 0], [0, 0], [1]],
        "references": [[1, 2, 0], [1, 0], [1]],
        "languages": ["en", "de", "en"],
    }
    expected = {
        "languages": {
            "en": {"f1": 1.0, "accuracy": 1.0, "n": 2, "words": 4},
            "de": {"f1": 0.0, "accuracy": 0.5, "n": 1, "words": 2},
        },
        "macro_all": 0.5,
        "macro_target": 0.0,
        "transfer_gap": 1.0,
    }
    assert scorer.compute(**columns) == expected
    for rows in (slice(0, 2), slice(2, 3)):
        scorer.add_batch(**{name: values[rows] for name, values in columns.items()})
    assert scorer.compute() == expected
    with pytest.raises(InputError, match="one class id per word"):
        scorer.compute(predictions=[0.5], references=[0], languages=["en"])


def test_evaluate_metric_scores_languages_in_one_call_or_in_batches() -> None:
    scorer = cross_lingual_metric("accuracy", source_language="en")
    expected: dict[str, Any] = {
        "languages": {
            "en": {"accuracy": 0.5, "n": 2},
            "de": {"accuracy": 0.0, "n": 1},
            "fr": {"accuracy": 1.0, "n": 1},
        },
        "macro_all": 0.5,
        "macro_target": 0.5,
        "transfer_gap": 0.0,
    }
    columns: dict[str, list[Any]] = {
        "predictions": [0, 1, 2, 1],
        "references": [0, 2, 1, 1],
        "languages": ["en", "en", "de", "fr"],
    }
    assert scorer.compute(**columns) == expected
    scorer.add_batch(**{name: np.array(values[:3]) for name, values in columns.items()})
    scorer.add_batch(**{name: values[3:] for name, values in columns.items()})
    assert scorer.compute() == expected
    json.dumps(expected)


def test_evaluate_metric_keeps_every_example() -> None:
    rng = np.random.default_rng(0)
    predictions, references = rng.integers(0, 3, (2, 5003))
    languages = np.array(["en", "de", "sw"])[rng.integers(0, 3, 5003)]
    scorer = cross_lingual_metric()
    result = scorer.compute(predictions=predictions, references=references, languages=languages.tolist())
    for language in ("en", "de", "sw"):
        chosen = languages == language
        expected = {"accuracy": float((predictions == references)[chosen].mean()), "n": int(chosen.sum())}
        assert result["languages"][language] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"predictions": [0.9], "references": [0], "languages": ["en"]}, "class id"),
        ({"predictions": [[0, 1]], "references": [0], "languages": ["en"]}, "class id"),
        ({"predictions": [0, 1], "references": [0], "languages": ["en"]}, "'predictions': 2"),
        ({"predictions": [0], "references": [0]}, "'languages': 0"),
        ({"predictions": [], "references": [], "languages": []}, "'predictions': 0"),
        ({}, "nothing to score"),
    ],
)
def test_evaluate_metric_refuses_bad_columns(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_lingual_metric().compute(**columns)


SCRIPT = """
import json, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError(f"network: {args}")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
import modeling_dlfa.scoring.metrics as metrics, modeling_dlfa.statistics.resampling
import modeling_dlfa.results.tables, modeling_dlfa.results.summary
heavy = {"datasets", "evaluate", "matplotlib", "pandas", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
scorer = metrics.cross_lingual_metric()
for _ in range(2):
    result = scorer.compute(predictions=[0, 1, 2], references=[0, 1, 1], languages=["en", "en", "de"])
print(json.dumps(result))
"""


def test_evaluate_metric_needs_no_network_and_leaves_no_file(tmp_path: Path) -> None:
    """Two processes at once, offline, with a home, a cache and a temporary folder that stay empty."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment |= {"HOME": str(home), "HF_HOME": str(home / "hf"), "TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(Path(metrics.__file__).parents[2])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": temporary}
    command = [sys.executable, "-B", "-c", SCRIPT]
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert json.loads(output)["transfer_gap"] == 1.0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
