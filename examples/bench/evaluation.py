"""Evaluating every language: one pass of our runner against a run of the official path for each language."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .machine import NO_BF16, has_fast_bf16
from .processes import OFFICIAL, OURS, python
from .report import Row, time_row
from .timing import Measure, interleave
from .training import on_device
from .workload import Workload

GOALS = {"fp32": 2.2, "bf16": 5.0}
WHOLE = 2490  # Rows of XNLI's development set in each language.


def extrapolated(seconds: float, predicting: float, times: float) -> float:
    """Returns what a process would take with so many times the rows, of which only predicting takes longer."""
    return seconds + (times - 1) * predicting


def evaluate_official(workload: Workload, language: str, rows: int) -> tuple[float, float]:
    """Evaluates one language by the official path; returns the process's seconds and those of predicting."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        arguments = ["--model_name_or_path", workload.plain_checkpoint, "--eval_file", workload.test_files[language]]
        arguments += ["--language", language, "--max_eval_samples", rows, "--do_eval", "True", "--output_dir", folder]
        arguments += ["--report_to", "none", "--disable_tqdm", "True", *on_device(workload.settings)]
        seconds, _ = python([OFFICIAL, *arguments])
        results = json.loads((Path(folder) / "eval_results.json").read_text(encoding="utf-8"))
    return seconds, results["eval_runtime"]


def evaluate_ours(workload: Workload, languages: list[str], rows: int, *more: str) -> tuple[float, float]:
    """Evaluates languages in one pass of our runner; returns the process's seconds and those of predicting."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        output = Path(folder) / "run"
        arguments = ["--model_name_or_path", workload.dlfa_checkpoint, "--test_file", workload.settings.test_file]
        arguments += ["--languages", *languages, "--max_test_samples", rows, "--output_dir", output]
        arguments += ["--do_train", "False", "--do_eval", "False", "--disable_tqdm", "True"]
        seconds, _ = python([OURS, *arguments, *on_device(workload.settings), *more])
        results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return seconds, results["runs"][0]["prediction"]["seconds"]


def measure(workload: Workload) -> Iterator[Row]:
    """Compares whole processes: start, loading, tokenising, predicting, writing."""
    settings, languages = workload.settings, workload.languages
    rows = settings.amount("rows")
    measured = languages if settings.full else languages[:1]
    times = len(languages) / len(measured)

    def official() -> float:
        passes = [evaluate_official(workload, code, rows) for code in measured]
        return times * sum(extrapolated(*entry, WHOLE / rows) for entry in passes)

    def ours(*more: str) -> float:
        return extrapolated(*evaluate_ours(workload, languages, rows, *more), WHOLE / rows)

    systems: dict[str, Measure] = {"official": official, "fp32": ours}
    if has_fast_bf16(settings.torch_device):
        systems["bf16"] = partial(ours, "--bf16_full_eval", "True")
    else:
        yield Row("evaluation", "bf16", note=NO_BF16)
    _ = workload.plain_checkpoint, workload.dlfa_checkpoint  # Made before anything is timed.
    seconds = interleave(systems, settings.amount("starts"))
    note = f"Extrapolated, both alike, from {rows} rows: start + rows × the Trainer's own rate."
    note += f" The official path ran for {' '.join(measured)}." if times > 1 else ""
    for kind in list(systems)[1:]:
        title, label = f"{len(languages)} languages × {WHOLE} rows, {kind}", f"{len(languages)} official runs, fp32"
        yield time_row("evaluation", title, seconds[kind], seconds["official"], label, GOALS[kind], note=note)
