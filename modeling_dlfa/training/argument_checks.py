"""Checks which of the runner's own options make sense together, before anything slow is imported."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..publishing.licences import check_license
from .options import LORA_OPTIONS, PEFT_METHODS, READ_BY, DataArguments, ModelArguments, RunArguments

if TYPE_CHECKING:
    from ..tasks import Task
    from .arguments import Arguments
    from .command_line import Options

# Installed by `pip install 'modeling-dlfa[train]'` and imported by training.
TRAIN_PACKAGES = ("accelerate", "datasets", "evaluate", "matplotlib", "numpy", "scipy", "seqeval", "yaml")
# Installed by `pip install 'modeling-dlfa[studies]'` and needed for tables and figures.
STUDY_PACKAGES = ("matplotlib", "numpy", "scipy")
LARGEST_SEED = 2**32 - 1  # Numpy's limit.
_NUMBERS: dict[str, tuple[float, float]] = {
    "max_length": (1, math.inf),
    "max_train_samples": (1, math.inf),
    "max_eval_samples": (1, math.inf),
    "max_test_samples": (1, math.inf),
    "num_shards": (1, math.inf),
    "early_stopping_patience": (1, math.inf),
    "retry_collapsed": (1, math.inf),
    "lora_r": (1, math.inf),
    "lora_alpha": (1, math.inf),
    "lora_dropout": (0, 1),
    "fusion_dropout": (0, 1),
    "classifier_dropout": (0, 1),
    "encoder_dropout": (0, 1),
}


def check_options(task: Task, options: Options | Arguments) -> None:
    """Checks the runner's own options.

    Args:
        task: The task.
        options: The options as given, with or without the Trainer's.

    Raises:
        InputError: Training needs a package that is not installed, or an option is out of range, contradicts another
            one or has no effect.
    """
    check_installed(TRAIN_PACKAGES, "train", "Training")
    if "deepspeed" in options.given and importlib.util.find_spec("deepspeed") is None:
        raise InputError("--deepspeed needs DeepSpeed, which is not installed: pip install deepspeed.")
    for group in (options.model, options.data, options.run, options.learning):
        check_numbers(group, _NUMBERS)
    check_seeds("--seeds", options.run.seeds or ())
    check_license(options.run.license)
    _check_run(options.run, options.model, options.given)
    if options.model.fusion is not None:
        check_effect(options.model.fusion_options(), options.model.fusion)
    if options.model.glyphs is not None:
        _check_glyphs(task, options.model)
    if task.kind == "token" and options.model.pooling is not None:
        raise InputError("--pooling has no effect: the task labels words, so nothing is pooled. Remove it.")
    _check_peft(options.model)
    _check_places(options.model, options.data, options.given)


def check_installed(packages: Iterable[str], extra: str, what: str) -> None:
    """Checks that the packages of one of our extras are installed.

    Args:
        packages: Names of their modules.
        extra: Name of the extra.
        what: What needs them; the message begins with it.

    Raises:
        InputError: One is missing; the message names all and how to install them.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{what} needs {', '.join(missing)} (not installed): pip install 'modeling-dlfa[{extra}]'.")


