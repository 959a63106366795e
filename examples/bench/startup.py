"""Start-up: import, `from_pretrained`, first batch, of ours and of transformers' own classifier."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from transformers import BertForSequenceClassification

from modeling_dlfa import DlfaForSequenceClassification

from .harness import Effort, interleave, timed
from .processes import BENCH, python
from .report import Row, count_row, time_row
from .workload import Workload

PARTS = {"import": "import", "load": "from_pretrained", "first": "first batch after loading"}
CLASSES: dict[str, Any] = {"plain": BertForSequenceClassification, "dlfa": DlfaForSequenceClassification}
LOAD_GOAL = 1.1
MEMORY_GOAL = 1.02


def measure(workload: Workload) -> Iterator[Row]:
    """Compares starts; the files are in the system's cache, since they have just been written."""
    folders = {"plain": workload.plain_checkpoint, "dlfa": workload.dlfa_checkpoint}
    found: dict[str, list[dict[str, float]]] = {system: [] for system in folders}

    def start(system: str, folder: Path) -> float:
        finished = python([BENCH / "startup_child.py", system, folder, str(workload.settings.torch_device)])
        found[system].append(json.loads(finished.output.strip().splitlines()[-1]))
        return finished.seconds

    systems = {name: partial(start, name, folder) for name, folder in folders.items()}
    seconds = interleave(systems, workload.settings.scale.process_effort, warm_up=0)
    for part, title in PARTS.items():
        ours, theirs = ([entry[part] for entry in found[name]] for name in ("dlfa", "plain"))
        yield time_row("startup", title, ours, theirs, "Bert", better="low")
    yield time_row("startup", "whole process", seconds["dlfa"], seconds["plain"], "Bert", better="low")
    folders["dlfa"] = workload.folder / "last"
    workload.dlfa(fusion="last").save_pretrained(folders["dlfa"])
    loads = {name: timed(partial(CLASSES[name].from_pretrained, folder)) for name, folder in folders.items()}
    again = interleave(loads, Effort(0, least=7))
    title = "from_pretrained of the same weights, in a running process"
    yield time_row("startup", title, again["dlfa"], again["plain"], "Bert", LOAD_GOAL, better="low")
    peaks = {name: int(statistics.median(entry["peak"] for entry in found[name])) for name in found}
    if all(peaks.values()):
        copies = ", ".join(
            f"{name} {peaks[name] / found[name][0]['weights']:.2f} times its weights" for name in ("dlfa", "plain")
        )
        yield count_row(
            "startup",
            "growth of resident memory while loading",
            peaks["dlfa"],
            peaks["plain"],
            "Bert",
            MEMORY_GOAL,
            note=f"{copies}; what is mapped from the file counts until it is let go.",
        )
