"""Sentences of words to predict: one a line, or a word a line as CoNLL has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from ..command.wording import counted
from ..data.conll import conll_columns, conllu_words
from ..errors import InputError
from ..tasks import PANX
from .columns import is_text_header, is_word_header
from .lines import Found, Layout, decode, fields_of, read_lines
from .source import Line

TOO_LONG = 8  # Parts, between spaces, of what is a text rather than a word; a Vietnamese name has five.


def read_sentence_lines(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads a sentence a line, its words between spaces."""

    def parse(line: str, where: str) -> list[str]:
        if "\t" in line:
            raise InputError(
                f"{where}: a tab, which separates texts or a word from its tag, but this checkpoint "
                "labels the words of one sentence. Put spaces between words, or give --input_format conll for a word "
                "a line."
            )
        return line.split()

    return read_lines(lines, layout, parse)


def read_conll(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads a word a line, with a blank line between sentences."""
    if (first := next(lines, None)) is not None:
        names = fields_of(first)
        if is_word_header(names):
            layout.note(f"{layout.where(first[0])}, names the columns; read: {names[0]}.")
        elif is_text_header(names):
            raise InputError(
                f"{layout.where(first[0])}, names columns ({', '.join(names)}) of which the first is not of words, "
                "but this checkpoint labels the words of one sentence. Give a word a line, or a checkpoint for texts."
            )
        else:
            lines = chain([first], lines)
    mark: str | None = None

    def parse(block: list[tuple[int, str]]) -> list[str]:
        nonlocal mark
        words = _conll_words(block, layout)
        if mark is None:
            mark = language_mark(words)
            if mark:
                layout.note(f"{layout.where(block[0][0])}: {mark!r} is taken away from the words, as in training.")
        bare = [place for (place, _), word in zip(block, words, strict=True) if not word.startswith(mark)]
        if bare:
            raise InputError(f"{layout.where(bare[0])}: no {mark!r} before the word, as all words above have it.")
        return [word.removeprefix(mark) for word in words]

    return _read_sentences(lines, layout, parse)


def language_mark(words: Sequence[str]) -> str:
    """What PAN-X, as its authors distribute it, puts before every word: the language's code and a colon."""
    codes = {word.partition(":")[0] if ":" in word else "" for word in words}
    return f"{codes.pop()}:" if len(codes) == 1 and not codes.isdisjoint(PANX.languages) else ""


def _conll_words(block: list[tuple[int, str]], layout: Layout) -> list[str]:
    words, width = [], None
    for place, line in block:
        columns = conll_columns(line, place, layout.source)
        several = [len(column.split()) > 1 for column in columns]
        if "\t" in line and (several.count(True) > 1 or len(columns[0].split()) >= TOO_LONG):
            raise InputError(
                f"{layout.where(place)}: {'two texts' if several.count(True) > 1 else 'a text'} of several words, but "
                "this checkpoint labels the words of one sentence. Give a word a line, or a sentence a line with "
                "--input_format lines."
            )
        if "\t" not in line and len(columns) > 1:
            if width not in (None, len(columns)):
                raise InputError(
                    f"{layout.where(place)}: {counted(len(columns), 'column')} with spaces between, but {width} "
                    "above: not a word a line. For a sentence a line give --input_format lines."
                )
            width = len(columns)
        words.append(columns[0])
    return words


def read_conllu(lines: Iterator[Line], layout: Layout) -> Iterator[Found]:
    """Reads CoNLL-U, multiword tokens as one word."""
    return _read_sentences(lines, layout, lambda block: conllu_words(block, layout.source))


def _read_sentences(
    lines: Iterable[Line], layout: Layout, parse: Callable[[list[tuple[int, str]]], list[str]]
) -> Iterator[Found]:
    for block in _blocks(lines):
        try:
            words = parse([(line[0], decode(line, layout.source).rstrip("\r\n")) for line in block])
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
