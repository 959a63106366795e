"""Building a table of glyphs: read the vocabulary, draw it, turn images into numbers, say what was done."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerBase

from ..errors import InputError
from ..glyphs_dlfa import FORMAT, vocabulary_hash
from ..version import __version__
from .features import ENCODERS, standardise
from .pieces import BYTE, SPECIAL, TEXT, Piece, read_pieces
from .table import BITS, GlyphTable

if TYPE_CHECKING:
    from .fonts import FontSet

SIZE = 64
_LIBRARIES = {"PIL": "pillow", "fontTools": "fonttools"}
_EXAMPLES = 8


def build_glyph_table(
    tokenizer: PreTrainedTokenizerBase,
    *,
    font_dir: str | os.PathLike | None = None,
    encoder: str = "pca",
    size: int = SIZE,
    seed: int = 0,
    compare: bool = False,
    command: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> GlyphTable:
    """Makes a row of numbers for each token of a vocabulary, from what the token looks like.

    Args:
        tokenizer: A fast one: WordPiece, SentencePiece or byte-level BPE.
        font_dir: Your own fonts, tried before those of the installed packages.
        encoder: A key of `ENCODERS`: `"pca"`, principal components, the same for the same fonts and vocabulary;
            `"conv"`, a convolutional autoencoder, some minutes of training.
        size: d, numbers a row, before the bits of `table.BITS`.
        seed: Of the autoencoder, and of the comparison's samples.
        compare: Whether to measure what each of the encoders tells, see `quality.measure`; needs scikit-learn.
        command: What to record as the command that made the table.
        progress: Is told what is being done.

    Returns:
        The table, with a contact sheet.

    Raises:
        InputError: A library or all fonts are missing, the encoder is unknown, the tokenizer is of another kind, or
            the vocabulary has too few glyphs for `size` numbers.
    """
    _check(encoder, size, compare)
    from .fonts import load_fonts
    from .rendering import render_all
    from .sheet import draw_sheet

    tell = progress or (lambda message: None)
    pieces = read_pieces(tokenizer)
    fonts = load_fonts(font_dir)
    tell(f"Drawing {len(pieces):,} tokens with {len(fonts.fonts)} fonts.")
    images = render_all(pieces, fonts, lambda count: tell(f"{count:,} of {len(pieces):,} drawn."))
    drawn = images.rows >= 0
    if not drawn.any():
        raise InputError("These fonts cannot draw any token of this vocabulary. Name others with --font_dir.")
    counts = torch.bincount(images.rows[drawn], minlength=len(images.pixels))
    features, methods = {}, {}
    for name in ENCODERS if compare else (encoder,):
        tell(f"Encoding {len(images.pixels):,} different images: {name}.")
        encoded = ENCODERS[name](images.pixels, counts, size, seed)
        features[name] = torch.zeros(len(pieces), size)
        features[name][drawn] = standardise(encoded.values, counts)[images.rows[drawn]]
        methods[name] = encoded.method
    record = {
        "format": FORMAT,
        "command": command,
        "seed": seed,
        "tokenizer": {
            "name": tokenizer.name_or_path,
            "tokens": len(pieces),
            "sha256": vocabulary_hash(tokenizer),
        },
        "columns": {"features": size, "bits": list(BITS)},
        "method": {**methods[encoder], "standardised": "mean 0, standard deviation 1 over tokens with a glyph"},
        "rendering": _rendering(),
        "different_images": len(images.pixels),
        "coverage": coverage(pieces, images.status, fonts),
        "fonts": [{**font.record(), "tokens": images.fonts.get(font, 0)} for font in fonts.fonts],
        "versions": _versions(),
    }
    if compare:
        from .quality import measure

        tell("Comparing the encoders.")
        record["quality"] = {name: measure(values, pieces, drawn, seed) for name, values in features.items()}
    values = torch.cat([features[encoder], row_bits(pieces, drawn)], dim=1).half()
    return GlyphTable(values, record, draw_sheet(pieces, images.status, fonts))


def row_bits(pieces: Sequence[Piece], drawn: torch.Tensor) -> torch.Tensor:
    """Returns the (V, 5) columns of `table.BITS`, 0 or 1.

    Args:
        pieces: (V) of a vocabulary.
        drawn: (V,) which of them have a glyph.
    """
    rows = [
        (
            piece.kind == SPECIAL,
            piece.kind == BYTE,
            piece.kind == TEXT and not has_glyph,
            piece.starts_word,
            piece.continues_word,
        )
        for piece, has_glyph in zip(pieces, drawn.tolist(), strict=True)
    ]
    return torch.tensor(rows).float()


def coverage(pieces: Sequence[Piece], status: Sequence[str], fonts: FontSet) -> dict[str, dict[str, Any]]:
    """Counts by script what has a glyph, what leaves no ink, and what no font could draw.

    Args:
        pieces: (V) of a vocabulary.
        status: (V) what became of each, see `rendering.Glyph`.
        fonts: What they were drawn with, to name the characters that it lacks.

    Returns:
        For each script, by ISO 15924 code and the most frequent first (`"Zyyy"`: digits and signs), how many tokens
        there are, `drawn`, `blank` and `missing`, the share of them missing, and the characters that are missing most
        often. Special tokens and bytes have no script; they are counted under `"none"`.
    """
    from .rendering import BLANK, DRAWN, MISSING
    from .scripts import text_script

    counts: dict[str, Counter[str]] = {}
    lacking: dict[str, Counter[str]] = {}
    for piece, state in zip(pieces, status, strict=True):
        script = text_script(piece.text) if piece.kind == TEXT else "none"
        counts.setdefault(script, Counter())[state] += 1
        if state == MISSING:
            lacking.setdefault(script, Counter()).update(set(fonts.missing(piece.text)))
    found: dict[str, dict[str, Any]] = {}
    for script, states in sorted(counts.items(), key=lambda item: (-item[1].total(), item[0])):
        found[script] = {
            "tokens": states.total(),
            **{state: states[state] for state in (DRAWN, BLANK, MISSING)},
            "missing_share": round(states[MISSING] / states.total(), 4),
        }
        if script in lacking:
            frequent = sorted(lacking[script].items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES]
            found[script]["missing_characters"] = [_code_points(characters) for characters, _ in frequent]
    return found


def _code_points(characters: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in characters)


def _check(encoder: str, size: int, compare: bool) -> None:
    needed = _LIBRARIES | ({"sklearn": "scikit-learn"} if compare else {})
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"Glyphs need {', '.join(missing)} (not installed): pip install 'modeling-dlfa[glyphs]'.")
    if encoder not in ENCODERS:
        raise InputError(f"There is no encoder {encoder!r}. Choose: {', '.join(ENCODERS)}.")
    if size < 1:
        raise InputError(f"--size {size} leaves no numbers in a row. Give 1 or more.")


def _rendering() -> dict[str, Any]:
    from .fonts import FONT_SIZE, OVERSAMPLING
    from .rendering import BASELINE, HEIGHT, POOL, WIDTH

    return {
        "height": HEIGHT,
        "width": WIDTH,
        "font_size": FONT_SIZE,
        "oversampling": OVERSAMPLING,
        "baseline": BASELINE,
        "pooled_to": [HEIGHT // POOL, WIDTH // POOL],
        "marks": "a leading mark follows U+00A0, so that no dotted circle is drawn",
        "joining": "a token of a joining script that continues a word follows U+200D",
    }


def _versions() -> dict[str, str | None]:
    from PIL import features

    packages = ("pillow", "fonttools", "torch", "transformers", "tokenizers")
    versions: dict[str, str | None] = {"modeling_dlfa": __version__}
    versions |= {package: importlib.metadata.version(package) for package in packages}
    return versions | {name: features.version(name) for name in ("raqm", "harfbuzz", "fribidi", "freetype2")}
