"""Where the time goes: what a training step and a prediction spend on each kind of operator, to explain the ratios."""

from __future__ import annotations

import gc
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from modeling_dlfa.checkpoints.loading import MODEL_FILE
from modeling_dlfa.inference.onnx_export import export_onnx
from modeling_dlfa.inference.onnx_runtime import QUANTIZED_FILE, OnnxGraph, OnnxLogits, session_options

from .fusion import adamw, training_step
from .harness import timed
from .machine import NO_BF16, has_fast_bf16, waiter
from .options import filled
from .prediction import FileOfPairs, without_onnx
from .report import Row, Skipped, duration
from .workload import MAX_LENGTH, Workload

PRODUCTS, OUTSIDE = "matrix products", "outside of operators"
# How names begin, as PyTorch's profiler and ONNX Runtime's give them.
KINDS = {
    PRODUCTS: (
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "mkldnn_linear",
        "MatMul",
        "FusedMat",
        "Gemm",
        "DynamicQuantizeMatMul",
    ),
    "rounding to int8": ("DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear"),
    "attention": ("_scaled_dot_product", "_flash_attention", "_efficient_attention", "Attention", "MultiHead"),
    "copies and casts": ("copy_", "_to_copy", "Cast", "Transpose"),
    "dropout": ("bernoulli_", "native_dropout"),
    "gradient of the embeddings": ("embedding_dense_backward", "fill_", "zero_"),
    "optimiser and norm of the gradient": ("_fused_adamw_", "_foreach_norm", "_foreach_mul_", "Optimizer.step"),
}
OTHER = "other operators"
ROOT = "run"
MAX_GRAD_NORM = 1.0  # The Trainer's default.


@dataclass(frozen=True)
class Profile:
    """What a run's time is made of.

    Attributes:
        seconds: Of one run, by the clock, without a profiler.
        kinds: Seconds of each kind of operator, under the profiler.
        flops: Of the matrix products that PyTorch counts; 0 where they are not counted.
    """

    seconds: float
    kinds: Mapping[str, float]
    flops: int = 0

    def row(self, name: str) -> Row:
        """Returns the profile as a line of the table, the kinds of operator in its note, largest first."""
        total = sum(self.kinds.values())
        parts = []
        for kind, seconds in sorted(self.kinds.items(), key=lambda entry: -entry[1]):
            if seconds < total / 100:
                continue
            rate = ""
            if kind == PRODUCTS and self.flops:
                rate = f", {self.flops / seconds / 1e9:.0f} GFLOP/s"
            parts.append(f"{kind} {duration(seconds)} ({100 * seconds / total:.0f} %{rate})")
        return Row("profile", name, duration(self.seconds), note="; ".join(parts) + ".")


def kind_of(operator: str) -> str:
    """Returns the kind of an operator, by its name in a profile."""
    name = operator.removeprefix("aten::")
    return next((kind for kind, beginnings in KINDS.items() if name.startswith(beginnings)), OTHER)


def profile_torch(run: Callable[[], object], device: torch.device, warm_up: int = 1) -> Profile:
    """Runs something on PyTorch and returns what its time is made of.

    Args:
        run: The work.
        device: Whose time is counted; what a GPU does not wait for is not seen.
        warm_up: Runs before the first that counts.
    """
    wait = waiter(device)
    for _ in range(warm_up):
        run()
    seconds = timed(run, wait=wait)()
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, with_flops=True) as profiler, record_function(ROOT):
        run()
        if wait is not None:
            wait()
    kinds: dict[str, float] = defaultdict(float)
    flops = 0
    for event in profiler.key_averages():
        if event.device_type.name != "CPU":
            continue  # A kernel, which its operator counts.
        kind = OUTSIDE if event.key == ROOT else kind_of(event.key)
        kinds[kind] += (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
        flops += event.flops if kind == PRODUCTS else 0
    return Profile(seconds, kinds, flops)


def profile_graph(run: Callable[[], object], graph: OnnxGraph) -> Profile:
    """Runs something on a graph whose options ask for a profile, and returns what its time is made of.

    Args:
        run: The work, all of it on this graph.
        graph: The graph, which profiles no more afterwards.
    """
    run()
    before = time.perf_counter()
    run()
    seconds = time.perf_counter() - before
    kinds: dict[str, float] = defaultdict(float)
    for event in json.loads(Path(graph.session.end_profiling()).read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            kinds[kind_of(event["args"]["op_name"])] += event["dur"] / 1e6 / 2
    kinds[OUTSIDE] = max(0.0, seconds - sum(kinds.values()))
    return Profile(seconds, kinds)


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Profiles a training step of both recipes, and the prediction of a file in every way."""
    yield from _training(workload)
    yield from _prediction(workload)


def _training(workload: Workload) -> Iterator[Row | Skipped]:
    settings = workload.settings
    device, size = settings.torch_device, settings.batch_size
    ours, theirs = workload.batch(size), filled(workload, size, MAX_LENGTH)
    systems = [("official, fp32", workload.plain, theirs, False), ("ours, fp32", workload.dlfa, ours, False)]
    if has_fast_bf16(device):
        systems.append(("ours, bf16", workload.dlfa, ours, True))
    else:
        yield Skipped("profile, bf16", NO_BF16)
    for name, build, batch, bf16 in systems:
        model = build()
        step = training_step(model, batch, adamw(model), bf16, MAX_GRAD_NORM)
        shape = "×".join(map(str, batch["input_ids"].shape))
        yield profile_torch(step, device).row(f"training step, {name}, {shape} tokens")
        del model, step
        gc.collect()


def _prediction(workload: Workload) -> Iterator[Row | Skipped]:
    device = workload.settings.torch_device
    file = FileOfPairs(workload)
    checkpoint = file.checkpoint
    runs = {"a pipeline call for each, fp32": file.loop(), "ours, fp32": file.predict(checkpoint.load(device))}
    if has_fast_bf16(device):
        runs["ours, bf16"] = file.predict(checkpoint.load(device, torch.bfloat16))
    for name, run in runs.items():
        yield profile_torch(run, device).row(f"prediction, {file}, {name}")
    if (reason := without_onnx(device)) is not None:
        yield Skipped("profile, ONNX", reason)
        return
    folder = workload.folder / "profiled"
    export_onnx(checkpoint.name, folder, quantize="int8")
    for name, path in (("ONNX, fp32", MODEL_FILE), ("ONNX, int8", QUANTIZED_FILE)):
        options = session_options()
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        graph = OnnxGraph(folder / path, options)
        logits = OnnxLogits(graph, graph.inputs, len(checkpoint.labels), path)
        yield profile_graph(file.predict(logits), graph).row(f"prediction, {file}, {name}")
