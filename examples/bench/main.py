"""Runs the benchmarks one after the other and writes what they find."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modeling_dlfa.errors import InputError
from modeling_dlfa.files.folders import named_folder
from modeling_dlfa.files.writing import write_json, write_text

from . import evaluation, fusion, options, prediction, profiles, scaling, startup, sweep, training
from .machine import describe
from .report import Row, Skipped, document, markdown
from .settings import Settings
from .workload import Workload

BENCHMARKS: dict[str, Callable[[Workload], Iterator[Row | Skipped]]] = {
    "fusion": fusion.measure,
    "training": training.measure,
    "evaluation": evaluation.measure,
    "startup": startup.measure,
    "prediction": prediction.measure,
    "options": options.measure,
    "scaling": scaling.measure,
    "sweep": sweep.measure,
    "profile": profiles.measure,
}
LONG = ("sweep", "profile")  # Measured in a full run, or where it is asked for.


def run(settings: Settings) -> dict[str, Any]:
    """Measures what is wished, prints the table, and writes `bench.json` and `bench.md`.

    What a benchmark has found is on disk before the next one starts.

    Returns:
        What `bench.json` holds.

    Raises:
        InputError: Wrong input, before anything is measured.
        RuntimeError: A process of a benchmark failed.
    """
    names = settings.only or [name for name in BENCHMARKS if settings.full or name not in LONG]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise InputError(f"--only {unknown[0]} does not exist; choose from {', '.join(BENCHMARKS)}.")
    settings.check()
    output = named_folder(settings.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    skipped: list[Skipped] = []
    results: dict[str, Any] = {}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=output) as folder:
        workload = Workload(settings, Path(folder))
        machine = describe(settings.torch_device) | {"size": settings.size, "full": settings.full}
        for name in names:
            before = time.perf_counter()
            for found in BENCHMARKS[name](workload):
                if isinstance(found, Row):
                    rows.append(found)
                else:
                    skipped.append(found)
            print(f"{name}: {time.perf_counter() - before:.0f} s", flush=True)
            machine["seconds"] = round(time.perf_counter() - started)
            results = document(rows, skipped, machine)
            write_json(output / "bench.json", results)
            write_text(output / "bench.md", markdown(rows, skipped, machine))
    print(markdown(rows, skipped, machine))
    return results
