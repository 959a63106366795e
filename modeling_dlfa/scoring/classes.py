"""Scores of every label: precision, recall, F1, and which labels are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .counting import class_counts
from .metrics import METRICS, MULTI_LABEL, REGRESSION, SINGLE_LABEL
from .spans import span_classes

MACRO_F1 = "macro_f1"
PARTS = ("precision", "recall", "f1")


def class_names(labels: Sequence[str], kind: Literal["sequence", "token"]) -> list[str]:
    """Names what is scored apart: the labels or, where they are tags of entities (`B-PER`, `I-PER`), the types."""
    if kind == "token" and all(label == "O" or label.startswith(("B-", "I-")) for label in labels):
        return list(dict.fromkeys(label[2:] for label in labels if label != "O"))
    return list(labels)


def class_metrics(labels: Sequence[str], kind: Literal["sequence", "token"], problem: str = SINGLE_LABEL) -> list[str]:
    """Names the scores of `class_report` as a Trainer knows them: `macro_f1`, and such as `recall_LABEL`."""
    if problem == REGRESSION:
        return []
    return [MACRO_F1, *(f"{part}_{name}" for name in class_names(labels, kind) for part in PARTS)]


def class_report(
    predictions: Any,
    references: Any,
    labels: Sequence[str],
    kind: Literal["sequence", "token"],
    problem: str = SINGLE_LABEL,
) -> dict[str, Any]:
    """Scores every label apart, ready for JSON.

    Args:
        predictions: N class ids; of a token task N arrays with one id per word; of a multi-label task N rows of 0 and
            1.
        references: The same, as annotated.
        labels: Label names; the position of a name is its class id.
        kind: Whether an example or a word has a label.
        problem: One of `PROBLEM_TYPES`.

    Returns:
        Empty for a regression; else `macro_f1`, the mean F1 of the classes that were annotated or predicted (as in
        scikit-learn); `classes`, for each its `precision`, `recall`, `f1` and `support` (how often it is annotated),
        where 0 stands for 0 / 0; `confusion`, a row for each annotated label with how often each label was predicted
        for it. Of tags of entities the classes are entity types, counted as seqeval does; the confusion is that of
        words. Where an example can have several labels there is no confusion matrix.
    """
    if problem == REGRESSION:
        return {}
    if problem == MULTI_LABEL:
        counts = class_counts(predictions, references, labels).sum(axis=0).reshape(3, len(labels))
        return _report(labels, *counts)
    names = class_names(labels, kind)
    entities = names != list(labels)
    if kind == "token":
        right, predicted, annotated = span_classes(predictions, references, labels, names) if entities else (None,) * 3
        predictions, references = (
            np.fromiter(chain.from_iterable(side), np.int64) for side in (predictions, references)
        )
    confusion = confusion_matrix(predictions, references, len(labels))
    if not entities:
        right, predicted, annotated = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    assert right is not None and predicted is not None and annotated is not None
    return {**_report(names, right, predicted, annotated), "confusion": confusion.tolist()}


def _report(
    names: Sequence[str], right: NDArray[np.int64], predicted: NDArray[np.int64], annotated: NDArray[np.int64]
) -> dict[str, Any]:
    scores = {
        "precision": _ratio(right, predicted),
        "recall": _ratio(right, annotated),
        "f1": _ratio(2 * right, predicted + annotated),
    }
    seen = (predicted + annotated) > 0
    return {
        MACRO_F1: float(scores["f1"][seen].mean()) if seen.any() else 0.0,
        "classes": {
            name: {**{part: float(scores[part][index]) for part in PARTS}, "support": int(annotated[index])}
            for index, name in enumerate(names)
        },
    }


def confusion_matrix(predictions: Any, references: Any, num_labels: int) -> NDArray[np.int64]:
    """Counts, for each annotated label (row), how often each label (column) was predicted."""
    pairs = np.asarray(references, dtype=np.int64) * num_labels + np.asarray(predictions, dtype=np.int64)
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels)
    return counts


def named_scores(report: dict[str, Any]) -> dict[str, float]:
    """Returns the scores of a `class_report` under the names of `class_metrics`."""
    apart = {f"{part}_{name}": own[part] for name, own in report["classes"].items() for part in PARTS}
    return {MACRO_F1: report[MACRO_F1], **apart}


def metric_title(name: str) -> str:
    """Returns how running text names a score: `recall of PER` for `recall_PER`."""
    if name in METRICS:
        return METRICS[name].title
    part, _, label = name.partition("_")
    return "macro-F1" if name == MACRO_F1 else f"{part.replace('f1', 'F1')} of {label}" if part in PARTS else name


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
