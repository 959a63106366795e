"""Folders that are not whole: one line that says what is missing, wherever a checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, BertConfig, BertForSequenceClassification

from modeling_dlfa.checkpoints.loading import MODEL_FILE
from modeling_dlfa.errors import InputError
from modeling_dlfa.inference.checkpoint import Checkpoint
from modeling_dlfa.inference.gate_view import load_fusion
from modeling_dlfa.inference.onnx_export import load_checkpoint
from modeling_dlfa.publishing.checks import load_tokenizer
from modeling_dlfa.tasks import get_task
from modeling_dlfa.training import base_model
from modeling_dlfa.training.arguments import parse_arguments

from ..tiny_checkpoints import letter_tokenizer, save_checkpoint


def train(name: str) -> None:
    """As far as the runner's weights and tokenizer, which it loads before it reads any data."""
    arguments = parse_arguments(get_task("xnli"), ["--model_name_or_path", name, "--output_dir", "out"])
    base_model.fetch_weights(arguments.model)
    base_model.load_tokenizer(arguments.model, AutoConfig.from_pretrained(name))


LOADERS: dict[str, Callable[[str], Any]] = {
    "predict": lambda name: Checkpoint.of(name).load(),
    "export_onnx": load_checkpoint,
    "show_fusion": load_fusion,
    "train": train,
    "publish": lambda name: load_tokenizer(Path(name)),
}


def message(load: Callable[[str], Any], name: str | Path) -> str:
    with pytest.raises(InputError) as error:
        load(str(name))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("command", LOADERS)
def test_without_a_tokenizer(command: str, tmp_path: Path) -> None:
    model = save_checkpoint(tmp_path / "model", "sequence", ("a", "b"))
    for path in model.glob("*token*"):
        path.unlink()
    found = message(LOADERS[command], model)
    assert found.startswith(f"{model} has no tokenizer that can be loaded: there is no tokenizer_config.json")
    remedy = "--tokenizer_name" if command == "train" else "Save the one that the model was trained with there"
    assert remedy in found


def test_a_tokenizer_made_of_nothing_is_refused(tmp_path: Path) -> None:
    """For BERT transformers v5 makes one of five special tokens, to which every word is unknown."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(letter_tokenizer()), num_labels=3, **sizes)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    assert "tokenizer" in message(LOADERS["predict"], tmp_path)


@pytest.mark.parametrize("command", ["predict", "export_onnx", "show_fusion", "train"])
def test_a_graph_without_weights(command: str, tmp_path: Path) -> None:
    model = save_checkpoint(tmp_path / "model", "sequence", ("a", "b"))
    (model / "model.safetensors").unlink()
    (model / MODEL_FILE).write_bytes(b"")
    found = message(LOADERS[command], model)
    assert found.startswith(f"{model} holds an ONNX graph (model.onnx) but no weights for PyTorch")
    assert "--backend onnx" in found


@pytest.mark.parametrize("command", ["predict", "export_onnx", "show_fusion"])
def test_a_path_that_is_not_there(command: str, tmp_path: Path) -> None:
    for name in (tmp_path / "no", "./no/such", "runs/no/such"):
        assert message(LOADERS[command], name).startswith(f"The checkpoint {name}: there is no such folder")
