"""Writes files whole or not at all; the runner's output directory: what lies where, and who may write into it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.folders import named_folder
from ..files.writing import read_json, write_json
from .own_files import FILES, FOLDERS, RECORD, kept_files, names_one, own_files, present, read_record


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested mappings into one, with keys such as `recipe.learning_rate`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def differences(before: Mapping[str, Any], now: Mapping[str, Any], names: tuple[str, str] = ("", "")) -> str:
    """Returns where two nested mappings differ, the first three places with both values; nothing if they agree.

    Args:
        before: One mapping.
        now: The other.
        names: What follows the values of `before` and of `now`.
    """
    one, two = _flat(before), _flat(json.loads(json.dumps(dict(now))))
    changed = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))
    details = "; ".join(f"{key}: {one.get(key)}{names[0]}, {two.get(key)}{names[1]}" for key in changed[:3])
    return details + (f"; and {len(changed) - 3} more" if len(changed) > 3 else "")


class OutputDirectory:
    """Paths of a command's results, and the protection of an earlier command's results.

    A finished run leaves `runs/{run}.json`, written last: this file marks the run as finished.

    Args:
        path: The directory; it is created with the first file.

    Raises:
        InputError: Its name is empty or names a file.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = named_folder(path)

    def model(self, run: str) -> Path:
        """Folder of a run's final model."""
        return self.path / "models" / run

    def adapter(self, run: str) -> Path:
        """Folder of a run's LoRA adapter; the run's model has the adapter merged in."""
        return self.path / "adapters" / run

    def checkpoints(self, run: str) -> Path:
        """Folder of a run's training checkpoints."""
        return self.path / "checkpoints" / run

    def predictions(self, run: str, language: str) -> Path:
        """File of a run's predictions in a language."""
        return self.path / "predictions" / run / f"{language}.tsv"

    def retries(self, run: str) -> Path:
        """File that says which attempts at an unfinished run failed, and how the next one is made."""
        return self.checkpoints(run) / "retries.json"

    def record(self, run: str) -> Path:
        """File that describes a finished run."""
        return self.path / "runs" / f"{run}.json"

    @property
    def results(self) -> Path:
        """The file with all results."""
        return self.path / "results.json"

    def finished(self, run: str) -> dict[str, Any] | None:
        """Returns the record of a finished run, else None.

        Raises:
            InputError: It cannot be read.
        """
        path = self.record(run)
        return read_json(path, "Remove it to train that run again.") if path.is_file() else None

    def check_free(self, *, resume: bool, overwrite: bool, inputs: Mapping[str, str] | None = None) -> bool:
        """Refuses to mix results, to touch foreign files, and to delete what the command reads.

        Args:
            resume: Whether to go on with an earlier command.
            overwrite: Whether to delete what it left.
            inputs: Files and folders to read, by the option that named each; `{language}` stands for any code.

        Returns:
            Whether to start anew rather than go on. With `resume` too there is nothing to go on from if no run was
            finished and no checkpoint written.

        Raises:
            InputError: Files of names that the command would write lie here, and no `arguments.json` says that a
                command of ours wrote them; it does, but neither `resume` nor `overwrite` is wished; there is nothing
                to resume; an input would be deleted; or a folder is where a file should be, or the other way round.
        """
        misplaced = [name for name in FILES if (self.path / name).is_dir()]
        misplaced += [name for name in FOLDERS if (self.path / name).is_file()]
        if misplaced:
            kind, other = ("folder", "file") if misplaced[0] in FILES else ("file", "folder")
            raise InputError(
                f"{self.path / misplaced[0]} is a {kind}, but the results need a {other} of that "
                "name. Move it, or choose another --output_dir."
            )
        taken, record = present(self.path), read_record(self.path)
        if resume and record is None:
            raise InputError(f"There is nothing to resume in {self.path}. Start without --resume_from_checkpoint.")
        if taken and record is None:
            raise InputError(
                f"--output_dir {self.path} contains {', '.join(taken)}, and no {RECORD} shows that a "
                "command of this package wrote them. They stay as they are: choose another directory."
            )
        kept = kept_files(self.path, record) if record is not None else []
        if kept and not resume and not overwrite:
            raise InputError(
                f"--output_dir {self.path} contains another run's results ({', '.join(taken)}). Choose another "
                "directory, continue that run with --resume_from_checkpoint last, or delete it with --overwrite."
            )
        anew = not (kept and resume)
        if anew and record is not None:
            files = own_files(self.path, record)
            for option, name in (inputs or {}).items():
                if names_one(name, files):
                    raise InputError(
                        f"{option} {name} is inside --output_dir {self.path}, whose files are deleted "
                        "at the start. Choose another --output_dir."
                    )
        return anew

    def has_results(self) -> bool:
        """Returns whether a command of ours left something here that `--resume_from_checkpoint last` can continue."""
        record = read_record(self.path)
        return record is not None and bool(kept_files(self.path, record))

    def replaced(self, runs: Sequence[str] | None) -> int:
        """Returns how many bytes of earlier files a command replaces: those of these runs, or of all if None."""
        record = read_record(self.path)
        files = [] if record is None else own_files(self.path, record)
        if runs is not None:
            files = [path for path in files if path.relative_to(self.path).parts[1:2] in {(run,) for run in runs}]
        return sum(path.stat().st_size for path in files if path.is_file())

    def check_same(self, arguments: Mapping[str, Any]) -> None:
        """Refuses to resume with arguments other than those that the directory was started with.

        Raises:
            InputError: They differ; the message names the places.
        """
        before = read_json(self.arguments, "Start again with --overwrite, or in another directory.")
        if details := differences(before, arguments, (" before", " now")):
            raise InputError(f"{self.path} was started with other arguments ({details}). Resume with the same ones.")

    @property
    def arguments(self) -> Path:
        """File that records what the directory was started with."""
        return self.path / RECORD

    def start(self, arguments: Mapping[str, Any]) -> list[str]:
        """Deletes what an earlier command left, as `check_free` allowed, and notes the arguments of this one.

        Returns:
            Files among the deleted ones that stay, since no command of ours wrote them.
        """
        self._delete()
        write_json(self.arguments, arguments)
        others = [path for name in FOLDERS for path in (self.path / name).rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(self.path)) for path in others)

    def clear(self) -> None:
        """Deletes what our commands wrote according to `arguments.json`, and nothing else."""
        self._delete()
        if read_record(self.path) is not None:  # Deleted last: until then it says which files are ours.
            self.arguments.unlink()

    def _delete(self) -> None:
        record = read_record(self.path)
        files = [] if record is None else own_files(self.path, record)
        files = [path for path in files if path != self.arguments]
        for path in files:
            path.unlink()
        folders = {folder for path in files for folder in path.relative_to(self.path).parents if folder.parts}
        for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
            if not (self.path / folder).is_symlink() and not any((self.path / folder).iterdir()):
                (self.path / folder).rmdir()

    def remove_checkpoints(self, run: str) -> None:
        """Deletes the checkpoints of a run that ended, but not what logging integrations wrote beside them."""
        folder = self.checkpoints(run)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        self.retries(run).unlink(missing_ok=True)
        for empty in (folder, folder.parent):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()

    def last_checkpoint(self, run: str) -> Path | None:
        """Returns the newest complete checkpoint of a run, else None."""
        # The Trainer writes its state last.
        complete = [path.parent for path in self.checkpoints(run).glob("checkpoint-*/trainer_state.json")]
        return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
