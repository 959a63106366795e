"""What several processes need: a launch that does what it says, and one output directory."""

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
    """Ends the group of processes, at the end of a script: what is still joined when Python exits can abort it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        PartialState().destroy_process_group()


def launched_with(plugin: str) -> bool:
    """Returns whether `accelerate launch` was told to use a plugin, `"FSDP"` or `"DEEPSPEED"`."""
    return os.environ.get(f"ACCELERATE_USE_{plugin}") == "true"


def check_launch(peft: str | None) -> None:
    """Checks that the processes were started for what can be done.

    Args:
        peft: Value of `--peft`.

    Raises:
        InputError: FSDP on the CPU, which Accelerate leaves out without a word, or LoRA on a model whose weights are
            split, which cannot be merged.
    """
    fsdp = launched_with("FSDP")
    if fsdp and PartialState().distributed_type == DistributedType.MULTI_CPU:
        raise InputError(
            "Accelerate has no FSDP on the CPU and would train the whole model in every process. Launch without it "
            "(accelerate launch --cpu), or on GPUs."
        )
    zero3 = launched_with("DEEPSPEED") and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    if peft == "lora" and (fsdp or zero3):
        raise InputError(
            "--peft lora merges the adapter into the weights, which FSDP and ZeRO 3 split over the processes. Launch "
            "without them (accelerate launch --multi_gpu)."
        )


def on_main_process(action: Callable[[], T]) -> T:
    """Does something in the main process of a command alone, and returns its outcome in all of them.

    Raises:
        InputError: What it raises, in every process: none waits for one that has ended.
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
    """Keeps a folder for all processes of this command; see `folders.locked`."""
    with contextlib.ExitStack() as stack:
        on_main_process(lambda: stack.enter_context(locked(folder)))
        yield


def check_shared(written: Path, patience: float = PATIENCE) -> None:
    """Checks that all processes see a file that the main process has written.

    Args:
        written: The file.
        patience: Seconds to wait for it: network file systems show a new file late.

    Raises:
        InputError: One does not; in every process.
    """
    deadline = time.monotonic() + patience
    while not written.is_file() and time.monotonic() < deadline:
        time.sleep(0.2)
    if not all(gather_object([written.is_file()])):
        raise InputError(
            f"Not every machine sees {written}. Give an --output_dir on a file system that all of them share."
        )


def name_blocks(accelerator: Accelerator, model: PreTrainedModel) -> None:
    """Tells FSDP what to split one at a time, unless the launcher's configuration does: the encoder's blocks.

    By default it would be `_no_split_modules`, which for BERT and its kin names the embeddings as well; Accelerate
    splits the word embeddings on their own, too, and torch refuses to split them twice.

    Args:
        accelerator: Of the Trainer.
        model: What is trained.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.transformer_cls_names_to_wrap is None:
        plugin.transformer_cls_names_to_wrap = block_classes(model)


def block_classes(model: PreTrainedModel) -> list[str] | None:
    """Returns the names of the classes of an encoder's blocks; None where they lie in no list."""
    blocks = encoder_blocks(model, model.config.num_hidden_layers)
    return None if blocks is None else sorted({type(block).__name__ for block in blocks})
