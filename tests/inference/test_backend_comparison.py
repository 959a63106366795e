"""What ONNX costs in accuracy: the same numbers as from the backends one by one."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.backend_comparison import compare_backends
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.onnx_export import export_onnx
from modeling_dlfa.inference.predictor import Predictor
from modeling_dlfa.inference.reading import Example
from modeling_dlfa.tasks import PAWSX, XNLI, get_task

from ..conftest import WORDS, write_nli, write_tags
from ..tiny_checkpoints import save_checkpoint

for _name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(_name)


@pytest.fixture(scope="module")
def xnli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint, its graphs and a test file for each of three languages."""
    folder = tmp_path_factory.mktemp("xnli")
    export_onnx(str(save_checkpoint(folder / "model", "sequence", XNLI.labels)), folder / "onnx", quantize="int8")
    for language in WORDS:
        write_nli(folder / f"test-{language}.tsv", language, 37, seed=3)
    return folder


def test_scores_and_differences_are_those_of_the_backends(xnli: Path) -> None:
    model, onnx, pattern = str(xnli / "model"), str(xnli / "onnx"), str(xnli / "test-{language}.tsv")
    found = compare_backends(model, onnx, XNLI, pattern, batch_size=8)
    assert list(found["scores"]) == ["torch", "onnx", "onnx_quantized"] and found["n"] == dict.fromkeys(found["n"], 37)
    checkpoint, graphs = Checkpoint.of(model), Checkpoint.of(onnx)
    backends = {"torch": checkpoint.load(), "onnx_quantized": graphs.load_onnx("model_quantized.onnx")}
    right = {name: {} for name in backends}
    for language in WORDS:
        lines = (xnli / f"test-{language}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        rows = [line.split("\t") for line in lines]
        examples = [Example(number, number, row[:2]) for number, row in enumerate(rows)]
        for name, backend in backends.items():
            labels = [
                checkpoint.labels[entry.scores.argmax()]
                for entry in Predictor(checkpoint, backend, 8).stream(examples)
            ]
            right[name][language] = np.mean([label == row[2] for label, row in zip(labels, rows, strict=True)])
    for name, scores in right.items():
        for language, share in scores.items():
            assert found["scores"][name][language]["mean"] == pytest.approx(share)
        assert found["scores"][name]["macro_all"]["mean"] == pytest.approx(np.mean(list(scores.values())))
    for language in WORDS:
        difference = found["differences"]["onnx_quantized"][language]
        assert difference["mean"] == pytest.approx(right["onnx_quantized"][language] - right["torch"][language])
        assert difference["low"] <= difference["mean"] <= difference["high"]
    assert found["same_labels"]["onnx"] == 1.0 and found["differences"]["onnx"]["macro_all"]["high"] == 0.0


@pytest.mark.slow
def test_words(tmp_path: Path) -> None:
    task = get_task("panx")
    checkpoint = save_checkpoint(tmp_path / "model", "token", task.labels, "xlm-roberta", max_length=32)
    export_onnx(str(checkpoint), tmp_path / "onnx")
    for language in ("en", "de"):
        write_tags(tmp_path / f"{language}.tsv", language, 14, 1, ("O", "B-PER", "I-PER", "B-LOC"))
    found = compare_backends(str(checkpoint), str(tmp_path / "onnx"), task, str(tmp_path / "{language}.tsv"))
    assert list(found["scores"]) == ["torch", "onnx"] and found["metric"] == "f1"
    assert found["same_labels"]["onnx"] == 1.0


def test_the_command(xnli: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(xnli / "model"), str(xnli / "onnx"), "--test_file", str(xnli / "test-{language}.tsv")]
    output = ["--languages", "en", "de", "--max_samples", "20", "--output_file", str(xnli / "cost.json")]
    monkeypatch.setattr(sys, "argv", ["dlfa", "compare", *arguments, "--task", "xnli", *output])
    dlfa()
    printed = capsys.readouterr().out.splitlines()
    found = json.loads((xnli / "cost.json").read_text(encoding="utf-8"))
    assert printed[0].startswith("|  | torch | onnx | onnx_quantized | onnx minus torch |")
    assert [line.split(" |")[0] for line in printed[2:6]] == [
        "| English",
        "| German",
        "| average",
        "| average, targets",
    ]
    assert f"{100 * found['scores']['torch']['de']['mean']:.2f}" in printed[3] and found["n"] == {"en": 20, "de": 20}
    with pytest.raises(SystemExit):
        dlfa(["compare", *arguments, "--task", "pawsx"])
    assert "error: " in capsys.readouterr().err


def test_no_file_is_replaced_unasked(xnli: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "cost.json"
    taken.write_text("mine", encoding="utf-8")
    arguments = [str(xnli / "model"), str(xnli / "onnx"), "--task", "xnli"]
    arguments += ["--test_file", str(xnli / "test-{language}.tsv"), "--output_file"]
    wrong = {(str(taken),): "exists. Name another file, or replace it with --overwrite"}
    wrong[str(xnli / "test-de.tsv"), "--overwrite"] = "is the input, which it would replace"
    wrong[str(xnli / "model" / "config.json"), "--overwrite"] = "is a file of the input"
    for options, expected in wrong.items():
        before = Path(options[0]).read_bytes()
        with pytest.raises(SystemExit):
            dlfa(["compare", *arguments, *options])
        assert expected in capsys.readouterr().err and Path(options[0]).read_bytes() == before
    dlfa(["compare", *arguments, str(taken), "--overwrite", "--max_samples", "5"])
    assert json.loads(taken.read_text(encoding="utf-8"))["metric"] == "accuracy"


def test_graphs_of_another_checkpoint_are_refused(xnli: Path, tmp_path: Path) -> None:
    other = str(save_checkpoint(tmp_path / "other", "sequence", XNLI.labels, fusion="last"))
    options = (XNLI, str(xnli / "test-{language}.tsv"))
    with pytest.raises(InputError, match="exported from another checkpoint than .*other: the sha256"):
        compare_backends(other, str(xnli / "onnx"), *options)
    # Graphs that another program exported name no weights.
    shutil.copytree(xnli / "onnx", tmp_path / "onnx")
    (tmp_path / "onnx" / "onnx_export.json").unlink()
    assert compare_backends(other, str(tmp_path / "onnx"), *options, max_samples=3)["n"]


def test_a_checkpoint_of_another_task_is_refused(xnli: Path) -> None:
    with pytest.raises(InputError, match="PAWS-X has 0, 1"):
        compare_backends(str(xnli / "model"), str(xnli / "onnx"), PAWSX, str(xnli / "test-{language}.tsv"))
