"""Makes a file with visual noise from a file without."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools.unicodedata import script_name
from transformers import PreTrainedTokenizerBase

from ..command.wording import counted
from ..errors import InputError
from ..glyphs.scripts import COMMON
from ..inference.source import STREAM, InputSource
from ..inference.writing import check_output, open_output
from ..pretrained_dlfa import file_sha256
from .formats import rewrite
from .words import Changer


@dataclass(frozen=True)
class Outcome:
    """The outcome for one file.

    Attributes:
        rows: Rows or sentences.
        changer: Counts the words.
        sums: SHA-256 of the source file, `input`, and of the written one, `output`.
    """

    rows: int
    changer: Changer
    sums: dict[str, str]

    def record(self) -> dict[str, Any]:
        """Returns the outcome as JSON holds it."""
        return {**self.sums, "rows": self.rows, **self.changer.record()}

    def summary(self) -> str:
        """Says in a few lines how many words were changed, in which scripts, and which scripts have no such noise."""
        total = self.changer.total
        lines = [
            f"{counted(self.rows, 'row')}, {counted(total.words, 'word')}: {total.chosen:,} chosen, {total.changed:,} "
            f"changed ({total.changed / max(total.words, 1):.1%})"
        ]
        for script, counts in self.changer.ordered():
            share = f"{counts.changed:,} of {counted(counts.words, 'word')} ({counts.changed / counts.words:.1%})"
            if script in self.changer.noise.scripts:
                lines.append(f"{script_name(script)}: {share}")
            elif script != COMMON:
                also = f", but for letters of other scripts in {share}" if counts.changed else ""
                lines.append(f"{script_name(script)}: no noise of this kind, left as it is{also}")
        if total.undone:
            lines.append(f"tokenizer: {total.undone / total.changed:.1%} of the changed words read as before")
        return "\n  ".join(lines)


def check_noisy_file(path: str, output_file: str, overwrite: bool = False, inputs: Sequence[str] = ()) -> None:
    """Refuses an output name that would replace something or that contradicts the format.

    Args:
        path: The file to read.
        output_file: The file to write.
        overwrite: Whether it may be replaced.
        inputs: Other files that are read.

    Raises:
        InputError: It may not be written.
    """
    if path == STREAM:
        raise InputError("Standard input is not read here. Give a file.")
    check_output(output_file, overwrite, [path, *inputs])
    extension = Path(path).suffix
    if Path(output_file).suffix.lower() != extension.lower():
        raise InputError(f"--output_file {output_file} has the format of {path}. Keep the extension {extension}.")


def perturb_file(
    path: str | os.PathLike,
    output_file: str | os.PathLike,
    noise: str,
    *,
    share: float = 0.1,
    seed: int = 0,
    columns: Sequence[str] = (),
    tokenizer: PreTrainedTokenizerBase | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Rewrites a file of texts or of tagged words, with visual noise in a share of its words.

    Labels, tags, other columns and the order of rows stay as they are. The file is read and written row by row,
    and appears whole or not at all.

    Args:
        path: TSV with a header, or one word and its tag per line (CoNLL), as training reads them.
        output_file: A file of the same format.
        noise: `"homoglyphs"`: letters of Latin, Cyrillic and Greek become those of another of these scripts that look
            the same; `"diacritics"`: the marks of these scripts, and of Arabic and Hebrew vowels, are dropped;
            `"leetspeak"`: Latin letters become digits. In a chosen word, every letter is changed that can be.
        share: Share of the words, above 0 and up to 1. The choice depends only on the seed and on the words' places.
        seed: Seed of the choice.
        columns: Columns with texts; if empty, known names (`premise`, `hypothesis`, ...) are looked for.
        tokenizer: Used to count how many changed words its normalisation turns back.
        overwrite: Whether the output file may be replaced.

    Raises:
        InputError: A file is missing or malformed, or exists and may not be replaced, or an argument is wrong.
    """
    path, output_file = os.fspath(path), os.fspath(output_file)
    changer = Changer(noise, share=share, seed=seed, tokenizer=tokenizer)
    check_noisy_file(path, output_file, overwrite)
    source = InputSource(path, twice=False)
    with open_output(output_file) as file:
        rows = rewrite(source, tuple(columns), changer, file)
    read = file_sha256(Path(path).expanduser())
    return Outcome(rows, changer, {"input": read, "output": file_sha256(output_file)})