def check_numbers(group: Any, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Checks that numbers lie within their bounds; skips None and names that `group` lacks.

    Args:
        group: A dataclass of arguments.
        bounds: For each name the minimum and the exclusive maximum.

    Raises:
        InputError: A value is out of bounds, or NaN.
    """
    for name, (least, below) in bounds.items():
        value = getattr(group, name, None)
        if isinstance(value, (int, float)) and not least <= value < below:
            wanted = f"{least} or more" if below == math.inf else f"a number from {least} to below {below:g}"
            raise InputError(f"--{name} {value} is out of range. Give {wanted}.")


def check_seeds(name: str, seeds: Iterable[int | None]) -> None:
    """Checks that numpy accepts the seeds.

    Raises:
        InputError: It does not.
    """
    for seed in seeds:
        if seed is not None and not 0 <= seed <= LARGEST_SEED:
            raise InputError(f"{name} {seed} is not a seed. Give a number from 0 to {LARGEST_SEED}.")


def check_effect(options: Mapping[str, Any], fusion: str) -> None:
    """Refuses fusion options that this fusion does not read.

    Args:
        options: The `DlfaConfig` values that were given.
        fusion: The fusion to train or evaluate.

    Raises:
        InputError: One of them has no effect.
    """
    for name in options:
        readers = READ_BY.get(name, (fusion,))
        if fusion not in readers:
            reasons = {"last": "reads only the last layer", "scalar_mix": "weighs all layers"}
            raise InputError(
                f"--{name} has no effect with --fusion {fusion}, which {reasons.get(fusion, 'has no gate')}. Remove "
                f"it, or choose a fusion that uses it: {', '.join(readers)}."
            )


def _check_run(run: RunArguments, model: ModelArguments, given: Collection[str]) -> None:
    seeds = run.seeds or ()
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {' '.join(map(str, seeds))} names a seed twice. Give each seed once.")
    if run.seeds is not None and "seed" in given:
        raise InputError("--seed has no effect with --seeds, which gives the seed of every run. Remove one of them.")
    if not 0 <= run.shard_index < run.num_shards:
        raise InputError(
            f"--shard_index {run.shard_index} does not exist with --num_shards {run.num_shards}: "
            "shards are numbered from 0. Correct one of the two."
        )
    if run.baseline and model.fusion == "last":
        raise InputError("--fusion last is the baseline itself. Remove --baseline, or choose another fusion.")


def _check_glyphs(task: Task, model: ModelArguments) -> None:
    """Checks that the looks of the tokens reach the head."""
    fusion, readers = model.fusion or "aif", READ_BY["glyph_size"]
    if fusion not in readers:
        raise InputError(
            f"--glyphs has no effect with --fusion {fusion}, which reads only one layer. Remove it, "
            f"or choose from {', '.join(readers)}."
        )
    first_alone = task.kind == "sequence" and model.pooling in (None, "cls") and model.glyph_kernel_size in (None, 1)
    if first_alone and fusion != "aif":  # AIF's gate reads the whole sentence.
        raise InputError(
            f"--glyphs has no effect with --fusion {fusion} and --pooling cls: the classifier reads "
            "only the first token, a special one without a look. Give --pooling mean."
        )


def _check_peft(model: ModelArguments) -> None:
    if model.peft is not None and model.peft not in PEFT_METHODS:
        raise InputError(f"--peft {model.peft} does not exist; choose from {', '.join(PEFT_METHODS)}.")
    alone = [name for name in LORA_OPTIONS if getattr(model, name) is not None]
    if alone and model.peft != "lora":
        raise InputError(f"--{alone[0]} has an effect only with --peft lora. Remove it, or add --peft lora.")
    if model.peft is not None and model.freeze_up_to is not None:
        raise InputError("--peft and --freeze_up_to both decide which part is trained. Give only one of them.")
    if model.cache_frozen is not None and model.peft != "frozen" and not model.freeze_up_to:
        raise InputError(
            "--cache_frozen keeps the states of frozen blocks, and there are none. Add --freeze_up_to 1 or more, or "
            "--peft frozen."
        )


def _check_places(model: ModelArguments, data: DataArguments, given: Collection[str]) -> None:
    if "model_revision" in given and Path(model.model_name_or_path).is_dir():
        raise InputError(f"--model_revision has no effect: {model.model_name_or_path} is a folder. Remove it.")
    first = next(iter(data.files()), None)
    if first and data.dataset_name:
        raise InputError(f"--dataset_name and {first} are two sources of data. Give only one of them.")
    if first and data.dataset_revision:
        raise InputError(f"--dataset_revision has no effect on {first}: files have no revisions. Remove it.")
