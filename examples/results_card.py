"""Brings measured results into a card of `model_cards/`: what stands between two marks is written anew, never by hand.

`python examples/results_card.py runs/xnli model_cards/ENCODER-xnli.md --hardware "Two cores of ..."` takes output
directories of the runner in any number. What one makes of the numbers is written around the marks.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.errors import InputError
from modeling_dlfa.files.writing import draft_file, write_text
from modeling_dlfa.pages.model import Table
from modeling_dlfa.pages.rendering import blocks_to_markdown
from modeling_dlfa.results.format import RunRecord, Score, Spread
from modeling_dlfa.results.results import Results, load_results
from modeling_dlfa.results.tables import figure_file, markdown_table, score_text
from modeling_dlfa.scoring.metrics import get_metric

BEGIN, END = "<!-- results: written by examples/results_card.py -->", "<!-- end of results -->"


def results_section(results: Results, picture: str, heading: str) -> str:
    """One command's table, what its systems scored on English validation data, figure, command and versions.

    Args:
        results: The results.
        picture: Where the figure lies, seen from the card.
        heading: Of the section.
    """
    metric, systems = get_metric(results.metric), results.require_summary().systems
    title = metric.title
    tested = (results.source_language, "targets")
    beside = [
        f"{name}{' of words' if metric.kind == 'token' else ''}, {where}" for name in metric.beside for where in tested
    ]
    header = ("", "validation", "average, targets", *beside, "training, seconds a run")
    rows: list[tuple[str, ...]] = []
    for name, system in systems.items():
        runs = results.runs_of(name)
        cells = [_percent(system.validation), _percent(system.values.get("macro_target"))]
        cells += [_beside(runs, other, codes) for other in metric.beside for codes in _languages(results)]
        seconds = [run.train.seconds for run in runs if run.train]
        cells.append(f"{fmean(seconds):,.0f}" if seconds else "")
        rows.append((name, *cells))
    fusing = {run.system for run in results.runs if run.fusion != "last"}
    fused = {name: system for name, system in systems.items() if name in fusing}
    chosen = _best({name: system.validation for name, system in fused.items()})
    oracle = _best({name: system.values.get("macro_target") for name, system in fused.items()})
    selection = [
        f"Selected among the fused systems on {results.source_language} validation data: **{chosen}**."
        if chosen
        else "",
        f"The oracle, which knows the targets' labels: {oracle}." if oracle else "",
    ]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items() if version)
    recipe = ", ".join(f"{name} {value}" for name, value in results.recipe.items() if value is not None)
    parts = [
        f"### {heading}",
        markdown_table(results).rstrip(),
        blocks_to_markdown([Table("", header, tuple(rows))]).rstrip(),
        " ".join(sentence for sentence in selection if sentence),
        f"![{title.capitalize()} by language]({picture})",
        f"Recipe: {recipe}.",
        f"Versions: {versions}. Finished {results.created[:10]}.",
    ]
    return "\n\n".join(part for part in parts if part)


def _languages(results: Results) -> tuple[list[str], list[str]]:
    """The source language, if it was tested, and the targets."""
    return [code for code in results.languages if code == results.source_language], results.targets


def _beside(runs: Sequence[RunRecord], name: str, codes: Sequence[str]) -> str:
    return f"{100 * fmean(run.test[code].scores[name] for run in runs for code in codes):.1f}" if codes else ""


def _percent(value: Score | Spread | None) -> str:
    return "" if value is None else score_text(value)


def _best(values: Mapping[str, Score | Spread | None]) -> str | None:
    known = {name: value.mean for name, value in values.items() if value is not None}
    return max(known, key=lambda name: known[name]) if known else None


def write_between(card: Path, begin: str, end: str, body: str, figures: Mapping[str, Path]) -> None:
    """Replaces what stands between two marks of a card, and copies the figures that it shows beside the card.

    Args:
        card: The card.
        begin: The mark before.
        end: The mark behind.
        body: What to write between them.
        figures: Where each figure lies, by its place seen from the card.

    Raises:
        InputError: The card or its marks are missing, a figure is, or another card shows a figure of that name.
    """
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise InputError(f"{card} must hold the lines {begin} and {end}. Write them where the results shall stand.")
    if missing := [figure for figure in figures.values() if not figure.is_file()]:
        raise InputError(f"There is no figure {missing[0]}. Run its command to the end.")
    for other in sorted(card.parent.glob("*.md")):
        shown = other.read_text(encoding="utf-8") if other != card else ""
        if shared := [name for name in figures if f"({name})" in shown]:
            raise InputError(f"{shared[0]} is a figure of {other}. Rename the directory of the results, or the card.")
    for name, figure in figures.items():
        with draft_file(card.parent / name) as draft:
            shutil.copyfile(figure, draft)
    write_text(card, before + begin + "\n\n" + body + "\n\n" + end + after)


def distinct_names(sources: Sequence[Path]) -> list[str]:
    """Returns the names of directories, with as many of those above before them as tell all apart: `a-out`, `b-out`.

    Raises:
        InputError: One is named twice.
    """
    paths = [source.resolve() for source in sources]
    if len(set(paths)) < len(paths):
        twice = next(source for source, path in zip(sources, paths, strict=True) if paths.count(path) > 1)
        raise InputError(f"{twice} is named more than once. Name each directory once.")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["-".join(part.strip("/\\:") for part in path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def update_card(card: Path, sources: Sequence[Path], hardware: str) -> None:
    """Replaces what stands between the marks of a card, and copies the figures beside it.

    Args:
        card: An existing file with the two marks.
        sources: Output directories of finished commands.
        hardware: A sentence on the machine, which the results cannot know.

    Raises:
        InputError: The card or its marks are missing, or a source has no test scores.
    """
    found = [(source, load_results(source)) for source in sources]
    for _, results in found:
        results.require_summary()
    sections, figures = [], {}
    for (source, results), name in zip(found, distinct_names(sources), strict=True):
        picture = f"figures/{card.stem}{'-' + name if len(found) > 1 else ''}.png"
        figures[picture] = source / figure_file(results)
        encoder = Path(results.model_name_or_path).name
        sections.append(results_section(results, picture, f"{results.title}, `{encoder}` ({name})"))
    write_between(card, BEGIN, END, "\n\n".join([hardware, *sections]), figures)


def main(argv: Sequence[str] | None = None) -> None:
    """Updates the card, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path, metavar="RUN", help="Output directory of a command.")
    parser.add_argument("card", type=Path, help="The card, which holds both marks.")
    parser.add_argument("--hardware", required=True, help="A sentence on the machine.")
    given = parser.parse_args(argv)
    with one_line():
        update_card(given.card, given.sources, given.hardware)


if __name__ == "__main__":
    main()
