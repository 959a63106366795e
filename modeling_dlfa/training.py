"""The runner behind every example: train on the source language, test in all, baseline beside DLFA."""

from __future__ import annotations

import copy
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import PreTrainedTokenizerBase, Trainer
from transformers.trainer_utils import IntervalStrategy

from .adapters import adapt, check_adaptable, parameter_counts
from .arguments import FUSION_OPTIONS, Arguments, parse_arguments
from .data import languages_without_file, resolve_languages
from .errors import InputError
from .evaluation import answers, class_ids, compute_metrics, data_collator, keep_class_ids, score
from .metrics import is_collapsed
from .output import OutputDirectory, write_json
from .predictions import write_predictions
from .processes import check_launch, check_shared, end_processes
from .publishing import hub_repository, publish, write_cards
from .reporting import text_table, write_report
from .repository import HubRepository
from .results import collect_results, score_run, start_record
from .systems import Run, fetch_weights, load_model, load_tokenizer, own_share, plan_runs
from .task_data import TaskData, load_task_data
from .tasks import Task, get_task
from .trainer import CrossLingualTrainer


def main(task: Task | str, argv: Sequence[str] | None = None) -> None:
    """Entry point of the example scripts: wrong input ends with one message and exit status 2.

    Args:
        task: A task of one's own, or a key of `tasks.TASKS`.
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: Status 2 on wrong input.
    """
    try:
        task = get_task(task) if isinstance(task, str) else task
        run_task(task, parse_arguments(task, argv))
    except InputError as error:
        if int(os.environ.get("LOCAL_RANK", "0")) == 0:
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    finally:
        end_processes()


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
    check_launch(arguments.model.peft)
    training = arguments.training
    resume = training.resume_from_checkpoint is not None
    output = OutputDirectory(str(training.output_dir))
    output.check_free(resume=resume, overwrite=arguments.run.overwrite)
    languages = _languages(task, arguments, tell=state.is_main_process)
    planned = plan_runs(task, arguments)
    runs = own_share(planned, arguments)
    if resume and training.resume_from_checkpoint != "last" and len(runs) > 1:
        raise InputError("A checkpoint's folder continues one run; with several, use --resume_from_checkpoint last.")
    check_adaptable(task, arguments.model, planned)
    tokenizer = load_tokenizer(arguments, runs[0].config)
    max_length = _max_length(task, arguments, tokenizer)
    if not state.is_main_process:
        import datasets

        datasets.disable_progress_bars()
    data = load_task_data(task, arguments, languages, tokenizer, max_length)
    started_with = start_record(task, arguments, planned, data, max_length)
    if resume:
        output.check_same(started_with)
    repository = hub_repository(arguments)
    fetch_weights(arguments)
    state.wait_for_everyone()
    if state.is_main_process and repository is not None:
        repository = repository.prepare()
    if state.is_main_process and not resume:
        output.start(started_with, overwrite=arguments.run.overwrite)
    state.wait_for_everyone()
    check_shared(output.arguments)
    for index, run in enumerate(runs, start=1):
        if output.finished(run.name) is None:
            if state.is_main_process:
                print(f"[{index}/{len(runs)}] {run.name}", flush=True)
            _execute(task, arguments, run, data, tokenizer, output)
        state.wait_for_everyone()
    results: dict[str, Any] = {}
    if state.is_main_process:
        results = collect_results(task, arguments, planned, data, output, max_length, time.time() - started)
        _report(results, arguments, output, repository)
    [results] = broadcast_object_list([results])
    return results


def _report(
    results: Mapping[str, Any], arguments: Arguments, output: OutputDirectory, repository: HubRepository | None
) -> None:
    """Writes everything that is made of the results, and publishes the selected model if wished."""
    write_json(output.results, results)
    if "summary" in results:
        write_report(results, output.path)
        write_cards(results, output, arguments.run.license)
        print(text_table(results))
    print(f"Results: {output.results}", flush=True)
    if repository is not None:
        print(f"Published: {publish(output.path, repository, license=arguments.run.license)}", flush=True)


def _languages(task: Task, arguments: Arguments, *, tell: bool) -> list[str]:
    """Returns the languages to test and, on the main process, tells which of "all" have no file."""
    wished = arguments.data.languages
    languages = resolve_languages(wished, task, arguments.data.test_file if arguments.training.do_predict else None)
    missing = languages_without_file(wished, task, languages)
    if tell and missing:
        print(f"Not tested, for want of a file: {' '.join(missing)}.", flush=True)
    return languages


