"""What a run does: train, validate and test, and leave a model, predictions and, last, a record."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase, Trainer
from transformers.trainer_callback import ProgressCallback
from transformers.trainer_utils import IntervalStrategy, PredictionOutput
from transformers.utils import logging

from ..files.writing import write_json
from ..publishing.callbacks import NamedProgressCallback
from ..results.directory import OutputDirectory
from ..results.predictions import write_predictions
from ..scoring.metrics import is_collapsed
from ..tasks import Task
from .adapters import adapt, parameter_counts
from .answers import answers, class_ids, compute_metrics, data_collator, keep_class_ids, score
from .arguments import Arguments
from .options import FUSION_OPTIONS
from .record import score_run
from .systems import Run, load_model
from .task_data import TaskData
from .trainer import CrossLingualTrainer

logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class Command:
    """What all runs of a command share.

    Attributes:
        task: What to learn.
        arguments: Of the command.
        data: The examples.
        tokenizer: Of the model.
        output: Where everything is written.
    """

    task: Task
    arguments: Arguments
    data: TaskData
    tokenizer: PreTrainedTokenizerBase
    output: OutputDirectory


def execute(command: Command, run: Run) -> None:
    """Trains one run, tests it, and writes its model, its predictions and, last, its record."""
    task, arguments, data, output = command.task, command.arguments, command.data, command.output
    model: Any = adapt(load_model(task, arguments, run), arguments.model)
    tell_trained_part(run.name, model)
    trainer = make_trainer(
        command,
        run.name,
        run.seed,
        model,
        compute_metrics=compute_metrics(task, data.validation, data.encoded.get("validation")),
        preprocess_logits_for_metrics=keep_class_ids if task.kind == "token" else None,
    )
    record = start_run_record(run, model)
    if arguments.training.do_train:
        record["train"] = train(command, trainer, run.name)
        if arguments.model.peft == "lora":
            _merge(trainer, output.adapter(run.name) if arguments.run.save_models else None)
        if arguments.run.save_dtype != "float32":
            trainer.round_weights(getattr(torch, arguments.run.save_dtype))
        if arguments.run.save_models:
            record["model"] = str(output.model(run.name).relative_to(output.path))
            trainer.save_model(str(output.model(run.name)))
    if "validation" in data.encoded:
        outcome = trainer.predict(data.encoded["validation"], metric_key_prefix="eval")
        record |= validation_record(command, trainer, outcome)
    if "test" in data.encoded:
        outcome = predict_test(command, trainer)
        record["prediction"] = {"seconds": (outcome.metrics or {})["test_runtime"]}
        if trainer.is_world_process_zero():
            write_test(command, run, outcome)
    if trainer.is_world_process_zero():
        finish(command, run, record)
        remove_checkpoints(command, run.name)


def tell_trained_part(name: str, model: Any) -> None:
    """Tells how much of a model is trained, where that is not all of it."""
    trained, parameters = parameter_counts(model)
    if trained < parameters and PartialState().is_main_process:
        share = 100 * trained / parameters
        logger.info(f"{name}: {trained:,} of {parameters:,} parameters are trained ({share:.2f} %).")


def make_trainer(
    command: Command,
    name: str,
    seed: int,
    model: Any,
    *,
    compute_metrics: Callable[..., dict[str, float]] | None,
    preprocess_logits_for_metrics: Callable[..., Any] | None,
) -> CrossLingualTrainer:
    """Returns the Trainer of a model.

    Args:
        command: The command.
        name: Of the run, under which its checkpoints lie.
        seed: Of dropout and data order.
        model: What is trained.
        compute_metrics: Scores the validation data, on which the checkpoint is chosen.
        preprocess_logits_for_metrics: What is kept of a batch's logits.
    """
    training = copy.copy(command.arguments.training)
    training.output_dir = str(command.output.checkpoints(name))
    training.seed, training.run_name = seed, name
    if getattr(model.config, "fusion", None) == "layer":
        training.ddp_find_unused_parameters = True  # The blocks above the layer have no gradient.
    training.push_to_hub = False  # One model of the command is published, in the end.
    encoded = command.data.encoded
    if "validation" not in encoded:
        training.eval_strategy = IntervalStrategy.NO  # The Trainer refuses to plan what it has no data for.
    trainer = CrossLingualTrainer(
        model=model,
        args=training,
        train_dataset=encoded.get("train"),
        eval_dataset=encoded.get("validation"),
        data_collator=data_collator(
            command.task, command.tokenizer, pad_to_multiple_of=8 if training.precision == "fp16" else None
        ),
        processing_class=command.tokenizer,
        compute_metrics=compute_metrics,
        preprocess_logits_for_metrics=preprocess_logits_for_metrics,
    )
    # A notebook has a display of its own in its place.
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(NamedProgressCallback(name))
    return trainer


def start_run_record(run: Run, model: Any) -> dict[str, Any]:
    """Returns what a run's record says before anything is trained."""
    trained, parameters = parameter_counts(model)
    return {
        "name": run.name,
        "system": run.system,
        "baseline": run.baseline,
        "fusion": run.config.fusion,
        "fusion_layers": run.config.fusion_layers,
        "gate": run.config.gate if run.config.fusion == "aif" else None,
        "config": {name: getattr(run.config, name) for name in (*FUSION_OPTIONS, "glyph_size")},
        "seed": run.seed,
        "parameters": parameters,
        "trainable_parameters": trained,
        "collapsed": False,
    }


