"""A layer sweep as a table and a heat map, layers against languages."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files.writing import write_text
from ...languages import by_family
from ...scoring.metrics import get_metric, shown_averages
from ...statistics.comparisons import stands_out
from ...statistics.formatting import method_note, percent, points, seeds_note
from ...statistics.formatting import points_interval as interval
from .figure import FIGURE, plot_sweep

TITLE = ": which layer to fuse"  # Behind the task.
_MAX_LANGUAGES_PER_TABLE = 20
AVERAGES = {"macro_target": "targets", "macro_all": "all"}


def write_sweep_report(sweep: Mapping[str, Any], folder: Path) -> None:
    """Writes `layer_sweep.md` and the heat map as PNG and SVG.

    Args:
        sweep: What `layer_sweep.json` holds.
        folder: Of the sweep's results.
    """
    plot_sweep(sweep, folder / f"{FIGURE}.png")
    plot_sweep(sweep, folder / f"{FIGURE}.svg")
    title = get_metric(sweep["metric"]).title
    report = [
        f"# {sweep['title']}{TITLE}",
        f"Encoder: `{sweep['model_name_or_path']}`. Trained on {sweep['source_language']}. {title.capitalize()} of "
        f"each lower layer fused with the last ({sweep_name(sweep)}), minus that of the last layer alone, in points.",
        "\n".join(f"- {line}" for line in findings(sweep)),
        sweep_table(sweep).rstrip(),
        f"![Differences by layer and language]({FIGURE}.png)",
        "\n".join(f"- {line}" for line in notes(sweep)),
        f"Command:\n\n{textwrap.indent(sweep['command'], '    ')}",
    ]
    write_text(folder / "layer_sweep.md", "\n\n".join(report) + "\n")


def sweep_name(sweep: Mapping[str, Any]) -> str:
    """Returns the form of the fusion, such as `aif, select`."""
    return ", ".join(part for part in (sweep["fusion"], sweep["gate"]) if part)


def findings(sweep: Mapping[str, Any]) -> list[str]:
    """Returns what the sweep says, a sentence or two each: selection, oracle, regret, and how many cells count."""
    source, target = sweep["source_language"], sweep["target_average"]
    metric, threshold = get_metric(sweep["metric"]).title, sweep["statistics"]["threshold"]
    selected, oracle = sweep["selected"]["layer"], sweep["oracle"]["layer"]
    entry, best = sweep["layers"][str(selected)], sweep["layers"][str(oracle)]
    chosen = "; ".join(f"seed {seed}: {layer}" for seed, layer in sweep["selected"]["by_seed"].items())
    cells = [
        cell
        for layer in sweep["layers"].values()
        for cell in layer["differences"].values()
        if stands_out(cell, threshold)
    ]
    better = sum(cell["mean"] > 0 for cell in cells)
    average = "the target languages" if target == "macro_target" else "all languages"
    return [
        f"**Selected, by {source} validation {metric} alone: layer {selected}** "
        f"({percent(entry['validation']['mean'])} there). Average over {average}: "
        f"{interval(entry[target])} points, p = {entry[target]['p_value']:.2g}. Each seed alone selects: {chosen}.",
        f"Oracle, by the test data of {average}, which no one has who selects: layer {oracle}, "
        f"{interval(best[target])} points.",
        "Regret of the selection: none, it is the oracle's layer."
        if selected == oracle
        else f"Regret of the selection, oracle minus selected: {interval(sweep['regret'])} points. The oracle was "
        "picked on these very data, which flatters it.",
        f"{len(cells)} of {sweep['statistics']['comparisons']} cells of layer and language differ from the baseline "
        f"after correction: {better} better, {len(cells) - better} worse.",
    ]


def notes(sweep: Mapping[str, Any]) -> list[str]:
    """Returns what one must know to read the numbers."""
    statistics = sweep["statistics"]
    unit = "examples" if get_metric(sweep["metric"]).kind == "sequence" else "sentences"
    collapsed = [run for layer in sweep["layers"].values() for run in layer["collapsed"]]
    collapsed += sweep["baseline"]["collapsed"]
    seeds = sweep["seeds"]
    lines = [
        f"Means over {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}, paired with the baseline "
        f"by seed and {unit[:-1]}. Bold: p <= {statistics['threshold']} after Holm's correction, in the map for all "
        f"{statistics['comparisons']} of its cells, in an average for its {len(sweep['layers'])} layers.",
        method_note(statistics["n_resamples"], unit, aligned=statistics["aligned"], seeds=len(seeds) > 1),
    ]
    if (sweep["recipe"] or {}).get("one_pass"):
        lines.append(
            "One pass: all systems of a seed were trained at once on one backbone, moved by the average of their "
            "gradients. A layer trained alone has a backbone of its own, and other scores."
        )
    lines += seeds_note(len(seeds))
    lines.append(f"Collapsed runs (one label almost always): {', '.join(collapsed) if collapsed else 'none'}.")
    return lines


def sweep_table(sweep: Mapping[str, Any]) -> str:
    """Lays out the differences in Markdown: a row a layer, a column a language, averages and validation first."""
    threshold, source = sweep["statistics"]["threshold"], sweep["source_language"]
    languages = [code for _, codes in by_family(sweep["languages"], source) for code in codes]
    averages = [key for key in AVERAGES if key in shown_averages(sweep["languages"], source)]
    pieces = max(1, -(-len(languages) // _MAX_LANGUAGES_PER_TABLE))
    tables = []
    for index, block in enumerate(np.array_split(np.array(languages), pieces)):
        keys = [*([] if index else averages), *block.tolist()]
        head = ["layer", *([] if index else [f"{source} validation"]), *(AVERAGES.get(key, key) for key in keys)]
        rows = [head, ["---"] + ["---:"] * (len(head) - 1), _baseline_row(sweep, keys, first=not index)]
        for layer, entry in sweep["layers"].items():
            cells = [entry[key] if key in averages else entry["differences"][key] for key in keys]
            validation = [] if index else [percent(entry["validation"]["mean"])]
            rows.append([layer_label(sweep, layer), *validation, *(_cell(cell, threshold) for cell in cells)])
        tables.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(tables) + "\n"


def layer_label(sweep: Mapping[str, Any], layer: str) -> str:
    """Returns a layer's number, and whether it is the embeddings, the selected one or the oracle's."""
    names = {
        "embeddings": layer == "0",
        "selected": layer == str(sweep["selected"]["layer"]),
        "oracle": layer == str(sweep["oracle"]["layer"]),
    }
    said = ", ".join(name for name, holds in names.items() if holds)
    return f"{layer} ({said})" if said else layer


def _baseline_row(sweep: Mapping[str, Any], keys: Sequence[str], *, first: bool) -> list[str]:
    baseline = sweep["baseline"]
    validation = [percent(baseline["validation"]["mean"])] if first else []
    scores = [percent(baseline["scores"][key]["mean"]) for key in keys]
    return [f"{baseline['system']} (baseline), its scores", *validation, *scores]


def _cell(value: Mapping[str, float], threshold: float) -> str:
    text = points(value["mean"])
    return f"**{text}**" if stands_out(value, threshold) else text
