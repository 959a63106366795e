"""What the training loss counts: weights of the labels, label smoothing, or a loss of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from ..data.encoding import IGNORED
from ..errors import InputError
from ..scoring.metrics import SINGLE_LABEL
from ..tasks import Task

if TYPE_CHECKING:
    from ..data.splits import Split
    from .arguments import CrossLingualTrainingArguments
    from .options import LearningArguments

BALANCED = "balanced"


class ClassificationLoss:
    """Cross-entropy with weights of the labels and label smoothing, as `Trainer` takes a `compute_loss_func`.

    It is `torch.nn.CrossEntropyLoss(weight=..., label_smoothing=...)`, but divides by the number of labels rather than
    by their weights in the batch: batches cut into micro-batches or over processes then give the same gradient.

    Args:
        weights: Weight of each of the C labels; all 1 if None.
        label_smoothing: Share of the target that is spread evenly over all labels.
    """

    def __init__(self, weights: Sequence[float] | None = None, label_smoothing: float = 0.0) -> None:
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        self.label_smoothing = label_smoothing

    def __call__(
        self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Returns the loss of a batch.

        Args:
            outputs: Of the model, with `logits` of shape (..., C).
            labels: Class ids of shape (...); -100 where there is none.
            num_items_in_batch: Number of labels in all micro-batches of the step; those of this batch if None.
        """
        logits = outputs["logits"]
        total = functional.cross_entropy(
            logits.view(-1, logits.shape[-1]),
            labels.view(-1),
            None if self.weights is None else self.weights.to(logits),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        count = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return total / torch.as_tensor(count, device=total.device)


def check_learning(
    task: Task,
    learning: LearningArguments,
    training: CrossLingualTrainingArguments,
    compute_loss_func: Callable[..., torch.Tensor] | None,
) -> None:
    """Checks what the training loss is to count.

    Raises:
        InputError: Weights are neither `balanced` nor a number for each label; two options contradict each other, or
            one has no effect.
    """
    shaped = {
        "--class_weights": learning.class_weights is not None,
        "--label_smoothing_factor": training.label_smoothing_factor > 0,
    }
    given = [option for option, is_given in shaped.items() if is_given]
    if given and task.problem_type != SINGLE_LABEL:
        raise InputError(
            f"{given[0]} is for one label of several, and {task.title} is {task.problem_type}. Remove it."
        )
    if given and compute_loss_func is not None:
        raise InputError(
            f"{given[0]} has no effect beside compute_loss_func, which is the whole loss. Remove one of them."
        )
    _check_repetition(learning, training)
    if learning.class_weights is not None:
        _check_weights(task, learning.class_weights, training)


def _check_repetition(learning: LearningArguments, training: CrossLingualTrainingArguments) -> None:
    for name in ("early_stopping_patience", "retry_collapsed"):
        if getattr(learning, name) is not None and not training.do_train:
            raise InputError(f"--{name} is for training, which --do_train False excludes. Remove one of the two.")
    if learning.early_stopping_patience is not None and not training.load_best_model_at_end:
        raise InputError(
            "--early_stopping_patience ends a run after its best checkpoint, which --load_best_model_at_end False "
            "does not load. Remove one of the two."
        )


def _check_weights(task: Task, given: Sequence[str], training: CrossLingualTrainingArguments) -> None:
    if not training.do_train:
        raise InputError("--class_weights shapes training, which --do_train False excludes. Remove one of the two.")
    if list(given) == [BALANCED]:
        return
    count, shown = len(task.labels), " ".join(map(str, given))
    try:
        weights = [float(weight) for weight in given]
    except ValueError:
        weights = []
    if len(weights) != count or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise InputError(
            f"--class_weights {shown}: give {BALANCED}, or {count} numbers of 0 or more, one for each label in this "
            f"order: {', '.join(task.labels)}."
        )


def loss_function(
    task: Task, learning: LearningArguments, training: CrossLingualTrainingArguments, train: Sequence[Split]
) -> ClassificationLoss | None:
    """Returns what the Trainer computes the loss by; None for the model's own loss.

    Args:
        task: The task.
        learning: What was asked for.
        training: The Trainer's arguments, with their label smoothing.
        train: The training data.

    Raises:
        InputError: Every label that occurs in the training data has weight 0.
    """
    weights = None
    if learning.class_weights is not None and train:
        weights = class_weights(learning.class_weights, task, train)
    if weights is None and not training.label_smoothing_factor:
        return None
    return ClassificationLoss(weights, training.label_smoothing_factor)


def class_weights(asked: Sequence[str], task: Task, train: Sequence[Split]) -> list[float]:
    """Returns the weight of each label, scaled so that the labels of the training data have weight 1 on average.

    Args:
        asked: `["balanced"]`, for weights in inverse proportion to how often a label occurs (scikit-learn's
            `compute_class_weight`; 0 for a label that does not occur), or a number for each label.
        task: The task.
        train: The training data.

    Raises:
        InputError: Every label that occurs has weight 0.
    """
    labels = list(chain.from_iterable(split.labels for split in train))
    ids = list(chain.from_iterable(labels)) if task.kind == "token" else labels
    counts = np.bincount(np.asarray(ids, dtype=np.int64), minlength=len(task.labels))
    if list(asked) == [BALANCED]:
        weights = np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)
    else:
        weights = np.array([float(weight) for weight in asked])
    if not weights @ counts:
        raise InputError(
            f"--class_weights {' '.join(map(str, asked))}: every label of the training data has weight 0, so nothing "
            "can be learnt. Correct the order, or the numbers."
        )
    return [float(weight) for weight in weights * counts.sum() / (weights @ counts)]


def loss_record(task: Task, loss: Callable[..., torch.Tensor] | None) -> dict[str, Any]:
    """Returns what the results record of a loss beside `label_smoothing_factor`; empty for the model's own."""
    if loss is None:
        return {}
    if isinstance(loss, ClassificationLoss):
        weights = loss.weights
        return {} if weights is None else {"class_weights": dict(zip(task.labels, weights.tolist(), strict=True))}
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    return {"compute_loss_func": f"{getattr(loss, '__module__', type(loss).__module__)}.{name}"}
