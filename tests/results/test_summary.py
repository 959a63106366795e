from __future__ import annotations

import copy
import statistics
from typing import Any

import numpy as np
import pytest

from modeling_dlfa.errors import InputError
from modeling_dlfa.results import summary
from modeling_dlfa.results.results import Results
from modeling_dlfa.scoring.metrics import METRICS, summarise
from modeling_dlfa.statistics.comparisons import adjusted_entries, compare_to_baseline

from ..scored import Counts, make_runs


def summarise_runs(results: dict[str, Any], counts: Counts, **options: Any) -> dict[str, Any]:
    """The summary as `results.json` holds it."""
    return summary.summarise_runs(Results.from_dict(results), counts, **options).to_dict()


def markdown_table(results: dict[str, Any]) -> str:
    return Results.from_dict(results).table("markdown")


def test_summary_equals_means_and_deviations_of_the_runs() -> None:
    systems = {"aif-layer4": [1, 2, 3], "last": [1, 2, 3]}
    runs, counts = make_runs(["en", "de", "fr"], systems, collapsed="last-seed2")
    found = summarise_runs(runs, counts, aligned=True, n_resamples=100)
    assert list(found["systems"]) == ["last", "aif-layer4"]
    for name, system in found["systems"].items():
        scores = [
            {language: values["accuracy"] for language, values in run["test"].items()}
            for run in runs["runs"]
            if run["system"] == name
        ]
        for language in runs["languages"]:
            values, actual = [score[language] for score in scores], system["languages"][language]
            assert actual["mean"] == pytest.approx(statistics.fmean(values))
            assert actual["std"] == pytest.approx(statistics.stdev(values))
            assert actual["low"] <= actual["mean"] <= actual["high"]
        for average in ("macro_all", "macro_target", "transfer_gap"):
            values = [getattr(summarise(score, "en"), average) for score in scores]
            assert system[average]["mean"] == pytest.approx(statistics.fmean(values))
            assert system[average]["std"] == pytest.approx(statistics.stdev(values))
        assert system["validation"] == {"mean": pytest.approx(0.72), "std": pytest.approx(0.01)}
        assert (system["runs"], system["seeds"]) == (3, [1, 2, 3])
    assert found["systems"]["last"]["collapsed"] == ["last-seed2"]
    assert found["systems"]["aif-layer4"]["collapsed"] == []


def test_differences_pair_the_seeds_that_both_have() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [3, 1, 2], "aif": [2, 3, 4], "mean": [9]})
    found = summarise_runs(runs, counts, aligned=True, n_resamples=100, seed=3)
    assert list(found["differences"]) == ["aif"]
    difference = found["differences"]["aif"]
    assert (difference["baseline"], difference["seeds"]) == ("last", [2, 3])
    system, baseline = (
        {code: np.stack([counts[f"{name}-seed{seed}"][code] for seed in (2, 3)]) for code in ("en", "de")}
        for name in ("aif", "last")
    )
    compared = compare_to_baseline(
        {"aif": system}, baseline, metric=METRICS["accuracy"], aligned=True, n_resamples=100, seed=3
    )
    expected = adjusted_entries(compared, ["en", "de"])["aif"]
    assert difference["macro_all"] == expected["macro_all"] and difference["languages"]["de"] == expected["de"]
    text = markdown_table(runs | {"summary": found})
    assert "mean shares no seed with the baseline" in text
    assert "paired by seed (seeds 2, 3)" in text


def test_test_sets_of_unequal_size_are_resampled_independently_and_said_to_be() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [1], "aif": [1]})
    assert summarise_runs(runs, counts, aligned=True, n_resamples=9)["bootstrap"]["aligned"]
    for run in runs["runs"]:
        counts[run["name"]]["de"] = counts[run["name"]]["de"][:40]
        run["test"]["de"] = {"accuracy": float(counts[run["name"]]["de"][:, 0].mean()), "n": 40}
    found = summarise_runs(runs, counts, aligned=True, n_resamples=9)
    assert found["bootstrap"] == {"confidence": 0.95, "n_resamples": 9, "seed": 0, "aligned": False}
    text = markdown_table(runs | {"summary": found})
    assert "the same examples in every language" not in text
    assert "en 60, de 40" in text


def test_contradictions_are_refused() -> None:
    runs, counts = make_runs(["en", "de"], {"last": [1, 2], "aif": [1, 2]})

    def refused(message: str, changed: dict[str, Any], kept: Counts = counts) -> None:
        with pytest.raises(InputError, match=message):
            summarise_runs(changed, kept, aligned=True, n_resamples=9)

    refused("no runs", runs | {"runs": []})
    refused("no predictions for de", runs, counts | {"aif-seed1": {"en": counts["aif-seed1"]["en"]}})
    refused("'last' has two runs with seed 1", runs | {"runs": runs["runs"][:1] * 2})
    wrong = copy.deepcopy(runs)
    wrong["runs"][1]["test"]["de"]["accuracy"] += 0.01
    refused("'last-seed2' records accuracy.*for de", wrong)
    two = copy.deepcopy(runs)
    for run in two["runs"]:
        run["baseline"] = True
    refused("one baseline, but last, aif", two)
