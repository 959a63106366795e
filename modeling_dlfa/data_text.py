"""Rows of TSV, CSV and JSON lines, as text: read a row at a time, with the number of the line where it begins."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .errors import InputError, quoted

# Where a row begins (its line number) and the values of its wanted columns; no values for a blank line.
Rows = Iterator[tuple[int, list[Any]]]

_LONGEST_FIELD = 2**31 - 1  # In bytes; csv takes a C long, which has 32 bits on Windows.
_DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
_EXTENSIONS = {"\t": ".tsv", ",": ".csv"}


def decode(content: bytes, source: str) -> str:
    """Decode UTF-8, without a byte order mark.

    Raises:
        InputError: If it is not UTF-8, or holds a NUL byte; the message names the line.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{source}, line {line}: not UTF-8. Convert the file to UTF-8.") from None
    if (place := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, place) + 1
        raise InputError(
            f"{source}, line {line}: a NUL byte, which text does not have. The file is damaged, or is not "
            "UTF-8 but UTF-16: convert it, or remove the byte."
        )
    return text


def text_fault(text: object) -> str | None:
    """Say why a value cannot be read as a text, and what to do about it; `None` where it can.

    JSON and Parquet can hold what a text file cannot: other types, NUL, and half a surrogate pair, which no tokenizer
    takes.
    """
    if not isinstance(text, str):
        return f"is {text!r}, not text. Give a string."
    if "\0" in text:
        return "holds a NUL character, which text does not have. Remove it."
    # Decoding UTF-8 never gives a surrogate, and encoding is the fastest way to find one.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"holds half a surrogate pair ({text[error.start]!a}), which is not a character. Correct the text."
    return None


def check_columns(existing: Sequence[str], wanted: Sequence[str], source: str, delimiter: str | None = None) -> None:
    """Check that each wanted column is there once.

    Args:
        existing: Names of the columns.
        wanted: Names of the wanted ones.
        source: Where they are, for the message.
        delimiter: What separates the names in the first line of a text file; `None` if they do not stand there.

    Raises:
        InputError: If a column is missing or repeated.
    """
    missing = [name for name in wanted if name not in existing]
    if missing:
        remedy = f"Rename the columns to {quoted(wanted)}."
        if delimiter:
            remedy = _other_layout(existing, wanted, delimiter) or (
                f"{remedy.rstrip('.')}, or add a first line with these names if the file has none."
            )
        raise InputError(
            f"{source}: missing column{'s' * (len(missing) > 1)} {quoted(missing)}; "
            f"{'the first line names' if delimiter else 'there are'} {quoted(existing) or 'none'}. {remedy}"
        )
    repeated = [name for name in wanted if list(existing).count(name) > 1]
    if repeated:
        raise InputError(f"{source}: more than one column {quoted(repeated)}. Rename or remove one.")


def _other_layout(existing: Sequence[str], wanted: Sequence[str], delimiter: str) -> str | None:
    """Say what to do about a header that names the wanted columns when it is read in another way."""
    extension = _EXTENSIONS[delimiter]
    line = delimiter.join(existing)
    for other, name in _DELIMITERS.items():
        try:
            names = next(csv.reader([line], delimiter=other), [])
        except csv.Error:
            continue
        if not set(wanted) <= {name.strip() for name in names}:
            continue
        if other == delimiter:
            return f"The names are in quotes or padded, which a {extension} file takes literally. Remove the marks."
        remedy = f"Rename the file to {_EXTENSIONS[other]}" if other in _EXTENSIONS else "Convert the file"
        own = _DELIMITERS[delimiter]
        return f"The columns are separated by {name}, those of a {extension} file by {own}. {remedy}."
    return None


def _read_delimited(text: str, source: str, columns: Sequence[str], delimiter: str) -> Rows:
    # One limit for the whole process, 131,072 unless it is raised, which texts can exceed.
    csv.field_size_limit(_LONGEST_FIELD)
    lines = io.StringIO(text, newline="")
    if delimiter == "\t":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    separated = "tab-separated, without quoting" if delimiter == "\t" else "comma-separated"
    header: list[str] = []
    while True:
        place = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{source}, line {place}: malformed ({error}).") from error
        if not header:
            header = row
            check_columns(header, columns, source, delimiter)
            indices = [header.index(name) for name in columns]
        elif row and len(row) != len(header):
            raise InputError(
                f"{source}, line {place}: malformed, {len(row)} fields where the header has {len(header)} "
                f"(expected: {separated})."
            )
        else:
            yield place, [row[index] for index in indices] if row else []


def _read_json_lines(text: str, source: str, columns: Sequence[str]) -> Rows:
    for place, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            yield place, []
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # Numbers of thousands of digits, brackets in brackets.
            reason = getattr(error, "msg", error)
            raise InputError(
                f"{source}, line {place}: malformed JSON ({reason}); expected an object a line."
            ) from None
        if not isinstance(record, dict):
            raise InputError(f"{source}, line {place}: malformed, expected a JSON object a line (JSON lines).")
        check_columns(list(record), columns, f"{source}, line {place}")
        yield place, [record[name] for name in columns]


TEXT_READERS: dict[str, Callable[[str, str, Sequence[str]], Rows]] = {
    ".tsv": lambda text, source, columns: _read_delimited(text, source, columns, "\t"),
    ".csv": lambda text, source, columns: _read_delimited(text, source, columns, ","),
    ".json": _read_json_lines,
    ".jsonl": _read_json_lines,
}
