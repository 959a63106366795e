"""From `results.json` to what a paper prints: two tables and a figure."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files.writing import write_text
from ..languages import by_family, get_language
from ..pages.model import Block, Code, Line, Notes, Phrase, Picture, Section, Table, Text
from ..pages.rendering import blocks_to_markdown, to_markdown
from ..scoring.metrics import AVERAGE_TITLES, Metric, get_metric, shown_averages, summarise
from ..statistics.comparisons import stands_out
from ..statistics.formatting import method_note, percent, points_interval, seeds_note
from .figures import FIGURE_CAPTION, plot_scores_by_language, scores_by_language

_TEXT_WIDTH = 119
_HEADER_WIDTH = 22
_MAX_LANGUAGES_PER_TABLE = 20


def figure_file(results: Mapping[str, Any]) -> str:
    """Where in an output directory the figure lies."""
    return f"figures/{_figure_name(results)}.png"


def _figure_name(results: Mapping[str, Any]) -> str:
    return f"{results['metric']}_by_language"


def markdown_table(results: Mapping[str, Any], run: str | None = None) -> str:
    """Lay out the table that a paper would print, in Markdown, with notes that say how it came about.

    A row per system and per difference to the baseline; a column per language (by family, source language first) and
    average. More than 20 languages are split over several tables, the averages in the first.

    Args:
        results: What `results.json` holds, `"summary"` included.
        run: Name of a run that gets a row of its own, "this model".

    Raises:
        InputError: If `results` has no `"summary"`.
    """
    return blocks_to_markdown(_blocks(results, run))


def _blocks(results: Mapping[str, Any], run: str | None = None) -> list[Block]:
    """The tables, their notes and the command."""
    summary = _summary(results)
    languages = [code for _, codes in by_family(results["languages"], results["source_language"]) for code in codes]
    averages = shown_averages(results["languages"], results["source_language"])
    own = _run_scores(results, run) if run is not None else None
    pieces = max(1, -(-len(languages) // _MAX_LANGUAGES_PER_TABLE))
    blocks = [block.tolist() for block in np.array_split(np.array(languages), pieces)]
    columns = [blocks[0] + averages] if pieces == 1 else [averages, *blocks]
    tables: list[Block] = []
    for keys in columns:
        rows: list[tuple[Line, ...]] = []
        for name, system in summary["systems"].items():
            rows.append((system_label(name, system), *(score(value_of(system, key)) for key in keys)))
        for name, difference in summary["differences"].items():
            cells = (_difference(value_of(difference, key)) for key in keys)
            rows.append((f"{name} minus {difference['baseline']}", *cells))
        if own is not None:
            label = (Phrase("this model", strong=True), f", {run}")
            rows.append((label, *(score(value_of(own, key)) for key in keys)))
        tables.append(Table("", ("", *(AVERAGE_TITLES.get(key, key) for key in keys)), tuple(rows)))
    notes = Notes(tuple(table_notes(results, marked="Bold")))
    return [*tables, notes, Text("Command:"), Code(results["command"])]


def text_table(results: Mapping[str, Any], *, notes: bool = True) -> str:
    """Lay out the same table for a terminal: a row per language, at most 119 columns wide.

    Systems that do not fit beside each other follow below, each time with the baseline.

    Args:
        results: What `results.json` holds, `"summary"` included.
        notes: Whether the notes follow that say how the numbers came about.

    Raises:
        InputError: If `results` has no `"summary"`.
    """
    summary = _summary(results)
    languages = [code for _, codes in by_family(results["languages"], results["source_language"]) for code in codes]
    averages = shown_averages(results["languages"], results["source_language"])
    keys = languages + averages
    labels = [*map(language_label, languages), *(AVERAGE_TITLES[name] for name in averages)]

    baseline: list[list[str]] = []
    groups: list[list[list[str]]] = []
    for name, system in summary["systems"].items():
        columns = [[*textwrap.wrap(name, _HEADER_WIDTH), *(score(value_of(system, key)) for key in keys)]]
        if difference := summary["differences"].get(name):
            cells = [_marked(value_of(difference, key)) for key in keys]
            columns.append([*textwrap.wrap(f"minus {difference['baseline']}", _HEADER_WIDTH), *cells])
        if system["baseline"]:
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
    text = [_layout(labels, columns, len(averages)) for columns in blocks]
    if notes:
        filled = (
            textwrap.fill(note, _TEXT_WIDTH, subsequent_indent="  ") for note in table_notes(results, marked="*")
        )
        text.append("\n".join(filled))
    return "\n\n".join(text) + "\n"


def _summary(results: Mapping[str, Any]) -> Mapping[str, Any]:
    summary: Mapping[str, Any] | None = results.get("summary")
    if not summary:
        raise InputError(
            "These results have no summary, so there is nothing to report; predict the test languages "
            "(--do_predict True), or set results['summary'] to what summarise_runs returns."
        )
    return summary


def system_label(name: str, system: Mapping[str, Any]) -> str:
    """Return a system's name, and whether it is the baseline."""
    return f"{name} (baseline)" if system["baseline"] else name


