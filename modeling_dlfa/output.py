"""Writing whole or not at all; the output directory of the runner: what lies where, and who may write into it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError

OWN_ENTRIES = (
    "adapters",
    "arguments.json",
    "checkpoints",
    "figures",
    "layer_sweep.json",
    "layer_sweep.md",
    "models",
    "one_pass_agreement.json",
    "one_pass_agreement.md",
    "predictions",
    "results.json",
    "results.md",
    "runs",
)


def write_text(path: Path, content: str) -> None:
    """Writes a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(content, encoding="utf-8", newline="\n")
    os.replace(draft, path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file that appears whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def check_new_folder(path: Path) -> None:
    """Refuses to write into a folder that holds something.

    Raises:
        InputError: It does, or it is a file.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists and is not empty. Name another folder.")


@contextmanager
def draft_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder that is gone in the end unless it was moved: what is written there appears whole or not at all.

    Args:
        parent: Where it lies; beside the target, so that it can be moved there. The system's place if None.
    """
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=parent) as enclosing:
        folder = Path(enclosing, "draft")  # The enclosing one is closed to other users; what is written is not.
        folder.mkdir()
        yield folder


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested mappings as one, with keys such as `recipe.learning_rate`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def differences(before: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, str] = ("", "")) -> str:
    """Returns where two nested mappings differ, the first three places with both values; nothing if they agree.

    Args:
        before: One mapping.
        now: The other.
        names: What follows the values of the one and of the other.
    """
    one, two = _flat(before), _flat(json.loads(json.dumps(dict(now))))
    changed = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))
    details = "; ".join(f"{key}: {one.get(key)}{names[0]}, {two.get(key)}{names[1]}" for key in changed[:3])
    return details + (f"; and {len(changed) - 3} more" if len(changed) > 3 else "")


class OutputDirectory:
    """Paths of a command's results, and the protection of an earlier command's.

    A finished run leaves `runs/{run}.json`, written last; that file is what makes it finished.

    Args:
        path: The directory; made when the first file is written.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    def model(self, run: str) -> Path:
        """Folder of a run's final model."""
        return self.path / "models" / run

    def adapter(self, run: str) -> Path:
        """Folder of a run's LoRA adapter alone; its model has the adapter merged in."""
        return self.path / "adapters" / run

    def checkpoints(self, run: str) -> Path:
        """Folder of a run's training checkpoints."""
        return self.path / "checkpoints" / run

    def predictions(self, run: str, language: str) -> Path:
        """File of a run's predictions in a language."""
        return self.path / "predictions" / run / f"{language}.tsv"

    def record(self, run: str) -> Path:
        """File that describes a finished run."""
        return self.path / "runs" / f"{run}.json"

    @property
    def results(self) -> Path:
        """The file with everything."""
        return self.path / "results.json"

    def finished(self, run: str) -> dict[str, Any] | None:
        """Returns the record of a run that is finished, else None."""
        path = self.record(run)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def check_free(self, *, resume: bool, overwrite: bool) -> None:
        """Refuses to mix results.

        Raises:
            InputError: Another command's results lie here and neither `resume` nor `overwrite` is wished, or there is
                nothing to resume, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"--output_dir {self.path} is a file. Name a directory.")
        present = [name for name in OWN_ENTRIES if (self.path / name).exists()]
        if present and not resume and not overwrite:
            raise InputError(
                f"--output_dir {self.path} holds another run's results ({', '.join(present)}). Choose another "
                "directory, continue that run with --resume_from_checkpoint last, or delete it with --overwrite."
            )
        if resume and not self.arguments.is_file():
            raise InputError(f"There is nothing to resume in {self.path}. Start without --resume_from_checkpoint.")

    def check_same(self, arguments: Mapping[str, Any]) -> None:
        """Refuses to resume with other arguments than those that the directory was started with.

        Raises:
            InputError: They differ; the message names where.
        """
        before = json.loads(self.arguments.read_text(encoding="utf-8"))
        if details := differences(before, arguments, (" before", " now")):
            raise InputError(f"{self.path} was started with other arguments ({details}). Resume with the same ones.")

    @property
    def arguments(self) -> Path:
        """File that says what the directory was started with."""
        return self.path / "arguments.json"

    def start(self, arguments: Mapping[str, Any], *, overwrite: bool) -> None:
        """Deletes an earlier command's results if wished, and notes the arguments of this one."""
        if overwrite:
            self.clear()
        write_json(self.arguments, arguments)

    def clear(self) -> None:
        """Deletes a command's results, and nothing else that lies there."""
        for name in OWN_ENTRIES:
            entry = self.path / name
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)

    def remove_checkpoints(self, run: str) -> None:
        """Deletes the checkpoints of a finished run, but not what logging integrations wrote beside them."""
        folder = self.checkpoints(run)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        for empty in (folder, folder.parent):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()

    def last_checkpoint(self, run: str) -> Path | None:
        """Returns the newest checkpoint of a run that was written to its end, else None."""
        # The Trainer writes its state last.
        complete = [path.parent for path in self.checkpoints(run).glob("checkpoint-*/trainer_state.json")]
        return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
