"""Writes an encoder or a DLFA checkpoint with the part of its vocabulary that texts need.

`dlfa trim ENCODER --texts 'text/{language}.txt' --output_dir small/`

The texts, one a line, are then cut into the same pieces and have the same states, bit for bit. Others may be cut
finer: their share is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..command.parser import CommandParser
from ..errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def main(argv: Sequence[str]) -> None:
    """Writes the folder, and says what became smaller and which texts are cut finer."""
    parser = CommandParser(prog="dlfa trim", description=__doc__)
    parser.add_argument("model", help="Folder or Hub id of an encoder, or of a DLFA checkpoint.")
    parser.add_argument("--texts", required=True, help="Text files, a text a line; {language} stands for the code.")
    parser.add_argument("--output_dir", required=True, help="A new folder.")
    parser.add_argument("--languages", nargs="+", default=["all"], help="Codes, or all that have a file.")
    parser.add_argument(
        "--other_texts",
        help="Such files again: tell how many of their texts are cut finer. If left out, each text is counted against "
        "the rest.",
    )
    given = parser.parse_args(argv)

    from ..files.folders import check_new_folder, named_folder

    check_new_folder(named_folder(given.output_dir))
    texts = _files(given.texts, given.languages)
    others = None if given.other_texts is None else _files(given.other_texts, given.languages)

    from ..trimming.trim import trim_vocabulary

    outcome = trim_vocabulary(
        given.model,
        {code: _lines(path) for code, path in texts.items()},
        given.output_dir,
        other_texts=None if others is None else {code: _lines(path) for code, path in others.items()},
    )
    print(f"{outcome.summary()}\nTrimmed: {given.output_dir}", flush=True)


def _files(pattern: str, languages: Sequence[str]) -> Mapping[str, Path]:
    from ..data.files import PLACEHOLDER, expand_files, languages_on_disk

    if PLACEHOLDER not in pattern and languages != ["all"]:
        raise InputError(f"--languages is for names with {PLACEHOLDER}. Leave it out.")
    if PLACEHOLDER not in pattern:
        return expand_files(pattern, ["all"])
    found = languages_on_disk(pattern) if languages == ["all"] else languages
    if not found:
        raise InputError(f"{pattern}: there is no file for any language. Check the path.")
    return expand_files(pattern, found)


def _lines(path: Path) -> Iterator[str]:
    """The texts of a file; blank lines are passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                place = f"{path}, line {number}"
                raise InputError(f"{place}: not UTF-8 (byte {error.start + 1}). Convert it to UTF-8.") from None
            if text.strip():
                yield text
