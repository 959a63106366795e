"""Makes a table of what each token of a vocabulary looks like: a row of numbers from its rendered image.

`dlfa glyphs TOKENIZER --output_dir glyphs/`
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..command.parser import CommandParser
from ..command.redaction import hide_secrets


def main(argv: Sequence[str]) -> None:
    """Makes the table, its record and a contact sheet."""
    parser = CommandParser(prog="dlfa glyphs", description=__doc__)
    parser.add_argument("tokenizer", help="Folder or Hub id of a tokenizer or encoder, or a vocab.txt.")
    parser.add_argument("--output_dir", required=True, help="A new folder.")
    parser.add_argument("--font_dir", help="Fonts of your own, asked before the installed packages'.")
    parser.add_argument(
        "--encoder", choices=("pca", "conv"), default="pca", help="Principal components, or an autoencoder."
    )
    parser.add_argument("--size", type=int, default=64, help="Numbers a token, besides its bits; 64 if left out.")
    parser.add_argument("--seed", type=int, default=0, help="Of the autoencoder.")
    parser.add_argument("--compare", action="store_true", help="Measure what each encoder tells; into glyphs.json.")
    given = parser.parse_args(argv)

    from pathlib import Path

    from ..files.folders import check_new_folder, named_folder
    from ..glyphs import build_glyph_table
    from ..glyphs.vocabulary import load_tokenizer

    folder = named_folder(given.output_dir, "--output_dir")
    check_new_folder(folder)
    table = build_glyph_table(
        load_tokenizer(given.tokenizer),
        font_dir=Path(given.font_dir) if given.font_dir else None,
        encoder=given.encoder,
        size=given.size,
        seed=given.seed,
        compare=given.compare,
        command=hide_secrets(shlex.join(["dlfa", "glyphs", *argv])),
        progress=lambda message: print(message, flush=True),
    )
    table.save(folder)
    for script, counts in table.record["coverage"].items():
        print(
            f"{script:>5} {counts['tokens']:>8,} tokens, {counts['drawn']:>8,} drawn, {counts['missing']:>6,} missing"
        )
    print(f"Glyphs: {folder}", flush=True)
