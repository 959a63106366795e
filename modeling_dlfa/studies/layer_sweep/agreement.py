"""How well a one-pass sweep ranks the layers, compared with a full sweep of the same task."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ...errors import InputError
from ...files.folders import locked
from ...results.counts import RunCounts
from ...results.directory import OutputDirectory, differences
from ...results.format import RunRecord
from ...results.results import Results
from ...scoring.metrics import summarise
from .agreement_sections import AGREEMENT
from .choice import best_layer, ranked_layers, regret, select_layer
from .layer_sweep import read_sweep

_SAME = ("task", "metric", "source_language", "seen", "languages", "labels")
_NAMES = (" in the full sweep", " in one pass")


Scores = dict[str, dict[str, list[float]]]


def _layer_scores(results: Results, *, baseline: bool = False) -> Scores:
    """`"validation"` and `"target"` scores of the lower layers or the baseline (`"last"`), one value per seed."""
    scores: Scores = {"validation": {}, "target": {}}
    runs = [run for run in results.runs if run.baseline is baseline]
    for run in sorted(runs, key=lambda run: (run.fusion_layers, results.seeds.index(run.seed))):
        layer = "last" if baseline else str(run.fusion_layers[0])
        if run.validation is not None:
            scores["validation"].setdefault(layer, []).append(run.validation.scores[results.metric])
        average = summarise(results.run_scores(run), results.seen)
        target = average.macro_all if average.macro_target is None else average.macro_target
        scores["target"].setdefault(layer, []).append(target)
    return scores


def _means(scores: Scores) -> dict[str, dict[str, float]]:
    return {name: {layer: fmean(values) for layer, values in found.items()} for name, found in scores.items()}


def compare_sweeps(full_dir: str | os.PathLike, one_pass_dir: str | os.PathLike) -> dict[str, Any]:
    """Compares a one-pass sweep with a full one; writes `one_pass_agreement.json` and `.md` beside the one-pass sweep.

    Args:
        full_dir: Output directory of a full sweep, each layer trained alone.
        one_pass_dir: Output directory of a one-pass sweep of the same task, data and layers; its seeds may differ.

    Returns:
        What `one_pass_agreement.json` holds (see `measure_agreement`).

    Raises:
        InputError: A directory is not such a sweep, or they differ in what must be the same; or files of these names
            exist there that no comparison wrote.
    """
    full_output, output = OutputDirectory(full_dir), OutputDirectory(one_pass_dir)
    full, one_pass = read_sweep(full_output), read_sweep(output)
    if full.recipe.get("one_pass"):
        raise InputError(f"{full_output.path} is a one-pass sweep. Name the full sweep first, then the one-pass one.")
    if not one_pass.recipe.get("one_pass"):
        raise InputError(f"{output.path} is a full sweep. Compare with one that was trained with --one_pass.")
    check_comparable(full, one_pass)
    AGREEMENT.folder(output.path, overwrite=True, option="--compare_with")
    with locked(output.path, "--compare_with"):
        return AGREEMENT.write(measure_agreement(full, full.counts(), one_pass), output.path)


def check_comparable(full: Results, one_pass: Results) -> None:
    """Refuses to compare sweeps of different tasks, data, fusions or layers.

    Raises:
        InputError: They differ; the message names the places.
    """
    if details := differences(_identity(full), _identity(one_pass), _NAMES):
        raise InputError(
            f"The two sweeps differ in task, data, fusion or layers: {details}. Compare sweeps of the same."
        )


def measure_agreement(full: Results, counts: RunCounts, one_pass: Results) -> dict[str, Any]:
    """Measures how well a one-pass sweep ranks the layers as a full sweep of the same task and layers does.

    Args:
        full: The full sweep.
        counts: Counts of the full sweep: for each run's name and each language the (N, K) counts of the metric.
        one_pass: The one-pass sweep.

    Returns:
        Scores as fractions of 1. `"spearman"` has rank correlations over the layers, None where all of a side are
        equal: `validation` and `target` between the two sweeps, `selection` of the one-pass validation with the full
        sweep's target average, `full_selection` of the full sweep's own validation with it, and the first two
        `_with_last`, with the baseline as one more layer. `"between_seeds"` has the mean correlation of two seeds of
        the full sweep, which says how far it agrees with itself; None for one seed. `"top3"` says whether the full
        sweep's best layer by target average is among the one-pass sweep's three best by validation. `"regret"` is what
        the full sweep's target average loses by the one-pass sweep's selection, against its own (`to_selected`) and
        the best (`to_oracle`), and by its own (`full_to_oracle`), each with an interval. `"cost"` has training
        seconds, `ratio` those of a one-pass seed by those of one run; None where a resumed run forgot some.
    """
    scores = _layer_scores(full)
    means, own_means = _means(scores), _means(_layer_scores(one_pass))
    last_means, own_last_means = (_means(_layer_scores(sweep, baseline=True)) for sweep in (full, one_pass))
    chosen, selected = str(select_layer(one_pass)), str(select_layer(full))
    oracle = best_layer(means["target"])
    pairs = {
        "to_selected": (chosen, selected),
        "to_oracle": (chosen, oracle),
        "full_to_oracle": (selected, oracle),
    }
    return {
        "title": full.title,
        **{key: getattr(full, key) for key in _SAME},
        "model_name_or_path": full.model_name_or_path,
        "layers": [int(layer) for layer in means["target"]],
        "differences": differences(_background(full), _background(one_pass), _NAMES),
        "commands": {"full": full.command, "one_pass": one_pass.command},
        "full": {"seeds": full.seeds, "baseline": last_means, **means},
        "one_pass": {"seeds": one_pass.seeds, "baseline": own_last_means, **own_means},
        "selected": {
            "full": int(selected),
            "one_pass": int(chosen),
            "one_pass_by_seed": {str(seed): select_layer(one_pass, seed) for seed in one_pass.seeds},
        },
        "oracle": int(oracle),
        "spearman": {
            **{key: spearman(means[key], own_means[key]) for key in means},
            "selection": spearman(means["target"], own_means["validation"]),
            "full_selection": spearman(means["target"], means["validation"]),
            **{
                f"{key}_with_last": spearman(means[key] | last_means[key], own_means[key] | own_last_means[key])
                for key in means
            },
        },
        "between_seeds": {name: _between_seeds(found) for name, found in scores.items()},
        "top3": oracle in ranked_layers(own_means["validation"])[:3],
        "regret": {key: regret(full, counts, layer, reference).to_dict() for key, (layer, reference) in pairs.items()},
        "cost": _cost(full.runs, one_pass.runs),
    }


def spearman(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Returns the rank correlation of two scores of the same layers, equal scores sharing a rank.

    Args:
        one: A score for each layer.
        other: Another score for each layer.

    Returns:
        Spearman's rho, by scipy; None if it is undefined, as with fewer than two different scores on a side.
    """
    from scipy.stats import spearmanr

    if min(len(set(one.values())), len(set(other.values()))) < 2:
        return None
    return float(spearmanr(list(one.values()), [other[layer] for layer in one]).statistic)


