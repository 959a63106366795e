"""The states of an encoder's frozen layers, computed once and kept on disk for all epochs, seeds and systems."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from ..checkpoints.weights import fingerprint
from ..command.wording import counted
from ..errors import InputError
from ..files.folders import check_space
from .frozen_states import STATES, FrozenStates, Kept, frozen_blocks
from .processes import on_main_process

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

HALF = 2  # Bytes of a number in half precision.
REMEDY = "Free some space, name another folder, or leave out --cache_frozen."
TEXT_COLUMNS = ("input_ids", "token_type_ids")
TOLERANCE = 0.05  # Mean difference of the last layer's states, relative to their mean size.


def keep_states(
    backbone: nn.Module,
    depth: int,
    layers: Iterable[int],
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    pad: Callable[[list[dict[str, Any]]], Mapping[str, Any]],
    batch_size: int,
    dtype: torch.dtype | None,
) -> FrozenStates:
    """Computes the states that `folder` does not hold yet, and puts them in the place of the frozen blocks.

    Args:
        backbone: The encoder, on the device that is to compute.
        depth: Number of frozen blocks, at least 1.
        layers: The layers that are read besides the last frozen one; those above it are not kept, nor are the
            embeddings (0), which cost nothing.
        datasets: The tokenised examples, with the columns that the tokenizer gives.
        folder: Where states lie, under the sha256 of encoder, precision and tokens.
        pad: Makes a batch of tokenizer's outputs.
        batch_size: Examples computed at once.
        dtype: Type in which autocast computes; None to compute as the weights are.

    Raises:
        InputError: The encoder's blocks cannot be replaced, a state exceeds half precision, or the disk is full.
    """
    kept_layers = sorted({layer for layer in layers if 0 < layer <= depth} | {depth})
    device: Any = next(backbone.parameters()).device
    identity = f"{fingerprint(backbone)} {dtype}"

    def encode(batch: Mapping[str, Any]) -> Any:
        inputs = {name: torch.as_tensor(value).to(device) for name, value in batch.items()}
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
            return backbone(**inputs).last_hidden_state

    training = backbone.training
    backbone.eval()
    config: Any = backbone.config
    read = ["input_ids", "attention_mask"] + (["token_type_ids"] if getattr(config, "type_vocab_size", 0) else [])
    read = [name for name in read if name in datasets[0].column_names]
    kept: list[Kept] = []
    for texts in (dataset.select_columns(read) for dataset in datasets):
        starts = np.cumsum([0, *map(len, texts["input_ids"])])
        place = folder / hashlib.sha256(f"{identity} {_texts_hash(texts)}".encode()).hexdigest()[:24]
        entry = Kept({layer: place / f"layer-{layer}.npy" for layer in kept_layers}, starts)
        # Every process asks, whatever it sees there by now: the main one answers all of them.
        on_main_process(partial(_compute_missing, backbone, entry, texts, encode, pad, batch_size))
        kept.append(entry)
    sample = pad([datasets[0].select_columns(read)[row] for row in range(min(4, len(datasets[0])))])
    wide, whole = _probe(backbone, depth, lambda: encode(sample))
    states = FrozenStates(backbone, depth, kept_layers, kept, wide)
    _check(states, encode, sample, whole)
    backbone.train(training)
    return states


def _check(states: FrozenStates, encode: Callable[[Any], torch.Tensor], sample: Any, whole: torch.Tensor) -> None:
    """Compares the last layer's states on kept states with those on computed ones."""
    attention = torch.as_tensor(sample["attention_mask"])
    states.take({STATES: states.gather(range(len(attention)), attention).to(whole.device)})
    found = encode(sample)
    states.take({})
    mask = attention.bool().to(whole.device)
    if not (found - whole)[mask].float().abs().mean() <= TOLERANCE * whole[mask].float().abs().mean():
        states.release()
        raise InputError("This encoder's blocks cannot be replaced by their states. Leave out --cache_frozen.")


