"""The record of the study as it lies on disk, and how the report reads it."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import InputError
from ..report.model import Section
from ..report.report import StudyReader
from .sections import scaling_sections

STUDY, RECORD, REPORT = "language_scaling", "language_scaling.json", "language_scaling.md"


def read_sections(file: Path, prefix: str) -> list[Section]:
    """Read a study and lay it out.

    Args:
        file: Its `language_scaling.json`.
        prefix: Of the pictures' names, before `-scaling`.

    Raises:
        InputError: It is not one.
    """
    try:
        study = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {file} ({error}). Write it again.") from error
    if not isinstance(study, dict) or study.get("study") != STUDY:
        raise InputError(f"{file} is not what `dlfa scaling` writes. Write it again.")
    return scaling_sections(study, f"{prefix}-scaling")


READER = StudyReader(RECORD, REPORT, read_sections)
