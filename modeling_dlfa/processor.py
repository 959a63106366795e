"""Whether the processor has bf16 instructions, or emulates bf16 slowly in float32."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# As Linux names them, x86 first, then Arm.
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "avx10_2", "bf16", "svebf16", "smebf16"}


def bf16_is_slow() -> bool:
    """Tells whether this processor has no bf16 instructions, so that bf16 takes far longer than float32.

    Returns:
        False where the system does not say what the processor has.
    """
    if CPUINFO.is_file():
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
        entries = [line.partition(":") for line in lines]
        named = [set(value.split()) for key, _, value in entries if key.strip() in ("flags", "Features")]
        return bool(named) and not named[0] & BF16_FLAGS
    if sys.platform == "darwin" and platform.machine() == "arm64":
        question = ["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]  # Macs name what they have alone.
        return subprocess.run(question, capture_output=True, text=True).stdout.strip() != "1"
    if platform.machine().lower() in ("amd64", "x86_64"):
        import torch

        return not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def bf16_warning(option: str) -> str:
    """Returns what to say where `bf16_is_slow` and bf16 is asked for on the CPU.

    Args:
        option: What the user gave, such as `--bf16 True`.
    """
    return (
        f"{option}: this processor has no bf16 instructions. Where we measured this, a step of 1 s in "
        "float32 took 8 to 21 s in bf16. Leave the option out to compute in float32."
    )
