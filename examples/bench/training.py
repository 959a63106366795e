"""Training: our runner against the official recipe, each in a process of its own, on the same texts."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .machine import NO_BF16, has_fast_bf16
from .processes import OFFICIAL, OURS, python
from .report import Row, time_row
from .settings import Settings
from .timing import Measure, interleave
from .workload import TrainingFile, Workload

GOALS = {"fp32": 2.6, "bf16": 6.0}
# What both recipes are given: the official README's, and no work beside the training that is timed.
COMMON = ["--learning_rate", "5e-5", "--num_train_epochs", "1", "--seed", "42", "--report_to", "none"]
COMMON += ["--save_strategy", "no", "--disable_tqdm", "True"]


def on_device(settings: Settings) -> list[str]:
    """Returns what keeps the Trainer on the CPU where that is measured."""
    return ["--use_cpu", "True"] if settings.torch_device.type == "cpu" else []


def train_official(workload: Workload, file: TrainingFile, folder: Path) -> dict[str, Any]:
    """Trains by the official recipe and returns the Trainer's metrics."""
    arguments = ["--model_name_or_path", workload.encoder, "--train_file", file.path, "--do_train", "True"]
    arguments += ["--output_dir", folder, "--per_device_train_batch_size", workload.settings.batch_size]
    python([OFFICIAL, *arguments, *COMMON, *on_device(workload.settings)])
    return json.loads((folder / "train_results.json").read_text(encoding="utf-8"))


def train_ours(workload: Workload, file: TrainingFile, folder: Path, *more: str) -> dict[str, Any]:
    """Trains with our runner and returns its record of the training."""
    arguments = ["--model_name_or_path", workload.encoder, "--train_file", file.path]
    arguments += ["--validation_file", file.path, "--do_predict", "False", "--do_eval", "False"]
    arguments += ["--eval_strategy", "no", "--load_best_model_at_end", "False", "--output_dir", folder]
    arguments += ["--per_device_train_batch_size", workload.settings.batch_size]
    python([OURS, *arguments, *COMMON, *on_device(workload.settings), *more])
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))["runs"][0]["train"]


def measure(workload: Workload) -> Iterator[Row]:
    """Compares samples a second, in float32 and, where the device has it, in bf16."""
    settings = workload.settings
    file = workload.training_file(settings.amount("steps"))
    losses: dict[str, list[float]] = {"official": [], "fp32": [], "bf16": []}

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

    systems: dict[str, Measure] = {"official": official, "fp32": partial(ours, "fp32")}
    if has_fast_bf16(settings.torch_device):
        systems["bf16"] = partial(ours, "bf16", "--bf16", "True")
    else:
        yield Row("training", "bf16", note=NO_BF16)
    seconds = interleave(systems, settings.amount("starts"))
    note = f"{file.rows} examples in steps of {settings.batch_size}, the Trainer's own train_runtime. Tokens an "
    note += f"example: {file.real:.1f} real, {file.padded:.1f} in our batches, 128 in theirs. Mean losses: "
    note += ", ".join(f"{name} {statistics.median(losses[name]):.3f}" for name in systems) + "."
    for name in list(systems)[1:]:
        title, goal = f"run_xnli.py, {name}", GOALS[name]
        yield time_row("training", title, seconds[name], seconds["official"], "official, fp32", goal, note=note)
