"""Rows of TSV, CSV and JSON lines, as text: read a row at a time, with the number of the line where it begins."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..command.wording import counted
from ..errors import InputError, quoted
from ..files.mappings import unique_pairs

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
        delimiter: What separates the names in the first line of a text file; `None` if the columns have no header.

    Raises:
        InputError: If a column is missing or repeated.
    """
    missing = [name for name in wanted if name not in existing]
    if missing:
        remedy = f"Rename the columns to {quoted(wanted)}."
        if delimiter:
            remedy = other_layout(existing, wanted, delimiter) or (
                f"{remedy.rstrip('.')}, or add a first line with these names if the file has none."
            )
        raise InputError(
            f"{source}: missing column{'s' * (len(missing) > 1)} {quoted(missing)}; "
            f"{'the first line names' if delimiter else 'there are'} {quoted(existing) or 'none'}. {remedy}"
        )
    repeated = [name for name in wanted if list(existing).count(name) > 1]
    if repeated:
        raise InputError(f"{source}: more than one column {quoted(repeated)}. Rename or remove one.")


def other_layout(
    existing: Sequence[str], wanted: Sequence[str], delimiter: str, rename: str = "Rename the file to .{}"
) -> str | None:
    """Say what to do about a header that names the wanted columns when it is read in another way; else `None`.

    Args:
        existing: The columns as they were read.
        wanted: Those that are needed.
        delimiter: What separated them.
        rename: The remedy where the file is of another format that is read, with a place for that format's name.
    """
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
        remedy = rename.format(_EXTENSIONS[other][1:]) if other in _EXTENSIONS else "Convert the file"
        own = _DELIMITERS[delimiter]
        return f"The columns are separated by {name}, those of a {extension} file by {own}. {remedy}."
    return None


class DelimitedRows:
    """Rows of CSV or TSV behind their header; after a broken one, the next can be asked for.

    Args:
        lines: Numbers and texts of the lines, with their ends.
        source: Name of the input, for messages.
        delimiter: A tab, then without quoting, or a comma, with the usual quoting, which may enclose line ends.

    Attributes:
        header: The first row; `None` in an empty input.

    Raises:
        InputError: If a row is malformed; the message names the line on which it begins.
    """

    def __init__(self, lines: Iterable[tuple[int, str]], source: str, delimiter: str) -> None:
        # csv has one limit for the whole process (131,072 by default), which texts can exceed.
        csv.field_size_limit(_LONGEST_FIELD)
        self._source, self._delimiter = source, delimiter
        self._first: int | None = None
        # Not a generator, because a generator ends at its first error.
        texts: Iterator[str] = map(self._count, lines)
        if delimiter == "\t":
            self._reader = csv.reader(texts, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            self._reader = csv.reader(texts, delimiter=delimiter, strict=True)
        self.header = next(self._rows(), (0, None))[1]

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        """Return the number of a row's first line and its fields, none for a blank line."""
        place, row = next(self._rows())
        if row and len(row) != len(self.header or ()):
            separated = "tab-separated, without quoting" if self._delimiter == "\t" else "comma-separated"
            raise InputError(
                f"{self._source}, line {place}: malformed, {counted(len(row), 'field')} where the header has "
                f"{len(self.header or ())} (expected: {separated})."
            )
        return place, row

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        self._first = None
        try:
            row = next(self._reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{self._source}, line {self._first}: malformed ({error}).") from error
        yield self._first or 0, row

    def _count(self, line: tuple[int, str]) -> str:
        if self._first is None:
            self._first = line[0]
        return line[1]


def _read_delimited(text: str, source: str, columns: Sequence[str], delimiter: str) -> Rows:
    rows = DelimitedRows(enumerate(io.StringIO(text, newline=""), start=1), source, delimiter)
    if rows.header is None:
        return
    check_columns(rows.header, columns, source, delimiter)
    indices = [rows.header.index(name) for name in columns]
    for place, row in rows:
        yield place, [row[index] for index in indices] if row else []


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Parse a line of JSON lines.

    Args:
        line: The line.
        where: Its place, for the message.

    Raises:
        InputError: If it is not a JSON object, or has a name twice.
    """
    try:
        record = json.loads(line, object_pairs_hook=unique_pairs)
    except (ValueError, RecursionError) as error:  # Numbers with thousands of digits, deeply nested brackets.
        raise InputError(
            f"{where}: malformed JSON ({getattr(error, 'msg', error)}); expected an object a line."
        ) from None
    if not isinstance(record, dict):
        raise InputError(f"{where}: malformed, expected a JSON object a line (JSON lines).")
    return record


def _read_json_lines(text: str, source: str, columns: Sequence[str]) -> Rows:
    for place, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            yield place, []
            continue
        where = f"{source}, line {place}"
        record = parse_object(line, where)
        check_columns(list(record), columns, where)
        yield place, [record[name] for name in columns]


TEXT_READERS: dict[str, Callable[[str, str, Sequence[str]], Rows]] = {
    ".tsv": lambda text, source, columns: _read_delimited(text, source, columns, "\t"),
    ".csv": lambda text, source, columns: _read_delimited(text, source, columns, ","),
    ".json": _read_json_lines,
    ".jsonl": _read_json_lines,
}
