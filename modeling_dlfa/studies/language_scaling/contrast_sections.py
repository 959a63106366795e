"""Differences by script and by language, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ...languages import SCRIPTS, language_label
from ...pages.model import MARK, Block, Heading, Line, Picture, Table, difference
from ...statistics.comparisons import THRESHOLD, stands_out
from .figures import differences_by_language


def contrast_blocks(entry: Mapping[str, Any], name: str) -> Iterable[Block]:
    """Lay out the gains over the baseline, and the differences that were asked for, by script and by language.

    Args:
        entry: One of the study's results; those of older versions have neither.
        name: Beginning of the names of figures.
    """
    if gains := entry.get("contrasts"):
        yield from _tables(entry["scripts"], gains, [one["system"] for one in gains], f"Gain over {entry['baseline']}")
    if asked := entry.get("differences"):
        yield Heading("Differences of two systems")
        names = [f"{one['system']} minus {one['other']}" for one in asked]
        yield from _tables(entry["scripts"], asked, names, "Difference")
        yield Picture(
            f"{name}-differences",
            f"{', '.join(names)}, in each language; the table holds the numbers.",
            "Differences by language; filled where they stand after correction for all languages of all pairs.",
            partial(differences_by_language, entry),
        )


def _tables(
    scripts: Mapping[str, Sequence[str]], found: Sequence[Mapping[str, Any]], names: Sequence[str], what: str
) -> Iterable[Block]:
    rows: list[tuple[Line, ...]] = [("all target languages", *_cells(one["mean"] for one in found))]
    for script, codes in scripts.items():
        label = f"{script_name(script)} ({', '.join(codes)})"
        rows.append((label, *_cells(one["scripts"][script] for one in found)))
    means = f"for its {len(found)}" if len(found) > 1 else "uncorrected"
    yield Table(
        f"{what}, mean over the languages of each script, in points, with 95% intervals. "
        f"{_marked(found, 'scripts')}, or, in the first row, {means}",
        ("script", *names),
        tuple(rows),
    )
    rows = [
        (language_label(code), script_name(script), *_cells(one["languages"][code] for one in found))
        for script, codes in scripts.items()
        for code in codes
    ]
    yield Table(
        f"{what} in each language, in points, with 95% intervals. {_marked(found, 'languages')}",
        ("language", "script", *names),
        tuple(rows),
    )


def _cells(values: Iterable[Mapping[str, Any]]) -> list[Line]:
    return [difference(value, strong=stands_out(value)) for value in values]


def _marked(found: Sequence[Mapping[str, Any]], key: str) -> str:
    count = sum(len(one[key]) for one in found)
    return f"{MARK} and bold: p <= {THRESHOLD} after Holm's correction for all {count} cells of {key}"


def script_name(code: str) -> str:
    """Return a script's name, or its code; `unknown` without one."""
    return SCRIPTS.get(code, code) or "unknown"
