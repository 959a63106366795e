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
from ..scoring.cross_lingual import CrossLingualMetric
from ..scoring.metrics import get_metric
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
    """Returns the predictions in a split's `answers`: N class ids or, for a token task, N arrays of them."""
    return answer if task.kind == "token" else answer.argmax(axis=-1)


def score(task: Task, answered: Mapping[str, tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Scores a task in several languages.

    Args:
        task: The task.
        answered: For each language the predicted and the annotated class ids; for a token task, arrays of them.

    Returns:
        For each language the task's metric, the metrics beside it, and the number of examples (and words).
    """
    scorer = CrossLingualMetric(task.metric, task.source_language, task.labels)
    for language, (predictions, references) in answered.items():
        scorer.add_batch(predictions=predictions, references=references, languages=[language] * len(references))
    scores: dict[str, dict[str, Any]] = scorer.compute()["languages"] if answered else {}
    return scores


def compute_metrics(
    task: Task, split: Split | None, dataset: Dataset | None
) -> Callable[[EvalPrediction], dict[str, float]] | None:
    """Returns the function with which the Trainer scores the validation data; None without validation data."""
    if split is None or dataset is None:
        return None
    names = (task.metric, *get_metric(task.metric).beside)

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        (answer,) = answers(task, [split], dataset, prediction)
        [report] = score(task, {split.language: (class_ids(task, answer), split.labels)}).values()
        return {name: report[name] for name in names}

    return compute
