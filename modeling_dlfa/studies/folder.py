"""The folder of a study: what an earlier one left there may be replaced, what is not ours may not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files.folders import named_folder


def study_folder(
    name: str | os.PathLike,
    files: Sequence[str],
    what: str,
    is_ours: Callable[[Path], bool],
    *,
    overwrite: bool,
    option: str = "--output_dir",
) -> Path:
    """Returns the folder in which a study may write.

    Args:
        name: As the user gave it.
        files: What will be written there; the first tells whose they are.
        what: What they are, with its article.
        is_ours: Whether that first file is of an earlier study of this kind.
        overwrite: Whether such a one may be replaced.
        option: Where the folder was named.

    Raises:
        InputError: It holds one and `overwrite` is not wished, or files of these names that are not ours; or see
            `folders.named_folder`.
    """
    folder = named_folder(name, option)
    there = [file for file in files if (folder / file).exists()]
    if there and not is_ours(folder / files[0]):
        raise InputError(
            f"{folder} holds {', '.join(there)}, which this command did not write. They stay as they are: move "
            f"them, or name another {option}."
        )
    if there and not overwrite:
        raise InputError(f"{folder} holds {what}. Name another {option}, or replace it with --overwrite.")
    return folder


def check_own_study(folder: Path, study: str, title: str, option: str) -> None:
    """Refuses to replace a JSON file and Markdown of a study's name that the study did not write; its own may go.

    Args:
        folder: Where they lie.
        study: Its name, which is theirs.
        title: What the first line of its Markdown ends with.
        option: Where the folder was named.

    Raises:
        InputError: See `study_folder`.
    """

    def is_report(path: Path) -> bool:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        return bool(lines) and lines[0].endswith(title)

    owners = {f"{study}.json": lambda path: is_study(path, study), f"{study}.md": is_report}
    for file, is_ours in owners.items():
        study_folder(folder, [file], "a study", is_ours, overwrite=True, option=option)


def is_study(path: Path, name: str) -> bool:
    """Returns whether a file is the JSON of a study of this name."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("study") == name


def check_pictures(pictures: Iterable[Path], record: Path) -> None:
    """Refuses to replace pictures that no earlier study wrote.

    Args:
        pictures: What will be written, in a folder beside the record.
        record: A file of an earlier study, where there was one, that names its pictures.

    Raises:
        InputError: One is there that the record does not name.
    """
    text = record.read_text(encoding="utf-8") if record.is_file() else ""
    for picture in pictures:
        # A picture may lie there in several formats, of which one is named.
        if picture.exists() and f"{picture.parent.name}/{picture.stem}." not in text:
            raise InputError(f"{picture} is not of an earlier study. Move it, or name another --output_dir.")