def _merge(trainer: Trainer, folder: Path | None) -> None:
    """Saves the adapter and goes on with the merged model: what is tested is what is saved and published."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_world_process_zero() and folder is not None:
        model.save_pretrained(str(folder))
    trainer.model = trainer.model_wrapped = model.merge_and_unload()


def train(command: Command, trainer: CrossLingualTrainer, name: str) -> dict[str, Any]:
    """Trains, from the newest checkpoint where the command resumes, and returns loss, steps and seconds.

    Raises:
        InputError: It diverged: the loss, the answers on the validation data or the weights are not finite.
    """
    checkpoint = command.arguments.training.resume_from_checkpoint
    if checkpoint == "last":
        found = command.output.last_checkpoint(name)
        checkpoint = str(found) if found is not None else None
    outcome = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.check_weights()
    return {
        "loss": outcome.training_loss,
        "steps": outcome.global_step,
        "seconds": outcome.metrics["train_runtime"],
        "resumed": checkpoint is not None,
    }


def validation_record(
    command: Command, trainer: Trainer, outcome: PredictionOutput, metric_key: str | None = None
) -> dict[str, Any]:
    """Scores the selected checkpoint on the source language and tells how it was selected.

    Args:
        command: The command.
        trainer: Has trained, or only evaluates.
        outcome: Of the validation data.
        metric_key: Under which the Trainer logged the score; the metric's name if None.
    """
    task, data = command.task, command.data
    assert data.validation is not None
    key = f"eval_{metric_key or task.metric}"
    history = [
        {"step": entry["step"], "epoch": entry["epoch"], task.metric: entry[key]}
        for entry in trainer.state.log_history
        if key in entry and "step" in entry
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


def predict_test(command: Command, trainer: Trainer) -> PredictionOutput:
    """Predicts all languages in one pass, longest example first."""
    trainer.compute_metrics = None  # It knows the validation data alone; scores come from the files.
    return trainer.predict(command.data.encoded["test"], metric_key_prefix="test")


def write_test(command: Command, run: Run, outcome: PredictionOutput) -> None:
    """Writes a run's predictions, a file for each language."""
    task, data = command.task, command.data
    for split, answer in zip(data.test, answers(task, data.test, data.encoded["test"], outcome), strict=True):
        write_predictions(command.output.predictions(run.name, split.language), task, split, answer)


def finish(command: Command, run: Run, record: dict[str, Any]) -> None:
    """Scores a run's predictions and writes its record, which makes it finished."""
    record["test"] = score_run(command.task, command.output, run, command.data)
    write_json(command.output.record(run.name), record)


def remove_checkpoints(command: Command, name: str) -> None:
    """Deletes the checkpoints of a finished run, unless they are to be kept."""
    if not command.arguments.run.keep_checkpoints:
        command.output.remove_checkpoints(name)
