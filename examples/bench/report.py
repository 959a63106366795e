"""What was measured as one table, in Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modeling_dlfa.pages.model import Heading, Notes, Section, Table

from .timing import Ratio, ratio


@dataclass(frozen=True)
class Row:
    """One comparison, or why there is none.

    Attributes:
        group: Which benchmark it belongs to.
        name: What was measured.
        ours: Our own value, with its unit.
        theirs: What it is compared with: its name and value.
        ratio: Of the two; None where nothing was measured.
        goal: Of the ratio; None where there is none.
        better: Whether a high ratio is good (they are so many times slower) or a low one (our share of theirs).
        note: How it was measured, or why it was not.
    """

    group: str
    name: str
    ours: str = "not measured"
    theirs: str = ""
    ratio: Ratio | None = None
    goal: float | None = None
    better: Literal["high", "low"] = "high"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; None without a goal."""
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio.median >= self.goal if self.better == "high" else self.ratio.median <= self.goal

    def cells(self) -> list[str]:
        """Returns the row of the table."""
        shown = ""
        if self.ratio is not None:
            spread = f" ({self.ratio.low:.3g}–{self.ratio.high:.3g}; {self.ratio.rounds})"
            shown = (
                f"{self.ratio.median:.{2 if self.better == 'high' else 3}f}×{spread if self.ratio.rounds > 1 else ''}"
            )
        goal = "" if self.goal is None else f"{'≥' if self.better == 'high' else '≤'} {self.goal:g}×"
        met = {True: "yes", False: "no", None: ""}[self.met]
        return [f"{self.group}: {self.name}", self.ours, self.theirs, shown, goal, met]


def time_row(
    group: str,
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    label: str,
    goal: float | None = None,
    better: Literal["high", "low"] = "high",
    note: str = "",
) -> Row:
    """Returns the comparison of two systems' seconds, one value a round; `label` says what theirs are."""
    times = ratio(theirs, ours) if better == "high" else ratio(ours, theirs)
    shown = [
        f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
        for value in map(statistics.median, (ours, theirs))
    ]
    return Row(group, name, shown[0], f"{label}: {shown[1]}", times, goal, better, note)


def bytes_row(group: str, name: str, ours: int, theirs: int, label: str, goal: float) -> Row:
    """Returns the comparison of two numbers of bytes, of which less is better."""
    shown = [f"{count / 2**20:.1f} MiB" for count in (ours, theirs)]
    return Row(group, name, shown[0], f"{label}: {shown[1]}", ratio([ours], [theirs]), goal, "low")


def sections(content: Mapping[str, Any]) -> list[Section]:
    """Lays out what `bench.json` holds: the table, its notes, and what it was measured on."""
    rows = [Row(**{**row, "ratio": row["ratio"] and Ratio(**row["ratio"])}) for row in content["rows"]]
    header = ("benchmark", "ours", "compared with", "ratio (quartiles; rounds)", "goal", "met")
    notes = tuple(f"{row.group}, {row.name}: {row.note}" for row in rows if row.note)
    machine = content["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    facts = tuple(f"{name}: {value}" for name, value in (machine | {"versions": versions}).items())
    table = Table("", header, tuple(tuple(row.cells()) for row in rows))
    return [Section("Benchmark", (table, Notes(notes), Heading("Machine"), Notes(facts)))]
