"""Weights rounded to half precision: half the disk, and scores that are those of what is saved."""

from __future__ import annotations

import torch
from torch import nn


def round_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Rounds the parameters of a model to what a precision holds; they keep their own dtype.

    Args:
        model: Changed in place.
        dtype: float16 or bfloat16.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype))


def rounded_state(model: nn.Module, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Returns a model's state in a precision, for `save_pretrained(state_dict=...)`; what is half already stays.

    The configuration that is saved beside it names the model's own dtype, in which transformers then loads it: a CPU
    computes slowly in half precision.
    """
    return {
        name: value.to(dtype) if value.is_floating_point() and value.element_size() > 2 else value
        for name, value in model.state_dict().items()
    }
