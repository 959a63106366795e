"""A study in its folder: its record, page and figures. It leaves the files of other studies and of users alone."""

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
    """How the numbers of a study become sections, and where its files lie.

    Attributes:
        name: Name of its files, also used in its record.
        command: The command that writes it.
        heading: Part of the first line of its page, by which the page is recognised.
        sections: Turns the record into the sections.
        title: Title of the page; without it the sections' titles are of the highest level.
        forms: File endings of the figures; the page shows the first.
    """

    name: str
    command: str
    heading: str
    sections: Callable[[Mapping[str, Any]], list[Section]]
    title: str | None = None
    forms: tuple[str, ...] = ("svg",)

    @property
    def record(self) -> str:
        """Name of the file with the numbers."""
        return f"{self.name}.json"

    @property
    def page(self) -> str:
        """Name of the file for readers."""
        return f"{self.name}.md"

    def wrote(self, file: Path) -> bool:
        """Returns whether a file is the record or page of such a study."""
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
            InputError: The file is not the record of this study.
        """
        if not self.wrote(record):
            raise InputError(f"{record} is not what `{self.command}` writes. Run that command again.")
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return content

    def write(self, content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Writes record, page and figures, and replaces those of an earlier study.

        Args:
            content: The numbers.
            folder: The folder, from `folder`.

        Returns:
            The contents of the record: the numbers, the study's name, and `"figures"`, those that the page shows.

        Raises:
            InputError: A figure would replace a file that no earlier study wrote; then nothing is written.
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
        """The earlier study's figures, without endings: those that its record names, otherwise those on its page."""
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
        name: The folder's name, as the user gave it.
        owners: For each file to be written, a check of whether an existing one is from an earlier such command.
        what: What the files are together, with its article.
        overwrite: Whether such files may be replaced.
        option: The option that named the folder.

    Raises:
        InputError: It holds such files and `overwrite` is not set, or files of these names that are not ours; or see
            `folders.named_folder`.
    """
    folder = named_folder(name, option)
    there = [file for file in owners if (folder / file).exists()]
    if strange := [file for file in there if not owners[file](folder / file)]:
        raise InputError(
            f"{folder} contains {', '.join(strange)}, which this command did not write. They stay as "
            f"they are: move them, or choose another {option}."
        )
    if there and not overwrite:
        raise InputError(f"{folder} contains {what}. Choose another {option}, or replace it with --overwrite.")
    return folder


def shown_figures(page: Path) -> set[str]:
    """Returns the figures that a Markdown page of ours shows, without endings; empty if there is no page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return _figures(re.findall(r"\]\(([^)]+)\)", text))


def _figures(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names if re.fullmatch(r"figures/[\w-]+\.\w+", name)}


def check_figures(files: Iterable[Path], earlier: Collection[str]) -> None:
    """Refuses to replace figures that no earlier command wrote.

    Args:
        files: What will be written, in a folder `figures`.
        earlier: The earlier figures, from `shown_figures`.

    Raises:
        InputError: One exists that is not among them.
    """
    for file in files:
        if file.exists() and f"figures/{file.stem}" not in earlier:
            raise InputError(f"{file} does not belong to an earlier study. Move it, or choose another --output_dir.")
