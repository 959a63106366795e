"""The runner behind every example: train on the source language, test in all, baseline beside DLFA."""

from __future__ import annotations

import copy
import datetime
import importlib.metadata
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase, Trainer

from .arguments import Arguments, CrossLingualTrainingArguments, parse_arguments
from .data import Split, encode, expand_files, length_sorted, load_file, load_hub, resolve_languages, rows_are_aligned
from .errors import InputError
from .metrics import cross_lingual_metric, get_metric, is_collapsed
from .output import OutputDirectory, write_json
from .predictions import Predictions, read_predictions, write_predictions
from .reporting import summarise_runs, text_table, write_report
from .systems import Run, load_model, load_tokenizer, plan_runs
from .tasks import SplitName, Task, get_task
from .trainer import CrossLingualTrainer

if TYPE_CHECKING:
    from datasets import Dataset

PACKAGES = ("modeling_dlfa", "transformers", "torch", "datasets", "evaluate", "accelerate", "tokenizers", "numpy")


@dataclass
class TaskData:
    """The examples of a command, as read and as tokenised.

    Attributes:
        train: Source-language training data; None without training.
        validation: Source-language data on which checkpoints are chosen; None if not wanted.
        test: Test data, a split for each language.
        encoded: `"train"`, `"validation"` and `"test"` tokenised; the test data of all languages longest first.
    """

    train: Split | None
    validation: Split | None
    test: list[Split]
    encoded: dict[str, Dataset]

    def sources(self) -> dict[str, Any]:
        """Returns where the data came from, as `results.json` records it."""
        sources: dict[str, Any] = {
            name: split.source.to_dict()
            for name, split in (("train", self.train), ("validation", self.validation))
            if split is not None
        }
        return {**sources, "test": {split.language: split.source.to_dict() for split in self.test}}


def main(task_name: str, argv: Sequence[str] | None = None) -> None:
    """Entry point of the example scripts: wrong input ends with one message and exit status 2.

    Args:
        task_name: A key of `tasks.TASKS`.
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: Status 2 on wrong input.
    """
    try:
        task = get_task(task_name)
        run_task(task, parse_arguments(task, argv))
    except InputError as error:
        if int(os.environ.get("RANK", "0")) == 0:
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def run_task(task: Task, arguments: Arguments) -> dict[str, Any]:
    """Trains and tests all runs of a command and writes its results.

    Args:
        task: What to learn.
        arguments: What to fuse, on which data, how to train, where to write.

    Returns:
        What `results.json` holds.

    Raises:
        InputError: Wrong input, before any training starts.
    """
    started = time.time()
    state = PartialState()
    training = arguments.training
    resume = training.resume_from_checkpoint is not None
    output = OutputDirectory(training.output_dir)
    output.check_free(resume=resume, overwrite=arguments.run.overwrite)
    languages = resolve_languages(arguments.data.languages, task)
    runs = plan_runs(task, arguments)
    if resume and training.resume_from_checkpoint != "last" and len(runs) > 1:
        raise InputError("A checkpoint's folder continues one run; with several runs use --resume_from_checkpoint last.")
    tokenizer = load_tokenizer(arguments, runs[0].config)
    max_length = _max_length(task, arguments, tokenizer, runs[0])
    if not state.is_main_process:
        import datasets

        datasets.disable_progress_bars()
    data = _load_data(task, arguments, languages, tokenizer, max_length)
    started_with = {
        "task": task.name,
        "model": [arguments.model.model_name_or_path, arguments.model.model_revision],
        "systems": {run.system: run.config.to_diff_dict() for run in runs},
        "data": data.sources(),
        "recipe": recipe(training, max_length),
    }
    if resume:
        output.check_same(started_with)
    state.wait_for_everyone()
    if state.is_main_process and not resume:
        output.start(started_with, overwrite=arguments.run.overwrite)
    state.wait_for_everyone()
    for index, run in enumerate(runs, start=1):
        if output.finished(run.name) is None:
            if state.is_main_process:
                print(f"[{index}/{len(runs)}] {run.name}", flush=True)
            _execute(task, arguments, run, data, tokenizer, output)
        state.wait_for_everyone()
    results = _collect(task, arguments, runs, data, output, recipe(training, max_length), time.time() - started)
    if state.is_main_process:
        write_json(output.results, results)
        if data.test:
            write_report(results, output.path)
            print(text_table(results))
    state.wait_for_everyone()
    return results


