"""How much of the disk a command takes, before it starts: its models, and its checkpoints while it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..checkpoints.models import MODEL_CLASSES
from ..files.folders import check_space, size
from ..results.directory import OutputDirectory
from ..tasks import Task
from .adapters import adapt, parameter_counts
from .arguments import Arguments, CrossLingualTrainingArguments
from .systems import Run
from .task_data import TaskData

FLOAT = 4
# AdamW as torch has it keeps two numbers for each that is trained; of other optimisers less is sure.
_ADAMW = ("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused", "adamw_apex_fused")


def check_disk(
    task: Task, arguments: Arguments, output: OutputDirectory, runs: Sequence[Run], data: TaskData, *, anew: bool
) -> str:
    """Checks that models and checkpoints find room, and says how much they take.

    Args:
        task: What to learn.
        arguments: Of the command.
        output: Where it writes.
        runs: What it trains or evaluates.
        data: The examples.
        anew: Whether what lies there is deleted first, else what is finished stays.

    Returns:
        A sentence for the user.

    Raises:
        InputError: There is less room.
    """
    training = arguments.training
    open_runs = [run for run in runs if anew or output.finished(run.name) is None]
    models, checkpoint = 0, 0
    for run in open_runs if training.do_train else ():
        with torch.device("meta"):
            model: Any = MODEL_CLASSES[task.kind](run.config)
            whole = FLOAT * sum(parameter.numel() for parameter in model.parameters())
            buffers = sum(buffer.nbytes for buffer in model.buffers())
            trained = FLOAT * parameter_counts(adapt(model, arguments.model))[0]
        models += whole // (1 if arguments.run.save_dtype == "float32" else 2) + buffers
        # Of LoRA a checkpoint has the adapter alone.
        saved = trained if arguments.model.peft == "lora" else whole + buffers
        optimiser = 2 * trained if training.optim in _ADAMW and not training.save_only_model else 0
        checkpoint = max(checkpoint, saved + optimiser)
    models = models if arguments.run.save_models else 0
    seeds = len({run.seed for run in open_runs}) if arguments.one_pass else len(open_runs)
    count = _checkpoints(training, data, seeds if arguments.run.keep_checkpoints else 1) if checkpoint else 0
    wanted = models + count * checkpoint
    what = [f"{_counted(len(open_runs), 'model')} ({size(models)})"] if models else []
    what += [f"{_counted(count, 'checkpoint')} at a time ({size(count * checkpoint)})"] if count else []
    listed = " and ".join(what) or "predictions alone"
    check_space(
        output.path,
        wanted,
        listed,
        "Free some space, name an --output_dir on another disk, or keep less: --save_dtype float16, "
        "--save_models False, --save_only_model True.",
        freed=output.replaced(None if anew else [run.name for run in open_runs]),
    )
    return f"Disk space for {listed}: about {size(wanted)}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _checkpoints(training: CrossLingualTrainingArguments, data: TaskData, kept_runs: int) -> int:
    """How many checkpoints there are at once at most: the new one is written before the oldest goes."""
    strategy = getattr(training.save_strategy, "value", training.save_strategy)
    if strategy == "no":
        return 0
    batch = training.train_batch_size * training.gradient_accumulation_steps * training.world_size
    an_epoch = max(1, len(data.encoded["train"]) // batch)
    steps = training.max_steps if training.max_steps > 0 else math.ceil(an_epoch * training.num_train_epochs)
    every = training.save_steps if training.save_steps >= 1 else max(1, math.ceil(steps * training.save_steps))
    saves = max(1, math.ceil(steps / (every if strategy == "steps" else an_epoch)))
    kept = training.save_total_limit or saves
    if kept == 1 and training.load_best_model_at_end:
        kept = 2  # The best and the last.
    kept = min(kept, saves)
    return kept * kept_runs + (1 if saves > kept else 0)
