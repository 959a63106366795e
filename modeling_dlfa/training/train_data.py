"""The training data of a command: of one language or several, with validation data set aside, or drawn evenly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.loading import Split, expand_files
from ..errors import InputError
from ..tasks import Task
from .options import DataArguments

Load = Callable[[Any, str, "int | None"], Split]


def read_train(task: Task, data: DataArguments, seed: int, load: Load) -> tuple[list[Split], Split | None]:
    """Reads the training data.

    Args:
        task: The task.
        data: Which files, languages and rows.
        seed: Seed of what is drawn.
        load: Reads the data of a path (None for the Hub), a language and at most so many rows.

    Returns:
        A split for each training language, the source language first, and the validation data that were set aside;
        None if none were asked for.

    Raises:
        InputError: A language has no file, its data are wrong, or there are too few rows to set some aside.
    """
    languages = data.train_languages or [task.source_language]
    files = expand_files(data.train_file, languages, "--train_languages") if data.train_file else {}
    balanced = data.train_samples_strategy == "balanced"
    limit = None if balanced else data.max_train_samples
    splits, validation = [load(files.get(code), code, limit) for code in languages], None
    if data.validation_fraction is not None:
        splits, validation = set_aside(splits, data.validation_fraction, seed, aligned=task.aligned_rows)
        if data.max_eval_samples is not None:
            validation = validation.select(range(min(data.max_eval_samples, len(validation))), validation.source.drawn)
    if balanced and data.max_train_samples is not None:
        splits = [draw_evenly(split, data.max_train_samples, seed) for split in splits]
    return splits, validation


def set_aside(splits: Sequence[Split], fraction: float, seed: int, *, aligned: bool) -> tuple[list[Split], Split]:
    """Draws validation rows from the source language's training data.

    Args:
        splits: The training data, the source language first.
        fraction: Share of its rows to draw.
        seed: Seed of the draw.
        aligned: Whether row i is the same example in every language. The drawn rows are then left out of all languages
            that have as many, so that no translation of a validation row is trained on.

    Returns:
        The training data without them, and the validation data.

    Raises:
        InputError: No row, or every row, would be drawn.
    """
    total = len(splits[0])
    count = round(total * fraction)
    if not 0 < count < total:
        raise InputError(
            f"--validation_fraction {fraction:g} of {total:,} training rows is {count:,}. Choose it so that rows are "
            "left for both."
        )
    drawn = np.random.default_rng(seed).permutation(total)[:count]
    kept = np.setdiff1d(np.arange(total), drawn).tolist()
    share = f"{fraction:g} of {total:,} rows, drawn with seed {seed}"
    rest = [
        split.select(kept, f"without {share}, for validation")
        if index == 0 or (aligned and len(split) == total)
        else split
        for index, split in enumerate(splits)
    ]
    return rest, splits[0].select(sorted(drawn.tolist()), share)


def draw_evenly(split: Split, count: int, seed: int) -> Split:
    """Draws rows so that every label has as many, or all that it has where those are fewer.

    Args:
        split: The examples.
        count: How many rows to draw; all if there are fewer.
        seed: Seed of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(split)).tolist()
    seen: dict[Any, int] = {}
    rank = {}
    for row in order:
        label = split.labels[row]
        rank[row] = seen[label] = seen.get(label, -1) + 1
    drawn = sorted(order, key=rank.__getitem__)[:count]  # Stable: among equal ranks the order stays random.
    return split.select(sorted(drawn), f"drawn evenly over labels with seed {seed}")
