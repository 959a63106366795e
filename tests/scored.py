"""Finished commands without training: simulated counts, and the files that the runner would have written of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from modeling_dlfa.results.scores import ScoredRuns, scored_runs
from modeling_dlfa.scoring.metrics import METRICS
from modeling_dlfa.statistics.summary import summarise_runs

from .counts import make_runs

Counts = dict[str, dict[str, np.ndarray]]


def make_command(languages: list[str], systems: dict[str, list[int]], **options: Any) -> tuple[dict[str, Any], Counts]:
    """Results as the runner records them, of `make_runs`, and their counts."""
    results, counts = make_runs(languages, systems, **options)
    for run in results["runs"]:
        layers = run["system"].rpartition("layer")[2]
        run["fusion_layers"] = [int(layers)] if layers.isdigit() else []
    results |= {"kind": "sequence", "text_columns": ["premise", "hypothesis"], "created": "2026-01-02T03:04:05+00:00"}
    results |= {"recipe": {"max_length": 64}, "seeds": sorted({run["seed"] for run in results["runs"]})}
    results["summary"] = summarise_runs(results, counts, metric="accuracy", aligned=True, n_resamples=50)
    return json.loads(json.dumps(results, allow_nan=False)), counts


def make_scored(languages: list[str], systems: dict[str, list[int]], **options: Any) -> ScoredRuns:
    results, counts = make_command(languages, systems, **options)
    return scored_runs(results, counts, aligned=True)


def planted(gains: dict[str, float], seeds: int = 3, n: int = 400) -> ScoredRuns:
    """Runs of `last` and `aif-layer4` whose gain in each language is as given, but for the noise of examples."""
    rng = np.random.default_rng(0)
    languages = ["en", *gains]
    results, counts = make_command(languages, {"last": list(range(seeds)), "aif-layer4": list(range(seeds))}, n=n)
    for code in languages:
        difficulty = rng.random(n)
        for run in results["runs"]:
            level = 0.5 + (0 if run["baseline"] else gains.get(code, 0.0))
            right = difficulty + 0.1 * rng.normal(size=n) < level
            counts[run["name"]][code] = METRICS["accuracy"].counts(right.astype(int), np.ones(n))
            run["test"][code] = {"accuracy": float(right.mean()), "n": n}
    return scored_runs(results, counts, aligned=True)


def write_command(folder: Path, results: dict[str, Any], counts: Counts) -> Path:
    """Writes `results.json` and predictions whose scores are the counts'."""
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    for name, languages in counts.items():
        for code, array in languages.items():
            path = folder / "predictions" / name / f"{code}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [f"{row}\tneutral\t{'neutral' if right else 'entailment'}" for row, (right, _) in enumerate(array)]
            path.write_text("\n".join(["row\tlabel\tprediction", *rows]) + "\n", encoding="utf-8")
    return folder
