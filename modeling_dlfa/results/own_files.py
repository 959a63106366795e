"""Which files of an output directory are ours: those that an earlier command's record there lists as written."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..scoring.metrics import METRICS

RECORD = "arguments.json"
REPORTS = ("layer_sweep", "one_pass_agreement", "results")
FOLDERS = ("adapters", "checkpoints", "figures", "models", "predictions", "runs")
FILES = (RECORD, *(f"{name}.{suffix}" for name in REPORTS for suffix in ("json", "md")), "classes.md")
# Files that transformers, PEFT, the tokenizers and this package write into a model's folder.
MODEL_FILES = (
    "README.md",
    "*_dlfa.py",
    "adapter_config.json",
    "adapter_model*.safetensors",
    "added_tokens.json",
    "chat_template.*",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model*.safetensors",
    "model.safetensors.index.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "training_args.bin",
    "vocab.json",
    "vocab.txt",
)
_KEYS = {"task", "model", "systems", "data", "recipe"}
_LOGS = r"runs/.+"


def read_record(folder: Path) -> dict[str, Any] | None:
    """Returns the record of the command that started an output directory; None if no command of ours did."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not record.keys() >= _KEYS:
        return None
    return record if isinstance(record["systems"], dict) and isinstance(record["data"], dict) else None


def present(folder: Path) -> list[str]:
    """Returns which of the names that a command would write into a folder are taken by files at any depth."""
    return [name for name in sorted((*FILES, *FOLDERS)) if any(_files(folder / name))]


def own_files(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """Returns the files in an output directory that its commands wrote, drafts included, and no others.

    Args:
        folder: The directory.
        record: What `read_record` returned.
    """
    pattern = re.compile(rf"(?:{_own_names(record)})(?:\.tmp)?")
    return [
        path
        for name in (*FILES, *FOLDERS)
        for path in _files(folder / name)
        if pattern.fullmatch(path.relative_to(folder).as_posix())
    ]


def kept_files(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """Returns those of our files that are costly to lose: finished runs, weights, complete checkpoints, reports."""
    kept = []
    for path in own_files(folder, record):
        top, *below = path.relative_to(folder).parts
        if top == "checkpoints":
            # The Trainer writes its state last.
            worth = len(below) > 2 and re.fullmatch(r"checkpoint-\d+", below[1]) is not None
            worth = worth and folder.joinpath(top, *below[:2], "trainer_state.json").is_file()
        elif top in ("adapters", "models"):
            worth = path.suffix == ".safetensors"
        else:
            worth = top == "runs" or (top in FILES and top != RECORD)
        if worth:
            kept.append(path)
    return kept


def names_one(name: str, files: Iterable[Path]) -> bool:
    """Returns whether a name belongs to one of some files, or to a folder that contains one.

    Args:
        name: Name of a file or folder, with `{language}` for any code; it need not exist.
        files: The files.
    """
    path = Path(name).expanduser()
    wanted = (os.path.realpath(path), os.path.join(os.path.realpath(path.parent), path.name))
    places = {os.path.join(os.path.realpath(file.parent), file.name) for file in files}
    places |= {os.path.dirname(place) for place in places}
    return any(fnmatch.filter(places, glob.escape(form).replace("{language}", "*")) for form in wanted)


def _own_names(record: Mapping[str, Any]) -> str:
    systems = "|".join(map(re.escape, (*record["systems"], "one_pass")))
    run = rf"(?:{systems})-seed-?\d+"
    languages = "|".join(map(re.escape, record["data"].get("test") or ()))
    model = "|".join(fnmatch.translate(name) for name in MODEL_FILES).replace(r"\z", "").replace(r"\Z", "")
    figures = "|".join((*(f"{name}_by_language" for name in METRICS), "layer_sweep"))
    return "|".join(
        (
            *map(re.escape, FILES),
            rf"figures/(?:{figures})\.(?:png|svg)",
            rf"runs/{run}\.json",
            rf"predictions/{run}/(?:{languages})\.(?:tsv|tmp)",
            rf"(?:adapters|models)/{run}/(?![^/]*/)(?:{model})",
            rf"checkpoints/{run}/(?:checkpoint-\d+/.+|retries\.json|{_LOGS})",
        )
    )


def _files(path: Path) -> Iterator[Path]:
    """Every file and link at or below a path; no link is followed except the path itself."""
    if path.is_file() or (path.is_symlink() and not path.is_dir()):
        yield path
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in sorted((*files, *links)))
