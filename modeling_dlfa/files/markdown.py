"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def pipe_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """Returns a table in Markdown, without a line feed at its end.

    Args:
        header: Names of the columns.
        rows: A cell for each column, in Markdown; a bar in it is escaped.
        text_columns: How many columns, from the left, are not numbers and so not aligned to the right.

    Raises:
        ValueError: A row has another number of cells than the header.
    """
    rule = ["---" if number < text_columns else "---:" for number in range(len(header))]
    lines = [_line(header), _line(rule)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"A row of {len(row)} cells under a header of {len(header)}: {row}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
