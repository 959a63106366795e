"""Builds one page from any set of training results and studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...files.folders import locked
from ...files.writing import write_text
from ...pages.model import Picture, Section, pictures_of
from ...pages.rendering import to_html, to_markdown
from ...results.results import Results, load_results
from ..study import Study, check_figures, free_folder, shown_figures
from .run_section import overview, run_section

MARK = '<meta name="generator" content="modeling_dlfa">'  # In every page that we write.
RESULTS = "results.json"


def build_report(sources: Sequence[str | Path], studies: Sequence[Study] = ()) -> list[Section]:
    """Read results and lay them out.

    A source is an output directory or a file: `results.json` of training (with `predictions/` beside it the
    intervals of older versions are recomputed), or the record of a study. A directory is searched for all of
    them.

    Args:
        sources: Directories and files, in the order of the sections.
        studies: The studies whose records are looked for.

    Raises:
        InputError: A source has none of these, or is broken.
    """
    records = (RESULTS, *(study.record for study in studies))
    runs: list[tuple[str, Results]] = []
    sections: list[Section] = []
    for number, source in enumerate(map(Path, sources), start=1):
        for file in _files(source, records):
            study = next((study for study in studies if study.record == file.name or study.wrote(file)), None)
            if study is not None:
                found = study.sections(study.read(file))
            else:
                runs.append((str(source), _read_run(file)))
                found = [run_section(*runs[-1])]
            sections += [_renamed(section, f"part{number}") for section in found]
    first = overview(runs)
    return [first, *sections] if first is not None else sections


def _files(source: Path, records: Sequence[str]) -> list[Path]:
    """The files in a source that become sections."""
    named = [source] if source.suffix == ".json" else [source / name for name in records]
    if found := [file for file in named if file.is_file()]:
        return found
    raise InputError(
        f"{source} contains no results: there is no {' or '.join(records)}. Give the output directory "
        "of a finished command."
    )


def _renamed(section: Section, part: str) -> Section:
    """A section with its pictures renamed so that they differ from those of other sources."""
    named = (
        replace(block, name=f"{part}-{block.name}") if isinstance(block, Picture) else block
        for block in section.blocks
    )
    return replace(section, blocks=tuple(named))


def _read_run(file: Path) -> Results:
    results = load_results(file)
    if results.shard is not None:
        results.shard.refuse(file.parent)
    results.require_summary()
    if results.targets and (file.parent / "predictions").is_dir():
        results.counts()  # Refuses predictions that contradict the scores.
    return results


def write_report(title: str, sections: Sequence[Section], folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write `report.html`, which needs no other file, `report.md` and its `figures/`.

    Args:
        title: Title of the report.
        sections: Sections from `build_report`.
        folder: Where to write; created if missing.
        overwrite: Whether to replace an earlier report.

    Returns:
        The path of the page.

    Raises:
        InputError: A report exists already and may not be replaced, or the folder holds files that are not ours.
    """
    folder = check_free(folder, overwrite=overwrite)
    html = to_html(title, sections)
    with locked(folder):
        figures = {folder / "figures" / f"{picture.name}.svg": picture for picture in pictures_of(sections)}
        check_figures(figures, shown_figures(folder / "report.md"))
        for path, picture in figures.items():
            write_text(path, picture.svg().decode("utf-8"))
        write_text(folder / "report.html", html)
        write_text(folder / "report.md", to_markdown(sections, title))
    return folder / "report.html"


def check_free(folder: str | Path, *, overwrite: bool) -> Path:
    """Refuse to replace an earlier report unless asked to, and any file that is not ours.

    Returns:
        The folder.

    Raises:
        InputError: As for `write_report`.
    """

    def is_ours(file: Path) -> bool:
        page = file.with_suffix(".html")
        return page.is_file() and MARK in page.read_text(encoding="utf-8", errors="replace")

    return free_folder(folder, {"report.html": is_ours, "report.md": is_ours}, "a report", overwrite=overwrite)
