"""Predicting a file as `dlfa predict` does, against the pipeline of transformers, in a loop and in batches."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cached_property
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

from .harness import interleave, timed
from .machine import NO_BF16, has_fast_bf16, waiter
from .report import Row, Skipped, time_row
from .workload import Workload

LOOP_GOAL, BATCH_GOAL = 5.0, 1.5
BATCH_SIZE = 32
# What each computes with, against ours in fp32.
GOALS = {"bf16": None, "ONNX": 1.2, "ONNX int8": 2.5}


class FileOfPairs:
    """Pairs of texts in a file, and the ways to predict them; the checkpoint is loaded before, in all.

    Args:
        workload: Gives texts and checkpoint.
    """

    def __init__(self, workload: Workload) -> None:
        pairs = workload.pairs(workload.settings.scale.examples, seed=1)
        self.checkpoint = Checkpoint.of(str(workload.dlfa_checkpoint))
        self._path = workload.folder / "pairs.tsv"
        self._path.write_text(
            "".join(f"{first}\t{second}\n" for first, second in pairs), encoding="utf-8", newline="\n"
        )
        self._inputs = [{"text": first, "text_pair": second} for first, second in pairs]
        self._device = workload.settings.torch_device

    def __str__(self) -> str:
        return f"{len(self._inputs)} pairs in 15 languages"

    @cached_property
    def _classify(self) -> Any:
        return pipeline("text-classification", model=self.checkpoint.name, device=self._device)

    def loop(self) -> Callable[[], object]:
        """Returns a call of transformers' pipeline for each pair."""
        classify = self._classify
        return lambda: [classify(entry) for entry in self._inputs]

    def batched(self) -> Callable[[], object]:
        """Returns one call of the pipeline, in batches."""
        classify = self._classify
        return lambda: classify(list(self._inputs), batch_size=BATCH_SIZE)

    def predict(self, backend: Backend) -> Callable[[], object]:
        """Returns what `dlfa predict` does, from the file's lines to the labels' lines."""

        def run() -> None:
            lines = InputSource(str(self._path), twice=False).lines()
            examples = read_examples(lines, InputFormat("sequence", "tsv"), str(self._path))
            predictor = Predictor(self.checkpoint, backend, BATCH_SIZE)
            head = self.checkpoint.head
            write_predictions(predictor.stream(examples), head, "tsv", io.StringIO(), lambda count: None)

        return run


def without_onnx(device: torch.device) -> str | None:
    """Returns why no graph runs here; None where one does."""
    try:
        require_onnx("onnx", "onnxruntime", "onnxscript")
    except InputError as error:
        return str(error)
    return None if device.type == "cpu" else "Our graphs are for a CPU."


def load_backends(workload: Workload, checkpoint: Checkpoint) -> Iterator[tuple[str, Backend] | Skipped]:
    """Loads the checkpoint in every way in which this device computes, or tells why one is left out."""
    device = workload.settings.torch_device
    yield "fp32", checkpoint.load(device)
    if has_fast_bf16(device):
        yield "bf16", checkpoint.load(device, torch.bfloat16)
    else:
        yield Skipped("prediction, bf16", NO_BF16)
    if (reason := without_onnx(device)) is not None:
        yield Skipped("prediction, ONNX", reason)
        return
    folder = workload.folder / "onnx"
    export_onnx(checkpoint.name, folder, quantize="int8")
    graphs = Checkpoint.of(str(folder))
    yield "ONNX", graphs.load_onnx(MODEL_FILE)
    yield "ONNX int8", graphs.load_onnx(QUANTIZED_FILE)


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Compares from file to labels, the same checkpoint loaded before in all."""
    device = workload.settings.torch_device
    file = FileOfPairs(workload)
    checkpoint = file.checkpoint
    systems = {"loop": file.loop(), "batched": file.batched()}
    for found in load_backends(workload, checkpoint):
        if isinstance(found, Skipped):
            yield found
        else:
            systems[found[0]] = file.predict(found[1])
    wait = waiter(device)
    seconds = interleave(
        {name: timed(run, wait=wait) for name, run in systems.items()}, workload.settings.scale.effort
    )
    what = str(file)
    ours = [name for name in seconds if name not in ("loop", "batched")]
    for name in ours:
        for other, goal, label in (
            ("loop", LOOP_GOAL, "a pipeline call for each, fp32"),
            ("batched", BATCH_GOAL, f"pipeline(batch_size={BATCH_SIZE}), fp32"),
        ):
            yield time_row("prediction", f"{what}, {name}", seconds[name], seconds[other], label, goal)
    for name in ours[1:]:
        yield time_row("prediction", f"{what}, {name}", seconds[name], seconds["fp32"], "ours in fp32", GOALS[name])
