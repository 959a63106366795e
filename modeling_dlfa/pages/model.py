"""What a page consists of, in any format: sections of texts, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..statistics.formatting import points_interval
from .figures import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "*"
_SHORT = 32  # characters


@dataclass(frozen=True)
class Phrase:
    """A part of a line.

    Attributes:
        text: What it says; no character is treated as markup.
        strong: Whether it stands out.
        code: Whether it is a name or a path, in which every character counts.
    """

    text: str
    strong: bool = False
    code: bool = False


Line = str | Phrase | tuple[str | Phrase, ...]


def phrases(line: Line) -> list[Phrase]:
    """Returns a line's parts."""
    parts = line if isinstance(line, tuple) else (line,)
    return [part if isinstance(part, Phrase) else Phrase(part) for part in parts]


def plain(line: Line) -> str:
    """Returns a line as a terminal shows it."""
    return "".join(phrase.text for phrase in phrases(line))


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: Line
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    items: tuple[Line, ...]
    kind: ClassVar[str] = "notes"


@dataclass(frozen=True)
class Code:
    """A command or other text in which every character counts."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: What it shows, in a sentence; empty if the text before it says so.
        header: Names of the columns.
        rows: Rows with as many cells as the header.

    Raises:
        ValueError: A row has more or fewer cells.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"A row of {len(row)} cells under a header of {len(self.header)}: {row}")

    @property
    def numeric(self) -> list[bool]:
        """For each column whether all its cells are numbers or empty."""
        return [all(text[:1] in "+-0123456789" for text in column) for column in self._columns()]

    @property
    def short(self) -> list[bool]:
        """For each column whether its cells should stay on one line."""
        return [all(len(text) <= _SHORT for text in column) for column in self._columns()]

    def _columns(self) -> Iterator[list[str]]:
        for index in range(len(self.header)):
            yield [plain(row[index]) for row in self.rows]


@dataclass(frozen=True)
class Picture:
    """A figure.

    name: File name without the ending.
        name: Of its file, without ending.
        alt: A description for readers who cannot see it.
        caption: What it shows and how to read it; empty if the text says so.
        draw: Returns the figure; called once per format and theme, with matplotlib's style set for it.
        style: Matplotlib settings in addition to those of `figures`.
    """

    name: str
    alt: str
    caption: str
    draw: Callable[[], Figure]
    style: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "picture"
    _drawn: dict[bool, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def svg(self, *, dark: bool = False) -> bytes:
        """Returns the figure as SVG, for a light or a dark page; drawn once."""
        if dark not in self._drawn:
            self._drawn[dark] = svg(self.draw, self.style, dark=dark)
        return self._drawn[dark]


Block = Heading | Text | Notes | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    """A part of a page with its own title."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def pictures(self) -> list[Picture]:
        """Its pictures, in order."""
        return [block for block in self.blocks if isinstance(block, Picture)]


def pictures_of(sections: Iterable[Section]) -> list[Picture]:
    """Returns the pictures of some sections, in order."""
    return [picture for section in sections for picture in section.pictures]


def difference(value: Mapping[str, float], *, strong: bool = False, digits: int = 1) -> Phrase:
    """Returns a difference with its interval, in points.

    Args:
        value: `mean`, `low` and `high`, fractions.
        strong: Whether it is marked as significant after correction for all that the table compares.
        digits: Digits after the decimal point.
    """
    return Phrase(points_interval(value, digits) + (f" {MARK}" if strong else ""), strong)
