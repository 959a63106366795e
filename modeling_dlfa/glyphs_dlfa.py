"""The visual stream: what each token looks like. This file travels with every checkpoint.

A look is a row of numbers, computed once from the rendered token (`dlfa glyphs`) and saved: no font is needed here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.modeling_utils import load_state_dict

TABLE_FILE, RECORD_FILE, KEY = "glyphs.safetensors", "glyphs.json", "glyphs"
FORMAT, CONTROLS = 1, ("permuted", "gaussian", "script", "ngrams")


class GlyphStream(nn.Module):
    """A secondary stream of looks: `LayerNorm(Linear(row))`, with rows from the table or given.

    With a kernel of several tokens a depth-wise convolution over neighbours comes before the linear map (together a
    depth-wise separable one); it starts as the identity.

    Args:
        config: Read are `glyph_size` (d), `glyph_kernel_size`, `glyph_table`, `hidden_size` (E), `vocab_size` (V).
    """

    table: Tensor | None  # V x d in half precision, whatever the model's type; None without `glyph_table`.

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.size, kernel = config.glyph_size, config.glyph_kernel_size
        rows = torch.zeros(config.vocab_size, self.size, dtype=torch.float16) if config.glyph_table else None
        self.register_buffer("table", rows)
        options: dict[str, Any] = {"padding": kernel // 2, "groups": self.size, "bias": False}
        self.neighbours = nn.Conv1d(self.size, self.size, kernel, **options) if kernel > 1 else None
        self.projection = nn.Linear(self.size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=1e-5)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GlyphStream:
        """Keeps the table in half precision when a call such as `float` or `to(torch.bfloat16)` changes types."""
        table = self.table
        super()._apply(fn, recurse)
        if table is not None and self.table is not None and self.table.dtype != table.dtype:
            self.table = table.to(self.table.device)
        return self

    def fill(self, rows: Tensor) -> None:
        """Stores rows for the first ids; further ids have no look (all zeros)."""
        assert self.table is not None
        self.table.zero_()[: len(rows)] = rows.to(self.table)

    def resize(self, rows: int) -> None:
        """Follows a change of the vocabulary: new ids have no look."""
        if self.table is not None:
            kept = self.table[:rows]
            self.table = torch.cat((kept, kept.new_zeros(rows - len(kept), self.size)))

    def forward(self, ids: Tensor | None, visual_embeds: Tensor | None, mask: Tensor | None, length: int) -> Tensor:
        """Returns the stream, B x T x E; arguments as in `glyph_stream`, with T the length."""
        rows = visual_embeds
        if rows is None:
            if self.table is None or ids is None:
                reason = "the model has no table of glyphs" if self.table is None else "there are no input_ids"
                raise ValueError(f"The glyphs cannot be looked up: {reason}. Give visual_embeds.")
            rows = nn.functional.embedding(ids, self.table)
        elif rows.dim() != 3 or rows.size(1) not in (1, length) or rows.size(2) != self.size:
            shapes = f"B x {length} x {self.size}, or B x 1 x {self.size} for all tokens alike"
            raise ValueError(f"visual_embeds is {tuple(rows.shape)}; give {shapes}.")
        else:
            rows = rows.expand(-1, length, -1)
        rows = rows.to(self.projection.weight.dtype)
        if mask is not None and (visual_embeds is not None or self.neighbours is not None):
            # Neighbours read it, and in training a value that is not finite would be multiplied by 0.
            rows = rows.masked_fill((mask == 0).unsqueeze(-1), 0.0)
        if self.neighbours is not None:
            # Of strided rows, on AVX2, the projection's last bits differ between two copies of a model.
            rows = self.neighbours(rows.transpose(1, 2)).transpose(1, 2).contiguous()
        return self.norm(self.projection(rows))


def glyph_stream(
    module: GlyphStream | None, inputs: Mapping[str, Any], visual_embeds: Tensor | None, mask: Tensor | None
) -> list[Tensor]:
    """Returns the visual stream (B x T x E) of `input_ids` (B x T), or of `visual_embeds` (B x T x d or B x 1 x d).

    Raises a ValueError if there is nothing to look up, or if `visual_embeds` have a wrong shape or are not read.
    """
    if module is None:
        if visual_embeds is not None:
            raise ValueError("visual_embeds needs a visual stream, but this model has glyph_size=0. Leave it out.")
        return []
    ids, embeds = inputs["input_ids"], inputs["inputs_embeds"]
    if ids is None and embeds is None:
        return []  # The backbone reports the error.
    return [module(ids, visual_embeds, mask, (embeds if ids is None else ids).size(1))]


def init_glyphs(module: nn.Module) -> None:
    """Initialises what the general rule does not; runs after it, children first."""
    if isinstance(module, GlyphStream) and module.table is not None:
        nn.init.zeros_(module.table)
    if isinstance(module, GlyphStream) and module.neighbours is not None:
        nn.init.dirac_(module.neighbours.weight, module.size)


def check_glyphs(config: Any) -> None:
    """Raises a ValueError if a configuration's values for the visual stream do not exist or have no effect."""
    size, kernel = config.glyph_size, config.glyph_kernel_size
    if type(size) is not int or size < 0:
        raise ValueError(f"glyph_size={size!r}: give the number of columns of the table of glyphs, or 0 for none.")
    if type(kernel) is not int or kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"glyph_kernel_size={kernel!r} is not an odd number of tokens; 1 reads each token alone.")
    if not isinstance(config.glyph_table, bool) and config.glyph_table not in CONTROLS:
        raise ValueError(f"glyph_table={config.glyph_table!r} is not True or False, or one of {', '.join(CONTROLS)}.")
    if not size and (kernel > 1 or config.glyph_table is not True):
        name = "glyph_kernel_size" if kernel > 1 else "glyph_table"
        raise ValueError(f"{name} has no effect without a visual stream (glyph_size=0). Leave it out.")


