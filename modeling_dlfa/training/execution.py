"""Executes a run: trains, validates and tests, and leaves a model, predictions and, last, a record."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import EarlyStoppingCallback, Trainer, TrainerState
from transformers.trainer_callback import ProgressCallback
from transformers.trainer_utils import IntervalStrategy, PredictionOutput
from transformers.utils import logging

from ..files.writing import write_json
from ..publishing.callbacks import NamedProgressCallback
from ..results.predictions import write_predictions
from ..tasks import Task
from .adapters import adapt, parameter_counts
from .answers import answers, class_ids, collapsed, compute_metrics, data_collator, keep_class_ids, score
from .base_model import load_model
from .divergence import Diverged
from .frozen_cache import read_states
from .options import FUSION_OPTIONS
from .planning import Plan
from .record import score_run
from .retries import Attempt, first_attempt, next_attempt, stopped_at
from .rounding import round_weights, save_rounded
from .systems import Run
from .task_data import TaskData
from .trainer import CrossLingualTrainer

logger = logging.get_logger(__name__)


def execute_run(plan: Plan, run: Run) -> None:
    """Trains one run, tests it, and writes its model, its predictions and, last, its record."""
    attempt = first_attempt(plan, run)
    while True:
        trainer, record = _attempt(plan, run, attempt)
        following = next_attempt(plan, run, attempt, trainer, record)
        if following is None:
            break
        attempt = following
        del trainer, record  # The next model needs their memory.
    test(plan, trainer, [record])
    if trainer.is_world_process_zero() and not plan.saving.keep_checkpoints:
        plan.output.remove_checkpoints(run.name)


def _attempt(plan: Plan, run: Run, attempt: Attempt) -> tuple[CrossLingualTrainer, dict[str, Any]]:
    """Trains, saves and validates a model; the record names a failure if the run may be repeated."""
    task, data, output, saving = plan.task, plan.data, plan.output, plan.saving
    model: Any = adapt(load_model(task.kind, plan.model, replace(run, seed=attempt.seed)), plan.model)
    tell_trained_part(run.name, model)
    trainer = make_trainer(
        plan,
        run.name,
        attempt.seed,
        model,
        warmup_steps=attempt.warmup_steps,
        compute_metrics=compute_metrics(
            task, data.validation, data.encoded.get("validation"), plan.training.metric_for_best_model
        ),
        preprocess_logits_for_metrics=keep_class_ids if task.kind == "token" else None,
    )
    record = {**start_run_record(run, model), **attempt.record()}
    if plan.training.do_train:
        try:
            record["train"] = train(trainer, output.last_checkpoint(run.name))
        except Diverged as error:
            if not attempt.may_be_repeated(plan):
                raise
            return trainer, {**record, "failure": error.reason}
        if plan.model.peft == "lora":
            _merge(trainer, output.adapter(run.name) if saving.save_models else None)
        whole: Any = trainer.model  # Unless FSDP or DeepSpeed split it: they save only float32.
        dtype, folder = getattr(torch, saving.save_dtype), output.model(run.name)
        if dtype != torch.float32:
            round_weights(whole, dtype)
        if saving.save_models:
            record["model"] = str(folder.relative_to(output.path))
            if dtype == torch.float32:
                trainer.save_model(str(folder))
            elif trainer.args.should_save:
                save_rounded(whole, plan.tokenizer, folder, dtype)
    validate(plan, trainer, [record])
    return trainer, record


def tell_trained_part(name: str, model: Any) -> None:
    """Tells how much of a model is trained, unless all of it is."""
    trained, parameters = parameter_counts(model)
    if trained < parameters and PartialState().is_main_process:
        share = 100 * trained / parameters
        logger.info(f"{name}: {trained:,} of {parameters:,} parameters are trained ({share:.2f} %).")


def make_trainer(
    plan: Plan,
    name: str,
    seed: int,
    model: Any,
    *,
    compute_metrics: Callable[..., dict[str, float]] | None,
    preprocess_logits_for_metrics: Callable[..., Any] | None,
    warmup_steps: int | None = None,
) -> CrossLingualTrainer:
    """Returns the Trainer for a model.

    Args:
        plan: The command's plan.
        name: Name of the run and of its checkpoint folder.
        seed: Seed of dropout and data order.
        model: The model to train.
        compute_metrics: Scores the validation data, by which the checkpoint is chosen.
        preprocess_logits_for_metrics: Reduces a batch's logits to what is kept.
        warmup_steps: Of the learning rate; as the arguments say if None.
    """
    training = copy.copy(plan.training)
    training.output_dir = str(plan.output.checkpoints(name))
    training.seed, training.run_name = seed, name
    if warmup_steps is not None:
        training.warmup_steps = warmup_steps
    patience = plan.learning.early_stopping_patience
    if patience is not None:
        training.restore_callback_states_from_checkpoint = True  # A resumed run goes on counting.
    if getattr(model.config, "fusion", None) == "layer":
        training.ddp_find_unused_parameters = True  # The blocks above the layer get no gradient.
    training.push_to_hub = False  # The command publishes one model at its end.
    encoded = plan.data.encoded
    collator = data_collator(plan.task, plan.tokenizer, pad_to_multiple_of=8 if training.precision == "fp16" else None)
    if plan.mixup is not None:
        plan.mixup.attach(model)
        collator = plan.mixup.collator(collator)
    if "validation" not in encoded:
        training.eval_strategy = IntervalStrategy.NO  # The Trainer refuses to plan an evaluation without data.
    trainer = CrossLingualTrainer(
        model=model,
        args=training,
        train_dataset=encoded.get("train"),
        eval_dataset=encoded.get("validation"),
        data_collator=collator,
        processing_class=plan.tokenizer,
        compute_metrics=compute_metrics,
        compute_loss_func=plan.loss,
        preprocess_logits_for_metrics=preprocess_logits_for_metrics,
    )
    if patience is not None:
        trainer.add_callback(EarlyStoppingCallback(patience))
    if plan.model.cache_frozen is not None:
        read_states(plan, trainer)
    # A notebook shows its own display instead.
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(NamedProgressCallback(name))
    return trainer


def start_run_record(run: Run, model: Any) -> dict[str, Any]:
    """Returns a run's record as it is before training."""
    trained, parameters = parameter_counts(model)
    looks = ("glyph_size", "glyph_table") if run.config.glyph_size else ("glyph_size",)
    return {
        "name": run.name,
        "system": run.system,
        "baseline": run.baseline,
        "fusion": run.config.fusion,
        "fusion_layers": run.config.fusion_layers,
        "gate": run.config.gate if run.config.fusion == "aif" else None,
        "config": {name: getattr(run.config, name) for name in (*FUSION_OPTIONS, *looks)},
        "seed": run.seed,
        "parameters": parameters,
        "trainable_parameters": trained,
        "collapsed": False,
    }


