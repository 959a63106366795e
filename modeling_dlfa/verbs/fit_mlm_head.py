"""Trains the head of a masked language model on an encoder that has none, to be a teacher of dlfa augment.

`dlfa fit-mlm-head ENCODER --text 'text/{language}.txt' --output_dir teacher/`

The encoder stays as it is. What transformers' AutoModelForMaskedLM loads is saved, and mlm_head.json, which says how
many held-out pieces it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ..command.parser import CommandParser


def main(argv: Sequence[str]) -> None:
    """Trains and saves the model, and says how good it is."""
    parser = CommandParser(prog="dlfa fit-mlm-head", description=__doc__)
    parser.add_argument("encoder", metavar="ENCODER", help="Folder or Hub id of an encoder with a mask token.")
    parser.add_argument("--text", required=True, help="Unlabelled text, a sentence a line: 'text/{language}.txt'.")
    parser.add_argument("--output_dir", required=True, help="A new folder.")
    parser.add_argument("--languages", nargs="+", help="Codes, or all that have a file, if left out.")
    parser.add_argument("--lines", type=int, help="Of each text, from its beginning; 1000 if left out.")
    parser.add_argument("--max_length", type=int, help="Longest input in tokens; 64 if left out.")
    parser.add_argument("--mlm_probability", type=float, help="Share of pieces to predict; 0.15 if left out.")
    parser.add_argument("--softmax_pieces", type=int, help="Sampled pieces in a softmax; 4096 if left out.")
    parser.add_argument("--num_train_epochs", type=int, help="5 if left out.")
    parser.add_argument("--learning_rate", type=float, help="At the start; 1e-3 if left out.")
    parser.add_argument("--batch_size", type=int, help="Pieces of a step; 256 if left out.")
    parser.add_argument("--seed", type=int, help="0 if left out.")
    given = parser.parse_args(argv)

    from ..augmentation.mlm_head import HeadSettings, fit_mlm_head
    from ..files.folders import check_new_folder, named_folder

    folder = named_folder(given.output_dir)
    check_new_folder(folder)
    wished = {entry.name: getattr(given, entry.name) for entry in fields(HeadSettings)}
    settings = HeadSettings(**{name: value for name, value in wished.items() if value is not None})
    found = fit_mlm_head(given.encoder, given.text, folder, settings)
    print(
        f"{folder}: of {found['held_out']:,} held-out pieces, all masked, {found['accuracy']:.1%} are found, "
        f"{found['accuracy_top5']:.1%} among the first five; the most frequent piece is {found['most_frequent']:.1%}.",
        flush=True,
    )
