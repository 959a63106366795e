"""`language_scaling.json` as tables and figures, with sentences that say what they show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ...pages.model import (
    MARK,
    Block,
    Code,
    Heading,
    Notes,
    Phrase,
    Picture,
    Section,
    Table,
    Text,
    difference,
)
from ...statistics.formatting import method_note, number, percent, seeds_note
from ..study import Study
from .contrast_sections import contrast_blocks
from .figures import MAX_BANDS, cost_against_n, gains_against_n, gains_by_language, scores_against_n

_STATISTICS = {"mean": "mean", "worst": "worst language", "language": "gain of a language"}


def scaling_sections(study: Mapping[str, Any]) -> list[Section]:
    """Lay out a study.

    Args:
        study: Contents of `language_scaling.json`.
    """
    sections = [_section(entry, study, number) for number, entry in enumerate(study["results"])]
    return [*sections, _cost_section(study["cost"])] if study.get("cost") else sections


_TITLE = "Scaling with target languages"
SCALING = Study("language_scaling", "dlfa scaling", _TITLE, scaling_sections, title=_TITLE)


def _section(entry: Mapping[str, Any], study: Mapping[str, Any], number: int) -> Section:
    total, name = len(entry["targets"]), f"scaling-{number + 1}"
    sources = entry.get("sources", study["sources"][number : number + 1])
    blocks: list[Block] = [
        Text(
            f"{entry['title']}, {entry['metric_title']}, from {', '.join(sources)}. Encoder "
            f"{entry['model_name_or_path']}. {total} target languages: {', '.join(entry['targets'])}."
        ),
        *_all_languages(entry),
        *contrast_blocks(entry, name),
        Heading("Sets of n languages"),
        *_tables_at_random(entry),
        *_pictures(entry, name),
        *_tables_in_order(entry),
        *_trends(entry),
        Heading("How to read this"),
        Notes(tuple(_notes(entry, study))),
        Text("Command:"),
        Code(study["command"]),
    ]
    return Section(f"{_TITLE}: {entry['title']}", tuple(blocks))


def shown_numbers(total: int) -> list[int]:
    """Return the n that tables show: 1, 2, 3, 5, 8, 12, 20, 30, 50 ... and all."""
    ladder = [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120]
    return [*(n for n in ladder if n < total), total]


def corrected_difference(value: Mapping[str, Any], digits: int = 1) -> Phrase:
    """Lay out a difference with its corrected interval, marked where that excludes 0."""
    corrected = value | value["corrected"]
    return difference(corrected, strong=corrected["low"] > 0 or corrected["high"] < 0, digits=digits)


def _all_languages(entry: Mapping[str, Any]) -> Iterable[Block]:
    gains = entry["all_languages"]
    if not gains:
        yield Text("No baseline shares a seed with another system, so there is no gain to report.")
        return
    keys = [key for key in ("mean", "worst", "spread", "further_languages") if key in next(iter(gains.values()))]
    names = {
        "mean": "gain in the mean",
        "worst": "gain in the worst language",
        "spread": "change of the spread",
        "further_languages": "mean gain, further languages like these",
    }
    rows = [
        (
            system,
            _layers(entry["systems"][system]),
            *(corrected_difference(gains[system][key]) for key in keys),
        )
        for system in gains
    ]
    count = entry["comparisons"]["systems"]
    several = f", corrected for {count} systems" if count > 1 else ""
    yield Table(
        f"Difference to {entry['baseline']} over all {len(entry['targets'])} target languages, in points, with 95% "
        f"intervals{several}",
        ("system", "fusion layers", *(names[key] for key in keys)),
        tuple(rows),
    )


def _layers(system: Mapping[str, Any]) -> str:
    return "+".join(map(str, system["fusion_layers"] or ())) or "-"


def _tables_at_random(entry: Mapping[str, Any]) -> Iterable[Block]:
    shown = shown_numbers(len(entry["targets"]))
    header = ("system", *(f"n = {n}" for n in shown))
    scores = entry["scores"]["random"]
    for statistic, what in (
        ("worst", "Score of the worst of n target languages drawn at random, in percent: mean over the sets"),
        ("spread", "Standard deviation between n target languages drawn at random, in points: mean over the sets"),
    ):
        rows = [(system, *(_score(points[n - 1].get(statistic)) for n in shown)) for system, points in scores.items()]
        if len(entry["targets"]) > 1:
            yield Table(what, header, tuple(rows))
    if entry["gains"]["random"]:
        yield Table(
            "If n random languages had been tested: half the width of the 95% interval of the mean gain, in "
            f"points, and the share of sets in which it lies above or below 0 (difference to {entry['baseline']})",
            header,
            tuple(
                (system, *(_power(points[n - 1]["mean"]) for n in shown))
                for system, points in entry["gains"]["random"].items()
            ),
        )


def _score(value: Mapping[str, Any] | None) -> str:
    return percent(value["mean"] if value else None)


def _power(value: Mapping[str, Any]) -> str:
    half = 50 * (value["high"] - value["low"])
    return f"{half:.1f} (above {value['above_zero']:.0%}, below {value['below_zero']:.0%})"


def _tables_in_order(entry: Mapping[str, Any]) -> Iterable[Block]:
    """The gain in the mean as languages are added in order; the intervals are uncorrected, hence unmarked."""
    shown = shown_numbers(len(entry["targets"]))
    for order in entry["orders"]:
        gains = entry["gains"][order["name"]]
        if not gains or len(order["tiers"]) == 1:
            continue
        rows = [(system, *(difference(points[n - 1]["mean"]) for n in shown)) for system, points in gains.items()]
        yield Table(
            f"Gain in the mean of the first n languages, {order['title']}, in points, each with its own 95% interval",
            ("system", *(f"n = {n}" for n in shown)),
            tuple(rows),
        )
        tiers = "; ".join(", ".join(tier) for tier in order["tiers"])
        yield Text(f"Order: {tiers}. {order['source']}")


def _trends(entry: Mapping[str, Any]) -> Iterable[Block]:
    if not entry["trends"]:
        return
    titles = {order["name"]: order["title"] for order in entry["orders"]}
    rows = [
        (
            trend["system"],
            titles[trend["order"]],
            _STATISTICS[trend["statistic"]],
            f"per {trend['unit']}",
            corrected_difference(trend, digits=2),
            difference(trend, digits=2),
        )
        for trend in entry["trends"]
    ]
    yield Heading("Trends")
    yield Table(
        f"Slopes of least-squares lines of the gain, in points, with 95% intervals corrected for all "
        f"{entry['comparisons']['trends']} of them, and alone",
        ("system", "order", "gain in", "slope", "corrected", "alone"),
        tuple(rows),
    )


def _pictures(entry: Mapping[str, Any], name: str) -> Iterable[Block]:
    yield Picture(
        f"{name}-scores",
        "Mean, worst language and spread of each system against the number of target languages, one "
        "column per order. The tables hold the numbers.",
        "Averages over the sets of n languages that an order allows.",
        partial(scores_against_n, entry),
    )
    if not entry["all_languages"]:
        return
    bands = "Bands: the 95% interval that one set of n languages gives, averaged over the sets."
    yield Picture(
        f"{name}-gains",
        "Gain over the baseline in the mean and in the worst language against the number of target "
        "languages, one column per order. The tables hold the numbers.",
        bands if len(entry["all_languages"]) <= MAX_BANDS else "Intervals are in the tables.",
        partial(gains_against_n, entry),
    )
    if any(order["values"] is not None for order in entry["orders"]):
        for index, system in enumerate(entry["all_languages"], start=1):
            yield Picture(
                f"{name}-languages-{index}",
                f"Gain of {system} in each target language against the language's similarity to the source language "
                "and its amount of pre-training data, with the fitted lines.",
                f"Gain of {system} by language; intervals of single languages, not corrected.",
                partial(gains_by_language, entry, system),
            )


def _notes(entry: Mapping[str, Any], study: Mapping[str, Any]) -> Iterable[str]:
    settings, total = study["settings"], len(entry["targets"])
    yield (
        "In random order, the expected mean over n languages is the same for every n, and so is the expected "
        "variance between them: these lines are flat by design and say nothing about transfer. What does change "
        "with n is the worst language (a minimum over more of them: it falls for every system, gain or not), the "
        "width of the interval, and how often n languages would have shown a difference."
    )
    yield (
        "In the other orders the languages differ, and a rising or falling line says that near and "
        "far, or large and small, languages gain differently. Neighbouring points share languages, "
        "so the slope over log2(n) is refitted in every resample and points are never tested one by "
        "one. It describes these languages in this order."
    )
    yield (
        "The slope over languages (gain of a language = a + b times its measure) treats the languages as a "
        "sample: its interval includes the scatter of languages about the line and the variance between seeds. "
        "Related languages are not independent, so the interval is probably too narrow."
    )
    seeds = sorted({len(system["seeds"]) for system in entry["systems"].values()})
    yield (
        method_note(settings["n_resamples"], "examples", aligned=entry["aligned"], seeds=seeds[-1] > 1)
        + f" Seeds of a system: {', '.join(map(str, seeds))}."
    )
    yield from seeds_note(seeds[0])
    yield (
        f"{MARK} and bold, where a table says no more: the interval, corrected (Bonferroni) for everything that the "
        "table compares, excludes 0. Nothing else counts as a difference. The worst of n measured scores is lower "
        "than the worst of n true ones, for both systems."
    )
    sets = max(point["sets"] for point in next(iter(entry["scores"]["random"].values())))
    yield (
        f"Sets of n of {total} languages: all of them if there are at most {settings['max_subsets']}, otherwise up "
        f"to {sets} in which every language occurs equally often (seed {settings['seed']})."
    )
    yield from entry["left_out"]
    collapsed = [run for system in entry["systems"].values() for run in system["collapsed"]]
    yield f"Collapsed runs (nearly always one label), counted like the others: {', '.join(collapsed) or 'none'}."


def _cost_section(cost: Mapping[str, Any]) -> Section:
    points: Sequence[Mapping[str, Any]] = cost["points"]
    device = any(point["device_memory"] is not None for point in points)
    header = ("n", "examples", "tokens", "start (s)", "reading (s)", "pass (s)", "fastest, slowest", "memory (MiB)")
    rows = []
    for point in points:
        numbers = [f"{point[key]:.2f}" for key in ("start_seconds", "read_seconds", "predict_seconds")]
        fast, slow = min(point["passes"]), max(point["passes"])
        memory = [point["peak_memory"], *([point["device_memory"]] if device else [])]
        cells = [str(point["n"]), f"{point['examples']:,}", f"{point['tokens']:,}", *numbers]
        cells += [f"{fast:.2f}, {slow:.2f}", *(f"{value / 2**20:,.0f}" for value in memory)]
        rows.append(tuple(cells))
    notes = [
        "One pass over the examples of n languages, longest first, as the runner tests; batches of "
        f"{cost['batch_size']}; model {cost['model']}. Each n ran in its own process; times are the median of "
        f"{len(points[0]['passes'])} passes. Languages in the order {', '.join(cost['languages'])}.",
        _slope(cost["seconds_per_language"], "seconds of the pass", 1.0),
        _slope(cost["memory_per_language"], "MiB of peak memory", 2.0**20),
        "Testing each language in its own process would pay for the start n times. If the machine "
        "did other work as well, the times are upper bounds.",
    ]
    drawn = Picture(
        "scaling-cost",
        "Seconds of one pass and peak memory against the number of languages; the table holds the numbers.",
        "Cost of testing n languages in one pass. Short marks are single passes.",
        partial(cost_against_n, cost),
    )
    table = Table(
        "Cost of testing n languages in one pass",
        (*header, *(["accelerator (MiB)"] if device else [])),
        tuple(rows),
    )
    return Section("Cost of n languages", (table, drawn, Notes(tuple(note for note in notes if note))))


def _slope(value: Mapping[str, float] | None, what: str, unit: float) -> str:
    if value is None:
        return ""
    mean, low, high = (number(value[key] / unit, 2, signed=True) for key in ("mean", "low", "high"))
    return f"Each further language costs {mean} {what} (least squares over n, 95% interval [{low}, {high}])."
