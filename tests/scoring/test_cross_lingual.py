"""The metric of `evaluate` for several languages: alone, and in its evaluators with real pipelines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from evaluate import evaluator
from seqeval.metrics import accuracy_score, f1_score
from transformers import pipeline

import modeling_dlfa
from modeling_dlfa import CrossLingualMetric, load_results
from modeling_dlfa.errors import InputError
from modeling_dlfa.tasks import XNLI

from ..tiny_checkpoints import ENTITIES, corpus_pairs, save_checkpoint


def test_evaluate_metric_scores_sentences() -> None:
    scorer = CrossLingualMetric("f1", source_language="en", labels=("O", "B-PER", "I-PER"))
    columns: dict[str, list[Any]] = {
        "predictions": [[1, 2, 0], [0, 0], [1]],
        "references": [[1, 2, 0], [1, 0], [1]],
        "languages": ["en", "de", "en"],
    }
    expected = {
        "languages": {
            "en": {"f1": 1.0, "accuracy": 1.0, "n": 2, "words": 4},
            "de": {"f1": 0.0, "accuracy": 0.5, "n": 1, "words": 2},
        },
        "macro_all": 0.5,
        "macro_target": 0.0,
        "transfer_gap": 1.0,
    }
    assert scorer.compute(**columns) == expected
    for rows in (slice(0, 2), slice(2, 3)):
        scorer.add_batch(**{name: values[rows] for name, values in columns.items()})
    assert scorer.compute() == expected
    with pytest.raises(InputError, match="one class id per word"):
        scorer.compute(predictions=[0.5], references=[0], languages=["en"])


def test_evaluate_metric_scores_languages_in_one_call_or_in_batches() -> None:
    scorer = CrossLingualMetric("accuracy", source_language="en")
    expected: dict[str, Any] = {
        "languages": {
            "en": {"accuracy": 0.5, "n": 2},
            "de": {"accuracy": 0.0, "n": 1},
            "fr": {"accuracy": 1.0, "n": 1},
        },
        "macro_all": 0.5,
        "macro_target": 0.5,
        "transfer_gap": 0.0,
    }
    columns: dict[str, list[Any]] = {
        "predictions": [0, 1, 2, 1],
        "references": [0, 2, 1, 1],
        "languages": ["en", "en", "de", "fr"],
    }
    assert scorer.compute(**columns) == expected
    scorer.add_batch(**{name: np.array(values[:3]) for name, values in columns.items()})
    scorer.add_batch(**{name: values[3:] for name, values in columns.items()})
    assert scorer.compute() == expected
    json.dumps(expected)


def test_evaluate_metric_keeps_every_example() -> None:
    rng = np.random.default_rng(0)
    predictions, references = rng.integers(0, 3, (2, 5003))
    languages = np.array(["en", "de", "sw"])[rng.integers(0, 3, 5003)]
    scorer = CrossLingualMetric()
    result = scorer.compute(predictions=predictions, references=references, languages=languages.tolist())
    for language in ("en", "de", "sw"):
        chosen = languages == language
        expected = {"accuracy": float((predictions == references)[chosen].mean()), "n": int(chosen.sum())}
        assert result["languages"][language] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"predictions": [0.9], "references": [0], "languages": ["en"]}, "class id"),
        ({"predictions": [[0, 1]], "references": [0], "languages": ["en"]}, "class id"),
        ({"predictions": [0, 1], "references": [0], "languages": ["en"]}, "'predictions': 2"),
        ({"predictions": [0], "references": [0]}, "'languages': 0"),
        ({"predictions": [], "references": [], "languages": []}, "'predictions': 0"),
        ({}, "nothing to score"),
    ],
)
def test_evaluate_metric_refuses_bad_columns(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CrossLingualMetric().compute(**columns)


SCRIPT = """
import json, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError(f"network: {args}")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
import modeling_dlfa.scoring.metrics, modeling_dlfa.statistics.resampling
import modeling_dlfa.results.tables, modeling_dlfa.results.summary
heavy = {"datasets", "evaluate", "matplotlib", "pandas", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
from modeling_dlfa import CrossLingualMetric
scorer = CrossLingualMetric()
for _ in range(2):
    result = scorer.compute(predictions=[0, 1, 2], references=[0, 1, 1], languages=["en", "en", "de"])
print(json.dumps(result))
"""


def test_evaluate_metric_needs_no_network_and_leaves_no_file(tmp_path: Path) -> None:
    """Two processes at once, offline, with a home, a cache and a temporary folder that stay empty."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment |= {"HOME": str(home), "HF_HOME": str(home / "hf"), "TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(Path(modeling_dlfa.__file__).parents[1])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": temporary}
    command = [sys.executable, "-B", "-c", SCRIPT]
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert json.loads(output)["transfer_gap"] == 1.0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"predictions": ["glad"], "references": ["sad"]},
            "metric was made with the labels: 'bad', 'good'",
        ),
        ({"predictions": ["good"], "references": [-100]}, "the references is class id -100; ids run from 0 to 1"),
        ({"predictions": ["O"], "references": ["good"]}, "Among the predictions is 'O'"),
    ],
)
def test_classes_that_do_not_exist(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CrossLingualMetric(labels=("bad", "good")).compute(**columns, languages=["en"])


def test_examples_one_at_a_time_are_checked_as_well() -> None:
    scorer = CrossLingualMetric(labels=("bad", "good"))
    scorer.add(prediction="good", reference=1, languages="en")
    with pytest.raises(InputError, match="one class id per example"):
        scorer.add(prediction=0.9, reference=0, languages="en")
    scorer.add(prediction=0, reference="good", languages="de")
    assert scorer.compute()["languages"] == {"en": {"accuracy": 1.0, "n": 1}, "de": {"accuracy": 0.0, "n": 1}}


def test_a_word_without_an_answer_is_wrong_whatever_the_labels() -> None:
    """The evaluator calls it O, which parts of speech do not have."""
    for labels in (("NOUN", "VERB"), ("O", "NOUN", "VERB")):
        scorer = CrossLingualMetric("f1", labels=labels, languages=["en"])
        scores = scorer.compute(predictions=[["NOUN", "O", "VERB"]], references=[["NOUN", "VERB", "VERB"]])
        # As seqeval counts: the last VERB alone is not the annotated span of two.
        assert scores["languages"]["en"] == {"f1": 0.5, "accuracy": pytest.approx(2 / 3), "n": 1, "words": 3}


def test_languages_belong_to_the_examples_of_one_data_set() -> None:
    scorer = CrossLingualMetric(languages=["en", "de"])
    first = scorer.compute(predictions=[0, 1], references=[0, 0])
    assert first == CrossLingualMetric().compute(predictions=[0, 1], references=[0, 0], languages=["en", "de"])
    assert scorer.compute(predictions=[1, 0], references=[0, 0])["transfer_gap"] == -1, "another model, the same data"
    with pytest.raises(InputError, match="the languages of 2 examples, not 1"):
        scorer.compute(predictions=[0], references=[0])
    with pytest.raises(InputError, match='use strategy="simple"'):
        scorer.compute(predictions=[0, 1], references=[0, 1])


LANGUAGES = ("en", "de", "sw")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "text-classification": str(save_checkpoint(folder / "sequence", "sequence", XNLI.labels)),
        "token-classification": str(save_checkpoint(folder / "token", "token", ENTITIES)),
    }


