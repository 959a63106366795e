"""Predicting a file as `examples/predict.py` does, against the pipeline of transformers, in a loop and in batches."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import torch
from transformers import pipeline

from modeling_dlfa.prediction import Backend, Checkpoint, Predictor
from modeling_dlfa.prediction_input import InputFormat, InputSource, read_examples
from modeling_dlfa.prediction_output import write_predictions

from .harness import interleave, timed
from .machine import has_fast_bf16, waiter
from .report import Row, time_row
from .workload import Workload

LOOP_GOAL, BATCH_GOAL = 5.0, 1.5
BATCH_SIZE = 32
# Each is compared with the first. Another runtime (ONNX) is one more entry: its name, and what loads it.
BACKENDS: dict[str, Callable[[Checkpoint, torch.device], Backend]] = {
    "fp32": lambda checkpoint, device: checkpoint.load(device),
    "bf16": lambda checkpoint, device: checkpoint.load(device, torch.bfloat16),
}


def measure(workload: Workload) -> Iterator[Row]:
    """Compares from file to labels, the same checkpoint loaded before in all."""
    scale, settings = workload.settings.scale, workload.settings
    device = settings.torch_device
    folder = str(workload.dlfa_checkpoint)
    pairs = workload.pairs(scale.examples, seed=1)
    path = workload.folder / "pairs.tsv"
    path.write_text("".join(f"{first}\t{second}\n" for first, second in pairs), encoding="utf-8")
    inputs = [{"text": first, "text_pair": second} for first, second in pairs]
    classify = pipeline("text-classification", model=folder, device=device)
    checkpoint = Checkpoint.of(folder)

    def predict(backend: Backend) -> Callable[[], None]:
        def run() -> None:
            lines = InputSource(str(path), twice=False).lines()
            examples = read_examples(lines, InputFormat("sequence", "tsv"), str(path))
            predictor = Predictor(checkpoint, backend, BATCH_SIZE)
            write_predictions(predictor(examples), checkpoint.labels, "tsv", io.StringIO(), lambda count: None)

        return run

    systems: dict[str, Callable[[], object]] = {
        "loop": lambda: [classify(entry) for entry in inputs],
        "batched": lambda: classify(list(inputs), batch_size=BATCH_SIZE),
    }
    for name, load in BACKENDS.items():
        if name != "bf16" or has_fast_bf16(device):
            systems[name] = predict(load(checkpoint, device))
    wait = waiter(device)
    seconds = interleave({name: timed(run, wait=wait) for name, run in systems.items()}, scale.effort)
    what = f"{len(pairs)} pairs in 15 languages"
    for name, goal, label in (
        ("loop", LOOP_GOAL, "a pipeline call for each"),
        ("batched", BATCH_GOAL, f"pipeline(batch_size={BATCH_SIZE})"),
    ):
        yield time_row("prediction", f"{what}, fp32", seconds["fp32"], seconds[name], label, goal)
    for name in BACKENDS:
        if name != "fp32" and name in seconds:
            yield time_row("prediction", f"{what}, {name}", seconds[name], seconds["fp32"], "ours in fp32")
