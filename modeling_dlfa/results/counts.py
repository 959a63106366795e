"""From the predictions on disk to the counts of every run, with checks of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..scoring.metrics import get_metric
from .directory import OutputDirectory
from .predictions import read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .results import Results

# For each run's name and each language the (N, K) counts of the metric, rows in test file order.
RunCounts = Mapping[str, Mapping[str, "NDArray[np.int64]"]]


def read_counts(results: Results) -> RunCounts:
    """Counts the predictions of all runs.

    Args:
        results: The results, whose folder holds the predictions; with or without a summary.

    Raises:
        InputError: The results have no folder, or predictions are missing or do not belong to this task.
    """
    if results.folder is None:
        raise InputError(
            "These results were not read from a folder, so they have no predictions. Read them with load_results."
        )
    task, output, metric = results.described_task, OutputDirectory(results.folder), get_metric(results.metric)
    counts: dict[str, dict[str, NDArray[np.int64]]] = {run.name: {} for run in results.runs}
    for name, counted in counts.items():
        for code in results.languages:
            file = output.predictions(name, code)
            if not file.is_file():
                raise InputError(
                    f"{file} is missing: intervals need the predictions, which the runner writes beside results.json. "
                    "Give its whole output directory."
                )
            try:
                entry = read_predictions(file, task)
            except (KeyError, ValueError, IndexError) as error:
                raise InputError(
                    f"{file} does not contain {task.title} predictions ({error!r}). Predict again."
                ) from error
            counted[code] = metric.counts(entry.predictions, entry.references, task.labels)
    return counts


def check_counts(results: Results, counts: RunCounts) -> None:
    """Checks that every run has counts for every language, that they give its scores, and that no seed occurs twice.

    Raises:
        InputError: One of these does not hold, or runs were tested on different data; the message names the run.
    """
    metric, seen = get_metric(results.metric), set()
    for run in results.runs:
        if (run.system, run.seed) in seen:
            raise InputError(f"System {run.system!r} has two runs with seed {run.seed}; keep one of them.")
        seen.add((run.system, run.seed))
        missing = [language for language in results.languages if language not in counts.get(run.name, {})]
        if missing:
            raise InputError(f"Run {run.name!r} has no predictions for {', '.join(missing)}; evaluate it on them.")
        for language, recorded in results.run_scores(run).items():
            counted = float(metric.score(np.asarray(counts[run.name][language]).sum(axis=0)))
            if abs(recorded - counted) > 1e-6:
                raise InputError(
                    f"Run {run.name!r} records {metric.name} {recorded:.6f} for {language}, but its predictions give "
                    f"{counted:.6f}; evaluate it again."
                )
    for language in results.languages:
        if len({len(counts[run.name][language]) for run in results.runs}) > 1:
            raise InputError(
                f"The runs were tested on different data in {language}; test all of them on the same data."
            )
