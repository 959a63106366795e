"""Tiny encoders of the six families that DLFA is tested on, one of them with a visual stream too, and inputs."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedModel

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

Model = TypeVar("Model", DlfaModel, DlfaForSequenceClassification, DlfaForTokenClassification)

MODEL_CLASSES = (DlfaModel, DlfaForSequenceClassification, DlfaForTokenClassification)
VOCAB_SIZE = 99

# Two heads of 16 features, the least that flex attention takes. The weights are large, so that attention and
# positions matter to the result.
_COMMON = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
_VALUES: dict[str, dict[str, Any]] = {
    "bert": {"type_vocab_size": 2},
    "xlm-roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "distilbert": {},
    # DeBERTa-v3: relative positions in buckets, shared with the content's projections, no absolute ones.
    "deberta-v2": {
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "max_relative_positions": -1,
    },
    # mmBERT: local attention in two layers of three.
    "modernbert": {
        "global_attn_every_n_layers": 3,
        "local_attention": 6,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "cls_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
    },
    "rembert": {
        "type_vocab_size": 2,
        "input_embedding_size": 16,
        "output_embedding_size": 24,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
}
# With what each token looks like as a further stream, wherever the fusion takes several.
GLYPHS = {"bert-glyphs": {"glyph_size": 6, "glyph_kernel_size": 3}}
_VALUES |= {name: _VALUES[name.removesuffix("-glyphs")] for name in GLYPHS}
BACKBONES = tuple(_VALUES)

# transformers has eager attention alone for them, on both lines that we name.
EAGER_ONLY = ("deberta-v2", "rembert")
# Before v5 the encoders know no flex attention, keep the attention that they were built with and collect all hidden
# states, and DistilBERT takes no position_ids.
RELEASE = tuple(map(int, transformers.__version__.split(".")[:2]))
BEFORE_V5 = RELEASE < (5, 0)
# Before v5.1x every state is kept until the backbone returns, and ModernBERT's blocks keep their attention.
BEFORE_V5_10 = RELEASE < (5, 10)
# Their positions are numbered from the left: beyond padding on the left they must be given.
ABSOLUTE_POSITIONS = ("bert", "bert-glyphs", "distilbert", "rembert")


def backbone_config(name: str, **values: Any) -> PretrainedConfig:
    """Returns the configuration of a tiny encoder, `values` over its own."""
    return CONFIG_MAPPING[name.removesuffix("-glyphs")](**{**_COMMON, **_VALUES[name], **values})


def dlfa_config(name: str, **values: Any) -> DlfaConfig:
    """Returns the configuration of a tiny DLFA model that fuses the middle layer and knows three labels."""
    fusion = values.get("fusion")
    layers = {} if fusion in ("last", "scalar_mix") else {"fusion_layers": 1}
    glyphs = {} if fusion in ("last", "layer") else GLYPHS.get(name, {})
    return DlfaConfig(backbone_config(name), **{**layers, **glyphs, "num_labels": 3, **values})


def fill_glyphs(model: PreTrainedModel) -> None:
    """Gives each token of a model with a visual stream a look of its own."""
    glyphs = model.base_model.glyphs
    if glyphs is not None:
        glyphs.fill(torch.randn(glyphs.table.shape, generator=torch.Generator().manual_seed(2)))


def build(model_class: type[Model], name: str, seed: int = 0, **values: Any) -> Model:
    """Returns a tiny model in evaluation mode with weights drawn from `seed`, no bias zero and no scale one."""
    torch.manual_seed(seed)
    model = model_class(dlfa_config(name, **values)).eval()
    fill_glyphs(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def batch(
    name: str, lengths: tuple[int, ...] = (9, 5, 7), left: bool = False, seed: int = 1
) -> dict[str, torch.Tensor]:
    """Returns sentences of these lengths, padded on the right or on the left to the longest."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    mask = mask.flip(1) if left else mask
    ids = torch.full(mask.shape, _VALUES[name].get("pad_token_id", 0))
    ids[mask] = torch.randint(5, VOCAB_SIZE, (sum(lengths),), generator=generator)
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    if _VALUES[name].get("type_vocab_size") == 2:
        types = torch.zeros_like(ids)
        types[mask] = torch.randint(0, 2, (sum(lengths),), generator=generator)
        inputs["token_type_ids"] = types
    if left and name in ABSOLUTE_POSITIONS:
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return inputs


def labels(model_class: type, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns labels for the inputs, nothing for the model without a head."""
    if model_class is DlfaForSequenceClassification:
        return {"labels": torch.arange(len(inputs["input_ids"])) % 3}
    if model_class is DlfaForTokenClassification:
        return {"labels": (inputs["input_ids"] % 3).masked_fill(inputs["attention_mask"] == 0, -100)}
    return {}
