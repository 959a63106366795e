"""Whether the Trainer takes its options: tried with next to no model, before data are read and results replaced."""

from __future__ import annotations

import copy
import os
import tempfile

import torch
from transformers import Trainer
from transformers.trainer_utils import IntervalStrategy

from ..errors import InputError, first_line
from .arguments import CrossLingualTrainingArguments


def try_trainer(training: CrossLingualTrainingArguments) -> None:
    """Builds the Trainer and, if it is to train, its schedule, and throws both away.

    Args:
        training: The Trainer's options.

    Raises:
        InputError: They do not go together, with each other or with how the processes were launched.
    """
    if training.deepspeed or os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        return  # Its engine is made of the whole model alone.
    trial = copy.copy(training)
    trial.report_to, trial.push_to_hub, trial.eval_strategy = [], False, IntervalStrategy.NO
    model = torch.nn.Linear(1, 1)
    try:
        with tempfile.TemporaryDirectory() as trial.output_dir:  # The Trainer makes the folder.
            trainer = Trainer(model=model, args=trial)
    except Exception as error:  # Each library that it builds on has errors of its own.
        fsdp = "--fsdp: " if training.fsdp else ""
        remedy = "Launch several processes, or remove --fsdp." if fsdp else "Correct or remove the option."
        raise InputError(f"{fsdp}the Trainer cannot be built: {first_line(error)}. {remedy}") from error
    if not training.do_train:
        return
    try:
        trainer.create_scheduler(10, torch.optim.SGD(model.parameters(), lr=0.1))
    except Exception as error:
        kwargs = f" with --lr_scheduler_kwargs {training.lr_scheduler_kwargs}" if training.lr_scheduler_kwargs else ""
        name = getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)
        raise InputError(
            f"--lr_scheduler_type {name}{kwargs}: {first_line(error)}. Correct --lr_scheduler_kwargs, or choose "
            "another schedule."
        ) from error
