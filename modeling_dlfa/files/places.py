"""Where a model lies: a folder of this machine or an id of the Hub, and whether its files of weights are whole."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def check_place(option: str, name: str, *, file: str | None = "config.json") -> None:
    """Refuses a path that does not exist, for which the Hub would otherwise be asked.

    Args:
        option: What the user gave it as, such as `--model_name_or_path`.
        name: Folder or Hub id.
        file: What a folder must hold; None for anything.

    Raises:
        InputError: There is no such folder, and the message names one beside it of nearly that name; or it is the
            output directory of a command, and the message names a model in it; or it lacks the file.
    """
    path = Path(name).expanduser()
    if path.is_file():
        raise InputError(f"{option} {name} is a file. Give the folder that holds config.json.")
    if path.is_dir():
        if path != Path(name):
            raise InputError(f"{option} {name}: write the folder out, {path}; '~' was not replaced.")
        runs = [config.parent.name for config in sorted(path.glob("models/*/config.json"))]
        if runs and not (path / "config.json").is_file():
            raise InputError(
                f"{option} {name} is the output directory of a command. Name one of its models, such as "
                f"{path / 'models' / runs[0]}" + (f" ({len(runs)} there)." if len(runs) > 1 else ".")
            )
        if file is not None and not (path / file).is_file():
            below = [found.parent for found in sorted([*path.glob(f"*/{file}"), *path.glob(f"*/*/{file}")])]
            hint = f" Did you mean {below[0]}?" if below else " Save the model there with save_pretrained."
            raise InputError(f"{option} {name}: this folder holds no {file}, so no model is loaded from it.{hint}")
        return
    beside = [entry.name for entry in path.parent.iterdir() if entry.is_dir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    if not _HUB_ID.fullmatch(name) or name.startswith(".") or close:
        hint = f" Did you mean {path.parent / close[0]}?" if close else ""
        raise InputError(f"{option} {name}: there is no such folder, and it is not an id of the Hub.{hint}")


def only_on_hub(name: str) -> bool:
    """Whether a name can only be an id of the Hub, since nothing here has it."""
    return _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def hub_commit(name: str, cache_dir: str | None = None, revision: str | None = None) -> str | None:
    """Returns the Hub commit that a model was loaded from; None for a folder, even one that no longer exists.

    Args:
        name: Folder or Hub id.
        cache_dir: Where downloads are kept.
        revision: Branch, tag or commit.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if Path(name).exists():
        return None
    try:
        found = try_to_load_from_cache(name, "config.json", cache_dir, revision)
    except HFValidationError:
        return None
    return Path(found).parent.name if isinstance(found, str) else None


def weight_files(name_or_path: str, hub_arguments: Mapping[str, Any]) -> list[Path]:
    """Returns the files of safetensors of a checkpoint, fetched where they are on the Hub.

    Args:
        name_or_path: Folder or Hub id.
        hub_arguments: Where to load from (`revision`, `token`, ...).

    Raises:
        OSError: A file is missing, or the Hub cannot be reached.
        ValueError: The index of several files is broken.
    """
    from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

    single = cached_file(name_or_path, SAFE_WEIGHTS_NAME, _raise_exceptions_for_missing_entries=False, **hub_arguments)
    if single is not None:
        return [Path(single)]
    index = cached_file(name_or_path, SAFE_WEIGHTS_INDEX_NAME, **hub_arguments)
    names = set(json.loads(Path(str(index)).read_text(encoding="utf-8"))["weight_map"].values())
    return [Path(str(cached_file(name_or_path, name, **hub_arguments))) for name in sorted(names)]


def check_safetensors(path: Path) -> None:
    """Checks that a file is whole, by its header and length, and that the weights in it are finite numbers.

    Raises:
        InputError: It is cut short, is not a file of safetensors, or holds NaN or infinity.
    """
    from safetensors import SafetensorError, safe_open

    from .finite import check_finite

    remedy = "Copy it again, or train again."
    try:
        with safe_open(path, "pt") as file:
            check_finite(str(path), ((name, file.get_tensor(name)) for name in file.keys()), remedy)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). {remedy}") from error
