"""Predictions on disk: one file per run and language, from which every score is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.labels import MultiLabelReader, read_number
from ..data.loading import Split
from ..files.writing import draft_file, escape
from ..scoring.metrics import MULTI_LABEL, REGRESSION, SINGLE_LABEL, sigmoid, softmax
from ..tasks import Task


@dataclass(frozen=True)
class Predictions:
    """Predictions for the examples of one language.

    Attributes:
        references: N class ids, as annotated; for a token task N arrays with one id per word; for a multi-label task
            N rows of 0 and 1; for a regression N numbers.
        predictions: The same, as predicted.
    """

    references: Sequence[Any] | NDArray[Any]
    predictions: Sequence[Any] | NDArray[Any]

    def distribution(self, labels: Sequence[str]) -> dict[str, int]:
        """Returns how often each label was predicted; nothing for numbers."""
        values = np.asarray(self.predictions) if isinstance(self.predictions, np.ndarray) else np.zeros(0, int)
        if values.dtype.kind == "f":
            return {}
        if values.ndim == 2:
            return dict(zip(labels, values.sum(axis=0).tolist(), strict=True))
        counts = Counter(np.hstack(list(self.predictions)).tolist())
        return {label: counts[index] for index, label in enumerate(labels)}


def write_predictions(path: Path, task: Task, split: Split, answer: Any) -> None:
    r"""Writes one language's predictions, tab-separated, without quoting.

    A sequence task has one row per example: row (from 0), label, prediction and a probability for each label; several
    labels have `|` between them, and a regression has numbers and no probabilities. A token
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
    if task.problem_type == REGRESSION:
        yield ["row", "label", "prediction"]
        for row, (number, predicted) in enumerate(zip(split.labels, logits[:, 0], strict=True)):
            yield [str(row), repr(float(number)), repr(float(predicted))]
        return
    several = task.problem_type == MULTI_LABEL
    probabilities = sigmoid(logits) if several else softmax(logits)
    yield ["row", "label", "prediction", *task.labels]
    predictions = logits >= 0 if several else logits.argmax(axis=1)
    for row, pair in enumerate(zip(split.labels, predictions, strict=True)):
        shares = [f"{share:.6f}" for share in probabilities[row]]
        yield [str(row), *(_joined(task, value) if several else task.labels[value] for value in pair), *shares]


def _joined(task: Task, has: Sequence[float]) -> str:
    return "|".join(label for label, given in zip(task.labels, has, strict=True) if given)


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
    if task.problem_type != SINGLE_LABEL:
        read = read_number if task.problem_type == REGRESSION else MultiLabelReader(task.labels, ())
        kind = np.float64 if task.problem_type == REGRESSION else np.int64
        annotated, predicted = (np.array([read(row[side]) for row in rows], kind) for side in (label, prediction))
        return Predictions(annotated, predicted)
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
