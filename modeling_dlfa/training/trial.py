"""A Trainer built on trial: options that conflict are found before any work."""

from __future__ import annotations

import copy
import tempfile
from typing import TYPE_CHECKING

import torch
from transformers import PretrainedConfig, PreTrainedModel, Trainer
from transformers.trainer_utils import IntervalStrategy

from ..errors import InputError, first_line
from .processes import launched_with

if TYPE_CHECKING:
    from .arguments import CrossLingualTrainingArguments


class _Trial(PreTrainedModel):
    """The smallest thing that a Trainer accepts as a transformers model: some options read its configuration."""

    config_class = PretrainedConfig

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.layer = torch.nn.Linear(1, 1)


def try_trainer(training: CrossLingualTrainingArguments) -> None:
    """Builds the Trainer and, for training, its schedule, and discards both.

    Args:
        training: The Trainer's options.

    Raises:
        InputError: They conflict with each other or with how the processes were launched.
    """
    if training.deepspeed or launched_with("DEEPSPEED"):
        return  # Its engine can be built only from the whole model.
    trial = copy.copy(training)
    trial.report_to, trial.push_to_hub, trial.eval_strategy = [], False, IntervalStrategy.NO
    model = _Trial(PretrainedConfig())
    try:
        with tempfile.TemporaryDirectory() as trial.output_dir:  # The Trainer creates the folder.
            trainer = Trainer(model=model, args=trial)
    except Exception as error:  # Each underlying library raises its own errors.
        fsdp = "--fsdp: " if training.fsdp else ""
        remedy = "Launch several processes, or remove --fsdp." if fsdp else "Correct or remove the option."
        raise InputError(f"{fsdp}the Trainer cannot be built: {first_line(error)}. {remedy}") from error
    if not training.do_train:
        return
    try:
        trainer.create_scheduler(10, torch.optim.SGD(model.parameters(), lr=0.1))
    except Exception as error:  # A schedule is called with whatever was given, and raises what Python does.
        kwargs = f" with --lr_scheduler_kwargs {training.lr_scheduler_kwargs}" if training.lr_scheduler_kwargs else ""
        name = getattr(training.lr_scheduler_type, "value", training.lr_scheduler_type)
        raise InputError(
            f"--lr_scheduler_type {name}{kwargs}: {first_line(error)}. Correct --lr_scheduler_kwargs, or choose "
            "another schedule."
        ) from error
