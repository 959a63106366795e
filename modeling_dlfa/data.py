"""Files or the Hub → tokenised examples that know their language, all languages in one pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data_files import PLACEHOLDER, Table, expand_files, quoted, read_table, table_from_dataset
from .errors import InputError
from .tasks import SplitName, Task

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "SourceInfo",
    "Split",
    "encode",
    "expand_files",
    "length_sorted",
    "load_file",
    "load_hub",
    "resolve_languages",
    "rows_are_aligned",
]

OFFLINE_REMEDY = (
    "Pass --train_file, --validation_file and --test_file to use files of your own, "
    "or set HF_HUB_OFFLINE=1 where the data set lies in the cache already."
)


@dataclass(frozen=True)
class SourceInfo:
    """Where a split came from, as `results.json` records it.

    Attributes:
        source: Path or Hub repository, as the user gave it.
        rows: Number of examples taken.
        sha256: Checksum of the file as on disk; `None` for the Hub.
        bytes: Size of the file as on disk; `None` for the Hub.
        revision: Commit of the Hub data set where it is known, otherwise the revision that was asked for.
        config: Configuration of the Hub data set.
        split: Split of the Hub data set.
    """

    source: str
    rows: int
    sha256: str | None = None
    bytes: int | None = None
    revision: str | None = None
    config: str | None = None
    split: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dictionary that JSON can hold."""
        return asdict(self)


@dataclass
class Split:
    """The examples of one language, in the order of their source.

    Attributes:
        language: Language code.
        texts: One list of N texts for each of the task's text columns.
        labels: N class ids, each an index into the task's labels.
        source: Where the examples came from.
    """

    language: str
    texts: tuple[list[str], ...]
    labels: list[int]
    source: SourceInfo

    def __len__(self) -> int:
        return len(self.labels)


def resolve_languages(spec: Sequence[str], task: Task) -> list[str]:
    """Turn the languages that the user asked for into codes.

    Args:
        spec: Language codes, or `["all"]` for all languages of the task.
        task: The task.

    Returns:
        The codes, in the order given.

    Raises:
        InputError: If a code is unknown to the task or given twice, or none is given.
    """
    if list(spec) == ["all"]:
        return list(task.languages)
    exist = f"{task.title} has: {' '.join(task.languages)} (or 'all' alone)."
    if not spec:
        raise InputError(f"No language is given. {exist}")
    unknown = [code for code in spec if code not in task.languages]
    if unknown:
        raise InputError(f"Unknown language code {quoted(unknown)}. {exist}")
    repeated = sorted({code for code in spec if list(spec).count(code) > 1})
    if repeated:
        raise InputError(f"Language {quoted(repeated)} is given more than once. Give each language once.")
    return list(spec)


def load_file(path: str | Path, task: Task, language: str, max_samples: int | None = None) -> Split:
    """Load one language's examples from a TSV, CSV, JSON-lines or Parquet file (formats: `data_files.read_table`).

    Labels may be the task's label names or class ids. A label name goes first, so that names which are digits work.
    A Parquet file's `ClassLabel` names are used where the file has them, as their order may differ from the task's.

    Args:
        path: The file.
        task: Gives the columns and the labels.
        language: The language of the file.
        max_samples: Take no more than the first `max_samples` rows.

    Returns:
        The examples.

    Raises:
        InputError: If the file cannot be read (see `data_files.read_table`), or a row has no label, an unknown label
            or a text that is not a string; the message names the file and the line.
    """
    _check_request(task, max_samples)
    if PLACEHOLDER in str(path):
        raise InputError(f"{path}: {PLACEHOLDER} is replaced in test files only. Give the name of one file.")
    table = read_table(path, [*task.text_columns, task.label_column], max_samples)
    source = SourceInfo(table.source, len(table.places), sha256=table.sha256, bytes=table.bytes)
    return _to_split(table, task, language, source)


def load_hub(
    task: Task,
    split: SplitName,
    language: str,
    dataset_name: str | None = None,
    revision: str | None = None,
    max_samples: int | None = None,
    cache_dir: str | None = None,
) -> Split:
    """Load one language's examples from the Hub, or from its cache when offline.

    Args:
        task: Gives the data set, its configurations and splits, the columns and the labels.
        split: `"train"`, `"validation"` or `"test"`.
        language: Language code.
        dataset_name: Another data set, on the Hub or in a local folder, with the task's configurations, splits and
            columns.
        revision: Commit, tag or branch.
        max_samples: Take no more than the first `max_samples` rows.
        cache_dir: Where `datasets` keeps what it downloads; `None` is its default.

    Returns:
        The examples.

    Raises:
        InputError: If the data set cannot be reached or lacks the configuration, the split or a column, or a row has
            no label or an unknown one.
    """
    _check_request(task, max_samples)
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    name = dataset_name or task.hub.dataset
    if dataset_name is None:
        revision = revision or task.hub.revision
    config, split_name = task.hub.locate(split, language)
    try:
        dataset = load_dataset(name, config, split=split_name, revision=revision, cache_dir=cache_dir)
    except (OSError, ValueError, DatasetsError) as error:
        raise InputError(
            f"Cannot load '{name}' (configuration '{config}', split '{split_name}'): "
            f"{' '.join(str(error).split()).rstrip('.!')}. {OFFLINE_REMEDY}"
        ) from error
    where = f"{name} (configuration '{config}', split '{split_name}')"
    table = table_from_dataset(dataset, where, [*task.text_columns, task.label_column], max_samples)
    source = SourceInfo(
        name, len(table.places), revision=_commit(dataset) or revision, config=config, split=split_name
    )
    return _to_split(table, task, language, source)


