"""Checkpoints of pre-training: weights and optimizer moments as safetensors in parts that travel well."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from modeling_dlfa.errors import InputError

PART_BYTES = 12_000_000
LOSSES = ("loss", "contrastive_loss", "word_loss", "matching_loss")
EXPORT_RECORD = "pretraining.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def save_parts(tensors: Mapping[str, torch.Tensor], folder: Path, stem: str) -> None:
    """Writes tensors to `{stem}-00.safetensors` and so on, each of at most 12 MB; long tensors are cut into rows."""
    parts: list[dict[str, torch.Tensor]] = [{}]
    room = PART_BYTES
    for name, tensor in tensors.items():
        tensor = tensor.detach().to("cpu").contiguous()
        row_bytes = max(1, tensor.nbytes // max(1, len(tensor)))
        for index, piece in enumerate(tensor.split(max(1, PART_BYTES // row_bytes))):
            if piece.nbytes > room and parts[-1]:
                parts.append({})
                room = PART_BYTES
            parts[-1][f"{name}#{index}"] = piece.clone()
            room -= piece.nbytes
    for index, part in enumerate(parts):
        save_file(part, str(folder / f"{stem}-{index:02d}.safetensors"), metadata={"format": "pt"})


def load_parts(folder: Path, stem: str) -> dict[str, torch.Tensor]:
    """Reads what `save_parts` wrote; empty if there is none."""
    pieces: dict[str, dict[int, torch.Tensor]] = {}
    for path in sorted(folder.glob(f"{stem}-*.safetensors")):
        for key, piece in load_file(str(path)).items():
            name, _, index = key.rpartition("#")
            pieces.setdefault(name, {})[int(index)] = piece
    return {name: torch.cat([rows[index] for index in sorted(rows)]) for name, rows in pieces.items()}


def save_checkpoint(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]
) -> None:
    """Writes `checkpoint-{step}` in `folder`, whole or not at all, and removes older ones."""
    target = folder / f"checkpoint-{state['step']:08d}"
    partial = folder / "checkpoint.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_parts(dict(model.named_parameters()), partial, "model")
    moments = {
        f"{name}.{moment}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for moment in MOMENTS
    }
    save_parts(moments, partial, "optimizer")
    (partial / "state.json").write_text(json.dumps(dict(state), indent=2) + "\n", encoding="utf-8", newline="\n")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    for path in folder.glob("checkpoint-????????"):
        if path != target:
            shutil.rmtree(path)


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint in a folder, if there is one."""
    found = sorted(folder.glob("checkpoint-????????"))
    return found[-1] if found else None


def load_state(checkpoint: Path) -> dict[str, Any]:
    """The record of a checkpoint: `step`, `tokens`, `seconds`, `training`, `batches`, `config`, `packed`, `before`."""
    return json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))


def load_curve(checkpoint: Path, points: int = 40) -> list[dict[str, Any]]:
    """The loss curve up to a checkpoint, from the `loss.jsonl` beside it, as means over stretches of equal length.

    Args:
        checkpoint: Folder of the checkpoint.
        points: Stretches at most.

    Returns:
        For each stretch `step` and `tokens` at its end, and the means of `LOSSES`; empty if the log
        did not travel with the checkpoint.
    """
    log = checkpoint.parent / "loss.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []
    lines = [line for line in lines if line["step"] <= load_state(checkpoint)["step"]]
    curve = []
    for stretch in np.array_split(np.array(lines, dtype=object), min(points, len(lines))) if lines else []:
        means = {}
        for name in LOSSES:
            values = [line[name] for line in stretch if line.get(name) is not None]
            means[name] = round(sum(values) / len(values), 3) if values else None
        curve.append({"step": stretch[-1]["step"], "tokens": stretch[-1]["tokens"], **means})
    return curve


def load_weights(checkpoint: Path, model: nn.Module) -> None:
    """Loads the weights of a checkpoint.

    Raises:
        InputError: Its parameters are not the model's.
    """
    weights = load_parts(checkpoint, "model")
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if shapes != found:
        differ = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
        raise InputError(f"{checkpoint} holds another model: {differ[:3]} differ. Give the sizes it was trained with.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])


def load_start(folder: Path, model: nn.Module) -> dict[str, Any]:
    """Loads the weights that a new run starts with.

    Args:
        folder: A checkpoint, or an encoder that `exporting.export` wrote: what the latter lacks is new, the output
            layer a copy of the word embeddings.
        model: The model to load them into.

    Returns:
        The record of the run that they come from, with its `curve`; its `before` is the run before that.

    Raises:
        InputError: The folder is neither, or its parameters are not the model's.
    """
    if (folder / "state.json").is_file():
        load_weights(folder, model)
        return load_state(folder) | {"curve": load_curve(folder)}
    if not (folder / EXPORT_RECORD).is_file():
        raise InputError(
            f"{folder} is neither a checkpoint nor an exported encoder. Give one of them as --start_from."
        )
    encoder: Any = model.bert
    weights = load_file(str(folder / "model.safetensors"))
    if {name: tensor.shape for name, tensor in weights.items()} != {
        name: tensor.shape for name, tensor in encoder.named_parameters()
    }:
        raise InputError(f"{folder} holds an encoder of another shape. Give the sizes it was trained with.")
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            parameter.copy_(weights[name])
        decoder: Any = model.cls
        decoder.predictions.decoder.weight.copy_(encoder.embeddings.word_embeddings.weight)
    record = None
    for stage in json.loads((folder / EXPORT_RECORD).read_text(encoding="utf-8"))["stages"]:
        record = stage | {"before": record}
    if record is None:
        raise InputError(f"{folder / EXPORT_RECORD} names no stage. Export the encoder anew.")
    return record


def load_moments(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Loads the moments of Adam.

    Raises:
        InputError: The checkpoint came without them.
    """
    moments = load_parts(checkpoint, "optimizer")
    if not moments:
        raise InputError(
            f"{checkpoint} has no optimizer-*.safetensors. Start a run of its own from its weights: --start_from."
        )
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {
            "step": torch.tensor(float(step)),
            **{moment: moments[f"{name}.{moment}"].to(parameter.device) for moment in MOMENTS},
        }
