"""Runs the benchmarks one after the other and writes what they find."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modeling_dlfa.errors import InputError
from modeling_dlfa.pages.rendering import to_markdown
from modeling_dlfa.studies.study import Study

from . import evaluation, fusion, loading, prediction, training, trimming
from .machine import describe
from .report import Row, sections
from .settings import Settings
from .workload import Workload

BENCHMARKS: dict[str, Callable[[Workload], Iterator[Row]]] = {
    "fusion": fusion.measure,
    "glyphs": fusion.measure_glyphs,
    "mixup": fusion.measure_mixup,
    "training": training.measure,
    "evaluation": evaluation.measure,
    "loading": loading.measure,
    "prediction": prediction.measure,
    "trimming": trimming.measure,
}
BENCH = Study("bench", command="make bench", heading="Benchmark", sections=sections)


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
    output = BENCH.folder(settings.output_dir, overwrite=settings.overwrite)
    output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    machine = describe(settings)
    results: dict[str, Any] = {}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=output) as folder:
        workload = Workload(settings, Path(folder))
        for name in names:
            before = time.perf_counter()
            rows.extend(BENCHMARKS[name](workload))
            print(f"{name}: {time.perf_counter() - before:.0f} s", flush=True)
            machine["seconds"] = round(time.perf_counter() - started)
            results = BENCH.write({"machine": machine, "rows": [asdict(row) for row in rows]}, output)
    print(to_markdown(sections(results)))
    return results