def _max_length(task: Task, arguments: Arguments, tokenizer: PreTrainedTokenizerBase) -> int:
    longest = tokenizer.model_max_length  # No more than the model's own.
    wished = arguments.data.max_length
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)


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
    training.push_to_hub = False  # One model of the command is published, in the end.
    if "validation" not in data.encoded:
        training.eval_strategy = IntervalStrategy.NO  # The Trainer refuses to plan what it has no data for.
    model: Any = adapt(load_model(task, arguments, run), arguments.model)
    trained, parameters = parameter_counts(model)
    if trained < parameters and PartialState().is_main_process:
        share = 100 * trained / parameters
        print(f"{run.name}: {trained:,} of {parameters:,} parameters are trained ({share:.2f} %).", flush=True)
    trainer = CrossLingualTrainer(
        model=model,
        args=training,
        train_dataset=data.encoded.get("train"),
        eval_dataset=data.encoded.get("validation"),
        data_collator=data_collator(task, tokenizer, pad_to_multiple_of=8 if training.precision == "fp16" else None),
        processing_class=tokenizer,
        compute_metrics=compute_metrics(task, data.validation, data.encoded.get("validation")),
        preprocess_logits_for_metrics=keep_class_ids if task.kind == "token" else None,
    )
    record: dict[str, Any] = {
        "name": run.name,
        "system": run.system,
        "baseline": run.baseline,
        "fusion": run.config.fusion,
        "fusion_layers": run.config.fusion_layers,
        "gate": run.config.gate if run.config.fusion == "aif" else None,
        "config": {name: getattr(run.config, name) for name in FUSION_OPTIONS},
        "seed": run.seed,
        "parameters": parameters,
        "trainable_parameters": trained,
        "collapsed": False,
    }
    if training.do_train:
        record["train"] = _train(trainer, output, run, arguments)
        if arguments.model.peft == "lora":
            _merge(trainer, output.adapter(run.name) if arguments.run.save_models else None)
        if arguments.run.save_models:
            record["model"] = str(output.model(run.name).relative_to(output.path))
            trainer.save_model(str(output.model(run.name)))
    if "validation" in data.encoded:
        record |= _validate(task, trainer, data)
    if "test" in data.encoded:
        record["prediction"] = {"seconds": _predict(task, trainer, run, data, output)}
    if trainer.is_world_process_zero():
        record["test"] = score_run(task, output, run, data)
        write_json(output.record(run.name), record)
        if not arguments.run.keep_checkpoints:
            output.remove_checkpoints(run.name)


def _merge(trainer: Trainer, folder: Path | None) -> None:
    """Saves the adapter and goes on with the merged model: what is tested is what is saved and published."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_world_process_zero() and folder is not None:
        model.save_pretrained(str(folder))
    trainer.model = trainer.model_wrapped = model.merge_and_unload()


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


def _validate(task: Task, trainer: Trainer, data: TaskData) -> dict[str, Any]:
    """Scores the selected checkpoint on the source language and tells how it was selected."""
    assert data.validation is not None
    outcome = trainer.predict(data.encoded["validation"], metric_key_prefix="eval")
    history = [
        {"step": entry["step"], "epoch": entry["epoch"], task.metric: entry[f"eval_{task.metric}"]}
        for entry in trainer.state.log_history
        if f"eval_{task.metric}" in entry and "step" in entry
    ]
    best = trainer.state.best_model_checkpoint
    (answer,) = answers(task, [data.validation], data.encoded["validation"], outcome)
    predicted, references = class_ids(task, answer), data.validation.labels
    if task.kind == "token":
        collapsed = is_collapsed(np.concatenate(predicted), len(task.labels), np.concatenate(references))
    else:
        collapsed = is_collapsed(predicted, len(task.labels))
    validation = {
        **score(task, predicted, references),
        "best_step": int(best.rpartition("-")[2]) if best else None,
        "history": history,
    }
    return {"validation": validation, "collapsed": collapsed}


def _predict(task: Task, trainer: Trainer, run: Run, data: TaskData, output: OutputDirectory) -> float:
    """Predicts all languages in one pass, longest example first, writes a file for each, and returns the seconds."""
    trainer.compute_metrics = None  # It knows the validation data alone; scores come from the files.
    dataset = data.encoded["test"]
    outcome = trainer.predict(dataset, metric_key_prefix="test")
    if trainer.is_world_process_zero():
        for split, answer in zip(data.test, answers(task, data.test, dataset, outcome), strict=True):
            write_predictions(output.predictions(run.name, split.language), task, split, answer)
    return (outcome.metrics or {})["test_runtime"]
