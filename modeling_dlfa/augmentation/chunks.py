"""Long work in pieces that are kept on disk, so that a command that was stopped goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import InputError
from ..files.writing import draft_file, write_json

_SETTINGS = "settings.json"
ROWS = 512


class Chunks:
    """A folder beside an output file that holds what is finished of it, and is removed when the file is there.

    Args:
        output: The file to be written.
        settings: All that shapes it; a folder of other settings is refused.
        overwrite: Whether such a folder is deleted instead.

    Raises:
        InputError: There is one, and it is not to be deleted.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any], *, overwrite: bool) -> None:
        self.folder = output.with_name(f".{output.name}.parts")
        wanted = json.loads(json.dumps(settings))
        record = self.folder / _SETTINGS
        if record.is_file() and json.loads(record.read_text(encoding="utf-8")) != wanted:
            if not overwrite:
                raise InputError(
                    f"{self.folder} holds the unfinished work of another command for {output}. Repeat that command to "
                    "finish it, or delete its work with --overwrite."
                )
            self.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(record, wanted)

    def compute(self, rows: int, write: Callable[[range, Path], None], *, part: int = 0) -> Iterator[Path]:
        """Computes what is missing of a part of the file, and yields the finished pieces in order.

        Args:
            rows: Number of rows.
            write: Computes some of them and writes them into a file.
            part: Which part, such as a copy of all rows.
        """
        starts = range(0, rows, ROWS)
        for start in tqdm(starts, desc=f"Asking ({part + 1})", unit=f" x {ROWS} rows", leave=False, disable=None):
            path = self.folder / f"{part}-{start:09}"
            if not path.is_file():
                with draft_file(path) as draft:
                    write(range(start, min(start + ROWS, rows)), draft)
            yield path

    def remove(self) -> None:
        """Deletes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
