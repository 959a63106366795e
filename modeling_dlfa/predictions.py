"""Predictions on disk: one file for each run and language, from which every score is computed."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .tasks import Task


@dataclass(frozen=True)
class Predictions:
    """Predictions for the examples of one language.

    Attributes:
        references: N class ids, as annotated.
        predictions: N class ids, as predicted.
    """

    references: NDArray[np.int64]
    predictions: NDArray[np.int64]

    def distribution(self, labels: Sequence[str]) -> dict[str, int]:
        """Returns how often each label was predicted."""
        counts = Counter(self.predictions.tolist())
        return {label: counts[index] for index, label in enumerate(labels)}


def write_predictions(path: Path, task: Task, references: Iterable[int], logits: NDArray[np.floating]) -> None:
    """Writes one language's predictions: row (from 0), label, prediction and a probability for each label.

    The file appears whole or not at all.

    Args:
        path: The file; its folder is made.
        task: Gives the labels.
        references: N class ids.
        logits: N x number of labels.
    """
    logits = logits.astype(np.float64)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writerow(["row", "label", "prediction", *task.labels])
        for row, (reference, prediction) in enumerate(zip(references, predicted, strict=True)):
            shares = [f"{share:.6f}" for share in probabilities[row]]
            writer.writerow([row, task.labels[reference], task.labels[prediction], *shares])
    draft.replace(path)


def read_predictions(path: Path, task: Task) -> Predictions:
    """Reads what `write_predictions` wrote.

    Args:
        path: The file.
        task: Gives the labels.

    Returns:
        References and predictions as class ids, in the order of the rows.
    """
    ids = {label: index for index, label in enumerate(task.labels)}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return Predictions(
        np.array([ids[row["label"]] for row in rows], dtype=np.int64),
        np.array([ids[row["prediction"]] for row in rows], dtype=np.int64),
    )
