"""What the formats of `dlfa predict` have in common: lines, places, what was found, what no tokenizer takes."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..data.text import text_fault
from ..errors import InputError
from .columns import table_columns
from .source import Line

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

    def header(self, names: Sequence[str], place: int, delimiter: str) -> list[int]:
        """Returns which columns to read; raises an `InputError` where the header does not tell."""
        wanted = table_columns(names, self.kind, self.own, self.columns, self.where(place), delimiter)
        if not self.columns:
            self.note(f"{self.where(place)}, names the columns; read: {', '.join(names[index] for index in wanted)}.")
        return wanted


def without_mark(lines: Iterable[Line]) -> Iterator[Line]:
    """Takes a byte order mark away."""
    for number, line in lines:
        yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def fields_of(line: Line) -> list[str]:
    """Returns the columns of what may be a header; a line that is not UTF-8 is left to be refused where it is read."""
    return line[1].decode("utf-8", errors="replace").rstrip("\r\n").split("\t")


def read_lines(lines: Iterable[Line], layout: Layout, parse: Callable[[str, str], list[str]]) -> Iterator[Found]:
    """Reads an example a line; blank lines at the end are left out, others are refused.

    Args:
        lines: The lines.
        layout: What to look for.
        parse: Makes texts or words of a line; told where it stands, for messages.
    """
    blank: list[int] = []
    for line in lines:
        if not line[1].strip():
            blank.append(line[0])
            continue
        yield from (blank_line(layout.where(place)) for place in blank)
        blank = []
        try:
            yield line[0], parse(decode(line, layout.source).rstrip("\r\n"), layout.where(line[0]))
        except InputError as error:
            yield error


def blank_line(where: str) -> InputError:
    """Returns what is wrong with a blank line."""
    return InputError(f"{where}: the line is blank. Remove it, or give the example that it lacks.")


def decode(line: Line, source: str) -> str:
    """Decodes UTF-8.

    Raises:
        InputError: It is something else.
    """
    try:
        return line[1].decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{source}, line {line[0]}"
        raise InputError(f"{place}: not UTF-8 (byte {error.start + 1}). Convert it to UTF-8.") from None


def check_texts(texts: Sequence[str], where: str, blank: bool = False) -> None:
    """Refuses what no tokenizer takes and, unless `blank`, what says nothing."""
    for text in texts:
        if not blank and not text.strip():
            raise InputError(f"{where}: a text is blank. Remove the line, or give the text that it lacks.")
        if fault := text_fault(text):
            raise InputError(f"{where}: a text {fault}")
