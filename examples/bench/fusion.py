"""Fusion against the plain last-layer models of transformers: time and memory, inference and training."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import accumulate
from statistics import median

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from transformers import PreTrainedModel

from modeling_dlfa.data.mixup import MixupTable
from modeling_dlfa.training.mixup import IDS, LAMBDA, PROBABILITY, WEIGHTS, Mixup

from .machine import has_fast_bf16
from .report import Row, bytes_row, time_row
from .timing import compare
from .workload import Workload

INFERENCE_GOAL, TRAINING_GOAL, MEMORY_GOAL = 1.01, 1.02, 1.02
GLYPH_GOALS = (1.02, 1.03)  # Of inference, and of a training step.
GLYPH_SIZE = 69  # Columns of `dlfa glyphs`, bits included.
MIXUP_GOAL, PROPOSALS = 1.05, 10
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
    for kind, head in KINDS.items():
        models: dict[str, PreTrainedModel] = {"ours": workload.dlfa(kind), "Bert": workload.plain(kind)}
        yield from compare_models("fusion", workload, kind, head, models, (INFERENCE_GOAL, TRAINING_GOAL), MEMORY_GOAL)


def measure_glyphs(workload: Workload) -> Iterator[Row]:
    """Compares ours with and without glyphs, by both heads."""
    for kind, head in KINDS.items():
        ours, without = workload.dlfa(kind, glyph_size=GLYPH_SIZE), workload.dlfa(kind)
        models: dict[str, PreTrainedModel] = {"ours": ours, "without": without}
        del ours, without  # They are freed with the dictionary's entries.
        yield from compare_models("glyphs", workload, kind, head, models, GLYPH_GOALS)


def measure_mixup(workload: Workload) -> Iterator[Row]:
    """Compares a training step with and without `--mixup`, ten proposals for every token, at its default share."""
    device, rounds = workload.settings.torch_device, workload.settings.amount("rounds")
    bf16 = device.type == "cuda" and has_fast_bf16(device)
    batch = workload.batch(workload.settings.device_batch)
    shape = (*batch["input_ids"].shape, PROPOSALS)
    proposed = {IDS: torch.randint(shape[0], shape, device=device), WEIGHTS: torch.full(shape, 0.1, device=device)}
    models = {"ours": workload.dlfa(), "without": workload.dlfa()}
    empty = MixupTable.of_rows([], [], PROPOSALS)
    Mixup(empty, PROBABILITY, LAMBDA, None, "").attach(models["ours"])
    steps = {
        name: training_step(model, {**batch, **proposed} if name == "ours" else batch, adamw(model), bf16)
        for name, model in models.items()
    }
    ours, theirs = compare(steps, rounds).values()
    title = f"training step, {shape[0]}×{shape[1]} tokens"
    yield time_row("mixup", title, ours, theirs, "without", MIXUP_GOAL, "low")


def compare_models(
    group: str,
    workload: Workload,
    kind: str,
    title: str,
    models: dict[str, PreTrainedModel],
    goals: tuple[float, float],
    memory_goal: float | None = None,
) -> Iterator[Row]:
    """Compares ours with another model, whose name is its label, and frees both; memory where it has a goal."""
    device, rounds = workload.settings.torch_device, workload.settings.amount("rounds")
    bf16 = device.type == "cuda" and has_fast_bf16(device)
    batch = workload.batch(workload.settings.device_batch, kind)
    batch["input_ids"] %= min(model.config.vocab_size for model in models.values())
    adam = {name: adamw(model) for name, model in models.items()}
    steps = {name: training_step(model, batch, adam[name], bf16) for name, model in models.items()}
    shape = "×".join(map(str, batch["input_ids"].shape)) + (" tokens, bf16" if bf16 else " tokens")
    forward = {name: inference(model, batch, bf16) for name, model in models.items()}
    for what, runs, goal in zip(("inference", "training step"), (forward, steps), goals, strict=True):
        (_, ours), (label, theirs) = compare(runs, rounds).items()
        note = f"{batch['attention_mask'].sum() / median(ours):,.0f} tokens/s, padding not counted."
        yield time_row(group, f"{title}, {what}, {shape}", ours, theirs, label, goal, "low", note)
        if memory_goal is not None:
            held = adam if runs is steps else {}
            own, other = (peak_bytes(run, models[name], held.get(name), device) for name, run in runs.items())
            yield bytes_row(group, f"{title}, {what}, peak memory", own, other, label, memory_goal)
    models.clear()
    del adam, steps, forward, runs
    gc.collect()
