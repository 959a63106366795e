"""ONNX export: the graph's outputs are PyTorch's, whatever the batch, and `dlfa predict` answers alike with both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modeling_dlfa import (
    DlfaForSequenceClassification,
    DlfaForTokenClassification,
    DlfaModel,
)
from modeling_dlfa.cli import run as dlfa
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference import onnx_graph, onnx_runtime
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.onnx_check import TOLERANCE
from modeling_dlfa.inference.onnx_export import export_onnx, load_checkpoint
from modeling_dlfa.inference.onnx_graph import export_graph
from modeling_dlfa.inference.onnx_runtime import OnnxGraph
from modeling_dlfa.tasks import XNLI

from ..backbones import batch, build
from ..hub import HubServer
from ..online import ROOT
from ..tiny_checkpoints import ENTITIES, corpus_pairs, save_checkpoint

for _name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(_name)

# Batches of other sizes and lengths than those that the graphs were exported with.
SHAPES = ((1,), (2,), (7,), (9, 5, 7), (60,), (3, 60, 1, 1, 20, 2))


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same of XLM-RoBERTa's kind, which labels words."""
    folder = tmp_path_factory.mktemp("token")
    checkpoint = save_checkpoint(folder / "model", "token", ENTITIES, "xlm-roberta", max_length=32)
    export_onnx(str(checkpoint), folder / "onnx", quantize="int8")
    return checkpoint, folder / "onnx"


@torch.inference_mode()
def distance(model: Any, graph: OnnxGraph, inputs: dict[str, torch.Tensor]) -> float:
    """Returns the largest difference of an output, of the largest output; padded positions do not count."""
    references, mask, worst = model(**inputs, return_dict=True), inputs["attention_mask"].numpy() == 1, 0.0
    for name, found in graph(inputs).items():
        expected = references[name].numpy()
        assert found.shape == expected.shape and found.dtype == expected.dtype
        if expected.ndim == 3:
            found, expected = found[mask], expected[mask]
        worst = max(worst, np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    return float(worst)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_class", "backbone", "values"),
    [
        (DlfaModel, "bert", {}),
        (DlfaForSequenceClassification, "distilbert", {}),
        (DlfaForTokenClassification, "bert", {"fusion_layers": [0, 1], "gate": "select"}),
        (DlfaForSequenceClassification, "xlm-roberta", {"gate": "excite", "pooling": "mean"}),
        (DlfaForSequenceClassification, "bert", {"fusion": "layer"}),
        (DlfaForTokenClassification, "bert-glyphs", {}),
        (DlfaForSequenceClassification, "bert-glyphs", {"fusion_layers": [], "pooling": "mean"}),
    ],
)
def test_outputs_are_pytorchs_for_any_batch(
    model_class: Any, backbone: str, values: dict[str, Any], tmp_path: Path
) -> None:
    model = build(model_class, backbone, **values)
    export_graph(model, batch(backbone, (4, 3)), tmp_path / "model.onnx")
    graph = OnnxGraph(tmp_path / "model.onnx")
    assert list(graph.outputs) == (["last_hidden_state", "pooler_output"] if model_class is DlfaModel else ["logits"])
    for lengths in SHAPES:
        inputs = batch(backbone, lengths, seed=len(lengths))
        assert distance(model, graph, inputs) < TOLERANCE, lengths
        # What stands in padded positions changes nothing, nor does the batch that a sentence is in.
        padded = inputs["attention_mask"] == 0
        junk = {**inputs, "input_ids": inputs["input_ids"].masked_fill(padded, 7)}
        first, second = graph(inputs), graph(junk)
        alone = graph({name: entry[:1, : lengths[0]] for name, entry in inputs.items()})
        for name, found in first.items():
            width = lengths[0] if found.ndim == 3 else found.shape[-1]
            kept = ~padded.numpy() if found.ndim == 3 else slice(None)
            np.testing.assert_array_equal(found[kept], second[name][kept])
            np.testing.assert_allclose(found[:1, :width], alone[name], atol=1e-4)
    # With padding on the left the classifier reads the first token that is real.
    left = batch(backbone, (9, 5, 7), left=True)
    left.pop("position_ids", None)
    assert distance(model, graph, left) < TOLERANCE
    # The file says nothing of the machine that wrote it.
    content = (tmp_path / "model.onnx").read_bytes()
    assert b".py" not in content and str(ROOT).encode() not in content


