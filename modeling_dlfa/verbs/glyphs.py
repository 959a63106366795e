"""Makes a table of what each token of a vocabulary looks like: a row of numbers from its rendered image.

`dlfa glyphs TOKENIZER --output_dir glyphs/`
`dlfa glyphs TOKENIZER --control permuted --table glyphs/ --output_dir permuted/`: a control, as many numbers that do
not tell what a token looks like.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..command.parser import CommandParser
from ..command.redaction import hide_secrets
from ..errors import InputError

if TYPE_CHECKING:
    from ..glyphs import GlyphTable

_OF_GLYPHS = ("font_dir", "encoder", "size", "compare")


def main(argv: Sequence[str]) -> None:
    """Makes the table, its record and a contact sheet; or a control of a finished table."""
    parser = CommandParser(prog="dlfa glyphs", description=__doc__)
    parser.add_argument("tokenizer", help="Folder or Hub id of a tokenizer or encoder, or a vocab.txt.")
    parser.add_argument("--output_dir", required=True, help="A new folder.")
    parser.add_argument("--font_dir", help="Your own fonts, tried before those of the installed packages.")
    parser.add_argument(
        "--encoder", choices=("pca", "conv"), help="Principal components (if left out) or an autoencoder."
    )
    parser.add_argument("--size", type=int, help="Numbers per token, besides its bits; 64 if left out.")
    parser.add_argument(
        "--seed", type=int, default=0, help="Seed of the autoencoder or of the control; 0 if left out."
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        default=None,
        help="Measure how well each encoding tells tokens apart; written to glyphs.json.",
    )
    parser.add_argument(
        "--control",
        choices=("permuted", "gaussian", "script", "ngrams"),
        help="Make a control of --table: its rows permuted, normal numbers, one-hot scripts, hashed spelling.",
    )
    parser.add_argument("--table", help="Folder of finished glyphs, whose size, bits and statistics a control takes.")
    given = parser.parse_args(argv)
    command = hide_secrets(shlex.join(["dlfa", "glyphs", *argv]))

    from ..files.folders import check_new_folder, named_folder

    folder = named_folder(given.output_dir, "--output_dir")
    check_new_folder(folder)
    if given.control or given.table:
        _control(given, command).save(folder)
        print(f"Control: {folder}", flush=True)
        return
    table = _glyphs(given, command)
    table.save(folder)
    for script, counts in table.record["coverage"].items():
        print(
            f"{script:>5} {counts['tokens']:>8,} tokens, {counts['drawn']:>8,} drawn, {counts['missing']:>6,} missing"
        )
    print(f"Glyphs: {folder}", flush=True)


def _glyphs(given: argparse.Namespace, command: str) -> GlyphTable:
    from pathlib import Path

    from ..glyphs import build_glyph_table
    from ..glyphs.build import SIZE
    from ..glyphs.vocabulary import load_tokenizer

    return build_glyph_table(
        load_tokenizer(given.tokenizer),
        font_dir=Path(given.font_dir) if given.font_dir else None,
        encoder=given.encoder or "pca",
        size=SIZE if given.size is None else given.size,
        seed=given.seed,
        compare=bool(given.compare),
        command=command,
        progress=lambda message: print(message, flush=True),
    )


def _control(given: argparse.Namespace, command: str) -> GlyphTable:
    if not given.control:
        raise InputError("--table is what a control is made from. Choose one with --control, or leave it out.")
    if not given.table:
        raise InputError(f"--control {given.control} is made from finished glyphs. Name their folder with --table.")
    others = [f"--{name}" for name in _OF_GLYPHS if getattr(given, name) is not None]
    if others:
        raise InputError(f"A control takes size and statistics from --table. Leave out {', '.join(others)}.")

    from ..glyphs import build_control_table
    from ..glyphs.vocabulary import load_tokenizer

    tokenizer = load_tokenizer(given.tokenizer)
    return build_control_table(given.table, tokenizer, given.control, seed=given.seed, command=command)
