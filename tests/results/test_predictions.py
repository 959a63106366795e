"""What is written is what is read: logits as probabilities, words as they are, whatever they consist of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modeling_dlfa.data.loading import SourceInfo, Split
from modeling_dlfa.results.predictions import read_predictions, write_predictions
from modeling_dlfa.tasks import get_task

from ..commands import read_words


def test_predictions_survive_the_disk(tmp_path: Path) -> None:
    task = get_task("xnli")
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 400, (50, 3)).astype(np.float16)  # So large that a plain exponential overflows.
    labels = rng.integers(0, 3, 50)
    path = tmp_path / "run" / "en.tsv"
    write_predictions(path, task, Split("en", ([], []), labels.tolist(), SourceInfo("memory", 50)), logits)
    again = read_predictions(path, task)
    assert (again.references == labels).all() and (again.predictions == logits.argmax(1)).all()
    assert sum(again.distribution(task.labels).values()) == 50
    header, first, *_ = path.read_text(encoding="utf-8").splitlines()
    assert header == "row\tlabel\tprediction\tentailment\tneutral\tcontradiction"
    row = first.split("\t")
    exact = np.exp(logits[0].astype(np.float64) - logits[0].max())
    np.testing.assert_allclose([float(value) for value in row[3:]], exact / exact.sum(), atol=1e-6)
    assert row[:3] == ["0", task.labels[labels[0]], task.labels[logits[0].argmax()]]
    assert [path.name for path in path.parent.iterdir()] == ["en.tsv"]


def test_words_survive_the_disk(tmp_path: Path) -> None:
    task = get_task("panx")
    odd = ["a\tb", "a\nb", "\r", "\\", "\\t", "\\\\n", "", " ", "\u2028", "\x85", "\x0b", "\x00", '"', "我"]
    words = [odd, ["Paris", "."], ["x"]]
    labels = [[index % 7 for index, _ in enumerate(sentence)] for sentence in words]
    predicted = [np.array([(index * 3) % 7 for index, _ in enumerate(sentence)]) for sentence in words]
    path = tmp_path / "run" / "en.tsv"
    write_predictions(path, task, Split("en", (words,), labels, SourceInfo("memory", 3)), predicted)
    rows = path.read_bytes().decode().split("\n")
    assert rows[:3] == ["sentence\tword\tlabel\tprediction", "0\ta\\tb\tO\tO", "0\ta\\nb\tB-PER\tB-ORG"]
    assert all(row.count("\t") == 3 for row in rows[:-1]) and len(rows) == 1 + 17 + 1
    assert rows[-2].startswith("2\tx\t")
    assert read_words(path) == words
    again = read_predictions(path, task)
    assert [sentence.tolist() for sentence in again.references] == labels
    assert [a.tolist() for a in again.predictions] == [p.tolist() for p in predicted]
    assert sum(again.distribution(task.labels).values()) == 17
