"""The machine: which device, what it can do, and how hard it works."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from modeling_dlfa.command.redaction import command_line
from modeling_dlfa.processor import bf16_is_slow
from modeling_dlfa.training.record import PACKAGES

# Dense bf16 tensor-core peaks in FLOP a second, from the makers' data sheets (no sparsity). The longest name counts.
PEAKS = {
    "A10": 125e12,
    "A100": 312e12,
    "A40": 149.7e12,
    "B200": 2250e12,
    "GH200": 989e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "H200": 989e12,
    "L4": 121e12,
    "L40S": 362e12,
    "RTX 3090": 71e12,
    "RTX 4090": 165e12,
}

NO_BF16 = "There are no bf16 instructions; where we measured that, bf16 took 8 to 21 times as long as float32."


def describe(device: torch.device) -> dict[str, Any]:
    """Returns what a figure is worthless without: device, processors, versions, date and command."""
    return {
        "device": device_name(device),
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(sys.argv),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name)},
        },
    }


def device_name(device: torch.device) -> str:
    """Returns the name of the card, or that of the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """Returns the processor's name as the system knows it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for entry in information.read_text(encoding="utf-8").splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def has_fast_bf16(device: torch.device) -> bool:
    """Tells whether bf16 has instructions of its own; without them it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and not bf16_is_slow()


def waiter(device: torch.device) -> Callable[[], None] | None:
    """Returns what waits until the device has done its work; None where calls return when it is done."""
    if device.type == "cpu":
        return None
    return lambda: torch.accelerator.synchronize(device)


def peak_flops(device: torch.device, given: float | None = None) -> float | None:
    """Returns the bf16 FLOP a second of the device, as given (in TFLOP) or the card's; None if unknown."""
    if given is not None:
        return given * 1e12
    name = device_name(device)
    fitting = [card for card in PEAKS if card in name] if device.type == "cuda" else []
    return PEAKS[max(fitting, key=len)] if fitting else None


def training_flops(encoder_parameters: int, layers: int, hidden_size: int, length: int) -> int:
    """Returns the model's FLOP for training on one token (Chowdhery et al. 2022, PaLM, appendix B).

    `6 N + 12 L E T`: forward and backward over N parameters, embeddings left out, and attention over a sentence of T
    tokens in L layers of E features. Nothing that is computed again (checkpointing) counts.
    """
    return 6 * encoder_parameters + 12 * layers * hidden_size * length
