"""Files or the Hub → tokenised examples that know their language, all languages in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, quoted
from ..languages import did_you_mean
from ..tasks import Task
from .conll import CONLL_EXTENSIONS, read_sentences
from .files import PLACEHOLDER, expand_files, languages_on_disk, read_table
from .hub import load_hub
from .splits import SourceInfo, Split, check_max_samples, to_split

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "SourceInfo",
    "Split",
    "check_languages",
    "check_max_length",
    "encode",
    "expand_files",
    "languages_without_file",
    "length_sorted",
    "load_file",
    "load_hub",
    "resolve_languages",
    "rows_are_aligned",
]


def resolve_languages(spec: Sequence[str], task: Task, test_file: str | None = None) -> list[str]:
    """Turn the languages that the user asked for into codes.

    Args:
        spec: Language codes, or `["all"]` for all languages of the task; where the test data are files whose name has
            `{language}` in it, all that have a file.
        task: The task.
        test_file: The name of the test files, if they are files.

    Returns:
        The codes, in the order given.

    Raises:
        InputError: If a code is unknown to the task or given twice, or none is given, or no language has a file.
    """
    if list(spec) == ["all"]:
        if test_file is None or PLACEHOLDER not in test_file:
            return list(task.languages)
        on_disk = set(languages_on_disk(test_file))
        if not on_disk.intersection(task.languages):
            raise InputError(
                f"{test_file}: there is no file for any language of {task.title} ({' '.join(task.languages)}). "
                "Check the path."
            )
        return [code for code in task.languages if code in on_disk]
    if not spec:
        raise InputError(f"No language is given. {_exist(task)} (or 'all' alone).")
    check_languages(spec, task, " (or 'all' alone)")
    return list(spec)


def check_languages(codes: Sequence[str], task: Task, more: str = "") -> None:
    """Check that codes are languages of the task, each once.

    Args:
        codes: The codes.
        task: The task.
        more: What else could be given, for the message.

    Raises:
        InputError: If a code is unknown or repeated.
    """
    unknown = [code for code in codes if code not in (*task.languages, task.source_language)]
    if unknown:
        hint = did_you_mean(unknown, task.languages)
        exist = f"{_exist(task)}{more}."
        raise InputError(" ".join(filter(None, (f"Unknown language code {quoted(unknown)}.", hint, exist))))
    repeated = sorted({code for code in codes if list(codes).count(code) > 1})
    if repeated:
        raise InputError(f"Language {quoted(repeated)} is given more than once. Give each language once.")


def _exist(task: Task) -> str:
    return f"{task.title} has: {' '.join(task.languages)}"


def languages_without_file(spec: Sequence[str], task: Task, languages: Sequence[str]) -> list[str]:
    """Return the languages of the task that `"all"` stands for, but that are not among the resolved ones."""
    return [code for code in task.languages if code not in languages] if list(spec) == ["all"] else []


def load_file(path: str | Path, task: Task, language: str, max_samples: int | None = None) -> Split:
    """Load one language's examples from a file.

    A file of sequences is TSV, CSV, JSON lines or Parquet (formats: `files.read_table`); one of tagged words has
    a word a line (`conll.read_sentences`), or it is JSON lines or Parquet with a list of words and one of labels
    in each row; sentences without a labelled word are left out. Labels are the task's label names or class ids
    (`labels.LabelReader`). A Parquet file's `ClassLabel` names are used where the file has them, as their order
    may differ from the task's.

    Args:
        path: The file.
        task: Gives the columns and the labels.
        language: The language of the file.
        max_samples: Take no more than the first `max_samples` rows.

    Returns:
        The examples.

    Raises:
        InputError: If the file cannot be read (see there), or a row has no label, an unknown label or a text that is
            not a string; the message names the file and the line.
    """
    check_max_samples(max_samples)
    if PLACEHOLDER in str(path):
        raise InputError(
            f"{path}: {PLACEHOLDER} is replaced in the names of training and test files. Give the name of one file."
        )
    suffix = Path(path).suffix.lower()
    if task.kind == "token" and suffix in CONLL_EXTENSIONS:
        table = read_sentences(str(path), language, max_samples)
    elif task.kind == "token" and suffix == ".csv":
        raise InputError(
            f"{path}: {task.title} labels words, for which CSV has no layout. Use one of "
            f"{', '.join(CONLL_EXTENSIONS)}, with a word and its tag a line, or JSON lines or Parquet."
        )
    else:
        table = read_table(path, [*task.text_columns, task.label_column], max_samples)
    return to_split(table, task, language, SourceInfo(table.source, 0, sha256=table.sha256, bytes=table.bytes))


def rows_are_aligned(splits: Sequence[Split], task: Task) -> bool:
    """Tell whether row i can be taken for the same example in every language.

    Labels that agree row by row do not prove it (files sorted by label would), nor need translations agree in all of
    them (PAWS-X was annotated anew). What is asked for: the task's published data are aligned; the files are of equal
    length; their labels agree in 95 % of the rows, and in under 90 % where one file is moved on by a row, so that the
    agreement does come from the order. Files that a user has shuffled, sorted or filtered fail.

    Args:
        splits: The test data, one split for each language.
        task: Says whether its languages are translations of each other.

    Returns:
        Whether they are; always false for token tasks, whose words differ between languages.
    """
    if not task.aligned_rows or task.kind == "token" or len({len(split) for split in splits}) > 1:
        return False
    first = splits[0].labels

    def agreement(labels: Sequence[int], shift: int) -> float:
        moved = [*labels[shift:], *labels[:shift]]
        return sum(a == b for a, b in zip(first, moved, strict=True)) / len(first)

    return all(agreement(split.labels, 0) >= 0.95 and agreement(split.labels, 1) < 0.9 for split in splits[1:])


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

    max_length = check_max_length(tokenizer, task, max_length)
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


def check_max_length(tokenizer: PreTrainedTokenizerBase, task: Task, max_length: int | None) -> int:
    """Return the longest input in tokens, the task's if none is given, after checking that it fits.

    Raises:
        InputError: If it leaves no room for text or is more than the tokenizer's limit.
    """
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
    return max_length


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
