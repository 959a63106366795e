"""What was measured as one table, in Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .harness import Ratio, ratio


@dataclass(frozen=True)
class Row:
    """One comparison, or one figure without a counterpart.

    Attributes:
        group: Which benchmark it belongs to.
        name: What was measured.
        ours: Our own value, with its unit.
        theirs: What it is compared with: its name and value.
        ratio: None for a figure that stands alone.
        goal: Of the ratio; None where there is none.
        better: Whether a ratio is good that is high (they are so many times slower) or low (our share of theirs).
        note: How it was measured, where the table's reader must know.
    """

    group: str
    name: str
    ours: str
    theirs: str = ""
    ratio: Ratio | None = None
    goal: float | None = None
    better: Literal["high", "low"] = "high"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; None without a goal."""
        if self.ratio is None or self.goal is None:
            return None
        return self.ratio.median >= self.goal if self.better == "high" else self.ratio.median <= self.goal


@dataclass(frozen=True)
class Skipped:
    """What could not be measured here, and why."""

    group: str
    reason: str


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
    """Returns the comparison of two systems' seconds, a value a round.

    Args:
        group: As in `Row`.
        name: As there.
        ours: Our seconds.
        theirs: Theirs, in the same rounds.
        label: What they are.
        goal: As in `Row`.
        better: `"high"` for how many times slower they are, `"low"` for our share of their time.
        note: As in `Row`.
    """
    times = ratio(theirs, ours) if better == "high" else ratio(ours, theirs)
    compared = f"{label}: {duration(statistics.median(theirs))}"
    return Row(group, name, duration(statistics.median(ours)), compared, times, goal, better, note)


def count_row(group: str, name: str, ours: int, theirs: int, label: str, goal: float | None, note: str = "") -> Row:
    """Returns the comparison of two numbers of bytes, of which less is better."""
    share = ours / theirs
    return Row(group, name, size(ours), f"{label}: {size(theirs)}", Ratio(share, share, share, 1), goal, "low", note)


def duration(seconds: float) -> str:
    """Returns seconds in the unit that reads best."""
    if seconds >= 1:
        return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"
    return f"{1000 * seconds:.1f} ms"


def size(number: float) -> str:
    """Returns bytes in MiB."""
    return f"{number / 2**20:.1f} MiB"


def markdown(rows: Sequence[Row], skipped: Iterable[Skipped], machine: Mapping[str, Any]) -> str:
    """Returns the table, what was left out, and what it was measured on."""
    lines = [
        "| benchmark | ours | compared with | ratio (quartiles; rounds) | goal | met |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    notes = [f"- {row.group}, {row.name}: {row.note}" for row in rows if row.note]
    notes += [f"- {entry.group}: not measured. {entry.reason}" for entry in skipped]
    facts = [f"- {name}: {value}" for name, value in machine.items() if not isinstance(value, Mapping)]
    facts += [
        f"- {name}: " + ", ".join(f"{key} {entry}" for key, entry in value.items())
        for name, value in machine.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([*lines, "", *notes, *([""] if notes else []), *facts]) + "\n"


def _cells(row: Row) -> list[str]:
    ratio, goal = "", ""
    if row.ratio is not None:
        spread = f" ({row.ratio.low:.3g}–{row.ratio.high:.3g}; {row.ratio.rounds})" if row.ratio.rounds > 1 else ""
        ratio = f"{row.ratio.median:.{_digits(row)}f}×{spread}"
    if row.goal is not None:
        goal = f"{'≥' if row.better == 'high' else '≤'} {row.goal:g}×"
    met = {True: "yes", False: "no", None: ""}[row.met]
    return [f"{row.group}: {row.name}", row.ours, row.theirs, ratio, goal, met]


def _digits(row: Row) -> int:
    return 2 if row.better == "high" else 3


def document(rows: Sequence[Row], skipped: Iterable[Skipped], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same as what a JSON file holds."""
    return {
        "schema_version": 1,
        "machine": dict(machine),
        "rows": [{**asdict(row), "met": row.met} for row in rows],
        "not_measured": [asdict(entry) for entry in skipped],
    }
