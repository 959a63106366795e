"""Tasks with several labels for a text, and with a number: from files to scores, and to what a model answers."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling_dlfa import Predictor, Task, train
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError

from ..conftest import WORDS

SHARED: dict[str, Any] = {"kind": "sequence", "text_columns": ("text",), "languages": ("en", "de")}
THEMES = Task(
    name="themes",
    title="Themes",
    problem_type="multi_label_classification",
    label_column="themes",
    labels=("a", "b", "c"),
    metric="micro_f1",
    **SHARED,
)
LENGTH = Task(
    name="length",
    title="Length",
    problem_type="regression",
    label_column="grade",
    labels=("grade",),
    metric="spearman",
    **SHARED,
)


def write(folder: Path, task: Task) -> dict[str, Any]:
    """Writes files in which the words tell the labels: one for each word of a kind, or how many words there are."""
    for name, language, rows in (("train", "en", 64), ("dev", "en", 32), ("test-en", "en", 24), ("test-de", "de", 24)):
        rng, words = random.Random(len(name)), WORDS[language]
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(rows):
                has = [label for label in THEMES.labels if rng.random() < 0.5]
                text = [words[THEMES.labels.index(label)] for label in has for _ in range(3)] + [words[8]]
                count = rng.randint(1, 8)
                line = {"text": " ".join(text), "themes": has, "grade": 0.0}
                if task.problem_type == "regression":
                    line |= {"text": " ".join([words[9]] * count + [words[8]] * (8 - count)), "grade": count / 2}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    files = {"train_file": folder / "train.jsonl", "validation_file": folder / "dev.jsonl"}
    return {**files, "test_file": folder / "test-{language}.jsonl"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.slow
@pytest.mark.parametrize("task", [THEMES, LENGTH], ids=lambda task: task.name)
def test_from_files_to_predictions(task: Task, tiny_encoder: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {**write(tmp_path, task), "fusion_layers": 1, "baseline": True, "use_cpu": True}
    options |= {"num_train_epochs": 8, "learning_rate": 1e-2, "per_device_train_batch_size": 8}
    output = tmp_path / "out"
    results = train(task, tiny_encoder, **options, output_dir=output)
    assert results.described_task.problem_type == task.problem_type and "minus last" in results.table()
    run = results.runs[0]
    rows = rows_of(output / "predictions" / run.name / "en.tsv")
    scores = run.test["en"].scores
    assert len({row["prediction"] for row in rows}) > 1, "one answer for all would prove nothing"
    if task is THEMES:
        pairs = [[set(filter(None, row[side].split("|"))) for side in ("label", "prediction")] for row in rows]
        right, spread = (sum(len(op(a, b)) for a, b in pairs) for op in (set.intersection, lambda a, b: [*a, *b]))
        assert scores["micro_f1"] == pytest.approx(2 * right / spread)
        assert run.test["en"].classes is not None and list(run.test["en"].classes) == ["a", "b", "c"]
        assert (output / "classes.md").is_file() and 0 < scores["macro_f1"] <= 1
    else:
        from scipy.stats import pearsonr, spearmanr

        sides = [[float(row[side]) for row in rows] for side in ("label", "prediction")]
        assert scores["spearman"] == pytest.approx(spearmanr(*sides).statistic)
        assert scores["pearson"] == pytest.approx(pearsonr(*sides).statistic)
        assert not (output / "classes.md").exists()
    model = output / str(run.model)
    texts = [json.loads(line)["text"] for line in (tmp_path / "test-en.jsonl").read_text().splitlines()]
    for answer, row in zip(Predictor(model)(texts), rows, strict=True):
        if task is THEMES:
            assert "|".join(answer["labels"]) == row["prediction"]
            assert answer["scores"]["a"] == pytest.approx(float(row["a"]), abs=2e-5)
        else:
            assert answer["score"] == pytest.approx(float(row["prediction"]), abs=1e-4)
    (tmp_path / "texts.tsv").write_text("\n".join(["text", *texts]) + "\n", encoding="utf-8")
    dlfa(
        ["predict", str(model), str(tmp_path / "texts.tsv"), "--output_file", str(tmp_path / "answers.tsv"), "--quiet"]
    )
    answers = rows_of(tmp_path / "answers.tsv")
    if task is THEMES:
        assert [row["predictions"] for row in answers] == [row["prediction"] for row in rows]
    else:
        predicted = [float(row["prediction"]) for row in rows]
        assert [float(row["score"]) for row in answers] == pytest.approx(predicted, abs=1e-4)
    again = train(task, model, **{**options, "baseline": False}, do_train=False, output_dir=tmp_path / "again")
    assert again.scores[run.system]["en"] == pytest.approx(np.mean([scores[task.metric]]), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"problem_type": "multi_label_classification", "metric": "accuracy"}, "Choose from 'macro_f1', 'micro_f1'"),
        ({"problem_type": "regression", "labels": ("a", "b"), "metric": "pearson"}, "A regression has one"),
        ({"problem_type": "regression", "labels": ("a",), "metric": "micro_f1"}, "Choose from 'pearson', 'spearman'"),
        ({"problem_type": "multi", "metric": "micro_f1"}, "problem_type is 'multi'"),
        ({"problem_type": "multi_label_classification", "labels": ("a|b", "c")}, "holds '|'"),
    ],
)
def test_a_task_that_contradicts_itself(given: dict[str, Any], expected: str) -> None:
    whole = {"name": "t", "title": "T", "label_column": "x", "labels": ("a", "b"), "metric": "micro_f1", **SHARED}
    with pytest.raises(InputError, match="Task 't'") as caught:
        Task(**{**whole, **given})
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        (THEMES, {"class_weights": "balanced"}, "--class_weights is for one label of several"),
        (LENGTH, {"label_smoothing_factor": 0.1}, "--label_smoothing_factor is for one label of several"),
        (LENGTH, {"max_train_samples": 4, "train_samples_strategy": "balanced"}, "draws by the one label"),
    ],
)
def test_options_for_one_label_are_refused(
    task: Task, given: dict[str, Any], expected: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected):
        train(task, tiny_encoder, **write(tmp_path, task), **given, output_dir=tmp_path / "out")
