"""The results of one or more runner commands, as sections of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...languages import language_label
from ...pages.model import MARK, Block, Code, Line, Notes, Phrase, Picture, Section, Table, Text, difference
from ...results.figures import FIGURE_CAPTION, scores_by_language
from ...results.format import Difference
from ...results.notes import table_notes
from ...results.results import Results
from ...results.tables import score_text, system_label
from ...scoring.metrics import average_title, get_metric
from ...statistics.comparisons import THRESHOLD, adjust_p_values
from ...statistics.formatting import percent, seeds_note


def overview(runs: Sequence[tuple[str, Results]]) -> Section | None:
    """One line for each fused system of all results, corrected for their number; None if there are no differences.

    Args:
        runs: The place of each command's results, as the user named it, and the results.
    """
    lines = [
        (source, results, system, difference)
        for source, results in runs
        for system, difference in results.require_summary().differences.items()
        if "macro_target" in difference.values
    ]
    if not lines:
        return None
    entries = [compared.values["macro_target"].to_dict() for *_, compared in lines]
    adjust_p_values([entries])
    rows = []
    for (source, results, system, compared), entry in zip(lines, entries, strict=True):
        rows.append(
            (
                results.described_task.title,
                system,
                results.model_name_or_path,
                f"{len(compared.seeds)}",
                percent(results.scores[compared.baseline]["macro_target"]),
                percent(results.scores[system]["macro_target"]),
                _difference(Difference.from_dict(entry)),
                source,
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
        f"{MARK} and bold: p <= {THRESHOLD} after Holm's correction for all lines. A line without the mark is "
        "evidence neither of a difference nor of equality: look at how far its interval reaches.",
        *seeds_note(min(len(compared.seeds) for *_, compared in lines)),
    ]
    return Section("Overview", (table, Notes(tuple(notes))))


def run_section(source: str, results: Results) -> Section:
    """Lay out one command's results.

    Args:
        source: The place of the results, as the user named it.
        results: The results.
    """
    metric = get_metric(results.metric)
    blocks: list[Block] = [
        Text(
            f"Encoder {results.model_name_or_path}, trained on {', '.join(results.seen)}; results from "
            f"{source}, finished {results.created}."
        ),
        _averages_table(results),
        _language_table(results),
        Picture(
            "scores",
            f"{metric.title} of every system in every language, and differences to the baseline, with intervals; the "
            "tables hold the numbers.",
            FIGURE_CAPTION,
            lambda: scores_by_language(results),
        ),
        Notes(tuple(table_notes(results, marked=f"{MARK} and bold"))),
        Text("Command:"),
        Code(results.command),
    ]
    return Section(f"{results.described_task.title}: {metric.title} by language, {source}", tuple(blocks))


def _averages_table(results: Results) -> Table:
    summary, keys, source = results.require_summary(), results.averages, results.source_language
    rows: list[tuple[Line, ...]] = [
        (
            system_label(name, system),
            ", ".join(map(str, system.seeds)),
            score_text(system.validation),
            *(score_text(system.values[key]) for key in keys),
        )
        for name, system in summary.systems.items()
    ]
    for name, compared in summary.differences.items():
        seeds, label = ", ".join(map(str, compared.seeds)), f"{name} minus {compared.baseline}"
        rows.append((label, seeds, "-", *(_difference(compared.values[key]) for key in keys)))
    header = ("system", "seeds", f"{source} validation", *(average_title(key, results.seen) for key in keys))
    return Table("Averages over languages, in percent", header, tuple(rows))


def _language_table(results: Results) -> Table:
    summary = results.require_summary()
    header = ["language"]
    columns: list[list[Line]] = []
    codes = [code for code in results.shown if code not in results.averages]
    for name, system in summary.systems.items():
        header.append(system_label(name, system))
        columns.append([score_text(system.values[code]) for code in codes])
        if compared := summary.differences.get(name):
            header.append(f"{name} minus {compared.baseline}")
            columns.append([_difference(compared.values[code]) for code in codes])
    rows = zip(map(language_label, codes), *columns, strict=True)
    return Table("Every language, in percent", tuple(header), tuple(rows))


def _difference(value: Difference) -> Phrase:
    return difference(value.to_dict(), strong=value.stands_out)
