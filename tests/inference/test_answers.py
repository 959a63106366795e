"""What `dlfa predict` answers: several labels, numbers, each file's own format, and what was cut."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import ByT5Tokenizer, PretrainedConfig, pipeline

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.answers import MULTI_LABEL, REGRESSION, SINGLE_LABEL, Head
from modeling_dlfa.inference.onnx_export import export_onnx

from ..tiny_checkpoints import ENTITIES, save_checkpoint

TEXTS = ["the cat sleeps", "die Katze schläft", "le chat dort", "a", "кот спит"]
TOPICS = ("sport", "politics", "arts", "science")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "in.csv"
    path.write_text("".join(f"{text}\n" for text in ["text", *TEXTS]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topics") / "model"
    return save_checkpoint(folder, "sequence", TOPICS, problem_type=MULTI_LABEL)


def answers(*arguments: Any) -> list[dict[str, str]]:
    output = Path(str(arguments[-1]))
    dlfa(["predict", *map(str, arguments[:-1]), "--quiet", "--output_file", str(output)])
    with output.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_any_number_of_labels(topics: Path, texts: Path, tmp_path: Path) -> None:
    classify = pipeline("text-classification", model=str(topics), top_k=None, function_to_apply="sigmoid")
    expected = [{entry["label"]: entry["score"] for entry in entries} for entries in classify(list(TEXTS))]
    found = answers(topics, texts, "--device", "cpu", tmp_path / "out.csv")
    assert list(found[0]) == ["line", "predictions", *TOPICS]
    for row, shares in zip(found, expected, strict=True):
        assert [float(row[name]) for name in TOPICS] == pytest.approx([shares[name] for name in TOPICS], abs=2e-6)
        assert row["predictions"] == "|".join(name for name in TOPICS if shares[name] >= 0.5)
        assert 1 <= row["predictions"].count("|") + 1 < len(TOPICS)
    for threshold, given in ((0.0, "|".join(TOPICS)), (1.0, "")):
        out = tmp_path / f"out{threshold}.csv"
        assert {row["predictions"] for row in answers(topics, texts, "--threshold", threshold, out)} == {given}
    dlfa(["predict", str(topics), str(texts), "--output_file", str(tmp_path / "out.jsonl"), "--quiet"])
    for row, line in zip(found, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines(), strict=True):
        record = json.loads(line)
        assert list(record) == ["line", "labels", "scores"] and "|".join(record["labels"]) == row["predictions"]


def test_numbers(texts: Path, tmp_path: Path) -> None:
    model = save_checkpoint(tmp_path / "model", "sequence", ("stars",))
    score = pipeline("text-classification", model=str(model), function_to_apply="none")
    expected = [entry["score"] for entry in score(list(TEXTS))]
    found = answers(model, texts, "--device", "cpu", tmp_path / "out.csv")
    assert list(found[0]) == ["line", "score"]
    assert [float(row["score"]) for row in found] == pytest.approx(expected, rel=1e-4) and len(set(expected)) == 5
    dlfa(["predict", str(model), str(texts), "--output_file", str(tmp_path / "out.jsonl"), "--quiet"])
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert list(records[0]) == ["line", "score"]
    assert [record["score"] for record in records] == pytest.approx(expected, rel=1e-4)


def test_what_logits_mean() -> None:
    def head(labels: int, problem: str | None = None, is_token: bool = False) -> Head:
        names = {index: f"l{index}" for index in range(labels)}
        config = PretrainedConfig(id2label=names, label2id={name: index for index, name in names.items()})
        config.problem_type = problem
        return Head.of(config, "model", is_token)

    logits = np.array([[-1.0, 2.0, 0.5]])
    assert head(3).problem == SINGLE_LABEL and head(1).problem == REGRESSION
    assert head(3).record(head(3).scores(logits)[0])["label"] == "l1"
    several = head(3, MULTI_LABEL)
    assert several.record(several.scores(logits)[0])["labels"] == ["l1", "l2"]
    assert several.scores(np.array([[-1000.0, 1000.0, 0.0]])).tolist() == [[0, 1, 0.5]]
    numbers = head(3, REGRESSION)
    assert numbers.columns() == ["l0", "l1", "l2"] and numbers.row(logits[0]) == ["-1", "2", "0.5"]
    assert numbers.record(logits[0]) == {"scores": {"l0": -1, "l1": 2, "l2": 0.5}}
    others = np.array([[-1.0, 3.0, -0.5]])
    assert head(3).agreement(logits, others) == (1, 1)
    assert several.agreement(logits, others) == (1, 0) and numbers.agreement(logits, others) == (0, 0)
    for arguments in ((1, SINGLE_LABEL), (1, None, True)):
        with pytest.raises(InputError, match="model has no labels to choose from"):
            head(*arguments)
    with pytest.raises(InputError, match="supported are: single_label_classification"):
        head(3, MULTI_LABEL, True)


@pytest.mark.slow
def test_graphs_of_several_labels_and_of_numbers(topics: Path, texts: Path, tmp_path: Path) -> None:
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module)
    (graph,) = export_onnx(str(topics), tmp_path / "onnx")
    assert graph.agreement == 1
    expected = answers(topics, texts, "--device", "cpu", tmp_path / "torch.csv")
    found = answers(tmp_path / "onnx", texts, "--backend", "onnx", tmp_path / "onnx.csv")
    assert [row["predictions"] for row in found] == [row["predictions"] for row in expected]
    (graph,) = export_onnx(str(save_checkpoint(tmp_path / "model", "sequence", ("stars",))), tmp_path / "numbers")
    assert graph.agreement is None


def test_each_file_in_its_format(
    topics: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['a, "b"', "c"]
    tagger = save_checkpoint(tmp_path / "tagger", "token", ENTITIES)
    (tmp_path / "in.jsonl").write_text(json.dumps({"tokens": words}) + "\n", encoding="utf-8")
    found = answers(tagger, tmp_path / "in.jsonl", "--device", "cpu", tmp_path / "out.csv")
    assert [row["word"] for row in found] == words and list(found[0])[:3] == ["sentence", "word", "prediction"]
    for name in ("out.parquet", "out.xlsx"):
        with pytest.raises(SystemExit):
            dlfa(["predict", str(topics), str(texts), "--output_file", str(tmp_path / name)])
        assert "its extension does not tell its format" in capsys.readouterr().err
    before = texts.read_bytes()
    with pytest.raises(SystemExit):
        dlfa(["predict", str(topics), str(texts), "--output_file", str(texts), "--overwrite"])
    assert "is the input, which it would replace" in capsys.readouterr().err and texts.read_bytes() == before
    dlfa(["predict", str(topics), str(texts), "--output_file", str(tmp_path / "out.x"), "--output_format", "tsv"])
    assert (tmp_path / "out.x").read_text(encoding="utf-8").startswith("line\tpredictions\t")
    assert "line 1, names the columns; read: text." in capsys.readouterr().err


def test_an_option_that_cannot_act_is_refused(
    topics: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = save_checkpoint(tmp_path / "model", "sequence", TOPICS)
    cases = [(single, "0.4", "is for single_label_classification"), (topics, "1.5", "is not a probability")]
    for model, threshold, message in cases:
        with pytest.raises(SystemExit):
            dlfa(["predict", str(model), str(texts), "--threshold", threshold])
        assert message in capsys.readouterr().err


def test_what_a_slow_tokenizer_cuts_is_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = ByT5Tokenizer(model_max_length=40)
    assert not tokenizer.is_fast
    model = save_checkpoint(tmp_path / "model", "sequence", TOPICS)
    config = DlfaConfig.from_pretrained(model)
    config.backbone_config.vocab_size = len(tokenizer)
    DlfaForSequenceClassification(config).save_pretrained(model)
    for path in model.glob("*token*"):
        path.unlink()
    save_tokenizer(tokenizer, model)
    content = "".join(f"{'x' * length}\t{'y' * length}\n" for length in (3, 19, 20, 200))
    (tmp_path / "in.tsv").write_text(content, encoding="utf-8")
    dlfa(["predict", str(model), str(tmp_path / "in.tsv"), "--device", "cpu"])
    captured = capfd.readouterr()
    # 19 + 19 letters and two ends of a text are 40 tokens.
    assert "2 texts longer than 40 tokens: cut" in captured.err


def test_bf16_without_instructions_is_said_to_be_slow(
    topics: Path, texts: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(topics), str(texts), "--dtype", "bfloat16", "--device", "cpu"]
    for slow in (True, False):
        monkeypatch.setattr("modeling_dlfa.verbs.predict.bf16_is_slow", lambda slow=slow: slow)
        dlfa(["predict", *arguments])
        assert ("warning: --dtype bfloat16: this processor has no bf16" in capfd.readouterr().err) == slow
    assert sys.modules["modeling_dlfa.processor"].bf16_is_slow() in (True, False)
