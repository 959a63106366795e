"""What a command found, as recorded in `results.json`: every score is computed from the predictions on disk."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch

from ..command.redaction import command_line, without_secrets
from ..data.description import statistics_record
from ..data.loading import rows_are_aligned
from ..files.places import hub_commit
from ..results.counts import read_counts
from ..results.directory import OutputDirectory
from ..results.format import FORMAT, RunRecord
from ..results.predictions import read_predictions
from ..results.provenance import DataSources, ShardPlan
from ..results.results import TASK_FIELDS, Results
from ..results.summary import summarise_runs
from ..scoring.classes import metric_title
from ..tasks import TASKS, Task
from ..version import installed_versions
from .answers import score
from .arguments import CrossLingualTrainingArguments
from .base_model import card_origin
from .glyphs import glyphs_record
from .learning import loss_record
from .planning import Plan
from .saved_runs import with_training_of

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


def recipe(plan: Plan) -> dict[str, Any]:
    """Returns the training arguments that shape a result; the seeds are recorded with the runs."""
    training = plan.training
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
        "max_length": plan.data.max_length,
        "group_by_length": training.groups_by_length,
        **({"encoder_dropout": rate} if (rate := plan.model.encoder_dropout) is not None else {}),
        **plan.model.peft_record(),
        **loss_record(plan.task, plan.loss),
        **plan.learning.record(),
        **({"cache_frozen": True} if plan.model.cache_frozen is not None else {}),
        **glyphs_record(plan.model),
        **({} if plan.mixup is None else plan.mixup.record()),
        **({"save_dtype": plan.saving.save_dtype} if plan.saving.save_dtype != "float32" else {}),
        **({"one_pass": True} if plan.one_pass else {}),
    }


def start_record(plan: Plan) -> dict[str, Any]:
    """Returns everything that shapes an output directory's results; resuming requires the same values."""
    task = plan.task
    record = {
        "task": task.name,
        "model": [plan.model.model_name_or_path, plan.model.model_revision],
        "systems": {run.system: run.config.to_diff_dict() for run in plan.planned},
        "data": plan.data.sources(),
        **(
            {"label_column": task.label_column} if TASKS.get(task.name, task).label_column != task.label_column else {}
        ),
        "recipe": recipe(plan),
        **({"shard": shard} if (shard := plan.saving.shard()) else {}),
    }
    return without_secrets(record, _known_secrets(plan))


def score_run(task: Task, output: OutputDirectory, run: str, languages: Iterable[str]) -> dict[str, Any]:
    """Scores a run's predictions from disk, so that anyone who recomputes the scores finds the same.

    Returns:
        For each language the metric and those beside it, the number of examples `n` (and of `words`), and how often
        each label was predicted.
    """
    entries = {code: read_predictions(output.predictions(run, code), task) for code in languages}
    scores = score(task, {code: (entry.predictions, entry.references) for code, entry in entries.items()})
    return {code: {**scores[code], "predictions": entry.distribution(task.labels)} for code, entry in entries.items()}


def collect_results(plan: Plan) -> Results:
    """Returns the results of a command, from the records and predictions of the finished runs of its shard."""
    task, model, data, output = plan.task, plan.model, plan.data, plan.output
    finished = [output.finished(run.name) for run in plan.runs]
    results = Results(
        schema_version=FORMAT,
        task=task.name,
        **{name: getattr(task, name) for name in TASK_FIELDS},
        train_languages=[split.language for split in data.train],
        languages=data.languages,
        languages_without_file=plan.languages_without_file,
        command=plan.command or command_line(sys.argv),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=round(time.time() - plan.started, 1),
        versions=installed_versions(PACKAGES),
        hardware={
            "cpus": os.cpu_count(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "processes": plan.training.world_size,
            "torch_threads": torch.get_num_threads(),
        },
        model_name_or_path=model.model_name_or_path,
        model_revision=model.model_revision,
        model_commit=hub_commit(model.model_name_or_path, model.cache_dir, model.model_revision),
        model_origin=card_origin(model.model_name_or_path),
        seeds=list(dict.fromkeys(run.seed for run in plan.planned)),
        data=DataSources.from_dict(data.sources()),
        data_statistics=statistics_record(data.statistics, task),
        recipe=recipe(plan),
        selection=_selection(task, plan.training, one_pass=plan.one_pass),
        runs=[RunRecord.from_dict(record) for record in finished if record is not None],
        folder=output.path,
    )
    if plan.finished is not None:
        results = with_training_of(results, plan.finished)
    if shard := plan.saving.shard():
        results = replace(results, shard=ShardPlan(**shard, planned_runs=[run.name for run in plan.planned]))
    if data.test:
        summary = summarise_runs(results, read_counts(results), aligned=rows_are_aligned(data.test, task))
        results = replace(results, summary=summary)
    public = without_secrets(results.to_dict(), _known_secrets(plan))
    return Results.from_dict({**public, "folder": output.path})


def _known_secrets(plan: Plan) -> list[str | None]:
    return [plan.model.token, plan.training.hub_token, getattr(plan.training, "push_to_hub_token", None)]


def _selection(task: Task, training: CrossLingualTrainingArguments, *, one_pass: bool) -> str:
    """Says in words which checkpoint of a run was tested."""
    if not training.load_best_model_at_end:
        return "last checkpoint"
    name = (training.metric_for_best_model or task.metric).removeprefix("eval_")
    together = ", mean over the systems, which were trained in one pass" if one_pass else ""
    return f"best checkpoint by {task.source_language} validation {metric_title(name)}{together}"
