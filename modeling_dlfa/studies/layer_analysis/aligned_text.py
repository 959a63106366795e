"""Sentences with the same meaning in several languages, from a TSV file with one column per language."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.files import read_content, read_table
from ...data.text import decode
from ...errors import InputError, quoted
from ...languages import did_you_mean
from .resampling import MIN_EXAMPLES

MIN_SENTENCES = 2 * MIN_EXAMPLES  # A probe learns from one half and is tested on the other.


@dataclass(frozen=True)
class AlignedText:
    """Translations.

    Attributes:
        texts: N sentences for each language; sentence i is the same in all.
        rows: The N rows of the file that they come from, from 0, in order.
        available: How many rows have a text in every language.
        source: The file.
        sha256: Its checksum.
    """

    texts: dict[str, list[str]]
    rows: list[int]
    available: int
    source: str
    sha256: str

    def __len__(self) -> int:
        return len(self.rows)


def read_aligned(
    path: str | Path, languages: Sequence[str], max_sentences: int | None = None, seed: int = 0
) -> AlignedText:
    """Reads a TSV file (UTF-8, no quoting) whose header names languages and whose rows hold one sentence in each.

    Rows that lack a text in one of the languages are skipped.

    Args:
        path: The file.
        languages: Columns to read, or `["all"]` for all columns.
        max_sentences: Take at most this many rows, drawn by `seed`: files are often sorted by source or topic.
        seed: Seed of the draw.

    Raises:
        InputError: The file cannot be read or has no such columns, fewer than two languages are asked for, one is
            given twice, or too few rows are whole.
    """
    columns = _header(path) if list(languages) == ["all"] else list(languages)
    _check_codes(path, columns)
    repeated = sorted({code for code in columns if columns.count(code) > 1})
    if repeated:
        raise InputError(f"Language {quoted(repeated)} is given more than once. Give each language once.")
    if len(columns) < 2:
        raise InputError(f"{path}: one language ({' '.join(columns)}) leaves nothing to compare. Give at least two.")
    table = read_table(path, columns)
    whole = [row for row, texts in enumerate(zip(*table.columns, strict=True)) if all(map(str.strip, texts))]
    rows = whole
    if max_sentences is not None and len(whole) > max_sentences:
        rows = sorted(np.random.default_rng(seed).choice(whole, max_sentences, replace=False).tolist())
    if len(rows) < MIN_SENTENCES:
        raise InputError(
            f"{path}: too few sentences, {len(rows)} (rows with a text in each of {' '.join(columns)}: {len(whole)}"
            f"). Give {MIN_SENTENCES} or more: fewer languages, a larger file or a larger --max_sentences."
        )
    texts = {code: [column[row] for row in rows] for code, column in zip(columns, table.columns, strict=True)}
    return AlignedText(texts, rows, len(whole), str(path), table.sha256 or "")


def _check_codes(path: str | Path, columns: Sequence[str]) -> None:
    """Refuses codes that the file spells differently, for which "missing column" would be the wrong answer."""
    there = _header(path) if Path(path).suffix.lower() == ".tsv" else columns
    unknown = [code for code in columns if code not in there]
    if hint := did_you_mean(unknown, there):
        raise InputError(f"{path}: there is no column {quoted(unknown)}. {hint}")


def _header(path: str | Path) -> list[str]:
    if Path(path).suffix.lower() != ".tsv":
        raise InputError(
            f"{path}: the names of the languages are read from the header of .tsv files only. Name them "
            "with --languages, or convert the file."
        )
    first = decode(read_content(str(path)), str(path)).split("\n", 1)[0].removesuffix("\r")
    return next(csv.reader([first], delimiter="\t", quoting=csv.QUOTE_NONE), [])
