"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError


@contextlib.contextmanager
def draft_file(path: Path) -> Iterator[Path]:
    """A file to write that then replaces `path` as a whole, or is removed; parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Writes a file that appears whole or not at all, with line feeds as line ends on every system."""
    with draft_file(path) as draft:
        draft.write_text(content, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file that appears whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, remedy: str = "Give the output directory of a finished command.") -> dict[str, Any]:
    """Reads a JSON file that a command wrote.

    Raises:
        InputError: It is absent or broken; the message ends with the remedy.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}). {remedy}") from error
    return content


# Tabs and line ends, and the backslash itself, become two characters, so that any program can split the rows.
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def escape(text: str) -> str:
    """Returns a text for a tab-separated row, with tabs and line ends escaped."""
    return re.sub(r"[\\\t\n\r]", lambda match: _ESCAPES[match[0]], text)
