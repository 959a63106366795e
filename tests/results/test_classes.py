"""Scores by label, from the predictions of a run to the page, and a checkpoint that was chosen by one of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from modeling_dlfa.cli import main

from ..commands import assert_refused, read


def test_a_run_is_chosen_and_described_by_its_labels(xnli_arguments: list[str], tmp_path: Path) -> None:
    options = ["--metric_for_best_model", "recall_neutral", "--learning_rate", "2e-2", "--languages", "en", "de"]
    main("xnli", [*(word for word in xnli_arguments if word != "ar"), *options])
    results = read(tmp_path / "out" / "results.json")
    (run,) = results["runs"]
    assert results["selection"] == "best checkpoint by en validation recall of neutral"
    history = run["validation"]["history"]
    best = max(history, key=lambda entry: entry["recall_neutral"])
    assert run["validation"]["classes"]["neutral"]["recall"] == pytest.approx(best["recall_neutral"])
    assert run["validation"]["best_step"] == best["step"] and {"accuracy", "step", "epoch"} < best.keys()
    for language in ("en", "de"):
        with (tmp_path / "out" / "predictions" / run["name"] / f"{language}.tsv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        entry = run["test"][language]
        for index, label in enumerate(results["labels"]):
            row = [sum(r["label"] == label and r["prediction"] == other for r in rows) for other in results["labels"]]
            assert entry["confusion"][index] == row and entry["classes"][label]["support"] == sum(row)
    page = (tmp_path / "out" / "classes.md").read_text(encoding="utf-8")
    recall = run["test"]["de"]["classes"]["neutral"]
    assert f"{100 * recall['precision']:.1f} / {100 * recall['recall']:.1f}" in page and "## German (de)" in page
    text = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert "For comparison, macro-F1 in percent, averaged over languages and seeds: aif-layer1" in text


def test_a_score_that_is_not_computed_is_refused(
    xnli_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*xnli_arguments, "--metric_for_best_model"]
    assert_refused([*arguments, "recall_bad"], "choose from accuracy, loss, macro_f1, precision_entailment", capsys)
    assert_refused([*arguments, "macro_f1", "--greater_is_better", "False"], "keeps the worst checkpoint", capsys)
