"""Compare a checkpoint's weights with the sha256 that was recorded when they were saved."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..configuration_dlfa import SUMS_KEY
from ..errors import InputError
from ..files.writing import read_json
from ..pretrained_dlfa import file_sha256


def recorded_sums(folder: str | os.PathLike) -> dict[str, str]:
    """Returns the sha256 of each file of weights as `save_pretrained` wrote it into `config.json`.

    It is empty for a checkpoint that DLFA did not save.

    Raises:
        InputError: There is no `config.json` that can be read.
    """
    return read_json(Path(folder) / "config.json", "Give the folder of a model.").get(SUMS_KEY) or {}


def verify_weights(folder: str | os.PathLike, names: Iterable[str] | None = None) -> list[str]:
    """Checks that a checkpoint's weights are, bit for bit, the ones that DLFA saved there.

    Loading does not: a flipped bit is a valid number, and reading all weights once more takes longer than loading.

    Args:
        folder: Folder of the checkpoint.
        names: Files of weights to look at; all that were recorded if None.

    Returns:
        The names of the files that were compared.

    Raises:
        InputError: A file is missing or damaged, or the checkpoint records no sums to compare with.

    Example:
        >>> from modeling_dlfa import verify_weights
        >>> verify_weights("runs/xnli/models/aif-layer1-seed1")
        ['model.safetensors']
    """
    folder = Path(folder)
    sums = recorded_sums(folder)
    if not sums:
        raise InputError(f"{folder} records no sha256 of its weights; save_pretrained of a DLFA model does.")
    compared = sorted(sums if names is None else names)
    for name in compared:
        if not (folder / name).is_file():
            raise InputError(f"{folder} lacks {name}. Copy it again.")
        if file_sha256(folder / name) != sums.get(name):
            raise InputError(
                f"{name} of {folder} is damaged: its sha256 is not the one in config.json. Copy it again (from the "
                f"Hub with force_download=True). If you changed it on purpose, delete {SUMS_KEY!r} in config.json."
            )
    return compared


def fingerprint(model: nn.Module) -> str:
    """Returns the sha256 of a transformers model's weights and configuration, whatever folder they come from."""
    config: Any = model.config
    values = config.to_dict()
    values.pop("_name_or_path", None)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
