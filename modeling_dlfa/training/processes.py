"""Support for several processes: checks of the launch, and one shared output directory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, broadcast_object_list, gather_object
from transformers import PreTrainedModel

from ..checkpoints.models import encoder_blocks
from ..errors import InputError
from ..files.folders import locked

T = TypeVar("T")

PATIENCE = 60.0


def end_processes() -> None:
    """Ends the process group at the end of a script: a group still open when Python exits can abort it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        PartialState().destroy_process_group()


def launched_with(plugin: str) -> bool:
    """Returns whether `accelerate launch` was told to use a plugin, `"FSDP"` or `"DEEPSPEED"`."""
    return os.environ.get(f"ACCELERATE_USE_{plugin}") == "true"


def check_launch(peft: str | None) -> None:
    """Checks that the way the processes were launched is supported.

    Args:
        peft: Value of `--peft`.

    Raises:
        InputError: FSDP on the CPU, which Accelerate silently leaves out, or LoRA on a model whose weights are
            split, which cannot be merged.
    """
    fsdp = launched_with("FSDP")
    if fsdp and PartialState().distributed_type == DistributedType.MULTI_CPU:
        raise InputError(
            "Accelerate does not support FSDP on the CPU and would train the whole model in every "
            "process. Launch without FSDP (accelerate launch --cpu), or on GPUs."
        )
    zero3 = launched_with("DEEPSPEED") and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    if peft == "lora" and (fsdp or zero3):
        raise InputError(
            "--peft lora merges the adapter into the weights, but FSDP and ZeRO 3 split them over "
            "the processes. Launch without these (accelerate launch --multi_gpu)."
        )


def on_main_process(action: Callable[[], T]) -> T:
    """Runs a function only in the main process of a command, and returns its outcome in all processes.

    Raises:
        InputError: The function's own, raised in every process so that none waits for one that has ended.
    """
    outcome: list[Any] = [None]
    if PartialState().is_main_process:
        try:
            outcome = [action()]
        except InputError as error:
            outcome = [error]
    [found] = broadcast_object_list(outcome)
    if isinstance(found, InputError):
        raise found
    result: T = found
    return result


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Reserves a folder for all processes of this command; see `folders.locked`."""
    with contextlib.ExitStack() as stack:
        on_main_process(lambda: stack.enter_context(locked(folder)))
        yield


def check_shared(written: Path, patience: float = PATIENCE) -> None:
    """Checks that all processes see a file that the main process has written.

    Args:
        written: The file.
        patience: Seconds to wait for it: network file systems show a new file late.

    Raises:
        InputError: A process does not see it; raised in every process.
    """
    deadline = time.monotonic() + patience
    while not written.is_file() and time.monotonic() < deadline:
        time.sleep(0.2)
    if not all(gather_object([written.is_file()])):
        raise InputError(
            f"Not every machine sees {written}. Give an --output_dir on a file system that all of them share."
        )


def name_blocks(accelerator: Accelerator, model: PreTrainedModel) -> None:
    """Tells FSDP to split one encoder block at a time, unless the launcher's configuration says what to split.

    By default it would use `_no_split_modules`, which for BERT and its relatives names the embeddings too; Accelerate
    also splits the word embeddings separately, and torch refuses to split them twice.

    Args:
        accelerator: The Trainer's accelerator.
        model: The model to train.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.transformer_cls_names_to_wrap is None:
        plugin.transformer_cls_names_to_wrap = block_classes(model)


def block_classes(model: PreTrainedModel) -> list[str] | None:
    """Returns the class names of an encoder's blocks; None if no list holds the blocks."""
    blocks = encoder_blocks(model, model.config.num_hidden_layers)
    return None if blocks is None else sorted({type(block).__name__ for block in blocks})
