"""One page from any set of results: of training, of studies that give sections, and what others wrote as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...files.folders import locked
from ...files.writing import write_text
from ...results.results import Results, load_results
from ..folder import study_folder
from .html import to_html
from .markdown import read_markdown, to_markdown, write_pictures
from .model import Section
from .run_section import overview, run_section

MARK = '<meta name="generator" content="modeling_dlfa">'  # In every page of ours.


@dataclass(frozen=True)
class StudyReader:
    """How a study's record becomes sections; the report itself knows no study.

    Attributes:
        record: Name of the file with the study's numbers.
        markdown: Name of what the study writes of the same numbers, which the sections replace.
        sections: From the record, and a beginning for the pictures' names, to the sections.
    """

    record: str
    markdown: str
    sections: Callable[[Path, str], list[Section]]


def build_report(sources: Sequence[str | Path], readers: Sequence[StudyReader] = ()) -> list[Section]:
    """Read results and lay them out.

    A source is an output directory or a file: `results.json` of training (with `predictions/` beside it the
    intervals of older versions are computed anew), the record of a study, or the Markdown of any other study, with
    its pictures. In a directory all of them are looked for.

    Args:
        sources: Directories and files, in the order of the sections.
        readers: Of the studies that give sections rather than Markdown.

    Raises:
        InputError: A source has none of it, or is broken.
    """
    runs: list[tuple[str, Results]] = []
    sections: list[Section] = []
    for number, source in enumerate(map(Path, sources), start=1):
        name, found = f"part{number}", len(sections)
        for file in _files(source, readers):
            reader = next((reader for reader in readers if reader.record == file.name), None)
            if reader is not None:
                sections += reader.sections(file, name)
            elif file.suffix == ".md":
                sections += read_markdown(file, f"{name}-{file.stem}")
            else:
                runs.append((str(source), _read_run(file)))
                sections.append(run_section(*runs[-1], f"{name}-scores"))
        if len(sections) == found:
            raise InputError(f"{source} is empty. Give results that were written to the end.")
    first = overview(runs)
    return [first, *sections] if first is not None else sections


def _files(source: Path, readers: Sequence[StudyReader]) -> list[Path]:
    """The files of a source that become sections."""
    own_markdown = {"results.json": "results.md", **{reader.record: reader.markdown for reader in readers}}
    if source.is_dir():
        read = [source / name for name in own_markdown if (source / name).is_file()]
        known = {own_markdown[file.name] for file in read} | {"README.md"}
        found = [*read, *sorted(file for file in source.glob("*.md") if file.name not in known)]
    else:
        found = [source] if source.is_file() and source.suffix in (".json", ".md") else []
    if not found:
        raise InputError(
            f"{source} holds no results: no {', '.join(own_markdown)} or Markdown. Give the output directory of a "
            "finished command."
        )
    return found


def _read_run(file: Path) -> Results:
    results = load_results(file)
    results.require_summary()
    complete = results.targets and (file.parent / "predictions").is_dir()
    return results.with_counts()[0] if complete else results


def write_report(title: str, sections: Sequence[Section], folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write `report.html`, which needs no other file, `report.md` and its `figures/`.

    Args:
        title: Of the report.
        sections: Of `build_report`.
        folder: Where to; made if absent.
        overwrite: Whether to replace an earlier report.

    Returns:
        The page.

    Raises:
        InputError: There is a report already and `overwrite` is not wished, or something that is not ours.
    """
    folder = check_free(folder, overwrite=overwrite)
    page = to_html(title, sections)
    with locked(folder):
        write_pictures(sections, folder / "figures", folder / "report.md")
        write_text(folder / "report.html", page)
        write_text(folder / "report.md", to_markdown(title, sections))
    return folder / "report.html"


def check_free(folder: str | Path, *, overwrite: bool) -> Path:
    """Refuse to replace a report, or what is not one.

    Returns:
        The folder.

    Raises:
        InputError: As `write_report`.
    """
    return study_folder(folder, ("report.html", "report.md"), "a report", _is_report, overwrite=overwrite)


def _is_report(page: Path) -> bool:
    return page.is_file() and MARK in page.read_text(encoding="utf-8", errors="replace")