def _compute_missing(
    backbone: nn.Module,
    entry: Kept,
    texts: Dataset,
    encode: Callable[[Mapping[str, Any]], Any],
    pad: Callable[[list[dict[str, Any]]], Mapping[str, Any]],
    batch_size: int,
) -> None:
    """Computes the layers that have no file yet, if the disk has room for them."""
    missing = [layer for layer, file in entry.files.items() if not file.is_file()]
    if missing:
        config: Any = backbone.config
        wanted = int(entry.starts[-1]) * config.hidden_size * HALF * len(missing)
        what = f"the states of {counted(len(missing), 'frozen layer')}"
        check_space(next(iter(entry.files.values())).parent, wanted, what, REMEDY)
        _compute(backbone, entry, missing, texts, encode, pad, batch_size)


def _compute(
    backbone: nn.Module,
    entry: Kept,
    layers: Sequence[int],
    texts: Dataset,
    encode: Callable[[Mapping[str, Any]], Any],
    pad: Callable[[list[dict[str, Any]]], Mapping[str, Any]],
    batch_size: int,
) -> None:
    """Writes the files of some layers, each whole or not at all."""
    blocks, seen = frozen_blocks(backbone, layers[-1]), {}

    def hook(layer: int) -> Any:
        def remember(module: nn.Module, args: Any, output: Any) -> None:
            seen[layer] = output if isinstance(output, torch.Tensor) else output[0]
            if layer == layers[-1]:
                raise _ReadAll

        return remember

    place = next(iter(entry.files.values())).parent
    place.mkdir(parents=True, exist_ok=True)
    hooks = [blocks[layer - 1].register_forward_hook(hook(layer)) for layer in layers]
    maps: dict[int, Any] = {}
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=place) as draft:
        try:
            order = np.argsort(-np.diff(entry.starts), kind="stable")
            for begin in tqdm(range(0, len(order), batch_size), desc="States of the frozen layers", disable=None):
                rows = order[begin : begin + batch_size]
                batch = pad([texts[int(row)] for row in rows])
                try:
                    encode(batch)
                except _ReadAll:
                    pass
                mask = torch.as_tensor(batch["attention_mask"]).bool()
                for layer in layers:
                    _write(maps, Path(draft), layer, entry.starts, rows, mask, seen[layer].cpu())
        finally:
            for handle in hooks:
                handle.remove()
        for layer in layers:
            maps[layer].flush()
            del maps[layer]
            os.replace(Path(draft, f"{layer}.npy"), entry.files[layer])


def _write(
    maps: dict[int, Any],
    draft: Path,
    layer: int,
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    mask: torch.Tensor,
    states: torch.Tensor,
) -> None:
    half = states.half()
    if not half[mask].isfinite().all():
        raise InputError(
            f"States of layer {layer} exceed half precision, in which --cache_frozen keeps them. Leave it out."
        )
    if layer not in maps:
        shape = (int(starts[-1]), states.shape[-1])
        maps[layer] = np.lib.format.open_memmap(draft / f"{layer}.npy", mode="w+", dtype=np.float16, shape=shape)
    for place, row in enumerate(rows):
        maps[layer][starts[row] : starts[row + 1]] = half[place][mask[place]].numpy()


class _ReadAll(Exception):
    """The last layer whose states are wanted has been computed."""


def _probe(backbone: nn.Module, depth: int, encode: Callable[[], torch.Tensor]) -> tuple[list[int], torch.Tensor]:
    """Runs the encoder as it is; returns how many values each frozen block returned (0: bare), and the last state."""
    wide: list[int] = []

    def remember(module: nn.Module, args: Any, output: Any) -> None:
        wide.append(0 if isinstance(output, torch.Tensor) else len(output))

    hooks = [block.register_forward_hook(remember) for block in frozen_blocks(backbone, depth)]
    try:
        whole = encode()
    finally:
        for handle in hooks:
            handle.remove()
    return wide, whole


def _texts_hash(texts: Dataset) -> str:
    """Returns the sha256 of tokenised texts."""
    digest = hashlib.sha256()
    for name in TEXT_COLUMNS:
        if name in texts.column_names:
            for ids in texts[name]:
                digest.update(np.asarray(ids, dtype=np.int32).tobytes() + b"\n")
    return digest.hexdigest()
