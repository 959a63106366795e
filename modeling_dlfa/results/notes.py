"""The notes that readers of a results table need, as sentences."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..scoring.classes import MACRO_F1, metric_title
from ..scoring.metrics import Metric, get_metric
from ..statistics.formatting import method_note, percent, seeds_note

if TYPE_CHECKING:
    from .format import RunsSummary
    from .results import Results


def table_notes(results: Results, marked: str) -> list[str]:
    """Write the notes that readers of a table need, one or two sentences each.

    Args:
        results: The results.
        marked: How the table marks differences that are significant after the correction, such as `"Bold"`.
    """
    summary, source = results.require_summary(), results.source_language
    systems, differences = summary.systems, summary.differences
    seeds = {name: system.seeds for name, system in systems.items()}
    spread = "mean ± standard deviation over" if max(map(len, seeds.values())) > 1 else "of"
    metric = get_metric(results.metric)
    notes = [f"{metric.title.capitalize()} in percent, {spread} {_per_system(seeds)}."]
    seen = " and ".join(results.seen)
    if any("transfer_gap" in system.values for system in systems.values()):
        notes.append(f"The targets are all languages except {seen}; transfer gap: {source} minus their average.")
    elif results.targets:
        notes.append(f"Seen in training: {seen}. The targets are all other languages.")
    notes += _interval_notes(summary, metric, marked)
    if any(system.baseline for system in systems.values()):
        for name, system in systems.items():
            if not system.baseline and name not in differences:
                notes.append(f"{name} shares no seed with the baseline, so no difference is given.")
    notes += _shards(results)
    notes += _beside(results, metric)
    notes += _data(results)
    families = [f"{family} ({', '.join(codes)})" for family, codes in results.families]
    notes.append(f"Languages by family: {', '.join(families)}.")
    notes.append(f"Selection: {results.selection}.")
    collapsed = [run for system in systems.values() for run in system.collapsed]
    if collapsed:
        notes.append(f"Collapsed runs (nearly always one label), included in the averages: {', '.join(collapsed)}.")
    else:
        notes.append("Collapsed runs (nearly always one label): none.")
    notes += _attempts(results)
    return notes


def _attempts(results: Results) -> list[str]:
    """Name the runs that were repeated, and those that validation ended early."""
    notes = []
    repeated = [
        f"{run.name} ({'; '.join(str(attempt['reason']) for attempt in run.failed_attempts)}; trained with seed "
        f"{run.trained_with['seed']} and {run.trained_with['warmup_steps']} warm-up steps)"
        for run in results.runs
        if run.failed_attempts and run.trained_with
    ]
    if limit := results.recipe.get("retry_collapsed"):
        listed = ", ".join(repeated) or "none"
        notes.append(f"Runs that were repeated because they failed, at most {limit} times each: {listed}.")
    if patience := results.recipe.get("early_stopping_patience"):
        stopped = [
            f"{run.name} after {run.train.steps}" for run in results.runs if run.train and run.train.stopped_early
        ]
        listed = f"{', '.join(stopped)} steps" if stopped else "none"
        notes.append(f"Runs that ended early, after {patience} validations without a better score: {listed}.")
    return notes


def _shards(results: Results) -> list[str]:
    """Say that the results were merged from shards, and what differs between the shards."""
    if not results.shards:
        return []
    first, *others = results.shards
    unlike = ["versions of libraries"] * any(shard.versions != first.versions for shard in others)
    unlike += ["hardware"] * any(shard.hardware != first.hardware for shard in others)
    differ = f" The shards differ in {' and '.join(unlike)} (see results.json)." if unlike else ""
    return [f"Merged from {len(results.shards)} shards of the runs.{differ}"]


def _interval_notes(summary: RunsSummary, metric: Metric, marked: str) -> list[str]:
    """Say how the recorded intervals were computed."""
    differences, bootstrap = summary.differences, summary.bootstrap
    notes = seeds_note(min(len(system.seeds) for system in summary.systems.values()))
    if not differences:
        return notes
    one, several = ("example", "examples") if metric.kind == "sequence" else ("sentence", "sentences")
    seeds = {name: entry.seeds for name, entry in differences.items()}
    baseline = next(iter(differences.values())).baseline
    notes.append(f"Difference to {baseline}, in points, paired by seed ({_per_system(seeds)}) and {one}.")
    trained = max(map(len, seeds.values())) > 1
    notes.append(method_note(bootstrap.n_resamples, several, aligned=bootstrap.aligned, seeds=trained))
    notes.append(
        f"{marked}: p <= {summary.intervals.threshold} after Holm's correction, over all "
        f"{summary.intervals.comparisons} differences in languages, and over {len(differences)} in each average."
    )
    return notes


def _data(results: Results) -> list[str]:
    """Name the origin and the number of the examples; the task's name alone does not say whose they are."""
    metric = get_metric(results.metric)
    unit = "rows" if metric.kind == "sequence" else "sentences"
    sources = {"train": results.data.train, "validation": results.data.validation}
    named = [
        f"{split} {source.source} ({source.rows:,} {unit}{f'; {source.drawn}' if source.drawn else ''})"
        for split, source in sources.items()
        if source
    ]
    tested = sorted({source.source for source in results.data.test.values()})
    if tested:
        named.append(f"test {tested[0]}" + (f" to {tested[-1]}" if len(tested) > 1 else ""))
    notes = [f"Data: {'; '.join(named)}."] if named else []
    if results.data.train_by_language:
        rows = [f"{code} {source.rows:,}" for code, source in results.data.train_by_language.items()]
        notes.append(f"Of the training {unit}: {', '.join(rows)}.")
    notes.append(f"{_sizes(results, 'n', 'Test examples' if metric.words is None else 'Test sentences')}.")
    if metric.words is not None:
        notes.append(f"{_sizes(results, 'words', 'Test words')}.")
    if results.languages_without_file:
        notes.append(f"Skipped, no test file: {', '.join(results.languages_without_file)}.")
    return notes


def _sizes(results: Results, key: str, what: str) -> str:
    sizes = {code: getattr(results.runs[0].test[code], key) for code in results.languages}
    if len(set(sizes.values())) == 1:
        return f"{what}: {next(iter(sizes.values())):,} in each language"
    return f"{what}: {', '.join(f'{code} {size:,}' for code, size in sizes.items())}"


def _beside(results: Results, metric: Metric) -> list[str]:
    """Give the averages of the scores beside the metric; their values per language are in `results.json`."""
    notes = []
    recorded = results.runs[0].test[results.languages[0]].scores
    for name in (*metric.beside, *(name for name in (MACRO_F1,) if name in recorded and name != metric.name)):
        means = {
            system: statistics.fmean(
                run.test[code].scores[name] for run in results.runs_of(system) for code in results.languages
            )
            for system in results.systems
        }
        listed = ", ".join(f"{system} {percent(mean)}" for system, mean in means.items())
        of_words = " of words" if metric.kind == "token" and name in metric.beside else ""
        notes.append(
            f"For comparison, {metric_title(name)}{of_words} in percent, averaged over languages and seeds: {listed}."
        )
    return notes


def _per_system(seeds: Mapping[str, Sequence[int]]) -> str:
    """`seeds 1, 2` if all systems have the same, else the seeds of each system."""

    def listed(values: Sequence[int]) -> str:
        return f"{'seed' if len(values) == 1 else 'seeds'} {', '.join(map(str, values))}"

    if len({tuple(values) for values in seeds.values()}) == 1:
        return listed(next(iter(seeds.values())))
    return "; ".join(f"{name}: {listed(values)}" for name, values in seeds.items())
