"""Write predictions a row at a time, as TSV or JSON lines: to a file, whole or not at all, or to a stream."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from .errors import InputError
from .prediction import Prediction
from .predictions import escape

OUTPUT_FORMATS = ("tsv", "jsonl")


def output_format(path: str | None, name: str | None) -> str:
    """Returns the format that is named, else the one of the file's extension, else `"tsv"`."""
    return name or ("jsonl" if path is not None and path.lower().endswith((".json", ".jsonl")) else "tsv")


def write_predictions(
    predictions: Iterator[Prediction], labels: Sequence[str], form: str, file: TextIO, tick: Callable[[int], object]
) -> int:
    r"""Writes predictions as they come.

    TSV has a header, no quoting (`\t`, `\n`, `\r` and `\\` are escaped as in the runner's files) and probabilities
    with six digits: `line prediction` and a column a label for texts, with the number of the input's line, from 1;
    `sentence word prediction` and a column a label for words, with the number of the sentence, from 0. A JSON line is
    an example: `line`, `label`, `score`, `scores`; for words `sentence`, `line` and `words`, each of which has those.

    Args:
        predictions: What to write.
        labels: Label names.
        form: `"tsv"` or `"jsonl"`.
        file: Where to.
        tick: Called with 1 for each example.

    Returns:
        How many examples there were.
    """
    count = 0
    for prediction in predictions:
        if form == "jsonl":
            file.write(json.dumps(_record(prediction, labels), ensure_ascii=False) + "\n")
        else:
            if count == 0:
                first = ["line"] if prediction.probabilities.ndim == 1 else ["sentence", "word"]
                file.write("\t".join([*first, "prediction", *map(escape, labels)]) + "\n")
            file.writelines("\t".join(row) + "\n" for row in _rows(prediction, labels))
        count += 1
        tick(1)
    return count


def _rows(prediction: Prediction, labels: Sequence[str]) -> Iterator[list[str]]:
    example, shares = prediction.example, prediction.probabilities
    is_sequence = shares.ndim == 1
    words = [None] if is_sequence else example.texts
    for word, row in zip(words, np.atleast_2d(shares), strict=True):
        place = [str(example.line)] if word is None else [str(example.number), escape(word)]
        yield [*place, escape(labels[int(row.argmax())]), *(f"{share:.6f}" for share in row)]


def _record(prediction: Prediction, labels: Sequence[str]) -> dict[str, object]:
    example, shares = prediction.example, prediction.probabilities

    def answer(row: np.ndarray) -> dict[str, object]:
        scores = dict(zip(labels, row.round(6).tolist(), strict=True))
        return {"label": labels[int(row.argmax())], "score": round(float(row.max()), 6), "scores": scores}

    if shares.ndim == 1:
        return {"line": example.line, **answer(shares)}
    words = [{"word": word, **answer(row)} for word, row in zip(example.texts, shares, strict=True)]
    return {"sentence": example.number, "line": example.line, "words": words}


def check_output(path: str | None, overwrite: bool) -> None:
    """Refuses to overwrite a file.

    Raises:
        InputError: It exists and `overwrite` is not wished, or its folder does not.
    """
    if path is None:
        return
    if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
        raise InputError(f"--output_file {path} is a folder, or its folder does not exist. Name a file.")
    if Path(path).exists() and not overwrite:
        raise InputError(f"--output_file {path} exists. Name another file, or replace it with --overwrite.")


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Opens a file that is there in the end or, after an error, as it was before; or standard output if None."""
    if path is None:
        sys.stdout.flush()
        # Text is UTF-8 and lines end with a line feed, whatever this system would have.
        with open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n") as stream:
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
