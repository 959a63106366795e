"""The results of a runner's command, or of several, as sections of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...languages import by_family
from ...pages.model import MARK, Block, Code, Line, Notes, Phrase, Picture, Section, Table, Text, difference
from ...results.figures import FIGURE_CAPTION, scores_by_language
from ...results.tables import language_label, score, system_label, table_notes, value_of
from ...scoring.metrics import AVERAGE_TITLES, get_metric, shown_averages
from ...statistics.comparisons import THRESHOLD, adjust_p_values, stands_out
from ...statistics.formatting import percent, seeds_note
from ...tasks import recorded_task


@dataclass(frozen=True)
class RunResults:
    """One command's results for a report.

    Attributes:
        source: Where they were found, as the user named it.
        results: What `results.json` holds, `"summary"` included.
    """

    source: str
    results: Mapping[str, Any]

    @property
    def compared(self) -> list[str]:
        """The systems that have a difference to the baseline."""
        return list(self.results["summary"]["differences"])


def overview(runs: Sequence[RunResults]) -> Section | None:
    """One line for each fused system of all results, corrected for their number; None without any difference."""
    lines = [
        (run, system)
        for run in runs
        for system in run.compared
        if run.results["summary"]["systems"][system]["macro_target"] and "intervals" in run.results["summary"]
    ]
    if not lines:
        return None
    entries = [dict(run.results["summary"]["differences"][system]["macro_target"]) for run, system in lines]
    adjust_p_values([entries])
    rows = []
    for (run, system), entry in zip(lines, entries, strict=True):
        systems, compared = run.results["summary"]["systems"], run.results["summary"]["differences"][system]
        rows.append(
            (
                recorded_task(run.results).title,
                system,
                str(run.results["model_name_or_path"]),
                f"{len(compared['seeds'])}",
                percent(systems[compared["baseline"]]["macro_target"]["mean"]),
                percent(systems[system]["macro_target"]["mean"]),
                _difference(entry),
                run.source,
            )
        )
    header = ("task", "system", "encoder", "seeds", "baseline", "system's score", "difference", "results")
    several = f"; marks are corrected for all {len(lines)} lines" if len(lines) > 1 else ""
    table = Table(
        f"Average over target languages, in percent, and difference to the last-layer baseline of the same command, "
        f"in points, with 95% intervals{several}",
        header,
        tuple(rows),
    )
    notes = [
        f"{MARK} and bold: p <= {THRESHOLD} after Holm's correction for all lines. A line without the mark is no "
        "evidence of a difference, nor of equality: look at how far its interval reaches.",
        *seeds_note(min(len(run.results["summary"]["differences"][system]["seeds"]) for run, system in lines)),
    ]
    return Section("Overview", (table, Notes(tuple(notes))))


def run_section(run: RunResults) -> Section:
    """Lay out one command's results."""
    results = run.results
    metric = get_metric(results["metric"])
    blocks: list[Block] = [
        Text(
            f"Encoder {results['model_name_or_path']}, trained on {results['source_language']}; results from "
            f"{run.source}, finished {results['created']}."
        ),
        _averages_table(run),
        _language_table(run),
        Picture(
            "scores",
            f"{metric.title} of every system in every language, and differences to the baseline, with intervals; the "
            "tables hold the numbers.",
            FIGURE_CAPTION,
            lambda: scores_by_language(results),
        ),
        Notes(tuple(table_notes(results, marked=f"{MARK} and bold"))),
        Text("Command:"),
        Code(results["command"]),
    ]
    return Section(f"{recorded_task(results).title}: {metric.title} by language, {run.source}", tuple(blocks))


def _averages_table(run: RunResults) -> Table:
    summary = run.results["summary"]
    keys = shown_averages(run.results["languages"], run.results["source_language"])
    rows: list[tuple[Line, ...]] = [
        (
            system_label(name, system),
            ", ".join(map(str, system["seeds"])),
            score(system["validation"]),
            *(score(system[key]) for key in keys),
        )
        for name, system in summary["systems"].items()
    ]
    for name in run.compared:
        entry = summary["differences"][name]
        seeds, label = ", ".join(map(str, entry["seeds"])), f"{name} minus {entry['baseline']}"
        rows.append((label, seeds, "-", *_differences(run, name, keys)))
    source = run.results["source_language"]
    header = ("system", "seeds", f"{source} validation", *(AVERAGE_TITLES[key] for key in keys))
    return Table("Averages over languages, in percent", header, tuple(rows))


def _language_table(run: RunResults) -> Table:
    results, summary = run.results, run.results["summary"]
    header = ["language"]
    columns: list[list[Line]] = []
    codes = [code for _, group in by_family(results["languages"], results["source_language"]) for code in group]
    for name, system in summary["systems"].items():
        header.append(system_label(name, system))
        columns.append([score(system["languages"][code]) for code in codes])
        if name in run.compared:
            header.append(f"{name} minus {summary['differences'][name]['baseline']}")
            columns.append(_differences(run, name, codes))
    rows = zip(map(language_label, codes), *columns, strict=True)
    return Table("Every language, in percent", tuple(header), tuple(rows))


def _differences(run: RunResults, system: str, keys: Sequence[str]) -> list[Line]:
    entry = run.results["summary"]["differences"][system]
    return [_difference(value_of(entry, key)) for key in keys]


def _difference(value: Mapping[str, float]) -> Phrase:
    return difference(value, strong=stands_out(value))
