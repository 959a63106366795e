"""Runs the benchmarks one after the other and writes what they find."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modeling_dlfa.errors import InputError
from modeling_dlfa.files.writing import write_json, write_text
from modeling_dlfa.studies.folder import is_study, study_folder

from . import evaluation, fusion, loading, prediction, training
from .machine import describe
from .report import Row, markdown
from .settings import Settings
from .workload import Workload

BENCHMARKS: dict[str, Callable[[Workload], Iterator[Row]]] = {
    "fusion": fusion.measure,
    "training": training.measure,
    "evaluation": evaluation.measure,
    "loading": loading.measure,
    "prediction": prediction.measure,
}
STUDY, RECORD, TABLE = "benchmark", "bench.json", "bench.md"


def run(settings: Settings) -> dict[str, Any]:
    """Measures, prints the table and writes `bench.json` and `bench.md`, anew after each benchmark.

    Returns:
        What `bench.json` holds.

    Raises:
        InputError: Wrong input, or an earlier benchmark in the output directory, before anything is measured.
        RuntimeError: A process of a benchmark failed.
    """
    names = settings.only or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise InputError(f"--only {unknown[0]} does not exist; choose from {', '.join(BENCHMARKS)}.")
    settings.check()
    files, overwrite = (RECORD, TABLE), settings.overwrite
    output = study_folder(
        settings.output_dir, files, "a benchmark", lambda path: is_study(path, STUDY), overwrite=overwrite
    )
    output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    results: dict[str, Any] = {"study": STUDY, "machine": describe(settings)}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=output) as folder:
        workload = Workload(settings, Path(folder))
        for name in names:
            before = time.perf_counter()
            rows.extend(BENCHMARKS[name](workload))
            print(f"{name}: {time.perf_counter() - before:.0f} s", flush=True)
            results["machine"]["seconds"] = round(time.perf_counter() - started)
            results["rows"] = [{**asdict(row), "met": row.met} for row in rows]
            write_json(output / RECORD, results)
            write_text(output / TABLE, markdown(rows, results["machine"]))
    print(markdown(rows, results["machine"]))
    return results
