"""Weights on disk: safetensors alone, whole, and all of them. This file travels with every checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

# Where config.json keeps the sha256 of each file of weights.
SUMS_KEY = "weights_sha256"
# Other formats, each of which a loader of some kind of pickle or a parser of its own would read.
OTHER_FORMATS = ("from_flax", "from_tf", "gguf_file")


def refuse_other_formats(arguments: Mapping[str, Any]) -> None:
    """Checks that `from_pretrained` was asked for nothing but safetensors.

    Raises:
        ValueError: An argument asks for another format.
    """
    asked = [name for name in OTHER_FORMATS if arguments.get(name)]
    if arguments.get("use_safetensors") is False:
        asked.append("use_safetensors=False")
    if asked:
        raise ValueError(f"DLFA reads safetensors alone; leave out {', '.join(asked)}.")


def check_weights(
    name_or_path: str | os.PathLike, sums: Mapping[str, str], variant: str | None, hub_arguments: Mapping[str, Any]
) -> None:
    """Checks that a checkpoint has safetensors weights and that they are what was saved.

    A flipped bit is a valid number: without the sums nobody would notice.

    Args:
        name_or_path: Hub id or folder.
        sums: sha256 of each file, from the checkpoint's `config.json`; empty for checkpoints of others.
        variant: As for `from_pretrained`.
        hub_arguments: Where to load from (`revision`, `token`, ...).

    Raises:
        ValueError: No safetensors weights, or damaged ones.
        OSError: A file is missing, or the Hub cannot be reached.
    """
    known = [_with_variant(name, variant) for name in (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)]
    found = (
        cached_file(name_or_path, name, _raise_exceptions_for_missing_entries=False, **hub_arguments) for name in known
    )
    if not any(found):
        _fail_where_unreachable(name_or_path, known[0], hub_arguments)
        raise ValueError(
            f"{name_or_path} has no {known[0]}. DLFA reads no other weights, since loading a pickle can run code. "
            "Load them with transformers where you trust them, save_pretrained them again, and use that folder."
        )
    for name in sorted(name for name in sums if _is_variant(name, variant)):
        path = cached_file(name_or_path, name, **hub_arguments)
        if _sha256(path) != sums[name]:
            raise ValueError(
                f"{name} of {name_or_path} is damaged: its sha256 is not the one in config.json. Copy it again, from "
                f"the Hub by force_download=True; whoever changed it on purpose deletes {SUMS_KEY!r} in config.json."
            )


def _fail_where_unreachable(name_or_path: str | os.PathLike, name: str, hub_arguments: Mapping[str, Any]) -> None:
    """Raises the OSError of a Hub that did not answer, which is no word on whether it has the file."""
    try:
        cached_file(name_or_path, name, **hub_arguments)
    except OSError as error:
        if error.__cause__ is not None:
            raise


def record_sums(folder: str | os.PathLike) -> None:
    """Writes the sha256 of the weights in a folder, where it has some, into its `config.json`, whole or not at all."""
    sums = {path.name: _sha256(path) for path in sorted(Path(folder).glob("model*.safetensors"))}
    if not sums:
        return  # An adapter was saved without the model.
    path = Path(folder) / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), SUMS_KEY: sums}
    new = path.with_name(".config.json.new")
    new.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    os.replace(new, path)


def check_loaded(
    model_name: str,
    info: Mapping[str, Iterable[Any]],
    heads: tuple[str, ...],
    ignore_mismatched_sizes: bool,
) -> None:
    """Checks that every weight came from the checkpoint.

    Args:
        model_name: Of the class, for the message.
        info: What `from_pretrained` reports with `output_loading_info`.
        heads: First parts of the names of a task's own weights, which another class may lack.
        ignore_mismatched_sizes: Whether the caller asked for a new head.

    Raises:
        ValueError: Weights are missing, left over or of another size.
    """

    def of_body(keys: Iterable[Any]) -> list[str]:
        names = (key if isinstance(key, str) else key[0] for key in keys)
        return sorted(name for name in names if not name.removeprefix("dlfa.").startswith(heads))

    missing, mismatched = list(info["missing_keys"]), list(info.get("mismatched_keys", ()))
    if ignore_mismatched_sizes:
        missing, mismatched = of_body(missing), of_body(mismatched)
    unexpected = of_body(info["unexpected_keys"])
    problems = {"lacks": missing, "has another size for": mismatched, "also has": unexpected}
    found = [f"{what} {_some(keys)}" for what, keys in problems.items() if keys]
    if found:
        message = f"The checkpoint does not fit {model_name}: it {'; it '.join(found)}."
        if not of_body([*missing, *mismatched]) and not unexpected:
            message += " ignore_mismatched_sizes=True starts with a new head, to be trained before use."
        raise ValueError(message)


def _some(keys: list[Any]) -> str:
    names = sorted(key if isinstance(key, str) else key[0] for key in keys)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _with_variant(name: str, variant: str | None) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{variant}.{ending}" if variant else name


def _is_variant(name: str, variant: str | None) -> bool:
    stem = "model" + (f".{variant}" if variant else "")
    return re.fullmatch(rf"{re.escape(stem)}(-\d+-of-\d+)?\.safetensors", name) is not None


def _sha256(path: Any) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
