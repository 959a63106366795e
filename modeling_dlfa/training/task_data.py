"""The data of one command: read from files or the Hub, and tokenised once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase

from ..data.description import SplitStatistics, check_classes, check_known, describe
from ..data.encoding import encode_words
from ..data.loading import Split, encode, expand_files, length_sorted, load_file, load_hub
from ..tasks import SplitName, Task
from .arguments import Arguments

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class TaskData:
    """The examples of a command, as read and as tokenised.

    Attributes:
        train: Source-language training data; None without training.
        validation: Source-language data on which checkpoints are chosen; None if not wanted.
        test: Test data, a split for each language.
        encoded: `"train"`, `"validation"` and `"test"` tokenised; the test data of all languages longest first.
        statistics: Under the same names the counts of each split.
    """

    train: Split | None
    validation: Split | None
    test: list[Split]
    encoded: dict[str, Dataset]
    statistics: dict[str, list[SplitStatistics]] = field(default_factory=dict)

    def sources(self) -> dict[str, Any]:
        """Returns where the data came from, as `results.json` records it."""
        sources: dict[str, Any] = {
            name: split.source.to_dict()
            for name, split in (("train", self.train), ("validation", self.validation))
            if split is not None
        }
        return {**sources, "test": {split.language: split.source.to_dict() for split in self.test}}


def load_task_data(
    task: Task,
    arguments: Arguments,
    languages: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> TaskData:
    """Reads and tokenises what a command needs: from its files, else from the Hub.

    Args:
        task: The task.
        arguments: Which files or data set, how many rows, and whether to train, validate and test.
        languages: Test languages.
        tokenizer: Of the model.
        max_length: Longest input, in tokens.

    Raises:
        InputError: Data that is absent or wrong; the message names the file and the line. Training data of one class,
            or that the tokenizer does not know.
    """
    data, training = arguments.data, arguments.training
    from_files = bool(data.train_file or data.validation_file or data.test_file)
    test_files = expand_files(data.test_file, languages) if data.test_file and training.do_predict else {}

    def load(split: SplitName, path: str | Path | None, language: str, limit: int | None) -> Split:
        if path is not None:
            return load_file(path, task, language, limit)
        cache_dir = arguments.model.cache_dir
        return load_hub(task, split, language, data.dataset_name, data.dataset_revision, limit, cache_dir)

    source = task.source_language
    train = validation = None
    if training.do_train:
        train = load("train", data.train_file, source, data.max_train_samples)
        check_classes(train, task)
    if training.do_train or (training.do_eval and (data.validation_file or not from_files)):
        validation = load("validation", data.validation_file, source, data.max_eval_samples)
    test = []
    if training.do_predict:
        test = [load("test", test_files.get(code), code, data.max_test_samples) for code in languages]
    tokenise = encode_words if task.kind == "token" else encode
    encoded, statistics = {}, {}
    for name, splits in (("train", _listed(train)), ("validation", _listed(validation)), ("test", test)):
        if splits:
            encoded[name] = tokenise(splits, tokenizer, task, max_length)
            statistics[name] = describe(splits, encoded[name], tokenizer, task, max_length)
        if name == "train" and splits:
            check_known(
                statistics[name][0], task, arguments.model.tokenizer_name or arguments.model.model_name_or_path
            )
    if "test" in encoded:
        encoded["test"] = length_sorted(encoded["test"])
    return TaskData(train, validation, test, encoded, statistics)


def _listed(split: Split | None) -> list[Split]:
    return [] if split is None else [split]
