"""Sweeps without training: planted gains, and planted scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from modeling_dlfa.results.results import Results
from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.studies.layer_sweep.agreement import measure_agreement
from modeling_dlfa.studies.layer_sweep.layer_sweep import summarise_sweep

from ...scored import Counts, with_summary

ACCURACY = METRICS["accuracy"]
LANGUAGES = ["en", "de", "ar", "zh"]
Scores = dict[str, list[int]]
# Percent right on the targets and on English validation data, a value a seed; "last" is the baseline.
TARGET: Scores = {"0": [50], "1": [60], "2": [70], "3": [66], "4": [62], "last": [64]}
VALIDATION: Scores = {"0": [80], "1": [82], "2": [84], "3": [90], "4": [86], "last": [92]}


def sweep(
    validation: Scores, target: Scores, *, seconds: float = 10.0, one_pass: bool = False, resumed: bool = False
) -> tuple[Results, Counts]:
    """Results whose every score is exactly as given, and their counts."""
    counts: Counts = {}
    runs = []
    seeds = list(range(len(next(iter(target.values())))))
    for seed in seeds:
        for layer in target:
            baseline = layer == "last"
            name = f"{layer}-seed{seed}"
            # The two targets lie on either side of their average.
            right = {"en": 95, "de": target[layer][seed] - 5, "ar": target[layer][seed] + 5}
            counts[name] = {
                code: np.stack([np.arange(100) < value, np.ones(100, dtype=bool)], axis=1).astype(np.int64)
                for code, value in right.items()
            }
            runs.append(
                {
                    **{"name": name, "system": layer, "baseline": baseline, "seed": seed, "fusion": "aif"},
                    "fusion_layers": [] if baseline else [int(layer)],
                    "gate": "select",
                    "validation": {"accuracy": validation[layer][seed] / 100},
                    "test": {code: ACCURACY.report(counts[name][code]) for code in right},
                    "train": {"seconds": seconds + (baseline and not one_pass), "resumed": resumed and seed == 0},
                }
            )
    source = {"sha256": "0", "source": "x", "rows": 100}
    results = {
        **{"task": "xnli", "title": "XNLI", "metric": "accuracy", "source_language": "en", "labels": ["a", "b"]},
        **{"languages": ["en", "de", "ar"], "seeds": seeds, "command": "python x", "model_name_or_path": "org/e"},
        "data": {"train": source, "validation": source, "test": {"en": source, "de": source, "ar": source}},
        "recipe": {"learning_rate": 0.1, **({"one_pass": True} if one_pass else {})},
        "hardware": {"cpus": 2},
        "runs": runs,
    }
    return Results.from_dict(with_summary(results, counts, aligned=False)), counts


def agreement(validation: Scores, target: Scores = TARGET, **options: Any) -> dict[str, Any]:
    full, counts = sweep(VALIDATION, TARGET)
    return measure_agreement(full, counts, sweep(validation, target, one_pass=True, **options)[0])


def planted(
    gains: dict[int, dict[str, float]], validation: dict[int | None, float], num_seeds: int = 3
) -> dict[str, Any]:
    """A sweep whose layers answer this share of the baseline's wrong examples right as well, or lose it."""
    rng, n = np.random.default_rng(0), 1000
    counts: dict[str, dict[str, np.ndarray]] = {}
    runs = []
    for seed in range(num_seeds):
        base = {code: rng.random(n) < 0.6 for code in LANGUAGES}
        for layer, gain in [*gains.items(), (None, {})]:
            name = f"last-seed{seed}" if layer is None else f"aif-layer{layer}-seed{seed}"
            counts[name] = {}
            for code in LANGUAGES:
                right, change = base[code].copy(), gain.get(code, 0.0)
                right[rng.random(n) < abs(change)] = change > 0
                counts[name][code] = np.stack([right, np.ones(n, dtype=bool)], axis=1).astype(np.int64)
            runs.append(
                {
                    "name": name,
                    "system": name.partition("-seed")[0],
                    "baseline": layer is None,
                    "fusion": "last" if layer is None else "aif",
                    "fusion_layers": [] if layer is None else [layer],
                    "gate": None if layer is None else "select",
                    "seed": seed,
                    "collapsed": False,
                    "validation": {"accuracy": validation.get(layer, 0.5) + 0.02 * (seed == 2 and layer == 3)},
                    "test": {code: ACCURACY.report(counts[name][code]) for code in LANGUAGES},
                }
            )
    results: dict[str, Any] = {
        **{key: None for key in ("model_revision", "model_commit", "created", "versions", "recipe")},
        **{"task": "xnli", "title": "XNLI", "metric": "accuracy", "source_language": "en", "languages": LANGUAGES},
        **{"model_name_or_path": "org/encoder", "seeds": list(range(num_seeds)), "command": "python x", "runs": runs},
    }
    tested = Results.from_dict(with_summary(results, counts, aligned=False, n_resamples=400))
    return summarise_sweep(tested, counts)
