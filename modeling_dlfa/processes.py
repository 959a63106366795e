"""What several processes need: a launch that does what it says, and one output directory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType, gather_object

from .errors import InputError

PATIENCE = 60.0


def check_launch(peft: str | None) -> None:
    """Checks that the processes were started for what can be done.

    Args:
        peft: Value of `--peft`.

    Raises:
        InputError: FSDP on the CPU, which Accelerate leaves out without a word, or LoRA on a model whose weights are
            split, which cannot be merged.
    """
    fsdp = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    if fsdp and PartialState().distributed_type == DistributedType.MULTI_CPU:
        raise InputError(
            "Accelerate has no FSDP on the CPU and would train the whole model in every process. Launch with "
            "examples/configs/cpu.yaml, or on GPUs."
        )
    zero3 = (
        os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
        and os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") == "3"
    )
    if peft == "lora" and (fsdp or zero3):
        raise InputError(
            "--peft lora merges the adapter into the weights, which FSDP and ZeRO 3 split over the processes. Launch "
            "with examples/configs/ddp.yaml."
        )


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
