"""Writes labelled rows as training reads them, whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from ..errors import InputError
from ..files.writing import draft_file
from ..tasks import Task

FORMATS = {"sequence": (".tsv", ".csv", ".json", ".jsonl"), "token": (".tsv", ".txt", ".conll", ".json", ".jsonl")}


def check_format(task: Task, path: Path) -> None:
    """Refuses a file whose extension names no format for the task.

    Raises:
        InputError: It does.
    """
    if path.suffix.lower() not in FORMATS[task.kind]:
        raise InputError(
            f"--output_file {path}: its extension does not tell its format. Use one of "
            f"{', '.join(FORMATS[task.kind])}."
        )


def write_rows(task: Task, path: Path, rows: Iterable[tuple[list[Any], Any]]) -> int:
    """Writes rows.

    Args:
        task: Gives columns and labels.
        path: The file; its extension tells the format.
        rows: The texts of each row and its class id, or its one list of words and a list of class ids.

    Returns:
        How many there were.

    Raises:
        InputError: A text has a tab or a line break, which the format cannot hold.
    """
    write = _json_line if path.suffix.lower() in (".json", ".jsonl") else _FORMATS[task.kind]
    count = 0
    with draft_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        comma = path.suffix.lower() == ".csv"
        if task.kind == "sequence" and write is not _json_line:
            _line(file, [*task.text_columns, task.label_column], comma)
        for texts, labels in rows:
            write(task, file, texts, labels, comma)
            count += 1
    return count


def _json_line(task: Task, file: TextIO, texts: list[Any], labels: Any, comma: bool) -> None:
    named = [task.labels[label] for label in labels] if task.kind == "token" else task.labels[labels]
    record = {**dict(zip(task.text_columns, texts, strict=True)), task.label_column: named}
    file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _row(task: Task, file: TextIO, texts: list[Any], label: Any, comma: bool) -> None:
    _line(file, [*texts, task.labels[label]], comma)


def _words(task: Task, file: TextIO, texts: list[Any], labels: Any, comma: bool) -> None:
    for word, label in zip(texts[0], labels, strict=True):
        if not word:
            raise InputError("A word is empty, which this format cannot hold. Write JSON lines (.jsonl).")
        _line(file, [word, task.labels[label]], comma)
    file.write("\n")


def _line(file: TextIO, fields: list[str], comma: bool) -> None:
    if comma:
        csv.writer(file, lineterminator="\n").writerow(fields)
        return
    if any(mark in text for text in fields for mark in "\t\n\r"):
        raise InputError(f"A text has a tab or a line break, which TSV cannot hold: {fields[0]!r}. Write JSON lines.")
    file.write("\t".join(fields) + "\n")


_FORMATS = {"sequence": _row, "token": _words}
