"""Control tables: as many numbers a token as glyphs have, with the same statistics, but not what the token looks like.

A gain from glyphs counts where these do not give it: `permuted` and `gaussian` tell nothing of a token but which one
it is, `script` what it is written in, `ngrams` how it is spelt.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..pretrained_dlfa import file_sha256
from ..version import __version__
from .features import Encoded, principal_components, standardise
from .pieces import Piece, read_pieces
from .table import TABLE_FILE, GlyphTable

BUCKETS = 1024  # As many as the pooled image has pixels.
LENGTHS = range(1, 5)
_WITHOUT_GLYPH = ("special", "byte", "no_glyph")


def build_control_table(
    folder: str | os.PathLike,
    tokenizer: PreTrainedTokenizerBase,
    control: str,
    *,
    seed: int = 0,
    command: str | None = None,
) -> GlyphTable:
    """Makes a control of a finished table of glyphs, to be used in its place.

    Shape, type and bits are those of the glyphs; tokens without a glyph keep their zeros, and each column has mean 0
    and standard deviation 1 over the others.

    Args:
        folder: Of the table of glyphs.
        tokenizer: The one that the glyphs were made of.
        control: A key of `CONTROLS`. `"permuted"`: the rows of the glyphs, each given to another token or by chance to
            the same. `"gaussian"`: normal numbers. `"script"`: tokens of one script (by Unicode; digits and signs
            count as one) have the same row, one-hot and projected by a normal matrix. `"ngrams"`: the hashed character
            n-grams of a token's text, as fastText takes them, reduced by principal components like the images.
        seed: Of permutation, normal numbers and hash.
        command: What to record as the command that made the table.

    Returns:
        The table. Its record names the control, the seed, and the SHA-256 of the table that it was made from.

    Raises:
        InputError: There is no such control, the folder holds no whole table, or one that is itself a control or of
            another vocabulary, the vocabulary has one script alone, or fontTools, which tells scripts, is missing.
    """
    if control not in CONTROLS:
        raise InputError(f"There is no control {control!r}. Choose: {', '.join(CONTROLS)}.")
    table = GlyphTable.load(folder)
    if table.control:
        raise InputError(f"{folder} holds a control ({table.control}). Give the glyphs behind it.")
    table.check_tokenizer(tokenizer)
    size, bits = table.record["columns"]["features"], table.record["columns"]["bits"]
    excluded = [size + bits.index(name) for name in _WITHOUT_GLYPH]
    drawn = ~table.values[:, excluded].bool().any(dim=1)
    pieces = [piece for piece, has_glyph in zip(read_pieces(tokenizer), drawn.tolist(), strict=True) if has_glyph]
    encoded = CONTROLS[control](table.values[drawn, :size], pieces, seed)
    values = table.values.clone()
    values[drawn, :size] = encoded.values.half()
    record = {
        "format": table.record["format"],
        "command": command,
        "control": control,
        "seed": seed,
        "made_from": {
            "sha256": file_sha256(Path(folder) / TABLE_FILE),
            **{name: table.record.get(name) for name in ("command", "method", "seed")},
        },
        "tokenizer": table.record["tokenizer"],
        "columns": table.record["columns"],
        "method": {"encoder": control, **encoded.method, "standardised": table.record["method"]["standardised"]},
        "versions": {"modeling_dlfa": __version__, "torch": torch.__version__},
    }
    return GlyphTable(values, record)


def _permuted(features: torch.Tensor, pieces: Sequence[Piece], seed: int) -> Encoded:
    return Encoded(features[torch.randperm(len(features), generator=_generator(seed))], {})


def _gaussian(features: torch.Tensor, pieces: Sequence[Piece], seed: int) -> Encoded:
    values = torch.randn(features.shape, generator=_generator(seed))
    return Encoded(standardise(values, torch.ones(len(values))), {})


def _scripts(features: torch.Tensor, pieces: Sequence[Piece], seed: int) -> Encoded:
    from .scripts import text_script

    scripts = [text_script(piece.text) for piece in pieces]
    counts = Counter(scripts)
    if len(counts) < 2:
        raise InputError(f"All tokens with a glyph are of one script ({', '.join(counts)}), which then tells nothing.")
    names = sorted(counts)
    rows = torch.tensor([names.index(script) for script in scripts])
    # A row of the matrix is the product of a one-hot and the matrix.
    projection = torch.randn(len(names), features.size(1), generator=_generator(seed))
    method = {"scripts": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))}
    counted = torch.tensor([counts[name] for name in names])
    return Encoded(standardise(projection, counted)[rows], method)


def _spelling(features: torch.Tensor, pieces: Sequence[Piece], seed: int) -> Encoded:
    counts = Counter(piece.text for piece in pieces)
    place = {text: index for index, text in enumerate(counts)}
    key = str(seed).encode()

    @lru_cache(maxsize=1 << 16)
    def bucket(ngram: str) -> int:
        return int.from_bytes(blake2b(ngram.encode(), digest_size=8, key=key).digest(), "little") % BUCKETS

    hashed = torch.zeros(len(counts), BUCKETS, dtype=torch.uint8)
    for text, index in place.items():
        row = torch.bincount(torch.tensor([bucket(ngram) for ngram in character_ngrams(text)]), minlength=BUCKETS)
        hashed[index] = (255 * row / row.square().sum().sqrt()).round()
    numbers = torch.tensor(list(counts.values()))
    encoded = principal_components(hashed, numbers, features.size(1), seed)
    values = standardise(encoded.values, numbers)[[place[piece.text] for piece in pieces]]
    method = {
        "ngrams": [LENGTHS.start, LENGTHS.stop - 1],
        "buckets": BUCKETS,
        "explained_variance": encoded.method["explained_variance"],
    }
    return Encoded(values, method)


def character_ngrams(text: str) -> Iterator[str]:
    """Gives the n-grams of `LENGTHS` of a text, whose ends are marked by `<` and `>`; no mark stands alone."""
    marked = f"<{text}>"
    for length in LENGTHS:
        for start in range(len(marked) - length + 1):
            if length > 1 or 0 < start < len(marked) - 1:
                yield marked[start : start + length]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CONTROLS: dict[str, Callable[[torch.Tensor, Sequence[Piece], int], Encoded]] = {
    "permuted": _permuted,
    "gaussian": _gaussian,
    "script": _scripts,
    "ngrams": _spelling,
}
