"""The runs of a seed in one pass: trained together, then validated, tested and recorded as if separate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch
from transformers import EvalPrediction
from transformers.trainer_utils import PredictionOutput

from ...errors import InputError
from ...tasks import Task
from ...training.adapters import adapt
from ...training.answers import compute_metrics, keep_class_ids
from ...training.arguments import CrossLingualTrainingArguments
from ...training.base_model import load_model
from ...training.execution import make_trainer, start_run_record, tell_trained_part, test, train, validate
from ...training.options import LearningArguments, ModelArguments
from ...training.planning import Plan
from ...training.processes import launched_with
from ...training.rounding import round_weights, save_rounded
from ...training.systems import Run
from ...training.task_data import TaskData
from .one_pass import OnePassModel


def check_one_pass(
    model: ModelArguments, learning: LearningArguments, training: CrossLingualTrainingArguments, num_shards: int
) -> None:
    """Checks, before anything is loaded, that the runs of a seed can be trained together.

    Args:
        model: The model to train.
        learning: What the loss counts, and when a run is repeated.
        training: The Trainer's arguments.
        num_shards: Number of commands into which the runs are split.

    Raises:
        InputError: They cannot; the message gives the reason.
    """
    if not training.do_train:
        raise InputError("A one-pass sweep trains; remove --do_train False.")
    if model.peft == "lora":
        raise InputError("--peft lora adapts only one model at a time. Sweep without it, or without --one_pass.")
    if num_shards > 1:
        raise InputError(
            "--num_shards splits runs, but --one_pass trains them together. Give each machine its "
            "own seeds and --output_dir."
        )
    if training.push_to_hub:
        raise InputError(
            "--push_to_hub would publish a model whose backbone was trained for all candidates. Train the selected "
            "layer alone, and publish that."
        )
    for name in ("label_smoothing_factor", "gradient_checkpointing"):
        if getattr(training, name):
            raise InputError(
                f"--{name} does not work with several models at once. Remove it, or sweep without --one_pass."
            )
    for name in ("class_weights", "retry_collapsed"):
        if getattr(learning, name):
            raise InputError(f"--{name} is for one model at a time. Remove it, or sweep without --one_pass.")
    if launched_with("FSDP") or launched_with("DEEPSPEED"):
        raise InputError("--one_pass cannot split weights over processes. Launch without FSDP and DeepSpeed.")


def one_pass_model(plan: Plan, runs: Sequence[Run]) -> OnePassModel:
    """Returns the runs of a seed as one model, with the part to be trained as the plan has it."""
    return OnePassModel((run.system, adapt(load_model(plan.task.kind, plan.model, run), plan.model)) for run in runs)


def execute_together(plan: Plan, runs: Sequence[Run]) -> None:
    """Trains the runs of a seed in one pass and leaves for each what it would have left alone.

    Models, predictions and records are as for separate runs. One checkpoint is selected for all, by the mean of
    their scores on the source language's validation data, so that all have trained for the same steps. `"train"`
    and `"prediction"` in a record describe all runs together; `"together"` is their number.

    Args:
        plan: The command's plan.
        runs: All its runs of one seed.
    """
    task, data, output, saving = plan.task, plan.data, plan.output, plan.saving
    name = f"one_pass-seed{runs[0].seed}"
    model = one_pass_model(plan, runs)
    tell_trained_part(name, model)
    trainer = make_trainer(
        plan,
        name,
        runs[0].seed,
        model,
        compute_metrics=_joint_metrics(task, data, model.names, plan.training.metric_for_best_model),
        preprocess_logits_for_metrics=_keep_class_ids if task.kind == "token" else None,
    )
    trained = {**train(trainer, output.last_checkpoint(name)), "together": len(runs)}
    dtype = getattr(torch, saving.save_dtype)
    round_weights(model, dtype)
    records: list[dict[str, Any]] = []
    for run in runs:
        with model.alone(run.system) as candidate:
            records.append({**start_run_record(run, candidate), "train": trained})
            if saving.save_models:
                records[-1]["model"] = str(output.model(run.name).relative_to(output.path))
                if trainer.args.should_save:
                    save_rounded(candidate, plan.tokenizer, output.model(run.name), dtype)
    validate(plan, trainer, records, _apart)
    test(plan, trainer, records, _apart)
    if trainer.is_world_process_zero() and not saving.keep_checkpoints:
        output.remove_checkpoints(name)


def _apart(outcome: PredictionOutput) -> list[PredictionOutput]:
    """Returns what each candidate would have predicted on its own."""
    return [outcome._replace(predictions=predictions) for predictions in outcome.predictions]


def _keep_class_ids(logits: tuple[torch.Tensor, ...], labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(keep_class_ids(own, labels) for own in logits)


def _joint_metrics(
    task: Task, data: TaskData, names: Sequence[str], selected: str | None
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Returns what scores the validation data: means over the candidates, and each candidate's metric by its name."""
    alone = compute_metrics(task, data.validation, data.encoded["validation"], selected)
    assert alone is not None

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        scores = [alone(EvalPrediction(own, prediction.label_ids)) for own in prediction.predictions]
        means = {key: fmean(score[key] for score in scores) for key in scores[0]}
        return means | {f"{task.metric}_{name}": score[task.metric] for name, score in zip(names, scores, strict=True)}

    return compute
