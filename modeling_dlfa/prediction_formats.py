"""The formats of what is to be predicted: from lines or rows to the texts or words of each example."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from .data_conll import conll_columns, conllu_words
from .data_files import parquet_rows
from .delimited import DelimitedRows
from .errors import InputError
from .prediction_columns import check_count, is_header, is_word_header, known_columns, table_columns
from .prediction_source import Line

# Where an example begins, and its texts or words; or what is wrong with it.
Found = tuple[int, list[str]] | InputError


@dataclass(frozen=True)
class Layout:
    """What to look for.

    Attributes:
        source: Name of the input, for messages.
        kind: `"sequence"` or `"token"`.
        columns: Names of the columns to read; empty to choose by their names.
        own: Names of what the checkpoint was trained to read; empty where it does not say.
        note: Told that the first line was taken for a header, where nobody said so.
    """

    source: str
    kind: str
    columns: tuple[str, ...]
    own: tuple[str, ...]
    note: Callable[[str], None]

    def where(self, place: int, unit: str = "line") -> str:
        """Says where an example stands."""
        return f"{self.source}, {unit} {place}"

    def header(self, names: Sequence[str], place: int) -> list[int]:
        """Returns which columns to read; raises an `InputError` where the header does not tell."""
        wanted = table_columns(names, self.kind, self.own, self.columns, self.where(place))
        if not self.columns:
            self.note(f"{self.where(place)}, names the columns; read: {', '.join(names[index] for index in wanted)}.")
        return wanted


def without_mark(lines: Iterable[Line]) -> Iterator[Line]:
    """Takes a byte order mark away."""
    for number, line in lines:
        yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def read_tsv(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads tab-separated texts without quoting; with a header where one is asked for, or the first line is one."""
    wanted: list[int] | None = None
    width: int | None = None
    if (first := next(lines, None)) is not None:
        names = _fields(first)
        if layout.columns or is_header(names, layout.own):
            wanted, width = layout.header(names, first[0]), len(names)
        else:
            lines = chain([first], lines)

    def parse(line: str, where: str) -> list[str]:
        nonlocal width
        fields = line.split("\t")
        if wanted is None and len(fields) <= 2:
            check_count(fields, layout.own, layout.kind, where)
        if len(fields) != width and (width or len(fields) > 2):
            expected = width or "one text or two"
            raise InputError(f"{where}: malformed, {len(fields)} columns (tab-separated) instead of {expected}.")
        texts = fields if wanted is None else [fields[index] for index in wanted]
        check_texts(texts, where)
        width = len(fields)
        return texts

    return _read_lines(lines, layout, parse)


def _fields(line: Line) -> list[str]:
    """The columns of what may be a header; a line that is not UTF-8 is left to be refused where it is read."""
    return line[1].decode("utf-8", errors="replace").rstrip("\r\n").split("\t")


