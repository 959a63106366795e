"""Shows which tokens of a text, or a pair, take how much from the lower layer: as text and, with --png, as a picture.

`dlfa gate CHECKPOINT "A dog was eating." "An animal was eating." --png gate.png`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..command.parser import CommandParser
from ..training.argument_checks import check_installed


def main(argv: Sequence[str]) -> None:
    """Shows the gate."""
    parser = CommandParser(prog="dlfa gate", description=__doc__)
    parser.add_argument("checkpoint", help="Folder or Hub id of a DLFA checkpoint.")
    parser.add_argument("text")
    parser.add_argument("text_pair", nargs="?", help="For checkpoints that take pairs.")
    parser.add_argument("--png", help="File for the picture.")
    parser.add_argument("--text_file", help="File for the text; standard output if left out.")
    parser.add_argument("--overwrite", action="store_true", help="Replace existing files.")
    parser.add_argument("--revision", help="Branch, tag or commit on the Hub.")
    given = parser.parse_args(argv)

    from ..errors import InputError
    from ..files.folders import free_file
    from ..files.writing import write_text
    from ..inference.gate_view import fusion_text, load_fusion, plot_fusion, view_fusion

    hub = {"revision": given.revision} if given.revision else {}
    written: list[str] = []
    for option, name in {"--png": given.png, "--text_file": given.text_file}.items():
        if name is not None:
            free_file(name, option, overwrite=given.overwrite, inputs=[given.checkpoint], outputs=written)
            written.append(name)
    if given.png is not None:
        if Path(given.png).suffix not in (".png", ".svg", ".pdf"):
            raise InputError(f"--png {given.png}: the extension decides the format. Use .png, .svg or .pdf.")
        check_installed(["matplotlib"], "studies", "--png")
    view = view_fusion(*load_fusion(given.checkpoint, **hub), given.text, given.text_pair)
    if given.text_file:
        write_text(Path(given.text_file), fusion_text(view))
    else:
        sys.stdout.buffer.write(fusion_text(view).encode())
        sys.stdout.flush()
    if given.png:
        missing = plot_fusion(view, given.png)
        if missing:
            print(
                f"{missing} tokens are shown as numbers in {given.png}: its font cannot write them.", file=sys.stderr
            )
