"""Arguments of the command-line runner: what to fuse, on which data, how to train."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from transformers import HfArgumentParser, TrainingArguments

from .argument_checks import LORA_OPTIONS, check_arguments
from .errors import InputError
from .tasks import Task

FUSION_OPTIONS = (
    "fusion",
    "fusion_layers",
    "gate",
    "gate_init",
    "reduction_ratio",
    "fusion_norm",
    "stream_norm",
    "fusion_dropout",
    "pooling",
    "classifier_dropout",
)

# transformers v5 renamed it.
_GROUPS_BY_FLAG = any(entry.name == "group_by_length" for entry in fields(TrainingArguments))


@dataclass
class ModelArguments:
    """Which encoder, and how its layers are fused. What is left out is the default of `DlfaConfig`."""

    model_name_or_path: str = field(
        metadata={"help": "Hub id or folder of a plain encoder, or of a DLFA checkpoint to continue from or evaluate."}
    )
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit of the model."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not the model's."})
    cache_dir: str | None = field(default=None, metadata={"help": "Where downloads are kept."})
    token: str | None = field(default=None, metadata={"help": "Hub token; the stored login if left out."})
    fusion: str | None = field(
        default=None, metadata={"help": "aif, mean, concat, scalar_mix, or last (the plain last-layer model)."}
    )
    fusion_layers: list[int] | None = field(
        default=None,
        metadata={
            "help": "Lower layer or layers to fuse with the last: 0 the embeddings, k block k, -2 last but one."
        },
    )
    gate: str | None = field(default=None, metadata={"help": "select or excite."})
    gate_init: float | None = field(default=None, metadata={"help": "Gate at the start, between 0 and 1."})
    reduction_ratio: int | None = field(default=None, metadata={"help": "r of the squeeze E to E/r."})
    fusion_norm: str | None = field(default=None, metadata={"help": "layer_norm, rms_norm or none."})
    stream_norm: str | None = field(default=None, metadata={"help": "layer_norm or none, on the lower layers."})
    fusion_dropout: float | None = field(default=None, metadata={"help": "Dropout inside the fusion."})
    pooling: str | None = field(default=None, metadata={"help": "cls or mean."})
    classifier_dropout: float | None = field(default=None, metadata={"help": "Dropout before the classifier."})
    attn_implementation: str | None = field(default=None, metadata={"help": "sdpa, eager, flash_attention_2, ..."})
    peft: str | None = field(
        default=None, metadata={"help": "lora: LoRA on the backbone; frozen: it stays. Fusion and head are trained."}
    )
    freeze_up_to: int | None = field(
        default=None,
        metadata={"help": "Last layer that stays as it is: 0 the embeddings, k the blocks up to k with them."},
    )
    lora_r: int | None = field(default=None, metadata={"help": "Rank of LoRA's updates; 8 if left out."})
    lora_alpha: int | None = field(default=None, metadata={"help": "Their scale is lora_alpha / r; 16 if left out."})
    lora_dropout: float | None = field(default=None, metadata={"help": "Dropout before them; 0.1 if left out."})
    lora_target_modules: list[str] | None = field(
        default=None, metadata={"help": "Modules of the backbone that LoRA adapts; query and value if left out."}
    )

    def lora_options(self) -> dict[str, Any]:
        """Returns the arguments of `adapters.lora_config` that were given."""
        given = {name: getattr(self, name) for name in LORA_OPTIONS if getattr(self, name) is not None}
        return {name if name in ("lora_alpha", "lora_dropout") else name[5:]: value for name, value in given.items()}

    def peft_record(self) -> dict[str, Any]:
        """Returns what shapes a result beside the recipe: nothing where the model is trained whole."""
        given = {name: getattr(self, name) for name in ("peft", "freeze_up_to", *LORA_OPTIONS)}
        return {name: value for name, value in given.items() if value is not None}

    def fusion_options(self) -> dict[str, Any]:
        """Returns the values of `DlfaConfig` that were given."""
        return {name: getattr(self, name) for name in FUSION_OPTIONS if getattr(self, name) is not None}


@dataclass
class DataArguments:
    """Where the examples come from: files, else the Hub."""

    train_file: str | None = field(
        default=None, metadata={"help": "English training data: TSV, CSV, CoNLL, JSON or Parquet."}
    )
    validation_file: str | None = field(
        default=None, metadata={"help": "English data on which checkpoints are chosen."}
    )
    test_file: str | None = field(
        default=None, metadata={"help": "Test data; {language} in the name stands for the language code."}
    )
    dataset_name: str | None = field(default=None, metadata={"help": "Another data set of the Hub, same layout."})
    dataset_revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit of the data set."})
    languages: list[str] = field(
        default_factory=lambda: ["all"],
        metadata={"help": "Languages to test, such as ar bg de, or all (that have a file)."},
    )
    max_length: int | None = field(default=None, metadata={"help": "Longest input in tokens; the task's recipe."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Take only the first rows for training."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "The same for validation."})
    max_test_samples: int | None = field(default=None, metadata={"help": "The same for each test language."})


@dataclass
class RunArguments:
    """What is compared, and what happens to the output directory."""

    baseline: bool = field(
        default=False, metadata={"help": "Train the plain last-layer model beside it, same seeds and data order."}
    )
    seeds: list[int] | None = field(default=None, metadata={"help": "One run for each seed; --seed if left out."})
    overwrite: bool = field(
        default=False, metadata={"help": "Delete an earlier run's results in the output directory."}
    )
    keep_checkpoints: bool = field(
        default=False, metadata={"help": "Keep the checkpoints of finished runs, with their optimiser states."}
    )
    save_models: bool = field(
        default=True, metadata={"help": "Keep the models; False keeps their predictions and scores alone."}
    )
    save_dtype: str = field(
        default="float32",
        metadata={"help": "float16 or bfloat16 halves what is saved; the scores are of the rounded weights."},
    )
    num_shards: int = field(
        default=1, metadata={"help": "Split the command's runs into this many commands, such as one a machine."}
    )
    shard_index: int = field(
        default=0, metadata={"help": "Which of them this one is, from 0; examples/merge_runs.py merges them."}
    )
    license: str | None = field(
        default=None, metadata={"help": "Licence that the model card states, as the Hub names it."}
    )


def default_workers() -> int:
    """Returns how many processes pad batches: none for a CPU, which computes far longer than it pads.

    A core takes 2 ms to pad 32 sentence pairs, in which a fast GPU trains on more.
    """
    return min(4, (os.cpu_count() or 1) // 2) if torch.cuda.is_available() else 0


@dataclass
class CrossLingualTrainingArguments(TrainingArguments):
    """`TrainingArguments` whose defaults are the published recipe (XTREME) and one English validation an epoch.

    Batches hold examples of similar length (`train_sampling_strategy`, on v4 `group_by_length`). The number of epochs,
    the learning rate and the batch size come from the task.
    """

    do_train: bool = field(default=True, metadata={"help": "Whether to train; False only evaluates a checkpoint."})
    do_eval: bool = field(default=True, metadata={"help": "Whether to evaluate on the validation data."})
    do_predict: bool = field(default=True, metadata={"help": "Whether to predict the test languages."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Evaluation batch size of a device."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate on the validation data."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept, besides the best one."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best checkpoint, not the last."})
    dataloader_pin_memory: bool = field(
        default_factory=torch.accelerator.is_available, metadata={"help": "Pin batches in memory, for an accelerator."}
    )
    ddp_find_unused_parameters: bool | None = field(
        default=False, metadata={"help": "Whether to look for parameters without gradient at every step; none are."}
    )
    dataloader_num_workers: int = field(
        default_factory=default_workers, metadata={"help": "Processes that pad batches, for a GPU."}
    )
    logging_steps: float = field(default=50, metadata={"help": "Steps between two logs of the training loss."})
    hub_strategy: str = field(
        default="end", metadata={"help": "end: with --push_to_hub the selected model is published once, in the end."}
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "last: go on with what the output directory holds; or a checkpoint's folder."}
    )
    if _GROUPS_BY_FLAG:
        group_by_length: bool = field(default=True, metadata={"help": "Put examples of similar length together."})
    else:
        train_sampling_strategy: str = field(
            default="group_by_length", metadata={"help": "group_by_length, random, sequential or batch_rebalance."}
        )

    @property
    def precision(self) -> str:
        """What is computed in: no (float32 alone), bf16, fp16 or fp8; the arguments count more than the launcher."""
        given = "fp16" if self.fp16 else "bf16" if self.bf16 else None
        return given or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")

    @property
    def groups_by_length(self) -> bool:
        """Whether training batches hold examples of similar length, on either line of transformers."""
        return self.group_by_length if _GROUPS_BY_FLAG else self.train_sampling_strategy == "group_by_length"


@dataclass
class Arguments:
    """All arguments of one command."""

    model: ModelArguments
    data: DataArguments
    run: RunArguments
    training: CrossLingualTrainingArguments
    layers_apart: bool = False
    """Whether each of the fusion layers is a system of its own, all lower layers if none is given."""
    one_pass: bool = False
    """Whether the systems of a seed are trained at once on one backbone."""

    @property
    def seeds(self) -> list[int]:
        """One run for each."""
        return self.run.seeds if self.run.seeds is not None else [self.training.seed]


def parse_arguments(task: Task, argv: Sequence[str] | None = None) -> Arguments:
    """Reads the command line; a first argument that ends in .yaml, .yml or .json is a file of arguments.

    Args:
        task: Gives the recipe.
        argv: Arguments without the program's name; the process's own if None.

    Returns:
        The arguments; the command line counts more than the file, the file more than the recipe.

    Raises:
        InputError: A file that cannot be read, or values that contradict each other.
        SystemExit: Status 2, for an argument that does not exist or does not parse.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0].endswith((".yaml", ".yml", ".json")):
        given = _arguments_of_file(Path(given[0])) + given[1:]
    groups: Any = [ModelArguments, DataArguments, RunArguments, CrossLingualTrainingArguments]
    parser = HfArgumentParser(
        groups,
        description=f"{task.title}: train on English, test in every language, with layers fused and without.",
    )
    parser.set_defaults(
        num_train_epochs=task.num_train_epochs,
        learning_rate=task.learning_rate,
        per_device_train_batch_size=task.batch_size,
        metric_for_best_model=task.metric,
        output_dir=f"runs/{task.name}",
        report_to="none",
    )
    try:
        arguments = Arguments(*parser.parse_args_into_dataclasses(given))
    except ValueError as error:  # TrainingArguments checks combinations of its own.
        raise InputError(f"{str(error).rstrip('.')}. See --help.") from error
    if str(arguments.training.resume_from_checkpoint).lower() in ("true", "last"):
        arguments.training.resume_from_checkpoint = "last"
    check_arguments(arguments)
    return arguments


def _arguments_of_file(path: Path) -> list[str]:
    """Turns a mapping in YAML or JSON into command-line arguments."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read the file of arguments {path}: {error.strerror}.") from error
    import yaml

    try:
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not valid {path.suffix[1:].upper()}: {error}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a mapping from argument names to values.")
    arguments: list[str] = []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, dict):
            value = json.dumps(value)
        arguments.append(f"--{name}")
        arguments += [str(item) for item in value] if isinstance(value, list) else [str(value)]
    return arguments
