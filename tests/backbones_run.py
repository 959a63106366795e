"""What the tests of all six backbones ask of a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from modeling_dlfa import DlfaModel

from .backbones import BACKBONES, MODEL_CLASSES

OTHER_FUSIONS = (
    *(("bert", fusion) for fusion in ("last", "mean", "concat", "scalar_mix", "layer")),
    *(("bert-glyphs", fusion) for fusion in ("mean", "concat", "scalar_mix")),
)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
each_backbone = pytest.mark.parametrize("name", BACKBONES)
each_class = pytest.mark.parametrize("model_class", MODEL_CLASSES, ids=lambda model_class: model_class.__name__)


@torch.no_grad()
def result(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    """Returns the logits, or the fused stream of the model without a head."""
    output = model(**inputs, return_dict=True)
    return output["last_hidden_state"] if isinstance(model, DlfaModel) else output["logits"]
