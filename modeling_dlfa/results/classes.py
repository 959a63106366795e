"""The page of scores by label: precision and recall in every language, and which labels are taken for which."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files.writing import write_text
from ..languages import language_label
from ..pages.model import Line, Section, Table, Text
from ..pages.rendering import to_markdown
from ..statistics.formatting import percent

if TYPE_CHECKING:
    from .format import Evaluation
    from .results import Results

CLASSES_FILE = "classes.md"


def write_classes(results: Results, output_dir: str | Path) -> None:
    """Writes `classes.md` into `output_dir`; nothing where scores by label were not recorded.

    Args:
        results: The results.
        output_dir: An existing folder or one to create.
    """
    if all(entry.classes for run in results.runs for entry in run.test.values()):
        text = to_markdown(_sections(results), f"{results.title or results.task}: scores by label")
        write_text(Path(output_dir, CLASSES_FILE), text)


def _sections(results: Results) -> list[Section]:
    languages = [code for _, codes in results.families for code in codes]
    labels = results.described_task.labels
    names = list(results.runs[0].test[languages[0]].classes or {})
    unit = "labels" if names == list(labels) else "entities"
    rows: list[tuple[Line, ...]] = []
    matrices: list[Section] = []
    for code in languages:
        tables = []
        for system in results.systems:
            entries = [run.test[code] for run in results.runs_of(system)]
            rows.append((language_label(code), system, *(_both(entries, name) for name in names)))
            found = [np.array(entry.confusion) for entry in entries if entry.confusion]
            if not found:
                continue
            confusion = np.sum(found, axis=0)
            counts = [(label, *(f"{count:,}" for count in row)) for label, row in zip(labels, confusion, strict=True)]
            tables.append(Table("", (system, *labels), tuple(counts)))
        if tables:
            matrices.append(Section(language_label(code), tuple(tables)))
    told = (
        f"Precision / recall of the {unit} in percent, averaged over the seeds; F1 and how often each occurs are in "
        "results.json."
    )
    confused = (
        "Below, how often the label of each row was predicted as that of each column, summed over the seeds"
        f"{' (of words)' if unit == 'entities' or results.kind == 'token' else ''}."
    )
    table = Table("", ("", "system", *names), tuple(rows))
    last = (Text(confused),) if matrices else ()
    return [Section("Precision and recall", (Text(told), table, *last)), *matrices]


def _both(entries: Sequence[Evaluation], name: str) -> str:
    own = [entry.classes[name] for entry in entries if entry.classes]
    return " / ".join(percent(statistics.fmean(one[part] for one in own)) for part in ("precision", "recall"))
