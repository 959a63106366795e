"""The data of one command: read from files or the Hub, and tokenised once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase

from ..data.description import SplitStatistics, check_classes, check_known, describe
from ..data.encoding import encode_words
from ..data.loading import (
    SourceInfo,
    Split,
    check_languages,
    encode,
    expand_files,
    length_sorted,
    load_file,
    load_hub,
)
from ..errors import InputError
from ..tasks import SplitName, Task
from .arguments import CrossLingualTrainingArguments
from .options import DataArguments
from .train_data import read_train

if TYPE_CHECKING:
    from datasets import Dataset


def adapted(task: Task, data: DataArguments) -> Task:
    """Returns the task with the columns and the source language that the arguments name.

    Raises:
        InputError: The task has no such language, or one is named twice; or the columns contradict each other.
    """
    changed: dict[str, Any] = {}
    if data.train_languages:
        check_languages(data.train_languages, task)
        changed["source_language"] = data.train_languages[0]
    if data.text_columns:
        changed["text_columns"] = tuple(data.text_columns)
    if data.label_column:
        changed["label_column"] = data.label_column
    return replace(task, **changed) if changed else task


@dataclass
class TaskData:
    """The examples of a command, as read and as tokenised.

    Attributes:
        train: Training data, one split per language, the source language first; empty without training.
        train_name: What all of it is called where it is of several languages.
        validation: Source-language data on which checkpoints are chosen; None if not needed.
        test: Test data, one split per language.
        max_length: Longest input, in tokens.
        encoded: `"train"`, `"validation"` and `"test"` tokenised; the test data of all languages longest first.
        statistics: Counts of each split, under the same names.
    """

    train: list[Split]
    validation: Split | None
    test: list[Split]
    max_length: int
    train_name: str = ""
    encoded: dict[str, Dataset] = field(default_factory=dict)
    statistics: dict[str, list[SplitStatistics]] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        """Codes of the test languages."""
        return [split.language for split in self.test]

    def sources(self) -> dict[str, Any]:
        """Returns where the data came from, as `results.json` records it."""
        sources: dict[str, Any] = {}
        if self.train:
            [first, *others] = [split.source for split in self.train]
            whole = SourceInfo(self.train_name, sum(map(len, self.train))) if others else first
            sources["train"] = whole.to_dict()
            if others:
                sources["train_by_language"] = {split.language: split.source.to_dict() for split in self.train}
        if self.validation is not None:
            sources["validation"] = self.validation.source.to_dict()
        return {**sources, "test": {split.language: split.source.to_dict() for split in self.test}}


def load_task_data(
    task: Task,
    data: DataArguments,
    training: CrossLingualTrainingArguments,
    languages: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    cache_dir: str | None = None,
) -> TaskData:
    """Reads and tokenises the data of a command: from its files, otherwise from the Hub.

    Args:
        task: The task.
        data: Which files or data set, and how many rows and tokens.
        training: Whether to train, validate and test.
        languages: Test languages.
        tokenizer: Of the model.
        cache_dir: Where downloads are kept.

    Raises:
        InputError: Data are missing or wrong; the message names the file and the line. Training data have one class,
            or the tokenizer does not know them; or inputs would be longer than the model reads.
    """
    test_files = expand_files(data.test_file, languages) if data.test_file and training.do_predict else {}

    def load(split: SplitName, path: Any, language: str, limit: int | None) -> Split:
        if path is not None:
            return load_file(path, task, language, limit)
        return load_hub(task, split, language, data.dataset_name, data.dataset_revision, limit, cache_dir)

    source = task.source_language
    read = TaskData([], None, [], _max_length(task, data.max_length, tokenizer))
    if training.do_train:
        read.train, read.validation = read_train(task, data, training.seed, partial(load, "train"))
        read.train_name = data.train_file or read.train[0].source.source
        check_classes(read.train, task)
    if data.validation_fraction is None and _validates(data, training):
        read.validation = load("validation", data.validation_file, source, data.max_eval_samples)
    if training.do_predict:
        read.test = [load("test", test_files.get(code), code, data.max_test_samples) for code in languages]
    _tokenise(read, task, tokenizer)
    return read


def _validates(data: DataArguments, training: CrossLingualTrainingArguments) -> bool:
    """Whether validation data are to be read."""
    return training.do_train or (training.do_eval and (bool(data.validation_file) or not data.files()))


def _tokenise(read: TaskData, task: Task, tokenizer: PreTrainedTokenizerBase) -> None:
    """Adds what the tokenizer makes of the examples, and their counts."""
    tokenise = encode_words if task.kind == "token" else encode
    for name, splits in (("train", read.train), ("validation", [read.validation]), ("test", read.test)):
        if found := [split for split in splits if split is not None]:
            read.encoded[name] = tokenise(found, tokenizer, task, read.max_length)
            read.statistics[name] = describe(found, read.encoded[name], tokenizer, task, read.max_length)
        if name == "train":
            for statistics in read.statistics.get(name, ()):
                check_known(statistics, task, tokenizer.name_or_path)
    if "test" in read.encoded:
        read.encoded["test"] = length_sorted(read.encoded["test"])


def _max_length(task: Task, wished: int | None, tokenizer: PreTrainedTokenizerBase) -> int:
    longest = tokenizer.model_max_length  # No longer than the model's own limit.
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)
