"""From the runs and their per-example counts to every system over its seeds, and its difference from the baseline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..scoring.metrics import get_metric, summarise
from ..statistics.comparisons import THRESHOLD, Comparison, adjusted_entries, compare_to_baseline, score_intervals
from .counts import RunCounts, check_counts
from .format import Bootstrap, Correction, Difference, RunsSummary, Score, Spread, SystemDifferences, SystemScores

if TYPE_CHECKING:
    from .results import Results


def summarise_runs(
    results: Results, counts: RunCounts, *, aligned: bool, n_resamples: int = 2000, seed: int = 0
) -> RunsSummary:
    """Summarises the runs of `results`: each system over its seeds, and its difference from the baseline.

    Collapsed runs count like any other and are named. A difference pairs the runs that share a seed with the
    baseline; a system that shares no seed has no entry in `differences`.

    Args:
        results: The results; their own summary is ignored.
        counts: For each run's name and each language the (N, K) counts of the metric, rows in test file order.
        aligned: Whether row i is the same example in every language. Where the languages' sizes differ, it cannot
            be, and languages are resampled independently; the summary's `bootstrap` says what was done.
        n_resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        Fractions of 1, with 95 % intervals. P-values are adjusted by Holm over all cells of systems and languages, for
        an average over the systems. `std` is the sample standard deviation over seeds, None for one seed. An average
        that does not exist (see `metrics.Summary`) is absent.

    Raises:
        InputError: If there are no runs or two baselines, if a run lacks counts or repeats a seed, or if counts
            contradict the score that the run records.
    """
    languages, runs = list(results.languages), results.runs
    if not runs:
        raise InputError("There are no runs to report; train or evaluate at least one system.")
    # The baseline first, otherwise in order of first appearance.
    systems = list(dict.fromkeys(run.system for run in sorted(runs, key=lambda run: not run.baseline)))
    baselines = list(dict.fromkeys(run.system for run in runs if run.baseline))
    if len(baselines) > 1:
        raise InputError(
            f"Differences need one baseline, but {', '.join(baselines)} are all marked as baselines. Mark one of them."
        )
    check_counts(results, counts)
    aligned = aligned and len({len(counts[run.name][code]) for run in runs for code in languages}) == 1
    options: dict[str, Any] = {"metric": get_metric(results.metric), "source_language": results.seen}
    options |= {"aligned": aligned, "n_resamples": n_resamples, "seed": seed}
    # Systems that share the same seeds with the baseline are compared together, on the same draws.
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in systems:
        paired = results.seeds_of(name, *baselines) if baselines and name not in baselines else ()
        if paired:
            groups.setdefault(paired, []).append(name)
    compared: dict[str, dict[str, Comparison]] = {}
    for seeds, names in groups.items():
        group = {name: results.stacked(counts, name, seeds) for name in names}
        compared |= compare_to_baseline(group, results.stacked(counts, baselines[0], seeds), **options)
    seeds_of = {name: list(seeds) for seeds, names in groups.items() for name in names}
    entries = adjusted_entries({name: compared[name] for name in systems if name in compared}, languages)
    return RunsSummary(
        systems={name: _summarise_system(results, counts, name, options) for name in systems},
        differences={
            name: SystemDifferences(
                baseline=baselines[0],
                seeds=seeds_of[name],
                values={key: Difference.from_dict(value) for key, value in entry.items()},
            )
            for name, entry in entries.items()
        },
        bootstrap=Bootstrap(n_resamples=n_resamples, seed=seed, aligned=aligned),
        intervals=Correction(
            method="Student's t over the seeds plus the bootstrap error of the examples (docs/method.md)",
            correction="holm",
            threshold=THRESHOLD,
            comparisons=len(entries) * len(languages),
        ),
    )


def _summarise_system(results: Results, counts: RunCounts, system: str, options: dict[str, Any]) -> SystemScores:
    runs = results.runs_of(system)
    seeds, scores = [run.seed for run in runs], [results.run_scores(run) for run in runs]
    values = [score | vars(summarise(score, results.seen)) for score in scores]
    intervals = score_intervals(results.stacked(counts, system, seeds), **options)
    validation = [run.validation.scores[results.metric] for run in runs if run.validation]
    return SystemScores(
        baseline=runs[0].baseline,
        runs=len(runs),
        seeds=seeds,
        collapsed=[run.name for run in runs if run.collapsed],
        values={
            key: Score(**interval.to_dict(), std=_std([value[key] for value in values]))
            for key, interval in intervals.items()
        },
        validation=Spread(mean=statistics.fmean(validation), std=_std(validation)) if validation else None,
    )


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
