"""From the runs and their per-example counts to the `"summary"` of `results.json`: every system over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..scoring.metrics import AVERAGES, Metric, get_metric, summarise
from .comparisons import THRESHOLD, Comparison, adjusted_entries, compare_to_baseline, score_intervals
from .intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


def summarise_runs(
    results: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, NDArray[np.int64]]],
    *,
    metric: Metric | str,
    aligned: bool,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Summarise the runs of `results`: each system over its seeds, and its difference to the baseline.

    Collapsed runs count like any other, and are named. A difference pairs the runs that share a seed with the
    baseline; a system that shares none has no entry in `"differences"`.

    Args:
        results: What `results.json` holds, without `"summary"`. Used: `source_language`, `languages`, `runs`.
        counts: For each run's name and each language the (N, K) counts of `metric`, rows in test file order.
        metric: The metric, or its name.
        aligned: Whether row i is the same example in every language. Where the languages' sizes differ, they cannot
            be, and are resampled independently; what was done is in the summary's `"bootstrap"`.
        n_resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        The `"summary"` object, plain Python values: `"systems"` (baseline first; `mean`, `std` and the 95 % interval
        `low`, `high` of every language and average, fractions of 1), `"differences"` (`mean`, interval, `p_value` and
        `p_adjusted`, by Holm over all cells of systems and languages, for an average over the systems), `"bootstrap"`
        (settings of the resampling) and `"intervals"` (how they came about). `std` is the sample standard deviation
        over seeds, `None` for one seed. An average that does not exist (see `metrics.Summary`) is `None`.

    Raises:
        InputError: If there are no runs or two baselines, if a run lacks counts or repeats a seed, or if counts
            contradict the score that the run records.
    """
    metric = get_metric(metric) if isinstance(metric, str) else metric
    source, languages = results["source_language"], list(results["languages"])
    systems = _runs_by_system(results)
    baselines = [name for name, runs in systems.items() if runs[0]["baseline"]]
    if len(baselines) > 1:
        raise InputError(f"Differences need one baseline, but {', '.join(baselines)} are all marked as one.")
    check_runs(results["runs"], counts, languages, metric)
    aligned = aligned and len({len(counts[run["name"]][lang]) for run in results["runs"] for lang in languages}) == 1
    options: dict[str, Any] = {"metric": metric, "source_language": source, "aligned": aligned}
    options |= {"n_resamples": n_resamples, "seed": seed}

    def stacked(runs: Iterable[Mapping[str, Any]]) -> dict[str, NDArray[np.int64]]:
        names = [run["name"] for run in runs]
        return {language: np.stack([counts[name][language] for name in names]) for language in languages}

    # Systems that share the same seeds with the baseline are compared at once, on the same draws.
    by_seed = {run["seed"]: run for run in systems[baselines[0]]} if baselines else {}
    groups: dict[tuple[int, ...], dict[str, Any]] = {}
    for name, runs in systems.items():
        paired = [run for run in runs if run["seed"] in by_seed]
        if paired and name not in baselines:
            groups.setdefault(tuple(run["seed"] for run in paired), {})[name] = stacked(paired)
    compared: dict[str, dict[str, Comparison]] = {}
    for seeds, group in groups.items():
        compared |= compare_to_baseline(group, stacked(by_seed[one] for one in seeds), **options)
    seeds_of = {name: list(seeds) for seeds, group in groups.items() for name in group}
    entries = adjusted_entries({name: compared[name] for name in systems if name in compared}, languages)
    return {
        "systems": {
            name: _summarise_system(runs, score_intervals(stacked(runs), **options), metric, source, languages)
            for name, runs in systems.items()
        },
        "differences": {
            name: {"baseline": baselines[0], "seeds": seeds_of[name], **_arranged(entry, languages)}
            for name, entry in entries.items()
        },
        "bootstrap": {"confidence": 0.95, "n_resamples": n_resamples, "seed": seed, "aligned": aligned},
        "intervals": {
            "method": "Student's t over the seeds plus the bootstrap error of the examples (docs/method.md)",
            "correction": "holm",
            "threshold": THRESHOLD,
            "comparisons": len(entries) * len(languages),
        },
    }


def _runs_by_system(results: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Group the runs by system, baseline first, otherwise in order of first appearance."""
    systems: dict[str, list[Mapping[str, Any]]] = {}
    for run in sorted(results["runs"], key=lambda run: not run["baseline"]):
        systems.setdefault(run["system"], []).append(run)
    if not systems:
        raise InputError("There are no runs to report; train or evaluate at least one system.")
    return systems


def check_runs(
    runs: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, NDArray[np.int64]]],
    languages: Sequence[str],
    metric: Metric,
) -> None:
    """Check that every run has counts for every language, that they give its scores, and that no seed is there twice.

    Args:
        runs: The runs of `results.json`.
        counts: For each run's name and each language the (N, K) counts.
        languages: The languages.
        metric: The metric.

    Raises:
        InputError: One of it is not so; the message names the run.
    """
    seen = set()
    for run in runs:
        name = run["name"]
        if (run["system"], run["seed"]) in seen:
            raise InputError(f"System {run['system']!r} has two runs with seed {run['seed']}; keep one of them.")
        seen.add((run["system"], run["seed"]))
        missing = [language for language in languages if language not in counts.get(name, {})]
        if missing:
            raise InputError(f"Run {name!r} has no predictions for {', '.join(missing)}; evaluate it on them.")
        for language in languages:
            recorded = run["test"][language][metric.name]
            counted = float(metric.score(np.asarray(counts[name][language]).sum(axis=0)))
            if abs(recorded - counted) > 1e-6:
                raise InputError(
                    f"Run {name!r} records {metric.name} {recorded:.6f} for {language}, but its predictions give "
                    f"{counted:.6f}; evaluate it again."
                )


def _summarise_system(
    runs: Sequence[Mapping[str, Any]],
    intervals: Mapping[str, Interval],
    metric: Metric,
    source: str,
    languages: Sequence[str],
) -> dict[str, Any]:
    scores = [{language: run["test"][language][metric.name] for language in languages} for run in runs]
    values = [score | vars(summarise(score, source)) for score in scores]
    entries = {
        key: {**interval.to_dict(), "std": _std([value[key] for value in values])}
        for key, interval in intervals.items()
    }
    validation = [run["validation"][metric.name] for run in runs if run.get("validation")]
    return {
        "baseline": runs[0]["baseline"],
        "runs": len(runs),
        "seeds": [run["seed"] for run in runs],
        "collapsed": [run["name"] for run in runs if run["collapsed"]],
        **_arranged(entries, languages),
        "validation": {"mean": statistics.fmean(validation), "std": _std(validation)} if validation else None,
    }


def _arranged(entries: Mapping[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    """Languages apart from averages; an average that does not exist is None."""
    return {"languages": {code: entries[code] for code in languages}, **{key: entries.get(key) for key in AVERAGES}}


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
