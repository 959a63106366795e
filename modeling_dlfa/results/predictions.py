"""Predictions on disk: one file per run and language, from which every score is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.loading import Split
from ..files.writing import draft_file, escape
from ..scoring.metrics import softmax
from ..tasks import Task


@dataclass(frozen=True)
class Predictions:
    """Predictions for the examples of one language.

    Attributes:
        references: N class ids, as annotated; for a token task N arrays with one id per word.
        predictions: The same, as predicted.
    """

    references: Sequence[Any] | NDArray[np.int64]
    predictions: Sequence[Any] | NDArray[np.int64]

    def distribution(self, labels: Sequence[str]) -> dict[str, int]:
        """Returns how often each label was predicted."""
        counts = Counter(np.hstack(list(self.predictions)).tolist())
        return {label: counts[index] for index, label in enumerate(labels)}


def write_predictions(path: Path, task: Task, split: Split, answer: Any) -> None:
    r"""Writes one language's predictions, tab-separated, without quoting.

    A sequence task has one row per example: row (from 0), label, prediction and a probability for each label. A token
    task has one row per word: sentence (from 0), word, label, prediction; tab, line feed, carriage return and
    backslash in a word are written as `\t`, `\n`, `\r` and `\\`. The file appears whole or not at all.

    Args:
        path: The file; its folder is created.
        task: Gives the labels.
        split: The examples.
        answer: Of `evaluation.answers`: N x number of labels logits, or N arrays with one class id per word.
    """
    rows = _word_rows(task, split, answer) if task.kind == "token" else _example_rows(task, split, answer)
    with draft_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)


def _example_rows(task: Task, split: Split, logits: NDArray[np.floating]) -> Iterable[list[str]]:
    probabilities = softmax(logits)
    yield ["row", "label", "prediction", *task.labels]
    for row, (reference, prediction) in enumerate(zip(split.labels, logits.argmax(axis=1), strict=True)):
        shares = [f"{share:.6f}" for share in probabilities[row]]
        yield [str(row), task.labels[reference], task.labels[prediction], *shares]


def _word_rows(task: Task, split: Split, answer: Sequence[NDArray[np.int64]]) -> Iterable[list[str]]:
    yield ["sentence", "word", "label", "prediction"]
    for sentence, (words, references, predicted) in enumerate(zip(split.texts[0], split.labels, answer, strict=True)):
        for word, reference, prediction in zip(words, references, predicted, strict=True):
            yield [str(sentence), escape(word), task.labels[reference], task.labels[prediction]]


def read_predictions(path: Path, task: Task) -> Predictions:
    """Reads what `write_predictions` wrote.

    Args:
        path: The file.
        task: Gives the labels.

    Returns:
        References and predictions as class ids, in the order of the rows; for a token task by sentence.
    """
    ids = {label: index for index, label in enumerate(task.labels)}
    header, *rows = _read_rows(path)
    label, prediction = header.index("label"), header.index("prediction")
    references = np.array([ids[row[label]] for row in rows], dtype=np.int64)
    predictions = np.array([ids[row[prediction]] for row in rows], dtype=np.int64)
    if task.kind != "token":
        return Predictions(references, predictions)
    sentence = np.array([int(row[0]) for row in rows])
    starts = np.flatnonzero(np.diff(sentence)) + 1
    return Predictions(np.split(references, starts), np.split(predictions, starts))


def _read_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        return [line.removesuffix("\n").split("\t") for line in file]
