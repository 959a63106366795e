"""Which layer one would choose from the scores of a sweep, and how much a choice loses."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from ...errors import InputError
from ...results.counts import RunCounts
from ...results.results import Results
from ...scoring.metrics import get_metric
from ...statistics.comparisons import Comparison, compare_to_baseline


def best_layer(scores: Mapping[str, float]) -> str:
    """Returns the layer with the best score; among equal ones the first, which is the lowest."""
    return ranked_layers(scores)[0]


def ranked_layers(scores: Mapping[str, float]) -> list[str]:
    """Returns the layers from the best score to the worst; equal ones keep their order."""
    return sorted(scores, key=lambda layer: -scores[layer])


def select_layer(results: Results, seed: int | None = None) -> int:
    """Selects the layer with the best mean score on the source language's validation data; the lower if equal.

    Args:
        results: Results of a sweep, tested or not, trained one layer at a time or in one pass.
        seed: The only seed to use; all if None.

    Raises:
        InputError: No run of a single fused layer was validated.
    """
    scores: dict[int, list[float]] = {}
    for run in results.runs:
        if len(run.fusion_layers) == 1 and run.validation and seed in (None, run.seed):
            scores.setdefault(run.fusion_layers[0], []).append(run.validation.scores[results.metric])
    if not scores:
        raise InputError("No layer can be selected: these results hold no validated run that fuses one lower layer.")
    return int(best_layer({str(layer): fmean(values) for layer, values in sorted(scores.items())}))


def regret(results: Results, counts: RunCounts, chosen: str, reference: str) -> Comparison:
    """Compares two layers of a sweep by the average over the target languages, or over all if there are no targets.

    Args:
        results: Results of a tested sweep.
        counts: For each run's name and each language the (N, K) counts of the metric.
        chosen: The layer that was chosen.
        reference: The layer to compare it with.

    Returns:
        Reference minus chosen, in fractions of 1; a loss of zero if they are the same.
    """
    if chosen == reference:
        return Comparison(0.0, 0.0, 0.0, 1.0)
    bootstrap = results.require_summary().bootstrap
    systems = {str(run.fusion_layers[0]): run.system for run in results.runs if len(run.fusion_layers) == 1}
    one, other = (
        results.stacked(counts, system, results.seeds_of(system)) for system in (systems[reference], systems[chosen])
    )
    compared = compare_to_baseline(
        {reference: one},
        other,
        metric=get_metric(results.metric),
        source_language=results.seen,
        aligned=bootstrap.aligned,
        n_resamples=bootstrap.n_resamples,
        seed=bootstrap.seed,
    )[reference]
    return compared["macro_target"] if "macro_target" in compared else compared["macro_all"]
