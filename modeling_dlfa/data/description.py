"""What the data of a command are, once tokenised: rows, labels, blank texts, cut inputs, unknown tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoints.tokenizers import OWN_TOKENIZER, unknown_token
from ..errors import InputError
from ..scoring.metrics import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from ..tasks import Task
from .splits import Split
from .windows import split_words

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

MOSTLY_UNKNOWN = 0.5  # The share of tokens, or words, from which on a tokenizer is taken for another model's.

_BATCH = 10_000
_LABELS_WIDTH = 60  # Of the table's columns for labels, at most.


@dataclass(frozen=True)
class SplitStatistics:
    """Counts of one split.

    Attributes:
        language: Language code.
        rows: Examples; of a token task sentences.
        labels: How often each label occurs; of a token task for words.
        blank: Blank texts; of a token task blank words.
        first_blank: Place of the first of them.
        too_long: Inputs longer than `max_length`: cut or, of a token task, read in several windows, uncut.
        units: Tokens that are read, special ones aside; of a token task words.
        unknown: How many of these the tokenizer does not know; of words those that have an unknown piece.
        prefix: What was removed from every word.
        marked: How many words begin with their language's code and a colon, which stays there.
    """

    language: str
    rows: int
    labels: dict[str, int]
    blank: int
    first_blank: str | None
    too_long: int
    units: int
    unknown: int
    prefix: str
    marked: int = 0

    @property
    def unknown_rate(self) -> float:
        """The unknown share, 0 to 1; 1 where the tokenizer makes nothing of any text."""
        return self.unknown / self.units if self.units else 1.0

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Return the counts as `results.json` has them, under names that say what a task of that kind counts."""
        unit, too_long = ("words", "in_windows") if kind == "token" else ("tokens", "cut")
        return {
            "rows": self.rows,
            "labels": self.labels,
            "blank": self.blank,
            too_long: self.too_long,
            unit: self.units,
            "unknown": self.unknown,
            **({"removed_prefix": self.prefix} if self.prefix else {}),
        }


def describe(
    splits: Sequence[Split], dataset: Dataset, tokenizer: PreTrainedTokenizerBase, task: Task, max_length: int
) -> list[SplitStatistics]:
    """Count what the splits hold and what the tokenizer made of them.

    Args:
        splits: The examples.
        dataset: The same as `encode` or `encode_words` returned them, in any order.
        tokenizer: What tokenised them.
        task: Their task.
        max_length: Longest input, in tokens.

    Returns:
        The counts of each split.
    """
    counted = _count_words if task.kind == "token" else _count_tokens
    units, unknown, too_long = counted(splits, dataset, tokenizer, max_length)
    result = []
    for index, split in enumerate(splits):
        result.append(
            SplitStatistics(
                language=split.language,
                rows=len(split),
                labels=_label_counts(split, task),
                blank=len(split.blank),
                first_blank=split.blank[0] if split.blank else None,
                too_long=int(too_long[index]),
                units=int(units[index]),
                unknown=int(unknown[index]),
                prefix=split.prefix,
                marked=split.marked,
            )
        )
    return result


def _label_counts(split: Split, task: Task) -> dict[str, int]:
    """How often each label occurs; nothing for numbers."""
    if task.problem_type == REGRESSION:
        return {}
    if task.problem_type == MULTI_LABEL:
        counts = np.sum(split.labels, axis=0).astype(np.int64).tolist()
    else:
        ids = list(chain.from_iterable(split.labels)) if task.kind == "token" else split.labels
        counts = np.bincount(np.asarray(ids, dtype=np.int64), minlength=len(task.labels)).tolist()
    return dict(zip(task.labels, counts, strict=True))


