"""What the tests do to a copy of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from modeling_dlfa import DlfaForSequenceClassification

SEQUENCE = DlfaForSequenceClassification


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def published(api: HfApi, folder: Path, name: str) -> str:
    repo = f"org/security-{name}"
    api.create_repo(repo)
    api.upload_folder(repo_id=repo, folder_path=folder)
    return repo