def _merge(trainer: Trainer, folder: Path | None) -> None:
    """Saves the adapter and continues with the merged model: the tested model is the one saved and published."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_world_process_zero() and folder is not None:
        model.save_pretrained(str(folder))
    trainer.model = trainer.model_wrapped = model.merge_and_unload()


def train(trainer: CrossLingualTrainer, newest: Path | None) -> dict[str, Any]:
    """Trains, and returns loss, steps and seconds.

    Args:
        trainer: Of the run.
        newest: The checkpoint from which `--resume_from_checkpoint last` continues; None to start from the beginning.

    Raises:
        Diverged: The loss, the answers on the validation data or the weights are not finite.
    """
    checkpoint = trainer.args.resume_from_checkpoint
    if checkpoint == "last":
        checkpoint = None if newest is None else str(newest)
    planned_steps = trainer.args.max_steps
    if checkpoint is not None and (step := stopped_at(Path(checkpoint))):
        trainer.args.max_steps = step  # Nothing is left to do but to load the best checkpoint.
    outcome = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.check_weights()
    record = {
        "loss": outcome.training_loss,
        "steps": outcome.global_step,
        "seconds": outcome.metrics["train_runtime"],
        "resumed": checkpoint is not None,
    }
    if any(isinstance(callback, EarlyStoppingCallback) for callback in trainer.callback_handler.callbacks):
        early = outcome.global_step < trainer.state.max_steps or trainer.args.max_steps != planned_steps
        record["stopped_early"] = early
    return record


def _validation_record(
    task: Task, data: TaskData, outcome: PredictionOutput, state: TrainerState, metric_key: str, selected: str
) -> dict[str, Any]:
    """Scores the selected checkpoint on the source language and tells how the Trainer selected it by this key."""
    assert data.validation is not None
    key, own = f"eval_{metric_key}", f"eval_{selected.removeprefix('eval_')}"
    history = [
        {"step": entry["step"], "epoch": entry["epoch"], own[5:]: entry.get(own), task.metric: entry[key]}
        for entry in state.log_history
        if key in entry and "step" in entry
    ]
    best = state.best_model_checkpoint
    (answer,) = answers(task, [data.validation], data.encoded["validation"], outcome)
    predicted, references = class_ids(task, answer), data.validation.labels
    [report] = score(task, {data.validation.language: (predicted, references)}).values()
    validation = {
        **report,
        "best_step": int(best.rpartition("-")[2]) if best else None,
        "history": history,
    }
    return {"validation": validation, "collapsed": collapsed(task, predicted, references)}


def validate(
    plan: Plan,
    trainer: Trainer,
    records: Sequence[dict[str, Any]],
    apart: Callable[[PredictionOutput], Sequence[PredictionOutput]] = lambda outcome: [outcome],
) -> None:
    """Scores the trained models on the source language's validation data, if there are any.

    Args:
        plan: The command's plan.
        trainer: The Trainer, after training or for evaluation only.
        records: Records of the runs that it trained; their scores are added here.
        apart: Splits the Trainer's outcome into that of each of these runs.
    """
    task, data, alone = plan.task, plan.data, len(records) == 1
    if data.validation is not None:
        outcome = trainer.predict(data.encoded["validation"], metric_key_prefix="eval")
        for record, own in zip(records, apart(outcome), strict=True):
            key = task.metric if alone else f"{task.metric}_{record['system']}"
            selected = plan.training.metric_for_best_model or task.metric
            record |= _validation_record(task, data, own, trainer.state, key, selected)


def test(
    plan: Plan,
    trainer: Trainer,
    records: Sequence[dict[str, Any]],
    apart: Callable[[PredictionOutput], Sequence[PredictionOutput]] = lambda outcome: [outcome],
) -> None:
    """Tests the trained models, and writes their predictions and, last, the records that end the runs.

    Args:
        plan: The command's plan.
        trainer: The Trainer, after training or for evaluation only.
        records: Records of the runs that it trained; completed here.
        apart: Splits the Trainer's outcome into that of each of these runs.
    """
    task, data, output = plan.task, plan.data, plan.output
    alone = len(records) == 1
    if data.test:
        trainer.compute_metrics = None  # It knows only the validation data; scores come from the files.
        outcome = trainer.predict(data.encoded["test"], metric_key_prefix="test")
        seconds = {"seconds": (outcome.metrics or {})["test_runtime"]}
        for record, own in zip(records, apart(outcome), strict=True):
            record["prediction"] = seconds if alone else {**seconds, "together": len(records)}
            if trainer.is_world_process_zero():
                for split, answer in zip(data.test, answers(task, data.test, data.encoded["test"], own), strict=True):
                    write_predictions(output.predictions(record["name"], split.language), task, split, answer)
    if trainer.is_world_process_zero():
        for record in records:
            record["test"] = score_run(task, output, record["name"], data.languages)
            write_json(output.record(record["name"]), record)
