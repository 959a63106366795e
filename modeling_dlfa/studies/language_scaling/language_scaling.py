"""How transfer scales with the number of target languages: scores and gains for n = 1 ... N of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...results.counts import RunCounts
from ...results.results import Results
from ...scoring.metrics import get_metric
from ...statistics.intervals import Estimates, Interval
from ...statistics.over_languages import mean_over_languages, slope_over_languages, slopes
from .contrasts import Pairs, by_script, contrasts
from .draws import Draws, draw_scores
from .orders import Order, grown_sets

STATISTICS = ("mean", "worst", "spread")
TREND_STATISTICS = ("mean", "worst")
_SUBSET_QUANTILES = (0.1, 0.9)
_MIN_LANGUAGES_OF_A_LINE = 4


def statistics_of_sets(values: NDArray[np.float64], sets: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Summarise the scores of K sets of n languages.

    Args:
        values: (..., L) scores.
        sets: (K, n) positions of languages.

    Returns:
        (..., K) means, scores of the worst language, and spreads: the standard deviation between languages (n - 1 in
        the denominator, so that it does not depend on n as a range does), undefined for n = 1.
    """
    picked = values[..., sets]
    found = {"mean": picked.mean(axis=-1), "worst": picked.min(axis=-1)}
    return found | ({"spread": picked.std(axis=-1, ddof=1)} if sets.shape[1] > 1 else {})


def _estimates(draws: Draws, system: str, baseline: str | None, sets: NDArray[np.int64]) -> dict[str, Estimates]:
    """Estimates of each statistic for each set, for a system or for its difference to the baseline."""
    by_seed, resampled = draws.by_seed[system], draws.resampled[system]
    levels = [statistics_of_sets(values, sets) for values in (by_seed.mean(axis=0), resampled, by_seed)]
    if baseline is not None:
        by_seed, resampled = draws.by_seed[baseline], draws.resampled[baseline]
        others = [statistics_of_sets(values, sets) for values in (by_seed.mean(axis=0), resampled, by_seed)]
        levels = [{name: one[name] - two[name] for name in one} for one, two in zip(levels, others, strict=True)]
    observed, drawn, seeds = levels
    return {name: Estimates(observed[name], drawn[name], seeds[name]) for name in observed}


def _points(
    grown: Sequence[Mapping[str, Estimates]], sets: Sequence[NDArray[np.int64]], names: Sequence[str], *, gain: bool
) -> list[dict[str, Any]]:
    """What the results hold for each n: averages over its sets."""
    points: list[dict[str, Any]] = [{"n": some.shape[1], "sets": len(some)} for some in sets]
    for name in names:
        for point, estimates in zip(points, grown, strict=True):
            if name not in estimates:
                continue
            observed = estimates[name].observed
            lows, highs = estimates[name].limits()
            # The mean variance between n random languages does not depend on n; the mean standard deviation does.
            mean = np.sqrt(np.mean(observed**2)) if name == "spread" else observed.mean()
            quantiles = [float(value) for value in np.quantile(observed, _SUBSET_QUANTILES)]
            ends = {"low": float(lows.mean()), "high": float(highs.mean())}
            point[name] = {"mean": float(mean), **ends, "between_sets": quantiles}
            if gain:
                point[name] |= {"above_zero": float((lows > 0).mean()), "below_zero": float((highs < 0).mean())}
    return points


def _average(estimate: Estimates) -> Estimates:
    """The average over all sets of an n, as one statistic."""
    parts = (estimate.observed, estimate.draws, estimate.by_seed)
    return Estimates(*(values.mean(axis=-1, keepdims=True) for values in parts))


def _curve_slope(curve: Sequence[Estimates]) -> Estimates:
    """Least-squares slope of a curve over log2(n), refitted in each resample and seed: change per doubling of n."""
    positions = np.log2(np.arange(1, len(curve) + 1))
    joined = Estimates.joined(curve)
    parts = (joined.observed, joined.draws, joined.by_seed)
    return Estimates(*(slopes(values, positions)[..., None] for values in parts))


def _both(estimate: Estimates, comparisons: int) -> dict[str, Any]:
    [alone] = estimate.intervals()
    [together] = estimate.intervals(comparisons=comparisons)
    return _pair(alone, together)


def _pair(alone: Interval, together: Interval) -> dict[str, Any]:
    return {**alone.to_dict(), "corrected": {"low": together.low, "high": together.high}}


def number_of_trends(orders: Sequence[Order], systems: int, languages: int) -> int:
    """Return how many trends are fitted: those that are not flat by construction, for each fused system."""
    if languages < 2:
        return 0
    curves = sum(len(TREND_STATISTICS) - (len(order.tiers) == 1) for order in orders)
    return systems * (curves + sum(_has_line(order, languages) for order in orders))


def _has_line(order: Order, languages: int) -> bool:
    varies = order.values is not None and len(set(order.values.values())) > 1
    return varies and languages >= _MIN_LANGUAGES_OF_A_LINE


