"""The machine: which device, and whether it computes bf16."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import torch

from modeling_dlfa.command.redaction import command_line
from modeling_dlfa.processor import CPUINFO, bf16_is_slow
from modeling_dlfa.training.record import PACKAGES

if TYPE_CHECKING:
    from .settings import Settings

NO_BF16 = "There are no bf16 instructions; where we measured that, bf16 took 8 to 21 times as long as float32."


def describe(settings: Settings) -> dict[str, Any]:
    """Returns what a reader of the table must know: device, processors, versions, date and command."""
    device = settings.torch_device
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name)}
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(sys.argv),
        "versions": {"python": platform.python_version(), **versions},
        "size": settings.size,
        "full": settings.full,
    }


def processor_name() -> str:
    """Returns the processor's name as the system knows it."""
    text = CPUINFO.read_text(encoding="utf-8") if CPUINFO.is_file() else ""
    return text.partition("model name")[2].partition("\n")[0].strip("\t :") or platform.processor()


def has_fast_bf16(device: torch.device) -> bool:
    """Tells whether bf16 has its own instructions; without them it is slower than fp32."""
    return torch.cuda.get_device_capability(device) >= (8, 0) if device.type == "cuda" else not bf16_is_slow()
