"""What a command found, as `results.json` records it: every score from the predictions on disk."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..command.redaction import command_line, without_secrets
from ..data.description import statistics_record
from ..data.loading import languages_without_file, rows_are_aligned
from ..results.directory import OutputDirectory
from ..results.format import FORMAT
from ..results.predictions import Predictions, read_predictions
from ..scoring.metrics import METRICS, get_metric
from ..statistics.summary import summarise_runs
from ..tasks import Task, recorded_task
from .answers import score
from .arguments import Arguments
from .glyphs import glyphs_record
from .systems import Run, model_commit, model_origin, own_share, shard
from .task_data import TaskData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        "metric_for_best_model",
        "bf16_full_eval",
    )
    values = {name: getattr(training, name) for name in names}
    values = {name: getattr(value, "value", value) for name, value in values.items()}
    return {
        **values,
        "batch_size": training.train_batch_size * training.gradient_accumulation_steps * training.world_size,
        "processes": training.world_size,
        "mixed_precision": training.precision,
        "max_length": max_length,
        "group_by_length": training.groups_by_length,
        **arguments.model.peft_record(),
        **glyphs_record(arguments.model),
        **({"save_dtype": arguments.run.save_dtype} if arguments.run.save_dtype != "float32" else {}),
        **({"one_pass": True} if arguments.one_pass else {}),
    }


def start_record(
    task: Task, arguments: Arguments, planned: Sequence[Run], data: TaskData, max_length: int
) -> dict[str, Any]:
    """Returns what an output directory is started with, and resumed with alone: all that shapes its results."""
    sharded = arguments.run.num_shards > 1
    record = {
        "task": task.name,
        "model": [arguments.model.model_name_or_path, arguments.model.model_revision],
        "systems": {run.system: run.config.to_diff_dict() for run in planned},
        "data": data.sources(),
        "recipe": recipe(arguments, max_length),
        **({"shard": shard(arguments)} if sharded else {}),
    }
    return without_secrets(record, _known_secrets(arguments))


def _read(task: Task, output: OutputDirectory, run: str, languages: Iterable[str]) -> dict[str, Predictions]:
    return {language: read_predictions(output.predictions(run, language), task) for language in languages}


def run_counts(results: Mapping[str, Any], output: OutputDirectory) -> dict[str, dict[str, NDArray[np.int64]]]:
    """Reads the predictions of all runs.

    Args:
        results: What `results.json` holds, `"summary"` or not.
        output: Where the predictions lie.

    Returns:
        For each run's name and each language the (N, K) counts of the metric.
    """
    task, metric = recorded_task(results), get_metric(results["metric"])
    return {
        record["name"]: {
            language: metric.counts(entry.predictions, entry.references, task.labels)
            for language, entry in _read(task, output, record["name"], results["languages"]).items()
        }
        for record in results["runs"]
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
        for language, entry in _read(task, output, run.name, (split.language for split in data.test)).items()
    }


def collect_results(
    task: Task,
    arguments: Arguments,
    planned: Sequence[Run],
    data: TaskData,
    output: OutputDirectory,
    max_length: int,
    seconds: float,
) -> dict[str, Any]:
    """Returns what `results.json` holds, from the records and predictions of the finished runs.

    Args:
        task: What was learnt.
        arguments: Of the command.
        planned: All runs of the command; those of its shard are finished.
        data: The examples.
        output: Where the runs lie.
        max_length: Longest input, in tokens.
        seconds: Time that the command took.
    """
    tested = [split.language for split in data.test]
    records = [output.finished(run.name) for run in own_share(planned, arguments)]
    results: dict[str, Any] = {
        "schema_version": FORMAT,
        "task": task.name,
        "title": task.title,
        "kind": task.kind,
        "text_columns": list(task.text_columns),
        "label_column": task.label_column,
        "labels": list(task.labels),
        "metric": task.metric,
        "source_language": task.source_language,
        "languages": tested,
        "languages_without_file": languages_without_file(arguments.data.languages, task, tested) if tested else [],
        "command": arguments.command or command_line(sys.argv),
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
        "model_origin": model_origin(arguments.model),
        "seeds": arguments.seeds,
        "data": data.sources(),
        "data_statistics": statistics_record(data.statistics, task),
        "recipe": recipe(arguments, max_length),
        "selection": _selection(task, arguments),
        "runs": records,
    }
    if arguments.run.num_shards > 1:
        results["shard"] = {**shard(arguments), "planned_runs": [run.name for run in planned]}
    if data.test:
        aligned = rows_are_aligned(data.test, task)
        counts = run_counts(results, output)
        results["summary"] = summarise_runs(results, counts, metric=task.metric, aligned=aligned)
    return without_secrets(results, _known_secrets(arguments))


def _known_secrets(arguments: Arguments) -> list[str | None]:
    training = arguments.training
    return [arguments.model.token, training.hub_token, getattr(training, "push_to_hub_token", None)]


def _selection(task: Task, arguments: Arguments) -> str:
    """Which checkpoint of a run was tested, as one would say it."""
    if not arguments.training.load_best_model_at_end:
        return "last checkpoint"
    name = (arguments.training.metric_for_best_model or task.metric).removeprefix("eval_")
    title = METRICS[name].title if name in METRICS else name
    together = ", mean over the systems, which were trained in one pass" if arguments.one_pass else ""
    return f"best checkpoint by {task.source_language} validation {title}{together}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
