"""Peak memory: of tensors, counted exactly, and of processes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile


def peak_bytes(function: Callable[[], object], held: int, device: torch.device) -> int:
    """Returns the most bytes that tensors take while a function runs.

    On a CPU the profiler's record of every allocation is added up, which does not vary from run to run; on CUDA the
    allocator's own count is read.

    Args:
        function: What to run, once.
        held: Bytes that are its own before it and stay so (see `held_bytes`).
        device: Where it runs.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return held + torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted(
        (event["ts"], event["args"]["Ev Idx"], event["args"]["Bytes"])
        for event in events
        if event.get("name") == "[memory]"
    )
    taken = peak = 0
    for _, _, change in changes:
        taken += change
        peak = max(peak, taken)
    return held + peak


def held_bytes(modules: Iterable[nn.Module], optimizers: Iterable[torch.optim.Optimizer] = ()) -> int:
    """Returns the bytes of weights, gradients and optimiser states, each storage once."""
    tensors = [tensor for module in modules for tensor in chain(module.parameters(), module.buffers())]
    tensors += [tensor.grad for tensor in tensors if tensor.grad is not None]
    for optimizer in optimizers:
        tensors += [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