def language_label(code: str) -> str:
    """Return a language's name with its code, as in `German (de)`."""
    name = get_language(code).name
    return code if name == code else f"{name} ({code})"


def _layout(labels: list[str], columns: list[list[str]], n_averages: int) -> str:
    """Set `labels` beside `columns`, whose headers may be of several lines, with a rule above the averages."""
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


def value_of(entry: Mapping[str, Any], key: str) -> Any:
    """Return what a system or a difference has for a language or an average."""
    return entry[key] if key in AVERAGE_TITLES else entry["languages"][key]


def _run_scores(results: Mapping[str, Any], run: str) -> dict[str, Any]:
    """One run's scores, in the form of a system's."""
    [record] = [record for record in results["runs"] if record["name"] == run]
    scores = {code: record["test"][code][results["metric"]] for code in results["languages"]}
    averages = summarise(scores, results["source_language"])

    def entry(value: float | None) -> dict[str, Any] | None:
        return None if value is None else {"mean": value, "std": None}

    return {
        "languages": {code: entry(score) for code, score in scores.items()},
        **{name: entry(getattr(averages, name)) for name in AVERAGE_TITLES},
    }


def score(value: Mapping[str, Any] | None) -> str:
    """Return a mean score in percent, with its standard deviation where there is one."""
    if value is None:
        return "-"
    mean = percent(value["mean"])
    return mean if value["std"] is None else f"{mean} ± {percent(value['std'])}"


def _difference(value: Mapping[str, float] | None) -> Line:
    if value is None:
        return "-"
    mean, _, limits = points_interval(value).partition(" ")
    return (Phrase(mean, strong=stands_out(value)), f" {limits}")


def _marked(value: Mapping[str, float] | None) -> str:
    """The same for a terminal."""
    if value is None:
        return "-"
    return points_interval(value) + ("*" if stands_out(value) else " ")


def table_notes(results: Mapping[str, Any], marked: str) -> list[str]:
    """Say what one must know to read the numbers of a table, a sentence or two a note.

    Args:
        results: What `results.json` holds, `"summary"` included.
        marked: How the table marks differences that stand after the correction, such as `"Bold"`.
    """
    summary, source = results["summary"], results["source_language"]
    systems, differences = summary["systems"], summary["differences"]
    seeds = {name: system["seeds"] for name, system in systems.items()}
    spread = "mean ± standard deviation over" if max(map(len, seeds.values())) > 1 else "of"
    metric = get_metric(results["metric"])
    notes = [f"{metric.title.capitalize()} in percent, {spread} {_per_system(seeds)}."]
    if any(system["transfer_gap"] for system in systems.values()):
        notes.append(f"The targets are all languages but {source}; transfer gap: {source} minus their average.")
    notes += _interval_notes(summary, metric, marked)
    if any(system["baseline"] for system in systems.values()):
        for name, system in systems.items():
            if not system["baseline"] and name not in differences:
                notes.append(f"{name} shares no seed with the baseline, hence no difference.")
    notes += _shards(results)
    notes += _beside(results, metric)
    notes += _data(results)
    families = [f"{family} ({', '.join(codes)})" for family, codes in by_family(results["languages"], source)]
    notes.append(f"Languages by family: {', '.join(families)}.")
    notes.append(f"Selection: {results['selection']}.")
    collapsed = [run for system in systems.values() for run in system["collapsed"]]
    if collapsed:
        notes.append(f"Collapsed runs (one label almost always), counted in the averages: {', '.join(collapsed)}.")
    else:
        notes.append("Collapsed runs (one label almost always): none.")
    return notes


def _shards(results: Mapping[str, Any]) -> list[str]:
    """Say where the runs were trained apart, and on unlike machines."""
    shards = results.get("shards", [])
    unlike = [
        name
        for key, name in (("versions", "versions of libraries"), ("hardware", "hardware"))
        if any(shard[key] != shards[0][key] for shard in shards)
    ]
    differ = f" Between them differ: {' and '.join(unlike)} (results.json)." if unlike else ""
    return [f"Merged from {len(shards)} shards of the runs.{differ}"] if shards else []


