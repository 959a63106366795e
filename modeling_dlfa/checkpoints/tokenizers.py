"""Check that a tokenizer belongs to its model, and save it so that all transformers lines split text alike."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ..errors import InputError
from ..files.writing import write_json

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

OWN_TOKENIZER = (
    "Give the tokenizer that the model was trained with: its files (tokenizer.json) in the model's folder, or "
    "--tokenizer_name."
)
# Embeddings are often padded to a multiple of 128 for speed, and kept whole where a vocabulary is trimmed.
_PADDING = 128
_LEAST_SHARE = 0.5


def check_tokenizer(
    tokenizer: PreTrainedTokenizerBase, name: str, embeddings: int, remedy: str = OWN_TOKENIZER
) -> None:
    """Refuses a tokenizer that is not of the model.

    Without tokenizer files, transformers v5 makes an empty tokenizer, to which every word is unknown.

    Args:
        tokenizer: As it was loaded.
        name: The folder or Hub id that it was loaded from.
        embeddings: How many tokens the model knows.
        remedy: What to do.

    Raises:
        InputError: It has more tokens than the model has embeddings, or fewer than half of them and was made from no
            file, or padding does not explain the difference.
    """
    size = len(tokenizer)
    if size > embeddings:
        raise InputError(
            f"The tokenizer of {name} has {size} tokens, the model only {embeddings} embeddings. {remedy}"
        )
    if size >= _LEAST_SHARE * embeddings:
        return
    files = set(tokenizer.vocab_files_names.values())
    if files and Path(name).is_dir() and not any((Path(name) / file).is_file() for file in files):
        raise InputError(f"{name} has no tokenizer: there is no {' or '.join(sorted(files))}. {remedy}")
    if embeddings - size > _PADDING:
        raise InputError(
            f"The tokenizer of {name} has {size} tokens, far fewer than the model's {embeddings} embeddings: it is "
            f"another model's, or empty. {remedy}"
        )


def unknown_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the id of the unknown token.

    Returns:
        -1 where there is none, or where it is another special token as well, as GPT-2's end of a text is.
    """
    others = [str(token) for name, token in tokenizer.special_tokens_map.items() if name != "unk_token"]
    if tokenizer.unk_token is None or str(tokenizer.unk_token) in others:
        return -1
    return int(tokenizer.unk_token_id)


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
    # v4 writes these files, v5 does not; where they exist, they override the configuration.
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
