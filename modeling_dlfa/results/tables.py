"""From `results.json` to what a paper prints: two tables and a figure."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.writing import write_text
from ..languages import language_label
from ..pages.model import Block, Code, Line, Notes, Phrase, Picture, Section, Table, Text
from ..pages.rendering import blocks_to_markdown, to_markdown
from ..scoring.metrics import average_title, get_metric, summarise
from ..statistics.formatting import percent, points_interval
from .classes import write_classes
from .figures import FIGURE_CAPTION, plot_scores_by_language, scores_by_language
from .notes import table_notes

if TYPE_CHECKING:
    from .format import Difference, Score, Spread, SystemScores
    from .results import Results

_TEXT_WIDTH = 119
_HEADER_WIDTH = 22
_MAX_LANGUAGES_PER_TABLE = 20


def figure_file(results: Results) -> str:
    """Path of the figure in an output directory."""
    return f"figures/{_figure_name(results)}.png"


def _figure_name(results: Results) -> str:
    return f"{results.metric}_by_language"


def markdown_table(results: Results, run: str | None = None) -> str:
    """Lay out the table for a paper in Markdown, with notes that say how it was computed.

    One row per system and per difference to the baseline; one column per language (by family, source first) and
    average. More than 20 languages are split over several tables, the averages in the first.

    Args:
        results: The results.
        run: Name of a run that gets a separate row, "this model".

    Raises:
        InputError: No language was tested.
    """
    return blocks_to_markdown(_blocks(results, run))


def _blocks(results: Results, run: str | None = None) -> list[Block]:
    """The tables, their notes and the command."""
    summary = results.require_summary()
    averages = results.averages
    languages = [key for key in results.shown if key not in averages]
    own: dict[str, Any] = {}
    if run is not None:
        [record] = [record for record in results.runs if record.name == run]
        own = results.run_scores(record)
        own |= vars(summarise(own, results.seen))
    pieces = max(1, -(-len(languages) // _MAX_LANGUAGES_PER_TABLE))
    blocks = [block.tolist() for block in np.array_split(np.array(languages), pieces)]
    columns = [blocks[0] + averages] if pieces == 1 else [averages, *blocks]
    tables: list[Block] = []
    for keys in columns:
        rows: list[tuple[Line, ...]] = []
        for name, system in summary.systems.items():
            rows.append((system_label(name, system), *(score_text(system.values.get(key)) for key in keys)))
        for name, difference in summary.differences.items():
            cells = (_difference(difference.values.get(key)) for key in keys)
            rows.append((f"{name} minus {difference.baseline}", *cells))
        if own:
            rows.append(((Phrase("this model", strong=True), f", {run}"), *(percent(own[key]) for key in keys)))
        tables.append(
            Table(
                "", ("", *(average_title(key, results.seen) if key in averages else key for key in keys)), tuple(rows)
            )
        )
    notes = Notes(tuple(table_notes(results, marked="Bold")))
    return [*tables, notes, Text("Command:"), Code(results.command)]


def text_table(results: Results, *, notes: bool = True) -> str:
    """Lay out the same table for a terminal: a row per language, at most 119 columns wide.

    Systems that do not fit side by side follow below, each time with the baseline.

    Args:
        results: The results.
        notes: Whether to add the notes that say how the numbers were computed.

    Raises:
        InputError: No language was tested.
    """
    summary = results.require_summary()
    keys, n_averages = results.shown, len(results.averages)
    labels = [average_title(key, results.seen) if key in results.averages else language_label(key) for key in keys]

    baseline: list[list[str]] = []
    groups: list[list[list[str]]] = []
    for name, system in summary.systems.items():
        columns = [[*textwrap.wrap(name, _HEADER_WIDTH), *(score_text(system.values.get(key)) for key in keys)]]
        if difference := summary.differences.get(name):
            cells = [_marked(difference.values.get(key)) for key in keys]
            columns.append([*textwrap.wrap(f"minus {difference.baseline}", _HEADER_WIDTH), *cells])
        if system.baseline:
            baseline = columns
        else:
            groups.append(columns)

    def width(columns: list[list[str]]) -> int:
        return max(map(len, labels)) + sum(2 + max(map(len, cells)) for cells in columns)

    blocks = [list(baseline)]
    for columns in groups:
        if len(blocks[-1]) > len(baseline) and width(blocks[-1] + columns) > _TEXT_WIDTH:
            blocks.append(list(baseline))
        blocks[-1] += columns
    text = [_layout(labels, columns, n_averages) for columns in blocks]
    if notes:
        filled = (
            textwrap.fill(note, _TEXT_WIDTH, subsequent_indent="  ") for note in table_notes(results, marked="*")
        )
        text.append("\n".join(filled))
    return "\n\n".join(text) + "\n"


def _layout(labels: list[str], columns: list[list[str]], n_averages: int) -> str:
    """Set `labels` beside `columns`, whose headers may span several lines, with a rule above the averages."""
    height = max(map(len, columns))
    padded = [[""] * (height - len(cells)) + cells for cells in [labels, *columns]]
    widths = [max(map(len, cells)) for cells in padded]
    justified = [[cell.rjust(width) for cell in cells] for cells, width in zip(padded, widths, strict=True)]
    justified[0] = [cell.ljust(widths[0]) for cell in padded[0]]
    lines = ["  ".join(row).rstrip() for row in zip(*justified, strict=True)]
    rule = "-" * (sum(widths) + 2 * len(columns))
    lines.insert(height - len(labels), rule)
    lines.insert(len(lines) - n_averages, rule)
    return "\n".join(lines)


def system_label(name: str, system: SystemScores) -> str:
    """Returns a system's name, and whether it is the baseline."""
    return f"{name} (baseline)" if system.baseline else name


def score_text(value: Score | Spread | None) -> str:
    """Returns a score in percent with its deviation over the seeds, if there are several."""
    if value is None:
        return "-"
    return percent(value.mean) + ("" if value.std is None else f" ± {percent(value.std)}")


def _difference(value: Difference | None) -> Line:
    if value is None:
        return "-"
    mean, _, limits = points_interval(value.to_dict()).partition(" ")
    return (Phrase(mean, strong=value.stands_out), f" {limits}")


def _marked(value: Difference | None) -> str:
    """The same for a terminal."""
    return "-" if value is None else points_interval(value.to_dict()) + ("*" if value.stands_out else " ")


def write_report(results: Results, output_dir: str | Path) -> None:
    """Write `results.md`, `classes.md` and the figure, such as `figures/accuracy_by_language.png`, into `output_dir`.

    Args:
        results: The results.
        output_dir: An existing folder or one to create.

    Raises:
        InputError: No language was tested; then nothing is written.
    """
    title, encoder = get_metric(results.metric).title, Phrase(results.model_name_or_path, code=True)
    blocks = (
        Text(("Encoder: ", encoder, f". Trained on {', '.join(results.seen)}.")),
        *_blocks(results),
        Picture(
            _figure_name(results),
            f"{title.capitalize()} by language",
            FIGURE_CAPTION,
            lambda: scores_by_language(results),
        ),
    )
    section = Section(f"{results.title or results.task}: {title} by language", blocks)
    plot_scores_by_language(results, Path(output_dir, figure_file(results)))
    write_classes(results, output_dir)
    write_text(Path(output_dir, "results.md"), to_markdown([section], form="png"))
