"""Rewrites files of texts or of tagged words row by row, with some words changed and all else kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain, count, groupby
from typing import TextIO

from ..command.wording import counted
from ..data.conll import CONLL_EXTENSIONS, conll_columns
from ..errors import InputError
from ..inference.columns import is_text_header, is_word_header
from ..inference.lines import Layout, decode, fields_of, read_lines, without_mark
from ..inference.sentences import TOO_LONG, language_mark
from ..inference.source import InputSource, Line
from .words import Changer

EXTENSIONS = tuple(name for name in CONLL_EXTENSIONS if name != ".conllu")


def rewrite(source: InputSource, columns: tuple[str, ...], changer: Changer, file: TextIO) -> int:
    """Writes a file anew with some words changed.

    Args:
        source: TSV with a header, or a word and its tag a line: the extension and, for `.tsv`, the first line tell.
        columns: Columns with texts; if empty, known names are looked for.
        changer: Changes the words.
        file: The file to write to.

    Returns:
        The number of rows or sentences.

    Raises:
        InputError: A line is malformed, the file has no lines, or the format is another.
    """
    if os.path.splitext(source.name)[1].lower() not in EXTENSIONS:
        raise InputError(f"{source.name} is none of {', '.join(EXTENSIONS)}. Convert it: training reads these, too.")
    lines = without_mark(source.lines())
    first = next(lines, None)
    is_table = source.name.lower().endswith(".tsv") and first and (columns or is_text_header(fields_of(first)))
    if columns and not is_table:
        raise InputError(f"--columns names columns of texts, and {source.name} has a word a line.")
    lines = lines if first is None else chain([first], lines)
    layout = Layout(source.name, "sequence", columns, (), lambda sentence: None)
    rows = (_tsv if is_table else _conll)(lines, layout, changer, file)
    if not rows:
        raise InputError(f"{source.name}: nothing to change. Give at least one example.")
    return rows


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
                    "tag per line. Name the columns of its texts with --columns."
                )
            start = line.index(word) + len(mark or "") * word.startswith(mark or "")
            end = line.index(word) + len(word)
            block[index] = (number, line[:start] + changer.word(line[start:end], written, place) + line[end:])
        file.writelines(line for _, line in block)
        written += bool(tagged)
    return written


def _blocks(lines: Iterator[Line], layout: Layout) -> Iterator[tuple[bool, list[tuple[int, str]]]]:
    """Yields a sentence's numbered lines, with their ends, and the blank lines between two sentences."""
    decoded = ((line[0], decode(line, layout.source)) for line in lines)
    for is_blank, block in groupby(decoded, lambda line: not line[1].strip(" \t\r\n")):
        yield is_blank, list(block)


def _content(line: str) -> str:
    return line.rstrip("\r\n")
