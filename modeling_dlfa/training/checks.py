"""Checks for what the Trainer would notice late or never, made before data are read and results replaced."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from transformers import Trainer
from transformers.debug_utils import DebugOption
from transformers.integrations import INTEGRATION_TO_CALLBACK, integration_utils
from transformers.trainer_utils import HubStrategy, IntervalStrategy
from transformers.utils import is_liger_kernel_available

from ..errors import InputError
from ..files.folders import named_folder
from ..scoring.classes import class_metrics
from ..scoring.metrics import get_metric
from ..tasks import Task
from .argument_checks import check_numbers, check_seeds
from .data_checks import check_data
from .learning import check_learning
from .mixup import check_mixup
from .processes import launched_with
from .saved_runs import finished_command

if TYPE_CHECKING:
    from .arguments import Arguments, CrossLingualTrainingArguments
    from .options import ModelArguments, RunArguments

# Trainer arguments with the only value under which every example gets its answer and its score.
SPOILING = {
    "dataloader_drop_last": (False, "also leaves out the last examples of the validation and test data"),
    "eval_do_concat_batches": (True, "keeps the predictions in batches, which loses the order of the examples"),
    "prediction_loss_only": (False, "discards the predictions, from which every score is computed"),
    "label_names": (["labels"], "makes the Trainer look for label columns that do not exist"),
    "batch_eval_metrics": (False, "scores each batch by itself, but a score needs all examples together"),
}
SAMPLING = ("random", "sequential", "group_by_length", "batch_rebalance")
# Optimisers that work only on named modules.
LOW_RANK = ("galore", "apollo")
# The minimum and the exclusive maximum of an argument.
NUMBERS: dict[str, tuple[float, float]] = {
    "per_device_train_batch_size": (1, math.inf),
    "per_device_eval_batch_size": (1, math.inf),
    "gradient_accumulation_steps": (1, math.inf),
    "eval_accumulation_steps": (1, math.inf),
    "dataloader_num_workers": (0, math.inf),
    "learning_rate": (0, math.inf),
    "weight_decay": (0, math.inf),
    "max_grad_norm": (0, math.inf),
    "warmup_steps": (0, math.inf),
    "warmup_ratio": (0, 1),
    "adam_beta1": (0, 1),
    "adam_beta2": (0, 1),
    "adam_epsilon": (0, math.inf),
    "label_smoothing_factor": (0, 1),
    "num_train_epochs": (0, math.inf),
}
# Names that --report_to takes where transformers' function `is_..._available` uses another name.
_INTEGRATIONS = {"azure_ml": "azureml", "comet_ml": "comet", "flyte": "flytekit"}


def check_arguments(task: Task, arguments: Arguments) -> None:
    """Checks that the Trainer's arguments are valid, fit together and have the packages that they need.

    Args:
        task: What is to be learnt.
        arguments: All arguments of a command.

    Raises:
        InputError: They do not, or would spoil the results, or have no effect.
    """
    training = arguments.training
    _check_numbers(training)
    _check_runs(arguments.run, arguments.model, arguments.seeds, training, arguments.given)
    _check_save_dtype(arguments.run, training)
    _check_evaluation(task, training)
    _check_parts(arguments.model, training)
    _check_packages(training)
    if training.push_to_hub:
        _check_publishing(arguments.run, training)
    _check_effect(training, arguments.given)
    _check_steps(training, arguments.given)
    _check_output(arguments.run, arguments.given)
    check_data(task, arguments.data, training)
    check_learning(task, arguments.learning, training, arguments.compute_loss_func)
    check_mixup(arguments.data, arguments.model, do_train=training.do_train, one_pass=arguments.one_pass)


def _check_numbers(training: CrossLingualTrainingArguments) -> None:
    check_numbers(training, NUMBERS)
    if training.max_steps < -1 or training.max_steps == 0:  # The Trainer would train for its epochs instead.
        raise InputError(f"--max_steps {training.max_steps} is out of range. Give 1 or more, or leave it out.")
    for entry in fields(training):
        value = getattr(training, entry.name)
        if isinstance(value, float) and math.isnan(value):
            raise InputError(f"--{entry.name} nan is not a number. Correct it.")
    if training.max_steps <= 0 and training.num_train_epochs == 0:
        raise InputError("--num_train_epochs 0 trains nothing. Give a larger number, or --do_train False to evaluate.")
    check_seeds("--seed", [training.seed])
    check_seeds("--data_seed", [training.data_seed])


def _check_runs(
    run: RunArguments,
    model: ModelArguments,
    seeds: Sequence[int],
    training: CrossLingualTrainingArguments,
    given: Collection[str],
) -> None:
    if run.overwrite and training.resume_from_checkpoint:
        raise InputError("--overwrite deletes what --resume_from_checkpoint would continue. Give only one of them.")
    if not training.do_train and finished_command(model.model_name_or_path):
        if "seed" in given:
            raise InputError(
                "--seed has no effect on models that are only tested. --seeds says which of them to test."
            )
    elif len(seeds) > 1 and not training.do_train:
        raise InputError(
            "--do_train False evaluates one checkpoint, which several --seeds would only repeat. Leave --seeds out."
        )
    if run.baseline and not training.do_train:
        raise InputError("--baseline trains a second model, which --do_train False rules out. Remove one of the two.")
    if not training.do_train and not training.do_predict and not training.do_eval:
        raise InputError(
            "Nothing to do: --do_train, --do_eval and --do_predict are all False. Set at least one to True."
        )


def _check_save_dtype(run: RunArguments, training: CrossLingualTrainingArguments) -> None:
    if run.save_dtype == "float32":
        return
    if not training.do_train:
        raise InputError("--save_dtype is for models that are trained, and --do_train False trains none. Remove it.")
    if launched_with("FSDP") or launched_with("DEEPSPEED") or training.deepspeed or training.fsdp:
        raise InputError("--save_dtype rounds a whole model, but FSDP and DeepSpeed split it. Remove it.")


def _check_evaluation(task: Task, training: CrossLingualTrainingArguments) -> None:
    """Refuses options that would make the Trainer lose an example's answer or score after the first epoch."""
    if DebugOption.UNDERFLOW_OVERFLOW in training.debug:
        raise InputError(
            "--debug underflow_overflow checks the inputs of every module and fails at the attention "
            "mask, which is not a tensor of numbers. Remove it."
        )
    for name, (good, consequence) in SPOILING.items():
        value = getattr(training, name, good)  # Not every release of transformers has each of them.
        if value not in (None, good):
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            raise InputError(f"--{name} {shown} {consequence}. Remove it.")
    metric = training.metric_for_best_model or ""
    scored = (
        task.metric,
        *get_metric(task.metric).beside,
        "loss",
        *class_metrics(task.labels, task.kind, task.problem_type),
    )
    if metric and metric.removeprefix("eval_") not in scored:
        raise InputError(
            f"--metric_for_best_model {metric} is not computed on the validation data of {task.title}; choose from "
            f"{', '.join(scored)}."
        )
    if training.greater_is_better is not None and training.greater_is_better == (
        metric.removeprefix("eval_") == "loss"
    ):
        raise InputError(
            f"--greater_is_better {training.greater_is_better} with {metric} keeps the worst checkpoint. Remove it."
        )


