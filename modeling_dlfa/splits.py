"""The examples of one language: texts, class ids, and where they came from."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from .data_files import Table, quoted
from .errors import InputError
from .tasks import Task


@dataclass(frozen=True)
class SourceInfo:
    """Where a split came from, as `results.json` records it.

    Attributes:
        source: Path or Hub repository, as the user gave it.
        rows: Number of examples taken.
        sha256: Checksum of the file as on disk; `None` for the Hub.
        bytes: Size of the file as on disk; `None` for the Hub.
        revision: Commit of the Hub data set where it is known, otherwise the revision that was asked for.
        config: Configuration of the Hub data set, or several with `+` between.
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
        texts: One list of N texts for each of the task's text columns; of a token task one list of N lists of words.
        labels: N class ids, each an index into the task's labels; of a token task N lists, an id for each word.
        source: Where the examples came from.
    """

    language: str
    texts: tuple[list[Any], ...]
    labels: list[Any]
    source: SourceInfo

    def __len__(self) -> int:
        return len(self.labels)


def to_split(table: Table, task: Task, language: str, source: SourceInfo) -> Split:
    """Check the texts of a table, turn its labels into class ids, and count the examples.

    Labels may be the task's label names or class ids. A label name goes first, so that names which are digits work.
    Where the table has class names of its own, they say what its integers mean. Of a token task, words that are not
    annotated are left out, and so are sentences without a labelled word.

    Args:
        table: The columns of the texts and, last, of the labels.
        task: Gives their names and the labels.
        language: The language of the examples.
        source: Where they came from; its number of rows is filled in.

    Raises:
        InputError: If a row has no label, an unknown label or a text that is not a string, or no word has a label; the
            message names the place.
    """
    *texts, labels = table.columns
    names = table.class_names.get(task.label_column)
    if task.kind == "token":
        split = _token_split(table, task, language, source, names)
    else:
        for name, column in zip(task.text_columns, texts, strict=True):
            for index, text in enumerate(column):
                if not isinstance(text, str):
                    raise InputError(f"{table.where(index)}: column '{name}' is {text!r}, not text. Give a string.")
        ids = {name: index for index, name in enumerate(task.labels)}
        class_ids = [_label_id(table, index, None, value, ids, names) for index, value in enumerate(labels)]
        split = Split(language, tuple(texts), class_ids, source)
    return replace(split, source=replace(source, rows=len(split)))


def _token_split(table: Table, task: Task, language: str, source: SourceInfo, names: list[str] | None) -> Split:
    """The sentences that have a word, without the words that are not annotated."""
    ids = {name: index for index, name in enumerate(task.labels)}
    split = Split(language, ([],), [], source)
    for index, (words, tags) in enumerate(zip(*table.columns, strict=True)):
        if not isinstance(words, list) or not isinstance(tags, list) or len(words) != len(tags):
            raise InputError(
                f"{table.where(index)}: columns '{task.text_columns[0]}' and '{task.label_column}' must be lists of "
                "the same length, a label for each word."
            )
        kept: list[str] = []
        labels: list[int] = []
        for position, (word, tag) in enumerate(zip(words, tags, strict=True)):
            if not isinstance(word, str):
                raise InputError(f"{table.where(index, position)}: the word is {word!r}, not text. Give a string.")
            name = names[tag] if names is not None and type(tag) is int and 0 <= tag < len(names) else tag
            if name not in task.unlabelled:
                kept.append(word)
                labels.append(_label_id(table, index, position, name, ids, None))
        if kept:
            split.texts[0].append(kept)
            split.labels.append(labels)
    if not split.labels:
        raise InputError(f"{table.source}: no word has a label. Give data with at least one.")
    return split


def _label_id(
    table: Table, index: int, word: int | None, value: object, ids: dict[str, int], names: list[str] | None
) -> int:
    """Class id of a label that is a name or an integer; `names` are those of the source's own integers."""
    label = value.strip() if isinstance(value, str) else value
    if names is not None and type(label) is int and 0 <= label < len(names):
        label = names[label]
    if isinstance(label, str) and label in ids:
        return ids[label]
    if isinstance(label, str) and re.fullmatch(r"-?[0-9]+", label):
        label = int(label)
    if label is None or label == "" or label == -1:
        item = "row" if word is None else "word"
        raise InputError(
            f"{table.where(index, word)}: no label. Remove the {item}, or give one of: {quoted(list(ids))}."
        )
    if type(label) is not int or not 0 <= label < len(ids):
        raise InputError(
            f"{table.where(index, word)}: unknown label '{label}'. Known: {quoted(list(ids))}, or 0 to {len(ids) - 1}."
        )
    return label
