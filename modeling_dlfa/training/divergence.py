"""Detects losses, logits and weights that are not finite: a diverged model ends its command and is not scored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..errors import InputError


class Diverged(InputError):
    """A run whose loss, answers or weights are not finite.

    Args:
        message: Cause and remedy.
        reason: The cause alone.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Divergence(TrainerCallback):
    """Remembers on the device whether losses and logits were finite; only reading the answer waits for the device.

    Args:
        args: The Trainer's arguments.
        accelerator: The Trainer's accelerator; it asks all processes, so that none waits for one that has ended.
    """

    def __init__(self, args: Any, accelerator: Accelerator) -> None:
        self.args, self.accelerator = args, accelerator
        self._first = torch.zeros(1, dtype=torch.int32, device=accelerator.device)  # Step; 0 for none.
        self._answers = torch.zeros_like(self._first)

    @property
    def run(self) -> str:
        """Name of the run."""
        return str(self.args.run_name)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if not self.args.do_train:
            return "Evaluate in float32 (without --bf16, --fp16 and the like), or give an undamaged checkpoint."
        return (
            f"Lower --learning_rate ({self.args.learning_rate:g}), add warm-up, or train without "
            "--fp16, in another --output_dir or with --overwrite. If the cause lay elsewhere, "
            "--resume_from_checkpoint last continues and keeps the finished runs."
        )

    def add_loss(self, loss: torch.Tensor, step: int) -> None:
        """Notes a batch's training loss.

        Under fp16 the gradient scaler skips a step whose gradients overflow, and a later finite loss shows that
        training goes on.
        """
        finite = loss.detach().isfinite().all()
        earlier = torch.zeros_like(self._first) if self.args.precision == "fp16" else self._first
        now = torch.where(self._first > 0, self._first, torch.full_like(self._first, step))
        self._first = torch.where(finite, earlier, now)

    def check_loss(self) -> None:
        """Raises `Diverged` if the training loss was not finite."""
        if step := self._latest(self._first):
            self._end(f"the training loss of step {step} is not finite")

    def add_answers(self, values: Iterable[Any]) -> None:
        """Notes a batch's loss and logits, given as tensors in tuples of any depth."""
        for value in values:
            if isinstance(value, torch.Tensor):
                self._answers |= (~value.detach().isfinite().all()).int()
            elif isinstance(value, (tuple, list)):
                self.add_answers(value)

    def check_answers(self, step: int) -> None:
        """Raises `Diverged` if loss or logits of the data set that was just predicted were not finite."""
        bad = self._latest(self._answers)
        self._answers.zero_()
        if bad:
            self._end(f"the model's outputs at step {step} are not finite")

    def _latest(self, flag: torch.Tensor) -> int:
        gathered: Any = self.accelerator.gather(flag)
        return int(gathered.max())

    def _end(self, reason: str) -> NoReturn:
        verb = "diverged" if self.args.do_train else "cannot be scored"
        raise Diverged(f"{self.run} {verb}: {reason} (NaN or inf). {self.remedy}", reason)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Checks if something is about to be logged, evaluated or saved after this step."""
        if control.should_log or control.should_evaluate or control.should_save or control.should_training_stop:
            self.check_loss()

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Checks at the end of every epoch."""
        self.check_loss()
