"""The data of one command: read from files or the Hub, and tokenised once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase

from ..data.description import SplitStatistics, check_classes, check_known, describe
from ..data.encoding import encode_words
from ..data.loading import Split, encode, expand_files, length_sorted, load_file, load_hub
from ..errors import InputError
from ..tasks import SplitName, Task
from .arguments import CrossLingualTrainingArguments
from .options import DataArguments

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class TaskData:
    """The examples of a command, as read and as tokenised.

    Attributes:
        train: Source-language training data; None without training.
        validation: Source-language data on which checkpoints are chosen; None if not needed.
        test: Test data, one split per language.
        max_length: Longest input, in tokens.
        encoded: `"train"`, `"validation"` and `"test"` tokenised; the test data of all languages longest first.
        statistics: Counts of each split, under the same names.
    """

    train: Split | None
    validation: Split | None
    test: list[Split]
    max_length: int
    encoded: dict[str, Dataset] = field(default_factory=dict)
    statistics: dict[str, list[SplitStatistics]] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        """Codes of the test languages."""
        return [split.language for split in self.test]

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
    files = data.files()
    test_files = expand_files(data.test_file, languages) if data.test_file and training.do_predict else {}

    def load(split: SplitName, path: Any, language: str, limit: int | None) -> Split:
        if path is not None:
            return load_file(path, task, language, limit)
        return load_hub(task, split, language, data.dataset_name, data.dataset_revision, limit, cache_dir)

    source = task.source_language
    read = TaskData(None, None, [], _max_length(task, data.max_length, tokenizer))
    if training.do_train:
        read.train = load("train", data.train_file, source, data.max_train_samples)
        check_classes(read.train, task)
    if training.do_train or (training.do_eval and (data.validation_file or not files)):
        read.validation = load("validation", data.validation_file, source, data.max_eval_samples)
    if training.do_predict:
        read.test = [load("test", test_files.get(code), code, data.max_test_samples) for code in languages]
    tokenise = encode_words if task.kind == "token" else encode
    for name, splits in (("train", [read.train]), ("validation", [read.validation]), ("test", read.test)):
        if found := [split for split in splits if split is not None]:
            read.encoded[name] = tokenise(found, tokenizer, task, read.max_length)
            read.statistics[name] = describe(found, read.encoded[name], tokenizer, task, read.max_length)
        if name == "train" and found:
            check_known(read.statistics[name][0], task, tokenizer.name_or_path)
    if "test" in read.encoded:
        read.encoded["test"] = length_sorted(read.encoded["test"])
    return read


def _max_length(task: Task, wished: int | None, tokenizer: PreTrainedTokenizerBase) -> int:
    longest = tokenizer.model_max_length  # No longer than the model's own limit.
    if wished is not None and wished > longest:
        raise InputError(f"--max_length {wished} is more than the {longest} positions of this model. Lower it.")
    return wished if wished is not None else min(task.max_length, longest)
