"""Loading runs no code but the reviewed files, reads no weights but safetensors, and fetches nothing unasked."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, BertModel

from modeling_dlfa.configuration_dlfa import UNTRUSTED_KEYS, UNTRUSTED_OUTER_KEYS

from ..backbones import build, dlfa_config
from ..hub import HubServer
from ..online import Environment
from .copies import SEQUENCE, edit, published

# What a stranger might write for each key.
POISON: dict[str, Any] = {
    "_attn_implementation": "stranger/kernel",
    "_attn_implementation_internal": "stranger/kernel",
    "_experts_implementation": "stranger/kernel",
    "_experts_implementation_internal": "stranger/kernel",
    "attn_implementation": "stranger/kernel",
    "auto_map": {"AutoConfig": "stranger/repo--evil.Config", "AutoModel": "stranger/repo--evil.Model"},
    "custom_pipelines": {"text-classification": {"impl": "stranger/repo--evil.Pipe", "pt": ["AutoModel"]}},
    "experts_implementation": "stranger/kernel",
    "fusion_config": {"stranger/fusion": True},
    "quantization_config": {"quant_method": "stranger"},
    "transformers_weights": "adapter_model.bin",
    "trust_remote_code": True,
}


def test_every_untrusted_key_is_tested() -> None:
    assert set(POISON) == set(UNTRUSTED_KEYS)


@pytest.mark.parametrize("key", UNTRUSTED_KEYS)
@pytest.mark.parametrize("deeper", [False, True])
def test_a_nested_key_cannot_name_code_or_files(copy: Path, key: str, deeper: bool) -> None:
    inner = {"text_config": {key: POISON[key]}} if deeper else {key: POISON[key]}
    edit(copy, lambda values: values["backbone_config"].update(inner))
    model = AutoModelForSequenceClassification.from_pretrained(copy)
    assert "stranger" not in json.dumps(model.config.to_dict()) and "adapter_model" not in repr(model.config)
    assert model.dlfa.backbone.config._attn_implementation == "sdpa"
    assert not hasattr(model.dlfa.backbone.config, "trust_remote_code")


@pytest.mark.parametrize("key", (*UNTRUSTED_OUTER_KEYS, "auto_map"))
def test_an_outer_key_cannot_name_code_or_files(copy: Path, key: str) -> None:
    pickle.dump({}, (copy / "adapter_model.bin").open("wb"))
    edit(copy, lambda values: values.update({key: POISON[key]}))
    model = AutoModelForSequenceClassification.from_pretrained(copy)
    assert "stranger" not in json.dumps(model.config.to_dict()) and "adapter_model" not in repr(model.config)
    assert model.config._attn_implementation == "sdpa"
    assert model.config.auto_map == dlfa_config("bert").auto_map


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("stranger/encoder", "backbone_config is str"),
        ({"model_type": "stranger"}, "part of the transformers library"),
        ({"auto_map": POISON["auto_map"]}, "part of the transformers library"),
        ({"model_type": "dlfa", "backbone_config": {"model_type": "bert"}}, "part of the transformers library"),
        ({"model_type": "timm_backbone", "backbone": "stranger/encoder"}, "not a bidirectional text encoder"),
        (["bert"], "backbone_config is list"),
    ],
)
def test_a_backbone_that_is_no_library_encoder_is_refused(copy: Path, backbone: Any, message: str) -> None:
    edit(copy, lambda values: values.update(backbone_config=backbone))
    for load in (AutoConfig.from_pretrained, AutoModel.from_pretrained, SEQUENCE.from_pretrained):
        with pytest.raises((ValueError, TypeError), match=message):
            load(copy)


def test_a_name_in_the_config_fetches_nothing(copy: Path, hub: HubServer) -> None:
    names = {"_name_or_path": "stranger/encoder", "backbone": "stranger/encoder", "use_pretrained_backbone": True}
    edit(copy, lambda values: values["backbone_config"].update(names))
    edit(copy, lambda values: values.update(names))
    SEQUENCE.from_pretrained(copy)
    assert hub.requests("stranger") == []


def test_a_plain_encoders_config_cannot_choose_kernels_or_files(hub: HubServer, tmp_path: Path) -> None:
    BertModel(dlfa_config("bert").backbone_config).save_pretrained(tmp_path)
    pickle.dump({}, (tmp_path / "adapter_model.bin").open("wb"))
    edit(tmp_path, lambda values: values.update({key: POISON[key] for key in POISON if key != "auto_map"}))
    edit(tmp_path, lambda values: values.pop("quantization_config"))
    model = SEQUENCE.from_backbone(tmp_path, fusion_layers=1)
    assert model.dlfa.backbone.config._attn_implementation == "sdpa"
    assert "stranger" not in json.dumps(model.config.to_dict()) and hub.requests("stranger") == []


QUIET = """
import json
import modeling_dlfa
from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification
from transformers import BertConfig
config = DlfaConfig(BertConfig(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=16))
DlfaForSequenceClassification(config)
import os
print(json.dumps(sorted(os.listdir())))
"""


def test_importing_and_building_reach_for_nothing(
    package_environment: Environment, hub: HubServer, tmp_path: Path
) -> None:
    left = package_environment.run(QUIET, home=tmp_path, hub=hub).value
    assert left == [] and hub.requests() == []


class _Marks:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("sharded", [False, True])
def test_a_pickle_is_not_read(checkpoint: Path, tmp_path: Path, sharded: bool) -> None:
    shutil.copy(checkpoint / "config.json", tmp_path)
    name = "pytorch_model-00001-of-00001.bin" if sharded else "pytorch_model.bin"
    torch.save({"classifier.bias": _Marks(tmp_path / "ran")}, tmp_path / name)
    if sharded:
        index = {"metadata": {}, "weight_map": {"classifier.bias": name}}
        (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    for load in (AutoModel.from_pretrained, SEQUENCE.from_pretrained):
        with pytest.raises(ValueError, match=r"has no model.safetensors. DLFA reads only safetensors"):
            load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_an_encoders_pickle_is_not_read(tmp_path: Path) -> None:
    bert = BertModel(dlfa_config("bert").backbone_config)
    bert.config.save_pretrained(tmp_path)
    torch.save(bert.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model.safetensors. DLFA reads only safetensors"):
        SEQUENCE.from_backbone(tmp_path, fusion_layers=1)


@pytest.mark.parametrize("values", [{"use_safetensors": False}, {"gguf_file": "m.gguf"}, {"from_tf": True}])
def test_other_formats_cannot_be_asked_for(checkpoint: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"DLFA reads only safetensors; leave out {next(iter(values))}"):
        SEQUENCE.from_pretrained(checkpoint, **values)


def test_no_pickle_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DLFA writes only safetensors"):
        build(SEQUENCE, "bert").save_pretrained(tmp_path, safe_serialization=False)
    assert not list(tmp_path.iterdir())


def test_a_pickle_on_the_hub_is_not_fetched(hub: HubServer, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save({"classifier.bias": torch.zeros(3)}, copy / "pytorch_model.bin")
    repo = published(HfApi(), copy, "pickle")
    hub.faults.clear()
    with pytest.raises(ValueError, match=f"{repo} has no model.safetensors"):
        SEQUENCE.from_pretrained(repo)
    assert hub.requests("safetensors") and not hub.requests(r"\.bin")
