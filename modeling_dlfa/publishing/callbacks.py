"""Callbacks for a `transformers.Trainer`: pushing DLFA models while it trains, and progress bars with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.dynamic_module_utils import custom_object_save
from transformers.trainer_callback import ProgressCallback

IGNORED = ("*.bin", "*.ckpt", "*.pkl", "*.pt", "*.pth")


class SafePushCallback(TrainerCallback):
    """Lets `Trainer(push_to_hub=True)` push repositories that load at every commit, and no pickle.

    The Trainer pushes its output directory, into which it puts `training_args.bin`, and under some values of
    `hub_strategy` optimiser states; all are pickles. And it puts the code there only in the end, so that what it
    pushed before does not load. This callback writes the code there before training, and a `.gitignore`, which the Hub
    obeys: files that it names are not taken into a commit. Resuming from the directory goes on working; resuming from
    the Hub would need the optimiser state.

    Example:
        >>> trainer = Trainer(model, TrainingArguments("out", push_to_hub=True), callbacks=[SafePushCallback()])
    """

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the output directory, if it will be pushed."""
        if not args.push_to_hub or not state.is_world_process_zero:
            return
        folder = Path(str(args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
        lines += [pattern for pattern in IGNORED if pattern not in lines]
        ignore.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        if isinstance(model, PreTrainedModel) and model._auto_class is not None:
            custom_object_save(model, folder)

    on_train_begin = on_init_end


class NamedProgressCallback(ProgressCallback):
    """The progress bars of transformers, with what they stand for before them.

    Args:
        name: Of what is trained or evaluated.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Opens the bar of the training steps."""
        super().on_train_begin(args, state, control, **kwargs)
        self._name(self.training_bar, "training")

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Opens the bar of an evaluation at its first batch, and moves it on."""
        opened = self.prediction_bar is not None
        super().on_prediction_step(args, state, control, eval_dataloader, **kwargs)
        if not opened:
            self._name(self.prediction_bar, "evaluating")

    def _name(self, bar: Any, doing: str) -> None:
        if bar is not None:  # Only the main process has one.
            bar.set_description(f"{self.name}, {doing}")
