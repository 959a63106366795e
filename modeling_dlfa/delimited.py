"""Rows of CSV and TSV files, one at a time, with their places."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from .errors import InputError

# One limit for the whole process, 131,072 characters unless it is raised; a C long has 32 bits on Windows.
_LONGEST_FIELD = 2**31 - 1


class DelimitedRows:
    """Rows behind a header; after a broken one, the next can be asked for.

    Args:
        lines: Numbers and texts of the lines, with their ends.
        source: Name of the input, for messages.
        tabs: Whether it is tab-separated without quoting; else comma-separated with the usual quoting, which may
            enclose line ends.

    Attributes:
        header: The first row; None in an empty input.

    Raises:
        InputError: A row is malformed; the message names the line on which it begins.
    """

    def __init__(self, lines: Iterable[tuple[int, str]], source: str, *, tabs: bool) -> None:
        csv.field_size_limit(_LONGEST_FIELD)
        self._source, self._tabs = source, tabs
        self._first: int | None = None
        # Not a generator, which would be at its end after an error.
        texts: Iterator[str] = map(self._count, lines)
        if tabs:
            self._reader = csv.reader(texts, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            self._reader = csv.reader(texts, strict=True)
        self.header = next((row for _, row in self._rows()), None)

    def __iter__(self) -> DelimitedRows:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        """Returns the number of a row's first line and its fields, none for a blank line."""
        place, row = next(self._rows())
        if row and len(row) != len(self.header or ()):
            separated = "tab-separated, without quoting" if self._tabs else "comma-separated"
            raise InputError(
                f"{self._source}, line {place}: malformed, {len(row)} fields where the header has "
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
