"""`--cache_frozen`: which states a command keeps, how much space they take, and the Trainer that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch

from ..command.wording import counted
from ..files.folders import check_space, size
from ..modeling_dlfa import DlfaModel
from .frozen_computing import HALF, REMEDY, keep_states
from .frozen_states import ROW, StatesCollator
from .planning import Plan
from .trainer import CrossLingualTrainer

SPLITS = ("train", "validation", "test")
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def frozen_depth(plan: Plan) -> int:
    """Returns how many blocks stay frozen."""
    depth = plan.model.freeze_up_to
    return plan.runs[0].config.num_hidden_layers if depth is None else depth


def kept_layers(plan: Plan) -> list[int]:
    """Returns the layers whose states the runs read: the last frozen one, and those below it that are fused."""
    depth = frozen_depth(plan)
    fused = {layer for run in plan.runs for layer in run.config.fusion_layers}
    return sorted({layer for layer in fused if 0 < layer < depth} | {depth})


def check_cache(plan: Plan) -> str:
    """Checks that the states fit on the disk, and says how much space they take at most.

    Returns:
        A sentence for the user; empty without `--cache_frozen`.

    Raises:
        InputError: There is not enough space.
    """
    if plan.model.cache_frozen is None:
        return ""
    folder, layers = Path(plan.model.cache_frozen), kept_layers(plan)
    tokens = sum(sum(plan.data.encoded[name]["length"]) for name in SPLITS if name in plan.data.encoded)
    wanted = tokens * plan.runs[0].config.hidden_size * HALF * len(layers)
    what = f"the states of {counted(len(layers), 'frozen layer')} for {tokens:,} tokens"
    # Which of them are there already shows when the encoder is loaded; the exact number is checked then.
    held = sum(file.stat().st_size for file in folder.rglob("*.npy")) if folder.is_dir() else 0
    check_space(folder, max(0, wanted - held), what, REMEDY)
    return (
        f"Disk space for {what}: up to {size(wanted)} in {folder}, less what is there. Dropout is off in the frozen "
        "layers."
    )


def read_states(plan: Plan, trainer: CrossLingualTrainer) -> None:
    """Computes the states that are missing, and has a Trainer read all of them."""
    assert plan.model.cache_frozen is not None
    encoded, model = plan.data.encoded, cast(Any, trainer.model)
    base = model.encoder if isinstance(getattr(model, "encoder", None), DlfaModel) else model.base_model
    names = [name for name in SPLITS if name in encoded]

    def pad(examples: list[dict[str, Any]]) -> Any:
        return plan.tokenizer.pad(examples, return_tensors="pt")

    states = keep_states(
        base.backbone,
        frozen_depth(plan),
        kept_layers(plan),
        [encoded[name] for name in names],
        Path(plan.model.cache_frozen),
        pad=pad,
        batch_size=plan.training.eval_batch_size,
        dtype=AUTOCAST.get(plan.training.precision),
    )
    for index, name in enumerate(names):
        if ROW not in encoded[name].column_names:
            encoded[name] = states.numbered(encoded[name], index)
    trainer.frozen_states = states
    trainer.data_collator = StatesCollator(trainer.data_collator, states)
    trainer.train_dataset, trainer.eval_dataset = encoded.get("train"), encoded.get("validation")