def recipe(training: CrossLingualTrainingArguments, max_length: int) -> dict[str, Any]:
    """Returns the training arguments that shape a result; the seeds stand with the runs."""
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
    }


def _max_length(task: Task, arguments: Arguments, tokenizer: PreTrainedTokenizerBase, run: Run) -> int:
    positions = getattr(run.config.backbone_config, "max_position_embeddings", None) or sys.maxsize
    longest = min(positions, tokenizer.model_max_length)
    wished = arguments.data.max_length
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)


def _load_data(
    task: Task,
    arguments: Arguments,
    languages: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> TaskData:
    data, training = arguments.data, arguments.training
    from_files = bool(data.train_file or data.validation_file or data.test_file)
    test_files = expand_files(data.test_file, languages) if from_files and training.do_predict and data.test_file else {}

    def load(split: SplitName, path: Any, language: str, limit: int | None) -> Split:
        if from_files:
            return load_file(path, task, language, limit)
        return load_hub(task, split, language, data.dataset_name, data.dataset_revision, limit, arguments.model.cache_dir)

    source = task.source_language
    train = load("train", data.train_file, source, data.max_train_samples) if training.do_train else None
    validation = None
    if training.do_train or (training.do_eval and (data.validation_file or not from_files)):
        validation = load("validation", data.validation_file, source, data.max_eval_samples)
    test = []
    if training.do_predict:
        test = [load("test", test_files.get(code), code, data.max_test_samples) for code in languages]
    encoded = {
        name: encode(splits, tokenizer, task, max_length)
        for name, splits in (("train", [train]), ("validation", [validation]), ("test", test))
        if splits and splits[0] is not None
    }
    if "test" in encoded:
        encoded["test"] = length_sorted(encoded["test"])
    return TaskData(train, validation, test, encoded)


def _execute(
    task: Task,
    arguments: Arguments,
    run: Run,
    data: TaskData,
    tokenizer: PreTrainedTokenizerBase,
    output: OutputDirectory,
) -> None:
    """Trains one run, tests it, and writes its model, its predictions and, last, its record."""
    training = copy.copy(arguments.training)
    training.output_dir = str(output.checkpoints(run.name))
    training.seed, training.run_name = run.seed, run.name
    model = load_model(task, arguments, run)
    trainer = CrossLingualTrainer(
        model=model,
        args=training,
        train_dataset=data.encoded.get("train"),
        eval_dataset=data.encoded.get("validation"),
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if training.fp16 else None),
        processing_class=tokenizer,
        compute_metrics=_compute_metrics(task),
    )
    record: dict[str, Any] = {
        "name": run.name,
        "system": run.system,
        "baseline": run.baseline,
        "fusion": run.config.fusion,
        "fusion_layers": run.config.fusion_layers,
        "gate": run.config.gate if run.config.fusion == "aif" else None,
        "seed": run.seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "collapsed": False,
    }
    if training.do_train:
        record["train"] = _train(trainer, output, run, arguments)
        record["model"] = str(output.model(run.name).relative_to(output.path))
        trainer.save_model(str(output.model(run.name)))
    if "validation" in data.encoded:
        record |= _validate(task, trainer, data.encoded["validation"])
    if "test" in data.encoded:
        _predict(task, trainer, run, data, output)
    if trainer.is_world_process_zero():
        # A pickle, which the Trainer saves beside the weights.
        (output.model(run.name) / "training_args.bin").unlink(missing_ok=True)
        record["test"] = _test_scores(task, output, run, data)
        write_json(output.record(run.name), record)
        if not arguments.run.keep_checkpoints:
            shutil.rmtree(output.checkpoints(run.name), ignore_errors=True)


def _compute_metrics(task: Task) -> Any:
    metric = get_metric(task.metric)

    def compute(prediction: Any) -> dict[str, float]:
        counts = metric.counts(prediction.predictions.argmax(axis=-1), prediction.label_ids)
        return {metric.name: float(metric.score(counts.sum(axis=0)))}

    return compute


