"""A layer sweep in one pass against one run of it: a step that trains every candidate and the baseline at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator

from modeling_dlfa.studies.layer_sweep.one_pass import OnePassModel

from .fusion import KINDS, adamw, training_step
from .harness import interleave, timed
from .machine import has_fast_bf16, waiter
from .report import Row, time_row
from .settings import SIZES
from .workload import Workload

GOAL = 1.3


def measure(workload: Workload) -> Iterator[Row]:
    """Compares a step of all lower layers and the last one alone with a step of one fused layer."""
    for kind in KINDS:
        for frozen in (False, True):
            yield from _measure(workload, kind, frozen)
            gc.collect()


def _measure(workload: Workload, kind: str, frozen: bool) -> Iterator[Row]:
    device, scale = workload.settings.torch_device, workload.settings.scale
    layers = range(SIZES[workload.settings.size]["num_hidden_layers"])
    batch = workload.batch(workload.settings.device_batch, kind)
    candidates = ((f"layer {layer}", workload.dlfa(kind, fusion_layers=layer)) for layer in layers)
    one = workload.dlfa(kind)
    every = OnePassModel([*candidates, ("last", workload.dlfa(kind, fusion="last"))])
    for backbone in (one.base_model.backbone, every.encoder.backbone):
        backbone.requires_grad_(not frozen)
    optimizers = {id(model): adamw(model) for model in (one, every)}
    shape = "×".join(map(str, batch["input_ids"].shape))
    for bf16 in [False, True] if has_fast_bf16(device) else [False]:
        steps = {
            name: timed(training_step(model, batch, optimizers[id(model)], bf16), wait=waiter(device))
            for name, model in (("one", one), ("every", every))
        }
        seconds = interleave(steps, scale.effort, warm_up=2)
        what = f"{KINDS[kind]}, {len(layers)} layers and the last alone, step of {shape} tokens"
        what += (", encoder frozen" if frozen else "") + (", bf16" if bf16 else "")
        yield time_row("sweep", what, seconds["every"], seconds["one"], "one layer", GOAL, better="low")
