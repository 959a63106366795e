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


def check_texts(task: Task, path: Path, texts: Iterable[Iterable[Any]]) -> None:
    """Refuses texts that a file of rows cannot hold: those with tabs or line breaks, and empty words.

    Args:
        task: Of the texts.
        path: The file to be written.
        texts: The columns, of texts or of lists of words.

    Raises:
        InputError: There is one, and the format has no place for it.
    """
    if path.suffix.lower() in (".csv", ".json", ".jsonl"):
        return
    for text in (text for column in texts for text in column):
        for one in text if task.kind == "token" else [text]:
            if any(mark in one for mark in "\t\n\r") or (task.kind == "token" and not one):
                what = f"{path.suffix} has no place for {one!r}, with a tab, a line break or nothing in it"
                raise InputError(f"--output_file {path}: {what}. Write JSON lines (.jsonl).")


def write_rows(task: Task, path: Path, rows: Iterable[tuple[list[Any], Any]]) -> int:
    """Writes rows.

    Args:
        task: Gives columns and labels.
        path: The file; its extension tells the format.
        rows: The texts of each row and its class id, or its one list of words and a list of class ids.

    Returns:
        How many there were.
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
        _line(file, [word, task.labels[label]], comma)
    file.write("\n")


def _line(file: TextIO, fields: list[str], comma: bool) -> None:
    if comma:
        csv.writer(file, lineterminator="\n").writerow(fields)
    else:
        file.write("\t".join(fields) + "\n")


_FORMATS = {"sequence": _row, "token": _words}
