"""What a command found, as `results.json` records it: every score from the predictions on disk."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import torch

from .arguments import Arguments
from .data import languages_without_file, rows_are_aligned
from .evaluation import score
from .metrics import get_metric
from .output import OutputDirectory
from .predictions import Predictions, read_predictions
from .summary import summarise_runs
from .systems import Run, model_commit
from .task_data import TaskData
from .tasks import Task

PACKAGES = (
    "modeling_dlfa",
    "transformers",
    "torch",
    "datasets",
    "evaluate",
    "accelerate",
    "peft",
    "seqeval",
    "tokenizers",
    "numpy",
)


def recipe(arguments: Arguments, max_length: int) -> dict[str, Any]:
    """Returns the training arguments that shape a result; the seeds stand with the runs."""
    training = arguments.training
    names = (
        "learning_rate",
        "num_train_epochs",
        "max_steps",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "lr_scheduler_type",
        "warmup_steps",
        "weight_decay",
        "max_grad_norm",
        "label_smoothing_factor",
        "optim",
        "bf16",
        "fp16",
        "metric_for_best_model",
    )
    values = {name: getattr(training, name) for name in names}
    values = {name: getattr(value, "value", value) for name, value in values.items()}
    return {
        **values,
        "batch_size": training.train_batch_size * training.gradient_accumulation_steps * training.world_size,
        "processes": training.world_size,
        "max_length": max_length,
        "group_by_length": training.groups_by_length,
        **arguments.model.peft_record(),
    }


def _read(task: Task, output: OutputDirectory, run: Run, data: TaskData) -> dict[str, Predictions]:
    return {
        split.language: read_predictions(output.predictions(run.name, split.language), task) for split in data.test
    }


def score_run(task: Task, output: OutputDirectory, run: Run, data: TaskData) -> dict[str, Any]:
    """Scores a run's predictions as they lie on disk, so that anyone who recomputes them finds the same.

    Returns:
        For each language the metric and those beside it, the number of examples `n` (and of `words`), and how often
        each label was predicted.
    """
    return {
        language: {
            **score(task, entry.predictions, entry.references),
            "predictions": entry.distribution(task.labels),
        }
        for language, entry in _read(task, output, run, data).items()
    }


def collect_results(
    task: Task,
    arguments: Arguments,
    runs: Sequence[Run],
    data: TaskData,
    output: OutputDirectory,
    max_length: int,
    seconds: float,
) -> dict[str, Any]:
    """Returns what `results.json` holds, from the records and predictions of the finished runs.

    Args:
        task: What was learnt.
        arguments: Of the command.
        runs: All runs of the command, each finished.
        data: The examples.
        output: Where the runs lie.
        max_length: Longest input, in tokens.
        seconds: Time that the command took.
    """
    tested = [split.language for split in data.test]
    records = [output.finished(run.name) for run in runs]
    results: dict[str, Any] = {
        "schema_version": 1,
        "task": task.name,
        "title": task.title,
        "kind": task.kind,
        "text_columns": list(task.text_columns),
        "labels": list(task.labels),
        "metric": task.metric,
        "source_language": task.source_language,
        "languages": tested,
        "languages_without_file": languages_without_file(arguments.data.languages, task, tested) if tested else [],
        "command": command_line(sys.argv),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "hardware": {
            "cpus": os.cpu_count(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "processes": arguments.training.world_size,
            "torch_threads": torch.get_num_threads(),
        },
        "model_name_or_path": arguments.model.model_name_or_path,
        "model_revision": arguments.model.model_revision,
        "model_commit": model_commit(arguments.model),
        "seeds": arguments.seeds,
        "data": data.sources(),
        "recipe": recipe(arguments, max_length),
        "selection": f"best checkpoint by {task.source_language} validation {get_metric(task.metric).title}",
        "runs": records,
    }
    if data.test:
        metric = get_metric(task.metric)
        counts = {}
        for run in runs:
            written = _read(task, output, run, data)
            counts[run.name] = {
                code: metric.counts(entry.predictions, entry.references, task.labels)
                for code, entry in written.items()
            }
        aligned = rows_are_aligned(data.test, task)
        results["summary"] = summarise_runs(results, counts, metric=metric, aligned=aligned)
    return results


def command_line(argv: Sequence[str]) -> str:
    """Returns the command as one would type it, tokens left out: results are published."""
    shown, hidden = [], False
    for argument in argv:
        name, equals, _ = argument.partition("=")
        secret = name.startswith("--") and name.endswith("token")
        shown.append("***" if hidden else f"{name}=***" if secret and equals else argument)
        hidden = secret and not equals
    return shlex.join(["python", *shown])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
