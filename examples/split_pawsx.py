"""Splits PAWS-X development files into train, validation and test, where the English training file is not at hand.

`python examples/split_pawsx.py 'pawsx/dev-{language}.tsv' runs/pawsx-data` writes `train-en.tsv` and
`validation-en.tsv`, and for every language `test-{language}.tsv`: translations of the validation rows, never of the
training rows. English itself is tested on the rows on which checkpoints are chosen, which favours it a little.
"""

from __future__ import annotations

import random
from pathlib import Path

from modeling_dlfa.command.ending import one_line
from modeling_dlfa.command.parser import CommandParser
from modeling_dlfa.data.loading import load_file, resolve_languages, rows_are_aligned
from modeling_dlfa.data.splits import Split
from modeling_dlfa.errors import InputError
from modeling_dlfa.files.folders import new_folder
from modeling_dlfa.tasks import PAWSX


def held_out(split: Split, rows: int, seed: int) -> list[int]:
    """Draws rows such that no sentence of theirs stands in any other row.

    PAWS has pairs that share a sentence; a model could remember it from training.

    Args:
        split: The English examples.
        rows: How many to hold out.
        seed: Of the drawing.

    Returns:
        Their positions, ascending.

    Raises:
        InputError: So many cannot be held out.
    """
    if not 0 < rows < len(split):
        raise InputError(f"Of {len(split)} rows, {rows} cannot be held out. Give another --validation_rows.")
    leader = list(range(len(split)))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = row = leader[leader[row]]
        return row

    first_with: dict[str, int] = {}
    for column in split.texts:
        for row, sentence in enumerate(column):
            leader[find(row)] = find(first_with.setdefault(sentence, row))
    groups: dict[int, list[int]] = {}
    for row in range(len(split)):
        groups.setdefault(find(row), []).append(row)
    shuffled = list(groups.values())
    random.Random(seed).shuffle(shuffled)
    drawn: list[int] = []
    for group in shuffled:
        if len(drawn) + len(group) <= rows:
            drawn += group
    if len(drawn) < rows:
        raise InputError(f"Too many rows share sentences to hold out {rows}. Give another --validation_rows.")
    return sorted(drawn)


def write(split: Split, rows: list[int], path: Path) -> None:
    """Writes some rows of a split as a TSV file with a header, which must not exist yet."""
    lines = ["\t".join((*PAWSX.text_columns, PAWSX.label_column))]
    lines += ["\t".join((*(column[row] for column in split.texts), PAWSX.labels[split.labels[row]])) for row in rows]
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")


def main(argv: list[str] | None = None) -> None:
    """Writes the files, or ends with one message and exit status 2."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("files", help="Development files; {language} in the name stands for the language code.")
    parser.add_argument("output_dir", type=Path, help="New folder.")
    parser.add_argument("--validation_rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    with one_line():
        languages = resolve_languages(["all"], PAWSX, given.files)
        if PAWSX.source_language not in languages:
            raise InputError(f"{given.files}: no English file, on which to train. Give all languages' files.")
        splits = {code: load_file(given.files.replace("{language}", code), PAWSX, code) for code in languages}
        english = splits[PAWSX.source_language]
        if not rows_are_aligned([english, *splits.values()], PAWSX):
            raise InputError(
                "The rows of these files are not translations of each other in one order, so training rows could be "
                "tested. Give the published files unchanged."
            )
        test = held_out(english, given.validation_rows, given.seed)
        train = sorted(set(range(len(english))) - set(test))
        with new_folder(given.output_dir, "output_dir") as folder:
            write(english, train, folder / "train-en.tsv")
            write(english, test, folder / "validation-en.tsv")
            for code, split in splits.items():
                write(split, test, folder / f"test-{code}.tsv")
    print(f"{len(train)} rows to train on, {len(test)} to validate on and to test {' '.join(languages)}.")


if __name__ == "__main__":
    main()
