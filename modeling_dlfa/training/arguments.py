"""Arguments of the command-line runner: what to fuse, on which data, how to train."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from transformers import TrainingArguments

from ..errors import InputError, first_line
from ..tasks import Task, get_task
from .checks import check_arguments
from .command_line import DataclassParser, Options, parse_options, recipe_of
from .options import DataArguments, LearningArguments, ModelArguments, RunArguments

# transformers v5 renamed it.
_GROUPS_BY_FLAG = any(entry.name == "group_by_length" for entry in fields(TrainingArguments))


def default_workers() -> int:
    """Returns how many processes pad batches: none for a CPU, which spends far longer computing than padding.

    A core pads 32 sentence pairs in 2 ms; a fast GPU trains on more in that time.
    """
    return min(4, (os.cpu_count() or 1) // 2) if torch.cuda.is_available() else 0


@dataclass
class CrossLingualTrainingArguments(TrainingArguments):
    """`TrainingArguments` whose defaults are the published recipe (XTREME) and one English validation per epoch.

    Batches hold examples of similar length (`train_sampling_strategy`, on v4 `group_by_length`). The number of epochs,
    the learning rate, the batch size and the metric come from the task: see `for_task`.

    Raises:
        InputError: A value that the task's recipe gives is missing.
    """

    do_train: bool = True
    do_eval: bool = True
    do_predict: bool = True
    per_device_eval_batch_size: int = 64
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 1  # Besides the best one.
    load_best_model_at_end: bool = True
    dataloader_pin_memory: bool = field(default_factory=torch.accelerator.is_available)
    dataloader_num_workers: int = field(default_factory=default_workers)
    ddp_find_unused_parameters: bool | None = False
    ddp_broadcast_buffers: bool | None = False  # None of our buffers changes.
    logging_steps: float = 50
    report_to: None | str | list[str] = "none"
    hub_strategy: str = "end"
    resume_from_checkpoint: str | None = None  # "last", or a checkpoint's folder.
    if _GROUPS_BY_FLAG:
        group_by_length: bool = True
    else:
        train_sampling_strategy: str = "group_by_length"

    # A default other than the task's would silently train something else.
    num_train_epochs: float = None  # type: ignore[assignment]
    learning_rate: float = None  # type: ignore[assignment]
    per_device_train_batch_size: int = None  # type: ignore[assignment]
    metric_for_best_model: str | None = None

    def __post_init__(self) -> None:
        recipe = ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "metric_for_best_model")
        missing = [name for name in recipe if getattr(self, name) is None]
        if missing:
            raise InputError(
                f"{type(self).__name__} lacks {', '.join(missing)}, which come from the recipe of a "
                f"task. Use {type(self).__name__}.for_task(task, ...)."
            )
        if self.greater_is_better is None:  # The Trainer would take a label's recall for a loss if its name ends so.
            self.greater_is_better = str(self.metric_for_best_model).removeprefix("eval_") != "loss"
        try:
            super().__post_init__()
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(
                f"The Trainer rejects its options: {first_line(error)}. Correct or remove them."
            ) from error

    @classmethod
    def for_task(cls, task: Task | str, **kwargs: Any) -> CrossLingualTrainingArguments:
        """Returns the training arguments of a task's recipe.

        Args:
            task: The task, or its name.
            kwargs: Any arguments of `TrainingArguments`; they override the recipe.

        Raises:
            InputError: The task does not exist.

        Example:
            >>> from modeling_dlfa import CrossLingualTrainingArguments
            >>> arguments = CrossLingualTrainingArguments.for_task("ner", output_dir="runs/ner", learning_rate=3e-5)
            >>> arguments.num_train_epochs, arguments.learning_rate
            (10, 3e-05)
        """
        return cls(**{**recipe_of(get_task(task) if isinstance(task, str) else task), **kwargs})

    @property
    def precision(self) -> str:
        """The precision of computation: no (float32 only), bf16, fp16 or fp8; the arguments override the launcher."""
        given = "fp16" if self.fp16 else "bf16" if self.bf16 else None
        return given or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")

    @property
    def groups_by_length(self) -> bool:
        """Whether training batches hold examples of similar length, with transformers 4 and 5 alike."""
        return self.group_by_length if _GROUPS_BY_FLAG else self.train_sampling_strategy == "group_by_length"


@dataclass
class Arguments:
    """All arguments of one command."""

    model: ModelArguments
    data: DataArguments
    run: RunArguments
    training: CrossLingualTrainingArguments
    learning: LearningArguments = field(default_factory=LearningArguments)
    compute_loss_func: Callable[..., torch.Tensor] | None = None
    """As `Trainer` takes it: the loss of outputs, labels and `num_items_in_batch`; our own if None."""
    layers_apart: bool = False
    """Whether each fusion layer is a separate system; all lower layers if none is given."""
    one_pass: bool = False
    """Whether all systems of a seed are trained at once on one backbone."""
    given: frozenset[str] = frozenset()
    """Names of the options given on the command line, with underscores."""
    command: str | None = None
    """The command that the results name as their origin; the process's own if None."""

    @property
    def seeds(self) -> list[int]:
        """The seeds; there is one run for each."""
        return self.run.seeds if self.run.seeds is not None else [self.training.seed]

    def inputs(self) -> dict[str, str]:
        """The command's inputs (files, folders or names on the Hub), by the option that named each."""
        named = {
            "--model_name_or_path": self.model.model_name_or_path,
            "--tokenizer_name": self.model.tokenizer_name,
            "--glyphs": self.model.glyphs,
            "--dataset_name": self.data.dataset_name,
            "--mixup": self.data.mixup,
        }
        return {option: name for option, name in named.items() if name} | self.data.files()


