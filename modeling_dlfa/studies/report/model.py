"""What a report consists of, whatever it is written as: sections of texts, tables and pictures, all plain text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...statistics import formatting
from ...statistics.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "*"
_SHORT = 32  # characters


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: ClassVar[str] = "notes"


@dataclass(frozen=True)
class Code:
    """A command or other text in which every character counts."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        strong: Whether it stands out.
    """

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: What it shows, a sentence.
        header: Names of the columns.
        rows: As many cells each.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: ClassVar[str] = "table"

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column whether all of its cells are numbers or empty."""
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.header)
        return tuple(all(cell.text[:1] in "+-0123456789" for cell in column) for column in columns)

    @property
    def short(self) -> tuple[bool, ...]:
        """For each column whether its cells should stay on one line."""
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.header)
        return tuple(all(len(cell.text) <= _SHORT for cell in column) for column in columns)


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: Of its file, without ending.
        alt: What one who cannot see it should know.
        caption: What it shows and how to read it.
        content: The file.
        suffix: Its ending: `svg`, `png`, `jpg`, `gif` or `webp`.
        own: Whether we drew it: an SVG of ours may stand inside a page and take its colours.
    """

    name: str
    alt: str
    caption: str
    content: bytes
    suffix: str
    own: bool = False
    kind: ClassVar[str] = "picture"


Block = Heading | Text | Notes | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    """A part of a report with a title of its own."""

    title: str
    blocks: tuple[Block, ...]


def percent(value: float | None) -> str:
    """Return a fraction in percent, with one digit."""
    return "-" if value is None else formatting.percent(value)


def difference(interval: Interval, *, strong: bool = False, digits: int = 1) -> Cell:
    """Return a difference with its interval, in points.

    Args:
        interval: The difference, a fraction.
        strong: Whether it is marked, as what stands after correction for all that the table compares.
        digits: Behind the point.
    """
    return Cell(formatting.points_interval(interval.to_dict(), digits) + (f" {MARK}" if strong else ""), strong)


def picture(name: str, draw: Callable[[], Figure], *, alt: str, caption: str) -> Picture:
    """Draw a figure as SVG; every character of a text is itself (`$` begins no formula).

    Args:
        name: Of the file, without ending.
        draw: Returns the figure.
        alt: See `Picture`.
        caption: See `Picture`.
    """
    import io

    import matplotlib as mpl

    # Letters as paths look the same everywhere; a fixed salt makes the same figure the same file.
    settings: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": name, "text.parse_math": False}
    file = io.BytesIO()
    with mpl.rc_context(settings):
        draw().savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Picture(name, alt, caption, file.getvalue(), "svg", own=True)
