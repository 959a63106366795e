"""Fusion against the plain last-layer models of transformers: time and memory, inference and training."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from .harness import interleave, timed
from .machine import has_fast_bf16, waiter
from .memory import held_bytes, peak_bytes
from .report import Row, count_row, time_row
from .workload import Workload

INFERENCE_GOAL, TRAINING_GOAL, MEMORY_GOAL = 1.01, 1.02, 1.02
KINDS = {"sequence": "sequence classification", "token": "token classification"}


def inference(model: PreTrainedModel, batch: dict[str, torch.Tensor], bf16: bool = False) -> Callable[[], None]:
    """Returns one forward pass in evaluation mode."""
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    device = next(model.parameters()).device.type
    model.eval()

    @torch.inference_mode()
    def run() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            model(**inputs)

    return run


def training_step(
    model: nn.Module,
    batch: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    bf16: bool = False,
    max_grad_norm: float | None = None,
) -> Callable[[], None]:
    """Returns one step of training: forward, backward, gradients clipped if wished, optimiser, gradients freed."""
    device = next(model.parameters()).device.type
    model.train()

    def run() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = model(**batch).loss
        loss.backward()
        if max_grad_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def adamw(model: nn.Module, fused: bool = True) -> torch.optim.Optimizer:
    """Returns the optimiser that both recipes use, the Trainer's default."""
    return torch.optim.AdamW(model.parameters(), lr=2e-5, fused=fused)


def measure(workload: Workload) -> Iterator[Row]:
    """Compares both heads; on a GPU under bf16 autocast, as one runs it there."""
    for kind in KINDS:
        yield from _measure_kind(workload, kind)
        gc.collect()


def _measure_kind(workload: Workload, kind: str) -> Iterator[Row]:
    scale, device = workload.settings.scale, workload.settings.torch_device
    bf16 = device.type == "cuda" and has_fast_bf16(device)
    batch = workload.batch(workload.settings.device_batch, kind)
    models = {"plain": workload.plain(kind), "dlfa": workload.dlfa(kind)}
    optimizers = {name: adamw(model) for name, model in models.items()}
    shape = "×".join(map(str, batch["input_ids"].shape)) + (" tokens, bf16" if bf16 else " tokens")

    def compare(what: str, systems: dict[str, Callable[[], None]], goal: float, training: bool) -> Iterator[Row]:
        title = f"{KINDS[kind]}, {what}"
        measures = {name: timed(run, wait=waiter(device)) for name, run in systems.items()}
        seconds = interleave(measures, scale.effort, warm_up=2)
        yield time_row("fusion", f"{title}, {shape}", seconds["dlfa"], seconds["plain"], "Bert", goal, better="low")
        peaks = {
            name: peak_bytes(run, held_bytes([models[name]], [optimizers[name]] if training else []), device)
            for name, run in systems.items()
        }
        yield count_row("fusion", f"{title}, peak memory", peaks["dlfa"], peaks["plain"], "Bert", MEMORY_GOAL)

    forward = {name: inference(model, batch, bf16) for name, model in models.items()}
    yield from compare("inference", forward, INFERENCE_GOAL, training=False)
    steps = {name: training_step(model, batch, optimizers[name], bf16) for name, model in models.items()}
    yield from compare("training step", steps, TRAINING_GOAL, training=True)
