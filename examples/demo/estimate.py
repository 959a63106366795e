"""Estimates how long a command will take on this machine, from a few of its own steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers.trainer_utils import IntervalStrategy

from modeling_dlfa.training.adapters import adapt
from modeling_dlfa.training.answers import data_collator
from modeling_dlfa.training.base_model import load_model
from modeling_dlfa.training.frozen_cache import frozen_depth
from modeling_dlfa.training.planning import Plan

STEPS = 4


@dataclass(frozen=True)
class Estimate:
    """Seconds that a command will take.

    Attributes:
        training: For training all of its runs, validation included.
        testing: For predicting all test languages with each run.
    """

    training: float
    testing: float


def estimate(plan: Plan) -> Estimate:
    """Times a few steps of the first run on the CPU, for training and prediction, and counts the command's steps.

    Args:
        plan: Plan of a command that trains and tests on sentences, not on words.

    Raises:
        InputError: The model does not load.
    """
    runs, training, tokenizer, data = plan.runs, plan.training, plan.tokenizer, plan.data.encoded
    model: Any = adapt(load_model(plan.task.kind, plan.model, runs[0]), plan.model)
    collate = data_collator(plan.task, tokenizer, None)

    def batch(name: str, size: int) -> Any:
        """Rows of average length; the command also groups rows of similar length."""
        rows = data[name].sort("length").select_columns([*tokenizer.model_input_names, "labels"])
        first = max(0, (len(rows) - size) // 2)
        return collate([rows[index] for index in range(first, min(len(rows), first + size))])

    train_batch = batch("train", training.per_device_train_batch_size)
    test_batch = batch("test", training.per_device_eval_batch_size)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])

    def train_step() -> None:
        model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=training.bf16):
            loss = model(**train_batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def predict() -> None:
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=training.bf16):
            model(**test_batch)

    steps = training.num_train_epochs * -(-len(data["train"]) // training.per_device_train_batch_size)
    row = _seconds(predict) / len(test_batch["labels"])
    # What lies below the trained blocks is computed once where its states are kept.
    depth = frozen_depth(plan) / model.config.backbone_config.num_hidden_layers if plan.model.cache_frozen else 0
    step = _seconds(train_step) - depth * row * len(train_batch["labels"])
    kept = sum(map(len, data.values())) * depth * row
    validations = 1 + (training.num_train_epochs if training.eval_strategy == IntervalStrategy.EPOCH else 0)
    row *= 1 - depth
    return Estimate(
        training=kept + len(runs) * (steps * step + validations * len(data["validation"]) * row),
        testing=len(runs) * len(data["test"]) * row,
    )


def _seconds(step: Callable[[], None]) -> float:
    """Median time of a step, without the first one, which also allocates memory."""
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[len(times[1:]) // 2]
