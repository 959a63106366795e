"""What is to be predicted, and how it is read: an example at a time, broken ones reported or refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..data.conll import CONLL_EXTENSIONS
from ..errors import InputError
from .columns import check_count
from .lines import Found, Layout, without_mark
from .sentences import read_conll, read_conllu, read_sentence_lines
from .source import STREAM, InputSource, Line
from .tables import read_csv, read_json_lines, read_parquet, read_tsv

FORMATS = {
    "sequence": ("tsv", "csv", "jsonl", "parquet"),
    "token": ("lines", "conll", "conllu", "jsonl", "parquet"),
}
WITH_COLUMNS = FORMATS["sequence"]
READERS: dict[str, Callable[[Iterator[Line], Layout], Iterator[Found]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_json_lines,
    "lines": read_sentence_lines,
    "conll": read_conll,
    "conllu": read_conllu,
}


@dataclass(frozen=True)
class Example:
    """One thing to predict.

    Attributes:
        line: Number of its (first) line, or of its row in a Parquet file, from 1.
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
        name: One of `FORMATS` of that kind. `"tsv"` is a text or two a line, with a tab between, or columns under a
            header; `"csv"` has a header; `"lines"` is a sentence a line, its words between spaces; `"conll"` a word a
            line (what follows a tab or space is ignored) and a blank line between sentences; `"conllu"` as in
            training, multiword tokens as one word; `"jsonl"` an object a line; `"parquet"` a table.
        columns: Names of the text columns: the first line of a TSV then names its columns. If left out, those whose
            names are known (`prediction_columns`) are read, and a TSV has a header if its first line names such.
        text_columns: Names of what the checkpoint was trained to read; empty where it does not say.
    """

    kind: Literal["sequence", "token"]
    name: str
    columns: tuple[str, ...] = ()
    text_columns: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        kind: Literal["sequence", "token"],
        path: str,
        name: str | None,
        columns: Sequence[str],
        text_columns: Sequence[str] = (),
    ) -> InputFormat:
        """Chooses the format by the file's extension unless it is named.

        Raises:
            InputError: The path is a folder's, the extension leaves it open, the format is another kind's, or the
                columns do not suit it.
        """
        if path != STREAM and os.path.isdir(os.path.expanduser(path)):
            raise InputError(f"{path} is a folder. Give a file, or - for standard input.")
        if name is None:
            name = _format_by_extension(kind, path)
        if name not in FORMATS[kind]:
            raise InputError(f"--input_format {name} is not for {kind} tasks. Choose from {', '.join(FORMATS[kind])}.")
        if columns and name not in WITH_COLUMNS:
            raise InputError(f"--columns names columns of {', '.join(WITH_COLUMNS)}; the format {name} has none.")
        if twice := [column for column in columns if columns.count(column) > 1]:
            raise InputError(f"--columns {' '.join(columns)} names {twice[0]!r} twice. Name each column once.")
        if len(columns) > (2 if kind == "sequence" else 1):
            raise InputError(f"--columns {' '.join(columns)}: name one text or two, of a token task one of the words.")
        if columns:
            check_count(columns, text_columns, kind, f"--columns {' '.join(columns)}")
        return cls(kind, name, tuple(columns), tuple(text_columns))


def _format_by_extension(kind: str, path: str) -> str:
    extension = os.path.splitext(path)[1].lower()
    if extension in (".json", ".jsonl"):
        return "jsonl"
    if extension == ".parquet":
        return "parquet"
    if kind == "sequence" and extension == ".csv":
        return "csv"
    if kind == "sequence" and (path == STREAM or extension in (".tsv", ".txt")):
        return "tsv"
    if kind == "token" and extension == ".csv":
        raise InputError(
            f"{path}: this checkpoint labels words, for which CSV has no layout. Use one of "
            f"{', '.join(CONLL_EXTENSIONS)}, with a word a line, or JSON lines or Parquet."
        )
    if kind == "token" and path == STREAM:
        return "lines"
    if kind == "token" and extension in CONLL_EXTENSIONS and extension != ".txt":
        return "conllu" if extension == ".conllu" else "conll"
    raise InputError(f"{path}: its extension does not tell its format. Give --input_format {'|'.join(FORMATS[kind])}.")


def read_examples(
    lines: Iterable[Line],
    form: InputFormat,
    source: str,
    on_bad: Callable[[InputError], None] | None = None,
    on_header: Callable[[str], None] | None = None,
) -> Iterator[Example]:
    """Parses lines one by one; no more than one example is held.

    A broken line of a sentence breaks the whole sentence, whose words would belong to no context without it.

    Args:
        lines: The input.
        form: How to read it; not `"parquet"`.
        source: Name of the input, for messages.
        on_bad: Told of each broken example, which is then left out; None stops at the first.
        on_header: Told, in a sentence, that the first line was taken for a header, where nobody said so.

    Raises:
        InputError: At a broken line, or a header that lacks a column; the message names source and line.
    """
    note = on_header or (lambda sentence: None)
    layout = Layout(source, form.kind, form.columns, form.text_columns, note)
    return _numbered(READERS[form.name](without_mark(lines), layout), on_bad)


def read_source(
    source: InputSource,
    form: InputFormat,
    on_bad: Callable[[InputError], None] | None = None,
    on_header: Callable[[str], None] | None = None,
) -> Iterator[Example]:
    """Reads a source in any format, as `read_examples` does; one of `"parquet"` was opened with `twice`."""
    if form.name != "parquet":
        return read_examples(source.lines(), form, source.name, on_bad, on_header)
    layout = Layout(source.name, form.kind, form.columns, form.text_columns, lambda sentence: None)
    return _numbered(read_parquet(source.file, layout), on_bad)


def _numbered(found: Iterable[Found], on_bad: Callable[[InputError], None] | None) -> Iterator[Example]:
    for number, entry in enumerate(found):
        if not isinstance(entry, InputError):
            yield Example(entry[0], number, entry[1])
        elif on_bad is None:
            raise entry
        else:
            on_bad(entry)
