"""Counts and runs that are drawn at random, as tables and statistics take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from modeling_dlfa.scoring.metrics import METRICS


def as_counts(correct: np.ndarray) -> np.ndarray:
    """(…) booleans to (…, 2) accuracy counts."""
    return np.stack([correct, np.ones_like(correct)], axis=-1).astype(np.int64)


def random_counts(rng: np.random.Generator, sizes: dict[str, int], num_seeds: int) -> dict[str, np.ndarray]:
    return {language: as_counts(rng.random((num_seeds, size)) < 0.6) for language, size in sizes.items()}


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
    results = {"task": "xnli", "title": "XNLI", "labels": ["entailment", "neutral", "contradiction"]}
    results |= {"metric": "accuracy", "source_language": "en", "languages": languages, "runs": runs}
    results |= {
        "model_name_or_path": "some/encoder",
        "command": "python examples/run_xnli.py --baseline --seeds 1 2 3",
    }
    return results | {"selection": "best checkpoint by English validation accuracy"}, counts
