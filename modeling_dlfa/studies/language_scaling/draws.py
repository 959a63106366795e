"""Scores of several systems on the same resampled examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...results.counts import RunCounts
from ...results.results import Results
from ...scoring.metrics import get_metric
from ...statistics.resampling import resampled_scores


@dataclass(frozen=True)
class Draws:
    """Scores of several systems on the same resamples.

    Attributes:
        by_seed: For each system the S x L scores of its seeds, on all examples.
        resampled: For each system R x L scores of resampled examples, averaged over the seeds.
    """

    by_seed: dict[str, NDArray[np.float64]]
    resampled: dict[str, NDArray[np.float64]]


def draw_scores(results: Results, counts: RunCounts, seeds: tuple[int, ...], *, n_resamples: int, seed: int) -> Draws:
    """Resample the target-language scores of all systems that have these seeds, on the same draws.

    Args:
        results: The results.
        counts: For each run's name and each language the (N, K) counts of the metric.
        seeds: The training seeds.
        n_resamples: Bootstrap resamples of the examples.
        seed: Seed of the bootstrap.
    """
    systems = [system for system in results.systems if set(seeds) <= set(results.seeds_of(system))]
    by_system = [results.stacked(counts, system, seeds) for system in systems]
    observed, resampled = resampled_scores(
        {code: np.stack([stacked[code] for stacked in by_system]) for code in results.targets},
        metric=get_metric(results.metric),
        aligned=results.require_summary().bootstrap.aligned,
        n_resamples=n_resamples,
        seed=seed,
    )
    return Draws(
        {system: observed[:, index].T for index, system in enumerate(systems)},
        {system: resampled[:, :, index].mean(axis=-1) for index, system in enumerate(systems)},
    )
