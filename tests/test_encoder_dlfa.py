"""Which encoders can be wrapped, and that their configuration cannot bring code along."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from transformers import BertConfig, GPT2Config, ModernBertConfig, T5Config

from modeling_dlfa import DlfaConfig

BERT = {"model_type": "bert", "num_hidden_layers": 12, "hidden_size": 48, "num_attention_heads": 4}


@pytest.mark.parametrize("model_type", ["funnel", "layoutlm", "tapas", "perceiver", "fnet", "reformer"])
def test_encoders_whose_states_cannot_be_fused_are_refused(model_type: str) -> None:
    with pytest.raises(ValueError, match=f"'{model_type}' is not an encoder that reads only tokens"):
        DlfaConfig({"model_type": model_type})


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (T5Config(), "encoder-decoder"),
        (GPT2Config(), "not a bidirectional text encoder"),
        (BertConfig(is_decoder=True), "is_decoder=True"),
        ({"model_type": "bert", "is_decoder": True}, "is_decoder=True"),
        ({"model_type": "vit"}, "not a bidirectional text encoder"),
        ({"model_type": "dlfa"}, "part of the transformers library"),
        ({"model_type": "nonsense"}, "part of the transformers library"),
        ({"hidden_size": 4}, "part of the transformers library"),
    ],
)
def test_backbones_that_are_no_library_encoder_are_refused(backbone: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DlfaConfig(backbone)


def test_backbone_of_the_wrong_kind() -> None:
    with pytest.raises(TypeError, match="str"):
        DlfaConfig("bert-base")  # type: ignore[arg-type]


@pytest.mark.parametrize("as_object", [False, True])
def test_a_nested_config_cannot_bring_code_along(as_object: bool) -> None:
    poison = {
        "auto_map": {"AutoModel": "evil.Model"},
        "trust_remote_code": True,
        "_attn_implementation_internal": "stranger/kernel",
        "custom_pipelines": {"x": {"impl": "evil.Pipe"}},
    }
    backbone: Any = {**BERT, **poison, "attn_implementation": "stranger/kernel", "quantization_config": {"a": 1}}
    if as_object:
        backbone = BertConfig(num_hidden_layers=12, hidden_size=48)
        for name in ("auto_map", "trust_remote_code", "custom_pipelines"):
            setattr(backbone, name, poison[name])
    nested = DlfaConfig(backbone).backbone_config.to_dict()
    assert not set(poison) & set(nested) and "attn_implementation" not in nested
    assert DlfaConfig(backbone).backbone_config._attn_implementation is None
    assert "stranger" not in json.dumps(nested)


def test_the_given_backbone_config_is_not_touched() -> None:
    backbone = BertConfig(num_hidden_layers=12, hidden_size=48, dtype="float16")
    before = copy.deepcopy(backbone.to_dict())
    config = DlfaConfig(backbone)
    config.vocab_size = 7
    assert backbone.to_dict() == before and config.backbone_config.dtype is None


def test_pre_norm_encoders_get_commensurate_streams() -> None:
    modern = ModernBertConfig(num_hidden_layers=4, hidden_size=24, num_attention_heads=2, intermediate_size=24)
    assert DlfaConfig(modern).stream_norm == "layer_norm"
    assert DlfaConfig(modern, stream_norm="none").stream_norm == "none"
    assert DlfaConfig(BERT).stream_norm == "none"