def given_as(form: str, kind: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The three things that an evaluator takes as a model."""
    if form == "folder":
        return {"model_or_pipeline": folder}
    pipe = pipeline(kind, model=folder, device="cpu")
    if form == "model":
        return {"model_or_pipeline": pipe.model, "tokenizer": pipe.tokenizer}
    # evaluate 0.4.6 asks whether a pipeline is a model of TensorFlow, of which transformers 5 knows nothing.
    known = sys.modules["evaluate.evaluator.base"].transformers  # type: ignore[attr-defined]
    monkeypatch.setattr(known, "TFPreTrainedModel", type("TFPreTrainedModel", (), {}), raising=False)
    return {"model_or_pipeline": pipe}


@pytest.mark.parametrize("form", ["folder", "model", "pipeline"])
def test_the_evaluator_of_texts(form: str, checkpoints: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    columns: dict[str, list[Any]] = {"premise": [], "hypothesis": [], "language": [], "label": []}
    for code in LANGUAGES:
        for row, (premise, hypothesis) in enumerate(corpus_pairs(code)[:20]):
            for name, value in zip(columns, (premise, hypothesis, code, row % 3), strict=True):
                columns[name].append(value)
    rows = datasets.Dataset.from_dict(columns)
    given = given_as(form, "text-classification", checkpoints["text-classification"], monkeypatch)
    names: dict[str, Any] = {"input_column": "premise", "second_input_column": "hypothesis"}
    scorer = CrossLingualMetric(labels=XNLI.labels, languages=rows["language"])
    scores = evaluator("text-classification").compute(**given, data=rows, metric=scorer, **names)
    classify = pipeline("text-classification", model=checkpoints["text-classification"], device="cpu")
    right = [
        classify({"text": row["premise"], "text_pair": row["hypothesis"]})["label"] == XNLI.labels[row["label"]]
        for row in rows
    ]
    for place, code in enumerate(LANGUAGES):
        own = right[20 * place : 20 * place + 20]
        assert scores["languages"][code] == {"accuracy": pytest.approx(sum(own) / 20), "n": 20}
    assert 0 < sum(right) < 60 and scores["macro_all"] == pytest.approx(sum(right) / 60)
    assert scores["samples_per_second"] > 0
    ids = {label: index for index, label in enumerate(XNLI.labels)}
    mapped = evaluator("text-classification").compute(**given, data=rows, metric=scorer, **names, label_mapping=ids)
    assert mapped["languages"] == scores["languages"]
    names |= {"label_mapping": ids, "strategy": "bootstrap"}
    with pytest.raises(InputError, match='use strategy="simple"'):
        evaluator("text-classification").compute(**given, data=rows, metric=scorer, **names)


@pytest.mark.parametrize("form", ["folder", "model", "pipeline"])
def test_the_evaluator_of_words(form: str, checkpoints: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    columns: dict[str, list[Any]] = {"tokens": [], "language": [], "ner_tags": []}
    for code in LANGUAGES:
        for row, (premise, _) in enumerate(corpus_pairs(code)[:12]):
            words = premise.split()
            columns["tokens"].append(words)
            columns["language"].append(code)
            columns["ner_tags"].append([(row + place) % len(ENTITIES) for place in range(len(words))])
    tags = datasets.Sequence(datasets.ClassLabel(names=list(ENTITIES)))
    features = {
        "tokens": datasets.Sequence(datasets.Value("string")),
        "language": datasets.Value("string"),
        "ner_tags": tags,
    }
    rows = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    given = given_as(form, "token-classification", checkpoints["token-classification"], monkeypatch)
    scorer = CrossLingualMetric("f1", labels=ENTITIES, languages=rows["language"])
    scores = evaluator("token-classification").compute(**given, data=rows, metric=scorer)
    tag = pipeline("token-classification", model=checkpoints["token-classification"], ignore_labels=[], device="cpu")
    macro = []
    for code in LANGUAGES:
        predicted, annotated = [], []
        for row in (row for row in rows if row["language"] == code):
            starts = {piece["start"]: piece["entity"] for piece in tag(" ".join(row["tokens"]))}
            places = [sum(len(word) + 1 for word in row["tokens"][:place]) for place in range(len(row["tokens"]))]
            predicted.append([starts[place] for place in places])
            annotated.append([ENTITIES[index] for index in row["ner_tags"]])
        report = scores["languages"][code]
        assert report["f1"] == pytest.approx(f1_score(annotated, predicted)) and report["n"] == 12
        assert report["accuracy"] == pytest.approx(accuracy_score(annotated, predicted))
        macro.append(report["f1"])
    assert sum(macro) > 0 and scores["macro_target"] == pytest.approx(sum(macro[1:]) / 2)


def test_the_scores_of_a_run_are_those_of_the_metric(finished: Path) -> None:
    results = load_results(finished)
    averages: dict[str, list[float]] = {}
    for run in results.runs:
        scorer = CrossLingualMetric(results.metric, results.source_language, results.labels or ())
        for code in results.languages:
            lines = (finished / "predictions" / run.name / f"{code}.tsv").read_text(encoding="utf-8").splitlines()
            _, references, predictions = zip(*(line.split("\t")[:3] for line in lines[1:]), strict=True)
            codes = [code] * len(references)
            scorer.add_batch(predictions=predictions, references=references, languages=codes)
        scores = scorer.compute()
        for code, report in scores["languages"].items():
            recorded = run.test[code].to_dict()
            assert recorded | report == recorded
        averages.setdefault(run.system, []).append(scores["macro_target"])
    for system, values in averages.items():
        assert results.scores[system]["macro_target"] == pytest.approx(sum(values) / len(values))
