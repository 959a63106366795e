"""Read what is to be predicted, an example at a time: lines of text, JSON lines, or sentences with a word a line."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from .data_conll import CONLL_EXTENSIONS, conll_columns, conllu_words
from .errors import InputError

FORMATS = {"sequence": ("tsv", "jsonl"), "token": ("lines", "conll", "conllu", "jsonl")}
STREAM = "-"

# The number of a line, from 1, and what stands there.
Line = tuple[int, bytes]


@dataclass(frozen=True)
class Example:
    """One thing to predict.

    Attributes:
        line: Number of its (first) line in the input, from 1.
        number: Its own number in the input, from 0; broken ones count.
        texts: One text or two or, of a token task, the words.
    """

    line: int
    number: int
    texts: list[str]


@dataclass(frozen=True)
class InputFormat:
    """How an input is read.

    Attributes:
        kind: `"sequence"` or `"token"`.
        name: One of `FORMATS` of that kind. `"tsv"` is a text or two a line, with a tab between; `"lines"` a sentence
            a line, its words between spaces; `"conll"` a word a line (what stands behind a tab or space is not read)
            and a blank line between sentences; `"conllu"` as in training, multiword tokens as one word; `"jsonl"` an
            object a line.
        columns: Names of the text columns: the first line of a TSV then names its columns. For JSON lines they are
            `text` and, where an object has it, `text_pair`, or `tokens`, if left out.
    """

    kind: Literal["sequence", "token"]
    name: str
    columns: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, kind: Literal["sequence", "token"], path: str, name: str | None, columns: Sequence[str]
    ) -> InputFormat:
        """Chooses the format by the file's extension unless it is named.

        Raises:
            InputError: The extension leaves it open, the format is another kind's, or the columns do not suit it.
        """
        if name is None:
            name = _format_by_extension(kind, path)
        if name not in FORMATS[kind]:
            raise InputError(f"--input_format {name} is not for {kind} tasks. Choose from {', '.join(FORMATS[kind])}.")
        if columns and name not in ("tsv", "jsonl"):
            raise InputError(f"--columns names columns of TSV and JSON lines; the format {name} has none.")
        if len(columns) > (2 if kind == "sequence" else 1) or len(set(columns)) < len(columns):
            raise InputError(f"--columns {' '.join(columns)}: name one text or two, of a token task one of the words.")
        return cls(kind, name, tuple(columns))


def _format_by_extension(kind: str, path: str) -> str:
    extension = os.path.splitext(path)[1].lower()
    if extension in (".json", ".jsonl"):
        return "jsonl"
    if kind == "sequence" and (path == STREAM or extension in (".tsv", ".txt")):
        return "tsv"
    if kind == "token" and path == STREAM:
        return "lines"
    if kind == "token" and extension in CONLL_EXTENSIONS and extension != ".txt":
        return "conllu" if extension == ".conllu" else "conll"
    raise InputError(f"{path}: its extension does not tell its format. Give --input_format {'|'.join(FORMATS[kind])}.")


def read_examples(
    lines: Iterable[Line], form: InputFormat, source: str, on_bad: Callable[[InputError], None] | None = None
) -> Iterator[Example]:
    """Parse lines one by one; no more than one example is held.

    A broken line of a sentence breaks the whole sentence, whose words would belong to no context without it.

    Args:
        lines: The input.
        form: How to read it.
        source: Name of the input, for messages.
        on_bad: Told of each broken example, which is then left out; None stops at the first.

    Raises:
        InputError: At a broken line, or a header that lacks a column; the message names source and line.
    """
    lines = _without_mark(lines)
    parse = _parser(form, source, lines)
    blocks = _sentence_blocks(lines) if form.name.startswith("conll") else _line_blocks(lines)
    for number, block in enumerate(blocks):
        try:
            texts = parse([(place, _decode(line, place, source)) for place, line in block])
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(error)
        else:
            if texts:
                yield Example(block[0][0], number, texts)


def _parser(form: InputFormat, source: str, lines: Iterator[Line]) -> Callable[[list[tuple[int, str]]], list[str]]:
    """Returns what makes texts of an example's lines; a header is read here."""
    if form.name == "conll":
        return lambda block: [conll_columns(line, place, source)[0] for place, line in block]
    if form.name == "conllu":
        return lambda block: conllu_words(block, source)
    of_line: Callable[[str, str], list[str]] = _JsonParser(form)
    if form.name == "tsv":
        of_line = _TsvParser(form, source, lines)

    def parse(block: list[tuple[int, str]]) -> list[str]:
        ((place, line),) = block
        where = f"{source}, line {place}"
        if not line.strip():
            raise InputError(f"{where}: the line is blank. Remove it, or give the example that it lacks.")
        return line.split() if form.name == "lines" else of_line(line, where)

    return parse