def _interval_notes(summary: Mapping[str, Any], metric: Metric, marked: str) -> list[str]:
    """Say how the recorded intervals came about."""
    differences, bootstrap = summary["differences"], summary["bootstrap"]
    notes = seeds_note(min(len(system["seeds"]) for system in summary["systems"].values()))
    if not differences:
        return notes
    one, several = ("example", "examples") if metric.kind == "sequence" else ("sentence", "sentences")
    seeds = {name: entry["seeds"] for name, entry in differences.items()}
    baseline = next(iter(differences.values()))["baseline"]
    notes.append(f"Difference to {baseline}, in points, paired by seed ({_per_system(seeds)}) and {one}.")
    if "intervals" not in summary:
        return [
            *notes,
            "Intervals: percentile bootstrap, as recorded before version 2, not corrected; none is marked.",
        ]
    aligned, resamples = bootstrap["aligned"], bootstrap["n_resamples"]
    notes.append(method_note(resamples, several, aligned=aligned, seeds=max(map(len, seeds.values())) > 1))
    notes.append(
        f"{marked}: p <= {summary['intervals']['threshold']} after Holm's correction for all "
        f"{summary['intervals']['comparisons']} differences in languages, in an average for its {len(differences)}."
    )
    return notes


def _data(results: Mapping[str, Any]) -> list[str]:
    """Name where the examples came from, since the task's name does not say whose they are, and how many they are."""
    metric = get_metric(results["metric"])
    data, unit = results.get("data") or {}, "rows" if metric.kind == "sequence" else "sentences"
    named = [
        f"{split} {data[split]['source']} ({data[split]['rows']:,} {unit})"
        for split in ("train", "validation")
        if data.get(split)
    ]
    tested = sorted({entry["source"] for entry in data.get("test", {}).values()})
    if tested:
        named.append(f"test {tested[0]}" + (f" to {tested[-1]}" if len(tested) > 1 else ""))
    notes = [f"Data: {'; '.join(named)}."] if named else []
    notes.append(f"{_sizes(results, 'n', 'Test examples' if metric.words is None else 'Test sentences')}.")
    if metric.words is not None:
        notes.append(f"{_sizes(results, 'words', 'Test words')}.")
    if results.get("languages_without_file"):
        notes.append(f"Skipped, no test file: {', '.join(results['languages_without_file'])}.")
    return notes


def _sizes(results: Mapping[str, Any], key: str, what: str) -> str:
    sizes = {code: results["runs"][0]["test"][code][key] for code in results["languages"]}
    if len(set(sizes.values())) == 1:
        return f"{what}: {next(iter(sizes.values())):,} in each language"
    return f"{what}: {', '.join(f'{code} {size:,}' for code, size in sizes.items())}"


def _beside(results: Mapping[str, Any], metric: Metric) -> list[str]:
    """Give the averages of the scores that stand beside the metric; the languages' are in `results.json`."""
    notes = []
    for name in metric.beside:
        means = {
            system: statistics.fmean(
                run["test"][code][name]
                for run in results["runs"]
                if run["system"] == system
                for code in results["languages"]
            )
            for system in results["summary"]["systems"]
        }
        listed = ", ".join(f"{system} {percent(mean)}" for system, mean in means.items())
        notes.append(f"Beside it, {name} of words in percent, average over languages and seeds: {listed}.")
    return notes


def _per_system(seeds: Mapping[str, Sequence[int]]) -> str:
    """`seeds 1, 2` where all systems have the same, else for each system its own."""

    def listed(values: Sequence[int]) -> str:
        return f"{'seed' if len(values) == 1 else 'seeds'} {', '.join(map(str, values))}"

    if len({tuple(values) for values in seeds.values()}) == 1:
        return listed(next(iter(seeds.values())))
    return "; ".join(f"{name}: {listed(values)}" for name, values in seeds.items())


def write_report(results: Mapping[str, Any], output_dir: str | Path) -> None:
    """Write `results.md` and the figure, such as `figures/accuracy_by_language.png`, into `output_dir`.

    Args:
        results: What `results.json` holds, `"summary"` included.
        output_dir: An existing folder or one to create.

    Raises:
        InputError: If `results` has no `"summary"`; nothing is written then.
    """
    title, encoder = get_metric(results["metric"]).title, Phrase(results["model_name_or_path"], code=True)
    blocks = [
        Text(("Encoder: ", encoder, f". Trained on {results['source_language']}.")),
        *_blocks(results),
        Picture(
            _figure_name(results),
            f"{title.capitalize()} by language",
            FIGURE_CAPTION,
            lambda: scores_by_language(results),
        ),
    ]
    section = Section(f"{results.get('title', results['task'])}: {title} by language", tuple(blocks))
    plot_scores_by_language(results, Path(output_dir, figure_file(results)))
    write_text(Path(output_dir, "results.md"), to_markdown([section], form="png"))