def _between_seeds(scores: Mapping[str, Sequence[float]]) -> float | None:
    """The mean rank correlation of two seeds of one sweep; None for one seed, or if every correlation is undefined."""
    seeds = [dict(zip(scores, values, strict=True)) for values in zip(*scores.values(), strict=True)]
    defined = [rho for pair in itertools.combinations(seeds, 2) if (rho := spearman(*pair)) is not None]
    return fmean(defined) if defined else None


def _cost(full: Sequence[RunRecord], one_pass: Sequence[RunRecord]) -> dict[str, float] | None:
    """Training seconds, including validation between epochs; a resumed run records only its last part."""
    if any(run.train is None or run.train.resumed for run in (*full, *one_pass)):
        return None
    run = fmean(run.train.seconds for run in full if run.train)
    seed = fmean({run.seed: run.train.seconds for run in one_pass if run.train}.values())
    systems = len({run.system for run in full})
    return {"run": run, "one_pass_seed": seed, "ratio": seed / run, "full_sweep_seed": run * systems}


def _identity(results: Results) -> dict[str, Any]:
    """What two sweeps must share to be compared; a file is identified by its checksum, wherever it lies."""
    apart = results.data.train_by_language or {}
    train = {f"train {code}": source for code, source in apart.items()} if apart else {"train": results.data.train}
    sources = {**train, "validation": results.data.validation, **results.data.test}
    fused = [run for run in results.runs if not run.baseline]
    return {
        **{key: getattr(results, key) for key in _SAME},
        "data": {name: source and [source.sha256 or source.source, source.rows] for name, source in sources.items()},
        "fusion": {"fusion": fused[0].fusion, "gate": fused[0].gate},
        "layers": sorted({run.fusion_layers[0] for run in fused}),
    }


def _background(results: Results) -> dict[str, Any]:
    """What may differ but must be reported."""
    recipe = {key: value for key, value in results.recipe.items() if key != "one_pass"}
    return {"recipe": recipe, "model_name_or_path": results.model_name_or_path, "hardware": results.hardware}
