"""Which layer one would choose from the scores of a sweep, and what a choice loses."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...scoring.metrics import get_metric
from ...statistics.comparisons import Comparison, compare_to_baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


def best_layer(scores: Mapping[str, float]) -> str:
    """Returns the layer with the best score, of equal ones the first: the lowest."""
    return ranked_layers(scores)[0]


def ranked_layers(scores: Mapping[str, float]) -> list[str]:
    """Returns the layers from the best score to the worst, equal ones in their own order."""
    return sorted(scores, key=lambda layer: -scores[layer])


def select_layer(results: Mapping[str, Any], seed: int | None = None) -> int:
    """Selects the layer with the best mean score on the source language's validation data, the lower of equal ones.

    Args:
        results: What `results.json` of a sweep holds, or what `training.run_task` returns; tested or not, trained a
            layer at a time or in one pass.
        seed: Of which alone; all if None.

    Raises:
        InputError: No run of a single fused layer was validated.
    """
    scores: dict[int, list[float]] = {}
    for run in results["runs"]:
        layers = run["fusion_layers"]
        if len(layers) == 1 and run.get("validation") and seed in (None, run["seed"]):
            scores.setdefault(layers[0], []).append(run["validation"][results["metric"]])
    if not scores:
        raise InputError("No layer can be selected: these results hold no validated run that fuses one lower layer.")
    return int(best_layer({str(layer): fmean(values) for layer, values in sorted(scores.items())}))


def regret(
    results: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, NDArray[np.int64]]],
    chosen: str,
    reference: str,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compares two layers of a sweep by the average over the target languages; all languages without targets.

    Args:
        results: What `results.json` of a tested sweep holds.
        counts: For each run's name and each language the (N, K) counts of the metric.
        chosen: The one layer.
        reference: The other.
        n_resamples: Number of resamples of the examples.
        seed: Seed of the resamples.

    Returns:
        Reference minus chosen, in fractions of 1; nothing lost where they are the same.
    """
    if chosen == reference:
        return Comparison(0.0, 0.0, 0.0, 1.0)
    one, other = (
        {
            code: np.stack(
                [counts[run["name"]][code] for run in results["runs"] if run["fusion_layers"] == [int(layer)]]
            )
            for code in results["languages"]
        }
        for layer in (reference, chosen)
    )
    compared = compare_to_baseline(
        {reference: one},
        other,
        metric=get_metric(results["metric"]),
        source_language=results["source_language"],
        aligned=results["summary"]["bootstrap"]["aligned"],
        n_resamples=n_resamples,
        seed=seed,
    )[reference]
    return compared["macro_target"] if "macro_target" in compared else compared["macro_all"]
