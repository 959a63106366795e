"""The command: a table of glyphs for a tokenizer."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ..command.ending import one_line
from ..command.parser import CommandParser
from ..command.redaction import hide_secrets
from ..errors import InputError
from ..files.folders import check_new_folder, named_folder
from .build import SIZE, build_glyph_table
from .features import ENCODERS
from .table import PROGRAM

_VOCABULARY = "vocab.txt"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command: wrong input ends with one message and exit status 2.

    Args:
        argv: Arguments without the program's name; the process's own if None.

    Raises:
        SystemExit: Status 2 on wrong input.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser().parse_args(argv)
    with one_line():
        folder = named_folder(arguments.output_dir, "--output_dir")
        check_new_folder(folder)
        table = build_glyph_table(
            load_tokenizer(arguments.tokenizer),
            font_dir=arguments.font_dir,
            encoder=arguments.encoder,
            size=arguments.size,
            seed=arguments.seed,
            compare=arguments.compare,
            command=hide_secrets(f"{PROGRAM} {shlex.join(argv)}"),
            progress=lambda message: print(message, flush=True),
        )
        table.save(folder)
    for script, counts in table.record["coverage"].items():
        print(
            f"{script:>5} {counts['tokens']:>8,} tokens, {counts['drawn']:>8,} drawn, {counts['missing']:>6,} missing"
        )
    print(f"Glyphs: {arguments.output_dir}", flush=True)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Loads a tokenizer by its folder or name on the Hub, or a WordPiece vocabulary by its `vocab.txt` alone.

    Args:
        name: What `AutoTokenizer` takes; or a `vocab.txt`, or a folder that holds nothing else of a tokenizer.

    Raises:
        InputError: It cannot be loaded.
    """
    path = Path(name)
    vocabulary = path / _VOCABULARY if path.is_dir() else path
    described = path.is_dir() and any((path / file).is_file() for file in ("tokenizer_config.json", "config.json"))
    if vocabulary.is_file() and vocabulary.name == _VOCABULARY and not described:
        # Rules for text do not matter to what a token looks like.
        pieces = BertWordPieceTokenizer(str(vocabulary), lowercase=False)
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(pieces.to_str())
        )
        tokenizer.name_or_path = name
        return tokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"Cannot load the tokenizer of {name}: {reason}. Name its folder or its vocab.txt."
        ) from error
    return tokenizer


def _parser() -> CommandParser:
    parser = CommandParser(
        prog=PROGRAM,
        description="Write what each token of a vocabulary looks like: a row of numbers, made of its rendered image.",
    )
    parser.add_argument("tokenizer", help="a folder or name on the Hub, or a vocab.txt")
    parser.add_argument("--output_dir", required=True, help="a new folder")
    parser.add_argument("--font_dir", type=Path, help="fonts of your own, asked before the installed packages'")
    parser.add_argument("--encoder", choices=tuple(ENCODERS), default="pca", help="default: %(default)s")
    parser.add_argument("--size", type=int, default=SIZE, help="numbers a token, without bits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the autoencoder (default: %(default)s)")
    parser.add_argument("--compare", action="store_true", help="measure what each encoder tells; into glyphs.json")
    return parser