def _check_parts(model: ModelArguments, training: CrossLingualTrainingArguments) -> None:
    for name in ("peft", "freeze_up_to"):
        if getattr(model, name) is not None and not training.do_train:
            raise InputError(
                f"--{name} trains a part of the model, which --do_train False rules out. Remove one of the two."
            )
    if model.cache_frozen is None:
        return
    named_folder(model.cache_frozen, "--cache_frozen")
    if training.torch_compile:
        raise InputError("--cache_frozen replaces blocks, which --torch_compile would not see. Remove one of the two.")
    if launched_with("FSDP") or launched_with("DEEPSPEED") or training.deepspeed or training.fsdp:
        raise InputError("--cache_frozen replaces whole blocks, but FSDP and DeepSpeed split them. Remove it.")


def _check_packages(training: CrossLingualTrainingArguments) -> None:
    """Checks that the packages which the Trainer would import later are installed."""
    for name in training.report_to or []:
        if name not in INTEGRATION_TO_CALLBACK:
            raise InputError(f"--report_to {name} does not exist; choose from {', '.join(INTEGRATION_TO_CALLBACK)}.")
        available: Any = getattr(integration_utils, f"is_{_INTEGRATIONS.get(name, name)}_available", None)
        if available is not None and not available():
            raise InputError(f"--report_to {name}: {name} is not installed. Install it, or remove the option.")
    if training.use_liger_kernel and training.do_train and not is_liger_kernel_available():
        raise InputError(
            "--use_liger_kernel needs liger-kernel, which is not installed. Install it, or remove the option."
        )
    if any("=" not in part for part in (training.optim_args or "=").split(",")):
        raise InputError(f"--optim_args {training.optim_args} is not in the form name=value,name=value. Correct it.")
    if training.do_train:
        try:
            Trainer.get_optimizer_cls_and_kwargs(training)
        except (ImportError, ValueError) as error:
            # Those that need to see the model raise a ValueError too; they get the model later.
            if isinstance(error, ImportError) or "install" in str(error):
                name = getattr(training.optim, "value", training.optim)
                raise InputError(f"--optim {name}: {' '.join(str(error).split()).rstrip('.!')}.") from error


