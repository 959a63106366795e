"""How much disk space a command needs for its models and, while it trains, its checkpoints; checked beforehand."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..checkpoints.models import MODEL_CLASSES
from ..command.wording import counted
from ..files.folders import check_space, size
from .adapters import adapt, parameter_counts
from .arguments import CrossLingualTrainingArguments
from .planning import Plan

FLOAT = 4
# torch's AdamW keeps two numbers for each trained parameter; for other optimisers this is less certain.
_ADAMW = ("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused", "adamw_apex_fused")


def check_disk(plan: Plan) -> str:
    """Checks that models and checkpoints fit on the disk, and says how much space they take.

    Returns:
        A sentence for the user.

    Raises:
        InputError: There is not enough space.
    """
    training, saving, output = plan.training, plan.saving, plan.output
    open_runs = [run for run in plan.runs if plan.anew or output.finished(run.name) is None]
    models, checkpoint = 0, 0
    for run in open_runs if training.do_train else ():
        with torch.device("meta"):
            model: Any = MODEL_CLASSES[plan.task.kind](run.config)
            whole = FLOAT * sum(parameter.numel() for parameter in model.parameters())
            buffers = sum(buffer.nbytes for buffer in model.buffers())
            trained = FLOAT * parameter_counts(adapt(model, plan.model))[0]
        shrink = 1 if saving.save_dtype == "float32" else 2
        models += whole // shrink + buffers if saving.save_models else 0
        # With LoRA a checkpoint holds only the adapter.
        saved = trained if plan.model.peft == "lora" else whole + buffers
        optimiser = 2 * trained if training.optim in _ADAMW and not training.save_only_model else 0
        checkpoint = max(checkpoint, saved + optimiser)
    jobs = len({run.seed for run in open_runs}) if plan.one_pass else len(open_runs)
    kept = jobs if saving.keep_checkpoints else 1
    count = _checkpoints(training, len(plan.data.encoded["train"]), kept) if checkpoint else 0
    wanted = models + count * checkpoint
    what = [f"{counted(len(open_runs), 'model')} ({size(models)})"] if models else []
    what += [f"{counted(count, 'checkpoint')} at a time ({size(count * checkpoint)})"] if count else []
    listed = " and ".join(what) or "predictions alone"
    check_space(
        output.path,
        wanted,
        listed,
        "Free some space, choose an --output_dir on another disk, or save less: --save_dtype "
        "float16, --save_models False, --save_only_model True.",
        freed=output.replaced(None if plan.anew else [run.name for run in open_runs]),
    )
    return f"Disk space for {listed}: about {size(wanted)}."


def _checkpoints(training: CrossLingualTrainingArguments, examples: int, kept_runs: int) -> int:
    """How many checkpoints exist at once at most: the new one is written before the oldest is deleted."""
    strategy = getattr(training.save_strategy, "value", training.save_strategy)
    if strategy == "no":
        return 0
    batch = training.train_batch_size * training.gradient_accumulation_steps * training.world_size
    an_epoch = max(1, examples // batch)
    steps = training.max_steps if training.max_steps > 0 else math.ceil(an_epoch * training.num_train_epochs)
    every = training.save_steps if training.save_steps >= 1 else max(1, math.ceil(steps * training.save_steps))
    saves = max(1, math.ceil(steps / (every if strategy == "steps" else an_epoch)))
    kept = training.save_total_limit or saves
    if kept == 1 and training.load_best_model_at_end:
        kept = 2  # The best and the last.
    kept = min(kept, saves)
    return kept * kept_runs + (1 if saves > kept else 0)
