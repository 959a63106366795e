"""Rewrites files of texts or of tagged words row by row, with some words changed and all else kept."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count, groupby
from typing import Any, TextIO

from ..command.wording import counted
from ..data.conll import CONLL_EXTENSIONS, conll_columns, conllu_words
from ..data.text import DelimitedRows, parse_object, text_fault
from ..errors import InputError
from ..inference.columns import is_text_header, is_word_header, known_columns
from ..inference.lines import Layout, blank_line, decode, fields_of, read_lines, without_mark
from ..inference.sentences import TOO_LONG, language_mark
from ..inference.source import InputSource, Line
from .words import Changer


def rewrite(source: InputSource, name: str | None, columns: tuple[str, ...], changer: Changer, file: TextIO) -> int:
    """Writes a file anew with some words changed.

    Args:
        source: The file.
        name: A key of `FORMATS`; if None, told by the extension and, for `.tsv`, by the first line.
        columns: Columns with texts; if empty, known names are looked for.
        changer: Changes the words.
        file: The file to write to.

    Returns:
        The number of rows or sentences.

    Raises:
        InputError: A line is malformed, the file has no lines, or the format is unknown.
    """
    lines = without_mark(source.lines())
    if name is None:
        name, lines = _format(source.name, lines, columns)
    if columns and name in _OF_WORDS:
        raise InputError(f"--columns names columns of texts; the format {name} has none.")
    layout = Layout(source.name, "sequence", columns, (), lambda sentence: None)
    rows = FORMATS[name](lines, layout, changer, file)
    if not rows:
        raise InputError(f"{source.name}: nothing to change. Give at least one example.")
    return rows


def _format(path: str, lines: Iterator[Line], columns: tuple[str, ...]) -> tuple[str, Iterator[Line]]:
    extension = os.path.splitext(path)[1].lower()
    if extension == ".parquet":
        raise InputError(f"{path}: Parquet is not written here. Convert it to JSON lines, which training reads too.")
    if extension in (".json", ".jsonl"):
        return "jsonl", lines
    if extension in (".csv", ".conllu"):
        return extension[1:], lines
    if extension not in CONLL_EXTENSIONS:
        raise InputError(f"{path}: its extension does not tell its format. Give --input_format {'|'.join(FORMATS)}.")
    if extension != ".tsv":
        return "conll", lines
    first = next(lines, None)
    if first is None:
        return "conll", lines
    is_table = bool(columns) or is_text_header(fields_of(first))
    return "tsv" if is_table else "conll", chain([first], lines)


def _tsv(lines: Iterator[Line], layout: Layout, changer: Changer, file: TextIO) -> int:
    first = next(lines, None)
    if first is None:
        return 0
    names = fields_of(first)
    wanted = layout.header(names, first[0], "\t")
    file.write("\t".join(names) + "\n")
    row = count()

    def change(line: str, where: str) -> list[str]:
        fields = line.split("\t")
        if len(fields) != len(names):
            raise InputError(f"{where}: malformed, {counted(len(fields), 'field')} where the header has {len(names)}.")
        return ["\t".join(_changed(fields, wanted, next(row), changer))]

    return _write_lines(lines, layout, change, file)


def _changed(fields: list[str], wanted: list[int], row: int, changer: Changer) -> list[str]:
    columns = {index: column for column, index in enumerate(wanted)}
    return [
        changer.text(field, row, columns[index]) if index in columns else field for index, field in enumerate(fields)
    ]


def _csv(lines: Iterator[Line], layout: Layout, changer: Changer, file: TextIO) -> int:
    rows = DelimitedRows(((line[0], decode(line, layout.source)) for line in lines), layout.source, ",")
    if rows.header is None:
        return 0
    wanted = layout.header(rows.header, 1, ",")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows.header)
    written, blank = 0, 0
    for place, fields in rows:
        if not fields:
            blank = blank or place
            continue
        if blank:
            raise blank_line(layout.where(blank))
        writer.writerow(_changed(fields, wanted, written, changer))
        written += 1
    return written


def _json_lines(lines: Iterator[Line], layout: Layout, changer: Changer, file: TextIO) -> int:
    row = count()

    def change(line: str, where: str) -> list[str]:
        record = parse_object(line, where)
        names = layout.columns or _text_columns(record)
        if not names or any(name not in record for name in names):
            there = ", ".join(map(repr, record))
            raise InputError(f"{where}: which of {there} hold the texts or words? Name them with --columns.")
        number = next(row)
        for column, name in enumerate(names):
            record[name] = _change_value(record[name], changer, number, column, f"{where}: {name!r}")
        return [json.dumps(record, ensure_ascii=False)]

    return _write_lines(lines, layout, change, file)


def _text_columns(record: Mapping[str, Any]) -> Sequence[str]:
    """Returns the names of texts, or that of a list of words; empty if there are both or neither."""
    found = [
        known_columns([name for name, value in record.items() if isinstance(value, kind)], task, ())
        for task, kind in (("sequence", str), ("token", list))
    ]
    only = list(filter(None, found))
    return only[0] if len(only) == 1 else ()


def _change_value(value: Any, changer: Changer, row: int, column: int, what: str) -> str | list[str]:
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if fault := text_fault(text):
            raise InputError(f"{what} {fault}")
    if isinstance(value, list):
        return [changer.word(word, row, place, column) for place, word in enumerate(texts)]
    return changer.text(texts[0], row, column)


def _write_lines(lines: Iterator[Line], layout: Layout, change: Callable[[str, str], list[str]], file: TextIO) -> int:
    written = 0
    for found in read_lines(lines, layout, change):
        if isinstance(found, InputError):
            raise found
        file.writelines(f"{line}\n" for line in found[1])
        written += 1
    return written


def _conll(lines: Iterator[Line], layout: Layout, changer: Changer, file: TextIO) -> int:
    written, mark = 0, None
    for is_blank, block in _blocks(lines, layout):
        words = [] if is_blank else [conll_columns(_content(line), place, layout.source)[0] for place, line in block]
        tagged = [
            index
            for index, ((place, line), word) in enumerate(zip(block, words, strict=False))
            if word != "-DOCSTART-" and not (place == 1 and is_word_header(_content(line).split("\t")))
        ]
        if mark is None and tagged:
            mark = language_mark([words[index] for index in tagged])
        for place, index in enumerate(tagged):
            number, line = block[index]
            word = words[index]
            if len(word.split()) >= TOO_LONG:
                raise InputError(
                    f"{layout.where(number)}: a text of several words, in a file that was read as a word and its "
                    "tag per line. Name the columns of its texts with --columns, or its format with --input_format."
                )
            start = line.index(word) + len(mark or "") * word.startswith(mark or "")
            end = line.index(word) + len(word)
            block[index] = (number, line[:start] + changer.word(line[start:end], written, place) + line[end:])
        file.writelines(line for _, line in block)
        written += bool(tagged)
    return written


def _conllu(lines: Iterator[Line], layout: Layout, changer: Changer, file: TextIO) -> int:
    written = 0
    for is_blank, block in _blocks(lines, layout):
        words = [] if is_blank else conllu_words([(place, _content(line)) for place, line in block], layout.source)
        covered = place = 0
        for index, (number, line) in enumerate(block if words else []):
            identifier, _, rest = line.partition("\t")
            if line.startswith("#") or "." in identifier:
                continue
            first, _, last = identifier.partition("-")
            if not last and int(first) <= covered:
                continue  # Part of a form that the text writes as one word; that word is changed instead.
            covered = int(last or covered)
            form, _, others = rest.partition("\t")
            block[index] = (number, f"{identifier}\t{changer.word(form, written, place)}\t{others}")
            place += 1
        file.writelines(line for _, line in block)
        written += bool(words)
    return written


def _blocks(lines: Iterator[Line], layout: Layout) -> Iterator[tuple[bool, list[tuple[int, str]]]]:
    """Yields a sentence's numbered lines, with their ends, and the blank lines between two sentences."""
    decoded = ((line[0], decode(line, layout.source)) for line in lines)
    for is_blank, block in groupby(decoded, lambda line: not line[1].strip(" \t\r\n")):
        yield is_blank, list(block)


def _content(line: str) -> str:
    return line.rstrip("\r\n")


FORMATS: dict[str, Callable[[Iterator[Line], Layout, Changer, TextIO], int]] = {
    "tsv": _tsv,
    "csv": _csv,
    "jsonl": _json_lines,
    "conll": _conll,
    "conllu": _conllu,
}
_OF_WORDS = ("conll", "conllu")