def read_csv(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads comma-separated texts with the usual quoting, under a header."""
    decoded = map(lambda line: (line[0], _decode(line, layout.source)), lines)
    rows = DelimitedRows(decoded, layout.source, tabs=False)
    if rows.header is None:
        return
    wanted = layout.header(rows.header, 1)
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
        yield from (_blank_line(layout.where(number)) for number in blank)
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
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: malformed JSON; expected an object a line.") from None
        if not isinstance(record, dict):
            raise InputError(f"{where}: malformed, expected a JSON object a line.")
        there = [name for name, value in record.items() if value is not None]
        usual = ("tokens",) if layout.kind == "token" else layout.own or ("text",)
        names = layout.columns or known_columns(there, layout.kind, layout.own) or usual
        missing = [name for name in names if name not in record]
        if missing:
            raise InputError(f"{where}: there is no {missing[0]!r}. Add it, or name what to read with --columns.")
        return _record_texts(record, names, layout, where)

    return _read_lines(lines, layout, parse)


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
        raise InputError(f"{where}: {' and '.join(map(repr, names))} must be text, of a token task a list of words.")
    check_count(texts, layout.own, layout.kind, where)
    check_texts(texts, where, blank=is_token)
    return texts


def read_sentence_lines(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads a sentence a line, its words between spaces."""

    def parse(line: str, where: str) -> list[str]:
        if "\t" in line:
            raise InputError(
                f"{where}: a tab, which stands between texts or between a word and its tag, but this checkpoint "
                "labels the words of one sentence. Put spaces between words, or give --input_format conll for a word "
                "a line."
            )
        return line.split()

    return _read_lines(lines, layout, parse)


def read_conll(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads a word a line, with a blank line between sentences."""
    if (first := next(lines, None)) is not None:
        names = _fields(first)
        if is_word_header(names):
            layout.note(f"{layout.where(first[0])}, names the columns; read: {names[0]}.")
        else:
            lines = chain([first], lines)
    return _read_sentences(lines, layout, lambda block: _conll_words(block, layout))


def _conll_words(block: list[tuple[int, str]], layout: Layout) -> list[str]:
    words, width = [], None
    for place, line in block:
        columns = conll_columns(line, place, layout.source)
        if "\t" in line and len(columns) == 2 and all(len(column.split()) > 1 for column in columns):
            raise InputError(
                f"{layout.where(place)}: two texts of several words, but this checkpoint labels the words of one "
                "sentence. Give a word a line, or a sentence a line with --input_format lines."
            )
        if "\t" not in line and len(columns) > 1:
            if width not in (None, len(columns)):
                raise InputError(
                    f"{layout.where(place)}: {len(columns)} columns with spaces between, but {width} above: not a "
                    "word a line. For a sentence a line give --input_format lines."
                )
            width = len(columns)
        words.append(columns[0])
    return words


def read_conllu(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads CoNLL-U, multiword tokens as one word."""
    return _read_sentences(lines, layout, lambda block: conllu_words(block, layout.source))


def _read_lines(lines: Iterable[Line], layout: Layout, parse: Callable[[str, str], list[str]]) -> Iterator[Found]:
    """An example a line; blank lines at the end are none, others are refused."""
    blank: list[int] = []
    for line in lines:
        if not line[1].strip():
            blank.append(line[0])
            continue
        yield from (_blank_line(layout.where(place)) for place in blank)
        blank = []
        try:
            yield line[0], parse(_decode(line, layout.source).rstrip("\r\n"), layout.where(line[0]))
        except InputError as error:
            yield error


def _read_sentences(
    lines: Iterable[Line], layout: Layout, parse: Callable[[list[tuple[int, str]]], list[str]]
) -> Iterator[Found]:
    for block in _blocks(lines):
        try:
            words = parse([(line[0], _decode(line, layout.source).rstrip("\r\n")) for line in block])
        except InputError as error:
            yield error
        else:
            if words:  # Comments alone are not a sentence.
                yield block[0][0], words


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    block: list[Line] = []
    for line in lines:
        if line[1].strip(b" \t\r\n"):
            if line[1].split()[0] != b"-DOCSTART-":
                block.append(line)
            continue
        if block:
            yield block
        block = []
    if block:
        yield block


def _blank_line(where: str) -> InputError:
    return InputError(f"{where}: the line is blank. Remove it, or give the example that it lacks.")


def _decode(line: Line, source: str) -> str:
    try:
        return line[1].decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{source}, line {line[0]}"
        raise InputError(f"{place}: not UTF-8 (byte {error.start + 1}). Convert it to UTF-8.") from None


def check_texts(texts: Sequence[str], where: str, blank: bool = False) -> None:
    """Refuses what no tokenizer takes (half a character of JSON) and, unless `blank`, what says nothing."""
    for text in texts:
        if not blank and not text.strip():
            raise InputError(f"{where}: a text is blank. Remove the line, or give the text that it lacks.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InputError(f"{where}: half of a surrogate pair, which is no character. Correct the text.")


READERS: dict[str, Callable[[Iterator[Line], Layout], Iterator[Found]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_json_lines,
    "lines": read_sentence_lines,
    "conll": read_conll,
    "conllu": read_conllu,
}
