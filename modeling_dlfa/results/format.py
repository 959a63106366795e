"""The format of `results.json`: its version, and how it is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.writing import read_json, write_json

FORMAT = 2  # Counts up where a field changes its meaning or goes: with 2, intervals hold with few seeds.
FILE = "results.json"
_FIELDS = {"runs", "metric", "languages", "source_language"}


def read_results(path: str | Path) -> tuple[dict[str, Any], Path]:
    """Read `results.json`.

    Args:
        path: An output directory of `dlfa train`, or the file.

    Returns:
        What it holds, and the folder that it lies in.

    Raises:
        InputError: There is none, it is not ours, or a later version of the package wrote it.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    content = read_json(file)
    if not isinstance(content, dict) or not _FIELDS <= content.keys():
        raise InputError(f"{file} is not what `dlfa train` writes. Give the output directory of a finished command.")
    version = content.get("schema_version", 1)  # The earliest files have none.
    if not isinstance(version, int) or version > FORMAT:
        raise InputError(
            f"{file} has format {version}; this version of modeling_dlfa reads formats up to {FORMAT}. Update it: "
            "pip install --upgrade modeling-dlfa."
        )
    return content, file.parent


def write_results(path: Path, content: Mapping[str, Any]) -> None:
    """Write `results.json`, whole or not at all."""
    write_json(path, dict(content))