def _without_mark(lines: Iterable[Line]) -> Iterator[Line]:
    for number, line in lines:
        yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _decode(line: bytes, place: int, source: str) -> str:
    try:
        return line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError(f"{source}, line {place}: not UTF-8 (byte {error.start + 1}). Convert it to UTF-8.") from None


def _line_blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """An example a line; blank lines at the end are none, others are for the parser to refuse."""
    blank: list[Line] = []
    for line in lines:
        if not line[1].strip():
            blank.append(line)
            continue
        yield from ([entry] for entry in blank)
        blank = []
        yield [line]


def _sentence_blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
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


class _TsvParser:
    def __init__(self, form: InputFormat, source: str, lines: Iterator[Line]) -> None:
        self.wanted: list[int] | None = None
        self.width: int | None = None
        if form.columns:
            place, header = next(lines, (1, b""))
            names = _decode(header, place, source).split("\t")
            missing = [name for name in form.columns if names.count(name) != 1]
            if missing:
                raise InputError(
                    f"{source}, line {place}: the header {names} has not one column {missing[0]!r}. Correct --columns."
                )
            self.wanted, self.width = [names.index(name) for name in form.columns], len(names)

    def __call__(self, line: str, where: str) -> list[str]:
        fields = line.split("\t")
        expected = f"{self.width}" if self.width else "one text or two"
        if len(fields) != self.width and (self.width or len(fields) > 2):
            raise InputError(f"{where}: malformed, {len(fields)} columns (tab-separated) instead of {expected}.")
        texts = [fields[index] for index in self.wanted] if self.wanted is not None else fields
        _check_texts(texts, where)
        self.width = len(fields)
        return texts


class _JsonParser:
    def __init__(self, form: InputFormat) -> None:
        self.kind, self.columns = form.kind, form.columns

    def __call__(self, line: str, where: str) -> list[str]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: malformed JSON; expected an object a line.") from None
        if not isinstance(record, dict):
            raise InputError(f"{where}: malformed, expected a JSON object a line.")
        names = self.columns or (("tokens",) if self.kind == "token" else ("text", "text_pair"))
        if not self.columns and self.kind == "sequence" and record.get("text_pair") is None:
            names = ("text",)
        missing = [name for name in names if name not in record]
        if missing:
            raise InputError(f"{where}: there is no {missing[0]!r}. Add it, or name what to read with --columns.")
        texts = record[names[0]] if self.kind == "token" else [record[name] for name in names]
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise InputError(
                f"{where}: {' and '.join(map(repr, names))} must be text, of a token task a list of words."
            )
        _check_texts(texts, where, blank=self.kind == "token")
        return texts


def _check_texts(texts: Sequence[str], where: str, blank: bool = False) -> None:
    """Refuses what no tokenizer takes (half a character of JSON) and, unless `blank`, what says nothing."""
    for text in texts:
        if not blank and not text.strip():
            raise InputError(f"{where}: a text is blank. Remove the line, or give the text that it lacks.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InputError(f"{where}: half of a surrogate pair, which is no character. Correct the text.")


class InputSource:
    """A file or standard input, as numbered lines.

    Args:
        path: A file, or `-` for standard input.
        twice: Whether it will be read more than once. What is no plain file (a pipe) is then first copied to disk, so
            that memory stays bounded.

    Raises:
        InputError: The file is missing or cannot be read.
    """

    def __init__(self, path: str, twice: bool) -> None:
        self.name = "standard input" if path == STREAM else path
        try:
            self.file: BinaryIO = sys.stdin.buffer if path == STREAM else open(os.path.expanduser(path), "rb")
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Check the path.") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
        if twice and not (path != STREAM and stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)):
            copy = tempfile.TemporaryFile()
            shutil.copyfileobj(self.file, copy)
            copy.seek(0)
            self.file = copy

    def lines(self) -> Iterator[Line]:
        """Gives every line with its number."""
        return enumerate(self.file, start=1)

    def rewind(self) -> None:
        """Goes back to the beginning; only with `twice`."""
        self.file.seek(0)
