"""Turns a pre-training checkpoint into a folder that transformers loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from checkpoints import EXPORT_RECORD, load_curve, load_parts, load_state, load_weights, save_parts
from pretraining import language_model
from pretraining_data import sha256
from transformers import BertConfig

from modeling_dlfa.errors import InputError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def export(checkpoint: Path, tokenizer: Path, output_dir: Path) -> int:
    """Writes the encoder (without the language-modelling head and pooler) in half precision, and its tokenizer.

    `pretraining.json` beside it records the stages: settings, text files with checksums, steps, tokens, loss curve.

    Args:
        checkpoint: A checkpoint of `pretraining.Training`.
        tokenizer: Folder of the tokenizer that the text was packed with.
        output_dir: Where the files go.

    Returns:
        Parameters of the encoder.

    Raises:
        InputError: The tokenizer is missing or not the checkpoint's.
    """
    missing = [name for name in TOKENIZER_FILES if not (tokenizer / name).is_file()]
    if missing:
        raise InputError(f"{tokenizer} lacks {missing}. Give the tokenizer's folder: --tokenizer_dir.")
    state = load_state(checkpoint)
    if sha256(tokenizer / "tokenizer.json") != state["packed"]["tokenizer_sha256"]:
        raise InputError(f"{checkpoint} was trained with another tokenizer than {tokenizer}. Give its own.")
    config = BertConfig.from_dict({"vocab_size": state["packed"]["vocab_size"]} | state["config"])
    model = language_model(config)
    load_weights(checkpoint, model)
    encoder = model.bert.half()
    encoder.save_pretrained(str(output_dir))
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, output_dir / name)
    record = json.dumps({"stages": _stages(state | {"curve": load_curve(checkpoint)})}, indent=1) + "\n"
    (output_dir / EXPORT_RECORD).write_text(record, encoding="utf-8", newline="\n")
    return sum(parameter.numel() for parameter in encoder.parameters())


def _stages(state: dict[str, Any]) -> list[dict[str, Any]]:
    """A checkpoint's run and, before it, the runs whose weights it began with."""
    before = state.pop("before", None)
    return [*(_stages(before) if before else ()), state]


def shrink(checkpoint: Path, folder: Path) -> None:
    """Writes the weights of a checkpoint, the language-modelling head included, in half precision for `--start_from`.

    A sixth of the weights and moments that `train` needs to go on exactly, for machines to which less can travel.

    Args:
        checkpoint: A checkpoint of `pretraining.Training`.
        folder: Where its parts of at most 12 MB and its record go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_parts({name: tensor.half() for name, tensor in load_parts(checkpoint, "model").items()}, folder, "model")
    shutil.copyfile(checkpoint / "state.json", folder / "state.json")
