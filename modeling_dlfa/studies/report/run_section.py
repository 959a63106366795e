"""The results of a runner's command, or of several, as sections of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...languages import by_family
from ...results.figures import scores_by_language
from ...results.scores import ScoredRuns
from ...results.tables import language_label, table_notes
from ...scoring.metrics import average_weights, get_metric, shown_averages
from ...statistics.bootstrap import Interval
from ...statistics.few_seeds import Estimates
from ...tasks import recorded_task
from .model import MARK, Block, Cell, Code, Notes, Section, Table, Text, difference, percent, picture

_AVERAGES = {"macro_all": "average", "macro_target": "average, targets", "transfer_gap": "transfer gap"}
_RESAMPLES = 2000


@dataclass(frozen=True)
class RunResults:
    """One command's results for a report.

    Attributes:
        source: Where they were found, as the user named it.
        results: What `results.json` holds, `"summary"` included.
        scored: The same with predictions; None where they are not beside the results.
    """

    source: str
    results: Mapping[str, Any]
    scored: ScoredRuns | None

    @property
    def compared(self) -> list[str]:
        """The systems that have a difference to the baseline."""
        return list(self.results["summary"]["differences"])

    def estimates(self, system: str, keys: Sequence[str]) -> Estimates:
        """Differences of a system to its baseline, paired by seed and example, in languages or averages."""
        assert self.scored is not None and self.scored.baseline is not None
        languages, baseline = list(self.results["languages"]), self.scored.baseline
        seeds = self.scored.seeds(system, baseline)
        draws = self.scored.draws(seeds, n_resamples=_RESAMPLES, seed=0, languages=languages)
        resampled = draws.resampled[system] - draws.resampled[baseline]
        by_seed = draws.by_seed[system] - draws.by_seed[baseline]
        weights = dict(zip(languages, np.eye(len(languages)), strict=True))
        weights |= average_weights(languages, self.results["source_language"])
        chosen = np.stack([weights[key] for key in keys], axis=1)
        return Estimates(by_seed.mean(axis=0) @ chosen, resampled @ chosen, by_seed @ chosen)


def overview(runs: Sequence[RunResults]) -> Section | None:
    """One line for each fused system of all results, corrected for their number; None without any difference."""
    lines = [(run, system) for run in runs for system in run.compared if run.scored is not None]
    if not lines:
        return None
    rows = []
    for run, system in lines:
        summary = run.results["summary"]
        key = "macro_target" if summary["systems"][system]["macro_target"] else "macro_all"
        entry = summary["differences"][system]
        [interval] = run.estimates(system, [key]).intervals(comparisons=len(lines))
        cells = [
            _title(run.results),
            system,
            str(run.results["model_name_or_path"]),
            f"{len(entry['seeds'])}",
            percent(summary["systems"][entry["baseline"]][key]["mean"]),
            percent(summary["systems"][system][key]["mean"]),
        ]
        rows.append((*map(Cell, cells), difference(interval, marked=True), Cell(run.source)))
    header = ("task", "system", "encoder", "seeds", "baseline", "system's score", "difference", "results")
    several = f" corrected for all {len(lines)} lines" if len(lines) > 1 else ""
    table = Table(
        f"Average over target languages, in percent, and difference to the last-layer baseline of the same command, "
        f"in points, with 95% intervals{several}",
        header,
        tuple(rows),
    )
    notes = [
        f"{MARK} and bold: the interval excludes 0. A line without the mark is no evidence of a difference, nor of "
        "equality: look at how far its interval reaches.",
        _method(several != ""),
    ]
    if any(len(run.results["summary"]["differences"][system]["seeds"]) < 2 for run, system in lines):
        notes.append("One seed: the interval holds for the models trained, and says nothing of other seeds.")
    return Section("Overview", (table, Notes(tuple(notes))))


def run_section(run: RunResults, name: str) -> Section:
    """Lay out one command's results.

    Args:
        run: The results.
        name: Of the picture.
    """
    results = run.results
    metric = get_metric(results["metric"])
    blocks: list[Block] = [
        Text(
            f"Encoder {results['model_name_or_path']}, trained on {results['source_language']}; results from "
            f"{run.source}, finished {results['created']}."
        ),
        _averages_table(run),
        _language_table(run),
        picture(
            name,
            lambda: scores_by_language(results),
            alt=f"{metric.title} of every system in every language, and differences to the baseline, with intervals; "
            "the tables hold the numbers.",
            caption="Means over seeds with percentile bootstrap intervals, each for itself; ticks are single runs, "
            "crosses collapsed ones. Filled marks of differences exclude 0 when looked at alone.",
        ),
        Notes(tuple(_notes(run))),
        Code(results["command"]),
    ]
    return Section(f"{_title(results)}: {metric.title} by language, {run.source}", tuple(blocks))


def _title(results: Mapping[str, Any]) -> str:
    return recorded_task(results).title


def _averages_table(run: RunResults) -> Table:
    summary = run.results["summary"]
    keys = shown_averages(run.results["languages"], run.results["source_language"])
    rows = [
        (
            Cell(f"{name} (baseline)" if system["baseline"] else name),
            Cell(", ".join(map(str, system["seeds"]))),
            Cell(_score(system["validation"])),
            *(Cell(_score(system[key])) for key in keys),
        )
        for name, system in summary["systems"].items()
    ]
    count = len(run.compared) * len(keys)
    for name in run.compared:
        entry = summary["differences"][name]
        seeds, label = ", ".join(map(str, entry["seeds"])), f"{name} minus {entry['baseline']}"
        rows.append((Cell(label), Cell(seeds), Cell("-"), *_differences(run, name, keys, count)))
    source = run.results["source_language"]
    header = ("system", "seeds", f"{source} validation", *(_AVERAGES[key] for key in keys))
    corrected = f", intervals corrected for the {count} differences" if run.scored and count > 1 else ""
    return Table(f"Averages over languages, in percent{corrected}", header, tuple(rows))


def _language_table(run: RunResults) -> Table:
    results, summary = run.results, run.results["summary"]
    header = ["language"]
    columns: list[list[Cell]] = []
    codes = [code for _, group in by_family(results["languages"], results["source_language"]) for code in group]
    count = len(run.compared) * len(codes)
    for name, system in summary["systems"].items():
        header.append(f"{name} (baseline)" if system["baseline"] else name)
        columns.append([Cell(_score(system["languages"][code])) for code in codes])
        if name in run.compared:
            header.append(f"{name} minus {summary['differences'][name]['baseline']}")
            columns.append(_differences(run, name, codes, count))
    rows = zip([Cell(language_label(code)) for code in codes], *columns, strict=True)
    corrected = f", intervals corrected for the {count} differences" if run.scored and count > 1 else ""
    return Table(f"Every language, in percent{corrected}", tuple(header), tuple(rows))


def _score(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "-"
    return percent(value["mean"]) + ("" if value["std"] is None else f" ± {percent(value['std'])}")


def _differences(run: RunResults, system: str, keys: Sequence[str], comparisons: int) -> list[Cell]:
    if run.scored is not None:
        intervals = run.estimates(system, keys).intervals(comparisons=comparisons)
        return [difference(interval, marked=True) for interval in intervals]
    entry = run.results["summary"]["differences"][system]
    values = [entry[key] if key in _AVERAGES else entry["languages"][key] for key in keys]
    return [difference(Interval(value["mean"], value["low"], value["high"])) for value in values]


def _method(corrected: bool) -> str:
    return (
        "Differences are paired by seed and by example. Intervals are of Behrens and Fisher's distribution: Student's "
        f"t over the seeds, and the examples' error ({_RESAMPLES:,} bootstrap resamples), since a percentile interval "
        "of few seeds is too narrow"
        + ("; Bonferroni's correction, so that all of a table's intervals hold together." if corrected else ".")
    )


def _notes(run: RunResults) -> list[str]:
    notes = table_notes(run.results, marked=None)
    if not run.compared:
        return notes
    if run.scored is None:
        said = (
            "The predictions do not lie beside the results: differences have the percentile intervals that were "
            "recorded, each for itself, not corrected for their number, and none is marked."
        )
        return [said, *notes]
    return [f"{MARK} and bold: the corrected interval excludes 0.", _method(corrected=True), *notes]
