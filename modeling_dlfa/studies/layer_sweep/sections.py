"""A layer sweep as a page: a table and a heat map of layers against languages, and their findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...languages import by_family
from ...pages.model import Block, Code, Line, Notes, Phrase, Picture, Section, Table, Text
from ...scoring.metrics import get_metric, shown_averages
from ...statistics.comparisons import stands_out
from ...statistics.formatting import method_note, percent, points, points_interval, seeds_note
from ..study import Study
from .figure import AVERAGE_NAMES, layer_roles, plot_sweep

_QUESTION = ": which layer to fuse"
_MAX_LANGUAGES_PER_TABLE = 20


def sweep_sections(sweep: Mapping[str, Any]) -> list[Section]:
    """Lays out a sweep.

    Args:
        sweep: Contents of `layer_sweep.json`.
    """
    title = get_metric(sweep["metric"]).title.capitalize()
    form = ", ".join(part for part in (sweep["fusion"], sweep["gate"]) if part)
    seen = ", ".join(sweep.get("seen") or [sweep["source_language"]])
    about = (
        "Encoder: ",
        Phrase(sweep["model_name_or_path"], code=True),
        f". Trained on {seen}. {title} of each lower layer fused with the last ({form}), minus "
        "that of the last layer alone, in points.",
    )
    blocks: list[Block] = [
        Text(about),
        Notes(tuple(findings(sweep))),
        *sweep_tables(sweep),
        Picture("layer_sweep", "Differences by layer and language", "", lambda: plot_sweep(sweep)),
        Notes(tuple(notes(sweep))),
        Text("Command:"),
        Code(sweep["command"]),
    ]
    return [Section(f"{sweep['title']}{_QUESTION}", tuple(blocks))]


SWEEP = Study("layer_sweep", "dlfa sweep", _QUESTION, sweep_sections, forms=("png", "svg"))


def findings(sweep: Mapping[str, Any]) -> list[Line]:
    """Returns the findings, a sentence or two each: selection, oracle, regret, and how many cells are significant."""
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
        (
            Phrase(f"Selected, by {source} validation {metric} alone: layer {selected}", strong=True),
            f" ({percent(entry['validation']['mean'])} there). Average over {average}: "
            f"{points_interval(entry[target])} points, p = {entry[target]['p_value']:.2g}. Each seed alone selects: "
            f"{chosen}.",
        ),
        f"Oracle, picked on the test data of {average}, which a real selection does not have: layer "
        f"{oracle}, {points_interval(best[target])} points.",
        "Regret of the selection: none, it chose the oracle's layer."
        if selected == oracle
        else f"Regret of the selection, oracle minus selected: {points_interval(sweep['regret'])} points. "
        "The oracle was picked on these very data, so it looks better than it is.",
        f"{len(cells)} of {sweep['statistics']['comparisons']} cells of layer and language differ from the baseline "
        f"after correction: {better} better, {len(cells) - better} worse.",
    ]


def notes(sweep: Mapping[str, Any]) -> list[str]:
    """Returns the notes that readers of the numbers need."""
    statistics = sweep["statistics"]
    unit = "examples" if get_metric(sweep["metric"]).kind == "sequence" else "sentences"
    collapsed = [run for layer in sweep["layers"].values() for run in layer["collapsed"]]
    collapsed += sweep["baseline"]["collapsed"]
    seeds = sweep["seeds"]
    lines = [
        f"Means over {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}, paired with the "
        f"baseline by seed and {unit[:-1]}. Bold: p <= {statistics['threshold']} after Holm's correction, over "
        f"all {statistics['comparisons']} cells of the map, and over {len(sweep['layers'])} in each average.",
        method_note(statistics["n_resamples"], unit, aligned=statistics["aligned"], seeds=len(seeds) > 1),
    ]
    if (sweep["recipe"] or {}).get("one_pass"):
        lines.append(
            "One pass: all systems of a seed were trained at once on one backbone, which follows the average of "
            "their gradients. A layer trained alone has its own backbone, and other scores."
        )
    lines += seeds_note(len(seeds))
    lines.append(f"Collapsed runs (nearly always one label): {', '.join(collapsed) if collapsed else 'none'}.")
    return lines


def sweep_tables(sweep: Mapping[str, Any]) -> list[Table]:
    """Lays out the differences: one row per layer, one column per language; averages and validation come first."""
    threshold, source = sweep["statistics"]["threshold"], sweep["source_language"]
    languages = [code for _, codes in by_family(sweep["languages"], source) for code in codes]
    averages = [key for key in AVERAGE_NAMES if key in shown_averages(sweep["languages"], source)]
    pieces = np.array_split(np.array(languages), max(1, -(-len(languages) // _MAX_LANGUAGES_PER_TABLE)))
    first, *others = (piece.tolist() for piece in pieces)
    names = {"validation": f"{source} validation", **AVERAGE_NAMES}
    baseline = {**sweep["baseline"]["scores"], "validation": sweep["baseline"]["validation"]}
    tables = []
    for keys in (["validation", *averages, *first], *others):
        label = f"{sweep['baseline']['system']} (baseline), its scores"
        rows: list[tuple[Line, ...]] = [(label, *(percent(baseline[key]["mean"]) for key in keys))]
        for layer, entry in sweep["layers"].items():
            cells: dict[str, Line] = {"validation": percent(entry["validation"]["mean"])}
            for key, value in {**entry["differences"], **{key: entry[key] for key in averages}}.items():
                cells[key] = Phrase(points(value["mean"]), strong=stands_out(value, threshold))
            roles = layer_roles(sweep, layer)
            rows.append((f"{layer} ({roles})" if roles else layer, *(cells[key] for key in keys)))
        tables.append(Table("", ("layer", *(names.get(key, key) for key in keys)), tuple(rows)))
    return tables
