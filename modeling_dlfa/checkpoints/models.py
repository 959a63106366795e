"""The classes of saved models, and how much they read."""

from __future__ import annotations

import sys

from torch import nn
from transformers import PretrainedConfig

from ..configuration_dlfa import DlfaConfig
from ..modeling_dlfa import DlfaForSequenceClassification, DlfaForTokenClassification, DlfaPreTrainedModel

MODEL_CLASSES: dict[str, type[DlfaPreTrainedModel]] = {
    "sequence": DlfaForSequenceClassification,
    "token": DlfaForTokenClassification,
}


SHIFTED_POSITIONS = ("camembert", "data2vec-text", "longformer", "mpnet", "roberta", "xmod")


def encoder_blocks(model: nn.Module, depth: int) -> nn.ModuleList | None:
    """Returns an encoder's blocks, in order: its first list of modules that is as long as it is deep; None without."""
    lists = (part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == depth)
    return next(lists, None)


def glyph_name(config: DlfaConfig) -> str | None:
    """Returns what a model fuses beside its layers: `glyphs`, or the control in their place; None without."""
    table = config.glyph_table if isinstance(config.glyph_table, str) else "glyphs"
    return table if config.glyph_size else None


def longest_input(config: PretrainedConfig) -> int:
    """Returns how many tokens a model reads, DLFA or not, special ones included; `sys.maxsize` without a limit."""
    backbone = getattr(config, "backbone_config", config)
    positions = getattr(backbone, "max_position_embeddings", None) or sys.maxsize
    # RoBERTa's kin number their positions from behind the padding's.
    shifted = any(name in backbone.model_type for name in SHIFTED_POSITIONS)
    return positions - (backbone.pad_token_id or 0) - 1 if shifted else positions
