"""Which lower layer to fuse: every candidate against the baseline, in every language, over the same seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from accelerate import PartialState

from ...errors import InputError
from ...files.folders import locked
from ...files.writing import write_json
from ...results.counts import RunCounts
from ...results.directory import OutputDirectory
from ...results.format import SystemScores
from ...results.results import Results, load_results
from ...scoring.metrics import AVERAGES
from ...statistics.comparisons import THRESHOLD
from ...tasks import Task
from ...training.arguments import Arguments
from ...training.runner import run_task
from ..folder import check_own_study, check_pictures
from .choice import best_layer, regret, select_layer
from .figure import FIGURE
from .markdown import TITLE, write_sweep_report
from .one_pass_runs import check_one_pass, execute_together

STUDY = "layer_sweep"
FUSIONS = ("aif", "mean", "concat", "layer")
_RECORDED = (
    "task",
    "title",
    "metric",
    "source_language",
    "languages",
    "model_name_or_path",
    "model_revision",
    "model_commit",
    "seeds",
    "command",
    "created",
    "versions",
    "recipe",
)


def run_sweep(task: Task, arguments: Arguments, *, one_pass: bool = False) -> dict[str, Any] | None:
    """Trains every candidate layer and the baseline by the runner, and analyses them.

    Args:
        task: What to learn.
        arguments: Of the runner. `--fusion_layers` are the candidates, each alone; all lower layers, the embeddings
            (0) included, if left out. The baseline is always trained.
        one_pass: Train the candidates and the baseline of a seed at once, on one backbone (`one_pass.OnePassModel`).

    Returns:
        What `layer_sweep.json` holds; None for a shard, whose command has other runs elsewhere, and in all processes
        but the main one.

    Raises:
        InputError: Wrong input, before any training starts.
    """
    fusion = arguments.model.fusion or "aif"
    if fusion not in FUSIONS:
        raise InputError(f"--fusion {fusion} reads no single lower layer; choose from {', '.join(FUSIONS)}.")
    if not (arguments.training.do_train and arguments.training.do_predict):
        raise InputError("A sweep trains and tests; remove --do_train False and --do_predict False.")
    if one_pass:
        check_one_pass(arguments.model, arguments.training, arguments.run.num_shards)
    wished = replace(arguments, run=replace(arguments.run, baseline=True), layers_apart=True, one_pass=one_pass)
    run_task(task, wished, execute_together if one_pass else None)
    if arguments.run.num_shards > 1 or not PartialState().is_main_process:
        return None
    return analyse_sweep(str(arguments.training.output_dir))


def analyse_sweep(run_dir: str | os.PathLike) -> dict[str, Any]:
    """Analyses a finished sweep and writes `layer_sweep.json`, `layer_sweep.md` and the heat map beside its results.

    Args:
        run_dir: Output directory of a sweep, merged where it was trained in shards.

    Returns:
        What `layer_sweep.json` holds.

    Raises:
        InputError: It is none, or not whole; or files of these names lie there that no sweep wrote.
    """
    output = OutputDirectory(run_dir)
    results = read_sweep(output)
    check_own_study(output.path, STUDY, TITLE, "--results_dir")
    if not (output.path / f"{STUDY}.json").is_file():  # It is written before them.
        check_pictures([output.path / f"{FIGURE}.{suffix}" for suffix in ("png", "svg")], output.path / f"{STUDY}.md")
    with locked(output.path, "--results_dir"):
        sweep = summarise_sweep(*results.with_counts())
        write_json(output.path / f"{STUDY}.json", sweep)
        write_sweep_report(sweep, output.path)
    return sweep


def read_sweep(output: OutputDirectory) -> Results:
    """Returns the results of a whole sweep.

    Raises:
        InputError: It is none, or not whole; the message says what it lacks.
    """
    results = load_results(output.path)
    if results.shard is not None:
        raise InputError(f"{output.path} is a shard. Merge all of them with `dlfa merge` first.")
    systems = results.systems
    fused = [run for run in results.runs if not run.baseline]
    if len({run.system for run in results.runs if run.baseline}) != 1 or not fused:
        raise InputError(f"{output.path} is not a sweep: it needs fused systems and one baseline beside them.")
    if len({(run.fusion, run.gate) for run in fused}) > 1 or any(len(run.fusion_layers) != 1 for run in fused):
        raise InputError(f"{output.path} is not a sweep: its systems must differ in one lower layer alone.")
    if any(list(results.seeds_of(name)) != results.seeds for name in systems):
        raise InputError(f"{output.path} is not whole: a system lacks a seed. Resume the sweep.")
    return results


def summarise_sweep(results: Results, counts: RunCounts) -> dict[str, Any]:
    """Compares every layer with the baseline and selects one, without and with knowledge of the target languages.

    Args:
        results: Of a sweep.
        counts: For each run's name and each language the (N, K) counts of the metric.

    Returns:
        What `layer_sweep.json` holds, scores and differences as fractions of 1. `"layers"` has an entry a layer, in
        order, with the differences in every language and average: `mean`, `low`, `high` (95 %), `p_value`, and
        `p_adjusted`, by Holm over all layers and languages, for an average over all layers. `"selected"` is the layer
        with the best mean score on the source language's validation data, the lower of equal ones, `"oracle"` the
        one with the best average over the target languages' test data, and `"regret"` what lies between the two.
    """
    summary = results.require_summary()
    by_layer = sorted({(run.fusion_layers[0], run.system) for run in results.runs if not run.baseline})
    layers: dict[str, Any] = {}
    averages: list[str] = []
    for layer, name in by_layer:
        written = summary.differences[name].to_dict()
        averages = [key for key in AVERAGES if written[key] is not None]
        layers[str(layer)] = {
            "system": name,
            **_scores(summary.systems[name]),
            "differences": written["languages"],
            **{key: written[key] for key in averages},
        }
    [baseline] = {run.system for run in results.runs if run.baseline}
    target = "macro_target" if "macro_target" in averages else "macro_all"
    selected = str(select_layer(results))
    oracle = best_layer(_column(layers, target))
    return {
        "schema_version": 1,
        "study": STUDY,
        **{key: getattr(results, key) for key in _RECORDED},
        "fusion": results.runs[0].fusion,
        "gate": results.runs[0].gate,
        "target_average": target,
        "baseline": {"system": baseline, **_scores(summary.systems[baseline])},
        "layers": layers,
        "selected": {"layer": int(selected), "by_seed": _by_seed(results)},
        "oracle": {"layer": int(oracle), "by_language": _by_language(layers, results.languages)},
        "regret": regret(results, counts, selected, oracle).to_dict(),
        "statistics": {
            "confidence": 0.95,
            "threshold": THRESHOLD,
            "n_resamples": summary.bootstrap.n_resamples,
            "seed": summary.bootstrap.seed,
            "aligned": summary.bootstrap.aligned,
            "comparisons": len(by_layer) * len(results.languages),
            "correction": "holm",
        },
    }


def _scores(system: SystemScores) -> dict[str, Any]:
    values = {key: value for key, value in system.values.items() if key != "transfer_gap"}
    scores = {key: {"mean": value.mean, "std": value.std} for key, value in values.items()}
    validation = None if system.validation is None else system.validation.to_dict()
    return {"validation": validation, "scores": scores, "collapsed": system.collapsed}


def _column(layers: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, float]:
    """The layers' mean scores in a language or average."""
    return {layer: entry["scores"][key]["mean"] for layer, entry in layers.items()}


def _by_seed(results: Results) -> dict[str, int]:
    """What one would have selected with each seed alone: how far the selection can be relied on."""
    return {str(seed): select_layer(results, seed) for seed in results.seeds}


def _by_language(layers: Mapping[str, Mapping[str, Any]], languages: list[str]) -> dict[str, int]:
    return {code: int(best_layer(_column(layers, code))) for code in languages}
