"""Evaluating every language: one pass of our runner against a run of the official path for each language."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .harness import Measure, interleave
from .machine import NO_BF16, has_fast_bf16
from .processes import BENCH, ROOT, python
from .report import Row, Skipped, time_row
from .training import on_device
from .workload import Workload

FP32_GOAL, BF16_GOAL = 2.2, 5.0
WHOLE = 2490  # Rows of XNLI's development set in each language.


@dataclass(frozen=True)
class Pass:
    """A process that has evaluated.

    Attributes:
        seconds: Of the whole process.
        predicting: Seconds of them that it predicted, which grow with the rows; the rest is start and loading.
        peak: Most memory that it had resident, in bytes.
    """

    seconds: float
    predicting: float
    peak: int

    def with_rows(self, times: float) -> float:
        """Returns the seconds of the process with so many times the rows."""
        return self.seconds + (times - 1) * self.predicting


def evaluate_official(workload: Workload, language: str, rows: int) -> Pass:
    """Evaluates one language by the official path."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        arguments = ["--model_name_or_path", workload.plain_checkpoint, "--eval_file", workload.test_files[language]]
        arguments += ["--language", language, "--max_eval_samples", rows, "--do_eval", "True", "--output_dir", folder]
        arguments += ["--report_to", "none", "--disable_tqdm", "True", *on_device(workload.settings)]
        finished = python([BENCH / "official.py", *map(str, arguments)])
        results = json.loads((Path(folder) / "eval_results.json").read_text(encoding="utf-8"))
    return Pass(finished.seconds, results["eval_runtime"], finished.peak)


def evaluate_ours(workload: Workload, languages: list[str], rows: int, *more: str) -> Pass:
    """Evaluates languages in one pass of our runner."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        output = Path(folder) / "run"
        arguments = ["--model_name_or_path", workload.dlfa_checkpoint, "--test_file", workload.settings.test_file]
        arguments += ["--languages", *languages, "--max_test_samples", rows, "--output_dir", output]
        arguments += ["--do_train", "False", "--do_eval", "False", "--disable_tqdm", "True"]
        finished = python([ROOT / "examples/run_xnli.py", *map(str, arguments), *on_device(workload.settings), *more])
        results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    return Pass(finished.seconds, results["runs"][0]["prediction"]["seconds"], finished.peak)


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Compares whole processes: start, loading, tokenising, predicting, writing."""
    scale, languages = workload.settings.scale, workload.languages
    measured = languages[:: max(1, len(languages) // scale.official_languages)][: scale.official_languages]
    times = len(languages) / len(measured)
    whole: dict[str, list[float]] = {}

    def official() -> float:
        passes = [evaluate_official(workload, code, scale.rows) for code in measured]
        whole.setdefault("official", []).append(times * sum(entry.with_rows(WHOLE / scale.rows) for entry in passes))
        return times * sum(entry.seconds for entry in passes)

    def ours(kind: str, *more: str) -> float:
        entry = evaluate_ours(workload, languages, scale.rows, *more)
        whole.setdefault(kind, []).append(entry.with_rows(WHOLE / scale.rows))
        return entry.seconds

    systems: dict[str, Measure] = {"official": official, "fp32": partial(ours, "fp32")}
    if has_fast_bf16(workload.settings.torch_device):
        systems["bf16"] = partial(ours, "bf16", "--bf16_full_eval", "True")
    else:
        yield Skipped("evaluation, bf16", NO_BF16)
    _ = workload.plain_checkpoint, workload.dlfa_checkpoint
    seconds = interleave(systems, scale.process_effort, warm_up=0)
    stated = f"The official path ran for {len(measured)} of {len(languages)} languages ({' '.join(measured)})"
    stated += ", times the quotient." if len(measured) < len(languages) else "."
    for kind, goal in (("fp32", FP32_GOAL), ("bf16", BF16_GOAL)):
        if kind not in systems:
            continue
        label = f"{len(languages)} official runs in fp32"
        title = f"{len(languages)} languages × {scale.rows} rows, {kind}"
        yield time_row("evaluation", title, seconds[kind], seconds["official"], label, note=stated)
        yield time_row(
            "evaluation",
            f"{len(languages)} languages × {WHOLE} rows, {kind}",
            whole[kind],
            whole["official"],
            label,
            goal,
            note=f"Extrapolated, both alike, from {scale.rows} rows: start + rows × the Trainer's own rate.",
        )