Counts = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _count_tokens(
    splits: Sequence[Split], dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Counts:
    """Tokens of each split, unknown ones among them, and inputs that were cut."""
    unknown_id = unknown_token(tokenizer)
    special = [token for token in tokenizer.all_special_ids if token != unknown_id]
    tokens, unknown = np.zeros(len(splits), np.int64), np.zeros(len(splits), np.int64)
    full: list[tuple[int, int]] = []
    for ids, lengths, language, row in _batches(dataset, "input_ids", "language", "row"):
        owner = np.repeat(language, lengths)
        tokens += np.bincount(owner[~np.isin(ids, special)], minlength=len(splits))
        unknown += np.bincount(owner[ids == unknown_id], minlength=len(splits))
        filled = lengths >= max_length
        full += zip(language[filled].tolist(), row[filled].tolist(), strict=True)
    # Whether an input just fits or was cut only shows without the limit.
    too_long = np.zeros(len(splits), np.int64)
    for start in range(0, len(full), _BATCH):
        chosen = full[start : start + _BATCH]
        texts = [[splits[index].texts[side][row] for index, row in chosen] for side in range(len(splits[0].texts))]
        whole = tokenizer(*texts, truncation=False, padding=False, verbose=False)["input_ids"]
        for (index, _), ids in zip(chosen, whole, strict=True):
            too_long[index] += len(ids) > max_length
    return tokens, unknown, too_long


def _count_words(
    splits: Sequence[Split], dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Counts:
    """Words of each split, those with an unknown piece among them, and sentences in several windows."""
    unknown_id = unknown_token(tokenizer)
    counts = np.array([sum(map(len, split.labels)) for split in splits], np.int64)
    unknown, in_windows = np.zeros(len(splits), np.int64), np.zeros(len(splits), np.int64)
    places = np.stack([np.asarray(dataset[name][:]) for name in ("language", "row")])
    sentences, windows = np.unique(places, axis=1, return_counts=True)
    several = {(index, row) for index, row in sentences[:, windows > 1].T.tolist()}
    for index, split in enumerate(splits):
        long = [words for row, words in enumerate(split.texts[0]) if (index, row) in several]
        in_windows[index] = len(long)
        if long:
            unknown[index] += sum(unknown_id in pieces for words in split_words(long, tokenizer) for pieces in words)
    # A sentence in one window: each piece belongs to the last word that begins at or before it.
    for ids, lengths, language, row, starts in _batches(dataset, "input_ids", "language", "row", "labels"):
        alone = [place not in several for place in zip(language.tolist(), row.tolist(), strict=True)]
        is_start = starts >= 0
        word = np.cumsum(is_start) - 1
        found = np.unique(word[(ids == unknown_id) & np.repeat(alone, lengths)])
        unknown += np.bincount(np.repeat(language, lengths)[is_start][found], minlength=len(splits))
    return counts, unknown, in_windows


def _batches(dataset: Dataset, *columns: str) -> Iterator[list[NDArray[Any]]]:
    """Batches of columns as arrays: of lists the elements of all rows, and after the first column their lengths."""
    import pyarrow.compute as pc

    for table in dataset.with_format("arrow", columns=list(columns)).iter(_BATCH):
        first, *rest = (table[name].combine_chunks() for name in columns)
        flat = [column.flatten() if hasattr(column, "flatten") else column for column in rest]
        yield [np.asarray(column) for column in (first.flatten(), pc.list_value_length(first), *flat)]


def check_classes(train: Sequence[Split], task: Task) -> None:
    """Refuse training data of one class.

    Raises:
        InputError: All examples, or words, have the same label.
    """
    labels = list(chain.from_iterable(split.labels for split in train))
    if task.problem_type != SINGLE_LABEL and all(label == labels[0] for label in labels):
        raise InputError(
            f"{train[0].source.source}: every row of the training data has the same {task.label_column} "
            f"({len(labels):,} rows read), so nothing can be learnt. Give data with others too."
        )
    if task.problem_type != SINGLE_LABEL:
        return
    classes = set(chain.from_iterable(labels)) if task.kind == "token" else set(labels)
    if len(classes) == 1:
        unit = "word" if task.kind == "token" else "row"
        raise InputError(
            f"{train[0].source.source}: every {unit} of the training data has the label "
            f"'{task.labels[classes.pop()]}' ({sum(map(len, train)):,} rows read), so nothing can be learnt. Give "
            "data with other labels too."
        )


def check_known(train: SplitStatistics, task: Task, tokenizer_name: str) -> None:
    """Refuse training data that the tokenizer does not know.

    Raises:
        InputError: Half of its tokens, or words, or more are unknown to the tokenizer, or all are blank.
    """
    token = task.kind == "token"
    if train.blank and (train.blank == train.units if token else not train.units and train.blank == train.rows):
        raise InputError(
            f"All {'words' if token else 'texts'} of the training data are blank (the first: {train.first_blank}). "
            "Give data with text."
        )
    if train.unknown_rate >= MOSTLY_UNKNOWN:
        unit = "words" if token else "tokens"
        raise InputError(
            f"{train.unknown_rate:.0%} of the {unit} of the training data are unknown to the tokenizer of "
            f"{tokenizer_name}, so nothing can be learnt. {OWN_TOKENIZER}"
        )


def statistics_record(statistics: Mapping[str, Sequence[SplitStatistics]], task: Task) -> dict[str, dict[str, Any]]:
    """Return all counts as `results.json` has them: those of test data, and of several training data, by language."""
    return {
        name: (
            {split.language: split.to_dict(task.kind) for split in splits}
            if name == "test" or len(splits) > 1
            else splits[0].to_dict(task.kind)
        )
        for name, splits in statistics.items()
    }


def statistics_text(statistics: Mapping[str, Sequence[SplitStatistics]], task: Task) -> str:
    """Lay out the counts for a terminal, a line a split, and below what deserves attention.

    Args:
        statistics: Counts of `"train"`, `"validation"` and `"test"`, as far as there are.
        task: Their task.
    """
    token = task.kind == "token"
    shown = (
        task.labels
        if task.problem_type != REGRESSION and sum(len(label) + 2 for label in task.labels) <= _LABELS_WIDTH
        else ()
    )
    header = ["data", "", "rows", *(["words"] if token else []), *shown, "blank"]
    header += ["in windows", "unknown words"] if token else ["cut", "unknown tokens"]
    listed = [(name, split) for name, splits in statistics.items() for split in splits]
    lines = [header]
    for name, split in listed:
        counts = [split.rows, *([split.units] if token else []), *(split.labels[label] for label in shown)]
        counts += [split.blank, split.too_long]
        lines.append([name, split.language, *(f"{count:,}" for count in counts), f"{split.unknown_rate:.1%}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    train = [split for name, split in listed if name == "train"]
    labels = [f"{label} {count:,}" for split in train for label, count in split.labels.items()]
    return "\n".join(
        [*text, *([] if shown or not labels else [f"Labels of train: {', '.join(labels)}."]), *_remarks(listed, token)]
    )


def _remarks(listed: Sequence[tuple[str, SplitStatistics]], token: bool) -> list[str]:
    """What deserves attention, with where it is."""
    remarks: dict[str, list[str]] = {}
    for name, split in listed:
        where = f"{name} {split.language}"
        if split.blank:
            what = "Blank words, read as the unknown token" if token else "Warning: blank texts, kept as they are"
            remarks.setdefault(what, []).append(f"{where} {split.blank:,} (first: {split.first_blank})")
        if split.prefix:
            remarks.setdefault("Removed from the beginning of every word", []).append(f"{where} '{split.prefix}'")
        if split.marked:
            what = "Warning: words that begin with their language's mark, kept as they are"
            remarks.setdefault(what, []).append(f"{where} {split.marked:,} ('{split.language}:')")
        absent = [label for label, count in split.labels.items() if not count]
        if absent and name == "train":
            remarks["Warning: labels without a training example"] = absent
        if split.unknown_rate >= MOSTLY_UNKNOWN:
            remarks.setdefault("Warning: mostly unknown to the tokenizer, so hardly read", []).append(where)
    return [f"{remark}: {', '.join(places)}." for remark, places in remarks.items()]
