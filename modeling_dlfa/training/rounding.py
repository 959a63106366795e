"""Rounds weights to half precision: half the disk space, and scores that match the saved weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..checkpoints.tokenizers import save_tokenizer


def round_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Rounds a model's parameters to values that a precision can hold; they keep their own dtype.

    Args:
        model: Changed in place.
        dtype: float16 or bfloat16; float32 changes nothing.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype))


def save_rounded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: torch.dtype) -> None:
    """Saves a model and its tokenizer in a precision; parts already in half precision stay as they are.

    The saved configuration names the model's own dtype, in which transformers then loads it: a CPU
    computes slowly in half precision.
    """
    state = {
        name: value.to(dtype) if value.is_floating_point() and value.element_size() > 2 else value
        for name, value in model.state_dict().items()
    }
    model.save_pretrained(str(folder), state_dict=state)
    save_tokenizer(tokenizer, folder)
