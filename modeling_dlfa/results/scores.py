"""What a study of finished runs starts from: the counts of every run, and scores of resampled examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..scoring.metrics import get_metric
from ..statistics.resampling import resampled_scores
from ..statistics.summary import check_runs, summarise_runs
from ..tasks import recorded_task
from .directory import OutputDirectory
from .format import read_results
from .predictions import read_predictions

Counts = Mapping[str, Mapping[int, Mapping[str, "NDArray[np.int64]"]]]


@dataclass(frozen=True)
class Draws:
    """Scores of several systems on the same resamples.

    Attributes:
        by_seed: For each system the S x L scores of its seeds, as they are.
        resampled: For each system R x L scores of resampled examples, means over the seeds.
    """

    by_seed: dict[str, NDArray[np.float64]]
    resampled: dict[str, NDArray[np.float64]]


@dataclass
class ScoredRuns:
    """The runs of one `results.json`, with their per-example counts.

    Attributes:
        results: What `results.json` holds.
        counts: For each system, seed and language the (N, K) counts of the metric, rows in test file order.
        aligned: Whether row i is the same example in every language.
        folder: Where the results lie; None for those that were never written.
    """

    results: Mapping[str, Any]
    counts: Counts
    aligned: bool
    folder: Path | None = None
    _cache: dict[tuple[Any, ...], Draws] = field(default_factory=dict, repr=False)

    @property
    def targets(self) -> list[str]:
        """The languages that had no labels in training, in the order of the results."""
        return [code for code in self.results["languages"] if code != self.results["source_language"]]

    @property
    def baseline(self) -> str | None:
        """Name of the baseline; None without one."""
        return next((run["system"] for run in self.results["runs"] if run["baseline"]), None)

    @property
    def fused(self) -> list[str]:
        """The other systems, in the order of their fusion layers."""
        layers = {
            run["system"]: [layer + 0.5 if layer < 0 else layer for layer in run.get("fusion_layers") or ()]
            for run in self.results["runs"]
            if not run["baseline"]
        }
        return sorted(layers, key=lambda system: (layers[system], system))

    def seeds(self, *systems: str) -> tuple[int, ...]:
        """The seeds that all these systems have."""
        return tuple(sorted(set.intersection(*(set(self.counts[system]) for system in systems))))

    def draws(
        self, seeds: tuple[int, ...], *, n_resamples: int, seed: int, languages: Sequence[str] | None = None
    ) -> Draws:
        """Resample the scores of all systems that have these seeds, on the same draws.

        Args:
            seeds: Training seeds.
            n_resamples: Number of resamples.
            seed: Of the bootstrap.
            languages: Which, in the order wanted; the targets if None.
        """
        languages = self.targets if languages is None else list(languages)
        key = (seeds, n_resamples, seed, *languages)
        if key not in self._cache:
            systems = [system for system in self.counts if set(seeds) <= set(self.counts[system])]
            stacked = {
                code: np.stack([[self.counts[system][one][code] for one in seeds] for system in systems])
                for code in languages
            }
            metric = get_metric(self.results["metric"])
            observed, resampled = resampled_scores(
                stacked, metric=metric, aligned=self.aligned, n_resamples=n_resamples, seed=seed
            )
            self._cache[key] = Draws(
                {system: observed[:, index].T for index, system in enumerate(systems)},
                {system: resampled[:, :, index].mean(axis=-1) for index, system in enumerate(systems)},
            )
        return self._cache[key]


def load_scored_runs(path: str | Path) -> ScoredRuns:
    """Read the results of a runner's command and the predictions that lie beside them.

    The intervals of results written before version 2 are computed anew.

    Args:
        path: An output directory, or its `results.json`.

    Raises:
        InputError: There are none, they are broken, were not tested, or the predictions are missing or contradict
            the scores.
    """
    results, folder = read_results(path)
    if "summary" not in results or not results["languages"]:
        raise InputError(f"{path} holds no scores of test languages. Predict them (--do_predict True).")
    task, output, metric = recorded_task(results), OutputDirectory(folder), get_metric(results["metric"])
    by_name: dict[str, dict[str, NDArray[np.int64]]] = {}
    for run in results["runs"]:
        by_name[run["name"]] = {}
        for code in results["languages"]:
            file = output.predictions(run["name"], code)
            if not file.is_file():
                raise InputError(
                    f"{file} is missing: intervals need the predictions, which the runner writes beside results.json. "
                    "Give its whole output directory."
                )
            try:
                entry = read_predictions(file, task)
            except (KeyError, ValueError, IndexError) as error:
                raise InputError(f"{file} holds no {task.title} predictions ({error!r}). Predict again.") from error
            by_name[run["name"]][code] = metric.counts(entry.predictions, entry.references, task.labels)
    aligned = results["summary"]["bootstrap"]["aligned"]
    scored = scored_runs(results, by_name, aligned=aligned, folder=folder)
    if "intervals" not in results["summary"]:
        results["summary"] = summarise_runs(results, by_name, metric=metric, aligned=aligned)
    return scored


def scored_runs(
    results: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, NDArray[np.int64]]],
    *,
    aligned: bool,
    folder: Path | None = None,
) -> ScoredRuns:
    """Check runs and their counts, and arrange them by system and seed.

    Args:
        results: What `results.json` holds.
        counts: For each run's name and each language the (N, K) counts.
        aligned: Whether row i is the same example in every language.
        folder: Where the results lie.

    Raises:
        InputError: The counts contradict the scores, a seed is there twice, there is no target language, or the test
            sets of two runs differ.
    """
    check_runs(results["runs"], counts, results["languages"], get_metric(results["metric"]))
    systems: dict[str, dict[int, Mapping[str, NDArray[np.int64]]]] = {}
    for run in results["runs"]:
        systems.setdefault(run["system"], {})[run["seed"]] = counts[run["name"]]
    for code in results["languages"]:
        if len({len(counts[run["name"]][code]) for run in results["runs"]}) > 1:
            raise InputError(f"The runs were tested on different data in {code}; test all on the same.")
    scored = ScoredRuns(results, systems, aligned, folder)
    if not scored.targets:
        raise InputError(f"Only {results['source_language']} was tested, the language of the labels; test others.")
    return scored