def test_folder_and_record(exported: tuple[Path, Path]) -> None:
    checkpoint, folder = exported
    assert {path.name for path in folder.iterdir()} == {
        *(
            "model.onnx",
            "model_quantized.onnx",
            "config.json",
            "configuration_dlfa.py",
            "encoder_dlfa.py",
            "glyphs_dlfa.py",
            "values_dlfa.py",
            "onnx_export.json",
        ),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    assert [path.name for path in folder.parent.iterdir()] == ["onnx"]
    saved = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    saved["backbone_config"]["dtype"] = "float32"  # As it was loaded.
    # The sums are of weights that do not lie here.
    assert config == {key: value for key, value in saved.items() if key != "weights_sha256"}
    record = json.loads((folder / "onnx_export.json").read_text(encoding="utf-8"))
    assert record["model_class"] == "DlfaForSequenceClassification" and record["checkpoint"] is None
    assert record["weights_sha256"] == saved["weights_sha256"]
    whole, quantized = record["graphs"]["model.onnx"], record["graphs"]["model_quantized.onnx"]
    shapes = {(check["batch"], check["length"]) for check in whole["checks"]}
    assert len(shapes) >= 4 and max(length for _, length in shapes) == 160
    assert 0 < whole["largest_difference"] <= record["tolerance"] * max(1, whole["largest_output"])
    assert whole["same_labels"] == 1
    assert whole["largest_difference"] < quantized["largest_difference"] < 0.1 * quantized["largest_output"]
    assert quantized["same_labels"] > 0.8 and quantized["bytes"] < whole["bytes"]
    for name, entry in record["graphs"].items():
        assert entry["bytes"] == (folder / name).stat().st_size


def test_int8_is_close_and_smaller(exported: tuple[Path, Path]) -> None:
    checkpoint, folder = exported
    model, tokenizer, _ = load_checkpoint(str(checkpoint))
    graph = OnnxGraph(folder / "model_quantized.onnx")
    pairs = [pair for code in ("en", "ar", "th", "zh") for pair in corpus_pairs(code)[:25]]
    inputs = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).logits.numpy()
    found = graph(inputs)["logits"]
    assert 0 < np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.9
    # One scale for all inputs of a map: a sentence's result depends a little on the batch.
    alone = tokenizer(*pairs[3], return_tensors="pt")
    assert np.abs(graph(alone)["logits"] - found[3]).max() > 1e-4
    import onnx

    weights = {entry.name: entry for entry in onnx.load(folder / "model_quantized.onnx").graph.initializer}
    linear = [entry for entry in weights.values() if entry.data_type == onnx.TensorProto.INT8 and len(entry.dims) == 2]
    # Six maps in each of three blocks, two in each branch of the gate, none of the head's; a scale for each output.
    assert len(linear) == 22
    for entry in linear:
        scale = weights[entry.name.replace("_quantized", "_scale")]
        assert list(scale.dims) == [entry.dims[1]]


