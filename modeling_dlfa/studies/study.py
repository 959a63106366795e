"""A study as it lies in a folder: its record, its page and figures. What another study or a user left there stays."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.folders import named_folder
from ..files.writing import write_json, write_text
from ..pages.figures import write_figure
from ..pages.model import Section, pictures_of
from ..pages.rendering import to_markdown


@dataclass(frozen=True)
class Study:
    """How the numbers of a study become sections, and where they lie.

    Attributes:
        name: Of its files, and in its record.
        command: What writes it.
        heading: A part of the first line of its page, by which the page is known.
        sections: From the record to the sections.
        title: Of the page; without it the sections' titles are of the highest level.
        forms: Endings of the figures' files; the page shows the first.
    """

    name: str
    command: str
    heading: str
    sections: Callable[[Mapping[str, Any]], list[Section]]
    title: str | None = None
    forms: tuple[str, ...] = ("svg",)

    @property
    def record(self) -> str:
        """Name of the file that holds the numbers."""
        return f"{self.name}.json"

    @property
    def page(self) -> str:
        """Name of the file that people read."""
        return f"{self.name}.md"

    def wrote(self, file: Path) -> bool:
        """Returns whether a file is record or page of such a study."""
        if file.name == self.page:
            text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
            return self.heading in text.partition("\n")[0]
        return is_record(file, self.name)

    def folder(self, name: str | os.PathLike, *, overwrite: bool, option: str = "--output_dir") -> Path:
        """Returns the folder in which the study may be written; see `free_folder`."""
        owners = {self.record: self.wrote, self.page: self.wrote}
        return free_folder(name, owners, "a study", overwrite=overwrite, option=option)

    def read(self, record: Path) -> dict[str, Any]:
        """Reads the record.

        Raises:
            InputError: It is not one.
        """
        if not self.wrote(record):
            raise InputError(f"{record} is not what `{self.command}` writes. Write it again.")
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return content

    def write(self, content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Writes record, page and figures in the place of those of an earlier study.

        Args:
            content: The numbers.
            folder: Of `folder`.

        Returns:
            What the record holds: the numbers, whose they are, and `"figures"`, those that the page shows.

        Raises:
            InputError: A figure's name is taken by a file that no earlier study wrote; nothing is written then.
        """
        sections = self.sections(content)
        pictures = {f"figures/{picture.name}": picture for picture in pictures_of(sections)}
        earlier = self._earlier_figures(folder)
        check_figures([folder / f"{name}.{form}" for name in pictures for form in self.forms], earlier)
        shown = [f"{name}.{self.forms[0]}" for name in pictures]
        record = {"schema_version": 1, "study": self.name, **content, "figures": shown}
        write_json(folder / self.record, record)
        for name in earlier - pictures.keys():
            for form in self.forms:
                (folder / f"{name}.{form}").unlink(missing_ok=True)
        for name, picture in pictures.items():
            for form in self.forms:
                write_figure(picture.draw, folder / f"{name}.{form}", picture.style)
        write_text(folder / self.page, to_markdown(sections, self.title, self.forms[0]))
        return record

    def _earlier_figures(self, folder: Path) -> set[str]:
        """The figures of an earlier study, without ending: those that its record names, or failing that its page."""
        record, page = folder / self.record, folder / self.page
        named = self.read(record).get("figures") if self.wrote(record) else None
        if named is not None:
            return _figures(named)
        return shown_figures(page) if self.wrote(page) else set()


def is_record(file: Path, study: str) -> bool:
    """Returns whether a file is the record of a study of this name."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("study") == study


def free_folder(
    name: str | os.PathLike,
    owners: Mapping[str, Callable[[Path], bool]],
    what: str,
    *,
    overwrite: bool,
    option: str = "--output_dir",
) -> Path:
    """Returns the folder in which a command may write.

    Args:
        name: As the user gave it.
        owners: For each file that will be written there what tells whether one is of an earlier command of this kind.
        what: What they are together, with its article.
        overwrite: Whether such a one may be replaced.
        option: Where the folder was named.

    Raises:
        InputError: It holds one and `overwrite` is not wished, or files of these names that are not ours; or see
            `folders.named_folder`.
    """
    folder = named_folder(name, option)
    there = [file for file in owners if (folder / file).exists()]
    if strange := [file for file in there if not owners[file](folder / file)]:
        raise InputError(
            f"{folder} holds {', '.join(strange)}, which this command did not write. They stay as they are: move "
            f"them, or name another {option}."
        )
    if there and not overwrite:
        raise InputError(f"{folder} holds {what}. Name another {option}, or replace it with --overwrite.")
    return folder


def shown_figures(page: Path) -> set[str]:
    """Returns the figures that a Markdown page of ours shows, without ending; none where there is no page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return _figures(re.findall(r"\]\(([^)]+)\)", text))


def _figures(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names if re.fullmatch(r"figures/[\w-]+\.\w+", name)}


def check_figures(files: Iterable[Path], earlier: Collection[str]) -> None:
    """Refuses to replace figures that no earlier command wrote.

    Args:
        files: What will be written, in a folder `figures`.
        earlier: The earlier figures, of `shown_figures`.

    Raises:
        InputError: One is there that is not among them.
    """
    for file in files:
        if file.exists() and f"figures/{file.stem}" not in earlier:
            raise InputError(f"{file} is not of an earlier study. Move it, or name another --output_dir.")
