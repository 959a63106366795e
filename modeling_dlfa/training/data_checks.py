"""Checks of what the arguments say about the data, made before any are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.conll import CONLL_EXTENSIONS
from ..errors import InputError
from ..scoring.metrics import SINGLE_LABEL
from ..tasks import Task

if TYPE_CHECKING:
    from .arguments import CrossLingualTrainingArguments
    from .options import DataArguments

_OF_TRAINING = ("train_languages", "validation_fraction", "max_train_samples")


def check_data(task: Task, data: DataArguments, training: CrossLingualTrainingArguments) -> None:
    """Checks that the arguments name all data that are needed, and none twice.

    Raises:
        InputError: They do not, or one of them has no effect.
    """
    for name in _OF_TRAINING:
        if getattr(data, name) is not None and not training.do_train:
            raise InputError(f"--{name} is for training, which --do_train False excludes. Remove one of the two.")
    _check_columns(task, data)
    _check_samples(task, data)
    given, fraction = data.files(), data.validation_fraction
    if fraction is not None:
        if not 0 < fraction < 1:
            raise InputError(f"--validation_fraction {fraction:g} is not a share. Give a number between 0 and 1.")
        if "--validation_file" in given:
            raise InputError(
                "--validation_file and --validation_fraction both give validation data. Remove one of them."
            )
    needed = ["--train_file"] if training.do_train else []
    needed += ["--validation_file"] if training.do_train and fraction is None else []
    needed += ["--test_file"] if training.do_predict else []
    missing = [name for name in needed if name not in given]
    if given and missing:
        instead = " --validation_fraction 0.1 takes validation data from the training file."
        raise InputError(
            f"{', '.join(given)} given without {', '.join(missing)}. Give all files, or none to use the Hub's data."
            f"{instead if missing == ['--validation_file'] else ''}"
        )


def _check_columns(task: Task, data: DataArguments) -> None:
    named = [f"--{name}" for name in ("text_columns", "label_column") if getattr(data, name)]
    lists = [file for file in data.files().values() if file.lower().endswith(CONLL_EXTENSIONS)]
    if named and task.kind == "token" and lists:
        raise InputError(f"{named[0]} has no effect on {lists[0]}, which has a word a line and no names. Remove it.")


def _check_samples(task: Task, data: DataArguments) -> None:
    if data.train_samples_strategy != "balanced":
        return
    if data.max_train_samples is None:
        raise InputError("--train_samples_strategy balanced has no effect without --max_train_samples. Add that.")
    if task.problem_type != SINGLE_LABEL:
        raise InputError(
            f"--train_samples_strategy balanced draws by the one label of each example, and {task.title} is "
            f"{task.problem_type}. Remove it."
        )
    if task.kind == "token":
        raise InputError(
            "--train_samples_strategy balanced draws examples by their label, and sentences have one for each word. "
            "Remove it; --class_weights balanced weighs the labels of words."
        )