def parse_arguments(task: Task, argv: Sequence[str] | None = None) -> Arguments:
    """Reads the command line; a first argument that ends in .yaml, .yml or .json is a file of arguments.

    Args:
        task: The task whose recipe is used.
        argv: Arguments without the program's name; the process's own if None.

    Returns:
        The arguments; the command line overrides the file, and the file overrides the recipe.

    Raises:
        InputError: A file cannot be read, or values contradict each other.
        SystemExit: Status 2, for an argument that is unknown or does not parse.
    """
    return complete_arguments(task, parse_options(task, argv))


def complete_arguments(
    task: Task, options: Options, compute_loss_func: Callable[..., torch.Tensor] | None = None
) -> Arguments:
    """Reads the Trainer's share of the command line and checks everything.

    Args:
        task: The task whose recipe is used.
        options: The runner's own options.
        compute_loss_func: As `Trainer` takes it.

    Raises:
        InputError: Values are out of range or contradict each other, or a package that they need is not installed.
        SystemExit: Status 2, for an argument that is unknown or does not parse.
    """
    exit_on_error = options.exit_on_error
    parser = DataclassParser([CrossLingualTrainingArguments], add_help=False, exit_on_error=exit_on_error)
    parser.set_defaults(**recipe_of(task))
    try:
        (training,) = parser.parse(options.rest)
    except InputError:
        raise
    except (ValueError, ImportError, OSError) as error:  # TrainingArguments checks combinations and packages itself.
        if "bf16" in str(error) and "use_cpu" in str(error):
            raise InputError(
                "--bf16 True needs a GPU that computes in bf16, and there is none here. Leave it "
                "out, or add --use_cpu True to compute in bf16 on the CPU."
            ) from error
        raise InputError(f"{' '.join(str(error).split()).rstrip('.')}. See --help.") from error
    arguments = Arguments(
        options.model, options.data, options.run, training, options.learning, compute_loss_func, given=options.given
    )
    if str(training.resume_from_checkpoint).lower() in ("true", "last"):
        training.resume_from_checkpoint = "last"
    check_arguments(task, arguments)
    return arguments
