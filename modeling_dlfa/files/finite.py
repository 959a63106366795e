"""Whether weights are finite: one NaN in a model makes every answer NaN, which scores like guessing."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..errors import InputError


def check_finite(where: str, tensors: Iterable[tuple[str, torch.Tensor]], remedy: str) -> None:
    """Checks that all floating-point numbers of tensors are finite.

    Args:
        where: What the tensors belong to, for the message.
        tensors: Names and tensors; of a tensor split over processes only this process's part is read.
        remedy: What to do.

    Raises:
        InputError: One holds NaN or infinity; the message names it.
    """
    for name, tensor in tensors:
        if not _is_finite(tensor.detach()):
            raise InputError(f"{where}: the tensor {name} holds numbers that are not finite (NaN or inf). {remedy}")


def _is_finite(tensor: torch.Tensor) -> bool:
    own = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    if own.is_meta or not own.is_floating_point() or own.element_size() < 2 or not own.numel():
        return True
    # NaN goes through both; no tensor of the same size is made.
    return all(bool(bound.isfinite()) for bound in own.aminmax())
