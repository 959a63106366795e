"""Write predictions a row at a time, as a table or JSON lines: to a file, whole or not at all, or to a stream."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ..errors import InputError
from ..files.folders import free_file
from ..files.writing import escape

if TYPE_CHECKING:
    from .answers import Head
    from .predictor import Prediction

OUTPUT_FORMATS = ("tsv", "csv", "jsonl")
EXTENSIONS = {".tsv": "tsv", ".txt": "tsv", "": "tsv", ".csv": "csv", ".json": "jsonl", ".jsonl": "jsonl"}


def output_format(path: str | None, name: str | None) -> str:
    """Returns the format that is named, else the one of the file's extension, else `"tsv"`.

    Raises:
        InputError: The extension is another format's.
    """
    extension = os.path.splitext(path or "")[1].lower()
    if name is None and extension not in EXTENSIONS:
        known = ", ".join(filter(None, EXTENSIONS))
        raise InputError(
            f"--output_file {path}: its extension does not tell its format. Use one of {known}, or give "
            f"--output_format {'|'.join(OUTPUT_FORMATS)}."
        )
    return name or EXTENSIONS[extension]


def write_predictions(
    predictions: Iterator[Prediction], head: Head, form: str, file: TextIO, tick: Callable[[int], object]
) -> int:
    r"""Writes predictions as they come.

    A table begins with `line` (the number of the input's line, from 1) for texts, or with `sentence` (its number, from
    0) and `word` for words. Behind them stand, for one label of several, `prediction` and a probability a label, with
    six digits; for several labels `predictions`, with `|` between them, and the probabilities; for a regression
    `score`, or a column a number. TSV has no quoting (`\t`, `\n`, `\r` and `\\` are escaped as in the runner's
    files), CSV the usual one. A JSON line is an example: `line` and `label`, `score`, `scores`, or `labels`, `scores`,
    or `score`; for words `sentence`, `line` and `words`, each of which has those.

    Args:
        predictions: What to write.
        head: What the scores mean.
        form: One of `OUTPUT_FORMATS`.
        file: Where to.
        tick: Called with 1 for each example.

    Returns:
        How many examples there were.
    """
    count = 0
    put = _row_writer(file, form)
    for prediction in predictions:
        if form == "jsonl":
            file.write(json.dumps(_record(prediction, head), ensure_ascii=False) + "\n")
        else:
            if count == 0:
                first = ["line"] if prediction.scores.ndim == 1 else ["sentence", "word"]
                put([*first, *head.columns()])
            for row in _rows(prediction, head):
                put(row)
        count += 1
        tick(1)
    return count


def _row_writer(file: TextIO, form: str) -> Callable[[list[str]], object]:
    if form == "csv":
        return csv.writer(file, lineterminator="\n").writerow
    return lambda row: file.write("\t".join(map(escape, row)) + "\n")


def _rows(prediction: Prediction, head: Head) -> Iterator[list[str]]:
    example, scores = prediction.example, prediction.scores
    if scores.ndim == 1:
        yield [str(example.line), *head.row(scores)]
        return
    for word, row in zip(example.texts, scores, strict=True):
        yield [str(example.number), word, *head.row(row)]


def _record(prediction: Prediction, head: Head) -> dict[str, object]:
    example, scores = prediction.example, prediction.scores
    if scores.ndim == 1:
        return {"line": example.line, **head.record(scores)}
    words = [{"word": word, **head.record(row)} for word, row in zip(example.texts, scores, strict=True)]
    return {"sentence": example.number, "line": example.line, "words": words}


def check_output(path: str | None, overwrite: bool, inputs: Sequence[str]) -> None:
    """Refuses to overwrite a file; see `folders.free_file`.

    Args:
        path: The file; None for standard output.
        overwrite: Whether it may be replaced.
        inputs: What is predicted, and by which checkpoint.

    Raises:
        InputError: It may not be written, or its folder does not exist.
    """
    if path is None:
        return
    free_file(path, "--output_file", overwrite=overwrite, inputs=inputs)
    if not Path(path).absolute().parent.is_dir():
        raise InputError(f"--output_file {path}: its folder does not exist. Make it, or name another file.")


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Opens a file that is there in the end or, after an error, as it was before; or standard output if None."""
    if path is None:
        sys.stdout.flush()
        # Text is UTF-8 and lines end with a line feed, whatever this system would have.
        # Each line is written at once: whoever reads them may be waiting for it.
        with open(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8", newline="\n") as stream:
            yield stream
        return
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
