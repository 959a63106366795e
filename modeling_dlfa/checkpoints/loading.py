"""Load the tokenizer that belongs to a checkpoint, and say what is wrong with a checkpoint that does not load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase
from transformers.utils import cached_file

from ..errors import InputError, first_line
from ..files.places import only_on_hub
from .tokenizers import check_tokenizer

MODEL_FILE = "model.onnx"
# Every saved tokenizer has at least one of these files.
TOKENIZER_FILES = ("tokenizer_config.json", "tokenizer.json", "vocab.txt", "vocab.json")
SAVE_TOKENIZER = (
    "Save the one that the model was trained with there, as "
    "AutoTokenizer.from_pretrained(encoder).save_pretrained(folder) does."
)


def load_tokenizer(
    name: str | os.PathLike, config: PretrainedConfig, remedy: str = SAVE_TOKENIZER, **options: Any
) -> PreTrainedTokenizerBase:
    """Loads a model's tokenizer.

    Args:
        name: Folder or Hub id.
        config: Configuration of the model.
        remedy: What to do where it fails.
        options: Of `AutoTokenizer.from_pretrained`.

    Raises:
        InputError: There is none, or it is not the model's (see `check_tokenizer`).
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:
        # Without tokenizer files, transformers 4 raises whatever fails first: KeyError, TypeError.
        there = _has_tokenizer_file(name, **options)
        if there and not isinstance(error, (OSError, ValueError)):
            raise
        reason = first_line(error) if there else f"there is no {' or '.join(TOKENIZER_FILES[:2])}"
        raise InputError(f"{name} has no tokenizer that can be loaded: {reason}. {remedy}") from error
    if (embeddings := getattr(config, "vocab_size", None)) is not None:
        check_tokenizer(tokenizer, str(name), embeddings, remedy)
    return tokenizer


def cannot_load(name: str | os.PathLike, error: Exception, remedy: str = "") -> InputError:
    """Returns the error for a model that does not load.

    Args:
        name: Folder or Hub id.
        error: What loading it raised.
        remedy: What to do, unless the cause is known here.
    """
    if isinstance(error, InputError):
        return error
    if holds_graph_alone(name):
        return InputError(
            f"{name} holds an ONNX graph ({MODEL_FILE}) but no weights for PyTorch. Predict with it "
            "with --backend onnx; for everything else give the checkpoint that it was exported from."
        )
    where = "there is no such folder, and as an id of the Hub it fails: " if only_on_hub(str(name)) else ""
    return InputError(f"Cannot load {name}: {where}{first_line(error)}. {remedy}".rstrip())


def holds_graph_alone(name: str | os.PathLike) -> bool:
    """Whether a folder holds an ONNX graph, and no weights of PyTorch beside it."""
    folder = Path(name)
    return (folder / MODEL_FILE).is_file() and not any(folder.glob("*.safetensors"))


def _has_tokenizer_file(name: str | os.PathLike, **options: Any) -> bool:
    hub = {key: value for key, value in options.items() if key in ("revision", "token", "cache_dir")}
    try:
        return any(
            cached_file(name, file, _raise_exceptions_for_missing_entries=False, **hub) for file in TOKENIZER_FILES
        )
    except OSError:
        return True  # The Hub does not answer; the error says so.