def scale_languages(
    results: Results,
    counts: RunCounts,
    orders: Sequence[Order],
    *,
    comparisons: int,
    max_subsets: int = 100,
    n_resamples: int = 1000,
    seed: int = 0,
    differences: Pairs = (),
) -> dict[str, Any]:
    """Compute all curves for one command's results.

    Args:
        results: The results.
        counts: For each run's name and each language the (N, K) counts of the metric.
        orders: The orders, from `language_orders`.
        comparisons: Number of fused systems from which a reader may pick, those of other results included.
        max_subsets: About how many sets to look at for each n.
        n_resamples: Bootstrap resamples of the examples.
        seed: Seed of the bootstrap and of the sampled sets.
        differences: Pairs of systems, the first minus the second, that `check_pairs` has passed.

    Returns:
        Plain values for JSON. `"scores"` has one point per n for each order and system; `"gains"` has the same for the
        difference to the baseline, paired by seed and example; `"all_languages"` the gain over all N with its interval
        both alone and corrected for `comparisons`; `"trends"` the fitted lines, corrected for their number;
        `"contrasts"` the gains by language and script, and `"differences"` the pairs', see `contrasts`. A point's
        `low` and `high` are the ends of the interval that one set of n languages would give, averaged over the sets;
        its `mean` is the average over the sets, for the spread the root of the mean square.
    """
    targets = results.targets
    sets = {order.name: grown_sets(order, targets, max_subsets=max_subsets, seed=seed) for order in orders}
    draws_of = lru_cache(partial(draw_scores, results, counts, n_resamples=n_resamples, seed=seed))
    baseline, metric = results.baseline, get_metric(results.metric)
    systems = [*([baseline] if baseline else []), *results.fused]
    compared = [system for system in results.fused if baseline and results.seeds_of(baseline, system)]
    scripts = by_script(targets, results.source_language)
    gains = [(system, baseline) for system in compared if baseline]
    entry: dict[str, Any] = {
        "task": results.task,
        "title": results.described_task.title,
        "metric": results.metric,
        "metric_title": metric.title,
        "model_name_or_path": results.model_name_or_path,
        "command": results.command,
        "source_language": results.source_language,
        "targets": targets,
        "aligned": results.require_summary().bootstrap.aligned,
        "baseline": baseline,
        "systems": {
            system: {
                "seeds": list(results.seeds_of(system)),
                "fusion_layers": results.runs_of(system)[0].fusion_layers,
                "collapsed": [run.name for run in results.runs_of(system) if run.collapsed],
            }
            for system in systems
        },
        "orders": [{**asdict(order), "values": order.values} for order in orders],
        "scores": {order.name: {} for order in orders},
        "gains": {order.name: {} for order in orders},
        "all_languages": {},
        "languages": {},
        "trends": [],
        "scripts": scripts,
        "contrasts": contrasts(gains, results, scripts, draws_of),
        "differences": contrasts(differences, results, scripts, draws_of),
        "comparisons": {"systems": comparisons, "trends": number_of_trends(orders, len(compared), len(targets))},
    }
    for system in systems:
        draws = draws_of(results.seeds_of(system))
        for order in orders:
            grown = [_estimates(draws, system, None, some) for some in sets[order.name]]
            entry["scores"][order.name][system] = _points(grown, sets[order.name], STATISTICS, gain=False)
    for system in compared:
        assert baseline is not None
        draws = draws_of(results.seeds_of(baseline, system))
        by_seed = draws.by_seed[system] - draws.by_seed[baseline]
        entry["all_languages"][system] = _all_languages(draws, system, baseline, by_seed, comparisons)
        singles = _estimates(draws, system, baseline, np.arange(len(targets))[:, None])["mean"]
        entry["languages"][system] = {
            code: _pair(alone, together)
            for code, alone, together in zip(
                targets,
                singles.intervals(),
                singles.intervals(comparisons=comparisons * len(targets)),
                strict=True,
            )
        }
        for order in orders:
            grown = [_estimates(draws, system, baseline, some) for some in sets[order.name]]
            entry["gains"][order.name][system] = _points(grown, sets[order.name], TREND_STATISTICS, gain=True)
            entry["trends"] += _trends(order, system, grown, by_seed, targets, entry["comparisons"]["trends"])
    return entry


def _all_languages(
    draws: Draws, system: str, baseline: str, by_seed: NDArray[np.float64], comparisons: int
) -> dict[str, Any]:
    """The gain over all N target languages: for exactly these languages, and for languages like them."""
    languages = by_seed.shape[1]
    estimates = _estimates(draws, system, baseline, np.arange(languages)[None])
    found: dict[str, Any] = {name: _both(estimate, comparisons) for name, estimate in estimates.items()}
    if languages > 1:
        alone, together = (mean_over_languages(by_seed, comparisons=count) for count in (1, comparisons))
        found["further_languages"] = _pair(alone, together)
    return found


def _trends(
    order: Order,
    system: str,
    grown: Sequence[Mapping[str, Estimates]],
    by_seed: NDArray[np.float64],
    targets: Sequence[str],
    comparisons: int,
) -> list[dict[str, Any]]:
    """The lines fitted for one system in one order: over log2(n), and over the languages' values."""
    if len(targets) < 2:
        return []
    found = []
    for name in TREND_STATISTICS:
        # The mean over all sets of n languages does not depend on n: that line is flat whatever the data.
        if name == "mean" and len(order.tiers) == 1:
            continue
        slope = _curve_slope([_average(estimates[name]) for estimates in grown])
        about = {"order": order.name, "system": system, "statistic": name, "over": "log2(n)", "unit": "doubling of n"}
        found.append({**about, **_both(slope, comparisons)})
    if order.values is not None and _has_line(order, len(targets)):
        positions = np.array([order.values[code] for code in targets])
        alone, together = (slope_over_languages(by_seed, positions, comparisons=count) for count in (1, comparisons))
        about = {"order": order.name, "system": system, "statistic": "language", "over": "languages"}
        found.append({**about, "unit": order.unit, **_pair(alone, together)})
    return found