def _train(trainer: Trainer, output: OutputDirectory, run: Run, arguments: Arguments) -> dict[str, Any]:
    checkpoint = arguments.training.resume_from_checkpoint
    if checkpoint == "last":
        found = output.last_checkpoint(run.name)
        checkpoint = str(found) if found is not None else None
    outcome = trainer.train(resume_from_checkpoint=checkpoint)
    return {
        "loss": outcome.training_loss,
        "steps": outcome.global_step,
        "seconds": outcome.metrics["train_runtime"],
        "resumed": checkpoint is not None,
    }


def _validate(task: Task, trainer: Trainer, dataset: Dataset) -> dict[str, Any]:
    """Scores the selected checkpoint on the source language and tells how it was selected."""
    outcome = trainer.predict(dataset, metric_key_prefix="eval")
    history = [
        {"step": entry["step"], "epoch": entry["epoch"], task.metric: entry[f"eval_{task.metric}"]}
        for entry in trainer.state.log_history
        if f"eval_{task.metric}" in entry and "step" in entry
    ]
    best = trainer.state.best_model_checkpoint
    validation = {
        task.metric: outcome.metrics[f"eval_{task.metric}"],
        "n": len(dataset),
        "best_step": int(best.rpartition("-")[2]) if best else None,
        "history": history,
    }
    return {
        "validation": validation,
        "collapsed": is_collapsed(outcome.predictions.argmax(axis=-1), len(task.labels)),
    }


def _predict(task: Task, trainer: Trainer, run: Run, data: TaskData, output: OutputDirectory) -> None:
    """Predicts all languages in one pass, longest example first, and writes a file for each."""
    dataset = data.encoded["test"]
    logits = trainer.predict(dataset, metric_key_prefix="test").predictions
    if not trainer.is_world_process_zero():
        return
    columns = dataset.with_format("numpy")
    language, row = columns["language"][:], columns["row"][:]
    for index, split in enumerate(data.test):
        chosen = language == index
        ordered = logits[chosen][row[chosen].argsort()]
        write_predictions(output.predictions(run.name, split.language), task, split.labels, ordered)


def _read(task: Task, output: OutputDirectory, run: Run, data: TaskData) -> dict[str, Predictions]:
    return {
        split.language: read_predictions(output.predictions(run.name, split.language), task) for split in data.test
    }


def _test_scores(task: Task, output: OutputDirectory, run: Run, data: TaskData) -> dict[str, Any]:
    """Scores the predictions as they lie on disk, so that anyone who recomputes them finds the same."""
    scorer = cross_lingual_metric(task.metric, task.source_language)
    written = _read(task, output, run, data)
    for language, entry in written.items():
        scorer.add_batch(
            predictions=entry.predictions, references=entry.references, languages=[language] * len(entry.predictions)
        )
    if not written:
        return {}
    scores = scorer.compute()["languages"]
    return {
        language: {**scores[language], "predictions": entry.distribution(task.labels)}
        for language, entry in written.items()
    }


def _collect(
    task: Task,
    arguments: Arguments,
    runs: Sequence[Run],
    data: TaskData,
    output: OutputDirectory,
    used_recipe: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    records = [output.finished(run.name) for run in runs]
    results: dict[str, Any] = {
        "schema_version": 1,
        "task": task.name,
        "metric": task.metric,
        "source_language": task.source_language,
        "languages": [split.language for split in data.test],
        "command": shlex.join(["python", *sys.argv]),
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
        "seeds": arguments.seeds,
        "data": data.sources(),
        "recipe": dict(used_recipe),
        "selection": f"best checkpoint by {task.source_language} validation {task.metric}",
        "runs": records,
    }
    if data.test:
        metric = get_metric(task.metric)
        counts = {}
        for run in runs:
            written = _read(task, output, run, data)
            counts[run.name] = {code: metric.counts(p.predictions, p.references) for code, p in written.items()}
        aligned = rows_are_aligned(data.test, task)
        results["summary"] = summarise_runs(results, counts, metric=metric, aligned=aligned)
    return results


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
