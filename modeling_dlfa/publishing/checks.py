"""What must hold of a run's files before they are published: whole, loadable, no pickle, no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints.weights import recorded_sums, verify_weights
from ..errors import InputError
from ..files.places import check_safetensors
from ..files.writing import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLES = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
HUB_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{20,}")


def check_model(folder: Path) -> None:
    """Checks that a model's folder is whole, holds what was saved and no pickle.

    Raises:
        InputError: It is not, or does.
    """
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in PICKLES)
    if found:
        raise InputError(f"{folder} holds {', '.join(found)}. Such files can run code when read: remove them.")
    config, index = read_json(folder / CONFIG), folder / INDEX
    code = {f"{name.partition('.')[0]}.py" for name in config.get("auto_map", {}).values()}
    weights = set(read_json(index)["weight_map"].values()) if index.is_file() else {WEIGHTS}
    missing = sorted(name for name in code | weights if not (folder / name).is_file())
    if missing or not code:
        raise InputError(f"{folder} lacks {', '.join(missing) or 'its code'}, without which the model does not load.")
    for name in sorted(weights):
        check_safetensors(folder / name)
    if recorded_sums(folder):
        verify_weights(folder)


def check_contents(folder: Path) -> None:
    """Refuses a Hub token in what is published: a command line may have held one.

    Raises:
        InputError: A file holds what looks like one.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".md", ".py", ".txt", ".jinja") and HUB_TOKEN.search(path.read_bytes()):
            raise InputError(
                f"{path.relative_to(folder)} holds what looks like a Hub token. Revoke that token, and remove it from "
                "the run's files before publishing them."
            )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Loads a model's tokenizer.

    Raises:
        InputError: There is none that loads, or it is not the model's.
    """
    from ..checkpoints import loading
    from ..configuration_dlfa import DlfaConfig

    try:
        config = DlfaConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise loading.cannot_load(folder, error) from error
    return loading.load_tokenizer(folder, config)
