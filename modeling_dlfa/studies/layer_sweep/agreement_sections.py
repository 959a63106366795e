"""The agreement of a one-pass sweep with a full one, as text and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...pages.model import Code, Notes, Phrase, Section, Table, Text
from ...scoring.metrics import get_metric
from ...statistics.formatting import number, percent, points_interval
from ..study import Study

_QUESTION = ": does one pass rank the layers as a full sweep does?"  # Follows the task.


def agreement_findings(agreement: Mapping[str, Any]) -> list[str]:
    """Returns the findings of the comparison, one or two sentences each.

    Args:
        agreement: Contents of `one_pass_agreement.json`.
    """
    rho, seeds, regret = agreement["spearman"], agreement["between_seeds"], agreement["regret"]
    source, selected, oracle = agreement["source_language"], agreement["selected"], agreement["oracle"]
    by_seed = "; ".join(f"seed {seed}: {layer}" for seed, layer in selected["one_pass_by_seed"].items())
    lines = [
        f"Spearman's rank correlation over {len(agreement['layers'])} layers, one pass with full sweep: "
        f"{source} validation {_rho(rho['validation'])}, target average {_rho(rho['target'])}; with the last layer "
        f"alone as one more, {_rho(rho['validation_with_last'])} and {_rho(rho['target_with_last'])}.",
        f"Two seeds of the full sweep with each other, on average: {_rho(seeds['validation'])} and "
        f"{_rho(seeds['target'])}."
        if len(agreement["full"]["seeds"]) > 1
        else "The full sweep has one seed, so how far it agrees with itself is unknown.",
        f"Rank correlation of the full sweep's target average with the {source} validation of one pass: "
        f"{_rho(rho['selection'])}; with its own {source} validation: {_rho(rho['full_selection'])}.",
        f"By {source} validation, one pass selects layer {selected['one_pass']} (each seed alone: "
        f"{by_seed}), the full sweep layer {selected['full']}; the best layer on the targets is "
        f"{oracle}, which is {'' if agreement['top3'] else 'not '}among the three best of one pass.",
        f"Regret of one pass in the full sweep's target average, in points: {points_interval(regret['to_selected'])} "
        f"to the full sweep's selection, {points_interval(regret['to_oracle'])} to the best layer; of the full "
        f"sweep's selection to the best layer {points_interval(regret['full_to_oracle'])}.",
    ]
    cost = agreement["cost"]
    lines.append(
        "Cost: unknown, because a run was resumed and only its last part was timed."
        if cost is None
        else f"Cost of a seed: {cost['one_pass_seed']:.0f} s of training, {cost['ratio']:.2f} times one run "
        f"({cost['run']:.0f} s); of the full sweep {cost['full_sweep_seed']:.0f} s."
    )
    if agreement["differences"]:
        lines.append(f"The two also differ in: {agreement['differences']}.")
    return lines


def agreement_sections(agreement: Mapping[str, Any]) -> list[Section]:
    """Lays out findings, scores and commands.

    Args:
        agreement: Contents of `one_pass_agreement.json`.
    """
    title = get_metric(agreement["metric"]).title
    about = (
        "Encoder: ",
        Phrase(agreement["model_name_or_path"], code=True),
        f". {title.capitalize()} in percent, means over the seeds ({_seeds(agreement['full'])} in full, "
        f"{_seeds(agreement['one_pass'])} in one pass).",
    )
    blocks = (
        Text(about),
        Notes(tuple(agreement_findings(agreement))),
        _table(agreement),
        Text(
            "Intervals (95 %) are those of the sweep's report; for a best layer picked on the test "
            "data they are too favourable."
        ),
        Text("Commands:"),
        Code("\n".join(agreement["commands"].values())),
    )
    return [Section(f"{agreement['title']}{_QUESTION}", blocks)]


AGREEMENT = Study("one_pass_agreement", "dlfa sweep --compare_with", _QUESTION, agreement_sections)


def _table(agreement: Mapping[str, Any]) -> Table:
    source, sweeps = agreement["source_language"], [agreement[name] for name in ("full", "one_pass")]
    heads = [f"{part}, {name}" for name in (f"{source} validation", "targets") for part in ("full", "one pass")]
    rows = [(layer, *_cells(sweeps, layer)) for layer in map(str, agreement["layers"])]
    rows.append(("last", *_cells([sweep["baseline"] for sweep in sweeps], "last")))
    return Table("", ("layer", *heads), tuple(rows))


def _cells(sweeps: list[Mapping[str, Any]], layer: str) -> list[str]:
    return [percent(sweep[key][layer]) for key in ("validation", "target") for sweep in sweeps]


def _seeds(part: Mapping[str, Any]) -> str:
    return ", ".join(map(str, part["seeds"]))


def _rho(value: float | None) -> str:
    return "undefined (all equal)" if value is None else number(value, 2, signed=True)
