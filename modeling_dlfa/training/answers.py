"""From the Trainer's batches to one answer per example, for every kind of task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedTokenizerBase,
)
from transformers.trainer_utils import PredictionOutput

from ..data.encoding import join_words
from ..data.loading import Split
from ..scoring.classes import MACRO_F1, class_report, named_scores
from ..scoring.cross_lingual import CrossLingualMetric
from ..scoring.metrics import MULTI_LABEL, REGRESSION, get_metric, is_collapsed
from ..tasks import Task

if TYPE_CHECKING:
    from datasets import Dataset


def data_collator(task: Task, tokenizer: PreTrainedTokenizerBase, pad_to_multiple_of: int | None) -> Any:
    """Returns the collator that pads examples, and token labels where there are any, into a batch."""
    collator = DataCollatorForTokenClassification if task.kind == "token" else DataCollatorWithPadding
    return collator(tokenizer, pad_to_multiple_of=pad_to_multiple_of)


def keep_class_ids(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Reduces B x T x L logits to B x T class ids, batch by batch: all sentences' logits would fill the memory."""
    return logits.argmax(dim=-1)


def answers(
    task: Task, splits: Sequence[Split], dataset: Dataset, outcome: EvalPrediction | PredictionOutput
) -> list[Any]:
    """Puts predictions into the order of the examples.

    Args:
        task: The task.
        splits: The examples, as read.
        dataset: The same examples tokenised, in any order.
        outcome: The Trainer's output for the rows of `dataset`.

    Returns:
        For each split N x L logits or, for a token task, N arrays with one class id per word.
    """
    predictions = np.asarray(outcome.predictions)
    if task.kind == "token":
        return join_words(splits, dataset, predictions, np.asarray(outcome.label_ids))
    columns = dataset.with_format("numpy")
    language, row = columns["language"][:], columns["row"][:]
    return [predictions[language == index][row[language == index].argsort()] for index in range(len(splits))]


def class_ids(task: Task, answer: Any) -> Any:
    """Returns the predictions in a split's `answers`, as its `labels` are laid out: class ids, 0 and 1, or numbers."""
    if task.kind == "token":
        return answer
    if task.problem_type == REGRESSION:
        return answer[:, 0].astype(np.float64)
    return (answer >= 0).astype(np.int64) if task.problem_type == MULTI_LABEL else answer.argmax(axis=-1)


def collapsed(task: Task, predicted: Any, references: Any) -> bool:
    """Tells whether a model predicts one answer almost always.

    Labels, and sets of labels, are judged by `is_collapsed`; numbers must vary by more than a twentieth of what the
    annotated ones vary by.

    Args:
        task: The task.
        predicted: What `class_ids` returned.
        references: The same, as annotated.
    """
    if task.problem_type == REGRESSION:
        return bool(np.std(predicted) <= 0.05 * np.std(references))
    if task.kind == "token":
        return is_collapsed(np.concatenate(predicted), len(task.labels), np.concatenate(references))
    if task.problem_type == MULTI_LABEL:
        rows = np.concatenate([predicted, np.asarray(references, dtype=np.int64)])
        _, sets = np.unique(rows, axis=0, return_inverse=True)
        own, annotated = np.split(sets.ravel(), 2)
        return is_collapsed(own, max(len(np.unique(sets)), 2), annotated)
    return is_collapsed(predicted, len(task.labels))


def score(task: Task, answered: Mapping[str, tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Scores a task in several languages.

    Args:
        task: The task.
        answered: For each language the predicted and the annotated class ids; for a token task, arrays of them.

    Returns:
        For each language the task's metric, the metrics beside it, the number of examples (and words), and what
        `class_report` returns.
    """
    scorer = CrossLingualMetric(task.metric, task.source_language, task.labels, problem_type=task.problem_type)
    for language, (predictions, references) in answered.items():
        scorer.add_batch(predictions=predictions, references=references, languages=[language] * len(references))
    scores: dict[str, dict[str, Any]] = scorer.compute()["languages"] if answered else {}
    return {
        code: scores[code] | class_report(*answered[code], task.labels, task.kind, task.problem_type)
        for code in answered
    }


def compute_metrics(
    task: Task, split: Split | None, dataset: Dataset | None, selected: str | None = None
) -> Callable[[EvalPrediction], dict[str, float]] | None:
    """Returns the function with which the Trainer scores the validation data.

    Args:
        task: The task.
        split: The validation data, as read; without them there is no function.
        dataset: The same tokenised.
        selected: The score by which the checkpoint is chosen, which may be one of a label (`recall_LABEL`).
    """
    if split is None or dataset is None:
        return None
    names = (task.metric, *get_metric(task.metric).beside)
    wanted = (selected or task.metric).removeprefix("eval_")

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        (answer,) = answers(task, [split], dataset, prediction)
        [report] = score(task, {split.language: (class_ids(task, answer), split.labels)}).values()
        scores = {name: report[name] for name in names} | (named_scores(report) if "classes" in report else {})
        return {name: score for name, score in scores.items() if name in (*names, MACRO_F1, wanted)}

    return compute
