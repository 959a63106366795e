"""Tables of texts or words to predict: TSV, CSV, JSON lines and Parquet, read a row at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from ..command.wording import counted
from ..data.files import parquet_rows
from ..data.text import DelimitedRows, parse_object
from ..errors import InputError
from .columns import check_count, known_columns, names_columns, table_columns
from .lines import Found, Layout, blank_line, check_texts, decode, fields_of, read_lines
from .source import Line


def read_tsv(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads tab-separated texts without quoting; with a header where one is asked for, or the first line is one."""
    wanted: list[int] | None = None
    width: int | None = None
    if (first := next(lines, None)) is not None:
        names = fields_of(first)
        if layout.columns or names_columns(names, layout.own):
            wanted, width = layout.header(names, first[0], "\t"), len(names)
        else:
            lines = chain([first], lines)

    def parse(line: str, where: str) -> list[str]:
        nonlocal width
        fields = line.split("\t")
        if wanted is None and len(fields) <= 2:
            check_count(fields, layout.own, layout.kind, where)
        if len(fields) != width and (width or len(fields) > 2):
            expected = width or "one text or two"
            found = counted(len(fields), "column")
            raise InputError(f"{where}: malformed, {found} (tab-separated) instead of {expected}.")
        texts = fields if wanted is None else [fields[index] for index in wanted]
        check_texts(texts, where)
        width = len(fields)
        return texts

    return read_lines(lines, layout, parse)


def read_csv(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads comma-separated texts with the usual quoting, under a header."""
    decoded = map(lambda line: (line[0], decode(line, layout.source)), lines)
    rows = DelimitedRows(decoded, layout.source, ",")
    if rows.header is None:
        return
    wanted = layout.header(rows.header, 1, ",")
    blank: list[int] = []
    while True:
        try:
            place, row = next(rows)
        except StopIteration:
            return
        except InputError as error:
            yield error
            continue
        if not row:
            blank.append(place)
            continue
        yield from (blank_line(layout.where(number)) for number in blank)
        blank = []
        texts = [row[index] for index in wanted]
        try:
            check_texts(texts, layout.where(place))
        except InputError as error:
            yield error
        else:
            yield place, texts


def read_json_lines(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads an object a line: texts, or a list of words."""

    def parse(line: str, where: str) -> list[str]:
        record = parse_object(line, where)
        there = [name for name, value in record.items() if value is not None]
        usual = ("tokens",) if layout.kind == "token" else layout.own or ("text",)
        names = layout.columns or known_columns(there, layout.kind, layout.own) or usual
        missing = [name for name in names if name not in record]
        if missing:
            raise InputError(f"{where}: there is no {missing[0]!r}. Add it, or name what to read with --columns.")
        return _record_texts(record, names, layout, where)

    return read_lines(lines, layout, parse)


def read_parquet(file: BinaryIO, layout: Layout) -> Iterator[Found]:
    """Reads the rows of a Parquet file: texts, or lists of words."""

    def choose(names: list[str]) -> list[str]:
        wanted = table_columns(names, layout.kind, layout.own, layout.columns, layout.source)
        return [names[index] for index in wanted]

    for place, record in enumerate(parquet_rows(file, layout.source, choose), start=1):
        try:
            yield place, _record_texts(record, list(record), layout, layout.where(place, "row"))
        except InputError as error:
            yield error


def _record_texts(record: Mapping[str, Any], names: Sequence[str], layout: Layout, where: str) -> list[str]:
    is_token = layout.kind == "token"
    texts = record[names[0]] if is_token else [record[name] for name in names]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"{where}: {' and '.join(map(repr, names))} must be text, of a token task a list "
            "of words, at least one. Correct that, or leave it out."
        )
    check_count(texts, layout.own, layout.kind, where)
    check_texts(texts, where, blank=is_token)
    return texts
