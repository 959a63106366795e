"""Predicting a file as `dlfa predict` does, against the pipeline of transformers, in a loop and in batches."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import pipeline

from modeling_dlfa.checkpoints.loading import MODEL_FILE
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.checkpoint import Backend, Checkpoint
from modeling_dlfa.inference.onnx_export import export_onnx
from modeling_dlfa.inference.onnx_runtime import QUANTIZED_FILE, require_onnx
from modeling_dlfa.inference.predictor import Predictor
from modeling_dlfa.inference.reading import InputFormat, read_examples
from modeling_dlfa.inference.source import InputSource
from modeling_dlfa.inference.writing import write_predictions

from .machine import NO_BF16, has_fast_bf16
from .report import Row, time_row
from .timing import compare
from .workload import Workload

LOOP_GOAL, BATCH_GOAL = 5.0, 1.5
BATCH_SIZE = 32
# What each computes with, against ours in fp32.
GOALS = {"bf16": None, "ONNX": 1.2, "ONNX int8": 2.5}


def predict_file(path: Path, checkpoint: Checkpoint, backend: Backend) -> None:
    """Does what `dlfa predict` does, from the file's lines to the labels' lines."""
    lines = InputSource(str(path), twice=False).lines()
    examples = read_examples(lines, InputFormat("sequence", "tsv"), str(path))
    predictor = Predictor(checkpoint, backend, BATCH_SIZE)
    write_predictions(predictor.stream(examples), checkpoint.head, "tsv", io.StringIO(), lambda count: None)


def load_backends(workload: Workload, checkpoint: Checkpoint) -> Iterator[tuple[str, Backend] | Row]:
    """Loads the checkpoint in every way in which this device computes, or tells why one is left out."""
    device = workload.settings.torch_device
    yield "fp32", checkpoint.load(device)
    if has_fast_bf16(device):
        yield "bf16", checkpoint.load(device, torch.bfloat16)
    else:
        yield Row("prediction", "bf16", note=NO_BF16)
    try:
        require_onnx("onnx", "onnxruntime", "onnxscript")
    except InputError as error:
        yield Row("prediction", "ONNX", note=str(error))
        return
    if device.type != "cpu":
        yield Row("prediction", "ONNX", note="Our graphs are for a CPU.")
        return
    folder = workload.folder / "onnx"
    export_onnx(checkpoint.name, folder, quantize="int8")
    graphs = Checkpoint.of(str(folder))
    yield "ONNX", graphs.load_onnx(MODEL_FILE)
    yield "ONNX int8", graphs.load_onnx(QUANTIZED_FILE)


def measure(workload: Workload) -> Iterator[Row]:
    """Compares from file to labels; the checkpoint is loaded before, in all."""
    settings = workload.settings
    pairs = workload.pairs(settings.amount("examples"), seed=1)
    path = workload.folder / "pairs.tsv"
    path.write_text("".join(f"{first}\t{second}\n" for first, second in pairs), encoding="utf-8", newline="\n")
    inputs = [{"text": first, "text_pair": second} for first, second in pairs]
    checkpoint = Checkpoint.of(str(workload.dlfa_checkpoint))
    classify: Any = pipeline("text-classification", model=checkpoint.name, device=settings.torch_device)
    systems: dict[str, Callable[[], object]] = {
        "loop": lambda: [classify(entry) for entry in inputs],
        "batched": lambda: classify(list(inputs), batch_size=BATCH_SIZE),
    }
    for found in load_backends(workload, checkpoint):
        if isinstance(found, Row):
            yield found
        else:
            systems[found[0]] = partial(predict_file, path, checkpoint, found[1])
    seconds = compare(systems, settings.amount("rounds"))
    ours = [name for name in seconds if name not in ("loop", "batched")]
    labels = {"loop": "a pipeline call for each, fp32", "batched": f"pipeline(batch_size={BATCH_SIZE}), fp32"}
    for name in ours:
        title = f"{len(pairs)} pairs in {len(workload.languages)} languages, {name}"
        for other, goal in (("loop", LOOP_GOAL), ("batched", BATCH_GOAL)):
            yield time_row("prediction", title, seconds[name], seconds[other], labels[other], goal)
        if name != "fp32":
            yield time_row("prediction", title, seconds[name], seconds["fp32"], "ours in fp32", GOALS[name])
