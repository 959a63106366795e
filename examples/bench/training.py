"""Training: our runner against the official recipe, each in a process of its own, on the same texts."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .harness import Measure, interleave
from .machine import NO_BF16, has_fast_bf16
from .processes import BENCH, ROOT, python
from .report import Row, Skipped, time_row
from .settings import Settings
from .workload import TrainingFile, Workload

FP32_GOAL, BF16_GOAL = 2.6, 6.0
# What both recipes are given: the official README's, and no work beside the training that is timed.
COMMON = ["--learning_rate", "5e-5", "--num_train_epochs", "1", "--seed", "42", "--report_to", "none"]
COMMON += ["--save_strategy", "no", "--disable_tqdm", "True"]


def on_device(settings: Settings) -> list[str]:
    """Returns what keeps the Trainer on the CPU where that is measured."""
    return ["--use_cpu", "True"] if settings.torch_device.type == "cpu" else []


def train_official(workload: Workload, file: TrainingFile, folder: Path) -> dict[str, Any]:
    """Trains by the official recipe and returns the Trainer's metrics."""
    arguments = ["--model_name_or_path", workload.encoder, "--train_file", file.path, "--do_train", "True"]
    arguments += ["--output_dir", folder, "--per_device_train_batch_size", workload.settings.batch_size, *COMMON]
    python([BENCH / "official.py", *map(str, arguments), *on_device(workload.settings)])
    return json.loads((folder / "train_results.json").read_text(encoding="utf-8"))


def train_ours(workload: Workload, file: TrainingFile, folder: Path, *more: str, processes: int = 1) -> dict[str, Any]:
    """Trains with our runner and returns its record of the training."""
    arguments = ["--model_name_or_path", workload.encoder, "--train_file", file.path]
    arguments += ["--validation_file", validation_file(workload), "--do_predict", "False", "--do_eval", "False"]
    arguments += ["--eval_strategy", "no", "--load_best_model_at_end", "False", "--output_dir", folder]
    arguments += ["--per_device_train_batch_size", workload.settings.batch_size // processes, *COMMON, *more]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    python(
        [
            *(launcher if processes > 1 else []),
            ROOT / "examples/run_xnli.py",
            *map(str, arguments),
            *on_device(workload.settings),
        ],
        threads if processes > 1 else None,
    )
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results["runs"][0]["train"]


def validation_file(workload: Workload) -> Path:
    """Returns a file of a few rows: the runner wants one, and evaluates after the time that is measured."""
    path = workload.folder / "validation.tsv"
    if not path.exists():
        with open(workload.settings.train_file, encoding="utf-8") as source:
            path.write_text("".join(next(source) for _ in range(5)), encoding="utf-8", newline="\n")
    return path


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Compares samples a second, in float32 and, where the device has it, in bf16."""
    scale, settings = workload.settings.scale, workload.settings
    file = workload.training_file(scale.steps)
    losses: dict[str, list[float]] = {"official": [], "ours": [], "bf16": []}

    def official() -> float:
        with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
            metrics = train_official(workload, file, Path(folder))
        losses["official"].append(metrics["train_loss"])
        return metrics["train_runtime"]

    def ours(name: str, *more: str) -> float:
        with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
            record = train_ours(workload, file, Path(folder) / "run", *more)
        losses[name].append(record["loss"])
        return record["seconds"]

    systems: dict[str, Measure] = {"official": official, "ours": partial(ours, "ours")}
    if has_fast_bf16(settings.torch_device):
        systems["bf16"] = partial(ours, "bf16", "--bf16", "True")
    seconds = interleave(systems, scale.process_effort, warm_up=0)
    tokens = (
        f"{file.rows} examples in {scale.steps} steps of {settings.batch_size}, the Trainer's own `train_runtime`; "
        f"tokens an example: {file.real:.1f} real, {file.padded:.1f} in our batches, 128 in theirs."
    )
    for name, goal in (("ours", FP32_GOAL), ("bf16", BF16_GOAL)):
        kind = "fp32" if name == "ours" else "bf16"
        if name not in seconds:
            yield Skipped(f"training, {kind}", NO_BF16)
            continue
        rate = f"{file.rows / statistics.median(seconds[name]):.2f} samples/s"
        loss = f"mean loss {statistics.median(losses[name]):.3f}, theirs {statistics.median(losses['official']):.3f}"
        yield time_row(
            "training",
            f"run_xnli.py, {kind}, against the official recipe in fp32",
            seconds[name],
            seconds["official"],
            "official",
            goal,
            note=f"{rate}; {loss}. {tokens if name == 'ours' else ''}".strip(),
        )
