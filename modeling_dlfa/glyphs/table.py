"""The table that tells what each token of a vocabulary looks like, and its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..files.folders import new_folder
from ..files.writing import write_json
from ..glyphs_dlfa import KEY, RECORD_FILE, TABLE_FILE, check_vocabulary, read_glyphs

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET_FILE = "contact_sheet.png"
# Extra columns, 0 or 1, behind the features.
BITS = ("special", "byte", "no_glyph", "starts_word", "continues_word")


@dataclass(frozen=True, eq=False)
class GlyphTable:
    """What the tokens of a vocabulary look like.

    Attributes:
        values: (V, d + 5) half precision, a row a token id. The first d columns are features of the rendered token,
            with mean 0 and standard deviation 1 over the tokens that have a glyph, and 0 for those that have none.
            The others are the bits of `BITS`: special tokens and unused ids; bytes; text that leaves no ink or that no
            font could draw; tokens that begin a word; tokens that continue one.
        record: What `glyphs.json` says: vocabulary, fonts, method, coverage by script, command, versions.
        sheet: Samples to look at; None if the table was loaded.
    """

    values: torch.Tensor
    record: dict[str, Any]
    sheet: Image | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Columns, bits included: what a model calls `glyph_size`."""
        return self.values.size(1)

    @property
    def control(self) -> str | None:
        """The control that the table is, such as `permuted`; None for the glyphs themselves."""
        return self.record.get("control")

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Checks that the rows belong to a tokenizer's ids.

        Raises:
            InputError: The table was made of another vocabulary.
        """
        try:
            check_vocabulary(self.record, tokenizer)
        except ValueError as error:
            raise InputError(str(error)) from error

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the table, its record and, where there is one, the contact sheet; all or nothing.

        Args:
            folder: Made where it is absent.

        Raises:
            InputError: It holds something.
        """
        with new_folder(Path(folder), "--output_dir") as draft:
            # `save_file` would close the file to other users.
            content = save({KEY: self.values.contiguous()}, metadata={"format": "pt"})
            (draft / TABLE_FILE).write_bytes(content)
            write_json(draft / RECORD_FILE, self.record)
            if self.sheet is not None:
                self.sheet.save(draft / SHEET_FILE, optimize=True)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> GlyphTable:
        """Reads a table; needs no fonts.

        Raises:
            InputError: The folder holds none, or one that is not whole.
        """
        try:
            return cls(*read_glyphs(folder))
        except ValueError as error:
            raise InputError(str(error)) from error