@pytest.mark.parametrize("file", ["model.onnx", "model_quantized.onnx"])
def test_texts_alike_in_both_backends(exported: tuple[Path, Path], file: str, tmp_path: Path) -> None:
    checkpoint, folder = exported
    pairs = [pair for code in XNLI.languages for pair in corpus_pairs(code)[:4]]
    (tmp_path / "in.tsv").write_text("".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8")
    found = {}
    for backend, arguments in (("torch", [checkpoint]), ("onnx", [folder, "--onnx_file", file])):
        arguments = [*map(str, arguments), "--backend", backend, "--output_file", str(tmp_path / backend), "--quiet"]
        dlfa(["predict", arguments[0], str(tmp_path / "in.tsv"), *arguments[1:], "--batch_size", "7"])
        found[backend] = [line.split("\t") for line in (tmp_path / backend).read_text("utf-8").splitlines()]
    check_rows(found, 2, file)


@pytest.mark.parametrize("file", ["model.onnx", "model_quantized.onnx"])
def test_words_alike_in_both_backends(token: tuple[Path, Path], file: str, tmp_path: Path) -> None:
    """Also those of sentences that are longer than the encoder reads."""
    checkpoint, folder = token
    lines = [" ".join(pair) for code in ("en", "hi", "zh", "ar") for pair in corpus_pairs(code)[:3]]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = {}
    for backend, name, more in (("torch", checkpoint, []), ("onnx", folder, ["--onnx_file", file])):
        arguments = [str(name), str(tmp_path / "in.txt"), "--input_format", "lines", "--backend", backend, *more]
        dlfa(["predict", *arguments, "--output_file", str(tmp_path / backend), "--quiet"])
        found[backend] = [line.split("\t") for line in (tmp_path / backend).read_text("utf-8").splitlines()]
    check_rows(found, 3, file)


def check_rows(found: dict[str, list[list[str]]], shares: int, file: str) -> None:
    """Compares headers, places and labels, and the probabilities that begin in column `shares`."""
    header, *expected = found["torch"]
    assert found["onnx"][0] == header and len(found["onnx"]) == 1 + len(expected)
    same, worst = 0, 0.0
    for row, other in zip(found["onnx"][1:], expected, strict=True):
        assert row[: shares - 1] == other[: shares - 1]
        same += row[shares - 1] == other[shares - 1]
        worst = max(worst, *(abs(float(a) - float(b)) for a, b in zip(row[shares:], other[shares:], strict=True)))
    if file == "model.onnx":
        assert same == len(expected) and worst <= 2e-5
    else:
        assert same >= 0.85 * len(expected) and worst <= 0.2


@pytest.mark.slow
def test_by_hub_id(
    exported: tuple[Path, Path], hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no single file holds the weights, as of XLM-RoBERTa large: here with a lower limit."""
    from huggingface_hub import HfApi
    from torch.onnx._internal.exporter import _onnx_program

    checkpoint, folder = exported
    HfApi().create_repo("org/exported")
    HfApi().upload_folder(repo_id="org/exported", folder_path=checkpoint)
    monkeypatch.setattr(_onnx_program, "_LARGE_MODEL_THRESHOLD", 1000)
    monkeypatch.setattr(onnx_graph, "LARGEST_QUANTIZED_SOURCE", 1000)
    export_onnx("org/exported", tmp_path / "new", quantize="int8", cache_dir=str(tmp_path / "cache"))
    names = {path.name for path in (tmp_path / "new").glob("*.onnx*")}
    assert names == {"model.onnx", "model.onnx.data", "model_quantized.onnx", "model_quantized.onnx.data"}
    record = json.loads((tmp_path / "new" / "onnx_export.json").read_text(encoding="utf-8"))
    assert record["checkpoint"] == "org/exported" and len(record["commit"]) == 40
    HfApi().create_repo("org/onnx")
    HfApi().upload_folder(repo_id="org/onnx", folder_path=tmp_path / "new")
    loaded = Checkpoint.of("org/onnx", cache_dir=str(tmp_path / "cache"))
    inputs = loaded.tokenizer(["a text", "other text"], return_tensors="pt", padding=True)
    for file in ("model.onnx", "model_quantized.onnx"):
        expected = OnnxGraph(folder / file)(inputs)["logits"]
        np.testing.assert_allclose(loaded.load_onnx(file)(inputs), expected, atol=1e-6)
    with pytest.raises(InputError, match="There is no onnx/model.onnx in org/onnx"):
        loaded.load_onnx("onnx/model.onnx")


def test_int8_sums_are_exact_with_vnni_and_without(
    exported: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = batch("bert", (60, 3, 20))
    found = []
    for vnni in {torch.cpu._is_vnni_supported(), False}:
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda vnni=vnni: vnni)
        graph = OnnxGraph(exported[1] / onnx_runtime.QUANTIZED_FILE)
        found.append(graph({name: rows[name] for name in graph.inputs})["logits"])
    assert all(np.allclose(found[0], other, atol=1e-5) for other in found)