def _check_effect(training: CrossLingualTrainingArguments, given: Collection[str]) -> None:
    # transformers treats an unknown value as random.
    strategy = getattr(training, "train_sampling_strategy", None)
    if strategy is not None and strategy not in SAMPLING:
        raise InputError(f"--train_sampling_strategy {strategy} does not exist; choose from {', '.join(SAMPLING)}.")
    optimiser = str(getattr(training.optim, "value", training.optim))
    if training.optim_target_modules is not None and not any(kind in optimiser for kind in LOW_RANK):
        raise InputError(
            f"--optim_target_modules has no effect with --optim {optimiser}; only optimisers of "
            f"{', '.join(LOW_RANK)} use it. Remove it, or choose one of these."
        )
    if training.precision == "fp16" and training.device.type == "cpu":
        raise InputError(
            "--fp16 True (or the launcher's fp16) needs a GPU, but this command runs on the CPU. Remove it."
        )
    for name in ("hub_model_id", "hub_private_repo", "hub_revision"):
        if name in given and not training.push_to_hub:
            raise InputError(f"--{name} has no effect without --push_to_hub True. Add that, or remove it.")
    if training.dataloader_persistent_workers and not training.dataloader_num_workers:
        raise InputError(
            "--dataloader_persistent_workers has no effect without --dataloader_num_workers 1 or more. Add that, or "
            "remove it."
        )
    if "run_name" in given:
        raise InputError("--run_name has no effect: each run is named after its system and seed. Remove it.")
    if "keep_checkpoints" in given and str(getattr(training.save_strategy, "value", training.save_strategy)) == "no":
        raise InputError("--keep_checkpoints has no effect with --save_strategy no. Remove one of the two.")


def _check_steps(training: CrossLingualTrainingArguments, given: Collection[str]) -> None:
    for name in ("save", "eval"):
        strategy = getattr(training, f"{name}_strategy")
        if f"{name}_steps" in given and strategy != IntervalStrategy.STEPS:
            raise InputError(
                f"--{name}_steps has no effect with --{name}_strategy {getattr(strategy, 'value', strategy)}. Give "
                f"--{name}_strategy steps, or remove it."
            )


def _check_output(run: RunArguments, given: Collection[str]) -> None:
    if "shard_index" in given and "num_shards" not in given:
        raise InputError("--shard_index has no effect without --num_shards. Add that, or remove it.")
    if run.num_shards > 1 and "shard_index" not in given:
        raise InputError(
            f"--num_shards {run.num_shards} needs --shard_index: which shard this command runs, from 0 to "
            f"{run.num_shards - 1}. Add it."
        )
    if "license" in given and not run.save_models:
        raise InputError(
            "--license has no effect with --save_models False, which writes no card. Remove one of the two."
        )


def _check_publishing(run: RunArguments, training: CrossLingualTrainingArguments) -> None:
    strategy = HubStrategy(training.hub_strategy)
    if strategy != HubStrategy.END:
        raise InputError(
            f"--hub_strategy {strategy.value} would push the checkpoints of several runs into one "
            "repository. Remove it: the selected model is published at the end."
        )
    if run.num_shards > 1 or not run.save_models:
        raise InputError(
            "--push_to_hub publishes the best of all runs, which a shard does not know and "
            "--save_models False does not keep. Remove one of the two, or merge the shards (dlfa "
            "merge) and publish the whole (dlfa publish)."
        )
    if not training.do_train or not training.do_predict:
        raise InputError(
            "--push_to_hub publishes a model that was trained and tested, but --do_train or --do_predict "
            "is False. Remove one of the two."
        )