def vocabulary_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns the SHA-256 of all ids with their tokens; it covers nothing else of a tokenizer."""
    tokens = {index: token for token, index in tokenizer.get_vocab().items()}
    return hashlib.sha256(json.dumps(sorted(tokens.items()), separators=(",", ":")).encode()).hexdigest()


def check_vocabulary(record: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises a ValueError if the table that `record` describes was made from another vocabulary than a tokenizer's."""
    made_of = record["tokenizer"]
    if vocabulary_hash(tokenizer) != made_of["sha256"]:
        raise ValueError(
            f"The glyphs were made for another vocabulary, {made_of['name']} ({made_of['tokens']:,}), than that of "
            f"{tokenizer.name_or_path} ({len(tokenizer.get_vocab()):,}). Make them for the model's own tokenizer."
        )


def read_glyphs(folder: str | os.PathLike) -> tuple[Tensor, dict[str, Any]]:
    """Returns the table (V x d) that `dlfa glyphs` wrote into a folder, and its record; without one, a ValueError."""
    path = Path(folder)
    try:
        record = json.loads((path / RECORD_FILE).read_text(encoding="utf-8"))
        values = load_state_dict(str(path / TABLE_FILE))[KEY]
        columns, tokens = record["columns"], record["tokenizer"]["tokens"]
        shape = (tokens, columns["features"] + len(columns["bits"]))
        if record["format"] != FORMAT or tuple(values.shape) != shape or not values.isfinite().all():
            raise ValueError(f"format {record['format']}, {tuple(values.shape)} for {shape} finite numbers")
    except Exception as error:  # safetensors has its own error.
        raise ValueError(f"{path} contains no complete table of glyphs: {error!r}. Use `dlfa glyphs`.") from error
    return values, record


def load_glyphs(glyphs: Any, encoder: Any, hub_arguments: Mapping[str, Any], options: dict[str, Any]) -> Tensor | None:
    """Returns a table (V x d) unchanged, or a folder's, or None for None; sets `glyph_size` and `glyph_table` to fit.

    Raises a ValueError unless a folder's table is whole, made from the vocabulary of `encoder`'s tokenizer, and fits.
    """
    if glyphs is None:
        return None
    if not isinstance(glyphs, (str, os.PathLike, Tensor)):
        raise TypeError(f"glyphs is {type(glyphs).__name__}; give a folder that `dlfa glyphs` wrote, or a tensor.")
    values, record = (glyphs, None) if isinstance(glyphs, Tensor) else read_glyphs(glyphs)
    if values.dim() != 2 or not values.half().isfinite().all():
        raise ValueError(f"glyphs is {tuple(values.shape)}; give V x d numbers that are finite in half precision.")
    options.setdefault("glyph_size", values.size(1))
    if record is None:
        return values
    kind = record.get("control", True)
    if options.setdefault("glyph_table", kind) != kind:
        raise ValueError(f"glyph_table={options['glyph_table']!r} does not fit {glyphs}; it needs {kind!r}.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder, **hub_arguments)
    except Exception as error:  # If files are missing, each release of transformers raises whatever fails first.
        raise ValueError(
            f"{encoder or 'The model'} has no tokenizer that can be loaded to check the glyphs' vocabulary. Save it "
            "there, or give the table itself (GlyphTable.load(folder).values), which is used unchecked."
        ) from error
    check_vocabulary(record, tokenizer)
    return values


def check_table(config: Any, table: Tensor | None) -> None:
    """Raises a ValueError if a table (V x d) and a configuration do not match, or one comes without the other."""
    expected = config.glyph_size if config.glyph_table else 0
    if table is None and expected:
        raise ValueError(f"glyph_size={expected} needs glyphs=..., or glyph_table=False to take only visual_embeds.")
    if table is None:
        return
    # Embeddings are often padded beyond the tokenizer's own ids, but never to twice their number.
    rows = config.vocab_size if expected else 0
    if table.size(1) != expected or not rows / 2 <= len(table) <= rows:
        raise ValueError(
            f"The glyphs are {len(table):,} rows of {table.size(1)}, but the configuration expects a row of "
            f"{expected} for each of {rows:,} tokens."
        )
