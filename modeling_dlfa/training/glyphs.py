"""`--glyphs`: the table of what each token looks like, checked before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from ..glyphs import GlyphTable
from ..glyphs_dlfa import TABLE_FILE
from ..pretrained_dlfa import file_sha256
from .options import ModelArguments


def load_table(model: ModelArguments) -> GlyphTable | None:
    """Reads the table named by `--glyphs`; None without one.

    Raises:
        InputError: The folder holds no table, or an incomplete one.
    """
    return None if model.glyphs is None else GlyphTable.load(model.glyphs)


def check_glyphs(model: ModelArguments, tokenizer: PreTrainedTokenizerBase) -> None:
    """Checks that the table was made from the model's vocabulary.

    Raises:
        InputError: It was made from another one.
    """
    if table := load_table(model):
        table.check_tokenizer(tokenizer)


def glyphs_record(model: ModelArguments) -> dict[str, Any]:
    """Returns the recipe's entry for the table that shapes a result; empty without one."""
    table = load_table(model)
    if table is None or model.glyphs is None:
        return {}
    method = table.record.get("method", {}).get("encoder", "table")
    return {"glyphs": f"{method}, sha256 {file_sha256(Path(model.glyphs) / TABLE_FILE)}"}
