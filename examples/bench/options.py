"""What each option of the runner is worth on this device, and how near its peak a training comes."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from .fusion import adamw, inference, training_step
from .harness import interleave, timed
from .machine import NO_BF16, device_name, has_fast_bf16, peak_flops, training_flops, waiter
from .report import Row, Skipped, time_row
from .settings import SIZES
from .workload import Workload


@dataclass(frozen=True)
class Option:
    """A way to run a training step.

    Attributes:
        attention: As transformers names it; its choice if None.
        fused: Whether the optimiser is one kernel (`adamw_torch_fused`).
        bf16: Whether under autocast.
        compiled: Whether by `torch.compile`.
    """

    attention: str | None = None
    fused: bool = True
    bf16: bool = False
    compiled: bool = False

    def step(self, workload: Workload, batch: dict[str, torch.Tensor]) -> Callable[[], None]:
        """Returns one step with the option, the model built for it."""
        model = workload.dlfa(attention=self.attention)
        run = training_step(model, batch, adamw(model, self.fused), self.bf16)
        if self.compiled:
            model.compile()
        return run


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Compares each option with the runner's defaults, and tells tokens a second."""
    settings, scale = workload.settings, workload.settings.scale
    device = settings.torch_device
    batch = workload.batch(settings.device_batch)
    shape = "×".join(map(str, batch["input_ids"].shape))
    options = {"eager attention": Option(attention="eager"), "optimiser not fused": Option(fused=False)}
    if has_fast_bf16(device):
        options["bf16"] = Option(bf16=True)
    else:
        yield Skipped("options, bf16", NO_BF16)
    if device.type == "cuda" or settings.full:
        options["compiled"] = Option(compiled=True)
        if "bf16" in options:
            options["bf16, compiled"] = Option(bf16=True, compiled=True)
    else:
        yield Skipped("options, compiled", "Compiling takes minutes: --full, or a GPU.")
    yield from _attention_in_inference(workload)
    for name, option in options.items():
        steps = {"default": Option().step(workload, batch), name: option.step(workload, batch)}
        measures = {system: timed(run, wait=waiter(device)) for system, run in steps.items()}
        seconds = interleave(measures, scale.effort, warm_up=2)
        title = f"training step, {name}, {shape} tokens"
        yield time_row("options", title, seconds[name], seconds["default"], "default (fp32, sdpa, fused)")
        if option.bf16:
            yield _throughput(workload, title, batch, statistics.median(seconds[name]))
        del steps, measures
        gc.collect()


def _attention_in_inference(workload: Workload) -> Iterator[Row]:
    """Compares attentions on short rows and on long ones: which is faster on a CPU depends on the length."""
    device = workload.settings.torch_device
    models = {name: workload.dlfa(attention=name) for name in ("sdpa", "eager")}
    rows = workload.settings.device_batch
    for length in (32, 128):
        batch = filled(workload, rows, length)
        measures = {name: timed(inference(model, batch), wait=waiter(device)) for name, model in models.items()}
        seconds = interleave(measures, workload.settings.scale.effort, warm_up=2)
        title = f"inference, sdpa, {rows}×{length} tokens"
        yield time_row("options", title, seconds["sdpa"], seconds["eager"], "eager attention")


def filled(workload: Workload, rows: int, length: int) -> dict[str, torch.Tensor]:
    """Returns rows of exactly so many tokens, none of them padding."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, len(workload.tokenizer), (rows, length), generator=generator)
    if len(workload.tokenizer) <= 1000:
        ids = ids % len(workload.tokenizer)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.arange(rows) % 3}
    return {name: values.to(workload.settings.torch_device) for name, values in batch.items()}


def _throughput(workload: Workload, title: str, batch: dict[str, torch.Tensor], seconds: float) -> Row:
    """Returns tokens a second and, where the device's peak is known, the share of it (MFU)."""
    real, padded = int(batch["attention_mask"].sum()), batch["input_ids"].numel()
    settings = workload.settings
    values, peak = SIZES[settings.size], peak_flops(settings.torch_device, settings.peak_tflops)
    sizes = {name: entry.numel() for name, entry in workload.dlfa().named_parameters()}
    parameters = sum(count for name, count in sizes.items() if ".embeddings." not in name)
    each = training_flops(parameters, values["num_hidden_layers"], values["hidden_size"], batch["input_ids"].size(1))
    rate = f"{real / seconds:,.0f} real tokens/s"
    note = f"{padded - real} of {padded} tokens are padding."
    if peak is None:
        note += f" The peak of {device_name(settings.torch_device)} is not known: give --peak_tflops for MFU."
    else:
        rate += f", MFU {100 * each * real / seconds / peak:.1f} %"
        note += (
            f" MFU = (6 N + 12 L E T) × real tokens a second / {peak / 1e12:.0f} TFLOP/s, N = {parameters:,} without "
            f"embeddings; padding counts as waste. Goal 45 %."
        )
    return Row("options", f"{title}, throughput", rate, note=note)
