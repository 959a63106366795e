"""Which lower layer to fuse: compares every candidate with the baseline, in every language, over the same seeds."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from accelerate import PartialState

from ...errors import InputError
from ...files.folders import locked
from ...results.counts import RunCounts
from ...results.directory import OutputDirectory
from ...results.format import SystemScores
from ...results.results import Results, load_results
from ...scoring.metrics import AVERAGES
from ...statistics.comparisons import THRESHOLD
from ...tasks import Task
from ...training.arguments import Arguments
from ...training.runner import run_task
from .choice import best_layer, regret, select_layer
from .one_pass_runs import check_one_pass, execute_together
from .sections import SWEEP

FUSIONS = ("aif", "mean", "concat", "layer")
_RECORDED = (
    "task",
    "title",
    "metric",
    "source_language",
    "seen",
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
    """Trains every candidate layer and the baseline with the runner, and analyses them.

    Args:
        task: The task.
        arguments: The runner's arguments. `--fusion_layers` are the candidates, each alone; if left out, all lower
            layers, including the embeddings (0). The baseline is always trained.
        one_pass: Train the candidates and the baseline of a seed at once, on one backbone (`one_pass.OnePassModel`).

    Returns:
        Contents of `layer_sweep.json`; None for a shard, whose command has other runs elsewhere, and in all processes
        except the main one.

    Raises:
        InputError: Wrong input, before any training starts.
    """
    fusion = arguments.model.fusion or "aif"
    if fusion not in FUSIONS:
        raise InputError(f"--fusion {fusion} does not read a single lower layer; choose from {', '.join(FUSIONS)}.")
    if not (arguments.training.do_train and arguments.training.do_predict):
        raise InputError("A sweep trains and tests; remove --do_train False and --do_predict False.")
    if one_pass:
        check_one_pass(arguments.model, arguments.learning, arguments.training, arguments.run.num_shards)
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
        Contents of `layer_sweep.json`.

    Raises:
        InputError: It is not a whole sweep; or it holds files of these names that no sweep wrote.
    """
    output = OutputDirectory(run_dir)
    results = read_sweep(output)
    SWEEP.folder(output.path, overwrite=True, option="--results_dir")
    with locked(output.path, "--results_dir"):
        return SWEEP.write(summarise_sweep(results, results.counts()), output.path)


def read_sweep(output: OutputDirectory) -> Results:
    """Returns the results of a whole sweep.

    Raises:
        InputError: They are not of a whole sweep; the message says what is missing.
    """
    results = load_results(output.path)
    if results.shard is not None:
        results.shard.refuse(output.path)
    systems = results.systems
    fused = [run for run in results.runs if not run.baseline]
    if len({run.system for run in results.runs if run.baseline}) != 1 or not fused:
        raise InputError(
            f"{output.path} is not a sweep: it needs fused systems and one baseline. Give a directory of `dlfa sweep`."
        )
    if len({(run.fusion, run.gate) for run in fused}) > 1 or any(len(run.fusion_layers) != 1 for run in fused):
        raise InputError(
            f"{output.path} is not a sweep: its systems must differ only in the lower layer. Give a "
            "directory of `dlfa sweep`."
        )
    if any(list(results.seeds_of(name)) != results.seeds for name in systems):
        raise InputError(f"{output.path} is incomplete: a system lacks a seed. Resume the sweep.")
    return results


def summarise_sweep(results: Results, counts: RunCounts) -> dict[str, Any]:
    """Compares every layer with the baseline and selects one, without and with knowledge of the target languages.

    Args:
        results: Results of a sweep.
        counts: For each run's name and each language the (N, K) counts of the metric.

    Returns:
        Contents of `layer_sweep.json`, scores and differences as fractions of 1. `"layers"` has an entry per layer, in
        order, with the differences in every language and average: `mean`, `low`, `high` (95 %), `p_value`, and
        `p_adjusted`, by Holm over all layers and languages, for averages over all layers. `"selected"` is the layer
        with the best mean score on the source language's validation data, the lower if equal, `"oracle"` the
        one with the best average over the target languages' test data, and `"regret"` the loss between the two.
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
    selected = select_layer(results)

    def best(key: str) -> int:
        return int(best_layer({layer: entry["scores"][key]["mean"] for layer, entry in layers.items()}))

    oracle = best(target)
    return {
        **{key: getattr(results, key) for key in _RECORDED},
        "fusion": results.runs[0].fusion,
        "gate": results.runs[0].gate,
        "target_average": target,
        "baseline": {"system": baseline, **_scores(summary.systems[baseline])},
        "layers": layers,
        # What each seed alone would have selected tells how reliable the selection is.
        "selected": {"layer": selected, "by_seed": {str(seed): select_layer(results, seed) for seed in results.seeds}},
        "oracle": {"layer": oracle, "by_language": {code: best(code) for code in results.languages}},
        "regret": regret(results, counts, str(selected), str(oracle)).to_dict(),
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
