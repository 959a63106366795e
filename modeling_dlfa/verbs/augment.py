"""Writes English training data anew with words switched into other languages, or a file of what to mix into them.

`dlfa augment xnli --train_file train.tsv --teacher MODEL --languages de ru zh --language_text 'text/{language}.txt'
--output_file switched.tsv`: rows and switched copies, to be trained on.
The same with `--mixup_file train.safetensors`: for `dlfa train xnli --train_file train.tsv --mixup train.safetensors`.

A masked language model proposes the words (our reading of SALT); see docs/augmentation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ..command.parser import CommandParser
from ..errors import InputError


def main(argv: Sequence[str]) -> None:
    """Writes the file, and says what it holds."""
    parser = CommandParser(prog="dlfa augment", description=__doc__)
    parser.add_argument("task", metavar="TASK", help="xnli, pawsx, ner or pos.")
    parser.add_argument("--train_file", required=True, help="English training data: TSV, CSV, CoNLL, JSON or Parquet.")
    parser.add_argument("--output_file", help="Rows and switched copies: .tsv, .csv or .jsonl.")
    parser.add_argument("--mixup_file", help="Instead: what dlfa train --mixup reads, .safetensors.")
    parser.add_argument("--teacher", required=True, help="Folder or Hub id of a masked language model.")
    parser.add_argument("--languages", nargs="+", default=[], help="Codes of the target languages.")
    parser.add_argument("--language_text", help="Unlabelled text, such as 'text/{language}.txt'; English as well.")
    parser.add_argument("--candidates", choices=("teacher", "random", "same_language"), help="The last two: controls.")
    parser.add_argument("--masking", choices=("mask", "none", "prompt"), help="What stands in a word's place.")
    parser.add_argument("--top_k", type=int, help="Pieces kept for a word; 10 if left out.")
    parser.add_argument("--temperature", type=float, help="Divides the logits; 1 if left out.")
    parser.add_argument("--language_choice", choices=("even", "teacher"), help="Who chooses a word's language.")
    parser.add_argument("--switch_probability", type=float, help="Share of the words; 0.15 if left out.")
    parser.add_argument("--copies", type=int, help="Switched copies of every row; 1 if left out.")
    parser.add_argument("--only_copies", action="store_true", help="Leave out the original rows.")
    parser.add_argument("--max_length", type=int, help="Longest input in tokens; the task's if left out.")
    parser.add_argument("--max_train_samples", type=int, help="Take only the first rows.")
    parser.add_argument("--batch_size", type=int, help="Inputs that the teacher reads at once; 32 if left out.")
    parser.add_argument("--seed", type=int, help="Of every draw; 0 if left out.")
    parser.add_argument("--report_file", help="Also write counts, shares and examples as JSON.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the file, or unfinished work for it.")
    given = parser.parse_args(argv)

    from pathlib import Path

    from ..augmentation import Settings, augment_file, write_mixup_file
    from ..files.folders import free_file
    from ..files.writing import write_json
    from ..tasks import get_task

    if (given.output_file is None) == (given.mixup_file is None):
        raise InputError("Name one file to write: --output_file for switched copies, or --mixup_file.")
    task = get_task(given.task)
    wished = {entry.name: getattr(given, entry.name) for entry in fields(Settings)}
    settings = Settings(**{name: value for name, value in wished.items() if value is not None})
    if given.mixup_file is not None:
        without = {"--copies": given.copies, "--only_copies": given.only_copies, "--report_file": given.report_file}
        if useless := [name for name, value in without.items() if value]:
            raise InputError(f"{useless[0]} has no effect with --mixup_file. Remove it.")
        table = write_mixup_file(task, given.train_file, given.mixup_file, settings, overwrite=given.overwrite)
        print(f"{given.mixup_file}: {len(table):,} inputs, {len(table.positions):,} words", flush=True)
        return
    if given.report_file:
        free_file(
            given.report_file,
            "--report_file",
            overwrite=given.overwrite,
            inputs=[given.train_file],
            outputs=[given.output_file],
        )
    outcome = augment_file(
        task,
        given.train_file,
        given.output_file,
        settings,
        copies=1 if given.copies is None else given.copies,
        only_copies=given.only_copies,
        overwrite=given.overwrite,
    )
    print(f"{given.output_file}: {outcome.summary()}", flush=True)
    if given.report_file:
        write_json(Path(given.report_file), {**settings.record(), **outcome.record()})
