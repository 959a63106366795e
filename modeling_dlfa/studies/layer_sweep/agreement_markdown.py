"""The agreement of a one-pass sweep with a full one, in words and as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files.writing import write_text
from ...scoring.metrics import get_metric
from ...statistics.formatting import number, percent
from ...statistics.formatting import points_interval as interval

TITLE = ": does one pass rank the layers as a full sweep does?"  # Behind the task.


def agreement_findings(agreement: Mapping[str, Any]) -> list[str]:
    """Returns what the comparison says, a sentence or two each.

    Args:
        agreement: What `one_pass_agreement.json` holds.
    """
    rho, seeds, regret = agreement["spearman"], agreement["between_seeds"], agreement["regret"]
    source, selected, oracle = agreement["source_language"], agreement["selected"], agreement["oracle"]
    by_seed = "; ".join(f"seed {seed}: {layer}" for seed, layer in selected["one_pass_by_seed"].items())
    lines = [
        f"Spearman's rank correlation over {len(agreement['layers'])} layers, one pass with full sweep: "
        f"{source} validation {_rho(rho['validation'])}, target average {_rho(rho['target'])}; with the last layer "
        f"alone as one more, {_rho(rho['validation_with_last'])} and {_rho(rho['target_with_last'])}.",
        f"Two seeds of the full sweep among themselves, on average: {_rho(seeds['validation'])} and "
        f"{_rho(seeds['target'])}."
        if len(agreement["full"]["seeds"]) > 1
        else "The full sweep has one seed, so that it is not known how far it would agree with itself.",
        f"The target average of the full sweep follows {source} validation of one pass with {_rho(rho['selection'])}, "
        f"its own with {_rho(rho['full_selection'])}.",
        f"By {source} validation one pass selects layer {selected['one_pass']} (each seed alone: {by_seed}), the full "
        f"sweep layer {selected['full']}; best on the targets is layer {oracle}, which is "
        f"{'' if agreement['top3'] else 'not '}among the three best of one pass.",
        f"Regret of one pass in the full sweep's target average, in points: {interval(regret['to_selected'])} to the "
        f"full sweep's selection, {interval(regret['to_oracle'])} to the best layer; of the full sweep's selection to "
        f"the best layer {interval(regret['full_to_oracle'])}.",
    ]
    cost = agreement["cost"]
    lines.append(
        "Cost: not known, since a run was resumed and its time is of the last part alone."
        if cost is None
        else f"Cost of a seed: {cost['one_pass_seed']:.0f} s of training, {cost['ratio']:.2f} times one run "
        f"({cost['run']:.0f} s); of the full sweep {cost['full_sweep_seed']:.0f} s."
    )
    if agreement["differences"]:
        lines.append(f"The two differ beside that: {agreement['differences']}.")
    return lines


def write_agreement_report(agreement: Mapping[str, Any], path: Path) -> None:
    """Writes findings, scores and commands in Markdown.

    Args:
        agreement: What `one_pass_agreement.json` holds.
        path: The file.
    """
    title = get_metric(agreement["metric"]).title
    commands = "\n".join(textwrap.indent(command, "    ") for command in agreement["commands"].values())
    report = [
        f"# {agreement['title']}{TITLE}",
        f"Encoder: `{agreement['model_name_or_path']}`. {title.capitalize()} in percent, means over the seeds "
        f"({_seeds(agreement['full'])} in full, {_seeds(agreement['one_pass'])} in one pass).",
        "\n".join(f"- {line}" for line in agreement_findings(agreement)),
        _table(agreement),
        "Intervals (95 %) are those of the sweep's report; a best layer picked on the test data is flattered by them.",
        f"Commands:\n\n{commands}",
    ]
    write_text(path, "\n\n".join(report) + "\n")


def _table(agreement: Mapping[str, Any]) -> str:
    source = agreement["source_language"]
    heads = [f"{part}, {name}" for name in (f"{source} validation", "targets") for part in ("full", "one pass")]
    rows = [["layer", *heads], ["---"] + ["---:"] * len(heads)]
    for layer in map(str, agreement["layers"]):
        rows.append([layer, *_row({part: agreement[part] for part in ("full", "one_pass")}, layer)])
    rows.append(["last", *_row({part: agreement[part]["baseline"] for part in ("full", "one_pass")}, "last")])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(parts: Mapping[str, Mapping[str, Any]], layer: str) -> list[str]:
    return [percent(part[key][layer]) for key in ("validation", "target") for part in parts.values()]


def _seeds(part: Mapping[str, Any]) -> str:
    return ", ".join(map(str, part["seeds"]))


def _rho(value: float | None) -> str:
    return "undefined (all equal)" if value is None else number(value, 2, signed=True)
