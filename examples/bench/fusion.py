"""Fusion against the plain last-layer models of transformers: time and memory, inference and training."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import accumulate
from statistics import median

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from .machine import has_fast_bf16
from .report import Row, bytes_row, time_row
from .timing import compare
from .workload import Workload

INFERENCE_GOAL, TRAINING_GOAL, MEMORY_GOAL = 1.01, 1.02, 1.02
KINDS = {"sequence": "sequence classification", "token": "token classification"}


def inference(model: nn.Module, batch: dict[str, torch.Tensor], bf16: bool = False) -> Callable[[], None]:
    """Returns one forward pass in evaluation mode."""
    inputs = {name: values for name, values in batch.items() if name != "labels"}

    @torch.inference_mode()
    def run() -> None:
        model.eval()
        with torch.autocast(batch["labels"].device.type, torch.bfloat16, enabled=bf16):
            model(**inputs)

    return run


def training_step(
    model: nn.Module, batch: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer, bf16: bool = False
) -> Callable[[], None]:
    """Returns one step of training: forward, backward, optimiser, gradients freed."""

    def run() -> None:
        model.train()
        with torch.autocast(batch["labels"].device.type, torch.bfloat16, enabled=bf16):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """Returns the optimiser that both recipes use, the Trainer's default."""
    return torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)


def peak_bytes(
    run: Callable[[], object], model: nn.Module, optimizer: torch.optim.Optimizer | None, device: torch.device
) -> int:
    """Returns the most bytes that tensors take while a function runs, weights and optimiser states included.

    On a CPU the profiler's record of every allocation is added up, which does not vary from run to run.
    """
    states = optimizer.state.values() if optimizer else ()
    tensors = [*model.parameters(), *model.buffers(), *(value for state in states for value in state.values())]
    storages = [tensor.untyped_storage() for tensor in tensors if torch.is_tensor(tensor)]
    held = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return held + torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = (event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]")
    changes = (event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return held + max(accumulate(changes, initial=0))


def measure(workload: Workload) -> Iterator[Row]:
    """Compares both heads; on a GPU under bf16 autocast, as one runs it there."""
    device, rounds = workload.settings.torch_device, workload.settings.amount("rounds")
    bf16 = device.type == "cuda" and has_fast_bf16(device)
    for kind, head in KINDS.items():
        batch = workload.batch(workload.settings.device_batch, kind)
        models = {"dlfa": workload.dlfa(kind), "plain": workload.plain(kind)}
        adam = {name: adamw(model) for name, model in models.items()}
        steps = {name: training_step(model, batch, adam[name], bf16) for name, model in models.items()}
        shape = "×".join(map(str, batch["input_ids"].shape)) + (" tokens, bf16" if bf16 else " tokens")
        forward = {name: inference(model, batch, bf16) for name, model in models.items()}
        for what, runs, goal in (("inference", forward, INFERENCE_GOAL), ("training step", steps, TRAINING_GOAL)):
            seconds, title = compare(runs, rounds), f"{head}, {what}"
            note = f"{batch['attention_mask'].sum() / median(seconds['dlfa']):,.0f} tokens/s, padding not counted."
            yield time_row("fusion", f"{title}, {shape}", seconds["dlfa"], seconds["plain"], "Bert", goal, "low", note)
            held = adam if runs is steps else {}
            peaks = {name: peak_bytes(run, models[name], held.get(name), device) for name, run in runs.items()}
            yield bytes_row("fusion", f"{title}, peak memory", peaks["dlfa"], peaks["plain"], "Bert", MEMORY_GOAL)
        del models, adam, steps, forward, runs, held
        gc.collect()
