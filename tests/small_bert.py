"""A small DLFA over BERT with weights that hide no error, and a padded batch for it."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig, PreTrainedModel

from modeling_dlfa import DlfaConfig, DlfaForSequenceClassification, DlfaForTokenClassification, DlfaModel

CLASSES = [DlfaModel, DlfaForSequenceClassification, DlfaForTokenClassification]
SMALL: dict[str, Any] = {
    "vocab_size": 80,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def config(**values: Any) -> DlfaConfig:
    return DlfaConfig(BertConfig(**SMALL), **{"fusion_layers": 2, "num_labels": 3, **values})


def lively(model: PreTrainedModel, seed: int = 3) -> Any:
    """Fills every weight so that no zero or one hides an error."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


def padded_batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.ones(4, 11, dtype=torch.long)
    mask[1, 7:] = 0
    mask[2, 3:] = 0
    types = torch.zeros_like(mask)
    types[:, 5:] = 1
    return {"input_ids": torch.randint(5, 80, (4, 11)), "attention_mask": mask, "token_type_ids": types}
