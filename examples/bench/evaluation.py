"""Evaluating every language: one pass of our runner against a run of the official path for each language."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .harness import Measure, interleave
from .machine import has_fast_bf16
from .processes import BENCH, ROOT, Finished, python
from .report import Row, Skipped, time_row
from .training import on_device
from .workload import Workload

FP32_GOAL, BF16_GOAL = 2.2, 5.0
WHOLE = 2490  # Rows of XNLI's development set in each language.


def evaluate_official(workload: Workload, language: str, rows: int) -> Finished:
    """Evaluates one language by the official path."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        arguments = ["--model_name_or_path", workload.plain_checkpoint, "--eval_file", workload.test_files[language]]
        arguments += ["--language", language, "--max_eval_samples", rows, "--do_eval", "True", "--output_dir", folder]
        arguments += ["--report_to", "none", "--disable_tqdm", "True", *on_device(workload.settings)]
        return python([BENCH / "official.py", *map(str, arguments)])


def evaluate_ours(workload: Workload, languages: list[str], rows: int, *more: str) -> Finished:
    """Evaluates languages in one pass of our runner."""
    with tempfile.TemporaryDirectory(dir=workload.folder) as folder:
        arguments = ["--model_name_or_path", workload.dlfa_checkpoint, "--test_file", workload.settings.test_file]
        arguments += ["--languages", *languages, "--max_test_samples", rows, "--output_dir", Path(folder) / "run"]
        arguments += ["--do_train", "False", "--do_eval", "False", "--disable_tqdm", "True"]
        return python([ROOT / "examples/run_xnli.py", *map(str, arguments), *on_device(workload.settings), *more])


def measure(workload: Workload) -> Iterator[Row | Skipped]:
    """Compares whole processes: start, loading, tokenising, predicting, writing."""
    scale, languages = workload.settings.scale, workload.languages
    measured = languages[:: max(1, len(languages) // scale.official_languages)][: scale.official_languages]

    def official(rows: int) -> float:
        # What comes before the first row is the same for each language.
        codes = measured if rows > 1 else measured[:1]
        seconds = sum(evaluate_official(workload, code, rows).seconds for code in codes)
        return seconds * len(languages) / len(codes)

    def ours(rows: int, *more: str) -> float:
        return evaluate_ours(workload, languages, rows, *more).seconds

    variants: dict[str, tuple[list[str], float]] = {"fp32": ([], FP32_GOAL)}
    if has_fast_bf16(workload.settings.torch_device):
        variants["bf16"] = (["--bf16_full_eval", "True"], BF16_GOAL)
    else:
        yield Skipped("evaluation, bf16", "This processor has no bf16 instructions.")
    # One row a language is what a process costs before it predicts: start, imports, loading.
    systems: dict[str, Measure] = {"official 1": partial(official, 1), "ours 1": partial(ours, 1)}
    systems["official"] = partial(official, scale.rows)
    systems |= {kind: partial(ours, scale.rows, *more) for kind, (more, _) in variants.items()}
    _ = workload.plain_checkpoint, workload.dlfa_checkpoint
    seconds = interleave(systems, scale.process_effort, warm_up=0)
    stated = f"The official path ran for {len(measured)} of {len(languages)} languages ({' '.join(measured)})"
    stated += ", times the quotient." if len(measured) < len(languages) else "."
    whole = {
        name: [
            _extrapolated(one, many, scale.rows)
            for one, many in zip(seconds["official 1" if name == "official" else "ours 1"], seconds[name], strict=True)
        ]
        for name in ("official", *variants)
    }
    for kind, (_, goal) in variants.items():
        yield time_row(
            "evaluation",
            f"{len(languages)} languages × {scale.rows} rows, {kind}",
            seconds[kind],
            seconds["official"],
            "15 official runs in fp32",
            note=stated,
        )
        yield time_row(
            "evaluation",
            f"{len(languages)} languages × {WHOLE} rows, {kind}",
            whole[kind],
            whole["official"],
            "15 official runs in fp32",
            goal,
            note=f"Extrapolated, both alike, by start + rows × rate from 1 and {scale.rows} rows a language.",
        )


def _extrapolated(one: float, many: float, rows: int) -> float:
    return one + (WHOLE - 1) * (many - one) / (rows - 1)
