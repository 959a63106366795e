"""Loading: `from_pretrained` of ours and of transformers' own classifier, in this process and in new ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from transformers import BertForSequenceClassification

from modeling_dlfa import DlfaForSequenceClassification

from .processes import python
from .report import Row, bytes_row, time_row
from .timing import compare, interleave
from .workload import Workload

LOAD_GOAL, MEMORY_GOAL = 1.1, 1.02
CLASSES: dict[str, Any] = {"plain": BertForSequenceClassification, "dlfa": DlfaForSequenceClassification}
STATUS = Path("/proc/self/status")  # Of Linux. It holds the most memory that a program had resident, in KiB.
START = """
{imported}
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained({folder!r}).eval()
{told}
"""
PEAK = f"print(open('{STATUS}').read().partition('VmHWM:')[2].split()[0])"


def measure(workload: Workload) -> Iterator[Row]:
    """Compares loading; the files are in the system's cache, since they have just been written."""
    rounds, starts = workload.settings.amount("rounds"), workload.settings.amount("starts")
    folders = {"dlfa": workload.folder / "last", "plain": workload.plain_checkpoint}
    workload.dlfa(fusion="last").save_pretrained(folders["dlfa"])
    loads = {name: partial(CLASSES[name].from_pretrained, folder) for name, folder in folders.items()}
    seconds = compare(loads, rounds)
    title = "from_pretrained of the same weights, in a running process"
    yield time_row("loading", title, seconds["dlfa"], seconds["plain"], "Bert", LOAD_GOAL, "low")
    peaks: dict[str, int] = {}

    def start(name: str, folder: Path) -> float:
        code = START.format(
            imported="import modeling_dlfa" if name == "dlfa" else "",
            folder=str(folder),
            told=PEAK if STATUS.is_file() else "print(0)",
        )
        taken, printed = python(["-c", code])
        peaks[name] = 1024 * int(printed.split()[-1])
        return taken

    folders["dlfa"] = workload.dlfa_checkpoint
    seconds = interleave({name: partial(start, name, folder) for name, folder in folders.items()}, starts)
    title = "a process that imports and loads, the gate's weights included"
    yield time_row("loading", title, seconds["dlfa"], seconds["plain"], "Bert", better="low")
    if peaks["plain"]:
        title = "peak resident memory of that process"
        yield bytes_row("loading", title, peaks["dlfa"], peaks["plain"], "Bert", MEMORY_GOAL)
