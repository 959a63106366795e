"""Training from Python: the command's arguments as keywords, the results as an object."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..command.redaction import command_line
from ..errors import InputError
from ..results.results import Results
from ..tasks import TASKS, Task, get_task
from .arguments import complete_arguments
from .command_line import arguments_of, parse_options
from .runner import run_task

if TYPE_CHECKING:
    import torch


def train(
    task: Task | str,
    model_name_or_path: str | os.PathLike,
    *,
    compute_loss_func: Callable[..., torch.Tensor] | None = None,
    **arguments: Any,
) -> Results:
    """Fine-tunes on the task's source language and tests in every language, as `dlfa train` does.

    Messages go to the package's loggers at level INFO; `logging.basicConfig(level="INFO")` shows them.

    Args:
        task: `"xnli"`, `"pawsx"`, `"ner"`, `"pos"`, or your own `Task`.
        model_name_or_path: Hub id or folder of a plain encoder, or of a DLFA checkpoint.
        compute_loss_func: A loss of your own, as `Trainer` takes it: a function of the model's outputs, the labels and
            `num_items_in_batch`, the number of labels in all micro-batches of a step. The results record its name.
        arguments: All that `dlfa train TASK --help` lists, as Python values: `baseline=True`, `seeds=[1, 2]`,
            `fusion_layers=8`; also those of `TrainingArguments`. Values left out follow the task's recipe. Results go
            to `output_dir`, `runs/TASK` if left out.

    Returns:
        The results, which `load_results(output_dir)` reads again.

    Raises:
        InputError: Wrong input, before any training starts.

    Example:
        >>> from modeling_dlfa import train
        >>> results = train(
        ...     "xnli",
        ...     "ENCODER",
        ...     train_file="train.tsv",
        ...     validation_file="dev.tsv",
        ...     test_file="test-{language}.tsv",
        ...     fusion_layers=1,
        ...     baseline=True,
        ...     output_dir="runs/new",
        ... )
        >>> results.systems
        ['last', 'aif-layer1']
    """
    task = get_task(task) if isinstance(task, str) else task
    if not isinstance(task, Task):
        raise InputError(f"task is {type(task).__name__}. Give the name of a task, or a Task.")
    if not isinstance(model_name_or_path, (str, os.PathLike)):
        kind = type(model_name_or_path).__name__
        raise InputError(f"model_name_or_path is {kind}. Give a folder or a Hub id; save a model there first.")
    given = arguments_of({"model_name_or_path": os.fspath(model_name_or_path), **arguments})
    options = parse_options(task, given, exit_on_error=False)
    completed = complete_arguments(task, options, compute_loss_func)
    if TASKS.get(task.name) == task:  # Only the user's own script knows a custom task.
        completed.command = command_line(["dlfa", "train", task.name, *given])
    return run_task(task, completed)
