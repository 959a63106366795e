"""ONNX export and graphs that are refused: one error, and nothing is left."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from modeling_dlfa import DlfaModel
from modeling_dlfa.checkpoints.tokenizers import save_tokenizer
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference import onnx_export as export
from modeling_dlfa.inference import onnx_runtime
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.onnx_export import export_onnx, load_checkpoint
from modeling_dlfa.inference.onnx_graph import graph_inputs
from modeling_dlfa.inference.onnx_runtime import OnnxGraph, OnnxLogits, require_onnx
from modeling_dlfa.tasks import XNLI

from ..backbones import build
from ..tiny_checkpoints import letter_tokenizer, save_checkpoint

for _name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(_name)


def test_what_is_wrong_is_one_error_and_leaves_nothing(
    exported: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, folder = exported
    with pytest.raises(InputError, match="exists and is not empty"):
        export_onnx(str(checkpoint), folder)
    with pytest.raises(InputError, match="no quantisation 'int4'. Choose from: int8\\."):
        export_onnx(str(checkpoint), tmp_path / "new", quantize="int4")
    build(DlfaModel, "bert").backbone.save_pretrained(tmp_path / "plain")
    with pytest.raises(InputError, match="plain 'bert' checkpoint"):
        export_onnx(str(tmp_path / "plain"), tmp_path / "new")
    with pytest.raises(SystemExit) as stop:
        dlfa(["export", str(tmp_path / "absent"), str(tmp_path / "new")])
    (message,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert stop.value.code == 2 and f"{tmp_path / 'absent'}: there is no such folder" in message
    # What an exporter with a fault would write: the graph of another model.
    monkeypatch.setattr(export, "export_graph", lambda *given: shutil.copyfile(folder / "model.onnx", given[-1]))
    model, tokenizer, _ = load_checkpoint(str(checkpoint))
    with torch.no_grad():
        model.base_model.fusion.local_branch.expand.bias[3] += 0.5
    model.save_pretrained(tmp_path / "changed")
    save_tokenizer(tokenizer, tmp_path / "changed")
    with pytest.raises(InputError, match="differs from PyTorch by .*Nothing was written"):
        export_onnx(str(tmp_path / "changed"), tmp_path / "made" / "new")
    assert not (tmp_path / "made").exists() and not (tmp_path / "new").exists()


def test_graphs_that_do_not_fit(
    exported: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, folder = exported
    loaded = Checkpoint.of(str(folder))
    with pytest.raises(InputError, match="There is no model.onnx in .*dlfa export"):
        Checkpoint.of(str(checkpoint)).load_onnx()
    (tmp_path / "broken.onnx").write_bytes((folder / "model.onnx").read_bytes()[:2000])
    with pytest.raises(InputError, match="ONNX Runtime cannot read"):
        OnnxGraph(tmp_path / "broken.onnx")
    graph = OnnxGraph(folder / "model.onnx")
    with pytest.raises(InputError, match="not logits for the 4 labels"):
        OnnxLogits(graph, loaded.tokenizer.model_input_names, 4, "x")
    with pytest.raises(InputError, match="x takes attention_mask"):
        OnnxLogits(graph, ["input_ids"], 3, "x")
    (tmp_path / "in.txt").write_text("a text\n", encoding="utf-8")
    for arguments, expected in (
        (["--onnx_file", "model.onnx"], "has an effect only with --backend onnx"),
        (["--backend", "onnx", "--device", "cuda"], "computes on the CPU"),
        (["--backend", "onnx", "--dtype", "bfloat16"], "computes on the CPU"),
        (["--backend", "onnx", "--onnx_file", "other.onnx"], "There is no other.onnx in"),
    ):
        with pytest.raises(SystemExit) as stop:
            dlfa(["predict", str(folder), str(tmp_path / "in.txt"), *arguments])
        captured = capsys.readouterr()
        assert stop.value.code == 2 and captured.err.startswith("error: ") and expected in captured.err
        assert captured.out == ""


def test_a_missing_extra_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "model", "sequence", XNLI.labels)
    found = importlib.util.find_spec

    def without(name: str) -> Any:
        return None if name in ("onnxruntime", "onnxscript") else found(name)

    monkeypatch.setattr(onnx_runtime.importlib.util, "find_spec", without)
    message = r"ONNX needs onnxruntime, onnxscript \(not installed\): pip install 'modeling-dlfa\[onnx\]'"
    with pytest.raises(InputError, match=message):
        export_onnx(str(checkpoint), tmp_path / "new")
    with pytest.raises(InputError, match=r"ONNX needs onnxruntime \(not installed\)"):
        OnnxGraph(tmp_path / "model.onnx")
    require_onnx("onnx")


def test_segments_where_they_are_read() -> None:
    tokenizer = letter_tokenizer()
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert graph_inputs(build(DlfaModel, "bert"), tokenizer)[2:] == ("token_type_ids",)
    assert graph_inputs(build(DlfaModel, "distilbert"), tokenizer)[2:] == ()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    assert graph_inputs(build(DlfaModel, "bert"), tokenizer)[2:] == ()
