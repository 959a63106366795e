"""Finished commands without training: simulated counts, and the files that the runner would have written of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from modeling_dlfa.results.format import FORMAT
from modeling_dlfa.results.results import Results
from modeling_dlfa.results.summary import summarise_runs
from modeling_dlfa.scoring.metrics import METRICS

Counts = dict[str, dict[str, np.ndarray]]


def make_runs(
    languages: list[str], systems: dict[str, list[int]], n: int = 60, collapsed: str = ""
) -> tuple[dict[str, Any], Counts]:
    """Results without a summary, of systems (name to seeds; `last` is the baseline, the others better), and counts."""
    rng = np.random.default_rng(0)
    level = {language: 0.8 if language == "en" else rng.uniform(0.5, 0.7) for language in languages}
    runs: list[dict[str, Any]] = []
    counts: Counts = {}
    for system, seeds in systems.items():
        for seed in seeds:
            name, gain = f"{system}-seed{seed}", 0.0 if system == "last" else 0.1
            counts[name] = {
                language: METRICS["accuracy"].counts((rng.random(n) < level[language] + gain).astype(int), np.ones(n))
                for language in languages
            }
            scores = {language: float(array[:, 0].mean()) for language, array in counts[name].items()}
            run = {"name": name, "system": system, "baseline": system == "last", "seed": seed}
            run |= {"collapsed": name == collapsed, "validation": {"accuracy": 0.7 + seed / 100, "n": 50}}
            runs.append(run | {"test": {code: {"accuracy": score, "n": n} for code, score in scores.items()}})
    results = {
        "schema_version": FORMAT,
        "task": "xnli",
        "title": "XNLI",
        "labels": ["entailment", "neutral", "contradiction"],
    }
    results |= {"metric": "accuracy", "source_language": "en", "languages": languages, "runs": runs}
    results |= {
        "model_name_or_path": "some/encoder",
        "command": "python examples/run_xnli.py --baseline --seeds 1 2 3",
    }
    return results | {"selection": "best checkpoint by English validation accuracy"}, counts


def with_summary(results: dict[str, Any], counts: Counts, *, aligned: bool = True, n_resamples: int = 100) -> dict:
    """The same with the summary, as they are read from a file."""
    summary = summarise_runs(Results.from_dict(results), counts, aligned=aligned, n_resamples=n_resamples)
    return json.loads(json.dumps(results | {"summary": summary.to_dict()}, allow_nan=False))


def make_command(languages: list[str], systems: dict[str, list[int]], **options: Any) -> tuple[dict[str, Any], Counts]:
    """Results as the runner records them, of `make_runs`, and their counts."""
    results, counts = make_runs(languages, systems, **options)
    for run in results["runs"]:
        layers = run["system"].rpartition("layer")[2]
        run["fusion_layers"] = [int(layers)] if layers.isdigit() else []
    results |= {"kind": "sequence", "text_columns": ["premise", "hypothesis"], "created": "2026-01-02T03:04:05+00:00"}
    results |= {"recipe": {"max_length": 64}, "seeds": sorted({run["seed"] for run in results["runs"]})}
    return with_summary(results, counts, n_resamples=50), counts


def make_scored(languages: list[str], systems: dict[str, list[int]], **options: Any) -> tuple[Results, Counts]:
    results, counts = make_command(languages, systems, **options)
    return Results.from_dict(results), counts


def planted(gains: dict[str, float], seeds: int = 3, n: int = 400) -> tuple[Results, Counts]:
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
    return Results.from_dict(results), counts


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
