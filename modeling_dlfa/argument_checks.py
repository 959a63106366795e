"""Which arguments of the runner go together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from transformers.trainer_utils import HubStrategy

from .errors import InputError

if TYPE_CHECKING:
    from .arguments import Arguments, CrossLingualTrainingArguments, DataArguments, ModelArguments, RunArguments

SAVE_DTYPES = ("float32", "float16", "bfloat16")
PEFT_METHODS = ("lora", "frozen")
LORA_OPTIONS = ("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules")
# Arguments of the Trainer, with the one value under which every example has its answer and its score.
SPOILING = {
    "dataloader_drop_last": (False, "leaves out the last examples of validation and test data as well"),
    "eval_do_concat_batches": (True, "leaves the predictions in batches, which have no order of examples"),
    "prediction_loss_only": (False, "throws the predictions away, of which every score is made"),
    "label_names": (["labels"], "has the Trainer look for labels that the examples do not have"),
    "batch_eval_metrics": (False, "scores every batch alone, and a score is of all examples together"),
}


def check_arguments(arguments: Arguments) -> None:
    """Checks that arguments go together, before anything is read.

    Raises:
        InputError: They contradict each other, or would spoil the results.
    """
    _check_runs(arguments)
    _check_evaluation(arguments.training)
    _check_peft(arguments.model, arguments.training)
    if arguments.training.push_to_hub:
        _check_publishing(arguments.run, arguments.training)
    _check_sources(arguments.data, arguments.training)


def _check_runs(arguments: Arguments) -> None:
    run, training = arguments.run, arguments.training
    if len(set(arguments.seeds)) < len(arguments.seeds):
        raise InputError(f"--seeds {' '.join(map(str, arguments.seeds))} names a seed twice. Give each seed once.")
    if not 0 <= run.shard_index < run.num_shards:
        raise InputError(
            f"--shard_index {run.shard_index} with --num_shards {run.num_shards}: shards are numbered from 0. Correct "
            "one of the two."
        )
    if run.overwrite and training.resume_from_checkpoint:
        raise InputError("--overwrite deletes what --resume_from_checkpoint continues. Give one of the two.")
    _check_save_dtype(run, training)
    if run.baseline and arguments.model.fusion == "last":
        raise InputError("--fusion last is the baseline itself. Remove --baseline, or choose another fusion.")
    if len(arguments.seeds) > 1 and not training.do_train:
        raise InputError("--do_train False evaluates one checkpoint; several --seeds would evaluate it again.")
    if run.baseline and not training.do_train:
        raise InputError("--baseline trains a second model, which --do_train False excludes. Remove one of the two.")
    if not training.do_train and not training.do_predict and not training.do_eval:
        raise InputError("Nothing to do: --do_train, --do_eval and --do_predict are all False.")


def _check_save_dtype(run: RunArguments, training: CrossLingualTrainingArguments) -> None:
    if run.save_dtype not in SAVE_DTYPES:
        raise InputError(f"--save_dtype {run.save_dtype} does not exist; choose from {', '.join(SAVE_DTYPES)}.")
    if run.save_dtype == "float32":
        return
    if not training.do_train:
        raise InputError("--save_dtype is for a model that is trained; --do_train False saves none. Remove it.")
    split = (os.environ.get("ACCELERATE_USE_FSDP"), os.environ.get("ACCELERATE_USE_DEEPSPEED"))
    if "true" in split or training.deepspeed or training.fsdp:
        raise InputError("--save_dtype rounds a whole model, which FSDP and DeepSpeed split. Remove it.")


def _check_evaluation(training: CrossLingualTrainingArguments) -> None:
    """Refuses what would have the Trainer lose the answer of an example, or its score, after the first epoch."""
    for name, (good, consequence) in SPOILING.items():
        value = getattr(training, name, good)  # Not every line of transformers has each.
        if value not in (None, good):
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            raise InputError(f"--{name} {shown} {consequence}. Remove it.")
    metric = training.metric_for_best_model or ""
    if training.greater_is_better is not None and training.greater_is_better == metric.endswith("loss"):
        raise InputError(
            f"--greater_is_better {training.greater_is_better} with {metric} keeps the worst checkpoint. Remove it."
        )


def _check_sources(data: DataArguments, training: CrossLingualTrainingArguments) -> None:
    files = {"--train_file": data.train_file, "--validation_file": data.validation_file, "--test_file": data.test_file}
    needed = {
        "--train_file": training.do_train,
        "--validation_file": training.do_train,
        "--test_file": training.do_predict,
    }
    given = [name for name, value in files.items() if value]
    missing = [name for name, value in files.items() if needed[name] and not value]
    if given and missing:
        raise InputError(
            f"{', '.join(given)} given without {', '.join(missing)}. Give all files, or none for the Hub."
        )
    if given and data.dataset_name:
        raise InputError(f"--dataset_name and {given[0]} name two sources of data. Give one of the two.")


def _check_peft(model: ModelArguments, training: CrossLingualTrainingArguments) -> None:
    if model.peft is not None and model.peft not in PEFT_METHODS:
        raise InputError(f"--peft {model.peft} does not exist; choose from {', '.join(PEFT_METHODS)}.")
    alone = [name for name in LORA_OPTIONS if getattr(model, name) is not None]
    if alone and model.peft != "lora":
        raise InputError(f"--{alone[0]} is for --peft lora. Remove it, or add --peft lora.")
    if model.peft is not None and model.freeze_up_to is not None:
        raise InputError("--peft and --freeze_up_to each say which part is trained. Give one of the two.")
    for name in ("peft", "freeze_up_to"):
        if getattr(model, name) is not None and not training.do_train:
            raise InputError(
                f"--{name} trains a part of the model, which --do_train False excludes. Remove one of the two."
            )


def _check_publishing(run: RunArguments, training: CrossLingualTrainingArguments) -> None:
    strategy = HubStrategy(training.hub_strategy)
    if strategy != HubStrategy.END:
        raise InputError(
            f"--hub_strategy {strategy.value} would push the checkpoints of several runs into one repository. Remove "
            "it: the selected model is published in the end."
        )
    if run.num_shards > 1 or not run.save_models:
        raise InputError(
            "--push_to_hub publishes the best of all runs: a shard does not know it, and --save_models False does not "
            "keep it. Remove one of the two, or merge the shards and use examples/publish.py."
        )
    if not training.do_train or not training.do_predict:
        raise InputError("--push_to_hub publishes a trained and tested model; --do_train or --do_predict is False.")
