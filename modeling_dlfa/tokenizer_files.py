"""Saving tokenizers so that every transformers line that we name loads them and cuts text alike."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from .output import write_json

CONFIG_FILE = "tokenizer_config.json"
GENERIC_CLASS = "PreTrainedTokenizerFast"
# What holds for any tokenizer. Everything else there is a setting of one class (`do_lower_case`), or of the process
# that loaded it (`is_local`).
GENERIC_KEYS = (
    "added_tokens_decoder",
    "chat_template",
    "clean_up_tokenization_spaces",
    "model_input_names",
    "model_max_length",
    "padding_side",
    "split_special_tokens",
    "truncation_side",
)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: str | os.PathLike) -> None:
    """Saves a tokenizer into a folder, readable on transformers v4 and v5, as the tokenizer is now.

    One of the tokenizers library is saved under the generic class that both lines know, whatever class it has here.
    v5 would name a generic one `TokenizersBackend` and list `extra_special_tokens`, on both of which v4 fails. A class
    of one model (`BertTokenizer`) loads on both, but builds its rules for text anew from settings (`do_lower_case`)
    that may not be the tokenizer's own; the generic one takes them from `tokenizer.json`.

    Args:
        tokenizer: Any tokenizer; one in Python alone is saved as its class does it.
        folder: Made where it is absent.
    """
    tokenizer.save_pretrained(folder)
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or getattr(tokenizer, "_auto_class", None):
        return
    config = _generic_config(tokenizer, _read(Path(folder) / CONFIG_FILE))
    write_json(Path(folder) / CONFIG_FILE, dict(sorted(config.items())))
    # v4 writes them, and v5 no longer; where they lie, they count more than the configuration.
    for name in ("special_tokens_map.json", "added_tokens.json"):
        (Path(folder) / name).unlink(missing_ok=True)


def _generic_config(tokenizer: PreTrainedTokenizerFast, saved: dict[str, Any]) -> dict[str, Any]:
    current = {
        "clean_up_tokenization_spaces": bool(getattr(tokenizer, "clean_up_tokenization_spaces", False)),
        "model_input_names": list(tokenizer.model_input_names),
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
    }
    named = {key: str(token) for key, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    special = set(named.values())
    additional = [token for token in tokenizer.all_special_tokens if token not in special]
    return {
        **{key: value for key, value in saved.items() if key in GENERIC_KEYS},
        **current,
        **named,
        **({"additional_special_tokens": additional} if additional else {}),
        "tokenizer_class": GENERIC_CLASS,
    }


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