def rows_are_aligned(splits: Sequence[Split], task: Task) -> bool:
    """Tell whether row i can be taken for the same example in every language.

    Args:
        splits: The test data, one split for each language.
        task: Says whether its languages are translations of each other.

    Returns:
        Whether the task's rows are aligned and the splits agree in their labels, row by row. Files that a user has
        shuffled or filtered do not.
    """
    return task.aligned_rows and all(split.labels == splits[0].labels for split in splits)


def encode(
    splits: Sequence[Split], tokenizer: PreTrainedTokenizerBase, task: Task, max_length: int | None = None
) -> Dataset:
    """Tokenise the splits of one or more languages into one data set, in memory.

    Truncation takes tokens from the longer text first, as transformers' `run_xnli.py` does; padding is left to the
    collator. Nothing is written to disk and nothing is read from a cache, so that several processes can each call this
    and get the same data.

    Args:
        splits: The examples.
        tokenizer: The model's tokenizer.
        task: The task of the splits.
        max_length: Longest input in tokens, special tokens included; `None` is the task's.

    Returns:
        The splits' examples one after the other, with the columns that the tokenizer gives (`input_ids`,
        `attention_mask`, `token_type_ids` for models that have them), `labels`, `length` (tokens), `language` (index
        into `splits`) and `row` (from 0, within the split).

    Raises:
        InputError: If `max_length` leaves no room for text or is more than the tokenizer's limit.
    """
    from datasets import Dataset

    max_length = task.max_length if max_length is None else max_length
    special_tokens = tokenizer.num_special_tokens_to_add(pair=len(task.text_columns) > 1)
    if max_length <= special_tokens:
        raise InputError(
            f"A maximum length of {max_length} tokens leaves no room for text: the tokenizer adds {special_tokens} "
            "special tokens. Raise --max_length."
        )
    if max_length > tokenizer.model_max_length:
        raise InputError(
            f"A maximum length of {max_length} tokens is more than the {tokenizer.model_max_length} that the "
            "tokenizer allows. Lower --max_length."
        )
    columns: dict[str, list[Any]] = {
        f"text_{index}": [text for split in splits for text in split.texts[index]]
        for index in range(len(task.text_columns))
    }
    text_columns = list(columns)
    columns["labels"] = [label for split in splits for label in split.labels]
    columns["language"] = [index for index, split in enumerate(splits) for _ in range(len(split))]
    columns["row"] = [row for split in splits for row in range(len(split))]

    def tokenize(batch: dict[str, list[Any]]) -> dict[str, Any]:
        texts = [batch[name] for name in text_columns]
        encoding = dict(tokenizer(*texts, truncation="longest_first", max_length=max_length, padding=False))
        encoding["length"] = [len(ids) for ids in encoding["input_ids"]]
        return encoding

    return Dataset.from_dict(columns).map(
        tokenize,
        batched=True,
        remove_columns=text_columns,
        keep_in_memory=True,
        load_from_cache_file=False,
        desc="Tokenising",
    )


def length_sorted(dataset: Dataset) -> Dataset:
    """Sort examples by their length, longest first, so that batches pad little and a lack of memory shows at once.

    Args:
        dataset: What `encode` returns; its columns `language` and `row` still say where each example came from.

    Returns:
        The examples in the new order, the same in every process: equal lengths keep their order.
    """
    import numpy as np

    lengths = np.asarray(dataset.with_format("numpy", columns=["length"])[:]["length"])
    return dataset.select(np.argsort(-lengths, kind="stable"), keep_in_memory=True)


def _check_request(task: Task, max_samples: int | None) -> None:
    if task.kind != "sequence":
        raise InputError(f"Task '{task.name}' labels tokens; this loader reads tasks that label a whole example.")
    if max_samples is not None and max_samples < 1:
        raise InputError(f"The number of samples is {max_samples}. Give 1 or more, or leave it out to take all.")


def _to_split(table: Table, task: Task, language: str, source: SourceInfo) -> Split:
    *texts, labels = table.columns
    for name, column in zip(task.text_columns, texts, strict=True):
        for index, text in enumerate(column):
            if not isinstance(text, str):
                raise InputError(f"{table.where(index)}: column '{name}' is {text!r}, not text. Give a string.")
    ids = {name: index for index, name in enumerate(task.labels)}
    names = table.class_names.get(task.label_column)
    return Split(
        language,
        tuple(texts),
        [_label_id(table, index, value, ids, names) for index, value in enumerate(labels)],
        source,
    )


def _label_id(table: Table, index: int, value: object, ids: dict[str, int], names: list[str] | None) -> int:
    """Class id of a label that is a name or an integer; `names` are those of the source's own integers."""
    label = value.strip() if isinstance(value, str) else value
    if names is not None and type(label) is int and 0 <= label < len(names):
        label = names[label]
    if isinstance(label, str) and label in ids:
        return ids[label]
    if isinstance(label, str) and re.fullmatch(r"-?[0-9]+", label):
        label = int(label)
    if label is None or label == "" or label == -1:
        raise InputError(f"{table.where(index)}: no label. Remove the row, or give one of: {quoted(list(ids))}.")
    if type(label) is not int or not 0 <= label < len(ids):
        raise InputError(
            f"{table.where(index)}: unknown label '{label}'. Known: {quoted(list(ids))}, or 0 to {len(ids) - 1}."
        )
    return label


def _commit(dataset: Dataset) -> str | None:
    """Commit of a Hub data set: `datasets` names the folder of the prepared data after it."""
    folders = [Path(file["filename"]).parent.name for file in dataset.cache_files]
    return folders[0] if folders and re.fullmatch(r"[0-9a-f]{40}", folders[0]) else None
